"""Reads and proofs of the audit log."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from django.db.models import Exists, OuterRef

from timelyrain.audit import merkle
from timelyrain.audit.models import Act, Leaf, TreeHead, Unsealed
from timelyrain.audit.services import head_bytes, leaf_bytes, signing_key

_PAGE = 5000


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
    """Recompute every leaf from its act, every head from its leaves, every signature; acts outside the log are named too."""
    problems: list[str] = []
    key = signing_key().public_key()
    heads = {head.size: head for head in TreeHead.objects.all()}
    size, peaks, expected = 0, (), 0
    for leaf, act in _leaves_with_acts():
        if leaf.position != expected:
            problems.append(f"leaf {expected}: it is missing")
        expected = leaf.position + 1
        if act is None:
            problems.append(f"leaf {leaf.position}: its act {leaf.act_id} is gone")
        elif merkle.leaf_hash(leaf_bytes(act)) != bytes(leaf.sha256):
            problems.append(f"leaf {leaf.position}: act {act.id} was changed after it was recorded")
        peaks, size = merkle.grow(peaks, size, [bytes(leaf.sha256)]), size + 1
        if head := heads.pop(size, None):
            if merkle.head_of(peaks) != bytes(head.root):
                problems.append(f"head of size {head.size}: the root does not match the leaves")
            try:
                key.verify(
                    bytes(head.signature), head_bytes(head.size, bytes(head.root), head.at.isoformat())
                )
            except InvalidSignature:
                problems.append(f"head of size {head.size}: the signature does not verify")
    problems += [f"head of size {beyond}: the log has only {size} leaves" for beyond in sorted(heads)]
    known = Exists(Leaf.objects.filter(act_id=OuterRef("id"))) | Exists(
        Unsealed.objects.filter(act_id=OuterRef("id"))
    )
    for stray in Act.objects.exclude(known).values_list("id", flat=True):
        problems.append(f"act {stray}: it has no place in the log and waits for none")
    return LogCheck(size, merkle.head_of(peaks).hex(), tuple(problems))


def _leaves_with_acts() -> Iterator[tuple[Leaf, Act | None]]:
    leaves = Leaf.objects.order_by("position").iterator(_PAGE)
    while page := list(islice(leaves, _PAGE)):
        acts = Act.objects.in_bulk([leaf.act_id for leaf in page])
        yield from ((leaf, acts.get(leaf.act_id)) for leaf in page)


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
