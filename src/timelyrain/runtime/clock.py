"""The one source of time. `now()` is an aware UTC moment, `today()` the lender's business date.

In a simulated world the clock may be moved forward (never back); the shift lives in the database so that web and worker agree.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from django.conf import settings

BUSINESS_ZONE = ZoneInfo("Asia/Shanghai")


class Clock(Protocol):
    def now(self) -> datetime: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is told to move; for tests and simulations in one process."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, delta: timedelta) -> None:
        self.at += delta


class ShiftedClock:
    """Real time plus the shift kept in the database, re-read at most every `max_age` seconds."""

    def __init__(self, max_age: float = 0.2) -> None:
        self._max_age = max_age
        self._shift = timedelta()
        self._read_at = float("-inf")

    def now(self) -> datetime:
        if time.monotonic() - self._read_at > self._max_age:
            self.refresh()
        return datetime.now(UTC) + self._shift

    def refresh(self) -> None:
        from timelyrain.runtime.models import ClockShift

        row = ClockShift.objects.filter(pk=1).first()
        self._shift = row.shift if row else timedelta()
        self._read_at = time.monotonic()

    def advance_to(self, moment: datetime) -> datetime:
        """Move to `moment` if it lies ahead; a moment in the past leaves the clock alone."""
        from timelyrain.runtime.models import ClockShift

        ClockShift.objects.get_or_create(pk=1, defaults={"shift": timedelta()})
        shift = moment - datetime.now(
            UTC
        )  # compared by the database: of two movers at once the farther one counts
        ClockShift.objects.filter(pk=1, shift__lt=shift).update(shift=shift)
        self.refresh()
        return self.now()


SHIFTED = ShiftedClock()
_override: ContextVar[Clock | None] = ContextVar("clock", default=None)


def current() -> Clock:
    return _override.get() or (SHIFTED if settings.SIMULATED else _SYSTEM)


_SYSTEM = SystemClock()


def now() -> datetime:
    return current().now()


def today() -> date:
    return business_date(now())


def business_date(at: datetime) -> date:
    return at.astimezone(BUSINESS_ZONE).date()


@contextmanager
def using(clock: Clock) -> Iterator[Clock]:
    """Run a block under another clock."""
    token = _override.set(clock)
    try:
        yield clock
    finally:
        _override.reset(token)
