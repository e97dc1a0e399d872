"""The posting template of a loan: what its accounts must show, from its fold; a posting is the step between two of these.

Everything is a function of cumulative totals: a reversal, a fact found late and a preview need no template of their own.
The acts one by one, as debits and credits, are in docs/books.md.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from timelyrain.contract import ChargeKind, ChargeOff, LoanState, Sale, Terms, Totals, formulas_at
from timelyrain.ledger import chart
from timelyrain.ledger.services import LENDER, Line
from timelyrain.runtime.ids import derived_id
from timelyrain.servicing import provisions
from timelyrain.servicing.shares import Part, shared, split

Account = tuple[str, UUID]
"""(chart code, owner)."""
Position = Counter[Account]
"""Signed fen by account, + debit; sums to zero."""

_CHARGES = {
    chart.INTEREST_INCOME: ChargeKind.INTEREST,
    chart.INTEREST_SUSPENSE: ChargeKind.INTEREST,
    chart.PENALTY_INCOME: ChargeKind.PENALTY,
    chart.PENALTY_SUSPENSE: ChargeKind.PENALTY,
    chart.FEE_INCOME: ChargeKind.PREPAYMENT_FEE,
    chart.LATE_FEE_INCOME: ChargeKind.LATE_FEE,
    chart.SERVICE_FEE_INCOME: ChargeKind.SERVICE_FEE,
}
_CLAIM = {
    chart.LOAN_PRINCIPAL: chart.PARTNERS_PRINCIPAL,
    chart.INTEREST_RECEIVABLE: chart.PARTNERS_INTEREST,
    chart.PENALTY_RECEIVABLE: chart.PARTNERS_PENALTY,
    chart.COST_RECEIVABLE: chart.PARTNERS_COST,
    chart.INTEREST_SUSPENSE: chart.PARTNERS_INTEREST_SUSPENSE,
    chart.PENALTY_SUSPENSE: chart.PARTNERS_PENALTY_SUSPENSE,
}
"""The accounts of the claim on the borrower, each with the one that holds the partners' part of it."""
CLAIM_ACCOUNTS = {*_CLAIM, *_CLAIM.values()}
_BETWEEN_US = {
    chart.PAY_OUT_CLEARING: chart.FUNDING_DUE,
    chart.RECEIPT_CLEARING: chart.SHARES_TO_REMIT,
    chart.SALE_PRICE: chart.SHARES_TO_REMIT,
}
"""Where money that came or went counts towards a partner."""


def buyer_id(name: str) -> UUID:
    """Owner of the accounts of whoever bought a loan."""
    return derived_id("buyer", name)


@dataclass(frozen=True)
class Passage:
    """The claim passing to another owner for a price, and how the books stood then."""

    owner: str
    price_fen: int
    standing: "Standing"


@dataclass(frozen=True)
class Standing:
    """Where a loan's books stand: its totals, and what the fold tells of how they came about.

    suspended: whether unpaid charges are kept out of income. lost: (interest, penalty) in suspense that a charge-off set against
    the loss. passages: each time the claim changed hands, oldest first.
    """

    totals: Totals
    suspended: bool
    lost: tuple[int, int] = (0, 0)
    passages: tuple[Passage, ...] = ()

    @classmethod
    def of(cls, state: LoanState, suspended: bool) -> Self:
        """From the fold. Raises LookupError where no rule of suspense was in force on the day of a charge-off or a sale."""
        passages = tuple(Passage(sale.owner, sale.price_fen, _at_sale(sale)) for sale in state.sales)
        return cls(state.totals, suspended, _lost(state.charge_off), passages)

    @property
    def charges(self) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Interest, then penalty: (accrued, receivable, lost)."""
        t = self.totals
        return (
            (t.interest_accrued_fen, t.interest_receivable_fen, self.lost[0]),
            (t.penalty_accrued_fen, t.penalty_receivable_fen, self.lost[1]),
        )

    def ours(self, lender: str) -> bool:
        """Whether the claim is the lender's."""
        return not self.passages or self.passages[-1].owner == lender

    def accrued(self, lender: str) -> tuple[int, int]:
        """(interest, penalty) accrued as far as the lender's books go: of a loan that is sold, up to the sale."""
        totals = self.totals if self.ours(lender) else self.passages[-1].standing.totals
        return totals.interest_accrued_fen, totals.penalty_accrued_fen

    def shared(self, parts: tuple[Part, ...]) -> list["Standing"]:
        """The same of each partner's part."""
        weights = [part.share_ppm for part in parts]
        interest, penalty = (split(fen, weights)[1:] for fen in self.lost)
        prices = [split(p.price_fen, weights)[1:] for p in self.passages]
        then = [p.standing.shared(parts) for p in self.passages]
        return [
            Standing(
                totals,
                self.suspended,
                (interest[n], penalty[n]),
                tuple(
                    Passage(p.owner, price[n], was[n])
                    for p, price, was in zip(self.passages, prices, then, strict=True)
                ),
            )
            for n, totals in enumerate(shared(self.totals, parts))
        ]

    def balances(self, terms: Terms, loan_id: UUID, parts: tuple[Part, ...] = ()) -> dict[str, int]:
        """What the loan's own accounts must show, by chart code."""
        held = position(terms, loan_id, self, parts)
        return {code: fen for (code, owner), fen in held.items() if owner == loan_id}


def _lost(charge_off: ChargeOff | None) -> tuple[int, int]:
    if charge_off is None or not provisions.provisions(charge_off.on).suspended(charge_off.dpd):
        return 0, 0
    return charge_off.interest_fen, charge_off.penalty_fen


def _at_sale(sale: Sale) -> Standing:
    suspended = provisions.provisions(sale.on).suspended(sale.dpd)
    return Standing(sale.totals, suspended, _lost(sale.charge_off))


def position(terms: Terms, loan_id: UUID, standing: Standing, parts: tuple[Part, ...] = ()) -> Position:
    """What a loan has brought to each account since its first day: the lender's, its own, its partners', its buyers'."""
    found = _alone(terms, loan_id, standing, None)
    for part, theirs in zip(parts, standing.shared(parts) if parts else (), strict=True):
        for account, fen in _alone(terms, loan_id, theirs, part).items():
            found[_of_partner(account, part)] -= fen
    return found


def _of_partner(account: Account, part: Part) -> Account:
    code, owner = account
    if code in _BETWEEN_US:
        return _BETWEEN_US[code], part.partner
    return _CLAIM.get(code, code), owner


def _alone(terms: Terms, loan_id: UUID, standing: Standing, part: Part | None) -> Position:
    """As if there were one lender: all of it, or a partner by its part. A partner has no part in what happens to a sold loan."""
    found: Position = Counter()
    since, owner = Standing(Totals(), False), terms.lender
    for passage in (*standing.passages, Passage("", 0, standing)):
        now = passage.standing
        if owner == terms.lender:
            for sign, at in ((1, now), (-1, since)):
                for account, fen in _owned(loan_id, at, part).items():
                    found[account] += sign * fen
        elif part is None:
            _serve(found, loan_id, since.totals, now.totals, owner)
        if passage.owner and terms.lender in (owner, passage.owner):
            _pass(
                found,
                loan_id,
                passage,
                out=owner == terms.lender,
                other=passage.owner if owner == terms.lender else owner,
            )
        since, owner = now, passage.owner
    return found


def _owned(loan_id: UUID, at: Standing, part: Part | None) -> Position:
    """A loan of the lender's own. Charges in suspense are not income; those that a charge-off set against the loss never were."""
    t, (interest, penalty) = at.totals, at.charges
    held = [receivable if at.suspended else 0 for _, receivable, _ in (interest, penalty)]
    service = part.service_fen(t) if part else 0
    return Counter(
        {
            (chart.LOAN_PRINCIPAL, loan_id): t.principal_receivable_fen,
            (chart.INTEREST_RECEIVABLE, loan_id): t.interest_receivable_fen,
            (chart.PENALTY_RECEIVABLE, loan_id): t.penalty_receivable_fen,
            (chart.COST_RECEIVABLE, loan_id): t.cost_receivable_fen,
            (chart.INTEREST_SUSPENSE, loan_id): -held[0],
            (chart.PENALTY_SUSPENSE, loan_id): -held[1],
            (chart.INTEREST_INCOME, LENDER): held[0] + interest[2] - interest[0],
            (chart.PENALTY_INCOME, LENDER): held[1] + penalty[2] - penalty[0],
            (chart.FEE_INCOME, LENDER): -t.fee_charged_fen,
            (chart.LATE_FEE_INCOME, LENDER): -t.late_fee_charged_fen,
            (chart.SERVICE_FEE_INCOME, LENDER): -t.service_fee_charged_fen,
            (chart.CHARGES_WAIVED, LENDER): t.waived_fen,
            (chart.CREDIT_LOSS, LENDER): t.charged_off_fen - interest[2] - penalty[2],
            (chart.RECOVERIES, LENDER): -t.recovered_fen,
            (chart.PARTNER_SERVICE_INCOME, LENDER): service,
            **_money(loan_id, t),
            (chart.RECEIPT_CLEARING, LENDER): t.received_fen - service,
        }
    )


def _money(loan_id: UUID, t: Totals) -> dict[Account, int]:
    """What came, went and waits, whoever owns the claim."""
    return {
        (chart.BORROWER_SURPLUS, loan_id): -t.surplus_fen,
        (chart.GOODWILL, LENDER): t.goodwill_fen,
        (chart.PAY_OUT_CLEARING, LENDER): -t.disbursed_fen - t.paid_back_fen,
        (chart.RECEIPT_CLEARING, LENDER): t.received_fen,
    }


def _serve(found: Position, loan_id: UUID, since: Totals, now: Totals, owner: str) -> None:
    """Another's loan: what came in is owed to its owner, what went out is owed by it."""
    step = _money(loan_id, now - since)
    found.update(step)
    found[chart.OWED_TO_BUYERS, buyer_id(owner)] -= sum(step.values())


def _pass(found: Position, loan_id: UUID, passage: Passage, *, out: bool, other: str) -> None:
    """The claim leaves the books, or comes back to them, as it stands; the price against it is gained or lost."""
    sign, worth = -1 if out else 1, 0
    for (code, owner), fen in _owned(loan_id, passage.standing, None).items():
        if code in _CLAIM:
            found[code, owner] += sign * fen
            worth += sign * fen
    price = -sign * passage.price_fen
    found[chart.SALE_PRICE, buyer_id(other)] += price
    found[chart.LOANS_SOLD_RESULT, LENDER] -= worth + price


def lines(terms: Terms, loan_id: UUID, step: Totals) -> list[Line]:
    """Balanced lines for a difference of totals of a loan that is neither late, nor shared, nor sold."""
    return booking(terms, loan_id, Standing(Totals(), False), Standing(step, False), (0, 0))


def booking(
    terms: Terms,
    loan_id: UUID,
    before: Standing,
    after: Standing,
    days: tuple[int, int],
    parts: tuple[Part, ...] = (),
    rate_ppm: int = 0,
) -> list[Line]:
    """The lines that take the accounts of a loan from one standing to another.

    days: (interest, penalty) that day closes have posted for the loan since `before`; they leave the control accounts and are
    not income a second time. rate_ppm: of the last day that is posted; one above the signed rate has its own wording.
    """
    step = position(terms, loan_id, after, parts)
    step.subtract(position(terms, loan_id, before, parts))
    step.subtract(days_posted(before.totals, days, before.suspended, parts))
    formulas = formulas_at(terms, rate_ppm)
    return [
        Line(code, fen, owner, formulas.get(_CHARGES[code]) if code in _CHARGES else None)
        for (code, owner), fen in step.items()
        if fen
    ]


def netted(lines: Iterable[Line]) -> list[Line]:
    """One line per account, zeros left out."""
    sums: dict[Account, Line] = {}
    for line in lines:
        known = sums.get((line.code, line.owner), Line(line.code, 0, line.owner))
        formula = line.formula or known.formula
        sums[line.code, line.owner] = Line(line.code, known.amount_fen + line.amount_fen, line.owner, formula)
    return [line for line in sums.values() if line.amount_fen]


def days_posted(
    since: Totals, days: tuple[int, int], suspended: bool, parts: tuple[Part, ...] = ()
) -> Position:
    """What day closes have posted for a loan: its accrual on the control accounts, and the partners' part of it."""
    found: Position = Counter()
    for fen, accrued, receivable, suspense, income in (
        (
            days[0],
            since.interest_accrued_fen,
            chart.INTEREST_RECEIVABLE,
            chart.INTEREST_SUSPENSE,
            chart.INTEREST_INCOME,
        ),
        (
            days[1],
            since.penalty_accrued_fen,
            chart.PENALTY_RECEIVABLE,
            chart.PENALTY_SUSPENSE,
            chart.PENALTY_INCOME,
        ),
    ):
        weights = [part.share_ppm for part in parts]
        theirs = sum(split(accrued + fen, weights)[1:]) - sum(split(accrued, weights)[1:])
        against = suspense if suspended else income
        for code, amount in (
            (receivable, fen),
            (against, -fen),
            (_CLAIM[receivable], -theirs),
            (_CLAIM.get(against, against), theirs),
        ):
            found[code, LENDER] += amount
    return found
