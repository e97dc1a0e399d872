"""The columns of the day close against the fold: equal to the fen on every day until the next change."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timelyrain.contract import (
    NEVER,
    ROUNDINGS,
    ContractViolation,
    Event,
    EventType,
    Line,
    Outlook,
    Terms,
    disclosed_charges,
    fold,
    grown,
    look_ahead,
)
from timelyrain.finance import DayBasis, Method, Rounding

START = date(2027, 11, 9)  # runs over a leap year
DAY = timedelta(days=1)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Terms, list[Event]]:
    rate = draw(st.integers(0, 180_000))
    method, basis = draw(st.sampled_from(Method)), draw(st.sampled_from(DayBasis))
    penalty, grace = draw(st.sampled_from([0, 219_000, 240_000])), draw(st.integers(0, 12))
    numbers = {
        "annual_rate_ppm": rate // 2 if method is Method.FLAT else rate,
        "method": method,
        "day_basis": basis,
        "cap_ppm": 240_000,
        "penalty_ppm": penalty,
        "grace_days": grace,
    }
    terms = Terms(
        principal_fen=draw(st.integers(10_000, 100_000_000)),
        instalments=draw(st.integers(1, 9)),
        lender="L",
        licence="X",
        policy_pack="cn@0",
        product="p",
        charges=disclosed_charges("L", **numbers),
        rounding=draw(st.sampled_from(Rounding)) if rate < 100_000 else Rounding.DOWN,
        due_day=draw(st.sampled_from([None, 1, 15, 31])),
        **numbers,
    )
    events = [_event(0, EventType.DISBURSED, START, terms.principal_fen)]
    for n in range(draw(st.integers(0, 4))):
        on = START + timedelta(days=draw(st.integers(0, 330)))
        kind = draw(st.sampled_from([EventType.REPAID, EventType.REPAID, EventType.PREPAID_PART]))
        data = {"mode": draw(st.sampled_from(["keep_term", "keep_instalment"]))} if kind != "REPAID" else {}
        events.append(_event(n + 1, kind, on, draw(st.integers(1, terms.principal_fen)), data))
    return terms, events


def _event(n: int, kind: EventType, on: date, amount: int, data: dict[str, str | int] | None = None) -> Event:
    booked_at = datetime(on.year, on.month, on.day, n, tzinfo=UTC)
    return Event(f"e{n}", kind, on, booked_at, amount, data or {})


def possible(terms: Terms, events: list[Event]) -> list[Event]:
    """The events that the contract allows, in the order of their days."""
    kept: list[Event] = []
    for event in sorted(events, key=lambda e: (e.value_on, e.booked_at)):
        try:
            fold(terms, [*kept, event], event.value_on)
        except ContractViolation:
            continue
        kept.append(event)
    return kept


@settings(max_examples=150, deadline=None)
@given(histories(), st.integers(0, 400), st.data())
def test_the_lines_are_the_fold_on_every_day_until_the_next_change(history, after, data):
    terms, events = history
    on = START + timedelta(days=after)
    known = [e for e in possible(terms, events) if e.value_on <= on]
    state, outlook = look_ahead(terms, known, on)
    assert state == fold(terms, known, on)
    last = min(outlook.until, on + timedelta(days=500))
    days = {on, last - DAY, *(on + timedelta(days=data.draw(st.integers(0, 40))) for _ in range(3))}
    for day in (day for day in days if day < last):
        truth = fold(terms, known, day)
        assert outlook.accrued(day) == (
            truth.totals.interest_accrued_fen,
            truth.totals.penalty_accrued_fen,
        ), day
        assert truth.dpd == (0 if outlook.late_since is None else (day - outlook.late_since).days), day
        assert truth.totals.principal_paid_fen == state.totals.principal_paid_fen


@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**13), st.integers(0, 10**12), st.integers(1, 10**12), st.sampled_from(ROUNDINGS)
        ),
        min_size=1,
    ),
    st.integers(-5, 400),
)
def test_a_column_is_its_lines(lines, days):
    made = [Line(START, *line) for line in lines]
    at_start, a_day, per, rounding = (
        np.array(column, np.int64)
        for column in zip(*((a, b, c, ROUNDINGS.index(r)) for a, b, c, r in lines), strict=True)
    )
    start = np.full(len(made), START.toordinal(), np.int64)
    found = grown(start, at_start, a_day, per, rounding, START.toordinal() + days)
    assert found.tolist() == [line.on(START + timedelta(days=days)) for line in made]


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_ties_are_rounded_as_agreed(rounding):
    line = Line(START, 5, 10, 10, rounding)
    start, five, ten, how = (np.array([v]) for v in (START.toordinal(), 5, 10, ROUNDINGS.index(rounding)))
    found = [int(grown(start, five, ten, ten, how, START.toordinal() + k)[0]) for k in range(4)]
    assert found == [line.on(START + k * DAY) for k in range(4)]
    assert (
        found
        == {Rounding.DOWN: [0, 1, 2, 3], Rounding.HALF_EVEN: [0, 2, 2, 4], Rounding.HALF_UP: [1, 2, 3, 4]}[
            rounding
        ]
    )


def test_a_loan_too_large_for_a_column_is_folded_every_day():
    terms = Terms(
        principal_fen=10**15 - 1,
        instalments=3,
        lender="L",
        licence="X",
        policy_pack="cn@0",
        product="p",
        annual_rate_ppm=179_999,
        method=Method.EQUAL_INSTALMENT,
        cap_ppm=240_000,
        charges=disclosed_charges(
            "L",
            annual_rate_ppm=179_999,
            method=Method.EQUAL_INSTALMENT,
            day_basis=DayBasis.ACT_365,
            cap_ppm=240_000,
        ),
        day_basis=DayBasis.ACT_365,
    )
    on = START + 20 * DAY
    state, outlook = look_ahead(terms, [_event(0, EventType.DISBURSED, START, 10**15 - 1)], on)
    assert outlook.until == on + DAY
    assert outlook.accrued(on) == (state.totals.interest_accrued_fen, 0)


def test_a_day_outside_is_refused():
    outlook = Outlook(START, START + DAY, 0, Line(START, 0, 0, 1, Rounding.DOWN), 0, (), None)
    with pytest.raises(ValueError, match="fold the loan"):
        outlook.accrued(START + DAY)
    assert NEVER > START
