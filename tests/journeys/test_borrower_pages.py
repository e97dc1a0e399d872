"""A loan walked by hand, in a real browser: from the landing page to a settled loan, and the refusals on the way.

TIMELYRAIN_PICTURES=docs/pictures keeps a picture of each page of the walk.
"""

import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.borrowers import code_on_phone
from tests.journeys.running import running_web, running_worker
from tests.worlds import World

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}: install Debian's chromium to walk the pages"
)
PATIENCE = 60_000  # milliseconds until a page is taken for stuck


@pytest.fixture(scope="module")
def address(platform: World) -> Iterator[str]:
    with running_web() as where, running_worker():
        yield where


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def phone(browser: playwright.Browser) -> Iterator[playwright.Page]:
    """A Chinese phone. A script error or a breach of the content policy fails the test."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, locale="zh-CN", has_touch=True
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on(
        "console",
        lambda said: broken.append(said.text) if "Content Security Policy" in said.text else None,
    )
    yield page
    context.close()
    assert broken == []


def picture(page: playwright.Page, name: str) -> None:
    if folder := os.environ.get("TIMELYRAIN_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def sign_in(page: playwright.Page, world: World, person: dict[str, str]) -> None:
    page.fill("#phone", person["phone"])
    page.click("main button[type=submit]")
    page.wait_for_url("**/sign-in/code*")
    page.fill("#code", code_on_phone(world, person["phone"]))
    page.click("main form:first-of-type button[type=submit]")


def give_consents(page: playwright.Page, leave: str = "") -> None:
    """Tick every consent whose title has not `leave` in it, one by one."""
    page.wait_for_url("**/consents")
    for row in page.locator(".consent").all():
        if not leave or leave not in row.inner_text():
            row.locator("input").check()
    page.click("main button[type=submit]")


def give_details(page: playwright.Page, person: dict[str, str]) -> None:
    page.wait_for_url("**/profile")
    for name in ("name", "id_number", "id_valid_until", "bank_card"):
        page.fill(f"#{name}", person[name])
    page.click("main button[type=submit]")


def apply(page: playwright.Page) -> None:
    page.wait_for_url("**/apply*")
    page.locator("input[name=purpose]").first.check(force=True)
    picture(page, "apply")
    page.click("main button[type=submit]")
    page.wait_for_url("**/applications/*")


def approved(page: playwright.Page, address: str, world: World) -> dict[str, str]:
    """Walk new people to a decision until one of them is approved; a good applicant usually is."""
    for _ in range(20):
        page.context.clear_cookies()
        person = world.person("good", uuid4().int % 10**8)
        page.goto(address)
        page.click("main button[type=submit]")  # the chooser: start
        sign_in(page, world, person)
        page.goto(f"{address}/next")
        give_consents(page)
        give_details(page, person)
        apply(page)
        if page.locator("a[href*='/offers/']").count():
            return person
    raise AssertionError("none of 20 good applicants was approved")


def test_a_loan_from_the_first_page_to_the_last_fen(
    address: str, world: World, phone: playwright.Page
) -> None:
    page = phone
    page.goto(address)
    assert "年化利率" in page.inner_text("main") and "借款需谨慎" in page.inner_text("footer")
    before = page.inner_text("#estimate")
    with page.expect_response(lambda r: "/?" in r.url):
        page.locator("input[name=instalments][value='3']").check(force=True)
    page.wait_for_function("old => document.querySelector('#estimate').innerText !== old", arg=before)
    picture(page, "landing")

    person = approved(page, address, world)
    assert "审批通过" in page.inner_text("h1")
    assert "请人工复核" in page.inner_text("#person")
    picture(page, "result")

    page.click("a[href*='/offers/']")
    picture(page, "offer")
    page.click("main button[type=submit]")
    page.wait_for_url("**/disclosures/*")
    assert "除上述外不收取任何费用" in page.inner_text("main") and "单利" in page.inner_text("main")
    assert page.locator("#confirm").is_disabled()
    picture(page, "disclosure")
    page.wait_for_selector("#confirm:not([disabled])")
    page.click("#confirm")

    page.wait_for_url("**/signature")
    page.click("main button[type=submit]")
    page.fill("#code", code_on_phone(world, person["phone"]))
    picture(page, "signature")
    page.click("main form:has(#code) button[type=submit]")
    page.wait_for_url("**/agreements/*")
    page.wait_for_selector("text=钱已到账")
    picture(page, "arrived")
    with page.expect_popup() if False else page.context.expect_event("requestfinished"):
        contract = page.request.get(page.locator("a[href$='contract.pdf']").evaluate("a => a.href"))
    assert contract.body().startswith(b"%PDF")

    page.click("a[href*='/loans/']")
    picture(page, "loan")
    events = page.request.get(page.locator("a[href$='events.json']").evaluate("a => a.href"))
    assert [e["type"] for e in json.load(io.BytesIO(events.body()))] == ["DISBURSED"]

    page.click("a[href$='/repay/part']")
    page.locator("#amount").press_sequentially("1000.50")
    page.wait_for_selector("input[value=keep_instalment]", state="attached")
    page.locator("input[value=keep_instalment]").check(force=True)
    picture(page, "repay")
    page.click("main button[type=submit]")
    page.wait_for_selector("text=还款已入账")
    page.click("main a.button")
    page.click("a[href$='/repay/full']")
    page.click("main button[type=submit]")
    page.wait_for_url("**/repayments/*")
    page.wait_for_selector("#payment:not([hx-get])")
    assert "还款已入账" in page.inner_text("h1"), page.inner_text("main")
    page.click("main a.button")
    assert "已结清" in page.inner_text("h1")
    picture(page, "settled")
    assert re.search(r"1,000\.50", page.inner_text("main"))
