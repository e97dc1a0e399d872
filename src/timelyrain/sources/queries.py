from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

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
    rows = SourceRead.objects.filter(shard=shard, application_id=application_id).order_by("id")
    return [
        ReadView(r.source, r.recipient, r.status, r.detail, r.document_sha256, r.milliseconds, r.at)
        for r in rows
    ]
