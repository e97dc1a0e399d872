"""The log of acts: everything gets its place once, and whatever is changed behind its back is named."""

import threading
from contextlib import contextmanager
from datetime import datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.db import connection, transaction

from tests.conftest import superuser_dsn
from timelyrain.audit import merkle, queries, services
from timelyrain.audit.models import Leaf, TreeHead
from timelyrain.runtime import clock
from timelyrain.runtime.problems import Conflict

pytestmark = pytest.mark.usefixtures("platform")


def seal_all() -> None:
    while services.seal():
        pass


@pytest.fixture
def act():
    act = services.record(
        1, "test", actor="tester", subject=uuid4(), amount_fen=5, text="及时雨", digest=b"\1\2"
    )
    seal_all()
    return act


def test_every_act_has_a_proof_under_the_newest_head(act):
    acts = [services.record(2, "test", actor="tester", subject="many", n=n) for n in range(20)]
    assert queries.proof_of(acts[0]) is None
    seal_all()
    for one in (act, *acts):
        proof = queries.proof_of(one)
        assert proof is not None
        leaf, root = bytes.fromhex(proof["leaf"]), bytes.fromhex(proof["root"])
        path = [bytes.fromhex(h) for h in proof["path"]]
        assert merkle.verify_inclusion(leaf, proof["position"], proof["size"], path, root)
    assert queries.check_log().problems == ()


def test_a_sealed_log_is_not_sealed_again(act):
    before = TreeHead.objects.count()
    assert services.seal() == 0 and TreeHead.objects.count() == before


def test_sealing_by_several_workers_gives_each_act_one_place():
    acts = [services.record(n % 16, "test", actor="tester", subject="crowd") for n in range(30)]

    def seal() -> None:
        services._tree = services._Tree()  # each worker knows nothing at first
        seal_all()
        connection.close()

    threads = [threading.Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Leaf.objects.filter(act_id__in=acts).count() == 30
    assert queries.check_log().problems == ()


def test_an_act_undone_with_its_transaction_leaves_nothing():
    with pytest.raises(RuntimeError), transaction.atomic():
        services.record(1, "test", actor="tester", subject="undone")
        raise RuntimeError
    assert queries.acts_of("undone") == []
    seal_all()
    assert queries.check_log().problems == ()


def test_an_act_recorded_under_a_clock_in_another_zone_still_checks():
    with clock.using(clock.FixedClock(datetime(2026, 3, 1, 8, tzinfo=ZoneInfo("Asia/Shanghai")))):
        services.record(1, "test", actor="tester", subject="zone")
        seal_all()
    assert queries.check_log().problems == ()


def test_a_refusal_is_written_down_and_goes_on():
    subject = uuid4()
    with pytest.raises(Conflict), services.refusals(3, "dance", actor="tester", subject=subject):
        raise Conflict("no", remedy="none", field="partner")
    (found,) = queries.acts_of(subject)
    assert (found.act, found.body) == ("dance_refused", {"why": "conflict", "field": "partner"})


@contextmanager
def behind_the_back(table: str):
    """A superuser with the guards of a table taken off; everything is undone at the end."""
    with psycopg.connect(superuser_dsn(), autocommit=True) as admin:
        admin.execute(f"CREATE TABLE saved AS SELECT * FROM {table}".encode())
        admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only".encode())
        try:
            yield admin
        finally:
            admin.execute(f"DELETE FROM {table}".encode())
            admin.execute(f"INSERT INTO {table} SELECT * FROM saved".encode())
            admin.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only".encode())
            admin.execute("DROP TABLE saved")


@pytest.mark.parametrize(
    "change",
    [
        """body = '{"amount_fen": 6, "text": "及时雨", "digest": "0102"}'""",
        "actor = 'somebody else'",
        "at = at + interval '1 microsecond'",
        "subject = 'x'",
    ],
)
def test_a_changed_act_is_named(act, change):
    with behind_the_back("audit_act") as admin:
        admin.execute(f"UPDATE audit_act SET {change} WHERE id = %s".encode(), [act])
        (problem,) = queries.check_log().problems
        assert f"act {act} was changed" in problem
    assert queries.check_log().problems == ()


def test_an_act_taken_away_is_named(act):
    with behind_the_back("audit_act") as admin:
        admin.execute("DELETE FROM audit_act WHERE id = %s", [act])
        assert any(f"its act {act} is gone" in problem for problem in queries.check_log().problems)


def test_an_act_slipped_in_is_named(act):
    with behind_the_back("audit_act") as admin:
        stray = uuid4()
        admin.execute(
            "INSERT INTO audit_act SELECT shard, %s, act, actor, subject, body, at, leaf_sha256 FROM audit_act WHERE id = %s",
            [stray, act],
        )
        assert queries.check_log().problems == (
            f"act {stray}: it has no place in the log and waits for none",
        )


def test_a_leaf_changed_or_taken_away_is_named(act):
    last = Leaf.objects.order_by("-position").first()
    assert last is not None
    with behind_the_back("audit_leaf") as admin:
        admin.execute("UPDATE audit_leaf SET sha256 = %s WHERE position = %s", [b"\0" * 32, last.position])
        assert any("the root does not match" in problem for problem in queries.check_log().problems)
        admin.execute("DELETE FROM audit_leaf WHERE position = %s", [last.position])
        size = last.position
        assert f"head of size {size + 1}: the log has only {size} leaves" in queries.check_log().problems


def test_a_changed_head_is_named(act):
    with behind_the_back("audit_treehead") as admin:
        admin.execute("UPDATE audit_treehead SET at = at + interval '1 second'")
        problems = queries.check_log().problems
        assert problems and all("the signature does not verify" in problem for problem in problems)
