"""One idea: every model is a sum of trees. Scorecards, additive models and oblivious trees are written as LightGBM text, and a
blend is its members' trees end to end with their leaves weighted: one file, one walk and one kind of reason serve them all.

What a tree compares are columns of the recipe's matrix; missing is NaN there, a special code is 1 in a column of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np

from .binning import Binning
from .preparing import Recipe, code_name
from .scorecard import Scorecard
from .tables import Floats

_HELD = 1e300
"""`x <= _HELD` says that x is not missing; LightGBM's text holds nothing larger."""
_NAN, _NAN_LEFT = 8, 10
"""decision_type: missing is NaN, and goes right, or left."""
_TIMES = 100
"""Rows are counted so many times, and a leaf without any once: TreeSHAP divides by them."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """rows: of the training; path attribution and TreeSHAP weigh by them."""

    value: float
    rows: int


@dataclass(frozen=True, eq=False)
class Node:
    """x <= threshold goes left; missing goes right, or left where said."""

    feature: int
    threshold: float
    left: "Node | Leaf"
    right: "Node | Leaf"
    missing_left: bool = False


def text(trees: Sequence["Node | Leaf"], features: int) -> str:
    """LightGBM text of a sum of trees."""
    return _whole([_block(tree) for tree in trees], features)


def joined(texts: Sequence[str], weights: Sequence[float], features: int) -> str:
    """One text whose raw score is the weighted sum of those given."""
    blocks: list[str] = []
    for one, weight in zip(texts, weights, strict=True):
        body = one[one.index("\nTree=") + 1 : one.index("end of trees")]
        for block in body.split("Tree=")[1:]:
            lines = block.rstrip("\n").split("\n")[1:]
            blocks.append("\n".join(_scaled(line, weight) for line in lines))
    return _whole(blocks, features)


def _whole(bodies: Sequence[str], features: int) -> str:
    blocks = [f"Tree={i}\n{body}\n\n\n" for i, body in enumerate(bodies)]
    head = "\n".join(
        (
            "tree", "version=v4", "num_class=1", "num_tree_per_iteration=1", "label_index=0",
            f"max_feature_idx={features - 1}", "objective=binary sigmoid:1",
            "feature_names=" + " ".join(f"f{i}" for i in range(features)),
            "feature_infos=" + " ".join(["[-1e300:1e300]"] * features),
            "tree_sizes=" + " ".join(str(len(block)) for block in blocks),
        )
    )  # fmt: skip
    return f"{head}\n\n{''.join(blocks)}end of trees\n\nparameters:\nend of parameters\n\npandas_categorical:null\n"


def _scaled(line: str, weight: float) -> str:
    name, equals, values = line.partition("=")
    if name not in ("leaf_value", "internal_value"):
        return line
    return name + equals + " ".join([repr(float(value) * weight) for value in values.split()])


def _block(tree: "Node | Leaf") -> str:
    nodes: list[Node] = []
    leaves: list[Leaf] = []
    counts: list[int] = []
    left: list[int] = []
    right: list[int] = []
    inner: list[tuple[float, int]] = []  # mean value and rows of each node

    def put(one: "Node | Leaf") -> tuple[int, float, int]:
        if isinstance(one, Leaf):
            leaves.append(one)
            counts.append(max(1, one.rows * _TIMES))
            return -len(leaves), one.value, counts[-1]
        at = len(nodes)
        nodes.append(one)
        left.append(0)
        right.append(0)
        inner.append((0.0, 0))
        left[at], value, rows = put(one.left)
        right[at], other, others = put(one.right)
        total = rows + others
        mean = (value * rows + other * others) / total
        inner[at] = mean, total
        return at, mean, total

    put(tree)
    parts: list[tuple[str, Sequence[object]]] = [
        ("split_feature", [node.feature for node in nodes]),
        ("split_gain", [1] * len(nodes)),
        ("threshold", [repr(node.threshold) for node in nodes]),
        ("decision_type", [_NAN_LEFT if node.missing_left else _NAN for node in nodes]),
        ("left_child", left),
        ("right_child", right),
        ("leaf_value", [repr(leaf.value) for leaf in leaves]),
        ("leaf_weight", counts),
        ("leaf_count", counts),
        ("internal_value", [repr(value) for value, _ in inner]),
        ("internal_weight", [rows for _, rows in inner]),
        ("internal_count", [rows for _, rows in inner]),
    ]
    lines = [f"{name}={' '.join(map(str, values))}" for name, values in parts]
    return "\n".join([f"num_leaves={len(leaves)}", "num_cat=0", *lines, "is_linear=0", "shrinkage=1"])


def intervals(feature: int, cuts: Sequence[float], leaves: Sequence["Node | Leaf"]) -> "Node | Leaf":
    """A balanced tree over the intervals that `cuts` part; (cut before, cut] is leaves[i]."""
    if len(leaves) == 1:
        return leaves[0]
    middle = len(leaves) // 2
    return Node(
        feature, cuts[middle - 1],
        intervals(feature, cuts[: middle - 1], leaves[:middle]), intervals(feature, cuts[middle:], leaves[middle:]),
    )  # fmt: skip


def of_card(card: Scorecard, recipe: Recipe, matrix: Floats) -> str:
    """A scorecard: one small tree per characteristic, its leaves the bins' log-odds. matrix: of the rows it was fitted to."""
    trees: list[Node | Leaf] = [Leaf(card.intercept, 0)]
    for bins, coefficient in zip(card.bins, card.coefficients, strict=True):
        leaves = [Leaf(coefficient * w, n) for w, n in zip(bins.woe, bins.rows, strict=True)]
        trees.append(_of_bins(bins, leaves, recipe, matrix))
    return text(trees, len(recipe.features))


def _of_bins(bins: Binning, leaves: Sequence[Leaf], recipe: Recipe, matrix: Floats) -> "Node | Leaf":
    at = recipe.features.index(bins.name)
    if bins.name in recipe.levels:
        return _of_groups(bins, leaves, recipe.levels[bins.name], at, matrix[:, at])
    tree = Node(at, _HELD, intervals(at, bins.cuts, leaves[: bins.ordinary]), leaves[-1])
    for code, leaf in zip(bins.specials, leaves[bins.ordinary : -1], strict=True):
        tree = Node(recipe.features.index(code_name(bins.name, code)), 0.5, tree, leaf, True)
    return tree


def _of_groups(
    bins: Binning, leaves: Sequence[Leaf], values: Mapping[str, float], at: int, seen: Floats
) -> "Node | Leaf":
    """Neighbours on the recipe's scale that share a bin share a leaf. No two levels have the same value there."""
    group = {level: i for i, levels in enumerate(bins.groups) for level in levels}
    order = sorted(values, key=lambda level: values[level])
    place = [group.get(level, len(leaves) - 1) for level in order]
    ends = [i for i, (here, after) in enumerate(pairwise(place)) if here != after]
    cuts = [(values[order[i]] + values[order[i + 1]]) / 2 for i in ends]
    rows = np.bincount(np.searchsorted(cuts, seen, side="left"), minlength=len(ends) + 1).tolist()
    parts = [Leaf(leaves[place[i]].value, n) for i, n in zip([*ends, len(order) - 1], rows, strict=True)]
    return intervals(at, cuts, parts)


def of_additive(
    intercept: float, terms: Sequence[tuple[tuple[int, ...], Sequence[Floats], Floats, Floats]], features: int
) -> str:
    """An explainable boosting machine. terms: (features, cuts of each, scores, rows), the first of each axis being missing and
    the last unknown; x < cut goes left there, so that the threshold is the number just below the cut."""
    trees: list[Node | Leaf] = [Leaf(intercept, 0)]
    for places, cuts, scores, rows in terms:
        trees.append(_grid(places, [np.nextafter(edges, -np.inf).tolist() for edges in cuts], scores, rows))
    return text(trees, features)


def _grid(places: Sequence[int], cuts: Sequence[list[float]], scores: Floats, rows: Floats) -> "Node | Leaf":
    if not places:
        return Leaf(float(scores), int(rows))
    below = [_grid(places[1:], cuts[1:], scores[i], rows[i]) for i in range(len(cuts[0]) + 2)]
    return Node(places[0], _HELD, intervals(places[0], cuts[0], below[1:]), below[0])


def of_oblivious(model: Mapping[str, Any], features: int) -> str:
    """CatBoost's JSON: all nodes of a level ask the same, x as float32 > border; missing counts as the least value."""
    scale, (bias,) = cast(tuple[float, list[float]], model["scale_and_bias"])
    trees: list[Node | Leaf] = [Leaf(bias, 0)]
    for one in cast(list[dict[str, Any]], model["oblivious_trees"]):
        values, weights = one["leaf_values"], one["leaf_weights"]
        splits = [(int(s["float_feature_index"]), _below(float(s["border"]))) for s in one["splits"] or ()]

        def put(level: int, leaf: int) -> Node | Leaf:
            if level < 0:
                return Leaf(scale * values[leaf], round(weights[leaf]))  # noqa: B023
            feature, threshold = splits[level]  # noqa: B023
            return Node(feature, threshold, put(level - 1, leaf), put(level - 1, leaf | 1 << level), True)

        trees.append(put(len(splits) - 1, 0))
    return text(trees, features)


def _below(border: float) -> float:
    """The greatest double that is not above the border once it is rounded to float32."""
    edge = np.float32(border)
    middle = (float(edge) + float(np.nextafter(edge, np.float32(np.inf)))) / 2
    return middle if np.float32(middle) <= edge else float(np.nextafter(middle, -np.inf))
