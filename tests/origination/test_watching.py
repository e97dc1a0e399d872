"""A model watched on the platform's own decisions: drift is told where people changed and not where they did not."""

import json
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests import borrowers
from tests.conftest import superuser_dsn
from tests.origination import past
from tests.worlds import World
from timelyrain import decisioning, risk
from timelyrain.cli import main
from timelyrain.console.roles import ensure_demo_users
from timelyrain.customers import queries as customers_queries
from timelyrain.customers import services as customers
from timelyrain.customers.models import PersonalDataRead
from timelyrain.origination import ports, registry, releases, watching
from timelyrain.origination.models import DecisionRecord, ModelWatch, WatchRun
from timelyrain.runtime import clock
from timelyrain.runtime.problems import Invalid, NotFound

READ = ("bureau_score", "dti_ppm", "utilisation_ppm", "bureau_inquiry_count_90d", "income_verified_fen")
WAITS = "SELECT FROM pg_locks WHERE relation = 'origination_offer'::regclass AND NOT granted"
LEARNT = datetime(2021, 12, 1, tzinfo=UTC)
CALM, DRIFTED = date(2021, 12, 31), date(2022, 1, 31)


@pytest.fixture
def in_force(platform: World) -> Iterator[str]:
    before = registry.active_hashes()["model"]
    yield before
    if registry.active_hashes()["model"] != before:
        releases.activate("model", before, "tests")


@pytest.fixture
def risk_client(platform: World) -> Client:
    login = next(login for login in ensure_demo_users() if login.role == "risk")
    client = Client()
    client.force_login(User.objects.get(username=login.username))
    return client


def in_place(matrix: np.ndarray, labels: np.ndarray, seed: int) -> str:
    """A model of a few features that learnt from these rows, in force."""
    model = risk.train(np.ascontiguousarray(matrix), labels.astype(np.int64), READ, seed=seed, threads=1)
    learnt = {"since": None, "until": LEARNT.isoformat()}
    digest = releases.submit_model(replace(model, manifest={**model.manifest, "decisions": learnt}), "ann")
    releases.approve("model", digest, "bob")
    releases.activate("model", digest, "bob")
    return digest


def test_an_alert_where_people_changed_and_none_where_they_did_not(
    world: World, in_force: str, risk_client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    people = [borrowers.register(world) for _ in range(2)]
    owners = [who.borrower for who in people]
    zone, hours = clock.BUSINESS_ZONE, timedelta(hours=1)
    usual = past.lent_to(owners, 300, 41, datetime(2021, 1, 5, tzinfo=zone), 24 * hours)
    same = past.lent_to(owners, 130, 42, datetime(2021, 12, 5, tzinfo=zone), 4 * hours)
    others = past.lent_to(
        owners,
        500,
        43,
        datetime(2022, 1, 5, tzinfo=zone),
        3 * hours,
        lambda facts: (facts["bureau_score"] or 0) < 640,
    )
    assert 110 < len(others) < 400
    matrix, names = decisioning.features_matrix(registry.active()[0], [one.evidence for one in usual])
    digest = in_place(matrix[:, [names.index(n) for n in READ]], np.array([one.bad for one in usual]), 41)

    def overview(language: str) -> str:
        page = risk_client.get(reverse("admin:index"), headers={"accept-language": language})
        return page.content.decode()

    with past.fates([*usual, *same, *others]):
        calm = watching.run(digest, CALM)
        report: Any = calm.report
        moved = [one for one in report["findings"] if one["measure"] in ("psi", "csi", "auc_estimated")]
        assert not moved and report["rows"]["current"] == 130, report["findings"]
        assert calm.level == "calm" and "模型监测告警" not in overview("zh-hans")
        row = watching.run(digest, DRIFTED)
        assert watching.run(digest, DRIFTED).id == row.id  # once a day
        assert main(["risk", "watch", "--model", digest, "--at", "2022-01-31", "--json"]) == 1
        assert json.loads(capsys.readouterr().out) == row.report
    found: Any = row.report
    assert set(found["fairness"]) == {"age", "sex", "region"}
    sexes = {one["group"]: one["rows"] for one in found["fairness"]["sex"]}
    assert sum(sexes.values()) == found["rows"]["current"] and set(sexes) == {sex_of(who) for who in people}
    assert found["reference"] == "learnt" and found["rows"]["reference"] == 300
    assert row.level == "act" and row.sha256 == watching.hash_of(row.report)
    assert {("psi", "score"), ("csi", "bureau_score")} <= {(f["measure"], f["of"]) for f in found["findings"]}
    assert "模型监测告警" in overview("zh-hans") and "timelyrain risk retrain" in overview("en")
    assert "A model has drifted" in overview("en")
    page = risk_client.get(reverse("admin:origination_watch_report", args=[row.id]))
    assert page.status_code == 200 and page.content.decode().count("<svg") >= 7
    told = risk_client.get(reverse("admin:origination_modelwatch_change", args=[row.id])).content.decode()
    assert "内容与登记的指纹一致" in told
    with pytest.raises(Exception, match=r"permission denied|append"):
        ModelWatch.objects.filter(id=row.id).update(level="calm")


def sex_of(who: borrowers.Applicant) -> str:
    return "male" if int(who.person["id_number"][16]) % 2 else "female"


def test_sex_and_region_are_read_for_watching_alone_while_the_consent_lasts(world: World) -> None:
    who = borrowers.register(world)
    row = DecisionRecord.objects.get(id=borrowers.apply(who).decision_id)
    (told,) = watching._traits([row])
    region = customers_queries.REGIONS.get(who.person["id_number"][0], "other")
    assert told == customers_queries.Traits(sex_of(who), region)
    reads = PersonalDataRead.objects.filter(borrower=who.borrower, reader="watch")
    assert reads.get().purpose == "fairness of decisions"
    customers.withdraw_consent(who.borrower, "account_data", "lender", "test")
    assert watching._traits([row]) == [None] and reads.count() == 1
    names = {*decisioning.FACTS, *registry.active()[0].features, *registry.active()[0].model_inputs}
    assert not [name for name in names if re.search(r"(^|_)(sex|gender|region|province)(_|$)", name)]


def test_the_calendar_watches_each_model_once_a_week(world: World, in_force: str) -> None:
    owners = [borrowers.register(world).borrower]
    past.lent_to(owners, 5, 44, clock.now() - timedelta(days=200), timedelta(days=2))
    rng = np.random.default_rng(44)
    matrix = rng.normal(size=(400, len(READ)))
    digest = in_place(matrix, matrix[:, 0] + rng.normal(size=400) > 1, 44)
    borrowers.apply(borrowers.register(world))
    assert watching.due(clock.now()) == [digest]
    assert [row.model_sha256 for row in watching.run_due()] == [digest]
    assert watching.due(clock.now()) == [] and watching.run_due() == []
    assert ModelWatch.objects.filter(model_sha256=digest).count() == 1


def test_a_watch_that_hangs_is_ended_told_and_tried_again_only_tomorrow(
    world: World, in_force: str, risk_client: Client
) -> None:
    owners = [borrowers.register(world).borrower]
    past.lent_to(owners, 5, 45, clock.now() - timedelta(days=200), timedelta(days=2))
    matrix = np.random.default_rng(45).normal(size=(400, len(READ)))
    digest = in_place(matrix, matrix[:, 0] > 1, 45)
    borrowers.apply(borrowers.register(world))
    runs = WatchRun.objects.filter(model_sha256=digest)

    def overview() -> str:
        return risk_client.get(reverse("admin:index")).content.decode()

    with psycopg.connect(superuser_dsn()) as other:
        other.execute(
            "LOCK TABLE origination_offer IN ACCESS EXCLUSIVE MODE"
        )  # what it has to read does not come
        for died in range(watching.DEATHS):
            watching.carry_on()
            while not (runs.filter(state="running").exists() and other.execute(WAITS).fetchall()):
                time.sleep(0.1)
                watching.carry_on()  # the process before may just be letting go
            assert runs.get().state == "running", "in time yet"
            watching.carry_on(minutes=0)
            assert (runs.get().state, runs.get().deaths) == ("stopped", died + 1)
            if died == 0:
                assert watching._child is not None  # tried again
                assert "稍后会再试一次" in overview()
        assert watching.due(clock.now()) == [] and watching._child is None
        assert "模型监测没有完成" in overview() and "明天再试" in overview()
        model_page = reverse("admin:origination_scoringmodel_change", args=[digest])
        assert "最近一次监测没有完成" in risk_client.get(model_page).content.decode()
        runs.update(deaths=0)
        alone = watching.start(1)
        assert alone.wait() == -signal.SIGALRM, "it ends by itself when its worker is gone"
    runs.update(deaths=0, state="stopped")
    assert [row.model_sha256 for row in watching.run_due()] == [digest]
    assert runs.get().state == "done" and "模型监测没有完成" not in overview()
    runs.update(deaths=watching.DEATHS, state="stopped")
    assert "模型监测没有完成" not in overview(), "a watch made by hand since is as good"


def test_what_cannot_be_watched_says_why(platform: World, in_force: str) -> None:
    with pytest.raises(NotFound, match="cannot be read"):
        watching.run("0" * 64)
    with pytest.raises(Invalid, match="is to come"):
        watching.run(in_force, clock.today() + timedelta(days=1))
    with pytest.raises(Invalid, match="no decisions"):
        watching.run(in_force, date(2020, 1, 2))


def test_a_loan_nobody_pays_rolls_through_the_buckets(world: World) -> None:
    from timelyrain.agreements.models import Agreement

    loan, _ = borrowers.with_loan(world)
    offer = Agreement.objects.filter(borrower_id=loan.borrower.id).latest("id").offer_id
    shard, today = loan.borrower.shard, clock.today()
    assert [one.buckets for one in ports.lives(shard, [offer], today)] == [()]
    (life,) = ports.lives(shard, [offer], today + timedelta(days=290))
    assert life.buckets[0] in ("M0", "M1") and life.buckets[-1] == "M7"
    assert list(life.buckets) == sorted(life.buckets) and life.bad_in in (4, 5)
