"""Prepayment: the chance, month by month, that a loan still owed is paid off before its term.

A loan is followed until it is prepaid, or until something else ends the sight of it: default, its term, the end of the file.
Each month it was followed is a row (columns of the application and `months on book`), and the model is of the chance in that
month, so that loans of different ages and fates teach what they can and none counts as one that never prepays (discrete-time
survival; Cox 1972, Allison 1982).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from . import preparing, shares, tables
from .metrics import auc
from .model import TrainedModel
from .problems import TrainingDataInvalid
from .roles import DAYS_OF_MONTH
from .tables import Floats, Ints, Table
from .workbench import Request, file_sha256

FLAG = "prepaid early"
AGE = "months on book"
MOST_ROWS = 600_000
"""Months of loans that a fit reads; of more, loans are drawn."""


@dataclass(frozen=True)
class PrepaymentRequest:
    """months: a column of months followed; or begin and end, columns of dates. paid: COLUMN=VALUE of loans that were paid off.

    term: a column of months; paid off in its last month or later is no prepayment. base: as for PD; its label is not read.
    """

    paid: str
    term: str
    months: str = ""
    begin: str = ""
    end: str = ""
    base: Request = field(default_factory=lambda: Request(FLAG))


def train_prepayment(
    path: Path, request: PrepaymentRequest, *, say: Callable[[str], None] = lambda sentence: None
) -> tuple[Mapping[str, object], TrainedModel]:
    """(report, a model of the recipe's features and `months on book` whose `pd` is the month's chance).

    Raises TrainingDataInvalid.
    """
    say(f"reading {path.name}")
    table = tables.read(path, request.base.sample)
    months, events, used, notes = _followed(table, request)
    known = np.flatnonzero(months > 0)
    table, months, events = table.take(known), months[known], events[known]
    exclude = tuple(dict.fromkeys((*request.base.exclude, *used)))
    base = replace(
        request.base, label=FLAG, monotone="none", exclude=exclude, time=request.base.time or request.begin
    )
    made = shares.prepared(table, events.astype(np.float64), base)
    months, events = months[made.rows], events[made.rows]

    def rows_of(loans: Ints) -> tuple[Ints, Floats, Floats]:
        """(place of the loan, months on book, prepaid in this month) of each month of each loan."""
        place = np.repeat(np.arange(len(loans)), months[loans])
        ends = np.cumsum(months[loans])
        age = np.arange(len(place)) - np.repeat(ends - months[loans], months[loans]) + 1.0
        done = np.zeros(len(place))
        done[ends - 1] = events[loans]
        return place, age.astype(np.float64), done

    def fitted(loans: Ints) -> tuple[preparing.Recipe, shares.Shares, int]:
        drawn = loans
        if months[loans].sum() > MOST_ROWS:
            share = MOST_ROWS / float(months[loans].sum())
            drawn = np.sort(np.random.default_rng(base.seed).permutation(loans)[: int(share * len(loans))])
        mine = [column.take(drawn) for column in made.columns]
        recipe = preparing.learn(mine, made.flags[drawn])
        place, age, done = rows_of(drawn)
        matrix = np.column_stack((preparing.matrix(recipe, mine)[place], age))
        return (
            recipe,
            shares.fit(matrix, done, made.groups[drawn][place], seed=base.seed, threads=base.threads),
            len(age),
        )

    one = made.splits.rounds[0]
    say(f"{len(one.train)} loans to train, {len(one.test)} to test")
    recipe, model, _ = fitted(one.train)
    test = preparing.matrix(recipe, [column.take(one.test) for column in made.columns])
    place, age, done = rows_of(one.test)
    chance = model.of(np.column_stack((test[place], age)), base.threads)
    say("fitting on all loans")
    recipe, model, read = fitted(np.arange(len(months)))
    report: dict[str, object] = {
        "format": 1,
        "kind": "prepayment",
        "file": {"name": path.name, "path": str(path), "sha256": file_sha256(path), "sample": table.sample},
        "request": asdict(replace(request, base=base)),
        "rows": len(months),
        "loan_months": int(months.sum()),
        "loan_months_read": read,
        "prepaid": int(events.sum()),
        "features_used": [column.name for column in made.columns],
        "leak_findings": [asdict(finding) for finding in made.findings],
        "split": made.splits.sentence,
        "auc_of_months": auc(done.astype(np.int64), chance),
        "expected_prepayments": float(chance.sum()),
        "seen_prepayments": int(done.sum()),
        "curve": _curve(age, done, chance),
        "notes": [*table.notes, *notes, *made.plan.notes, *made.splits.notes],
    }
    return model.kept(recipe, (*recipe.features, AGE), "chance of prepayment in a month", report)


def _followed(
    table: Table, request: PrepaymentRequest
) -> tuple[Ints, np.ndarray, tuple[str, ...], list[str]]:
    """(months each loan was followed, 0 where unknown; prepaid at their end; columns that may not be learnt from; notes)."""
    paid = np.zeros(table.rows, np.bool_)
    paid[shares.where(table, (request.paid,))] = True
    term = table[request.term]
    if term.kind != "number":
        raise TrainingDataInvalid(f"--term {request.term!r} is a {term.kind}: name a column of months")
    if request.months:
        followed, used = table[request.months].values, (request.months,)
        if table[request.months].kind != "number":
            raise TrainingDataInvalid(f"--months {request.months!r} is no column of numbers")
    else:
        dates = [table[name] for name in (request.begin, request.end) if name]
        if len(dates) != 2 or any(column.kind != "date" for column in dates):
            raise TrainingDataInvalid(
                "say how long each loan was followed: --months COL, or --begin COL --end COL of dates"
            )
        followed, used = (dates[1].values - dates[0].values) / DAYS_OF_MONTH, (request.end,)
    months = np.nan_to_num(np.round(followed), nan=0.0).astype(np.int64)
    last = np.nan_to_num(term.values, nan=0.0).astype(np.int64)
    events = paid & (months < last)
    gone = int((months <= 0).sum())
    notes = [f"{gone} loans that were followed for no month are left out"] if gone else []
    return (
        np.clip(np.minimum(months, last), 0, None),
        events,
        (*used, request.paid.partition("=")[0].strip()),
        notes,
    )


def _curve(age: Floats, done: Floats, chance: Floats) -> list[dict[str, float]]:
    """Per month on book: loans followed, chance seen and expected, and the share prepaid by then if nothing else ended a loan."""
    at = age.astype(np.int64)
    followed, seen, expected = (np.bincount(at, weights) for weights in (None, done, chance))
    found: list[dict[str, float]] = []
    left = {"seen": 1.0, "expected": 1.0}
    for month in range(1, len(followed)):
        if not followed[month]:
            break
        now = {"seen": seen[month] / followed[month], "expected": expected[month] / followed[month]}
        left = {name: left[name] * (1 - now[name]) for name in left}
        found.append(
            {
                "month": month,
                "loans": int(followed[month]),
                "chance_seen": float(now["seen"]),
                "chance_expected": float(now["expected"]),
                "prepaid_seen": float(1 - left["seen"]),
                "prepaid_expected": float(1 - left["expected"]),
            }
        )
    return found
