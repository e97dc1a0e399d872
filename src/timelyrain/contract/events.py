"""Facts about one loan: immutable events with a value date and a booking time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from timelyrain.finance import TermsProblem

from .parsing import Reader, canonical, parse_json

_EPOCH = datetime.fromtimestamp(0, UTC)


class EventType(StrEnum):
    """What can happen to a loan.

    DISBURSED      the whole principal reached the borrower; interest counts from its value date.
    REPAID         money arrived: pays what is due on its value date, oldest instalment first; the rest waits as
                   surplus and pays the next instalment on its due date. It never shortens the loan.
    PREPAID_PART   principal paid ahead of its due date (less a disclosed fee); interest on the old balance up to the
                   value date stays in the running instalment. data.mode: keep_term or keep_instalment.
    PREPAID_FULL   the loan is settled; the amount is the fold's payoff_fen on the value date.
    REVERSED       the payment data.event never happened (a returned debit); the amount is the payment's.
    """

    DISBURSED = "DISBURSED"
    REPAID = "REPAID"
    PREPAID_PART = "PREPAID_PART"
    PREPAID_FULL = "PREPAID_FULL"
    REVERSED = "REVERSED"


class PrepayMode(StrEnum):
    """After a partial prepayment: the same dates with smaller instalments, or the same instalments on fewer dates."""

    KEEP_TERM = "keep_term"
    KEEP_INSTALMENT = "keep_instalment"


class EventInvalid(ValueError):
    """An event that cannot be read. `problems` lists every reason."""

    def __init__(self, problems: list[TermsProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, problems)))


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. `value_on`: the day it counts from; `booked_at`: when it was recorded (aware); `data`: strings and integers."""

    id: str
    type: EventType
    value_on: date
    booked_at: datetime
    amount_fen: int
    data: Mapping[str, str | int] = field(default_factory=dict[str, "str | int"])

    def __post_init__(self) -> None:
        problems: list[TermsProblem] = []
        if not self.id:
            problems.append(TermsProblem("id", self.id, "must not be empty"))
        if self.booked_at.tzinfo is None:
            problems.append(TermsProblem("booked_at", self.booked_at.isoformat(), "must carry a time zone"))
        surplus_settles = self.type in (
            EventType.PREPAID_FULL,
            EventType.REVERSED,
        )  # without new money, that is
        lowest = 0 if surplus_settles else 1
        if self.amount_fen < lowest:
            problems.append(TermsProblem("amount_fen", self.amount_fen, f"must be at least {lowest}"))
        known = _DATA_FIELDS.get(self.type, {})
        for name, valid in known.items():
            if self.data.get(name) not in valid if valid else not self.data.get(name):
                wanted = f"must be one of {', '.join(valid)}" if valid else "must name the event to reverse"
                problems.append(TermsProblem(f"data.{name}", self.data.get(name), wanted))
        if problems:
            raise EventInvalid(problems)
        object.__setattr__(self, "booked_at", self.booked_at.astimezone(UTC))
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))

    def __hash__(self) -> int:
        return hash((self.id, self.type, self.value_on, self.booked_at, self.amount_fen))

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object; times as ISO 8601 in UTC."""
        return {
            "id": self.id,
            "type": str(self.type),
            "value_on": self.value_on.isoformat(),
            "booked_at": self.booked_at.isoformat(),
            "amount_fen": self.amount_fen,
            "data": dict(self.data),
        }

    def canonical_bytes(self) -> bytes:
        """JSON with sorted names, no spaces, UTF-8."""
        return canonical(self.to_json())

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> "Event":
        """Read an event strictly. Raises EventInvalid with every problem."""
        try:
            reader = Reader(parse_json(source))
        except ValueError as error:
            raise EventInvalid([TermsProblem("event", source, f"must be JSON: {error}")]) from error
        values: dict[str, Any] = {
            "id": reader.text("id"),
            "type": reader.parsed("type", EventType, "one of " + ", ".join(EventType), EventType.REPAID),
            "value_on": reader.parsed("value_on", date.fromisoformat, "a date like 2026-01-31", date.min),
            "booked_at": reader.parsed(
                "booked_at", datetime.fromisoformat, "a time like 2026-01-31T08:00:00+00:00", _EPOCH
            ),
            "amount_fen": reader.integer("amount_fen"),
            "data": reader.mapping("data"),
        }
        for name, value in values["data"].items():
            if type(value) not in (int, str):
                reader.problem(f"data.{name}", value, "must be a string or an integer")
        problems = reader.finish()
        if problems:
            raise EventInvalid(problems)
        return cls(**values)


_DATA_FIELDS: dict[EventType, dict[str, tuple[str, ...]]] = {
    EventType.PREPAID_PART: {"mode": tuple(PrepayMode)},
    EventType.REVERSED: {"event": ()},
}
