"""What a watch measures, each from plain arrays. labels: 1 bad, 0 good; pd: float64[n] in 0..1; NaN is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from ..metrics import Floats, Ints, auc, wilson

DRAWS = 200
MOST_BINS = 10
CHANCE = 0.001
"""Of no drift at all, how often one watch may find some (over all inputs together)."""
UNKNOWN = "—"
"""The group of those of whom a protected attribute is not known: shown, never judged."""
BUCKETS = ("M0", "M1", "M2", "M3", "M4", "M5", "M6", "M7", "settled", "written_off")


# -- how far a distribution moved


@dataclass(frozen=True)
class Bins:
    """A reference distribution. cuts rise; a value belongs below the first cut that is not below it; the last bin is missing."""

    cuts: tuple[float, ...]
    counts: tuple[int, ...]  # len(cuts) + 2

    def count(self, values: Floats) -> tuple[int, ...]:
        absent = np.isnan(values)
        place = np.where(absent, len(self.cuts) + 1, np.searchsorted(np.array(self.cuts), values))
        return tuple(np.bincount(place, minlength=len(self.cuts) + 2).tolist())


def bins_of(values: Floats) -> Bins:
    """Up to ten bins of about equal counts; a value that many share has its own."""
    held = values[~np.isnan(values)]
    cuts: tuple[float, ...] = ()
    if len(held):
        steps = np.quantile(held, np.arange(1, MOST_BINS) / MOST_BINS, method="inverted_cdf")
        cuts = tuple(np.unique(steps[steps < held.max()]).tolist())
    return Bins(cuts, Bins(cuts, ()).count(values))


def psi(expected: Sequence[int], seen: Sequence[int]) -> float:
    """Population stability index: the sum of `psi_parts`."""
    return sum(psi_parts(expected, seen))


def psi_parts(expected: Sequence[int], seen: Sequence[int]) -> list[float]:
    """(s - e) ln(s / e) per bin, of shares; half a case stands where a side has none. Raises ValueError for an empty side."""
    if not sum(expected) or not sum(seen):
        raise ValueError("a distribution of no rows: give rows on both sides")
    parts: list[float] = []
    for e, s in zip(expected, seen, strict=True):
        if e or s:
            a, b = max(e, 0.5) / sum(expected), max(s, 0.5) / sum(seen)
            parts.append((b - a) * log(b / a))
        else:
            parts.append(0.0)
    return parts


def psi_by_chance(expected: Sequence[int], seen: Sequence[int], looked_at: int = 1) -> float:
    """What PSI stays below but for one watch in a thousand, when nothing moved and `looked_at` distributions are compared.

    Then PSI is about (1/n + 1/m) chi-squared of bins - 1 degrees (Yurdakul and Naranjo 2020); its quantile by Wilson-Hilferty.
    """
    free = sum(1 for e, s in zip(expected, seen, strict=True) if e or s) - 1
    if free < 1:
        return 0.0
    z, d = NormalDist().inv_cdf(1 - CHANCE / looked_at), 2 / (9 * free)
    return (1 / sum(expected) + 1 / sum(seen)) * free * (1 - d + z * sqrt(d)) ** 3


# -- what was predicted and what came


def calibration(labels: Ints, pd: Floats) -> dict[str, float]:
    """Bad rate expected and observed, the 95 % within which it would lie if the PDs were right, and observed over expected."""
    rows, bad = len(labels), int(labels.sum())
    expected = float(pd.mean())
    half = 1.96 * sqrt(float((pd * (1 - pd)).sum())) / rows
    return {
        "rows": rows,
        "bad": bad,
        "expected": expected,
        "observed": bad / rows,
        "low": max(0.0, expected - half),
        "high": min(1.0, expected + half),
        "ratio": bad / rows / expected,
    }


@dataclass(frozen=True)
class Interval:
    """A value with the middle 95 % of its draws."""

    value: float
    low: float
    high: float


def estimated(pd: Floats, seed: int = 1) -> Mapping[str, Interval]:
    """AUC, KS, Brier score and bad rate that these PDs promise before any outcome is known (confidence-based estimation).

    If the PDs are calibrated each row is bad with its own: outcomes are drawn from them. What drifts in the inputs shows in
    here, what drifts in the relation of inputs to outcomes cannot. Raises ValueError for no rows.
    """
    if not len(pd):
        raise ValueError("nothing can be estimated from no rows")
    pd = np.sort(pd)
    _, place, counts = np.unique(pd, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2)[place]
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {"auc": [], "ks": [], "brier": [], "bad_rate": []}
    square = float(np.mean(pd**2))
    for _ in range(DRAWS):
        y = rng.random(len(pd)) < pd
        bad = int(y.sum())
        good = len(y) - bad
        drawn["bad_rate"].append(bad / len(y))
        drawn["brier"].append(square + float(np.mean(y * (1 - 2 * pd))))
        if bad and good:
            drawn["auc"].append((float(rank[y].sum()) - bad * (bad + 1) / 2) / (bad * good))
            run = np.cumsum(y)[last - 1]
            drawn["ks"].append(float(np.abs(run / bad - (last - run) / good).max()))
    return {name: _middle(values) for name, values in drawn.items() if values}


def performance(labels: Ints, pd: Floats, seed: int = 1) -> Mapping[str, Interval]:
    """AUC and KS as they came out, with the middle 95 % of a seeded bootstrap over rows. Both classes must be there."""
    order = np.argsort(pd, kind="stable")
    y, p = labels[order], pd[order]
    last = np.flatnonzero(np.concatenate((np.diff(p) > 0, [True])))
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {"auc": [], "ks": []}
    for _ in range(DRAWS):
        weight = np.bincount(rng.integers(0, len(y), len(y)), minlength=len(y))
        bad, good = np.cumsum(weight * y)[last], np.cumsum(weight * (1 - y))[last]
        if bad[-1] and good[-1]:
            step, before = np.diff(bad, prepend=0), np.concatenate(([0], good[:-1]))
            drawn["auc"].append(float((step * (before + good)).sum()) / 2 / (bad[-1] * good[-1]))
            drawn["ks"].append(float(np.abs(bad / bad[-1] - good / good[-1]).max()))
    run, all_bad = np.cumsum(y)[last], int(y.sum())
    seen = {
        "auc": auc(y, p),
        "ks": float(np.abs(run / all_bad - (last + 1 - run) / (len(y) - all_bad)).max()),
    }
    return {
        name: Interval(value, _middle(drawn[name]).low, _middle(drawn[name]).high)
        for name, value in seen.items()
    }


def _middle(drawn: Sequence[float]) -> Interval:
    low, high = np.quantile(drawn, (0.025, 0.975)) if drawn else (np.nan, np.nan)
    return Interval(float(np.mean(drawn)) if drawn else float("nan"), float(low), float(high))


# -- how loans grow bad


@dataclass(frozen=True)
class Life:
    """A loan as months see it. cohort: when it was made; months: completed on book; bad_in: in which it went bad, counted
    from 1, 0 never so far; buckets: at the end of each of them, of `BUCKETS`.
    """

    cohort: str
    months: int
    bad_in: int
    buckets: tuple[str, ...]


def vintages(lives: Sequence[Life]) -> dict[str, dict[str, list[float] | int]]:
    """Per cohort: loans, and the share gone bad up to each month on book that all of its loans have completed."""
    found: dict[str, dict[str, list[float] | int]] = {}
    for cohort in sorted({life.cohort for life in lives}):
        of = [life for life in lives if life.cohort == cohort]
        months = min(life.months for life in of)
        curve = [sum(1 for one in of if 0 < one.bad_in <= m) / len(of) for m in range(1, months + 1)]
        found[cohort] = {"loans": len(of), "bad": curve}
    return found


def rolls(lives: Sequence[Life]) -> list[list[int]]:
    """How many loan months went from a bucket (row) to a bucket (column) by the end of the next month, in `BUCKETS`' order."""
    place = {name: i for i, name in enumerate(BUCKETS)}
    counts = [[0] * len(BUCKETS) for _ in BUCKETS]
    for life in lives:
        for before, after in pairwise(life.buckets):
            counts[place[before]][place[after]] += 1
    return counts


# -- who is treated how


def fairness(
    groups: Sequence[str], approved: npt.NDArray[np.bool_], pd: Floats, few: int
) -> list[dict[str, Any]]:
    """Per group: rows, approval rate with interval and its ratio to the highest, mean PD.

    Groups below `few` rows, and UNKNOWN, have no ratio and set none.
    """
    names = np.asarray(groups)
    rows: list[dict[str, Any]] = []
    for name in sorted(set(groups)):
        inside = names == name
        n, rate = int(inside.sum()), float(approved[inside].mean())
        low, high = wilson(rate * n, n)
        mean = float(pd[inside].mean())
        rows.append({"group": name, "rows": n, "approved": rate, "low": low, "high": high, "mean_pd": mean})
    judged = [row for row in rows if row["rows"] >= few and row["group"] != UNKNOWN]
    best = max((row["approved"] for row in judged), default=0.0)
    for row in rows:
        row["ratio"] = row["approved"] / best if best and row in judged else None
    return rows
