from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from timelyrain.payments.models import PaymentOrder


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
