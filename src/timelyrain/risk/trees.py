"""A LightGBM text model as flat arrays: one row walks all trees at once, with the parts each feature added.

The sum equals `Booster.predict(raw_score=True)` bit for bit (leaf values are added tree by tree, in order). The parts
are path (Saabas) contributions: along the path, the change of the node's value is given to the feature that split it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_DEFAULT_LEFT = 2
_ZERO = 1e-35
"""LightGBM's kZeroThreshold."""


@cache
def kernels() -> Any:
    """The compiled walks; None without numba or with TIMELYRAIN_NUMBA=0: the same bits, later."""
    if os.environ.get("TIMELYRAIN_NUMBA") == "0":
        return None
    try:
        from . import kernels as module
    except ImportError:
        return None
    return module


_compiling: list[Thread] = []


class UnsupportedModel(ValueError):
    """The model uses something this walker does not read (categorical splits, linear leaves, several classes)."""


@dataclass(frozen=True, eq=False)
class FlatTrees:
    """Nodes of all trees end to end. value[node] is the output if the walk stopped there.

    A node asks one thing: is seen[read[node]] <= threshold[node]? Yes leads to child[node, 1], no and NaN to child[node, 0].
    What is seen is a feature, with missing values as the node counts them (kind 0: as 0, 1: zero is missing too, 2: NaN), and
    with its sign turned where missing values go left. A leaf has read -1 and is its own child.
    """

    roots: Ints
    depth: int
    feature: Ints
    read: npt.NDArray[np.int32]
    threshold: Floats
    child: npt.NDArray[np.int32]
    value: Floats
    features: int
    seen_feature: Ints
    seen_kind: Ints
    seen_sign: Floats

    def walk(self, row: Floats) -> tuple[float, Floats]:
        """(raw score in log-odds, contributions float64[features]) of one row with NaN for missing."""
        if kernels() is None or not self._ready(row):
            return self.walk_plain(row)
        return self.walk_compiled(row)

    def _ready(self, row: Floats) -> bool:
        """Whether the walk is compiled. If not, a thread compiles it (on this row) while numpy does the work."""
        if not _compiling:
            _compiling.append(Thread(target=self.walk_compiled, args=(row.copy(),), name="compile the walk"))
            _compiling[0].start()
        return not _compiling[0].is_alive()

    def walk_compiled(self, row: Floats) -> tuple[float, Floats]:
        """`walk` with numba, which is there; compiles at its first call."""
        parts = np.zeros(self.features)
        raw: float = kernels().walk(
            row, self.seen_feature, self.seen_kind, self.seen_sign, _ZERO, self.roots, self.read, self.threshold,
            self.child, self.value, self.feature, parts,
        )  # fmt: skip
        return raw, parts

    def walk_plain(self, row: Floats) -> tuple[float, Floats]:
        """`walk` without numba: all trees go down a level together."""
        seen = self.seen(row)
        below = self.child.ravel()
        paths = np.empty((self.depth + 1, len(self.roots)), np.int64)
        paths[0] = node = self.roots
        moving = np.arange(len(self.roots))
        for level in range(self.depth):
            yes = seen.take(self.read.take(node)) <= self.threshold.take(node)
            paths[level + 1] = paths[level]
            paths[level + 1, moving] = node = below.take(2 * node + yes)
            going = np.flatnonzero(self.read.take(node) >= 0)
            moving, node = moving.take(going), node.take(going)
        if not len(self.roots):
            return 0.0, np.zeros(self.features)
        values = self.value[paths]
        # contributions are added tree by tree, from the root down
        steps = (values[1:] - values[:-1]).T.ravel()
        parts = np.bincount(self.feature[paths[:-1]].T.ravel(), steps, self.features)
        return float(np.cumsum(values[-1])[-1]), parts.astype(np.float64)

    def seen(self, row: Floats) -> Floats:
        """What the nodes compare, float64[seen]."""
        values = row[self.seen_feature]
        absent = np.isnan(values)
        values = np.where(absent & (self.seen_kind == 0), 0.0, values)
        values = np.where((self.seen_kind == 1) & (absent | (np.abs(values) <= _ZERO)), np.nan, values)
        return values * self.seen_sign

    def raw(self, matrix: Floats) -> Floats:
        """Raw scores of many rows, bit-equal to `walk`."""
        found = np.empty(len(matrix))
        module = kernels()
        if module is None:
            for at, row in enumerate(matrix):
                found[at] = self.walk_plain(row)[0]
        else:
            module.walk_rows(
                matrix, self.seen_feature, self.seen_kind, self.seen_sign, _ZERO, self.roots, self.read,
                self.threshold, self.child, self.value, found,
            )  # fmt: skip
        return found


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
    return _turned(whole, np.array(roots, np.int64), depth, features)


def _turned(nodes: Mapping[str, npt.NDArray[Any]], roots: Ints, depth: int, features: int) -> FlatTrees:
    """Nodes as FlatTrees asks them. Where missing goes left, x <= t is asked as not (x > t), that is not (-x <= -next(t))."""
    feature, kind = nodes["feature"].astype(np.int64), nodes["missing"].astype(np.int64)
    left, right = nodes["left"].astype(np.int32), nodes["right"].astype(np.int32)
    threshold = nodes["threshold"].astype(np.float64)
    leaf = left == np.arange(len(left))
    turned = nodes["default_left"].astype(np.bool_) & (kind != 0) & ~leaf
    asked = np.stack([feature, kind, turned.astype(np.int64)], 1)[~leaf].reshape(-1, 3)
    seen, place = np.unique(asked, axis=0, return_inverse=True)
    read = np.full(len(left), -1, np.int32)
    read[~leaf] = place.ravel()
    return FlatTrees(
        roots,
        depth,
        np.where(leaf, 0, feature),
        read,
        np.where(turned, -np.nextafter(threshold, np.inf), threshold),
        np.stack([np.where(turned, left, right), np.where(turned, right, left)], 1).astype(np.int32),
        nodes["value"].astype(np.float64),
        features,
        seen[:, 0].copy(),
        seen[:, 1].copy(),
        np.where(seen[:, 2] == 1, -1.0, 1.0),
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
