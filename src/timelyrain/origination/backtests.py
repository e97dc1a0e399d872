"""Policies tried on past applications by the platform itself: asked for in the console, computed in a process of its own.

The process begins again where a killed one stopped, because chunks on disk are believed by their hashes. Evidence of the
platform's own decisions is unsealed in memory only: what lies on disk are decisions, by application.
"""

import json
import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F

from timelyrain import backtesting, decisioning
from timelyrain.audit import services as audit
from timelyrain.backtesting import Applications, Batch, Economics, Job, PastApplication, Side, batch_of
from timelyrain.origination import errors, ports, registry
from timelyrain.origination.limits import limits_over_time
from timelyrain.origination.models import Backtest, BacktestState, DecisionRecord, Offer, PolicyVersion
from timelyrain.runtime import clock, law, locks
from timelyrain.runtime.problems import Conflict, NotFound

log = logging.getLogger(__name__)
ATTEMPTS = 3
"""So often a process may die over a back-test before it is given up."""
OPEN = (BacktestState.WAITING, BacktestState.RUNNING)


def folder() -> Path:
    return settings.HOME / "backtests"


def files() -> list[str]:
    """Names of the files of applications that lie in HOME/applications."""
    return sorted(path.name for path in (settings.HOME / "applications").glob("*.parquet"))


def ask(source: str, file: str, by: str) -> UUID:
    """A back-test of this definition against the policy in force, on a file of `files()` or on all decisions so far.

    Raises PolicyUnfit, NotFound, Conflict.
    """
    try:
        against = decisioning.Policy.parse(source)
    except decisioning.DefinitionInvalid as error:
        raise errors.PolicyUnfit(str(error), remedy="Mend the definition first.") from None
    in_force = registry.active_hashes()
    if "policy" not in in_force:
        raise errors.NotReady("No decision policy is in force to compare with.", remedy="Activate one first.")
    if file and file not in files():
        raise NotFound(
            f"There is no file {file!r} in {settings.HOME / 'applications'}.",
            remedy=f"Put it there, or choose one of: {', '.join(files()) or 'none'}; leave the field empty for past decisions.",
        )
    if not file and not DecisionRecord.objects.exists():
        raise Conflict("This platform has not decided anything yet.", remedy="Name a file of applications.")
    row = Backtest.objects.create(
        policy_sha256=in_force["policy"], against_sha256=against.sha256, against_source=source,
        model_sha256=in_force.get("model"), file=file, asked_by=by, asked_at=clock.now(),
    )  # fmt: skip
    audit.record(
        0, "backtest_asked", actor=by, subject=row.id, against=against.sha256, on=file or "past decisions"
    )
    return row.id


@dataclass(frozen=True)
class PastDecisions:
    """This platform's own decisions up to a moment, oldest first, with what became of the loans by then (see `ports`)."""

    until: datetime
    groups: tuple[str, ...] = ("age_band",)
    segments: tuple[str, ...] = ("purpose", "instalments")
    absent: tuple[str, ...] = ()
    utc_offset_minutes: int = 480

    @property
    def name(self) -> str:
        return f"decisions until {self.until:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def rows(self) -> int:
        return len(self._ids)

    @cached_property
    def sha256(self) -> str:
        return registry.sha256("\n".join(digest for _, _, digest in self._ids).encode())

    @cached_property
    def _ids(self) -> Sequence[tuple[int, UUID, str]]:
        found = DecisionRecord.objects.filter(at__lte=self.until).order_by("at", "id")
        return list(found.values_list("shard", "id", "record_sha256"))

    def read(self, start: int, n: int) -> Batch:
        wanted = self._ids[start : start + n]
        shards, ids = {shard for shard, _, _ in wanted}, [id for _, id, _ in wanted]
        found = DecisionRecord.objects.filter(shard__in=shards, id__in=ids).select_related(None)
        people = dict(found.values_list("id", F("application__borrower_id")))
        rows = {row.id: row for row in found}
        known = self._outcomes(shards, ids)
        return batch_of([_past(rows[id], people[id], known.get(id)) for id in ids], self.utc_offset_minutes)

    def _outcomes(self, shards: set[int], decisions: Sequence[UUID]) -> dict[UUID, ports.LoanOutcome]:
        """Decision -> outcome of the loan on its offer, as known on the business day of `until`."""
        on, found = self.until.astimezone(clock.BUSINESS_ZONE).date(), dict[UUID, ports.LoanOutcome]()
        for shard in sorted(shards):
            of_shard = Offer.objects.filter(shard=shard, decision_id__in=decisions)
            decision_of = dict(of_shard.values_list("id", "decision_id"))
            told = ports.outcomes(shard, decision_of.keys(), on)
            found |= {decision_of[offer]: outcome for offer, outcome in told.items()}
        return found


def _past(row: DecisionRecord, borrower: UUID, known: ports.LoanOutcome | None) -> PastApplication:
    record = json.loads(registry.open_sealed(row, "record"))
    evidence = decisioning.evidence_from_json(registry.open_sealed(row, "evidence"))
    request = decisioning.Request(**record["request"])
    bad, loss_fen = None, None
    if known is not None and known.bad is not None:
        # Losses are told of what was asked for; the loan may have been smaller.
        bad, loss_fen = known.bad, known.lost_fen * request.amount_fen // known.lent_fen
    given = {name: None if found is None else int(found) for name, found in record.get("given", {}).items()}
    return PastApplication(
        str(row.application_id), str(borrower), evidence, request, record["draw"], bad, loss_fen, given,
        record.get("snoozed", ()),
    )  # fmt: skip


def job_of(row: Backtest) -> Job:
    past = (
        Applications.open(settings.HOME / "applications" / row.file)
        if row.file
        else PastDecisions(row.asked_at)
    )
    model = registry.load_model(row.model_sha256).content if row.model_sha256 else None
    source = PolicyVersion.objects.get(sha256=row.policy_sha256).source
    pack = law.pack()
    limits = limits_over_time(pack, pack.products()[0], settings.LENDER["licence"])
    return Job(past, Side(source, model), Side(row.against_source, model), limits, Economics.of(source))


def run(backtest_id: UUID) -> None:
    """Compute one back-test to its end, in this process; nothing is done when another is at it."""
    if not locks.try_take(f"backtest:{backtest_id}"):
        return
    try:
        row = Backtest.objects.get(id=backtest_id)
        if row.state not in OPEN:
            return
        _change(row, state=BacktestState.RUNNING, attempts=row.attempts + 1)
        if row.attempts > ATTEMPTS:
            _change(
                row,
                state=BacktestState.FAILED,
                last_error="its process died again and again",
                finished_at=clock.now(),
            )
            return
        try:
            result = _computed(row)
        except (
            Exception
        ) as error:  # a file that cannot be read, a model that is gone: told where it was asked for
            log.exception("back-test %s stopped", row.id)
            _change(row, state=BacktestState.FAILED, last_error=str(error)[:2000], finished_at=clock.now())
        else:
            _change(row, state=BacktestState.DONE, result=result, finished_at=clock.now())
    finally:
        locks.give_back(f"backtest:{backtest_id}")


def _computed(row: Backtest) -> Mapping[str, Any]:
    told = monotonic() - 1

    def progress(done: int, total: int) -> None:
        nonlocal told
        if monotonic() - told > 0.5 or done == total:
            told = monotonic()
            _change(row, chunks_done=done, chunks=total)

    job = job_of(row)
    return json.loads(
        backtesting.canonical_json(
            backtesting.backtest(job, folder() / str(row.id), resume=True, progress=progress)
        )
    )


def _change(row: Backtest, **fields: Any) -> None:
    Backtest.objects.filter(id=row.id).update(**fields)
    for name, value in fields.items():
        setattr(row, name, value)


def page(row: Backtest) -> str:
    """The report as one HTML page."""
    source = PolicyVersion.objects.get(sha256=row.policy_sha256).source
    purposes = {purpose.code: (purpose.zh, purpose.en) for purpose in law.pack().purposes()}
    return backtesting.report(row.result or {}, backtesting.differences(source, row.against_source), purposes)


def headline(row: Backtest) -> dict[str, Any]:
    """What is laid beside a version that waits for approval."""
    result: Any = row.result
    return {
        "backtest": str(row.id), "applications": result["n"], "known": result["known"], "job": result["job"],
        **{f"{measure}_{side}": result[side][measure][0] for measure in ("approval", "bad_rate") for side in "ab"},
        "expected_difference_fen": result["difference"]["expected_fen"][0],
    }  # fmt: skip


_CHILD = """
import sys, uuid, django
django.setup()
from timelyrain.origination import backtests
backtests.run(uuid.UUID(sys.argv[1]))
"""
_children: dict[UUID, "subprocess.Popen[bytes]"] = {}


def carry_on() -> None:
    """Start a process for the oldest open back-test that nobody computes; one at a time."""
    for done in [id for id, child in _children.items() if child.poll() is not None]:
        del _children[done]
    row = Backtest.objects.filter(state__in=OPEN).order_by("asked_at").first()
    if row is None or _children:
        return
    if not locks.try_take(f"backtest:{row.id}"):
        return  # a process of another worker is at it
    locks.give_back(f"backtest:{row.id}")
    _children[row.id] = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(row.id)], stdin=subprocess.DEVNULL
    )
