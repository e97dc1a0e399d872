"""Answers remembered by Idempotency-Key: a repeat gets the first answer, another request under the same key is refused.

The claim is committed before the work begins; work that a crash interrupted is done again under the same derived id, by which
every command recognises what it already did. A refusal is not remembered: nothing happened, so the repeat is judged afresh.
Answers are sealed: they hold session tokens and what people were told.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from timelyrain.runtime.crypto import decrypt, encrypt
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.models import IdempotentRequest
from timelyrain.runtime.problems import Conflict, Invalid

# Longer than the outside time-outs of a request; a database that dies under one leaves its claim behind.
CLAIM = timedelta(seconds=20)
_PLACE = "runtime_idempotentrequest.answer:{}"


class KeyReused(Conflict):
    slug, status, title = "idempotency-key-reused", 422, "This Idempotency-Key belongs to another request"


class InProgress(Conflict):
    slug, title = (
        "request-in-progress",
        "The first request with this Idempotency-Key is still being worked on",
    )


_CLAIM = """
INSERT INTO runtime_idempotentrequest (id, request_sha256, claimed_until, created_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (id) DO NOTHING
"""


_ANSWER = """
UPDATE runtime_idempotentrequest SET answer_sealed = %s WHERE id = %s AND answer_sealed IS NULL
"""


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
    until = now + CLAIM
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [request_id, digest, until, now])
        created = cursor.rowcount == 1
    if not created:
        row = IdempotentRequest.objects.filter(pk=request_id).first()
        if row is None:  # refused just now, and forgotten
            raise _in_progress()
        if bytes(row.request_sha256) != digest:
            raise KeyReused(
                "The same Idempotency-Key came with a different request.",
                field="Idempotency-Key",
                remedy="Use a new key for a new act; repeat the very same request to learn its first answer.",
            )
        if row.answer_sealed is not None:
            return _remembered(row)
        # A compare-and-set on the claim, so that of several takers after a crash one goes on.
        taken = _unanswered(request_id, row.claimed_until).filter(claimed_until__lt=now)
        if not taken.update(claimed_until=until):
            raise _in_progress()
    try:
        status, body = work(request_id)
    except BaseException:
        _unanswered(request_id, until).delete()
        raise
    sealed = encrypt(json.dumps([status, body]).encode(), _PLACE.format(request_id))
    with connection.cursor() as cursor:
        cursor.execute(_ANSWER, [sealed, request_id])
        kept = cursor.rowcount == 1
    if not kept:
        return _remembered(IdempotentRequest.objects.get(pk=request_id))  # whoever took over was faster
    return Answer(status, body)


def _in_progress() -> InProgress:
    return InProgress(
        "The first request is not finished.", remedy="Wait a second and repeat it.", retry_after=1
    )


def _unanswered(request_id: UUID, until: datetime) -> QuerySet[IdempotentRequest]:
    """The request as long as it has no answer and this very claim on it stands."""
    return IdempotentRequest.objects.filter(pk=request_id, answer_sealed=None, claimed_until=until)


def _remembered(row: IdempotentRequest) -> Answer:
    status, body = json.loads(decrypt(row.answer_sealed, _PLACE.format(row.id)))
    return Answer(status, body, repeated=True)
