"""Commands of the audit log."""

import json
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import connection, transaction

from timelyrain.audit import merkle
from timelyrain.audit.models import Act, Leaf, TreeHead
from timelyrain.runtime import clock
from timelyrain.runtime.crypto import local_secret
from timelyrain.runtime.ids import new_id


def record(shard: int, act: str, *, actor: str, subject: object, **body: Any) -> UUID:
    """Write down an act in the caller's transaction. `body`: ids, hashes, amounts; no personal data in clear."""
    row = Act(
        shard=shard,
        id=new_id(),
        act=act,
        actor=actor,
        subject=str(subject),
        body=_plain(body),
        at=clock.now(),
    )
    row.leaf_sha256 = merkle.leaf_hash(leaf_bytes(row))
    row.save(force_insert=True)
    return row.id


def leaf_bytes(row: Act) -> bytes:
    """The canonical bytes of an act, by which anyone recomputes its leaf."""
    content = [str(row.id), row.act, row.actor, row.subject, row.body, row.at.isoformat()]
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def seal() -> int:
    """Give new acts their places in the log and sign a new head; returns how many were sealed."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('audit.seal'))")
        size = Leaf.objects.count()
        fresh = Act.objects.exclude(id__in=Leaf.objects.values("act_id")).order_by("id")[:10_000]
        leaves = [
            Leaf(position=size + n, act_id=row.id, sha256=row.leaf_sha256) for n, row in enumerate(fresh)
        ]
        if not leaves:
            return 0
        Leaf.objects.bulk_create(leaves)
        root = merkle.root(
            [bytes(h) for h in Leaf.objects.order_by("position").values_list("sha256", flat=True)]
        )
        at = clock.now()
        signature = signing_key().sign(head_bytes(size + len(leaves), root, at.isoformat()))
        TreeHead.objects.create(size=size + len(leaves), root=root, at=at, signature=signature)
        return len(leaves)


def head_bytes(size: int, root: bytes, at: str) -> bytes:
    return f"timelyrain-log/1\n{size}\n{root.hex()}\n{at}".encode()


def signing_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(local_secret(settings.HOME / "keys" / "audit"))


def _plain(value: Any) -> Any:
    """JSON values as the database will give them back, so that the leaf can be recomputed from the row."""
    return json.loads(json.dumps(value, default=lambda x: x.hex() if isinstance(x, bytes) else str(x)))
