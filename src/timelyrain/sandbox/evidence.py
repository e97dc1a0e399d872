"""What a lender would have gathered about n people, as columns in the order of the lender's evidence schema.

The sandbox knows the lender's schema only as the names and codes below; a test holds them to `decisioning.TABLES`, and another
holds these columns to what the lender's parsers make of the same people's documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from timelyrain.sandbox import bank, credit, device, shop, tax, telecom
from timelyrain.sandbox.days import Moments, civil, day_number, day_start
from timelyrain.sandbox.lives import Bools, Lives
from timelyrain.sandbox.noise import Ints

_YUAN = 100
# positions in the lender's lists, by ours
_FLOW = np.array([0, 2, 3, 5, 4, 6, 11, 8, 7, 10, 1])  # bank.CODES -> bank_flow.kind
_GAMBLING = 9
_GAMBLING_MCC = (7995,)
_SETTLED, _OVERDUE = 3, 1
_LETTER = np.array([ord(mark) for mark in "N1234567C"])  # rows of one day stand by letter
_MONTH = np.array([0, 2, 3, 4, 5, 6, 7, 8, 13])  # credit.marks -> bureau_month.state
SOURCES = ("identity", "bureau", "bank", "telecom", "shop", "tax", "device")


@dataclass(frozen=True)
class Table:
    """Flat columns; counts says how many rows each of the n people has."""

    counts: Ints
    columns: Mapping[str, Ints]


@dataclass(frozen=True)
class Gathered:
    """facts: name -> (values, known), n long. missing: source -> flags, n long."""

    facts: Mapping[str, tuple[Ints, Bools]]
    tables: Mapping[str, Table]
    missing: Mapping[str, Bools]


def gather(c: Lives, when: Moments, file: credit.File, id_valid_until: Ints, no_telecom: Bools) -> Gathered:
    """id_valid_until: day numbers."""
    n = len(c)
    registered, bills = shop.since(c, when), telecom.bills(c, when)
    nobody = np.zeros(n, np.bool_)
    missing = dict.fromkeys(SOURCES, nobody) | {
        "telecom": no_telecom,
        "shop": registered > when.date,
        "tax": ~c.recorded,
    }
    values = {
        "age": (_years(c, when), ~nobody),
        "id_valid_days": (np.clip(id_valid_until - when.date, 0, 40_000), ~nobody),
        "id_match": (np.ones(n, np.int64), ~nobody),
        "bureau_score": (np.maximum(file.score, 0), file.score >= 0),
        "public_records": (file.records, ~nobody),
        "phone_match": (np.ones(n, np.int64), ~no_telecom),
        "phone_tenure_days": (
            np.minimum((when.at - day_start(day_number(bills.since))) // 86_400, 20_000),
            ~no_telecom,
        ),
        "shop_tenure_days": (np.clip(when.date - registered, 0, 20_000), ~missing["shop"]),
        "device_tenure_days": (np.clip(when.date - device.first_seen(c, when), 0, 20_000), ~nobody),
    }
    tables = {
        "bank_flow": _flows(c, when, file),
        **_bureau(c, when, file),
        "telecom_bill": _bills(when, bills, no_telecom),
        "shop_order": _orders(c, when, missing["shop"]),
        "tax_record": _records(c, when, missing["tax"]),
        "device_event": _events(c, when),
    }
    return Gathered(values, tables, missing)


def _years(c: Lives, when: Moments) -> Ints:
    """Full years of age."""
    month, day = civil(c.born)
    return (when.month - month - (when.day < day)) // 12


def _table(n: int, owner: Ints, **columns: Ints) -> Table:
    return Table(np.bincount(owner, minlength=n), columns)


def _flows(c: Lives, when: Moments, file: credit.File) -> Table:
    f = bank.transactions(c, when, file=file)
    code = np.where((f.code == bank.OUT) & (f.amount > 0), bank.IN, f.code)  # the sweep goes either way
    kind = np.where((f.code == bank.SHOP) & np.isin(f.mcc, _GAMBLING_MCC), _GAMBLING, _FLOW[code])
    return _table(
        len(c),
        f.owner,
        at=f.at,
        amount_fen=f.amount,
        balance_fen=f.balance,
        kind=kind,
        counterparty=f.party,
        mcc=f.mcc,
    )


def _bureau(c: Lives, when: Moments, file: credit.File) -> dict[str, Table]:
    a, n, keep = file.accounts, len(c), np.flatnonzero(file.listed)
    owner, over = a.owner[keep], file.ended[keep] > 0
    last = np.where(over, 0, file.behind[keep, -1])
    due = file.due_now[keep] // _YUAN * _YUAN
    account = {
        "at": day_start(credit.opened_date(a)[keep]),
        "kind": a.kind[keep],
        "limit_fen": a.limit_fen[keep] // _YUAN * _YUAN,
        "balance_fen": file.owed_now[keep] // _YUAN * _YUAN,
        "monthly_due_fen": due,
        "state": np.where(over, _SETTLED, np.where(last > 0, _OVERDUE, 0)),
        "closed": np.where(over, day_start(credit.closed_date(file)[keep]), 0),
        "lender": a.lender[keep],
        "term_months": a.term[keep],
        "overdue_fen": last * file.due_now[keep] // _YUAN * _YUAN,
        "overdue_months": last,
    }
    order = np.lexsort((*list(account.values())[::-1], owner))
    marks = credit.marks(file)[keep]
    row, at = np.nonzero(marks >= 0)
    month_owner, mark = owner[row], marks[row, at]
    overdue = np.where((mark >= 1) & (mark <= 7), file.due[keep][row, at] * mark // _YUAN * _YUAN, 0)
    ends = day_start(day_number(file.months[month_owner, at] + 1) - 1)
    state = _MONTH[mark]
    months = np.lexsort((overdue, _LETTER[mark], ends, month_owner))
    q = file.asked
    who, date, amount, left, bad = credit.guarantees(c, when)
    return {
        "bureau_account": _table(n, owner, **{name: x[order] for name, x in account.items()}),
        "bureau_month": _table(
            n, month_owner, at=ends[months], state=state[months], overdue_fen=overdue[months]
        ),
        "bureau_inquiry": _table(n, q.owner, at=day_start(q.date), kind=q.reason, lender=q.lender),
        "bureau_guarantee": _table(
            n, who, at=day_start(date), amount_fen=amount, balance_fen=left, overdue=bad.astype(np.int64)
        ),
    }


def _bills(when: Moments, b: telecom.Bills, gone: Bools) -> Table:
    owner, at = np.nonzero(~gone[:, None] & (b.due > 0))
    due, paid = b.due[owner, at], b.paid[owner, at]
    days = np.clip(np.where(paid > 0, paid, when.date[owner]) - due, 0, 3_650)
    late = (paid == 0) | (paid > due)
    return _table(
        len(gone),
        owner,
        at=day_start(due),
        amount_fen=b.amount[owner, at],
        late=late.astype(np.int64),
        late_days=np.where(late, days, 0),
    )


def _orders(c: Lives, when: Moments, gone: Bools) -> Table:
    f = shop.orders(c, when)
    keep = np.flatnonzero(~gone[f.owner])
    columns = {
        "at": f.at,
        "side": f.side,
        "category": f.category,
        "amount_fen": f.amount,
        "refunded": f.refunded,
        "pay": f.pay,
        "merchant": f.merchant,
        "address": f.address,
    }
    return _table(len(c), f.owner[keep], **{name: x[keep] for name, x in columns.items()})


def _records(c: Lives, when: Moments, gone: Bools) -> Table:
    f = tax.records(c, when)
    keep = np.flatnonzero(~gone[f.owner])
    columns = {
        "at": day_start(f.date),
        "kind": f.kind,
        "base_fen": f.base,
        "amount_fen": f.amount,
        "employer": f.employer,
    }
    return _table(len(c), f.owner[keep], **{name: x[keep] for name, x in columns.items()})


def _events(c: Lives, when: Moments) -> Table:
    f = device.events(c, when)
    return _table(len(c), f.owner, at=f.at, kind=f.kind, device=f.device, accounts=f.accounts, place=f.place)
