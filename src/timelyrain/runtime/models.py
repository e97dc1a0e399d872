from typing import ClassVar

from django.db import models

from timelyrain.runtime.ids import new_id


class Sharded(models.Model):
    """A business row: found by a globally unique id, stored under (shard, id)."""

    shard = models.SmallIntegerField()
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True


class ClockShift(models.Model):
    """How far a simulated world's clock runs ahead of real time (one row)."""

    id = models.SmallIntegerField(primary_key=True)
    shift = models.DurationField()


class IdempotentRequest(models.Model):
    """The first answer to a request with an Idempotency-Key, per principal."""

    id = models.UUIDField(primary_key=True)  # derived from principal and key: a repeat finds the same row
    request_sha256 = models.BinaryField(max_length=32)
    answer_sealed = models.BinaryField(null=True)
    claimed_until = models.DateTimeField()
    created_at = models.DateTimeField()


class SagaStatus(models.TextChoices):
    READY = "ready", "ready"
    UNKNOWN = "unknown", "outcome unknown, asking"
    DONE = "done", "done"
    REFUSED = "refused", "refused"
    DEAD = "dead", "needs a person"


class Saga(Sharded):
    """One workflow: a row that says which step is next. Effects and the move to the next step share a transaction."""

    kind = models.CharField(max_length=60)
    key = models.CharField(max_length=120)
    step = models.CharField(max_length=80)
    status = models.CharField(max_length=10, choices=SagaStatus.choices, default=SagaStatus.READY)
    data = models.JSONField(default=dict)
    attempts = models.IntegerField(default=0)
    due_at = models.DateTimeField()
    claimed_by = models.CharField(max_length=60, null=True)
    claimed_until = models.DateTimeField(null=True)
    last_error = models.TextField(default="", blank=True)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["shard", "kind", "key"], name="saga_once")]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], condition=models.Q(status__in=["ready", "unknown"]), name="saga_due"
            ),
        ]


class SagaTrace(Sharded):
    """What each attempt of a step did, for people who ask why."""

    append_only = True
    saga = models.ForeignKey(Saga, models.DO_NOTHING, db_constraint=False, related_name="traces")
    step = models.CharField(max_length=80)
    attempt = models.IntegerField()
    outcome = models.CharField(max_length=10)
    detail = models.TextField(default="", blank=True)
    milliseconds = models.FloatField()
    at = models.DateTimeField()


class Schedule(models.Model):
    """When a periodic job is next due, and how it last failed."""

    name = models.CharField(primary_key=True, max_length=80)
    due_at = models.DateTimeField()
    last_error = models.TextField(default="", blank=True)
