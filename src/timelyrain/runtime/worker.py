"""The worker: carries sagas and runs periodic jobs until it is told to stop.

A worker's name is an exclusive advisory lock held by its own connection. Whoever holds the name knows that no other process of that
name lives, and takes back the claims that a killed one left behind, without waiting for them to expire.
"""

import logging
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, close_old_connections, connection

from timelyrain.runtime import sagas
from timelyrain.runtime.models import Schedule

log = logging.getLogger(__name__)
IDLE_SECONDS = 0.05
THREADS = 4

_periodic: dict[str, tuple[float, Callable[[], object]]] = {}


def every(seconds: float, name: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Register a job that some worker runs about every `seconds`, never two at once."""

    def register(job: Callable[[], object]) -> Callable[[], object]:
        _periodic[name] = (seconds, job)
        return job

    return register


def run_due_jobs() -> int:
    """Run the periodic jobs that are due and that no other worker is at; returns how many ran.

    The claim is an advisory lock of this connection, so that a killed worker gives it back at once and a job may commit as it goes.
    """
    ran = 0
    for name, (seconds, job) in _periodic.items():
        now = datetime.now(UTC)
        row, _ = Schedule.objects.get_or_create(name=name, defaults={"due_at": now})
        if row.due_at > now or not _lock(name, "pg_try_advisory_lock"):
            continue
        try:
            error = ""
            try:
                job()
            except DatabaseError:
                raise
            except Exception as failure:
                log.exception("periodic job %s failed", name)
                error = f"{type(failure).__name__}: {failure}"[:2000]
            due_at = datetime.now(UTC) + timedelta(seconds=seconds)
            Schedule.objects.filter(name=name).update(due_at=due_at, last_error=error)
            ran += 1
        finally:
            _lock(name, "pg_advisory_unlock")
    return ran


def _lock(name: str, function: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtext(%s))", [f"job:{name}"])
        return bool(cursor.fetchone()[0])


def drain(owner: str = "inline", limit: int = 1000) -> int:
    """Carry every saga that is due now in this thread; for tests and simulations. Returns how many were carried."""
    carried = 0
    while (claimed := sagas.claim(owner, limit=50)) and carried < limit:
        for saga_id in claimed:
            sagas.run(saga_id, owner)
            carried += 1
    return carried


class Worker:
    def __init__(self, name: str = "worker-1") -> None:
        self.name = name
        self._stop = threading.Event()

    def stop(self, *_: object) -> None:
        self._stop.set()

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        if problems := sagas.check_registry():
            raise SystemExit("\n".join(problems))
        with ThreadPoolExecutor(THREADS, thread_name_prefix=self.name) as pool:
            running: set[Future[None]] = set()
            named = False
            while not self._stop.is_set():
                try:
                    if not named:
                        self._take_name()
                        named = True
                    running = {future for future in running if not future.done()}
                    run_due_jobs()
                    claimed = (
                        sagas.claim(self.name, limit=THREADS - len(running)) if len(running) < THREADS else []
                    )
                except DatabaseError as error:  # a restart of the database: begin again once it is back
                    log.warning("the database does not answer (%s); trying again", str(error).strip())
                    close_old_connections()
                    connection.close()
                    named = False
                    self._stop.wait(0.5)
                    continue
                running |= {pool.submit(self._carry, saga_id) for saga_id in claimed}
                if not claimed:
                    self._stop.wait(IDLE_SECONDS)

    def _take_name(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [f"worker:{self.name}"])
        released = sagas.release_claims(self.name)
        log.info(
            "%s is at work%s",
            self.name,
            f" and goes on with {released} interrupted saga(s)" if released else "",
        )

    def _carry(self, saga_id: UUID) -> None:
        try:
            sagas.run(saga_id, self.name)
        except DatabaseError as error:
            log.warning(
                "saga %s was interrupted by the database (%s); it resumes when its claim ends",
                saga_id,
                str(error).strip(),
            )
            connection.close()
        finally:
            close_old_connections()
