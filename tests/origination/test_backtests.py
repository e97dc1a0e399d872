"""A back-test on the platform: asked for in the console, computed beside the worker, on its own decisions or a file."""

import json
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests import borrowers
from tests.backtesting.files import applications, write
from tests.origination.test_releases import version
from tests.worlds import World
from timelyrain import decisioning
from timelyrain.console.roles import ensure_demo_users
from timelyrain.origination import backtests, errors, registry, releases, services
from timelyrain.origination.models import Backtest, BacktestState, DecisionRecord
from timelyrain.runtime import clock
from timelyrain.runtime.problems import NotFound


@pytest.fixture
def decided(world: World) -> None:
    """A few decisions of different people."""
    for profile in ("good", "gambler", "thin"):
        borrowers.apply(borrowers.register(world, profile))


PROBE = """
[[rule]]
code = "AGE_PROBE"
stage = "credit"
when = "age > 120"
then = "refer"
if_missing = "skip"
zh = "年龄超过120周岁"
en = "You are over 120"
change_zh = "无需操作"
change_en = "Nothing to do"
note = "One rule more than the policy in force."
"""


def with_a_rule_more(tag: str) -> str:
    return version(tag) + PROBE


def test_own_decisions_come_out_as_they_were(decided: None) -> None:
    """Under the policy and the model that decided them, every past decision comes out again; nothing of a person lies on disk."""
    row = Backtest.objects.get(id=backtests.ask(with_a_rule_more("own"), "", "ann"))
    backtests.run(row.id)
    row.refresh_from_db()
    assert (
        row.state == BacktestState.DONE
        and row.result["n"] == DecisionRecord.objects.filter(at__lte=row.asked_at).count()
    )
    assert row.result["known"] <= DecisionRecord.objects.filter(outcome="approve").count()
    files = sorted((backtests.folder() / str(row.id) / "chunks").iterdir())
    told = pl.concat([pl.read_ipc(f.read_bytes()) for f in files], how="vertical_relaxed")
    outcomes = dict(zip(told["id"], told["a.outcome"], strict=True))
    same = DecisionRecord.objects.filter(
        at__lte=row.asked_at, policy_sha256=row.policy_sha256, model_sha256=row.model_sha256
    )
    newest = {d.application_id: d.outcome for d in same.order_by("at")}
    assert len(newest) >= 3
    for application, outcome in newest.items():
        assert decisioning.OUTCOMES[outcomes[str(application)]] == outcome
    assert not {c for c in told.columns if c.startswith(("fact.", "bank_flow"))}
    assert "What B changes" in backtests.page(row)


def test_lists_and_snoozed_rules_speak_as_they_did_then(world: World) -> None:
    """What the columns say of each decision under its own policy is what its record says, number by number and rule by rule."""
    listed = borrowers.register(world)
    key = services.key_hash("phone", listed.person["phone"])
    services.put_on_list("fraud_phone", key, "desk", "case 9")
    borrowers.apply(listed)
    services.take_off_list("fraud_phone", key, "desk", "the test is over")
    codes = {rule.code for rule in registry.active()[0].rules if rule.snooze}
    quiet, silenced = next(
        (person, found)
        for person in (borrowers.register(world, "overindebted") for _ in range(20))
        if (found := codes.intersection(reason["code"] for reason in borrowers.apply(person).reasons))
    )
    for code in silenced:
        until = clock.now() + timedelta(days=1)
        services.snooze_rule(quiet.borrower.shard, quiet.borrower.id, code, until, "desk", "corrected")
    borrowers.apply(quiet)

    row = Backtest.objects.get(id=backtests.ask(with_a_rule_more("standing"), "", "ann"))
    backtests.run(row.id)
    files = sorted((backtests.folder() / str(row.id) / "chunks").iterdir())
    told = pl.concat([pl.read_ipc(f.read_bytes()) for f in files], how="vertical_relaxed")
    columns = {one["id"]: one for one in told.to_dicts()}
    mine = DecisionRecord.objects.filter(
        application__borrower_id__in=[listed.borrower.id, quiet.borrower.id]
    ).order_by("at")
    records = [json.loads(registry.open_sealed(decision, "record")) for decision in mine]
    assert len(records) == 3 and any(one["snoozed"] for one in records)
    assert any(one["given"]["on_list.fraud_phone"] for one in records)
    for decision, record in zip(mine, records, strict=True):
        said, outputs = columns[str(decision.application_id)], record["outputs"]
        assert decisioning.OUTCOMES[said["a.outcome"]] == outputs["outcome"]
        assert said["snoozed"] == record["snoozed"]
        for name in ("limit_fen", "amount_fen", "rate_ppm", "pd_ppm"):
            assert said[f"a.{name}"] == outputs[name], name
        for line in outputs["trace"]:
            assert decisioning.STATES[said[f"a.{line['code']}"]] == line["state"], line
        assert services.replay_decision(decision.id).equal


def test_a_killed_process_is_followed_by_another(platform: World) -> None:
    """kill -9 while it computes: the next look starts another, which ends it."""
    past = Path(settings.HOME) / "applications" / "killed.parquet"
    past.parent.mkdir(parents=True, exist_ok=True)
    write(applications(40), past)
    row = Backtest.objects.get(id=backtests.ask(with_a_rule_more("killed"), "killed.parquet", "ann"))
    Backtest.objects.exclude(id=row.id).filter(state__in=backtests.OPEN).update(state=BacktestState.FAILED)
    backtests.carry_on()
    child = backtests._children[row.id]
    end = time.monotonic() + 60
    while time.monotonic() < end and Backtest.objects.get(id=row.id).state == BacktestState.WAITING:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    while time.monotonic() < end + 60 and Backtest.objects.get(id=row.id).state != BacktestState.DONE:
        backtests.carry_on()
        time.sleep(0.05)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.result["n"]) == (BacktestState.DONE, 2, 40)
    assert row.result["known"] == 40 and row.chunks_done == row.chunks == 1


def test_what_cannot_be_tried_is_refused_or_told(platform: World) -> None:
    with pytest.raises(NotFound, match="no file"):
        backtests.ask(with_a_rule_more("x"), "nowhere.parquet", "ann")
    with pytest.raises(errors.PolicyUnfit, match="unknown name"):
        backtests.ask(with_a_rule_more("y").replace("age > 120", "agee > 120"), "", "ann")
    bad = Path(settings.HOME) / "applications" / "bad.parquet"
    bad.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"a": [1]}).write_parquet(bad)
    row = Backtest.objects.get(id=backtests.ask(with_a_rule_more("bad"), "bad.parquet", "ann"))
    backtests.run(row.id)
    row.refresh_from_db()
    assert row.state == BacktestState.FAILED and "no column 'at'" in row.last_error


def test_the_console_asks_watches_reads_and_attaches(decided: None) -> None:
    ensure_demo_users()
    risk, operations = Client(), Client()
    risk.force_login(User.objects.get(username="risk"))
    operations.force_login(User.objects.get(username="operations"))
    draft = releases.begin_draft("looser", with_a_rule_more("console"), "ann")
    act = reverse("admin:origination_policydraft_act", args=[draft, "backtest"])
    assert operations.post(act, {"text": ""}).status_code == 403
    asked = risk.post(act, {"text": ""})
    row = Backtest.objects.order_by("-asked_at")[0]
    report = reverse("admin:origination_backtest_report", args=[row.id])
    assert asked.status_code == 200 and report in asked.content.decode()
    assert 'http-equiv="refresh"' in risk.get(report).content.decode()
    backtests.run(row.id)
    assert "<svg" in risk.get(report).content.decode()
    assert operations.get(report).status_code == 403
    page = reverse("admin:origination_backtest_change", args=[row.id])
    assert risk.get(page).status_code == 200
    digest = releases.submit_draft(draft, "ann", "see the back-test")
    attach = reverse("admin:origination_backtest_act", args=[row.id, "attach"])
    assert risk.post(attach, follow=True).status_code == 200
    assert str(row.id) in str(releases.steps("policy", digest)[-1].report)
    assert registry.active_hashes()["policy"] == row.policy_sha256
