"""A loan in trouble, by hand in real browsers: the borrower asks on the phone, two people of the lender agree in the console, the
bank takes a payment back, penalty is forgiven, the loan is settled; the auditor finds no difference.

TIMELYRAIN_PICTURES=docs/pictures keeps the picture that the documentation shows.
"""

import os
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from time import monotonic, sleep

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import Browser, Page

from tests.borrowers import with_loan
from tests.journeys.test_borrower_pages import PATIENCE, address, browser, paid, pytestmark, sign_in  # noqa: F401
from tests.worlds import World
from timelyrain.audit.queries import acts_of
from timelyrain.console import roles
from timelyrain.contract import LoanState
from timelyrain.finance import yuan
from timelyrain.runtime import clock
from timelyrain.servicing import auditor, services
from timelyrain.servicing.models import DayRun, Loan, LoanAct, Repayment, Wish


@pytest.fixture(autouse=True)
def database_beside_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver of the browser keeps an event loop in this thread; nothing here runs in it."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


PASSWORD = "four eyes see more than two"


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:  # noqa: F811
    """Browsers of different people; a script error fails the test."""
    broken: list[str] = []
    contexts = []

    def open_(width: int, height: int, locale: str = "zh-CN") -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, locale=locale, device_scale_factor=2
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        return page

    yield open_
    for context in contexts:
        context.close()
    assert broken == []


def staff(page: Page, where: str, name: str, role: str) -> Page:
    """Somebody with a role, signed in to the console."""
    roles.ensure_roles()
    user, _ = User.objects.get_or_create(username=name, is_staff=True)
    user.set_password(PASSWORD)
    user.save()
    user.groups.set([Group.objects.get(name=role)])
    page.goto(f"{where}/console/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("#login-form button[type=submit]")
    page.wait_for_selector(".c-today")
    return page


def act(page: Page, where: str, loan: Loan, title: str, reason: str, **filled: str) -> LoanAct:
    """From the page of the loan: choose, fill in, look, ask."""
    page.goto(f"{where}/console/servicing/loan/{loan.pk}/change/")
    page.click(f".c-chip:text-is('{title}')")
    return fill_and_ask(page, reason, **filled)


def fill_and_ask(page: Page, reason: str, **filled: str) -> LoanAct:
    for name, text in filled.items():
        field = page.locator(f"#f-{name}")
        if field.evaluate("f => f.tagName") == "SELECT":
            field.select_option(text)
        else:
            field.fill(text)
    page.click(".c-form button:has-text('看看会怎样')")
    page.wait_for_selector(".c-curve")
    page.fill("#reason", reason)
    page.click("#ask button[type=submit]")
    page.wait_for_url("**/loanact/**")
    return LoanAct.objects.get(id=page.url.rstrip("/").split("/")[-2])


def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("TIMELYRAIN_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True, scale="css")


def until(true: Callable[[], bool], what: str) -> None:
    end = monotonic() + 240  # generous: a slow machine is no failure
    while not true():
        assert monotonic() < end, what
        sleep(0.1)


def go_to(loan: Loan, days: int, after: datetime) -> None:
    """To the morning some days after; the worker of this installation closes the days."""
    clock.SHIFTED.advance_to(after + timedelta(days=days))
    closed = DayRun.objects.filter(shard=loan.shard)  # loans of other tests may live in another time
    until(lambda: closed.filter(on=clock.today()).exists(), "the worker does not close the days")
    pending = Repayment.objects.filter(loan_id=loan.id, state="pending")
    until(lambda: not pending.exists(), "a payment stays on its way")


def test_hardship_from_the_phone_to_the_end(
    platform: World,
    address: str,  # noqa: F811
    open_page: Callable[..., Page],
) -> None:
    who, loan_id = with_loan(platform)
    until(lambda: Loan.objects.filter(id=loan_id).exclude(status="PENDING").exists(), "the loan is not open")
    loan, card = Loan.objects.get(id=loan_id), who.person["bank_card"]

    def state() -> LoanState:
        return services.state_of(loan)

    platform.post(f"/rail/accounts/{card}/withdraw")
    due = datetime.combine(state().instalments[0].due_on, time(9), clock.BUSINESS_ZONE)
    go_to(loan, 12, due)
    assert state().dpd == 12

    phone = open_page(390, 844)
    phone.goto(f"{address}/loans/{loan_id}")
    sign_in(phone, platform, who.person)
    phone.wait_for_selector("#payoff")
    assert "已逾期 12 天" in phone.inner_text("main")
    assert f"¥{yuan(state().payoff_fen)}" in phone.inner_text("#payoff")
    phone.click("a[href$='/help']")
    phone.fill("#hardship #amount", "600")
    phone.fill("#hardship #note", "上个月失业，正在找工作")
    phone.click("#hardship button[type=submit]")
    phone.wait_for_selector(".note:has-text('等待答复')")

    maker = staff(open_page(1440, 900), address, "maker", "operations")
    checker = staff(open_page(1440, 900), address, "checker", "risk")
    maker.reload()
    wish, waiting = Wish.objects.get(loan_id=loan_id), Wish.objects.filter(state="open")
    assert f"{waiting.count()} 个申请待答复" in maker.inner_text(".c-page")
    maker.goto(f"{address}/console/servicing/wish/?q={loan_id}")  # the overview names the oldest few
    maker.click(f"a[href*='/servicing/wish/{wish.id}/']")
    maker.wait_for_selector(".c-chip")
    maker.click(".c-chip:text-is('困难帮扶')")
    made = fill_and_ask(maker, "失业证明已核实，收入中断")
    assert (made.state, made.amount_fen, made.data) == ("waiting", 60_000, {"instalments": 3, "extra": 3})
    maker.goto(f"{address}/console/servicing/loanact/{made.pk}/decide/")
    assert maker.locator("button[value=approve]").count() == 0  # not one's own

    checker.goto(f"{address}/console/servicing/loanact/?q={loan_id}")
    checker.click(f"a[href*='/servicing/loanact/{made.pk}/']")
    checker.click(f"a[href*='{made.pk}/decide']")
    checker.wait_for_selector(".c-curve")
    keep(checker, "acts")
    checker.fill("#note", "同意")
    checker.click("button[value=approve]")
    checker.wait_for_selector("text=已入账")
    assert all(row.unpaid_fen <= 60_000 for row in state().instalments[1:4])
    phone.goto(f"{address}/loans/{loan_id}/help")
    assert "已同意" in phone.inner_text("main")

    platform.post(f"/rail/accounts/{card}/deposit", amount_fen=10_000_000).raise_for_status()
    phone.goto(f"{address}/loans/{loan_id}/repay/due")
    phone.click("main button[type=submit]")
    paid(phone)
    event = next(e.id for e in services.events_of(loan) if e.type == "REPAID")
    back = act(maker, address, loan, "银行退回扣款", "付款行退回", event=event, amount_fen="200")
    assert back.state == "done" and state().amount_due_fen == 20_000
    go_to(loan, 10, due + timedelta(days=12))
    penalty = state().totals.penalty_receivable_fen
    assert penalty > 0
    waiver = act(maker, address, loan, "减免", "因失业减免罚息", target="penalty", amount_fen=yuan(penalty))
    assert waiver.state == "done" and state().totals.penalty_waived_fen == penalty
    phone.goto(f"{address}/loans/{loan_id}")  # ten days later: the session is over
    sign_in(phone, platform, who.person)
    phone.wait_for_selector("#payoff")
    phone.click("a[href$='/repay/full']")
    phone.click("main button[type=submit]")
    paid(phone)
    assert "已结清" in phone.inner_text("main") and state().status == "SETTLED"

    maker.goto(f"{address}/console/servicing/loan/{loan_id}/change/")
    maker.goto(f"{address}/console/servicing/loan/{loan_id}/explain/?on={state().as_of - timedelta(days=2)}")
    assert "重新算出的与账上一致" in maker.inner_text(".c-page")
    maker.goto(f"{address}/console/servicing/loan/books/?code=1303")
    assert "借贷平衡" in maker.inner_text(".c-page")
    differences = auditor.audit_books({loan.shard}).differences
    assert [d for d in differences if d.subject == str(loan_id)] == []
    told = [entry.act for entry in acts_of(loan_id)]
    assert told.count("loan_act_booked") == 3 and "loan_act_approved" in told
