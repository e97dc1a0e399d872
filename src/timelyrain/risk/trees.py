"""A LightGBM text model as flat arrays: one row walks all trees at once, with the parts each feature added.

The sum equals `Booster.predict(raw_score=True)` bit for bit (leaf values are added tree by tree, in order). The parts
are path (Saabas) contributions: along the path, the change of the node's value is given to the feature that split it.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from threading import Thread
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_DEFAULT_LEFT = 2
_ZERO = 1e-35
"""LightGBM's kZeroThreshold."""
_ONE, _SHIFT = np.uint32(1), np.uint32(27)
_BIT = np.uint32(0x077CB531)  # a de Bruijn sequence: the position of a lone bit by one multiplication
_PLACE = np.empty(32, np.int64)
_PLACE[(_ONE << np.arange(32, dtype=np.uint32)) * _BIT >> _SHIFT] = np.arange(32)


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
        """`walk` without numba: every node of every tree answers; its leaf is the one that no answer rules out."""
        if not len(self.seen_feature):  # no tree splits
            return _sum(self.value[self.roots]), np.zeros(self.features)
        plan = self._plan
        yes = self.seen(row).take(plan.read) <= plan.threshold
        # all bits of a yes: quicker than a choice, which a processor would guess at
        everything = -yes.astype(np.int32)
        number = np.zeros(len(self.roots), np.int64)
        for word in range(len(plan.kept) - 1, -1, -1):
            left = np.bitwise_and.reduceat(plan.kept[word] | everything, plan.first).view(np.uint32)
            lowest = _PLACE.take((left & (~left + _ONE)) * _BIT >> _SHIFT) + 32 * word
            number = np.where(left != 0, lowest, number)
        number += plan.first_leaf
        # contributions are added tree by tree, from the root down
        sizes = plan.path_size.take(number)
        ends = np.cumsum(sizes)
        places = np.repeat(plan.path_first.take(number) + sizes - ends, sizes) + np.arange(int(ends[-1]))
        path = plan.path.take(places)
        parts = np.bincount(plan.split_by.take(path), plan.step.take(path), self.features)
        return _sum(self.value.take(plan.leaf.take(number))), parts.astype(np.float64, copy=False)

    @cached_property
    def _plan(self) -> "_Answers":
        return _answers(self)

    def seen(self, row: Floats) -> Floats:
        """What the nodes compare, float64[seen]."""
        values = row[self.seen_feature]
        absent = np.isnan(values)
        values = np.where(absent & (self.seen_kind == 0), 0.0, values)
        if self._zeros_missing:
            values = np.where((self.seen_kind == 1) & (absent | (np.abs(values) <= _ZERO)), np.nan, values)
        return values * self.seen_sign

    @cached_property
    def _zeros_missing(self) -> bool:
        return 1 in self.seen_kind

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


def _sum(values: Floats) -> float:
    """One after the other, as LightGBM adds."""
    return float(np.cumsum(values)[-1]) if len(values) else 0.0


@dataclass(frozen=True, eq=False)
class _Answers:
    """What `walk_plain` reads. Leaves of a tree are numbered from the side of yes; inner nodes stand tree by tree.

    kept[word]: leaves, 32 to a word, that stay possible when a node answers no, which are those outside its side of yes (a
    yes rules nobody out before the first that stays). path: nodes from below the root to each leaf, leaf by leaf.
    """

    read: Ints
    threshold: Floats
    kept: npt.NDArray[np.int32]
    first: Ints
    leaf: Ints
    first_leaf: Ints
    path: Ints
    path_first: Ints
    path_size: Ints
    step: Floats
    split_by: Ints


def _answers(trees: FlatTrees) -> _Answers:
    nodes, (no, yes) = len(trees.read), trees.child.T.astype(np.int64)
    levels = [trees.roots]  # inner nodes, level by level
    parent, tree = np.full(nodes, -1), np.zeros(nodes, np.int64)
    tree[trees.roots] = np.arange(len(trees.roots))
    while len(level := levels[-1]):
        levels[-1] = level = level[trees.read[level] >= 0]
        for side in (yes, no):
            parent[side[level]], tree[side[level]] = level, tree[level]
        levels.append(np.concatenate([yes[level], no[level]]))
    leaves, before = np.ones(nodes, np.int64), np.zeros(nodes, np.int64)
    for level in levels[::-1]:
        leaves[level] = leaves[yes[level]] + leaves[no[level]]
    for level in levels:
        before[yes[level]], before[no[level]] = before[level], before[level] + leaves[yes[level]]

    inner = np.concatenate([*levels, trees.roots])  # every root once more, so that no tree is without
    inner = inner[np.argsort(tree[inner], kind="stable")]
    words = -(-int(leaves[trees.roots].max()) // 32)
    after = before[inner] + np.where(trees.read[inner] < 0, 0, leaves[yes[inner]])
    low, high = (np.clip(end - 32 * np.arange(words)[:, None], 0, 32) for end in (before[inner], after))

    leaf = np.flatnonzero(trees.read < 0)
    leaf = leaf[np.lexsort((before[leaf], tree[leaf]))]
    size = np.zeros(nodes, np.int64)
    for level in levels:
        size[yes[level]] = size[no[level]] = size[level] + 1
    path_size = size[leaf]
    path_first = np.cumsum(path_size) - path_size
    path, place, node = np.zeros(int(path_size.sum()), np.int64), path_first + path_size - 1, leaf
    while len(node := node[(up := parent[node] >= 0)]):
        place = place[up]
        path[place] = node
        place, node = place - 1, parent[node]
    return _Answers(
        trees.read[inner].astype(np.int64),
        trees.threshold[inner],
        (~(_below(high) & ~_below(low))).astype(np.uint32).view(np.int32),
        np.flatnonzero(np.diff(tree[inner], prepend=-1)),
        leaf,
        np.cumsum(leaves[trees.roots]) - leaves[trees.roots],
        path,
        path_first,
        path_size,
        np.where(parent < 0, 0.0, trees.value - trees.value[parent]),
        np.where(parent < 0, 0, trees.feature[parent]),
    )


def _below(bits: Ints) -> Ints:
    """Words with so many of the lowest bits set."""
    return (1 << bits) - 1


def flatten(model: str, features: int) -> FlatTrees:
    """Read the text of `Booster.model_to_string()`. Raises UnsupportedModel."""
    if "\nnum_class=1\n" not in model or "\naverage_output" in model:
        raise UnsupportedModel(
            "not a boosted model of one class: train with objective binary and boosting gbdt"
        )
    columns: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in _COLUMNS}
    roots: list[int] = []
    total = depth = 0
    for tree in blocks(model):
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


def blocks(model: str) -> Iterator[Mapping[str, str]]:
    """The lines of each tree of a LightGBM text, by their names. Raises UnsupportedModel."""
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
