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
    """What can happen to a loan. Interest accrues and instalments fall due by the calendar alone: no event says so.

    Money out
    DISBURSED        the principal, or where the terms allow parts one part of it, reached the borrower.
    PAID_BACK        surplus was returned to the borrower.
    CHARGED_BACK     the payer's bank took (part of) the payment data.event back: what it had paid is due again, today.

    Money in
    REPAID           money arrived: pays what is due on its value date, oldest instalment first; the rest waits as
                     surplus and pays the next instalment on its due date. It never shortens the loan.
    PREPAID_PART     principal paid ahead of its due date (less a disclosed fee); interest on the old balance up to the
                     value date stays in the running instalment. data.mode: keep_term or keep_instalment.
    PREPAID_FULL     the loan is settled; the amount is the fold's payoff_fen on the value date.
    REFUNDED         a credit without a fee, from a merchant's money or the lender's goodwill (data.source), first to
                     what is due, then to principal or to surplus (data.to).
    RECOVERED        money on a loan that was charged off.

    Charges
    FEE_CHARGED      a disclosed fee (data.kind: late_fee or service_fee), within its amount and the cap.
    WAIVED           penalty, interest or fee (data.target) that is due is forgiven.

    The plan
    RATE_CHANGED     data.rate_ppm from the value date on; above the signed rate only with data.disclosure, the hash of
                     the disclosure the borrower confirmed, and never above the cap.
    DUE_DATE_CHANGED instalments to come move to data.due_day of the month, none earlier than it was.
    PAUSED           a holiday: instalments to come move by data.months; meanwhile interest runs or stops (data.interest).
    INTEREST_STOPPED no interest on data.days from the value date on; instalments keep their dates.
    HARDSHIP_AGREED  the next data.instalments are at most amount_fen each; the rest is spread over the later ones and
                     data.extra more.
    RESTRUCTURED     everything owed is spread anew over data.instalments from the value date on; interest, penalty and
                     fees that were due are spread without bearing interest.

    The end
    ACCELERATED      the lender calls the loan due: all that is owed is due, interest ends, penalty runs.
    CHARGED_OFF      written off in the books: nothing accrues any more, all is due, the debt remains.
    SOLD             the claim belongs to data.owner; amount_fen is the price.
    SETTLED          the lender states that nothing is owed; wrong where something is.
    REVERSED         the event data.event never happened (a returned debit, a mistake); the amount is that event's.
    """

    DISBURSED = "DISBURSED"
    PAID_BACK = "PAID_BACK"
    CHARGED_BACK = "CHARGED_BACK"
    REPAID = "REPAID"
    PREPAID_PART = "PREPAID_PART"
    PREPAID_FULL = "PREPAID_FULL"
    REFUNDED = "REFUNDED"
    RECOVERED = "RECOVERED"
    FEE_CHARGED = "FEE_CHARGED"
    WAIVED = "WAIVED"
    RATE_CHANGED = "RATE_CHANGED"
    DUE_DATE_CHANGED = "DUE_DATE_CHANGED"
    PAUSED = "PAUSED"
    INTEREST_STOPPED = "INTEREST_STOPPED"
    HARDSHIP_AGREED = "HARDSHIP_AGREED"
    RESTRUCTURED = "RESTRUCTURED"
    ACCELERATED = "ACCELERATED"
    CHARGED_OFF = "CHARGED_OFF"
    SOLD = "SOLD"
    SETTLED = "SETTLED"
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
        low, high = _AMOUNTS.get(self.type, (1, _MOST))
        if not low <= self.amount_fen <= high:
            wanted = "must be 0: this event moves no money" if not high else f"must be at least {low}"
            problems.append(TermsProblem("amount_fen", self.amount_fen, wanted))
        for name, wanted in _DATA.get(self.type, {}).items():
            problems += wanted.problems(f"data.{name}", self.data.get(name))
        if problems:
            raise EventInvalid(problems)
        object.__setattr__(self, "booked_at", self.booked_at.astimezone(UTC))
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))

    def __hash__(self) -> int:
        return hash((self.id, self.type, self.value_on, self.booked_at, self.amount_fen))

    def number(self, name: str, default: int = 0) -> int:
        """An integer of `data` (its presence was checked when the event was made)."""
        value = self.data.get(name, default)
        return value if isinstance(value, int) else default

    def text(self, name: str) -> str:
        """A string of `data`, "" if it is not there."""
        return str(self.data.get(name, ""))

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


@dataclass(frozen=True)
class _Words:
    """A data field that is one of `choices`, or any text where there are none."""

    choices: tuple[str, ...] = ()
    optional: bool = False

    def problems(self, name: str, value: object) -> list[TermsProblem]:
        if (value is None and self.optional) or (isinstance(value, str) and value and not self.choices):
            return []
        if value in self.choices:
            return []
        wanted = f"must be one of {', '.join(self.choices)}" if self.choices else "must be a text"
        return [TermsProblem(name, value, wanted)]


@dataclass(frozen=True)
class _Number:
    low: int
    high: int
    optional: bool = False

    def problems(self, name: str, value: object) -> list[TermsProblem]:
        if (value is None and self.optional) or (type(value) is int and self.low <= value <= self.high):
            return []
        return [TermsProblem(name, value, f"must be an integer from {self.low} to {self.high}")]


_MOST = 10**15
_AMOUNTS: dict[EventType, tuple[int, int]] = {
    EventType.PREPAID_FULL: (0, _MOST),  # surplus alone may settle
    EventType.REVERSED: (0, _MOST),
    EventType.SOLD: (0, _MOST),
    EventType.RATE_CHANGED: (0, 0),
    EventType.DUE_DATE_CHANGED: (0, 0),
    EventType.PAUSED: (0, 0),
    EventType.INTEREST_STOPPED: (0, 0),
    EventType.RESTRUCTURED: (0, 0),
    EventType.ACCELERATED: (0, 0),
    EventType.CHARGED_OFF: (0, 0),
    EventType.SETTLED: (0, 0),
}
_DATA: dict[EventType, dict[str, _Words | _Number]] = {
    EventType.PREPAID_PART: {"mode": _Words(tuple(PrepayMode))},
    EventType.REVERSED: {"event": _Words()},
    EventType.CHARGED_BACK: {"event": _Words()},
    EventType.REFUNDED: {"source": _Words(("merchant", "goodwill")), "to": _Words(("principal", "surplus"))},
    EventType.FEE_CHARGED: {"kind": _Words(("late_fee", "service_fee"))},
    EventType.WAIVED: {"target": _Words(("penalty", "interest", "fee"))},
    EventType.RATE_CHANGED: {"rate_ppm": _Number(0, 10_000_000), "disclosure": _Words(optional=True)},
    EventType.DUE_DATE_CHANGED: {"due_day": _Number(1, 31)},
    EventType.PAUSED: {"months": _Number(1, 24), "interest": _Words(("runs", "stops"))},
    EventType.INTEREST_STOPPED: {"days": _Number(1, 3_660)},
    EventType.HARDSHIP_AGREED: {"instalments": _Number(1, 60), "extra": _Number(0, 360, optional=True)},
    EventType.RESTRUCTURED: {
        "instalments": _Number(1, 600),
        "due_day": _Number(1, 31, optional=True),
    },
    EventType.SOLD: {"owner": _Words()},
}
