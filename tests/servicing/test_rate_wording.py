"""Interest is posted under the wording in force on its day: the signed one, or that of a higher rate the borrower confirmed."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests import portfolio
from tests.worlds import World
from timelyrain.contract import Event, EventType, Overdue, rate_up_to
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger
from timelyrain.ledger.errors import UndisclosedCharge
from timelyrain.ledger.models import Entry
from timelyrain.servicing import acts, dayclose, queries, services
from timelyrain.servicing.models import Loan

START, DAY = date(2026, 1, 5), timedelta(days=1)
RAISED_ON, RAISED = date(2026, 1, 15), 180_000


def closed(shard: int, first: date, last: date) -> None:
    for on in portfolio.days(first, last):
        with portfolio.on_day(on, 23):
            dayclose.close(shard, on)


def wording(loan: Loan, on: date) -> str | None:
    """Of the day's interest in the sub-ledger; the row of a day holds the interest up to its beginning."""
    row = ledger.day_of_loan(loan.shard, loan.id, on)
    assert row is not None
    return row.interest_formula if row.interest_fen else None


def credited(loan: Loan, event_id: object) -> set[str | None]:
    """The wordings under which an event's posting takes interest into income."""
    return set(
        Entry.objects.filter(
            transfer__key=f"event:{event_id}", account__code_id=chart.INTEREST_INCOME, amount_fen__lt=0
        ).values_list("charge_formula", flat=True)
    )


def test_the_rate_of_the_last_day_on_which_interest_ran() -> None:
    terms = portfolio.terms()

    def change(id: str, on: date, rate_ppm: int) -> Event:
        moment = datetime.combine(on, time(), UTC)
        return Event(id, EventType.RATE_CHANGED, on, moment, 0, {"rate_ppm": rate_ppm, "disclosure": "x"})

    up, down = change("up", START + 5 * DAY, RAISED), change("down", START + 9 * DAY, 0)
    undone = Event(
        "undone", EventType.REVERSED, START + 20 * DAY, datetime(2026, 2, 1, tzinfo=UTC), 0, {"event": "up"}
    )
    rates = [rate_up_to(terms, [down, undone, up], START + n * DAY) for n in (5, 6, 9, 19, 20)]
    assert rates == [144_000, RAISED, RAISED, RAISED, 144_000]


def test_interest_is_posted_under_the_wording_of_its_day(platform: World) -> None:
    for n, changed in enumerate(
        ({}, {"annual_rate_ppm": 0}, {"overdue": Overdue.INTEREST, "penalty_ppm": 50_000})
    ):
        _one_life(860 + n, changed)


def _one_life(shard: int, changed: dict[str, Any]) -> None:
    terms = portfolio.terms(**changed)
    loan = portfolio.open_loan(shard, terms, START)
    signed, new = (
        next((c.formula for c in one.charges if c.kind == "interest"), None)
        for one in (terms, portfolio.terms(**changed | {"annual_rate_ppm": RAISED}))
    )
    closed(shard, START, RAISED_ON - DAY)
    act, borrower = uuid4(), loan.borrower_id
    with portfolio.on_day(RAISED_ON, 2):
        acts.request(
            shard, loan.id, "RATE_CHANGED", 0, {"rate_ppm": RAISED}, by="maker", reason="约定", request_id=act
        )
        acts.approve(act, by="checker")
        shown = acts.show_amendment(shard, borrower, act)
    with portfolio.on_day(RAISED_ON, 3):
        acts.confirm_amendment(shard, borrower, act, shown.sha256)
    closed(shard, RAISED_ON, RAISED_ON + 5 * DAY)
    raise_ = next(e for e in services.events_of(loan) if e.type is EventType.RATE_CHANGED)
    assert credited(loan, raise_.id) == ({signed} if signed else set())
    assert {wording(loan, START + n * DAY) for n in range(1, 10)} == {signed}
    assert {wording(loan, RAISED_ON + n * DAY) for n in range(1, 6)} == {new}

    # A payment after days that no close has posted, one dated before the raise, and the raise undone.
    with portfolio.on_day(RAISED_ON + 8 * DAY):
        paid = portfolio.happen(loan, EventType.REPAID, RAISED_ON + 8 * DAY, 1_000)
        assert credited(loan, paid) == {new}
        portfolio.happen(loan, EventType.REPAID, RAISED_ON - 5 * DAY, 1_000)
        assert queries.proof(shard, loan.id).equal
    with portfolio.on_day(RAISED_ON + 10 * DAY):
        portfolio.happen(loan, EventType.REVERSED, RAISED_ON + 9 * DAY, 0, event=raise_.id)
        assert queries.proof(shard, loan.id).equal
    closed(shard, RAISED_ON + 6 * DAY, RAISED_ON + 13 * DAY)
    assert {wording(loan, RAISED_ON + n * DAY) for n in range(11, 14)} == {signed}

    # A raise dated back charges the days since under its own wording; without one that was registered there is none.
    with portfolio.on_day(RAISED_ON + 14 * DAY):
        back = {"rate_ppm": RAISED, "disclosure": shown.sha256}
        late = portfolio.happen(loan, EventType.RATE_CHANGED, RAISED_ON + 11 * DAY, 0, **back)
        assert credited(loan, late) == {new} and queries.proof(shard, loan.id).equal
        with pytest.raises(UndisclosedCharge):
            portfolio.happen(
                loan, EventType.RATE_CHANGED, RAISED_ON + 14 * DAY, 0, rate_ppm=RAISED + 1_000, disclosure="x"
            )
    closed(shard, RAISED_ON + 14 * DAY, RAISED_ON + 16 * DAY)
    assert wording(loan, RAISED_ON + 16 * DAY) == new and queries.proof(shard, loan.id).equal
    portfolio.forget_sagas(shard)
