"""Due dates: steps of months, weeks or days that keep the agreed day, and the move to a working day."""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import TypedDict

_DAY = timedelta(days=1)


class Unit(StrEnum):
    """What the step between due dates is counted in."""

    DAYS = "DAYS"
    WEEKS = "WEEKS"
    MONTHS = "MONTHS"


class MonthEnd(StrEnum):
    """A due day that a month does not have: CLAMP to its last day, or ROLL to the first of the next month."""

    CLAMP = "CLAMP"
    ROLL = "ROLL"


class Shift(StrEnum):
    """Where a due date that is not a working day goes. MODIFIED: the next one, but the one before if that is next month."""

    FOLLOWING = "FOLLOWING"
    MODIFIED = "MODIFIED"
    PRECEDING = "PRECEDING"


class CalendarEnds(ValueError):
    """A day outside the published table: an answer would be a guess."""


@dataclass(frozen=True, slots=True)
class WorkCalendar:
    """A table of working days from `first` to `last`, both included; nothing is known outside.

    Saturday and Sunday are off unless in `worked` (调休); other days are working days unless in `off`. name: whose table.
    """

    first: date
    last: date
    off: frozenset[date] = field(default_factory=frozenset[date])
    worked: frozenset[date] = field(default_factory=frozenset[date])
    name: str = ""

    def is_working(self, on: date) -> bool:
        """Raises CalendarEnds for a day that the table does not cover."""
        if not self.first <= on <= self.last:
            raise CalendarEnds(
                f"the calendar covers {self.first} to {self.last} and cannot say whether {on} is a working day; "
                "extend the table"
            )
        return on in self.worked or (on.weekday() < 5 and on not in self.off)

    def shift(self, on: date, how: Shift = Shift.FOLLOWING) -> date:
        """`on`, or the working day that `how` puts in its place. Raises CalendarEnds."""
        step = -_DAY if how is Shift.PRECEDING else _DAY
        moved = on
        while not self.is_working(moved):
            moved += step
        if how is Shift.MODIFIED and moved.month != on.month:
            return self.shift(on, Shift.PRECEDING)
        return moved


class DueDates(TypedDict, total=False):
    """How due dates follow each other, beyond monthly ones; see `due_dates`."""

    every: int
    unit: Unit
    first_due: date | None
    month_end: MonthEnd
    calendar: WorkCalendar | None
    shift: Shift


def add_months(
    on: date, months: int, due_day: int | None = None, month_end: MonthEnd = MonthEnd.CLAMP
) -> date:
    """`on` moved by `months`, on `due_day` (default: the day of `on`); where the month lacks that day, by `month_end`."""
    year, month = divmod(on.year * 12 + on.month - 1 + months, 12)
    month += 1
    day = due_day or on.day
    if day > 28 and day > (last := monthrange(year, month)[1]):
        if month_end is MonthEnd.ROLL:
            return date(year, month, last) + _DAY
        day = last
    return date(year, month, day)


def rolled_month(on: date, due_day: int | None, month_end: MonthEnd) -> date:
    """A day of the month that `on` is the due date of: the month before where its due day rolled over to the first."""
    before = on - _DAY
    rolled = month_end is MonthEnd.ROLL and on.day == 1 and before.day < (due_day or 1)
    return before if rolled else on


def due_dates(
    start: date,
    count: int,
    due_day: int | None = None,
    *,
    every: int = 1,
    unit: Unit = Unit.MONTHS,
    first_due: date | None = None,
    month_end: MonthEnd = MonthEnd.CLAMP,
    calendar: WorkCalendar | None = None,
    shift: Shift = Shift.FOLLOWING,
) -> tuple[date, ...]:
    """`count` due dates after `start`, `every` units apart, moved to working days where a calendar is given.

    Months keep the day of `first_due`, or the start's day (31 Jan -> 28 Feb -> 31 Mar). With `due_day` (1 to 31) the
    first is `first_due` or else the due day nearest to one step after the start, the later one on a tie, so that a
    monthly first period lasts about 15 to 46 days. Raises CalendarEnds.
    """
    dates = _agreed_dates(start, count, due_day, every, unit, first_due, month_end)
    if calendar is None:
        return tuple(dates)
    return tuple(calendar.shift(on, shift) for on in dates)


def _agreed_dates(
    start: date,
    count: int,
    due_day: int | None,
    every: int,
    unit: Unit,
    first_due: date | None,
    month_end: MonthEnd,
) -> Iterable[date]:
    if unit is not Unit.MONTHS:
        step = timedelta(days=every * (7 if unit is Unit.WEEKS else 1))
        first = first_due or start + step
        return (first + k * step for k in range(count))
    if first_due is None and (due_day is None or due_day == start.day):
        if start.day <= 28:  # every month has the day
            month = start.year * 12 + start.month - 1
            return [
                date(m // 12, m % 12 + 1, start.day)
                for m in range(month + every, month + count * every + 1, every)
            ]
        return [add_months(start, k * every, None, month_end) for k in range(1, count + 1)]
    day = due_day or (first_due or start).day
    if first_due is not None:
        month = rolled_month(first_due, day, month_end)
        return (first_due if k == 0 else add_months(month, k * every, day, month_end) for k in range(count))
    ideal = add_months(start, every)
    first = min((every + 1, every, every - 1), key=lambda k: abs((add_months(start, k, day) - ideal).days))
    return (add_months(start, first + k * every, day, month_end) for k in range(count))
