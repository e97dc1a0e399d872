"""What a watch measures: by hand, as laws, and against outcomes drawn from known probabilities."""

import json
from math import log
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timelyrain.cli import main
from timelyrain.risk import metrics, save, train, watching
from timelyrain.risk.watching import Life, Rules

counts = st.lists(st.integers(0, 500), min_size=2, max_size=12).filter(any)


def test_psi_by_hand() -> None:
    # shares .5 .3 .2 against .4 .4 .2: -.1 ln(.8) + .1 ln(4/3)
    assert watching.psi((50, 30, 20), (40, 40, 20)) == pytest.approx(-0.1 * log(0.8) + 0.1 * log(4 / 3))
    assert watching.psi((10, 0), (9, 1)) == pytest.approx(-0.1 * log(0.9) + (0.1 - 0.05) * log(2))
    with pytest.raises(ValueError, match="no rows"):
        watching.psi((0, 0), (1, 2))


@settings(max_examples=60)
@given(counts, st.integers(1, 9), st.data())
def test_psi_is_nought_for_equal_shares_symmetric_and_a_sum(expected, times, data) -> None:
    scaled = [times * e for e in expected]
    if all(e > 0 for e in expected):
        assert watching.psi(expected, scaled) == pytest.approx(0, abs=1e-12)
    assert watching.psi(expected, expected) == 0
    seen = data.draw(
        st.lists(st.integers(0, 500), min_size=len(expected), max_size=len(expected)).filter(any)
    )
    parts = watching.psi_parts(expected, seen)
    assert (
        watching.psi(expected, seen)
        == pytest.approx(sum(parts))
        == pytest.approx(watching.psi(seen, expected))
    )
    if all(expected) and all(seen):
        assert min(parts) >= 0
        order = data.draw(st.permutations(range(len(expected))))
        mixed = watching.psi([expected[i] for i in order], [seen[i] for i in order])
        assert mixed == pytest.approx(watching.psi(expected, seen))


@settings(max_examples=60)
@given(st.lists(st.one_of(st.floats(-9, 9), st.just(float("nan")), st.sampled_from([0.0, 1.0])), min_size=1))
def test_every_value_has_one_bin(values) -> None:
    column = np.array(values, np.float64)
    bins = watching.bins_of(column)
    assert sum(bins.counts) == len(values) and bins.counts[-1] == int(np.isnan(column).sum())
    assert list(bins.cuts) == sorted(set(bins.cuts)) and len(bins.cuts) < 10
    assert bins.count(column) == bins.counts


def test_chance_is_told_from_drift() -> None:
    """Without drift the bound holds but for about one in a thousand; at the sizes of the house PSI alone would cry wolf."""
    rng = np.random.default_rng(3)
    shares = np.full(10, 0.1)
    passed = wolf = 0
    for _ in range(2000):
        expected, seen = rng.multinomial(200, shares), rng.multinomial(150, shares)
        found = watching.psi(expected.tolist(), seen.tolist())
        passed += found > watching.psi_by_chance(expected.tolist(), seen.tolist())
        wolf += found > 0.10
    assert passed <= 12 and wolf > 300


@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.0])
def test_estimated_performance_is_near_the_truth_when_pds_are_right(shift: float) -> None:
    """The people drift, the relation stays: what is estimated without labels is what labels say later."""
    rng = np.random.default_rng(5)
    for spread in (0.7, 1.3):
        z = rng.normal(-2 + shift, spread, 20_000)
        pd = 1 / (1 + np.exp(-z))
        labels = (rng.random(len(pd)) < pd).astype(np.int64)
        guess, truth = watching.estimated(pd), metrics(labels, pd)
        for name in ("auc", "ks", "brier", "bad_rate"):
            width = guess[name].high - guess[name].low  # some four deviations
            assert abs(guess[name].value - truth[name]) < width < 0.06, name
        assert guess["auc"].low < guess["auc"].value < guess["auc"].high
        seen = watching.performance(labels, pd)
        assert seen["auc"].value == pytest.approx(truth["auc"]) and seen["ks"].value == pytest.approx(
            truth["ks"]
        )
        assert seen["auc"].low < truth["auc"] < seen["auc"].high


def test_estimated_performance_does_not_see_what_only_outcomes_tell() -> None:
    rng = np.random.default_rng(6)
    pd = 1 / (1 + np.exp(-rng.normal(-2, 1, 20_000)))
    labels = (rng.random(len(pd)) < pd[::-1]).astype(np.int64)  # the relation is gone
    assert watching.estimated(pd)["auc"].low > watching.performance(labels, pd)["auc"].high


def test_calibration_by_hand() -> None:
    found = watching.calibration(np.array([1, 0, 0, 0, 1]), np.full(5, 0.2))
    assert (found["expected"], found["observed"], found["ratio"]) == pytest.approx((0.2, 0.4, 2.0))
    assert found["high"] == pytest.approx(0.2 + 1.96 * (5 * 0.16) ** 0.5 / 5) and found["low"] == 0


def test_vintages_and_rolls_by_hand() -> None:
    lives = [
        Life("2026Q1", 3, 0, ("M0", "M0", "M0")),
        Life("2026Q1", 4, 2, ("M0", "M4", "M5", "written_off")),
        Life("2026Q2", 1, 0, ("M1",)),
    ]
    assert watching.vintages(lives) == {
        "2026Q1": {"loans": 2, "bad": [0.0, 0.5, 0.5]},
        "2026Q2": {"loans": 1, "bad": [0.0]},
    }
    counts = watching.rolls(lives)
    place = watching.BUCKETS.index
    assert counts[place("M0")][place("M0")] == 2 and counts[place("M0")][place("M4")] == 1
    assert counts[place("M5")][place("written_off")] == 1 and sum(map(sum, counts)) == 5


def table(rng: np.random.Generator, n: int, shift: float, label_shift: float = 0.0) -> watching.Decisions:
    x = rng.normal(shift, 1, n)
    pd = 1 / (1 + np.exp(-(x - 2)))
    bad = rng.random(n) < 1 / (1 + np.exp(-(x - 2 + label_shift)))
    return watching.Decisions(
        ["2026-05"] * n, pd, bad.astype(np.int64), pd < 0.4, np.ones(n, bool),
        {"x": x, "noise": rng.normal(size=n)}, {"sex": rng.choice(["f", "m"], n).tolist()},
    )  # fmt: skip


def joined(a: watching.Decisions, b: watching.Decisions):
    first = np.arange(len(a.pd) + len(b.pd)) < len(a.pd)
    return watching.joined(a, b), first, ~first


@pytest.mark.parametrize(
    ("shift", "label_shift", "level", "of"),
    [
        (0.0, 0.0, "calm", set()),
        (0.45, 0.0, "watch", {("psi", "score"), ("csi", "x")}),
        (1.0, 0.0, "act", {("psi", "score"), ("csi", "x")}),
        (0.0, 0.9, "act", {("calibration", "bad rate")}),
    ],
)
def test_what_moved_is_found_and_nothing_else(shift, label_shift, level, of) -> None:
    rng = np.random.default_rng(8)
    report = watching.watch(*joined(table(rng, 3000, 0), table(rng, 1500, shift, label_shift)), Rules())
    assert report["level"] == level, report["findings"]
    found = {(one["measure"], one["of"]) for one in report["findings"]}
    assert of <= found and ("csi", "noise") not in found
    page = watching.html(report)
    assert page.count("<svg") >= 6 and "PSI" in page


def test_few_rows_and_groups_are_not_judged() -> None:
    rng = np.random.default_rng(9)
    assert watching.watch(*joined(table(rng, 60, 0), table(rng, 60, 2)), Rules())["level"] == "calm"
    rows = watching.fairness(
        ["a"] * 200 + ["b"] * 200 + ["c"] * 5, np.array([True] * 150 + [False] * 50 + [True] * 90 + [False] * 110 + [True] * 5),
        np.full(405, 0.1), 100,
    )  # fmt: skip
    ratios = {row["group"]: row["ratio"] for row in rows}
    assert ratios == {"a": 1.0, "b": pytest.approx(0.45 / 0.75), "c": None}
    unknown = watching.fairness(
        [watching.UNKNOWN] * 200 + ["b"] * 200, np.arange(400) < 300, np.full(400, 0.1), 100
    )
    assert {row["group"]: row["ratio"] for row in unknown} == {watching.UNKNOWN: None, "b": 1.0}
    with pytest.raises(ValueError, match="current window has no rows"):
        both, _, _ = joined(table(rng, 9, 0), table(rng, 9, 0))
        watching.watch(both, np.ones(18, bool), np.zeros(18, bool), Rules())


def test_one_file_against_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(10)

    def file(name: str, shift: float) -> Path:
        one = table(rng, 2000, shift)
        frame = pl.DataFrame({**one.inputs, "bad": one.labels, "sex": one.groups["sex"]})
        frame.write_parquet(tmp_path / name)
        return tmp_path / name

    learnt = file("learnt.parquet", 0)
    frame = pl.read_parquet(learnt)
    matrix = np.ascontiguousarray(frame.select("x", "noise").to_numpy())
    model = save(train(matrix, frame["bad"].to_numpy(), ("x", "noise"), threads=1), tmp_path)

    def watched(now: Path, *more: str) -> int:
        return main(["risk", "watch", str(learnt), str(now), "--model", str(model), "--label", "bad", *more])

    assert watched(file("same.parquet", 0), "--group", "sex", "--out", str(tmp_path / "page.html")) == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8").count("<svg") >= 7
    capsys.readouterr()
    assert watched(file("moved.parquet", 1.5), "--json") == 1
    assert json.loads(capsys.readouterr().out)["inputs"]["x"]["psi"] > 0.25
    frame.drop("noise").write_parquet(tmp_path / "less.parquet")
    assert watched(tmp_path / "less.parquet") == 2 and "no column noise" in capsys.readouterr().err
