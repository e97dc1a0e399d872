"""The published numbers, through the runner that `make conformance` uses; and that the runner can fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.published import published
from timelyrain.conformance import SUITES, Outcome, SuiteUnreadable, run
from timelyrain.conformance.running import published as path_of


def outcomes(name: str) -> list[Outcome]:
    published(SUITES[name].source)  # skips where the numbers are not at hand
    path = path_of(SUITES[name])
    assert path is not None
    return run(SUITES[name], path)


@pytest.mark.parametrize("name", ["apr", "identifiers"])
def test_all_pass(name: str):
    found = outcomes(name)
    assert len(found) >= 26
    assert [o for o in found if not o.passed] == []


def test_first_schedules():
    """Every first table is ours to the fen, whatever the case's status."""
    cases = {case["id"] for case in published("schedules.json")["cases"]}
    found = [o for o in outcomes("schedules") if o.id in cases]
    assert len(found) >= 70
    assert [o for o in found if not o.passed] == []


def test_cases_that_others_reproduced_whole():
    """Status `match`: every table, the ones after events as well."""
    whole = [c["id"] for c in published("schedules.json")["cases"] if c["verified"]["status"] == "match"]
    failed = [o for o in outcomes("schedules") if not o.passed]
    assert len(whole) >= 50
    assert [o for o in failed if o.id.split("@")[0] in whole] == []


def test_every_difference_is_explained():
    explained = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")
    unexplained = [
        o.id
        for o in outcomes("schedules")
        if not o.passed and o.id.removeprefix("fineract-") not in explained
    ]
    assert unexplained == []


def alter(tmp_path: Path, name: str, old: str, new: str) -> Path:
    text = json.dumps(published(SUITES[name].source), ensure_ascii=False)
    assert old in text
    file = tmp_path / "altered.json"
    file.write_text(text.replace(old, new), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("apr", '"expected_apr": 6.434111', '"expected_apr": 6.434121'),
        ("identifiers", '"value": "91350100M000100Y43", "valid": true', '"value": "91350100M000100Y43", "valid": false'),
        ("schedules", '"principal": "3303.22"', '"principal": "3303.23"'),
    ],
)  # fmt: skip
def test_one_wrong_number_is_found(tmp_path: Path, name: str, old: str, new: str):
    file = alter(tmp_path, name, old, new)
    before = {o.id for o in outcomes(name) if not o.passed}
    fresh = [o for o in run(SUITES[name], file) if not o.passed and o.id not in before]
    assert fresh and all("published" in " ".join(o.differences) for o in fresh)


def test_another_format_is_refused(tmp_path: Path):
    file = tmp_path / "other.json"
    file.write_text('{"rows": []}')
    with pytest.raises(SuiteUnreadable, match=r"other\.json is not a file of suite 'apr'"):
        run(SUITES["apr"], file)


def test_a_case_that_cannot_be_read_fails_alone(tmp_path: Path):
    cases = published("schedules.json")["cases"][:6]
    del cases[0]["events"]
    cases[1]["day_count"]["days_in_year"] = "370"
    cases[2]["rounding"]["mode"] = "CEILING"
    cases[3]["annual_rate"] = "seven"
    file = tmp_path / "odd.json"
    file.write_text(json.dumps({"cases": cases}))
    found = run(SUITES["schedules"], file)
    assert {case["id"] for case in cases} == {o.id.split("@")[0] for o in found}
    unread = [o for o in found if o.differences[:1] and o.differences[0].startswith("cannot be read")]
    assert len(unread) >= 3


def test_command(tmp_path: Path):
    """The last line counts, and the exit code tells."""
    file = alter(tmp_path, "identifiers", '"000000000"', '"000000001"')
    command = [sys.executable, "-m", "timelyrain.conformance", "--suite", "identifiers", "--file", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "FAILED org_code_gb11714 000000001" in done.stdout
    assert done.stdout.splitlines()[-1].endswith(" passed, 1 failed")
