"""The shipped catalogue: large enough, every entry whole in both languages, its lineage real columns, no two the same."""

import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from tests.decisioning.applicants import AS_OF, DAY, POLICY_FILE, applicant, default_policy
from timelyrain.decisioning import FACTS, SOURCES, TABLES, evidence_from_json, phrase
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


def test_the_page_counts_what_is_there():
    page = (Path(__file__).parents[2] / "docs/features.md").read_text(encoding="utf-8")
    by_source = Counter(source for e in entries(POLICY) for source in e.sources)
    told = dict(re.findall(r"^\| ([a-z ]+) \| `[^|]*\| ([\d,]+) \|", page, re.M))
    named = {"bank flows": "bank", "shops": "shop", "devices": "device"}
    assert {named.get(k, k): int(n.replace(",", "")) for k, n in told.items()} == {
        s: by_source[s] for s in ("bank", "bureau", "shop", "device", "tax", "telecom")
    }
    blocks = tomllib.loads(POLICY_FILE.read_text(encoding="utf-8"))
    assert f"computes {len(POLICY.catalogue):,} features of one applicant" in page
    assert f"from {len(TABLES)} event tables and {len(FACTS)} facts" in page
    assert f"{len(blocks['aggregate'])} families\nand {len(blocks['feature'])} derived ones" in page


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


def test_slopes_tell_the_course_of_things():
    """Salary and balance rise by CNY 100 in 30 days, spending falls by 50, inquiries become one more each period."""
    flows, asked = [], []
    for k in range(11, -1, -1):  # periods ago, a day in the middle of each
        at, balance = AS_OF - DAY * (15 + 30 * k), 500_000 - 10_000 * k
        flows += [
            (at, 1_000_000 - 10_000 * k, balance, "salary"),
            (at, -300_000 - 5_000 * k, balance, "shop"),
        ]
        asked += [(at, "loan_approval")] * (11 - k)
    raw = applicant(1)
    for table, names, rows in (
        ("bank_flow", ("at", "amount_fen", "balance_fen", "kind"), flows),
        ("bureau_inquiry", ("at", "kind"), asked),
        ("bureau_month", ("at", "state", "overdue_fen"), []),
        ("tax_record", tuple(TABLES["tax_record"].columns), [(AS_OF - DAY, "income_tax", 1, 0, 0)]),
    ):
        raw["events"][table] = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    person = evidence_from_json(raw)
    values, known = POLICY.aggregation.run([person])
    names = POLICY.aggregation.names
    new = {
        name: int(values[0, at]) if known[0, at] else None
        for at, name in enumerate(names)
        if "_slope_" in name
    }
    assert new == {
        "bank_salary_course_slope_180d": 10_000, "bank_salary_course_slope_365d": 10_000,
        "bank_salary_course_sum_slope_180d": 10_000, "bank_salary_course_sum_slope_365d": 10_000,
        "bank_in_course_sum_slope_180d": 10_000, "bank_out_course_sum_slope_180d": -5_000,
        "balance_course_slope_90d": 10_000, "balance_course_slope_180d": 10_000,
        "bureau_loan_inquiry_course_count_slope_180d": 1_000, "bureau_loan_inquiry_course_count_slope_365d": 1_000,
        "bureau_late_course_count_slope_365d": 0,
        "tax_income_base_course_slope_365d": None, "tax_income_base_course_slope_730d": None,
    }  # fmt: skip
    for name in new:
        for way in ("high", "low", "absent", "unsure"):
            zh, en = phrase(POLICY.features[name], way)
            assert 4 <= len(zh) <= 60 and 8 <= len(en) <= 140 and not re.search(r"[{}（）]|  ", zh + en), name
    assert phrase(POLICY.features["bank_in_course_sum_slope_180d"], "low") == (
        "近180天账户收入逐月合计的走势偏降",
        "Credits: a more downward trend of the monthly total in the last 180 days than usual",
    )


def test_it_prints_as_json_and_markdown():
    told = json.loads(catalogue_json(POLICY, "en"))
    assert told["sha256"] == POLICY.sha256 and len(told["features"]) == len(POLICY.catalogue)
    page = catalogue_markdown(POLICY, "zh")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) == len(POLICY.catalogue)
    cells = {line.replace("\\|", "").count("|") for line in rows}
    assert cells == {8}
