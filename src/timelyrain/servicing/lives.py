"""How loans went month by month: buckets at the end of each month on book, and the month in which one went bad."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from uuid import UUID

from timelyrain.agreements import queries as agreements
from timelyrain.contract import Event, LoanState, Terms, fold
from timelyrain.finance import add_months
from timelyrain.origination.ports import LoanLife
from timelyrain.servicing.dayclose import events_of
from timelyrain.servicing.models import Loan
from timelyrain.servicing.outcomes import BAD_DPD


def of_offers(shard: int, offers: Collection[UUID], on: date) -> list[LoanLife]:
    """The lives up to a day of the loans that were made on these offers."""
    ids = list(agreements.loans_of_offers(shard, offers).values())
    loans = Loan.objects.filter(shard=shard, id__in=ids, opened_on__lte=on)
    events = events_of(shard, ids)
    return [life(Terms.from_json(one.terms_json), events.get(one.id, []), one.opened_on, on) for one in loans]


def life(terms: Terms, events: Sequence[Event], opened_on: date, on: date) -> LoanLife:
    """The life of one loan up to a day."""
    ends = list(_months(opened_on, on))
    buckets = tuple(_bucket(fold(terms, events, end)) for end in ends)
    # Lateness only falls by an event: it was greatest the day before one, or at the end of a month.
    before = {event.value_on - timedelta(days=1) for event in events}
    for day in sorted({*ends, *(day for day in before if opened_on < day <= (ends[-1] if ends else on))}):
        state = fold(terms, events, day)
        if state.dpd >= BAD_DPD or _off(state):
            month = next(n for n, end in enumerate(ends, 1) if day <= end) if ends else 0
            return LoanLife(opened_on, month, buckets)
    return LoanLife(opened_on, 0, buckets)


def _months(opened_on: date, on: date) -> Iterator[date]:
    n = 1
    while (end := add_months(opened_on, n)) <= on:
        yield end
        n += 1


def _bucket(state: LoanState) -> str:
    if _off(state):
        return "written_off"
    return "settled" if state.status == "SETTLED" else state.bucket


def _off(state: LoanState) -> bool:
    return state.charged_off_on is not None and state.charged_off_on <= state.as_of
