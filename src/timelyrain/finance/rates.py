"""Annual rates from real cash flows: + to the borrower, - from the borrower.

Policy on several roots: flows whose sign changes once have exactly one rate above -100 %. Where the sign changes more
often, every root between -99.99 % and +1,000,000 % per period (per year for dated flows) is searched; one root is returned,
two or more raise NoUniqueRate with the candidates, because choosing one would be a guess. No root, or flows of one
sign only, raise NoRate. A loan whose payments add up to what was received has the rate 0.
"""

from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import exp, expm1, inf, log
from operator import mul
from typing import Any, NamedTuple

from .unitperiods import UnitPeriod, eu_years, unit_period

_LOG_LOW, _LOG_HIGH = log(1e-4), log(1e4)  # of 1 + rate
_STEPS = 2_000
CLOSE = 1e-8  # a Newton step this small leaves an error of its square
ROUNDS = 40
_EXACT = Decimal("1e-13")
_OUT_OF_RANGE = "no rate between -99.99 % and 1,000,000 % makes these flows balance"


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
    return _fraction(irr(flows))


def annualised_irr_ppm(flows: Sequence[int], periods_per_year: int = 12) -> int:
    """Compound annual rate (1 + r)^n - 1 of equally spaced flows, in ppm, nearest."""
    return round((power(1 + irr(flows), periods_per_year) - 1) * 1e6)


def annualised_simple_ppm(flows: Sequence[int], periods_per_year: int = 12) -> int:
    """Simple annual rate n * r of equally spaced flows, in ppm, nearest. Must be labelled simple (单利) where shown."""
    return round(irr(flows) * periods_per_year * 1e6)


def xirr(flows: Sequence[CashFlow]) -> Decimal:
    """Effective annual rate on actual days over 365, as a fraction, exact to 1e-10. Flows in any order.

    Raises NoRate, NoUniqueRate.
    """
    start = min((flow.on for flow in flows), default=date.min)
    return rate_over_years([((flow.on - start).days / 365, flow.amount_fen) for flow in flows])


def eu_annual_rate(flows: Sequence[CashFlow]) -> Decimal:
    """Annual percentage rate of charge by the EU equation, time by its remark (c); the UK's CONC App 1.2 is the same.

    Directive 2008/48/EC Annex I, 2014/17/EU Annex I, (EU) 2023/2225 Annex III. Raises NoRate, NoUniqueRate.
    """
    start = min((flow.on for flow in flows), default=date.min)
    years = eu_years(start, [flow.on for flow in flows])
    return rate_over_years([(float(t), flow.amount_fen) for t, flow in zip(years, flows, strict=True)])


def rate_over_years(flows: Sequence[tuple[float, int]]) -> Decimal:
    """Effective annual rate X of (years, fen) flows in any order: the root of sum(amount * (1 + X)^-t).

    Raises NoRate, NoUniqueRate.
    """
    by_time: dict[float, int] = {}
    for t, amount in flows:
        by_time[t] = by_time.get(t, 0) + amount
    timed = sorted((t, amount) for t, amount in by_time.items() if amount)
    return _fraction(expm1(_root_over_time(timed)))


def reg_z_rate(flows: Sequence[CashFlow], unit: UnitPeriod | None = None) -> Decimal:
    """US annual percentage rate by the actuarial method (12 CFR 1026, Appendix J): rate per unit-period x unit-periods a year.

    unit: default, the one the appendix finds in the dates. Raises NoRate, NoUniqueRate.
    """
    ordered = sorted(flows)
    if not ordered:
        raise NoRate("a rate needs money both ways; there are no flows")
    start = ordered[0].on
    unit = unit or unit_period([flow.on for flow in ordered])
    timed = [(*unit.between(start, flow.on), flow.amount_fen) for flow in ordered]
    return nominal_rate([(t, float(f), amount) for t, f, amount in timed], float(unit.per_year))


def nominal_rate(flows: Sequence[tuple[int, float, int]], per_year: float) -> Decimal:
    """w * i of (whole periods, part of one, fen) flows: i is the root of sum(amount / ((1 + f*i) * (1 + i)^t)).

    The equation of Appendix J, and of the Chinese enterprise loan fact sheet (贷款明白纸) with months and per_year 12.
    Raises NoRate, NoUniqueRate.
    """
    timed = sorted((t, f, amount) for t, f, amount in flows if amount)
    if not timed:
        raise NoRate("a rate needs money both ways; there are no flows")

    def value(x: float) -> float:
        i = expm1(x)
        whole = timed[0][0] if x >= 0 else timed[-1][0]  # keeps the powers small, so that nothing overflows
        return sum(amount * exp((whole - t) * x) / (1 + f * i) for t, f, amount in timed)

    return _fraction(expm1(_search(value, _sign_changes([amount for _, _, amount in timed]))) * per_year)


def simple_annual_rate(principal_fen: int, interest_fen: int, days: int, year_days: int = 365) -> Decimal:
    """A daily rate x 360 or 365 (按日计息, 单利): interest on a principal over actual days, as a fraction of a year."""
    if principal_fen <= 0 or days <= 0:
        raise NoRate(
            f"principal_fen={principal_fen} and days={days} must be above zero for a rate on principal by days"
        )
    return Decimal(interest_fen) * year_days / (principal_fen * days)


def irr(flows: Sequence[int]) -> float:
    """`irr_periodic` as a float, bit-equal to `irr_column`. Raises NoRate, NoUniqueRate."""
    first = flows[0] if flows else 0
    if first:
        rest = flows[1:]
        if (max(rest, default=1) <= 0) if first > 0 else (min(rest, default=-1) >= 0):
            v = _loan_discount(flows, first)
            if v:
                return 1 / v - 1
    return expm1(_root_over_time([(float(k), amount) for k, amount in enumerate(flows) if amount]))


def _loan_discount(flows: Sequence[int], first: int) -> float:
    """v = 1/(1 + rate) of one advance and payments after it, or 0.0 where Newton does not settle.

    The payments' value is convex and rising in v > 0, so that Newton's steps come down to the only root from the right.
    They start where payments spread evenly around their mean time would about balance. Only +-*/ are used: an array gives the
    same bits.
    """
    total = sum(flows) - first
    if not total:
        return 0.0
    weighted = sum(map(mul, flows, range(len(flows))))
    gain = float(total + first) / float(total - first)
    tilt = gain * (float(total) / float(weighted))
    tilt *= 1 + gain * (1 - tilt) / 3
    v = (1 - tilt) / (1 + tilt)
    backward = [float(amount) for amount in reversed(flows)]
    for _ in range(ROUNDS):
        slope = worth = 0.0
        for amount in backward:
            slope = slope * v + worth
            worth = worth * v + amount
        step = worth / slope
        v -= step
        if -CLOSE < step < CLOSE:
            return v if 1e-4 < v < 1e4 else 0.0
    return 0.0


def power(base: Any, exponent: int) -> Any:
    """base ** exponent by multiplication alone, so that a float and an array of floats give the same bits."""
    result = base if exponent & 1 else base * 0 + 1.0
    while exponent := exponent >> 1:
        base = base * base
        if exponent & 1:
            result = result * base
    return result


def _root_over_time(flows: list[tuple[float, int]]) -> float:
    """log(1 + rate) of (time, amount) flows by time, no zero amounts."""
    begin, end = (flows[0][0], flows[-1][0]) if flows else (0.0, 0.0)

    def value(x: float) -> float:
        origin = begin if x >= 0 else end  # keeps every factor at or below 1, so that nothing overflows
        return sum(amount * exp((origin - t) * x) for t, amount in flows)

    changes = _sign_changes([amount for _, amount in flows])
    if changes == 1 and (flows[0][1] < 0) != (flows[1][1] < 0):
        x = _loan_root(flows)
        if _LOG_LOW < x < _LOG_HIGH:
            return x
    return _search(value, changes)


def _loan_root(flows: list[tuple[float, int]]) -> float:
    """`_loan_discount` for payments at any times: log(1 + rate), or infinity where Newton does not settle."""
    begin, first = flows[0]
    rest = [(begin - t, amount) for t, amount in flows[1:]]
    total = sum(amount for _, amount in rest)
    weighted = sum(t * amount for t, amount in rest)
    x = -log(-total / first) * total / weighted
    for _ in range(ROUNDS if abs(x) < _LOG_HIGH else 0):
        worth, slope = float(first), 0.0
        for t, amount in rest:
            part = amount * exp(t * x)
            worth += part
            slope += t * part
        step = worth / slope
        x -= step
        if -CLOSE < step < CLOSE:
            return x
        if abs(x) > _LOG_HIGH:
            break
    return inf


def _sign_changes(amounts: Sequence[int]) -> int:
    """How often the sign changes. Raises NoRate when it never does."""
    changes = sum((a < 0) != (b < 0) for a, b in pairwise(amounts))
    if not changes:
        raise NoRate(f"a rate needs money both ways; these {len(amounts)} flows go one way only")
    return changes


def _search(value: Callable[[float], float], changes: int) -> float:
    """The only root x = log(1 + rate) of a net value in the searched range. Raises NoRate, NoUniqueRate."""
    if changes == 1:
        return _bisect(value, _LOG_LOW, _LOG_HIGH)
    step = (_LOG_HIGH - _LOG_LOW) / _STEPS
    grid = [_LOG_LOW + k * step for k in range(_STEPS + 1)]
    worth = [value(x) for x in grid]
    roots = [_bisect(value, grid[k], grid[k + 1]) for k in range(_STEPS) if worth[k] * worth[k + 1] < 0]
    roots += [x for x, here in zip(grid, worth, strict=True) if here == 0]
    if not roots:
        raise NoRate(_OUT_OF_RANGE)
    if len(roots) > 1:
        raise NoUniqueRate([_fraction(expm1(x)) for x in sorted(roots)])
    return roots[0]


def _bisect(value: Callable[[float], float], low: float, high: float) -> float:
    """The root of a continuous function with one sign change in [low, high], to the last bit of a float."""
    below, above = value(low), value(high)
    if (below > 0) == (above > 0) and below and above:
        raise NoRate(_OUT_OF_RANGE)
    rising = above > below
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        if (value(middle) < 0) == rising:
            low = middle
        else:
            high = middle


def _fraction(rate: float) -> Decimal:
    return Decimal(repr(rate)).quantize(_EXACT)
