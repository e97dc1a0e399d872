"""The worker: carries sagas and runs periodic jobs until it is told to stop.

A worker's name is an exclusive lock held by its own connection. Whoever holds the name knows that no other process of that name
lives, and takes back the claims that a killed one left behind, without waiting for them to expire.
"""

import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import Error as DatabaseTrouble
from django.db import close_old_connections, connection

from timelyrain.runtime import locks, sagas
from timelyrain.runtime.models import Schedule
from timelyrain.runtime.problems import Problem

log = logging.getLogger(__name__)
IDLE_SECONDS = 0.05
THREADS = 4
FAILED_SECONDS = 5.0  # between tries of a periodic job that failed

_periodic: dict[str, tuple[float, Callable[[], object]]] = {}


def every(seconds: float, name: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Register a job that some worker runs about every `seconds`, never two at once."""

    def register(job: Callable[[], object]) -> Callable[[], object]:
        _periodic[name] = (seconds, job)
        return job

    return register


def run_due_jobs() -> int:
    """Run the periodic jobs that are due and that no other worker is at; returns how many ran.

    The claim is a lock of this connection, so that a killed worker gives it back at once and a job may commit as it goes.
    """
    ran = 0
    for name, (seconds, job) in _periodic.items():
        row, _ = Schedule.objects.get_or_create(name=name, defaults={"due_at": datetime.now(UTC)})
        if row.due_at > datetime.now(UTC) or not locks.try_take(f"job:{name}"):
            continue
        try:
            error = ""
            try:
                job()
            except DatabaseTrouble:
                raise
            except Exception as failure:
                told = None if isinstance(failure, Problem) else failure  # a refusal says all in its sentence
                log.error("periodic job %s failed: %s", name, failure, exc_info=told)
                error = f"{type(failure).__name__}: {failure}"[:2000]
            pause = max(seconds, FAILED_SECONDS) if error else seconds
            due_at = datetime.now(UTC) + timedelta(seconds=pause)
            Schedule.objects.filter(name=name).update(due_at=due_at, last_error=error)
            ran += 1
        finally:
            with suppress(DatabaseTrouble):  # a broken connection has given it back already
                locks.give_back(f"job:{name}")
    return ran


def drain(owner: str = "inline", limit: int = 1000) -> int:
    """Carry every saga that is due now in this thread; for tests and simulations. Returns how many were carried."""
    carried = 0
    while (claimed := sagas.claim(owner, limit=50)) and carried < limit:
        for saga_id in claimed:
            sagas.run(saga_id, owner)
            carried += 1
    return carried


class Worker:
    """Sagas in a pool of threads, periodic jobs in a thread of their own: a long job keeps no pay-out waiting."""

    def __init__(self, name: str = "worker-1") -> None:
        self.name = name
        self._stop = threading.Event()
        self._waiting = False

    def stop(self, *_: object) -> None:
        self._stop.set()

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        if problems := sagas.check_registry():
            raise SystemExit("\n".join(problems))
        # A daemon: whatever job it is at when the worker ends is rolled back, and done again by the next.
        threading.Thread(target=self._run_jobs, name=f"{self.name}-jobs", daemon=True).start()
        with ThreadPoolExecutor(THREADS, thread_name_prefix=self.name) as pool:
            running: set[Future[None]] = set()
            named = False
            while not self._stop.is_set():
                try:
                    named = named or self._take_name()
                    running = {future for future in running if not future.done()}
                    free = THREADS - len(running) if named else 0
                    claimed = sagas.claim(self.name, limit=free) if free else []
                except DatabaseTrouble as error:  # a restart of the database: begin again once it is back
                    log.warning("the database does not answer (%s); trying again", str(error).strip())
                    connection.close()
                    named = False
                    self._stop.wait(0.5)
                    continue
                running |= {pool.submit(self._carry, saga_id) for saga_id in claimed}
                if not claimed:
                    self._stop.wait(IDLE_SECONDS)

    def _take_name(self) -> bool:
        if not locks.try_take(f"worker:{self.name}"):
            if not self._waiting:
                log.info("%s waits: another process of this name is at work", self.name)
            self._waiting = True
            return False
        self._waiting = False
        released = sagas.release_claims(self.name)
        log.info(
            "%s is at work%s",
            self.name,
            f" and goes on with {released} interrupted saga(s)" if released else "",
        )
        return True

    def _carry(self, saga_id: UUID) -> None:
        try:
            sagas.run(saga_id, self.name)
        except DatabaseTrouble as error:
            log.warning("saga %s was interrupted by the database (%s)", saga_id, str(error).strip())
            connection.close()
            with suppress(
                DatabaseTrouble
            ):  # if it is away altogether, taking the name again frees all claims
                sagas.release_claims(self.name, saga_id)
        except Exception:
            log.exception("saga %s was dropped; it goes on when its claim ends", saga_id)
        finally:
            close_old_connections()

    def _run_jobs(self) -> None:
        while not self._stop.is_set():
            try:
                ran = run_due_jobs()
            except DatabaseTrouble as error:
                log.warning("periodic jobs wait for the database (%s)", str(error).strip())
                connection.close()
                ran = 0
            if not ran:
                self._stop.wait(4 * IDLE_SECONDS)
