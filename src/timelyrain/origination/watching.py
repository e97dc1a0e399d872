"""Models watched on this platform's own decisions: once a week or month by the calendar, or asked for; each watch is kept.

Every decision is scored anew by the watched model from its sealed evidence, whoever decided it. The reference are the decisions
that the model learnt from; where it learnt from none, those before the current window.
"""

import json
import logging
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from time import monotonic
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
from django.db import IntegrityError, transaction

from timelyrain import decisioning, risk
from timelyrain.audit import services as audit
from timelyrain.customers import queries as customers
from timelyrain.finance import add_months
from timelyrain.origination import columns, errors, history, ports, registry
from timelyrain.origination.models import (
    Application,
    BacktestState,
    DecisionRecord,
    ModelWatch,
    Offer,
    WatchRun,
)
from timelyrain.runtime import clock, law, locks
from timelyrain.runtime.problems import Invalid, NotFound, Problem

log = logging.getLogger(__name__)
AGES = ((18, "18–25"), (26, "26–35"), (36, "36–45"), (46, "46–55"), (56, "56+"))
PPM = 1_000_000
DEATHS = 2
"""So often on one day a process may take too long over a watch, or end without a word, before the next day is waited for."""
GRACE_SECONDS = 60
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What the policy pack says of watching on a day."""

    monthly: bool
    window_days: int
    history_months: int
    most_rows: int
    most_minutes: int
    rules: risk.watching.Rules

    def period(self, on: date) -> date:
        """The first day of the week or month."""
        return on.replace(day=1) if self.monthly else on - timedelta(days=on.weekday())


def plan(on: date) -> Plan:
    """The plan in force. Raises LookupError where there is none."""
    live = [table for table in _tables() if table["in_force_from"] <= on]
    if not live:
        raise LookupError(f"watching.toml of the policy pack has no watch in force on {on}; add one")
    table = max(live, key=lambda one: one["in_force_from"])
    if table["every"] not in ("week", "month"):
        raise LookupError(f'watching.toml: every must be "week" or "month", not {table["every"]!r}')
    shares = {
        name.removesuffix("_ppm"): value / PPM for name, value in table.items() if name.endswith("_ppm")
    }
    rules = risk.watching.Rules(**shares, few=table["few"], few_bad=table["few_bad"])
    counts = {name: table[name] for name in ("window_days", "history_months", "most_rows", "most_minutes")}
    return Plan(monthly=table["every"] == "month", rules=rules, **counts)


@cache
def _tables() -> list[dict[str, Any]]:
    return tomllib.loads(law.pack().read("watching.toml").decode())["watch"]


def run(model_sha256: str = "", on: date | None = None, say: Say = lambda text: None) -> ModelWatch:
    """Watch a model (that in force) as of a day (today) and keep what was found; a watch that was kept is returned as it is.

    Raises Invalid where there is nothing to compare, NotFound, NotReady, PolicyUnfit, risk.ModelRefused.
    """
    digest, on = model_sha256 or _in_force(), on or clock.today()
    kept = ModelWatch.objects.filter(model_sha256=digest, on=on).first()
    if kept is not None:
        return kept
    report = json.loads(json.dumps(look(digest, on, say), allow_nan=False))
    row = ModelWatch(
        model_sha256=digest,
        on=on,
        level=report["level"],
        report=report,
        sha256=hash_of(report),
        at=clock.now(),
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            audit.record(
                0,
                "model_watched",
                actor="watch",
                subject=digest,
                on=on.isoformat(),
                level=row.level,
                sha256=row.sha256,
            )
    except IntegrityError:  # another process was as quick
        return ModelWatch.objects.get(model_sha256=digest, on=on)
    return row


def hash_of(report: Mapping[str, Any]) -> str:
    return registry.manifest_sha256(report)


def _in_force() -> str:
    found = registry.active_hashes().get("model")
    if found is None:
        raise errors.NotReady("No model is in force.", remedy="Name the model that shall be watched.")
    return found


def look(digest: str, on: date, say: Say = lambda text: None) -> dict[str, Any]:
    """What a watch finds as of the end of a day, kept nowhere."""
    if on > clock.today():
        raise Invalid(f"{on} is to come.", field="at", remedy=f"Watch as of {clock.today()} or before.")
    try:
        model = registry.load_model(digest)
    except risk.ModelRefused as refused:
        raise NotFound(
            f"The model {digest[:16]} cannot be read: {refused}.",
            remedy="Name one of `timelyrain risk list`.",
        ) from None
    policy, _ = registry.active()
    if unknown := registry.unknown_features(policy, model):
        raise errors.PolicyUnfit(
            f"The model {digest[:12]} reads what the policy in force does not have: {', '.join(unknown[:8])}.",
            remedy="Watch a model that was trained on this policy's features.",
        )
    planned, until = plan(on), min(clock.now(), _midnight(on + timedelta(days=1)))
    learnt: Any = model.manifest.get("decisions")
    since = _midnight(add_months(on, -planned.history_months))
    if learnt and learnt["since"]:
        since = min(since, datetime.fromisoformat(learnt["since"]))
    past = _Watched(policy, model.feature_names, until, since)
    past = replace(past, share=max(1, min(256, 256 * planned.most_rows // max(1, past.count()))))
    total = past.count()
    frames = list(past.frames(progress=lambda done: say(f"{done} of {total} decisions read")))
    if not frames:
        raise Invalid(f"There are no decisions from {since:%Y-%m-%d} to {on}.", remedy="Watch a later day.")
    frame = pl.concat(frames).sort(columns.TIME, columns.ID)
    at = frame[columns.TIME]
    current = (at >= until - timedelta(days=planned.window_days)).to_numpy()
    before, of = ~current, "before"
    if learnt:  # all who applied then, not only those lent to: as in the window
        taught = before & (at < datetime.fromisoformat(learnt["until"]).astimezone(UTC)).to_numpy()
        before, of = (taught, "learnt") if taught.any() else (before, of)
    say(
        f"{len(frame)} decisions: {before.sum()} in the reference, {current.sum()} in the last {planned.window_days} days"
    )
    try:
        found = risk.watching.watch(_decisions(frame, model), before, current, planned.rules, past.lives(on))
    except ValueError as error:
        raise Invalid(
            f"{error}.", remedy="Watch a later day, once there are decisions on both sides."
        ) from None
    return {
        **found,
        "model": digest,
        "at": on.isoformat(),
        "reference": of,
        "policy": policy.sha256,
        "pack": law.pack().id,
        "share_read": past.share / 256,
    }


@dataclass(frozen=True)
class _Watched(history.History):
    """Decisions with the applicant's age, sex and region beside what was known then: to look at, never to decide by.

    `share` / 256 of them, chosen by their ids.
    """

    share: int = 256

    def _of(self) -> Any:
        found = super()._of()
        if self.share == 256:
            return found
        return found.extra(where=["get_byte(uuid_send(id), 15) < %s"], params=[self.share])

    def _frame(self, rows: Sequence[DecisionRecord], known: dict[UUID, ports.LoanOutcome]) -> pl.DataFrame:
        ages = [json.loads(registry.open_sealed(row, "evidence"))["facts"].get("age") for row in rows]
        traits = _traits(rows)
        return (
            super()
            ._frame(rows, known)
            .with_columns(
                pl.Series("decision.age", ages, pl.Int64),
                pl.Series(
                    "decision.sex", [one.sex if one else risk.watching.UNKNOWN for one in traits], pl.String
                ),
                pl.Series(
                    "decision.region",
                    [one.region if one else risk.watching.UNKNOWN for one in traits],
                    pl.String,
                ),
            )
        )

    def lives(self, on: date) -> list[risk.watching.Life]:
        """How the loans on these decisions went, by quarter of pay-out."""
        ids: dict[int, list[UUID]] = {}
        for shard, decision in self._of().values_list("shard", "id"):
            ids.setdefault(shard, []).append(decision)
        found: list[risk.watching.Life] = []
        for shard, decisions in sorted(ids.items()):
            offers = Offer.objects.filter(shard=shard, decision_id__in=decisions)
            for one in ports.lives(shard, list(offers.values_list("id", flat=True)), on):
                cohort = f"{one.opened_on.year}Q{(one.opened_on.month + 2) // 3}"
                found.append(risk.watching.Life(cohort, len(one.buckets), one.bad_in, one.buckets))
        return found


def _traits(rows: Sequence[DecisionRecord]) -> list[customers.Traits | None]:
    """Of the applicants, in the order of the decisions; None of whom nothing may be read."""
    found: dict[UUID, customers.Traits] = {}
    for shard in sorted({row.shard for row in rows}):
        made = Application.objects.filter(
            shard=shard, id__in=[row.application_id for row in rows if row.shard == shard]
        )
        borrower_of = dict(made.values_list("id", "borrower_id"))
        read = customers.traits(shard, borrower_of.values(), reader="watch", purpose="fairness of decisions")
        found |= {id: read[borrower] for id, borrower in borrower_of.items() if borrower in read}
    return [found.get(row.application_id) for row in rows]


def _decisions(frame: pl.DataFrame, model: risk.TrainedModel) -> risk.watching.Decisions:
    names = list(model.feature_names)
    matrix = frame.select(pl.col(names).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    return risk.watching.Decisions(
        months=frame[columns.TIME]
        .dt.convert_time_zone(str(clock.BUSINESS_ZONE))
        .dt.strftime("%Y-%m")
        .to_list(),
        pd=model.pds(matrix),
        labels=frame[columns.LABEL].fill_null(-1).to_numpy().astype(np.int64),
        approved=(frame["decision.outcome"] == "approve").to_numpy(),
        lent=frame["decision.lent_fen"].is_not_null().to_numpy(),
        inputs={name: np.ascontiguousarray(matrix[:, i]) for i, name in enumerate(names)},
        groups={
            "age": [_band(age) for age in frame["decision.age"].to_list()],
            "sex": frame["decision.sex"].to_list(),
            "region": frame["decision.region"].to_list(),
        },
    )


def _band(age: int | None) -> str:
    return (
        risk.watching.UNKNOWN
        if age is None
        else next((name for least, name in reversed(AGES) if age >= least), "<18")
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), clock.BUSINESS_ZONE).astimezone(UTC)


# -- the calendar and the process


def due(at: datetime) -> list[str]:
    """Models that the calendar asks to be watched now: in force or challenging, not yet this week or month, and not given up
    today."""
    on = at.astimezone(clock.BUSINESS_ZONE).date()
    planned, in_force = plan(on), registry.active_hashes(at)
    if "policy" not in in_force:
        return []
    recent = DecisionRecord.objects.filter(at__gte=at - timedelta(days=planned.window_days), at__lte=at)
    models = [in_force[kind] for kind in ("model", "challenger") if kind in in_force]
    done = ModelWatch.objects.filter(on__gte=planned.period(on), on__lte=on, model_sha256__in=models)
    given_up = WatchRun.objects.filter(on=on, model_sha256__in=models, deaths__gte=DEATHS)
    settled = {*done.values_list("model_sha256", flat=True), *given_up.values_list("model_sha256", flat=True)}
    return [one for one in models if one not in settled] if recent.exists() else []


def run_due() -> list[ModelWatch]:
    """Watch what is due, in this process; no two processes at once. Each run says how it ended."""
    if not locks.try_take("watching"):
        return []
    found: list[ModelWatch] = []
    try:
        for digest in due(clock.now()):
            begun = {"state": BacktestState.RUNNING, "begun_at": clock.now(), "finished_at": None}
            row, _ = WatchRun.objects.update_or_create(model_sha256=digest, on=clock.today(), defaults=begun)
            state, why = BacktestState.DONE, ""
            try:
                found.append(run(digest, row.on))
            except Problem as error:  # such as too young a platform: the calendar asks again
                log.warning("model %s is not watched: %s", digest[:12], error)
                state, why = BacktestState.FAILED, str(error)
            _end(row, state, why)
        return found
    finally:
        locks.give_back("watching")


def _end(row: WatchRun, state: BacktestState, why: str = "", deaths: int = 0) -> None:
    """A run that somebody else has ended stays as it is."""
    WatchRun.objects.filter(id=row.id, state=BacktestState.RUNNING).update(
        state=state, last_error=why[:2000], deaths=row.deaths + deaths, finished_at=clock.now()
    )


_CHILD = """
import os, signal, sys
os.nice(10)
signal.alarm(int(sys.argv[1]))
import django
django.setup()
from django.db import connection
connection.cursor().execute("SET client_connection_check_interval = '1s'")  # killed while it waits, it leaves no lock
from timelyrain.origination import watching
watching.run_due()
"""
_child: tuple["subprocess.Popen[bytes]", float] | None = None


def start(seconds: int) -> "subprocess.Popen[bytes]":
    """A process that watches what is due. It ends after so many seconds, whatever it is at and whoever started it lives."""
    return subprocess.Popen([sys.executable, "-c", _CHILD, str(seconds)], stdin=subprocess.DEVNULL)


def carry_on(minutes: float | None = None) -> None:
    """Have a process of its own watch what is due, so that the worker's other jobs go on; end one that takes too long.

    minutes: as the plan has it. A run whose process is gone without a word is ended here, and tried again until its DEATHS.
    """
    global _child
    most = plan(clock.today()).most_minutes if minutes is None else minutes
    killed = False
    if _child is not None:
        process, begun = _child
        if process.poll() is None:
            if monotonic() - begun <= 60 * most:
                return
            process.kill()
            process.wait()
            killed = True
        _child = None
    running = WatchRun.objects.filter(state=BacktestState.RUNNING)
    if killed or (running.exists() and locks.try_take("watching")):  # nobody is at it
        for row in running:
            why = f"it took more than {most:g} minutes (most_minutes in watching.toml), or its process was ended from outside"
            log.error("the watch of model %s was given up: %s", row.model_sha256[:12], why)
            _end(row, BacktestState.FAILED, why, deaths=1)
        if not killed:
            locks.give_back("watching")
    if due(clock.now()):
        _child = start(60 * plan(clock.today()).most_minutes + GRACE_SECONDS), monotonic()


def ended(model_sha256: str) -> WatchRun | None:
    """The latest run of a model, where it came to no watch and none was made by hand since; also while it is tried once more."""
    row = WatchRun.objects.filter(model_sha256=model_sha256).order_by("-on").first()
    if row is None or not (row.deaths or row.state == BacktestState.FAILED):
        return None
    return None if ModelWatch.objects.filter(model_sha256=model_sha256, on__gte=row.on).exists() else row


def newest(model_sha256: str) -> ModelWatch | None:
    return ModelWatch.objects.filter(model_sha256=model_sha256).order_by("-on").first()


def page(row: ModelWatch, language: str = "") -> str:
    """The watch as a page, its inputs in the words of the policy in force."""
    return risk.watching.html(row.report, language, words_of(registry.active()[0]))


def words_of(policy: decisioning.Policy) -> dict[str, tuple[str, str]]:
    return {name: (one.zh, one.en) for name, one in policy.features.items()}
