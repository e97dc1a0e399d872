"""A weight-of-evidence scorecard: optimal bins, a logistic regression on their evidence, whole points per bin.

Points and their scaling are saved with the card. A person may edit the cuts or groups of a card's JSON and train with it again
(`bins`): counts, evidence, coefficients and points then follow from the edited bins.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import cast

import numpy as np

from . import binning, splitting
from .binning import Binning
from .preparing import FEW_LEVELS
from .problems import TrainingDataInvalid
from .tables import Column, Floats, Ints, named

MIN_IV = 0.005
RIDGE = 1.0
FORMAT = 1


@dataclass(frozen=True)
class Scaling:
    """A customer with good:bad odds of `base_odds` has `base_score`; `pdo` more points double the odds."""

    base_score: float = 600.0
    base_odds: float = 35.0
    pdo: float = 60.0

    @property
    def factor(self) -> float:
        return self.pdo / log(2)


@dataclass(frozen=True)
class Scorecard:
    """raw log-odds of bad = intercept + sum(coefficient x evidence); pd = logistic(slope x raw + shift)."""

    bins: tuple[Binning, ...]
    coefficients: tuple[float, ...]
    intercept: float
    scaling: Scaling = Scaling()
    slope: float = 1.0
    shift: float = 0.0

    def raw(self, columns: Sequence[Column]) -> Floats:
        of = named(columns)
        total = np.full(len(columns[0].absent), self.intercept)
        for bins, coefficient in zip(self.bins, self.coefficients, strict=True):
            total += coefficient * np.array(bins.woe)[bins.places(of[bins.name])]
        return total

    def pds(self, columns: Sequence[Column]) -> Floats:
        return 1 / (1 + np.exp(-(self.slope * self.raw(columns) + self.shift)))

    def points(self) -> tuple[tuple[int, ...], ...]:
        """Whole points per characteristic and bin; higher is safer. A score is their sum."""
        constant = self.scaling.base_score - self.scaling.factor * (
            log(self.scaling.base_odds) + self.slope * self.intercept + self.shift
        )
        each = constant / len(self.bins)
        return tuple(
            tuple(round(each - self.scaling.factor * self.slope * c * woe) for woe in bins.woe)
            for bins, c in zip(self.bins, self.coefficients, strict=True)
        )

    def scores(self, columns: Sequence[Column]) -> Ints:
        of = named(columns)
        return np.sum(
            [
                np.array(points)[bins.places(of[bins.name])]
                for bins, points in zip(self.bins, self.points(), strict=True)
            ],
            axis=0,
        )

    def to_json(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "scaling": {
                "base_score": self.scaling.base_score,
                "base_odds": self.scaling.base_odds,
                "pdo": self.scaling.pdo,
            },
            "intercept": self.intercept,
            "slope": self.slope,
            "shift": self.shift,
            "characteristics": [
                {
                    **binning.to_json(bins),
                    "coefficient": coefficient,
                    "labels": bins.labels(),
                    "points": list(points),
                }
                for bins, coefficient, points in zip(self.bins, self.coefficients, self.points(), strict=True)
            ],
        }


def read(text: str | bytes) -> Scorecard:
    """A card from its JSON; points are computed from the evidence and the scaling, never read."""
    raw = _object(text)
    try:
        scaling = Scaling(**cast(dict[str, float], raw["scaling"]))
        parts = cast(list[dict[str, object]], raw["characteristics"])
        weights = tuple(float(cast(float, part["coefficient"])) for part in parts)
        intercept, slope, shift = (float(cast(float, raw[key])) for key in ("intercept", "slope", "shift"))
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingDataInvalid(f"not a scorecard ({error}): give the card.json of a training") from None
    bins = tuple(binning.from_json(part) for part in parts)
    for one in bins:
        if len(one.woe) != one.ordinary + len(one.specials) + 1:
            raise TrainingDataInvalid(
                f"{one.name!r} has {len(one.woe)} weights for {one.ordinary + len(one.specials) + 1} bins: "
                "train again with the edited bins"
            )
    return Scorecard(bins, weights, intercept, scaling, slope, shift)


def edited_bins(text: str | bytes) -> dict[str, Binning]:
    """Bins by column of a card's JSON, as they were edited; what was counted is of no interest."""
    parts = _object(text).get("characteristics")
    if not isinstance(parts, list):
        raise TrainingDataInvalid("no characteristics: give the card.json of a training")
    made = [binning.from_json(part) for part in cast(list[dict[str, object]], parts)]
    return {one.name: one for one in made}


def fit(
    columns: Sequence[Column],
    labels: Ints,
    *,
    bins: Mapping[str, Binning] | None = None,
    scaling: Scaling = Scaling(),
    monotone: Mapping[str, int] | None = None,
) -> Scorecard:
    """Columns of little information, and those whose coefficient would turn against their evidence, are left out."""
    given = bins or {}
    made = [
        binning.counted(column, labels, given[column.name].cuts, given[column.name].groups)
        if column.name in given
        else binning.fit(column, labels, (monotone or {}).get(column.name, 0))
        for column in columns
    ]
    kept = [(c, b) for c, b in zip(columns, made, strict=True) if b.iv >= MIN_IV]
    if not kept:
        raise TrainingDataInvalid(
            f"no column has an information value of {MIN_IV}: nothing to make a scorecard of"
        )
    evidence = np.column_stack([_apart(c, b, labels, given) for c, b in kept])
    used = list(range(len(kept)))
    while True:
        weights = logistic(evidence[:, used], labels)
        wrong = [i for i, w in zip(used, weights[1:].tolist(), strict=True) if w <= 0]
        if not wrong or len(wrong) == len(used):
            break
        used = [i for i in used if i not in wrong]
    return Scorecard(
        tuple(kept[i][1] for i in used),
        tuple(cast(list[float], weights[1:].tolist())),
        float(weights[0]),
        scaling,
    )


def _apart(column: Column, bins: Binning, labels: Ints, given: Mapping[str, Binning]) -> Floats:
    """The evidence a coefficient is fitted on. Where a category has many levels, each row's comes from bins of the other rows:
    bins that learnt levels by heart then get the small coefficient they deserve."""
    if column.kind != "category" or len(column.levels) <= FEW_LEVELS or column.name in given:
        return np.array(bins.woe)[bins.places(column)]
    found = np.empty(len(labels))
    fold = np.random.default_rng(0).permutation(len(labels)) % 5
    for inside, held in splitting.each(fold):
        one = binning.fit(column.take(inside), labels[inside])
        found[held] = np.array(one.woe)[one.places(column.take(held))]
    return found


def logistic(matrix: Floats, labels: Ints, ridge: float = RIDGE) -> Floats:
    """Intercept and weights of a logistic regression with an L2 penalty (none on the intercept), by Newton's method."""
    full = np.column_stack([np.ones(len(matrix)), matrix])
    penalty = np.full(full.shape[1], ridge)
    penalty[0] = 0.0
    weights = np.zeros(full.shape[1])
    weights[0] = log(labels.mean() / (1 - labels.mean()))
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(full @ weights, -35, 35)))
        gradient = full.T @ (p - labels) + penalty * weights
        curve = (full * (p * (1 - p))[:, None]).T @ full + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curve, gradient)
        weights = weights - step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _object(text: str | bytes) -> dict[str, object]:
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise TrainingDataInvalid(f"not JSON ({error}): give the card.json of a training") from None
    if not isinstance(raw, dict):
        raise TrainingDataInvalid("not a scorecard: give the card.json of a training")
    return cast(dict[str, object], raw)
