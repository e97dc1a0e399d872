"""Rows by SQL that is composed once, for the statements of every request. Parameters are written $1, $2 ...

The ORM composes a statement anew each time, at several times the cost of its execution. Only the instant path needs this;
everything else uses the ORM.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TypeVar

import psycopg
from django.db import connections, models
from psycopg.types.json import Jsonb
from psycopg.types.numeric import Int2, Int4, Int8

Row = TypeVar("Row", bound=models.Model)


def execute(statement: str, parameters: Sequence[Any] = ()) -> psycopg.RawCursor[Any]:
    """One statement, its rows to be called for at the cursor. What a database refuses is raised as Django's errors."""
    database = connections["default"]
    database.ensure_connection()
    with database.wrap_database_errors:
        cursor = psycopg.RawCursor(database.connection)
        cursor.execute(statement, parameters)
    if database.queries_logged:
        database.queries_log.append({"sql": statement, "time": ""})
    return cursor


@contextmanager
def together() -> Iterator[None]:
    """Statements inside are sent without waiting for each one's answer; what went wrong is raised at the end at the latest.

    Outside a transaction they are one: all are kept at the end, or, where anything is raised, none. None can begin inside.
    """
    database = connections["default"]
    database.ensure_connection()
    with database.wrap_database_errors, database.connection.pipeline():
        try:
            yield
        except BaseException:
            # The server knows only of errors of its own, and would keep what it has got.
            if not database.in_atomic_block:
                with suppress(psycopg.Error):
                    database.connection.execute("ROLLBACK")
            raise


def insert(*rows: models.Model) -> None:
    """Insert new rows of one model, whole, in one statement. No signals, no defaults of the database."""
    statement, writers = _insertion(type(rows[0]), len(rows))
    execute(statement, [write(getattr(row, name)) for row in rows for name, write in writers])


def violates(error: Exception, constraint: str) -> bool:
    """Whether it was this constraint that refused a row."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return diagnosis is not None and diagnosis.constraint_name == constraint


def update(row: models.Model, *names: str) -> None:
    """Write the named fields of a row that is there."""
    statement, writers = _change(type(row), names)
    execute(statement, [row.shard, row.id, *(write(getattr(row, name)) for name, write in writers)])


def select(
    model: type[Row], rest: str, parameters: Sequence[Any], without: tuple[str, ...] = ()
) -> list[Row]:
    """`SELECT <all columns but some> FROM <table> <rest>`; columns that were left out are read when touched."""
    return select_later(model, rest, parameters, without)()


def select_later(
    model: type[Row], rest: str, parameters: Sequence[Any], without: tuple[str, ...] = ()
) -> Callable[[], list[Row]]:
    """`select` in two halves for `together`: it is asked now, the rows are called for later."""
    head, names, readers = _selection(model, without)
    cursor = execute(f"{head} {rest}", parameters)

    def fetch() -> list[Row]:
        return [
            model.from_db("default", names, [read(v) for v, read in zip(row, readers, strict=True)])
            for row in cursor.fetchall()
        ]

    return fetch


@cache
def _insertion(
    model: type[models.Model], count: int
) -> tuple[str, tuple[tuple[str, Callable[[Any], Any]], ...]]:
    fields = model._meta.local_concrete_fields
    columns, width = ", ".join(f'"{f.column}"' for f in fields), len(fields)
    places = (", ".join(f"${n * width + i}" for i in range(1, width + 1)) for n in range(count))
    groups = ", ".join(f"({group})" for group in places)
    writers = tuple((f.attname, _writer(f)) for f in fields)
    return f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES {groups}', writers


@cache
def _change(
    model: type[models.Model], names: tuple[str, ...]
) -> tuple[str, tuple[tuple[str, Callable[[Any], Any]], ...]]:
    fields = [model._meta.get_field(name) for name in names]
    changes = ", ".join(f'"{field.column}" = ${n}' for n, field in enumerate(fields, 3))
    statement = f'UPDATE "{model._meta.db_table}" SET {changes} WHERE shard = $1 AND id = $2'
    return statement, tuple((field.attname, _writer(field)) for field in fields)


_WRITERS: dict[str, Callable[[Any], Any] | None] = {
    **dict.fromkeys(("UUIDField", "CharField", "TextField", "BinaryField", "DateTimeField"), None),
    "SmallIntegerField": Int2,
    "IntegerField": Int4,
    "BigIntegerField": Int8,
    "JSONField": Jsonb,
}


def _writer(field: models.Field) -> Callable[[Any], Any]:
    """What Django does to a value on its way to the database; nothing where the driver knows the type."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    kind = field.get_internal_type()
    if kind not in _WRITERS:
        raise TypeError(f"{field}: a {kind} is not written here; say in _WRITERS how, or use the ORM")
    write = _WRITERS[kind]
    return lambda value: value if write is None or value is None else write(value)


@cache
def _selection(
    model: type[models.Model], without: tuple[str, ...]
) -> tuple[str, tuple[str, ...], tuple[Callable[[Any], Any], ...]]:
    table = model._meta.db_table
    fields = [f for f in model._meta.local_concrete_fields if f.attname not in without]
    columns = ", ".join(f'"{table}"."{f.column}"' for f in fields)
    return f'SELECT {columns} FROM "{table}"', tuple(f.attname for f in fields), tuple(map(_reader, fields))


def _reader(field: models.Field) -> Callable[[Any], Any]:
    """What Django does to a value of the database before a field holds it."""
    database = connections["default"]
    steps = field.get_db_converters(database)

    def read(value: Any) -> Any:
        for step in steps:
            value = step(value, None, database)
        return value

    return read if steps else lambda value: value
