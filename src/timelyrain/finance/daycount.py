"""Day counts: what part of a year the days of an interest period are.

Whatever the basis, the interest of a period can be cut at any day and the parts add up: a basis that counts months
(PER_INSTALMENT, 30/360) shares its count evenly over the actual days of the period.
"""

from datetime import date
from enum import StrEnum


class DayBasis(StrEnum):
    """How days become a part of a year.

    PER_INSTALMENT   each month is 1/12 year, each week 1/52, each day 1/365; a day of a month is its share of it
    ACT_360 ACT_364 ACT_365   actual days over a fixed year
    ACT_ACT_ISDA     actual days over 365 or 366, the year changing on 1 January (ISDA 2006, 4.16(b))
    ACT_ACT_DEC31    the same with the year changing on 31 December, as Fineract counts
    THIRTY_360       months of 30 days; the 31st counts as the 30th, the last day only if the first is (ISDA 4.16(f))
    THIRTY_E_360     months of 30 days; every 31st counts as the 30th (ISDA 4.16(g))
    """

    PER_INSTALMENT = "PER_INSTALMENT"
    ACT_360 = "ACT_360"
    ACT_364 = "ACT_364"
    ACT_365 = "ACT_365"
    ACT_ACT_ISDA = "ACT_ACT_ISDA"
    ACT_ACT_DEC31 = "ACT_ACT_DEC31"
    THIRTY_360 = "THIRTY_360"
    THIRTY_E_360 = "THIRTY_E_360"


FIXED_YEAR = {DayBasis.ACT_360: 360, DayBasis.ACT_364: 364, DayBasis.ACT_365: 365}
ACTUAL_YEAR = 365 * 366  # one year, common or leap, in the units of `year_position`


def day_fraction(basis: DayBasis, months: int, regular_days: int) -> tuple[int, int]:
    """One day of a period of `months` months that regularly lasts `regular_days`, as (numerator, denominator) of a year.

    For PER_INSTALMENT and the fixed years; the others depend on the dates (see `count_30`, `year_position`).
    """
    if basis is DayBasis.PER_INSTALMENT:
        return months, 12 * regular_days
    return 1, FIXED_YEAR[basis]


def count_30(basis: DayBasis, start: date, end: date) -> int:
    """Days from `start` to `end` in months of 30 days."""
    first, last = min(start.day, 30), end.day
    if last == 31 and (first == 30 or basis is DayBasis.THIRTY_E_360):
        last = 30
    return 360 * (end.year - start.year) + 30 * (end.month - start.month) + last - first


def year_position(basis: DayBasis, on: date) -> int:
    """Where `on` stands on a line on which every year is ACTUAL_YEAR long and its days are equal: differences are
    parts of years."""
    ordinal = on.toordinal() + (basis is DayBasis.ACT_ACT_DEC31)
    year = date.fromordinal(ordinal).year
    new_year = date(year, 1, 1).toordinal()
    days = date(year, 12, 31).toordinal() - new_year + 1
    return year * ACTUAL_YEAR + (ordinal - new_year) * (ACTUAL_YEAR // days)
