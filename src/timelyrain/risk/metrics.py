"""How good probabilities are. labels: 1 = bad; pd: float64[n] in 0..1; ties share their rank."""

from collections.abc import Mapping
from math import sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def metrics(labels: Ints, pd: Floats) -> Mapping[str, float]:
    """rows, bad_rate, auc, gini, ks, brier, ece (10 equal-count bins), log_loss."""
    area = auc(labels, pd)
    safe = np.clip(pd, 1e-15, 1 - 1e-15)
    return {
        "rows": float(len(labels)),
        "bad_rate": float(labels.mean()),
        "auc": area,
        "gini": 2 * area - 1,
        "ks": ks(labels, pd),
        "brier": float(np.mean((pd - labels) ** 2)),
        "ece": ece(labels, pd),
        "log_loss": float(-np.mean(np.where(labels == 1, np.log(safe), np.log(1 - safe)))),
    }


def auc(labels: Ints, score: Floats) -> float:
    """Chance that a bad case scores above a good one, ties count half (Mann-Whitney)."""
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2)[place]
    bad = int(labels.sum())
    good = len(labels) - bad
    return (float(rank[labels == 1].sum()) - bad * (bad + 1) / 2) / (bad * good)


def ks(labels: Ints, score: Floats) -> float:
    """Greatest distance between the score distributions of good and bad."""
    values, place = np.unique(score, return_inverse=True)
    bad = np.bincount(place, labels, len(values))
    good = np.bincount(place, 1 - labels, len(values))
    return float(np.max(np.abs(np.cumsum(bad) / bad.sum() - np.cumsum(good) / good.sum())))


def ece(labels: Ints, pd: Floats, bins: int = 10) -> float:
    """Mean distance between predicted and seen rates over equal-count bins, weighted by size."""
    order = np.argsort(pd, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(float(pd[part].mean()) - float(labels[part].mean())) * len(part) for part in parts]
    return sum(gaps) / len(labels)


def wilson(hits: float, rows: float) -> tuple[float, float]:
    """The middle 95 % of a rate seen `hits` times in `rows`."""
    if not rows:
        return 0.0, 1.0
    z, rate = 1.96, hits / rows
    middle = (rate + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * sqrt(rate * (1 - rate) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    return max(0.0, middle - half), min(1.0, middle + half)
