"""Texts of a file of past loans as score columns of one training: made from the training rows, kept where they earn it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from . import preparing, splitting, text
from .problems import TrainingDataInvalid
from .tables import Column, Floats, Ints, Table
from .text_forbidden import refuse_persons


@dataclass(frozen=True, eq=False)
class Written:
    """One column of texts. vectors: what a model of the lender's own made of them, one row each; None for own n-grams."""

    name: str
    texts: Sequence[str]
    vectors: Floats | None = None

    @property
    def feature(self) -> str:
        return f"words of {self.name}"

    def take(self, rows: Ints) -> "Written":
        chosen = [self.texts[row] for row in cast(list[int], rows.tolist())]
        return Written(self.name, chosen, None if self.vectors is None else self.vectors[rows])


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear model of vectors: weights and intercept."""

    weights: Floats
    intercept: float

    def to_json(self) -> dict[str, object]:
        return {
            "kind": "linear in the vectors of a text model",
            "weights": self.weights.tolist(),
            "intercept": self.intercept,
        }


@dataclass(frozen=True, eq=False)
class Heard:
    """What one training made of the texts. models: by name of the text column, those kept. findings: of every one, for people."""

    models: Mapping[str, text.TextModel | Linear]
    findings: tuple[Mapping[str, object], ...]

    def join(self, columns: Sequence[Column], written: Sequence[Written]) -> list[Column]:
        """The columns of new rows with the scores of their texts."""
        made = [
            _column(one, _score(self.models[one.name], one)) for one in written if one.name in self.models
        ]
        return [*columns, *made]

    def to_json(self) -> dict[str, object]:
        return {name: model.to_json() for name, model in self.models.items()}


def read(table: Table, rows: Ints, names: Sequence[str], scorer: text.TextScorer | None) -> list[Written]:
    """The named columns at these rows. Raises TrainingDataInvalid for names of persons and for what is not words."""
    found: list[Written] = []
    for name in names:
        refuse_persons(name)
        column = table[name]
        if column.kind not in ("text", "category"):
            raise TrainingDataInvalid(f"--text {name!r} is a {column.kind}, not words: it needs no reading")
        texts = column.take(rows).texts()
        found.append(Written(name, texts, None if scorer is None else scorer.vectors(texts)))
    return found


def hear(
    columns: Sequence[Column],
    written: Sequence[Written],
    labels: Ints,
    groups: Ints,
    *,
    seed: int,
    threads: int,
) -> tuple[list[Column], Heard]:
    """Columns of the training rows with an out-of-fold score for each text that adds text.EARNED AUC on the inner folds."""
    folds = splitting.inner_folds(labels, groups, seed)
    kept = list(columns)
    models: dict[str, text.TextModel | Linear] = {}
    findings: list[Mapping[str, object]] = []
    for one in written:
        if one.vectors is None:
            made = text.fit(one.texts, labels, folds)
            values, model = made.column, made.model
        else:
            values, (weights, intercept) = text.fit_vectors(one.vectors, labels, folds)
            model = Linear(weights, intercept)
        recipe = preparing.learn(kept, labels) if kept else None
        matrix = (
            preparing.training_matrix(recipe, kept, labels, folds) if recipe else np.empty((len(labels), 0))
        )
        added = text.uplift(matrix, values, labels, folds, seed=seed, threads=threads)
        earned = added["value"] >= text.EARNED
        findings.append({"column": one.name, "rows": len(labels), "auc_added": added, "kept": earned})
        if earned:
            kept.append(_column(one, values))
            models[one.name] = model
    return kept, Heard(models, tuple(findings))


def _score(model: text.TextModel | Linear, one: Written) -> Floats:
    if isinstance(model, text.TextModel):
        return model.scores(one.texts)
    assert one.vectors is not None  # the same scorer read all rows
    return one.vectors @ model.weights + model.intercept


def _column(one: Written, values: Floats) -> Column:
    """Rounded, so that the last bit of a sum does not make a value of its own."""
    return Column(one.feature, "number", np.round(values, 9))
