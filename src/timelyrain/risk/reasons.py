"""Reasons of a tree model: exact Shapley values beside the path attribution that scoring gives, and how often the two agree.

Scoring tells what each feature changed on the way down the trees (`FlatTrees.walk`): cheap, and not the fair share that Shapley
values give. Both are compared when a model is trained. Where their principal reasons differ too often the manifest says
`"used": "exact"`, and notices take the exact ones.

The exact values are those of TreeSHAP (Lundberg and others 2018, path-dependent): what is not known of a row goes down both
branches by their share of training rows. For one leaf whose path reads d features, feature f adds
    value x (o_f - z_f) x integral over t from 0 to 1 of the product over the others of (o t + z (1 - t)),
o = 1 where the row keeps to the path, z = the share of rows that do. The integrand is a polynomial of degree d - 1, for which
d / 2 points of Gauss and Legendre are exact: no sum over subsets.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .model import TrainedModel
from .trees import Floats, Ints, blocks

Bools = npt.NDArray[np.bool_]

NAMED = 4
"""Principal reasons, as adverse-action practice has it."""
ENOUGH_OVERLAP = 0.80
"""Share of the four principal reasons that both attributions must name, in the mean over rows, for the path's to be told to
people: less than one of the four then differs in a notice. Why this number: docs/model-card.md."""
ROWS = 1_000
LEAST_ROWS = 100
EFFORT = 4e9
"""Leaves x depth squared x rows that the comparison at training may cost: some seconds."""
_ZERO = 1e-35


@dataclass(frozen=True, eq=False)
class _Paths:
    """Leaves whose paths read equally many features d. feature, low, high, lost, zero, share: [leaves, d].

    A row keeps to a feature's part of a path when low < x <= high; `lost` says so of NaN, `zero` of 0.
    """

    value: Floats
    feature: Ints
    low: Floats
    high: Floats
    lost: Bools
    zero: Bools
    share: Floats


@dataclass(frozen=True, eq=False)
class ExactTrees:
    """base: the raw score expected of a row of which nothing is known."""

    base: float
    features: int
    groups: tuple[_Paths, ...]

    def parts(self, row: Floats) -> Floats:
        """Shapley values float64[features] in log-odds before calibration; with `base` they add up to the raw score."""
        found = np.zeros(self.features)
        absent, near_zero = np.isnan(row), np.abs(row) <= _ZERO
        for group in self.groups:
            x = row[group.feature]
            kept = (group.low < x) & (x <= group.high)
            kept = np.where(near_zero[group.feature], group.zero, kept)
            kept = np.where(absent[group.feature], group.lost, kept).astype(np.float64)
            points, weights = _gauss(group.feature.shape[1])
            each = kept[:, :, None] * points + group.share[:, :, None] * (1 - points)
            whole = each.prod(axis=1) * weights
            others = (whole[:, None, :] / each).sum(axis=2)
            added = group.value[:, None] * (kept - group.share) * others
            found += np.bincount(group.feature.ravel(), added.ravel(), self.features)
        return found


@lru_cache(maxsize=64)
def _gauss(features: int) -> tuple[Floats, Floats]:
    """Points and weights on 0..1, exact for polynomials of degree features - 1."""
    points, weights = cast(tuple[Floats, Floats], np.polynomial.legendre.leggauss((features + 1) // 2))
    return (points + 1) / 2, weights / 2


def read_exact(text: str, features: int) -> ExactTrees:
    """Read the text of a LightGBM model, with its counts. Raises UnsupportedModel."""
    base = 0.0
    by_size: dict[int, list[tuple[float, dict[int, _Part]]]] = {}
    for tree in blocks(text):
        for value, share, path in _leaves(tree):
            base += value * share
            if path:
                by_size.setdefault(len(path), []).append((value, path))
    groups: list[_Paths] = []
    for _, leaves in sorted(by_size.items()):
        parts = [[(f, *part) for f, part in path.items()] for _, path in leaves]
        table = np.array(parts, np.float64)
        groups.append(
            _Paths(
                np.array([value for value, _ in leaves], np.float64), table[:, :, 0].astype(np.int64), table[:, :, 1],
                table[:, :, 2], table[:, :, 3] > 0, table[:, :, 4] > 0, table[:, :, 5],
            )
        )  # fmt: skip
    return ExactTrees(base, features, tuple(groups))


_Part = tuple[float, float, bool, bool, float]
"""low, high, lost, zero, share"""
_FREE: _Part = (-np.inf, np.inf, True, True, 1.0)


def _leaves(tree: Mapping[str, str]) -> Iterator[tuple[float, float, dict[int, _Part]]]:
    """(value, share of rows, path by feature) of every leaf."""
    values = [float(v) for v in tree["leaf_value"].split()]
    if len(values) == 1:
        yield values[0], 1.0, {}
        return
    leaf_rows = [float(v) for v in tree["leaf_count"].split()]
    rows = [float(v) for v in tree["internal_count"].split()]
    feature, decision, left, right = (
        [int(v) for v in tree[key].split()]
        for key in ("split_feature", "decision_type", "left_child", "right_child")
    )
    threshold = [float(v) for v in tree["threshold"].split()]
    waiting: list[tuple[int, dict[int, _Part]]] = [(0, {})]
    while waiting:
        node, path = waiting.pop()
        if node < 0:
            yield values[~node], leaf_rows[~node] / rows[0], path
            continue
        f, cut, kind = feature[node], threshold[node], decision[node] >> 2 & 3
        missing_left = bool(decision[node] & 2)
        lost_left = cut >= 0.0 if kind == 0 else missing_left
        zero_left = missing_left if kind == 1 else cut >= 0.0
        low, high, lost, zero, share = path.get(f, _FREE)
        for child, is_left in ((left[node], True), (right[node], False)):
            part = (leaf_rows[~child] if child < 0 else rows[child]) / rows[node]
            ends = (low, min(high, cut)) if is_left else (max(low, cut), high)
            along: _Part = (
                *ends,
                lost and lost_left == is_left,
                zero and zero_left == is_left,
                share * part,
            )
            waiting.append((child, {**path, f: along}))


@lru_cache(maxsize=4)
def _exact_of(text: str, features: int) -> ExactTrees:
    return read_exact(text, features)


def exact_contributions(model: TrainedModel, values: Floats) -> tuple[float, ...]:
    """As `Score.contributions`, by Shapley values: calibrated log-odds, + raises PD. Milliseconds, not microseconds."""
    parts = _exact_of(model.booster, len(model.feature_names)).parts(values) * model.slope
    return tuple(cast(list[float], parts.tolist()))


def method(model: TrainedModel) -> str:
    """`path` or `exact`: which attribution notices of this model take. A model that was never compared takes the exact one."""
    found = model.manifest.get("reasons")
    return str(cast(Mapping[str, object], found).get("used", "exact")) if isinstance(found, dict) else "exact"


def principal(parts: Floats) -> Ints:
    """Places of the greatest positive parts, greatest first; ties by place."""
    order = np.argsort(-parts, kind="stable")[:NAMED]
    return order[parts[order] > 0]


def agreement(path: Floats, exact: Floats) -> dict[str, float]:
    """How far two attributions float64[rows, features] of the same rows agree.

    top1: share of rows with the same first reason. top4: mean share of the principal reasons that both name. rank: mean Spearman
    correlation over the features either uses. Rows without a positive part on either side count as agreed.
    """
    first, overlap, ranks = 0, 0.0, list[float]()
    for a, b in zip(path, exact, strict=True):
        one, two = principal(a).tolist(), principal(b).tolist()
        first += one[:1] == two[:1]
        most = max(len(one), len(two))
        overlap += len({*one} & {*two}) / most if most else 1.0
        used = (a != 0) | (b != 0)
        if used.sum() > 1:
            ranks.append(_spearman(a[used], b[used]))
    return {
        "rows": len(path),
        "top1": first / len(path),
        "top4": overlap / len(path),
        "rank": float(np.mean(ranks)) if ranks else 1.0,
    }


def compared(model: TrainedModel, matrix: Floats, seed: int) -> dict[str, object]:
    """What the manifest keeps under `reasons`: agreement on (up to a thousand of) these rows, and which attribution notices use.

    Exact values come from LightGBM here; `exact_contributions` gives the same ones row by row.
    """
    trees = model.trees
    leaves = int((trees.read < 0).sum())
    affordable = int(EFFORT / max(1, leaves * (trees.depth + 1) ** 2))
    count = min(len(matrix), ROWS, max(LEAST_ROWS, affordable))
    rows = np.sort(np.random.default_rng(seed).permutation(len(matrix))[:count])
    sample = matrix[rows]
    path = np.array([trees.walk(row)[1] for row in sample])
    found = agreement(path, _by_lightgbm(model.booster, sample))
    used = "path" if found["top4"] >= ENOUGH_OVERLAP else "exact"
    return {"used": used, "threshold": ENOUGH_OVERLAP, **found}


def usual(matrix: Floats, names: Sequence[str]) -> dict[str, float]:
    """The median of each feature that is ever known: what a person's value is high or low against."""
    known = np.asarray(~np.isnan(matrix).all(axis=0), np.bool_)
    middle = cast(list[float], np.nanmedian(matrix[:, known], axis=0).tolist())
    return dict(
        zip([name for name, there in zip(names, known.tolist(), strict=True) if there], middle, strict=True)
    )


def _by_lightgbm(text: str, matrix: Floats) -> Floats:
    import lightgbm

    booster: Any = lightgbm.Booster(model_str=text)
    return cast(Floats, booster.predict(matrix, pred_contrib=True))[:, :-1]


def _spearman(a: Floats, b: Floats) -> float:
    first, second = _ranks(a), _ranks(b)
    spread = float(first.std() * second.std())
    return float(((first - first.mean()) * (second - second.mean())).mean() / spread) if spread else 1.0


def _ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]
