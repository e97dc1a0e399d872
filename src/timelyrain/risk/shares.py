"""What models of an outcome in 0..1 share: loss given default (a share lost) and prepayment (a monthly chance) go the road of PD.

Types, roles, leak alarm, split and recipe are those of `workbench`, told by a flag (lost more than the middle; prepaid); the
trees are LightGBM's with cross-entropy, which takes shares as it takes 0 and 1, so that the file is one the kernel walks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from . import boosting, leaks, roles, splitting
from .boosting import PARAMS, raw_scores
from .calibrating import platt
from .model import TrainedModel, encode
from .preparing import Recipe
from .problems import TrainingDataInvalid
from .tables import Column, Floats, Ints, Table
from .workbench import Request, splits_of, without_leaks


@dataclass(frozen=True, eq=False)
class Prepared:
    """rows: places in the table that was given. flags: what the leak alarm and the encodings went by."""

    plan: roles.Plan
    columns: tuple[Column, ...]
    findings: tuple[leaks.Finding, ...]
    groups: Ints
    splits: splitting.Splits

    @property
    def rows(self) -> Ints:
        return self.plan.rows

    @property
    def flags(self) -> Ints:
        return self.plan.labels


@dataclass(frozen=True, eq=False)
class Shares:
    """text: a sum of trees; expected share = logistic(slope x raw + intercept)."""

    text: str
    slope: float
    intercept: float
    rounds: tuple[int, ...]

    def of(self, matrix: Floats, threads: int) -> Floats:
        return 1 / (1 + np.exp(-(self.slope * raw_scores(self.text, matrix, threads) + self.intercept)))

    def kept(
        self, recipe: Recipe, features: tuple[str, ...], predicts: str, report: Mapping[str, object]
    ) -> tuple[Mapping[str, object], TrainedModel]:
        """(the report with the model's hash, the model as the kernel loads it)."""
        manifest = {
            "algorithm": "lightgbm, cross-entropy", "predicts": predicts, "features": list(features),
            "recipe": recipe.to_json(), "rounds": list(self.rounds), "training": report,
        }  # fmt: skip
        model = TrainedModel.from_bytes(encode(self.text, features, self.slope, self.intercept), manifest)
        return {**report, "model_sha256": model.sha256}, model


def where(table: Table, conditions: Sequence[str]) -> Ints:
    """Rows for which each `COLUMN=VALUE` holds."""
    rows = np.ones(table.rows, np.bool_)
    for condition in conditions:
        name, equals, value = (part.strip() for part in condition.partition("="))
        if not equals:
            raise TrainingDataInvalid(f"--where {condition!r}: write COLUMN=VALUE")
        texts = np.array(table[name].texts())
        seen = sorted(set(texts.tolist()))
        meant = roles.spelt(value, seen)
        if meant not in seen:
            raise TrainingDataInvalid(f"{value!r} does not occur in {name!r}: it holds {', '.join(seen[:8])}")
        rows &= texts == meant
    return np.flatnonzero(rows)


def read_sum(table: Table, text: str) -> tuple[Floats, tuple[str, ...]]:
    """(values, columns) of `A + B - C`: columns of numbers with signs between blanks; missing where any is."""
    total, names, sign = np.zeros(table.rows), list[str](), 1
    for part in text.replace(" - ", " + -").split(" + "):
        name = part.strip()
        sign, name = (-1, name[1:].strip()) if name.startswith("-") else (1, name)
        column = table[name]
        if column.kind != "number":
            raise TrainingDataInvalid(f"{text!r}: {name!r} is a {column.kind}, not a number")
        total += sign * column.values
        names.append(column.name)
    return total, tuple(names)


def prepared(table: Table, flags: Floats, request: Request) -> Prepared:
    """Candidate columns, alarm and split, by a flag per row that request.label names (no column of the file has that name)."""
    flag = Column(request.label, "number", flags)
    table = replace(table, columns=(*table.columns, flag))
    plan = roles.plan(
        table, request.label, ("1",), ("0",), time=request.time, ids=request.ids, exclude=request.exclude,
        ratios=request.ratios, use_protected=request.use_protected, catalogue=request.catalogue,
    )  # fmt: skip
    groups = splitting.copies(plan.columns, request.seed)
    columns, findings = without_leaks(plan.columns, plan.labels, groups, request)
    return Prepared(plan, tuple(columns), tuple(findings), groups, splits_of(plan, groups, request))


def fit(matrix: Floats, outcomes: Floats, groups: Ints, *, seed: int, threads: int) -> Shares:
    """Early stopping and calibration on inner folds by group, then one fit on all rows."""
    params = {
        **PARAMS, "objective": "cross_entropy", "metric": "cross_entropy", "num_leaves": 8, "min_data_in_leaf": 40,
        "feature_fraction": 0.5, "learning_rate": 0.05, "seed": seed,
    }  # fmt: skip
    fold = splitting.folds(
        (outcomes > np.median(outcomes)).astype(np.int64), groups, splitting.INNER_FEWER, seed
    )
    made = boosting.fit(matrix, outcomes, fold, params, threads=threads)
    slope, intercept = platt(made.apart, outcomes)
    return Shares(made.text, slope, intercept, made.rounds)
