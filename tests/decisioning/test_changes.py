"""What would change the answer: each promise is kept by the same decision, and only what a person can do is tried."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.decisioning.applicants import AS_OF, DAY, LAW, REQUEST, applicant
from tests.decisioning.test_decide import GOOD, POLICY, FixedScorer
from timelyrain import risk
from timelyrain.cli import main
from timelyrain.decisioning import (
    Evidence,
    Outcome,
    Request,
    canonical_bytes,
    decide,
    evidence_from_json,
    what_would_change,
)

AMOUNTS, TERMS = range(100_000, 20_000_001, 100_000), (3, 6, 9, 12, 24, 36)
ACCOUNT = {"limit_fen", "balance_fen", "monthly_due_fen", "state", "closed", "overdue_fen", "overdue_months"}


def changes(shown: Evidence, request: Request = REQUEST, scorer: FixedScorer = GOOD):
    return what_would_change(POLICY, shown, request, scorer, LAW, amounts=AMOUNTS, terms=TERMS)


def with_accounts(accounts: list[dict[str, object]], **facts: object) -> Evidence:
    """A steady person with these credit accounts and nothing else at the bureau."""
    raw = applicant(1)
    fixed = {
        "at": AS_OF - 900 * DAY, "kind": "D1", "limit_fen": 5_000_000, "balance_fen": 0, "monthly_due_fen": 0,
        "state": "normal", "closed": 0, "lender": 7, "term_months": 36, "overdue_fen": 0, "overdue_months": 0,
    }  # fmt: skip
    raw["events"]["bureau_account"] = {name: [{**fixed, **a}[name] for a in accounts] for name in fixed}
    raw["facts"] |= facts
    return evidence_from_json(raw)


LOANS = [{"balance_fen": (i + 1) * 1_000_000, "monthly_due_fen": 250_000} for i in range(4)]
CARD = {"kind": "R2", "limit_fen": 3_000_000, "balance_fen": 2_970_000, "monthly_due_fen": 297_000}
LATE = {
    "state": "overdue",
    "balance_fen": 500_000,
    "monthly_due_fen": 50_000,
    "overdue_fen": 60_000,
    "overdue_months": 1,
}
CASES = {
    "too large an amount": (with_accounts([CARD | {"balance_fen": 0}]), replace(REQUEST, amount_fen=18_000_000), "amount"),
    "a card that is full": (with_accounts([CARD]), REQUEST, "cards"),
    "too many instalments": (with_accounts(LOANS), REQUEST, "debts"),
    "an account overdue": (with_accounts([LATE]), REQUEST, "overdue"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_promised_is_what_happens(name: str) -> None:
    shown, request, lever = CASES[name]
    before = decide(POLICY, shown, request, GOOD, 0, LAW)
    assert before.outcome is not Outcome.APPROVE
    found = changes(shown, request)
    assert lever in {one for change in found for one in change.levers}
    assert [c.effort_ppm for c in found] == sorted(c.effort_ppm for c in found), "the least first"
    for change in found:
        again = evidence_from_json(canonical_bytes(change.evidence))  # as the sources would send it
        after = decide(POLICY, again, change.request, GOOD, 0, LAW)
        assert after.outcome is Outcome.APPROVE
        assert (after.limit_fen, after.rate_ppm) == (change.limit_fen, change.rate_ppm)
        assert change.zh and change.en
        assert_only_actionable(shown, change.evidence)
        assert change.request.purpose == request.purpose, "nobody is told to state another purpose"


def assert_only_actionable(before: Evidence, after: Evidence) -> None:
    facts = {name for name in before.facts if before.facts[name] != after.facts[name]}
    assert facts <= {"declared_income_fen"}
    for table, columns in before.tables.items():
        for column, values in columns.items():
            if not np.array_equal(values, after.tables[table][column]):
                assert (table == "bureau_account" and column in ACCOUNT) or (table, column) == (
                    "bank_flow",
                    "amount_fen",
                )
    assert (before.as_of, before.missing) == (after.as_of, after.missing)


def test_the_least_that_is_enough_is_told() -> None:
    shown, request, _ = CASES["too many instalments"]
    paid = next(c for c in changes(shown, request) if c.levers == ("debts",) and not c.waits_days)
    count = int((paid.evidence.tables["bureau_account"]["closed"] > 0).sum())
    one_less = decide(POLICY, _without_last_payment(shown, count - 1), request, GOOD, 0, LAW)
    assert one_less.outcome is not Outcome.APPROVE and f"{count} 笔" in paid.zh


def _without_last_payment(shown: Evidence, count: int) -> Evidence:
    raw = json.loads(canonical_bytes(shown))
    accounts = raw["events"]["bureau_account"]
    for i in np.argsort(accounts["balance_fen"])[:count].tolist():
        for column, value in (
            ("balance_fen", 0),
            ("monthly_due_fen", 0),
            ("state", "settled"),
            ("closed", AS_OF),
        ):
            accounts[column][i] = value
    return evidence_from_json(raw)


def test_two_things_together_where_one_is_not_enough() -> None:
    found = changes(with_accounts([CARD, LATE]))
    assert {"cards", "overdue"} in [set(change.levers) for change in found]
    assert all(len(change.levers) == 2 for change in found)
    assert "，并且" in found[0].zh


@pytest.mark.parametrize("facts", [{"age": 17}, {"id_match": False}])
def test_nothing_is_told_where_nothing_a_person_can_do_helps(facts: dict[str, object]) -> None:
    assert changes(with_accounts([CARD], **facts)) == ()
    assert changes(with_accounts([CARD]), scorer=FixedScorer(0.5)) == (), "a PD that does not move"


def test_an_approval_needs_no_change() -> None:
    assert changes(evidence_from_json(applicant(1))) == ()


def test_the_command_tells_what_would_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(700.0, 30.0, (1200, 1))
    bad = (rng.random(1200) < np.where(scores[:, 0] < 680, 0.15, 0.02)).astype(np.int64)
    model = risk.train(scores, bad, ["bureau_score"], threads=1)
    path, shown = risk.save(model, tmp_path), tmp_path / "e.json"
    shown.write_bytes(canonical_bytes(CASES["a card that is full"][0]))
    command = ["decide", "--evidence", str(shown), "--model", str(path), "--what-if", "--language", "en"]
    assert main(command) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "what would change the answer use at most" in told and "of each card and credit line" in told
    raw = json.loads(shown.read_bytes())
    shown.write_text(json.dumps({**raw, "facts": {**raw["facts"], "age": 17}}))
    main(command)
    assert "Nothing you could change" in capsys.readouterr().err
