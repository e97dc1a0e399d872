"""Merkle tree hashing of RFC 6962 §2.1: tree heads, inclusion proofs, and their verification."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import reduce


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << (size - 1).bit_length() - 1


def root(leaves: Sequence[bytes]) -> bytes:
    """Tree head over leaf hashes; of no leaves, the hash of nothing."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    cut = _split(len(leaves))
    return _node(root(leaves[:cut]), root(leaves[cut:]))


def grow(peaks: Sequence[bytes], size: int, leaves: Iterable[bytes]) -> tuple[bytes, ...]:
    """Add leaves to a tree of `size` leaves known by its peaks: the heads of its full subtrees, largest first."""
    grown = list(peaks)
    for count, leaf in enumerate(leaves, size):
        node = leaf
        while count & 1:  # each set bit is a full subtree that the new one completes to the next size
            node, count = _node(grown.pop(), node), count >> 1
        grown.append(node)
    return tuple(grown)


def head_of(peaks: Sequence[bytes]) -> bytes:
    """The head of the tree with these peaks; equal to `root` of its leaves."""
    return reduce(lambda right, left: _node(left, right), reversed(peaks)) if peaks else root([])


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Sibling hashes from leaf `index` up to the head."""
    if len(leaves) <= 1:
        return []
    cut = _split(len(leaves))
    if index < cut:
        return [*inclusion_proof(leaves[:cut], index), root(leaves[cut:])]
    return [*inclusion_proof(leaves[cut:], index - cut), root(leaves[:cut])]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], head: bytes) -> bool:
    """Whether `leaf` stands at `index` of the tree of `size` leaves with this head (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            current = _node(sibling, current)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            current = _node(current, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and current == head
