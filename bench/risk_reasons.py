"""One row scored, with and without its reasons; exact reasons; how far fast and exact ones agree; what-if; the model card.

The model: 500 trees of up to 31 leaves on 30 features, of 40,000 made-up rows with missing values, monotone in ten of them.
Processor time of one thread, best of many: the bounds are of the arithmetic, not of what else the machine does.
"""
# ruff: noqa: E501  (claims are kept whole)

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import lightgbm
import numpy as np

from bench.claims import Claim, report
from timelyrain import risk
from timelyrain.risk import reasons
from timelyrain.risk.model import TrainedModel, encode

ROWS, FEATURES, TREES, LEAVES = 40_000, 30, 500, 31
CARD_ROWS = 150_000


def cpu_microseconds(work: Callable[[], object], number: int, seconds: float = 4.0) -> float:
    """Least processor time of one call, a mean over `number`, tried for some seconds."""
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.process_time_ns()
        for _ in range(number):
            work()
        best = min(best, (time.process_time_ns() - begun) / number)
    return best / 1e3


def made_up(rows: int, features: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    values = rng.normal(size=(rows, features))
    values[rng.random(values.shape) < 0.05] = np.nan
    seen = np.nan_to_num(values)
    z = (
        seen[:, :10] @ np.linspace(0.6, 0.05, 10)
        + 0.5 * seen[:, 10] * seen[:, 11]
        + 0.3 * np.abs(seen[:, 12])
        - 2
    )
    return values, (rng.random(rows) < 1 / (1 + np.exp(-z))).astype(np.int64)


def model_of_500_trees(seed: int = 1) -> tuple[TrainedModel, np.ndarray]:
    values, bad = made_up(ROWS, FEATURES)
    names = tuple(f"f{i}" for i in range(FEATURES))
    params = {
        "objective": "binary", "num_leaves": LEAVES, "learning_rate": 0.03, "min_data_in_leaf": 40, "verbosity": -1,
        "monotone_constraints": [1] * 10 + [0] * 20, "num_threads": 2, "deterministic": True, "seed": seed,
        "feature_fraction": 0.3, "bagging_fraction": 0.8, "bagging_freq": 1,
    }  # fmt: skip
    booster = lightgbm.train(params, lightgbm.Dataset(values, bad, params=params), TREES)
    return TrainedModel.from_bytes(encode(booster.model_to_string(), names, 1.0, 0.0), {}), values


def scoring() -> list[Claim]:
    model, values = model_of_500_trees()
    row = np.ascontiguousarray(values[7])
    while not model.trees._ready(row):  # pyright: ignore[reportPrivateUsage]
        time.sleep(0.1)
    how = f"{TREES} trees of {LEAVES} leaves, {FEATURES} features, CPU time"
    one = row[None, :]
    reference = np.array([model.score(r).pd for r in values[:50]])
    assert np.array_equal(model.pds(values[:50]), reference)
    seconds = time.process_time_ns()
    model.pds(values)
    rate = len(values) / ((time.process_time_ns() - seconds) / 1e9)
    risk.exact_contributions(model, row)
    found = reasons.compared(model, values, 1)
    again = model_of_500_trees(seed=2)[0]
    sample = values[:500]
    fits = [np.array([risk.exact_contributions(one, r) for r in sample]) for one in (model, again)]
    refit = risk.agreement(*fits)
    return [
        Claim("one row: PD", cpu_microseconds(lambda: model.pds(one), 500), "µs", how, at_most=60),
        Claim("one row: PD and the part of every feature", cpu_microseconds(lambda: model.score(row), 500), "µs", how, at_most=120),
        Claim("many rows: PDs in a second on one core", rate, "rows/s", how, at_least=40_000),
        Claim("one row: exact Shapley values, for a notice", cpu_microseconds(lambda: risk.exact_contributions(model, row), 5) / 1e3, "ms", how, at_most=50),
        Claim("first reason, fast and exact, the same", float(str(found["top1"])), "share", f"{found['rows']} rows"),
        Claim("four reasons, fast and exact, in common", float(str(found["top4"])), "share", f"{found['rows']} rows"),
        Claim("four reasons, exact, of two fits by other seeds, in common", refit["top4"], "share", f"{len(sample)} rows"),
        Claim("rank correlation of fast and exact parts", float(str(found["rank"])), "", f"{found['rows']} rows"),
    ]  # fmt: skip


def card() -> list[Claim]:
    values, bad = made_up(CARD_ROWS, 10 + 3)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "loans.csv"
        names = ",".join([*(f"x{i}" for i in range(13)), "bad"])
        np.savetxt(path, np.column_stack([values, bad]), "%.5g", ",", header=names, comments="")
        trained = risk.train_file(path, risk.Request("bad", threads=1))
        begun = time.process_time()
        whole = risk.with_card(trained)
        figures = time.process_time() - begun
        risk.card_html(whole.model.manifest)
        pages = [risk.card_pdf(whole.model.manifest, language) for language in ("zh", "en")]
        seconds = time.process_time() - begun
    how = f"{CARD_ROWS} rows, 13 columns: figures {figures:.1f} s, the page, and the PDF in both languages ({len(pages[0]) // 1024} KiB)"
    return [Claim("model card, seconds of CPU", seconds, "s", how, at_most=10)]


def main(only: list[str]) -> None:
    claims: list[Claim] = []
    if not only or "scoring" in only:
        claims += scoring()
    if not only or "card" in only:
        claims += card()
    report("risk_reasons", claims)


if __name__ == "__main__":
    main(sys.argv[1:])
