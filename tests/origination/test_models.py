"""Models on the platform: past decisions as a file, only the approved file scores, challengers and shadows, the schedule."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.urls import reverse

from tests import borrowers
from tests.origination import past
from tests.worlds import World
from timelyrain import decisioning, risk
from timelyrain.audit.queries import acts_of
from timelyrain.console.roles import ensure_demo_users
from timelyrain.origination import columns, errors, history, registry, releases, retraining, services, trials
from timelyrain.origination.models import (
    BacktestState,
    DecisionRecord,
    ModelTrial,
    Retraining,
    ShadowScore,
    TrialKind,
)
from timelyrain.runtime import clock, worker
from timelyrain.runtime.problems import Conflict, Invalid

SOME = ("bureau_score", "dti_ppm", "utilisation_ppm")


def small(seed: int, names: tuple[str, ...] = SOME) -> risk.TrainedModel:
    """A model of a few features; another one for each seed."""
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(400, len(names)))
    labels = (matrix[:, 0] + rng.normal(size=400) > 1).astype(np.int64)
    return risk.train(matrix, labels, names, seed=seed, threads=1)


def approved(seed: int) -> str:
    digest = releases.submit_model(small(seed), "ann")
    releases.approve("model", digest, "bob")
    return digest


@pytest.fixture
def in_force(platform: World) -> Iterator[str]:
    """The model that scores before the test scores again after it, alone."""
    before = registry.active_hashes()["model"]
    yield before
    for trial in ModelTrial.objects.filter(ended_at=None):
        trials.end(trial.model_sha256, trial.kind, "tests")
    if registry.active_hashes()["model"] != before:
        releases.activate("model", before, "tests")


# -- past decisions as a file


def test_a_file_of_decisions_says_what_was_known_then(world: World, tmp_path: Path, monkeypatch) -> None:
    policy, _ = registry.active()
    owners = [borrowers.register(world).borrower for _ in range(2)]
    since = clock.now() - timedelta(days=800)
    lent = past.lent_to(owners, 12, 11, since, timedelta(days=60))
    real, _ = borrowers.with_loan(world)
    refused = borrowers.apply(borrowers.register(world, "gambler"))
    own = {str(one.decision.id): one for one in lent}
    until = clock.now() + timedelta(seconds=1)

    def rows(until: datetime, chunk: int, **more: bool) -> pl.DataFrame:
        monkeypatch.setattr(history, "CHUNK", chunk)
        made = history.History(policy, history.features_of(policy), until)
        written = history.write(made, tmp_path / "past.parquet", **more)
        frame = pl.read_parquet(tmp_path / "past.parquet")
        assert (written.rows, written.labelled) == (len(frame), frame[columns.LABEL].count())
        told = columns.taught(tmp_path / "past.parquet")
        assert (told["labelled"], told["bad"]) == (written.labelled, written.bad)
        assert (told["decisions"], told["until"]) == (made.count(), until.isoformat())
        return frame

    with past.fates(lent):
        frame = rows(until, 250)
        assert frame.equals(rows(until, 5))
        later = rows(until + timedelta(days=200), 250)
        much_later = rows(until + timedelta(days=400), 250, only_labelled=True)
    mine = frame.filter(pl.col(columns.ID).is_in(list(own)))
    assert len(mine) == len(own) and (tmp_path / "past.parquet").stat().st_mode & 0o077 == 0
    for row in mine.iter_rows(named=True):
        one = own[row[columns.ID]]
        then = policy.engine.features([one.evidence])
        for name in policy.model_inputs:
            known = bool(then[name].known[0])
            assert row[name] == (int(then[name].values[0]) if known else None), name
        seasoned = one.decision.at + timedelta(days=361) < until
        assert row["decision.maturity"] == ("known" if seasoned else "too_young")
        assert row[columns.LABEL] == (int(one.bad) if seasoned else None)
        assert row["decision.bad_so_far"] == int(one.bad)
        assert row["decision.model"] == one.decision.model_sha256
    assert set(mine["decision.maturity"]) == {"known", "too_young"}
    assert {c for c in frame.columns if not c.startswith(columns.PREFIX)} == set(policy.model_inputs)
    assert not {"age", "sex", "gender"} & set(frame.columns)

    def of(frame: pl.DataFrame, application: object) -> dict:
        return frame.filter(pl.col("decision.application") == str(application)).row(0, named=True)

    decision = DecisionRecord.objects.get(application__borrower_id=real.borrower.id, outcome="approve")
    young, late = of(frame, decision.application_id), of(later, decision.application_id)
    assert (young[columns.LABEL], young["decision.bad_so_far"]) == (None, 0)
    assert (late[columns.LABEL], late["decision.bad_so_far"]) == (None, 1)  # never paid; its year is not over
    assert of(much_later, decision.application_id)[columns.LABEL] == 1
    assert of(frame, refused.id)["decision.maturity"] == "no_loan"
    assert str(refused.id) not in set(much_later["decision.application"])


# -- the registry


def test_a_changed_file_scores_nobody(world: World, in_force: str, caplog) -> None:
    digest = approved(21)
    who = borrowers.register(world)
    file = registry.models_folder() / f"{digest}.model"
    whole = file.read_bytes()
    releases.activate("model", digest, "bob")
    file.write_bytes(whole.replace(b'"intercept":', b'"intercept": ', 1))
    registry.model.cache_clear()
    try:
        with pytest.raises(errors.ModelUnusable, match=f"{digest[:12]} is not the one that was approved"):
            borrowers.apply(who)
        with pytest.raises(errors.ModelUnusable):
            releases.activate("policy", registry.active_hashes()["policy"], "bob")
        assert not DecisionRecord.objects.filter(application__borrower_id=who.borrower.id).exists()
        services.warm()  # a web process starts all the same: its pages are where this is mended
        assert f"{digest[:12]} is not the one that was approved" in caplog.text
        with pytest.raises(Conflict, match="activated already"):
            releases.submit_model(small(21), "ann")  # the registered file again: it is put back
        assert file.read_bytes() == whole
    finally:
        file.write_bytes(whole)
    caplog.clear()
    services.warm()
    assert "not warmed up" not in caplog.text
    view = borrowers.apply(who)
    assert DecisionRecord.objects.get(id=view.decision_id).model_sha256 == digest
    assert releases.roll_back("model", "bob", "a drill") == in_force
    again = DecisionRecord.objects.get(id=borrowers.apply(borrowers.register(world)).decision_id)
    assert again.model_sha256 == in_force
    assert services.replay_decision(view.decision_id).equal


def test_a_model_of_unknown_features_is_not_activated(in_force: str, tmp_path: Path) -> None:
    model = small(22, ("bureau_scores", "dti_ppm", "something_else_altogether"))
    path = risk.save(model, tmp_path)
    digest = releases.submit_model_file(path, "ann")
    assert digest == model.sha256
    releases.approve("model", digest, "bob")
    with pytest.raises(errors.PolicyUnfit, match=r"bureau_scores \(nearest: bureau_score\), something_else"):
        releases.activate("model", digest, "bob")
    with pytest.raises(errors.PolicyUnfit):
        trials.shadow(digest, "ann")
    assert registry.active_hashes()["model"] == in_force
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(risk.ModelRefused, match="hash is"):
        releases.submit_model_file(path, "ann")


@pytest.mark.parametrize("predicts", ["loss given default", "chance of prepayment in a month"])
def test_what_predicts_no_default_never_decides(in_force: str, predicts: str) -> None:
    model = small(23 + len(predicts))
    other = risk.TrainedModel.from_bytes(model.content, {**model.manifest, "predicts": predicts})
    digest = releases.submit_model(other, "ann")
    releases.approve("model", digest, "bob")
    with pytest.raises(errors.PolicyUnfit, match=f"predicts {predicts}"):
        releases.activate("model", digest, "bob")
    with pytest.raises(errors.PolicyUnfit, match=f"predicts {predicts}"):
        trials.shadow(digest, "ann")
    assert registry.active_hashes()["model"] == in_force


SORTS = (
    ({}, "PD · boosted trees", "违约概率 PD · 提升树"),
    ({"algorithm": "scorecard"}, "PD · scorecard", "违约概率 PD · 评分卡"),
    ({"role": "fraud"}, "fraud score · boosted trees", "欺诈评分 · 提升树"),
    ({"role": "anomaly", "algorithm": "isolation forest"}, "score of oddness · isolation forest", "异常评分 · 孤立森林"),
    ({"predicts": "loss given default"}, "loss given default · boosted trees", "违约损失率 LGD · 提升树"),
    ({"role": ["?"], "algorithm": "<b>"}, "PD · &lt;b&gt;", "违约概率 PD · &lt;b&gt;"),
)  # fmt: skip


def test_the_list_says_what_sort_of_model_each_is(platform: World) -> None:
    page = reverse("admin:origination_scoringmodel_changelist")
    client = Client()
    login = next(one for one in ensure_demo_users() if one.role == "risk")
    client.force_login(User.objects.get(username=login.username))
    for seed, (told, en, zh) in enumerate(SORTS, 700):
        model = small(seed)
        manifest = {**model.manifest, **told}
        digest = releases.submit_model(risk.TrainedModel.from_bytes(model.content, manifest), "ann")
        for language, sort in (("en", en), ("zh-hans", zh)):
            shown = client.get(page, headers={"accept-language": language}).content.decode()
            row = next(one for one in shown.split("<tr") if digest in one)
            assert sort in row, (language, row)


def test_a_challenger_decides_for_its_share(world: World, in_force: str) -> None:
    digest = releases.submit_model(small(23), "ann")
    with pytest.raises(Conflict, match="Only an approved model"):
        trials.challenge(digest, 100_000, "bob")
    releases.approve("model", digest, "bob")
    with pytest.raises(Invalid, match="60 % is no share"):
        trials.challenge(digest, 600_000, "bob")
    trial = trials.challenge(digest, 300_000, "bob")
    people = [uuid4() for _ in range(2000)]

    def scored() -> list[str]:
        return [model.sha256 for who in people if (model := registry.active(who)[1])]

    first = scored()
    assert set(first) == {digest, in_force} and first == scored()
    assert 0.25 < first.count(digest) / len(people) < 0.35
    with pytest.raises(Conflict, match="is the challenger already"):
        trials.challenge(approved(24), 100_000, "bob")
    found: dict[str, DecisionRecord] = {}
    while set(found) != {digest, in_force}:
        view = borrowers.apply(borrowers.register(world))
        row = DecisionRecord.objects.get(id=view.decision_id)
        found[row.model_sha256] = row
    releases.reject("model", digest, "bob", "it was too strict")
    assert set(scored()) == {in_force}
    assert all(services.replay_decision(row.id).equal for row in found.values())
    assert registry.active_hashes(ModelTrial.objects.get(id=trial).begun_at)["challenger"] == digest
    assert {"model_challenger_begun"} <= {act.act for act in acts_of(digest)}


def test_a_shadow_scores_after_the_answer_and_changes_nothing(world: World, in_force: str) -> None:
    model = small(25)
    digest = releases.submit_model(model, "ann")  # not approved: a shadow needs no approval
    trials.shadow(digest, "ann")
    with pytest.raises(Conflict, match="already"):
        trials.shadow(digest, "ann")
    view = borrowers.apply(borrowers.register(world))
    worker.drain()
    row = DecisionRecord.objects.get(id=view.decision_id)
    told = ShadowScore.objects.get(decision=row, model_sha256=digest)
    policy = registry.active()[0]
    evidence = decisioning.evidence_from_json(registry.open_sealed(row, "evidence"))
    table = policy.engine.features([evidence])
    values = np.array([float(table[n].values[0]) if table[n].known[0] else np.nan for n in SOME])
    assert told.pd_ppm == round(model.score(values).pd * 1e6)
    assert told.agrees == (told.outcome == row.outcome) and row.model_sha256 == in_force
    assert services.replay_decision(row.id).equal
    trials.end(digest, TrialKind.SHADOW, "ann")
    later = borrowers.apply(borrowers.register(world))
    worker.drain()
    assert not ShadowScore.objects.filter(decision_id=later.decision_id).exists()
    assert sum(trials.shadowed(digest).values()) == 1


# -- retraining


def test_what_the_schedule_submits_takes_two_people(in_force: str) -> None:
    digest = releases.submit_model(small(26), releases.SCHEDULE)
    assert releases.approve("model", digest, "bob") == "seconded"
    with pytest.raises(Conflict, match="first of two"):
        releases.activate("model", digest, "bob")
    with pytest.raises(errors.SecondPersonNeeded, match="bob has approved"):
        releases.approve("model", digest, "bob")
    assert releases.approve("model", digest, "cleo") == "approved"


@pytest.mark.parametrize(
    ("day", "on", "due"),
    [
        (0, "2031-05-28", False),
        (5, "2031-05-04T15:59:59", False),  # 23:59:59 of the fourth in Shanghai
        (5, "2031-05-04T16:00:00", True),
        (5, "2031-05-30", True),
    ],
)
def test_the_calendar_asks_once_a_month(platform: World, day: int, on: str, due: bool) -> None:
    at = datetime.fromisoformat(on).replace(tzinfo=UTC)
    with override_settings(RETRAIN_DAY=day):
        assert retraining.due(at) == due
        if due:
            row = Retraining.objects.create(
                asked_by=releases.SCHEDULE, asked_at=at, months=12, state=BacktestState.FAILED
            )
            assert not retraining.due(at + timedelta(minutes=1))
            assert retraining.due(at + timedelta(days=40))
            row.delete()


def test_a_training_without_memory_is_given_up(world: World) -> None:
    """The worker starts it in a process of its own; what that process cannot have is said where it was asked for."""
    row = Retraining.objects.get(id=retraining.ask("ann"))
    with override_settings(RETRAIN_MEMORY_MB=40):
        end = time.monotonic() + 60
        while time.monotonic() < end and row.state in retraining.OPEN:
            retraining.carry_on()
            time.sleep(0.1)
            row.refresh_from_db()
    assert row.state == BacktestState.FAILED and "TIMELYRAIN_RETRAIN_MEMORY_MB" in row.last_error
