"""A model's life on one platform: people lent to, what became of them, a model learnt from it, approved, deciding, retrained,
taken back; every decision names its model and replays with it.

TIMELYRAIN_PICTURES=docs/pictures keeps the picture that the documentation shows.
"""

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from playwright.sync_api import sync_playwright

from tests import borrowers
from tests.console.test_policy_life import CHROMIUM, signed_in
from tests.journeys.running import running_web
from tests.origination import past
from tests.worlds import World
from timelyrain.cli import main
from timelyrain.console.roles import ensure_demo_users
from timelyrain.origination import errors, registry, releases, services
from timelyrain.origination.models import DecisionRecord, Retraining
from timelyrain.runtime import clock

LEARNT = (
    "bureau_score", "dti_ppm", "utilisation_ppm", "bureau_inquiry_count_90d", "clean_months", "income_verified_fen",
    "balance_months_ppm", "telecom_late_ppm", "debt_months_ppm",
)  # fmt: skip


def decided(world: World) -> DecisionRecord:
    return DecisionRecord.objects.get(id=borrowers.apply(borrowers.register(world)).decision_id)


def keep_picture(file: Path, digest: str) -> None:
    """The page of a model that waits for approval, as compliance sees it."""
    passwords = {login.role: login.password for login in ensure_demo_users()}
    with running_web() as where, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        seen = signed_in(browser, where, "compliance", passwords["compliance"])
        seen.goto(where + reverse("admin:origination_scoringmodel_change", args=[digest]))
        clip = {"x": 0, "y": 0, "width": 1440, "height": 1400}
        seen.screenshot(path=file, full_page=True, clip=clip)  # type: ignore[arg-type]
        browser.close()


@pytest.fixture
def staff(platform: World) -> dict[str, Client]:
    clients = {}
    for login in ensure_demo_users():
        clients[login.role] = Client()
        clients[login.role].force_login(User.objects.get(username=login.username))
    return clients


def test_a_model_is_learnt_approved_decides_is_retrained_and_taken_back(
    world: World, staff: dict[str, Client], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    policy, model = registry.active()
    assert model is not None
    old = decided(world)
    owners = [borrowers.register(world).borrower for _ in range(3)]
    people = past.lent_to(owners, 300, 7, clock.now() - timedelta(days=1000), timedelta(days=2))
    file, rest = tmp_path / "past.parquet", [name for name in policy.model_inputs if name not in LEARNT]

    def page(digest: str) -> str:
        answer = staff["risk"].get(reverse("admin:origination_scoringmodel_change", args=[digest]))
        assert answer.status_code == 200
        return answer.content.decode()

    def act(role: str, digest: str, name: str, text: str) -> None:
        where = reverse("admin:origination_scoringmodel_act", args=[digest, name])
        assert staff[role].post(where, {"text": text}, follow=True).status_code == 200

    try:
        with past.fates(people[:270]):
            assert not main(["risk", "decisions", "--out", str(file)])
            asked = [
                "risk",
                "train",
                f"decisions:{file}",
                "--out",
                str(tmp_path / "models"),
                "--exclude",
                *rest,
            ]
            assert main(asked) == 0
            made = next((tmp_path / "models").glob("*.model"))
            digest = made.stem
            learnt = json.loads(made.with_suffix(".json").read_bytes())["decisions"]  # watching goes by it
            assert 200 <= learnt["labelled"] < learnt["decisions"] and learnt["policy"] == policy.sha256
            assert main(["risk", "submit", str(made), "--by", "nobody"]) == 2
            assert main(["risk", "submit", str(made), "--by", "risk", "--note", "our own people"]) == 0
            with pytest.raises(errors.SecondPersonNeeded):
                releases.approve("model", digest, "risk")
            act("compliance", digest, "approve", "read the card")
            act("compliance", digest, "challenge", "10 %")
            assert registry.active_hashes()["challenger"] == digest
            act("compliance", digest, "activate", "now")
            assert "challenger" not in registry.active_hashes()
            assert registry.active_hashes()["model"] == digest
            new = decided(world)
            assert (old.model_sha256, new.model_sha256) == (model.sha256, digest)
            assert services.replay_decision(old.id).equal and services.replay_decision(new.id).equal
            assert set(registry.load_model(digest).feature_names) <= set(LEARNT)

        with past.fates(people):
            capsys.readouterr()
            assert main(["risk", "retrain", "--by", "risk"]) == 0
            row = Retraining.objects.latest("asked_at")
            assert row.model_sha256 and row.model_sha256 in capsys.readouterr().err
        again = row.model_sha256
        report = cast(dict[str, Any], releases.steps("model", again)[-1].report)
        assert registry.active_hashes()["model"] == digest  # submitted, not activated
        assert report["compared"]["in_force_sha256"] == digest
        assert report["decisions"]["labelled"] >= 200 and 0.5 < report["compared"]["new"]["auc"] <= 1
        assert set(registry.load_model(again).feature_names) <= set(LEARNT)  # the recipe of the one in force
        with pytest.raises(errors.SecondPersonNeeded):
            releases.approve("model", again, "risk")
        told = page(again)
        assert "与当时现行模型比较" in told and policy.features["bureau_score"].zh in told
        assert "文件与登记的指纹一致" in page(digest)
        card = cast(Any, staff["compliance"]).get(
            reverse("admin:origination_model_card", args=[again, "html"])
        )
        assert "<svg" in card.content.decode() and "sandbox" in card.headers["Content-Security-Policy"]
        if folder := os.environ.get("TIMELYRAIN_PICTURES"):
            monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
            keep_picture(Path(folder) / "model.png", again)  # new passwords: whoever was signed in is not
            for name, client in staff.items():
                client.force_login(User.objects.get(username=name))
        assert not main(["risk", "list"]) and digest[:12] in capsys.readouterr().out
        assert not list((tmp_path / "models").glob("*.part")) and not list(
            Path(registry.models_folder().parent, "training").glob("*")
        )
        act("compliance", digest, "reject", "a drill")
        assert registry.active_hashes()["model"] == model.sha256
        assert decided(world).model_sha256 == model.sha256
        assert services.replay_decision(new.id).equal
    finally:
        if registry.active_hashes()["model"] != model.sha256:
            releases.activate("model", model.sha256, "tests")
