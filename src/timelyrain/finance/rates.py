"""Rates from real cash flows: + to the borrower, - from the borrower.

Policy on several roots: flows whose sign changes once have exactly one rate above -100 %. Where the sign changes more
often, every root between -99.99 % and +1,000,000 % per period (per year for xirr) is searched; one root is returned,
two or more raise NoUniqueRate with the candidates, because choosing one would be a guess. No root, or flows of one
sign only, raise NoRate.
"""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import exp, expm1, log
from typing import NamedTuple

from .money import round_ratio

_LOG_LOW, _LOG_HIGH = log(1e-4), log(1e4)  # of 1 + rate
_STEPS = 2_000


class CashFlow(NamedTuple):
    """An amount on a day: + to the borrower, - from the borrower."""

    on: date
    amount_fen: int


class NoRate(ValueError):
    """No rate makes these flows balance."""


class NoUniqueRate(ValueError):
    """Several rates make these flows balance; `candidates` lists them as fractions."""

    def __init__(self, candidates: Sequence[Decimal]) -> None:
        self.candidates = tuple(candidates)
        shown = ", ".join(f"{rate:%}" for rate in self.candidates)
        super().__init__(
            f"the cash flows have several rates: {shown}; split them into flows with one rate each"
        )


def irr_periodic(flows: Sequence[int]) -> Decimal:
    """Rate per period of equally spaced flows in fen, as a fraction (0.015 = 1.5 %), exact to 1e-10.

    Raises NoRate, NoUniqueRate.
    """
    return _solve([(float(k), amount) for k, amount in enumerate(flows) if amount])


def xirr(flows: Sequence[CashFlow]) -> Decimal:
    """Effective annual rate on actual days over 365, as a fraction, exact to 1e-10. Flows in any order.

    Raises NoRate, NoUniqueRate.
    """
    by_day: dict[date, int] = {}
    for flow in flows:
        by_day[flow.on] = by_day.get(flow.on, 0) + flow.amount_fen
    start = min(by_day, default=date.min)
    return _solve([((on - start).days / 365, by_day[on]) for on in sorted(by_day) if by_day[on]])


def annualised_irr_ppm(flows: Sequence[int], periods_per_year: int = 12) -> int:
    """Compound annual rate (1 + r)^n - 1 of equally spaced flows, in ppm, nearest."""
    return _ppm((1 + irr_periodic(flows)) ** periods_per_year - 1)


def annualised_simple_ppm(flows: Sequence[int], periods_per_year: int = 12) -> int:
    """Simple annual rate n * r of equally spaced flows, in ppm, nearest. Must be labelled simple (单利) where shown."""
    return _ppm(irr_periodic(flows) * periods_per_year)


def _ppm(fraction: Decimal) -> int:
    return round_ratio(*(fraction * 1_000_000).as_integer_ratio())


def _solve(flows: list[tuple[float, int]]) -> Decimal:
    """flows: (time, amount) by time, no zero amounts."""
    changes = sum((a < 0) != (b < 0) for (_, a), (_, b) in pairwise(flows))
    if not changes:
        raise NoRate(f"a rate needs money both ways; these {len(flows)} flows go one way only")

    begin, end = flows[0][0], flows[-1][0]

    def value(x: float) -> float:  # x = log(1 + rate), so that every x is a rate above -100 %
        origin = begin if x >= 0 else end  # keeps every factor at or below 1, so that nothing overflows
        return sum(amount * exp((origin - t) * x) for t, amount in flows)

    if changes == 1:
        return _fraction(_bisect(value, _LOG_LOW, _LOG_HIGH))
    step = (_LOG_HIGH - _LOG_LOW) / _STEPS
    grid = [_LOG_LOW + k * step for k in range(_STEPS + 1)]
    roots = [_bisect(value, a, b) for a, b in pairwise(grid) if value(a) * value(b) < 0]
    roots += [x for x in grid if value(x) == 0]
    if not roots:
        raise NoRate("no rate between -99.99 % and 1,000,000 % makes these flows balance")
    if len(roots) > 1:
        raise NoUniqueRate([_fraction(x) for x in sorted(roots)])
    return _fraction(roots[0])


def _bisect(value: Callable[[float], float], low: float, high: float) -> float:
    """The root of a continuous function with one sign change in [low, high], to the last bit of a float."""
    rising = value(high) > value(low)
    if (value(low) > 0) == (value(high) > 0) and value(low) and value(high):
        raise NoRate("no rate between -99.99 % and 1,000,000 % makes these flows balance")
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if (value(middle) < 0) == rising:
            low = middle
        else:
            high = middle


def _fraction(x: float) -> Decimal:
    return Decimal(repr(expm1(x))).quantize(Decimal("1e-13"))
