"""One row through trees of every size: the plain walk, the compiled one and LightGBM give the same bits."""

import lightgbm as lgb
import numpy as np
import pytest

from timelyrain.risk.trees import flatten, kernels

RNG = np.random.default_rng(5)
MATRIX = np.where(RNG.random((6_000, 6)) < 0.1, np.nan, RNG.normal(size=(6_000, 6)).round(1))
LABELS = RNG.random(6_000) < 1 / (1 + np.exp(-np.nan_to_num(MATRIX).sum(1)))


@pytest.mark.parametrize(("leaves", "trees"), [(2, 30), (64, 5), (65, 5), (300, 4)])
def test_trees_of_any_number_of_leaves(leaves: int, trees: int):
    params = {"objective": "binary", "verbosity": -1, "num_leaves": leaves, "min_data_in_leaf": 1, "seed": 1}
    booster = lgb.train({**params, "num_threads": 1}, lgb.Dataset(MATRIX, LABELS), trees)
    flat = flatten(booster.model_to_string(), MATRIX.shape[1])
    for row, raw in zip(MATRIX[:300], booster.predict(MATRIX[:300], raw_score=True), strict=True):
        found, parts = flat.walk_plain(row)
        assert found == raw
        if kernels():
            again, others = flat.walk_compiled(row)
            assert again == raw and others.tobytes() == parts.tobytes()


@pytest.mark.parametrize("labels", [np.zeros(200), np.arange(200) % 2])
def test_a_tree_without_a_split_adds_its_leaf(labels: np.ndarray):
    params = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 150, "num_threads": 1}
    booster = lgb.train(params, lgb.Dataset(MATRIX[:200], labels), 3)
    flat = flatten(booster.model_to_string(), MATRIX.shape[1])
    raw, parts = flat.walk_plain(MATRIX[0])
    expected = np.asarray(booster.predict(MATRIX[:1], raw_score=True))
    assert raw == expected[0] and not parts.any()


def test_a_leaf_alone_among_trees():
    booster = lgb.train(
        {"objective": "binary", "verbosity": -1, "num_threads": 1}, lgb.Dataset(MATRIX, LABELS), 3
    )
    lone = "\nTree=3\nnum_leaves=1\nnum_cat=0\nleaf_value=0.25\nis_linear=0\n\n\nend of trees"
    text = booster.model_to_string().replace("\nend of trees", lone)
    rows = np.concatenate([MATRIX[:20], np.full((1, MATRIX.shape[1]), np.nan)])
    expected = booster.predict(rows, raw_score=True) + 0.25
    assert [flatten(text, MATRIX.shape[1]).walk_plain(row)[0] for row in rows] == expected.tolist()
