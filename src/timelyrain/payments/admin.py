"""Payment orders in the console."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from timelyrain.payments.models import Direction, PaymentOrder
from timelyrain.runtime.admin import ReadOnlyAdmin
from timelyrain.runtime.glossary import words
from timelyrain.runtime.panels import Link, Panel, Table, on_page


@admin.register(PaymentOrder)
class PaymentOrderAdmin(ReadOnlyAdmin):
    title = words("付款指令", "Payment orders")
    ordering = ("-created_at",)
    columns = (
        "id",
        "direction",
        "amount_fen",
        "state",
        "calls",
        "queries",
        "refusal",
        "created_at",
        "finished_at",
    )
    filters = ("direction", "state")
    find_by = ("id", "subject", "borrower_id", "rail_reference")
    links = {"borrower_id": "customers.borrower"}

    def facts(self, request: HttpRequest, row: PaymentOrder) -> list[tuple[str, Any]]:
        page = "servicing.loan" if row.direction == Direction.PAY_OUT else "servicing.repayment"
        return [
            (name, Link(page, found) if name == "subject" else found)
            for name, found in super().facts(request, row)
        ]


@on_page("servicing.loan", "payments.view_paymentorder", order=65)
def _pay_out(request: HttpRequest, loan: Any) -> Panel | None:
    order = PaymentOrder.objects.filter(
        shard=loan.shard, direction=Direction.PAY_OUT, subject=loan.id
    ).first()
    if order is None:
        return None
    return Panel(
        words("放款指令", "Pay-out order"),
        table=Table.of(
            ("id", "amount_fen", "state", "calls", "queries", "rail_reference", "finished_at"),
            [order],
            id="payments.paymentorder",
        ),
    )
