"""Past applications from a Parquet file, read in runs of rows: evidence as of each application, request, outcome.

The columns are those of docs/sandbox.md: `application_id`, `at`, what was asked for, `fact.<name>`, `<table>.<column>` as
lists, `missing`, `outcome_bad`, `outcome_loss_fen`. Optional besides: `person`, `draw`, and any by which the report is cut.
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from timelyrain.decisioning import FACTS, TABLES, Evidence, Request

from .columns import ApplicationsInvalid, absent, wrong
from .reading import Reading
from .statistics import BUCKETS

Ints = npt.NDArray[np.int64]
GROUPS = ("sex", "age_band", "region")
SEGMENTS = ("purpose", "instalments")
MOST_PROBLEMS = 12
AGES = ((18, 24), (25, 34), (35, 44), (45, 54))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n applications. outcome: 1 bad, 0 good, -1 not known; loss_fen: lost of the amount asked for, -1 where not known.
    cuts: name -> a value for each. given: values for names that a policy asks its caller for (lists, experiments), where
    the file has them; null is missing. snoozed: rules that did not speak for the applicant. later: how many events stood in
    the file though they were later than the application, and were left out.
    """

    ids: Sequence[str]
    at: Ints
    evidences: Sequence[Evidence]
    amount_fen: Ints
    instalments: Ints
    purposes: Sequence[str]
    draws: Ints
    outcome: Ints
    loss_fen: Ints
    buckets: Ints
    cuts: Mapping[str, Sequence[str]]
    given: Mapping[str, Sequence[int | None]]
    snoozed: Sequence[Sequence[str]]
    later: Ints


class Past(Protocol):
    """Past applications in a fixed order, wherever they are kept. sha256 names all of their content; absent: facts and
    sources of which there is no column, so that they are missing for everybody.
    """

    @property
    def name(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def segments(self) -> tuple[str, ...]: ...
    @property
    def absent(self) -> tuple[str, ...]: ...
    @property
    def utc_offset_minutes(self) -> int: ...
    def read(self, start: int, n: int) -> Batch: ...


@dataclass(frozen=True, slots=True)
class PastApplication:
    """One application with the evidence it was decided on. person: applications of one person share it."""

    id: str
    person: str
    evidence: Evidence
    request: Request
    draw: int
    bad: bool | None = None
    loss_fen: int | None = None
    given: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    snoozed: Sequence[str] = ()


def batch_of(past: Sequence[PastApplication], utc_offset_minutes: int) -> Batch:
    """Applications that are at hand as values; cut by month, purpose, instalments and age."""

    def numbers(values: Sequence[int | None]) -> Ints:
        return np.array([-1 if value is None else value for value in values], np.int64)

    at = numbers([one.evidence.as_of for one in past])
    return Batch(
        [one.id for one in past],
        at,
        [one.evidence for one in past],
        numbers([one.request.amount_fen for one in past]),
        numbers([one.request.instalments for one in past]),
        [one.request.purpose for one in past],
        numbers([one.draw for one in past]),
        numbers([one.bad for one in past]),
        numbers([one.loss_fen for one in past]),
        _buckets([one.person for one in past]),
        {
            "month": _months(at, utc_offset_minutes),
            "group:age_band": [_age_band(one.evidence.facts["age"]) for one in past],
            "segment:purpose": [one.request.purpose for one in past],
            "segment:instalments": [str(one.request.instalments) for one in past],
        },
        {
            name: [one.given.get(name) for one in past]
            for name in sorted({n for one in past for n in one.given})
        },
        [one.snoozed for one in past],
        np.zeros(len(past), np.int64),
    )


@dataclass(frozen=True)
class Applications:
    """A file that can be read. `groups`: protected ones, `segments`: others; both name columns of it."""

    path: Path
    groups: tuple[str, ...]
    segments: tuple[str, ...]
    utc_offset_minutes: int = 480
    absent: tuple[str, ...] = ()

    @staticmethod
    def open(
        path: Path, groups: Sequence[str] = (), segments: Sequence[str] = (), utc_offset_minutes: int = 480
    ) -> "Applications":
        """Checks columns and types, not yet values; GROUPS and SEGMENTS need not be named. Raises ApplicationsInvalid."""
        try:
            if path.is_dir():
                raise IsADirectoryError("it is a folder")
            schema = dict(pl.scan_parquet(path, glob=False).collect_schema())
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            name, why = f"{str(path)!r:.200}", f"{str(error).splitlines()[0]:.200}"
            raise ApplicationsInvalid(
                f"{name} cannot be read as Parquet ({why}): give one Parquet file of applications; a CSV or Excel file "
                "cannot hold their events.",
                f"{name} 无法作为 Parquet 读取（{why}）：请给出一个申请的 Parquet 文件；CSV 或 Excel 装不下事件。",
            ) from None
        problems = wrong(schema, (*GROUPS, *SEGMENTS, *groups, *segments), (*groups, *segments))
        if problems:
            more = len(problems) - MOST_PROBLEMS
            also = (f"; and {more} more", f"；另有 {more} 个") if more > 0 else ("", "")
            en = "; ".join(words for words, _ in problems[:MOST_PROBLEMS]) + also[0]
            zh = "；".join(words for _, words in problems[:MOST_PROBLEMS]) + also[1]
            floats = (
                (
                    " pandas makes floats of whole numbers with nulls: call convert_dtypes() before to_parquet.",
                    "pandas 会把带空值的整数变成小数：to_parquet 之前请调用 convert_dtypes()。",
                )
                if "Float" in en
                else ("", "")
            )
            raise ApplicationsInvalid(
                f"{path}: {en}. docs/sandbox.md says which columns a file of applications has.{floats[0]}",
                f"{path}：{zh}。申请文件有哪些列，见 docs/sandbox.md。{floats[1]}",
            )

        def cut(usual: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
            return tuple(dict.fromkeys([*(name for name in usual if name in schema), *given]))

        found = Applications(
            path, cut(GROUPS, groups), cut(SEGMENTS, segments), utc_offset_minutes, absent(schema)
        )
        if not found.rows:
            raise ApplicationsInvalid(
                f"{path} has no rows: there is nothing to decide.", f"{path} 没有行：没有可决策的申请。"
            )
        return found

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def rows(self) -> int:
        return pl.scan_parquet(self.path, glob=False).select(pl.len()).collect().item()

    @cached_property
    def sha256(self) -> str:
        """Of the whole file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, start: int, n: int) -> Batch:
        """Rows start..start+n. Raises ApplicationsInvalid."""
        try:
            frame = pl.scan_parquet(self.path, glob=False).slice(start, n).collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            why = f"{str(error).splitlines()[0]:.200}"
            raise ApplicationsInvalid(
                f"{self.path}: rows {start} to {start + n} cannot be read ({why}): "
                "the file is damaged, or was changed meanwhile; write it again.",
                f"{self.path}：第 {start} 至 {start + n} 行无法读取（{why}）：文件已损坏，或中途被改动；请重新写出。",
            ) from None
        ids = frame["application_id"].cast(pl.String)
        if ids.null_count():
            row = start + (ids.is_null().arg_max() or 0)
            raise ApplicationsInvalid(
                f"{self.path}: application_id is null in row {row} (counted from 0): give each application its own.",
                f"{self.path}：第 {row} 行（从 0 数起）的 application_id 为空：请给每份申请一个编号。",
            )
        people = frame["person"].cast(pl.String).fill_null(ids) if "person" in frame.columns else ids
        ids, people = ids.to_list(), people.to_list()
        reading = Reading(self.path, frame, ids)
        missing = reading.missing()
        tables = {name: reading.table(name, missing) for name in TABLES}
        facts = {name: reading.fact(name, missing) for name in FACTS}
        evidences = [
            Evidence(
                moment,
                {name: values[i] for name, values in facts.items()},
                {
                    table: {c: flat[offsets[i] : offsets[i + 1]] for c, flat in columns.items()}
                    for table, (columns, offsets) in tables.items()
                },
                missing[i],
            )
            for i, moment in enumerate(reading.at.tolist())
        ]
        return Batch(
            ids,
            reading.at,
            evidences,
            reading.integers("amount_fen"),
            reading.integers("instalments"),
            frame["purpose"].cast(pl.String).to_list(),
            reading.integers("draw") if "draw" in frame.columns else _draws(ids),
            reading.outcome("outcome_bad"),
            reading.outcome("outcome_loss_fen"),
            _buckets(people),
            self._cuts(frame, reading.at, facts["age"]),
            {
                name.removeprefix("given."): reading.optional(name).to_list()
                for name in frame.columns
                if name.startswith("given.")
            },
            [()] * len(ids),
            reading.later,
        )

    def _cuts(self, frame: pl.DataFrame, at: Ints, ages: Sequence[int | None]) -> dict[str, Sequence[str]]:
        cuts: dict[str, Sequence[str]] = {"month": _months(at, self.utc_offset_minutes)}
        for kind, columns in (("group", self.groups), ("segment", self.segments)):
            for name in columns:
                cuts[f"{kind}:{name}"] = frame[name].cast(pl.String).fill_null("?").to_list()
        cuts.setdefault("group:age_band", [_age_band(age) for age in ages])
        return cuts


def _buckets(people: Sequence[str]) -> Ints:
    return np.array([zlib.crc32(who.encode()) % BUCKETS for who in people], np.int64)


def _months(at: Ints, utc_offset_minutes: int) -> list[str]:
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    return [f"{datetime.fromtimestamp(moment, zone):%Y-%m}" for moment in at.tolist()]


def _age_band(age: int | None) -> str:
    if age is None:
        return "?"
    return next((f"{low}-{high}" for low, high in AGES if low <= age <= high), "55+" if age >= 55 else "<18")


def _draws(ids: Sequence[str]) -> Ints:
    """A draw for each application that had none: a hash of its id, the same in every run."""
    return np.array(
        [int.from_bytes(hashlib.sha256(f"draw/{i}".encode()).digest()[:8], "big") % 1_000_000 for i in ids],
        np.int64,
    )
