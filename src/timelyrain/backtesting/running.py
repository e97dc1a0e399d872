"""A back-test as a job of many chunks: any of them may be computed anywhere, twice, or after a crash, with equal bytes."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from timelyrain.decisioning import ENGINE, Bilingual, Policy, canonical_json

from .applications import Batch, Past
from .chunks import Chunks, packed
from .deciding import SNOOZED, Law, Side, check_one, decided, features, spoken, verdicts
from .economics import Economics
from .results import results
from .tally import Decided, Tally

FORMAT = 2
"""2: snoozed rules stand beside what was given."""
CHUNK_ROWS = 1_000
Progress = Callable[[int, int], None]
_BASE = ("id", "at", "amount_fen", "instalments", "purpose", "draw", "bad", "loss_fen", "bucket", "later")
_MONEY = ("limit_fen", "amount_fen", "rate_ppm", "pd_ppm", "expected_fen", "realised_fen")


class BacktestStopped(Bilingual, RuntimeError):
    """A back-test cannot begin or go on; the message says what to do."""


@dataclass(frozen=True)
class Job:
    """What is compared on what. cache: where features are kept for the next rule change; None keeps none."""

    applications: Past
    a: Side
    b: Side
    law: Law
    economics: Economics = field(default_factory=Economics)
    cache: Path | None = None
    chunk_rows: int = CHUNK_ROWS

    @cached_property
    def identity(self) -> bytes:
        """Canonical bytes of everything that the result depends on."""
        return canonical_json(
            {
                "format": FORMAT,
                "engine": ENGINE,
                "applications": self.applications.sha256,
                "cuts": [
                    self.applications.groups,
                    self.applications.segments,
                    self.applications.utc_offset_minutes,
                ],
                "a": _named(self.a),
                "b": _named(self.b),
                "law": [[begin, asdict(context)] for begin, context in self.law.periods],
                "economics": asdict(self.economics),
                "chunk_rows": self.chunk_rows,
            }
        )

    @property
    def sha256(self) -> str:
        return sha256(self.identity).hexdigest()

    @property
    def numbers(self) -> range:
        return range(-(-self.applications.rows // self.chunk_rows))


def _named(side: Side) -> dict[str, object]:
    policy, model = side.policy, side.scorer
    return {
        "name": policy.name, "version": policy.version, "sha256": policy.sha256,
        "model": model.sha256 if model else None,
    }  # fmt: skip


def backtest(
    job: Job,
    out: Path,
    *,
    resume: bool = False,
    workers: int = 1,
    executor: Executor | None = None,
    progress: Progress = lambda done, total: None,
) -> Mapping[str, object]:
    """Decide every application under both policies; chunks and `result.json` in `out`. Returns the result.

    resume: go on with what `out` holds of the same job; a chunk whose bytes are not those of its name is made again.
    executor: where to compute (Dask's Client.get_executor()), instead of `workers` processes here. The file, and the
    cache if there is one, must then be readable there by the same paths.
    Raises ApplicationsInvalid, KernelMismatch, BacktestStopped.
    """
    chunks, named = Chunks(out / "chunks"), out / "job.json"
    holds = chunks.found() or (out / "result.json").exists()  # nothing, where the first chunk was refused
    if holds and named.exists() and named.read_bytes() != job.identity:
        raise BacktestStopped(
            f"{out} holds another back-test (another file, policy, model or law): choose another folder.",
            f"{out} 里是另一次回测（文件、策略、模型或法定上限不同）：请换一个文件夹。",
        )
    if not resume:
        chunks.clear()
    out.mkdir(parents=True, exist_ok=True)
    named.write_bytes(job.identity)
    begun = chunks.found()
    left = [number for number in job.numbers if number not in begun]
    _compute(job, left, chunks, workers, executor, lambda done: progress(done, len(job.numbers)))
    tally = Tally.of(len(job.a.policy.rules), len(job.b.policy.rules))
    ids, before_law = np.zeros(job.applications.rows, np.uint64), 0
    for number in job.numbers:
        rows = chunks.get(number)
        if rows is None:  # changed on disk since it was written: made again
            _compute(job, [number], chunks, 1, None, lambda done: None)
            rows = chunks.get(number)
            assert rows is not None
        _add(tally, job, rows)
        ids[number * job.chunk_rows :][: len(rows)] = rows["id"].hash().to_numpy()
        before_law += int((rows["at"] < job.law.begins).sum())
    result = results(job.a.policy, job.b.policy, tally) | {
        "repeated_ids": len(ids) - len(np.unique(ids)), "before_law": before_law, "job": job.sha256, "inputs": inputs(job),
    }  # fmt: skip
    (out / "result.json").write_bytes(canonical_json(result))
    return result


def inputs(job: Job) -> Mapping[str, object]:
    """What the report says about what was compared."""
    return {
        "applications": {
            "name": job.applications.name,
            "sha256": job.applications.sha256,
            "rows": job.applications.rows,
            "absent": job.applications.absent,
        },
        "a": _named(job.a),
        "b": _named(job.b),
        "economics": asdict(job.economics),
        "law_from": job.law.first_day(job.applications.utc_offset_minutes),
        "engine": ENGINE,
    }


def _compute(
    job: Job,
    numbers: Sequence[int],
    chunks: Chunks,
    workers: int,
    executor: Executor | None,
    progress: Callable[[int], None],
) -> None:
    done = len(job.numbers) - len(numbers)
    progress(done)
    for number, content, kept in _computed(job, numbers, workers, executor):
        for key, columns in kept.items():
            assert job.cache
            Chunks(job.cache / key).put(number, columns)
        chunks.put(number, content)
        done += 1
        progress(done)


def _computed(
    job: Job, numbers: Sequence[int], workers: int, executor: Executor | None
) -> Iterator[tuple[int, bytes, Mapping[str, bytes]]]:
    if executor is None and workers == 1:
        yield from (decide_chunk(job, number) for number in numbers)
        return
    with _pool(executor, workers) as pool:
        waiting = iter(numbers)
        running: set[Future[tuple[int, bytes, Mapping[str, bytes]]]] = set()
        ahead = 2 * workers if executor is None else 64  # results in flight: what bounds memory here
        while True:
            while len(running) < ahead and (number := next(waiting, None)) is not None:
                running.add(pool.submit(decide_chunk, job, number))
            if not running:
                return
            try:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in finished)
            except _gone():
                raise BacktestStopped(
                    "Who computed is gone (out of memory, or the cluster was lost): what is done stays; go on with --resume, "
                    "and fewer --workers.",
                    "计算进程已不在（内存不足，或集群失联）：已完成的部分保留；请用 --resume 继续，并减少 --workers。",
                ) from None
            except BaseException:
                for future in running:
                    future.cancel()
                raise


def _gone() -> tuple[type[BaseException], ...]:
    """What a future raises when its computer is lost; Dask's own is known where Dask is used."""
    distributed = sys.modules.get("distributed")
    return BrokenProcessPool, CancelledError, *((distributed.KilledWorker,) if distributed else ())


@contextmanager
def _pool(executor: Executor | None, workers: int) -> Iterator[Executor]:
    if executor is not None:
        yield executor
        return
    for name in (
        "POLARS_MAX_THREADS",
        "OMP_NUM_THREADS",
    ):  # one process a core: threads of theirs would only queue
        os.environ.setdefault(name, "1")
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield pool


def decide_chunk(job: Job, number: int) -> tuple[int, bytes, Mapping[str, bytes]]:
    """(number, decisions of one chunk, features to be kept by cache key)."""
    chunk = _Chunk(job, number)
    rows_a, rows_b = chunk.rows(job.a), chunk.rows(job.b)
    found_a = verdicts(job.a, rows_a, job.law)
    same = rows_a is rows_b and job.a.policy.purposes == job.b.policy.purposes
    found_b = verdicts(job.b, rows_b, job.law, (job.a.policy, found_a) if same else None)
    a = decided(job.a.policy, found_a, rows_a, job.economics)
    b = decided(job.b.policy, found_b, rows_b, job.economics)
    if chunk.batch is not None:  # one of each chunk is decided online too
        row = number % len(rows_a)
        check_one(job.a, chunk.batch, row, job.law, a)
        check_one(job.b, chunk.batch, row, job.law, b)
    base = rows_a.select(*_BASE, SNOOZED, *(name for name in rows_a.columns if name.startswith("cut:")))
    return (
        number,
        packed(base.hstack([*_told("a", job.a.policy, a), *_told("b", job.b.policy, b)])),
        chunk.made,
    )


class _Chunk:
    """One run of rows: its features from the cache where they are at hand, else from the events."""

    def __init__(self, job: Job, number: int):
        self._job, self._number = job, number
        self.batch: Batch | None = None
        self.made: dict[str, bytes] = {}
        self._rows: dict[str, pl.DataFrame] = {}

    def rows(self, side: Side) -> pl.DataFrame:
        key = self._key(side)
        needed = {n for s in (self._job.a, self._job.b) if self._key(s) == key for n in s.reads}
        if key not in self._rows:
            kept = self._kept(key, needed)
            self._rows[key] = self._make(side, key, needed) if kept is None else kept
        return self._rows[key]

    def _key(self, side: Side) -> str:
        job = self._job
        cuts = [job.applications.groups, job.applications.segments, job.applications.utc_offset_minutes]
        whole = [FORMAT, job.applications.sha256, job.chunk_rows, cuts, side.features_key]
        return sha256(canonical_json(whole)).hexdigest()[:24]

    def _kept(self, key: str, needed: set[str]) -> pl.DataFrame | None:
        rows = Chunks(self._job.cache / key).get(self._number) if self._job.cache else None
        return rows if rows is not None and needed <= set(rows.columns) else None

    def _make(self, side: Side, key: str, needed: set[str]) -> pl.DataFrame:
        """Kept beside what is read: facts and features that the author named, for rules to come."""
        job, number = self._job, self._number
        if self.batch is None:
            self.batch = job.applications.read(number * job.chunk_rows, job.chunk_rows)
        wanted = (
            needed | {f.name for f in side.policy.catalogue if f.kind != "aggregate"} if job.cache else needed
        )
        rows = _base(self.batch).hstack(features(side, self.batch.evidences, sorted(wanted)))
        if job.cache:
            self.made[key] = packed(rows)
        return rows


def _base(batch: Batch) -> pl.DataFrame:
    columns = (
        batch.ids, batch.at, batch.amount_fen, batch.instalments, batch.purposes, batch.draws, batch.outcome,
        batch.loss_fen, batch.buckets, batch.later,
    )  # fmt: skip
    return pl.DataFrame(
        dict(zip(_BASE, columns, strict=True))
        | {f"cut:{name}": values for name, values in batch.cuts.items()}
        | {f"given.{name}": pl.Series(values, dtype=pl.Int64) for name, values in batch.given.items()}
        | {SNOOZED: pl.Series([list(one) for one in batch.snoozed], dtype=pl.List(pl.String))}
    )


def _told(side: str, policy: Policy, found: Decided) -> list[pl.Series]:
    """One policy's decisions as columns: `a.outcome`, `a.limit_fen` ..., and each rule's state under its code."""
    told = [pl.Series(f"{side}.outcome", found.outcome.astype(np.uint8))]
    for name in _MONEY:
        values = pl.Series(f"{side}.{name}", getattr(found, name))
        told.append(values.set(pl.Series(~found.pd_known), None) if name == "pd_ppm" else values)
    return told + [pl.Series(f"{side}.{rule.code}", found.states[i]) for i, rule in enumerate(policy.rules)]


def _add(tally: Tally, job: Job, rows: pl.DataFrame) -> None:
    a, b = (_decided(side, policy, rows) for side, policy in (("a", job.a.policy), ("b", job.b.policy)))
    outcome, buckets = (rows[name].to_numpy().astype(np.int64) for name in ("bad", "bucket"))
    cuts = {
        name.removeprefix("cut:"): rows[name].to_list() for name in rows.columns if name.startswith("cut:")
    }
    tally.add(a, b, outcome, buckets, cuts)
    tally.later += int(rows["later"].sum())


def _decided(side: str, policy: Policy, rows: pl.DataFrame) -> Decided:
    money = {name: rows[f"{side}.{name}"].fill_null(0).to_numpy().astype(np.int64) for name in _MONEY}
    states = np.stack([rows[f"{side}.{rule.code}"].to_numpy() for rule in policy.rules])
    return Decided(
        outcome=rows[f"{side}.outcome"].to_numpy().astype(np.int64),
        pd_known=rows[f"{side}.pd_ppm"].is_not_null().to_numpy(),
        states=states,
        spoke=spoken(policy, states, rows[SNOOZED]),
        **money,
    )
