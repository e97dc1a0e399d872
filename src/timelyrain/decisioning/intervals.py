"""Intervals of integers, both ends included: what arithmetic makes of them, and sets made of them."""

from collections.abc import Iterable

Span = tuple[int, int]


def bounds(op: str, sides: list[Span]) -> Span:
    """Where the result of an operation lies when its operands lie in these, exact in unbounded integers."""
    (low, high), (c, d) = sides[0], sides[-1]
    match op:
        case "neg":
            return -high, -low
        case "abs":
            return (0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
        case "add":
            return low + c, high + d
        case "sub":
            return low - d, high - c
        case "mul":
            corners = (low * c, low * d, high * c, high * d)
            return min(corners), max(corners)
        case "min":
            return min(low, c), min(high, d)
        case "max":
            return max(low, c), max(high, d)
        case "div" if c >= 1 or d <= -1:
            corners = (low // c, low // d, high // c, high // d)
            return min(corners), max(corners)
        case "div":
            reach = max(abs(low), abs(high))
            return -reach, reach
        case "mod" if low == high and c == d != 0:
            return low % c, low % c
        case _:  # mod takes the sign of the divisor
            return min(c + 1, 0), max(d - 1, 0)


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same codes as spans that do not meet, ascending."""
    found: list[Span] = []
    for low, high in sorted(spans):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return found


def outside(spans: Iterable[Span], low: int, high: int) -> list[Span]:
    """The codes of low..high that are in none of these."""
    rest: list[Span] = []
    for a, b in sorted(spans):
        if a > low:
            rest.append((low, a - 1))
        low = max(low, b + 1)
    return [*rest, (low, high)] if low <= high else rest
