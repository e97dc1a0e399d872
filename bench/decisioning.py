"""The decision kernel: one applicant with 2,000 raw events, batches, a rule changed over ten million rows, a cold worker.

The shipped policy and its catalogue, a model of 500 trees of 31 leaves on its model inputs, seeded applicants that rotate.
`python -m bench.decisioning` measures all; `--part NAME` prints one number and is how parts run in a process of their own.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.claims import Claim, report
from timelyrain import risk
from timelyrain.decisioning import (
    Column,
    Evidence,
    LawContext,
    Policy,
    Request,
    State,
    decide,
    decide_batch,
    decision_record,
    evidence_from_json,
    features_matrix,
    verdicts,
)
from timelyrain.decisioning.compilers import compile_row
from timelyrain.decisioning.language import Type, read
from timelyrain.decisioning.schema import FACTS, TABLES
from timelyrain.risk.model import encode

POLICY = Path(__file__).parents[1] / "src/timelyrain/policies/cn/consumer_credit.toml"
AS_OF, DAY = 1_764_000_000, 86_400
REQUEST = Request(2_000_000, 12, "shopping")
LAW = LawContext(240_000, 216_000, 20_000_000)
SHARES = {
    "bank_flow": 0.6, "shop_order": 0.15, "device_event": 0.08, "bureau_month": 0.06, "tax_record": 0.03,
    "telecom_bill": 0.03, "bureau_inquiry": 0.03, "bureau_account": 0.015, "bureau_guarantee": 0.005,
}  # fmt: skip
PEERS = Path(__file__).with_name("decisioning_peers.py")


def applicant(seed: int, events: int = 2_000) -> dict[str, Any]:
    """Raw evidence of somebody with so many events over two years, in every table."""
    rng = np.random.default_rng(seed)
    tables: dict[str, dict[str, list[Any]]] = {}
    for name, table in TABLES.items():
        rows = max(1, round(events * SHARES[name]))
        columns: dict[str, list[Any]] = {}
        for column, field in table.columns.items():
            if column == "at":
                values: Any = np.sort(AS_OF - (rng.random(rows) ** 1.3 * 720 * DAY).astype(np.int64))
            elif column == "closed":
                values = np.zeros(rows, np.int64)
            elif field.kind == "key":
                values = rng.integers(0, 150, rows)
            elif column == "mcc":
                values = rng.choice([0, 5411, 5812, 5912, 4111, 5732, 7011], rows)
            elif field.unit == "fen":
                values = rng.integers(-50_000 if field.low < 0 else 0, 60_000, rows)
            elif field.kind == "enum":
                columns[column] = [field.values[code] for code in rng.integers(0, len(field.values), rows)]
                continue
            else:
                values = rng.integers(0, min(field.high, 28) + 1, rows)
            columns[column] = values.tolist()
        tables[name] = columns
    facts = {
        name: field.values[0]
        if field.kind == "enum"
        else True
        if field.kind == "bool"
        else min(field.high, int(rng.integers(20, 60)))
        for name, field in FACTS.items()
    }
    return {"as_of": AS_OF, "facts": facts, "events": tables, "missing": []}


def applicants(count: int, events: int = 2_000) -> list[Evidence]:
    people = [evidence_from_json(applicant(seed, events)) for seed in range(count)]
    assert all(person.sha256 for person in people)  # taken once, where evidence is read
    return people


def model(policy: Policy) -> risk.TrainedModel:
    """500 trees of 31 leaves on the policy's model inputs; outcomes are made up, so that every tree is full."""
    import lightgbm as lgb

    names = policy.model_inputs
    matrix = np.repeat(features_matrix(policy, applicants(300, 300))[0], 10, axis=0)
    rng = np.random.default_rng(1)
    matrix *= rng.uniform(0.7, 1.3, matrix.shape)
    params = {
        "objective": "binary",
        "num_leaves": 31,
        "min_data_in_leaf": 5,
        "feature_fraction": 0.3,
        "verbosity": -1,
    }
    booster = lgb.train(params, lgb.Dataset(matrix, rng.random(len(matrix)) < 0.2), 500)
    assert booster.num_trees() == 500
    return risk.TrainedModel.from_bytes(encode(booster.model_to_string(), tuple(names), 1.0, -1.0), {})


def compiled(work: Callable[[], object]) -> None:
    """Run once, and wait for what compiles beside."""
    work()
    for thread in threading.enumerate():
        if thread.name.startswith("compile"):
            thread.join()
    work()


def median(work: Callable[[], object], seconds: float = 3.0) -> float:
    """Median µs of single calls, of the quietest of ten stretches: other programs can only make it longer."""
    compiled(work)
    stretches: list[float] = []
    for _ in range(10):
        took: list[int] = []
        end = time.perf_counter() + seconds / 10
        while time.perf_counter() < end or len(took) < 5:
            start = time.perf_counter_ns()
            work()
            took.append(time.perf_counter_ns() - start)
        stretches.append(float(np.median(took)) / 1e3)
    return min(stretches)


def best(work: Callable[[], object], repeat: int) -> float:
    """Seconds of the quickest of some runs."""
    times: list[float] = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def decisions(policy: Policy, scorer: risk.TrainedModel) -> Callable[[], bytes]:
    """One whole decision a call, of rotating applicants."""
    people = itertools.cycle(applicants(16))

    def one() -> bytes:
        person = next(people)
        decision = decide(policy, person, REQUEST, scorer, 7, LAW)
        return decision_record(decision, policy, person, REQUEST, scorer, 7, LAW)

    return one


def whole(policy: Policy, scorer: risk.TrainedModel) -> float:
    return median(decisions(policy, scorer))


def processor(policy: Policy, scorer: risk.TrainedModel) -> float:
    """Processor time of a whole decision, µs: what other programs cannot take away, the least of stretches of 40."""
    one = decisions(policy, scorer)
    compiled(one)
    times: list[float] = []
    for _ in range(40):
        start = time.thread_time()
        for _ in range(40):
            one()
        times.append(time.thread_time() - start)
    return min(times) / 40 * 1e6


def batch(policy: Policy, scorer: risk.TrainedModel) -> float:
    """Whole decisions from raw events per second on one core."""
    people = applicants(16) * 4
    n = len(people)
    args = [REQUEST] * n, scorer, [7] * n, [LAW] * n
    decide_batch(policy, people[:32], *(arg[:32] if isinstance(arg, list) else arg for arg in args))
    return n / best(lambda: decide_batch(policy, people, *args), 50)


def cached(policy: Policy, rows: int) -> dict[str, Any]:
    """Columns of a cache of past applications: 200 people over and over."""
    table = policy.engine.features(applicants(200, 300))
    again = np.arange(rows) % 200
    columns: dict[str, Any] = {
        name: Column(table[name].values[again], table[name].known[again])
        for name in policy.engine.verdict_reads
        if name in table
    }
    given = dict.fromkeys(policy.given_names) | {
        "law.cap_ppm": LAW.cap_ppm, "law.max_rate_ppm": LAW.max_rate_ppm, "law.limit_max_fen": LAW.limit_max_fen,
        "law.instalments_max": 60, "draw": 7, "today": AS_OF // DAY, "request.purpose": 0, "request.instalments": 12,
        "request.amount_fen": REQUEST.amount_fen, "model.pd_ppm": Column(again * 1_000, again >= 0),
    }  # fmt: skip
    return columns | given


def rule_change(policy: Policy, rows: int) -> tuple[float, float, float]:
    """(seconds of one changed rule over all rows, of all rules anew over a million, MiB that eight slices need above one)."""
    text = POLICY.read_text(encoding="utf-8")
    changed = Policy.parse(text.replace('when = "bureau_score < 320"', 'when = "bureau_score < 400"'))
    assert changed.sha256 != policy.sha256
    part = 1_000_000
    columns = cached(policy, part)
    anew = best(lambda: verdicts(policy, columns, part, threads=2), 2)
    old = verdicts(policy, columns, part)
    times = rows // part

    def long(values: Any) -> Any:
        return np.tile(values, times)

    numbers = {
        f.name: getattr(old, f.name) for f in fields(old) if isinstance(getattr(old, f.name), np.ndarray)
    }
    before = replace(
        old, **{k: long(v) for k, v in numbers.items() if v.ndim == 1}, states=np.tile(old.states, (1, times))
    )
    if old.band is not None:
        before = replace(before, band=tuple(long(each) for each in old.band))
    score = columns["bureau_score"]
    own = {k: v for k, v in columns.items() if not isinstance(v, Column)}
    own["bureau_score"] = Column(long(score.values), long(score.known))
    one = best(lambda: verdicts(changed, own, rows, before=(policy, before), threads=2), 7)

    def slices(count: int) -> int:
        tracemalloc.start()
        for _ in range(count):
            verdicts(policy, columns, 100_000)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    return one, anew, (slices(8) - slices(1)) / 2**20


FIRST = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from timelyrain.decisioning import LawContext, Policy, Request, decide, decision_record, evidence_from_json
from timelyrain.risk import TrainedModel
policy = Policy.parse(Path(sys.argv[1]).read_text(encoding="utf-8"), activated=True)
model = TrainedModel.from_bytes(Path(sys.argv[2]).read_bytes(), {})
person = evidence_from_json(Path(sys.argv[3]).read_bytes())
request, law = Request(2_000_000, 12, "shopping"), LawContext(240_000, 216_000, 20_000_000)
decision = decide(policy, person, request, model, 7, law)
decision_record(decision, policy, person, request, model, 7, law)
print(time.perf_counter() - start)
"""


def first_decision(scorer: risk.TrainedModel, **environment: str) -> float:
    """Seconds from the first import to the record, in a process of its own: policy and model read, everything compiled."""
    with tempfile.TemporaryDirectory() as folder:
        content, person = Path(folder, "model"), Path(folder, "evidence.json")
        content.write_bytes(scorer.content)
        person.write_text(json.dumps(applicant(1)), encoding="utf-8")
        arguments = [sys.executable, "-c", FIRST, str(POLICY), str(content), str(person)]
        done = subprocess.run(
            arguments, env={**os.environ, **environment}, capture_output=True, text=True, check=True
        )
        return float(done.stdout)


RULE_FIELDS = {f"x{i}": Type("int", "", -(10**6), 10**6) for i in range(20)}
RULE_TEXTS = [f"x{i % 20} > {i * 100} and x{(i + 7) % 20} < {900 - 20 * i}" for i in range(30)]


def rules_alone() -> float:
    """30 rules over 20 fields as row code."""
    steps = [(f"r{i}", read(text, RULE_FIELDS, "bool")[0]) for i, text in enumerate(RULE_TEXTS)]
    program = compile_row(tuple(RULE_FIELDS), steps)
    rows = itertools.cycle([[(i * 37 + k * 91) % 1_000 for k in range(20)] for i in range(64)])
    return median(lambda: [program(next(rows)) for _ in range(100)], 1.0) / 100


def add_event() -> float:
    """One event into the running state of an entity."""
    state, moments = State(3_600, 720), itertools.count(AS_OF)

    def hundred() -> None:
        for _ in range(100):
            at = next(moments)
            state.add(at, at % 1_000, at % 50)

    return median(hundred, 1.0) / 100


def part(name: str) -> float:
    """One number in this process, for runs with other settings."""
    policy = Policy.parse(POLICY.read_text(encoding="utf-8"))
    return {"whole": whole, "batch": batch, "processor": processor}[name](policy, model(policy))


def elsewhere(name: str, **environment: str) -> float:
    arguments = [sys.executable, "-m", "bench.decisioning", "--part", name]
    done = subprocess.run(
        arguments, env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def measure() -> Sequence[Claim]:
    from bench import decisioning_peers as peers

    policy = Policy.parse(POLICY.read_text(encoding="utf-8"))
    scorer = model(policy)
    people = itertools.cycle(applicants(16))
    raw = json.dumps(applicant(1), separators=(",", ":")).encode()
    one, anew, growth = rule_change(policy, 10_000_000)
    features = median(lambda: policy.engine.features([next(people)]))
    aggregates = median(lambda: policy.aggregation.run([next(people)]))
    others, rules, zen = (
        peers.features(policy, applicant(1)),
        rules_alone(),
        peers.zen(RULE_TEXTS, list(RULE_FIELDS)),
    )
    walks = itertools.cycle(np.nan_to_num(features_matrix(policy, applicants(16))[0]))
    rows = np.repeat(np.stack([next(walks) for _ in range(16)]), 250, axis=0)
    catalogue = (
        f"{len(policy.catalogue):,} features, {len(policy.rules)} rules, 500 trees of 31 leaves with reasons"
    )
    return [
        Claim("whole decision of one applicant with 2,000 raw events", whole(policy, scorer), "µs",
              f"median, rotating applicants; {catalogue}, limit, price, annual rate, record bytes", at_most=500),
        Claim("the same without numba", elsewhere("whole", TIMELYRAIN_NUMBA="0"), "µs", "the same in another process",
              at_most=1_000),
        Claim("processor time of the same, with numba", processor(policy, scorer), "µs", "least of stretches of 40"),
        Claim("processor time of the same, without numba", elsewhere("processor", TIMELYRAIN_NUMBA="0"), "µs",
              "the same in another process"),
        Claim("features alone, from 2,000 raw events", features, "µs", f"median; {len(policy.catalogue):,} features",
              peers=others),
        Claim("aggregates alone, from 2,000 raw events", aggregates, "µs",
              f"median; {len(policy.aggregation.names):,} of the features",
              peers={name: needed for name, needed in others.items() if "as many" in name}),
        *(Claim(f"{name}: its time by ours", needed / (aggregates if "as many" in name else features), "times", "same run",
                at_least=40 if "pandas" in name else 10_000)
          for name, needed in others.items() if name.startswith(("pandas, ", "featuretools"))),
        Claim("rules alone, 30 over 20 fields", rules, "µs", "median; zen-engine evaluates the same 30 expressions",
              peers={"zen-engine": zen}),
        Claim("zen-engine: its time by ours, rules alone", zen / rules, "times", "same run", at_least=50),
        Claim("model with reasons, one row of 500 trees", median(lambda: scorer.trees.walk(next(walks)), 1.0), "µs",
              "median; bit-equal to predict", peers=peers.lightgbm_row(scorer, rows)),
        Claim("model, many rows, one core", len(rows) / best(lambda: scorer.pds(rows), 5), "rows/s", "best of 5",
              at_least=40_000),
        Claim("batch from raw events, one core", batch(policy, scorer), "decisions/s",
              "best of 50 over 64 applicants; features, model, rules, limit, price, annual rate", at_least=4_000),
        Claim("a rule changed over 10,000,000 cached rows", one, "s", "best of 7, two threads; reads the rule's own column",
              at_most=1),
        Claim("all rules and figures anew, per million cached rows", anew, "s", "best of 2, two threads"),
        Claim("memory of eight slices above that of one", growth, "MiB", "traced peak, 100,000 rows a slice", at_most=1),
        Claim("first decision of a worker", first_decision(scorer), "s", "new process, compiled code kept from before",
              at_most=3),
        Claim("first decision of a worker, nothing compiled yet",
              first_decision(scorer, NUMBA_CACHE_DIR=tempfile.mkdtemp()), "s",
              "new process, empty NUMBA_CACHE_DIR: numpy decides while a thread compiles", at_most=3),
        Claim("first decision of a worker without numba", first_decision(scorer, TIMELYRAIN_NUMBA="0"), "s", "new process",
              at_most=3),
        Claim("evidence read and checked", median(lambda: evidence_from_json(raw)), "µs",
              f"median; {len(raw):,} bytes of columnar JSON, 2,000 events"),
        Claim("one event into a running state", add_event(), "µs", "median of stretches of 100", at_most=1),
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--part")
    if name := parser.parse_args().part:
        print(part(name))
    else:
        report("decisioning", measure())
