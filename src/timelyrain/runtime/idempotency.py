"""Answers remembered by Idempotency-Key: a repeat gets the first answer, another request under the same key is refused.

The claim is committed before the work begins, and the answer, where the work asks for it (`keep`), with what it tells of.
Work that a crash interrupted is done again under the same derived id, by which every command recognises what it already did. A
refusal is not remembered: nothing happened, so the repeat is judged afresh.
Answers are sealed: they hold session tokens and what people were told.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from timelyrain.runtime import rows
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


# A claim need not reach the disk before the work begins: nothing that the work commits can survive a power cut without it.
_CLAIM = """
INSERT INTO runtime_idempotentrequest (id, request_sha256, claimed_until, created_at)
SELECT $1, $2, $3, $4 FROM set_config('synchronous_commit', 'off', true) ON CONFLICT (id) DO NOTHING
"""


_ANSWER = """
UPDATE runtime_idempotentrequest SET answer_sealed = $1 WHERE id = $2 AND answer_sealed IS NULL
"""


@dataclass(frozen=True)
class Answer:
    """HTTP status, and the body as JSON text."""

    status: int
    text: str
    repeated: bool = False

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Kept:
    """An answer that `keep` has kept. `cursor` knows, once its transaction is over, whether another one was there first."""

    answer: Answer
    cursor: Any


def keep(request_id: UUID, status: int, text: str) -> Kept:
    """Keep an answer in the transaction at hand, with what it tells of; the work then returns this in place of an answer."""
    sealed = encrypt(f"[{status}, {text}]".encode(), _PLACE.format(request_id))
    return Kept(Answer(status, text), rows.execute(_ANSWER, [sealed, request_id]))


Work = Callable[[UUID], tuple[int, Any] | Kept]


def once(
    principal: str, key: str, request: bytes, work: Work, encode: Callable[[Any], str] = json.dumps
) -> Answer:
    """Do `work(request_id)` once per (principal, key); `request` are the bytes that must not differ in a repeat.

    work: gives status and body, or what `keep` gave it. encode: the body as JSON text.
    """
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
    if rows.execute(_CLAIM, [request_id, digest, until, now]).rowcount == 0:
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
        done = work(request_id)
        told = done.answer if isinstance(done, Kept) else Answer(done[0], encode(done[1]))
    except BaseException:
        _unanswered(request_id, until).delete()
        raise
    kept = done if isinstance(done, Kept) else keep(request_id, told.status, told.text)
    return told if kept.cursor.rowcount == 1 else _remembered(IdempotentRequest.objects.get(pk=request_id))


def _in_progress() -> InProgress:
    return InProgress(
        "The first request is not finished.", remedy="Wait a second and repeat it.", retry_after=1
    )


def _unanswered(request_id: UUID, until: datetime) -> QuerySet[IdempotentRequest]:
    """The request as long as it has no answer and this very claim on it stands."""
    return IdempotentRequest.objects.filter(pk=request_id, answer_sealed=None, claimed_until=until)


def _remembered(row: IdempotentRequest) -> Answer:
    """Also where whoever took the claim over was faster."""
    status, _, text = decrypt(row.answer_sealed, _PLACE.format(row.id)).decode()[1:-1].partition(", ")
    return Answer(int(status), text, repeated=True)
