"""Explainable boosting machines (interpret) and CatBoost, where `timelyrain[models]` is installed: fitted by their libraries,
kept as LightGBM text, scored by ours."""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUnknownVariableType=false

import json
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np

from . import forest, splitting
from .boosting import raw_scores
from .tables import Floats, Ints

CATBOOST: Mapping[str, Any] = {
    "depth": 5, "learning_rate": 0.05, "l2_leaf_reg": 5.0, "rsm": 0.6, "nan_mode": "Min",
}  # fmt: skip
ROUNDS, PATIENCE = 1_500, 40
EBM: Mapping[str, Any] = {"outer_bags": 4, "interactions": 10}

Fit = Callable[[Floats, Ints, Floats | None, Ints | None, int], tuple[str, int]]
"""(matrix, labels, held matrix, held labels, rounds to fit or 0 to stop early) -> (text, rounds)."""


def fit(
    kind: str,
    matrix: Floats,
    labels: Ints,
    names: Sequence[str],
    folds: Ints,
    monotone: Mapping[str, int],
    *,
    seed: int,
    threads: int,
) -> tuple[str, Floats, dict[str, object]]:
    """(text, raw scores of the training rows by fits that did not see them, how it was made)."""
    directions = [monotone.get(name, 0) for name in names]
    one: Fit = (_ebm if kind == "ebm" else _catboost)(directions, seed, threads)
    apart = np.empty(len(labels))
    rounds: list[int] = []
    for inside, held in splitting.each(folds):
        text, enough = one(matrix[inside], labels[inside], matrix[held], labels[held], 0)
        apart[held] = raw_scores(text, matrix[held], threads)
        rounds.append(enough)
    text, _ = one(matrix, labels, None, None, max(1, round(float(np.mean(rounds)) * 1.1)))
    return text, apart, {"params": dict(EBM if kind == "ebm" else CATBOOST), "inner_rounds": rounds}


def _catboost(directions: Sequence[int], seed: int, threads: int) -> Fit:
    from catboost import CatBoostClassifier, Pool

    def one(
        matrix: Floats, labels: Ints, held: Floats | None, known: Ints | None, rounds: int
    ) -> tuple[str, int]:
        made = cast(Any, CatBoostClassifier)(
            iterations=rounds or ROUNDS, random_seed=seed, thread_count=threads, monotone_constraints=list(directions),
            verbose=False, allow_writing_files=False, **CATBOOST,
        )  # fmt: skip
        if held is None:
            made.fit(Pool(matrix, labels))
        else:
            made.fit(Pool(matrix, labels), eval_set=Pool(held, known), early_stopping_rounds=PATIENCE)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            made.save_model(str(path), format="json")
            return forest.of_oblivious(json.loads(path.read_bytes()), matrix.shape[1]), int(made.tree_count_)

    return one


def _ebm(directions: Sequence[int], seed: int, threads: int) -> Fit:
    from interpret.glassbox import ExplainableBoostingClassifier

    def one(
        matrix: Floats, labels: Ints, held: Floats | None, known: Ints | None, rounds: int
    ) -> tuple[str, int]:
        logging.getLogger("interpret").setLevel(logging.ERROR)
        made = cast(Any, ExplainableBoostingClassifier)(
            feature_types=["continuous"] * matrix.shape[1], monotone_constraints=list(directions), random_state=seed,
            n_jobs=threads, **EBM,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.fit(matrix, labels)
        return forest.of_additive(*additive_terms(made), matrix.shape[1]), 0

    return one


def additive_terms(made: Any) -> tuple[float, list[tuple[tuple[int, ...], list[Floats], Floats, Floats]]]:
    """(intercept, terms) of a fitted machine, as `forest.of_additive` takes them: pairs have coarser cuts of their own."""
    terms = [
        (places, [made.bins_[i][min(len(made.bins_[i]), len(places)) - 1] for i in places], scores, weights)
        for places, scores, weights in zip(
            made.term_features_, made.term_scores_, made.bin_weights_, strict=True
        )
    ]
    return float(made.intercept_[0]), terms
