"""Day counts: what part of a year one day of a period is."""

from enum import StrEnum


class DayBasis(StrEnum):
    """PER_INSTALMENT: each month is 1/12 year, and a day its share of the month. ACT_365, ACT_360: actual days."""

    PER_INSTALMENT = "PER_INSTALMENT"
    ACT_365 = "ACT_365"
    ACT_360 = "ACT_360"


def day_fraction(basis: DayBasis, months: int, regular_days: int) -> tuple[int, int]:
    """One day of a period of `months` months that regularly lasts `regular_days`, as (numerator, denominator) of a year."""
    if basis is DayBasis.PER_INSTALMENT:
        return months, 12 * regular_days
    return 1, 365 if basis is DayBasis.ACT_365 else 360
