"""Metrics against definitions spelled out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelyrain.risk import metrics
from timelyrain.risk.metrics import auc, ece, ks


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60))
def test_auc_and_ks_equal_their_definitions(cases: list[tuple[bool, int]]):
    labels = np.array([int(bad) for bad, _ in cases], np.int64)
    score = np.array([s / 6 for _, s in cases])
    if not 0 < labels.sum() < len(labels):
        return
    bad, good = score[labels == 1], score[labels == 0]
    pairs = [(b > g) + 0.5 * (b == g) for b in bad for g in good]
    assert auc(labels, score) == pytest.approx(np.mean(pairs))
    gaps = [abs((bad <= cut).mean() - (good <= cut).mean()) for cut in score]
    assert ks(labels, score) == pytest.approx(max(gaps))


def test_ece_is_the_gap_where_every_bin_is_off_by_the_same():
    labels = np.array([0, 0, 0, 0, 1] * 200, np.int64)
    assert ece(labels, np.full(1000, 0.2)) == pytest.approx(0.0)
    assert ece(labels, np.full(1000, 0.5)) == pytest.approx(0.3)


def test_perfect_and_reversed_scores():
    labels = np.array([0, 0, 1, 1], np.int64)
    found = metrics(labels, labels.astype(np.float64))
    assert (found["auc"], found["ks"], found["gini"], found["brier"]) == (1.0, 1.0, 1.0, 0.0)
    assert metrics(labels, 1.0 - labels)["auc"] == 0.0
