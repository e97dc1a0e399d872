"""The day close of 10,000, 100,000 and 1,000,000 synthetic loans in PostgreSQL, on two processes, against the row-by-row way.

A third argument list for other sizes: python -m bench.day_close 10000 50000
"""

import os
import sys
import threading
import time
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path

from bench import picture, scratch
from bench.claims import Claim, report

CLOSED_ON = date(2030, 3, 20)
PROCESSES = 2
SAMPLE = 300
SIZES = (10_000, 100_000, 1_000_000)


class PeakMemory(threading.Thread):
    """Memory of this process, its children and the database's sessions: shared pages counted once (Linux)."""

    def __init__(self, postmaster: int) -> None:
        super().__init__(daemon=True)
        self.postmaster, self.stopped, self.peak = postmaster, threading.Event(), 0

    def run(self) -> None:
        while not self.stopped.wait(0.25):
            self.peak = max(self.peak, sum(_pss(pid) for pid in _family(os.getpid(), self.postmaster)))

    def stop(self) -> int:
        self.stopped.set()
        self.join()
        return self.peak


def _family(*roots: int) -> set[int]:
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    found = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def _pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def measure(loans: int) -> tuple[float, int, int]:
    """(seconds, peak bytes, loans folded) of one night over `loans` loans; some of them are held against the fold after it."""
    with scratch.platform("day_close_bench") as dsn:
        from timelyrain.ledger import queries as ledger
        from timelyrain.runtime import clock
        from timelyrain.servicing import nightly

        on = CLOSED_ON + timedelta(days=1)
        scratch.fill(dsn, loans, scratch.templates(min(loans // 5, 4000), CLOSED_ON), CLOSED_ON)
        clock.SHIFTED.advance_to(datetime(on.year, on.month, on.day, 1, tzinfo=clock.BUSINESS_ZONE))
        memory = PeakMemory(_postmaster())
        memory.start()
        began = time.perf_counter()
        done = nightly.close_days({shard: [on] for shard in range(16)}, processes=PROCESSES)
        seconds = time.perf_counter() - began
        peak = memory.stop()
        assert sum(one.loans for one in done) == loans
        assert ledger.trial_balance().balanced and not ledger.unposted_days()
        _compare_with_fold(on)
        print(
            f"{loans:>9,} loans: {seconds:6.2f} s, {peak / 2**20:,.0f} MiB, {sum(c.folded for c in done):,} folded,"
            f" {sum(c.debits for c in done):,} debits, {sum(c.reminders for c in done):,} reminders",
            flush=True,
        )
        return seconds, peak, sum(one.folded for one in done)


def _postmaster() -> int:
    return int((scratch.server().data / "postmaster.pid").read_text().split()[0])


def _compare_with_fold(on: date) -> None:
    from timelyrain.contract import fold
    from timelyrain.ledger import queries as ledger
    from timelyrain.servicing import services
    from timelyrain.servicing.models import Loan

    for loan in Loan.objects.order_by("id")[:500]:
        terms, events = services.terms_of(loan), services.events_of(loan)
        step = fold(terms, events, on).totals - fold(terms, events, CLOSED_ON).totals
        row = ledger.day_of_loan(loan.shard, loan.id, on)
        assert row and (row.interest_fen, row.penalty_fen) == (
            step.interest_accrued_fen,
            step.penalty_accrued_fen,
        ), loan.id


def row_by_row(loans: int) -> float:
    """Seconds per loan the way it is usually done: each loan read, folded, posted and saved by itself."""
    with scratch.platform("day_close_bench") as dsn:
        from django.db import transaction

        from timelyrain.contract import fold
        from timelyrain.ledger import services as ledger
        from timelyrain.runtime import clock
        from timelyrain.servicing import books, services
        from timelyrain.servicing.models import Loan

        on = CLOSED_ON + timedelta(days=1)
        scratch.fill(dsn, 5000, scratch.templates(1000, CLOSED_ON), CLOSED_ON)
        ids = list(Loan.objects.order_by("borrower_id").values_list("shard", "id")[:loans])
        began = time.perf_counter()
        for shard, id in ids:
            with transaction.atomic():
                loan = Loan.objects.select_for_update().get(shard=shard, id=id)
                terms, events = services.terms_of(loan), services.events_of(loan)
                before, after = fold(terms, events, CLOSED_ON), fold(terms, events, on)
                lines = books.lines(terms, id, after.totals - before.totals)
                if lines:
                    ledger.post(
                        shard, [ledger.Transfer(f"accrual:{id}:{on}", "accrual", on, clock.now(), lines, id)]
                    )
                loan.posted_on, loan.status, loan.dpd, loan.bucket = on, after.status, after.dpd, after.bucket
                loan.save()
        return (time.perf_counter() - began) / loans


def main() -> None:
    sizes = tuple(int(word) for word in sys.argv[1:]) or SIZES
    each = row_by_row(SAMPLE)
    print(f"row by row: {each * 1000:.2f} ms a loan", flush=True)
    measured = {loans: measure(loans) for loans in sizes}
    largest = max(sizes)
    seconds, peak, folded = measured[largest]
    how = (
        f"{PROCESSES} processes and PostgreSQL on {os.cpu_count()} cores, 16 shards, durable commits; accrual, dpd, allowances, "
        f"postings, debits, reminders; {folded:,} loans through the fold; 500 loans compared with the fold afterwards"
    )
    claims = [
        Claim(f"day close of {largest:,} loans", seconds, "s", how, at_most=60),
        Claim(f"peak memory of it, database included, {largest:,} loans", peak / 2**30, "GiB",
              "sum of PSS, sampled 4 times a second", at_most=2 * 10**9 / 2**30),
        Claim("faster than row by row with the ORM", each * largest / seconds, "times",
              f"{SAMPLE} loans one by one, {each * 1000:.2f} ms each", at_least=100),
    ]  # fmt: skip
    if len(sizes) > 1:
        smallest = min(sizes)
        growth = (seconds / largest) / (measured[smallest][0] / smallest)
        claims.append(
            Claim(
                f"time per loan at {largest:,} against {smallest:,}",
                growth,
                "times",
                "1 is linear",
                at_most=1.5,
            )
        )
        picture.growth(
            Path(__file__).parent.parent / "docs" / "pictures" / "day-close.svg",
            "Day close: seconds by number of loans",
            [(loans, found[0]) for loans, found in sorted(measured.items())],
            [(loans, each * loans) for loans in sorted(sizes)],
        )
    report("day_close", claims)


if __name__ == "__main__":
    main()
