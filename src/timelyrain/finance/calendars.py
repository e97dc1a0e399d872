"""Due dates: months added to a date without losing the day that was agreed."""

from calendar import monthrange
from datetime import date


def add_months(on: date, months: int, due_day: int | None = None) -> date:
    """`on` moved by `months`, on `due_day` (default: the day of `on`), or the month's last day where that is missing."""
    year, month = divmod(on.year * 12 + on.month - 1 + months, 12)
    month += 1
    day = due_day or on.day
    return date(year, month, day if day <= 28 else min(day, monthrange(year, month)[1]))


def due_dates(start: date, count: int, due_day: int | None = None) -> tuple[date, ...]:
    """`count` monthly due dates after `start`.

    Without `due_day` they keep the start's day (31 Jan -> 28 Feb -> 31 Mar). With it (1 to 31) the first is the due
    day nearest to one month after the start, the later one on a tie, so a first period lasts about 15 to 46 days.
    """
    if due_day is None or due_day == start.day:
        return tuple(add_months(start, k) for k in range(1, count + 1))
    ideal = add_months(start, 1)
    shift = min((2, 1, 0), key=lambda k: abs((add_months(start, k, due_day) - ideal).days))
    return tuple(add_months(start, shift + k, due_day) for k in range(count))
