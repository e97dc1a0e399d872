"""A loan walked by hand, in a real browser: from the landing page to a settled loan.

TIMELYRAIN_PICTURES=docs/pictures walks in both languages and keeps the pictures that the documentation shows.
"""

import os
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.borrowers import code_on_phone
from tests.journeys.running import running_web, running_worker
from tests.worlds import World

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}: install Debian's chromium to walk the pages"
)
PICTURES = os.environ.get("TIMELYRAIN_PICTURES")
PATIENCE = 60_000  # milliseconds until a page is taken for stuck


@pytest.fixture(scope="module")
def address(platform: World) -> Iterator[str]:
    with running_web() as where, running_worker():
        yield where


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=["zh-CN", "en-GB"] if PICTURES else ["zh-CN"])
def phone(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A phone. A script error or a breach of the content policy fails the test."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, locale=request.param, has_touch=True
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


def says(page: Page, zh: str, en: str) -> bool:
    """Whether the page says this in its own language."""
    wanted = en if page.locator("html").get_attribute("lang") == "en" else zh
    return wanted in page.inner_text("body")


class Album:
    """Pictures of the walk, shown side by side in the end."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.taken: list[bytes] = []

    def take(self) -> None:
        if PICTURES:
            self.taken.append(self.page.screenshot())

    def keep(self) -> None:
        if not PICTURES:
            return
        language = self.page.locator("html").get_attribute("lang") or ""
        pictures = "".join(
            f'<img src="data:image/png;base64,{b64encode(png).decode()}" width="260">' for png in self.taken
        )
        row = "display:flex;gap:20px;padding:20px;background:#cfd8d4;width:max-content"
        sheet = self.page.context.new_page()
        sheet.set_content(f'<body style="margin:0"><div style="{row}">{pictures}</div></body>')
        sheet.locator("div").screenshot(path=Path(PICTURES) / f"borrower-{language[:2]}.png")


def sign_in(page: Page, world: World, person: dict[str, str]) -> None:
    page.fill("#phone", person["phone"])
    page.click("main button[type=submit]")
    page.wait_for_url("**/sign-in/code*")
    page.fill("#code", code_on_phone(world, person["phone"]))
    page.click("main form:first-of-type button[type=submit]")


def give_consents(page: Page, leave: str = "") -> None:
    """Tick every consent whose title has not `leave` in it, one by one."""
    page.wait_for_url("**/consents")
    for row in page.locator(".consent").all():
        if not leave or leave not in row.inner_text():
            row.locator("input").check()
    page.click("main button[type=submit]")


def give_details(page: Page, person: dict[str, str]) -> None:
    page.wait_for_url("**/profile")
    for name in ("name", "id_number", "id_valid_until", "bank_card"):
        page.fill(f"#{name}", person[name])
    page.click("main button[type=submit]")


def apply(page: Page) -> None:
    page.wait_for_url("**/apply*")
    page.locator("input[name=purpose]").first.check(force=True)
    page.click("main button[type=submit]")
    page.wait_for_url("**/applications/*")


def approved(page: Page, address: str, world: World) -> dict[str, str]:
    """Walk new people to a decision until one of them is approved; a good applicant usually is."""
    for _ in range(20):
        page.context.clear_cookies()
        person = world.person("good", uuid4().int % 10**8)
        page.goto(address)
        page.click("main button[type=submit]")  # the chooser: start
        sign_in(page, world, person)
        give_consents(page)
        give_details(page, person)
        apply(page)
        if page.locator("a[href*='/offers/']").count():
            return person
    raise AssertionError("none of 20 good applicants was approved")


def test_a_loan_from_the_first_page_to_the_last_fen(address: str, world: World, phone: Page) -> None:
    page, album = phone, Album(phone)
    page.goto(address)
    assert says(page, "年化利率", "Annual rate") and says(page, "借款需谨慎", "Borrow with care")
    before = page.inner_text("#estimate")
    page.locator("input[name=instalments][value='3']").check(force=True)
    page.wait_for_function("old => document.querySelector('#estimate').innerText !== old", arg=before)
    album.take()

    person = approved(page, address, world)
    assert says(page, "审批通过", "Approved") and says(page, "请人工复核", "Ask for a person")

    page.click("a[href*='/offers/']")
    page.click("main button[type=submit]")
    page.wait_for_url("**/disclosures/*")
    assert says(page, "除上述外不收取任何费用", "Nothing else is charged.") and says(page, "单利", "单利")
    assert page.locator("#confirm").is_disabled()
    album.take()
    page.wait_for_selector("#confirm:not([disabled])")
    page.click("#confirm")

    page.wait_for_url("**/signature")
    page.click("main button[type=submit]")
    page.fill("#code", code_on_phone(world, person["phone"]))
    page.click("main form:has(#code) button[type=submit]")
    page.wait_for_url("**/agreements/*")
    page.wait_for_selector("main a[href*='/loans/']")
    assert says(page, "钱已到账", "The money has arrived")
    album.take()
    contract = page.request.get(page.locator("a[href$='contract.pdf']").evaluate("a => a.href"))
    assert contract.body().startswith(b"%PDF")

    page.click("main a[href*='/loans/']")
    album.take()
    events = page.request.get(page.locator("a[href$='events.json']").evaluate("a => a.href"))
    assert [event["type"] for event in events.json()] == ["DISBURSED"]

    page.click("a[href$='/repay/part']")
    page.locator("#amount").press_sequentially("1000.50")
    page.locator("input[value=keep_instalment]").check(force=True)
    page.click("main button[type=submit]")
    paid(page)
    page.click("a[href$='/repay/full']")
    page.click("main button[type=submit]")
    paid(page)
    assert says(page, "已结清", "Settled") and says(page, "1,000.50", "1,000.50")
    album.keep()


def paid(page: Page) -> None:
    """Wait for the payment to be booked, and go back to the loan."""
    page.wait_for_url("**/repayments/*")
    page.wait_for_selector("#payment:not([hx-get])")
    assert says(page, "还款已入账", "Payment booked"), page.inner_text("main")
    page.click("main a.button")
    page.wait_for_selector("#plan")
