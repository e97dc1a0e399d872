"""Columns in and out of the database: binary COPY between tables and numpy, no row ever a Python object.

A column is one of: day (a date, as `number`), fen, int, small (int64 here), flag (bool), uuid (16 bytes). NULL has no place here.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection
from numpy.typing import NDArray

Array = NDArray[Any]
_EPOCH = date(2000, 1, 1).toordinal()  # of PostgreSQL's binary dates
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_TYPES = {"day": ">i4", "fen": ">i8", "int": ">i4", "small": ">i2", "flag": "u1", "uuid": "V16"}
_CHUNK = 1 << 16


def number(on: date) -> int:
    """A day as a column holds it."""
    return on.toordinal() - _EPOCH


def uuids(column: Array) -> list[UUID]:
    return [UUID(bytes=value.tobytes()) for value in column]


def fetch(query: str, columns: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """The result of a query without NULLs as one array per column: int64, bool, or 16 bytes for an id."""
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT BINARY)") as copy:
        data = b"".join(copy)
    rows = np.frombuffer(
        data, _record(columns), offset=len(_HEADER), count=(len(data) - len(_HEADER)) // _size(columns)
    )
    plain = {"uuid": "V16", "flag": np.bool_}
    return {name: rows[name].astype(plain.get(kind, np.int64)) for name, kind in columns.items()}


def store(
    table: str, fixed: Mapping[str, tuple[str, Any]], columns: Mapping[str, tuple[str, NDArray[Any]]]
) -> None:
    """Insert one row per element of the columns, each with the `fixed` values; both as name -> (type, values)."""
    types = {name: kind for name, (kind, _) in {**fixed, **columns}.items()}
    count = len(next(iter(columns.values()))[1])
    rows = np.empty(count, _record(types))
    rows["fields"] = len(types)
    for name, (kind, values) in {**fixed, **columns}.items():
        rows[f"{name} length"] = np.dtype(_TYPES[kind]).itemsize
        rows[name] = values
    names = ", ".join(f'"{name}"' for name in types)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(_HEADER)
        for begin in range(0, count, _CHUNK):
            copy.write(rows[begin : begin + _CHUNK].tobytes())
        copy.write(_TRAILER)


def insert(table: str, fixed: Mapping[str, Any], columns: Mapping[str, tuple[str, Sequence[Any]]]) -> None:
    """Insert rows of Python values in one statement: name -> (SQL type, values); rows that are there already are left alone."""
    names = ", ".join(f'"{name}"' for name in (*columns, *fixed))
    arrays = ", ".join(f"%s::{kind}[]" for kind, _ in columns.values())
    constants = "".join(", %s" for _ in fixed)
    taken = ", ".join(f"c{n}" for n in range(len(columns)))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {taken}{constants} FROM unnest({arrays}) AS x({taken}) ON CONFLICT DO NOTHING",
            [*fixed.values(), *(list(values) for _, values in columns.values())],
        )


def _record(columns: Mapping[str, str]) -> np.dtype[Any]:
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in columns.items():
        fields += [(f"{name} length", ">i4"), (name, _TYPES[kind])]
    return np.dtype(fields)


def _size(columns: Mapping[str, str]) -> int:
    return _record(columns).itemsize
