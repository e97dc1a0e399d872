"""Reads and proofs of the audit log."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature

from timelyrain.audit import merkle
from timelyrain.audit.models import Act, Leaf, TreeHead
from timelyrain.audit.services import head_bytes, leaf_bytes, signing_key


@dataclass(frozen=True)
class Recorded:
    id: UUID
    act: str
    actor: str
    subject: str
    body: dict[str, Any]
    at: datetime


def acts_of(subject: object) -> list[Recorded]:
    rows = Act.objects.filter(subject=str(subject)).order_by("id")
    return [Recorded(r.id, r.act, r.actor, r.subject, r.body, r.at) for r in rows]


@dataclass(frozen=True)
class LogCheck:
    """Result of recomputing the log from its rows: `problems` is empty when nothing was changed."""

    size: int
    root: str
    problems: tuple[str, ...]


def check_log() -> LogCheck:
    """Recompute every leaf from its act, every head from its leaves, every signature."""
    leaves = list(Leaf.objects.order_by("position"))
    acts = {row.id: row for row in Act.objects.filter(id__in=[leaf.act_id for leaf in leaves])}
    problems = []
    for n, leaf in enumerate(leaves):
        act = acts.get(leaf.act_id)
        if leaf.position != n:
            problems.append(f"leaf {leaf.position}: position {n} is missing")
        if act is None:
            problems.append(f"leaf {leaf.position}: its act {leaf.act_id} is gone")
        elif merkle.leaf_hash(leaf_bytes(act)) != bytes(leaf.sha256):
            problems.append(f"leaf {leaf.position}: act {act.id} was changed after it was recorded")
    hashes = [bytes(leaf.sha256) for leaf in leaves]
    key = signing_key().public_key()
    for head in TreeHead.objects.order_by("size"):
        if merkle.root(hashes[: head.size]) != bytes(head.root):
            problems.append(f"head of size {head.size}: the root does not match the leaves")
        try:
            key.verify(bytes(head.signature), head_bytes(head.size, bytes(head.root), head.at.isoformat()))
        except InvalidSignature:
            problems.append(f"head of size {head.size}: the signature does not verify")
    return LogCheck(len(leaves), merkle.root(hashes).hex(), tuple(problems))


def proof_of(act_id: UUID) -> dict[str, Any] | None:
    """An inclusion proof of one act under the newest head; None while the act is not sealed yet."""
    leaf = Leaf.objects.filter(act_id=act_id).first()
    head = TreeHead.objects.order_by("-size").first()
    if leaf is None or head is None:
        return None
    hashes = [
        bytes(h)
        for h in Leaf.objects.filter(position__lt=head.size)
        .order_by("position")
        .values_list("sha256", flat=True)
    ]
    return {
        "leaf": bytes(leaf.sha256).hex(),
        "position": leaf.position,
        "size": head.size,
        "root": bytes(head.root).hex(),
        "signature": bytes(head.signature).hex(),
        "at": head.at.isoformat(),
        "path": [h.hex() for h in merkle.inclusion_proof(hashes, leaf.position)],
    }
