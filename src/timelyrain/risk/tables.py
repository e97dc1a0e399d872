"""Columns of past loans typed by their values: number, category, text, date or empty.

Every value of a CSV is read as text first and typed here, so that what a column was taken for can be told: a `Column` says its
kind, its special codes and what was odd about it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from . import files
from .problems import TrainingDataInvalid

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Kind = Literal["number", "category", "text", "date", "empty"]

MISSING = (
    *("", "na", "n/a", "#n/a", "nan", "null", "#null!", "<na>", "nil", "not available", ".", "?"),
    "\\n",  # as MySQL writes it
)
_TYPED = 0.98  # share of the values that have to read as a number or a date
_WORDS = 3  # so many words beside the numbers of a column are gaps with a name
_CURRENCY = r"(?i)^(-?)\s*(?:usd|eur|gbp|rmb|cny|inr|rs\.?|us\$|[$¥￥€£₹])\s*"
_UNIT = r"^([<>]?)\s*(-?\d+(?:\.\d+)?)\s*\+?\s*([A-Za-z\u4e00-\u9fff]+)\.?$"
_AGE = r"(?i)^(\d+)\s*y[a-z]*\.?\s*(\d+)\s*m[a-z]*\.?$"
_CLOCK = r"[T ]\d{1,2}:\d{2}.*$|:\d{2}:\d{2}:\d{2}.*$"
_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%m/%d/%y", "%m/%d/%Y", "%d/%m/%y", "%d/%m/%Y", "%d-%m-%y", "%d-%m-%Y", "%m-%d-%y", "%m-%d-%Y",
    "%Y年%m月%d日", "%d.%m.%y", "%d.%m.%Y", "%Y.%m.%d", "%d-%b-%y", "%d-%b-%Y", "%d%b%Y", "%d%b%y", "%d %b %Y", "%d %B %Y",
    "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%Y%m%d",
)  # fmt: skip
"""Two-digit years before four-digit ones: `%Y` would read 98 as the year 98."""
_MONTHS = (
    ("%Y-%m", "-01", "%Y-%m-%d"), ("%Y/%m", "/01", "%Y/%m/%d"), ("%m/%Y", "/01", "%m/%Y/%d"),
    ("%Y年%m月", "01日", "%Y年%m月%d日"),
    ("%b-%y", "-01", "%b-%y-%d"), ("%b-%Y", "-01", "%b-%Y-%d"), ("%b %Y", " 01", "%b %Y %d"), ("%B %Y", " 01", "%B %Y %d"),
    ("%y-%b", "-01", "%y-%b-%d"),
)  # fmt: skip
_SAYS_DATE = re.compile(r"date|time|day|month|period|_at$|_d$|_dt$|_m$|日期|时间|月份", re.IGNORECASE)


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
            return ["" if np.isnan(v) else f"{v:.15g}" for v in cast(list[float], self.values.tolist())]
        return ["" if c < 0 else self.levels[c] for c in cast(list[int], self.codes.tolist())]


@dataclass(frozen=True, eq=False)
class Table:
    columns: tuple[Column, ...]
    rows: int
    notes: tuple[str, ...]
    sample: int = 1

    def __getitem__(self, name: str) -> Column:
        """By name; by its number where the file has no header."""
        for column in self.columns:
            if column.name in (name, f"column {name}"):
                return column
        names = [column.name for column in self.columns]
        folded = {one.casefold(): one for one in names}
        near = [folded[one] for one in get_close_matches(name.casefold(), folded, 3, 0.6)]
        listed = ", ".join(names[:40]) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
        hint = f"is {' or '.join(map(repr, near))} meant? " if near else ""
        raise TrainingDataInvalid(f"no column {name!r}: {hint}The file has {listed}")

    def take(self, rows: Ints) -> "Table":
        return replace(self, columns=tuple(column.take(rows) for column in self.columns), rows=len(rows))


def read(path: Path, sample: int = 0, known: Sequence[str] = ()) -> Table:
    """Raises TrainingDataInvalid where the file cannot be read or is empty. sample, known: see `files.read`."""
    try:
        found = files.read(path, sample, known)
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        raise TrainingDataInvalid(f"{path} cannot be read ({error}): give a CSV or Parquet file") from None
    frame = found.frame
    if not frame.height or not frame.width:
        raise TrainingDataInvalid(f"{path} holds {frame.height} rows: nothing to learn from")
    typed = tuple(typed_column(name.strip(), frame.get_column(name)) for name in frame.columns)
    return Table(typed, frame.height, found.notes, found.sample)


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
    text = series.cast(pl.String, strict=False).str.strip_chars().str.replace(r"^b'(.*)'$", "$1")
    text = text.set(text.str.to_lowercase().is_in(list(MISSING)), None)
    held = len(text) - text.null_count()
    if not held:
        return Column(name, "empty", codes=np.full(len(text), -1))
    dates = _stamps(name, text, held)
    if dates is not None:
        return Column(name, "date", dates)
    for clean, note in _readings(text):
        numbers = clean.cast(pl.Float64, strict=False)
        odd = text.filter(numbers.is_null() & text.is_not_null())
        if len(odd) > (1 - _TYPED) * held and not _gaps(odd, numbers, held):
            continue
        notes = (note,) if note else ()
        if len(odd):
            shown = ", ".join(map(repr, odd.unique(maintain_order=True)[:3].to_list()))
            notes = (*notes, f"{len(odd)} values such as {shown} are no numbers: taken as missing")
        return _number(name, _floats(numbers), notes)
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


def _readings(text: pl.Series) -> Iterator[tuple[pl.Series, str]]:
    """The texts as they stand; without signs and separators; without their unit; years and months as months."""
    yield text, ""
    clean = (
        text.str.replace(_CURRENCY, "$1")
        .str.replace(r"^\((.+)\)$", "-$1")
        .str.replace_all(r"[\s\u00a0%$¥￥€£₹'’]", "")
    )
    note = "signs and separators removed"
    commas = clean.filter(clean.str.contains(",", literal=True))
    if len(commas) and not commas.str.contains(r"^-?\d{1,3}(,\d{3})+(\.\d*)?$").all() and commas.str.contains(
        r"^-?(\d{1,3}(\.\d{3})+|\d+),\d+$"
    ).all():  # fmt: skip
        dotted = pl.select(
            pl.when(clean.str.contains(",", literal=True))
            .then(clean.str.replace_all(".", "", literal=True))
            .otherwise(clean)
        )
        clean, note = dotted.to_series().str.replace(",", ".", literal=True), "decimal commas read as points"
    else:
        clean = clean.str.replace_all(",", "", literal=True)
    yield clean, note
    parts = [clean.str.extract(_UNIT, group) for group in (1, 2, 3)]
    units = parts[2].drop_nulls().str.to_lowercase().str.strip_suffix("s").value_counts(sort=True)
    if len(units) and units.row(0)[1] >= _TYPED * (len(text) - text.null_count()):
        below = pl.select(pl.when(parts[0] == "<").then(0.5).otherwise(0.0)).to_series()
        yield parts[1].cast(pl.Float64, strict=False) - below, f"unit {units.row(0)[0]!r} removed"
    years, months = (text.str.extract(_AGE, group).cast(pl.Float64, strict=False) for group in (1, 2))
    yield years * 12 + months, "years and months as months"


def _gaps(odd: pl.Series, numbers: pl.Series, held: int) -> bool:
    """Whether what is no number is a word or three for missing, beside many different numbers."""
    return odd.n_unique() <= _WORDS and len(odd) < 0.5 * held and numbers.n_unique() > 20


_HIGH_CODES = {float(f"{'9' * nines}{last}") for nines in range(1, 8) for last in range(6, 10)}


def special_codes(values: Floats) -> tuple[float, ...]:
    """Values that stand for something else than a quantity: a few negative whole numbers below none else, or nines far above."""
    seen, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    if len(seen) < 5:
        return ()
    enough = counts >= max(5, 0.001 * counts.sum())
    below = seen < 0
    found: list[float] = []
    listed = np.isin(
        seen, [-float(n) for n in (*range(1, 10), *(int("9" * k) for k in range(2, 10)), 88, 97, 98, 998)]
    )
    if 0 < below.sum() <= 4 and listed[below].all() and enough[below].any():
        found.extend(cast(list[float], seen[below].tolist()))
    high = len(seen)  # 96 and 98 stand together in some files
    while high > 1 and seen[high - 1] in _HIGH_CODES:
        high -= 1
    for first in range(high, len(seen)):
        if enough[first:].any() and seen[first] >= 1.5 * max(seen[first - 1], 1) and first > 5:
            found.extend(cast(list[float], seen[first:].tolist()))
            break
    return tuple(sorted(found))


def _number(name: str, values: Floats, notes: tuple[str, ...]) -> Column:
    infinite = int(np.isinf(values).sum())
    if infinite:
        notes = (*notes, f"{infinite} infinite values: taken as missing")
        values = np.where(np.isinf(values), np.nan, values)
    return Column(name, "number", values, specials=special_codes(values), notes=notes)


def _dates(text: pl.Series, held: int) -> Floats | None:
    text = text.str.replace(_CLOCK, "")
    patterns = [(pattern, "", pattern) for pattern in _DATES] + list(_MONTHS)
    sample = text.drop_nulls()[:500]
    for _, tail, pattern in patterns:
        tried = (sample + tail).str.to_date(pattern, strict=False)
        if len(sample) - tried.null_count() >= _TYPED * len(sample):
            days = (text + tail).str.to_date(pattern, strict=False)
            days = days.set(~days.dt.year().is_between(1900, 2200), None)  # a pattern that misread the year
            if held - (days.null_count() - text.null_count()) >= _TYPED * held:
                return _floats(days.cast(pl.Float64))
    return None


def _stamps(name: str, text: pl.Series, held: int) -> Floats | None:
    """20051231, 200512 and seconds since 1970 are dates where the column says so."""
    if not _SAYS_DATE.search(name):
        return None
    numbers = text.cast(pl.Float64, strict=False)
    values = _floats(numbers)
    if (~np.isnan(values)).sum() < _TYPED * held or (np.mod(values[~np.isnan(values)], 1) != 0).any():
        return None
    whole = np.where(np.isnan(values), 0, values)

    def mostly(inside: npt.NDArray[np.bool_]) -> bool:
        return bool(inside.sum() >= _TYPED * held)

    for size in (8, 6):
        digits = pl.Series(whole.astype(np.int64)).cast(pl.String) + ("" if size == 8 else "01")
        days = _floats(digits.str.to_date("%Y%m%d", strict=False).cast(pl.Float64))
        if mostly((whole >= 1900 * 10 ** (size - 4)) & (whole < 2100 * 10 ** (size - 4)) & ~np.isnan(days)):
            return days
    for unit in (1.0, 1e3, 1e6):  # seconds from 1980 on, milliseconds, microseconds
        if mostly((whole >= 3e8 * unit) & (whole < 4e9 * unit)):
            return np.floor(values / (86_400 * unit))
    return None


def _floats(series: pl.Series) -> Floats:
    return np.ascontiguousarray(series.fill_null(np.nan).to_numpy(), np.float64).copy()


def words(name: str) -> tuple[str, ...]:
    """The words of a column's name: `ChgOffDate` and `chg_off_date` are both chg, off, date."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return tuple(word for word in re.split(r"[^0-9a-zA-Z\u4e00-\u9fff]+", parted.lower()) if word)


def named(columns: Sequence[Column]) -> dict[str, Column]:
    return {column.name: column for column in columns}
