"""The console's pages on which people act on a loan: the form, the preview, the second person, why a day, the books."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from tests.borrowers import Applicant, with_loan
from tests.worlds import World
from timelyrain.console import roles
from timelyrain.runtime import clock, worker
from timelyrain.servicing import catalogue, services, wishes
from timelyrain.servicing.models import Loan, LoanAct, LoanEvent, Wish


def staff(name: str, role: str, language: str = "zh-hans") -> Client:
    roles.ensure_roles()
    user, _ = User.objects.get_or_create(username=name, is_staff=True)
    user.groups.set([Group.objects.get(name=role)])
    client = Client(HTTP_ACCEPT_LANGUAGE=language)
    client.force_login(user)
    return client


@pytest.fixture(scope="module")
def lent(platform: World) -> tuple[Applicant, UUID]:
    who, loan_id = with_loan(platform)
    clock.SHIFTED.advance_to(clock.now() + timedelta(days=3))
    services.run_due_days()
    worker.drain()
    return who, loan_id


def page_of(loan_id: UUID, name: str = "") -> str:
    return f"/console/servicing/loan/{loan_id}/" + (f"propose/{name}/" if name else "change/")


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found, name
    return found[1]


@pytest.mark.parametrize("kind", catalogue.KINDS.values(), ids=lambda kind: str(kind.type))
def test_every_act_has_its_form_in_both_languages(kind: catalogue.Kind, lent: tuple[Applicant, UUID]) -> None:
    name = kind.type.lower().replace("_", "-")
    for language, title in (("zh-hans", kind.title[0]), ("en", kind.title[1])):
        client = staff("maker", "operations", language)
        assert title in client.get(page_of(lent[1])).content.decode()
        page = client.get(page_of(lent[1], name))
        text = page.content.decode()
        # what cannot be now is said beside the form; an act without fields is looked at at once
        assert page.status_code in (200, 409) and title in text
        assert all(f'name="{field.name}"' in text for field in kind.fields)


def test_look_ask_approve(lent: tuple[Applicant, UUID]) -> None:
    _, loan_id = lent
    maker, checker = staff("maker", "operations"), staff("checker", "risk")
    address = page_of(loan_id, "restructured")
    given = {"instalments": "18", "due_day": "5", "on": clock.today().isoformat()}
    bad = maker.get(address, given | {"instalments": "many"})
    assert bad.status_code == 422 and 'aria-invalid="true"' in bad.content.decode()
    late = maker.get(address, given | {"on": "2999-01-01"})
    assert late.status_code == 422 and LoanAct.objects.filter(loan_id=loan_id).count() == 0
    look = maker.get(address, given)
    text = look.content.decode()
    assert "借款人按计划将多付" in text and 'class="c-will" d="M' in text and "须由另一人批准" in text
    form = given | {"key": str(uuid4()), "reason": "协商", "seen": hidden(text, "seen")}
    stale = maker.post(address, form | {"seen": "0" * 64})
    assert stale.status_code == 409 and LoanAct.objects.filter(loan_id=loan_id).count() == 0
    again = stale.content.decode()
    assert 'role="alert"' in again and ">协商</textarea>" in again and hidden(again, "seen") == form["seen"]
    for _ in range(2):  # tapped twice
        asked: Any = maker.post(address, form)
    row = LoanAct.objects.get(loan_id=loan_id)
    assert (
        asked.headers["Location"] == f"/console/servicing/loanact/{row.id}/change/" and row.state == "waiting"
    )

    decide = f"/console/servicing/loanact/{row.id}/decide/"
    queue = LoanAct.objects.filter(state="waiting").count()  # the overview names the oldest few
    assert f"{queue} 项办理待批准" in checker.get("/console/").content.decode()
    assert decide in checker.get(asked.headers["Location"]).content.decode()
    own = maker.get(decide).content.decode()
    assert 'value="approve"' not in own and "须由另一人批准" in own
    refused = maker.post(decide, {"verdict": "approve", "note": "看过合同"})
    told = refused.content.decode()
    assert refused.status_code >= 400 and 'role="alert"' in told and ">看过合同</textarea>" in told
    assert LoanAct.objects.get(id=row.id).state == "waiting"
    shown = checker.get(decide).content.decode()
    assert 'value="approve"' in shown
    checker.post(decide, {"verdict": "approve", "seen": hidden(shown, "seen"), "note": "同意"})
    assert LoanAct.objects.get(id=row.id).state == "done"
    done = checker.get(f"/console/servicing/loanact/{row.id}/change/").content.decode()
    assert "协商" in done and "同意" in done and "checker" in done

    event = LoanEvent.objects.get(loan_id=loan_id, type="RESTRUCTURED")
    assert f"propose/reversed/?event={event.id}" in maker.get(page_of(loan_id)).content.decode()
    maker.post(page_of(loan_id, "reversed"), {"event": str(event.id), "key": "k1", "reason": "记错了"})
    wrong = LoanAct.objects.get(loan_id=loan_id, type="REVERSED")
    checker.post(f"/console/servicing/loanact/{wrong.id}/decide/", {"verdict": "reject", "note": "没有记错"})
    assert LoanAct.objects.get(id=wrong.id).state == "rejected"


def test_a_wish_is_answered_from_the_queue(lent: tuple[Applicant, UUID]) -> None:
    who, loan_id = lent
    b, made = who.borrower, uuid4()
    wishes.ask(b.shard, b.id, loan_id, "due_day", request_id=made, due_day=18)
    maker = staff("maker", "operations")
    address = f"/console/servicing/wish/{made}"
    queue = Wish.objects.filter(state="open").count()
    assert f"{queue} 个申请待答复" in maker.get("/console/").content.decode()
    assert address in maker.get(f"/console/servicing/wish/?q={loan_id}").content.decode()
    page = maker.get(f"{address}/change/").content.decode()
    assert "propose/due-date-changed/?" in page and "due_day=18" in page
    maker.post(f"{address}/act/decline/", {"text": "请先还清逾期"})
    wish = Wish.objects.get(id=made)
    assert (wish.state, wish.answered_by) == ("declined", "maker")


def test_who_may_not(lent: tuple[Applicant, UUID]) -> None:
    _, loan_id = lent
    for role in ("risk", "compliance", "auditor", "administrator"):
        client = staff(f"one of {role}", role)
        assert client.get(page_of(loan_id, "charged-off")).status_code == 403
        assert client.post(page_of(loan_id, "charged-off"), {"reason": "x", "key": "k"}).status_code == 403
        assert ("propose/charged-off" in client.get(page_of(loan_id)).content.decode()) is False
    assert staff("one of compliance", "compliance").get("/console/servicing/loan/books/").status_code == 403
    assert Loan.objects.get(id=loan_id).status == "ACTIVE"
    assert staff("maker", "operations").get(page_of(loan_id, "no-such-act")).status_code == 403


def test_why_a_day_and_the_books(lent: tuple[Applicant, UUID]) -> None:
    _, loan_id = lent
    auditor = staff("one of auditor", "auditor")
    on = clock.today() - timedelta(days=1)
    text = auditor.get(f"/console/servicing/loan/{loan_id}/explain/?on={on}").content.decode()
    assert "重新算出的与账上一致" in text and "当日计" in text
    assert (
        "No day close"
        in auditor.get(f"/console/servicing/loan/{loan_id}/explain/?on=2000-01-01").content.decode()
    )
    books: Any = auditor.get("/console/servicing/loan/books/?code=1303")
    text = books.content.decode()
    assert "借贷平衡" in text and "总账 1303 贷款" in text and "/console/servicing/loan/books/" in text
    for curious in ("?on=soon", "?code=9999", "?on=1900-01-01&code=1002"):
        assert auditor.get(f"/console/servicing/loan/books/{curious}").status_code == 200
