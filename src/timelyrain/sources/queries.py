from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from timelyrain.runtime import rows
from timelyrain.sources.models import SourceRead


@dataclass(frozen=True)
class ReadView:
    source: str
    recipient: str
    status: str
    detail: str
    document_sha256: str
    milliseconds: int
    at: datetime


def reads_of(shard: int, application_id: UUID) -> list[ReadView]:
    return reads_of_each(shard, [application_id])[application_id]


def reads_of_each(shard: int, application_ids: Sequence[UUID]) -> dict[UUID, list[ReadView]]:
    """The reads of several applications, in the order they were asked, by one query that leaves the documents alone."""
    found: dict[UUID, list[ReadView]] = {application_id: [] for application_id in application_ids}
    of_these = "WHERE shard = %s AND application_id = ANY(%s) ORDER BY id"
    for r in rows.select(SourceRead, of_these, [shard, list(application_ids)], without=("document_sealed",)):
        found[r.application_id].append(
            ReadView(r.source, r.recipient, r.status, r.detail, r.document_sha256, r.milliseconds, r.at)
        )
    return found
