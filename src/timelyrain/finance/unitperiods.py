"""Time between two dates as the rate laws count it: whole periods backwards from the payment, then the days left over."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from .calendars import add_months


def eu_years(start: date, dates: Sequence[date]) -> list[Fraction]:
    """Years from `start` to each date by remark (c): a year is 12 equal months, 52 weeks, 365 or 366 days.

    Where every date is whole months away they count as months, else whole weeks as weeks; otherwise whole months are
    counted back from the date, and each day left is 1/365 or 1/366 by the year that ends where the days begin.
    """
    months = [_months_between(start, on) for on in dates]
    if all(_is_months_after(start, k, on) for k, on in zip(months, dates, strict=True)):
        return [Fraction(k, 12) for k in months]
    if all((on - start).days % 7 == 0 for on in dates):
        return [Fraction((on - start).days, 7 * 52) for on in dates]
    return [_months_and_days(start, k, on) for k, on in zip(months, dates, strict=True)]


def _months_and_days(start: date, months: int, on: date) -> Fraction:
    if _is_months_after(start, months, on):
        return Fraction(months, 12)
    mark = add_months(on, -months)
    year = (mark - add_months(mark, -12)).days
    return Fraction(months, 12) + Fraction((mark - start).days, year)


def _months_between(start: date, on: date) -> int:
    """Whole months that fit between, counted back from `on`."""
    months = (on.year - start.year) * 12 + on.month - start.month
    if add_months(on, -months) < start and not _is_months_after(start, months, on):
        months -= 1
    return months


def _is_months_after(start: date, months: int, on: date) -> bool:
    return add_months(start, months) == on or add_months(on, -months) == start


class UnitPeriod(NamedTuple):
    """A unit-period of Appendix J: `months` months or `days` days (15 is a half month), `per_year` of them a year."""

    months: int
    days: int
    per_year: Fraction

    def between(self, start: date, on: date) -> tuple[int, Fraction]:
        """(whole unit-periods, part of one left over) from `start` to `on`, counted back from `on`."""
        if self.days == 15:
            return self._half_months(start, on)
        if self.days:
            whole, left = divmod((on - start).days, self.days)
            return whole, Fraction(left, self.days)
        months = _months_between(start, on)
        whole, over = divmod(months, self.months)
        exact = _is_months_after(start, months, on)
        left = 0 if exact else (add_months(on, -months) - start).days
        return whole, Fraction(30 * over + left, 30 * self.months)

    @staticmethod
    def _half_months(start: date, on: date) -> tuple[int, Fraction]:
        months = _months_between(start, on)
        left = 0 if _is_months_after(start, months, on) else (add_months(on, -months) - start).days
        whole, days = divmod(min(left, 29), 15)
        return 2 * months + whole, Fraction(days, 15)


MONTH = UnitPeriod(1, 0, Fraction(12))
_HALF_MONTH = UnitPeriod(0, 15, Fraction(24))


def unit_period(dates: Sequence[date]) -> UnitPeriod:
    """The unit-period of a transaction (Appendix J (b)(4)): the most frequent interval between its dates, at most a year.

    One advance and one payment: the term itself. No interval twice: the mean, to the nearest standard one.
    """
    days = sorted(set(dates))
    if len(days) == 2 and (days[1] - days[0]).days <= 366:
        term = (days[1] - days[0]).days
        months = _months_between(days[0], days[1])
        if months and _is_months_after(days[0], months, days[1]):
            return UnitPeriod(months, 0, Fraction(12, months))
        return UnitPeriod(0, term, Fraction(365, term))
    kinds = Counter(_interval(a, b) for a, b in pairwise(days))
    if not kinds:
        return MONTH
    best = max(kinds.values())
    if best == 1 and len(days) > 2:
        return _nearest((days[-1] - days[0]).days / (len(days) - 1))
    return min((kind for kind, count in kinds.items() if count == best), key=lambda unit: -unit.per_year)


def _interval(a: date, b: date) -> UnitPeriod:
    """The standard interval nearest to that between two dates: months where the day is kept, else weeks, else by days."""
    months = (b.year - a.year) * 12 + b.month - a.month
    if months and _is_months_after(a, months, b):
        return UnitPeriod(min(months, 12), 0, Fraction(12, min(months, 12)))
    days = (b - a).days
    if days % 7 == 0 and days <= 364:
        return UnitPeriod(0, days, Fraction(52 * 7, days))
    return _nearest(days)


def _nearest(days: float) -> UnitPeriod:
    units = (
        *(UnitPeriod(0, 7 * n, Fraction(52, n)) for n in (1, 2, 4)),
        _HALF_MONTH,
        *(UnitPeriod(n, 0, Fraction(12, n)) for n in (1, 2, 3, 6, 12)),
    )
    return min(units, key=lambda unit: abs(365 / unit.per_year - Fraction(days)))
