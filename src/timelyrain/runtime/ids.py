"""Identifiers: UUIDv7 made in the application, and the shard that holds all rows of one person."""

import hashlib
import uuid

import uuid_utils
from django.conf import settings


def new_id() -> uuid.UUID:
    """A time-ordered UUIDv7, so that primary keys insert at the end of the index."""
    return uuid.UUID(bytes=uuid_utils.uuid7().bytes)


def derived_id(*parts: object) -> uuid.UUID:
    """The same id for the same parts: the identity of an act that may be attempted twice."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return uuid.UUID(bytes=digest[:16], version=5)


def shard_of(blind_index: bytes) -> int:
    """Shard 0 … SHARDS-1 of a person, from the blind index of the phone number."""
    return int.from_bytes(blind_index[:4]) % settings.SHARDS
