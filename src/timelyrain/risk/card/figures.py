"""What a model card shows, as numbers: curves, bands, periods, effects and groups of the rows that were tested.

Everything is drawn from scores of models that did not see the row, but the effects, which are of the model that is kept.
Small enough to stand in the model's manifest, so that a card can be made again from the model alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from math import ceil, log
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .. import preparing
from ..binning import Binning
from ..evaluation import APPROVED
from ..metrics import auc, ece, ks, wilson
from ..tables import Column, Floats, Ints
from ..workbench import Tested, Trained

Bools = npt.NDArray[np.bool_]
FORMAT = 1
POINTS = 100
"""Points of a curve."""
TOP = 10
"""Features whose effect is shown."""
SAMPLE = 150
"""Rows over which an effect is averaged."""
FEW = 30
"""Cases of a group under which nothing is judged."""
WIDTHS = (5, 10, 20, 25, 40, 50, 100, 200)


def measured(trained: Trained) -> dict[str, Any]:
    """The numbers of the card, plain values for JSON."""
    tested, report = trained.tested, cast(Mapping[str, Any], trained.report)
    labels, pd = tested.labels, tested.pds[trained.chosen]
    return {
        "format": FORMAT,
        "chosen": trained.chosen,
        "rows": len(labels),
        "roc": {name: _roc(labels, scores) for name, scores in tested.pds.items()},
        "ks": _ks(labels, pd),
        "gains": _gains(labels, pd),
        "lift": _lift(labels, pd),
        "calibration": _calibration(labels, pd),
        "scaling": {
            "base_score": trained.card.scaling.base_score,
            "base_odds": trained.card.scaling.base_odds,
            "pdo": trained.card.scaling.pdo,
        },
        "bands": _bands(labels, points_of(pd, trained), pd),
        "periods": _periods(tested, pd),
        "effects": _effects(trained, report),
        "groups": {name: _groups(rows) for name, rows in report["by_group"].items()},
        "approved": APPROVED,
    }


def points_of(pd: Floats, trained: Trained) -> Floats:
    """Score points by the scaling of the card: higher is safer, `pdo` more points double the odds."""
    scaling, safe = trained.card.scaling, np.clip(pd, 1e-6, 1 - 1e-6)
    return scaling.base_score + scaling.factor * (np.log((1 - safe) / safe) - log(scaling.base_odds))


def psi(part: Floats, whole: Floats) -> float:
    """Population stability index of scores against others, by tenths of the others; a tenth without cases counts half a case."""
    edges = np.unique(np.quantile(whole, np.arange(1, 10) / 10))
    a, b = (
        np.bincount(np.searchsorted(edges, x, side="left"), minlength=len(edges) + 1) for x in (part, whole)
    )
    p, q = np.maximum(a, 0.5) / len(part), np.maximum(b, 0.5) / len(whole)
    return _r(float(((p - q) * np.log(p / q)).sum()))


def _roc(labels: Ints, scores: Floats) -> list[list[float]]:
    bad, good = _running(labels, scores)
    return [[_r(g), _r(b)] for g, b in zip(_thin(good), _thin(bad), strict=True)]


def _ks(labels: Ints, scores: Floats) -> dict[str, Any]:
    bad, good = _running(labels, scores)
    share = np.linspace(0, 1, len(bad))
    at = int(np.argmax(bad - good))
    curve = zip(_thin(share), _thin(bad), _thin(good), strict=True)
    return {
        "curve": [[_r(x), _r(b), _r(g)] for x, b, g in curve],
        "at": [_r(float(share[at])), _r(float(bad[at])), _r(float(good[at]))],
        "value": _r(ks(labels, scores)),
    }


def _gains(labels: Ints, scores: Floats) -> list[list[float]]:
    bad, _ = _running(labels, scores)
    return [[_r(x), _r(b)] for x, b in zip(_thin(np.linspace(0, 1, len(bad))), _thin(bad), strict=True)]


def _lift(labels: Ints, scores: Floats) -> list[float]:
    """Bad rate of each tenth over that of all, riskiest first."""
    order = np.argsort(-scores, kind="stable")
    return [_r(float(labels[part].mean() / labels.mean())) for part in np.array_split(order, 10) if len(part)]


def _calibration(labels: Ints, pd: Floats) -> dict[str, Any]:
    parts = [part for part in np.array_split(np.argsort(pd, kind="stable"), 10) if len(part)]
    bins = [
        {"rows": len(part), "predicted": _r(float(pd[part].mean())), **_rate(labels[part])} for part in parts
    ]
    return {"bins": bins, "ece": _r(ece(labels, pd))}


def _bands(labels: Ints, points: Floats, pd: Floats) -> list[dict[str, Any]]:
    """Score bands, safest first, with who is approved when the cut lies at a band's lower end."""
    low, high = cast(list[float], np.quantile(points, (0.01, 0.99)).tolist())
    width = next((w for w in WIDTHS if (high - low) / w <= 12), WIDTHS[-1])
    cuts = [float(cut) for cut in range(ceil(low / width) * width, ceil(high), width)]
    place = np.searchsorted(np.array(cuts), points, side="right")
    found: list[dict[str, Any]] = []
    rows = bad = 0
    for band in range(len(cuts), -1, -1):
        inside = place == band
        count = int(inside.sum())
        if not count:
            continue
        rows, bad = rows + count, bad + int(labels[inside].sum())
        rate = float(labels[inside].mean())
        found.append(
            {
                "from": cuts[band - 1] if band else None,
                "to": cuts[band] if band < len(cuts) else None,
                "rows": count,
                **_rate(labels[inside]),
                "mean_pd": _r(float(pd[inside].mean())),
                "odds": _r((1 - rate) / rate) if rate else None,
                "approved": _r(rows / len(labels)),
                "approved_bad": _r(bad / rows),
            }
        )
    return found


def _periods(tested: Tested, pd: Floats) -> dict[str, Any]:
    """By month, quarter or year of the application; without dates by fold."""
    if tested.days is None:
        rounds = np.unique(tested.round)
        if len(rounds) < 2:
            return {"kind": "none", "rows": []}
        parts = [(str(i), tested.round == r) for i, r in enumerate(rounds.tolist(), 1)]
        return {"kind": "fold", "rows": _period_rows(parts, tested.labels, pd)}
    dates = [datetime.fromtimestamp(day * 86400, UTC) for day in tested.days.tolist()]
    months = np.array([date.year * 12 + date.month - 1 for date in dates])
    span = int(months.max() - months.min()) + 1
    kind, size = ("month", 1) if span <= 24 else ("quarter", 3) if span <= 72 else ("year", 12)
    parts: list[tuple[str, Bools]] = []
    for unit in np.unique(months // size).tolist():
        year, rest = divmod(unit * size, 12)
        name = {"month": f"{year}-{rest + 1:02d}", "quarter": f"{year}Q{rest // 3 + 1}", "year": str(year)}[
            kind
        ]
        parts.append((name, months // size == unit))
    return {"kind": kind, "rows": _period_rows(parts, tested.labels, pd)}


def _period_rows(parts: Sequence[tuple[str, Bools]], labels: Ints, pd: Floats) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, inside in parts:
        y, p = labels[inside], pd[inside]
        both = min(int(y.sum()), len(y) - int(y.sum()))
        found.append(
            {
                "name": name,
                "rows": len(y),
                **_rate(y),
                "mean_pd": _r(float(p.mean())),
                "auc": _r(auc(y, p)) if both >= 10 else None,
                "psi": psi(p, pd) if len(y) >= FEW else None,
            }
        )
    return found


def _effects(trained: Trained, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The features that weigh most, by their bins: what was seen, what was predicted, and the model's effect of this alone."""
    tested = trained.tested
    columns = {column.name: column for column in tested.columns}
    weight: dict[str, float] = {}
    for name, share in report["importance"].items():
        own = name if name in columns else name.rpartition(" = ")[0]
        weight[own] = weight.get(own, 0.0) + share
    bins = {one.name: one for one in trained.bins}
    shown = [name for name in sorted(weight, key=lambda n: -weight[n]) if name in bins and name in columns][
        :TOP
    ]
    sample = np.sort(np.random.default_rng(1).permutation(len(tested.labels))[:SAMPLE])
    taken = [column.take(sample) for column in tested.columns]
    pd = tested.pds[trained.chosen]
    found: list[dict[str, Any]] = []
    for name in shown:
        binning, column = bins[name], columns[name]
        place = binning.places(column)
        rows: list[dict[str, Any]] = []
        for at, label in enumerate(short_labels(binning)):
            inside = np.flatnonzero(place == at)
            if not len(inside):
                continue
            rows.append(
                {
                    "label": label,
                    "rows": len(inside),
                    **_rate(tested.labels[inside]),
                    "mean_pd": _r(float(pd[inside].mean())),
                    "woe": _r(binning.woe[at]),
                    "effect": _r(float(_all_like(trained, taken, column, inside).mean())),
                }
            )
        found.append(
            {
                "name": name,
                "weight": _r(weight[name]),
                "iv": _r(binning.iv),
                "direction": report["monotone"].get(name, 0),
                "bins": rows,
            }
        )
    return found


def _all_like(trained: Trained, taken: Sequence[Column], column: Column, inside: Ints) -> Floats:
    """PDs of the sample, were the middle case of these rows everybody's value of this column."""
    count = len(taken[0].absent)
    if column.kind == "category":
        code = np.bincount(column.codes[inside] + 1).argmax() - 1
        same = replace(column, codes=np.full(count, code, np.int64))
    else:
        held = column.values[inside]
        held = np.sort(held[~np.isnan(held)])
        same = replace(column, values=np.full(count, held[len(held) // 2] if len(held) else np.nan))
    changed = [same if one.name == column.name else one for one in taken]
    return trained.model.pds(preparing.matrix(trained.recipe, changed))


def short_labels(binning: Binning) -> list[str]:
    """Bins as they fit beside a bar."""
    if binning.groups:
        ordinary = [
            ", ".join(group[:2]) + (f" +{len(group) - 2}" if len(group) > 2 else "")
            for group in binning.groups
        ]
    else:
        cuts = [f"{cut:.4g}" if abs(cut) < 1e4 else f"{cut:,.0f}" for cut in binning.cuts]
        ordinary = [f"≤ {cuts[0]}"] if cuts else ["…"]
        ordinary += [f"{low} – {high}" for low, high in pairwise(cuts)]
        ordinary += [f"> {cuts[-1]}"] if cuts else []
    return [*ordinary, *(f"{code:g} ◦" for code in binning.specials), "∅"]


def _groups(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Approval at the cut with its interval and its ratio to the highest of the groups that are large enough."""
    judged = [row["approved"] for row in rows if row["rows"] >= FEW]
    best = max(judged, default=0.0)
    found: list[dict[str, Any]] = []
    for row in rows:
        low, high = map(_r, wilson(row["approved"] * row["rows"], row["rows"]))
        ratio = _r(row["approved"] / best) if best and row["rows"] >= FEW else None
        found.append({**row, "low": low, "high": high, "ratio": ratio})
    return found


def _rate(labels: Ints) -> dict[str, float]:
    low, high = map(_r, wilson(float(labels.sum()), len(labels)))
    return {"seen": _r(float(labels.mean())), "low": low, "high": high}


def _running(labels: Ints, scores: Floats) -> tuple[Floats, Floats]:
    """Shares of bad and of good so far, riskiest first, from (0, 0) to (1, 1); ties are taken together."""
    order = np.argsort(-scores, kind="stable")
    y, s = labels[order], scores[order]
    bad, good = np.cumsum(y) / y.sum(), np.cumsum(1 - y) / (len(y) - y.sum())
    last = np.searchsorted(-s, -s, side="right") - 1
    ends = np.concatenate(([0.0], bad[last])), np.concatenate(([0.0], good[last]))
    return ends[0].astype(np.float64), ends[1].astype(np.float64)


def _thin(values: Floats) -> list[float]:
    places = np.unique(np.linspace(0, len(values) - 1, POINTS + 1).round().astype(np.int64))
    return cast(list[float], values[places].tolist())


def _r(value: float) -> float:
    """Five significant digits: what a picture can show."""
    return float(f"{value:.5g}")
