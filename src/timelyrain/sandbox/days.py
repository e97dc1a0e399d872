"""Chinese calendar days and months as numbers. A month index is year * 12 + month - 1; instants are epoch seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np

from timelyrain.sandbox.noise import Ints

CHINA = timezone(timedelta(hours=8))
DAY = 86_400
_SHIFT = 8 * 3600
_EPOCH_MONTH = 1970 * 12


@dataclass(frozen=True)
class Moments:
    """When each of n people is looked at: instant, and its month index, day of month and day number (1970-01-01 = 0)."""

    at: Ints
    month: Ints
    day: Ints
    date: Ints


def moments(at: Sequence[datetime]) -> Moments:
    instants = np.array([int(x.timestamp()) for x in at], dtype=np.int64)
    days = (instants + _SHIFT) // DAY
    month, day = civil(days)
    return Moments(instants, month, day, days)


def civil(days: Ints) -> tuple[Ints, Ints]:
    """Day numbers -> month indices, days of the month."""
    on = days.astype("datetime64[D]")
    months = on.astype("datetime64[M]")
    return months.astype(np.int64) + _EPOCH_MONTH, (on - months).astype(np.int64) + 1


def day_number(months: Ints, day: Ints | int = 1) -> Ints:
    """Day number of a day of a month."""
    return (months - _EPOCH_MONTH).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1


def day_start(days: Ints) -> Ints:
    """Epoch seconds of a day's first instant in China."""
    return days * DAY - _SHIFT


def month_index(on: date) -> int:
    return on.year * 12 + on.month - 1


def month_date(index: int, day: int = 1) -> date:
    return date(index // 12, index % 12 + 1, day)


def month_text(index: int) -> str:
    return f"{index // 12}-{index % 12 + 1:02d}"


def day_text(day: int) -> str:
    """ISO date of a day number."""
    return date.fromordinal(day + 719_163).isoformat()


def instant(text: str) -> datetime:
    """An ISO date (its midnight in China) or an ISO instant (China when it names no offset). Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=CHINA)


def now() -> datetime:
    return datetime.now(UTC)


def china_date(at: datetime) -> date:
    return at.astimezone(CHINA).date()
