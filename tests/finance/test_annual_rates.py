"""Annual rates by law: the time between dates, the several equations, and columns bit-equal to the single solver."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import pyxirr
from hypothesis import given
from hypothesis import strategies as st

from timelyrain.finance import (
    CashFlow,
    NoRate,
    add_months,
    annualised_column,
    annualised_irr_ppm,
    eu_annual_rate,
    eu_years,
    irr_column,
    irr_periodic,
    nominal_rate,
    rate_over_years,
    reg_z_rate,
    simple_annual_rate,
    unit_period,
    xirr,
)


def loan(start: date, first: date, count: int, amount: int, instalment: int) -> list[CashFlow]:
    return [
        CashFlow(start, amount),
        *(CashFlow(add_months(first, k), -instalment) for k in range(count)),
    ]


def test_remark_c():
    """Whole months counted back, days over the year that ends where they begin."""
    for year, days in ((2012, 365), (2013, 366)):
        start = date(year, 1, 12)
        payments = [add_months(date(year, 2, 15), k) for k in range(3)]
        assert eu_years(start, payments) == [Fraction(3, days) + Fraction(k, 12) for k in (1, 2, 3)]
    assert eu_years(date(2026, 1, 31), [date(2026, 2, 28), date(2026, 3, 31)]) == [
        Fraction(1, 12),
        Fraction(2, 12),
    ]
    assert eu_years(date(2026, 1, 1), [date(2026, 1, 15), date(2026, 2, 26)]) == [
        Fraction(2, 52),
        Fraction(8, 52),
    ]


def test_equal_months_and_actual_days_differ():
    flows = loan(date(2012, 10, 10), date(2012, 11, 10), 2, 50_000, 27_000)
    assert float(eu_annual_rate(flows)) == pytest.approx(0.85585078, abs=1e-8)
    assert float(xirr(flows)) == pytest.approx(0.8463, abs=5e-4)


@pytest.mark.parametrize(
    ("start", "first", "second", "months", "days", "per_year", "whole", "part"),
    [
        (date(1978, 2, 10), date(1978, 4, 1), date(1978, 5, 1), 1, 0, 12, 1, Fraction(19, 30)),
        (date(1978, 5, 23), date(1978, 10, 1), date(1979, 1, 1), 3, 0, 4, 1, Fraction(39, 90)),
        (date(1978, 1, 10), date(1978, 3, 1), date(1978, 5, 1), 2, 0, 6, 0, Fraction(52, 60)),
        (date(1978, 3, 20), date(1978, 4, 21), date(1978, 4, 28), 0, 7, 52, 4, Fraction(4, 7)),
        (date(1978, 4, 3), date(1978, 4, 11), date(1978, 4, 25), 0, 14, 26, 0, Fraction(8, 14)),
    ],
)  # Appendix J (c)(1)-(4)
def test_unit_periods(
    start: date, first: date, second: date, months: int, days: int, per_year: int, whole: int, part: Fraction
):
    third = add_months(second, months) if months else second + (second - first)
    unit = unit_period([start, first, second, third])
    assert unit == (months, days, per_year)
    assert unit.between(start, first) == (whole, part)


def test_half_months():
    dates = [date(2026, 1, 1), date(2026, 1, 16), date(2026, 2, 1), date(2026, 2, 16), date(2026, 3, 1)]
    unit = unit_period(dates)
    assert unit.per_year == 24
    assert [unit.between(dates[0], on) for on in dates[1:]] == [(1, 0), (2, 0), (3, 0), (4, 0)]


def test_one_payment_within_a_year():
    flows = [CashFlow(date(1978, 1, 3), 100_000), CashFlow(date(1978, 9, 15), -108_000)]
    assert float(reg_z_rate(flows)) == pytest.approx(0.08 * 365 / 255, abs=1e-10)
    half = [CashFlow(date(2026, 1, 15), 100_000), CashFlow(date(2026, 7, 15), -106_000)]
    assert float(reg_z_rate(half)) == pytest.approx(0.12, abs=1e-10)


def test_regulation_z_on_a_regular_loan_is_twelve_times_the_month():
    flows = loan(date(2026, 1, 15), date(2026, 2, 15), 12, 1_000_000, 88_849)
    monthly = irr_periodic([flow.amount_fen for flow in flows])
    assert abs(reg_z_rate(flows) - 12 * monthly) < Decimal("1e-11")


def test_part_of_a_period_is_simple():
    """One payment after a month and a half at 2 %: (1 + 0.02)(1 + 0.01)."""
    rate = nominal_rate([(0, 0.0, 1_000_000), (1, 0.5, -1_030_200)], 12)
    assert float(rate) == pytest.approx(0.24, abs=1e-10)


def test_several_advances_against_pyxirr():
    flows = [
        CashFlow(date(2026, 1, 15), 1_000_000),
        CashFlow(date(2026, 3, 2), 500_000),
        *(CashFlow(add_months(date(2026, 4, 15), k), -280_000) for k in range(6)),
    ]
    expected = pyxirr.xirr([f.on for f in flows], [float(f.amount_fen) for f in flows])
    assert float(xirr(flows)) == pytest.approx(expected, abs=1e-9)


def test_zero_interest_is_zero():
    flows = loan(date(2026, 1, 15), date(2026, 2, 15), 12, 600_000, 50_000)
    for rate in (eu_annual_rate(flows), xirr(flows), reg_z_rate(flows)):
        assert abs(rate) < Decimal("1e-13")
    assert simple_annual_rate(600_000, 0, 30) == 0


def test_daily_rates():
    assert simple_annual_rate(100_000, 1_500, 30) == Decimal("0.1825")
    assert simple_annual_rate(100_000, 1_500, 30, 360) == Decimal("0.18")
    with pytest.raises(NoRate, match="days=0"):
        simple_annual_rate(100_000, 1_500, 0)


@given(
    st.integers(1_000, 10**8),
    st.lists(st.tuples(st.floats(0.01, 10), st.integers(1, 10**8)), min_size=1, max_size=40),
)
def test_rates_over_time_against_a_plain_bisection(received: int, payments: list[tuple[float, int]]):
    try:
        found = float(rate_over_years([(0.0, received), *((t, -amount) for t, amount in payments)]))
    except NoRate:
        return
    low, high = -0.99991, 10_001.0
    for _ in range(200):
        middle = (low + high) / 2
        worth = received - sum(amount * (1 + middle) ** -t for t, amount in payments)
        low, high = (middle, high) if worth < 0 else (low, middle)
    assert found == pytest.approx(low, abs=1e-10, rel=1e-10)


flow_rows = st.lists(
    st.one_of(
        st.tuples(st.integers(10_000, 10**9), st.lists(st.integers(0, 10**8), min_size=12, max_size=12)).map(
            lambda loan: [loan[0], *(-amount for amount in loan[1])]
        ),
        st.lists(st.integers(-(10**6), 10**6), min_size=13, max_size=13),
    ),
    min_size=1,
    max_size=8,
)


@given(flow_rows)
def test_a_column_is_bit_equal_to_single_rates(rows: list[list[int]]):
    column = np.array(rows, dtype=np.int64)
    rates, yearly = irr_column(column), annualised_column(column)
    for row, rate, year in zip(rows, rates.tolist(), yearly.tolist(), strict=True):
        try:
            single = irr_periodic(row)
        except ValueError:
            assert np.isnan(rate)
            continue
        assert Decimal(repr(rate)).quantize(Decimal("1e-13")) == single
        if abs(year) < 1e6:
            assert round(year * 1e6) == annualised_irr_ppm(row)


def test_column_of_one_sign_or_nothing_is_nan():
    rates = irr_column(np.array([[100, 200, 0], [0, 0, 0], [100, -50, -50], [-100, 50, 50]]))
    assert np.isnan(rates[:2]).all()
    assert rates[2] == rates[3] == 0
    assert len(irr_column(np.empty((0, 3), dtype=np.int64))) == 0
