"""A LightGBM text model as flat arrays: one row walks all trees at once, with the parts each feature added.

The sum equals `Booster.predict(raw_score=True)` bit for bit (leaf values are added tree by tree, in order). The parts
are path (Saabas) contributions: along the path, the change of the node's value is given to the feature that split it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_DEFAULT_LEFT = 2
_ZERO = 1e-35
"""LightGBM's kZeroThreshold."""


class UnsupportedModel(ValueError):
    """The model uses something this walker does not read (categorical splits, linear leaves, several classes)."""


@dataclass(frozen=True, eq=False)
class FlatTrees:
    """Nodes of all trees end to end; a leaf points to itself. value[node] is the output if the walk stopped there."""

    roots: Ints
    depth: int
    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    default_left: npt.NDArray[np.bool_]
    missing: Ints
    """Per node: 0 none (NaN counts as 0), 1 zero is missing, 2 NaN is missing."""
    value: Floats
    features: int

    def walk(self, row: Floats) -> tuple[float, Floats]:
        """(raw score in log-odds, contributions float64[features]) of one row with NaN for missing."""
        node = self.roots
        features: list[Ints] = []
        parts: list[Floats] = []
        for _ in range(self.depth):
            read = self.feature[node]
            x = row[read]
            absent = np.isnan(x)
            kind = self.missing[node]
            x = np.where(absent & (kind != 2), 0.0, x)
            default = np.where(kind == 2, absent, (kind == 1) & (np.abs(x) <= _ZERO))
            go_left = np.where(default, self.default_left[node], x <= self.threshold[node])
            after = np.where(go_left, self.left[node], self.right[node])
            features.append(read)
            parts.append(self.value[after] - self.value[node])
            node = after
        raw = float(np.cumsum(self.value[node])[-1]) if len(node) else 0.0
        if not parts:
            return raw, np.zeros(self.features)
        added: Floats = np.bincount(np.concatenate(features), np.concatenate(parts), self.features).astype(
            np.float64
        )
        return raw, added


def flatten(model: str, features: int) -> FlatTrees:
    """Read the text of `Booster.model_to_string()`. Raises UnsupportedModel."""
    if "\nnum_class=1\n" not in model or "\naverage_output" in model:
        raise UnsupportedModel(
            "not a boosted model of one class: train with objective binary and boosting gbdt"
        )
    columns: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in _COLUMNS}
    roots: list[int] = []
    total = depth = 0
    for tree in _trees(model):
        nodes, deep = _nodes(tree, total)
        for name in _COLUMNS:
            columns[name].append(nodes[name])
        roots.append(total)
        total += len(nodes["value"])
        depth = max(depth, deep)
    whole = {name: np.concatenate(parts) if parts else np.zeros(0) for name, parts in columns.items()}
    return FlatTrees(
        np.array(roots, np.int64),
        depth,
        whole["feature"].astype(np.int64),
        whole["threshold"].astype(np.float64),
        whole["left"].astype(np.int64),
        whole["right"].astype(np.int64),
        whole["default_left"].astype(np.bool_),
        whole["missing"].astype(np.int64),
        whole["value"].astype(np.float64),
        features,
    )


_COLUMNS = ("feature", "threshold", "left", "right", "default_left", "missing", "value")


def _trees(model: str) -> Iterator[Mapping[str, str]]:
    body = model.split("\nend of trees", 1)[0]
    for block in body.split("\nTree=")[1:]:
        tree = dict(line.split("=", 1) for line in block.splitlines()[1:] if "=" in line)
        if tree.get("num_cat", "0") != "0" or tree.get("is_linear", "0") != "0":
            raise UnsupportedModel(
                "categorical splits and linear leaves are not read: encode categories as numbers"
            )
        yield tree


def _nodes(tree: Mapping[str, str], base: int) -> tuple[Mapping[str, npt.NDArray[Any]], int]:
    """Inner nodes first, then leaves, as in LightGBM; child ~i (negative) is leaf i."""
    leaves = int(tree["num_leaves"])
    inner = leaves - 1
    own = base + np.arange(inner + leaves)

    def ints(key: str) -> Ints:
        return np.array(tree[key].split() if inner else [], np.int64)

    def floats(key: str, size: int) -> Floats:
        return np.array(tree[key].split() if size else [], np.float64)

    def child(key: str) -> Ints:
        raw = ints(key)
        return np.concatenate([base + np.where(raw >= 0, raw, inner + ~raw), own[inner:]])

    decision = ints("decision_type")
    pad = np.zeros(leaves, np.int64)
    left, right = child("left_child"), child("right_child")
    nodes: dict[str, npt.NDArray[Any]] = {
        "feature": np.concatenate([ints("split_feature"), pad]),
        "threshold": np.concatenate([floats("threshold", inner), np.full(leaves, np.inf)]),
        "left": left,
        "right": right,
        "default_left": np.concatenate([(decision & _DEFAULT_LEFT) > 0, pad > 0]),
        "missing": np.concatenate([decision >> 2 & 3, pad]),
        "value": np.concatenate([floats("internal_value", inner), floats("leaf_value", leaves)]),
    }
    return nodes, _depth(left - base, right - base, inner)


def _depth(left: Ints, right: Ints, inner: int) -> int:
    level, depth = np.zeros(1, np.int64), 0
    while len(level := level[level < inner]):
        level = np.concatenate([left[level], right[level]])
        depth += 1
    return depth
