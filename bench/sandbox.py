"""The simulated population: how fast it is written, in how much memory, and how much of the truth can be learnt from it."""
# pyright: reportMissingImports=false
# The peers come with `make bench`, not with the tools of `make check`.

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.model_selection import StratifiedKFold

from bench.claims import Claim, report
from timelyrain import decisioning, policies, risk
from timelyrain.sandbox.days import CHINA
from timelyrain.sandbox.population import population_lines
from timelyrain.sources.adapters.population import read_population

PEOPLE, SEED, UNTIL, MONTHS = 3_000, 1, datetime(2026, 3, 17, tzinfo=CHINA), 18
FILE = 40_000


def auc(score: np.ndarray, bad: np.ndarray) -> float:
    """Chance that a bad one scores above a good one."""
    order = np.argsort(np.argsort(score)) + 1
    n = int(bad.sum())
    return float((order[bad].sum() - n * (n + 1) / 2) / (n * (len(bad) - n)))


def written(n: int, folder: Path) -> tuple[float, float]:
    """(applicants per second of CPU, MB at most) of the command, in a process of its own."""
    out = folder / f"{n}.parquet"
    given = ["--applicants", str(n), "--out", str(out)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, *given], check=True, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert pl.scan_parquet(out).select(pl.len()).collect().item() == n
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return n / spent, int(done.stdout) / 1024


_COMMAND = """
import re, sys
from timelyrain.sandbox.population import main
main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def learnt(matrix: np.ndarray, bad: np.ndarray, names: tuple[str, ...]) -> float:
    """Out-of-fold AUC of the platform's own training on the default policy's model inputs."""
    policy = default_policy()
    score = np.zeros(len(bad))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=1).split(matrix, bad):
        model = risk.train(matrix[train], bad[train].astype(np.int64), names, monotone=policy.monotone)
        score[test] = [model.score(row).pd for row in matrix[test]]
    return auc(score, bad)


def default_policy() -> decisioning.Policy:
    return decisioning.Policy.parse(policies.load_pack("cn").read("consumer_credit.toml").decode())


def main() -> None:
    began = time.process_time()
    lines = [json.loads(line) for line in population_lines(PEOPLE, SEED, UNTIL, MONTHS)]
    documents = PEOPLE / (time.process_time() - began)
    people = list(read_population(json.dumps(line) for line in lines))
    bad = np.array([p.default_12m for p in people], bool)
    policy = default_policy()
    matrix, names = decisioning.features_matrix(
        policy, [decisioning.evidence_from_json(p.evidence) for p in people]
    )
    with tempfile.TemporaryDirectory() as folder:
        _, slim = written(FILE // 4, Path(folder))
        rate, peak = written(FILE, Path(folder))
    how = f"{PEOPLE:,} people, seed {SEED}, applications over {MONTHS} months before {UNTIL:%Y-%m-%d}"
    claims = [
        Claim("people who default within 12 months", bad.mean() * 100, "%", how),
        Claim("AUC of the true probability", auc(np.array([p.true_pd for p in people]), bad), "", how),
        Claim(
            "AUC learnt from the documents",
            learnt(matrix, bad, names),
            "",
            f"{how}; {len(names)} model inputs, 5 folds",
        ),
        Claim("raw documents", documents, "people per CPU s", "population_lines"),
        Claim(
            "file of applications",
            rate,
            "applicants per CPU s",
            f"{FILE:,} by the command, start included",
            at_least=1_500,
        ),
        Claim(
            "its memory",
            peak,
            "MB",
            f"{FILE:,} applicants; {slim:,.0f} MB for {FILE // 4:,}",
        ),
    ]
    report("sandbox", claims)


if __name__ == "__main__":
    main()
