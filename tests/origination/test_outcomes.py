"""What became of the platform's own loans reaches its back-tests: bad within twelve months, not yet known, lost money."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from tests import borrowers, portfolio
from tests.worlds import World
from timelyrain.contract import Event, EventType, fold
from timelyrain.origination.backtests import PastDecisions
from timelyrain.origination.models import DecisionRecord
from timelyrain.runtime import clock
from timelyrain.servicing.models import Loan
from timelyrain.servicing.outcomes import outcome

OPENED = date(2025, 1, 10)
TERMS = portfolio.terms(1_200_000, 12)


def history(*paid: tuple[int, int]) -> list[Event]:
    """A loan paid out on OPENED, and of each (instalment, days late) what was due then paid, in that order."""
    events = [happened(EventType.DISBURSED, OPENED, TERMS.principal_fen)]
    due = {row.n: row.due_on for row in fold(TERMS, events, OPENED).instalments}
    for n, late in paid:
        on = due[n] + timedelta(days=late)
        events.append(happened(EventType.REPAID, on, fold(TERMS, events, on).amount_due_fen))
    return events


def happened(kind: EventType, on: date, fen: int) -> Event:
    return Event(f"{kind}-{on}", kind, on, datetime.combine(on, time(2), UTC), fen, {})


ON_TIME = tuple((n, 0) for n in range(1, 13))


@pytest.mark.parametrize(
    ("paid", "on", "bad"),
    [
        ((), date(2025, 2, 10), None),  # nothing has fallen due for long
        ((), date(2025, 5, 10), None),  # 89 days past due
        ((), date(2025, 5, 11), True),  # 90
        (((1, 90),), date(2025, 5, 11), None),  # paid on that day, before it was over
        (((1, 91),), date(2025, 5, 20), True),  # cured, but it was so late
        (((1, 91), *ON_TIME[5:]), date(2026, 6, 1), True),
        (ON_TIME[:11], date(2025, 12, 20), None),
        (ON_TIME[:11], date(2026, 1, 9), None),
        (ON_TIME[:11], date(2026, 1, 11), False),  # twelve months have passed
        (ON_TIME[:11], date(2027, 1, 11), False),  # bad, but later than twelve months
        (ON_TIME, date(2026, 1, 10), False),  # nothing owed any more
    ],
)  # fmt: skip
def test_bad_is_ninety_days_within_twelve_months(
    paid: tuple[tuple[int, int], ...], on: date, bad: bool | None
) -> None:
    events = history(*paid)
    told = outcome(TERMS, [e for e in events if e.value_on <= on], OPENED, on)
    owed = fold(TERMS, [e for e in events if e.value_on <= on], on).outstanding_principal_fen
    assert (told.bad, told.lent_fen, told.lost_fen) == (bad, 1_200_000, owed if bad else 0)
    looked = [
        fold(TERMS, events, day).dpd for day in portfolio.days(OPENED, min(on, OPENED + timedelta(365)))
    ]
    assert (max(looked) >= 90) == bool(bad)  # as looking at every day would say


def test_a_back_test_knows_what_became_of_loans(world: World) -> None:
    who, loan_id = borrowers.with_loan(world)
    decision = DecisionRecord.objects.get(application__borrower_id=who.borrower.id, outcome="approve")

    def known(days: int) -> tuple[int, int]:
        past = PastDecisions(clock.now() + timedelta(days=days))
        batch = past.read([id for _, id, _ in past._ids].index(decision.id), 1)
        return int(batch.outcome[0]), int(batch.loss_fen[0])

    assert known(0) == (-1, -1)
    lent = Loan.objects.get(id=loan_id)
    assert known(200) == (1, lent.outstanding_fen)  # all of what was asked for was lent
    refused = borrowers.apply(borrowers.register(world, "gambler"))
    past = PastDecisions(clock.now() + timedelta(days=400))
    at = [id for _, id, _ in past._ids].index(refused.decision_id)
    assert past.read(at, 1).outcome[0] == -1  # nobody knows of those who were not lent to
