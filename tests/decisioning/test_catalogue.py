"""The shipped catalogue: large enough, every entry whole in both languages, its lineage real columns, no two the same."""

import json
import re
from collections import Counter

import pytest

from tests.decisioning.applicants import default_policy
from timelyrain.decisioning import FACTS, SOURCES, TABLES
from timelyrain.decisioning.catalogue import catalogue_json, catalogue_markdown, entries

POLICY = default_policy()
KNOWN = (
    {f"fact.{name}" for name in FACTS}
    | {f"{table}.{column}" for table, spec in TABLES.items() for column in spec.columns}
    | {f"source_missing.{source}" for source in SOURCES}
    | {
        f"{table}.{clock}"
        for table in TABLES
        for clock in ("days_ago", "day_of_month", "weekday", "hour", "period")
    }
)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_feature_is_told_whole(language):
    found = entries(POLICY, language)
    assert len(found) == len(POLICY.catalogue) >= 3000
    for e in found:
        assert e.meaning and e.missing and e.lineage and e.sources and e.known_at_application, e.name
        assert bool(re.search("[\u4e00-\u9fff]", e.meaning + e.missing)) is (language == "zh"), e.name
        assert set(e.lineage) <= KNOWN, e.name
        assert (e.formula != "") is (e.kind != "fact"), e.name
        assert (e.window is not None) is (e.kind == "aggregate"), e.name
    meanings = Counter(e.meaning for e in found)
    assert not [m for m, n in meanings.items() if n > 1]  # two features that read the same mean the same


def test_every_table_and_column_is_put_to_use():
    used = {leaf for e in entries(POLICY) for leaf in e.lineage}
    unused = {f"{t}.{c}" for t, spec in TABLES.items() for c in spec.columns if c != "at"} - used
    assert not unused
    by_source = Counter(source for e in entries(POLICY) for source in e.sources)
    assert min(by_source[s] for s in ("bank", "bureau", "shop")) >= 500
    assert min(by_source[s] for s in ("tax", "device")) >= 150


def test_lineage_goes_through_derived_features():
    one = next(e for e in entries(POLICY) if e.name == "debt_months_ppm")
    assert set(one.lineage) >= {
        "bureau_account.balance_fen",
        "bureau_account.closed",
        "bank_flow.amount_fen",
        "bank_flow.kind",
        "fact.declared_income_fen",
    }
    assert one.sources == ("application", "bank", "bureau")


def test_it_prints_as_json_and_markdown():
    told = json.loads(catalogue_json(POLICY, "en"))
    assert told["sha256"] == POLICY.sha256 and len(told["features"]) == len(POLICY.catalogue)
    page = catalogue_markdown(POLICY, "zh")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == len(POLICY.catalogue)
    cells = {line.replace("\\|", "").count("|") for line in rows}
    assert cells == {8}
