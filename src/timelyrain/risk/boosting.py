"""Monotone LightGBM: a small search on one inner fold, one early-stopped fit per inner fold, then fits on all rows, joined.

Every row is scored once by the inner fit that never saw it: calibration is fitted on those scores, and their mean number of
rounds is what the fits on all rows are given. These differ by seed; the joined model's raw score is their mean (leaf values
divided by their number, trees end to end), so it is an ordinary LightGBM text.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

import numpy as np

from . import binning, forest
from .metrics import auc
from .tables import Column, Floats, Ints
from .training import PARAMS, lightgbm_library

Item = TypeVar("Item")
Done = TypeVar("Done")

ROUNDS = 1500
PATIENCE = 40
SEARCH_ROWS = 40_000
DROPPED_AT = 0.005
"""AUC that monotone directions may cost before they are dropped, with a note."""
SHAPES: tuple[Mapping[str, object], ...] = (
    {"num_leaves": 4, "min_data_in_leaf": 20, "feature_fraction": 0.3},
    {"num_leaves": 10, "min_data_in_leaf": 30, "feature_fraction": 0.4},
    {"num_leaves": 24, "min_data_in_leaf": 40, "feature_fraction": 0.5},
    {
        "num_leaves": 80,
        "min_data_in_leaf": 5,
        "feature_fraction": 0.5,
        "learning_rate": 0.08,
        "lambda_l2": 1.0,
    },
)
SMALL_SHAPE: Mapping[str, object] = {
    "num_leaves": 32, "min_data_in_leaf": 5, "feature_fraction": 0.4, "bagging_fraction": 0.6, "extra_trees": True,
}  # fmt: skip
"""For few rows, unsearched: a fold of some hundred rows cannot tell shapes apart. Random thresholds, averaged."""
REFITS = 3
SMALL, MANY = 3_000, 60_000
SMALL_REFITS, REFITS_OF_MANY = 12, 2
"""Fits on all training rows with other seeds, joined: where there are few rows, chance weighs more and a fit costs little."""


@dataclass(frozen=True, eq=False)
class Boosted:
    """text: a LightGBM model. apart: raw scores of the training rows, each by a member that did not see it."""

    text: str
    apart: Floats
    params: Mapping[str, object]
    monotone: Mapping[str, int]
    rounds: tuple[int, ...]
    tried: tuple[Mapping[str, object], ...]
    notes: tuple[str, ...]


def fit(
    matrix: Floats,
    labels: Ints,
    names: Sequence[str],
    folds: Ints,
    monotone: Mapping[str, int],
    *,
    seed: int,
    threads: int,
) -> Boosted:
    """folds: the inner fold of each row, 0..k-1.

    threads: so many fits run side by side, each on one: they never wait for each other, and their number changes no result.
    """
    lgb = lightgbm_library()
    common = {
        **PARAMS, "learning_rate": 0.04, "lambda_l2": 5.0, "seed": seed, "num_threads": 1,
        "monotone_constraints_method": "intermediate", "metric": "binary_logloss",
        "monotone_constraints": [monotone.get(name, 0) for name in names],
    }  # fmt: skip
    columns = [f"f{i}" for i in range(len(names))]

    def member(fold: int, params: Mapping[str, object], limit: int = 0) -> tuple[int, Floats, Ints]:
        inside, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if limit and len(inside) > limit:
            inside = np.sort(np.random.default_rng(seed).choice(inside, limit, replace=False))
        data = lgb.Dataset(matrix[inside], labels[inside], feature_name=columns, params=dict(params))
        other = data.create_valid(matrix[held], labels[held])
        stop = lgb.early_stopping(PATIENCE, verbose=False)
        made = lgb.train({**params, "seed": seed + fold}, data, ROUNDS, valid_sets=[other], callbacks=[stop])
        kept = lgb.Booster(model_str=made.model_to_string(num_iteration=made.best_iteration))
        return kept.num_trees(), cast(Floats, kept.predict(matrix[held], raw_score=True, num_threads=1)), held

    tried: list[Mapping[str, object]] = []
    notes: list[str] = []
    with ThreadPoolExecutor(threads) as work:
        losses: list[float] = []
        shapes = (SMALL_SHAPE,) if len(labels) < SMALL else SHAPES
        searched = _in_turn(work, threads, lambda one: member(0, {**common, **one}, SEARCH_ROWS), shapes)
        for one, (_, raw, held) in searched:
            losses.append(log_loss(labels[held], raw))
            tried.append({**one, "log_loss": losses[-1], "auc": auc(labels[held], raw)})
            if losses[-1] > min(losses) * 1.01:
                break  # shapes are ordered by size: past the best, larger ones only learn by heart
        best = int(np.argmin(losses))
        chosen = {**common, **shapes[best]}
        if monotone:
            free = {**chosen, "monotone_constraints": [0] * len(names)}
            _, raw, held = member(0, free, SEARCH_ROWS)
            lost = auc(labels[held], raw) - cast(float, tried[best]["auc"])
            if lost > DROPPED_AT:
                notes.append(f"monotone directions dropped: they cost {lost:.4f} AUC on the search fold")
                chosen, monotone = free, dict[str, int]()
        apart = np.empty(len(labels))
        rounds: list[int] = []
        for trees, raw, held in work.map(partial(member, params=chosen), range(int(folds.max()) + 1)):
            apart[held] = raw
            rounds.append(trees)
        enough = max(1, round(float(np.mean(rounds)) * 1.1))

        def refit(again: int) -> str:
            params = {**chosen, "seed": seed + again}
            data = lgb.Dataset(matrix, labels, feature_name=columns, params=params)
            return cast(str, lgb.train(params, data, enough).model_to_string())

        few, many = len(labels) < SMALL, len(labels) >= MANY
        texts = list(work.map(refit, range(SMALL_REFITS if few else REFITS_OF_MANY if many else REFITS)))
    text = forest.joined(texts, [1 / len(texts)] * len(texts), len(names))
    return Boosted(text, apart, chosen, monotone, tuple(rounds), tuple(tried), tuple(notes))


def _in_turn(
    work: ThreadPoolExecutor, threads: int, do: Callable[[Item], Done], items: Sequence[Item]
) -> Iterator[tuple[Item, Done]]:
    """Each item with what was done, in order; only so many at once, so that a caller who stops has little done in vain."""
    for start in range(0, len(items), threads):
        batch = items[start : start + threads]
        yield from zip(batch, work.map(do, batch), strict=True)


def raw_scores(text: str, matrix: Floats, threads: int) -> Floats:
    booster = lightgbm_library().Booster(model_str=text)
    return cast(Floats, booster.predict(matrix, raw_score=True, num_threads=threads))


def directions(columns: Sequence[Column], labels: Ints) -> dict[str, int]:
    """Numbers whose bad rate plainly goes one way: monotone bins in that direction keep 90 % of the information of ten free
    ones, and it is not negligible."""
    found: dict[str, int] = {}
    for column in columns:
        if column.kind != "number":
            continue
        clean = ~np.isnan(column.values) & ~np.isin(column.values, column.specials)
        values, bad = column.values[clean], labels[clean]
        if len(np.unique(values)) < 3 or not 0 < bad.sum() < len(bad):
            continue
        edges = np.unique(np.quantile(values, np.arange(1, 10) / 10))
        free = binning.information(np.searchsorted(edges, values, side="left"), bad)
        one_way = {sign: _ordinary(column, labels, sign) for sign in (1, -1)}
        sign = max(one_way, key=lambda s: one_way[s])
        if one_way[sign] >= max(0.02, 0.9 * free):
            found[column.name] = sign
    return found


def _ordinary(column: Column, labels: Ints, sign: int) -> float:
    made = binning.fit(column, labels, sign)
    place = made.places(column)
    inside = place < made.ordinary
    return binning.information(place[inside], labels[inside]) if inside.any() else 0.0


def log_loss(labels: Ints, raw: Floats) -> float:
    return float(np.mean(np.logaddexp(0.0, np.where(labels == 1, -raw, raw))))
