"""The highest nominal rate whose annualised cost stays under the cap, whichever way it is annualised."""

from functools import cache

_A_YEAR = {"DAYS": 366, "WEEKS": 53, "MONTHS": 12}
"""Steps of each unit that a year may hold."""


@cache
def max_rate_ppm(cap_ppm: int, every: int = 1, unit: str = "MONTHS") -> int:
    """Largest r (ppm a year) with (1 + r/n)^n - 1 <= cap for n instalments a year, one each `every` units: exact, by integers.

    The cap's text leaves open whether it is simple or compound; a rate under the compound reading is under both. Where a year
    does not hold a whole number of steps, n is the number above: the reading that allows less.
    """
    n = -(-_A_YEAR[unit] // every)
    low, high = 0, cap_ppm
    while low < high:
        rate = (low + high + 1) // 2
        if (n * 1_000_000 + rate) ** n * 1_000_000 <= (1_000_000 + cap_ppm) * (n * 1_000_000) ** n:
            low = rate
        else:
            high = rate - 1
    return low
