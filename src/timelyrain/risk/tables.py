"""Files of past loans read into typed columns: CSV (also .gz, GBK, other separators) and Parquet.

Every value is read as text first and typed here, so that what a column was taken for can be told: a `Column` says its kind,
its special codes and what was odd about it.
"""

import gzip
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from .training import TrainingDataInvalid

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Kind = Literal["number", "category", "text", "date", "empty"]

MISSING = ("", "na", "n/a", "nan", "null", "#n/a", ".", "?", "<na>", "nil")
_TYPED = 0.98  # share of the values that have to read as a number or a date
_MEMORY_TIMES = 12  # of the (unpacked) file: text, typed columns, matrices
_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%m/%d/%y", "%m/%d/%Y", "%d/%m/%y", "%d/%m/%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S",
    "%Y/%m/%d %H:%M:%S", "%m/%d/%Y %H:%M", "%Y年%m月%d日", "%d.%m.%Y", "%d-%b-%y", "%d-%b-%Y",
)  # fmt: skip
"""Two-digit years before four-digit ones: `%Y` would read 98 as the year 98."""
_MONTHS = (("%Y-%m", "-01", "%Y-%m-%d"), ("%b-%Y", "-01", "%b-%Y-%d"), ("%Y%m%d", "", "%Y%m%d"))


@dataclass(frozen=True, eq=False)
class Column:
    """values: numbers, or days since 1970 of a date, NaN for missing. codes: places in `levels`, -1 for missing."""

    name: str
    kind: Kind
    values: Floats = field(default_factory=lambda: np.empty(0))
    codes: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    levels: tuple[str, ...] = ()
    specials: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def absent(self) -> npt.NDArray[np.bool_]:
        return np.isnan(self.values) if self.kind in ("number", "date") else self.codes < 0

    def take(self, rows: Ints) -> "Column":
        return replace(
            self,
            values=self.values[rows] if len(self.values) else self.values,
            codes=self.codes[rows] if len(self.codes) else self.codes,
        )

    def distinct(self) -> int:
        held = ~self.absent
        return len(np.unique((self.values if self.kind in ("number", "date") else self.codes)[held]))

    def texts(self) -> list[str]:
        """Each value as it is named to people; "" for missing."""
        if self.kind in ("number", "date"):
            return ["" if np.isnan(v) else f"{v:g}" for v in cast(list[float], self.values.tolist())]
        return ["" if c < 0 else self.levels[c] for c in cast(list[int], self.codes.tolist())]


@dataclass(frozen=True, eq=False)
class Table:
    columns: tuple[Column, ...]
    rows: int
    notes: tuple[str, ...]
    sample: int = 1

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise TrainingDataInvalid(
            f"no column {name!r}: the file has {', '.join(c.name for c in self.columns)}"
        )

    def take(self, rows: Ints) -> "Table":
        return replace(self, columns=tuple(column.take(rows) for column in self.columns), rows=len(rows))


def read(path: Path, sample: int = 0) -> Table:
    """Raises TrainingDataInvalid where the file cannot be read, is empty, or is too large for the memory at hand."""
    try:
        size = path.stat().st_size
        _check_memory(path, size)
        frame, notes = (_parquet(path), []) if path.suffix == ".parquet" else _csv(path)
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        raise TrainingDataInvalid(f"{path} cannot be read ({error}): give a CSV or Parquet file") from None
    if not frame.height or not frame.width:
        raise TrainingDataInvalid(f"{path} holds {frame.height} rows: nothing to learn from")
    names = [str(name).strip() for name in frame.columns]
    typed = tuple(
        typed_column(name, frame.get_column(old)) for name, old in zip(names, frame.columns, strict=True)
    )
    return Table(typed, frame.height, tuple(notes))


def _check_memory(path: Path, size: int) -> None:
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    need = size * _MEMORY_TIMES * (4 if path.suffix in (".gz", ".parquet") else 1)
    if need > free:
        raise TrainingDataInvalid(
            f"{path} has {size / 2**30:.1f} GiB and would need about {need / 2**30:.0f} GiB of memory, {free / 2**30:.0f} GiB "
            "are free: give a sample of its rows, or a Parquet file with the columns that matter"
        )


def _parquet(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path)


def _csv(path: Path) -> tuple[pl.DataFrame, list[str]]:
    raw = path.read_bytes()
    notes: list[str] = []
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("gb18030", errors="replace")
        broken = text.count("\ufffd")
        notes.append(
            "read as GBK (GB 18030)" + (f"; {broken} characters could not be read" if broken else "")
        )
        if broken > len(text) / 100:
            raise TrainingDataInvalid(
                f"{path} is neither UTF-8 nor GBK: {broken} unreadable characters; save it as UTF-8"
            ) from None
    head = text[:20_000].splitlines()[:1]
    if not head:
        raise TrainingDataInvalid(f"{path} is empty: nothing to learn from")
    separator = max(",;\t| ", key=lambda mark: (head[0].count(mark) * (1 if mark != " " else 0.5), mark))
    names = [part.strip().strip('"') for part in head[0].split(separator)]
    twin = next((name for name in names if names.count(name) > 1), None)
    if twin is not None:
        raise TrainingDataInvalid(f"column {twin!r} stands twice in {path}: give each column its own name")
    if separator != ",":
        notes.append(f"columns are separated by {separator!r}")
    del raw
    frame = pl.read_csv(
        text.encode(), separator=separator, infer_schema=False, truncate_ragged_lines=False, glob=False
    )
    return frame, notes


def typed_column(name: str, series: pl.Series) -> Column:
    """What a column is, by its values alone."""
    if series.dtype.is_temporal():
        days = series.cast(pl.Date).cast(pl.Float64)
        return Column(name, "date", _floats(days))
    if series.dtype.is_numeric() or series.dtype == pl.Boolean:
        return _number(name, _floats(series.cast(pl.Float64)), ())
    if series.dtype.is_nested() or str(series.dtype) in ("Binary", "Object"):
        return Column(
            name, "empty", codes=np.full(len(series), -1), notes=(f"{series.dtype} is no single value",)
        )
    text = series.cast(pl.String, strict=False).str.strip_chars()
    text = text.set(text.str.to_lowercase().is_in(list(MISSING)), None)
    held = len(text) - text.null_count()
    if not held:
        return Column(name, "empty", codes=np.full(len(text), -1))
    for clean, note in ((text, ""), (text.str.replace_all(r"[,$¥€%\s]", ""), "signs and separators removed")):
        numbers = clean.cast(pl.Float64, strict=False)
        read_as = held - (numbers.null_count() - text.null_count())
        if read_as >= _TYPED * held:
            notes = (note,) if note else ()
            if read_as < held:
                odd = text.filter(numbers.is_null() & text.is_not_null())[0]
                notes = (*notes, f"{held - read_as} values such as {odd!r} are no numbers: taken as missing")
            dates = _eight_digits(name, text, held) if not note else None
            return (
                Column(name, "date", dates) if dates is not None else _number(name, _floats(numbers), notes)
            )
    dates = _dates(text, held)
    if dates is not None:
        return Column(name, "date", dates)
    levels = text.drop_nulls().unique().sort()
    codes = text.cast(pl.Enum(levels)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    mean_length = float(cast(float, text.str.len_chars().mean() or 0))
    long = len(levels) > max(200, 0.2 * held) or (mean_length > 40 and len(levels) > 50)
    mixed = held - (text.cast(pl.Float64, strict=False).null_count() - text.null_count())
    notes = (
        (f"{mixed} of {held} values are numbers, the others words: taken as names",)
        if mixed > 0.01 * held
        else ()
    )
    return Column(
        name, "text" if long else "category", codes=codes, levels=tuple(levels.to_list()), notes=notes
    )


def special_codes(values: Floats) -> tuple[float, ...]:
    """Values that stand for something else than a quantity: a few negative whole numbers below none else, or nines far above."""
    seen, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    if len(seen) < 5:
        return ()
    enough = counts >= max(5, 0.001 * counts.sum())
    below = seen < 0
    found: list[float] = []
    listed = np.isin(seen, [-float(n) for n in (*range(1, 10), 99, 999, 9999, 99999, 999999)])
    if 0 < below.sum() <= 4 and (listed & enough)[below].all():
        found.extend(cast(list[float], seen[below].tolist()))
    for at in (-1, -2):  # 98 and 99 stand together in many files
        top = seen[at]
        nines = re.fullmatch(r"9{2,}[0-9]?", f"{top:.0f}") is not None and top == round(top)
        if nines and enough[at] and top >= 1.5 * max(seen[at - 1], 1) and len(seen) > 5:
            found.append(float(top))
            break
    return tuple(sorted(found))


def _number(name: str, values: Floats, notes: tuple[str, ...]) -> Column:
    infinite = int(np.isinf(values).sum())
    if infinite:
        notes = (*notes, f"{infinite} infinite values: taken as missing")
        values = np.where(np.isinf(values), np.nan, values)
    return Column(name, "number", values, specials=special_codes(values), notes=notes)


def _dates(text: pl.Series, held: int) -> Floats | None:
    patterns = [(pattern, "", pattern) for pattern in _DATES] + list(_MONTHS)
    sample = text.drop_nulls()[:500]
    for _, tail, pattern in patterns:
        tried = (sample + tail).str.to_date(pattern, strict=False)
        if len(sample) - tried.null_count() >= _TYPED * len(sample):
            days = (text + tail).str.to_date(pattern, strict=False)
            if held - (days.null_count() - text.null_count()) >= _TYPED * held:
                return _floats(days.cast(pl.Float64))
    return None


def _eight_digits(name: str, text: pl.Series, held: int) -> Floats | None:
    """20051231 is a date where the column says so."""
    if not re.search(r"date|time|day|_d$|_dt$|日期|时间", name, re.IGNORECASE):
        return None
    days = text.str.to_date("%Y%m%d", strict=False)
    return (
        _floats(days.cast(pl.Float64))
        if held - (days.null_count() - text.null_count()) >= _TYPED * held
        else None
    )


def _floats(series: pl.Series) -> Floats:
    return np.ascontiguousarray(series.fill_null(np.nan).to_numpy(), np.float64).copy()


def words(name: str) -> tuple[str, ...]:
    """The words of a column's name: `ChgOffDate` and `chg_off_date` are both chg, off, date."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(word for word in re.split(r"[^0-9a-zA-Z\u4e00-\u9fff]+", parted.lower()) if word)


def named(columns: Sequence[Column]) -> dict[str, Column]:
    return {column.name: column for column in columns}
