from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from django.db.models import Max

from timelyrain.payments.models import PaymentOrder, Reconciliation
from timelyrain.runtime import clock


@dataclass(frozen=True)
class Order:
    id: UUID
    direction: str
    amount_fen: int
    state: str
    calls: int
    queries: int
    rail_reference: str
    refusal: str
    created_at: datetime
    finished_at: datetime | None


def order_of(shard: int, direction: str, subject: UUID) -> Order | None:
    row = PaymentOrder.objects.filter(shard=shard, direction=direction, subject=subject).first()
    if row is None:
        return None
    return Order(
        row.id,
        row.direction,
        row.amount_fen,
        row.state,
        row.calls,
        row.queries,
        row.rail_reference,
        row.refusal,
        row.created_at,
        row.finished_at,
    )


@dataclass(frozen=True)
class Finding:
    """A payment on which the rail's statement and our books differ.

    missing: our books have it, the statement does not. surplus: the statement has it, our books do not. differing: the amounts
    differ. Amounts in fen, 0 where there is none; `order_state` is what we know of the order, "" if it is not ours.
    """

    kind: Literal["missing", "surplus", "differing"]
    direction: str
    key: str
    statement_fen: int
    books_fen: int
    order_state: str


@dataclass(frozen=True)
class Reconciled:
    on: date
    at: datetime
    matched: int
    findings: tuple[Finding, ...]

    @property
    def clean(self) -> bool:
        return not self.findings


def reconciliation(on: date) -> Reconciled | None:
    """The newest reconciliation of a value date; None when there was none."""
    row = Reconciliation.objects.filter(on=on).order_by("-at", "-id").first()
    return row and Reconciled(
        row.on, row.at, row.matched, tuple(Finding(**finding) for finding in row.findings)
    )


def reconciled_up_to() -> date | None:
    """The last value date that was reconciled after it was over."""
    return Reconciliation.objects.filter(on__lt=clock.today()).aggregate(on=Max("on"))["on"]
