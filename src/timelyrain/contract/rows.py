"""Instalments while the fold walks, and what waits to be shared out on them."""

from dataclasses import dataclass
from datetime import date

from timelyrain.finance import round_ratio


class Row:
    """An instalment while the fold walks. `overdue_fen_days`: sum(unpaid principal x days after grace) up to `counted_to`.

    penalty_base: penalty that moved here from another row (negative where it moved away). carried: interest that did.
    """

    __slots__ = (
        "carried", "cost", "cost_paid", "cost_waived", "counted_to", "due_on", "fallen", "interest", "interest_paid",
        "interest_waived", "late_fee", "n", "overdue_fen_days", "penalty_base", "penalty_paid", "penalty_waived",
        "principal", "principal_paid", "settled_on",
    )  # fmt: skip

    def __init__(self, n: int, due_on: date, principal: int, interest: int) -> None:
        self.n = n
        self.due_on = self.counted_to = due_on
        self.principal = principal
        self.interest = interest
        self.cost = self.penalty_base = self.carried = self.overdue_fen_days = 0
        self.principal_paid = self.interest_paid = self.penalty_paid = self.cost_paid = 0
        self.interest_waived = self.penalty_waived = self.cost_waived = 0
        self.fallen = self.late_fee = False
        self.settled_on: date | None = None


@dataclass(slots=True)
class Pool:
    """Sums that are owed, bear nothing, and fall due with the instalments to come."""

    interest: int = 0
    penalty: int = 0
    cost: int = 0

    def sums(self) -> tuple[int, int, int]:
        return self.interest, self.penalty, self.cost


def shares(total: int, count: int) -> list[int]:
    """`total` in equal parts, the last with the rest."""
    part = round_ratio(total, count)
    if part * (count - 1) > total:
        part = total // count
    return [part] * (count - 1) + [total - part * (count - 1)]
