"""From typed columns to the numbers a tree model reads, in a way that can be repeated on new rows from the recipe alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from . import splitting
from .tables import Column, Floats, Ints

_WEIGHT = 20.0
"""Rows by which the bad rate of a level is drawn to that of all."""

_STEP = 1e-9
"""Between the values of levels that would be equal."""

FEW_LEVELS = 12
"""Up to so many, a level's value hardly depends on one row; valuing it by other folds would only add noise."""


@dataclass(frozen=True)
class Recipe:
    """features: columns of the matrix. A special code is missing in its column and 1 in `name = code`.

    levels: per category, level -> smoothed log-odds of bad; "" for missing, "*" for a level never seen. No two are equal, so that
    a tree can tell levels apart.
    """

    features: tuple[str, ...]
    specials: Mapping[str, tuple[float, ...]]
    levels: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, object]:
        return {
            "features": list(self.features),
            "specials": {name: list(codes) for name, codes in self.specials.items()},
            "levels": {name: dict(values) for name, values in self.levels.items()},
        }


def learn(columns: Sequence[Column], labels: Ints) -> Recipe:
    features: list[str] = []
    for column in columns:
        features.append(column.name)
        features.extend(code_name(column.name, code) for code in _codes(column))
    return Recipe(
        tuple(features),
        {c.name: _codes(c) for c in columns if _codes(c)},
        {c.name: _level_values(c, labels) for c in columns if c.kind == "category"},
    )


def matrix(recipe: Recipe, columns: Sequence[Column]) -> Floats:
    """float64[rows, features], NaN for missing."""
    found = np.empty((len(columns[0].absent), len(recipe.features)))
    at = 0
    for column in columns:
        if column.kind == "category":
            found[:, at] = _valued(column, recipe.levels[column.name])
            at += 1
            continue
        codes = recipe.specials.get(column.name, ())
        found[:, at] = np.where(np.isin(column.values, codes), np.nan, column.values)
        for place, code in enumerate(codes, at + 1):
            found[:, place] = column.values == code
        at += 1 + len(codes)
    return found


def training_matrix(recipe: Recipe, columns: Sequence[Column], labels: Ints, folds: Ints) -> Floats:
    """As `matrix`, but the levels of rich categories are valued by the rows of the other folds: no row sees its own label."""
    found = matrix(recipe, columns)
    for column in columns:
        if column.kind != "category" or len(column.levels) <= FEW_LEVELS:
            continue
        at = recipe.features.index(column.name)
        for others, mine in splitting.each(folds):
            values = _level_values(column.take(others), labels[others])
            found[mine, at] = _valued(column.take(mine), values)
    return found


def _valued(column: Column, values: Mapping[str, float]) -> Floats:
    of_code = np.array([*(values.get(level, values["*"]) for level in column.levels), values[""]], np.float64)
    return of_code[column.codes]


def _codes(column: Column) -> tuple[float, ...]:
    return column.specials if column.kind == "number" else ()


def code_name(name: str, code: float) -> str:
    return f"{name} = {code:g}"


def _level_values(column: Column, labels: Ints) -> dict[str, float]:
    size = len(column.levels) + 1
    rows = np.bincount(column.codes + 1, minlength=size)
    bad = np.bincount(column.codes + 1, labels, size)
    base = float(labels.mean())
    rate = (bad + _WEIGHT * base) / (rows + _WEIGHT)
    odds = np.log(rate / (1 - rate))
    usual = float(np.log(base / (1 - base)))
    values = {
        **dict(zip(column.levels, cast(list[float], odds[1:].tolist()), strict=True)),
        "": float(odds[0]),
        "*": usual,
    }
    last = -np.inf
    for level in sorted(values, key=lambda one: (values[one], one)):
        values[level] = last = max(values[level], last + _STEP)
    return values
