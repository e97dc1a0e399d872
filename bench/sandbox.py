"""The simulated population: how fast it is written, in how much memory, and how much of the truth can be learnt from it.

Calibration, pricing and what-if are held against the truth, and the pictures of docs/sandbox.md are drawn.
"""
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
from timelyrain.backtesting import Applications, Economics
from timelyrain.drawing import Axes, percent, still
from timelyrain.sandbox.days import CHINA
from timelyrain.sandbox.lives import draw_lives
from timelyrain.sandbox.noise import seed_of
from timelyrain.sandbox.people import make_person
from timelyrain.sandbox.population import population_lines, write_parquet
from timelyrain.sources.adapters.population import read_population

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
INK = (
    "text{font:13px system-ui,sans-serif;fill:#22303a}.small{fill:#65737e;font-size:12px}path{fill:none;stroke-width:2}"
    ".line{stroke:#dfe5e9;stroke-width:1}.truth{stroke:#0b6e6e;fill:#0b6e6e}.learnt{stroke:#b4682f;fill:#b4682f}"
    ".law{stroke:#22303a}.even{stroke:#65737e;stroke-width:1;stroke-dasharray:4 4}"
    ".bars{fill:#0b6e6e;opacity:.35}text.truth,text.learnt{stroke:none}svg{background:#fff}"
)
PEOPLE, SEED, UNTIL, MONTHS = 3_000, 1, datetime(2026, 3, 17, tzinfo=CHINA), 18
FILE, TRIED = 40_000, 24_000


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
        model = risk.train(
            matrix[train], bad[train].astype(np.int64), names, monotone=policy.monotone, threads=1
        )
        score[test] = [model.score(row).pd for row in matrix[test]]
    return auc(score, bad)


def default_policy() -> decisioning.Policy:
    return decisioning.Policy.parse(policies.load_pack("cn").read("consumer_credit.toml").decode())


def against_truth(folder: Path) -> list[Claim]:
    """A model of one half of the known outcomes, priced on the other: what it expects, what the truth says, what came."""
    file = folder / "truth.parquet"
    write_parquet(TRIED, SEED, UNTIL, 30, file)
    past, policy = Applications.open(file), default_policy()
    parts: list[tuple[np.ndarray, ...]] = []
    for start in range(0, TRIED, 2_000):
        batch = past.read(start, 2_000)
        matrix, names = decisioning.features_matrix(policy, batch.evidences)
        parts.append((matrix, batch.outcome, batch.amount_fen, batch.instalments))
    whole = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
    known = np.flatnonzero(whole[1] >= 0)
    matrix, bad, amount, terms = (column[known] for column in whole)
    truth = pl.read_parquet(file, columns=["true_pd"])["true_pd"].to_numpy()[known]
    half = np.arange(len(known)) < len(known) // 2
    model = risk.train(matrix[half], bad[half], names, monotone=policy.monotone, threads=1)
    learnt, true, came = model.pds(matrix[~half]), truth[~half], bad[~half] == 1
    amount, terms, book = amount[~half], terms[~half], Economics()
    rates = (
        book.funding_ppm
        + ((learnt * book.lgd_ppm + book.cost_fen * 1e6 / amount) / (1 - learnt) * 24 / (terms + 1)).astype(
            np.int64
        )
        + 20_000
    )
    lent = np.where(rates <= 240_000, amount, 0)

    def told(rows: np.ndarray) -> tuple[float, float, float, float]:
        """Yuan per loan: expected by the model, by the truth, realised, and one standard error of luck."""
        n = (lent[rows] > 0).sum() * 100
        by_model, by_truth = (
            book.expected(lent, rates, terms, np.rint(pd * 1e6).astype(np.int64))[rows].sum() / n
            for pd in (learnt, true)
        )
        seen = (
            book.realised(lent, rates, terms, came, book.lost(lent, amount, np.full(len(lent), -1)))[
                rows
            ].sum()
            / n
        )
        swing = lent * ((rates - book.funding_ppm) / 1e6 * (terms + 1) / 24 + book.lgd_ppm / 1e6)
        luck = np.sqrt((true * (1 - true) * swing**2)[rows].sum()) / n
        return float(by_model), float(by_truth), float(seen), float(luck)

    pictures(truth, bad, true, learnt, came.astype(np.int64))
    deciles = np.array_split(np.argsort(truth, kind="stable"), 10)
    z = [abs(bad[d].sum() - truth[d].sum()) / (truth[d] * (1 - truth[d])).sum() ** 0.5 for d in deciles]
    how = f"{len(known):,} known outcomes of {TRIED:,} applications, model from half of them, {len(names)} inputs"
    everybody = told(lent > 0)
    better = told((lent > 0) & (learnt <= np.median(learnt[lent > 0])))
    said = "yuan a loan, priced at the learnt break-even + 2 % within 24 %; recorded loss 65 %"
    return [
        Claim("known outcomes that are bad", float(bad.mean() * 100), "%", how),
        Claim("AUC of the true probability, known outcomes", auc(truth, bad == 1), "", how),
        Claim("AUC of the learnt one, other half", auc(learnt, came), "", how),
        Claim("farthest tenth of the true probability from its outcomes", float(max(z)), "standard errors", how, at_most=4),
        Claim("calibration error of the learnt probability, by outcomes", risk.metrics(bad[~half], learnt)["ece"], "", how),
        Claim("and by the truth: tenths of the learnt against their mean true", by_truth(learnt, true), "", how),
        *(
            Claim(f"profit, {who}: {what}", value, "yuan a loan", f"{said}; luck {found[3]:.0f} yuan")
            for who, found in (("all that can be priced", everybody), ("what if only the better half", better))
            for what, value in zip(("expected by the model", "by the truth", "realised"), found[:3], strict=True)
        ),
    ]  # fmt: skip


def by_truth(learnt: np.ndarray, true: np.ndarray) -> float:
    """As the calibration error, with the mean true probability in the place of the bad rate."""
    parts = np.array_split(np.argsort(learnt, kind="stable"), 10)
    return float(sum(abs(learnt[p].mean() - true[p].mean()) * len(p) for p in parts) / len(learnt))


def pictures(
    truth: np.ndarray, bad: np.ndarray, true: np.ndarray, learnt: np.ndarray, came: np.ndarray
) -> None:
    """docs/pictures/sandbox-*.svg: calibration by tenths, and the marginals of income and of the true probability."""
    axes = Axes((0.0, 0.6), (0.0, 0.6))
    axes.grid(percent, percent, ("预测违约率", "predicted, by tenths"))
    axes.line([(0, 0), (0.6, 0.6)], "even")
    for style, pd, seen, shift in (("truth", truth, bad, 0.0), ("learnt", learnt, came, 0.002)):
        for part in np.array_split(np.argsort(pd, kind="stable"), 10):
            x, y = float(pd[part].mean()) + shift, float(seen[part].mean())
            reach = 1.96 * (y * (1 - y) / len(part)) ** 0.5
            axes.whisker(x, max(0.0, y - reach), y + reach, style)
            axes.dot(axes.x(x), axes.y(y), style, radius=3.5)
    axes.text(90, 40, "true probability against outcomes", style="truth")
    axes.text(90, 60, "learnt probability, other half", style="learnt")
    (PICTURES / "sandbox-calibration.svg").write_text(
        still(axes.svg(("校准", "calibration")), "en", INK) + "\n", encoding="utf-8"
    )
    lives = draw_lives([make_person("random", seed_of(f"bench/{i}")) for i in range(FILE)])
    income = lives.income_fen / 100
    edges = np.arange(2_000, 22_500, 500)
    counts = np.histogram(income, edges)[0] / len(income)
    drawn = Axes((2_000.0, 22_000.0), (0.0, float(counts.max()) * 1.1))
    drawn.grid(lambda v: f"{v:,.0f}", percent, ("月收入（元）", "monthly income, yuan"))
    for low, share in zip(edges.tolist(), counts.tolist(), strict=False):
        drawn.bar(
            drawn.x(low),
            drawn.y(share),
            drawn.x(low + 500) - drawn.x(low) - 1,
            drawn.y(0) - drawn.y(share),
            "bars",
        )
    curve = [
        (x, 500 * np.exp(-((np.log(x / 7_200) / 0.42) ** 2) / 2) / (x * 0.42 * (2 * np.pi) ** 0.5))
        for x in range(2_000, 22_000, 100)
    ]
    drawn.line(curve, "law")
    (PICTURES / "sandbox-income.svg").write_text(
        still(drawn.svg(("收入", "income")), "en", INK) + "\n", encoding="utf-8"
    )
    counts = np.histogram(truth, np.arange(0, 1.02, 0.02))[0] / len(truth)
    drawn = Axes((0.0, 1.0), (0.0, float(counts.max()) * 1.1))
    drawn.grid(percent, percent, ("真实违约概率", "true probability of default"))
    for i, share in enumerate(counts.tolist()):
        drawn.bar(
            drawn.x(i / 50),
            drawn.y(share),
            drawn.x(0.02) - drawn.x(0) - 1,
            drawn.y(0) - drawn.y(share),
            "bars",
        )
    (PICTURES / "sandbox-pd.svg").write_text(
        still(drawn.svg(("真实概率", "true probability")), "en", INK) + "\n", encoding="utf-8"
    )


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
        truth = against_truth(Path(folder))
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
        *truth,
    ]
    report("sandbox", claims)


if __name__ == "__main__":
    main()
