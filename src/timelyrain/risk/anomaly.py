"""How unlike the others an application is: an isolation forest, written as a LightGBM text that the kernel walks (trees.py).

A tree splits a small sample at random until everybody stands alone; who is soon alone is odd (Liu, Ting, Zhou 2008). The raw
score is minus the mean depth, in units of the depth expected of a sample of that size. The logistic curve of the model is laid
through the median (0.5) and the 99th percentile (0.99) of the rows it was fitted to: 990,000 ppm is reached by one in a hundred.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log

import numpy as np

from .model import TrainedModel, data_sha256, encode
from .problems import TrainingDataInvalid
from .trees import Floats, flatten

TREES = 200
SAMPLE = 256
TOP = 0.99
_EULER = 0.5772156649015329
_NAN_MISSING, _MISSING_LEFT = 2 << 2, 2


def fit_anomaly(
    matrix: Floats, names: Sequence[str], *, seed: int = 1, trees: int = TREES, sample: int = SAMPLE
) -> TrainedModel:
    """matrix: float64[n, k], NaN for missing. No labels are looked at. Raises TrainingDataInvalid."""
    if matrix.ndim != 2 or matrix.shape[1] != len(names) or len(matrix) < 2 * sample:
        raise TrainingDataInvalid(
            f"matrix of shape {matrix.shape}: give one column for each of {len(names)} names and at least {2 * sample} rows"
        )
    if np.isinf(matrix).any():
        raise TrainingDataInvalid("the matrix holds infinity: give NaN for missing")
    rng = np.random.default_rng(seed)
    deepest = int(np.ceil(np.log2(sample)))
    grown = [_Tree() for _ in range(trees)]
    for tree in grown:
        tree.grow(
            matrix[rng.choice(len(matrix), sample, replace=False)],
            deepest,
            trees * expected_depth(sample),
            rng,
        )
    text = _text(grown, len(names))
    raw = flatten(text, len(names)).raw(np.ascontiguousarray(matrix))
    middle, high = np.quantile(raw, (0.5, TOP))
    if not high > middle:
        raise TrainingDataInvalid("all rows are alike: no forest can tell them apart")
    slope = log(TOP / (1 - TOP)) / float(high - middle)
    manifest: dict[str, object] = {
        "algorithm": "isolation forest",
        "role": "anomaly",
        "params": {"trees": trees, "sample": sample, "depth": deepest},
        "seed": seed,
        "rows": len(matrix),
        "features": list(names),
        "data_sha256": data_sha256(matrix, np.zeros(len(matrix), np.int64), names),
        "calibration": {"method": "median at 0.5, 99th percentile at 0.99", "slope": slope},
    }
    return TrainedModel.from_bytes(encode(text, tuple(names), slope, -slope * float(middle)), manifest)


def expected_depth(rows: int) -> float:
    """Mean depth at which one of so many stands alone: that of a failed search in a binary tree."""
    if rows <= 1:
        return 0.0
    return 1.0 if rows == 2 else 2 * (log(rows - 1) + _EULER) - 2 * (rows - 1) / rows


@dataclass(eq=False)
class _Tree:
    """Inner nodes and leaves as LightGBM numbers them: child ~i (negative) is leaf i."""

    feature: list[int] = field(default_factory=list[int])
    threshold: list[float] = field(default_factory=list[float])
    decision: list[int] = field(default_factory=list[int])
    left: list[int] = field(default_factory=list[int])
    right: list[int] = field(default_factory=list[int])
    inner: list[float] = field(default_factory=list[float])
    leaf: list[float] = field(default_factory=list[float])
    count: list[int] = field(default_factory=list[int])

    def grow(self, rows: Floats, deepest: int, scale: float, rng: np.random.Generator) -> None:
        self._node(rows, 0, deepest, scale, rng)

    def _node(
        self, rows: Floats, depth: int, deepest: int, scale: float, rng: np.random.Generator
    ) -> tuple[int, float]:
        """(number of the node, its value): a leaf's value is minus its depth over the scale, an inner one's the mean below."""
        split = _split(rows, rng) if depth < deepest and len(rows) > 1 else None
        if split is None:
            self.leaf.append(-(depth + expected_depth(len(rows))) / scale)
            self.count.append(len(rows))
            return ~(len(self.leaf) - 1), self.leaf[-1]
        feature, threshold, missing_left = split
        at = len(self.feature)
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.decision.append(_NAN_MISSING | (_MISSING_LEFT if missing_left else 0))
        for side in (self.left, self.right, self.inner):
            side.append(0)
        goes_left = rows[:, feature] <= threshold
        if missing_left:
            goes_left |= np.isnan(rows[:, feature])
        self.left[at], a = self._node(rows[goes_left], depth + 1, deepest, scale, rng)
        self.right[at], b = self._node(rows[~goes_left], depth + 1, deepest, scale, rng)
        share = float(goes_left.mean())
        self.inner[at] = share * a + (1 - share) * b
        return at, self.inner[at]


def _split(rows: Floats, rng: np.random.Generator) -> tuple[int, float, bool] | None:
    """(feature, threshold, do missing values go left): a random place between least and greatest value of a random
    feature that differs; missing values go with the larger part. None where nothing differs."""
    for feature in rng.permutation(rows.shape[1]).tolist():
        held = rows[:, feature][~np.isnan(rows[:, feature])]
        if not len(held) or held.min() == held.max():
            continue
        low, high = float(held.min()), float(held.max())
        threshold = low + float(rng.random()) * (high - low)
        if not low <= threshold < high:
            threshold = low
        return feature, threshold, bool((held <= threshold).mean() >= 0.5)
    return None


def _text(trees: Sequence[_Tree], features: int) -> str:
    blocks = [_block(i, tree) for i, tree in enumerate(trees)]
    head = [
        "tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0", f"max_feature_idx={features - 1}",
        "objective=regression", f"feature_names={' '.join(f'f{i}' for i in range(features))}",
        f"feature_infos={' '.join(['[-inf:inf]'] * features)}", f"tree_sizes={' '.join(str(len(b)) for b in blocks)}",
    ]  # fmt: skip
    return "\n".join(head) + "\n\n" + "".join(blocks) + "end of trees\n\nparameters:\nend of parameters\n"


def _block(number: int, tree: _Tree) -> str:
    inner = len(tree.feature)
    zeros = " ".join(["0"] * inner)
    lines = {
        "num_leaves": len(tree.leaf), "num_cat": 0, "split_feature": _row(tree.feature), "split_gain": zeros,
        "threshold": _row(tree.threshold), "decision_type": _row(tree.decision), "left_child": _row(tree.left),
        "right_child": _row(tree.right), "leaf_value": _row(tree.leaf), "leaf_weight": _row(tree.count),
        "leaf_count": _row(tree.count), "internal_value": _row(tree.inner), "internal_weight": zeros, "internal_count": zeros,
        "is_linear": 0, "shrinkage": 1,
    }  # fmt: skip
    return f"Tree={number}\n" + "\n".join(f"{name}={value}" for name, value in lines.items()) + "\n\n\n"


def _row(values: Sequence[float]) -> str:
    return " ".join(repr(value) for value in values)
