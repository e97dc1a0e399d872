"""Fraud scores on the simulated population with its planted rings, and what texts add. All fraud here is simulated.

40,000 applications over 24 months (seed 1), tested on the latest quarter; each kind of ring is once kept from training and then
looked for. Texts: LendingClub's own words where TIMELYRAIN_SHARED/data is at hand, and the simulated Chinese ones.
"""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

from bench.claims import Claim, microseconds, report
from bench.risk import DATA, LENDING_CLUB
from timelyrain import risk
from timelyrain.cli.definitions import parsed, policy_source
from timelyrain.cli.fraud import read_cases
from timelyrain.risk import leaks, roles, tables, text_columns

PEOPLE, MONTHS = 40_000, 24


def cli(*given: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "timelyrain.cli", *given, "--json"], check=True, capture_output=True
    )
    return json.loads(done.stdout)


def scores(folder: Path, file: Path) -> list[Claim]:
    begun = time.perf_counter()
    found = cli("risk", "fraud", "train", str(file), "--kind", "fraud_kind", "--out", str(folder))
    seconds = time.perf_counter() - begun
    timed = Claim(
        "training, five times two models, with features", seconds, "s", "two cores shared with other work"
    )
    return [*findings(found), *speeds(folder, found), timed]


def findings(found: dict[str, Any]) -> list[Claim]:
    """What the report of `risk fraud train` says."""
    test = found["split"]["test"]
    how = (
        f"simulated; {found['rows']:,} applications, {found['cases']} in rings, tested on the latest {test:,}"
    )
    claims: list[Claim] = []
    for name, told in found["models"].items():
        for key, words in (
            ("auc", "AUC"), ("average_precision", "average precision"), ("recall_flagged", "of all cases among the 1 % flagged"),
        ):  # fmt: skip
            cell = told[key]
            claims.append(
                Claim(f"{name}: {words} ({cell['low']:.3f} to {cell['high']:.3f})", cell["value"], "", how)
            )
    for kind, told in found["by_kind"].items():
        for view, words in (("shown", "trained with it"), ("not_shown", "never shown it")):
            for name in ("fraud", "anomaly"):
                cell = told[view][name]
                claims.append(
                    Claim(f"{kind} among the 1 % flagged: {name}, {words}", cell["recall_flagged"], "",
                          f"{told['cases']} cases, AUC {cell['auc']:.3f}")
                )  # fmt: skip
    for cut, told in found["by_cut"].items():
        for name in ("fraud", "anomaly"):
            claims.append(
                Claim(f"{cut}: {name}, among the 1 % flagged", told[name]["recall_flagged"], "",
                      f"{told['cases']} cases in {told['rows']:,}, AUC {told[name]['auc']:.3f}")
            )  # fmt: skip
    return claims


def speeds(folder: Path, found: dict[str, Any]) -> list[Claim]:
    rows = np.random.default_rng(1).normal(size=(64, len(found["features"])))
    claims: list[Claim] = []
    for name, digest in found["sha256"].items():
        model = risk.load(folder / f"{digest}.model", digest)
        model.trees.walk_compiled(rows[0])
        best = microseconds(lambda m=model: m.score(rows[0]))
        claims.append(Claim(f"{name}: one score with its reasons", best, "us", "one core"))
    return claims


def velocities() -> list[Claim]:
    velocity = risk.Velocity(("device", "address", "employer", "place"), (1, 7, 30))
    keys = [
        {e: int(k) for e, k in zip(velocity.entities, row, strict=True)}
        for row in np.random.default_rng(2).integers(1, 2_000, (50_000, 4))
    ]
    begun = time.process_time()
    for i, one in enumerate(keys):
        velocity.see(i * 30, f"p{i}", one)
    spent = (time.process_time() - begun) / len(keys) * 1e6
    return [
        Claim(
            "velocities of one application",
            spent,
            "us CPU",
            "four entities, three windows, 2,000 hot keys each",
        )
    ]


def words(name: str, file: Path, request: risk.Request) -> list[Claim]:
    """What each text adds on the inner folds of the rows before the split; as `risk train --text` decides whether to keep it."""
    table = tables.read(file, 0, (request.label,))
    plan = roles.plan(table, request.label, request.bad, request.good, exclude=request.exclude)
    rows = np.arange(len(plan.labels))
    if request.split_at and plan.time is not None:
        rows = np.flatnonzero(plan.time < np.datetime64(request.split_at).astype(np.int64))
    gone = leaks.excluded(leaks.single(plan.columns, plan.labels, 1), ())
    columns = [column.take(rows) for column in plan.columns if column.name not in gone]
    written = [one.take(rows) for one in text_columns.read(table, plan.rows, request.texts, None)]
    _, heard = text_columns.hear(columns, written, plan.labels[rows], rows, seed=1, threads=1)
    claims: list[Claim] = []
    for one in heard.findings:
        added: Any = one["auc_added"]
        how = f"{one['rows']:,} rows, alone {added['alone']:.3f}; {'kept' if one['kept'] else 'left out'}"
        what = f"{name}: words of {one['column']} add ({added['low']:+.4f} to {added['high']:+.4f})"
        claims.append(Claim(what, added["value"], "AUC", how))
    return claims


def simulated_words(folder: Path, file: Path) -> list[Claim]:
    """The Chinese texts of the population beside a few numbers."""
    policy = parsed(policy_source("consumer_credit"), "consumer_credit")
    names = (
        "bureau_score",
        "dti_ppm",
        "income_verified_fen",
        "bank_gambling_share_180d",
        "bureau_late_count_730d",
        "utilisation_ppm",
    )
    numbers = read_cases(file, policy, names, risk.Velocity((), ())).matrix
    said = pl.read_parquet(file, columns=["purpose_text", "employer", "outcome_bad"])
    flat = folder / "flat.csv"
    frame = said.with_columns(pl.Series(name, numbers[:, i]).fill_nan(None) for i, name in enumerate(names))
    frame.filter(pl.col("outcome_bad").is_not_null()).write_csv(flat)
    return words("simulated", flat, risk.Request("outcome_bad", texts=("purpose_text", "employer")))


def main() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "past.parquet"
        maker = [
            sys.executable,
            "-m",
            "timelyrain.sandbox.population",
            "--applicants",
            str(PEOPLE),
            "--months",
            str(MONTHS),
        ]
        subprocess.run([*maker, "--out", str(file), "--seed", "1"], check=True, capture_output=True)
        claims = [*scores(folder, file), *velocities(), *simulated_words(folder, file)]
    lent = DATA / "lendingclub_2007_2011/loans.csv.gz"
    if lent.is_file():
        claims += words("LendingClub", lent, replace(LENDING_CLUB, texts=("title", "emp_title", "desc")))
    report("fraud", claims)


if __name__ == "__main__":
    main()
