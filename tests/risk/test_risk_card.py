"""A model card's numbers are those of the rows that were tested; its page and paper show them and load nothing."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from timelyrain import drawing, risk
from timelyrain.cli import main
from timelyrain.risk.card import figures
from timelyrain.risk.metrics import auc, ece, ks, wilson


def _write(path: Path, rows: int = 3200) -> Path:
    """Loans of three years; income tells, a code and gaps stand in it, sex only stands beside, a column knows the outcome."""
    rng = np.random.default_rng(3)
    income = np.round(np.exp(rng.normal(8.5, 0.5, rows)))
    late = rng.poisson(0.7, rows)
    job = rng.choice(["clerk", "driver", "nurse <b>"], rows)
    bad = rng.random(rows) < 1 / (1 + np.exp(-(0.9 * late - 0.0004 * income + 0.3)))
    lines = ["day,income,late_payments,job,sex,recoveries,status"]
    for i in range(rows):
        day = f"{2019 + i * 3 // rows}-{i * 36 // rows % 12 + 1:02d}-15"
        told = "" if i % 17 == 0 else "-999" if i % 23 == 0 else f"{income[i]:g}"
        lines.append(
            f"{day},{told},{late[i]},{job[i]},{'FM'[i % 2]},{5 * int(bad[i])},{'bad' if bad[i] else 'good'}"
        )
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> risk.Trained:
    path = _write(tmp_path_factory.mktemp("loans") / "loans.csv")
    return risk.with_card(risk.train_file(path, risk.Request(label="status", bad=("bad",), threads=1)))


def test_figures_are_of_the_rows_tested(trained: risk.Trained) -> None:
    found, tested = trained.model.manifest["card"], trained.tested
    assert isinstance(found, dict)
    labels, pd = tested.labels, tested.pds[trained.chosen]
    x, y = np.array(found["roc"][trained.chosen]).T
    assert np.trapezoid(y, x) == pytest.approx(auc(labels, pd), abs=0.005)
    assert found["ks"]["value"] == pytest.approx(ks(labels, pd), abs=1e-4)
    _, bad, good = found["ks"]["at"]
    assert bad - good == pytest.approx(ks(labels, pd), abs=1e-3)
    assert found["calibration"]["ece"] == pytest.approx(ece(labels, pd), abs=1e-4)
    bands = found["bands"]
    assert sum(band["rows"] for band in bands) == len(labels)
    assert bands[-1]["approved"] == 1 and bands[-1]["approved_bad"] == pytest.approx(labels.mean(), abs=1e-4)
    scaling = found["scaling"]
    for band in bands:  # points say what odds they promise
        middle = (scaling["base_odds"]) * 2 ** (
            ((band["from"] or band["to"]) - scaling["base_score"]) / scaling["pdo"]
        )
        odds = (1 - band["mean_pd"]) / band["mean_pd"]
        assert 0.3 < odds / middle < 4
    periods = found["periods"]
    assert periods["kind"] == "month" and sum(row["rows"] for row in periods["rows"]) == len(labels)
    late = next(one for one in found["effects"] if one["name"] == "late_payments")
    effects = [row["effect"] for row in late["bins"]]
    assert late["direction"] == 1 and effects == sorted(effects), "more late payments never lower the PD"
    labels_of_income = [
        row["label"] for one in found["effects"] if one["name"] == "income" for row in one["bins"]
    ]
    assert "∅" in labels_of_income and "-999 ◦" in labels_of_income
    assert {row["group"] for row in found["groups"]["sex"]} >= {"F", "M"}


def test_wilson_and_psi() -> None:
    assert wilson(0, 10) == (0.0, pytest.approx(0.2775, abs=1e-3)), "Wilson 1927"
    same = np.linspace(0, 1, 1000)
    assert figures.psi(same, same) == 0
    assert figures.psi(same[:500], same) > 0.25


def test_the_page_stands_alone_in_both_languages(trained: risk.Trained) -> None:
    page = risk.card_html(trained.model.manifest)
    assert "模型卡" in page and "Model card" in page
    assert "nurse &lt;b&gt;" in page and "<b>" not in page.partition("<main>")[2], "names of a file are text"
    assert not re.search(r"(src|href)=|url\(|@import", page), "nothing is loaded"
    assert page.count("<svg") == page.count("</svg>") >= 10
    assert "recoveries" in page and "timelyrain risk train loans.csv --label status --bad bad" in page
    assert 'data-language="en" data-asked' in risk.card_html(trained.model.manifest, "en")


@pytest.mark.skipif(not drawing.cjk_font().sans, reason="no Chinese font here")
@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_paper_is_a_pdf(trained: risk.Trained, language: str) -> None:
    paper = risk.card_pdf(trained.model.manifest, language)
    assert paper.startswith(b"%PDF-") and len(paper) > 20_000
    assert paper == risk.card_pdf(trained.model.manifest, language), "the same bytes again"


def test_pictures_stand_still_in_one_language() -> None:
    canvas = drawing.Canvas(10, 10)
    canvas.text(0, 0, ("中", "en <>"), style="small")
    canvas.text(0, 0, "7")
    picture = drawing.still(canvas.svg(("甲", "A")), "en", "text{fill:#000}")
    assert "中" not in picture and "en &lt;&gt;" in picture and ">7<" in picture and "xmlns" in picture


def test_a_card_is_made_again_from_the_model_alone(
    trained: risk.Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = risk.save(trained.model, tmp_path)
    assert main(["risk", "card", str(model), "--out", str(tmp_path / "cards"), "--language", "en"]) == 0
    page = (tmp_path / "cards" / "card.html").read_text(encoding="utf-8")
    assert page == risk.card_html(json.loads(model.with_suffix(".json").read_bytes()), "en")
    assert (tmp_path / "cards" / "card.pdf").read_bytes().startswith(b"%PDF-")
    without = {name: value for name, value in trained.model.manifest.items() if name != "card"}
    bare = risk.save(replace(trained.model, manifest=without), tmp_path / "bare")
    assert main(["risk", "card", str(bare)]) != 0
    assert "--no-card" in capsys.readouterr().err
