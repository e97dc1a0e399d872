from typing import ClassVar

from django.db import models

from timelyrain.runtime.models import Sharded


class Borrower(Sharded):
    """A person. Personal fields are sealed; the indexes find them without opening them."""

    phone_index = models.BinaryField(max_length=32)
    phone_sealed = models.BinaryField()
    name_sealed = models.BinaryField(null=True)
    id_number_index = models.BinaryField(max_length=32, null=True)
    id_number_sealed = models.BinaryField(null=True)
    id_valid_until = models.DateField(null=True)
    bank_card_index = models.BinaryField(max_length=32, null=True)
    bank_card_sealed = models.BinaryField(null=True)
    registered_at = models.DateTimeField()
    profiled_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "phone_index"], name="borrower_phone_once")
        ]


class IdentityClaim(models.Model):
    """Which borrower an identity document belongs to: one person, one account, across all shards."""

    append_only = True
    id_number_index = models.BinaryField(primary_key=True, max_length=32)
    borrower_id = models.UUIDField()


class OneTimeCode(Sharded):
    """A code sent to a phone. Only a keyed digest is kept; it is bound to its purpose and to what is being agreed."""

    phone_index = models.BinaryField(max_length=32)
    purpose = models.CharField(max_length=20)
    subject = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32)
    attempts = models.SmallIntegerField(default=0)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    used_for = models.UUIDField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["shard", "phone_index", "created_at"], name="code_recent")]


class Session(Sharded):
    """A signed-in device. The token itself is never stored."""

    token_sha256 = models.BinaryField(max_length=32)
    borrower = models.ForeignKey(Borrower, models.CASCADE, db_constraint=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shard", "token_sha256"], name="session_token_once")
        ]


class Consent(Sharded):
    """A consent given or withdrawn: the newest row per purpose and recipient counts."""

    append_only = True
    borrower = models.ForeignKey(Borrower, models.CASCADE, db_constraint=False)
    purpose = models.CharField(max_length=60)
    recipient = models.CharField(max_length=60)
    text_sha256 = models.CharField(max_length=64)
    version = models.CharField(max_length=20)
    granted = models.BooleanField()
    channel = models.CharField(max_length=20)
    at = models.DateTimeField()


class PersonalDataRead(Sharded):
    """Who read which personal fields of whom, when and what for."""

    append_only = True
    borrower = models.ForeignKey(Borrower, models.CASCADE, db_constraint=False)
    reader = models.CharField(max_length=80)
    purpose = models.CharField(max_length=80)
    fields = models.CharField(max_length=200)
    at = models.DateTimeField()


class Message(Sharded):
    """What the borrower was told."""

    append_only = True
    borrower = models.ForeignKey(Borrower, models.CASCADE, db_constraint=False)
    key = models.CharField(max_length=120)
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["shard", "key"], name="message_once")]
