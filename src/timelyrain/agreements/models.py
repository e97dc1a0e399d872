from typing import ClassVar

from django.db import models

from timelyrain.runtime.models import Sharded


class Disclosure(Sharded):
    """What the borrower is shown before signing: every cost of one amount and term, as canonical JSON under its hash."""

    append_only = True
    offer_id = models.UUIDField()
    borrower_id = models.UUIDField()
    amount_fen = models.BigIntegerField()
    instalments = models.SmallIntegerField()
    body = models.TextField()
    sha256 = models.CharField(max_length=64)
    terms_json = models.TextField()
    terms_sha256 = models.CharField(max_length=64)
    read_seconds = models.SmallIntegerField()
    shown_at = models.DateTimeField()
    expires_at = models.DateTimeField()


class Confirmation(Sharded):
    """The borrower's word that the disclosure was read."""

    append_only = True
    disclosure = models.ForeignKey(
        Disclosure, models.DO_NOTHING, db_constraint=False, related_name="confirmations"
    )
    seconds = models.FloatField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "disclosure"], name="confirmed_once")
        ]


class AgreementState(models.TextChoices):
    SIGNED = "signed", "signed, contract being made"
    CONTRACTED = "contracted", "contract made"
    CANCELLED = "cancelled", "cancelled before pay-out"
    FULFILLED = "fulfilled", "fulfilled: the loan is settled"


class Agreement(Sharded):
    """A signed loan agreement: one per offer."""

    offer_id = models.UUIDField()
    borrower_id = models.UUIDField()
    disclosure = models.ForeignKey(Disclosure, models.DO_NOTHING, db_constraint=False)
    loan_id = models.UUIDField()
    challenge_id = models.UUIDField()
    saga_id = models.UUIDField()
    state = models.CharField(max_length=10, choices=AgreementState.choices, default=AgreementState.SIGNED)
    cancelled_because = models.CharField(max_length=200, default="", blank=True)
    signed_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "offer_id"], name="agreement_per_offer")
        ]


class ContractDocument(Sharded):
    """The signed PDF, byte for byte; never rendered again."""

    append_only = True
    agreement = models.OneToOneField(
        Agreement, models.DO_NOTHING, db_constraint=False, related_name="document"
    )
    pdf = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    checked = models.JSONField()
    made_at = models.DateTimeField()
