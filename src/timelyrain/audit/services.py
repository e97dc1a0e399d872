"""Commands of the audit log."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction

from timelyrain.audit import merkle
from timelyrain.audit.models import Act, Leaf, TreeHead, Unsealed
from timelyrain.runtime import clock, locks, rows
from timelyrain.runtime.crypto import local_secret
from timelyrain.runtime.ids import new_id
from timelyrain.runtime.problems import Problem


def record(shard: int, act: str, *, actor: str, subject: object, **body: Any) -> UUID:
    """Write down an act in the caller's transaction. `body`: ids, hashes, amounts; no personal data in clear."""
    row = Act(
        shard=shard,
        id=new_id(),
        act=act,
        actor=actor,
        subject=str(subject),
        body=_plain(body),
        at=clock.now().astimezone(UTC),
    )
    leaf = merkle.leaf_hash(leaf_bytes(row))
    content = json.dumps(row.body, ensure_ascii=False)
    rows.execute(_RECORD, [shard, row.id, act, actor, row.subject, content, row.at, leaf])
    return row.id


# One statement: an act is written in every request that changes anything, and never without its place in the queue.
_RECORD = """
WITH act AS (
    INSERT INTO audit_act (shard, id, act, actor, subject, body, at, leaf_sha256)
    VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8) RETURNING id
) INSERT INTO audit_unsealed (act_id) SELECT id FROM act
"""


def leaf_bytes(row: Act) -> bytes:
    """The canonical bytes of an act, by which anyone recomputes its leaf."""
    content = [str(row.id), row.act, row.actor, row.subject, row.body, row.at.isoformat()]
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@contextmanager
def refusals(shard: int, act: str, *, actor: str, subject: object) -> Iterator[None]:
    """Write down that an act was refused and why; the refusal goes on. Not inside a transaction, which would forget it."""
    try:
        yield
    except Problem as problem:
        record(shard, f"{act}_refused", actor=actor, subject=subject, why=problem.slug, field=problem.field)
        raise


@dataclass(frozen=True)
class _Tree:
    """What this process knows of the log: enough to add to it without reading all of it again."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()


_tree = _Tree()


def seal() -> int:
    """Give new acts their places in the log and sign a new head; returns how many were sealed."""
    global _tree
    with transaction.atomic():
        locks.hold("audit.seal")
        waiting = list(Unsealed.objects.order_by("act_id").values_list("act_id", flat=True)[:10_000])
        if not waiting:
            return 0
        known = _tree
        sealed = Leaf.objects.filter(position__gte=known.size).order_by("position")
        hashes = [bytes(h) for h in sealed.values_list("sha256", flat=True)]
        size = known.size + len(hashes)
        fresh = Act.objects.filter(id__in=waiting).order_by("id").values_list("id", "leaf_sha256")
        leaves = [Leaf(position=n, act_id=act, sha256=sha256) for n, (act, sha256) in enumerate(fresh, size)]
        Leaf.objects.bulk_create(leaves)
        Unsealed.objects.filter(act_id__in=waiting).delete()
        peaks = merkle.grow(known.peaks, known.size, [*hashes, *(bytes(leaf.sha256) for leaf in leaves)])
        grown = _Tree(size + len(leaves), peaks)
        root, at = merkle.head_of(peaks), clock.now().astimezone(UTC)
        signature = signing_key().sign(head_bytes(grown.size, root, at.isoformat()))
        TreeHead.objects.create(size=grown.size, root=root, at=at, signature=signature)
    _tree = grown
    return len(leaves)


def head_bytes(size: int, root: bytes, at: str) -> bytes:
    return f"timelyrain-log/1\n{size}\n{root.hex()}\n{at}".encode()


def signing_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(local_secret(settings.HOME / "keys" / "audit"))


def _plain(value: Any) -> Any:
    """JSON values as the database will give them back, so that the leaf can be recomputed from the row."""
    return json.loads(json.dumps(value, default=lambda x: x.hex() if isinstance(x, bytes) else str(x)))
