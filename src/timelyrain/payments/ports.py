from dataclasses import dataclass
from datetime import date
from typing import Literal, Protocol
from uuid import UUID


class RailUnreachable(Exception):
    """The request certainly did not reach the rail: nothing happened, it may be sent again."""


class RailSilent(Exception):
    """The request may have reached the rail and no answer came: ask before sending anything."""


@dataclass(frozen=True)
class RailAnswer:
    """What the rail says of an order. refusal: its code. value_on: the day from which the money counts."""

    status: Literal["succeeded", "refused", "processing"]
    value_on: date
    reference: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Instruction:
    """An order as the rail needs it. The rail treats `key` as the identity of the order."""

    key: UUID
    amount_fen: int
    bank_card: str
    name: str
    on: date


@dataclass(frozen=True)
class StatementLine:
    """One order of a value date as the rail's statement has it; `key` as it was given to the rail."""

    direction: Literal["pay_out", "debit"]
    key: str
    amount_fen: int
    status: Literal["succeeded", "refused", "processing"]


class Rail(Protocol):
    def pay_out(self, instruction: Instruction) -> RailAnswer: ...

    def debit(self, instruction: Instruction) -> RailAnswer: ...

    def find(self, direction: Literal["pay_out", "debit"], key: UUID) -> RailAnswer | None:
        """What became of an order; None when the rail has certainly never accepted it."""
        ...

    def statement(self, on: date) -> tuple[StatementLine, ...]:
        """Every order of a value date. Raises RailSilent."""
        ...
