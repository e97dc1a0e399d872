"""Statements sent together are one transaction, whatever goes wrong in the middle; a kept connection that is dead is known."""

from collections.abc import Callable
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from tests.conftest import superuser_dsn
from timelyrain.runtime import clock, locks, rows
from timelyrain.runtime.models import Saga, SagaTrace

pytestmark = pytest.mark.usefixtures("platform")


def trace(saga: UUID) -> SagaTrace:
    return SagaTrace(
        shard=1, saga_id=saga, step="step", attempt=1, outcome="done", milliseconds=1.5, at=clock.now()
    )


def saga() -> Saga:
    return Saga(
        shard=1,
        kind="nobody",
        key=str(uuid4()),
        step="x",
        status="done",
        due_at=clock.now(),
        created_at=clock.now(),
    )


def kept(row: Saga) -> bool:
    return Saga.objects.filter(shard=1, id=row.id).exists()


def raise_here() -> None:
    raise RuntimeError("here")


def refused_by_the_driver() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [object()])


def refused_by_the_server() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (raise_here, RuntimeError),
        (refused_by_the_driver, DatabaseError),
        (refused_by_the_server, DatabaseError),
    ],
)
@pytest.mark.parametrize("within", [False, True])
def test_nothing_is_kept_when_something_is_raised(
    wrong: Callable[[], None], error: type[Exception], within: bool
) -> None:
    first, last = saga(), saga()

    def send() -> None:
        with rows.together():
            rows.insert(first)
            wrong()
            rows.insert(last)

    with pytest.raises(error):
        if within:
            with transaction.atomic():
                send()
        else:
            send()
    assert not kept(first) and not kept(last)
    assert connection.get_autocommit()
    rows.insert(last)  # the connection goes on working
    assert kept(last)


def test_what_is_sent_together_is_kept_together_and_a_constraint_names_itself() -> None:
    one, other = saga(), saga()
    with rows.together():
        locks.hold_relaxed("one and other")
        rows.insert(one, other)
    assert kept(one) and kept(other)
    other.id = uuid4()
    with pytest.raises(DatabaseError) as refused, rows.together():
        rows.insert(other)
    assert rows.violates(refused.value, "saga_once") and not rows.violates(refused.value, "saga_due")
    with connection.cursor() as cursor:  # only that transaction was relaxed
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)


def test_a_kind_of_field_that_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match="milliseconds: a FloatField is not written here"):
        rows.insert(trace(uuid4()))


def test_a_connection_that_the_server_ended_is_not_usable() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    assert connection.is_usable()
    with psycopg.connect(superuser_dsn(), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert not connection.is_usable()
    connection.close()
