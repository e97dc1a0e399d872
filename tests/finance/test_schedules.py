"""Schedules: calendars, known plans, and the laws of every plan."""

from datetime import date
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import dates
from timelyrain import finance
from timelyrain.finance import (
    DayBasis,
    Method,
    Rounding,
    TermsInvalid,
    add_months,
    due_dates,
    irr_periodic,
    periods,
    schedule,
)


def test_public_names_are_pinned():
    assert sorted(finance.__all__) == finance.__all__
    assert all(hasattr(finance, name) for name in finance.__all__)


def test_months_keep_the_agreed_day():
    assert due_dates(date(2024, 1, 31), 3) == (date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30))
    assert add_months(date(2025, 12, 31), 2) == date(2026, 2, 28)
    assert add_months(date(2026, 3, 31), -1) == date(2026, 2, 28)
    assert add_months(date(2026, 2, 28), 1, 31) == date(2026, 3, 31)


@given(dates, st.integers(1, 24), st.none() | st.integers(1, 31))
def test_due_dates_are_monthly_on_the_due_day(start: date, count: int, due_day: int | None):
    found = due_dates(start, count, due_day)
    assert len(found) == count
    assert 13 <= (found[0] - start).days <= 47
    for on in found:
        assert on == add_months(on, 0, due_day or start.day)
    assert all(add_months(a, 1, due_day or start.day) == b for a, b in pairwise(found))


def test_fixed_due_day_is_the_nearest_to_a_month():
    assert due_dates(date(2026, 1, 2), 2, 1) == (date(2026, 2, 1), date(2026, 3, 1))
    assert due_dates(date(2026, 1, 31), 1, 1) == (date(2026, 3, 1),)
    assert due_dates(date(2026, 1, 10), 1, 25) == (date(2026, 2, 25),)  # 15 days from 10 Feb, as 25 Jan is 16
    assert due_dates(date(2026, 1, 25), 1, 8) == (date(2026, 3, 8),)


def test_equal_instalment_at_twelve_percent():
    plan = schedule(1_000_000, 120_000, date(2026, 1, 15), 12)
    assert [row.total_fen for row in plan] == [88_849] * 11 + [88_847]
    assert [row.interest_fen for row in plan[:3]] == [10_000, 9_212, 8_415]


def test_other_methods():
    start = date(2026, 1, 15)
    equal_principal = schedule(1_200_000, 180_000, start, 12, Method.EQUAL_PRINCIPAL)
    assert [row.total_fen for row in equal_principal] == list(range(118_000, 101_000, -1_500))
    interest_only = schedule(1_000_000, 180_000, start, 6, Method.INTEREST_ONLY)
    assert [row.total_fen for row in interest_only] == [15_000] * 5 + [1_015_000]
    flat = schedule(1_200_000, 72_000, start, 12, Method.FLAT)
    assert [row.total_fen for row in flat] == [107_200] * 12
    (bullet,) = schedule(1_000_000, 180_000, start, 6, Method.BULLET)
    assert (bullet.due_on, bullet.days, bullet.total_fen) == (date(2026, 7, 15), 181, 1_090_000)


def test_actual_days():
    plan = schedule(1_000_000, 180_000, date(2026, 1, 15), 12, day_basis=DayBasis.ACT_365)
    assert plan[0].interest_fen == 15_288  # 10,000 * 18 % * 31/365 = 152.877
    assert len({row.total_fen for row in plan[:-1]}) == 1
    longer = schedule(1_000_000, 180_000, date(2026, 1, 15), 12, day_basis=DayBasis.ACT_360)
    assert longer[0].interest_fen == 15_500


def test_irregular_first_month_counts_by_its_days():
    plan = schedule(
        1_000_000, 120_000, date(2026, 1, 10), 3, due_day=25
    )  # 46 days; the month to 25 Feb has 31
    assert plan[0].interest_fen == round(1_000_000 * Fraction(12, 1200) * 46 / 31)
    assert plan[1].interest_fen == round(plan[0].balance_fen * Fraction(12, 1200))


def test_all_problems_at_once():
    with pytest.raises(TermsInvalid) as caught:
        schedule(0, -1, date(2026, 1, 1), 601, due_day=32)
    assert [p.field for p in caught.value.problems] == [
        "principal_fen",
        "annual_rate_ppm",
        "instalments",
        "due_day",
    ]
    assert "instalments=601" in str(caught.value)
    with pytest.raises(TermsInvalid, match=r"principal_fen=1\.5"):
        schedule(1.5, 0, date(2026, 1, 1), 1)  # pyright: ignore[reportArgumentType]


plans = st.builds(
    dict,
    principal_fen=st.integers(60, 10**9),
    annual_rate_ppm=st.integers(0, 360_000),
    start=dates,
    instalments=st.integers(1, 60),
    method=st.sampled_from(Method),
    day_basis=st.sampled_from(DayBasis),
    due_day=st.none() | st.integers(1, 31),
    rounding=st.sampled_from(Rounding),
)


@given(plans)
def test_every_plan_repays_exactly(terms: dict[str, object]):
    try:
        plan = schedule(**terms)
    except TermsInvalid as refused:  # a long first month of a long and dear loan
        assert "does not cover the first interest" in str(refused)
        assert terms["method"] is Method.EQUAL_INSTALMENT and terms["due_day"]
        return
    assert len(plan) == (1 if terms["method"] is Method.BULLET else terms["instalments"])
    assert sum(row.principal_fen for row in plan) == terms["principal_fen"]
    assert plan[-1].balance_fen == 0
    balance = terms["principal_fen"]
    for row in plan:
        assert row.principal_fen >= 0 and row.interest_fen >= 0
        assert row.total_fen == row.principal_fen + row.interest_fen
        balance -= row.principal_fen
        assert row.balance_fen == balance
    assert sum(row.days for row in plan) == (plan[-1].due_on - terms["start"]).days


@given(
    st.integers(10_000, 10**8), st.integers(0, 360_000), st.integers(0, 10_000), dates, st.integers(1, 60),
    st.sampled_from(DayBasis),
)  # fmt: skip
def test_instalment_grows_with_the_rate(
    principal: int, rate: int, more: int, start: date, n: int, basis: DayBasis
):
    lower = schedule(principal, rate, start, n, day_basis=basis)
    higher = schedule(principal, rate + more, start, n, day_basis=basis)
    assert lower[0].total_fen <= higher[0].total_fen
    assert sum(r.interest_fen for r in lower) <= sum(r.interest_fen for r in higher) + n


@given(
    st.integers(10_000, 10**8), st.integers(0, 360_000), dates, st.integers(1, 60), st.sampled_from(DayBasis)
)
def test_instalment_is_the_exact_ratio_rounded(
    principal: int, rate: int, start: date, n: int, basis: DayBasis
):
    """The closed form against plain fractions: the level payment leaves exactly zero before rounding."""
    plan = schedule(principal, rate, start, n, day_basis=basis)
    factors = [
        Fraction(rate, 12_000_000)
        if basis is DayBasis.PER_INSTALMENT
        else Fraction(rate * row.whole * row.num, 1_000_000 * row.den)
        for row in periods(start, n, Method.EQUAL_INSTALMENT, basis)
    ]
    growth, annuity = Fraction(1), Fraction(0)
    for factor in factors:
        growth *= 1 + factor
        annuity = annuity * (1 + factor) + 1
    level = round(principal * growth / annuity)
    if n > 1 and plan[0].balance_fen:
        assert plan[0].total_fen == level
    assert abs(plan[-1].total_fen - level) <= 2 * n + 2


@given(st.integers(100_000, 10**8), st.integers(1_000, 360_000), st.integers(1, 36), st.sampled_from(Method))
def test_rounding_down_never_passes_the_nominal_rate(principal: int, rate: int, n: int, method: Method):
    if method in (Method.FLAT, Method.BULLET):
        return
    plan = schedule(principal, rate, date(2026, 1, 15), n, method, rounding=Rounding.DOWN)
    real = irr_periodic([principal, *(-row.total_fen for row in plan)])
    assert float(real) * 12 <= rate / 1e6 + 1e-11
