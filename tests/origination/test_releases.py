"""A policy's life: checked, tried, submitted, approved by somebody else, in force at a moment, taken back."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests import borrowers
from tests.worlds import World
from timelyrain.origination import errors, registry, releases, services
from timelyrain.origination.models import DecisionRecord, PolicyCase, ReleaseStep
from timelyrain.runtime import clock
from timelyrain.runtime.problems import Conflict, Invalid


def version(tag: str) -> str:
    return re.sub(
        r"^version = .*$", f'version = "{tag}"', registry.default_policy_source(), count=1, flags=re.M
    )


@pytest.fixture
def in_force(platform: World) -> Iterator[str]:
    """What decides before the test decides again after it."""
    before = registry.active_hashes()["policy"]
    yield before
    if registry.active_hashes()["policy"] != before:
        releases.activate("policy", before, "tests")


def submitted(tag: str) -> str:
    return releases.submit_policy(version(tag), "ann", "a test")


def test_a_second_person_approves_and_only_then_it_decides(in_force: str) -> None:
    digest = submitted("second-person")
    with pytest.raises(Conflict, match="submitted for approval"):
        releases.activate("policy", digest, "ann")
    with pytest.raises(errors.SecondPersonNeeded, match="ann has submitted"):
        releases.approve("policy", digest, "ann")
    releases.approve("policy", digest, "bob", "read it")
    assert registry.active_hashes()["policy"] == in_force
    releases.activate("policy", digest, "ann")
    assert registry.active()[0].sha256 == digest
    assert [s.act for s in releases.steps("policy", digest)] == ["submitted", "approved", "activated"]


def test_an_activation_comes_at_its_moment_and_history_can_be_asked(in_force: str) -> None:
    digest = submitted("later")
    releases.approve("policy", digest, "bob")
    at = clock.now() + timedelta(hours=3)
    with pytest.raises(Invalid, match="is past"):
        releases.activate("policy", digest, "bob", clock.now() - timedelta(minutes=1))
    releases.activate("policy", digest, "bob", at)
    assert registry.active_hashes()["policy"] == in_force
    assert registry.active_hashes(at - timedelta(seconds=1))["policy"] == in_force
    assert registry.active_hashes(at)["policy"] == digest
    releases.reject("policy", digest, "bob", "not tonight")
    assert registry.active_hashes(at)["policy"] == in_force


def test_rolling_back_and_taking_back_let_the_one_before_decide(in_force: str) -> None:
    first, second = submitted("one"), submitted("two")
    for digest in (first, second):
        releases.approve("policy", digest, "bob")
        releases.activate("policy", digest, "bob")
    with pytest.raises(Invalid, match="needs a reason"):
        releases.roll_back("policy", "cleo", "")
    assert releases.before_present("policy") == first
    assert releases.roll_back("policy", "cleo", "too strict") == first
    assert registry.active_hashes()["policy"] == first
    releases.reject("policy", first, "cleo", "wrong as well")
    assert registry.active_hashes()["policy"] == second
    with pytest.raises(Invalid, match="needs a reason"):
        releases.reject("policy", second, "cleo", " ")


def test_a_definition_with_errors_says_all_of_them_and_keeps_nothing(platform: World) -> None:
    broken = (
        version("broken")
        .replace("[[rule]]", '[[rule]]\nwhenn = "x"', 1)
        .replace('stage = "fraud"', 'stage = "froud"', 1)
    )
    before = ReleaseStep.objects.count()
    with pytest.raises(errors.PolicyUnfit) as refused:
        releases.submit_policy(broken, "ann")
    assert "whenn" in str(refused.value) and "froud" in str(refused.value)
    assert ReleaseStep.objects.count() == before
    draft = releases.begin_draft("broken", broken, "ann")  # but it may be kept as a draft
    with pytest.raises(errors.PolicyUnfit):
        releases.submit_draft(draft, "ann", "")


def test_a_past_decision_becomes_a_case_that_a_new_version_must_pass(world: World, in_force: str) -> None:
    who, view = borrowers.approved(world)
    decision = DecisionRecord.objects.get(shard=who.borrower.shard, id=view.decision_id)
    case = releases.case_from_decision(decision, "a good applicant", "ann")
    stored = PolicyCase.objects.get(id=case)
    assert who.person["id_number"].encode() not in bytes(stored.case_sealed)
    found = releases.review(version("same"))
    assert found.tried and found.tried.passed and found.tried.results[-1].name == "a good applicant"
    assert found.differences and "version" in found.differences[0][1]
    assert found.tried.untried  # one applicant does not try every rule both ways
    strict = version("strict") + (
        '\n[[rule]]\ncode = "NOBODY"\nstage = "credit"\nwhen = "request.amount_fen > 0"\nthen = "decline"\n'
        'if_missing = "decline"\nzh = "一律拒绝"\nen = "nobody"\nchange_zh = "无"\nchange_en = "none"\nc1 = 24\n'
    )
    try:
        with pytest.raises(errors.PolicyUnfit, match="a good applicant: expected approve, got decline"):
            releases.submit_policy(strict, "ann")
    finally:
        releases.retire_case(case, "ann")


def test_a_decision_under_a_list_becomes_a_case_that_passes(world: World, in_force: str) -> None:
    """The list of then stands in the case: it fails neither while the list holds nor after."""
    listed = borrowers.register(world)
    key = services.key_hash("phone", listed.person["phone"])
    services.put_on_list("fraud_phone", key, "desk", "case 11")
    view = borrowers.apply(listed)
    services.take_off_list("fraud_phone", key, "desk", "the test is over")
    decision = DecisionRecord.objects.get(shard=listed.borrower.shard, id=view.decision_id)
    assert "ON_FRAUD_LIST" in [reason["code"] for reason in decision.reasons]
    case = releases.case_from_decision(decision, "on a list", "ann")
    try:
        tried = releases.review(version("lists")).tried
        assert tried and tried.passed and "true" in tried.coverage["ON_FRAUD_LIST"]
    finally:
        releases.retire_case(case, "ann")


def test_other_rules_under_the_same_version_are_told(in_force: str) -> None:
    source = registry.policy(in_force)
    text = registry.default_policy_source().replace("phone_tenure_days < 90", "phone_tenure_days < 60")
    found = releases.review(
        re.sub(r"^version = .*$", f'version = "{source.version}"', text, count=1, flags=re.M)
    )
    assert found.differences[0][1].startswith(f"the version is still {source.version}")


def test_a_policy_that_lacks_the_models_features_cannot_decide(in_force: str) -> None:
    model = registry.active()[1]
    assert model is not None
    source = version("poorer")
    family = next(
        name
        for name in re.findall(r'\[\[aggregate\]\]\nname = "(\w+)"', source)
        if any(f.startswith(f"{name}_") for f in model.feature_names)
    )
    poorer = re.sub(rf'(\[\[aggregate\]\]\nname = "){family}"', rf'\1{family}_new"', source)
    poorer = (
        poorer.replace(f'share_of = "{family}"', f'share_of = "{family}_new"')
        .replace(f"{family}_", f"{family}_new_")
        .replace("_new_new", "_new")
    )
    digest = releases.submit_policy(poorer, "ann")
    releases.approve("policy", digest, "bob")
    with pytest.raises(errors.PolicyUnfit, match="reads"):
        releases.activate("policy", digest, "bob")
    assert registry.active_hashes()["policy"] == in_force
