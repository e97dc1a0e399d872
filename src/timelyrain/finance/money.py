"""Integer money: one fen is the smallest thing there is, and a ratio becomes fen in exactly one place."""

import re
from enum import StrEnum


class Rounding(StrEnum):
    """How an exact ratio becomes an integer. DOWN is towards zero, for amounts that must not pass a cap."""

    HALF_EVEN = "HALF_EVEN"
    HALF_UP = "HALF_UP"
    DOWN = "DOWN"


def round_ratio(numerator: int, denominator: int, rounding: Rounding = Rounding.HALF_EVEN) -> int:
    """numerator / denominator as the nearest integer; ties by `rounding`. Symmetric around zero.

    Raises ZeroDivisionError for a zero denominator.
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    whole, rest = divmod(abs(numerator), denominator)
    if rounding is not Rounding.DOWN:
        twice = rest * 2
        if twice > denominator or (twice == denominator and (rounding is Rounding.HALF_UP or whole & 1)):
            whole += 1
    return whole if numerator >= 0 else -whole


def yuan(fen: int) -> str:
    """123450 -> "1,234.50"."""
    whole, cents = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{whole:,}.{cents:02d}"


_YUAN = re.compile(r"(-?)(\d+|\d{1,3}(?:,\d{3})+)(?:\.(\d{1,2}))?", re.ASCII)


def parse_yuan(text: str) -> int:
    """ "1,234.5" -> 123450 fen. Raises ValueError for anything but a plain amount of at most two decimals."""
    match = _YUAN.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is not an amount in yuan; write it like 1234.50, with at most two decimals"
        )
    sign, whole, cents = match.groups()
    fen = int(whole.replace(",", "")) * 100 + int((cents or "").ljust(2, "0"))
    return -fen if sign else fen


def percent(ppm: int) -> str:
    """180000 -> "18.00%". Two decimals, and the two beyond them only when they are not zero."""
    whole, rest = divmod(abs(ppm), 10_000)
    digits = f"{rest:04d}"
    return f"{'-' if ppm < 0 else ''}{whole}.{digits if digits[2:] != '00' else digits[:2]}%"
