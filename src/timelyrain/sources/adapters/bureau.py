"""The credit bureau (征信): a second-generation report through a licensed bureau, here the sandbox's.

Block codes and code lists: second-generation report structure (facts in docs/sandbox.md). Amounts are whole yuan there.
"""

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from timelyrain.sources.adapters.document import (
    MOST_ROWS,
    Key,
    Yuan,
    columns,
    epoch,
    keys,
    malformed,
    month,
    month_end,
    reader,
)
from timelyrain.sources.ports import Column, Extract, Question, Subject

_STATES = frozenset("N*1234567MDZBCGA#")
_NO_STATE = "/"  # before opening and after settlement: not a month of the account
_MONTHS = 24
_ACCOUNT = (
    "at",
    "kind",
    "limit_fen",
    "balance_fen",
    "monthly_due_fen",
    "state",
    "closed",
    "lender",
    "term_months",
    "overdue_fen",
    "overdue_months",
)
_Status = Literal[
    "normal",
    "overdue",
    "bad_debt",
    "settled",
    "closed",
    "frozen",
    "stopped",
    "inactive",
    "transferred",
    "unknown",
]
_Months = Annotated[int, Meta(ge=0, le=600)]


class BureauSource:
    name = "bureau"
    purpose = "credit_report_query"
    recipient = "credit_bureau"

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}/bureau/report"

    def question(self, subject: Subject, consent_id: str, as_of: datetime) -> Question:
        body = {
            "name": subject.name,
            "id_number": subject.id_number,
            "purpose": "loan_approval",
            "consent_id": consent_id,
            "as_of": as_of.isoformat(),
        }
        return Question(self.name, self._url, body)

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_report(document, as_of)


class _Basic(msgspec.Struct):
    account_type: Literal["D1", "R1", "R2", "R3"]
    lender_code: Key
    opened: date
    limit_yuan: Yuan
    term_months: _Months | None


class _Latest(msgspec.Struct):
    closed: date | None
    balance_yuan: Yuan
    status: _Status


class _Due(msgspec.Struct):
    due_yuan: Yuan
    overdue_yuan: Yuan
    overdue_months: _Months


class _History(msgspec.Struct, rename={"since": "from"}):
    since: str
    states: Annotated[str, Meta(min_length=_MONTHS, max_length=_MONTHS)]


class _Overdue(msgspec.Struct):
    month: str
    overdue_yuan: Yuan


class _Account(msgspec.Struct):
    A: _Basic
    B: _Latest
    C: _Due
    D: _History
    E: list[_Overdue]


class _Inquiry(msgspec.Struct):
    on: date
    reason: Literal["loan_approval", "card_approval", "post_loan", "self"]
    lender: Key


class _Guarantee(msgspec.Struct):
    on: date
    amount_yuan: Yuan
    balance_yuan: Yuan
    overdue: bool


class _Score(msgspec.Struct):
    score: Annotated[int, Meta(ge=0, le=1000)] | None


class _Public(msgspec.Struct):
    records: Annotated[int, Meta(ge=0, le=1000)]


class _PSM(msgspec.Struct):
    PC01: _Score


class _PPO(msgspec.Struct):
    PC04: _Public


class _PDA(msgspec.Struct):
    PD01: _Account


class _POQ(msgspec.Struct):
    PH01: _Inquiry


class _PCR(msgspec.Struct):
    PD03: _Guarantee


class _Report(msgspec.Struct):
    PSM: _PSM
    PPO: _PPO
    PDA: Annotated[list[_PDA], Meta(max_length=4_000)]
    POQ: Annotated[list[_POQ], MOST_ROWS]
    PCR: Annotated[list[_PCR], MOST_ROWS]


_read = reader("bureau", _Report)


def parse_report(document: bytes, as_of: datetime) -> Extract:
    """Report -> bureau_score, public_records; the four bureau tables, each oldest first."""
    report, now = _read(document), int(as_of.timestamp())
    accounts = [entry.PD01 for entry in report.PDA]
    lenders = keys("bureau", "$.PDA[].PD01.A.lender_code", [account.A.lender_code for account in accounts])
    asked = [entry.PH01 for entry in report.POQ]
    askers = keys("bureau", "$.POQ[].PH01.lender", [inquiry.lender for inquiry in asked])
    tables: dict[str, dict[str, Column]] = {
        "bureau_account": _columns(
            _ACCOUNT,
            [_row(number, account, lenders[number]) for number, account in enumerate(accounts)],
        ),
        "bureau_month": _columns(
            ("at", "state", "overdue_fen"),
            [row for number, account in enumerate(accounts) for row in _months(number, account)],
        ),
        "bureau_inquiry": _columns(
            ("at", "kind", "lender"),
            [(epoch(i.on), i.reason, asker) for i, asker in zip(asked, askers, strict=True)],
        ),
        "bureau_guarantee": _columns(
            ("at", "amount_fen", "balance_fen", "overdue"),
            [
                (epoch(g.on), g.amount_yuan * 100, g.balance_yuan * 100, int(g.overdue))
                for g in (entry.PD03 for entry in report.PCR)
            ],
        ),
    }
    for name, table in tables.items():
        if table["at"] and int(table["at"][-1]) > now:
            malformed("bureau", "$", f"{name}: an event after the report's own day {as_of:%Y-%m-%d}")
    facts = {"bureau_score": report.PSM.PC01.score, "public_records": report.PPO.PC04.records}
    return Extract(facts, tables)


def _row(number: int, account: _Account, lender: int) -> tuple[int | str, ...]:
    basic, latest, due = account.A, account.B, account.C
    if latest.closed and latest.closed < basic.opened:
        malformed("bureau", f"$.PDA[{number}].PD01.B.closed", "closed before it was opened")
    return (
        epoch(basic.opened),
        basic.account_type,
        basic.limit_yuan * 100,
        latest.balance_yuan * 100,
        due.due_yuan * 100,
        latest.status,
        epoch(latest.closed) if latest.closed else 0,
        lender,
        basic.term_months or 0,
        due.overdue_yuan * 100,
        due.overdue_months,
    )


def _months(number: int, account: _Account) -> list[tuple[int | str, ...]]:
    """(end of month, state, overdue fen) for the months the account lived, of the last 24."""
    place, states = f"$.PDA[{number}].PD01", account.D.states
    if odd := {*states} - _STATES - {_NO_STATE}:
        malformed("bureau", f"{place}.D.states", f"{min(odd)!r} is no repayment state")
    overdue = {
        epoch(month_end(month("bureau", f"{place}.E", entry.month))): entry.overdue_yuan * 100
        for entry in account.E
    }
    ends = _month_ends(month("bureau", f"{place}.D.from", account.D.since))
    return [
        (end, mark, overdue.get(end, 0)) for end, mark in zip(ends, states, strict=True) if mark != _NO_STATE
    ]


@lru_cache(maxsize=256)
def _month_ends(first: date) -> tuple[int, ...]:
    """The last days of 24 months from this one, epoch seconds."""
    ends = [month_end(first)]
    while len(ends) < _MONTHS:
        ends.append(month_end(ends[-1] + timedelta(days=1)))
    return tuple(epoch(on) for on in ends)


def _columns(names: tuple[str, ...], rows: list[tuple[int | str, ...]]) -> dict[str, Column]:
    """Oldest first."""
    return dict(zip(names, columns(sorted(rows), len(names)), strict=True))
