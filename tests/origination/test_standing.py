"""What a lender already holds about an applicant reaches the decision and its record; shadows decide after the answer."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.http import HttpRequest

from tests.borrowers import Applicant, apply, approved, register
from timelyrain.origination import (
    exemptions,
    explanation_admin,
    registry,
    releases,
    services,
    shadows,
    standing,
)
from timelyrain.origination.models import Application, DecisionRecord, ShadowDecision
from timelyrain.runtime import clock, worker
from timelyrain.runtime.problems import Invalid


def record_of(who: Applicant) -> tuple[DecisionRecord, dict]:
    row = DecisionRecord.objects.filter(application__borrower_id=who.borrower.id).latest("at")
    return row, json.loads(registry.open_sealed(row, "record"))


def test_a_listed_phone_is_declined_until_it_is_taken_off(world):
    who = register(world)
    key = services.key_hash("phone", who.person["phone"])
    services.put_on_list("fraud_phone", key, "fraud desk", "case 17")
    view = apply(who)
    assert view.state == "declined" and "ON_FRAUD_LIST" in [r["code"] for r in view.reasons]
    row, told = record_of(who)
    assert told["given"]["on_list.fraud_phone"] is True and told["given"]["on_list.fraud_person"] is False
    assert told["given"]["on_list.watched_employer"] in (False, None)  # None where the tax office was silent
    assert len(told["given_versions"]["lists"]) == 64
    assert services.replay_decision(row.id).equal
    services.take_off_list("fraud_phone", key, "fraud desk", "not the same person")
    view = apply(who)
    assert "ON_FRAUD_LIST" not in [r["code"] for r in view.reasons]
    assert record_of(who)[1]["given_versions"] != told["given_versions"]


def test_an_entry_ends_and_needs_a_reason(world):
    who = register(world)
    key = services.key_hash("person", who.person["id_number"])
    with pytest.raises(Invalid):
        services.put_on_list("fraud_person", key, "desk", " ")
    services.put_on_list("fraud_person", key, "desk", "old case", until=clock.now() - timedelta(seconds=1))
    assert "ON_FRAUD_LIST" not in [r["code"] for r in apply(who).reasons]


def test_a_snoozed_rule_is_silent_for_one_person_and_stands_in_the_record(world):
    who = next(
        a
        for a in (register(world, "overindebted", seed=s) for s in range(40, 60))
        if apply(a).state == "declined"
    )
    codes = [r["code"] for r in record_of(who)[0].reasons if r["effect"] == "decline"]
    policy, _ = registry.active()
    (code, *_) = [c for c in codes if next(r for r in policy.rules if r.code == c).snooze]
    b, until = who.borrower, clock.now() + timedelta(days=1)
    with pytest.raises(Invalid):
        services.snooze_rule(b.shard, b.id, "AGE_UNDER_18", until, "boss", "no")
    services.snooze_rule(b.shard, b.id, code, until, "boss", "the bureau corrected it")
    apply(who)
    row, told = record_of(who)
    assert code in told["snoozed"] and code not in [r["code"] for r in row.reasons]
    assert next(line["state"] for line in told["outputs"]["trace"] if line["code"] == code) == "true"
    assert services.replay_decision(row.id).equal
    services.snooze_rule(b.shard, b.id, code, clock.now(), "boss", "over")
    apply(who)
    assert record_of(who)[1]["snoozed"] == []


def test_buckets_are_steady_even_and_independent():
    people = [uuid4() for _ in range(4000)]
    a = [standing.bucket("a", person) for person in people]
    b = [standing.bucket("b", person) for person in people]
    assert a == [standing.bucket("a", person) for person in people]
    assert 0.45 < sum(x < 500_000 for x in a) / 4000 < 0.55
    assert 0.2 < sum(x < 500_000 and y < 500_000 for x, y in zip(a, b, strict=True)) / 4000 < 0.3


def test_shadow_policies_decide_after_the_answer_and_change_nothing(world):
    other = registry.default_policy_source().replace("age < 18", "age < 120")
    digest = registry.keep_policy(other, "tester").sha256
    shadows.begin(digest, "tester")
    try:
        who, view = approved(world)
        row, _ = record_of(who)
        assert not ShadowDecision.objects.filter(decision=row).exists()
        worker.drain()
        shadow = ShadowDecision.objects.get(decision=row, policy_sha256=digest)
        assert (shadow.outcome, shadow.agrees, view.state) == ("decline", False, "approved")
        assert len(bytes(shadow.record_sealed)) > 2000
    finally:
        shadows.end(digest, "tester")


def test_a_source_that_is_waited_for_is_asked_again(world):
    source = registry.default_policy_source().replace("wait_seconds = 0", "wait_seconds = 60")
    policy, model = registry.active()
    releases.install(source=source)
    try:
        world.fault("bureau", "down", times=1)
        who = register(world)
        view = apply(who)
        application = Application.objects.get(borrower_id=who.borrower.id)
        assert (view.state, application.state) == ("gathering", "gathering")
        worker.drain()
        application.refresh_from_db()
        assert application.state != "gathering"
    finally:
        releases.install(source=registry.default_policy_source())
    assert registry.active()[0].sha256 == policy.sha256
    assert connection.in_atomic_block is False and model is not None


def test_the_page_of_a_decision_shows_the_price_and_the_points(world):
    who, view = approved(world)
    row, _ = record_of(who)
    price = explanation_admin._price(HttpRequest(), row)
    points = explanation_admin._scorecards(HttpRequest(), row)
    assert price is not None and points is not None and len(points.bars) == 5
    (chosen,) = [bar for bar in price.bars if bar.tone == "good"]
    assert view.offer is not None and str(chosen.label) == f"{view.offer.rate_ppm / 10_000:.1f}%"
    assert chosen.length == max(bar.length for bar in price.bars if bar.tone != "wait")


LISTS = """
[[list]]
name = "{kind}_probe"
kind = "deny"
key = "{kind}"
zh = "测试名单"
en = "a list of the test"

[[rule]]
code = "ON_{upper}_PROBE"
stage = "fraud"
when = "on_list('{kind}_probe')"
then = "decline"
if_missing = "note"
zh = "在测试名单上"
en = "on a list of the test"
change_zh = "无需操作"
change_en = "nothing to do"
note = "Reads the list of the test."
"""


def test_devices_employers_cards_and_addresses_are_found_on_lists(world):
    """Each kind of key the evidence or the profile holds; a source that gave nothing leaves its lists unanswered."""
    kinds = ("device", "employer", "card", "address")
    added = "".join(LISTS.format(kind=kind, upper=kind.upper()) for kind in kinds)
    releases.install(source=registry.default_policy_source() + added)
    try:
        who, told = next(
            (person, keys)
            for person in (register(world) for _ in range(20))
            if apply(person) and set(keys := keys_by_kind(person)) >= set(kinds)
        )
        assert record_of(who)[1]["given"]["on_list.device_probe"] is False
        for kind in kinds:
            typed = told[kind].shown or who.person["bank_card"]
            assert services.key_hash(kind, f" {typed.upper()}") == told[kind].hash
            services.put_on_list(f"{kind}_probe", told[kind].hash, "desk", "seen in a case")
        codes = {reason["code"] for reason in (apply(who), record_of(who)[0])[1].reasons}
        assert codes >= {f"ON_{kind.upper()}_PROBE" for kind in kinds}
        assert services.replay_decision(record_of(who)[0].id).equal
        for kind in kinds:
            services.take_off_list(f"{kind}_probe", told[kind].hash, "desk", "the test is over")
        for name in ("device", "tax", "shop"):
            world.fault(name, "down")
        apply(who)
        given = record_of(who)[1]["given"]
        assert [given[f"on_list.{kind}_probe"] for kind in kinds] == [None, None, False, None]
        with pytest.raises(Invalid, match="names no device"):
            services.key_hash("device", "my phone")
    finally:
        world.delete("/faults")
        releases.install(source=registry.default_policy_source())


def keys_by_kind(who: Applicant) -> dict[str, exemptions.Key]:
    return {key.kind: key for key in exemptions.keys_of(who.borrower)}
