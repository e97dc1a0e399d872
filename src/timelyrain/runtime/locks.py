"""Names that one holder has at a time, kept by the database: nothing is left behind by a holder that dies."""

from django.db import connection

from timelyrain.runtime import rows


def hold(name: str) -> None:
    """Wait for `name`, and keep it until the present transaction ends."""
    rows.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [name])


def try_take(name: str) -> bool:
    """Take `name` for this connection, unless somebody has it; gone with `give_back` or with the connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        return bool(cursor.fetchone()[0])


def give_back(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
