"""Optimal monotone binning: of all ways to join neighbouring cells into bins whose bad rate only rises (or only falls), the one
with the most information value.

Cells are quantiles of a number, or the levels of a category in the order of their bad rate. A dynamic programme over (bins
used, start and end of the last bin) finds the optimum; missing values and special codes keep bins of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import numpy as np
import numpy.typing as npt

from .problems import TrainingDataInvalid
from .tables import Column, Floats, Ints

Counts = npt.NDArray[np.integer] | Floats

CELLS, FINE = 32, 480
"""Cells that the programme joins, and those between which its ends are then moved."""
PASSES = 4
BINS = 8
SMALLEST = 0.03  # share of rows
FEWEST = 15  # rows
_SMOOTH = 0.5  # added to good and bad of a bin, so that a pure bin keeps a finite weight of evidence


@dataclass(frozen=True)
class Binning:
    """Bins of one column: by `cuts` (a bin is (cut before, cut]) for a number, by `groups` of levels for a category.

    After the ordinary bins come one for each special code and the last for missing (and for levels never seen).
    bad, rows: counts per bin. woe: ln of the bin's share of bad over its share of good; + is riskier.
    """

    name: str
    cuts: tuple[float, ...]
    groups: tuple[tuple[str, ...], ...]
    specials: tuple[float, ...]
    rows: tuple[int, ...]
    bad: tuple[int, ...]
    woe: tuple[float, ...]
    iv: float

    @property
    def ordinary(self) -> int:
        return len(self.groups) or len(self.cuts) + 1

    def places(self, column: Column) -> Ints:
        """The bin of each row."""
        last = self.ordinary + len(self.specials)
        if self.groups:
            at = {level: i for i, group in enumerate(self.groups) for level in group}
            of_code = np.array([at.get(level, last) for level in column.levels] + [last], np.int64)
            return of_code[column.codes]
        found = np.searchsorted(np.array(self.cuts), column.values, side="left")
        for i, code in enumerate(self.specials):
            found[column.values == code] = self.ordinary + i
        found[np.isnan(column.values)] = last
        return found.astype(np.int64)

    def labels(self) -> list[str]:
        if self.groups:
            ordinary = [", ".join(group) for group in self.groups]
        else:
            edges = ["", *(f"{cut:g}" for cut in self.cuts), ""]
            ordinary = [
                f"{low} < x ≤ {high}".removeprefix(" < ").removesuffix(" ≤ ") for low, high in pairwise(edges)
            ]
        return [*ordinary, *(f"{code:g} (code)" for code in self.specials), "missing"]


def fit(column: Column, labels: Ints, direction: int = 0) -> Binning:
    """The optimal bins of a column. direction: +1 bad rate rises, -1 falls, 0 whichever holds more information."""
    if column.kind == "number":
        return _of_numbers(column, labels, direction)
    rows = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
    bad = np.bincount(
        column.codes[column.codes >= 0], labels[column.codes >= 0], minlength=len(column.levels)
    )
    rate = (bad + 10 * labels.mean()) / (rows + 10)
    order = np.lexsort((np.arange(len(rate)), rate))
    order = order[rows[order] > 0]
    if not len(order):
        return counted(column, labels, (), ())
    share = np.minimum((np.cumsum(rows[order]) - 1) * CELLS // max(int(rows.sum()), 1), CELLS - 1)
    _, cell = np.unique(share, return_inverse=True) if len(order) > CELLS else (0, np.arange(len(order)))
    ends = optimal_ends(np.bincount(cell, rows[order]), np.bincount(cell, bad[order]), 1)
    of_cell = np.searchsorted(ends, cell, side="right")
    of_group = [cast(list[int], order[of_cell == g].tolist()) for g in range(len(ends))]
    groups = tuple(tuple(column.levels[i] for i in group) for group in of_group)
    return counted(column, labels, (), groups)


def _of_numbers(column: Column, labels: Ints, direction: int) -> Binning:
    """Counts come from the sorted values and the sorted values of bad rows: no row is looked up in a list of edges."""
    clean = ~np.isnan(column.values)
    codes = np.array(column.specials)
    if len(codes):
        clean &= ~np.isin(column.values, codes)
    values = np.sort(column.values[clean])
    of_bad = np.sort(column.values[clean & (labels == 1)])
    edges = _cells(values)
    rows, bad = (
        np.diff(np.searchsorted(one, edges, "right"), prepend=0, append=len(one)) for one in (values, of_bad)
    )
    ends = np.arange(1, len(rows) + 1)
    coarse = np.append(np.flatnonzero(_ends(rows, CELLS)) + 1, len(rows)) if len(rows) > CELLS else ends
    starts = np.concatenate(([0], coarse[:-1]))
    best = coarse[optimal_ends(np.add.reduceat(rows, starts), np.add.reduceat(bad, starts), direction) - 1]
    if len(rows) > len(coarse):
        best = _refined(rows, bad, best)
    starts = np.concatenate(([0], best[:-1]))
    others = [column.values == code for code in column.specials] + [np.isnan(column.values)]
    return _made(
        Binning(column.name, tuple(cast(list[float], edges[best[:-1] - 1].tolist())), (), column.specials, (), (), (), 0.0),
        np.append(np.add.reduceat(rows, starts), [int(one.sum()) for one in others]),
        np.append(np.add.reduceat(bad, starts), [int(labels[one].sum()) for one in others]),
    )  # fmt: skip


def counted(
    column: Column, labels: Ints, cuts: tuple[float, ...], groups: tuple[tuple[str, ...], ...]
) -> Binning:
    """Bins whose edges are given, with counts and weights of evidence of these rows."""
    specials = column.specials if column.kind == "number" else ()
    empty = Binning(column.name, cuts, groups, specials, (), (), (), 0.0)
    bins = empty.ordinary + len(specials) + 1
    place = empty.places(column)
    return _made(empty, np.bincount(place, minlength=bins), np.bincount(place, labels, bins))


def _made(empty: Binning, rows: Counts, bad: Counts) -> Binning:
    woe, iv = _evidence(rows, bad)
    return replace(
        empty, rows=tuple(cast(list[int], rows.tolist())), bad=tuple(int(b) for b in cast(list[float], bad.tolist())),
        woe=tuple(cast(list[float], woe.tolist())), iv=iv,
    )  # fmt: skip


def _evidence(rows: Counts, bad: Counts) -> tuple[Floats, float]:
    good = rows - bad
    share_bad = (bad + _SMOOTH) / (bad.sum() + _SMOOTH)
    share_good = (good + _SMOOTH) / (good.sum() + _SMOOTH)
    woe = np.where(rows > 0, np.log(share_bad / share_good), 0.0)
    seen = rows > 0
    exact = bad / max(bad.sum(), 1) - good / max(good.sum(), 1)
    return woe, float((exact * woe)[seen].sum())


def _cells(values: Floats) -> Floats:
    """Upper edges of about FINE cells of sorted values, the last cell open."""
    last = np.append(np.flatnonzero(values[1:] != values[:-1]), len(values) - 1)  # of each different value
    if len(values) < 2:
        return np.empty(0)
    seen, counts = values[last], np.diff(last, prepend=-1)
    if len(seen) <= CELLS:
        return (seen[:-1] + seen[1:]) / 2
    return seen[:-1][_ends(counts, FINE)]


def _ends(counts: Counts, size: int) -> npt.NDArray[np.bool_]:
    """Which of the ordered parts (but the last) end a cell, of about `size` cells: a part of many rows is a cell of its own, the
    others lie in cells of about equal count."""
    heavy = counts * size >= counts.sum()
    light = np.cumsum(np.where(heavy, 0, counts))
    cell = (light - 1) * max(size - int(heavy.sum()), 1) // max(int(light[-1]), 1)
    return (cell[1:] != cell[:-1]) | heavy[1:] | heavy[:-1]


def _refined(rows: Counts, bad: Counts, ends: Ints) -> Ints:
    """Each end moved between its neighbours to where the bins beside it hold most, as long as one moves; order and sizes stay."""
    up, up_bad = np.concatenate(([0], np.cumsum(rows))), np.concatenate(([0.0], np.cumsum(bad)))
    total, total_bad = float(up[-1]), float(up_bad[-1])
    least = max(FEWEST, SMALLEST * total)
    at = [0, *cast(list[int], ends.tolist())]
    rate = [float((up_bad[b] - up_bad[a]) / (up[b] - up[a])) for a, b in pairwise(at)]
    sign = 1.0 if len(rate) < 2 or rate[1] > rate[0] else -1.0

    def information(n: Floats, n_bad: Floats) -> Floats:
        good = n - n_bad
        share = (n_bad + _SMOOTH) / (total_bad + _SMOOTH) / ((good + _SMOOTH) / (total - total_bad + _SMOOTH))
        return (n_bad / total_bad - good / (total - total_bad)) * np.log(share)

    for _ in range(PASSES):
        before = list(at)
        for i in range(1, len(at) - 1):
            tried = np.arange(at[i - 1] + 1, at[i + 1])
            left, right = up[tried] - up[at[i - 1]], up[at[i + 1]] - up[tried]
            left_bad, right_bad = up_bad[tried] - up_bad[at[i - 1]], up_bad[at[i + 1]] - up_bad[tried]
            low, high = sign * left_bad / left, sign * right_bad / right
            fits = (left >= least) & (right >= least) & (low < high)
            if i > 1:
                fits &= low > sign * rate[i - 2]
            if i < len(at) - 2:
                fits &= high < sign * rate[i + 1]
            if not fits.any():
                continue
            best = int(
                np.where(fits, information(left, left_bad) + information(right, right_bad), -np.inf).argmax()
            )
            at[i] = int(tried[best])
            rate[i - 1], rate[i] = float(left_bad[best] / left[best]), float(right_bad[best] / right[best])
        if at == before:
            break
    return np.array(at[1:], np.int64)


def optimal_ends(rows: Counts, bad: Counts, direction: int) -> Ints:
    """Ends (exclusive, ascending) of the bins with the most information value among the monotone ones of allowed size."""
    rows = rows.astype(np.float64)
    signs = (direction,) if direction else (1, -1)
    found = [_programme(rows, (bad if sign > 0 else rows - bad).astype(np.float64)) for sign in signs]
    return max(found, key=lambda one: one[0])[1]


def _programme(rows: Floats, bad: Floats) -> tuple[float, Ints]:
    n = len(rows)
    total, total_bad = rows.sum(), bad.sum()
    whole = 0.0, np.array([n], np.int64)
    if n < 2 or total_bad in (0, total):
        return whole
    up, up_bad = np.concatenate(([0.0], np.cumsum(rows))), np.concatenate(([0.0], np.cumsum(bad)))
    count = up[None, :] - up[:, None]  # [start, end]
    count_bad = up_bad[None, :] - up_bad[:, None]
    count_good = count - count_bad
    allowed = count >= max(FEWEST, SMALLEST * total)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(allowed, count_bad / count, np.nan)
        share = (
            (count_bad + _SMOOTH) / (total_bad + _SMOOTH),
            (count_good + _SMOOTH) / (total - total_bad + _SMOOTH),
        )
        iv = np.where(
            allowed,
            (count_bad / total_bad - count_good / (total - total_bad)) * np.log(share[0] / share[1]),
            -np.inf,
        )
    best = np.full((BINS, n + 1, n + 1), -np.inf)  # [bins - 1, start, end]
    back = np.zeros((BINS, n + 1, n + 1), np.int64)
    best[0, 0] = iv[0]
    for end in range(2, n + 1):
        rises = rate[:end, :end] < rate[None, :end, end]  # [start before, start]
        before = np.where(rises[None], best[:-1, :end, :end], -np.inf)
        back[1:, :end, end] = before.argmax(axis=1)
        best[1:, :end, end] = before.max(axis=1) + iv[None, :end, end]
    used, start = np.unravel_index(int(best[:, :, n].argmax()), (BINS, n + 1))
    value = float(best[used, start, n])
    if not np.isfinite(value):
        return whole
    ends = [n]
    for k in range(int(used), 0, -1):
        before_start = int(back[k, start, ends[-1]])
        ends.append(int(start))
        start = before_start
    return value, np.array(ends[::-1], np.int64)


def to_json(binning: Binning) -> dict[str, object]:
    """What a person may edit (cuts, groups) beside what was counted."""
    shape = {"groups": [list(g) for g in binning.groups]} if binning.groups else {"cuts": list(binning.cuts)}
    return {
        "name": binning.name, **shape, "specials": list(binning.specials), "rows": list(binning.rows),
        "bad": list(binning.bad), "woe": list(binning.woe), "iv": binning.iv,
    }  # fmt: skip


def from_json(raw: Mapping[str, object]) -> Binning:
    """Raises TrainingDataInvalid where cuts do not rise, a level stands twice, or the counts do not fit the bins."""
    try:
        name = str(raw["name"])
        cuts = tuple(float(cut) for cut in cast(list[float], raw.get("cuts", [])))
        groups = tuple(tuple(str(v) for v in g) for g in cast(list[list[str]], raw.get("groups", [])))
        specials = tuple(float(code) for code in cast(list[float], raw.get("specials", [])))
        rows, bad = (tuple(int(v) for v in cast(list[int], raw.get(key, []))) for key in ("rows", "bad"))
        woe = tuple(float(v) for v in cast(list[float], raw.get("woe", [])))
        made = Binning(name, cuts, groups, specials, rows, bad, woe, float(cast(float, raw.get("iv", 0))))
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingDataInvalid(
            f"bins {raw!r:.80} cannot be read ({error}): give name and cuts or groups"
        ) from None
    levels = [level for group in groups for level in group]
    if any(a >= b for a, b in pairwise(cuts)):
        raise TrainingDataInvalid(f"bins of {name!r}: cuts {list(cuts)} do not rise: sort them")
    if len(set(levels)) != len(levels):
        raise TrainingDataInvalid(
            f"bins of {name!r}: a level stands in two groups: give each level one group"
        )
    return made


def information(place: Ints, labels: Ints) -> float:
    """Information value of bins given by row."""
    rows = np.bincount(place)
    return _evidence(rows, np.bincount(place, labels, len(rows)))[1]
