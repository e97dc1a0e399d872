"""Intervals and ranks against published values, plain computations and simulated coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelyrain.backtesting.statistics import (
    Bootstrap,
    equal_counts,
    quantile,
    ranking,
    ratio_of_rates,
    wilson,
)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    # Newcombe 1998, table I, method 3 (score interval without continuity correction)
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson_as_published(part: int, whole: int, low: float, high: float) -> None:
    found = wilson(part, whole)
    assert found.low == pytest.approx(low, abs=5e-5) and found.high == pytest.approx(high, abs=5e-5)


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_holds_its_rate(part: int, more: int) -> None:
    whole = part + more
    found = wilson(part, whole)
    if not whole:
        assert found.value is None
    else:
        assert found.low is not None and found.high is not None and found.value is not None
        assert 0 <= found.low <= found.value <= found.high <= 1


def test_ratio_of_rates() -> None:
    # Katz et al. 1978: ln(ratio) +- 1.96 sqrt(1/a - 1/n + 1/c - 1/m) = ln 0.5 +- 0.3395
    found = ratio_of_rates(30, 100, 60, 100)
    assert found.value == pytest.approx(0.5)
    assert (found.low, found.high) == (pytest.approx(0.3561, abs=1e-4), pytest.approx(0.7021, abs=1e-4))
    assert ratio_of_rates(0, 10, 5, 10).value == 0 and ratio_of_rates(1, 10, 0, 10).value is None


def test_bootstrap_covers_what_it_should() -> None:
    """Mean profit of 60 files of 4,000 loans each: about 95 % of the intervals hold the truth."""
    rng, draw, inside = np.random.default_rng(7), Bootstrap(), 0
    for _ in range(60):
        profit = np.where(rng.random(4000) < 0.1, -60_000, 9_000)  # a mean of 2,100
        buckets = rng.integers(0, 1000, 4000)
        sums, counts = (np.bincount(buckets, w, 1000).astype(np.int64) for w in (profit, None))
        found = draw.mean(sums, counts)
        assert found.value == pytest.approx(profit.mean())
        assert found.low is not None and found.high is not None
        inside += found.low <= 2_100 <= found.high
    assert 51 <= inside <= 60


def test_bootstrap_pairs_differences() -> None:
    """B is A but for a few loans: the difference is known far better than either total."""
    rng, draw = np.random.default_rng(3), Bootstrap()
    a = rng.integers(-50_000, 10_000, 1000)
    b = a.copy()
    b[:10] += 5_000
    apart, together = draw.total(a), draw.total(b - a)
    assert together.value == 50_000 and together.low is not None and together.low > 10_000
    assert (apart.high or 0) - (apart.low or 0) > 10 * ((together.high or 0) - together.low)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20))
def test_ranking_as_counted_pair_by_pair(bins: list[tuple[int, int]]) -> None:
    good, bad = (np.array([b[i] for b in bins], np.int64) for i in (0, 1))
    auc, ks = ranking(good + bad, bad)
    if not good.sum() or not bad.sum():
        assert auc is None
        return
    pairs = sum(
        b * g * (1.0 if i > j else 0.5 if i == j else 0.0)
        for i, b in enumerate(bad)
        for j, g in enumerate(good)
    )
    assert auc == pytest.approx(pairs / (good.sum() * bad.sum()))
    assert ks == pytest.approx(
        max(abs(bad[: i + 1].sum() / bad.sum() - good[: i + 1].sum() / good.sum()) for i in range(len(bins)))
    )


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 12))
def test_equal_counts_lose_nobody(counts: list[int], parts: int) -> None:
    runs = equal_counts(np.array(counts, np.int64), parts)
    sizes = [sum(counts[run]) for run in runs]
    assert sum(sizes) == sum(counts) and all(sizes) and len(runs) <= parts
    assert quantile(np.array(counts, np.int64), 0.5) is None if not sum(counts) else True
