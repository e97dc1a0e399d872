"""An auditor who believes nothing: every loan by its fold, every account from its entries, every total from its parts."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection

from timelyrain.contract import look_ahead
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger
from timelyrain.servicing import accruing, dayclose, provisions, queries
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
    found = [*_accounts(trial), *_control_accounts(), *_allowances()]
    wanted = Loan.objects.order_by("shard", "id")
    loans = 0
    for loan in (wanted if shards is None else wanted.filter(shard__in=shards)).iterator(chunk_size=500):
        loans += 1
        found += _loan(loan)
    return Audit(loans, trial.postings, tuple(found))


def _accounts(trial: ledger.TrialBalance) -> Iterator[Difference]:
    if not trial.balanced:
        yield Difference("trial balance", "all", sum(line.balance_fen for line in trial.lines), 0)
    for account in ledger.drifted_accounts():
        yield Difference("kept balance is not the sum of the entries", str(account), "", "")
    for shard, on in ledger.unposted_days():
        yield Difference("day not posted as its rows say", f"{shard} {on}", "", "")


def _loan(loan: Loan) -> Iterator[Difference]:
    proof = queries.proof(loan.shard, loan.id)
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
    expected = accruing.row_of(one, ledger.disclosed_charges(loan.shard, [loan.id]))
    kept = tuple(getattr(row, name) for name in accruing.ACCRUING)
    if kept != expected:
        yield Difference("columns against the fold", str(loan.id), kept, expected)
    lines = list(
        PenaltyLine.objects.filter(shard=loan.shard, loan_id=loan.id)
        .order_by("line")
        .values_list("start_on", "at_start", "a_day", "per")
    )
    fresh = [(line.start, line.at_start, line.a_day, line.per) for line in ahead.penalties]
    if lines != fresh:
        yield Difference("penalty lines against the fold", str(loan.id), lines, fresh)


def _control_accounts() -> Iterator[Difference]:
    """What the control accounts hold is what day closes added to loans since their own accounts were last moved."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.shard, sum(d.interest_fen)::bigint, sum(d.penalty_fen)::bigint,
                   coalesce(sum(d.interest_fen) FILTER (WHERE d.suspended), 0)::bigint,
                   coalesce(sum(d.penalty_fen) FILTER (WHERE d.suspended), 0)::bigint
            FROM servicing_loan l JOIN ledger_loanday d ON d.shard = l.shard AND d.loan_id = l.id AND d."on" > l.posted_on
            GROUP BY 1
            """
        )
        parts = {row[0]: row[1:] for row in cursor.fetchall()}
    codes = (
        chart.INTEREST_RECEIVABLE,
        chart.PENALTY_RECEIVABLE,
        chart.INTEREST_SUSPENSE,
        chart.PENALTY_SUSPENSE,
    )
    held = ledger.lender_balances(codes)
    for shard in sorted(parts.keys() | {shard for shard, _ in held}):
        sums = parts.get(shard, (0, 0, 0, 0))
        for code, fen, sign in zip(codes, sums, (1, 1, -1, -1), strict=True):
            if held.get((shard, code), 0) != fen * sign:
                yield Difference(
                    f"control account {code}", f"shard {shard}", held.get((shard, code), 0), fen * sign
                )


def _allowances() -> Iterator[Difference]:
    held = ledger.lender_balances((chart.LOSS_ALLOWANCE,))
    for (shard, _), fen in held.items():
        on: date | None = dayclose.closed_up_to(shard)
        wanted = ledger.allowances(shard, on) if on else 0
        if fen != -wanted:
            yield Difference("loss allowance", f"shard {shard} {on}", fen, -wanted)
