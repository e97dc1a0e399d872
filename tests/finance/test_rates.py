"""Rates against pyxirr, an independent solver, and the policy on flows with several rates."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
import pyxirr
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.strategies import dates
from timelyrain.finance import (
    CashFlow,
    DayBasis,
    NoRate,
    NoUniqueRate,
    annualised_irr_ppm,
    annualised_simple_ppm,
    irr_periodic,
    schedule,
    xirr,
)


def test_known_rates():
    flows = [1_000_000] + [-88_849] * 11 + [-88_847]
    assert abs(irr_periodic(flows) - Decimal("0.0100000955")) < Decimal("1e-9")
    assert annualised_simple_ppm(flows) == 120_001
    assert annualised_irr_ppm(flows) == 126_826
    assert irr_periodic([600_000] + [-50_000] * 12) == 0
    assert (
        annualised_simple_ppm([900_000] + [-88_849] * 12) == 325_003
    )  # a tenth withheld: 12 % becomes 32.5 %


@given(st.integers(10_000, 10**8), st.integers(0, 3_000_000), st.integers(1, 60))
def test_irr_agrees_with_pyxirr(principal: int, rate: int, n: int):
    flows = [principal, *(-row.total_fen for row in schedule(principal, rate, date(2026, 1, 15), n))]
    assert float(irr_periodic(flows)) == pytest.approx(pyxirr.irr(flows), abs=1e-10)


@given(st.integers(10_000, 10**8), st.integers(0, 1_000_000), st.integers(1, 36), dates)
def test_xirr_agrees_with_pyxirr(principal: int, rate: int, n: int, start: date):
    plan = schedule(principal, rate, start, n, day_basis=DayBasis.ACT_365)
    flows = [CashFlow(start, principal), *(CashFlow(row.due_on, -row.total_fen) for row in plan)]
    found = xirr(flows)
    expected = pyxirr.xirr([f.on for f in flows], [f.amount_fen for f in flows])
    assert float(found) == pytest.approx(expected, abs=1e-9)  # pyxirr itself stops some 1e-10 away
    below, above = (
        sum(f.amount_fen / (1 + found + step) ** (Decimal((f.on - start).days) / 365) for f in flows)
        for step in (Decimal("-1e-10"), Decimal("1e-10"))
    )
    assert below < 0 < above  # the root lies within 1e-10
    assert xirr(flows[::-1]) == xirr(flows)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=20))
def test_a_returned_rate_balances_the_flows(flows: list[int]):
    try:
        rate = irr_periodic(flows)
    except (NoRate, NoUniqueRate):
        assume(False)
        return
    terms = [Decimal(a) / (1 + rate) ** k for k, a in enumerate(flows)]
    slope = sum(abs(k * t) for k, t in enumerate(terms)) / (1 + rate)
    assert abs(sum(terms)) <= slope * Decimal("1e-10") + Decimal("1e-6")


def test_several_rates_are_not_chosen_between():
    with pytest.raises(NoUniqueRate) as caught:
        irr_periodic([-100_000, 230_000, -132_000])  # 10 % and 20 %
    assert [round(float(r), 9) for r in caught.value.candidates] == [0.1, 0.2]
    assert "10.0" in str(caught.value)


def test_two_advances_have_one_rate():
    flows = [100_000, -10_000, 50_000, -80_000, -80_000]
    assert float(irr_periodic(flows)) == pytest.approx(pyxirr.irr(flows), abs=1e-10)


@pytest.mark.parametrize("flows", [[], [100], [100, 200], [0, 0], [-5, 0, -6], [100, -20, 130]])
def test_no_rate(flows: list[int]):
    with pytest.raises(NoRate):
        irr_periodic(flows)


def test_long_and_extreme_flows_do_not_overflow():
    assert float(irr_periodic([1_000_000] + [0] * 599 + [-1])) == pytest.approx(
        (1e-6) ** (1 / 600) - 1, abs=1e-10
    )
    day = date(2026, 1, 1)
    quick = [CashFlow(day, 100), CashFlow(day + timedelta(days=365), -900_000)]
    assert float(xirr(quick)) == pytest.approx(8_999, rel=1e-9)
