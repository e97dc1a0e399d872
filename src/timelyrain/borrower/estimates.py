"""What a loan would cost and what a payment would change, by the same arithmetic that signs and books."""

from dataclasses import dataclass
from datetime import date

from timelyrain import contract, finance, policies
from timelyrain.agreements import queries as agreements
from timelyrain.contract import ContractViolation, Event, EventType, LoanState
from timelyrain.origination import queries as origination
from timelyrain.origination.queries import max_rate_ppm
from timelyrain.runtime import clock, law
from timelyrain.servicing import services as servicing


@dataclass(frozen=True)
class Estimate:
    """One amount and term at one nominal rate, paid out today. `regular_fen` is the first instalment, `last_fen` the last."""

    regular_fen: int
    last_fen: int
    last_on: date
    interest_fen: int
    total_fen: int
    irr_ppm: int
    simple_ppm: int


def estimate(product: policies.Product, amount_fen: int, instalments: int, rate_ppm: int) -> Estimate:
    rows, compound, simple = agreements.worked_out(product, amount_fen, instalments, rate_ppm)
    return Estimate(
        rows[0].total_fen,
        rows[-1].total_fen,
        rows[-1].due_on,
        sum(row.interest_fen for row in rows),
        sum(row.total_fen for row in rows),
        compound,
        simple,
    )


def nominal_range(product: policies.Product) -> tuple[int, int]:
    """Lowest and highest nominal rate at which this product can be offered today, under the cap in force."""
    return product.min_rate_ppm, min(
        product.max_rate_ppm, max_rate_ppm(law.number("cost_cap_ppm"), product.every, product.unit)
    )


def rate_range() -> tuple[int, int] | None:
    """The same over all products, annualised (compound)."""
    rates = [rate for product in origination.products() for rate in nominal_range(product)]
    if not rates:
        return None
    return finance.annualised_irr_ppm(_year(min(rates))), finance.annualised_irr_ppm(_year(max(rates)))


def _year(rate_ppm: int) -> list[int]:
    """Flows of a year of interest only: their compound rate is that of the nominal rate itself."""
    lent = 12 * 10**9
    interest = lent // 12 * rate_ppm // 1_000_000
    return [lent, *[-interest] * 11, -interest - lent]


@dataclass(frozen=True)
class Effect:
    """What an early repayment in part would do. `after` is the loan on the day, the payment counted."""

    mode: str
    after: LoanState
    regular_fen: int
    last_on: date
    saved_fen: int


def effects(loan: servicing.Loan, amount_fen: int) -> list[Effect]:
    """Both ways of repaying `amount_fen` early today, by the fold itself. Empty when the contract does not allow the amount."""
    terms, events, today = servicing.terms_of(loan), servicing.events_of(loan), clock.today()
    before = contract.fold(terms, events, today)
    found: list[Effect] = []
    for mode in contract.PrepayMode:
        trial = Event("trial", EventType.PREPAID_PART, today, clock.now(), amount_fen, {"mode": mode})
        try:
            after = contract.preview(terms, events, [trial], today)
        except ContractViolation:
            return []
        ahead = [row for row in after.instalments if row.unpaid_fen > 0]
        if not ahead:
            return []
        saved = _interest(before) - _interest(after)
        found.append(Effect(mode, after, ahead[0].unpaid_fen, ahead[-1].due_on, saved))
    return found


def _interest(state: LoanState) -> int:
    return sum(row.interest_due_fen for row in state.instalments)
