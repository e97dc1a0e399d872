"""What somebody who was not approved is told: causes by the attribution the model asks for, changes that keep their promise."""

import json
from dataclasses import replace

import numpy as np
import pytest
from django.http import HttpRequest

from tests.borrowers import apply, approved, register
from tests.decisioning.applicants import LAW, REQUEST, default_policy, evidence
from timelyrain import decisioning, risk
from timelyrain.decisioning import Outcome
from timelyrain.origination import errors, explanation_admin, explanations, queries
from timelyrain.origination.models import DecisionRecord, Explanation
from timelyrain.runtime.crypto import encrypt

POLICY = default_policy()


@pytest.fixture(scope="module")
def model() -> risk.TrainedModel:
    """Trained on the policy's own features: trouble makes bad."""
    troubles = np.random.default_rng(2).random(400)
    people = [evidence(i, float(trouble)) for i, trouble in enumerate(troubles)]
    matrix, names = decisioning.features_matrix(POLICY, people)
    labels = (np.random.default_rng(3).random(400) < troubles).astype(np.int64)
    return risk.train(matrix, labels, names, monotone=POLICY.monotone, threads=1)


@pytest.mark.parametrize("used", ["path", "exact"])
def test_causes_follow_the_attribution_that_the_manifest_asks_for(
    model: risk.TrainedModel, used: str
) -> None:
    asked = replace(model, manifest={**model.manifest, "reasons": {"used": used}})
    decision = decisioning.decide(POLICY, evidence(7, 0.9), REQUEST, asked, 0, LAW)
    attribution, causes = explanations._causes(POLICY, decision, asked)
    assert attribution == used and decisioning.model_spoke(POLICY, decision)
    assert 1 <= len(causes) <= 4 and len({c.theme for c in causes}) == len(causes)
    at = [decision.table.places[name] for name in model.feature_names]
    row = np.where(decision.table.known[0, at], decision.table.numbers[0, at].astype(float), np.nan)
    parts = risk.exact_contributions(model, row) if used == "exact" else model.score(row).contributions
    sums: dict[str, float] = {}
    for name, part in zip(model.feature_names, parts, strict=True):
        sums[decisioning.theme(name)] = sums.get(decisioning.theme(name), 0.0) + part
    assert causes[0].contribution_ppm == round(max(sums.values()) * 1e6)


def test_a_decline_that_did_not_read_the_model_has_no_causes(model: risk.TrainedModel) -> None:
    raw = json.loads(decisioning.canonical_bytes(evidence(1)))
    raw["facts"]["age"] = 17
    decision = decisioning.decide(POLICY, decisioning.evidence_from_json(raw), REQUEST, model, 0, LAW)
    assert {rule.code for rule, _ in decision.spoken if rule.then == "decline"} >= {"AGE_UNDER_18"}
    if not decisioning.model_spoke(POLICY, decision):
        assert explanations._causes(POLICY, decision, model) == ("", ())


def test_what_is_told_is_kept_sealed_and_told_again(world):
    who = next(
        a
        for a in (register(world, "overindebted", seed=s) for s in range(60, 80))
        if apply(a).state == "declined"
    )
    row = DecisionRecord.objects.filter(application__borrower_id=who.borrower.id).latest("at")
    told = queries.explanation(who.borrower.shard, who.borrower.id, row.application_id)
    assert told is not None and told == explanations.explain(row)
    kept = Explanation.objects.get(shard=row.shard, decision=row)
    assert all(change.zh.encode() not in bytes(kept.told_sealed) for change in told.changes)
    panel = explanation_admin._changes(HttpRequest(), row)
    assert panel is not None and (panel.table is not None) == bool(told.changes) and panel.text


def test_an_approval_needs_no_explanation(world):
    who, view = approved(world)
    row = DecisionRecord.objects.get(shard=who.borrower.shard, application=view.id)
    assert explanations.explain(row) is None and not Explanation.objects.filter(decision=row).exists()


CHANGE = explanations.Change("分 6 期", "take 6 instalments", ("term",), 0, 1_000_000, 180_000)


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.APPROVE])
@pytest.mark.parametrize("changes", [(), (CHANGE,)])
def test_what_would_change_the_answer_agrees_with_what_each_reason_says_of_itself(
    outcome: Outcome, changes: tuple[explanations.Change, ...]
) -> None:
    """Beside a reason that can pass, nobody reads that nothing would help; beside changes that help, nobody reads of none."""
    with_advice = explanations.statement(outcome, [{"change_zh": ""}, {"change_zh": "结清后再申请"}], changes)
    without = explanations.statement(outcome, [{"change_zh": ""}], changes)
    assert with_advice != decisioning.NOTHING
    assert (without == decisioning.NOTHING) == (not changes)
    for zh, en in (with_advice, without):
        assert ("下面任意一项" in zh) == ("any one of these" in en) == bool(changes)
    if not changes:
        assert "原因" in with_advice[0] and "reason" in with_advice[1]


def test_a_decision_that_cannot_be_made_again_says_so(world):
    who = register(world, "thin")
    made = apply(who)
    row = DecisionRecord.objects.select_related("application").get(
        shard=who.borrower.shard, application=made.id
    )
    if row.outcome == Outcome.APPROVE:
        row.outcome = Outcome.DECLINE  # in memory only: the row cannot be changed
    row.model_sha256 = "0" * 64
    with pytest.raises(errors.ModelUnusable):
        explanations.explain(row)
    assert explanations.explained_if_possible(row) is None
    row.model_sha256 = None
    row.record_sealed = encrypt(b'{"format": 0}', f"origination_decisionrecord.record:{row.id}")
    with pytest.raises(errors.NotExplained):
        explanations.explain(row)
    assert not Explanation.objects.filter(decision=row).exists()
