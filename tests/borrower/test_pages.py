"""The borrower's pages through Django's client, on real parts: what they show, refuse, and do only once."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core import signing
from django.db import connections
from django.template.loader import render_to_string
from django.test import Client
from django.utils import translation
from hypothesis import given, settings

from tests.borrowers import Applicant, approved, code_on_phone, register, with_loan
from tests.strategies import History, lives
from tests.worlds import World
from timelyrain import borrower, decisioning
from timelyrain.agreements import queries as agreements_queries
from timelyrain.borrower import words
from timelyrain.borrower.page import SESSION_COOKIE
from timelyrain.borrower.templatetags.pages import payoff_parts
from timelyrain.contract import fold
from timelyrain.customers import queries as customers_queries
from timelyrain.origination import queries as origination_queries
from timelyrain.runtime import clock, law, worker
from timelyrain.runtime.problems import Problem, catalogue
from timelyrain.servicing import acts, wishes
from timelyrain.servicing import queries as servicing_queries

TEMPLATES = Path(borrower.__file__).parent / "templates"


def phone(language: str = "zh-hans") -> Any:
    return Client(HTTP_ACCEPT_LANGUAGE=language)


def signed_in(who: Applicant) -> Any:
    """A phone that holds the session of an applicant."""
    client = phone()
    signer = signing.get_cookie_signer(salt=SESSION_COOKIE + SESSION_COOKIE)
    client.cookies[SESSION_COOKIE] = signer.sign(who.token)
    return client


def text_of(response: Any) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", response.content.decode()))


def keys_of(response: Any) -> list[str]:
    """The hidden keys of the forms on a page, in their order; the first is the language switch."""
    return re.findall(r'name="key" value="([^"]+)"', response.content.decode())


def test_the_first_page_says_who_lends_and_what_it_costs_a_year(platform: World) -> None:
    page = phone().get("/")
    text = text_of(page)
    for said in (
        "年化利率",
        "7.44%",
        "借款需谨慎",
        "DEMO-L0000H000000001",
        "400-000-0000",
        "消费金融有限公司",
    ):
        assert said in text
    assert "日利率" not in text and "月利率" not in text
    assert "default-src 'self'" in page["Content-Security-Policy"]
    assert page["Cache-Control"] == "no-store"


def test_no_page_loads_anything_from_elsewhere(platform: World) -> None:
    html = phone().get("/").content.decode()
    loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*?(?:src|href)="([^"]+)"', html)
    assert loaded and all(address.startswith("/static/") for address in loaded)
    assert not re.search(r"<script(?![^>]*src=)", html) and " style=" not in html and "onclick" not in html


def test_the_pages_speak_the_language_that_was_asked_for(platform: World) -> None:
    assert "Borrow with care" in text_of(phone("en").get("/"))
    client = phone("en")
    client.post("/language", {"language": "zh-hans", "next": "/"})
    assert "借款需谨慎" in text_of(client.get("/"))


def test_a_curious_address_gets_the_usual_choice(platform: World) -> None:
    page = phone().get("/", {"amount": "99999999999999", "instalments": "-1"})
    assert page.status_code == 200 and 'value="10000"' in page.content.decode()


def test_the_estimate_alone_answers_the_chooser(platform: World) -> None:
    part = phone().get("/", {"amount": "6000", "instalments": "3"}, headers={"HX-Target": "estimate"})
    assert "<html" not in part.content.decode() and "每期约还" in text_of(part)


def test_signing_in_counts_attempts_and_keeps_the_token_from_scripts(world: World) -> None:
    client, person = phone(), world.person("good", uuid4().int % 10**8)
    wrong = client.post("/sign-in", {"phone": "12345", "key": "k1"})
    assert wrong.status_code == 422 and "请填写 11 位中国大陆手机号码" in text_of(wrong)
    sent = client.post("/sign-in", {"phone": person["phone"], "key": "k2", "then": "/me"})
    assert sent.status_code == 302 and sent["Location"] == "/sign-in/code?then=%2Fme"
    code = code_on_phone(world, person["phone"])
    other = f"{(int(code) + 1) % 10**6:06}"
    refused = client.post("/sign-in/code", {"code": other, "key": "k3"})
    assert refused.status_code == 403 and "还可以再试 4 次" in text_of(refused)
    page = client.get("/sign-in/code")
    assert 'data-opens-in="' in page.content.decode() and person["phone"][:7] not in text_of(page)
    done = client.post("/sign-in/code", {"code": code, "key": "k4", "then": "/me"})
    assert done.status_code == 302 and done["Location"] == "/me"
    assert client.cookies[SESSION_COOKIE]["httponly"]
    client.post("/sign-out")
    assert client.get("/me")["Location"] == "/sign-in?then=%2Fme"


def test_signing_in_never_leads_away_from_the_site(world: World) -> None:
    page = phone().get("/sign-in", {"then": "https://elsewhere.example/"})
    assert 'name="then" value=""' in page.content.decode()


def test_a_second_tap_sends_no_second_code(world: World) -> None:
    client, person = phone(), world.person("good", uuid4().int % 10**8)
    for _ in range(2):
        client.post("/sign-in", {"phone": person["phone"], "key": "one form"})
    assert len(world.get(f"/sms/{person['phone']}").json()["messages"]) == 1


def test_consents_are_asked_one_by_one_and_none_is_ticked(world: World) -> None:
    who = register(world, without="")
    client = signed_in(who)
    states = customers_queries.consent_states(who.borrower)
    for state in states:
        client.post(
            "/consents/given",
            {"purpose": state.purpose, "recipient": state.recipient, "key": f"take back {state.purpose}"},
        )
    page = client.get("/consents")
    html = page.content.decode()
    assert html.count('type="checkbox"') == len(states) and " checked" not in html
    for state in states:
        assert state.title in text_of(page) and state.text.split("。")[0][:20] in text_of(page)
    optional = [state for state in states if not state.required]
    assert optional and text_of(page).count("可选，不同意也能申请") == len(optional)

    some = client.post("/consents", {"text": [states[0].sha256], "key": keys_of(page)[-1]})
    missing = sum(state.required for state in states) - 1
    assert some.status_code == 422 and f"还差 {missing} 项必要授权" in text_of(some)
    needed = [state.sha256 for state in states if state.required]
    rest = client.post("/consents", {"text": needed, "key": keys_of(some)[-1]})
    assert rest.status_code == 302
    given = {s.purpose for s in customers_queries.consent_states(who.borrower) if s.granted}
    assert given == {state.purpose for state in states if state.required}


def test_details_are_judged_field_by_field_and_masked_afterwards(world: World) -> None:
    who = register(world)
    client = signed_in(who)
    bad = {"name": "王", "id_number": "110105194912310021", "id_valid_until": "2001-01-01", "bank_card": "62"}
    page = client.post("/profile", bad | {"key": "bad details"})
    assert page.status_code == 422
    for said in ("2 至 30 个字", "身份证号码不正确", "证件已过期", "银行卡号不正确"):
        assert said in text_of(page)
    shown = text_of(client.get("/profile"))
    assert who.person["id_number"] not in shown and who.person["id_number"][-4:] in shown
    assert who.person["bank_card"] not in shown and who.person["name"] not in shown


def test_two_taps_at_once_make_one_application(world: World) -> None:
    who = register(world)
    form = {"product": "instant_consumer", "amount": "10000", "instalments": "12", "purpose": "shopping"}

    def tap(_: int) -> str:
        try:
            return signed_in(who).post("/apply", form | {"key": "one form"})["Location"]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(3) as taps:
        answers = set(taps.map(tap, range(3)))
    made = origination_queries.applications(who.borrower.shard, who.borrower.id)
    assert len(made) == 1 and answers == {f"/applications/{made[0].id}"}


def test_what_the_product_does_not_offer_is_refused_beside_the_form(world: World) -> None:
    client = signed_in(register(world))
    form = {"product": "instant_consumer", "amount": "123", "instalments": "12", "purpose": "securities"}
    page = client.post("/apply", form | {"key": "odd"})
    assert page.status_code == 422 and "借款不得用于这个用途" in text_of(page)
    assert client.post("/apply", form | {"amount": "a lot", "key": "odder"}).status_code == 422


def test_a_declined_applicant_reads_why_and_reaches_a_person(world: World) -> None:
    who = register(world, "overindebted")
    client = signed_in(who)
    form = {"product": "instant_consumer", "amount": "10000", "instalments": "12", "purpose": "shopping"}
    where = client.post("/apply", form | {"key": "declined"})["Location"]
    view = origination_queries.applications(who.borrower.shard, who.borrower.id)[0]
    assert view.state == "declined"
    text = text_of(client.get(where))
    assert "这次没有通过" in text
    for reason in view.reasons:
        assert reason["zh"] in text and reason["change_zh"] in text
    told = origination_queries.explanation(who.borrower.shard, who.borrower.id, view.id)
    assert told is not None and "什么变化会带来不同的结果" in text
    assert all(change.zh in text for change in told.changes) and told.statement_zh in text
    assert decisioning.NOTHING[0] not in text, "every rule of the policy says what can be done about it"
    assert all(cause.zh in text for cause in told.causes)
    assert client.post(f"{where}/review", {"note": "请再看一看", "key": "a person"}).status_code == 302
    assert "您的复核请求已收到" in text_of(client.get(where))
    assert "工作日内答复" in text_of(client.get(where))


def test_the_cost_cannot_be_confirmed_before_it_could_be_read(world: World) -> None:
    who, view = approved(world)
    assert view.offer is not None
    client = signed_in(who)
    made = client.post(f"/offers/{view.offer.id}", {"amount": "5000", "instalments": "6", "key": "choose"})
    page = client.get(made["Location"])
    text = text_of(page)
    disclosed = agreements_queries.disclosure(
        who.borrower.shard, who.borrower.id, made["Location"].rpartition("/")[2]
    )
    assert "除上述外不收取任何费用" in text and "单利" in text
    assert disclosed.body["normal"][0]["payee"] in text
    for row in disclosed.body["instalments"]:
        assert row["due_on"] in text
    button = re.search(r'<button[^>]*id="confirm"[^>]*>', page.content.decode())
    assert button and "disabled" in button[0] and 'data-opens-in="' in button[0]
    early = client.post(made["Location"], {"sha256": disclosed.sha256, "key": "early"})
    assert early.status_code == 409 and "阅读时间还没有结束" in text_of(early)
    assert client.get(f"{made['Location']}/signature")["Location"] == made["Location"]
    outside = client.post(
        f"/offers/{view.offer.id}", {"amount": "9000000", "instalments": "6", "key": "outside"}
    )
    assert outside.status_code == 422 and "不在报价范围内" in text_of(outside)


def test_paying_twice_by_tapping_twice_is_not_possible(world: World) -> None:
    who, loan_id = with_loan(world)
    client = signed_in(who)
    form = {"amount": "1000", "mode": "keep_term", "key": "one form"}
    answers = {client.post(f"/loans/{loan_id}/repay/part", form)["Location"] for _ in range(2)}
    made = servicing_queries.repayments(who.borrower.shard, who.borrower.id, loan_id)
    assert len(made) == 1 and answers == {f"/loans/{loan_id}/repayments/{made[0].id}"}
    again = client.post(f"/loans/{loan_id}/repay/part", form | {"key": "another form"})
    assert again.status_code == 409 and "还有一笔还款正在处理" in text_of(again)
    waiting = client.get(answers.pop())
    assert 'hx-trigger="load delay' in waiting.content.decode()
    worker.drain()
    assert "还款已入账" in text_of(client.get(waiting.request["PATH_INFO"]))


def test_both_ways_of_repaying_early_are_shown_before_one_is_chosen(world: World) -> None:
    who, loan_id = with_loan(world)
    client = signed_in(who)
    address = f"/loans/{loan_id}/repay/part"
    text = text_of(client.get(address, {"amount": "2000"}))
    assert "期数不变，每期少还" in text and "每期不变，提早还完" in text and "剩余本金 ¥8,000.00" in text
    for amount in ("10000", "99999999", "-3", "0.001", "NaN", ""):
        page = client.get(address, {"amount": amount})
        assert page.status_code == 200 and "少付利息" not in text_of(page)


def test_what_is_not_owed_cannot_be_paid(world: World) -> None:
    who, loan_id = with_loan(world)
    client = signed_in(who)
    assert client.get(f"/loans/{loan_id}/repay/due")["Location"] == f"/loans/{loan_id}"
    refused = client.post(f"/loans/{loan_id}/repay/due", {"shown_fen": "0", "key": "nothing is due"})
    assert refused.status_code == 422 and "现在不能按这个金额还款" in text_of(refused)
    assert servicing_queries.repayments(who.borrower.shard, who.borrower.id, loan_id) == []


def test_settling_takes_the_amount_that_was_shown_and_no_other(world: World) -> None:
    who, loan_id = with_loan(world)
    client = signed_in(who)
    page = client.post(f"/loans/{loan_id}/repay/full", {"shown_fen": "5", "key": "stale page"})
    assert page.status_code == 422
    assert servicing_queries.repayments(who.borrower.shard, who.borrower.id, loan_id) == []


def test_nobody_sees_what_belongs_to_another(world: World) -> None:
    who, loan_id = with_loan(world)
    mine = signed_in(who)
    view = servicing_queries.loan(who.borrower.shard, who.borrower.id, loan_id)
    agreement = agreements_queries.agreement(who.borrower.shard, who.borrower.id, view.agreement_id)
    application = origination_queries.applications(who.borrower.shard, who.borrower.id)[0]
    addresses = [
        f"/loans/{loan_id}",
        f"/loans/{loan_id}/repay/full",
        f"/loans/{loan_id}/events.json",
        f"/agreements/{agreement.id}",
        f"/agreements/{agreement.id}/contract.pdf",
        f"/disclosures/{agreement.disclosure_id}",
        f"/applications/{application.id}",
    ]
    stranger = signed_in(register(world))
    for address in addresses:
        assert mine.get(address).status_code == 200, address
        refused = stranger.get(address)
        assert refused.status_code == 404 and "没有找到这一页" in text_of(refused), address
        assert phone().get(address).status_code == 302, address


def test_polling_stops_when_the_session_ends(world: World) -> None:
    _, loan_id = with_loan(world)
    answer = phone().get(f"/loans/{loan_id}", headers={"HX-Request": "true"})
    assert answer.status_code == 204 and answer["HX-Redirect"] == "/sign-in"


def test_errors_wear_the_same_clothes(platform: World) -> None:
    nowhere = phone().get("/nowhere")
    assert nowhere.status_code == 404 and "这里没有这一页" in text_of(nowhere)
    forged = Client(enforce_csrf_checks=True, HTTP_ACCEPT_LANGUAGE="en").post("/sign-in", {"phone": "1"})
    assert forged.status_code == 403 and "open too long" in text_of(forged)
    assert "400-000-0000" in render_to_string("500.html")


def test_a_form_without_its_key_is_refused(world: World) -> None:
    page = signed_in(register(world)).post("/apply", {"amount": "10000"})
    assert page.status_code == 422


_ROOMS = ("customers", "origination", "agreements", "servicing")
_GENERAL = {
    "invalid-value",
    "not-found",
    "not-signed-in",
    "not-allowed",
    "conflict",
    "temporarily-unavailable",
}


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_refusal_of_the_rooms_has_a_sentence_in_both_languages(language: str) -> None:
    for slug, kind in catalogue().items():
        if slug not in _GENERAL and kind.__module__.split(".")[1] not in _ROOMS:
            continue
        refusal: Problem = kind("DETAIL", remedy="REMEDY", attempts_left=3, retry_after=4)
        with translation.override(language):
            what, remedy = words.sentences(refusal)
        assert "DETAIL" not in what and remedy, (
            f"borrower/words.py has no sentence for {slug!r}: add both languages"
        )
        assert "{" not in what + remedy, slug
        assert bool(re.search(r"[一-龥]", what)) == (language == "zh-hans"), slug


def test_every_consent_says_its_kinds_of_data_and_its_need() -> None:
    for text in law.pack().consent_texts():
        assert text.purpose in words.NEEDS
        assert set(text.categories) <= set(words.DATA)


SAID = re.compile(r"""\{% say (?P<zh>"[^"]*"|'[^']*') (?P<en>"[^"]*"|'[^']*')(?P<values>[^%]*)%\}""")


def test_both_languages_of_a_sentence_have_the_same_places() -> None:
    """A place without a value, or a value that one language leaves out, would show only in front of a reader."""
    found = 0
    for template in sorted(TEMPLATES.rglob("*.html")):
        for said in SAID.finditer(template.read_text()):
            zh, en = ({*re.findall(r"\{(\w+)", said[side])} for side in ("zh", "en"))
            given = {*re.findall(r"(\w+)=", said["values"])}
            counted_by_script = (
                {"s"} if "data-counting" in template.read_text()[: said.start()][-20:] else set()
            )
            assert zh == en == given | counted_by_script, f"{template.name}: {said[0]}"
            found += 1
        assert template.read_text().count("{% say ") == len(SAID.findall(template.read_text())), template.name
    assert found > 200


def test_signing_again_leads_to_the_one_agreement(world: World) -> None:
    """An offer signed on these pages is found again from the offer, wherever the reader comes from."""
    who, view = approved(world)
    assert view.offer is not None
    client = signed_in(who)
    where = client.post(f"/offers/{view.offer.id}", {"amount": "5000", "instalments": "6", "key": "a"})[
        "Location"
    ]
    shown = agreements_queries.disclosure(who.borrower.shard, who.borrower.id, where.rpartition("/")[2])
    time.sleep(shown.read_seconds + 0.1)
    assert client.post(where, {"sha256": shown.sha256, "key": "b"})["Location"] == f"{where}/signature"
    page = client.post(f"{where}/signature", {"step": "send", "sha256": shown.sha256, "key": "c"})
    challenge = re.search(r'name="challenge" value="([^"]+)"', page.content.decode())
    assert challenge
    form = {"sha256": shown.sha256, "challenge": challenge[1], "key": "d"}
    signed = client.post(f"{where}/signature", form | {"code": code_on_phone(world, who.person["phone"])})[
        "Location"
    ]
    assert signed.startswith("/agreements/")
    for address in (f"{where}/signature", f"/offers/{view.offer.id}"):
        assert client.get(address)["Location"] == signed
    assert "有一笔借款正在办理" in text_of(client.get("/me"))
    worker.drain()
    assert "钱已到账" in text_of(client.get(signed))


# --- a loan in trouble ------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(lives())
def test_the_payoff_is_the_sum_of_what_is_shown(history: History) -> None:
    state = fold(history.terms, history.events, history.horizon)
    parts = payoff_parts(state)
    assert state.payoff_fen == max(0, sum(part.fen for part in parts))
    assert all(part.fen for part in parts)


def test_help_is_asked_for_on_the_phone_and_answered(world: World) -> None:
    who, loan_id = with_loan(world)
    client, address = signed_in(who), f"/loans/{loan_id}/help"
    assert address in client.get(f"/loans/{loan_id}").content.decode()
    form = {"kind": "hardship", "amount": "500.50", "instalments": "3", "note": "生病住院"}
    for wrong in (
        {"amount": "a lot"},
        {"amount": "0"},
        {"instalments": "99"},
        {"instalments": ""},
        {"kind": "gift"},
    ):
        refused = client.post(address, form | wrong | {"key": f"wrong {wrong}"})
        assert refused.status_code == 422, wrong
    for _ in range(2):
        assert client.post(address, form | {"key": "one form"})["Location"] == address
    assert client.post(address, form | {"key": "another form"}).status_code == 409
    text = text_of(client.get(address))
    assert "等待答复" in text and "接下来 3 期，每期 ¥500.50" in text and "申请困难帮扶" not in text
    client.post(address, {"kind": "due_day", "due_day": "25", "key": "a day"})
    assert "更改还款日申请等待答复" in text_of(client.get(f"/loans/{loan_id}"))
    asked = {
        wish.kind: wish for wish in servicing_queries.wishes_of(who.borrower.shard, who.borrower.id, loan_id)
    }
    wishes.decline(asked["due_day"].id, by="staff", answer="先还清逾期的")
    assert "先还清逾期的" in text_of(client.get(address))
    english = signed_in(who)
    english.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    assert "waiting for an answer" in text_of(english.get(address))
    for path in (address, f"/loans/{loan_id}/changes/{uuid4()}"):
        assert signed_in(register(world)).get(path).status_code == 404


def test_a_higher_rate_is_the_borrowers_to_refuse_or_confirm(world: World) -> None:
    who, loan_id = with_loan(world)
    client, shard = signed_in(who), who.borrower.shard
    view = servicing_queries.loan(shard, who.borrower.id, loan_id)
    for verdict in ("decline", "confirm"):
        made = uuid4()
        rate = {"rate_ppm": view.annual_rate_ppm + 10_000}
        acts.request(shard, loan_id, "RATE_CHANGED", 0, rate, by="maker", reason="test", request_id=made)
        acts.approve(made, by="checker")
        address = f"/loans/{loan_id}/changes/{made}"
        assert address in client.get(f"/loans/{loan_id}").content.decode()
        page = client.get(address)
        sha = re.search(r'name="sha256" value="([0-9a-f]{64})"', page.content.decode())
        assert sha and "一共要多付" in text_of(page) and 'data-opens-in="' in page.content.decode()
        answer = {"sha256": sha[1], "verdict": verdict}
        if verdict == "confirm":
            assert "阅读时间还没有结束" in text_of(client.post(address, answer | {"key": "early"}))
            clock.SHIFTED.advance_to(clock.now() + timedelta(seconds=6))
        assert client.post(address, answer | {"key": f"answer {verdict}"})["Location"] == f"/loans/{loan_id}"
        after = servicing_queries.loan(shard, who.borrower.id, loan_id).state.annual_rate_ppm
        assert (after == rate["rate_ppm"]) == (verdict == "confirm")
