from typing import ClassVar

from django.db import models

from timelyrain.runtime.ids import new_id
from timelyrain.runtime.models import Sharded


class Direction(models.TextChoices):
    PAY_OUT = "pay_out", "pay-out"
    DEBIT = "debit", "debit"


class OrderState(models.TextChoices):
    NEW = "new", "new"
    SENT = "sent", "sent"
    UNKNOWN = "unknown", "outcome unknown, asking"
    SUCCEEDED = "succeeded", "succeeded"
    REFUSED = "refused", "refused"


class PaymentOrder(Sharded):
    """One movement of money through a rail. The id is the key the rail knows it by."""

    direction = models.CharField(max_length=10, choices=Direction.choices)
    subject = models.UUIDField()  # pay-out: the loan; debit: the repayment
    borrower_id = models.UUIDField()
    amount_fen = models.BigIntegerField()
    payee_sealed = models.BinaryField(
        null=True
    )  # name and card as signed; without it the borrower's present ones
    state = models.CharField(max_length=10, choices=OrderState.choices, default=OrderState.NEW)
    calls = models.SmallIntegerField(default=0)
    queries = models.SmallIntegerField(default=0)
    rail_reference = models.CharField(max_length=80, default="", blank=True)
    refusal = models.CharField(max_length=80, default="", blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            # A second pay-out of a loan, or a second debit for a repayment, cannot exist.
            models.UniqueConstraint(fields=["shard", "direction", "subject"], name="order_once"),
            models.CheckConstraint(condition=models.Q(amount_fen__gt=0), name="order_amount_positive"),
        ]


class Reconciliation(models.Model):
    """The rail's statement of a value date held against our books. The newest row of a day counts."""

    append_only = True
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    on = models.DateField()
    at = models.DateTimeField()
    matched = models.IntegerField()
    findings = models.JSONField(default=list)  # what does not match, as `Finding`

    class Meta:
        indexes: ClassVar = [models.Index(fields=["on", "at"], name="reconciliation_of_day")]
