"""Commands about a definition: nothing an author wrote is cut off or read as markup, and either language is spoken."""

import json
from pathlib import Path

import pytest

from tests.decisioning.applicants import applicant
from tests.decisioning.test_policy_definition import MORE, SMALL
from timelyrain.cli import main

LONG = "很长的理由" * 30 + "完"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A policy whose texts are long and hold brackets, and evidence that breaks its rule."""
    text = SMALL.replace("未满18周岁，{age}岁", f"[/red]{LONG}").replace("under 18: {age}", "[/b] under 18")
    text = text.replace('name = "small"', 'name = "[/i] small"')
    (tmp_path / "p.toml").write_text(text + MORE, encoding="utf-8")
    raw = applicant(1)
    raw["facts"]["age"] = 17
    (tmp_path / "e.json").write_text(json.dumps(raw), encoding="utf-8")
    return str(tmp_path / "p.toml"), str(tmp_path / "e.json")


def test_texts_of_an_author_are_shown_whole_and_as_written(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
):
    policy, evidence = files
    for lang, said in (("zh", f"[/red]{LONG}"), ("en", "[/b] under 18")):
        assert main(["decide", "--policy", policy, "--evidence", evidence, "--lang", lang]) == 0
        assert main(["policy", "show", policy, "--lang", lang]) == 0
        shown = capsys.readouterr().out
        assert "拒绝" in shown if lang == "zh" else "decline" in shown
        column = "".join(letter for letter in shown if letter not in " │\n")  # cells go on over lines
        assert said.replace(" ", "")[:20] in column and "[/i]small" in column and "…" not in column
        assert lang == "en" or shown.count("完") == 2


def test_what_a_policy_says_names_every_block(files: tuple[str, str], capsys: pytest.CaptureFixture[str]):
    assert main(["policy", "show", files[0], "--json", "--lang", "en"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["table more (unique; years = age)"] == [{"years": "< 20", "points": "1"}]
    assert told["constants"] == [{"name": "trips", "value": "['travel']"}]
    assert [row["kind"] for row in told["lists, experiments, random approval"]] == ["experiment"]
    assert [row["when"] for row in told["rules"]] == ["source_missing('bank')", "age < 18"]


def test_a_faulty_definition_is_told_in_the_readers_language(
    files: tuple[str, str], capsys: pytest.CaptureFixture[str]
):
    policy, evidence = files
    Path(policy).write_text(SMALL.replace("age < 18", "agee < 18"), encoding="utf-8")
    assert main(["decide", "--policy", policy, "--evidence", evidence, "--lang", "zh"]) == 2
    assert "没有 'agee' 这个名称；是否想写 'age'？" in capsys.readouterr().err
