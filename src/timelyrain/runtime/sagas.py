"""Sagas: workflows as rows of the same database, so that an effect and the move to the next step are one transaction.

A kind is an ordered list of step names; rooms register steps. A step of database work alone is one function. A step with an outside
effect has three: `call` acts on the outside world under a stable key, `query` asks what became of an earlier call, `apply` books the
answer. Both run outside any transaction. After a crash or an unanswered call nobody guesses: the saga is UNKNOWN until `query`
knows, and after too many tries it is DEAD and waits for a person.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from timelyrain.runtime.models import Saga, SagaStatus, SagaTrace
from timelyrain.runtime.problems import Conflict

log = logging.getLogger(__name__)
Data = dict[str, Any]

CLAIM_SECONDS = 60  # longer than any outside time-out, so that a live worker never loses its claim
MAX_ATTEMPTS = 12


@dataclass(frozen=True)
class Done:
    """The outside world did it."""

    data: Data = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """The outside world said no, finally."""

    reason: str
    data: Data = field(default_factory=dict)


@dataclass(frozen=True)
class Retry:
    """Certainly nothing happened outside; it may be called again."""

    reason: str


@dataclass(frozen=True)
class Unknown:
    """It may have happened outside; ask before anything else."""

    reason: str


Outcome = Done | Refused | Retry | Unknown


@dataclass(frozen=True)
class Run:
    """What a step sees of its saga."""

    id: UUID
    shard: int
    kind: str
    key: str
    attempt: int
    data: Mapping[str, Any]


@dataclass(frozen=True)
class _Step:
    name: str
    apply: Callable[[Run, Data], Data | None]
    call: Callable[[Run], Outcome] | None = None
    query: Callable[[Run], Outcome] | None = None


@dataclass(frozen=True)
class _Kind:
    steps: tuple[str, ...]
    on_refused: str | None


_steps: dict[str, _Step] = {}
_kinds: dict[str, _Kind] = {}


def define(kind: str, steps: list[str], *, on_refused: str | None = None) -> None:
    """Name the steps of a kind in order; `on_refused` runs, in place of the rest, when the outside world says no."""
    _kinds[kind] = _Kind(tuple(steps), on_refused)


def register(
    name: str,
    apply: Callable[[Run, Data], Data | None],
    *,
    call: Callable[[Run], Outcome] | None = None,
    query: Callable[[Run], Outcome] | None = None,
) -> None:
    """Register a step. `apply(run, answer)` runs in a transaction; what it returns is merged into the saga's data."""
    if (call is None) != (query is None):
        raise ValueError(
            f"step {name}: an outside call needs a query to ask what became of it, and the reverse"
        )
    _steps[name] = _Step(name, apply, call, query)


def check_registry() -> list[str]:
    """What is wrong with the kinds and steps registered so far: names that nobody answers to."""
    return [
        f"saga {kind}: no room registered the step {step!r}"
        for kind, definition in _kinds.items()
        for step in (*definition.steps, *filter(None, [definition.on_refused]))
        if step not in _steps
    ]


def start(kind: str, key: str, shard: int, data: Data) -> UUID:
    """Begin a saga in the caller's transaction; the same key gives the saga that already runs."""
    now = datetime.now(UTC)
    saga, _ = Saga.objects.get_or_create(
        shard=shard,
        kind=kind,
        key=key,
        defaults={"step": _kinds[kind].steps[0], "data": data, "due_at": now, "created_at": now},
    )
    return saga.id


def claim(owner: str, limit: int) -> list[UUID]:
    """Take up to `limit` due sagas nobody holds; the claim counts as an attempt, so a crash is seen by the next owner."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE runtime_saga SET claimed_by = %s, claimed_until = now() + %s, attempts = attempts + 1
            WHERE (shard, id) IN (
                SELECT shard, id FROM runtime_saga
                WHERE status IN ('ready', 'unknown') AND due_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
                ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
            RETURNING id
            """,
            [owner, timedelta(seconds=CLAIM_SECONDS), limit],
        )
        return [row[0] for row in cursor.fetchall()]


def release_claims(owner: str) -> int:
    """Free what an earlier process of this name held. Only for the holder of the name (see worker)."""
    return Saga.objects.filter(claimed_by=owner).update(claimed_by=None, claimed_until=None)


def run(saga_id: UUID, owner: str) -> SagaStatus:
    """Carry a claimed saga as far as it goes: step after step until it ends, must wait, or asks for a person."""
    while True:
        saga = Saga.objects.get(pk=saga_id)
        if saga.claimed_by != owner or saga.status not in (SagaStatus.READY, SagaStatus.UNKNOWN):
            return SagaStatus(saga.status)
        before = (saga.step, saga.attempts)
        _attempt(saga, owner)
        saga.refresh_from_db()
        if (saga.step, saga.attempts) == before or saga.claimed_by != owner:
            return SagaStatus(saga.status)


def retry_dead(saga_id: UUID) -> None:
    """A person lets a dead saga go on: it asks the outside world first, as after any interruption."""
    changed = Saga.objects.filter(pk=saga_id, status=SagaStatus.DEAD).update(
        status=SagaStatus.UNKNOWN, attempts=1, due_at=datetime.now(UTC), claimed_by=None, claimed_until=None
    )
    if not changed:
        raise Conflict(
            f"Saga {saga_id} is not waiting for a person.",
            remedy="Reload the page: somebody may have acted already.",
        )


def _attempt(saga: Saga, owner: str) -> None:
    step = _steps[saga.step]
    run_ = Run(saga.id, saga.shard, saga.kind, saga.key, saga.attempts, saga.data)
    began = time.perf_counter()
    try:
        outcome = _outside(step, run_, saga.status == SagaStatus.UNKNOWN)
    except (
        Exception
    ) as error:  # an outside call failed in a way its room did not foresee: it may have happened
        log.exception("saga %s step %s failed outside", saga.id, step.name)
        outcome = Unknown(f"{type(error).__name__}: {error}")
    try:
        with transaction.atomic():
            locked = Saga.objects.select_for_update().get(pk=saga.id)
            if (locked.claimed_by, locked.step, locked.attempts) != (owner, saga.step, saga.attempts):
                return  # the claim expired and somebody else went on
            _book(locked, step, run_, outcome)
            _trace(locked, step.name, saga.attempts, outcome, began)
    except Exception as error:
        log.exception("saga %s step %s could not be booked", saga.id, step.name)
        with transaction.atomic():
            locked = Saga.objects.select_for_update().get(pk=saga.id)
            if locked.claimed_by == owner:
                _wait(
                    locked,
                    Unknown(f"{type(error).__name__}: {error}")
                    if step.call
                    else Retry(f"{type(error).__name__}: {error}"),
                )
                _trace(locked, step.name, saga.attempts, Retry(locked.last_error), began)


def _outside(step: _Step, run_: Run, unknown: bool) -> Outcome:
    if step.call is None or step.query is None:
        return Done()
    if unknown or run_.attempt > 1:
        outcome = step.query(run_)
        if not isinstance(outcome, Retry):
            return outcome
    return step.call(run_)


def _book(saga: Saga, step: _Step, run_: Run, outcome: Outcome) -> None:
    kind = _kinds[saga.kind]
    match outcome:
        case Done(data):
            saga.data |= data
            saga.data |= step.apply(run_, data) or {}
            position = kind.steps.index(step.name) + 1
            if position < len(kind.steps):
                saga.step, saga.attempts, saga.status = kind.steps[position], 1, SagaStatus.READY
                saga.claimed_until = datetime.now(UTC) + timedelta(seconds=CLAIM_SECONDS)
                saga.last_error = ""
            else:
                _finish(saga, SagaStatus.DONE)
        case Refused(reason, data):
            saga.data |= {"refused": reason, **data}
            saga.last_error = reason
            if kind.on_refused:
                saga.data |= (
                    _steps[kind.on_refused].apply(
                        Run(saga.id, saga.shard, saga.kind, saga.key, 1, saga.data), {}
                    )
                    or {}
                )
            _finish(saga, SagaStatus.REFUSED)
        case Retry() | Unknown():
            _wait(saga, outcome)
            return
    saga.save()


def _finish(saga: Saga, status: SagaStatus) -> None:
    saga.status, saga.finished_at, saga.claimed_by, saga.claimed_until = status, datetime.now(UTC), None, None


def _wait(saga: Saga, outcome: Retry | Unknown) -> None:
    saga.last_error = outcome.reason[:2000]
    saga.claimed_by = saga.claimed_until = None
    if saga.attempts >= MAX_ATTEMPTS:
        saga.status = SagaStatus.DEAD
    else:
        saga.status = SagaStatus.UNKNOWN if isinstance(outcome, Unknown) else SagaStatus.READY
        pause = min(0.25 * 2**saga.attempts, 300) * random.uniform(0.8, 1.2)
        saga.due_at = datetime.now(UTC) + timedelta(seconds=pause)
    saga.save()


def _trace(saga: Saga, step: str, attempt: int, outcome: Outcome, began: float) -> None:
    SagaTrace.objects.create(
        shard=saga.shard,
        saga_id=saga.id,
        step=step,
        attempt=attempt,
        outcome=type(outcome).__name__.lower(),
        detail=getattr(outcome, "reason", "")[:2000],
        milliseconds=(time.perf_counter() - began) * 1000,
        at=datetime.now(UTC),
    )
