"""Two fraud scores from past applications: one learnt from proven cases, one that only knows what is usual; and what each finds.

The test part is the latest quarter of the rows. To see what a score is worth against a kind of fraud it was never shown, both are
fitted once more without the cases of each kind and asked about that kind alone. The models that are kept see all rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .anomaly import fit_anomaly
from .metrics import auc
from .model import Floats, Ints, TrainedModel
from .problems import MIN_BAD, TrainingDataInvalid
from .training import train

Bools = npt.NDArray[np.bool_]

TEST_SHARE = 0.25
FLAGGED = 0.01
"""Share of applications that people can look at."""
FEW = 8
"""Cases of a kind in the test part below which nothing is said of it."""
DRAWS = 200


@dataclass(frozen=True, eq=False)
class Cases:
    """n applications in any order. matrix: float64[n, k], NaN for missing. fraud: 1 proven, 0 not. at: epoch seconds. kinds: of
    the proven, "" where nobody said. cuts: name -> whether an application belongs, for a report of its own (new devices)."""

    matrix: Floats
    names: tuple[str, ...]
    fraud: Ints
    at: Ints
    kinds: Sequence[str] = ()
    cuts: Mapping[str, Bools] | None = None


@dataclass(frozen=True, eq=False)
class FraudModels:
    """fraud: PD is the chance of fraud. anomaly: PD is a rank, 0.99 = one in a hundred is as odd. report: plain values."""

    fraud: TrainedModel
    anomaly: TrainedModel
    report: Mapping[str, object]


def train_fraud(
    cases: Cases,
    *,
    monotone: Mapping[str, int] | None = None,
    seed: int = 1,
    threads: int = 2,
    say: Callable[[str], None] = lambda sentence: None,
) -> FraudModels:
    """Fit, test on the latest quarter, fit again on all. Raises TrainingDataInvalid."""
    y, directions = cases.fraud, dict(monotone or {})
    _check(cases)
    order = np.argsort(cases.at, kind="stable")
    cut = len(order) - round(len(order) * TEST_SHARE)
    past, test = order[:cut], order[cut:]
    if min(int(y[past].sum()), int(y[test].sum())) < MIN_BAD:
        raise TrainingDataInvalid(
            f"{int(y[past].sum())} proven cases before {_day(cases.at[test[0]])} and {int(y[test].sum())} from then on: "
            f"at least {MIN_BAD} are needed on each side"
        )

    def fit(rows: Ints) -> tuple[TrainedModel, TrainedModel]:
        learnt = train(
            cases.matrix[rows], y[rows], cases.names, monotone=directions, seed=seed, threads=threads
        )
        return learnt, fit_anomaly(cases.matrix[rows], cases.names, seed=seed)

    def ask(pair: tuple[TrainedModel, TrainedModel], rows: Ints) -> dict[str, Floats]:
        return {
            name: model.pds(cases.matrix[rows])
            for name, model in zip(("fraud", "anomaly"), pair, strict=True)
        }

    say(f"fitting on {len(past)} applications with {int(y[past].sum())} proven cases")
    scores = ask(fit(past), test)
    kinds = np.array(cases.kinds or [""] * len(y))
    by_kind: dict[str, object] = {}
    for kind in sorted({k for k in kinds[y == 1].tolist() if k}):
        mine = np.flatnonzero((y[test] == 0) | (kinds[test] == kind))
        if int(y[test][mine].sum()) < FEW:
            continue
        say(f"fitting without {kind}: what is a score worth against what it was never shown?")
        unseen = ask(fit(past[kinds[past] != kind]), test)
        by_kind[kind] = {
            "cases": int(y[test][mine].sum()),
            "shown": {name: _worth(y[test][mine], pd[mine], pd) for name, pd in scores.items()},
            "not_shown": {name: _worth(y[test][mine], pd[mine], pd) for name, pd in unseen.items()},
        }
    by_cut: dict[str, object] = {}
    for name, inside in (cases.cuts or {}).items():
        for label, rows in ((name, inside[test]), (f"not {name}", ~inside[test])):
            at = np.flatnonzero(rows)
            if FEW <= int(y[test][at].sum()) < len(at):
                told = {score: _worth(y[test][at], pd[at], pd) for score, pd in scores.items()}
                by_cut[label] = {"rows": len(at), "cases": int(y[test][at].sum()), **told}
    say("fitting on all applications")
    learnt, odd = fit(order)
    report: dict[str, object] = {
        "format": 1,
        "rows": len(y),
        "cases": int(y.sum()),
        "features": list(cases.names),
        "monotone": directions,
        "seed": seed,
        "split": {
            "kind": "time",
            "test_from": _day(cases.at[test[0]]),
            "train": len(past),
            "test": len(test),
        },
        "flagged_share": FLAGGED,
        "models": {name: with_intervals(y[test], pd, seed) for name, pd in scores.items()},
        "by_kind": by_kind,
        "by_cut": by_cut,
        "sha256": {"fraud": learnt.sha256, "anomaly": odd.sha256},
    }
    learnt = TrainedModel.from_bytes(
        learnt.content, {**learnt.manifest, "role": "fraud", "fraud_report": report}
    )
    odd = TrainedModel.from_bytes(odd.content, {**odd.manifest, "fraud_report": report})
    return FraudModels(learnt, odd, report)


def average_precision(labels: Ints, score: Floats) -> float:
    """Mean share of cases among those scored at least as high, over the cases; ties share one place."""
    values, place = np.unique(-score, return_inverse=True)
    cases, rows = np.bincount(place, labels, len(values)), np.bincount(place, minlength=len(values))
    return float((cases * np.cumsum(cases) / np.cumsum(rows)).sum() / labels.sum())


def recall_flagged(labels: Ints, score: Floats, among: Floats) -> float:
    """Part of the cases found when the FLAGGED share of `among` with the highest scores is looked at; ties share places."""
    places = max(1, round(FLAGGED * len(among)))
    least = np.partition(among, len(among) - places)[len(among) - places]
    above, level = int((among > least).sum()), int((among == least).sum())
    found = (
        float(labels[score > least].sum()) + float(labels[score == least].sum()) * (places - above) / level
    )
    return found / float(labels.sum())


def _worth(labels: Ints, score: Floats, among: Floats) -> dict[str, float]:
    return {"auc": auc(labels, score), "recall_flagged": recall_flagged(labels, score, among)}


def with_intervals(labels: Ints, score: Floats, seed: int) -> dict[str, Any]:
    """auc, average_precision, recall_flagged: value, and the middle 95 % of a seeded bootstrap over rows."""

    def told(rows: Ints) -> tuple[float, float, float]:
        y, s = labels[rows], score[rows]
        return auc(y, s), average_precision(y, s), recall_flagged(y, s, s)

    rng = np.random.default_rng(seed)
    drawn = [
        told(rows) for _ in range(DRAWS) if labels[rows := rng.integers(0, len(labels), len(labels))].any()
    ]
    low, high = np.quantile(np.array(drawn), (0.025, 0.975), axis=0)
    whole = told(np.arange(len(labels)))
    return {
        name: {"value": whole[i], "low": float(low[i]), "high": float(high[i])}
        for i, name in enumerate(("auc", "average_precision", "recall_flagged"))
    }


def _check(cases: Cases) -> None:
    n = len(cases.fraud)
    lengths = {"matrix": len(cases.matrix), "at": len(cases.at), "kinds": len(cases.kinds) or n}
    for name, length in lengths.items():
        if length != n:
            raise TrainingDataInvalid(
                f"{name} has {length} rows for {n} labels: give one for each application"
            )
    if not np.isin(cases.fraud, (0, 1)).all():
        raise TrainingDataInvalid(
            f"labels hold {np.unique(cases.fraud)[:5].tolist()}: give 1 for proven fraud and 0"
        )


def _day(at: Any) -> str:
    return str(np.datetime64(int(at), "s").astype("datetime64[D]"))
