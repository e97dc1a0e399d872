"""The lender's calendar of working days: what the policy pack publishes for its licence, and what the lender has added.

The day close asks it for every business day and refuses one that it does not cover. Interest accrues on every day; a debit or a
reminder that may not go out on a day of rest moves to a working day beside it.
"""

import logging
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from django.conf import settings

from timelyrain.finance import WorkCalendar
from timelyrain.runtime import law
from timelyrain.servicing import errors

log = logging.getLogger(__name__)
_DAY = timedelta(days=1)
_WARN_DAYS = 60


def require(on: date) -> None:
    """Raises CalendarEnds for a business day that the calendar does not cover."""
    known = law.work_calendar()
    if not known.first <= on <= known.last:
        raise errors.CalendarEnds(
            f"{on} cannot be closed: the calendar of working days covers {known.first} to {known.last}.",
            remedy=f"Add the [[year]] of {on.year} to {Path(settings.HOME) / 'calendar.toml'} as the official notice has it "
            "(the form is that of policies/cn/calendar.toml); the days that wait are closed then.",
            on=str(on),
            calendar_ends=str(known.last),
        )


def warn_before_end(days: Iterable[date]) -> None:
    """Say it in the log when the calendar ends soon after these days."""
    last = law.work_calendar().last
    if (left := last - max(days, default=date.min)) < timedelta(days=_WARN_DAYS):
        log.warning(
            "the calendar of working days ends on %s, in %d day(s): add the next year", last, left.days
        )


def rest_days_beside(on: date) -> tuple[int, int] | None:
    """How many days of rest lie right before and right after a working day, as far as is known; None on a day of rest."""
    known = law.work_calendar()
    if not known.is_working(on):
        return None
    return _rest(known, on, -_DAY), _rest(known, on, _DAY)


def _rest(known: WorkCalendar, on: date, step: timedelta) -> int:
    count = 0
    while known.first <= (on := on + step) <= known.last and not known.is_working(on):
        count += 1
    return count
