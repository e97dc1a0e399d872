"""A PD model of a matrix of numbers: the workbench's trees and calibration, without its file, search, scorecard and report.

A fifth of the rows, drawn within each class, is kept apart to be tested once. The same matrix, labels, directions and seed give
the same model bytes on the same machine type and LightGBM version, whatever the threads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from . import boosting, calibrating, reasons, splitting
from .metrics import metrics
from .model import Floats, Ints, TrainedModel, data_sha256, encode
from .problems import MIN_BAD, TrainingDataInvalid


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
    """matrix: float64[n, k], NaN for missing. labels: n of 0/1, 1 = bad. monotone: feature -> +1 or -1 on PD.

    Raises TrainingDataInvalid.
    """
    names, monotone = tuple(feature_names), dict(sorted((monotone or {}).items()))
    _check(matrix, labels, names, monotone)
    part = splitting.folds(labels, np.arange(len(labels)), splitting.FOLDS, seed)
    rows, test = np.flatnonzero(part != 0), np.flatnonzero(part == 0)
    learnt, known = np.ascontiguousarray(matrix[rows]), labels[rows]
    fold = splitting.folds(known, np.arange(len(rows)), splitting.INNER_FEWER, seed)
    params = {**boosting.PARAMS, **boosting.directed(names, monotone), "seed": seed}
    made = boosting.fit(learnt, known, fold, params, threads=threads)
    curve = calibrating.fit(made.apart, known, fold)
    manifest: dict[str, object] = {
        "algorithm": f"lightgbm {boosting.lightgbm_library().__version__}",
        "params": params,
        "inner_rounds": list(made.rounds),
        "seed": seed,
        "split": {"train": len(rows), "test": len(test)},
        "data_sha256": data_sha256(matrix, labels, names),
        "definition_sha256": definition_sha256,
        "features": list(names),
        "monotone": monotone,
        "calibration": curve.to_json(),
        "contributions": "path (Saabas), log-odds, scaled by the calibration slope",
        "typical": reasons.usual(learnt, names),
    }
    content = encode(made.text, names, curve.slope, curve.intercept, curve.curve)
    model = TrainedModel.from_bytes(content, manifest)
    told = {
        "metrics": {"test": dict(metrics(labels[test], model.pds(matrix[test])))},
        "reasons": reasons.compared(model, matrix[test], seed),
    }
    return replace(model, manifest={**model.manifest, **told})


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
