"""Training: LightGBM with monotone constraints, early stopping and Platt calibration on a part held out, a test part kept.

Rows are split by a seeded draw within each class, 60 % to train, 20 % to stop and calibrate, 20 % to test. The same
matrix, labels, parameters and seed give the same model bytes on the same machine type and LightGBM version.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from . import reasons
from .metrics import metrics
from .model import TrainedModel, encode

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MAX_ROUNDS = 400
PATIENCE = 30
MIN_BAD = 25
PARAMS: Mapping[str, object] = {
    "objective": "binary",
    "learning_rate": 0.04,
    "num_leaves": 7,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "monotone_constraints_method": "basic",
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class TrainingDataInvalid(ValueError):
    """Matrix, labels and names do not fit together, or there is nothing to learn from."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Row numbers of the three parts, each ascending."""

    train: Ints
    held: Ints
    test: Ints


def train(
    matrix: Floats,
    labels: Ints,
    feature_names: Sequence[str],
    *,
    monotone: Mapping[str, int] | None = None,
    definition_sha256: str = "",
    seed: int = 1,
    threads: int = 2,
) -> TrainedModel:
    """Fit a PD model.

    matrix: float64[n, k], NaN for missing. labels: n of 0/1, 1 = bad. monotone: feature -> +1 or -1 on PD.
    Raises TrainingDataInvalid.
    """
    names = tuple(feature_names)
    _check(matrix, labels, names, monotone or {})
    split = split_rows(labels, seed)
    params = {
        **PARAMS,
        "monotone_constraints": [(monotone or {}).get(name, 0) for name in names],
        "seed": seed,
        "num_threads": threads,
    }
    booster = _fit(matrix, labels, names, split, params)
    text = booster.model_to_string()
    raw_held = _raw(booster, matrix[split.held], threads)
    slope, intercept = platt(raw_held, labels[split.held])
    tested = _calibrated(_raw(booster, matrix[split.test], threads), slope, intercept)
    held = _calibrated(raw_held, slope, intercept)
    manifest: dict[str, object] = {
        "algorithm": f"lightgbm {lightgbm_library().__version__}",
        "params": params,
        "rounds": booster.num_trees(),
        "seed": seed,
        "split": {"train": len(split.train), "held_out": len(split.held), "test": len(split.test)},
        "data_sha256": data_sha256(matrix, labels, names),
        "definition_sha256": definition_sha256,
        "features": list(names),
        "monotone": dict(sorted((monotone or {}).items())),
        "calibration": {"method": "platt", "slope": slope, "intercept": intercept},
        "metrics": {
            "test": dict(metrics(labels[split.test], tested)),
            "held_out": dict(metrics(labels[split.held], held)),
        },
        "contributions": "path (Saabas), log-odds, scaled by the calibration slope",
        "typical": reasons.usual(matrix[split.train], names),
    }
    model = TrainedModel.from_bytes(encode(text, names, slope, intercept), manifest)
    return replace(
        model, manifest={**model.manifest, "reasons": reasons.compared(model, matrix[split.test], seed)}
    )


def split_rows(labels: Ints, seed: int) -> Split:
    """60/20/20 within each class, by a generator of this seed."""
    rng = np.random.default_rng(seed)
    parts: tuple[list[Ints], list[Ints], list[Ints]] = ([], [], [])
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(labels == label))
        first, second = round(len(rows) * 0.6), round(len(rows) * 0.8)
        for part, chosen in zip(parts, (rows[:first], rows[first:second], rows[second:]), strict=True):
            part.append(chosen)
    train_rows, held, test = (np.sort(np.concatenate(part)) for part in parts)
    return Split(train_rows, held, test)


def platt(raw: Floats, labels: Ints | Floats) -> tuple[float, float]:
    """(slope, intercept) of the logistic curve through log-odds and outcomes, with Platt's smoothed targets.

    Outcomes may be shares. Newton's method on two parameters of standardised scores, steps halved until the loss falls. Raises
    TrainingDataInvalid when the slope is not positive: the order of scores must stay. Source: Platt 1999; Lin, Lin, Weng 2007.
    """
    bad = float(labels.sum())
    target = labels * (bad + 1) / (bad + 2) + (1 - labels) / (len(labels) - bad + 2)
    middle, spread = float(raw.mean()), float(raw.std()) or 1.0
    z = (raw - middle) / spread

    def loss(slope: float, intercept: float) -> float:
        odds = slope * z + intercept
        return float((np.logaddexp(0.0, odds) - target * odds).sum())

    slope, intercept = 0.0, float(np.log((bad + 1) / (len(labels) - bad + 1)))
    for _ in range(50):
        p = 1 / (1 + np.exp(-(slope * z + intercept)))
        weight = p * (1 - p) + 1e-9
        gap = p - target
        a, b, c = float(weight @ (z * z)), float(weight @ z), float(weight.sum())
        ga, gb = float(gap @ z), float(gap.sum())
        if abs(ga) + abs(gb) < 1e-9 * len(raw):
            break
        down, across = (
            (c * ga - b * gb) / (a * c - b * b + 1e-12),
            (a * gb - b * ga) / (a * c - b * b + 1e-12),
        )
        step, before = 1.0, loss(slope, intercept)
        while step > 1e-6 and loss(slope - step * down, intercept - step * across) > before:
            step /= 2
        slope, intercept = slope - step * down, intercept - step * across
    slope, intercept = slope / spread, intercept - slope * middle / spread
    if slope <= 0:
        raise TrainingDataInvalid(
            f"scores of the held-out part run against the outcomes (slope {slope:.3g}): nothing was learnt; do the columns "
            "tell anything of the label?"
        )
    return slope, intercept


def data_sha256(matrix: Floats, labels: Ints, names: Sequence[str]) -> str:
    """Hash of names, shape, values (NaN made equal) and labels."""
    head = json.dumps([list(names), list(matrix.shape)], separators=(",", ":")).encode()
    values = np.where(np.isnan(matrix), np.nan, matrix).astype("<f8")
    return hashlib.sha256(head + values.tobytes() + labels.astype("<i8").tobytes()).hexdigest()


def lightgbm_library() -> Any:
    """Loaded when something is trained: whoever only scores starts a second sooner. Its annotations are partly unknown."""
    import lightgbm

    return lightgbm


def _fit(
    matrix: Floats, labels: Ints, names: tuple[str, ...], split: Split, params: dict[str, object]
) -> Any:
    lgb = lightgbm_library()
    columns = [f"f{i}" for i in range(len(names))]  # LightGBM forbids some characters in names
    train_set = lgb.Dataset(matrix[split.train], labels[split.train], feature_name=columns, params=params)
    held_set = train_set.create_valid(matrix[split.held], labels[split.held])
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    booster = lgb.train(params, train_set, MAX_ROUNDS, valid_sets=[held_set], callbacks=[stop])
    return lgb.Booster(model_str=booster.model_to_string(num_iteration=booster.best_iteration))


def _raw(booster: Any, matrix: Floats, threads: int) -> Floats:
    return cast(Floats, booster.predict(matrix, raw_score=True, num_threads=threads))


def _calibrated(raw: Floats, slope: float, intercept: float) -> Floats:
    return np.array([1 / (1 + exp(-(slope * z + intercept))) for z in raw.tolist()], np.float64)


def _check(matrix: Floats, labels: Ints, names: tuple[str, ...], monotone: Mapping[str, int]) -> None:
    if matrix.ndim != 2 or matrix.shape != (len(labels), len(names)) or matrix.dtype != np.float64:
        raise TrainingDataInvalid(
            f"matrix is {matrix.dtype}{matrix.shape}: give float64 ({len(labels)} labels, {len(names)} names)"
        )
    if len(set(names)) != len(names):
        twin = next(name for name in names if names.count(name) > 1)
        raise TrainingDataInvalid(f"feature {twin!r} stands twice: give each column its own name")
    if not np.isin(labels, (0, 1)).all():
        raise TrainingDataInvalid(
            f"labels hold {np.unique(labels)[:5].tolist()}: give 1 for bad and 0 for good"
        )
    bad = int(labels.sum())
    if min(bad, len(labels) - bad) < MIN_BAD:
        raise TrainingDataInvalid(
            f"{bad} bad of {len(labels)} rows: at least {MIN_BAD} of each class are needed"
        )
    if np.isinf(matrix).any():
        column = names[int(np.argmax(np.isinf(matrix).any(axis=0)))]
        raise TrainingDataInvalid(f"feature {column!r} holds infinity: give NaN for missing")
    for name, direction in monotone.items():
        if name not in names or direction not in (-1, 1):
            raise TrainingDataInvalid(
                f"monotone {name!r}: {direction!r} needs a feature of the matrix and +1 or -1"
            )
