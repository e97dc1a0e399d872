"""Columns as PostgreSQL arrays in binary form: for thousands of elements several times faster than a list of Python objects.

An element is four bytes of length and its value. Each function makes an array of one type; None is NULL.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from psycopg import Cursor
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

from timelyrain.runtime.columns import number

_NULL = (-1).to_bytes(4, signed=True)
_SIZE_16, _SIZE_32 = (16).to_bytes(4), (32).to_bytes(4)
_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True)
class Array:
    """A parameter for a cursor that was made `ready`. oid: of the array type."""

    oid: int
    data: bytes


def texts(values: Sequence[str | None]) -> Array:
    return _array(1009, 25, len(values), map(_text, values), nulls=None in values)


def keys(values: Sequence[str]) -> Array:
    """`texts` of which none comes twice."""
    return _array(1009, 25, len(values), [_sized(value.encode()) for value in values])


def ids(values: Sequence[int | None]) -> Array:
    """UUIDs as their integers, which compare and hash far faster."""
    parts = [_NULL if value is None else _SIZE_16 + value.to_bytes(16) for value in values]
    return _array(2951, 2950, len(values), parts, nulls=None in values)


def hashes(values: Sequence[bytes]) -> Array:
    """Values of bytea, 32 bytes each."""
    return _array(1001, 17, len(values), [_SIZE_32 + value for value in values])


def days(values: Sequence[date]) -> Array:
    return _array(1182, 1082, len(values), map(_day, values))


def moments(values: Sequence[datetime]) -> Array:
    return _array(1185, 1184, len(values), map(_moment, values))


def smalls(values: Sequence[int]) -> Array:
    return _numbers(1005, 21, ">i2", values)


def ints(values: Sequence[int]) -> Array:
    return _numbers(1007, 23, ">i4", values)


def bigints(values: Sequence[int]) -> Array:
    """Raises OverflowError for what does not fit into 64 bits."""
    return _numbers(1016, 20, ">i8", values)


def ready(cursor: Cursor[Any]) -> Cursor[Any]:
    """A cursor that takes arrays as parameters."""
    cursor.adapters.register_dumper(Array, _Dumper)
    return cursor


class _Dumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return obj.data

    def get_key(self, obj: Array, format: PyFormat) -> Any:
        return self.cls, obj.oid

    def upgrade(self, obj: Array, format: PyFormat) -> "_Dumper":
        dumper = _Dumper(self.cls)
        dumper.oid = obj.oid
        return dumper


def _array(oid: int, element: int, count: int, parts: Iterable[bytes], *, nulls: bool = False) -> Array:
    head = b"".join(n.to_bytes(4) for n in (1, nulls, element, count, 1))  # dimensions, ..., first subscript
    return Array(oid, head + b"".join(parts))


def _numbers(oid: int, element: int, kind: str, values: Sequence[int]) -> Array:
    rows = np.empty(len(values), [("size", ">i4"), ("value", kind)])
    rows["size"], rows["value"] = rows["value"].itemsize, values
    return _array(oid, element, len(values), [rows.tobytes()])


def _sized(value: bytes) -> bytes:
    return len(value).to_bytes(4) + value


@lru_cache(4096)
def _text(value: str | None) -> bytes:
    return _NULL if value is None else _sized(value.encode())


@lru_cache(4096)
def _day(value: date) -> bytes:
    return _sized(number(value).to_bytes(4, signed=True))


@lru_cache(4096)
def _moment(value: datetime) -> bytes:
    return _sized(((value - _EPOCH) // _MICROSECOND).to_bytes(8, signed=True))
