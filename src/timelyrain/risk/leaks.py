"""The leak alarm: columns that know the outcome, found by what they do rather than by a list.

Four views of each column, on rows it was not fitted to: its power alone; the power of being missing; the power of how its
numbers are written (divisible by 12, by 100 ...); and what the whole model loses without it. Names that speak of what
happens after pay-out are a fifth. `sure` findings leave the model unless the caller says the column was known.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .metrics import auc
from .tables import Column, Floats, Ints, words

ALONE = 0.90
ALONE_WARN = 0.75
MISSING = 0.85
MISSING_WARN = 0.70
WRITTEN = 0.70
COLLAPSE = 0.08
SUSPECTS = 2
_MODULI = (2, 3, 5, 6, 7, 10, 12, 24, 50, 100, 500, 1000)
_AFTER = (
    {"recoveries"}, {"recovery"}, {"chargeoff"}, {"charged", "off"}, {"chgoff"}, {"chg", "off"}, {"writeoff"}, {"written", "off"},
    {"settlement"}, {"hardship"}, {"pymnt"}, {"out", "prncp"}, {"rec", "prncp"}, {"rec", "int"}, {"rec", "late"},
    {"last", "payment"}, {"total", "payment"}, {"payments", "made"}, {"principal", "received"}, {"principal", "paid"},
    {"interest", "received"}, {"last", "fico"},
    {"principal", "loss"}, {"net", "loss"}, {"customer", "payments"}, {"current", "days", "delinquent"},
    {"since", "origination"}, {"first", "defaulted"}, {"principal", "recovery"}, {"principal", "recoverypayments"},
    {"outcome"}, {"collection", "fee"}, {"repaid"}, {"核销"}, {"催收"}, {"逾期结果"},
)  # fmt: skip
_BEFORE = {"within", "past", "prior", "previous", "history", "hist", "ever"}


@dataclass(frozen=True)
class Finding:
    """kind: power, missing, written, collapse, name. value: AUC, or loss of AUC for collapse; None for a name."""

    column: str
    kind: str
    value: float | None
    sure: bool
    sentence: str


def single(columns: Sequence[Column], labels: Ints, seed: int, groups: Ints | None = None) -> list[Finding]:
    """Findings of each column by itself and of its name. groups: copies of a row, which stay on one side."""
    half = np.random.default_rng(seed).permutation(len(labels)) % 2 == 0
    half = half if groups is None else half[groups]
    found: list[Finding] = []
    for column in columns:
        power = alone(column, labels, half)
        flag = column.absent
        missing = _side(labels, flag) if flag.any() else 0.5
        modulus, written = _divisible(column, labels)
        name = column.name
        if written >= WRITTEN:
            text = f"whether {name} is a multiple of {modulus} tells the outcome (AUC {written:.3f}): it was written afterwards"
            found.append(Finding(name, "written", written, True, text))
        if power >= ALONE_WARN:
            text = f"{name} alone has AUC {power:.3f}" + (
                ": hardly anything known at an application does"
                if power >= ALONE
                else ": was it known at the application?"
            )
            found.append(Finding(name, "power", power, power >= ALONE, text))
        if missing >= MISSING_WARN:
            text = f"whether {name} is missing has AUC {missing:.3f}: was it filled in afterwards?"
            found.append(Finding(name, "missing", missing, missing >= MISSING, text))
        if speaks_of_outcome(name):
            text = f"the name {name} speaks of what happens after pay-out"
            found.append(Finding(name, "name", None, True, text))
    return found


def collapse(name: str, whole: float, without: float) -> Finding | None:
    """A finding where the model falls by much without one column."""
    if whole - without < COLLAPSE:
        return None
    text = f"without {name} the AUC falls from {whole:.3f} to {without:.3f}: one column carries the model"
    return Finding(name, "collapse", whole - without, False, text)


def speaks_of_outcome(name: str) -> bool:
    parts = set(words(name))
    return not parts & _BEFORE and any(after <= parts for after in _AFTER)


def alone(column: Column, labels: Ints, half: np.ndarray) -> float:
    """AUC of the bad rate by value (or of 64 quantiles), learnt on one half and tested on the other, both ways."""
    cell = _cells(column)
    size = int(cell.max()) + 1
    areas: list[float] = []
    for train in (half, ~half):
        base = labels[train].mean()
        rows = np.bincount(cell[train], minlength=size)
        bad = np.bincount(cell[train], labels[train], size)
        rate = (bad + 5 * base) / (rows + 5)
        areas.append(auc(labels[~train], rate[cell[~train]]))
    return float(np.mean(areas))


def _cells(column: Column) -> Ints:
    """A whole number per row: the value itself where there are few, a quantile otherwise, missing apart."""
    if column.kind != "number":
        return column.codes + 1
    held = ~column.absent
    seen = np.unique(column.values[held])
    edges = seen if len(seen) <= 512 else np.unique(np.quantile(seen, np.linspace(0, 1, 65)[1:-1]))
    found = np.searchsorted(edges, np.where(held, column.values, 0.0), side="left") + 1
    return np.where(held, found, 0).astype(np.int64)


def _divisible(column: Column, labels: Ints) -> tuple[int, float]:
    """(modulus, AUC of the flag) of the most telling divisibility; rows are compared that hold a number."""
    best = (0, 0.5)
    if column.kind != "number":
        return best
    held = ~column.absent
    values, known = column.values[held], labels[held]
    if (
        len(values) < 200
        or len(np.unique(values)) < 20
        or (np.mod(values, 1) != 0).any()
        or not 0 < known.sum() < len(known)
    ):
        return best
    for modulus in _MODULI:
        flag = (np.mod(values, modulus) == 0) & (values != 0)
        if 0.02 < flag.mean() < 0.98:
            best = max(best, (modulus, _side(known, flag)), key=lambda one: one[1])
    return best


def _side(labels: Ints, flag: np.ndarray) -> float:
    area = auc(labels, flag.astype(np.float64))
    return max(area, 1 - area)


def excluded(findings: Sequence[Finding], keep: Sequence[str]) -> list[str]:
    """Columns that leave the model."""
    names = dict.fromkeys(finding.column for finding in findings if finding.sure)
    return [name for name in names if name not in keep]


def suspects(weights: Floats, names: Sequence[str]) -> list[str]:
    """The columns that carry most of a model, by their gain."""
    order: list[int] = np.argsort(-weights, kind="stable").tolist()
    return [names[i] for i in order[:SUSPECTS] if weights[i] > 0]
