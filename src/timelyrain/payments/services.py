"""Commands on payment orders. The saga steps that send them are in `jobs.py`."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from uuid import UUID

from timelyrain.customers import services as customers
from timelyrain.payments.models import Direction, OrderState, PaymentOrder
from timelyrain.runtime import clock
from timelyrain.runtime.columns import insert
from timelyrain.runtime.crypto import decrypt, encrypt
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.problems import Conflict

_PLACE = "payments_paymentorder.payee:{}"


@dataclass(frozen=True)
class Payee:
    """Whose account an order goes to."""

    name: str
    bank_card: str


def order(
    shard: int, direction: str, subject: UUID, borrower_id: UUID, amount_fen: int, payee: Payee | None = None
) -> UUID:
    """Place an order in the caller's transaction: one per direction and subject; other terms for the same subject are refused.

    `payee` is kept with the order, so that a card changed afterwards does not change where signed money goes.
    """
    order_id = derived_id("payment", direction, subject)
    row, _ = PaymentOrder.objects.get_or_create(
        shard=shard,
        direction=direction,
        subject=subject,
        defaults={
            "id": order_id,
            "payee_sealed": encrypt(json.dumps(asdict(payee)).encode(), _PLACE.format(order_id))
            if payee
            else None,
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


def payee_of(order: PaymentOrder, reader: str) -> Payee:
    """Where an order goes: as it was signed, else the borrower's present card. The look is written down."""
    person = customers.read_person(order.shard, order.borrower_id, reader=reader, purpose=order.direction)
    if order.payee_sealed is None:
        return Payee(person.name, person.bank_card)
    return Payee(**json.loads(decrypt(order.payee_sealed, _PLACE.format(order.id))))


def signed_payee(shard: int, loan_id: UUID, reader: str) -> Payee:
    """Where the pay-out of a loan goes."""
    return payee_of(
        PaymentOrder.objects.get(shard=shard, direction=Direction.PAY_OUT, subject=loan_id), reader
    )


def order_many(shard: int, direction: str, wanted: Mapping[UUID, tuple[UUID, int]]) -> dict[UUID, UUID]:
    """Place many new orders in the caller's transaction: subject -> (borrower, fen); returns subject -> order id.

    For subjects that have no order yet: one that has is left as it is.
    """
    orders = {subject: derived_id("payment", direction, subject) for subject in wanted}
    insert(
        "payments_paymentorder",
        {
            "shard": shard, "direction": direction, "state": OrderState.NEW, "calls": 0, "queries": 0, "rail_reference": "",
            "refusal": "", "created_at": clock.now(),
        },
        {
            "id": ("uuid", list(orders.values())),
            "subject": ("uuid", list(wanted)),
            "borrower_id": ("uuid", [borrower_id for borrower_id, _ in wanted.values()]),
            "amount_fen": ("bigint", [amount_fen for _, amount_fen in wanted.values()]),
        },
    )  # fmt: skip
    return orders
