"""The rule in force for this lender: the policy pack asked with its jurisdiction, licence and business date."""

from datetime import date
from functools import cache

from django.conf import settings

from timelyrain import policies
from timelyrain.runtime import clock


@cache
def pack() -> policies.Pack:
    return policies.load_pack(settings.JURISDICTION)


def rule(name: str, on: date | None = None) -> policies.Rule:
    """The dated rule `name` for this lender's licence; raises when none is in force (law fails closed)."""
    return pack().rule(name, on=on or clock.today(), licence=settings.LENDER["licence"])


def number(name: str, on: date | None = None) -> int:
    """The value of a rule that is a whole number in its own unit (fen, ppm, seconds, days)."""
    value = rule(name, on).value
    if not isinstance(value, int):
        raise TypeError(f"rule {name} is not a whole number: {value!r}")
    return value
