"""Schedules and rates: one loan at a time, and a column of 100,000."""

import time
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import numpy_financial  # pyright: ignore[reportMissingTypeStubs]
import pyxirr
from scipy.optimize import brentq

from bench.claims import Claim, microseconds, report
from timelyrain.finance import (
    CashFlow,
    DayBasis,
    add_months,
    annualised_irr_ppm,
    irr_column,
    irr_periodic,
    schedule,
    xirr,
)

START = date(2026, 1, 15)
PRINCIPAL, RATE_PPM, COUNT = 1_000_000, 180_000, 12


def peer_schedule() -> list[tuple[float, float]]:
    """The same 12 rows from numpy-financial: floats, not rounded, no dates."""
    n = np.arange(1, COUNT + 1)
    interest: Any = numpy_financial.ipmt(RATE_PPM / 12e6, n, COUNT, -PRINCIPAL / 100)
    principal: Any = numpy_financial.ppmt(RATE_PPM / 12e6, n, COUNT, -PRINCIPAL / 100)
    return list(zip(principal.tolist(), interest.tolist(), strict=True))


def by_brent(flows: list[int]) -> float:
    """The periodic rate by scipy's bracketing solver."""
    amounts, periods = np.array(flows, dtype=float), np.arange(len(flows))
    return brentq(lambda rate: float((amounts * (1 + rate) ** -periods).sum()), -0.99, 10, xtol=1e-13)


def portfolio(loans: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Flows of equal-instalment loans of 1,000 to 200,000 yuan at 3 to 36 %, seeded."""
    random = np.random.default_rng(20261121)
    principal = random.integers(100_000, 20_000_000, loans)
    rate = random.integers(30_000, 360_000, loans) / 12e6
    instalment = np.rint(principal * rate / (1 - (1 + rate) ** -COUNT)).astype(np.int64)
    return np.concatenate([principal[:, None], -np.repeat(instalment[:, None], COUNT, axis=1)], axis=1)


def seconds(work: Callable[[], object], repeat: int = 5) -> float:
    best = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def measure() -> list[Claim]:
    plan = schedule(PRINCIPAL, RATE_PPM, START, COUNT)
    flows = [PRINCIPAL, *(-row.total_fen for row in plan)]
    amounts = [float(amount) for amount in flows]
    dated = [CashFlow(START, PRINCIPAL), *(CashFlow(row.due_on, -row.total_fen) for row in plan)]
    dates = [flow.on for flow in dated]
    assert dates[1:] == [add_months(START, k) for k in range(1, COUNT + 1)]
    column = portfolio(100_000)
    rates, some = irr_column(column), 2_000
    assert all(float(irr_periodic(column[k].tolist())) == round(rates[k], 13) for k in range(some))
    rows = column.tolist()
    each = 1e6 / len(column)
    calls = "best mean of 200 calls within 2 s"
    by_month = microseconds(lambda: schedule(PRINCIPAL, RATE_PPM, START, COUNT))
    by_days = microseconds(lambda: schedule(PRINCIPAL, RATE_PPM, START, COUNT, day_basis=DayBasis.ACT_365))
    return [
        Claim(
            "schedule of a 12-instalment loan, exact to the fen", by_month, "µs",
            f"{calls}; the peer has floats, no dates, no rounding", at_most=25,
            peers={"numpy-financial ipmt+ppmt": microseconds(peer_schedule)},
        ),
        Claim("the same by actual days over 365", by_days, "µs", calls),
        Claim(
            "annualised rate of one loan", microseconds(lambda: annualised_irr_ppm(flows)), "µs", f"{calls}, 13 flows",
            at_most=5,
            peers={
                "pyxirr.irr": microseconds(lambda: pyxirr.irr(amounts)),
                "numpy-financial irr": microseconds(lambda: numpy_financial.irr(amounts)),
                "scipy brentq": microseconds(lambda: by_brent(flows)),
            },
        ),
        Claim(
            "rate of one loan by actual dates", microseconds(lambda: xirr(dated)), "µs", f"{calls}, 13 flows",
            peers={"pyxirr.xirr": microseconds(lambda: pyxirr.xirr(dates, amounts))},
        ),
        Claim(
            "a rate in a column of 100,000", seconds(lambda: irr_column(column)) * each, "µs",
            f"best of 5 runs over the column, per loan; {some:,} rows checked equal to the single solver", at_most=1,
            peers={
                "pyxirr.irr in a loop": seconds(lambda: [pyxirr.irr(row) for row in rows], 2) * each,
                "our single solver in a loop": seconds(lambda: [annualised_irr_ppm(row) for row in rows], 2) * each,
            },
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    report("finance", measure())
