"""Lists, silenced rules and shadow policies as people meet them: who may, what holds at once, what waits for a second person."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests import borrowers
from tests.origination.test_backtests import with_a_rule_more
from tests.worlds import World
from timelyrain.audit.queries import acts_of
from timelyrain.console.roles import ensure_demo_users
from timelyrain.origination import errors, exemptions, registry, releases, services, shadows
from timelyrain.origination.models import Application, DecisionRecord, Exemption, ListEntry, PolicyVersion
from timelyrain.runtime import clock, worker
from timelyrain.runtime.problems import Conflict, Invalid

SEEDS = iter(range(140, 400))  # nobody applies too often


@pytest.fixture(scope="module")
def staff(platform: World) -> dict[str, Client]:
    clients = {}
    for login in ensure_demo_users():
        clients[login.role] = Client()
        clients[login.role].force_login(User.objects.get(username=login.username))
    return clients


@pytest.fixture
def declined(world: World) -> tuple[borrowers.Applicant, Application, str]:
    """Somebody declined, and a rule that said so and may be silenced."""
    may = {rule.code for rule in registry.active()[0].rules if rule.snooze}
    for _ in range(40):
        who = borrowers.register(world, "overindebted", seed=next(SEEDS))
        codes = [r["code"] for r in borrowers.apply(who).reasons if r["effect"] == "decline"]
        if found := [code for code in codes if code in may]:
            return who, Application.objects.get(borrower_id=who.borrower.id), found[0]
    raise AssertionError("nobody over-indebted was declined by a rule that may be silenced")


def act(row: Any, name: str) -> str:
    return reverse(f"admin:origination_{row._meta.model_name}_act", args=[row.pk, name])


def page(row: Any) -> str:
    return reverse(f"admin:origination_{row._meta.model_name}_change", args=[row.pk])


def day(days: int) -> str:
    return (clock.today() + timedelta(days=days)).isoformat()


def test_a_rule_is_silent_once_a_second_person_approves(
    staff: dict[str, Client], declined: tuple[borrowers.Applicant, Application, str]
) -> None:
    who, application, code = declined
    risk, compliance = staff["risk"], staff["compliance"]
    asked = {"code": code, "until": day(3), "text": "the bureau corrected the entry"}
    assert staff["operations"].get(act(application, "snooze")).status_code == 403
    form = risk.get(act(application, "snooze")).content.decode()
    first = re.search(r'<option value="(\w+)"', form)
    assert first and first[1] in [
        r["code"] for r in DecisionRecord.objects.get(application=application).reasons
    ]
    past = risk.post(act(application, "snooze"), asked | {"until": day(-2)})
    assert (
        past.status_code == 422 and "the bureau corrected" in past.content.decode()
    )  # nothing typed is lost
    lawful = risk.post(act(application, "snooze"), asked | {"code": "AGE_UNDER_18"})
    assert lawful.status_code == 422 and "cannot be snoozed" in lawful.content.decode()
    assert risk.post(act(application, "snooze"), asked).status_code == 302
    waiting = Exemption.objects.get(borrower_id=who.borrower.id)
    assert exemptions.snoozes(who.borrower.shard, who.borrower.id) == []
    assert "待批准" in risk.get(page(application)).content.decode()
    assert "待批准的规则例外" in compliance.get("/console/").content.decode()
    told = risk.post(act(waiting, "approve"), {"text": "me too"}, follow=True)
    assert "Somebody else has to approve" in told.content.decode()
    assert compliance.post(act(waiting, "approve"), {"text": "read it"}).status_code == 302
    (silent,) = exemptions.snoozes(who.borrower.shard, who.borrower.id)
    assert (silent.code, silent.by) == (code, "risk, compliance")
    decision = DecisionRecord.objects.get(application=application)
    for shown in (page(application), page(decision)):
        assert f"静默 {code}" in staff["operations"].get(shown).content.decode()
    assert code not in [reason["code"] for reason in borrowers.apply(who).reasons]
    acts = [(a.act, a.actor) for a in acts_of(waiting.id)]
    assert ("exemption_asked", "risk") in acts and ("exemption_approved", "compliance") in acts
    assert risk.post(act(application, "end-snooze"), {"code": code, "text": "over"}).status_code == 302
    assert f"静默 {code}" not in risk.get(page(application)).content.decode()
    assert code in [reason["code"] for reason in borrowers.apply(who).reasons]


def test_a_list_holds_at_once_and_is_left_with_a_second_person(
    staff: dict[str, Client], declined: tuple[borrowers.Applicant, Application, str]
) -> None:
    who, application, _ = declined
    risk, compliance = staff["risk"], staff["compliance"]
    version = PolicyVersion.objects.get(sha256=registry.active_hashes()["policy"])
    assert "fraud_phone" in risk.get(page(version)).content.decode()
    wanted = {"list": "fraud_phone", "value": who.person["phone"], "text": "case 18"}
    assert compliance.post(act(version, "put-on-list"), wanted).status_code == 403
    assert "no list" in risk.post(act(version, "put-on-list"), wanted | {"list": "x"}).content.decode()
    assert risk.post(act(version, "put-on-list"), wanted).status_code == 302
    assert "ON_FRAUD_LIST" in [r["code"] for r in borrowers.apply(who).reasons]
    found = risk.get(reverse("admin:origination_listentry_changelist"), {"q": str(who.borrower.id)})
    (entry,) = found.context_data["cl"].result_list
    assert entry.list == "fraud_phone" and who.person["phone"] not in found.content.decode()
    sooner = {"list": "fraud_phone", "until": day(1), "text": "a shorter time"}
    risk.post(act(application, "put-on-list"), sooner)  # would let them past a rule sooner
    risk.post(act(application, "take-off-list"), {"list": "fraud_phone", "text": "mistaken"})
    shorter, off = Exemption.objects.filter(key_hash=entry.key_hash).order_by("asked_at")
    assert (shorter.what, off.what, shorter.state, off.state) == ("put_on", "take_off", "waiting", "waiting")
    assert ListEntry.objects.filter(key_hash=entry.key_hash).count() == 1
    compliance.post(act(shorter, "reject"), {"text": "no"})
    compliance.post(act(off, "approve"), {"text": "seen"})
    assert [r["code"] for r in borrowers.apply(who).reasons].count("ON_FRAUD_LIST") == 0
    assert "taken off" in risk.get(page(entry), headers={"accept-language": "en"}).content.decode()


ALLOW = """
[[list]]
name = "known_well"
kind = "allow"
key = "person"
zh = "熟悉的客户"
en = "people we know well"
note = "Used by the test."

[[rule]]
code = "KNOWN_PROBE"
stage = "credit"
when = "not on_list('known_well') and age > 120"
then = "refer"
if_missing = "skip"
zh = "超过120周岁"
en = "over 120"
change_zh = "无需操作"
change_en = "Nothing to do"
note = "Reads the allow list."
"""


@pytest.fixture
def allowing(platform: World) -> Iterator[None]:
    releases.install(source=registry.default_policy_source() + ALLOW)
    yield
    releases.install(source=registry.default_policy_source())


def test_an_allow_list_waits_for_a_second_person(allowing: None, world: World) -> None:
    who = borrowers.register(world)
    key = services.key_hash("person", who.person["id_number"])
    waits = exemptions.put_on("known_well", key, "ann", "a customer of ten years")
    assert waits and not exemptions.on_lists([key])
    with pytest.raises(Conflict, match="waits for a second person"):
        exemptions.put_on("known_well", key, "bob", "again")
    with pytest.raises(errors.SecondPersonNeeded):
        exemptions.decide(waits, "ann", "", approve=True)
    with pytest.raises(Invalid, match="needs a reason"):
        exemptions.decide(waits, "ann", " ", approve=False)
    exemptions.decide(waits, "bob", "", approve=True)
    assert ("known_well", key) in exemptions.on_lists([key]) and exemptions.counts()["known_well"] == 1
    with pytest.raises(Conflict, match="has decided"):
        exemptions.decide(waits, "cleo", "no", approve=False)
    assert exemptions.take_off("known_well", key, "ann", "moved away") is None
    assert not exemptions.on_lists([key])


DECLINES_ALL = """
[[rule]]
code = "STRICT_PROBE"
stage = "credit"
when = "age > 17"
then = "decline"
if_missing = "decline"
zh = "一律不批"
en = "Nobody is approved"
change_zh = "无需操作"
change_en = "Nothing to do"
note = "Shows that a shadow differs."
"""


def test_a_version_runs_in_the_shadow_and_is_compared(staff: dict[str, Client], world: World) -> None:
    strict = with_a_rule_more("shadow") + DECLINES_ALL
    digest = registry.keep_policy(strict, "ann").sha256
    version = PolicyVersion.objects.get(sha256=digest)
    risk = staff["risk"]
    assert staff["compliance"].post(act(version, "shadow")).status_code == 403
    assert risk.post(act(version, "shadow")).status_code == 302
    try:
        borrowers.approved(world)
        worker.drain()
        assert shadows.compared(digest)["approve", "decline"] >= 1
        text = staff["compliance"].get(page(version), headers={"accept-language": "en"}).content.decode()
        assert "approved → declined" in text and "<svg" in text
    finally:
        risk.post(act(version, "end-shadow"))
    assert digest not in shadows.running()
    assert [a.act for a in acts_of(digest) if a.act.startswith("shadow_")] == ["shadow_begun", "shadow_ended"]
