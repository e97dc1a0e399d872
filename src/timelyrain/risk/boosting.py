"""Boosted trees by LightGBM: one early-stopped fit per inner fold, then fits on all rows, joined; for PD a small search before.

Every row is scored once by the inner fit that never saw it: calibration is fitted on those scores, and their mean number of
rounds is what the fits on all rows are given. These differ by seed; the joined model's raw score is their mean (leaf values
divided by their number, trees end to end), so it is an ordinary LightGBM text.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np

from . import binning, forest
from .metrics import auc
from .tables import Column, Floats, Ints

Item = TypeVar("Item")
Done = TypeVar("Done")

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
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
"""What holds where nothing else is said. Each fit keeps to one thread; fits run side by side."""
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
class Fitted:
    """text: a LightGBM model. apart: raw scores of the training rows, each by an inner fit that never saw it. rounds: theirs."""

    text: str
    apart: Floats
    rounds: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Choice:
    """params, refits: for `fit`. monotone: directions that were kept. tried: each shape with its worth."""

    params: Mapping[str, object]
    monotone: Mapping[str, int]
    refits: int
    tried: tuple[Mapping[str, object], ...]
    notes: tuple[str, ...]


def lightgbm_library() -> Any:
    """Loaded when something is trained: whoever only scores starts a second sooner. Its annotations are partly unknown."""
    import lightgbm

    return lightgbm


def directed(names: Sequence[str], monotone: Mapping[str, int]) -> dict[str, object]:
    """Parameters by which a feature with a direction moves the score that way only."""
    return {
        "monotone_constraints": [monotone.get(name, 0) for name in names],
        "monotone_constraints_method": "intermediate",
    }


def search(
    matrix: Floats,
    labels: Ints,
    names: Sequence[str],
    folds: Ints,
    monotone: Mapping[str, int],
    *,
    seed: int,
    threads: int,
) -> Choice:
    """The best of SHAPES on the first inner fold, without the directions where they cost too much there."""
    few, many = len(labels) < SMALL, len(labels) >= MANY
    common = {**PARAMS, **directed(names, monotone), "metric": "binary_logloss", "seed": seed}
    shapes = (SMALL_SHAPE,) if few else SHAPES
    tried: list[Mapping[str, object]] = []
    notes: list[str] = []
    losses: list[float] = []
    with ThreadPoolExecutor(threads) as work:
        first = partial(_member, matrix, labels, folds, 0, limit=SEARCH_ROWS)
        searched = _in_turn(work, threads, lambda shape: first(params={**common, **shape}), shapes)
        for shape, (_, raw, held) in searched:
            losses.append(log_loss(labels[held], raw))
            tried.append({**shape, "log_loss": losses[-1], "auc": auc(labels[held], raw)})
            if losses[-1] > min(losses) * 1.01:
                break  # shapes are ordered by size: past the best, larger ones only learn by heart
    best = int(np.argmin(losses))
    chosen = {**common, **shapes[best]}
    if monotone:
        free = {**chosen, **directed(names, {})}
        _, raw, held = first(params=free)
        lost = auc(labels[held], raw) - cast(float, tried[best]["auc"])
        if lost > DROPPED_AT:
            notes.append(f"monotone directions dropped: they cost {lost:.4f} AUC on the search fold")
            chosen, monotone = free, dict[str, int]()
    refits = SMALL_REFITS if few else REFITS_OF_MANY if many else REFITS
    return Choice(chosen, monotone, refits, tuple(tried), tuple(notes))


def fit(
    matrix: Floats,
    outcomes: Ints | Floats,
    folds: Ints,
    params: Mapping[str, object],
    *,
    threads: int,
    refits: int = 1,
) -> Fitted:
    """outcomes: 0 and 1, or shares. folds: the inner fold of each row, 0..k-1. refits: fits on all rows, of other seeds.

    threads: so many fits run side by side, each on one: they never wait for each other, and their number changes no result.
    """
    lgb = lightgbm_library()
    apart = np.empty(len(outcomes))
    rounds: list[int] = []
    with ThreadPoolExecutor(threads) as work:
        member = partial(_member, matrix, outcomes, folds, params=params)
        for trees, raw, held in work.map(member, range(int(folds.max()) + 1)):
            apart[held] = raw
            rounds.append(trees)
        enough = max(1, round(float(np.mean(rounds)) * 1.1))

        def refit(again: int) -> str:
            mine = _seeded(params, again)
            return cast(
                str, lgb.train(mine, lgb.Dataset(matrix, outcomes, params=mine), enough).model_to_string()
            )

        texts = list(work.map(refit, range(refits)))
    text = forest.joined(texts, [1 / refits] * refits, matrix.shape[1])
    return Fitted(text, apart, tuple(rounds))


def _member(
    matrix: Floats,
    outcomes: Ints | Floats,
    folds: Ints,
    fold: int,
    params: Mapping[str, object],
    limit: int = 0,
) -> tuple[int, Floats, Ints]:
    """(trees, raw scores of one fold's rows, those rows): fitted to the others (or `limit` of them), stopped by these."""
    lgb = lightgbm_library()
    inside, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    if limit and len(inside) > limit:
        inside = np.sort(
            np.random.default_rng(cast(int, params["seed"])).choice(inside, limit, replace=False)
        )
    data = lgb.Dataset(matrix[inside], outcomes[inside], params=dict(params))
    other = data.create_valid(matrix[held], outcomes[held])
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    made = lgb.train(_seeded(params, fold), data, ROUNDS, valid_sets=[other], callbacks=[stop])
    kept = lgb.Booster(model_str=made.model_to_string(num_iteration=made.best_iteration))
    return kept.num_trees(), cast(Floats, kept.predict(matrix[held], raw_score=True, num_threads=1)), held


def _seeded(params: Mapping[str, object], number: int) -> dict[str, object]:
    return {**params, "seed": cast(int, params["seed"]) + number}


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
