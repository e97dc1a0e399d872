"""What scores are worth: metrics with bootstrap intervals, by group, by year."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from .metrics import auc, metrics
from .tables import Column, Floats, Ints

DRAWS = 200
BINS = 10
APPROVED = 0.8


def with_intervals(labels: Ints, pd: Floats, seed: int) -> dict[str, dict[str, float]]:
    """Each metric as value, low, high: the middle 95 % of a seeded bootstrap over rows."""
    found = metrics(labels, pd)
    order = np.argsort(pd, kind="stable")
    y, p = labels[order].astype(np.float64), np.clip(pd[order], 1e-15, 1 - 1e-15)
    last = np.flatnonzero(np.concatenate((np.diff(p) > 0, [True])))
    starts = np.array([len(part) for part in np.array_split(np.arange(len(y)), min(BINS, len(y)))])
    starts = np.concatenate(([0], np.cumsum(starts)[:-1]))
    loss = -np.where(y == 1, np.log(p), np.log(1 - p))
    square = (p - y) ** 2
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in ("auc", "gini", "ks", "brier", "ece", "log_loss")}
    for _ in range(DRAWS):
        weight = np.bincount(rng.integers(0, len(y), len(y)), minlength=len(y)).astype(np.float64)
        bad, good = np.cumsum(weight * y)[last], np.cumsum(weight * (1 - y))[last]
        if not bad[-1] or not good[-1]:
            continue
        step = np.diff(bad, prepend=0.0)
        before = np.concatenate(([0.0], good[:-1]))
        area = float((step * (before + good)).sum() / 2 / (bad[-1] * good[-1]))
        drawn["auc"].append(area)
        drawn["gini"].append(2 * area - 1)
        drawn["ks"].append(float(np.abs(bad / bad[-1] - good / good[-1]).max()))
        drawn["brier"].append(float(weight @ square) / len(y))
        drawn["log_loss"].append(float(weight @ loss) / len(y))
        drawn["ece"].append(float(np.abs(np.add.reduceat(weight * (p - y), starts)).sum()) / len(y))
    result: dict[str, dict[str, float]] = {}
    for name, values in drawn.items():
        low, high = np.quantile(values, (0.025, 0.975)) if values else (np.nan, np.nan)
        result[name] = {"value": found[name], "low": float(low), "high": float(high)}
    return result


def bands(labels: Ints, pd: Floats) -> list[dict[str, float]]:
    """The ten equal-count bins that the calibration error is taken over."""
    parts = np.array_split(np.argsort(pd, kind="stable"), BINS)
    return [
        {"rows": len(part), "predicted": float(pd[part].mean()), "seen": float(labels[part].mean())}
        for part in parts
        if len(part)
    ]


def by_group(column: Column, labels: Ints, pd: Floats) -> list[dict[str, object]]:
    """Per level (or fifth) of a protected column: rows, bad rate, mean PD, AUC, and who is among the 80 % of lowest PD."""
    approved = pd <= np.quantile(pd, APPROVED)
    rows: list[dict[str, object]] = []
    for name, inside in _groups(column):
        if not inside.any():
            continue
        known, scores = labels[inside], pd[inside]
        enough = min(int(known.sum()), len(known) - int(known.sum())) >= 10
        rows.append(
            {
                "group": name,
                "rows": int(inside.sum()),
                "bad_rate": float(known.mean()),
                "mean_pd": float(scores.mean()),
                "auc": auc(known, scores) if enough else None,
                "approved": float(approved[inside].mean()),
            }
        )
    return rows


def by_year(days: Floats, labels: Ints, pds: Mapping[str, Floats]) -> list[dict[str, object]]:
    """Rows, bad rate and each model's AUC and mean PD per calendar year: what a mix of vintages hides."""
    years = np.array([datetime.fromtimestamp(day * 86400, UTC).year for day in days.tolist()])
    found: list[dict[str, object]] = []
    for year in np.unique(years).tolist():
        inside = years == year
        known = labels[inside]
        enough = min(int(known.sum()), len(known) - int(known.sum())) >= 10
        found.append(
            {
                "year": int(year),
                "rows": int(inside.sum()),
                "bad_rate": float(known.mean()),
                "auc": {name: auc(known, pd[inside]) if enough else None for name, pd in pds.items()},
                "mean_pd": {name: float(pd[inside].mean()) for name, pd in pds.items()},
            }
        )
    return found


def _groups(column: Column) -> Sequence[tuple[str, np.ndarray]]:
    if column.kind == "category":
        named = [(level, column.codes == i) for i, level in enumerate(column.levels)]
        return [*named, ("missing", column.codes < 0)]
    held = column.values[~column.absent]
    seen = np.unique(held)
    if len(seen) <= 12:
        return [*((f"{v:g}", column.values == v) for v in seen.tolist()), ("missing", column.absent)]
    edges = np.unique(np.quantile(held, (0, 0.2, 0.4, 0.6, 0.8, 1)))
    fifths = [
        (
            f"{low:g} to {high:g}",
            (column.values > low if i else column.values >= low) & (column.values <= high),
        )
        for i, (low, high) in enumerate(pairwise(edges))
    ]
    return [*fifths, ("missing", column.absent)]
