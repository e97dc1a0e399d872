"""`timelyrain risk fraud`: a score learnt from proven fraud and a score of oddness, from a file of applications."""

import argparse
import json
import sys
import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.console import Console
from rich.table import Table

from timelyrain import backtesting, policies, risk
from timelyrain.decisioning import Policy

from .commands import Commands, Refusal, load_django, say
from .definitions import parsed, policy_source

Floats = npt.NDArray[np.float64]
NEW_DEVICE_DAYS = 90
BLOCK = 2_000

TRAIN = """
FILE is a file of applications (docs/sandbox.md lists its columns) with a column of proven fraud, 1 or 0.
What the scores read stands in the policy pack, fraud.toml: features of the catalogue and velocities.

what is written with --out
  <sha256>.model, .json   twice: the score of fraud and the score of oddness, as the kernel loads them
  fraud.json              what --json prints

examples
  timelyrain risk fraud train past.parquet --label fraud --kind fraud_kind --out models
"""
SCORE = """
FILE is a file of applications (docs/sandbox.md lists its columns). Velocities are counted within it, in the order of time.

examples
  timelyrain risk fraud score past.parquet --model models/<sha256>.model
  timelyrain risk fraud score past.parquet --model models/<sha256>.model --json --out scored.parquet
"""
FILL = """
Velocities count what stands in the store of sightings, and it grows only with decisions by a policy that names a score. Fill it
before such a policy decides first, so that its counts are those that the models learnt from, and once after. Cut short, it
goes on where it was; done twice, it adds nothing.
"""


def add(group: Commands) -> None:
    fraud = group.group("fraud", "Scores of fraud and oddness from past applications")
    train = fraud.add(train_file, "train", TRAIN)
    train.add_argument("file", type=Path, metavar="FILE", help="Parquet, one row per application")
    train.add_argument(
        "--label", default="fraud", metavar="COL", help="1 for proven fraud (default %(default)s)"
    )
    train.add_argument(
        "--kind", default="", metavar="COL", help="kind of fraud: each is left out once and then looked for"
    )
    train.add_argument(
        "--policy", default="consumer_credit", help="whose catalogue of features (default %(default)s)"
    )
    train.add_argument("--seed", type=int, default=1, metavar="N")
    train.add_argument("--threads", type=int, default=2, metavar="N")
    train.add_argument("--out", type=Path, metavar="DIR", help="where models and report are written")
    train.add_argument("--json", action="store_true", help="the report as JSON on stdout")
    score = fraud.add(score_file, "score", SCORE)
    score.add_argument("file", type=Path, metavar="FILE", help="Parquet, one row per application")
    score.add_argument(
        "--model", type=Path, required=True, metavar="M", help="a .model file of `risk fraud train`"
    )
    score.add_argument(
        "--policy", default="consumer_credit", help="whose catalogue of features (default %(default)s)"
    )
    score.add_argument("--top", type=int, default=20, metavar="N", help="rows shown (default %(default)s)")
    score.add_argument("--out", type=Path, metavar="FILE", help="the applications with the score as `given.<role>.score_ppm`: "
                       "what a policy that names fraud.score_ppm or anomaly.score_ppm reads in a back-test")  # fmt: skip
    score.add_argument("--json", action="store_true", help="every application as one line of JSON")
    filled = fraud.add(fill, "fill", FILL)
    filled.add_argument(
        "--by", default="command line", metavar="LOGIN", help="who asks (default %(default)s)"
    )


def fill(given: argparse.Namespace) -> int:
    """Fill the platform's store of sightings from past applications; what it holds already stays as it is."""
    load_django()
    from timelyrain.origination import sightings
    from timelyrain.runtime.problems import Problem

    try:
        done = sightings.fill(given.by, say)
    except (Problem, LookupError) as refused:
        raise Refusal(str(refused)) from None
    print(f"{done.sightings} sightings of {done.decisions} decisions since {done.since:%Y-%m-%d}")
    return 0


def train_file(given: argparse.Namespace) -> int:
    """Train a score of fraud and a score of oddness; each is tested on the latest quarter, and on kinds it was not shown."""
    spec, policy = _spec(), parsed(policy_source(given.policy), given.policy)
    names = _features(spec, policy)
    labels = _column(given.file, given.label).cast(pl.Int64, strict=False)
    if labels.null_count() or not labels.is_in([0, 1]).all():
        raise Refusal(
            f"{given.label!r} must hold 1 for proven fraud and 0: fill in what is missing, or name another column."
        )
    kinds = _column(given.file, given.kind).cast(pl.String).fill_null("").to_list() if given.kind else []
    table = read_cases(given.file, policy, names, _velocity(spec))
    tenure = table.matrix[:, names.index("device_tenure_days")] if "device_tenure_days" in names else None
    cases = risk.Cases(
        table.matrix, table.names, labels.to_numpy(), table.at, kinds,
        {} if tenure is None else {f"device seen for under {NEW_DEVICE_DAYS} days": tenure < NEW_DEVICE_DAYS},
    )  # fmt: skip
    monotone = {
        name: sign
        for name in table.names
        for patterns, sign in ((spec["increasing"], 1), (spec["decreasing"], -1))
        if _matches(name, patterns)
    }
    try:
        made = risk.train_fraud(cases, monotone=monotone, seed=given.seed, threads=given.threads, say=say)
    except risk.TrainingDataInvalid as error:
        raise Refusal(str(error)) from None
    report = {"file": given.file.name, "policy_sha256": policy.sha256, **made.report}
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    if given.out:
        for model in (made.fraud, made.anomaly):
            say(f"written: {risk.save(model, given.out)}")
        (given.out / "fraud.json").write_text(text + "\n", encoding="utf-8")
    if given.json:
        print(text)
    else:
        _show(report)
    return 0


def score_file(given: argparse.Namespace) -> int:
    """Score applications with a model of `risk fraud train`; the highest first, with what made them high."""
    try:
        model = risk.load(given.model, given.model.stem)
    except risk.ModelRefused as error:
        raise Refusal(str(error)) from None
    role = model.manifest.get("role")
    if role not in ("fraud", "anomaly"):
        raise Refusal(
            f"{given.model} is no model of `timelyrain risk fraud train`: its manifest names no such role."
        )
    policy = parsed(policy_source(given.policy), given.policy)
    velocity = _velocity(_spec())
    strange = [n for n in model.feature_names if n not in policy.features and n not in velocity.names]
    if strange:
        raise Refusal(
            f"the model reads {strange[0]!r}, which {policy.name} does not have: name the policy it was trained with."
        )
    names = tuple(n for n in model.feature_names if n in policy.features)
    table = read_cases(given.file, policy, names, velocity)
    matrix = np.ascontiguousarray(table.matrix[:, [table.names.index(n) for n in model.feature_names]])
    ids = _column(given.file, "application_id").cast(pl.String).to_list()
    scores = model.pds(matrix)
    ppm = np.rint(scores * 1e6).astype(np.int64)
    if given.out:
        pl.read_parquet(given.file).with_columns(pl.Series(f"given.{role}.score_ppm", ppm)).write_parquet(
            given.out
        )
        say(f"written: {given.out}, with given.{role}.score_ppm")
    order = np.argsort(-scores, kind="stable").tolist()
    shown = Table("application", "score (ppm)", "what raised it", title_justify="left")
    for at in order if given.json else order[: given.top]:
        parts = model.score(matrix[at]).contributions
        raised = sorted(
            ((part, name) for part, name in zip(parts, model.feature_names, strict=True) if part > 0),
            reverse=True,
        )[:4]
        if given.json:
            told = [
                {"feature": name, "value": _shown(matrix[at, model.feature_names.index(name)])}
                for _, name in raised
            ]
            print(json.dumps({"application_id": ids[at], "score_ppm": int(ppm[at]), "raised_by": told}))
        else:
            shown.add_row(ids[at], f"{ppm[at]:,}", ", ".join(name for _, name in raised))
    if not given.json:
        Console(width=None if sys.stdout.isatty() else 130).print(shown)
    return 0


def read_cases(file: Path, policy: Policy, names: Sequence[str], velocity: risk.Velocity) -> risk.Cases:
    """Features and velocities of every application of a file, none with a label; velocities in the order of time."""
    try:
        past = backtesting.Applications.open(file)
        say(f"{past.rows} applications: features and velocities")
        blocks: list[Floats] = []
        keys: list[Mapping[str, int]] = []
        moments: list[npt.NDArray[np.int64]] = []
        for start in range(0, past.rows, BLOCK):
            batch = past.read(start, BLOCK)
            table = policy.engine.features(batch.evidences)
            at = np.array([table.places[name] for name in names], np.int64)
            blocks.append(np.where(table.known[:, at], table.numbers[:, at].astype(np.float64), np.nan))
            keys += [risk.things_used(evidence.tables) for evidence in batch.evidences]
            moments.append(batch.at)
        people = (
            _column(file, "person" if "person" in pl.read_parquet_schema(file) else "application_id")
            .cast(pl.String)
            .to_list()
        )
    except backtesting.ApplicationsInvalid as error:
        raise Refusal(str(error)) from None
    when = np.concatenate(moments)
    seen = np.empty((len(when), len(velocity.names)))
    for row in np.argsort(when, kind="stable").tolist():
        seen[row] = velocity.see(int(when[row]), people[row], keys[row])
    matrix = np.column_stack([np.concatenate(blocks), seen])
    return risk.Cases(matrix, (*names, *velocity.names), np.zeros(len(when), np.int64), when)


def _spec() -> dict[str, Any]:
    return tomllib.loads(policies.load_pack("cn").read("fraud.toml").decode())


def _velocity(spec: Mapping[str, Any]) -> risk.Velocity:
    return risk.Velocity(tuple(spec["velocity"]["entities"]), tuple(spec["velocity"]["windows_days"]))


def _features(spec: Mapping[str, Any], policy: Policy) -> tuple[str, ...]:
    found = [name for name in policy.features if _matches(name, spec["inputs"])]
    lacking = [pattern for pattern in spec["inputs"] if not any(fnmatchcase(name, pattern) for name in found)]
    if lacking:
        raise Refusal(
            f"{policy.name} has no feature {lacking[0]!r}, which fraud.toml of the policy pack names."
        )
    return tuple(found)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _column(file: Path, name: str) -> pl.Series:
    try:
        return pl.read_parquet(file, columns=[name])[name]
    except pl.exceptions.ColumnNotFoundError:
        raise Refusal(f"{file} has no column {name!r}.") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise Refusal(f"{file} cannot be read as Parquet ({str(error).splitlines()[0]}).") from None


def _shown(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _show(report: Mapping[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 130)
    split = report["split"]
    console.print(
        f"{report['rows']} applications, {report['cases']} proven cases; tested on {split['test']} from {split['test_from']}",
        highlight=False,
    )
    worth = Table(
        "score", "AUC (95 %)", "average precision", "found among the 1 % flagged", title_justify="left"
    )
    for name, found in report["models"].items():
        cells = [found[key] for key in ("auc", "average_precision", "recall_flagged")]
        worth.add_row(name, *(f"{c['value']:.3f} ({c['low']:.3f} to {c['high']:.3f})" for c in cells))
    console.print(worth)
    if report["by_kind"]:
        kinds = Table("kind", "cases", "fraud", "fraud, never shown it", "anomaly", "anomaly, never shown it",
                      title="found among the 1 % flagged (AUC)", title_justify="left")  # fmt: skip
        for kind, told in report["by_kind"].items():
            cells = [told[view][name] for name in ("fraud", "anomaly") for view in ("shown", "not_shown")]
            kinds.add_row(
                kind, str(told["cases"]), *(f"{c['recall_flagged']:.2f} ({c['auc']:.3f})" for c in cells)
            )
        console.print(kinds)
    if report["by_cut"]:
        cuts = Table(
            "applications",
            "rows",
            "cases",
            "fraud",
            "anomaly",
            title="found among the 1 % flagged (AUC)",
            title_justify="left",
        )
        for cut, told in report["by_cut"].items():
            cells = [told[name] for name in ("fraud", "anomaly")]
            cuts.add_row(
                cut,
                str(told["rows"]),
                str(told["cases"]),
                *(f"{c['recall_flagged']:.2f} ({c['auc']:.3f})" for c in cells),
            )
        console.print(cuts)
