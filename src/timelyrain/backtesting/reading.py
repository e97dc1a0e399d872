"""One run of rows of a file of applications: values checked one by one, events as of each application."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from timelyrain.decisioning import FACTS, MAX_ROWS, MAX_TIME, MAX_TOTAL_FEN, SOURCES, TABLES

from .columns import ApplicationsInvalid, absent

Ints = npt.NDArray[np.int64]
_CLOSED = ("settled", "closed")


class Reading:
    """One run of rows. What it refuses names the application."""

    def __init__(self, path: Path, frame: pl.DataFrame, ids: Sequence[str]):
        self._path, self._frame, self._ids = path, frame, ids
        self.later = np.zeros(len(ids), np.int64)
        at = frame["at"]
        self.at = self.integers("at") if at.dtype.is_integer() else self._whole(at.dt.epoch("s"), "at")
        if (odd := (self.at < 0) | (self.at > MAX_TIME)).any():
            row = int(np.argmax(odd))
            raise self._refuse(
                row,
                f"at is {self.at[row]}: give epoch seconds from 0 to {MAX_TIME}",
                f"at 为 {self.at[row]}：请给出 0 到 {MAX_TIME} 的 epoch 秒",
            )

    def _refuse(self, row: int, en: str, zh: str) -> ApplicationsInvalid:
        return ApplicationsInvalid(
            f"{self._path}: application {self._ids[row]}: {en}",
            f"{self._path}：申请 {self._ids[row]}：{zh}",
        )

    def integers(self, name: str) -> Ints:
        return self._whole(self._frame[name], name)

    def _whole(self, column: pl.Series, name: str) -> Ints:
        if column.null_count():
            raise self._refuse(
                column.is_null().arg_max() or 0,
                f"{name} is null: give a whole number",
                f"{name} 为空：请给出整数",
            )
        return self._fits(column, name, np.arange(len(column))).to_numpy()

    def _fits(self, column: pl.Series, name: str, owner: Ints) -> pl.Series:
        """As int64, nulls kept. owner: whose each value is."""
        numbers = column.cast(pl.Int64, strict=False)
        if numbers.null_count() > column.null_count():
            at = (numbers.is_null() & column.is_not_null()).arg_max() or 0
            raise self._refuse(
                int(owner[at]),
                f"{name} is {column[at]}: give whole numbers under 2^63",
                f"{name} 为 {column[at]}：请给出小于 2^63 的整数",
            )
        return numbers

    def optional(self, name: str) -> pl.Series:
        return self._fits(self._frame[name], name, np.arange(len(self._ids)))

    def outcome(self, name: str) -> Ints:
        """-1 where null or absent."""
        if name not in self._frame.columns:
            return np.full(len(self._ids), -1, np.int64)
        values = self.optional(name).fill_null(-1).to_numpy()
        wrong = (values < -1) | ((values > 1) if name == "outcome_bad" else False)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise self._refuse(
                row,
                f"{name} is {values[row]}: give 1 for bad, 0 for good, null for not known; losses from 0",
                f"{name} 为 {values[row]}：坏写 1，好写 0，未知为空；损失不小于 0",
            )
        return values

    def missing(self) -> list[tuple[str, ...]]:
        """Sources that gave nothing, as evidence has them: those named, and those of which the file has no column."""
        columns = self._frame.columns
        silent = {source for source in absent(dict.fromkeys(columns)) if source in SOURCES}
        named = self._frame["missing"].to_list() if "missing" in columns else [None] * len(self._ids)
        made: dict[tuple[str, ...], tuple[str, ...]] = {}
        for row, names in enumerate(tuple(names or ()) for names in named):
            if names not in made:
                if odd := [name for name in names if name not in SOURCES]:
                    raise self._refuse(
                        row,
                        f"missing names {odd[0]!r}: known are {', '.join(SOURCES)}",
                        f"missing 里有 {odd[0]!r}：可用的有 {'、'.join(SOURCES)}",
                    )
                made[names] = tuple(sorted(silent.union(names)))
        return [made[tuple(names or ())] for names in named]

    def fact(self, name: str, missing: Sequence[tuple[str, ...]]) -> list[int | None]:
        if f"fact.{name}" not in self._frame.columns:
            return [None] * len(self._ids)
        field, column, rows = FACTS[name], self._frame[f"fact.{name}"], np.arange(len(self._ids))
        self._silent(field.source, column.is_not_null().to_numpy(), missing, f"fact.{name}")
        return self._codes(field, column, f"fact.{name}", rows).to_list()

    def _silent(self, source: str, given: Any, missing: Sequence[tuple[str, ...]], what: str) -> None:
        """A source that is said to be missing has given nothing. given: bool[n], whether `what` is there."""
        for row in np.flatnonzero(given & np.array([source in names for names in missing], np.bool_))[:1]:
            raise self._refuse(
                int(row),
                f"{what} is given, and `missing` names its source {source}: leave one of them out",
                f"给出了 {what}，而 `missing` 里有它的数据源 {source}：请去掉其一",
            )

    def table(self, name: str, missing: Sequence[tuple[str, ...]]) -> tuple[dict[str, Ints], list[int]]:
        """Columns of all applicants' events end to end, oldest first, none later than the application; their offsets."""
        fields, source, frame = TABLES[name].columns, TABLES[name].source, self._frame
        if f"{name}.at" not in frame.columns:
            return {c: np.zeros(0, np.int64) for c in fields}, [0] * (len(frame) + 1)
        lists = frame[f"{name}.at"]
        for row in lists.is_null().arg_true().to_list():
            if source not in missing[row]:
                raise self._refuse(
                    row,
                    f"{name}.at is null: give an empty list where there was nothing, or name {source} under `missing`",
                    f"{name}.at 为空：没有事件时请给空列表，或在 `missing` 里写 {source}",
                )
        sizes = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
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
                    row,
                    f"{where} has {lengths[row]} values, {name}.at has {sizes[row]}: one for each event",
                    f"{where} 有 {lengths[row]} 个值，{name}.at 有 {sizes[row]} 个：每个事件应各有一个",
                )
            codes = self._codes(
                kind, frame[where].explode(empty_as_null=False, keep_nulls=False), where, owner
            )
            if codes.null_count():
                raise self._refuse(
                    int(owner[codes.is_null().arg_max() or 0]),
                    f"{where} holds null: give every event a value",
                    f"{where} 里有空值：请给每个事件一个值",
                )
            columns[column] = codes.to_numpy()
        columns, owner = self._as_of(name, columns, owner)
        sizes = np.bincount(owner, minlength=len(self._ids))
        self._silent(source, sizes > 0, missing, name)
        self._plausible(name, columns, owner, sizes)
        return columns, np.concatenate([[0], np.cumsum(sizes)]).tolist()

    def _as_of(self, name: str, columns: dict[str, Ints], owner: Ints) -> tuple[dict[str, Ints], Ints]:
        """The events as they stood at each application's moment, and whose each is."""
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
        return columns, owner

    def _plausible(self, name: str, columns: Mapping[str, Ints], owner: Ints, sizes: Ints) -> None:
        """What evidence may never hold, whoever it is of: too much for one person, ends before begins."""
        for row in np.flatnonzero(sizes > MAX_ROWS)[:1].tolist():
            raise self._refuse(
                row,
                f"{name} has {sizes[row]:,} events: give at most {MAX_ROWS:,}",
                f"{name} 有 {sizes[row]:,} 个事件：最多 {MAX_ROWS:,} 个",
            )
        for column, kind in TABLES[name].columns.items():
            if kind.unit == "fen":
                # float sums are exact up to 2^53, which is more than what is asked
                sums = np.bincount(owner, np.abs(columns[column]), len(self._ids))
                for row in np.flatnonzero(sums > MAX_TOTAL_FEN)[:1].tolist():
                    raise self._refuse(
                        row,
                        f"{name}.{column} adds up to more than {MAX_TOTAL_FEN} fen: no one person's does",
                        f"{name}.{column} 合计超过 {MAX_TOTAL_FEN} 分：没有人有这么多",
                    )
        if "closed" in columns:
            for at in np.flatnonzero((columns["closed"] > 0) & (columns["closed"] < columns["at"]))[:1]:
                raise self._refuse(
                    int(owner[at]),
                    f"{name}.closed is before its opening: give 0 while it is open",
                    f"{name}.closed 早于开立：未结清请写 0",
                )

    def _codes(self, field: Any, column: pl.Series, where: str, owner: Ints) -> pl.Series:
        """Int64 codes of a column of values, null where missing."""
        if column.dtype == pl.Boolean or column.dtype == pl.Null:
            codes, high = column.cast(pl.Int64), field.high
        elif column.dtype.is_integer():
            high = len(field.values) - 1 if field.kind == "enum" else field.high
            codes = self._fits(column, where, owner)
        elif field.kind == "enum":
            names, high = dict(zip(field.values, range(len(field.values)), strict=True)), len(field.values)
            codes = column.cast(pl.String).replace_strict(names, default=high + 1, return_dtype=pl.Int64)
            codes = codes.set(column.is_null(), None)
        else:
            raise ApplicationsInvalid(
                f"{self._path}: {where} is {column.dtype}, not whole numbers",
                f"{self._path}：{where} 是 {column.dtype}，应为整数",
            )
        low, top = codes.min(), codes.max()
        if low is not None and (low < field.low or top > high):
            row = int((~codes.is_between(field.low, high).fill_null(True)).arg_max() or 0)
            en, zh = (
                (f"whole numbers from {field.low} to {high}", f" {field.low} 到 {high} 的整数")
                if field.kind != "enum"
                else (", ".join(field.values), "、".join(field.values))
            )
            raise self._refuse(
                int(owner[row]),
                f"{where} is {column[row]!r}: known are {en}",
                f"{where} 为 {column[row]!r}：可用的有{zh}",
            )
        return codes
