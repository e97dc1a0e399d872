"""make simulate: a lender's years in minutes. Prints progress and a summary; on a difference the seed and a minimal history."""

import argparse
import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from tests import conftest

if TYPE_CHECKING:
    from tests.simulation import simulator

SHARD, BEGINS = 500, date(2041, 1, 10)


def main() -> int:
    words = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    words.add_argument("--seed", type=int, default=int(time.time()), help="the same seed is the same years")
    words.add_argument("--years", type=int, default=3)
    words.add_argument("--loans", type=int, default=2000, help="loans lived through without a database")
    words.add_argument(
        "--booked",
        type=int,
        default=-1,
        help="loans in the database (default a tenth, at most 60; 0 for none)",
    )
    words.add_argument("--found", type=Path, default=Path("var"), help="where a minimal history is written")
    given = words.parse_args()
    booked = min(60, given.loans // 10) if given.booked < 0 else given.booked
    conftest.pytest_configure()
    print(f"seed {given.seed}: {given.loans:,} loans over {given.years} years", flush=True)
    return _contract(given) or (_database(given, booked) if booked else 0)


def _contract(given: argparse.Namespace) -> int:
    from tests.simulation import simulator

    told = began = time.monotonic()

    def tell(so_far: "simulator.Summary") -> None:
        nonlocal told
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(
                f"  {so_far.loans:,} loans, {sum(so_far.events.values()):,} events, no difference", flush=True
            )

    summary, failure = simulator.run(given.seed, given.loans, given.years, tell=tell)
    if failure:
        number = failure.life.number
        print(f"\nseed {given.seed}, loan {number}:", *failure.differences[:8], sep="\n  ")
        _tell(given.found, failure.life)
        return 1
    print(
        f"contract and books in memory: {summary.loans:,} loans, {sum(summary.events.values()):,} events ({summary.back_dated:,} "
        f"back-dated, {summary.refused:,} more refused), {summary.days:,} loan days, {summary.looks:,} looks, 0 differences, "
        f"{time.monotonic() - began:.0f} s"
    )
    print("  " + ", ".join(f"{name} {count:,}" for name, count in summary.events.most_common()))
    print("  at the end: " + ", ".join(f"{name} {count:,}" for name, count in summary.ends.most_common()))
    return 0


def _tell(folder: Path, life: "simulator.Life") -> None:
    """A minimal history of the same failure, on the screen and as the two files that `contract replay` reads."""
    from tests.simulation import minimise, simulator

    small = minimise.shrink(life, lambda trial: bool(simulator.audit(trial)))
    terms, events, story = folder / "failure-terms.json", folder / "failure-events.json", small.to_json()
    folder.mkdir(exist_ok=True)
    terms.write_text(json.dumps(story["terms"], indent=1, ensure_ascii=False))
    events.write_text(json.dumps(story["events"], indent=1))
    print(
        f"\n{len(life.events)} events, minimal {len(small.events)}:", *simulator.audit(small)[:8], sep="\n  "
    )
    print(json.dumps(story, ensure_ascii=False))
    print(f"\ntimelyrain contract replay {terms} {events} --as-of {small.until}")


def _database(given: argparse.Namespace, loans: int) -> int:
    from django.core.management import call_command
    from django.db import connections

    from tests.worlds import running_sandbox
    from timelyrain.runtime import database

    server, name = conftest._SERVER[0]
    began = time.monotonic()
    database.recreate(server, name)
    try:
        call_command("migrate", database="owner", verbosity=0)
        port = int(conftest.os.environ["TIMELYRAIN_SANDBOX_URL"].rpartition(":")[2])
        with tempfile.TemporaryDirectory() as folder, running_sandbox(Path(folder), port) as world:
            from tests.simulation.lender import Lender, Report

            def tell(so_far: Report) -> None:
                print(
                    f"  day {so_far.days}: {sum(so_far.events.values()):,} events, {so_far.audits} audits, no difference",
                    flush=True,
                )

            days = given.years * 365
            lender = Lender(
                world, given.seed, SHARD, BEGINS, loans, payers=max(2, loans // 5), spread=days * 2 // 3
            )
            found = lender.walk(days, kills=given.years * 12, tell=tell)
    finally:
        connections.close_all()
        database.drop(server, name)
    told = lender.report
    if found:
        print(f"\nseed {given.seed}, day {told.days}:", *found[:12], sep="\n  ")
        for life in lender.differing[:1]:
            _tell(given.found, life)
        return 1
    print(
        f"database: {told.loans} loans, {told.days} days ({told.stood_still} of standstill), {sum(told.events.values()):,} "
        f"events ({told.refused:,} more refused), {told.audits} audits, 0 differences, {time.monotonic() - began:.0f} s"
    )
    for title, counted in (
        ("events", told.events),
        ("repayments by rail", told.repayments),
        ("killed", told.kills),
    ):
        print(f"  {title}: " + ", ".join(f"{name} {count:,}" for name, count in counted.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
