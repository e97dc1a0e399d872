"""Training, calibration, files, and one-row scoring held to LightGBM itself."""

import json
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from timelyrain.risk import (
    ModelRefused,
    TrainedModel,
    TrainingDataInvalid,
    UnsupportedModel,
    load,
    save,
    train,
)
from timelyrain.risk.calibrating import platt
from timelyrain.risk.model import data_sha256
from timelyrain.risk.trees import flatten, kernels

ROWS, WIDTH = 4_000, 30
NAMES = tuple(f"feature {i}" for i in range(WIDTH))


def population(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(matrix with missing values, labels, true PD): three features matter, one of them by being missing."""
    rng = np.random.default_rng(seed)
    matrix = np.round(rng.normal(size=(ROWS, WIDTH)) * 1e5)
    matrix[:, 4:12][rng.random((ROWS, 8)) < 0.2] = np.nan
    matrix[:, 20] = rng.integers(0, 3, ROWS)
    z = -2.0 + 0.9 * matrix[:, 0] / 1e5 - 0.7 * matrix[:, 1] / 1e5 + 0.8 * np.isnan(matrix[:, 5])
    pd = 1 / (1 + np.exp(-z))
    return matrix, (rng.random(ROWS) < pd).astype(np.int64), pd


MATRIX, LABELS, TRUE_PD = population(1)
MODEL = train(MATRIX, LABELS, NAMES, monotone={NAMES[0]: 1, NAMES[1]: -1}, definition_sha256="d" * 64, seed=5)


def test_it_learns_and_the_manifest_says_how():
    assert MODEL.metrics["auc"] > 0.70
    assert MODEL.metrics["rows"] == 800
    manifest = MODEL.manifest
    assert manifest["data_sha256"] == data_sha256(MATRIX, LABELS, NAMES)
    assert manifest["definition_sha256"] == "d" * 64 and manifest["sha256"] == MODEL.sha256
    assert manifest["features"] == list(NAMES) and manifest["seed"] == 5
    assert json.loads(json.dumps(manifest, allow_nan=False)) == manifest


def test_predicted_pd_is_near_the_true_pd_on_people_it_never_saw():
    matrix, _, true = population(2)
    found = np.array([MODEL.score(row).pd for row in matrix[:1500]])
    assert np.corrcoef(found, true[:1500])[0, 1] > 0.8
    assert abs(found.mean() - true[:1500].mean()) < 0.03


def test_training_again_gives_the_same_bytes():
    told = {"monotone": {NAMES[1]: -1, NAMES[0]: 1}, "definition_sha256": "d" * 64, "seed": 5, "threads": 1}
    again = train(MATRIX, LABELS, NAMES, **told)
    assert again.content == MODEL.content and again.manifest == MODEL.manifest
    assert train(MATRIX, LABELS, NAMES, seed=6).sha256 != MODEL.sha256


def test_monotone_directions_hold_everywhere():
    sweep = np.linspace(-4e5, 4e5, 60)
    for row in MATRIX[:40]:
        for column, sign in ((0, 1), (1, -1)):
            rows = np.repeat(row[None, :], len(sweep), 0)
            rows[:, column] = sweep
            pds = np.array([MODEL.score(r).pd for r in rows])
            assert (np.diff(pds) * sign >= 0).all()
            assert column != 0 or pds[-1] > pds[0]


def hard_rows() -> np.ndarray:
    rng = np.random.default_rng(3)
    rows = MATRIX[rng.integers(0, ROWS, 500)].copy()
    rows[rng.random(rows.shape) < 0.3] = np.nan  # missing also where training saw none
    rows[rng.random(rows.shape) < 0.1] = 0.0
    rows[:50] *= 1e9
    return np.concatenate([rows, np.full((1, WIDTH), np.nan), np.zeros((1, WIDTH))])


def test_one_row_equals_lightgbm_to_the_bit():
    rows = hard_rows()
    expected = lgb.Booster(model_str=MODEL.booster).predict(rows, raw_score=True)
    for walk in (MODEL.trees.walk, MODEL.trees.walk_plain):
        assert np.array([walk(row)[0] for row in rows]).tobytes() == np.asarray(expected).tobytes()
    assert MODEL.trees.raw(rows).tobytes() == np.asarray(expected).tobytes()
    assert MODEL.pds(rows).tolist() == [MODEL.score(row).pd for row in rows]


@pytest.mark.parametrize("missing", ["none", "zero", "nan"])
def test_compiled_and_plain_walks_agree_for_every_kind_of_missing(missing: str):
    matrix = np.where(np.isnan(MATRIX) & (missing == "none"), 0.0, MATRIX)
    params = {"objective": "binary", "verbosity": -1, "num_leaves": 31, "num_threads": 1, "seed": 1}
    params |= {"zero_as_missing": missing == "zero", "use_missing": missing != "none"}
    booster = lgb.train(params, lgb.Dataset(matrix, LABELS), 40)
    trees = flatten(booster.model_to_string(), WIDTH)
    rows = hard_rows()
    expected = np.asarray(booster.predict(rows, raw_score=True))
    walk = trees.walk_compiled if kernels() else trees.walk
    compiled, plain = [walk(row) for row in rows], [trees.walk_plain(row) for row in rows]
    assert np.array([raw for raw, _ in compiled]).tobytes() == expected.tobytes()
    for (raw, parts), (other, others) in zip(compiled, plain, strict=True):
        assert raw == other and parts.tobytes() == others.tobytes()


def test_contributions_are_the_path_from_root_to_score():
    base = sum(MODEL.trees.value[MODEL.trees.roots])
    for row in hard_rows()[:100]:
        raw, parts = MODEL.trees.walk(row)
        assert base + parts.sum() == pytest.approx(raw, abs=1e-6)
    row = np.zeros(WIDTH)
    row[20] = 1.0
    risky, safe = row.copy(), row.copy()
    risky[0], safe[0] = 3e5, -3e5
    assert MODEL.score(risky).contributions[0] > 0 > MODEL.score(safe).contributions[0]


def test_save_and_load_by_hash(tmp_path: Path):
    path = save(MODEL, tmp_path / "models")
    assert path.name == f"{MODEL.sha256}.model"
    again = load(path, MODEL.sha256)
    assert again.sha256 == MODEL.sha256 and again.manifest == MODEL.manifest
    assert again.score(MATRIX[0]) == MODEL.score(MATRIX[0])
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".json", ".model"]


def test_a_changed_file_is_refused(tmp_path: Path):
    path = save(MODEL, tmp_path)
    with pytest.raises(ModelRefused, match="expected 0000"):
        load(path, "0" * 64)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelRefused, match="hash is"):
        load(path, MODEL.sha256)
    with pytest.raises(ModelRefused, match="cannot be read"):
        load(tmp_path / "absent.model", MODEL.sha256)
    with pytest.raises(ModelRefused, match="not a model file"):
        TrainedModel.from_bytes(b'{"format": 99}', {})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"matrix": MATRIX[:10]}, "give float64"),
        ({"matrix": MATRIX.astype(np.float32)}, "give float64"),
        ({"feature_names": NAMES[:-1]}, "give float64"),
        ({"feature_names": (NAMES[1], *NAMES[1:])}, "stands twice"),
        ({"labels": LABELS * 2}, "give 1 for bad"),
        ({"labels": np.zeros(ROWS, np.int64)}, "0 bad of 4000"),
        ({"matrix": np.where(MATRIX[0, 0] == MATRIX, np.inf, MATRIX)}, "'feature 0' holds infinity"),
        ({"monotone": {"age": 1}}, "'age'"),
        ({"monotone": {NAMES[0]: 2}}, "'feature 0': 2"),
    ],
)
def test_bad_training_data_are_refused(changes: dict, said: str):
    given = {"matrix": MATRIX, "labels": LABELS, "feature_names": NAMES, **changes}
    with pytest.raises(TrainingDataInvalid, match=said):
        train(**given)


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match="one value for each of 30"):
        MODEL.score(np.zeros(3))


def test_models_the_walker_cannot_read_are_refused():
    matrix = np.random.default_rng(0).integers(0, 5, (300, 2)).astype(float)
    data = lgb.Dataset(matrix, (matrix[:, 0] == 2).astype(int), categorical_feature=[0])
    params = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 5, "num_threads": 1}
    with pytest.raises(UnsupportedModel, match="categorical"):
        flatten(lgb.train(params, data, 3).model_to_string(), 2)
    with pytest.raises(UnsupportedModel, match="one class"):
        flatten("tree\nnum_class=3\n", 2)


def test_platt_undoes_a_known_distortion():
    rng = np.random.default_rng(4)
    z = rng.normal(size=50_000)
    labels = (rng.random(50_000) < 1 / (1 + np.exp(-(1.7 * z - 0.9)))).astype(np.int64)
    slope, intercept = platt(z, labels)
    assert slope == pytest.approx(1.7, abs=0.05) and intercept == pytest.approx(-0.9, abs=0.04)
    # scores of another scale, far from zero and few bad, are brought to the same curve
    scaled = platt(5.9 * z - 80, labels)
    assert scaled == pytest.approx((slope / 5.9, intercept + slope * 80 / 5.9), rel=1e-6)
    rare = np.arange(50_000) % 1_000 == 0
    assert 0 < platt(-20 + 6 * rare + z / 10, rare.astype(np.int64))[0] < 10
    for useless in (-z, np.zeros(50_000)):
        with pytest.raises(TrainingDataInvalid, match="nothing was learnt"):
            platt(useless, labels)
