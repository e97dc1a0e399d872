"""Exact reasons are Shapley values, are LightGBM's own, and are used where the path's differ too often."""

from itertools import combinations
from math import factorial

import lightgbm
import numpy as np
import pytest

from timelyrain import risk
from timelyrain.risk import reasons


def _loans(rows: int = 3000, features: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(rows, features))
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    matrix[:, 3] = np.round(np.abs(matrix[:, 3]))
    matrix[:, 4] = rng.random(rows) < 0.3
    seen = np.nan_to_num(matrix)
    z = 1.2 * seen[:, 0] + seen[:, 1] * seen[:, 2] + seen[:, 4] - 1
    return matrix, (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(np.int64)


@pytest.fixture(scope="module")
def trained() -> tuple[risk.TrainedModel, np.ndarray]:
    matrix, labels = _loans()
    return risk.train(matrix, labels, [f"f{i}" for i in range(7)]), matrix[:200]


@pytest.mark.parametrize("params", [{}, {"zero_as_missing": True}, {"use_missing": False, "num_leaves": 40}])
def test_exact_parts_are_those_of_lightgbm(params: dict[str, object]) -> None:
    matrix, labels = _loans()
    data = lightgbm.Dataset(matrix, labels, params={"verbosity": -1, **params})
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, **params}, data, 40)
    theirs = np.asarray(booster.predict(matrix[:100], pred_contrib=True))
    exact = reasons.read_exact(booster.model_to_string(), 7)
    ours = np.array([exact.parts(row) for row in matrix[:100]])
    assert np.abs(ours - theirs[:, :-1]).max() < 1e-9
    assert exact.base == pytest.approx(theirs[0, -1], abs=1e-9)


def test_exact_parts_are_shapley_values_by_their_definition(
    trained: tuple[risk.TrainedModel, np.ndarray],
) -> None:
    """The sum over all subsets of features, each valued by walking the trees with what is not in it unknown."""
    model, rows = trained
    exact = reasons.read_exact(model.booster, 7)

    def worth(row: np.ndarray, known: frozenset[int]) -> float:
        total = exact.base - sum(float((g.value * g.share.prod(axis=1)).sum()) for g in exact.groups)
        for group in exact.groups:
            x = row[group.feature]
            inside = np.where(np.isnan(x), group.lost, (group.low < x) & (x <= group.high))
            inside = np.where(np.abs(x) <= 1e-35, group.zero, inside)
            part = np.where(np.isin(group.feature, list(known)), inside, group.share)
            total += float((group.value * part.prod(axis=1)).sum())
        return total

    for row in rows[:3]:
        everything = frozenset(range(7))
        for feature in (0, 2, 4):
            value = 0.0
            for size in range(7):
                weight = factorial(size) * factorial(6 - size) / factorial(7)
                for chosen in combinations(sorted(everything - {feature}), size):
                    some = frozenset(chosen)
                    value += weight * (worth(row, some | {feature}) - worth(row, some))
            assert exact.parts(row)[feature] == pytest.approx(value, abs=1e-9)


def test_parts_add_up_to_the_score(trained: tuple[risk.TrainedModel, np.ndarray]) -> None:
    model, rows = trained
    exact = reasons.read_exact(model.booster, 7)
    for row in rows[:20]:
        assert exact.base + exact.parts(row).sum() == pytest.approx(model.trees.walk(row)[0], abs=1e-9)
        calibrated = sum(risk.exact_contributions(model, row)) / model.slope
        assert calibrated == pytest.approx(exact.parts(row).sum(), abs=1e-9)


def test_training_records_how_far_the_reasons_agree(trained: tuple[risk.TrainedModel, np.ndarray]) -> None:
    model, _ = trained
    found = model.manifest["reasons"]
    assert isinstance(found, dict)
    assert found["rows"] == 600, "the test part"
    assert 0 < found["top4"] <= 1 and 0 < found["top1"] <= 1 and -1 <= found["rank"] <= 1
    assert found["used"] == ("path" if found["top4"] >= 0.8 else "exact") == risk.reasons_method(model)
    assert risk.reasons_method(risk.TrainedModel.from_bytes(model.content, {})) == "exact", "never compared"
    assert set(model.manifest["typical"]) == set(model.feature_names)


def test_agreement_counts_what_people_would_be_told() -> None:
    path = np.array([[3.0, 2.0, 1.0, 0.5, 0.1, -9.0], [1.0, 2.0, 0.0, 0.0, 0.0, 0.0]])
    exact = np.array([[3.0, 2.0, 1.0, 0.1, 0.5, -9.0], [2.0, 1.0, 0.0, 0.0, 0.0, 0.0]])
    found = risk.agreement(path, exact)
    assert found["top1"] == 0.5
    assert found["top4"] == pytest.approx((3 / 4 + 1) / 2)
    assert found["rank"] == pytest.approx((1 - 6 * 2 / (6 * 35) - 1) / 2), (
        "one swap of six; two the other way round"
    )
    same = risk.agreement(path, path)
    assert (same["top1"], same["top4"], same["rank"]) == (1, 1, 1)
