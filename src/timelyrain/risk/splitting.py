"""Which rows are trained on and which are tested: by time where there is one, else stratified folds that keep copies together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import numpy as np
import polars as pl

from .problems import MIN_BAD, TrainingDataInvalid
from .roles import DAYS_OF_MONTH
from .tables import Column, Floats, Ints

FOLDS = 5
INNER, INNER_FEWER = 5, 3
"""Inner folds; fewer where rows are many, or where one more fit would cost more than it tells."""
ONE_SPLIT_ROWS = 60_000
"""From so many rows on a single test part of a fifth says enough, and folds would only cost time."""
LAST_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class Round:
    """Row numbers of one training and its test, ascending."""

    train: Ints
    test: Ints


@dataclass(frozen=True, eq=False)
class Splits:
    """kind: time, folds or holdout. sentence: for people."""

    kind: str
    rounds: tuple[Round, ...]
    sentence: str
    notes: tuple[str, ...]


def by_time(
    days: Floats, labels: Ints, groups: Ints, *, split_at: str = "", gap_months: float = 0.0
) -> Splits:
    """Train before a day, test from it on: `split_at` (ISO date), or the day after which the last quarter of rows lies.

    gap_months: rows of so many months before the day are left out, because their outcome was not known on it.
    """
    if split_at:
        try:
            cut = datetime.fromisoformat(split_at).replace(tzinfo=UTC).timestamp() / 86400
        except ValueError:
            raise TrainingDataInvalid(f"--split-at {split_at!r} is no date: write 2011-01-31") from None
    else:
        cut = float(np.quantile(days, 1 - LAST_SHARE, method="higher"))
    train = np.flatnonzero(days < cut - gap_months * DAYS_OF_MONTH)
    test = np.flatnonzero(days >= cut)
    day = datetime.fromtimestamp(cut * 86400, UTC).date()
    for part, rows in (("train", train), ("test", test)):
        bad = int(labels[rows].sum())
        if min(bad, len(rows) - bad) < MIN_BAD:
            raise TrainingDataInvalid(
                f"split at {day}: the {part} part has {bad} bad of {len(rows)} rows, {MIN_BAD} of each class are needed. "
                "Choose another day with --split-at, or --split folds"
            )
    copies = int(np.isin(groups[test], groups[train]).sum())
    notes = (f"{copies} test rows are copies of training rows",) if copies else ()
    gap = f", a gap of {gap_months:g} months" if gap_months else ""
    return Splits("time", (Round(train, test),), f"trained before {day}, tested from it on{gap}", notes)


def by_folds(labels: Ints, groups: Ints, seed: int) -> Splits:
    fold = folds(labels, groups, FOLDS, seed)
    kept = "; copies of a row share a fold" if len(np.unique(groups)) < len(groups) else ""
    if len(labels) > ONE_SPLIT_ROWS:
        only = (Round(np.flatnonzero(fold != 0), np.flatnonzero(fold == 0)),)
        return Splits("holdout", only, f"a stratified fifth held out{kept}", ())
    rounds = tuple(Round(train, test) for train, test in each(fold))
    return Splits("folds", rounds, f"{FOLDS} stratified folds, out-of-fold scores pooled{kept}", ())


def inner_folds(labels: Ints, groups: Ints, seed: int) -> Ints:
    """Of the training rows, by which models are stopped, calibrated and chosen; many rows need fewer."""
    return folds(labels, groups, INNER if len(labels) < ONE_SPLIT_ROWS else INNER_FEWER, seed)


def each(fold: Ints) -> Iterator[tuple[Ints, Ints]]:
    """(rows of the other folds, rows of this one), fold by fold."""
    for k in range(int(fold.max()) + 1):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)


def folds(labels: Ints, groups: Ints, count: int, seed: int) -> Ints:
    """The fold of each row: groups are dealt round within each class (of their first row) after a seeded shuffle."""
    _, first, of_row = np.unique(groups, return_index=True, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(first))
    order = order[np.argsort(labels[first[order]], kind="stable")]
    of_group = np.empty(len(first), np.int64)
    of_group[order] = np.arange(len(first)) % count
    return of_group[of_row]


def copies(columns: Sequence[Column], seed: int) -> Ints:
    """A number per row, equal for rows that are equal in every column; one of its own for each row where no more are equal than
    columns as coarse as these make by chance."""
    frame = pl.DataFrame(
        {
            str(i): column.codes if column.kind == "category" else np.nan_to_num(column.values, nan=-1e308)
            for i, column in enumerate(columns)
        }
    )
    rng = np.random.default_rng(seed)
    mixed = frame.with_columns(
        pl.Series(name, frame[name].to_numpy()[rng.permutation(frame.height)]) for name in frame.columns
    )
    seen, chance = (float(cast(float, one.is_duplicated().mean())) for one in (frame, mixed))
    if seen <= 2 * chance:
        return np.arange(frame.height)
    return (
        frame.with_row_index("row")
        .select(pl.col("row").min().over(frame.columns))["row"]
        .to_numpy()
        .astype(np.int64)
    )


def near_copies(columns: Sequence[Column], seed: int) -> tuple[float, float] | None:
    """(share of rows, share were columns independent) with another row in the same cell; None where there is no telling."""
    cells = _near_cells(columns)
    if cells is None or (~np.isnan(cells).any(axis=1)).sum() < 100:
        return None
    real = cells[~np.isnan(cells).any(axis=1)]
    rng = np.random.default_rng(seed)
    mixed = np.column_stack([rng.permutation(real[:, i]) for i in range(real.shape[1])])
    return tuple(float(cast(float, _frame(one).is_duplicated().mean())) for one in (real, mixed))  # pyright: ignore[reportReturnType]


def near_groups(columns: Sequence[Column], groups: Ints) -> Ints:
    """Groups joined where rows lie in the same cell, of two grids half a cell apart, so that an edge parts no near-copies."""
    for shift in (0.0, 0.5):
        cells = _near_cells(columns, shift)
        if cells is None:
            return groups
        # rows that miss a number are grouped by the numbers they have
        near = _frame(cells).select(pl.struct(pl.all()).rank("dense")).to_series().to_numpy()
        groups = _merged(groups, near.astype(np.int64))
    return groups


def _merged(one: Ints, other: Ints) -> Ints:
    """The finest grouping in which rows of one group of either stay together."""
    found = one.copy()
    while True:
        before = found
        for part in (other, one):
            least = np.full(int(part.max()) + 1, len(found) + int(found.max()), np.int64)
            np.minimum.at(least, part, found)
            found = least[part]
        if (found == before).all():
            return found


def _near_cells(columns: Sequence[Column], shift: float = 0.0) -> Floats | None:
    """Cells of a tenth of a deviation by the five numbers with the most values; None with fewer than three such."""
    rich = sorted(
        (c for c in columns if c.kind == "number" and c.distinct() > 200),
        key=lambda c: (-c.distinct(), c.name),
    )[:5]
    if len(rich) < 3:
        return None
    return np.column_stack(
        [np.floor(c.values / (0.1 * float(np.nanstd(c.values)) or 1.0) + shift) for c in rich]
    )


def _frame(cells: Floats) -> pl.DataFrame:
    return pl.DataFrame({str(i): np.nan_to_num(cells[:, i], nan=1e300) for i in range(cells.shape[1])})
