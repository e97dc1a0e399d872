"""Chinese calendar days and months as numbers. A month index is year * 12 + month - 1; instants are epoch seconds."""

from datetime import UTC, date, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8))
DAY = 86_400


def month_index(on: date) -> int:
    return on.year * 12 + on.month - 1


def month_date(index: int, day: int = 1) -> date:
    return date(index // 12, index % 12 + 1, day)


def month_text(index: int) -> str:
    return f"{index // 12}-{index % 12 + 1:02d}"


def month_start(index: int) -> int:
    """Epoch seconds of the first instant of a month in China."""
    return midnight(month_date(index))


def midnight(on: date) -> int:
    return (on.toordinal() - 719_163) * DAY - 8 * 3600


def instant(text: str) -> datetime:
    """An ISO date (its midnight in China) or an ISO instant (China when it names no offset). Raises ValueError."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=CHINA)


def now() -> datetime:
    return datetime.now(UTC)


def china_date(at: datetime) -> date:
    return at.astimezone(CHINA).date()
