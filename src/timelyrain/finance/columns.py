"""Rates of a whole portfolio at once: the single solver's steps on columns, with the single solver's bits."""

from typing import TYPE_CHECKING, Any

from .rates import CLOSE, ROUNDS, NoRate, NoUniqueRate, irr, power

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHUNK = 4096  # loans at a time, so that a chunk's columns stay in the processor's cache


def irr_column(flows: "NDArray[np.int64]") -> "NDArray[np.float64]":
    """Rate per period of each row of `flows` (loans x periods, fen, + to the borrower), bit-equal to the single solver.

    NaN where a row has no rate or several. Rows may end in zeros.
    """
    import numpy as np  # only those who ask for columns pay for numpy

    rates = np.empty(len(flows))
    for start in range(0, len(flows), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        rates[chunk] = _chunk(np, np.asarray(flows[chunk]))
    return rates


def annualised_column(
    flows: "NDArray[np.int64]", periods_per_year: int = 12, *, simple: bool = False
) -> "NDArray[np.float64]":
    """Annual rate of each row as a fraction: compound, or simple (单利); NaN as in `irr_column`."""
    rates = irr_column(flows)
    return rates * periods_per_year if simple else power(1 + rates, periods_per_year) - 1


def _chunk(np: Any, flows: "NDArray[np.int64]") -> "NDArray[np.float64]":
    first, total = flows[:, 0], flows[:, 1:].sum(axis=1)
    sign = np.sign(first)
    loans = (sign != 0) & (total != 0) & (flows[:, 1:] * sign[:, None] <= 0).all(axis=1)
    weighted = flows @ np.arange(flows.shape[1])
    backward = np.ascontiguousarray(flows.T[::-1], dtype=np.float64)
    with np.errstate(all="ignore"):
        gain = (total + first) / (total - first)
        tilt = gain * (total / weighted)
        tilt *= 1 + gain * (1 - tilt) / 3
        v = (1 - tilt) / (1 + tilt)
        done = ~loans
        for _ in range(ROUNDS):
            slope, worth = np.zeros(len(v)), np.zeros(len(v))
            for amount in backward:
                slope *= v
                slope += worth
                worth *= v
                worth += amount
            step = worth / slope
            v = np.where(done, v, v - step)
            done |= np.abs(step) < CLOSE
            if done.all():
                break
        rates = 1 / v - 1
    for k in np.flatnonzero(~(loans & done & (v > 1e-4) & (v < 1e4))):
        rates[k] = _single(flows[k].tolist())
    return rates


def _single(flows: list[int]) -> float:
    try:
        return irr(flows)
    except (NoRate, NoUniqueRate):
        return float("nan")
