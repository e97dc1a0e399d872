from typing import ClassVar

from django.db import models

from timelyrain.runtime.models import Sharded


class ReadStatus(models.TextChoices):
    OK = "ok", "ok"
    NO_CONSENT = "no_consent", "not asked: no consent"
    TIMEOUT = "timeout", "no answer in time"
    UNAVAILABLE = "unavailable", "unavailable"
    REFUSED = "refused", "refused"
    MALFORMED = "malformed", "malformed answer"
    ERROR = "error", "error"


class SourceRead(Sharded):
    """One question to one source and what came of it; the raw answer is sealed."""

    append_only = True
    application_id = models.UUIDField()
    borrower_id = models.UUIDField()
    source = models.CharField(max_length=40)
    recipient = models.CharField(max_length=60)
    consent_id = models.UUIDField(null=True)
    status = models.CharField(max_length=12, choices=ReadStatus.choices)
    detail = models.TextField(default="", blank=True)
    url = models.CharField(max_length=300, default="", blank=True)
    document_sha256 = models.CharField(max_length=64, default="", blank=True)
    document_sealed = models.BinaryField(null=True)
    milliseconds = models.IntegerField()
    at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["shard", "application_id"], name="reads_of_application")]
