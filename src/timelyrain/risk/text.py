"""Words of applicants as one score column: hashed character n-grams and a linear model, fitted apart for every fold.

`fit` gives each row the log-odds of a model that was fitted to the other folds, and the model of all rows for new ones. n-grams
of 2 to 4 characters serve Chinese and English alike; they are hashed with a fixed seed, so that a model is its weights alone.
What may not be read is masked before anything is counted (text_forbidden.py).
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from . import splitting
from .boosting import lightgbm_library
from .metrics import auc
from .problems import TrainingDataInvalid
from .tables import Floats, Ints
from .text_forbidden import GAP, masked

BUCKETS = 2**15
GRAMS = (2, 3, 4)
LONGEST = 240
"""Characters read of one text."""
PENALTY = 8.0
RARE = 3
STOP = 1e-4
EARNED = 0.002
"""AUC that the column must add on the inner folds to be kept."""
ROUNDS = 60
DRAWS = 200
_SEED, _STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0x100000001B3)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


class TextModelRefused(ValueError):
    """A text model of the lender's own did not answer in time, or not with what was asked for."""


class TextScorer(Protocol):
    """Anything that makes numbers of texts: the model below, or a service of the lender's own behind HTTP.

    sha256 names the model that answers. vectors: float64[n, d], finite, one row for each text; raises TextModelRefused.
    """

    @property
    def sha256(self) -> str: ...
    def vectors(self, texts: Sequence[str], /) -> Floats: ...


@dataclass(frozen=True, eq=False)
class Sparse:
    """Rows of a sparse matrix: row i holds values[starts[i]:starts[i+1]] in the columns `places`."""

    starts: Ints
    places: Ints
    values: Floats
    width: int

    def take(self, rows: Ints) -> "Sparse":
        sizes = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        at: Ints = np.repeat(self.starts[rows] - starts[:-1], sizes) + np.arange(starts[-1], dtype=np.int64)
        return Sparse(starts, self.places[at], self.values[at], self.width)

    def only(self, kept: npt.NDArray[np.bool_]) -> "Sparse":
        """The kept columns, closed up."""
        held = kept[self.places]
        starts = np.concatenate([[0], np.cumsum(held)])[self.starts]
        return Sparse(starts, (np.cumsum(kept) - 1)[self.places[held]], self.values[held], int(kept.sum()))

    def times(self, weights: Floats) -> Floats:
        sums = np.concatenate([[0.0], np.cumsum(self.values * weights[self.places])])
        return sums[self.starts[1:]] - sums[self.starts[:-1]]

    def back(self, factors: Floats) -> Floats:
        """Transposed times one factor for each row."""
        spread = np.repeat(factors, np.diff(self.starts))
        return np.bincount(self.places, self.values * spread, self.width).astype(np.float64)


@dataclass(frozen=True, eq=False)
class TextModel:
    """weights: float32 for every bucket. `scores` are log-odds of bad; an empty text has the intercept."""

    weights: npt.NDArray[np.float32]
    intercept: float

    def scores(self, texts: Sequence[str]) -> Floats:
        return grams(texts).times(self.weights.astype(np.float64)) + self.intercept

    def to_json(self) -> dict[str, object]:
        packed = base64.b64encode(self.weights.astype("<f4").tobytes()).decode()
        return {
            "kind": "character n-grams",
            "grams": list(GRAMS),
            "intercept": self.intercept,
            "weights": packed,
        }

    @staticmethod
    def from_json(told: Mapping[str, object]) -> "TextModel":
        try:
            weights = np.frombuffer(base64.b64decode(cast(str, told["weights"]), validate=True), "<f4")
            if weights.shape != (BUCKETS,) or told["grams"] != list(GRAMS):
                raise ValueError(f"{len(weights)} weights for n-grams of {told['grams']}")
            return TextModel(weights.astype(np.float32), float(cast(float, told["intercept"])))
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingDataInvalid(f"not a text model of this version ({error}): train it again") from None


@dataclass(frozen=True, eq=False)
class Fitted:
    """column: for each row the log-odds by a model that did not see it. model: fitted to all rows."""

    column: Floats
    model: TextModel


def fit(texts: Sequence[str], labels: Ints, folds: Ints) -> Fitted:
    """One out-of-fold score for each text. folds: 0..k-1, at least two. The same input gives the same bits."""
    matrix = grams(texts)
    column = np.empty(len(labels))
    for inside, held in splitting.each(folds):
        column[held] = _scores(_fitted(matrix.take(inside), labels[inside]), matrix.take(held))
    weights, intercept = _fitted(matrix, labels)
    return Fitted(column, TextModel(weights, intercept))


def fit_vectors(vectors: Floats, labels: Ints, folds: Ints) -> tuple[Floats, tuple[Floats, float]]:
    """As `fit`, of another model's numbers: (column, (weights, intercept)). A single number is the column itself."""
    if vectors.shape[1] == 1:
        return vectors[:, 0].copy(), (np.ones(1), 0.0)
    middle, spread = vectors.mean(axis=0), np.maximum(vectors.std(axis=0), 1e-12)
    dense = (vectors - middle) / spread / np.sqrt(vectors.shape[1])
    column = np.empty(len(labels))

    def solve(rows: Ints) -> tuple[Floats, float]:
        part = dense[rows]
        return logistic(lambda w: part @ w, lambda r: part.T @ r, part.shape[1], labels[rows])

    for inside, held in splitting.each(folds):
        weights, intercept = solve(inside)
        column[held] = dense[held] @ weights + intercept
    weights, intercept = solve(np.arange(len(labels)))
    scaled = weights / spread / np.sqrt(vectors.shape[1])
    return column, (scaled, intercept - float(middle @ scaled))


def uplift(
    matrix: Floats, column: Floats, labels: Ints, folds: Ints, *, seed: int, threads: int
) -> dict[str, float]:
    """AUC that the column adds to a short boosting on the other features, over the folds: value, low, high (95 %), alone."""
    with_it = _quick(np.column_stack([matrix, column]), labels, folds, seed, threads)
    without = _quick(matrix, labels, folds, seed, threads)
    rng = np.random.default_rng(seed)
    drawn: list[float] = []
    for _ in range(DRAWS):
        rows = rng.integers(0, len(labels), len(labels))
        y = labels[rows]
        if 0 < y.sum() < len(y):
            drawn.append(auc(y, with_it[rows]) - auc(y, without[rows]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    added = auc(labels, with_it) - auc(labels, without)
    return {"value": added, "low": float(low), "high": float(high), "alone": auc(labels, column)}


def grams(texts: Sequence[str]) -> Sparse:
    """n-grams of every text: each counts once, rows have length 1. A text without any is a row of nothing."""
    cleaned = [f" {masked(text[:LONGEST])} " if text else GAP for text in texts]
    sizes = np.array([len(text) for text in cleaned], np.int64)
    code = np.frombuffer("".join(cleaned).encode("utf-32-le"), "<u4").astype(np.uint64)
    owner = np.repeat(np.arange(len(texts)), sizes)
    gap = code == ord(GAP)
    found: list[Ints] = []
    for n in GRAMS:
        if len(code) < n:
            continue
        count = len(code) - n + 1
        mixed = np.full(count, _SEED + np.uint64(n))
        whole = owner[:count] == owner[n - 1 :]
        for i in range(n):
            mixed = (mixed ^ code[i : i + count]) * _STEP
            whole &= ~gap[i : i + count]
        mixed = (mixed ^ (mixed >> np.uint64(31))) * _MIX
        bucket = (mixed >> np.uint64(49)).astype(np.int64)
        found.append(owner[:count][whole] * BUCKETS + bucket[whole])
    seen = np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)
    rows = seen // BUCKETS
    counts = np.bincount(rows, minlength=len(texts))
    length = 1 / np.sqrt(np.maximum(counts, 1))
    return Sparse(np.concatenate([[0], np.cumsum(counts)]), seen % BUCKETS, length[rows], BUCKETS)


def logistic(
    times: Callable[[Floats], Floats], back: Callable[[Floats], Floats], width: int, labels: Ints
) -> tuple[Floats, float]:
    """(weights, intercept) of the L2-penalised logistic regression, by L-BFGS with ten pairs; the intercept is not penalised."""
    base = float(np.clip(labels.mean(), 1e-6, 1 - 1e-6))
    point = np.zeros(width + 1)
    point[-1] = np.log(base / (1 - base))

    against = np.where(labels == 1, -1.0, 1.0)

    def value(at: Floats) -> tuple[float, Floats]:
        z = times(at[:-1]) + at[-1]
        loss = float(np.logaddexp(0.0, against * z).sum())
        gap: Floats = 1 / (1 + np.exp(-z)) - labels
        slope: Floats = np.concatenate([back(gap) + PENALTY * at[:-1], [float(gap.sum())]])
        return loss + PENALTY / 2 * float(at[:-1] @ at[:-1]), slope

    loss, slope = value(point)
    steps: list[tuple[Floats, Floats]] = []
    for _ in range(60):
        direction = -_inverse_times(steps, slope)
        along = float(direction @ slope)
        length, bigger = (1.0 if steps else 1 / max(1.0, float(np.linalg.norm(slope)))), 0
        while True:
            then = point + length * direction
            new_loss, new_slope = value(then)
            if new_loss <= loss + 1e-4 * length * along or bigger == 20:
                break
            length, bigger = length / 2, bigger + 1
        moved, turned = then - point, new_slope - slope
        if float(moved @ turned) > 1e-12:
            steps = [*steps[-9:], (moved, turned)]
        done = loss - new_loss < STOP * abs(loss)
        point, loss, slope = then, new_loss, new_slope
        if done:
            break
    return point[:-1], float(point[-1])


def _inverse_times(steps: Sequence[tuple[Floats, Floats]], slope: Floats) -> Floats:
    """The two-loop recursion (Nocedal 1980)."""
    q = slope.copy()
    shares: list[float] = []
    for moved, turned in reversed(steps):
        share = float(moved @ q) / float(moved @ turned)
        shares.append(share)
        q -= share * turned
    if steps:
        moved, turned = steps[-1]
        q *= float(moved @ turned) / float(turned @ turned)
    for (moved, turned), share in zip(steps, reversed(shares), strict=True):
        q += (share - float(turned @ q) / float(moved @ turned)) * moved
    return q


def _fitted(matrix: Sparse, labels: Ints) -> tuple[npt.NDArray[np.float32], float]:
    """Weights of the n-grams that stand in RARE rows at least; a rarer one could only know these rows by heart."""
    kept = np.bincount(matrix.places, minlength=matrix.width) >= RARE
    dense = matrix.only(kept)
    found, intercept = logistic(dense.times, dense.back, dense.width, labels)
    weights = np.zeros(matrix.width, np.float32)
    weights[kept] = found
    return weights, intercept


def _scores(model: tuple[npt.NDArray[np.float32], float], matrix: Sparse) -> Floats:
    return matrix.times(model[0].astype(np.float64)) + model[1]


def _quick(matrix: Floats, labels: Ints, folds: Ints, seed: int, threads: int) -> Floats:
    """Raw scores of a short boosting, each row by a fit that did not see it."""
    lgb = lightgbm_library()
    params = {
        "objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 40, "feature_fraction": 0.7,
        "seed": seed, "deterministic": True, "force_row_wise": True, "num_threads": threads, "verbosity": -1,
    }  # fmt: skip
    raw = np.empty(len(labels))
    for inside, held in splitting.each(folds):
        data = lgb.Dataset(matrix[inside], labels[inside], params=params)
        raw[held] = lgb.train(params, data, ROUNDS).predict(matrix[held], raw_score=True, num_threads=threads)
    return raw
