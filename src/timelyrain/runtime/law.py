"""The rule in force for this lender: the policy pack asked with its jurisdiction, licence and business date."""

from datetime import date
from functools import cache, lru_cache
from pathlib import Path

from django.conf import settings

from timelyrain import policies
from timelyrain.finance import WorkCalendar
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


def work_calendar() -> WorkCalendar:
    """The pack's calendar.toml with the one in TIMELYRAIN_HOME, read again when that changes. Raises PackInvalid."""
    own: Path | None = Path(settings.HOME) / "calendar.toml"
    try:
        changed = own.stat().st_mtime_ns
    except FileNotFoundError:
        own, changed = None, 0
    return _work_calendar(own, changed, settings.LENDER["licence"], settings.SIMULATED)


@lru_cache(2)
def _work_calendar(own: Path | None, _changed: int, licence: str, projected: bool) -> WorkCalendar:
    sources = [pack().read("calendar.toml"), *([own.read_bytes()] if own else [])]
    return policies.work_calendar(*sources, licence=licence, projected=projected)
