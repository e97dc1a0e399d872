"""Scores of fraud and oddness beside the PD: released like it, recorded, replayed, never lacking where a policy names them."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests import borrowers
from tests.worlds import World
from timelyrain import risk
from timelyrain.console.roles import ensure_demo_users
from timelyrain.origination import errors, registry, releases, scores, services, trials
from timelyrain.origination.models import DecisionRecord, ShadowScore, Sighting
from timelyrain.runtime import clock, worker
from timelyrain.runtime.crypto import blind_index
from timelyrain.runtime.problems import Conflict

READ = ("velocity_device_people_7d", "device_tenure_days", "velocity_card_people_30d")
DOCS = Path(__file__).parents[2] / "docs" / "fraud.md"
RULES = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)[0]
"""The lines that a lender adds."""


def test_rows_count_like_the_velocities_that_models_learn_from(platform: World) -> None:
    """A random stream with one device that hundreds share, many in the same second and on the edges of the windows."""
    rng, told = np.random.default_rng(7), scores.velocities()
    salt, at = uuid4().hex, int(clock.now().timestamp())
    seen_before = risk.Velocity(told.entities, told.windows_days)
    for _ in range(700):
        at += int(rng.choice([0, 1, 600, 3_600, 43_200], p=[0.3, 0.2, 0.3, 0.18, 0.02]))
        person = f"{rng.integers(500)}"
        keys = {
            kind: 1 if rng.random() < 0.6 else int(rng.integers(2, 9))
            for kind in told.entities
            if rng.random() < 0.8
        }
        hashed = {kind: blind_index(kind, f"{salt}{key}") for kind, key in keys.items()}
        moment, who = datetime.fromtimestamp(at, UTC), blind_index("person", person)
        found = scores.counts(moment, who, hashed)
        expected = dict(zip(told.names, seen_before.see(at, person, keys), strict=True))
        assert found == {name: count for name, count in expected.items() if not np.isnan(count)}
        for kind, key in hashed.items():
            Sighting.objects.create(
                kind=kind, key_hash=key, person_hash=who, application_id=uuid4(), at=moment
            )
    assert max(found.values()) > 100


def of_fraud(seed: int, names: tuple[str, ...] = READ) -> risk.TrainedModel:
    """High where another person was lately seen with the same device."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 3, (900, len(names))).astype(np.float64)
    made = risk.train(matrix, (matrix[:, 0] > 0).astype(np.int64), names, seed=seed, threads=1)
    return risk.TrainedModel.from_bytes(made.content, {**made.manifest, "role": "fraud"})


def approved(model: risk.TrainedModel) -> str:
    digest = releases.submit_model(model, "ann")
    with pytest.raises(errors.SecondPersonNeeded):
        releases.approve(model.manifest["role"], digest, "ann")  # type: ignore[arg-type]
    releases.approve(model.manifest["role"], digest, "bob")  # type: ignore[arg-type]
    return digest


def policy_with_scores(tag: str, rules: str = RULES) -> str:
    source = re.sub(
        r"^version = .*$", f'version = "{tag}"', registry.default_policy_source(), count=1, flags=re.M
    )
    digest = releases.submit_policy(f"{source}\n{rules}", "ann")
    releases.approve("policy", digest, "bob")
    return digest


@pytest.fixture
def usual(platform: World) -> Iterator[str]:
    """The policy that decides before decides again, and no score is in force after."""
    before = registry.active_hashes()
    yield before["policy"]
    if registry.active_hashes()["policy"] != before["policy"]:
        releases.activate("policy", before["policy"], "tests")
    for role in ("fraud", "anomaly"):
        while digest := registry.active_hashes().get(role):
            releases.reject(role, digest, "tests", "over")


def decided(who: borrowers.Applicant) -> tuple[DecisionRecord, dict]:
    row = DecisionRecord.objects.get(id=borrowers.apply(who).decision_id)
    return row, json.loads(registry.open_sealed(row, "record"))


def test_scores_are_released_decide_are_replayed_and_cannot_be_taken_from_a_policy_that_names_them(
    world: World, usual: str
) -> None:
    who = borrowers.register(world)
    plain, told = decided(borrowers.register(world))
    assert not Sighting.objects.filter(application_id=plain.application_id).exists()
    assert not any("score_ppm" in name or "velocity" in name for name in told["given"])

    policy = policy_with_scores("with scores")
    with pytest.raises(errors.PolicyUnfit, match=r"names fraud\.score_ppm, and no fraud model is in force"):
        releases.activate("policy", policy, "bob")
    fraud = approved(of_fraud(1))
    releases.activate("fraud", fraud, "bob")
    with pytest.raises(errors.PolicyUnfit, match=r"names anomaly\.score_ppm"):
        releases.activate("policy", policy, "bob")
    rows = np.random.default_rng(2).integers(0, 3, (900, 2)).astype(np.float64)
    anomaly = approved(risk.fit_anomaly(rows, READ[:2]))
    releases.activate("anomaly", anomaly, "bob")
    assert registry.active_hashes()["policy"] == usual
    assert not any(
        "score_ppm" in name for name in decided(borrowers.register(world))[1]["given"]
    )  # in force, but not asked for
    releases.activate("policy", policy, "bob")

    first, told = decided(who)
    given = told["given"]
    assert (given["velocity_device_people_7d"], given["velocity_card_people_30d"]) == (0, 0)
    assert 0 <= given["fraud.score_ppm"] < 700_000 and 0 <= given["anomaly.score_ppm"] <= 1_000_000
    assert told["given_versions"]["fraud"] == fraud and told["given_versions"]["anomaly"] == anomaly
    assert told["model"] == registry.active_hashes()["model"]
    assert services.replay_decision(first.id).equal

    seen = {s.kind: s for s in Sighting.objects.filter(application_id=first.application_id)}
    assert {"device", "phone", "card"} <= seen.keys() and len(
        {bytes(s.key_hash) for s in seen.values()}
    ) == len(seen)
    assert bytes(seen["card"].key_hash) == who.borrower.bank_card_index
    for other in ("one", "two"):
        Sighting.objects.create(
            kind="device", key_hash=seen["device"].key_hash, person_hash=blind_index("person", other),
            application_id=uuid4(), at=clock.now() - timedelta(hours=1),
        )  # fmt: skip
    second, told = decided(who)
    assert told["given"]["velocity_device_people_7d"] == 2  # the applicant's own sightings do not count
    assert told["given"]["fraud.score_ppm"] >= 700_000
    assert "FRAUD_LIKELY" in [reason["code"] for reason in second.reasons]
    assert services.replay_decision(second.id).equal and services.replay_decision(first.id).equal

    for act in (
        lambda: releases.reject("fraud", fraud, "bob", "no more"),
        lambda: releases.roll_back("fraud", "bob", "no"),
    ):
        with pytest.raises((errors.PolicyUnfit, Conflict)):
            act()
        assert registry.active_hashes()["fraud"] == fraud
    newer = approved(of_fraud(3))
    releases.activate("fraud", newer, "bob")
    third, told = decided(borrowers.register(world))
    assert told["given_versions"]["fraud"] == newer
    assert releases.roll_back("fraud", "bob", "a drill") == fraud
    assert decided(who)[1]["given_versions"]["fraud"] == fraud
    assert services.replay_decision(third.id).equal

    file = registry.models_folder() / f"{newer}.model"
    whole = file.read_bytes()
    file.write_bytes(whole + b" ")
    try:
        replay = services.replay_decision(third.id)
        assert (replay.equal, replay.cause) == (False, "model")
    finally:
        file.write_bytes(whole)

    # what a policy to come will need is not taken away either
    releases.activate("policy", usual, "bob")
    at = clock.now() + timedelta(hours=2)
    releases.activate("policy", policy, "bob", at)
    releases.reject("fraud", fraud, "bob", "done")  # the newer one was in force before, and is again
    with pytest.raises(errors.PolicyUnfit, match="no fraud model is in force"):
        releases.reject("fraud", newer, "bob", "done")
    assert registry.active_hashes(at)["fraud"] == newer
    releases.reject("policy", policy, "bob", "not tonight")


def test_what_a_score_reads_is_there_and_no_score_stands_for_a_pd(platform: World, usual: str) -> None:
    stray = approved(of_fraud(4, ("velocity_hat_people_7d", "device_tenure_days")))
    with pytest.raises(errors.PolicyUnfit, match=r"velocity_hat_people_7d \(nearest: velocity_"):
        releases.activate("fraud", stray, "bob")
    fraud = approved(of_fraud(5))
    with pytest.raises(Conflict):
        trials.challenge(fraud, 100_000, "ann")
    model = of_fraud(6)
    as_pd = releases.submit_model(
        risk.TrainedModel.from_bytes(model.content, {**model.manifest, "role": ""}), "ann"
    )
    releases.approve("model", as_pd, "bob")
    with pytest.raises(errors.PolicyUnfit, match="velocity_device_people_7d"):
        releases.activate("model", as_pd, "bob")
    releases.activate("fraud", fraud, "bob")
    told = {row["sha256"]: (row["kind"], row["now"]) for row in releases.models()}
    assert told[fraud] == ("fraud", "in force") and told[as_pd] == ("model", "")
    login = next(one for one in ensure_demo_users() if one.role == "risk")
    client = Client()
    client.force_login(User.objects.get(username=login.username))
    page = client.get(reverse("admin:origination_scoringmodel_change", args=[fraud])).content.decode()
    assert "近7天与其设备相同的其他人数" in page or "other persons with the same device within 7 days" in page


def test_a_score_runs_in_the_shadow_before_any_policy_names_it(world: World, usual: str) -> None:
    """It is counted and compared after the answer; named by the policy, it says what the decision would have been."""
    fraud = releases.submit_model(of_fraud(11), "ann")  # not approved: a shadow needs no approval
    page = reverse("admin:origination_scoringmodel_change", args=[fraud])
    login = next(one for one in ensure_demo_users() if one.role == "risk")
    client = Client()
    client.force_login(User.objects.get(username=login.username))
    assert "Score in the shadow" in client.get(page, headers={"accept-language": "en"}).content.decode()
    trials.shadow(fraud, "ann")
    with pytest.raises(Conflict, match="already"):
        trials.shadow(fraud, "ann")

    def shadowed(row: DecisionRecord) -> ShadowScore:
        worker.drain()
        return ShadowScore.objects.get(shard=row.shard, decision=row, model_sha256=fraud)

    who = borrowers.register(world)
    plain, record = decided(who)
    assert not Sighting.objects.filter(application_id=plain.application_id).exists()  # not in the request
    told = shadowed(plain)
    seen = {one.kind: one for one in Sighting.objects.filter(application_id=plain.application_id)}
    assert {"device", "phone", "card"} <= seen.keys()
    assert told.agrees and told.decided_score_ppm is None and told.pd_ppm == record["outputs"]["pd_ppm"]
    assert told.velocities == {name: 0 for name in READ if name.startswith("velocity")}
    for other in ("one", "two"):
        Sighting.objects.create(
            kind="device", key_hash=seen["device"].key_hash, person_hash=blind_index("person", other),
            application_id=uuid4(), at=clock.now() - timedelta(hours=1),
        )  # fmt: skip
    flagged, _ = decided(who)
    again = shadowed(flagged)
    velocities: Any = again.velocities
    assert velocities["velocity_device_people_7d"] == 2
    assert (again.score_ppm or 0) >= 700_000 > (told.score_ppm or 0)
    found = {band.low_ppm: band for band in trials.bands(fraud)}
    assert (
        sum(band.decisions for band in found.values()) == 2
        and max(low for low in found if found[low].decisions) >= 700_000
    )
    assert sum(band.approved for band in found.values()) == (plain.outcome, flagged.outcome).count("approve")
    assert "影子分数的分布" in client.get(page).content.decode()

    # a policy that names the score, with a model in force that sees nothing odd: the shadow would have sent it to a person
    rng = np.random.default_rng(12)
    labels = (rng.random(900) < 0.06).astype(np.int64)
    blind = risk.train(rng.normal(size=(900, 2)), labels, READ[1:], threads=1)
    calm = approved(risk.TrainedModel.from_bytes(blind.content, {**blind.manifest, "role": "fraud"}))
    releases.activate("fraud", calm, "bob")
    fraud_alone = RULES.replace(" or anomaly.score_ppm >= percent(99.9)", "")
    releases.activate("policy", policy_with_scores("with a shadow", fraud_alone), "bob")
    named, record = decided(who)
    told = shadowed(named)
    assert told.decided_score_ppm == record["given"]["fraud.score_ppm"] != told.score_ppm
    assert "FRAUD_LIKELY" not in [reason["code"] for reason in named.reasons]
    assert told.outcome == ("refer" if named.outcome == "approve" else named.outcome)
    assert services.replay_decision(named.id).equal
    releases.reject("fraud", fraud, "bob", "over")  # its trial ends with it
    assert fraud not in trials.shadows()
