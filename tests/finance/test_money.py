"""Rounding, printing and reading money."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelyrain.finance import Rounding, parse_yuan, percent, round_ratio, yuan

DECIMAL = {
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.DOWN: ROUND_DOWN,
}


@given(st.integers(-(10**6), 10**6), st.sampled_from((-8, -4, -2, -1, 1, 2, 4, 8)), st.sampled_from(Rounding))
def test_rounding_agrees_with_decimal(numerator: int, denominator: int, rounding: Rounding):
    exact = Decimal(numerator) / Decimal(denominator)
    assert round_ratio(numerator, denominator, rounding) == int(exact.quantize(Decimal(1), DECIMAL[rounding]))


def test_rounding_of_ties_and_neighbours():
    assert [round_ratio(n, 2) for n in (1, 3, 5, -1, -3)] == [0, 2, 2, 0, -2]
    assert [round_ratio(n, 2, Rounding.HALF_UP) for n in (1, 3, 5, -1)] == [1, 2, 3, -1]
    assert round_ratio(5 * 10**30 - 1, 10**31) == 0 and round_ratio(5 * 10**30 + 1, 10**31) == 1
    with pytest.raises(ZeroDivisionError):
        round_ratio(1, 0)


@given(st.integers(-(10**14), 10**14))
def test_yuan_reads_back(fen: int):
    assert parse_yuan(yuan(fen)) == fen


def test_yuan_forms():
    assert (yuan(123_450), yuan(-5), yuan(0)) == ("1,234.50", "-0.05", "0.00")
    assert [parse_yuan(t) for t in ("1234.5", "1,234.50", " 7 ", "-0.05")] == [123_450, 123_450, 700, -5]


@pytest.mark.parametrize(
    "text", ["", "1.234", "1,23", "12,34.00", "1e3", "NaN", "１２", "1.", ".5", "--1", "1 000"]
)
def test_amounts_that_are_not_plain_are_refused(text: str):
    with pytest.raises(ValueError, match="is not an amount in yuan"):
        parse_yuan(text)


def test_percent():
    assert [percent(p) for p in (180_000, 240_001, 0, 1_268_250, -500, 100)] == [
        "18.00%",
        "24.0001%",
        "0.00%",
        "126.8250%",
        "-0.05%",
        "0.01%",
    ]
