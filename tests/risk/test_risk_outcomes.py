"""What is lost at default, what is paid early, and what the refused would have done: against worlds whose truth is known."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from timelyrain import cli
from timelyrain.risk import (
    LossRequest,
    PrepaymentRequest,
    Request,
    TrainingDataInvalid,
    load,
    reject_sensitivity,
    train_loss,
    train_prepayment,
)

RNG_ROWS = 3000


def _loans(path: Path) -> Path:
    """Loans with a known law of loss (of `secured` and `ltv`), of prepayment (of `income`), and of default (of `score`)."""
    rng = np.random.default_rng(5)
    n = RNG_ROWS
    score, income, ltv = rng.normal(size=n), rng.normal(size=n), rng.uniform(0.2, 1.2, n)
    secured = rng.random(n) < 0.5
    bad = rng.random(n) < 1 / (1 + np.exp(2 + 1.5 * score))
    lost = np.clip(np.where(secured, 0.5 * ltv, 0.9) + rng.normal(0, 0.1, n), 0, 1)
    chance = 0.03 / (1 + np.exp(-1.5 * income)) * 2
    prepaid_in = rng.geometric(chance)
    months = np.minimum(prepaid_in, 24)
    refused = score < -1.0
    owed = rng.integers(1_000, 90_000, n)
    pl.DataFrame(
        {
            "score": score, "income": income, "ltv": ltv, "secured": np.where(secured, "yes", "no"),
            "owed": owed, "back": np.round(owed * (1 - lost)).astype(int), "term": np.full(n, 24),
            "followed": months, "state": np.where(bad, "default", np.where(prepaid_in < 24, "paid", "running")),
            "outcome": [None if r else "bad" if b else "good" for r, b in zip(refused, bad, strict=True)],
            "decision": np.where(refused, "declined", "approved"),
        }
    ).write_csv(path)  # fmt: skip
    return path


@pytest.fixture(scope="module")
def loans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _loans(tmp_path_factory.mktemp("loans") / "loans.csv")


def test_loss_given_default_finds_the_law_and_only_of_defaulted_loans(loans: Path, tmp_path: Path):
    away = ("state", "outcome", "decision", "followed", "term")
    request = LossRequest("owed", recovered="back", base=Request("x", exclude=away, keep=("secured",)))
    report, model = train_loss(loans, request)
    assert report["rows"] == RNG_ROWS and set(report["features_used"]) <= {
        "score",
        "income",
        "ltv",
        "secured",
    }  # type: ignore[arg-type]
    worth = report["models"]
    assert worth["lightgbm"]["r2"]["low"] > 0.6 > worth["mean"]["r2"]["high"]  # type: ignore[index]
    some, _ = train_loss(
        loans, LossRequest("owed", recovered="back", where=("outcome=bad",), base=request.base)
    )
    assert 0 < some["rows"] < RNG_ROWS / 2  # type: ignore[operator]
    frame = pl.read_csv(loans)
    lost, _ = train_loss(loans, LossRequest("owed", loss="owed - back", base=request.base))
    assert (
        lost["mean_loss"]
        == pytest.approx(report["mean_loss"])
        == pytest.approx(
            float((1 - frame["back"] / frame["owed"]).mean()),
            abs=1e-12,  # type: ignore[arg-type]
        )
    )
    features = dict.fromkeys(model.feature_names, 0.0)
    levels = model.manifest["recipe"]["levels"]["secured"]  # type: ignore[index]
    safe, none = (
        model.score(
            np.array([{**features, "ltv": 0.3, "secured": levels[one]}[name] for name in model.feature_names])
        ).pd
        for one in ("yes", "no")
    )
    assert safe < 0.35 and none > 0.75


def test_prepayment_follows_the_curve_it_was_made_by(loans: Path):
    away = ("state", "outcome", "decision", "owed", "back")
    report, model = train_prepayment(
        loans, PrepaymentRequest("state=paid", "term", months="followed", base=Request("x", exclude=away))
    )
    assert model.feature_names[-1] == "months on book"
    assert report["auc_of_months"] > 0.62  # type: ignore[operator]
    last = report["curve"][17]  # type: ignore[index]
    assert last["month"] == 18 and last["prepaid_expected"] == pytest.approx(last["prepaid_seen"], abs=0.06)
    at = dict(zip(model.feature_names, np.zeros(len(model.feature_names)), strict=True))
    slow, fast = (
        model.score(
            np.array([{**at, "income": income, "months on book": 6.0}[n] for n in model.feature_names])
        ).pd
        for income in (-2.0, 2.0)
    )
    assert slow < 0.01 and 0.03 < fast < 0.08  # truth: 0.003 and 0.057


def test_the_refused_turn_worse_as_more_is_assumed_of_them(loans: Path):
    request = Request(
        "outcome", exclude=("state", "back", "owed", "followed", "decision"), models=("scorecard",)
    )
    found = reject_sensitivity(loans, request, odds=(1, 4))
    named = reject_sensitivity(loans, request, ("decision", "declined"), odds=(1, 4))
    mild, hard = found["multiples"]  # type: ignore[misc]
    assert found["multiples"] == named["multiples"]
    assert found["accepted"] + found["refused"] == RNG_ROWS  # type: ignore[operator]
    assert hard["refused_bad"] > mild["refused_bad"] and hard["approved_bad"] >= mild["approved_bad"]
    assert 0 <= mild["swapped"] <= 1


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["lgd", "FILE", "--exposure", "owed"], "--loss"),
        (["lgd", "FILE", "--exposure", "secured", "--loss", "back"], "secured"),
        (["lgd", "FILE", "--exposure", "owed", "--loss", "back", "--where", "state=gone"], "gone"),
        (["prepayment", "FILE", "--paid", "state=paid", "--term", "term"], "--begin"),
        (["prepayment", "FILE", "--paid", "state=paid", "--term", "trm", "--months", "followed"], "'term'"),
        (["rejects", "FILE", "--label", "outcome", "--rejected", "decision"], "COL=VALUE"),
        (["rejects", "FILE", "--label", "outcome", "--odds", "0"], "multiples"),
        (["rejects", "FILE", "--label", "state", "--bad", "default"], "--rejected"),
    ],
)
def test_what_cannot_be_done_is_said(
    loans: Path, argv: list[str], named: str, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(["risk", *(str(loans) if one == "FILE" else one for one in argv)]) == 2
    assert named in capsys.readouterr().err


def test_the_commands_write_a_report_and_a_model(
    loans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    argv = ["risk", "lgd", str(loans), "--exposure", "owed", "--recovered", "back", "--exclude", "state", "outcome",
            "decision", "followed", "--out", str(tmp_path), "--json"]  # fmt: skip
    assert not cli.main(argv)
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((tmp_path / "report.json").read_text())
    assert load(tmp_path / f"{report['model_sha256']}.model", report["model_sha256"]).feature_names


def test_a_loss_without_any_defaulted_loan_is_refused(loans: Path):
    with pytest.raises(TrainingDataInvalid, match="needed"):
        train_loss(loans, LossRequest("owed", loss="back", where=("outcome=bad", "state=paid")))
