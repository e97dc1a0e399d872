"""Gathering: nobody is asked without consent, nobody is waited for beyond the deadline, everything is kept sealed."""

import time
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import transaction

from tests.borrowers import apply, register
from tests.worlds import World
from timelyrain.customers import services as customers
from timelyrain.runtime import crypto
from timelyrain.sources import queries, services
from timelyrain.sources.models import SourceRead


@pytest.fixture
def world(platform: World) -> Iterator[World]:
    """The platform's sandbox, not the bare one that the adapters of this room are tested against."""
    platform.delete("/faults")
    yield platform
    platform.delete("/faults")


RECIPIENTS = {
    "registry": "identity_registry",
    "bureau": "credit_bureau",
    "bank": "bank_flow_provider",
    "telecom": "telecom_provider",
    "shop": "commerce_platform",
    "tax": "tax_record_provider",
    "device": "device_risk_provider",
}
BY_PHONE = ("telecom", "shop", "device")


def asked(world, who) -> dict[str, int]:
    keys = {target: "phone" if target in BY_PHONE else "id_number" for target in RECIPIENTS} | {
        "bank": "bank_card"
    }
    return {target: world.calls(target=target, **{key: who.person[key]}) for target, key in keys.items()}


def test_all_sources_with_consent_are_asked_once(world):
    who = register(world)
    gathered = services.gather(who.borrower.shard, who.borrower.id)
    assert asked(world, who) == dict.fromkeys(RECIPIENTS, 1)
    assert gathered.evidence["missing"] == [] and all(read.consent_id for read in gathered.reads)


@pytest.mark.parametrize(("target", "recipient"), RECIPIENTS.items())
def test_a_source_without_consent_is_never_asked(world, target, recipient):
    who = register(world, without=recipient)
    view = apply(who)
    assert asked(world, who) == dict.fromkeys(RECIPIENTS, 1) | {target: 0}
    (read,) = [r for r in view.sources if r.recipient == recipient]
    assert (read.status, read.document_sha256) == ("no_consent", "")


def test_a_withdrawn_consent_ends_the_asking(world):
    who = register(world)
    b = who.borrower
    services.gather(b.shard, b.id)
    customers.withdraw_consent(b, "credit_report_query", "credit_bureau", "test")
    gathered = services.gather(b.shard, b.id)
    assert asked(world, who) == dict.fromkeys(RECIPIENTS, 2) | {"bureau": 1}
    assert gathered.evidence["missing"] == ["bureau"]


def test_a_slow_source_is_missing_and_the_policy_decides(world, monkeypatch):
    monkeypatch.setattr(settings, "SOURCE_DEADLINE_SECONDS", 0.6)
    who = register(world)
    world.fault("telecom", "slow", seconds=2, times=1)
    began = time.perf_counter()
    view = apply(who)
    assert time.perf_counter() - began < 30  # it was not waited for; only a hang would show here
    assert view.state in ("approved", "declined", "referred") and view.decided_at
    assert {read.source: read.status for read in view.sources}["telecom"] == "timeout"


@pytest.mark.parametrize(("mode", "status"), [("down", "unavailable"), ("fail", "unavailable")])
def test_a_broken_source_is_missing_by_name(world, mode, status):
    who = register(world)
    world.fault("bureau", mode, times=1)
    view = apply(who)
    assert {read.source: read.status for read in view.sources}["bureau"] == status
    assert view.state != "approved" and view.reasons  # nobody is lent to without a credit report


def test_raw_documents_are_kept_sealed_under_their_hash(world):
    who = register(world)
    view = apply(who)
    rows = SourceRead.objects.filter(shard=who.borrower.shard, application_id=view.id)
    assert {row.source for row in rows} == {source.name for source in services.sources()}
    for row in rows:
        body = crypto.decrypt(row.document_sealed, f"sources_sourceread.document:{row.id}")
        assert services.RawDocument("x", body, "", "").sha256 == row.document_sha256
        assert body[:40] not in bytes(row.document_sealed)
        assert row.consent_id is not None and not any(
            who.person[k] in row.url for k in ("phone", "name", "id_number", "bank_card")
        )


def test_sources_are_not_asked_inside_a_transaction(world):
    who = register(world)
    with pytest.raises(RuntimeError, match="transaction"), transaction.atomic():
        services.gather(who.borrower.shard, who.borrower.id)
    assert asked(world, who) == dict.fromkeys(RECIPIENTS, 0)


def test_reads_of_several_applications_come_by_one_query(world, django_queries):
    who = register(world)
    ids = [apply(who).id, apply(who).id]
    with django_queries() as seen:
        found = queries.reads_of_each_later(who.borrower.shard, ids)()
    assert len(seen) == 1 and "document_sealed" not in seen[0]["sql"]
    assert [len(found[id]) for id in ids] == [7, 7]
