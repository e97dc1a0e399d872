"""The store of sightings: filled from what was decided before, cut short or not; rid of the old, and of nothing else."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from tests.borrowers import Applicant, apply, register
from tests.conftest import superuser_dsn
from tests.worlds import World
from timelyrain import decisioning
from timelyrain.audit.models import Act
from timelyrain.cli import main
from timelyrain.origination import registry, scores, sightings
from timelyrain.origination.models import DecisionRecord, Sighting, SightingBackfill
from timelyrain.origination.standing import keys_of
from timelyrain.runtime import clock, locks
from timelyrain.runtime.crypto import blind_index


def held(application: UUID) -> Mapping[str, bytes]:
    return {one.kind: bytes(one.key_hash) for one in Sighting.objects.filter(application_id=application)}


def things(who: Applicant, row: DecisionRecord) -> Mapping[str, bytes]:
    evidence = decisioning.evidence_from_json(registry.open_sealed(row, "evidence"))
    return scores.things_of(evidence, keys_of(who.borrower))


def test_a_fill_that_is_cut_short_goes_on_and_done_again_adds_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [register(world) for _ in range(3)]
    rows = [DecisionRecord.objects.get(id=apply(who).decision_id) for who in people]
    assert not any(held(row.application_id) for row in rows)
    live = scores.sightings(rows[0].application_id, rows[0].at, b"p" * 32, {"phone": b"a former phone"})
    device = things(people[0], rows[0])["device"]
    evidence = decisioning.evidence_from_json(registry.open_sealed(rows[0], "evidence"))
    live[0].at, live[0].kind, live[0].key_hash = datetime.fromtimestamp(evidence.as_of, UTC), "device", device
    live[0].save()  # as a decision with scores had kept it

    def stop(sentence: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sightings.fill("ann", stop, chunk=1)
    begun = SightingBackfill.objects.get(finished_at=None)
    assert begun.decisions == 1 and locks.try_take("sightings")
    locks.give_back("sightings")
    told: list[str] = []
    done = sightings.fill("bob", told.append, chunk=2)
    assert done.id == begun.id and done.finished_at and len(told) == (done.decisions) // 2
    assert Act.objects.filter(act="sightings_filled", subject=str(done.id)).count() == 1
    assert held(rows[0].application_id) == {"device": device}, "what a decision has kept is whole"
    for who, row in zip(people[1:], rows[1:], strict=True):
        assert (
            held(row.application_id) == things(who, row)
            and {"device", "phone", "card"} <= things(who, row).keys()
        )
    seen = scores.counts(
        clock.now(), b"another person", {"card": bytes(people[1].borrower.bank_card_index or b"")}
    )
    assert seen["velocity_card_people_7d"] == 1
    assert main(["risk", "fraud", "fill", "--by", "ann"]) == 0
    assert capsys.readouterr().out.startswith("0 sightings of ")


def test_the_old_are_forgotten_in_batches_and_nothing_else_can_be_deleted(platform: World) -> None:
    days, now, application = (clock.now() - sightings.kept_since()).days, clock.now(), uuid4()
    for age in (days + 1, days + 2, days + 300, days - 1, 0):
        key, person = blind_index("device", f"{application}{age}"), blind_index("person", str(age))
        at = now - timedelta(days=age)
        Sighting.objects.create(
            kind="device", key_hash=key, person_hash=person, application_id=application, at=at
        )
    acts = Act.objects.filter(act="sightings_forgotten").count()
    assert sightings.forget_old(batch=2) >= 3
    assert len(held_at := Sighting.objects.filter(application_id=application)) == 2, held_at
    assert Act.objects.filter(act="sightings_forgotten").count() >= acts + 2
    assert sightings.forget_old() == 0
    with connection.cursor() as cursor:  # whatever the function is asked
        cursor.execute("SELECT forget_sightings(%s, 1000000)", [now + timedelta(days=1)])
    assert Sighting.objects.filter(application_id=application, at=now).exists()
    for refused in ("DELETE FROM origination_sighting", "UPDATE origination_sighting SET kind = 'x'"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(refused)
        with psycopg.connect(superuser_dsn()) as owner, pytest.raises(psycopg.Error, match="append only"):
            owner.execute(refused)
