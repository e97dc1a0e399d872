from collections.abc import Callable, Sequence
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


def view(row: SourceRead) -> ReadView:
    """What may be told of a read."""
    return ReadView(
        row.source, row.recipient, row.status, row.detail, row.document_sha256, row.milliseconds, row.at
    )


def reads_of(shard: int, application_id: UUID) -> list[ReadView]:
    return reads_of_each_later(shard, [application_id])()[application_id]


def reads_of_each_later(
    shard: int, application_ids: Sequence[UUID]
) -> Callable[[], dict[UUID, list[ReadView]]]:
    """The reads of several applications, in the order they were asked; asked now and called for later (`rows.together`)."""
    of_these = "WHERE shard = $1 AND application_id = ANY($2) ORDER BY id"
    asked = rows.select_later(
        SourceRead, of_these, [shard, list(application_ids)], without=("document_sealed",)
    )

    def reads() -> dict[UUID, list[ReadView]]:
        found: dict[UUID, list[ReadView]] = {application_id: [] for application_id in application_ids}
        for r in asked():
            found[r.application_id].append(view(r))
        return found

    return reads
