"""Sagas: every step once and in order, whoever dies where, whatever the outside answers."""

import subprocess
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection, connections, transaction

from tests.runtime.steps import lines
from tests.runtime.workers import eventually, start_worker, worker_process
from timelyrain.audit import queries as audit
from timelyrain.runtime import locks, sagas, worker
from timelyrain.runtime.models import Saga, SagaStatus, SagaTrace
from timelyrain.runtime.problems import Conflict

pytestmark = pytest.mark.usefixtures("platform")


@pytest.fixture(autouse=True)
def nothing_left_over():
    """Sagas that an earlier test left waiting are none of this one's."""
    Saga.objects.filter(status__in=["ready", "unknown"]).update(status=SagaStatus.DEAD, claimed_by=None)


def begin(kind: str, folder: Path, **data: object) -> UUID:
    return sagas.start(kind, str(uuid4()), 1, {"folder": str(folder), **data})


def carry(saga_id: UUID, rounds: int = 1) -> Saga:
    """Let a worker look `rounds` times, without the pauses in between."""
    for _ in range(rounds):
        Saga.objects.filter(pk=saga_id).update(due_at=datetime.now(UTC))
        worker.drain()
    return Saga.objects.get(pk=saga_id)


def acts(saga_id: UUID) -> list[str]:
    return [act.act for act in audit.acts_of(saga_id)]


def outside(saga: Saga, folder: Path) -> list[str]:
    return lines(folder, saga.key)


def data_of(saga: Saga) -> dict[str, Any]:
    return cast(Any, saga.data)


def test_steps_run_in_order_and_hand_on_what_they_learned(tmp_path):
    saga = carry(begin("test_walk", tmp_path))
    assert saga.status == SagaStatus.DONE and saga.finished_at and saga.claimed_by is None
    assert acts(saga.id) == ["first", "sent", "last"]
    data = data_of(saga)
    assert data["answer"] == 42 and data["first"] < data["sent"] < data["last"]
    assert outside(saga, tmp_path) == ["called"]
    traced = SagaTrace.objects.filter(saga=saga).order_by("id").values_list("step", "attempt", "outcome")
    assert list(traced) == [("test.first", 1, "done"), ("test.send", 1, "done"), ("test.last", 1, "done")]


def test_the_same_key_is_the_same_saga(tmp_path):
    first = sagas.start("test_walk", "only-once", 1, {"folder": str(tmp_path)})
    assert sagas.start("test_walk", "only-once", 1, {"folder": "elsewhere"}) == first


def test_a_saga_begun_in_a_transaction_that_fails_never_was(tmp_path):
    with pytest.raises(RuntimeError), transaction.atomic():
        saga = begin("test_walk", tmp_path)
        raise RuntimeError
    assert not Saga.objects.filter(pk=saga).exists()


def test_what_a_step_wrote_before_it_broke_is_gone_and_it_runs_again(tmp_path):
    saga = carry(begin("test_broken", tmp_path))
    assert saga.status == SagaStatus.READY and saga.step == "test.broken" and acts(saga.id) == []
    assert saga.last_error == "RuntimeError: broken after its first write"
    assert saga.due_at > datetime.now(UTC)
    (tmp_path / "mended").touch()
    saga = carry(saga.id)
    assert saga.status == SagaStatus.DONE and acts(saga.id) == ["halfway", "last"]


def test_kill_9_anywhere_and_every_effect_happens_once(tmp_path):
    points = ["in first", "before call", "after call", "in sent", "in last"]
    started = [begin("test_walk", tmp_path, die=point) for point in points]
    killed = dict(zip(started, points, strict=True))
    for saga in Saga.objects.filter(pk__in=started):
        (tmp_path / f"{saga.key}.die").touch()
    deaths = 0
    while Saga.objects.filter(pk__in=started).exclude(status=SagaStatus.DONE).exists():
        process = start_worker()
        eventually(
            lambda p=process: (
                p.poll() is not None
                or not Saga.objects.filter(pk__in=started).exclude(status=SagaStatus.DONE).exists()
            )
        )
        if process.poll() is None:
            process.terminate()
            assert process.wait(timeout=20) == 0
        else:
            assert process.returncode == -9
            deaths += 1
    # every point was met; one death may take two sagas along, which the worker's threads carry side by side
    assert not list(tmp_path.glob("*.die")) and 2 <= deaths <= len(points)
    for saga in Saga.objects.filter(pk__in=started):
        assert acts(saga.id) == ["first", "sent", "last"], killed[saga.id]
        assert outside(saga, tmp_path).count("called") == 1, killed[saga.id]


def test_concurrent_workers_carry_each_saga_once(tmp_path):
    started = [begin("test_walk", tmp_path) for _ in range(40)]
    claimed: Counter[UUID] = Counter()

    def work(name: str) -> None:
        while mine := sagas.claim(name, limit=3):
            claimed.update(mine)
            for saga_id in mine:
                sagas.run(saga_id, name)
        connection.close()

    threads = [threading.Thread(target=work, args=(f"thread-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert claimed == Counter(started)
    for saga in Saga.objects.filter(pk__in=started):
        assert acts(saga.id) == ["first", "sent", "last"]
        assert outside(saga, tmp_path) == ["called"]


def test_an_expired_claim_passes_to_another_who_asks_before_calling(tmp_path):
    saga_id = begin("test_scripted", tmp_path, called=["done"], asked=["done"])
    assert saga_id in sagas.claim("dies", limit=10)
    assert sagas.claim("early", limit=10) == []
    Saga.objects.filter(pk=saga_id).update(claimed_until=datetime.now(UTC) - timedelta(seconds=1))
    saga = carry(saga_id)
    assert saga.status == SagaStatus.DONE and outside(saga, tmp_path) == ["asked"]


def test_a_worker_whose_claim_expired_books_nothing(tmp_path):
    saga_id = begin("test_walk", tmp_path)
    assert sagas.claim("slow", limit=10) == [saga_id]
    # Its own name too: a second thread of the same worker may have taken the saga up since.
    stale = Saga.objects.get(pk=saga_id)
    Saga.objects.filter(pk=saga_id).update(attempts=2)
    assert sagas._attempt(stale, "slow") is False
    assert acts(saga_id) == [] and Saga.objects.get(pk=saga_id).step == "test.first"


def test_a_claim_that_is_not_mine_is_left_alone(tmp_path):
    saga_id = begin("test_walk", tmp_path)
    sagas.claim("somebody", limit=10)
    assert sagas.run(saga_id, "somebody else") == SagaStatus.READY
    assert acts(saga_id) == []


@pytest.mark.parametrize("silence", ["unknown", "error"])
def test_an_unknown_outcome_is_asked_for_until_it_is_known(tmp_path, silence):
    saga_id = begin("test_scripted", tmp_path, called=[silence], asked=["unknown", silence, "done"])
    saga = carry(saga_id)
    assert saga.status == SagaStatus.UNKNOWN and saga.claimed_by is None
    saga = carry(saga_id, rounds=3)
    assert saga.status == SagaStatus.DONE and acts(saga_id) == ["scripted", "last"]
    assert outside(saga, tmp_path) == ["called", "asked", "asked", "asked"]


def test_what_was_never_seen_outside_is_called_again(tmp_path):
    saga = carry(begin("test_scripted", tmp_path, called=["unknown", "done"], asked=["retry"]), rounds=2)
    assert saga.status == SagaStatus.DONE and outside(saga, tmp_path) == ["called", "asked", "called"]


def test_a_refusal_takes_the_other_way(tmp_path):
    saga = carry(begin("test_scripted", tmp_path, called=["refused"], asked=["refused"]))
    assert saga.status == SagaStatus.REFUSED and data_of(saga)["refused"] == "no money"
    assert acts(saga.id) == ["refusal"]


def test_too_many_tries_make_a_dead_letter_that_a_person_lets_go_on(tmp_path):
    saga_id = begin("test_scripted", tmp_path, called=["unknown"], asked=["unknown"])
    saga = carry(saga_id, rounds=sagas.MAX_ATTEMPTS + 3)
    assert saga.status == SagaStatus.DEAD and saga.last_error == "silence"
    assert len(outside(saga, tmp_path)) == sagas.MAX_ATTEMPTS
    data_of(saga)["asked"] = ["done"]
    saga.save()
    sagas.retry_dead(saga_id)
    saga = carry(saga_id)
    assert saga.status == SagaStatus.DONE and outside(saga, tmp_path)[-2:] == ["asked", "asked"]
    with pytest.raises(Conflict):
        sagas.retry_dead(saga_id)


def test_a_step_that_takes_every_worker_down_ends_as_a_dead_letter(tmp_path):
    saga_id = begin("test_scripted", tmp_path, called=["done"], asked=["done"])
    Saga.objects.filter(pk=saga_id).update(attempts=sagas.MAX_ATTEMPTS)
    saga = carry(saga_id)
    assert saga.status == SagaStatus.DEAD and outside(saga, tmp_path) == []


def test_a_step_nobody_answers_to_is_named(tmp_path):
    saga_id = begin("test_walk", tmp_path)
    Saga.objects.filter(pk=saga_id).update(step="test.renamed")
    saga = carry(saga_id)
    assert saga.status == SagaStatus.READY and "no room registered the step 'test.renamed'" in saga.last_error


def test_definitions_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match="stand once"):
        sagas.define("test_circle", ["test.first", "test.last", "test.first"])
    with pytest.raises(ValueError, match="query"):
        sagas.register("test.blind", lambda run, answer: None, call=lambda run: sagas.Done())
    assert sagas.check_registry() == []


def test_a_worker_name_is_held_by_one_process_at_a_time():
    taken, release = threading.Event(), threading.Event()

    def first() -> None:
        assert locks.try_take("worker:double")
        taken.set()
        release.wait()
        connection.close()  # as when its process is killed

    thread = threading.Thread(target=first)
    thread.start()
    taken.wait()
    second = worker.Worker("double")
    assert second._take_name() is False
    release.set()
    thread.join()
    eventually(second._take_name)
    locks.give_back("worker:double")


def test_a_worker_that_waits_for_its_name_can_be_stopped():
    assert locks.try_take("worker:taken")

    def asked() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%%pg_try_advisory_lock%%'",
                [],
            )
            return cursor.rowcount > 0

    try:
        with worker_process("taken") as process, pytest.raises(subprocess.TimeoutExpired):
            eventually(asked)
            process.wait(timeout=1)
        assert process.returncode == 0
    finally:
        locks.give_back("worker:taken")


def terminate_everyone() -> int:
    """Cut every other connection to this database, as its restart would. Returns how many there were."""
    from tests.conftest import superuser_dsn

    with psycopg.connect(superuser_dsn(), autocommit=True) as admin:
        rows = admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchall()
    connections.close_all()
    return len(rows)


def test_a_worker_goes_on_when_the_database_cut_all_connections(tmp_path):
    with worker_process() as process:
        first = begin("test_walk", tmp_path)
        eventually(lambda: Saga.objects.get(pk=first).status == SagaStatus.DONE)
        for _ in range(3):
            batch = [begin("test_walk", tmp_path) for _ in range(20)]
            assert terminate_everyone() > 1
            eventually(
                lambda b=batch: Saga.objects.filter(pk__in=b, status=SagaStatus.DONE).count() == len(b)
            )
            for saga_id in batch:
                assert acts(saga_id) == ["first", "sent", "last"]
        assert process.poll() is None


def test_a_periodic_job_that_fails_says_so_and_does_not_stop_the_others():
    from timelyrain.runtime.models import Schedule

    ran = []

    def failing() -> None:
        raise RuntimeError("no")

    worker.every(3600, "test.failing")(failing)
    worker.every(3600, "test.fine")(lambda: ran.append(1))
    try:
        Schedule.objects.filter(name__startswith="test.").update(due_at=datetime.now(UTC))
        worker.run_due_jobs()
        worker.run_due_jobs()
    finally:
        for name in ("test.failing", "test.fine"):
            del worker._periodic[name]
    assert ran == [1]
    assert Schedule.objects.get(name="test.failing").last_error == "RuntimeError: no"
