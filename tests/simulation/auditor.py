"""The independent auditor: recomputes balances from entries alone and loans by the naive rules, and names every difference."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from tests.simulation.naive import FIXED, MILLION, NaiveLoan
from timelyrain.contract import LoanState
from timelyrain.finance import Method, Rounding
from timelyrain.ledger import chart
from timelyrain.ledger.services import LENDER, Line

NON_ACCRUAL_AFTER_DAYS = 90


@dataclass(frozen=True)
class Posting:
    """One transfer of the in-memory ledger."""

    on: date
    loan: UUID
    lines: tuple[Line, ...]


def sums(postings: Iterable[Posting]) -> dict[UUID, dict[str, int]]:
    """By loan and chart code, what its postings moved: on its own accounts and, for its sake, on the lender's."""
    found: dict[UUID, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for posting in postings:
        for line in posting.lines:
            found[posting.loan][line.code] += line.amount_fen
    return found


def unsound(postings: Iterable[Posting]) -> list[str]:
    """Postings that cannot stand whatever the loan did: unbalanced, or on somebody else's account."""
    wrong: list[str] = []
    for n, posting in enumerate(postings):
        if over := sum(line.amount_fen for line in posting.lines):
            wrong.append(f"posting {n} of loan {posting.loan} on {posting.on} is {over} fen out of balance")
        if strange := {line.owner for line in posting.lines} - {LENDER, posting.loan}:
            wrong.append(f"posting {n} of loan {posting.loan} touches accounts of {strange}")
    return wrong


def expected(loan: NaiveLoan) -> dict[str, int]:
    """What all postings for a loan must come to, by chart code, + debit: from the rules, not from a template."""
    written_off = loan.charged_off_on is not None
    suspended = loan.dpd > NON_ACCRUAL_AFTER_DAYS and not written_off
    interest_owed = loan.interest_total - loan.sum("interest_paid") - loan.sum("interest_waived")
    penalty_owed = loan.penalty_total - loan.sum("penalty_paid") - loan.sum("penalty_waived")
    cost_owed = loan.late_fees + loan.service_fees - loan.sum("cost_paid") - loan.sum("cost_waived")
    principal_owed = loan.disbursed - loan.principal_paid
    held_interest, held_penalty = (interest_owed, penalty_owed) if suspended else (0, 0)
    if written_off:
        principal_owed = interest_owed = penalty_owed = cost_owed = 0
    return {
        chart.LOAN_PRINCIPAL: principal_owed,
        chart.INTEREST_RECEIVABLE: interest_owed,
        chart.PENALTY_RECEIVABLE: penalty_owed,
        chart.COST_RECEIVABLE: cost_owed,
        chart.BORROWER_SURPLUS: -loan.surplus,
        chart.INTEREST_SUSPENSE: -held_interest,
        chart.PENALTY_SUSPENSE: -held_penalty,
        chart.FEE_INCOME: -loan.fees,
        chart.LATE_FEE_INCOME: -loan.late_fees,
        chart.SERVICE_FEE_INCOME: -loan.service_fees,
        chart.CHARGES_WAIVED: loan.sum("interest_waived")
        + loan.sum("penalty_waived")
        + loan.sum("cost_waived"),
        chart.GOODWILL: loan.goodwill,
        chart.RECOVERIES: -loan.recovered,
        chart.PAY_OUT_CLEARING: -loan.disbursed - loan.paid_back,
        chart.RECEIPT_CLEARING: loan.received,
    }


_INCOME = (chart.INTEREST_INCOME, chart.PENALTY_INCOME, chart.CREDIT_LOSS)


def book_differences(booked: dict[str, int], loan: NaiveLoan, *, split: bool = True) -> list[str]:
    """Chart codes on which the entries for a loan do not say what the rules say.

    A charge-off sets what was in suspense against the loss, so that charge income and loss are one sum after it; `split`:
    also what each of them says, for a loan that was never charged off.
    """
    due = expected(loan)
    together = -loan.interest_total - loan.penalty_total + loan.charged_off
    together -= due[chart.INTEREST_SUSPENSE] + due[chart.PENALTY_SUSPENSE]
    wrong = [
        f"account {code} holds {booked.get(code, 0)} fen, the rules say {due.get(code, 0)}"
        for code in sorted((due.keys() | booked.keys()) - set(_INCOME))
        if booked.get(code, 0) != due.get(code, 0)
    ]
    held = sum(booked.get(code, 0) for code in _INCOME)
    if held != together:
        wrong.append(f"charge income and credit loss hold {held} fen, the rules say {together}")
    if split:
        for code, accrued, suspense in (
            (chart.INTEREST_INCOME, loan.interest_total, due[chart.INTEREST_SUSPENSE]),
            (chart.PENALTY_INCOME, loan.penalty_total, due[chart.PENALTY_SUSPENSE]),
        ):
            if booked.get(code, 0) != -accrued - suspense:
                wrong.append(
                    f"account {code} holds {booked.get(code, 0)} fen, the rules say {-accrued - suspense}"
                )
    return wrong


def above_cap(loan: NaiveLoan) -> list[str]:
    """All charges against the cap on what was owed, counted day by day over years of 365 days.

    For terms whose interest is counted and rounded so too: elsewhere a day or a fen more than the cap's share is no breach.
    """
    terms = loan.terms
    if terms.method is Method.FLAT or terms.rounding is not Rounding.DOWN or not FIXED.get(terms.day_basis):
        return []
    waived = loan.sum("interest_waived") + loan.sum("penalty_waived") + loan.sum("cost_waived")
    charged = (
        loan.interest_total + loan.penalty_total + loan.fees + loan.late_fees + loan.service_fees - waived
    )
    most = loan.owed_days * terms.cap_ppm // (365 * MILLION)
    return [f"charged {charged} fen, the cap allows {most}"] if charged > most else []


def loan_differences(state: LoanState, loan: NaiveLoan) -> list[str]:
    """Where the contract's fold and the naive rules disagree about a loan."""
    told = state.totals
    status = "OVERDUE" if loan.dpd else "ACTIVE"
    if loan.charged_off_on:
        status = "CHARGED_OFF"
    if loan.settled:
        status = "SETTLED"
    if loan.started is None:
        status = "PENDING"
    pairs: dict[str, tuple[object, object]] = {
        "status": (str(state.status), status),
        "outstanding": (state.outstanding_principal_fen, loan.disbursed - loan.principal_paid),
        "dpd": (state.dpd, loan.dpd),
        "due": (state.amount_due_fen, loan.arrears),
        "payoff": (state.payoff_fen, loan.payoff),
        "prepayment fee": (state.prepayment_fee_fen, loan.fee_to_settle),
        "interest accrued": (told.interest_accrued_fen, loan.interest_total),
        "penalty accrued": (told.penalty_accrued_fen, loan.penalty_total),
        "principal paid": (told.principal_paid_fen, loan.principal_paid),
        "interest paid": (told.interest_paid_fen, loan.sum("interest_paid")),
        "penalty paid": (told.penalty_paid_fen, loan.sum("penalty_paid")),
        "costs paid": (told.cost_paid_fen, loan.sum("cost_paid")),
        "received": (told.received_fen, loan.received),
        "surplus": (told.surplus_fen, loan.surplus),
        "charged off": (told.charged_off_fen, loan.charged_off),
        "recovered": (told.recovered_fen, loan.recovered),
        "rate": (state.annual_rate_ppm, loan.rate),
        "owner": (state.owner, loan.owner),
    }
    wrong = [
        f"{name} is {one} in the fold and {other} by the rules"
        for name, (one, other) in pairs.items()
        if one != other
    ]
    rows = [*loan.due, *(row for row, _ in loan.ahead)]
    if len(rows) != len(state.instalments):
        wrong.append(f"{len(state.instalments)} instalments in the fold and {len(rows)} by the rules")
    for place, (told_row, row) in enumerate(zip(state.instalments, rows, strict=False), 1):
        ours = (
            row.due_on,
            row.principal,
            row.interest,
            row.cost,
            row.principal_paid,
            row.interest_paid,
            row.settled_on,
        )
        theirs = (
            told_row.due_on, told_row.principal_due_fen, told_row.interest_due_fen, told_row.cost_due_fen,
            told_row.principal_paid_fen, told_row.interest_paid_fen, told_row.settled_on,
        )  # fmt: skip
        if ours != theirs:
            names = (
                "due on",
                "principal",
                "interest",
                "costs",
                "principal paid",
                "interest paid",
                "settled on",
            )
            differ = ", ".join(
                f"{name} {one} / {other}"
                for name, one, other in zip(names, theirs, ours, strict=True)
                if one != other
            )
            wrong.append(f"instalment {place}, fold / rules: {differ}")
    return wrong
