"""Back-tests: decisions from raw events in a Parquet file, memory as the file grows, a rule change over kept features.

The file is the sandbox's population (seed 1); the long one is the same people ten times over. Times are CPU seconds of one
process: they do not depend on what else the machine does. Each measurement runs in a process of its own.
"""

import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

PEOPLE = 10_000
TIMES = 10


def run(applications: str, out: str, cache: str, model: str, days: int) -> tuple[float, int, int]:
    """(CPU seconds after the policies are read, peak resident bytes, applications) of the default policy against a draft."""
    from timelyrain.backtesting import Applications, Job, Law, Side, backtest
    from timelyrain.decisioning import LawContext
    from timelyrain.policies import load_pack

    source = load_pack("cn").read("consumer_credit.toml").decode()
    draft = source.replace("phone_tenure_days < 90", f"phone_tenure_days < {days}")
    assert draft != source
    content = Path(model).read_bytes() if model else None
    limits = LawContext(cap_ppm=240_000, max_rate_ppm=217_000, limit_max_fen=20_000_000)
    job = Job(
        Applications.open(Path(applications)), Side(source, content), Side(draft, content), Law(((0, limits),)),
        cache=Path(cache) if cache else None,
    )  # fmt: skip
    job.a.policy.engine.features(job.applications.read(0, 10).evidences)  # compiled kernels are loaded
    assert job.b.policy
    begun = time.process_time()
    backtest(job, Path(out))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return time.process_time() - begun, peak, job.applications.rows


def train(applications: str, model: str) -> float:
    """Fit a model on the first rows; returns the events of one application."""
    import numpy as np

    from timelyrain import decisioning, risk
    from timelyrain.backtesting import Applications, Side
    from timelyrain.policies import load_pack

    policy = Side(load_pack("cn").read("consumer_credit.toml").decode()).policy
    batch = Applications.open(Path(applications)).read(0, 3_000)
    known = np.flatnonzero(batch.outcome >= 0)
    matrix, names = decisioning.features_matrix(policy, batch.evidences)
    fitted = risk.train(matrix[known], batch.outcome[known], names, monotone=policy.monotone)
    Path(model).write_bytes(fitted.content)
    return sum(len(t["at"]) for e in batch.evidences for t in e.tables.values()) / len(batch.ids)


def apart(work, *arguments):
    """In a new process that keeps to one thread."""
    os.environ |= {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def main() -> None:
    import polars as pl

    from bench.claims import Claim, report

    with TemporaryDirectory() as folder:
        short, long, model = (f"{folder}/{name}" for name in ("short.parquet", "long.parquet", "m.model"))
        maker = [
            sys.executable,
            "-m",
            "timelyrain.sandbox.population",
            "--applicants",
            str(PEOPLE),
            "--out",
            short,
            "--seed",
            "1",
        ]
        subprocess.run(maker, check=True, stdout=subprocess.DEVNULL)
        again = [
            pl.scan_parquet(short).with_columns(pl.col("application_id") + f"/{i}") for i in range(TIMES)
        ]
        pl.concat(again).sink_parquet(long, row_group_size=5_000)
        events = apart(train, short, model)
        raw, small, rows = apart(run, short, f"{folder}/1", "", model, 60)
        _, large, _ = apart(run, long, f"{folder}/2", f"{folder}/kept", model, 60)
        kept, _, many = apart(run, long, f"{folder}/3", f"{folder}/kept", model, 45)
    about = f"sandbox population, {events:,.0f} events each, one process, CPU time"
    report(
        "backtesting",
        [
            Claim("applications decided under two policies, from Parquet to the result", rows / raw, "a second and core", about),
            Claim("decisions, two for each application", 2 * rows / raw, "a second and core", about, at_least=4_000),
            Claim(f"peak memory, {rows:,} applications", small / 2**20, "MiB", "resident, the whole process"),
            Claim(f"peak memory, {many:,} applications", large / 2**20, "MiB", "resident, the whole process"),
            Claim("peak memory, ten times the rows", large / small, "times", "flat as rows grow", at_most=1.25),
            Claim("a rule change over kept features, a million applications", kept / many * 1e6, "s", "two policies"),
        ],
    )  # fmt: skip


if __name__ == "__main__":
    main()
