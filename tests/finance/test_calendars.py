"""Due dates in every unit, month ends, working days, and the parts of a year that periods are."""

from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
import pyxirr
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import dates
from timelyrain.finance import (
    CalendarEnds,
    DayBasis,
    Method,
    MonthEnd,
    Shift,
    Unit,
    WorkCalendar,
    due_dates,
    periods,
    schedule,
)

OCTOBER = WorkCalendar(
    date(2026, 9, 1),
    date(2026, 10, 31),
    off=frozenset(date(2026, 10, day) for day in range(1, 8)),
    worked=frozenset({date(2026, 9, 20), date(2026, 10, 10)}),
)


def test_steps_of_every_unit():
    start = date(2026, 1, 31)
    assert due_dates(start, 2, unit=Unit.WEEKS, every=2) == (date(2026, 2, 14), date(2026, 2, 28))
    assert due_dates(start, 2, unit=Unit.DAYS, every=15) == (date(2026, 2, 15), date(2026, 3, 2))
    assert due_dates(start, 3, every=3) == (date(2026, 4, 30), date(2026, 7, 31), date(2026, 10, 31))
    assert due_dates(start, 2, first_due=date(2026, 3, 20)) == (date(2026, 3, 20), date(2026, 4, 20))
    assert due_dates(start, 2, 31, first_due=date(2026, 2, 28)) == (date(2026, 2, 28), date(2026, 3, 31))
    assert due_dates(start, 2, unit=Unit.WEEKS, first_due=date(2026, 2, 3)) == (
        date(2026, 2, 3),
        date(2026, 2, 10),
    )


def test_month_end_rolls_or_clamps():
    start = date(2025, 1, 31)
    assert due_dates(start, 3) == (date(2025, 2, 28), date(2025, 3, 31), date(2025, 4, 30))
    rolled = due_dates(start, 3, month_end=MonthEnd.ROLL)
    assert rolled == (date(2025, 3, 1), date(2025, 3, 31), date(2025, 5, 1))


def test_working_days():
    golden_week = date(2026, 10, 2)
    assert OCTOBER.shift(golden_week) == date(2026, 10, 8)
    assert OCTOBER.shift(golden_week, Shift.PRECEDING) == date(2026, 9, 30)
    assert OCTOBER.shift(date(2026, 9, 20)) == date(2026, 9, 20)  # a Sunday that is worked
    assert OCTOBER.shift(date(2026, 10, 10)) == date(2026, 10, 10)
    assert OCTOBER.shift(date(2026, 10, 17), Shift.MODIFIED) == date(2026, 10, 19)
    with pytest.raises(CalendarEnds, match="2026-09-01 to 2026-10-31"):
        OCTOBER.is_working(date(2026, 11, 1))
    with pytest.raises(CalendarEnds):
        OCTOBER.shift(date(2026, 10, 31))  # a Saturday: the next working day is not in the table


def test_modified_stays_in_its_month():
    year = WorkCalendar(date(2026, 1, 1), date(2026, 12, 31))
    assert year.shift(date(2026, 10, 31), Shift.FOLLOWING) == date(2026, 11, 2)
    assert year.shift(date(2026, 10, 31), Shift.MODIFIED) == date(2026, 10, 30)


def test_a_shifted_plan_counts_its_days_and_refuses_past_the_table():
    plan = schedule(
        100_000, 120_000, date(2026, 9, 3), 1, day_basis=DayBasis.ACT_365, calendar=OCTOBER
    )  # due 3 October, in the holiday
    assert (plan[0].due_on, plan[0].days) == (date(2026, 10, 8), 35)
    assert plan[0].interest_fen == round(Fraction(100_000 * 12 * 35, 36_500))
    with pytest.raises(CalendarEnds):
        schedule(100_000, 120_000, date(2026, 9, 3), 2, calendar=OCTOBER)


ORACLE = {
    DayBasis.ACT_360: pyxirr.DayCount.ACT_360,
    DayBasis.ACT_364: pyxirr.DayCount.ACT_364,
    DayBasis.ACT_365: pyxirr.DayCount.ACT_365F,
    DayBasis.ACT_ACT_ISDA: pyxirr.DayCount.ACT_ACT_ISDA,
    DayBasis.THIRTY_E_360: pyxirr.DayCount.THIRTY_E_360,
    DayBasis.THIRTY_360: pyxirr.DayCount.THIRTY_360_ISDA,
}


@pytest.mark.parametrize("basis", ORACLE)
@given(start=dates, days=st.integers(1, 800))
def test_parts_of_a_year_against_pyxirr(basis: DayBasis, start: date, days: int):
    end = start + timedelta(days=days)
    (row,) = periods(start, 1, Method.BULLET, basis, unit=Unit.DAYS, every=days)
    expected = pyxirr.year_fraction(start, end, ORACLE[basis])
    assert row.whole * row.num / row.den == pytest.approx(expected, abs=1e-12)


def test_the_two_year_splits():
    """19 days of 2023 and 12 of 2024, or 20 and 11: the new year begins on the 31st or on the 1st."""
    start = date(2023, 12, 12)
    for basis, expected in (
        (DayBasis.ACT_ACT_DEC31, Fraction(19, 365) + Fraction(12, 366)),
        (DayBasis.ACT_ACT_ISDA, Fraction(20, 365) + Fraction(11, 366)),
    ):
        row = periods(start, 1, Method.EQUAL_INSTALMENT, basis)[0]
        assert Fraction(row.whole * row.num, row.den) == expected
    interest = [
        schedule(1_000_000, 120_000, start, 6, day_basis=basis)[0].interest_fen
        for basis in (DayBasis.ACT_ACT_DEC31, DayBasis.ACT_ACT_ISDA)
    ]
    assert interest == [10_181, 10_182]


@given(
    dates, st.integers(1, 12), st.sampled_from(DayBasis), st.integers(1, 31), st.floats(0, 1), st.floats(0, 1)
)
def test_interest_adds_up_over_any_split(
    start: date, n: int, basis: DayBasis, due_day: int, a: float, b: float
):
    rows = periods(start, n, Method.EQUAL_INSTALMENT, basis, due_day)
    for row in rows:
        cuts = [row.start + timedelta(days=int(row.days * part)) for part in sorted((0, a, b, 1))]
        weights = [row.weight(x, y) for x, y in pairwise(cuts)]
        assert min(weights) >= 0
        assert sum(weights) == row.weight(row.start, row.due_on) == row.whole


@given(dates, st.integers(1, 3), st.integers(1, 31) | st.none(), st.sampled_from(MonthEnd))
def test_every_period_is_about_its_step(start: date, every: int, due_day: int | None, month_end: MonthEnd):
    """No step is lost where a due day rolls into the next month; only the first may be irregular."""
    rows = periods(
        start, 4, Method.EQUAL_INSTALMENT, DayBasis.PER_INSTALMENT, due_day, every=every, month_end=month_end
    )
    parts = [Fraction(row.whole * row.num, row.den) for row in rows]
    assert parts[1:] == [Fraction(every, 12)] * 3
    assert abs(parts[0] - Fraction(every, 12)) <= Fraction(every, 12) * Fraction(18, 28 * every)


def test_regular_steps_are_equal_parts_of_a_year():
    for unit, every, part in (
        (Unit.MONTHS, 1, Fraction(1, 12)),
        (Unit.MONTHS, 3, Fraction(1, 4)),
        (Unit.WEEKS, 2, Fraction(1, 26)),
        (Unit.DAYS, 15, Fraction(15, 365)),
    ):
        rows = periods(
            date(2026, 1, 31), 6, Method.EQUAL_INSTALMENT, DayBasis.PER_INSTALMENT, every=every, unit=unit
        )
        assert {Fraction(row.whole * row.num, row.den) for row in rows} == {part}
        bullet = periods(
            date(2026, 1, 31), 6, Method.BULLET, DayBasis.PER_INSTALMENT, every=every, unit=unit
        )[0]
        assert Fraction(bullet.whole * bullet.num, bullet.den) == 6 * part or unit is Unit.MONTHS
