"""Reject inference as a sensitivity analysis: what the model would be, had those who were refused been riskier than it thinks.

Nobody knows how refused applicants would have paid, and no arithmetic finds out: weighting or doubling rows of a model that
already conditions on the columns changes nothing. So a model is fitted to those who were accepted, the refused are given outcomes
drawn at a multiple of the odds it gives them (parcelling), and the model is fitted again on all. What moves between the multiples
rests on an assumption; a random band of approvals, which a policy may declare, measures it instead.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from . import members, roles, splitting, tables
from .members import Fitted
from .metrics import metrics
from .problems import MIN_BAD, TrainingDataInvalid
from .tables import Column, Floats, Ints, Table
from .workbench import Request, asked_directions, splits_of, without_leaks

ODDS = (1.0, 1.5, 2.0, 3.0, 5.0)
"""Multiples of the model's odds that the refused are tried at."""


@dataclass(frozen=True)
class Multiple:
    """What comes of one multiple. auc, ece: on accepted rows that no fit saw. swapped: share of the approvals that would go to
    others than without reject inference, as many being approved. refused_bad, approved_bad: mean PD under the assumption."""

    odds: float
    auc: float
    ece: float
    refused_bad: float
    approved_bad: float
    swapped: float


def sensitivity(
    path: Path,
    request: Request,
    rejected: tuple[str, str] | None = None,
    odds: Sequence[float] = ODDS,
    say: Callable[[str], None] = lambda sentence: None,
) -> Mapping[str, object]:
    """One file of all applicants. rejected: (column, value) of the refused; None for the rows without a label.

    Raises TrainingDataInvalid for a file without either kind of row.
    """
    if not odds or any(not 0 < one <= 100 for one in odds):
        raise TrainingDataInvalid(
            f"odds {list(odds)}: give multiples above 0 and up to 100, for example 1,2,5"
        )
    table = tables.read(path, request.sample, (request.label,))
    table, known = _labelled(table, request, rejected)
    plan = roles.plan(
        table, request.label, ("1",), ("0",), time=request.time, ids=request.ids,
        exclude=(*request.exclude, *([rejected[0]] if rejected else [])), ratios=request.ratios,
        use_protected=request.use_protected, catalogue=request.catalogue,
    )  # fmt: skip
    known = known[plan.rows]
    accepted, refused = np.flatnonzero(known), np.flatnonzero(~known)
    labels = plan.labels[accepted]
    if min(labels.sum(), len(labels) - labels.sum()) < MIN_BAD:
        raise TrainingDataInvalid(
            f"{int(labels.sum())} bad of {len(labels)} accepted rows: {MIN_BAD} of each class are needed"
        )
    columns = [column.take(accepted) for column in plan.columns]
    groups = splitting.copies(columns, request.seed)
    kept, findings = without_leaks(columns, labels, groups, request)
    names = {column.name for column in kept}
    every = [column for column in plan.columns if column.name in names]
    of_accepted = replace(
        plan, labels=labels, time=None if plan.time is None else plan.time[accepted], columns=tuple(kept)
    )
    splits = splits_of(of_accepted, groups, request)
    train, test = accepted[splits.rounds[0].train], accepted[splits.rounds[0].test]
    directions = asked_directions(request, every)

    def fitted(rows: Ints, outcomes: Ints) -> Fitted:
        mine = [column.take(rows) for column in every]
        return members.fit(
            mine, outcomes, splitting.copies(mine, request.seed), None, kinds=request.models,
            monotone=directions, bins={}, scaling=request.scaling, seed=request.seed, threads=request.threads,
            step=lambda share: None,
        )  # fmt: skip

    say(f"{len(accepted)} accepted, {len(refused)} refused: fitting to the accepted")
    base = fitted(train, plan.labels[train])
    rng = np.random.default_rng(request.seed)
    drawn = rng.random(len(refused))  # the same for all multiples: outcomes only turn bad
    among = np.sort(rng.permutation(refused)[: max(1, round(len(refused) * len(test) / len(accepted)))])
    door = np.concatenate((test, among))  # as applicants come: the refused in their share
    first, likely_bad = (_pds(base, every, rows, request.threads) for rows in (door, refused))
    chosen = _approved(first, len(test))
    found: list[Multiple] = []
    for multiple in odds:
        say(f"the refused at {multiple:g} times the odds")
        likely = _at_odds(likely_bad, multiple)
        outcomes = np.concatenate((plan.labels[train], (drawn < likely).astype(np.int64)))
        again = fitted(np.concatenate((train, refused)), outcomes)
        pds = _pds(again, every, door, request.threads)
        now = _approved(pds, len(test))
        worth = metrics(plan.labels[test], pds[: len(test)])
        assumed = np.concatenate((first[: len(test)], _at_odds(first[len(test) :], multiple)))
        found.append(
            Multiple(
                multiple, worth["auc"], worth["ece"], float(likely.mean()), float(assumed[now].mean()),
                float((now & ~chosen).sum() / now.sum()),
            )
        )  # fmt: skip
    worth = metrics(plan.labels[test], first[: len(test)])
    return {
        "format": 1,
        "kind": "reject inference",
        "file": {"name": path.name, "sample": table.sample},
        "accepted": len(accepted),
        "refused": len(refused),
        "bad_rate": float(labels.mean()),
        "split": splits.sentence,
        "features_used": [column.name for column in every],
        "left_out": sorted({finding.column for finding in findings} - names),
        "without": {"auc": worth["auc"], "ece": worth["ece"], "approved_bad": float(first[chosen].mean())},
        "multiples": [vars(one) for one in found],
        "sentence": _sentence(found),
        "notes": [*table.notes, *plan.notes],
    }


def _labelled(table: Table, request: Request, rejected: tuple[str, str] | None) -> tuple[Table, np.ndarray]:
    """(rows that were accepted and turned out good or bad, and rows that were refused; which are the former). The label becomes 0
    or 1; of the refused it is 0 and never read."""
    column = table[request.label]
    labels, rows, _ = roles.labels_of(column, request.bad, request.good)
    value = np.zeros(table.rows)
    value[rows] = labels
    known = np.zeros(table.rows, np.bool_)
    known[rows] = True
    if rejected is None:
        refused = column.absent
    else:
        texts = np.array(table[rejected[0]].texts())
        refused = texts == roles.spelt(rejected[1], sorted(set(texts.tolist())))
    if not refused.any():
        where = (
            f"{rejected[0]} = {rejected[1]}" if rejected else f"no {request.label}: name them with --rejected"
        )
        raise TrainingDataInvalid(f"no refused applicant: no row has {where}")
    known &= ~refused
    flag = Column(column.name, "number", value)
    taken = replace(table, columns=tuple(flag if one is column else one for one in table.columns))
    kept = np.flatnonzero(known | refused)
    return taken.take(kept), known[kept]


def _pds(model: Fitted, columns: Sequence[Column], rows: Ints, threads: int) -> Floats:
    return model.pds([column.take(rows) for column in columns], threads)[model.chosen]


def _at_odds(pd: Floats, multiple: float) -> Floats:
    return multiple * pd / (1 - pd + multiple * pd)


def _approved(pds: Floats, count: int) -> np.ndarray:
    """So many of lowest PD, ties by their order."""
    taken = np.zeros(len(pds), np.bool_)
    taken[np.argsort(pds, kind="stable")[:count]] = True
    return taken


def _sentence(found: Sequence[Multiple]) -> str:
    low, high = found[0], found[-1]
    most = max(one.swapped for one in found)
    moved = max(one.auc for one in found) - min(one.auc for one in found)
    return (
        f"From {low.odds:g} to {high.odds:g} times the odds, the AUC on accepted rows moves by {moved:.4f}, the refused would be "
        f"bad in {low.refused_bad:.1%} to {high.refused_bad:.1%}, and up to {most:.1%} of the approvals would go to others. "
        "No fit can say which multiple is true: a random band of approvals does."
    )
