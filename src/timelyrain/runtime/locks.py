"""Names that one holder has at a time, kept by the database: nothing is left behind by a holder that dies."""

from django.db import connection

from timelyrain.runtime import rows


def hold(name: str) -> None:
    """Wait for `name`, and keep it until the present transaction ends."""
    rows.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", [name])


def hold_relaxed(name: str) -> None:
    """`hold`, and let the transaction at hand (see `rows.together`) commit without waiting for the disk.

    The server's log is written in order: whatever is committed later and waited for brings this with it. A power cut before that
    takes both. Only for what is of no use without something later.
    """
    if connection.in_atomic_block:
        raise RuntimeError("a transaction that others began is theirs to relax")
    rows.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0)), set_config('synchronous_commit', 'off', true)",
        [name],
    )


def try_take(name: str) -> bool:
    """Take `name` for this connection, unless somebody has it; gone with `give_back` or with the connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        return bool(cursor.fetchone()[0])


def give_back(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name])
