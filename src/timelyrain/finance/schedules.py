"""Repayment schedules in exact arithmetic.

The interest of a period is one rounding of sum(principal x days) x rate; the equal instalment is
P * prod(1 + f_i) / F with F_1 = 1, F_k = 1 + F_(k-1) * (1 + f_k), one rounding (half-even) of an exact ratio; what
rounding leaves over is in the last instalment. No float, no Decimal.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from math import gcd
from typing import NamedTuple

from .calendars import add_months, due_dates
from .daycount import DayBasis, day_fraction
from .money import Rounding, round_ratio
from .problems import TermsInvalid, TermsProblem

MAX_INSTALMENTS = 600
MAX_RATE_PPM = 10_000_000
PPM = 1_000_000


class Method(StrEnum):
    """How principal and interest are spread over the months.

    EQUAL_INSTALMENT (等额本息), EQUAL_PRINCIPAL (等额本金), INTEREST_ONLY (先息后本), BULLET (all at the end of the last
    month, one instalment), FLAT (等本等息: interest always on the original principal).
    """

    EQUAL_INSTALMENT = "EQUAL_INSTALMENT"
    EQUAL_PRINCIPAL = "EQUAL_PRINCIPAL"
    INTEREST_ONLY = "INTEREST_ONLY"
    BULLET = "BULLET"
    FLAT = "FLAT"


class Instalment(NamedTuple):
    """One row of a plan. `days`: actual days of its period; `balance_fen`: principal left after it."""

    n: int
    due_on: date
    days: int
    principal_fen: int
    interest_fen: int
    total_fen: int
    balance_fen: int


class Period(NamedTuple):
    """One interest period. `num`/`den`: what part of a year each of its `days` is."""

    n: int
    due_on: date
    days: int
    num: int
    den: int


def schedule(
    principal_fen: int,
    annual_rate_ppm: int,
    start: date,
    instalments: int,
    method: Method = Method.EQUAL_INSTALMENT,
    day_basis: DayBasis = DayBasis.PER_INSTALMENT,
    *,
    due_day: int | None = None,
    rounding: Rounding = Rounding.HALF_EVEN,
) -> tuple[Instalment, ...]:
    """The plan of a loan paid out on `start`: `instalments` monthly rows (one for BULLET), ending at balance zero.

    due_day: day of the month 1 to 31, None keeps the start's day. rounding: of interest; DOWN keeps the real rate of
    the whole plan at or below the nominal one. Raises TermsInvalid with every problem.
    """
    problems = schedule_problems(principal_fen, annual_rate_ppm, instalments, due_day)
    if problems:
        raise TermsInvalid(problems)
    rows = periods(start, instalments, method, day_basis, due_day)
    part = level_part(principal_fen, annual_rate_ppm, rows, method)
    return amortise(principal_fen, annual_rate_ppm, rows, method, rounding, part)


def schedule_problems(
    principal_fen: int, annual_rate_ppm: int, instalments: int, due_day: int | None
) -> list[TermsProblem]:
    """What makes these numbers unusable for a schedule; empty when nothing does."""
    bounds = (
        ("principal_fen", principal_fen, 1, 10**15),
        ("annual_rate_ppm", annual_rate_ppm, 0, MAX_RATE_PPM),
        ("instalments", instalments, 1, MAX_INSTALMENTS),
        ("due_day", 1 if due_day is None else due_day, 1, 31),
    )
    return [
        TermsProblem(name, value, f"must be an integer from {low:,} to {high:,}")
        for name, value, low, high in bounds
        if type(value) is not int or not low <= value <= high
    ]


def periods(
    start: date, instalments: int, method: Method, day_basis: DayBasis, due_day: int | None = None
) -> tuple[Period, ...]:
    """The interest periods of a loan from `start`. Under PER_INSTALMENT an irregular first period counts by its days."""
    dates = due_dates(start, instalments, due_day)
    regular = (dates[0] - add_months(dates[0], -1, due_day or start.day)).days
    first = (dates[0] - start).days
    if method is Method.BULLET:
        days = (dates[-1] - start).days
        months = first + (instalments - 1) * regular  # in units of 1/regular of a month
        return (Period(1, dates[-1], days, *day_fraction(day_basis, months, regular * days)),)
    rows = [Period(1, dates[0], first, *day_fraction(day_basis, 1, regular))]
    previous = dates[0]
    for n, due_on in enumerate(dates[1:], 2):
        days = (due_on - previous).days
        rows.append(Period(n, due_on, days, *day_fraction(day_basis, 1, days)))
        previous = due_on
    return tuple(rows)


def period_interest(fen_days: int, annual_rate_ppm: int, period: Period, rounding: Rounding) -> int:
    """Interest in fen on sum(principal x days) within one period: the only rounding there is."""
    return round_ratio(fen_days * annual_rate_ppm * period.num, PPM * period.den, rounding)


def level_part(
    principal_fen: int,
    annual_rate_ppm: int,
    rows: Sequence[Period],
    method: Method,
    *,
    elapsed: int = 0,
    carried_fen_days: int = 0,
) -> int:
    """What stays equal over `rows`: the instalment (EQUAL_INSTALMENT), the principal share (EQUAL_PRINCIPAL, FLAT) or 0.

    elapsed, carried_fen_days: days of the first period already gone and their sum(principal x days).
    """
    if method in (Method.EQUAL_PRINCIPAL, Method.FLAT):
        return round_ratio(principal_fen, len(rows))
    if method is not Method.EQUAL_INSTALMENT:
        return 0
    first = rows[0]
    interest = (carried_fen_days + principal_fen * (first.days - elapsed)) * annual_rate_ppm * first.num
    scale = PPM * first.den
    growth, annuity, denominator = 1, 1, 1  # of rows 2..n: prod(d+a), F * prod(d), prod(d), with f = a/d
    for row in rows[1:]:
        a, d = annual_rate_ppm * row.num * row.days, PPM * row.den
        shared = gcd(a, d)
        a, d = a // shared, d // shared
        growth *= d + a
        denominator *= d
        annuity = denominator + annuity * (d + a)
    part = round_ratio((principal_fen * scale + interest) * growth, scale * annuity)
    if carried_fen_days and part * scale <= interest:
        # The first row pays interest alone; the others share the principal.
        return level_part(principal_fen, annual_rate_ppm, rows[1:] or rows, method)
    return part


def amortise(
    principal_fen: int,
    annual_rate_ppm: int,
    rows: Sequence[Period],
    method: Method,
    rounding: Rounding,
    part: int,
    *,
    elapsed: int = 0,
    carried_fen_days: int = 0,
    flat_base_fen: int | None = None,
) -> tuple[Instalment, ...]:
    """Spread `principal_fen` over `rows` with the equal `part` of `level_part`; the last row takes the rest.

    flat_base_fen: what FLAT interest is counted on, default the principal itself.
    """
    flat = method is Method.FLAT
    level = method is Method.EQUAL_INSTALMENT
    balance = principal_fen
    base = principal_fen if flat_base_fen is None else flat_base_fen
    plan: list[Instalment] = []
    last = len(rows) - 1
    for i, row in enumerate(rows):
        n, due_on, days, num, den = row
        fen_days = base * days if i else carried_fen_days + base * (days - elapsed)
        interest = round_ratio(fen_days * annual_rate_ppm * num, PPM * den, rounding)
        share = balance if i == last else min(max(part - interest, 0) if level else part, balance)
        balance -= share
        if not flat:
            base = balance
        plan.append(Instalment(n, due_on, days, share, interest, share + interest, balance))
    return tuple(plan)
