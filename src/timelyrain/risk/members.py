"""The models of one set of training rows: each kind, their blend, their calibration, all as sums of trees over one matrix.

Every member brings `apart`: raw log-odds of the training rows, each by a fit that did not see the row. Calibration, the blend and
the choice are made on these, so that the rows kept for testing are asked once, at the end.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import combinations

import numpy as np

from . import boosting, calibrating, extras, forest, preparing, scorecard, splitting
from .binning import Binning
from .calibrating import Calibration
from .metrics import auc
from .preparing import Recipe
from .problems import TrainingDataInvalid
from .scorecard import Scaling, Scorecard
from .tables import Column, Floats, Ints

KINDS = ("lightgbm", "scorecard", "ebm", "catboost")
_NEEDS = {"ebm": "interpret", "catboost": "catboost"}
EARNED = 0.001
"""AUC that a blend must add over its best member, on the rows kept apart, to be chosen."""


@dataclass(frozen=True, eq=False)
class Member:
    """text: raw log-odds as LightGBM text. how: parameters, for the manifest."""

    name: str
    text: str
    apart: Floats
    how: Mapping[str, object]


@dataclass(frozen=True, eq=False)
class Fitted:
    """blend: the weight of each member's raw score; its best member alone where no blend earned its keep."""

    recipe: Recipe
    members: tuple[Member, ...]
    calibrations: Mapping[str, Calibration]
    blend: Mapping[str, float]
    chosen: str
    card: Scorecard
    monotone: Mapping[str, int]
    notes: tuple[str, ...]

    def pds(self, columns: Sequence[Column], threads: int) -> dict[str, Floats]:
        """Each model's PDs of these rows, and the blend's."""
        matrix = preparing.matrix(self.recipe, columns)
        raw = {member.name: boosting.raw_scores(member.text, matrix, threads) for member in self.members}
        raw["blend"] = np.sum([weight * raw[name] for name, weight in self.blend.items()], axis=0)
        return {name: self.calibrations[name].pds(values) for name, values in raw.items()}

    def text(self, name: str) -> str:
        """A model as one sum of trees, before calibration."""
        of = {member.name: member.text for member in self.members}
        if name in of:
            return of[name]
        weights = list(self.blend.values())
        return forest.joined([of[member] for member in self.blend], weights, len(self.recipe.features))

    def how(self, name: str) -> dict[str, object]:
        """Parameters of a model, for its manifest."""
        if name == "blend":
            return {one: self.how(one) for one in self.blend}
        return next(dict(member.how) for member in self.members if member.name == name)


def check_kinds(kinds: Sequence[str]) -> None:
    """Raises TrainingDataInvalid for a kind there is none of, or whose library is absent."""
    for kind in kinds:
        if kind not in KINDS:
            raise TrainingDataInvalid(f"no models of kind {kind!r}: choose among {', '.join(KINDS)}")
        if kind in _NEEDS and find_spec(_NEEDS[kind]) is None:
            raise TrainingDataInvalid(
                f"models of kind {kind!r} need a library more: pip install 'timelyrain[models]'"
            )


def fit(
    columns: Sequence[Column],
    labels: Ints,
    groups: Ints,
    recent: Ints | None,
    *,
    kinds: Sequence[str],
    monotone: Mapping[str, int] | None,
    bins: Mapping[str, Binning],
    scaling: Scaling,
    seed: int,
    threads: int,
    step: Callable[[float], None],
) -> Fitted:
    """recent: the rows whose bad rate sets the intercept; None where time plays no part. monotone: None to learn directions.

    step: told the share that is done.
    """
    fold = splitting.inner_folds(labels, groups, seed)
    notes: list[str] = []
    directed = monotone
    if directed is None:
        directed = boosting.directions(columns, labels) if len(labels) >= boosting.SMALL else {}
        if len(labels) < boosting.SMALL:
            notes.append(
                f"fewer than {boosting.SMALL} rows cannot tell directions: give them with --monotone FILE"
            )
    recipe = preparing.learn(columns, labels)
    values = preparing.training_matrix(recipe, columns, labels, fold)
    members: list[Member] = []
    for done, kind in enumerate(kinds):
        if kind == "lightgbm":
            choice = boosting.search(
                values, labels, recipe.features, fold, directed, seed=seed, threads=threads
            )
            made = boosting.fit(values, labels, fold, choice.params, threads=threads, refits=choice.refits)
            directed = choice.monotone
            notes.extend(choice.notes)
            how = {
                "params": dict(choice.params),
                "inner_rounds": list(made.rounds),
                "search": list(choice.tried),
            }
            members.append(Member(kind, made.text, made.apart, how))
        elif kind != "scorecard":
            text, apart, how = extras.fit(
                kind, values, labels, recipe.features, fold, directed, seed=seed, threads=threads
            )
            members.append(Member(kind, text, apart, how))
        step((done + 0.8) / len(kinds))
    card, apart = _card(columns, labels, fold, bins, scaling, monotone)
    points = calibrating.fit(
        apart, labels, fold, recent, linear=True
    )  # whole points are straight in log-odds
    card = replace(card, slope=points.slope, shift=points.intercept)
    text = forest.of_card(card, recipe, preparing.matrix(recipe, columns))
    members.append(Member("scorecard", text, apart, {}))
    calibrations = {member.name: calibrating.fit(member.apart, labels, fold, recent) for member in members}
    shares, chosen = _blend(members, calibrations, labels)
    weights = {name: share * calibrations[name].slope for name, share in shares.items()}
    of = {member.name: member.apart for member in members}
    apart = np.sum([weight * of[name] for name, weight in weights.items()], axis=0)
    calibrations["blend"] = calibrating.fit(apart, labels, fold, recent)
    step(1.0)
    return Fitted(recipe, tuple(members), calibrations, weights, chosen, card, directed, tuple(notes))


def _card(
    columns: Sequence[Column],
    labels: Ints,
    fold: Ints,
    bins: Mapping[str, Binning],
    scaling: Scaling,
    monotone: Mapping[str, int] | None,
) -> tuple[Scorecard, Floats]:
    apart = np.empty(len(labels))
    for inside, held in splitting.each(fold):
        one = scorecard.fit([c.take(inside) for c in columns], labels[inside], bins=bins, monotone=monotone)
        apart[held] = one.raw([c.take(held) for c in columns])
    return scorecard.fit(columns, labels, bins=bins, scaling=scaling, monotone=monotone), apart


def _blend(
    members: Sequence[Member], calibrations: Mapping[str, Calibration], labels: Ints
) -> tuple[dict[str, float], str]:
    """(share of each member, the chosen model). Means of log-odds are tried, and of two also one to three; a best member stands
    alone where none is better by EARNED."""
    odds = {member.name: calibrations[member.name].slope * member.apart for member in members}
    tried: list[dict[str, float]] = []
    for size in range(2, len(members) + 1):
        tried.extend(dict.fromkeys(names, 1 / size) for names in combinations(odds, size))
    for one, other in combinations(odds, 2):
        tried.extend([{one: 0.25, other: 0.75}, {one: 0.75, other: 0.25}])

    def area(shares: Mapping[str, float]) -> float:
        return auc(labels, np.sum([share * odds[name] for name, share in shares.items()], axis=0))

    alone = max(({name: 1.0} for name in odds), key=area)
    best = max(tried, key=area, default=alone)
    if area(best) >= area(alone) + EARNED:
        return best, "blend"
    return alone, next(iter(alone))
