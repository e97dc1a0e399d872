"""One watch: a table of decisions against its reference, as a plain dictionary, and what in it asks for somebody."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .measures import (
    BUCKETS,
    Floats,
    Interval,
    Ints,
    Life,
    bins_of,
    calibration,
    estimated,
    fairness,
    performance,
    psi,
    psi_by_chance,
    psi_parts,
    rolls,
    vintages,
)

Flags = npt.NDArray[np.bool_]
LEVELS = ("calm", "watch", "act")


@dataclass(frozen=True)
class Rules:
    """From which values on a watch speaks. Shares and ratios as fractions."""

    psi_watch: float = 0.10
    psi_act: float = 0.25
    calibration_watch: float = 1.2
    calibration_act: float = 1.5
    auc_watch: float = 0.03
    auc_act: float = 0.05
    four_fifths: float = 0.8
    few: int = 100
    """Rows below which nothing is judged."""
    few_bad: int = 20
    """Bad loans below which an AUC is not judged."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """One row each, oldest first. months: "2026-05"; labels: 1 bad, 0 good, -1 not known (yet).

    inputs: what the model reads, NaN where missing; groups: a protected attribute -> the group of each row.
    """

    months: Sequence[str]
    pd: Floats
    labels: Ints
    approved: Flags
    lent: Flags  # whose outcome is or will be known
    inputs: Mapping[str, Floats]
    groups: Mapping[str, Sequence[str]]

    def take(self, rows: Flags) -> "Decisions":
        def kept(values: Sequence[str]) -> list[str]:
            return [value for value, wanted in zip(values, rows.tolist(), strict=True) if wanted]

        return Decisions(
            kept(self.months),
            self.pd[rows],
            self.labels[rows],
            self.approved[rows],
            self.lent[rows],
            {name: values[rows] for name, values in self.inputs.items()},
            {name: kept(values) for name, values in self.groups.items()},
        )


def joined(first: Decisions, second: Decisions) -> Decisions:
    """The rows of both; they have the same inputs and groups."""
    return Decisions(
        [*first.months, *second.months],
        np.concatenate((first.pd, second.pd)),
        np.concatenate((first.labels, second.labels)),
        np.concatenate((first.approved, second.approved)),
        np.concatenate((first.lent, second.lent)),
        {name: np.concatenate((first.inputs[name], second.inputs[name])) for name in first.inputs},
        {name: [*first.groups[name], *second.groups[name]] for name in first.groups},
    )


@dataclass(frozen=True)
class Finding:
    """level: watch or act. measure: psi, csi, calibration, auc, auc_estimated, four_fifths; of: what; bound: what was passed."""

    level: str
    measure: str
    of: str
    value: float
    bound: float


def watch(
    all_: Decisions, reference: Flags, current: Flags, rules: Rules, lives: Sequence[Life] = ()
) -> dict[str, Any]:
    """Everything that is measured. reference, current: the rows of `all_` that are compared. Raises ValueError for none."""
    before, now = all_.take(reference), all_.take(current)
    if not len(before.pd) or not len(now.pd):
        empty = "reference" if not len(before.pd) else "current window"
        raise ValueError(f"the {empty} has no rows: nothing can be compared")
    looked_at = 1 + len(all_.inputs)
    moved = {name: _moved(before.inputs[name], now.inputs[name], looked_at) for name in all_.inputs}
    months = [_month(all_, month, before.pd) for month in sorted(set(all_.months))]
    known = all_.take((all_.labels >= 0) & ~reference)  # what the reference did not hold yet
    learnt = before.take(before.labels >= 0)
    report: dict[str, Any] = {
        "rows": {
            "reference": len(before.pd),
            "current": len(now.pd),
            "all": len(all_.pd),
            "known": len(known.pd),
        },
        "score": _moved(before.pd, now.pd, looked_at, told=True),
        "inputs": moved,
        "months": months,
        "calibration": calibration(known.labels, known.pd) if len(known.pd) else None,
        "performance": _performance(known),
        "reference_performance": _performance(learnt),
        "estimated": _promised(now),
        "reference_estimated": _promised(before),
        "fairness": {
            name: [
                {**row, "came": _came(known, name, row["group"])}
                for row in fairness(values, now.approved, now.pd, rules.few)
            ]
            for name, values in now.groups.items()
        },
        "vintages": vintages(lives),
        "rolls": {"buckets": BUCKETS, "counts": rolls(lives)},
        "rules": asdict(rules),
    }
    found = findings(report, rules)
    report["findings"] = [asdict(one) for one in found]
    report["level"] = max((one.level for one in found), key=LEVELS.index, default="calm")
    return report


def findings(report: Mapping[str, Any], rules: Rules) -> list[Finding]:
    """What passed its bound by more than chance; the gravest first."""
    found: list[Finding] = []

    def judge(measure: str, of: str, value: float, watch: float, act: float) -> None:
        if value >= watch:
            grave = value >= act
            found.append(Finding("act" if grave else "watch", measure, of, value, act if grave else watch))

    if min(report["rows"]["reference"], report["rows"]["current"]) >= rules.few:
        for measure, of, one in [
            ("psi", "score", report["score"]),
            *(("csi", name, one) for name, one in report["inputs"].items()),
        ]:
            if one["psi"] > one["by_chance"]:
                judge(measure, of, one["psi"], rules.psi_watch, rules.psi_act)
        promised, stood = report["estimated"].get("auc"), report["reference_estimated"].get("auc")
        if promised and stood and promised["high"] < stood["low"]:
            judge(
                "auc_estimated", "score", stood["value"] - promised["value"], rules.auc_watch, rules.auc_act
            )
    fit = report["calibration"]
    if fit and fit["rows"] >= rules.few and not fit["low"] <= fit["observed"] <= fit["high"]:
        off = max(fit["ratio"], 1 / fit["ratio"] if fit["ratio"] else float(rules.calibration_act))
        judge("calibration", "bad rate", off, rules.calibration_watch, rules.calibration_act)
    came, had = report["performance"], report["reference_performance"]
    if (
        came
        and had
        and min(came["bad"], had["bad"]) >= rules.few_bad
        and came["auc"]["high"] < had["auc"]["low"]
    ):
        judge("auc", "score", had["auc"]["value"] - came["auc"]["value"], rules.auc_watch, rules.auc_act)
    for name, groups in report["fairness"].items():
        best = max((g["low"] for g in groups if g["ratio"] == 1), default=0.0)
        for group in groups:
            ratio = group["ratio"]
            if ratio is not None and ratio < rules.four_fifths and group["high"] < best:
                found.append(
                    Finding("watch", "four_fifths", f"{name} {group['group']}", ratio, rules.four_fifths)
                )
    return sorted(
        found, key=lambda one: (-LEVELS.index(one.level), one.measure != "psi", -one.value / one.bound)
    )


def _moved(before: Floats, now: Floats, looked_at: int, *, told: bool = False) -> dict[str, Any]:
    bins = bins_of(before)
    seen = bins.count(now)
    one: dict[str, Any] = {
        "psi": psi(bins.counts, seen),
        "by_chance": psi_by_chance(bins.counts, seen, looked_at),
    }
    if told:
        one |= {
            "cuts": bins.cuts,
            "reference": bins.counts,
            "current": seen,
            "parts": psi_parts(bins.counts, seen),
        }
    return one


def _month(all_: Decisions, month: str, reference: Floats) -> dict[str, Any]:
    rows = all_.take(np.array([one == month for one in all_.months]))
    known = rows.take(rows.labels >= 0)
    bins = bins_of(reference)
    return {
        "month": month,
        "rows": len(rows.pd),
        "psi": psi(bins.counts, bins.count(rows.pd)),
        "approved": float(rows.approved.mean()),
        "mean_pd": float(rows.pd.mean()),
        "calibration": calibration(known.labels, known.pd) if len(known.pd) else None,
        "performance": _performance(known),
        "estimated": _promised(rows),
        "fairness": {name: _approval(values, rows.approved) for name, values in rows.groups.items()},
    }


def _came(known: Decisions, attribute: str, group: str) -> dict[str, float] | None:
    """Calibration of one group, where outcomes are known."""
    of = known.take(np.array([one == group for one in known.groups[attribute]], np.bool_))
    return calibration(of.labels, of.pd) if len(of.pd) else None


def _approval(groups: Sequence[str], approved: Flags) -> dict[str, dict[str, float]]:
    names = np.asarray(groups)
    return {
        name: {"rows": int((names == name).sum()), "approved": float(approved[names == name].mean())}
        for name in sorted(set(groups))
    }


def _performance(known: Decisions) -> dict[str, Any] | None:
    bad = int(known.labels.sum())
    if not bad or bad == len(known.labels):
        return None
    return {"rows": len(known.pd), "bad": bad, **_told(performance(known.labels, known.pd))}


def _promised(rows: Decisions) -> dict[str, Any]:
    """Estimated on those whose outcome will be seen, so that it can be held against it; on all where there is none."""
    return _told(estimated(rows.pd[rows.lent] if rows.lent.any() else rows.pd))


def _told(found: Mapping[str, Interval]) -> dict[str, Any]:
    return {name: asdict(one) for name, one in found.items()}
