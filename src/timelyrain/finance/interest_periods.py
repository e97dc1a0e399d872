"""Interest periods: when instalments fall due, what part of a year each period is, and what it asks for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple, Unpack

from .calendars import DueDates, MonthEnd, Unit, add_months, due_dates, rolled_month
from .daycount import ACTUAL_YEAR, FIXED_YEAR, DayBasis, count_30, year_position


class Method(StrEnum):
    """How principal and interest are spread over the instalments.

    EQUAL_INSTALMENT   等额本息: equal totals
    EQUAL_PRINCIPAL    等额本金: equal shares of principal
    INTEREST_ONLY      先息后本: interest as it falls due, the principal with the last
    BULLET             到期一次还本付息: all at the end of the last period, one instalment
    FLAT               等本等息: equal shares of principal, interest always on the original principal
    """

    EQUAL_INSTALMENT = "EQUAL_INSTALMENT"
    EQUAL_PRINCIPAL = "EQUAL_PRINCIPAL"
    INTEREST_ONLY = "INTEREST_ONLY"
    BULLET = "BULLET"
    FLAT = "FLAT"


class Period(NamedTuple):
    """One interest period and what falls due at its end.

    num/den: what part of a year each unit of weight is; `weight` says how many units a stretch of days has, and
    `whole` how many the period has: its days, except where it lies in a common and a leap year (ACT_ACT).
    repays, collects: False in a period of grace on principal, on interest. fixed_fen: an amount agreed for this
    instalment (its total under EQUAL_INSTALMENT, else its principal) in place of the level part.
    """

    n: int
    due_on: date
    days: int
    num: int
    den: int
    start: date
    whole: int
    basis: DayBasis
    repays: bool = True
    collects: bool = True
    fixed_fen: int | None = None

    def weight(self, since: date, until: date) -> int:
        """Units of weight from `since` to `until`, two days of this period."""
        if self.whole == self.days:
            return (until - since).days
        return year_position(self.basis, until) - year_position(self.basis, since)


_ALL = (True, True, None)  # what most periods ask for: everything, and no fixed amount
_STEPS = {Unit.MONTHS: 12, Unit.WEEKS: 52, Unit.DAYS: 365}  # in a year
# A NamedTuple without the cost of its signature, where a plan is made row by row.
_period: Callable[[type[Period], Any], Period] = tuple.__new__  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


class Grace(NamedTuple):
    """How many of the first instalments ask for no principal, put their interest off to the next one, bear none."""

    principal: int = 0
    interest: int = 0
    interest_free: int = 0


NO_GRACE = Grace()


def periods(
    start: date,
    instalments: int,
    method: Method,
    day_basis: DayBasis,
    due_day: int | None = None,
    *,
    grace: Grace = NO_GRACE,
    fixed_fen: Mapping[int, int] | None = None,
    **dates: Unpack[DueDates],
) -> tuple[Period, ...]:
    """The interest periods of a loan from `start`. Under PER_INSTALMENT an irregular first period counts by its days."""
    ends = due_dates(start, instalments, due_day, **dates)
    if method is Method.BULLET:
        row = _bullet(start, ends, day_basis, due_day, dates)
        return (row._replace(num=0) if grace.interest_free else row,)
    spans = zip(range(1, instalments + 1), (start, *ends), ends, strict=False)
    if day_basis is DayBasis.PER_INSTALMENT:
        part, year = _step(dates)
        rows = [
            _period(Period, (n, due_on, days := (due_on - opened).days, part, year * (days or 1), opened, days, day_basis, *_ALL))
            for n, opened, due_on in spans
        ]  # fmt: skip
        if due_day is not None or dates:
            rows[0] = rows[0]._replace(den=year * _regular_days(start, due_day, dates, ends[0]))
    elif day_basis in FIXED_YEAR:
        year = FIXED_YEAR[day_basis]
        rows = [
            _period(Period, (n, due_on, days := (due_on - opened).days, 1, year, opened, days, day_basis, *_ALL))
            for n, opened, due_on in spans
        ]  # fmt: skip
    else:
        rows = [_dated(n, opened, due_on, day_basis) for n, opened, due_on in spans]
    if grace != NO_GRACE or fixed_fen:
        rows = [_conceded(row, grace, (fixed_fen or {}).get(row.n)) for row in rows]
    return tuple(rows)


def _step(dates: DueDates) -> tuple[int, int]:
    """One regular step as a part of a year, for PER_INSTALMENT."""
    if not dates:
        return 1, 12
    return dates.get("every", 1), _STEPS[dates.get("unit", Unit.MONTHS)]


def _regular_days(start: date, due_day: int | None, dates: DueDates, end: date) -> int:
    """How long the first period would regularly be: the step that ends on the first agreed due date."""
    every, unit = dates.get("every", 1), dates.get("unit", Unit.MONTHS)
    first_due = dates.get("first_due")
    if unit is Unit.WEEKS:
        return 7 * every
    if unit is Unit.DAYS:
        return every
    if first_due is None and (due_day is None or due_day == start.day):
        return (end - start).days
    month_end = dates.get("month_end", MonthEnd.CLAMP)
    (first,) = due_dates(start, 1, due_day, every=every, first_due=first_due, month_end=month_end)
    month = rolled_month(first, due_day, month_end)
    return (first - add_months(month, -every, due_day, month_end)).days


def _bullet(
    start: date, ends: Sequence[date], basis: DayBasis, due_day: int | None, dates: DueDates
) -> Period:
    """The one period from the start to the last due date; under PER_INSTALMENT its steps and its odd days."""
    days = (ends[-1] - start).days
    if basis is not DayBasis.PER_INSTALMENT:
        return _dated(1, start, ends[-1], basis)
    part, whole_year = _step(dates)
    regular = _regular_days(start, due_day, dates, ends[0])
    steps = (ends[0] - start).days + (len(ends) - 1) * regular  # in 1/regular of a step
    return Period(1, ends[-1], days, part * steps, whole_year * regular * days, start, days, basis)


def _dated(n: int, start: date, end: date, basis: DayBasis) -> Period:
    """A period whose part of a year depends on its dates alone."""
    days = (end - start).days
    if basis in FIXED_YEAR:
        return Period(n, end, days, 1, FIXED_YEAR[basis], start, days, basis)
    if basis in (DayBasis.THIRTY_360, DayBasis.THIRTY_E_360):
        return Period(n, end, days, count_30(basis, start, end), 360 * (days or 1), start, days, basis)
    whole = year_position(basis, end) - year_position(basis, start)
    if whole in (365 * days, 366 * days):  # within one year
        return Period(n, end, days, 1, 366 if whole == 365 * days else 365, start, days, basis)
    return Period(n, end, days, 1, ACTUAL_YEAR, start, whole, basis)


def _conceded(row: Period, grace: Grace, fixed: int | None) -> Period:
    return row._replace(
        num=0 if row.n <= grace.interest_free else row.num,
        repays=row.n > grace.principal,
        collects=row.n > grace.interest,
        fixed_fen=fixed,
    )
