"""Commands on payment orders. The saga steps that send them are in `jobs.py`."""

from collections.abc import Mapping
from uuid import UUID

from timelyrain.payments.models import Direction, OrderState, PaymentOrder
from timelyrain.runtime import clock
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.problems import Conflict


def order(shard: int, direction: str, subject: UUID, borrower_id: UUID, amount_fen: int) -> UUID:
    """Place an order in the caller's transaction: one per direction and subject; other terms for the same subject are refused."""
    row, _ = PaymentOrder.objects.get_or_create(
        shard=shard,
        direction=direction,
        subject=subject,
        defaults={
            "id": derived_id("payment", direction, subject),
            "borrower_id": borrower_id,
            "amount_fen": amount_fen,
            "state": OrderState.NEW,
            "created_at": clock.now(),
        },
    )
    if (row.borrower_id, row.amount_fen) != (borrower_id, amount_fen):
        raise Conflict(
            f"There is already a {Direction(direction).label} of {row.amount_fen} fen for {subject}.",
            field="amount_fen",
            remedy="A loan is paid out once and a repayment is debited once; nothing was sent.",
        )
    return row.id


def order_many(shard: int, direction: str, wanted: Mapping[UUID, tuple[UUID, int]]) -> dict[UUID, UUID]:
    """Place many new orders in the caller's transaction: subject -> (borrower, fen); returns subject -> order id.

    For subjects that have no order yet: one that has is left as it is.
    """
    now = clock.now()
    rows = [
        PaymentOrder(
            shard=shard,
            id=derived_id("payment", direction, subject),
            direction=direction,
            subject=subject,
            borrower_id=borrower_id,
            amount_fen=amount_fen,
            created_at=now,
        )
        for subject, (borrower_id, amount_fen) in wanted.items()
    ]
    PaymentOrder.objects.bulk_create(rows, ignore_conflicts=True, batch_size=2000)
    return {row.subject: row.id for row in rows}
