"""What became of loans, as those want to know who decide on new ones: bad within so many months or not, and what was lost."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from timelyrain.agreements import queries as agreements
from timelyrain.contract import Event, Terms, fold
from timelyrain.finance import add_months
from timelyrain.origination.ports import MONTHS, LoanOutcome
from timelyrain.servicing import services
from timelyrain.servicing.models import Loan

BAD_DPD = 90


def of_offers(
    shard: int, offers: Collection[UUID], on: date, months: int = MONTHS
) -> Mapping[UUID, LoanOutcome]:
    """As known on a day: offer -> outcome of its loan. Offers that nobody took are not among them."""
    loan_of = agreements.loans_of_offers(shard, offers)
    loans = {loan.id: loan for loan in Loan.objects.filter(shard=shard, id__in=loan_of.values())}
    found: dict[UUID, LoanOutcome] = {}
    for offer, loan_id in loan_of.items():
        loan = loans.get(loan_id)
        if loan is not None and loan.opened_on <= on:
            found[offer] = outcome(
                Terms.from_json(loan.terms_json), services.events_of(loan), loan.opened_on, on, months
            )
    return found


def outcome(
    terms: Terms, events: Sequence[Event], opened_on: date, on: date, months: int = MONTHS
) -> LoanOutcome:
    """The outcome of one loan. Bad is known at once; good when the months have passed or nothing is owed any more."""
    window = add_months(opened_on, months)
    end = min(on, window)
    now = fold(terms, events, on)
    off = now.charged_off_on is not None and now.charged_off_on <= end
    bad = off or _reached(terms, events, opened_on, end)
    over = window < on or now.outstanding_principal_fen == 0
    lost = now.outstanding_principal_fen if bad else 0
    return LoanOutcome(True if bad else False if over else None, terms.principal_fen, lost, window < on)


def _reached(terms: Terms, events: Sequence[Event], opened_on: date, end: date) -> bool:
    """Whether the loan was ever so late up to `end`. Lateness only falls by an event: it was greatest the day before one."""
    days = {event.value_on - timedelta(days=1) for event in events} | {end}
    return any(fold(terms, events, day).dpd >= BAD_DPD for day in days if opened_on < day <= end)
