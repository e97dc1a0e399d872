"""Sagas: workflows as rows of the same database, so that an effect and the move to the next step are one transaction.

A kind is an ordered list of step names; rooms register steps. A step of database work alone is one function. A step with an
outside effect has three: `call` acts on the outside world under a stable key, `query` asks what became of an earlier call, both
outside any transaction, and `apply` books the answer. After a crash or an unanswered call nobody guesses: the saga is UNKNOWN
until `query` knows, and after too many tries it is DEAD and waits for a person.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from timelyrain.runtime.columns import insert
from timelyrain.runtime.ids import new_id
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
    if len(set(steps)) < len(steps):
        raise ValueError(f"saga {kind}: a step may stand once, or the saga would go round in {steps}")
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


def start_many(kind: str, shard: int, sagas: Mapping[str, Data], due_at: datetime | None = None) -> None:
    """Begin many sagas of a kind in the caller's transaction, key -> data; a key that runs already is left alone."""
    now = datetime.now(UTC)
    first = _kinds[kind].steps[0]
    if sagas:
        insert(
            "runtime_saga",
            {
                "shard": shard, "kind": kind, "step": first, "status": SagaStatus.READY, "attempts": 0, "last_error": "",
                "due_at": due_at or now, "created_at": now,
            },
            {
                "id": ("uuid", [new_id() for _ in sagas]),
                "key": ("text", list(sagas)),
                "data": ("jsonb", [json.dumps(data) for data in sagas.values()]),
            },
        )  # fmt: skip


def claim(owner: str, limit: int) -> list[UUID]:
    """Take up to `limit` due sagas nobody holds; the claim counts as an attempt, so a crash is seen by the next owner."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH due AS MATERIALIZED (
                SELECT shard, id FROM runtime_saga
                WHERE status IN ('ready', 'unknown') AND due_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
                ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)
            UPDATE runtime_saga s SET claimed_by = %s, claimed_until = now() + %s, attempts = attempts + 1
            FROM due WHERE s.shard = due.shard AND s.id = due.id
            RETURNING s.id
            """,
            [limit, owner, timedelta(seconds=CLAIM_SECONDS)],
        )
        return [row[0] for row in cursor.fetchall()]


def release_claims(owner: str, saga_id: UUID | None = None) -> int:
    """Free what an earlier process of this name held, or one saga of it. Only for the holder of the name (see worker)."""
    held = Saga.objects.filter(claimed_by=owner, **({"pk": saga_id} if saga_id else {}))
    return held.update(claimed_by=None, claimed_until=None)


def run(saga_id: UUID, owner: str) -> SagaStatus:
    """Carry a claimed saga as far as it goes: step after step until it ends, must wait, or asks for a person."""
    while True:
        saga = Saga.objects.get(pk=saga_id)
        held = saga.claimed_by == owner and saga.status in (SagaStatus.READY, SagaStatus.UNKNOWN)
        if not held or not _attempt(saga, owner):
            saga.refresh_from_db(fields=["status"])
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


def _attempt(saga: Saga, owner: str) -> bool:
    """Take the saga's present step once. True when it moved to a next step that this claim may go on with."""
    run_ = Run(saga.id, saga.shard, saga.kind, saga.key, saga.attempts, saga.data)
    began = time.perf_counter()
    step = _steps.get(saga.step)
    try:
        if step is None:
            raise LookupError(f"no room registered the step {saga.step!r}")
        if saga.attempts > MAX_ATTEMPTS:
            raise RuntimeError("every worker that took this step ended before it was over")
        outcome = _outside(step, run_, saga.status == SagaStatus.UNKNOWN)
        with transaction.atomic():
            if locked := _still_ours(saga, owner):
                _book(locked, step, run_, outcome)
                _trace(locked, saga, outcome, began)
    except Exception as error:  # nobody foresaw this: outside, it may have happened; here, nothing did
        log.exception("saga %s step %s failed", saga.id, saga.step)
        reason = f"{type(error).__name__}: {error}"
        outcome = Unknown(reason) if step and step.call else Retry(reason)
        with transaction.atomic():
            if locked := _still_ours(saga, owner):
                _wait(locked, outcome)
                _trace(locked, saga, outcome, began)
    return locked is not None and locked.claimed_by == owner


def _still_ours(saga: Saga, owner: str) -> Saga | None:
    """The row, locked; None when the claim expired and somebody else went on: attempts tell one claim from the next."""
    locked = Saga.objects.select_for_update().get(pk=saga.id)
    same = (locked.claimed_by, locked.step, locked.attempts) == (owner, saga.step, saga.attempts)
    return locked if same else None


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


def _trace(saga: Saga, before: Saga, outcome: Outcome, began: float) -> None:
    SagaTrace.objects.create(
        shard=saga.shard,
        saga_id=saga.id,
        step=before.step,
        attempt=before.attempts,
        outcome=type(outcome).__name__.lower(),
        detail=getattr(outcome, "reason", "")[:2000],
        milliseconds=(time.perf_counter() - began) * 1000,
        at=datetime.now(UTC),
    )
