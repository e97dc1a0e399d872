"""Answers remembered by Idempotency-Key: a repeat gets the first answer, another request under the same key is refused.

The claim is committed before the work begins; work that a crash interrupted is done again under the same derived id, by which every
command recognises what it already did. A refusal is not remembered: nothing happened, so the repeat is judged afresh.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.models import IdempotentRequest
from timelyrain.runtime.problems import Conflict, Invalid

CLAIM = timedelta(seconds=60)


class KeyReused(Conflict):
    slug, status, title = "idempotency-key-reused", 422, "This Idempotency-Key belongs to another request"


class InProgress(Conflict):
    slug, title = (
        "request-in-progress",
        "The first request with this Idempotency-Key is still being worked on",
    )


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    repeated: bool = False


def once(principal: str, key: str, request: bytes, work: Callable[[UUID], tuple[int, Any]]) -> Answer:
    """Do `work(request_id)` once per (principal, key); `request` are the bytes that must not differ in a repeat."""
    if not 8 <= len(key) <= 200 or not key.isprintable():
        raise Invalid(
            f"The Idempotency-Key has {len(key)} characters or unprintable ones.",
            field="Idempotency-Key",
            remedy="Send 8 to 200 printable characters, for example a UUID, new for each intended act.",
        )
    request_id = derived_id("request", principal, key)
    digest = hashlib.sha256(request).digest()
    now = datetime.now(UTC)
    row, created = IdempotentRequest.objects.get_or_create(
        pk=request_id, defaults={"request_sha256": digest, "claimed_until": now + CLAIM, "created_at": now}
    )
    if not created:
        if bytes(row.request_sha256) != digest:
            raise KeyReused(
                "The same Idempotency-Key came with a different request.",
                field="Idempotency-Key",
                remedy="Use a new key for a new act; repeat the very same request to learn its first answer.",
            )
        if row.status is not None:
            return Answer(row.status, row.body, repeated=True)
        # A compare-and-set on the claim, so that of several takers after a crash one goes on.
        taken = IdempotentRequest.objects.filter(
            pk=request_id, status=None, claimed_until=row.claimed_until, claimed_until__lt=now
        )
        if not taken.update(claimed_until=now + CLAIM):
            raise InProgress(
                "The first request is not finished.", remedy="Wait a second and repeat it.", retry_after=1
            )
    try:
        status, body = work(request_id)
    except BaseException:
        IdempotentRequest.objects.filter(pk=request_id, status=None).delete()
        raise
    IdempotentRequest.objects.filter(pk=request_id).update(status=status, body=body)
    return Answer(status, body)
