"""Test cases of a policy: what they expect, what they cover, and what is no case."""

import copy
from typing import Any

import pytest

from tests.decisioning.applicants import LAW, REQUEST, applicant, default_policy
from timelyrain.decisioning import Case, CaseInvalid, decide, evidence_from_json, try_cases
from timelyrain.decisioning.decision import plain

POLICY = default_policy()


def case(seed: int, trouble: float, **more: Any) -> dict[str, Any]:
    """What the policy says of a person, as its author would expect it."""
    raw = applicant(seed, trouble)
    given, snoozed = more.get("given", {}), more.get("snoozed", [])
    found = decide(POLICY, evidence_from_json(raw), REQUEST, None, 500_000, LAW, given=given, snoozed=snoozed)
    expect = {"outcome": found.outcome.value, "reasons": [r.code for r in found.reasons], "only": True}
    made = {"name": f"person {seed}", "evidence": raw, "request": plain(REQUEST), "context": plain(LAW)}
    return {**made, "expect": expect, **more}


def test_cases_say_what_they_expect_and_which_rules_they_tried() -> None:
    raws = [case(seed, seed % 5 / 4) for seed in range(12)]
    tried = try_cases(POLICY, [Case.from_json(raw) for raw in raws], None)
    assert tried.passed and list(tried.coverage) == [rule.code for rule in POLICY.rules]
    lines = [
        decide(POLICY, evidence_from_json(raw["evidence"]), REQUEST, None, 500_000, LAW).trace for raw in raws
    ]
    for code, states in tried.coverage.items():
        assert states == {line.state for trace in lines for line in trace if line.code == code}
        assert (code in tried.untried) == (not {"true", "false"} <= states)
    other = copy.deepcopy(raws[0])
    other["expect"] = {"outcome": "approve", "reasons": ["NOT_THERE"], "limit_fen": [1, 2]}
    (result,) = try_cases(POLICY, [Case.from_json(other)], None).results
    (zh, en), (_, second), (_, third) = result.problems
    assert zh.startswith("应为 approve，实为 refer") and "expected approve, got refer" in en
    assert "expected reason NOT_THERE" in second and "is not from 1 to 2" in third


def test_lists_and_snoozes_are_part_of_a_case() -> None:
    listed = case(1, 0.0, given={"on_list.fraud_phone": True, "velocity_of_then": 3})
    assert "ON_FRAUD_LIST" in listed["expect"]["reasons"]
    plainly = case(3, 1.0)
    code = next(c for c in plainly["expect"]["reasons"] if {r.code: r.snooze for r in POLICY.rules}[c])
    quiet = case(3, 1.0, snoozed=[code])
    assert code not in quiet["expect"]["reasons"]
    assert try_cases(POLICY, [Case.from_json(raw) for raw in (listed, quiet)], None).passed
    wrong = listed | {"given": {"on_list.fraud_phone": "yes"}}
    (result,) = try_cases(POLICY, [Case.from_json(wrong)], None).results
    assert result.problems[0][1] == "given.on_list.fraud_phone is 'yes': give true, false or null"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "a test case is a JSON object"),
        ({"name": ""}, "give the case a name"),
        ({"moon": 1}, "unknown key 'moon'"),
        ({"expect": {"outcome": "maybe"}}, "maybe"),
        ({"expect": {"outcome": "approve", "reasons": "PD_HIGH"}}, "is not a list of codes"),
        ({"expect": {"outcome": "approve", "why": 1}}, "unknown key expect.why"),
        ({"request": {"amount": 1}}, "amount"),
        ({"snoozed": [1]}, "is not a list of codes"),
        ({"given": 3}, "wrong form"),
        ({"draw": 0.5}, "draw is 0.5"),
        ({"evidence": {}}, "as_of"),
    ],
)
def test_what_is_no_case(change: Any, message: str) -> None:
    with pytest.raises(CaseInvalid, match=message):
        Case.from_json(case(1, 0.0) | change if isinstance(change, dict) else change)
