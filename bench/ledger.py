"""The ledger against PostgreSQL's own TPC-B on the same server: batches, and the account that every loan is paid out of.

A transfer here is an idempotency key, two entries, two balances moved and the double-entry checks; a TPC-B transaction updates
three balances and inserts one row. Both commit durably, each with the number of connections that suits it best. A machine does
other things meanwhile: theirs and ours take turns of a few seconds, each of ours is compared with the turns of theirs before and
after it, and the median of these ratios counts.
"""

import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import pairwise
from random import Random
from statistics import median
from uuid import UUID

import psycopg

from bench import scratch
from bench.claims import Claim, report

ON, AT = date(2026, 1, 5), datetime(2026, 1, 5, tzinfo=UTC)
BATCH, LOANS, SCALE, TURNS = 1000, 10_000, 16, 5
SECONDS = 3
CONNECTIONS = (1, 2, 4)

Rate = Callable[[], float]
"""Measures something for a few seconds; transactions per second."""


def tpc_b(server: scratch.EmbeddedPostgres, name: str, clients: int) -> float:
    """Transactions per second of pgbench's default script; as many branches as the most clients need."""
    call = [str(server.programs / "pgbench"), "-h", str(server.socket_dir), "-U", "postgres", "-n"]
    jobs = min(clients, os.cpu_count() or 1)
    told = subprocess.run(
        [*call, f"-c{clients}", f"-j{jobs}", f"-T{SECONDS}", name], check=True, capture_output=True, text=True
    )
    line = next(line for line in told.stdout.splitlines() if line.startswith("tps"))
    return float(line.split()[2])


def best(rates: dict[int, Rate]) -> int:
    """The number of connections with which it goes fastest: the better of two looks at each."""
    found = {n: max(rate(), rate()) for n, rate in rates.items()}
    return max(found, key=lambda n: found[n])


def in_turns(ours: Rate, theirs: Rate, rest: Callable[[], object]) -> tuple[float, float, float]:
    """(median of ours / theirs, median of ours, median of theirs), each measured between two of the other."""
    mine: list[float] = []
    others: list[float] = []
    for turn in range(2 * TURNS + 1):
        rest()
        (mine if turn % 2 else others).append((ours if turn % 2 else theirs)())
    ratios = [
        one / ((before + after) / 2) for one, (before, after) in zip(mine, pairwise(others), strict=True)
    ]
    return median(ratios), median(mine), median(others)


def main() -> None:
    name = "ledger_bench"
    with scratch.platform(name) as dsn:
        from django.db import connection

        from timelyrain.ledger import chart, queries
        from timelyrain.ledger.services import LENDER, Line, Transfer, post
        from timelyrain.runtime.ids import new_id

        dice = Random(1)
        owners = [new_id() for _ in range(LOANS)]

        def transfer(source: UUID, target: UUID) -> Transfer:
            lines = (Line(chart.LOAN_PRINCIPAL, 100, target), Line(chart.LOAN_PRINCIPAL, -100, source))
            return Transfer(str(new_id()), "bench", ON, AT, lines)

        def pay_out(target: UUID) -> Transfer:
            lines = (Line(chart.LOAN_PRINCIPAL, 100, target), Line(chart.PAY_OUT_CLEARING, -100, LENDER))
            return Transfer(str(new_id()), "bench", ON, AT, lines)

        def random_batch() -> list[Transfer]:
            return [transfer(dice.choice(owners), dice.choice(owners)) for _ in range(BATCH)]

        def pay_outs(count: int) -> list[Transfer]:
            return [pay_out(dice.choice(owners)) for _ in range(count)]

        def post_all(shard: int, batches: list[list[Transfer]]) -> None:
            for batch in batches:
                post(shard, batch)
            connection.close()

        def side_by_side(work: list[tuple[int, list[list[Transfer]]]]) -> float:
            """(shard, batches) each on a connection of its own; transfers are made beforehand, as pgbench's scripts are."""
            with ThreadPoolExecutor(len(work)) as pool:
                began = time.perf_counter()
                list(pool.map(lambda one: post_all(*one), work))
                seconds = time.perf_counter() - began
            return sum(len(batch) for _, batches in work for batch in batches) / seconds

        def in_batches(connections: int) -> float:
            return side_by_side(
                [(n + 1, [random_batch() for _ in range(120 // connections)]) for n in range(connections)]
            )

        def hot_in_batches(connections: int) -> float:
            return side_by_side(
                [(1, [pay_outs(BATCH) for _ in range(60 // connections)]) for _ in range(connections)]
            )

        def hot_one_by_one(connections: int) -> float:
            return side_by_side(
                [(1, [[one] for one in pay_outs(1600 // connections)]) for _ in range(connections)]
            )

        for shard in CONNECTIONS:
            for start in range(0, LOANS, BATCH):
                post(shard, [pay_out(owner) for owner in owners[start : start + BATCH]])
        connection.close()  # plans that were made for empty tables go with it
        server = scratch.server()
        pgbench = [str(server.programs / "pgbench"), "-h", str(server.socket_dir), "-U", "postgres"]
        subprocess.run([*pgbench, "-i", "-s", str(SCALE), "-q", name], check=True, capture_output=True)
        with psycopg.connect(dsn, autocommit=True) as db:
            db.execute("VACUUM ANALYZE")

            def rest() -> None:
                """Nobody pays for the pages that the one before left to be written."""
                db.execute("CHECKPOINT")

            peers = best({n: lambda n=n: tpc_b(server, name, n) for n in (2, 4, 8, SCALE)})
            connections = best({n: lambda n=n: in_batches(n) for n in CONNECTIONS})
            hot = best({n: lambda n=n: hot_in_batches(n) for n in CONNECTIONS})
            callers = best({n: lambda n=n: hot_one_by_one(n) for n in (1, 4, 16)})
            times, ours, peer = in_turns(
                lambda: in_batches(connections), lambda: tpc_b(server, name, peers), rest
            )
            hotter, hottest, single = in_turns(
                lambda: hot_in_batches(hot), lambda: hot_one_by_one(callers), rest
            )
        assert queries.trial_balance().balanced and not queries.drifted_accounts()
        how = (
            f"{os.cpu_count()} cores, durable commits, median of {TURNS} turns, each between two of the other"
        )
        report(
            "ledger",
            [
                Claim(
                    f"transfers in batches of {BATCH:,}, random accounts, times TPC-B",
                    times,
                    "times",
                    f"{ours:,.0f} transfers/s on {connections} connections, {peer:,.0f} TPC-B transactions/s on {peers}, "
                    f"the best number for each; {how}",
                    at_least=6,
                ),
                Claim(
                    "one hot funding account: batches, times one call per transfer",
                    hotter,
                    "times",
                    f"{hottest:,.0f}/s on {hot} connections, {single:,.0f}/s from {callers} callers, "
                    f"the best number for each; {how}",
                    at_least=20,
                ),
            ],
        )


if __name__ == "__main__":
    main()
