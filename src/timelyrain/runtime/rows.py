"""Rows by SQL that is composed once, for the statements of every request.

The ORM composes a statement anew each time, at several times the cost of its execution. Only the instant path needs this;
everything else uses the ORM.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from django.db import connection, models

Row = TypeVar("Row", bound=models.Model)


@contextmanager
def together() -> Iterator[None]:
    """Statements inside are sent without waiting for each one's answer; what went wrong is raised at the end at the latest."""
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.pipeline():
        yield


def insert(*rows: models.Model) -> None:
    """Insert new rows of one model, whole, in one statement. No signals, no defaults of the database."""
    head, group, fields = _insertion(type(rows[0]))
    values = [f.get_db_prep_save(getattr(row, f.attname), connection) for row in rows for f in fields]
    with connection.cursor() as cursor:
        cursor.execute(head + ", ".join([group] * len(rows)), values)


def update(row: models.Model, *names: str) -> None:
    """Write the named fields of a row that is there."""
    table, columns = row._meta.db_table, ", ".join(f'"{name}" = %s' for name in names)
    fields = [row._meta.get_field(name) for name in names]
    values = [f.get_db_prep_save(getattr(row, f.attname), connection) for f in fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f'UPDATE "{table}" SET {columns} WHERE shard = %s AND id = %s', [*values, row.shard, row.id]
        )


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
    cursor = connection.cursor()
    cursor.execute(f"{head} {rest}", parameters)

    def fetch() -> list[Row]:
        with cursor:
            found = cursor.fetchall()
        return [
            model.from_db("default", names, [read(v) for v, read in zip(row, readers, strict=True)])
            for row in found
        ]

    return fetch


@cache
def _insertion(model: type[models.Model]) -> tuple[str, str, tuple[models.Field, ...]]:
    fields = tuple(model._meta.local_concrete_fields)
    columns = ", ".join(f'"{f.column}"' for f in fields)
    return (
        f'INSERT INTO "{model._meta.db_table}" ({columns}) VALUES ',
        f"({', '.join(['%s'] * len(fields))})",
        fields,
    )


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
    steps = field.get_db_converters(connection)

    def read(value: Any) -> Any:
        for step in steps:
            value = step(value, None, connection)
        return value

    return read if steps else lambda value: value
