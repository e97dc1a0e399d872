"""An auditor who believes nothing: every loan by its fold, every account from its entries, every total from its parts."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection

from timelyrain.contract import look_ahead
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger
from timelyrain.servicing import accruing, books, dayclose, provisions, queries
from timelyrain.servicing.models import Accruing, Loan, PenaltyLine
from timelyrain.servicing.services import events_of, terms_of


@dataclass(frozen=True)
class Difference:
    """What does not agree: `subject` is a loan, an account or a shard's day."""

    what: str
    subject: str
    found: Any
    expected: Any


@dataclass(frozen=True)
class Audit:
    loans: int
    postings: int
    differences: tuple[Difference, ...]

    @property
    def clean(self) -> bool:
        return not self.differences


def audit_books(shards: Collection[int] | None = None) -> Audit:
    """Recompute everything and compare; the loans of all shards, or of some. Reads only, and wants the books to stand still."""
    trial = ledger.trial_balance()
    found = [*_accounts(trial), *_allowances()]
    wanted = Loan.objects.order_by("shard", "id")
    if shards is not None:
        wanted = wanted.filter(shard__in=shards)
    loans, positions = 0, Positions()
    for loan in wanted.iterator(chunk_size=500):
        loans += 1
        found += _loan(loan, positions)
    found += _control_accounts(positions.open_days, shards)
    found += _common_accounts(positions.common, shards)
    return Audit(loans, trial.postings, tuple(found))


@dataclass(frozen=True)
class Positions:
    """By shard and account: what all loans bring to accounts that are not theirs alone, and to control accounts in open days."""

    common: Counter[tuple[int, str, UUID]] = field(default_factory=Counter[tuple[int, str, UUID]])
    open_days: Counter[tuple[int, str]] = field(default_factory=Counter[tuple[int, str]])


def _accounts(trial: ledger.TrialBalance) -> Iterator[Difference]:
    if not trial.balanced:
        yield Difference("trial balance", "all", sum(line.balance_fen for line in trial.lines), 0)
    for account in ledger.drifted_accounts():
        yield Difference("kept balance is not the sum of the entries", str(account), "", "")
    for shard, on in ledger.unposted_days():
        yield Difference("day not posted as its rows say", f"{shard} {on}", "", "")


def _loan(loan: Loan, positions: Positions) -> Iterator[Difference]:
    proof = queries.proof(loan.shard, loan.id)
    for (code, owner), fen in proof.position.items():
        if owner != loan.id and code not in _CLEARING:
            positions.common[loan.shard, code, owner] += fen
    own = ledger.loan_balances(loan.shard, loan.id)
    for code in books.CLAIM_ACCOUNTS:
        positions.open_days[loan.shard, code] += proof.replayed.get(code, 0) - own.get(code, 0)
    for code in sorted(proof.replayed.keys() | proof.booked.keys()):
        booked, replayed = proof.booked.get(code, 0), proof.replayed.get(code, 0)
        if booked != replayed:
            yield Difference(f"account {code} against the fold of {proof.on}", str(loan.id), booked, replayed)
    row = Accruing.objects.filter(shard=loan.shard, loan_id=loan.id).first()
    if row is None:
        if loan.status != "SETTLED" and loan.opened_on < (
            dayclose.closed_up_to(loan.shard) or loan.opened_on
        ):
            yield Difference("open loan without columns", str(loan.id), None, "a row of Accruing")
        return
    terms, events = terms_of(loan), events_of(loan)
    state, ahead = look_ahead(terms, events, row.from_on)
    one = dayclose.looked(loan, terms, events, state, ahead, provisions.provisions(row.from_on))
    extras = accruing.extras_of(loan.shard, [loan.id]).get(loan.id) or accruing.Extras()
    expected = accruing.row_of(one, ledger.disclosed_charges(loan.shard, [loan.id]), extras)
    kept = tuple(getattr(row, name) for name in accruing.ACCRUING)
    if kept != expected:
        yield Difference("columns against the fold", str(loan.id), kept, expected)
    lines = list(
        PenaltyLine.objects.filter(shard=loan.shard, loan_id=loan.id)
        .order_by("line")
        .values_list("start_on", "at_start", "a_day", "per")
    )
    fresh = [(line.start, line.at_start, line.a_day, line.per) for line in one.penalties]
    if lines != fresh:
        yield Difference("penalty lines against the fold", str(loan.id), lines, fresh)


_CLEARING = {chart.PAY_OUT_CLEARING, chart.RECEIPT_CLEARING}


def _control_accounts(
    open_days: Mapping[tuple[int, str], int], shards: Collection[int] | None
) -> Iterator[Difference]:
    """What the control accounts hold is what the folds say beyond the loans' own accounts, and what day closes added since."""
    held = ledger.lender_balances(books.CLAIM_ACCOUNTS)
    parts = _open_rows()
    for shard, code in sorted(open_days.keys() | held.keys() | parts.keys()):
        if shards is not None and shard not in shards:
            continue
        has, folds = held.get((shard, code), 0), open_days.get((shard, code), 0)
        if has != folds:
            yield Difference(f"control account {code} against the folds", f"shard {shard}", has, folds)
        if code in _ROWS and has != parts.get((shard, code), 0):
            yield Difference(f"control account {code}", f"shard {shard}", has, parts.get((shard, code), 0))


_ROWS = (chart.INTEREST_RECEIVABLE, chart.PENALTY_RECEIVABLE, chart.INTEREST_SUSPENSE, chart.PENALTY_SUSPENSE)


def _open_rows() -> dict[tuple[int, str], int]:
    """The rows of days since each loan's own accounts were last moved, summed."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.shard, sum(d.interest_fen)::bigint, sum(d.penalty_fen)::bigint,
                   -coalesce(sum(d.interest_fen) FILTER (WHERE d.suspended), 0)::bigint,
                   -coalesce(sum(d.penalty_fen) FILTER (WHERE d.suspended), 0)::bigint
            FROM servicing_loan l JOIN ledger_loanday d ON d.shard = l.shard AND d.loan_id = l.id AND d."on" > l.posted_on
            GROUP BY 1
            """
        )
        return {
            (row[0], code): fen for row in cursor.fetchall() for code, fen in zip(_ROWS, row[1:], strict=True)
        }


def _common_accounts(
    wanted: Mapping[tuple[int, str, UUID], int], shards: Collection[int] | None
) -> Iterator[Difference]:
    """Income, losses, and what is owed to and by partners and buyers: the sum of what each loan brought there.

    From the postings of loans and days; allowances are audited apart. The control accounts are too.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.shard, a.code, a.owner, sum(e.amount_fen)::bigint,
                   coalesce(sum(e.amount_fen) FILTER (WHERE t.loan_id IS NULL), 0)::bigint
            FROM ledger_entry e JOIN ledger_account a ON a.shard = e.shard AND a.id = e.account_id
            JOIN ledger_transfer t ON t.shard = e.shard AND t.id = e.transfer_id
            WHERE (t.loan_id IS NULL) = (t.act IN ('day_close', 'day_of_partners'))
                AND (%(all)s OR e.shard = ANY(%(shards)s))
            GROUP BY 1, 2, 3
            """,
            {"all": shards is None, "shards": list(shards or ())},
        )
        rows = cursor.fetchall()
    held = {(shard, code, owner): fen for shard, code, owner, fen, _ in rows}
    for shard, code, owner, fen, of_days in rows:
        if code == chart.LOSS_ALLOWANCE:
            held[shard, chart.CREDIT_LOSS, owner] = held.get((shard, chart.CREDIT_LOSS, owner), 0) + of_days
            result = shard, chart.LOANS_SOLD_RESULT, owner
            held[result] = held.get(result, 0) + fen - of_days
    loans = set(Loan.objects.values_list("id", flat=True))
    apart = books.CLAIM_ACCOUNTS | _CLEARING | {chart.LOSS_ALLOWANCE}
    for shard, code, owner in sorted(wanted.keys() | held.keys()):
        fen, due = held.get((shard, code, owner), 0), wanted.get((shard, code, owner), 0)
        if fen != due and code not in apart and owner not in loans:
            yield Difference(f"account {code} of {owner} against all loans", f"shard {shard}", fen, due)


def _allowances() -> Iterator[Difference]:
    held = ledger.lender_balances((chart.LOSS_ALLOWANCE,))
    for (shard, _), fen in held.items():
        on: date | None = dayclose.closed_up_to(shard)
        wanted = (ledger.allowances(shard, on) if on else 0) - _taken_since(shard, on)
        if fen != -wanted:
            yield Difference("loss allowance", f"shard {shard} {on}", fen, -wanted)


def _taken_since(shard: int, on: date | None) -> int:
    """Allowances that left the books with loans sold since the last close, less those that came back."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT coalesce(sum(e.amount_fen), 0)::bigint FROM ledger_entry e
            JOIN ledger_account a ON a.shard = e.shard AND a.id = e.account_id AND a.code = %(code)s
            JOIN ledger_transfer t ON t.shard = e.shard AND t.id = e.transfer_id AND t.loan_id IS NOT NULL
            WHERE e.shard = %(shard)s
                AND t.booked_at > coalesce(
                    (SELECT at FROM servicing_dayrun WHERE shard = %(shard)s AND "on" = %(on)s), '-infinity')
            """,
            {"code": chart.LOSS_ALLOWANCE, "shard": shard, "on": on},
        )
        return cursor.fetchone()[0]
