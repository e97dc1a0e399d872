"""Every kind of model as a sum of trees: the file's scores are those of the objects that were trained."""

import importlib.util
import json
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from timelyrain.risk import (
    ModelRefused,
    Scaling,
    TrainedModel,
    calibrating,
    forest,
    members,
    preparing,
    scorecard,
)
from timelyrain.risk.extras import CATBOOST, EBM
from timelyrain.risk.model import encode
from timelyrain.risk.tables import Column, named
from timelyrain.risk.trees import flatten

N = 1_500


def population(seed: int = 8) -> tuple[list[Column], np.ndarray]:
    """A number with gaps, one with two codes, one with few values, a category with gaps; a pair that matters."""
    rng = np.random.default_rng(seed)
    income, months, few = rng.normal(size=N), rng.integers(0, 200, N).astype(float), rng.integers(0, 4, N)
    town = rng.integers(0, 9, N)
    z = -1.2 - income + 0.004 * months * (few - 1.5) + 0.4 * (town % 3)
    labels = (rng.random(N) < 1 / (1 + np.exp(-z))).astype(np.int64)
    months[rng.random(N) < 0.08] = -999.0
    months[rng.random(N) < 0.05] = -998.0
    income[rng.random(N) < 0.1] = np.nan
    town[rng.random(N) < 0.05] = -1
    return [
        Column("income", "number", income),
        Column("months", "number", months, specials=(-999.0, -998.0)),
        Column("few", "number", few.astype(float)),
        Column("town", "category", codes=town, levels=tuple("abcdefghi")),
    ], labels


COLUMNS, LABELS = population()
RECIPE = preparing.learn(COLUMNS, LABELS)
MATRIX = preparing.matrix(RECIPE, COLUMNS)


def raw(text: str, matrix: np.ndarray) -> np.ndarray:
    """As LightGBM reads the text, which is as the kernel does to the bit."""
    found = np.asarray(lgb.Booster(model_str=text).predict(matrix, raw_score=True))
    assert flatten(text, matrix.shape[1]).raw(np.ascontiguousarray(matrix)).tobytes() == found.tobytes()
    return found


def test_a_scorecard_is_one_small_tree_per_characteristic():
    card = scorecard.fit(COLUMNS, LABELS)
    text = forest.of_card(card, RECIPE, MATRIX)
    assert raw(text, MATRIX) == pytest.approx(card.raw(COLUMNS), abs=1e-12)
    # the parts that a walk gives a feature are the points of its bin, less those of the mean row
    _, parts = flatten(text, MATRIX.shape[1]).walk(MATRIX[0])
    at = RECIPE.features.index("town")
    bins = next(one for one in card.bins if one.name == "town")
    weights = (
        card.coefficients[card.bins.index(bins)] * np.array(bins.woe)[bins.places(named(COLUMNS)["town"])]
    )
    assert parts[at] == pytest.approx(weights[0] - weights.mean(), abs=1e-4)
    shapley = np.asarray(lgb.Booster(model_str=text).predict(MATRIX, pred_contrib=True))
    assert shapley.sum(axis=1) == pytest.approx(card.raw(COLUMNS), abs=1e-9)
    assert shapley[:, at] == pytest.approx(weights - weights.mean(), abs=1e-4)


def fitted(*kinds: str) -> members.Fitted:
    return members.fit(
        COLUMNS, LABELS, np.arange(N), None, kinds=(*kinds, "scorecard"), monotone={"income": -1}, bins={},
        scaling=Scaling(), seed=1, threads=1, step=lambda share: None,
    )  # fmt: skip


def test_a_blend_is_its_members_end_to_end():
    made = fitted("lightgbm")
    of = {member.name: raw(member.text, MATRIX) for member in made.members}
    mixed = members.replace(made, blend={"lightgbm": 0.7, "scorecard": 0.4})
    assert raw(mixed.text("blend"), MATRIX) == pytest.approx(
        0.7 * of["lightgbm"] + 0.4 * of["scorecard"], abs=1e-12
    )
    pds = mixed.pds(COLUMNS, 1)
    assert pds["blend"] == pytest.approx(
        made.calibrations["blend"].pds(raw(mixed.text("blend"), MATRIX)), abs=1e-12
    )
    assert pds["scorecard"] == pytest.approx(made.card.pds(COLUMNS), abs=1e-12)


@pytest.mark.skipif(
    importlib.util.find_spec("catboost") is None, reason="catboost: pip install 'timelyrain[models]'"
)
def test_catboost_scores_as_its_own_library_does(tmp_path: Path):
    import catboost  # pyright: ignore[reportMissingImports]

    made = catboost.CatBoostClassifier(
        iterations=60, random_seed=3, verbose=False, allow_writing_files=False, **CATBOOST
    )
    made.fit(MATRIX, LABELS)
    made.save_model(str(tmp_path / "m.json"), format="json")
    text = forest.of_oblivious(json.loads((tmp_path / "m.json").read_bytes()), MATRIX.shape[1])
    # on values at and next to the borders as well, where float32 decides
    borders = [border for feature in json.loads((tmp_path / "m.json").read_bytes())["features_info"]["float_features"]
               for border in feature["borders"] or ()]  # fmt: skip
    rows = np.resize(np.array(borders), (300, MATRIX.shape[1]))
    for values in (MATRIX, rows, np.nextafter(rows, np.inf), rows * (1 + 6e-8)):
        assert raw(text, values) == pytest.approx(
            made.predict(values, prediction_type="RawFormulaVal"), abs=1e-9
        )
    both = fitted("catboost")
    assert {"catboost", "scorecard", "blend"} == both.pds(COLUMNS, 1).keys()


@pytest.mark.skipif(
    importlib.util.find_spec("interpret") is None, reason="interpret: pip install 'timelyrain[models]'"
)
def test_an_explainable_boosting_machine_scores_as_its_own_library_does():
    from interpret.glassbox import ExplainableBoostingClassifier  # pyright: ignore[reportMissingImports]

    from timelyrain.risk.extras import additive_terms

    made = ExplainableBoostingClassifier(
        feature_types=["continuous"] * MATRIX.shape[1], random_state=2, n_jobs=1, **{**EBM, "outer_bags": 2, "interactions": 2}
    )  # fmt: skip
    made.fit(MATRIX, LABELS)
    text = forest.of_additive(*additive_terms(made), MATRIX.shape[1])
    assert any(len(term) == 2 for term in made.term_features_)
    cuts = [cut for levels in made.bins_ for cut in levels[0]]
    for values in (MATRIX, np.resize(np.array(cuts), (300, MATRIX.shape[1])), MATRIX * np.nan):
        assert raw(text, values) == pytest.approx(np.asarray(made.decision_function(values)), abs=1e-9)


def test_a_kind_whose_library_is_absent_or_unknown_is_named(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="'forest': choose among lightgbm, scorecard"):
        members.check_kinds(["forest"])
    monkeypatch.setattr(members, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'timelyrain\[models\]'"):
        members.check_kinds(["catboost"])


def test_isotonic_is_taken_where_the_curve_is_bent_and_not_where_it_is_straight():
    rng = np.random.default_rng(5)
    z = rng.normal(-1.5, 1.5, 20_000)
    fold = rng.integers(0, 5, len(z))
    for bend in (0.0, 1.0):
        true = 1 / (1 + np.exp(-(z - bend * np.maximum(z, -1) * 0.8)))
        labels = (rng.random(len(z)) < true).astype(np.int64)
        made = calibrating.fit(z, labels, fold)
        assert bool(made.curve[0]) == bool(bend)
        assert np.abs(made.pds(z) - true).mean() < 0.015
        order = np.argsort(z)
        assert (np.diff(made.pds(z)[order]) >= 0).all()
        text = forest.text([forest.Node(0, 0.0, forest.Leaf(-1.0, 3), forest.Leaf(2.0, 1))], 1)
        model = TrainedModel.from_bytes(encode(text, ("x",), made.slope, made.intercept, made.curve), {})
        for value in (-1.0, 1.0):
            assert model.score(np.array([value])).pd == pytest.approx(
                made.pds(np.array([2.0 if value > 0 else -1.0]))[0], abs=1e-15
            )
        later = calibrating.fit(z, labels, fold, np.arange(15_000, 20_000))
        assert later.pds(z[15_000:]).mean() == pytest.approx(labels[15_000:].mean(), abs=1e-9)


def test_a_curve_that_does_not_rise_is_no_model():
    for curve in (((0.0, 0.0), (1.0, 2.0)), ((0.0, 1.0), (1.0,))):
        with pytest.raises(ModelRefused, match="do not rise"):
            TrainedModel.from_bytes(encode("", ("x",), 1.0, 0.0, curve), {})
