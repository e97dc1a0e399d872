"""A policy's life in a real browser: drafted, wrong, mended, tried, submitted, approved by somebody else, in force, taken back.

TIMELYRAIN_PICTURES=docs/pictures keeps the picture that the documentation shows.
"""

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Browser, Page, sync_playwright

from tests import borrowers
from tests.backtesting.files import applications, write
from tests.journeys.running import running_web
from tests.origination.test_releases import version
from tests.worlds import World
from timelyrain.console.roles import ensure_demo_users
from timelyrain.origination import backtests, registry, releases
from timelyrain.origination.models import Backtest, DecisionRecord, PolicyCase, PolicyDraft
from timelyrain.runtime import clock

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}: install Debian's chromium to walk the pages"
)


@pytest.fixture(scope="module")
def address(platform: World) -> Iterator[str]:
    with running_web() as where:
        yield where


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


def signed_in(browser: Browser, address: str, user: str, password: str) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN").new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{address}/console/login/")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_selector(".c-page")
    return page


def press(page: Page, title: str, text: str | None = None) -> None:
    """An act by its button, and what it asks to be written."""
    page.click(f".c-acts button:text-is('{title}')")
    if text is not None:
        # as pasted: a driver's typing takes seconds for a whole policy
        page.locator("textarea[name=text]").evaluate("(field, text) => { field.value = text }", text)
    page.click("form[method=post] button:text-is('确定')")
    page.wait_for_load_state()


def test_a_policy_is_written_tried_approved_and_taken_back(
    world: World, address: str, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "DJANGO_ALLOW_ASYNC_UNSAFE", "1"
    )  # the browser's driver keeps a loop running in this thread
    before = registry.active_hashes()["policy"]
    passwords = {login.role: login.password for login in ensure_demo_users()}
    risk, compliance = (signed_in(browser, address, who, passwords[who]) for who in ("risk", "compliance"))
    case = releases.case_from_decision(_decided(world), "信用良好的申请人", "ann")
    try:
        risk.goto(address + _page("policyversion", before))
        press(risk, "以此起草", "放宽在网时长")
        risk.click("text=打开草稿")
        tagged = version("life")
        press(risk, "编辑", tagged.replace("phone_tenure_days < 90", "phone_tenure_dayz < 90"))
        assert risk.locator(".c-verdict.c-bad").first.inner_text().endswith("1 个错误，不能启用")
        assert "是否想写 'phone_tenure_days'？" in risk.content()
        risk.click("td a.c-link[href^='#L']")
        assert "phone_tenure_dayz" in risk.locator("mark:target").inner_text()
        press(risk, "编辑", tagged.replace("phone_tenure_days < 90", "phone_tenure_days < 60"))
        told = risk.locator(".c-page").inner_text()
        cases = PolicyCase.objects.filter(retired_at=None).count()
        assert "没有错误" in told and "90 → 60" in told and f"{cases} 个案例全部通过" in told
        press(risk, "添加测试案例", json.dumps({"name": "没写完"}))
        assert "这不是测试案例：没写完：KeyError" in risk.locator("[role=alert]").inner_text()
        kept = risk.locator("textarea[name=text][aria-invalid=true]").input_value()
        assert json.loads(kept) == {"name": "没写完"}
        risk.goto(address + _page("policydraft", PolicyDraft.objects.get(title="放宽在网时长").id))
        another = releases.case_of(PolicyCase.objects.get(id=case)) | {"name": "由文件添加"}
        press(risk, "添加测试案例", json.dumps(another))
        told = risk.locator(".c-page").inner_text()
        assert f"{cases + 1} 个案例全部通过" in told and "由文件添加" in told and "逐条规则的覆盖" in told
        past = Path(settings.HOME) / "applications" / "life.parquet"
        past.parent.mkdir(parents=True, exist_ok=True)
        write(applications(60), past)
        press(risk, "回测", "life.parquet")
        asked = Backtest.objects.get(file="life.parquet")
        backtests.run(asked.id)  # as the worker would
        risk.goto(address + _page("policydraft", PolicyDraft.objects.get(title="放宽在网时长").id))
        press(risk, "提交批准", "误伤率高，放宽至 60 天")
        risk.reload()
        assert risk.locator(f"a[href*='{asked.against_sha256}']:has-text('打开提交的版本')").count() == 1
        risk.goto(address + _page("backtest", asked.id))
        press(risk, "附于待批准的版本")
        compliance.goto(f"{address}/console/")
        assert "待批准或待生效的规则与模型" in compliance.content()
        compliance.goto(address + _page("policyversion", asked.against_sha256))
        told = compliance.locator(".c-page").inner_text()
        assert "附上回测" in told and "通过率 B" in told and "等待另一人批准" in told
        if folder := os.environ.get("TIMELYRAIN_PICTURES"):
            clip = {"x": 0, "y": 0, "width": 1440, "height": 1130}
            compliance.screenshot(path=Path(folder) / "release.png", full_page=True, clip=clip)  # type: ignore[arg-type]
        press(compliance, "批准", "影响小")
        assert registry.active_hashes()["policy"] == before
        press(compliance, "启用", "now")
        assert registry.active_hashes()["policy"] == asked.against_sha256
        assert "现在由此版本决策" in compliance.content()
        press(compliance, "回退到上一版本", "演练")
        assert registry.active_hashes()["policy"] == before
        assert "已批准，现在不参与决策" in compliance.content()
        press(compliance, "启用", f"{clock.now() + timedelta(days=1):%Y-%m-%dT%H:%M%z}")
        assert registry.active_hashes()["policy"] == before
        assert f"自 {clock.now() + timedelta(days=1):%Y-%m-%d}" in compliance.content()
        press(compliance, "驳回或撤回", "演练")
        assert registry.active_hashes()["policy"] == before
    finally:
        for kept in PolicyCase.objects.filter(title__in=["信用良好的申请人", "由文件添加"], retired_at=None):
            releases.retire_case(kept.id, "ann")
        if registry.active_hashes()["policy"] != before:
            releases.activate("policy", before, "tests")
    assert PolicyCase.objects.get(id=case).retired_at is not None


def _decided(world: World) -> DecisionRecord:
    who, view = borrowers.approved(world)
    return DecisionRecord.objects.get(shard=who.borrower.shard, id=view.decision_id)


def _page(model: str, id: object) -> str:
    return reverse(f"admin:origination_{model}_change", args=[id])
