from typing import ClassVar

from django.db import models

from timelyrain.runtime.models import Sharded


class Act(Sharded):
    """One thing that was done. `body` names ids, hashes and amounts, never personal data in clear."""

    append_only = True
    act = models.CharField(max_length=60)
    actor = models.CharField(max_length=80)
    subject = models.CharField(max_length=80)
    body = models.JSONField()
    at = models.DateTimeField()
    leaf_sha256 = models.BinaryField(max_length=32)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["subject"], name="act_subject")]


class Unsealed(models.Model):
    """An act that waits for its place in the log."""

    act_id = models.UUIDField(primary_key=True)


class Leaf(models.Model):
    """The place of an act in the log (one log for all shards)."""

    append_only = True
    position = models.BigIntegerField(primary_key=True)
    act_id = models.UUIDField(unique=True)
    sha256 = models.BinaryField(max_length=32)


class TreeHead(models.Model):
    """A signed statement of the log's size and root."""

    append_only = True
    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField(max_length=32)
    at = models.DateTimeField()
    signature = models.BinaryField(max_length=64)
