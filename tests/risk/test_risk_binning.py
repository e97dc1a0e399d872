"""Optimal binning and the scorecard, against what can be enumerated or computed by hand."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timelyrain.risk import Scaling, TrainingDataInvalid, binning, edited_bins, read_scorecard, scorecard
from timelyrain.risk.tables import Column


def number(name: str, values: np.ndarray, specials: tuple[float, ...] = ()) -> Column:
    return Column(name, "number", np.asarray(values, np.float64), specials=specials)


def value(rows: np.ndarray, bad: np.ndarray, ends: tuple[int, ...]) -> float:
    place = np.searchsorted(np.array(ends), np.arange(len(rows)), side="right")
    return binning.information(
        np.repeat(place, rows),
        np.concatenate([np.r_[np.ones(b), np.zeros(n - b)] for n, b in zip(rows, bad, strict=True)]).astype(
            np.int64
        ),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(15, 60), st.integers(0, 15)), min_size=2, max_size=8))
def test_no_monotone_binning_holds_more_information(cells: list[tuple[int, int]]):
    rows, bad = np.array([n for n, _ in cells]), np.array([b for _, b in cells])
    found = tuple(binning.optimal_ends(rows, bad, 1).tolist())
    best = 0.0
    for k in range(len(rows)):
        for inner in itertools.combinations(range(1, len(rows)), k):
            ends = (*inner, len(rows))
            sums = [(rows[a:b].sum(), bad[a:b].sum()) for a, b in itertools.pairwise((0, *ends))]
            rates = [b / n for n, b in sums]
            if all(x < y for x, y in itertools.pairwise(rates)):
                best = max(best, value(rows, bad, ends))
    assert value(rows, bad, found) == pytest.approx(best, abs=1e-9)


def population(n: int = 3_000) -> tuple[list[Column], np.ndarray]:
    rng = np.random.default_rng(4)
    income, age = rng.normal(size=n), rng.normal(size=n)
    job = rng.integers(0, 4, n)
    z = -1.5 - 0.9 * income + 0.5 * (job == 2) + 0.8 * np.isin(np.arange(n) % 10, (0,))
    labels = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(np.int64)
    income = income.copy()
    income[np.arange(n) % 10 == 0] = np.nan
    income[np.arange(n) % 10 == 1] = -999.0
    jobs = Column("job", "category", codes=job, levels=("a", "b", "c", "d"))
    return [number("income", income, (-999.0,)), jobs, number("noise", age)], labels


def test_missing_and_codes_have_bins_of_their_own_and_the_rest_is_monotone():
    columns, labels = population()
    bins = binning.fit(columns[0], labels)
    rates = np.array(bins.bad) / np.array(bins.rows)
    assert bins.rows[-2:] == (300, 300) and bins.labels()[-2:] == ["-999 (code)", "missing"]
    assert (np.diff(rates[: bins.ordinary]) < 0).all() and bins.ordinary > 2
    assert sum(bins.rows) == len(labels) and sum(bins.bad) == labels.sum()


def test_points_keep_their_scaling_in_the_file():
    columns, labels = population()
    card = scorecard.fit(columns, labels, scaling=Scaling(500, 20, 40))
    again = read_scorecard(json.dumps(card.to_json()))
    assert again == card and (again.scores(columns) == card.scores(columns)).all()
    odds = (1 - card.pds(columns)) / card.pds(columns)
    meant = 500 + 40 * np.log2(odds / 20)
    assert np.abs(card.scores(columns) - meant).max() <= 0.5 * len(card.bins) + 1e-9


def test_edited_cuts_are_the_bins_of_the_next_card():
    columns, labels = population()
    raw = scorecard.fit(columns, labels).to_json()
    mine = raw["characteristics"]
    assert isinstance(mine, list)
    part = next(p for p in mine if p["name"] == "income")
    part["cuts"] = [-0.5, 0.5]
    again = scorecard.fit(columns, labels, bins=edited_bins(json.dumps(raw)))
    bins = next(b for b in again.bins if b.name == "income")
    values = columns[0].values
    assert bins.cuts == (-0.5, 0.5)
    assert bins.rows[0] == ((values <= -0.5) & (values != -999)).sum() and bins.rows[3] == 300
    part["cuts"] = [0.5, -0.5]
    with pytest.raises(TrainingDataInvalid, match="do not rise"):
        edited_bins(json.dumps(raw))


def test_logistic_meets_its_own_first_order_condition():
    columns, labels = population()
    matrix = np.column_stack([np.nan_to_num(columns[0].values), columns[2].values])
    weights = scorecard.logistic(matrix, labels, ridge=2.0)
    p = 1 / (1 + np.exp(-(weights[0] + matrix @ weights[1:])))
    assert abs((p - labels).sum()) < 1e-6
    assert matrix.T @ (p - labels) == pytest.approx(-2.0 * weights[1:], abs=1e-5)


def test_bins_of_numbers_are_counted_as_rows_fall_into_them_and_moving_an_end_gains_nothing():
    rng = np.random.default_rng(3)
    values = np.where(rng.random(5_000) < 0.3, 0.0, np.round(rng.gamma(2.0, 900.0, 5_000), 2))
    values[:200], values[200:300] = np.nan, -1.0
    labels = (rng.random(5_000) < 0.1 + 0.3 * (np.nan_to_num(values) > 1_500)).astype(np.int64)
    column = number("amount", values, (-1.0,))
    made = binning.fit(column, labels)
    again = binning.counted(column, labels, made.cuts, ())
    assert again == made and made.rows[-2:] == (100, 200)
    for i, cut in enumerate(made.cuts):
        for other in (cut * 0.99, cut * 1.01):
            moved = binning.counted(column, labels, (*made.cuts[:i], other, *made.cuts[i + 1 :]), ())
            rates = np.array(moved.bad[: moved.ordinary]) / np.array(moved.rows[: moved.ordinary])
            small = min(moved.rows[: moved.ordinary]) < binning.SMALLEST * sum(moved.rows[: moved.ordinary])
            assert moved.iv <= made.iv + 1e-3 or small or not (np.diff(rates) > 0).all()
