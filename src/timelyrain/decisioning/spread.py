"""Standard deviation and slope of integers, exact, from sums that merge.

Deviation: x = a * 2^20 + b with 0 <= b < 2^20, so that the sums of a*a, a*b and b*b of up to 2^22 values with |x| <= 2^40 stay
under 2^63. Slope: of n values x at t days ago, sums of t, t*t, x and t*x; `aggregates.too_large` holds the last under 2^63, and
n * sum(t*t) - sum(t)^2 <= (n * range of t / 2)^2 stays under 2^62 for 100,000 values within 36,600 days.
"""

from math import isqrt
from typing import Any

import numpy as np

from .evidence import Ints

LARGEST = 2**40
BASE = 20
LOW = 2**BASE - 1
_32, _HALF = np.uint64(32), np.uint64(0xFFFFFFFF)


def limbs(values: Ints) -> tuple[Ints, Ints, Ints]:
    """a*a, a*b, b*b of each value."""
    a, b = values >> BASE, values & LOW
    return a * a, a * b, b * b


def deviation(count: Ints, total: Ints, aa: Ints, ab: Ints, bb: Ints) -> Ints:
    """floor(sqrt(count * sum of squares - total^2) / count) of each, count >= 1: a population's deviation, rounded down."""
    n = count.astype(np.uint64)
    middle = 2 * ab + (bb >> BASE)
    top = (aa + (middle >> BASE)).astype(np.uint64)
    low = (((middle & LOW) << BASE) | (bb & LOW)).astype(np.uint64)
    high, rest = _wide(n, top)  # n * top * 2^40 + n * low - total^2
    high, rest = (high << np.uint64(40)) | (rest >> np.uint64(24)), rest << np.uint64(40)
    high, rest = _add(high, rest, *_wide(n, low))
    size = np.abs(total).astype(np.uint64)
    high, rest = _subtract(high, rest, *_wide(size, size))
    guess = np.sqrt(high.astype(np.float64) * 2.0**64 + rest.astype(np.float64)) / count
    found = np.maximum(guess.astype(np.int64) - 1, 0)  # the guess is at most one off
    for _ in range(2):
        next_up = (found + 1).astype(np.uint64) * n
        square, part = _wide(next_up, next_up)
        found = found + ((square < high) | ((square == high) & (part <= rest)))
    return found


def small_deviation(count: Ints, total: Ints, squares: Ints) -> Ints:
    """The same where count * squares < 2^62, from the sum of squares itself."""
    apart = count * squares - total * total
    found = np.maximum((np.sqrt(apart.astype(np.float64)) / count).astype(np.int64) - 1, 0)  # as above
    for _ in range(2):
        next_up = (found + 1) * count
        found = found + (next_up * next_up <= apart)
    return found


def deviation_of(count: int, total: int, squares: int) -> int:
    """The same of one, in Python's own integers."""
    return isqrt((count * squares - total * total) // (count * count))


def slope_of(count: int, time: int, squares: int, total: int, products: int, by: int = 1) -> int | None:
    """How much x rises in `by` units of t by least squares, rounded down; None where all t are equal."""
    divisor = count * squares - time * time
    return by * (time * total - count * products) // divisor if divisor else None


def _wide(a: Any, b: Any) -> tuple[Any, Any]:
    """(high, low) 64 bits of the product of two unsigned numbers."""
    a0, a1, b0, b1 = a & _HALF, a >> _32, b & _HALF, b >> _32
    low, cross, other = a0 * b0, a0 * b1, a1 * b0
    middle = (low >> _32) + (cross & _HALF) + (other & _HALF)
    return a1 * b1 + (cross >> _32) + (other >> _32) + (middle >> _32), (low & _HALF) | (middle << _32)


def _add(high: Any, low: Any, more_high: Any, more_low: Any) -> tuple[Any, Any]:
    total = low + more_low
    return high + more_high + (total < low), total


def _subtract(high: Any, low: Any, less_high: Any, less_low: Any) -> tuple[Any, Any]:
    return high - less_high - (low < less_low), low - less_low
