"""The highest nominal rate whose annualised cost stays under the cap, whichever way it is annualised."""

from functools import cache


@cache
def max_rate_ppm(cap_ppm: int) -> int:
    """Largest r (ppm a year, monthly instalments) with (1 + r/12)^12 - 1 <= cap: exact, by integers.

    The cap's text leaves open whether it is simple or compound; a rate under the compound reading is under both.
    """
    low, high = 0, cap_ppm
    while low < high:
        rate = (low + high + 1) // 2
        if (12_000_000 + rate) ** 12 * 1_000_000 <= (1_000_000 + cap_ppm) * 12_000_000**12:
            low = rate
        else:
            high = rate - 1
    return low
