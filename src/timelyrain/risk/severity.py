"""Loss given default: the share of what was owed at default that is lost, from the loans that defaulted."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from . import preparing, shares, tables
from .model import TrainedModel
from .problems import MIN_BAD, TrainingDataInvalid
from .tables import Floats, Table
from .workbench import Request, file_sha256

FLAG = "lost more than the middle"
DRAWS = 200


@dataclass(frozen=True)
class LossRequest:
    """exposure, and loss or recovered: sums of columns, `funded - principal_paid`. where: COLUMN=VALUE of defaulted loans.

    base: split, time, seed ... as for PD; its label is not read.
    """

    exposure: str
    loss: str = ""
    recovered: str = ""
    where: tuple[str, ...] = ()
    base: Request = field(default_factory=lambda: Request(FLAG))


def train_loss(
    path: Path, request: LossRequest, *, say: Callable[[str], None] = lambda sentence: None
) -> tuple[Mapping[str, object], TrainedModel]:
    """(report, a model whose `pd` is the expected share lost). Raises TrainingDataInvalid."""
    if bool(request.loss) == bool(request.recovered):
        raise TrainingDataInvalid("say either what was lost (--loss) or what came back (--recovered)")
    say(f"reading {path.name}")
    table = tables.read(path, request.base.sample)
    table = table.take(shares.where(table, request.where))
    lost, spent, notes = _lost(table, request)
    known = np.flatnonzero(~np.isnan(lost))
    if len(known) < 4 * MIN_BAD:
        raise TrainingDataInvalid(
            f"{len(known)} loans with a loss and an exposure above 0: {4 * MIN_BAD} are needed"
        )
    table, lost = table.take(known), lost[known]
    flags = (lost > np.median(lost)).astype(np.float64)
    if not flags.any():  # more than half lost everything
        flags = (lost >= np.median(lost)).astype(np.float64)
    base = replace(request.base, label=FLAG, monotone="none", exclude=(*request.base.exclude, *spent))
    made = shares.prepared(table, flags, base)
    lost = lost[made.rows]
    expected, plain = np.full(len(lost), np.nan), np.full(len(lost), np.nan)
    for number, one in enumerate(made.splits.rounds):
        say(f"round {number + 1} of {len(made.splits.rounds)}: {len(one.train)} loans to train")
        train = [column.take(one.train) for column in made.columns]
        recipe = preparing.learn(train, made.flags[one.train])
        fitted = shares.fit(
            preparing.matrix(recipe, train), lost[one.train], made.groups[one.train], seed=base.seed, threads=base.threads
        )  # fmt: skip
        test = preparing.matrix(recipe, [column.take(one.test) for column in made.columns])
        expected[one.test], plain[one.test] = fitted.of(test, base.threads), lost[one.train].mean()
    tested = np.flatnonzero(~np.isnan(expected))
    recipe = preparing.learn(made.columns, made.flags)
    final = shares.fit(
        preparing.matrix(recipe, made.columns), lost, made.groups, seed=base.seed, threads=base.threads
    )
    seen, guess = lost[tested], expected[tested]
    models = {
        "lightgbm": _worth(seen, guess, base.seed),
        "mean": _worth(seen, plain[tested], base.seed),
    }
    gained = models["lightgbm"]["r2"]
    report: dict[str, object] = {
        "format": 1,
        "kind": "loss given default",
        "file": {"name": path.name, "path": str(path), "sha256": file_sha256(path), "sample": table.sample},
        "request": asdict(replace(request, base=base)),
        "rows": len(lost),
        "mean_loss": float(lost.mean()),
        "features_used": [column.name for column in made.columns],
        "leak_findings": [asdict(finding) for finding in made.findings],
        "split": made.splits.sentence,
        "models": models,
        "sentence": f"The columns explain {gained['value']:.1%} of the differences in loss"
        + ("." if gained["low"] > 0 else ", which may be none: take the mean."),
        "calibration": [
            {"rows": len(part), "predicted": float(guess[part].mean()), "seen": float(seen[part].mean())}
            for part in np.array_split(np.argsort(guess, kind="stable"), 10)
        ],
        "notes": [*table.notes, *notes, *made.plan.notes, *made.splits.notes],
    }
    return final.kept(recipe, recipe.features, "loss given default", report)


def _lost(table: Table, request: LossRequest) -> tuple[Floats, tuple[str, ...], list[str]]:
    """(share lost, NaN where unknown; columns that may not be learnt from; notes)."""
    owed, names = shares.read_sum(table, request.exposure)
    part, others = shares.read_sum(table, request.loss or request.recovered)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(owed > 0, part / owed, np.nan)
    share = share if request.loss else 1 - share
    outside = int(((share < 0) | (share > 1)).sum())
    notes = (
        [f"{outside} loans lost less than nothing or more than all: taken as none and all"] if outside else []
    )
    used = tuple(condition.partition("=")[0].strip() for condition in request.where)
    return np.clip(share, 0.0, 1.0), (*names, *others, *used), notes


def _worth(seen: Floats, expected: Floats, seed: int) -> dict[str, dict[str, float]]:
    """mae, rmse, r2 (against the mean of the tested rows), each with the middle 95 % of a bootstrap."""
    rng = np.random.default_rng(seed)
    drawn = [_measures(seen[rows], expected[rows]) for rows in rng.integers(0, len(seen), (DRAWS, len(seen)))]
    found = _measures(seen, expected)
    return {
        name: {
            "value": value,
            "low": float(np.quantile([one[name] for one in drawn], 0.025)),
            "high": float(np.quantile([one[name] for one in drawn], 0.975)),
        }
        for name, value in found.items()
    }


def _measures(seen: Floats, expected: Floats) -> dict[str, float]:
    gap = expected - seen
    spread = float(((seen - seen.mean()) ** 2).sum())
    return {
        "mae": float(np.abs(gap).mean()),
        "rmse": float(np.sqrt((gap**2).mean())),
        "r2": 1 - float((gap**2).sum()) / spread if spread else 0.0,
        "bias": float(gap.mean()),
    }
