"""The independent auditor: recomputes balances from entries alone and loans by the naive rules, and names every difference."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from uuid import UUID

from tests.simulation.naive import NaiveLoan
from tests.simulation.naive_dates import FIXED, MILLION
from timelyrain.contract import LoanState
from timelyrain.finance import Method, Rounding
from timelyrain.ledger import chart
from timelyrain.ledger.services import LENDER, Line
from timelyrain.runtime.ids import derived_id
from timelyrain.servicing.shares import Part

NON_ACCRUAL_AFTER_DAYS = 90
Account = tuple[str, UUID]
"""(chart code, owner)."""


@dataclass(frozen=True)
class Posting:
    """One transfer of the in-memory ledger."""

    on: date
    loan: UUID
    lines: tuple[Line, ...]


def sums(postings: Iterable[Posting]) -> dict[UUID, dict[Account, int]]:
    """By loan, what its postings moved on each account: on its own and, for its sake, on the lender's and on others'."""
    found: dict[UUID, dict[Account, int]] = defaultdict(lambda: defaultdict(int))
    for posting in postings:
        for line in posting.lines:
            found[posting.loan][line.code, line.owner] += line.amount_fen
    return found


def unsound(postings: Iterable[Posting], others: Collection[UUID] = ()) -> list[str]:
    """Postings that cannot stand whatever the loan did: unbalanced, or on an account of nobody who has to do with it."""
    wrong: list[str] = []
    for n, posting in enumerate(postings):
        if over := sum(line.amount_fen for line in posting.lines):
            wrong.append(f"posting {n} of loan {posting.loan} on {posting.on} is {over} fen out of balance")
        if strange := {line.owner for line in posting.lines} - {LENDER, posting.loan, *others}:
            wrong.append(f"posting {n} of loan {posting.loan} touches accounts of {strange}")
    return wrong


@dataclass(frozen=True)
class Sums:
    """A loan, or a partner's part of it, in the numbers that its books are made of."""

    disbursed: int
    principal_paid: int
    interest: int
    interest_paid: int
    interest_waived: int
    penalty: int
    penalty_paid: int
    penalty_waived: int
    late_fees: int
    service_fees: int
    cost_paid: int
    cost_waived: int
    fees: int
    recovered: int
    lost_interest: int
    lost_penalty: int
    written_off: bool
    suspended: bool
    received: int
    charged_off: int
    surplus: int = 0
    paid_back: int = 0
    goodwill: int = 0
    service: int = 0  # what a partner pays the lender for serving the loan

    @classmethod
    def of(cls, loan: NaiveLoan) -> "Sums":
        late, interest, penalty = loan.written_off
        held = late > NON_ACCRUAL_AFTER_DAYS
        return cls(
            loan.disbursed, loan.principal_paid,
            loan.interest_total, loan.sum("interest_paid"), loan.sum("interest_waived"),
            loan.penalty_total, loan.sum("penalty_paid"), loan.sum("penalty_waived"),
            loan.late_fees, loan.service_fees, loan.sum("cost_paid"), loan.sum("cost_waived"), loan.fees,
            loan.recovered, interest if held else 0, penalty if held else 0, loan.charged_off_on is not None,
            loan.dpd > NON_ACCRUAL_AFTER_DAYS, loan.received, loan.charged_off, loan.surplus, loan.paid_back, loan.goodwill,
        )  # fmt: skip

    def portion(self, parts: Sequence[Part], n: int) -> "Sums":
        """What partner `n` has of it; of what is waived, what completes its part of all that was paid or waived."""

        def mine(fen: int, fee: bool = False) -> int:
            return portions(fen, [part.fees_ppm if fee else part.share_ppm for part in parts])[n + 1]

        late, costs = mine(self.late_fees, True), mine(self.late_fees + self.service_fees, True)
        principal, interest, penalty = (
            mine(self.principal_paid),
            mine(self.interest_paid),
            mine(self.penalty_paid),
        )
        cost, fees = mine(self.cost_paid, True), mine(self.fees, True)
        gone = [
            mine(self.interest_paid + self.interest_waived),
            mine(self.penalty_paid + self.penalty_waived),
            mine(self.cost_paid + self.cost_waived, True),
        ]
        disbursed, accrued, penalties = mine(self.disbursed), mine(self.interest), mine(self.penalty)
        owed = disbursed - principal + accrued - gone[0] + penalties - gone[1] + costs - gone[2]
        recovered = mine(self.recovered)
        return Sums(
            disbursed, principal, accrued, interest, gone[0] - interest, penalties, penalty, gone[1] - penalty,
            late, costs - late, cost, gone[2] - cost, fees, recovered, mine(self.lost_interest), mine(self.lost_penalty),
            self.written_off, self.suspended, principal + interest + penalty + cost + fees,
            owed + recovered if self.written_off else 0,
            service=(interest + penalty) * parts[n].service_ppm // MILLION,
        )  # fmt: skip

    def accounts(self) -> dict[str, int]:
        """What all postings come to, by chart code, + debit: from the rules, not from a template."""
        owed = 0 if self.written_off else 1
        interest = owed * (self.interest - self.interest_paid - self.interest_waived)
        penalty = owed * (self.penalty - self.penalty_paid - self.penalty_waived)
        held_interest, held_penalty = (interest, penalty) if self.suspended else (0, 0)
        return {
            chart.LOAN_PRINCIPAL: owed * (self.disbursed - self.principal_paid),
            chart.INTEREST_RECEIVABLE: interest,
            chart.PENALTY_RECEIVABLE: penalty,
            chart.COST_RECEIVABLE: owed
            * (self.late_fees + self.service_fees - self.cost_paid - self.cost_waived),
            chart.INTEREST_SUSPENSE: -held_interest,
            chart.PENALTY_SUSPENSE: -held_penalty,
            chart.INTEREST_INCOME: held_interest + self.lost_interest - self.interest,
            chart.PENALTY_INCOME: held_penalty + self.lost_penalty - self.penalty,
            chart.FEE_INCOME: -self.fees,
            chart.LATE_FEE_INCOME: -self.late_fees,
            chart.SERVICE_FEE_INCOME: -self.service_fees,
            chart.CHARGES_WAIVED: self.interest_waived + self.penalty_waived + self.cost_waived,
            chart.CREDIT_LOSS: self.charged_off - self.lost_interest - self.lost_penalty,
            chart.RECOVERIES: -self.recovered,
            chart.PARTNER_SERVICE_INCOME: self.service,
            chart.BORROWER_SURPLUS: -self.surplus,
            chart.GOODWILL: self.goodwill,
            chart.PAY_OUT_CLEARING: -self.disbursed - self.paid_back,
            chart.RECEIPT_CLEARING: self.received - self.service,
        }


def portions(fen: int, parts: Sequence[int]) -> list[int]:
    """An amount by largest remainder: between the lender, who has the rest of the million, and the partners; then among these."""
    ours = Fraction(fen * (MILLION - sum(parts)), MILLION)
    theirs = fen - (int(ours) + (ours - int(ours) >= Fraction(1, 2)))
    exact = [Fraction(theirs * part, sum(parts)) for part in parts] if theirs else [Fraction(0)] * len(parts)
    whole = [int(share) for share in exact]
    first = sorted(range(len(exact)), key=lambda n: (whole[n] - exact[n], n))
    among = [fen_of + (n in first[: theirs - sum(whole)]) for n, fen_of in enumerate(whole)]
    return [fen - theirs, *among]


_CLAIM = (
    chart.LOAN_PRINCIPAL, chart.INTEREST_RECEIVABLE, chart.PENALTY_RECEIVABLE, chart.COST_RECEIVABLE,
    chart.INTEREST_SUSPENSE, chart.PENALTY_SUSPENSE,
)  # fmt: skip
_PARTNERS: dict[str, str] = dict(
    zip(
        _CLAIM,
        (
            chart.PARTNERS_PRINCIPAL, chart.PARTNERS_INTEREST, chart.PARTNERS_PENALTY, chart.PARTNERS_COST,
            chart.PARTNERS_INTEREST_SUSPENSE, chart.PARTNERS_PENALTY_SUSPENSE,
        ),
        strict=True,
    )
)  # fmt: skip
_MONEY = (chart.BORROWER_SURPLUS, chart.GOODWILL, chart.PAY_OUT_CLEARING, chart.RECEIPT_CLEARING)
_OF_LOAN = {*_CLAIM, *_PARTNERS.values(), chart.BORROWER_SURPLUS}


def expected(id: UUID, loan: NaiveLoan, parts: Sequence[Part] = ()) -> dict[Account, int]:
    """What all postings for a loan must come to on each account, with its partners' parts and through every sale."""
    lender = loan.terms.lender
    stages = [(owner, price, Sums.of(then)) for owner, price, then in loan.passed] + [("", 0, Sums.of(loan))]
    found: dict[Account, int] = defaultdict(int)
    everybody = [(None, stages)] + [
        (part, [(owner, _price(price, parts, n), then.portion(parts, n)) for owner, price, then in stages])
        for n, part in enumerate(parts)
    ]
    for part, told in everybody:
        for (code, buyer), fen in _through(told, lender, served=part is None).items():
            if part is None:
                owner = buyer or (id if code in _OF_LOAN else LENDER)
                found[code, owner] += fen
            elif code == chart.PAY_OUT_CLEARING:
                found[chart.FUNDING_DUE, part.partner] -= fen
            elif code in (chart.RECEIPT_CLEARING, chart.SALE_PRICE):
                found[chart.SHARES_TO_REMIT, part.partner] -= fen
            else:
                theirs = _PARTNERS.get(code, code)
                found[theirs, id if theirs in _OF_LOAN else LENDER] -= fen
    return found


def _price(price: int, parts: Sequence[Part], n: int) -> int:
    return portions(price, [part.share_ppm for part in parts])[n + 1]


def _through(
    stages: Sequence[tuple[str, int, Sums]], lender: str, *, served: bool
) -> dict[tuple[str, UUID | None], int]:
    """Accounts by (code, buyer) of one who had the claim at first, over all sales."""
    found: dict[tuple[str, UUID | None], int] = defaultdict(int)
    before: dict[str, int] = defaultdict(int)
    holder = lender
    for owner, price, then in stages:
        now = then.accounts()
        if holder == lender:
            for code, fen in now.items():
                found[code, None] += fen - before[code]
        elif served:
            step = {code: now[code] - before[code] for code in _MONEY}
            for code, fen in step.items():
                found[code, None] += fen
            found[chart.OWED_TO_BUYERS, derived_id("buyer", holder)] -= sum(step.values())
        if owner and lender in (holder, owner):
            away = -1 if holder == lender else 1
            worth = sum(now[code] for code in _CLAIM)
            for code in _CLAIM:
                found[code, None] += away * now[code]
            found[chart.SALE_PRICE, derived_id("buyer", owner if holder == lender else holder)] -= (
                away * price
            )
            found[chart.LOANS_SOLD_RESULT, None] += away * (price - worth)
        before, holder = defaultdict(int, now), owner
    return found


def book_differences(
    id: UUID, booked: dict[Account, int], loan: NaiveLoan, parts: Sequence[Part] = ()
) -> list[str]:
    """Accounts on which the entries for a loan do not say what the rules say."""
    due = expected(id, loan, parts)
    whose = {id: "the loan", LENDER: "the lender"}
    return [
        f"account {code} of {whose.get(owner, owner)} holds {booked.get((code, owner), 0)} fen, "
        f"the rules say {due.get((code, owner), 0)}"
        for code, owner in sorted(due.keys() | booked.keys())
        if booked.get((code, owner), 0) != due.get((code, owner), 0)
    ]


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
