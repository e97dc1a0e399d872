"""Past applications from a Parquet file, read in runs of rows: evidence as of each application, request, outcome.

The columns are those of docs/sandbox.md: `application_id`, `at`, what was asked for, `fact.<name>`, `<table>.<column>` as
lists, `missing`, `outcome_bad`, `outcome_loss_fen`. Optional besides: `person`, `draw`, and any by which the report is cut.
"""

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from timelyrain.decisioning import FACTS, SOURCES, TABLES, Evidence, Request

from .statistics import BUCKETS

Ints = npt.NDArray[np.int64]
MAX_TIME = 4_102_444_800
"""The last moment that evidence knows, in epoch seconds."""

REQUIRED = ("application_id", "at", "amount_fen", "instalments", "purpose")
GROUPS = ("sex", "age_band", "region")
SEGMENTS = ("purpose", "instalments")
AGES = ((18, 24), (25, 34), (35, 44), (45, 54))
_CLOSED = ("settled", "closed")


class ApplicationsInvalid(ValueError):
    """A file of applications was refused: the message names column, row and value, and what to do."""


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
    """Past applications in a fixed order, wherever they are kept. sha256 names all of their content."""

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

    @staticmethod
    def open(
        path: Path, groups: Sequence[str] = (), segments: Sequence[str] = (), utc_offset_minutes: int = 480
    ) -> "Applications":
        """Checks columns and types, not yet values; GROUPS and SEGMENTS need not be named. Raises ApplicationsInvalid."""
        try:
            schema = dict(pl.read_parquet_schema(path))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise ApplicationsInvalid(
                f"{path} cannot be read as Parquet ({str(error).splitlines()[0]}): give a file of applications."
            ) from None
        needed = [
            f"{t}.{c}"
            for t, table in TABLES.items()
            for c, f in table.columns.items()
            if not (table.later or f.later)
        ]
        problems = [
            f"no column {name!r}" for name in (*REQUIRED, *needed, *groups, *segments) if name not in schema
        ]
        problems += [
            f"{name!r} is {schema[name]}, not {kind}"
            for name, kind, right in _TYPES
            if name in schema and not right(schema[name])
        ]
        problems += [
            f"{name!r} is {kind}, not a list of whole numbers"
            for name, kind in schema.items()
            if name.partition(".")[0] in TABLES and not (isinstance(kind, pl.List) and _of_codes(kind.inner))
        ]
        problems += [
            f"{name!r} is {kind}, not whole numbers"
            for name, kind in schema.items()
            if (name.startswith("fact.") and not _of_codes(kind))
            or (name.startswith("given.") and not (kind.is_integer() or kind in (pl.Boolean, pl.Null)))
        ]
        problems += [
            f"{name!r} is {schema[name]}, by which nothing can be cut"
            for name in (*GROUPS, *SEGMENTS, *groups, *segments)
            if name in schema and schema[name].is_nested()
        ]
        if problems:
            shown = "; ".join(problems[:12]) + (
                f"; and {len(problems) - 12} more" if len(problems) > 12 else ""
            )
            raise ApplicationsInvalid(
                f"{path}: {shown}. docs/sandbox.md says which columns a file of applications has."
            )

        def cut(usual: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
            return tuple(dict.fromkeys([*(name for name in usual if name in schema), *given]))

        found = Applications(path, cut(GROUPS, groups), cut(SEGMENTS, segments), utc_offset_minutes)
        if not found.rows:
            raise ApplicationsInvalid(f"{path} has no rows: there is nothing to decide.")
        return found

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def rows(self) -> int:
        return pl.scan_parquet(self.path).select(pl.len()).collect().item()

    @cached_property
    def sha256(self) -> str:
        """Of the whole file."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def read(self, start: int, n: int) -> Batch:
        """Rows start..start+n. Raises ApplicationsInvalid."""
        frame = pl.scan_parquet(self.path).slice(start, n).collect()
        ids = frame["application_id"].cast(pl.String).to_list()
        reading = _Reading(self.path, frame, ids)
        people = frame["person"].cast(pl.String).to_list() if "person" in frame.columns else ids
        tables = {name: reading.table(name) for name in TABLES}
        facts, missing = {name: reading.fact(name) for name in FACTS}, reading.missing()
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
                name.removeprefix("given."): frame[name].cast(pl.Int64).to_list()
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


def _of_codes(kind: Any) -> bool:
    """Whole numbers as the schema codes them, flags, or an enum by its names."""
    return (
        kind.is_integer()
        or kind in (pl.Boolean, pl.Null, pl.String, pl.Categorical)
        or isinstance(kind, pl.Enum)
    )


def _text(kind: Any) -> bool:
    return kind in (pl.String, pl.Categorical) or isinstance(kind, pl.Enum)


_TYPES: Sequence[tuple[str, str, Callable[[Any], bool]]] = (
    ("application_id", "text or whole numbers", lambda kind: _text(kind) or kind.is_integer()),
    ("at", "whole numbers (epoch seconds) or times", lambda kind: kind.is_integer() or kind == pl.Datetime),
    ("amount_fen", "whole numbers", lambda kind: kind.is_integer()),
    ("instalments", "whole numbers", lambda kind: kind.is_integer()),
    ("purpose", "text", _text),
    ("person", "text or whole numbers", lambda kind: _text(kind) or kind.is_integer()),
    ("draw", "whole numbers", lambda kind: kind.is_integer()),
    ("outcome_bad", "0, 1 or null", lambda kind: kind.is_integer() or kind in (pl.Boolean, pl.Null)),
    ("outcome_loss_fen", "whole numbers or null", lambda kind: kind.is_integer() or kind == pl.Null),
    (
        "missing",
        "a list of texts",
        lambda kind: kind == pl.List and (_text(kind.inner) or kind.inner == pl.Null),
    ),
)


class _Reading:
    """One run of rows. What it refuses names the application."""

    def __init__(self, path: Path, frame: pl.DataFrame, ids: Sequence[str]):
        self._path, self._frame, self._ids = path, frame, ids
        self.later = np.zeros(len(ids), np.int64)
        at = frame["at"]
        self.at = self.integers("at") if at.dtype.is_integer() else self._whole(at.dt.epoch("s"), "at")
        if (odd := (self.at < 0) | (self.at > MAX_TIME)).any():
            row = int(np.argmax(odd))
            raise self._refuse(row, f"at is {self.at[row]}: give epoch seconds from 0 to {MAX_TIME}")

    def _refuse(self, row: int, what: str) -> ApplicationsInvalid:
        return ApplicationsInvalid(f"{self._path}: application {self._ids[row]}: {what}")

    def integers(self, name: str) -> Ints:
        return self._whole(self._frame[name], name)

    def _whole(self, column: pl.Series, name: str) -> Ints:
        if column.null_count():
            raise self._refuse(column.is_null().arg_max() or 0, f"{name} is null: give a whole number")
        numbers = column.cast(pl.Int64, strict=False)
        if numbers.null_count():
            row = numbers.is_null().arg_max() or 0
            raise self._refuse(row, f"{name} is {column[row]}: no amount is that large")
        return numbers.to_numpy()

    def outcome(self, name: str) -> Ints:
        """-1 where null or absent."""
        if name not in self._frame.columns:
            return np.full(len(self._ids), -1, np.int64)
        values = self._frame[name].cast(pl.Int64, strict=False).fill_null(-1).to_numpy()
        wrong = (values < -1) | ((values > 1) if name == "outcome_bad" else False)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise self._refuse(
                row, f"{name} is {values[row]}: give 1 for bad, 0 for good, null for not known; losses from 0"
            )
        return values

    def missing(self) -> list[tuple[str, ...]]:
        """Sources that gave nothing, as evidence has them: those named, and those of which the file has no column."""
        columns = self._frame.columns
        silent = {
            source
            for source in SOURCES
            if not any(f.source == source and f"fact.{name}" in columns for name, f in FACTS.items())
            and not any(t.source == source and f"{name}.at" in columns for name, t in TABLES.items())
        }
        named = self._frame["missing"].to_list() if "missing" in columns else [None] * len(self._ids)
        made: dict[tuple[str, ...], tuple[str, ...]] = {}
        for row, names in enumerate(tuple(names or ()) for names in named):
            if names not in made:
                if odd := [name for name in names if name not in SOURCES]:
                    raise self._refuse(row, f"missing names {odd[0]!r}: known are {', '.join(SOURCES)}")
                made[names] = tuple(sorted(silent.union(names)))
        return [made[tuple(names or ())] for names in named]

    def fact(self, name: str) -> list[int | None]:
        if f"fact.{name}" not in self._frame.columns:
            return [None] * len(self._ids)
        rows = np.arange(len(self._ids))
        return self._codes(FACTS[name], self._frame[f"fact.{name}"], f"fact.{name}", rows).to_list()

    def table(self, name: str) -> tuple[dict[str, Ints], list[int]]:
        """Columns of all applicants' events end to end, oldest first, none later than the application; their offsets."""
        fields, frame = TABLES[name].columns, self._frame
        if f"{name}.at" not in frame.columns:
            return {c: np.zeros(0, np.int64) for c in fields}, [0] * (len(frame) + 1)
        sizes = frame[f"{name}.at"].list.len().fill_null(0).to_numpy().astype(np.int64)
        owner = np.repeat(np.arange(len(frame)), sizes)
        columns: dict[str, Ints] = {}
        for column, kind in fields.items():
            where = f"{name}.{column}"
            if where not in frame.columns:
                columns[column] = np.zeros(len(owner), np.int64)
                continue
            lengths = frame[where].list.len().fill_null(0).to_numpy()
            if (lengths != sizes).any():
                row = int(np.argmax(lengths != sizes))
                raise self._refuse(
                    row, f"{where} has {lengths[row]} values, {name}.at has {sizes[row]}: one for each event"
                )
            codes = self._codes(
                kind, frame[where].explode(empty_as_null=False, keep_nulls=False), where, owner
            )
            if codes.null_count():
                raise self._refuse(
                    int(owner[codes.is_null().arg_max() or 0]),
                    f"{where} holds null: give every event a value",
                )
            columns[column] = codes.to_numpy()
        return self._as_of(name, columns, owner)

    def _as_of(self, name: str, columns: dict[str, Ints], owner: Ints) -> tuple[dict[str, Ints], list[int]]:
        """The events as they stood at each application's moment."""
        at, then = columns["at"], self.at[owner]
        keep = at <= then
        if not keep.all():
            self.later += np.bincount(owner[~keep], minlength=len(self._ids))
            columns = {c: values[keep] for c, values in columns.items()}
            at, owner, then = at[keep], owner[keep], then[keep]
        if ((at[1:] < at[:-1]) & (owner[1:] == owner[:-1])).any():
            order = np.lexsort((np.arange(len(at)), at, owner))
            columns = {c: values[order] for c, values in columns.items()}  # owners stay in their places
        if "closed" in columns and (later := columns["closed"] > then).any():
            # the report is younger than the application: on that day the account was still open
            states = TABLES[name].columns["state"].values
            ended = later & np.isin(columns["state"], [states.index(s) for s in _CLOSED])
            columns |= {
                "closed": np.where(later, 0, columns["closed"]),
                "state": np.where(ended, states.index("normal"), columns["state"]),
            }
            self.later += np.bincount(owner[later], minlength=len(self._ids))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(self._ids)))])
        return columns, offsets.tolist()

    def _codes(self, field: Any, column: pl.Series, where: str, owner: Ints) -> pl.Series:
        """Int64 codes of a column of values, null where missing."""
        if column.dtype == pl.Boolean or column.dtype == pl.Null:
            codes, high = column.cast(pl.Int64), field.high
        elif column.dtype.is_integer():
            high = len(field.values) - 1 if field.kind == "enum" else field.high
            codes = column.cast(pl.Int64)
        elif field.kind == "enum":
            names, high = dict(zip(field.values, range(len(field.values)), strict=True)), len(field.values)
            codes = column.cast(pl.String).replace_strict(names, default=high + 1, return_dtype=pl.Int64)
            codes = codes.set(column.is_null(), None)
        else:
            raise ApplicationsInvalid(f"{self._path}: {where} is {column.dtype}, not whole numbers")
        low, top = codes.min(), codes.max()
        if low is not None and (low < field.low or top > high):
            row = int((~codes.is_between(field.low, high).fill_null(True)).arg_max() or 0)
            known = (
                f"whole numbers from {field.low} to {high}"
                if field.kind != "enum"
                else ", ".join(field.values)
            )
            raise self._refuse(int(owner[row]), f"{where} is {column[row]!r}: known are {known}")
        return codes


def _draws(ids: Sequence[str]) -> Ints:
    """A draw for each application that had none: a hash of its id, the same in every run."""
    return np.array(
        [int.from_bytes(hashlib.sha256(f"draw/{i}".encode()).digest()[:8], "big") % 1_000_000 for i in ids],
        np.int64,
    )
