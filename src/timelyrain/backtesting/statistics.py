"""Intervals and orders: Wilson for rates, a bootstrap over buckets for money, ranks from histograms. 95 % throughout."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Z = 1.959963984540054
BUCKETS = 1_000
REPLICATES = 2_000
SEED = 20_261_122


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; all None where there is nothing to divide by."""

    value: float | None
    low: float | None
    high: float | None

    def rounded(self, digits: int = 6) -> list[float | None]:
        return [None if x is None else round(x, digits) for x in (self.value, self.low, self.high)]


def wilson(part: int, whole: int) -> Estimate:
    """A rate with its score interval (Wilson 1927): never outside 0..1, sound for small numbers and rates near 0."""
    if whole == 0:
        return Estimate(None, None, None)
    p = part / whole
    centre = (p + Z * Z / (2 * whole)) / (1 + Z * Z / whole)
    reach = Z * sqrt(p * (1 - p) / whole + Z * Z / (4 * whole * whole)) / (1 + Z * Z / whole)
    # at 0 and at 1 the ends are exact; rounding may not push them past it
    return Estimate(p, 0.0 if part == 0 else centre - reach, 1.0 if part == whole else centre + reach)


def ratio_of_rates(part: int, whole: int, other_part: int, other_whole: int) -> Estimate:
    """One rate over another with its log interval (Katz 1978); without an interval where a part is 0."""
    if not whole or not other_whole or not other_part:
        return Estimate(None, None, None)
    ratio = (part / whole) / (other_part / other_whole)
    if not part:
        return Estimate(ratio, None, None)
    spread = sqrt(max(0.0, 1 / part - 1 / whole + 1 / other_part - 1 / other_whole))
    return Estimate(ratio, ratio * float(np.exp(-Z * spread)), ratio * float(np.exp(Z * spread)))


class Bootstrap:
    """Totals kept in buckets of applicants, resampled by bucket.

    A person's applications share a bucket, so they are drawn together; buckets are even parts of the file, so the spread
    of their sums is that of the whole. Two policies are drawn in the same buckets: intervals of differences are paired.
    """

    def __init__(self, buckets: int = BUCKETS, replicates: int = REPLICATES):
        draws = np.random.default_rng(SEED).multinomial(
            buckets, np.full(buckets, 1 / buckets), size=replicates
        )
        self._draws = draws.astype(np.float64)

    def total(self, sums: Ints) -> Estimate:
        """sums int64[buckets] -> their total."""
        return self._interval(float(sums.sum()), self._draws @ sums.astype(np.float64))

    def mean(self, sums: Ints, counts: Ints) -> Estimate:
        """Total of sums over total of counts."""
        if not counts.sum():
            return Estimate(None, None, None)
        below = self._draws @ counts.astype(np.float64)
        means = (self._draws @ sums.astype(np.float64))[below > 0] / below[below > 0]
        return self._interval(float(sums.sum() / counts.sum()), means)

    def difference_of_means(self, sums: Ints, counts: Ints, less: Ints, of: Ints) -> Estimate:
        """mean(sums, counts) - mean(less, of), each replicate on the same people."""
        if not counts.sum() or not of.sum():
            return Estimate(None, None, None)
        one, other = self._draws @ counts.astype(np.float64), self._draws @ of.astype(np.float64)
        some = (one > 0) & (other > 0)
        spread = (self._draws @ sums.astype(np.float64))[some] / one[some]
        spread -= (self._draws @ less.astype(np.float64))[some] / other[some]
        return self._interval(float(sums.sum() / counts.sum() - less.sum() / of.sum()), spread)

    @staticmethod
    def _interval(value: float, replicates: Floats) -> Estimate:
        low, high = np.quantile(replicates, (0.025, 0.975)).tolist()
        return Estimate(value, low, high)


def ranking(known: Ints, bad: Ints) -> tuple[float | None, float | None]:
    """(AUC, KS) of a score from counts per bin, bins in ascending score; cases of one bin share their rank."""
    good = known - bad
    bads, goods = int(bad.sum()), int(good.sum())
    if not bads or not goods:
        return None, None
    below = np.cumsum(good) - good
    area = float((bad * (below + good / 2)).sum()) / bads / goods
    gap = np.abs(np.cumsum(bad) / bads - np.cumsum(good) / goods)
    return area, float(gap.max())


def equal_counts(counts: Ints, parts: int) -> list[slice]:
    """Bins put together to at most `parts` runs of about equal counts, none empty."""
    total, runs, begin, seen, made = int(counts.sum()), list[slice](), 0, 0, 0
    for i, count in enumerate(counts.tolist()):
        seen += count
        if seen > made and seen * parts >= total * (len(runs) + 1):
            runs.append(slice(begin, i + 1))
            begin, made = i + 1, seen
    return runs


def quantile(counts: Ints, share: float) -> int | None:
    """The bin in which this share of the cases is reached; None of nothing."""
    total = int(counts.sum())
    return int(np.searchsorted(np.cumsum(counts), share * total)) if total else None
