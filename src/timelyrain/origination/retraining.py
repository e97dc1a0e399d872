"""The model in force trained anew on this platform's decisions: asked for by somebody or by the calendar, never activated here.

A process of its own computes, with bounded memory and time, so that the worker's other jobs go on. The rows lie unsealed on
disk only while they are learnt from.
"""

import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings

from timelyrain import risk
from timelyrain.audit import services as audit
from timelyrain.origination import history, ports, registry, releases, training
from timelyrain.origination.models import BacktestState, Retraining
from timelyrain.runtime import clock, locks
from timelyrain.runtime.ids import new_id
from timelyrain.runtime.problems import Conflict, Invalid, Problem

log = logging.getLogger(__name__)
ATTEMPTS = 2
"""So often a process may die over a training before it is given up."""
OPEN = (BacktestState.WAITING, BacktestState.RUNNING)


def ask(by: str, months: int = ports.MONTHS, id: UUID | None = None) -> UUID:
    """Have the worker train the model anew; a loan is good or bad after `months`. Raises Invalid, Conflict, NotReady."""
    if not 1 <= months <= 60:
        raise Invalid(f"{months} months on book.", field="months", remedy="Give 1 to 60.")
    registry.active()  # a policy and a model that can be compared with
    running = Retraining.objects.filter(state__in=OPEN).first()
    if running is not None:
        raise Conflict(
            f"{running.asked_by} has asked for one already, which is not done.", remedy="Wait for its end."
        )
    row = Retraining.objects.create(id=id or new_id(), asked_by=by, asked_at=clock.now(), months=months)
    audit.record(0, "retraining_asked", actor=by, subject=row.id, months=months)
    return row.id


def run_now(by: str, months: int, say: Callable[[str], None]) -> Retraining:
    """Ask and train in this process; the row says what came of it."""
    id = new_id()
    locks.try_take(f"retraining:{id}")  # nobody else begins it
    try:
        ask(by, months, id)
        run(id, say)
    except KeyboardInterrupt:
        _fail(Retraining.objects.get(id=id), "interrupted")
        raise
    finally:
        locks.give_back(f"retraining:{id}")
    return Retraining.objects.get(id=id)


def run(retraining_id: UUID, say: Callable[[str], None] = lambda text: None) -> str | None:
    """Train, compare and submit, in this process; the hash of the model, None where it failed or another is at it."""
    if not locks.try_take(f"retraining:{retraining_id}"):
        return None
    try:
        row = Retraining.objects.get(id=retraining_id)
        if row.state not in OPEN:
            return row.model_sha256
        _change(row, state=BacktestState.RUNNING)
        try:
            digest = _trained(row, say)
        except MemoryError:
            _fail(row, f"it needs more than {settings.RETRAIN_MEMORY_MB} MiB (TIMELYRAIN_RETRAIN_MEMORY_MB)")
            return None
        except (Problem, risk.TrainingDataInvalid) as error:
            _fail(row, str(error))
            return None
        except Exception as error:
            log.exception("retraining %s stopped", row.id)
            _fail(row, f"{type(error).__name__}: {error}")
            return None
        _change(row, state=BacktestState.DONE, model_sha256=digest, finished_at=clock.now(), stage="")
        return digest
    finally:
        _file(retraining_id).unlink(missing_ok=True)
        locks.give_back(f"retraining:{retraining_id}")


def _trained(row: Retraining, say: Callable[[str], None]) -> str:
    told = monotonic() - 1

    def progress(sentence: str) -> None:
        nonlocal told
        say(sentence)
        if monotonic() - told > 0.5:
            told = monotonic()
            _change(row, stage=sentence[:500])

    policy, model = registry.active()
    features = history.features_of(policy, model.feature_names if model else ())
    past = history.History(policy, features, row.asked_at, months=row.months)
    made, report = training.train_anew(past, _file(row.id), model, progress)
    if model is not None and made.sha256 == model.sha256:
        raise Conflict(
            "The training gave the model in force again, byte for byte: these decisions have nothing new.",
            remedy="Wait until more of them have an outcome.",
        )
    return releases.submit_model(made, row.asked_by, f"retraining {row.id}", report)


def _file(retraining_id: UUID) -> Path:
    return settings.HOME / "training" / f"{retraining_id}.parquet"


def _fail(row: Retraining, why: str) -> None:
    _change(row, state=BacktestState.FAILED, last_error=why[:2000], finished_at=clock.now())


def _change(row: Retraining, **fields: Any) -> None:
    Retraining.objects.filter(id=row.id).update(**fields)
    for name, value in fields.items():
        setattr(row, name, value)


# -- the schedule and the process


def due(at: datetime) -> bool:
    """Whether the calendar asks for a training now: on or after the day of the month, once a month; never while the day is 0."""
    local = at.astimezone(clock.BUSINESS_ZONE)
    if not settings.RETRAIN_DAY or local.day < settings.RETRAIN_DAY:
        return False
    begun = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return not Retraining.objects.filter(asked_by=releases.SCHEDULE, asked_at__gte=begun).exists()


_CHILD = """
import os, resource, sys, uuid
os.nice(10)
limit = int(sys.argv[2]) * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
import django
django.setup()
from timelyrain.origination import retraining
retraining.run(uuid.UUID(sys.argv[1]))
"""
_child: tuple["subprocess.Popen[bytes]", float] | None = None


def carry_on() -> None:
    """Ask for what the calendar asks for; start a process for the training that waits, end one that takes too long."""
    global _child
    if _child is not None:
        process, begun = _child
        if process.poll() is None:
            if monotonic() - begun > 60 * settings.RETRAIN_MINUTES:
                process.kill()
                process.wait()
                _gave_up()
            else:
                return
        _child = None
    if due(clock.now()) and not Retraining.objects.filter(state__in=OPEN).exists():
        ask(releases.SCHEDULE)
    row = Retraining.objects.filter(state__in=OPEN).order_by("asked_at").first()
    if row is None or not locks.try_take(f"retraining:{row.id}"):
        return  # nothing to do, or a process of another worker or of the command line is at it
    locks.give_back(f"retraining:{row.id}")
    if row.attempts >= ATTEMPTS:
        _file(row.id).unlink(missing_ok=True)
        _fail(
            row,
            f"its process ended {row.attempts} times without a word: give it more memory than "
            f"{settings.RETRAIN_MEMORY_MB} MiB (TIMELYRAIN_RETRAIN_MEMORY_MB), or look at the worker's log",
        )
        return
    _change(row, attempts=row.attempts + 1)
    command = [sys.executable, "-c", _CHILD, str(row.id), str(settings.RETRAIN_MEMORY_MB)]
    _child = subprocess.Popen(command, stdin=subprocess.DEVNULL), monotonic()


def _gave_up() -> None:
    for row in Retraining.objects.filter(state=BacktestState.RUNNING):
        _file(row.id).unlink(missing_ok=True)
        _fail(row, f"it took more than {settings.RETRAIN_MINUTES} minutes (TIMELYRAIN_RETRAIN_MINUTES)")
