"""The HTTP API: one loan through it, and everything that is not right leaves as problem+json with nothing half-written."""

import json
import re
from base64 import b64encode
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client

from tests.borrowers import Applicant, apply, code_on_phone, register, with_loan
from timelyrain.api import borrower_routes
from timelyrain.api.app import encode
from timelyrain.customers import queries as customers_queries
from timelyrain.origination import queries as origination_queries
from timelyrain.origination.models import Application
from timelyrain.runtime import clock, worker
from timelyrain.runtime.problems import catalogue
from timelyrain.servicing import services
from timelyrain.servicing.models import Repayment

pytestmark = pytest.mark.usefixtures("world")


@cache
def document() -> dict[str, Any]:
    return Client().get("/api/v1/openapi.json").json()


def declared(method: str, path: str) -> dict[str, Any]:
    """What the OpenAPI document says of an address."""
    fitting = (
        methods[method.lower()]
        for template, methods in document()["paths"].items()
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path.partition("?")[0])
    )
    return next(fitting)


class Api:
    """A client of the API, signed in with a token or not."""

    def __init__(self, token: str = "") -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(self, method: str, path: str, body: Any = None, key: str | None = "", **headers: str) -> Any:
        extra = {} if key is None else {"Idempotency-Key": key or str(uuid4())}
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        answer: Any = self.client.generic(
            method, f"/api/v1{path}", data, "application/json", headers=self.headers | extra | headers
        )
        if not answer["Content-Type"].startswith("application/problem+json"):
            assert str(answer.status_code) in declared(method, f"/api/v1{path}")["responses"], path
        return answer

    def get(self, path: str) -> Any:
        return self.call("GET", path, b"", None)

    def post(self, path: str, body: Any, key: str | None = "") -> Any:
        return self.call("POST", path, body, key)


def problem(answer: Any, slug: str, status: int | None = None, field: str | None = None) -> dict[str, Any]:
    """The body of a refusal, after what holds for all of them was checked."""
    assert answer["Content-Type"].startswith("application/problem+json"), answer.content[:300]
    body = answer.json()
    assert body["type"] == f"/problems/{slug}", body
    assert body["status"] == answer.status_code == (status or catalogue()[slug].status)
    assert body["title"] and body["detail"] and body["remedy"]
    if field:
        assert body["field"] == field
    return body


@pytest.fixture
def who(world) -> Applicant:
    return register(world)


@pytest.fixture
def api(who) -> Api:
    return Api(who.token)


APPLICATION = {
    "product": "instant_consumer",
    "amount_fen": 1_000_000,
    "instalments": 12,
    "purpose": "shopping",
}


def test_one_loan_through_the_api(world):
    person, anyone = world.person("good", uuid4().int % 10**8), Api()
    assert anyone.get("/products").json()["products"][0]["id"] == "instant_consumer"
    sent = anyone.post("/codes", {"phone": person["phone"]})
    assert sent.status_code == 202
    key = str(uuid4())
    entry = {
        "phone": person["phone"],
        "challenge_id": sent.json()["challenge_id"],
        "code": code_on_phone(world, person["phone"]),
    }
    entered = anyone.post("/sessions", entry, key)
    assert entered.status_code == 201 and entered["Cache-Control"] == "no-store"
    again = anyone.post("/sessions", entry, key)
    assert again.json() == entered.json() and again["Idempotency-Replayed"] == "true"
    api = Api(entered.json()["token"])
    texts = [c["sha256"] for c in api.get("/consents").json()["consents"]]
    assert api.post("/consents", {"texts": texts}).status_code == 200
    fields = ("name", "id_number", "id_valid_until", "bank_card")
    assert api.call("PUT", "/profile", {k: person[k] for k in fields}).json()["complete"]
    applied = api.post("/applications", APPLICATION)
    assert applied.status_code == 201
    offer = applied.json()["offer"]
    if offer is None:
        pytest.skip("this person was declined; the others of this test are approved")
    amount = min(offer["limit_fen"], 1_000_000)
    shown = api.post(f"/offers/{offer['id']}/disclosures", {"amount_fen": amount, "instalments": 12}).json()
    agreed = {"disclosure_sha256": shown["sha256"]}
    where = f"/disclosures/{shown['id']}"
    early = problem(api.post(f"{where}/confirmation", agreed), "reading-time-not-over")
    assert early["retry_after"] > 0
    clock.SHIFTED.advance_to(clock.now() + timedelta(seconds=shown["read_seconds"]))
    assert api.post(f"{where}/confirmation", agreed).json()["confirmed"]
    challenge = api.post(f"{where}/signing-code", agreed).json()["challenge_id"]
    signature = agreed | {"challenge_id": challenge, "code": code_on_phone(world, person["phone"])}
    signed = api.post(f"{where}/signature", signature)
    assert signed.status_code == 201
    problem(api.get(f"/agreements/{signed.json()['id']}/contract.pdf"), "not-found")
    worker.drain()
    assert api.get(f"/agreements/{signed.json()['id']}").json()["pay_out"] == "succeeded"
    assert api.get(f"/agreements/{signed.json()['id']}/contract.pdf").content.startswith(b"%PDF")
    (loan,) = api.get("/loans").json()["loans"]
    assert loan["state"]["status"] == "ACTIVE" and loan["principal_fen"] == amount
    paid = api.post(f"/loans/{loan['id']}/repayments", {"kind": "full"})
    assert paid.status_code == 202 and paid.json()["state"] == "pending"
    worker.drain()
    assert api.get(f"/loans/{loan['id']}").json()["state"]["status"] in ("SETTLED", "ACTIVE")
    assert len(api.get(f"/loans/{loan['id']}/events").json()["events"]) >= 1
    assert api.get("/messages").json()["messages"]


ADDRESSES = [
    ("GET", "/me"), ("PUT", "/profile"), ("GET", "/consents"), ("POST", "/consents"), ("POST", "/applications"),
    ("GET", "/loans"), ("GET", f"/loans/{uuid4()}"), ("POST", f"/disclosures/{uuid4()}/signature"), ("GET", "/messages"),
    ("GET", "/operations/trial-balance"), ("GET", "/operations/audit/check"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer 1.forged", "Bearer " + "9" * 6000, "Basic eDp5", "x"]
)
def test_nobody_enters_without_credentials(method, path, authorization):
    answer = Api().call(method, path, {}, Authorization=authorization)
    problem(answer, "not-signed-in", 401)
    assert answer["WWW-Authenticate"]


@pytest.mark.parametrize("path", ["/nothing", "/loans/1/2/3", "/operations/none", "/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_addresses(api, method, path):
    problem(api.call(method, path, {}), "not-found", 404)


def test_unknown_methods(api):
    answer = api.call("DELETE", "/applications", b"")
    problem(answer, "method-not-allowed", 405)
    assert set(re.findall(r"\w+", answer["Allow"])) == {"GET", "POST"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b'{"amount_fen": NaN', b"\xff\xfe", b'{"a":' + b"[" * 100_000, b"1" * 5000],
)
def test_bodies_that_cannot_be_read(api, who, body):
    answer = api.post("/applications", body)
    assert answer.status_code in (400, 422), answer.content
    problem(answer, "malformed-request" if answer.status_code == 400 else "invalid-value")
    assert not Application.objects.filter(borrower_id=who.borrower.id).exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount_fen": "1000000"}, "amount_fen"),
        ({"amount_fen": 1e6}, "amount_fen"),
        ({"amount_fen": True}, "amount_fen"),
        ({"amount_fen": 10**30}, "amount_fen"),
        ({"amount_fen": -1}, "amount_fen"),
        ({"amount_fen": None}, "amount_fen"),
        ({"instalments": 10**19}, "instalments"),
        ({"purpose": "shop\x00ping"}, "purpose"),
        ({"purpose": "x" * 10_000}, "purpose"),
        ({"product": {"id": 1}}, "product"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_values_of_the_wrong_kind_are_named(api, who, change, field):
    body = problem(api.post("/applications", APPLICATION | change), "invalid-value", 422)
    assert [f["field"] for f in body["fields"]] == [field] == [body["field"]]
    assert not Application.objects.filter(borrower_id=who.borrower.id).exists()


def test_everything_missing_is_named_at_once(api):
    body = problem(api.post("/applications", {}), "invalid-value")
    assert {f["field"] for f in body["fields"]} == set(APPLICATION)


def test_lone_surrogates_and_control_characters_do_no_harm(api):
    for body in ('{"note": "\\ud800"}', '{"note": "a\\u0000b"}'):
        problem(api.post(f"/applications/{uuid4()}/review", body.encode()), "invalid-value")


def test_values_outside_the_product(api):
    body = problem(
        api.post("/applications", APPLICATION | {"amount_fen": 123, "instalments": 5}), "outside-product"
    )
    assert set(body["fields"]) == {"amount_fen", "instalments"}
    problem(
        api.post("/applications", APPLICATION | {"purpose": "property"}), "purpose-forbidden", field="purpose"
    )


@pytest.mark.parametrize("profile", ["good", "overindebted", "thin"])
def test_an_answer_is_explained_as_its_page_explains_it(world, profile):
    """The same statement, causes and changes, told twice alike, in the shape that the OpenAPI document declares."""
    who = register(world, profile)
    api = Api(who.token)
    applied = api.post("/applications", APPLICATION).json()
    path = f"/applications/{applied['id']}/explanation"
    told = api.get(path).json()
    assert told == api.get(path).json() == json.loads(encode(borrower_routes.ExplanationOut(**told).dict()))
    assert told["reasons"] == applied["reasons"]
    page = origination_queries.explanation(who.borrower.shard, who.borrower.id, applied["id"])
    if applied["state"] == "approved":
        assert page is None and told["outcome"] == "approve" and not told["changes"] and told["statement_zh"]
    else:
        assert page is not None and told["statement_en"] == page.statement_en
        assert [c["zh"] for c in told["causes"]] == [c.zh for c in page.causes]
        assert [c["en"] for c in told["changes"]] == [c.en for c in page.changes]


def test_what_is_not_decided_is_not_explained(api, who):
    waiting = Application.objects.create(
        shard=who.borrower.shard,
        borrower_id=who.borrower.id,
        submitted_at=clock.now(),
        **APPLICATION,
    )
    problem(api.get(f"/applications/{waiting.id}/explanation"), "not-decided-yet", 409)


@pytest.mark.parametrize("path", [
    "/applications/{}", "/applications/{}/explanation", "/disclosures/{}", "/agreements/{}", "/agreements/{}/contract.pdf",
    "/loans/{}", "/loans/{}/events", "/loans/{}/repayments",
])  # fmt: skip
def test_what_is_not_there_or_no_id(api, path):
    problem(api.get(path.format(uuid4())), "not-found", 404)
    problem(api.get(path.format("1")), "invalid-value", 422)
    problem(api.get(path.format("9" * 500)), "invalid-value", 422)


def test_what_is_anothers_does_not_exist(world, api):
    owner, loan = with_loan(world)
    theirs = Api(owner.token)
    assert theirs.get(f"/loans/{loan}").status_code == 200
    application = theirs.get("/applications").json()["applications"][0]
    applied = f"/applications/{application['id']}"
    for path in (f"/loans/{loan}", f"/loans/{loan}/events", applied, f"{applied}/explanation"):
        problem(api.get(path), "not-found")
    problem(api.post(f"/loans/{loan}/repayments", {"kind": "full"}), "not-found")
    choice = {"amount_fen": 500_000, "instalments": 6}
    problem(api.post(f"/offers/{application['offer']['id']}/disclosures", choice), "not-found")
    problem(api.post(f"/applications/{application['id']}/review", {}), "not-found")
    assert not Repayment.objects.filter(loan_id=loan).exists()
    assert api.get("/loans").json() == {"loans": []}


def test_idempotency_keys(api, who):
    problem(api.post("/applications", APPLICATION, None), "invalid-value", field="Idempotency-Key")
    problem(api.post("/applications", APPLICATION, "short"), "invalid-value", field="Idempotency-Key")
    key = str(uuid4())
    first = api.post("/applications", APPLICATION, key)
    spelled = json.dumps(dict(reversed(APPLICATION.items())), indent=3)
    again = api.post("/applications", spelled, key)
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    assert "Idempotency-Replayed" not in first and again["Idempotency-Replayed"] == "true"
    problem(api.post("/applications", APPLICATION | {"instalments": 6}, key), "idempotency-key-reused", 422)
    problem(api.post(f"/applications/{first.json()['id']}/review", APPLICATION | {}, key), "invalid-value")
    assert Application.objects.filter(borrower_id=who.borrower.id).count() == 1


def test_a_refused_command_may_be_repeated_under_its_key(world, api, who):
    key = str(uuid4())
    withdrawn = api.post("/consents/withdraw", {"purpose": "account_data", "recipient": "lender"})
    assert withdrawn.status_code == 200
    problem(api.post("/applications", APPLICATION, key), "consent-missing", 403)
    texts = [s.sha256 for s in customers_queries.consent_states(who.borrower)]
    api.post("/consents", {"texts": texts})
    assert api.post("/applications", APPLICATION, key).status_code == 201


@pytest.mark.parametrize(
    ("failure", "slug"),
    [(OperationalError("gone"), "temporarily-unavailable"), (ZeroDivisionError("oops"), "internal")],
)
def test_failures_on_our_side_are_problems_too_and_tell_nothing(monkeypatch, api, failure, slug):
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(borrower_routes.customers_queries, "masked_profile", fail)
    body = problem(api.get("/me"), slug)
    assert str(failure) not in json.dumps(body)


def test_too_many_codes_say_when_to_come_back(world):
    phone = world.person("random", uuid4().int % 10**8)["phone"]
    answers = [Api().post("/codes", {"phone": phone}) for _ in range(6)]
    assert [a.status_code for a in answers] == [202] * 5 + [429]
    problem(answers[-1], "too-many-codes")
    assert answers[-1]["Retry-After"] == "3600"


@pytest.mark.parametrize(
    ("path", "body", "slug"),
    [
        ("/loans/{}/repayments", {"kind": "all"}, "invalid-value"),
        ("/loans/{}/repayments", {"kind": "part", "mode": "x" * 500}, "invalid-value"),
        ("/loans/{}/repayments", {"kind": "part", "amount_fen": 10**12, "mode": "keep_term"}, "amount-wrong"),
        ("/loans/{}/repayments", {"kind": "due"}, "amount-wrong"),
    ],
)
def test_payments_that_cannot_be(lent, path, body, slug):
    who, loan = lent
    problem(Api(who.token).post(path.format(loan), body), slug)
    assert not Repayment.objects.filter(loan_id=loan).exists()


@pytest.fixture(scope="module")
def lent(platform):
    return with_loan(platform)


def test_the_openapi_document_is_whole():
    assert document()["openapi"].startswith("3.")
    text, ids = json.dumps(document()), []
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        node = document()
        for part in reference.split("/"):
            node = node[part]
    for path, methods in document()["paths"].items():
        for operation in methods.values():
            ids.append(operation["operationId"])
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert declared == set(re.findall(r"{(\w+)}", path)), path
            assert operation["responses"].keys() > {"default"}, path
    assert len(ids) == len(set(ids)) > 20
    asked = document()["paths"]["/api/v1/applications"]["post"]
    assert asked["responses"].keys() == {"201", "default"}
    assert [p["name"] for p in asked["parameters"] if p["required"]] == ["Idempotency-Key"]


def test_every_problem_has_its_page():
    for slug, kind in catalogue().items():
        page = Client().get(f"/problems/{slug}")
        assert page.status_code == 200 and str(kind.status) in page.content.decode()
    assert Client().get("/problems/none").status_code == 404


def test_operations_need_the_right_permission(world):
    import base64

    name = f"staff-{uuid4().hex[:8]}"
    user = User.objects.create_user(name, password="a-long-password", is_staff=True)
    basic = base64.b64encode(f"{name}:a-long-password".encode()).decode()
    staff = Api()
    staff.headers = {"Authorization": f"Basic {basic}"}
    problem(staff.get("/operations/trial-balance"), "not-allowed", 403)
    wanted = ["view_account", "view_decisionrecord", "view_loan", "view_treehead"]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    assert staff.get("/operations/trial-balance").json()["balanced"]
    assert staff.get("/operations/audit/check").json()["problems"] == []
    problem(staff.get(f"/operations/decisions/{uuid4()}"), "not-found")
    problem(staff.post(f"/operations/decisions/{uuid4()}/replay", {}), "not-found")
    for shard in (1, 99, 10**15, -1):
        problem(staff.get(f"/operations/loans/{shard}/{uuid4()}/proof"), "not-found")
    who, loan = with_loan(world)
    assert staff.get(f"/operations/loans/{who.borrower.shard}/{loan}/proof").json()["equal"]
    problem(staff.post("/operations/clock", {"to": "2040-01-01T00:00:00+08:00"}), "not-allowed")
    user.user_permissions.add(Permission.objects.get(codename="change_clockshift"))
    problem(staff.post("/operations/clock", {"to": "2040-01-01T00:00:00"}), "invalid-value", field="to")
    before = clock.now()
    back = staff.post("/operations/clock", {"to": (before - timedelta(days=9)).isoformat()})
    assert back.status_code == 200 and clock.now() >= before


# --- acts on a loan ---------------------------------------------------------------------------------------------


def staff(name: str, *permissions: str) -> Api:
    """A member of the lender's staff with these permissions, over HTTP Basic."""
    user, _ = User.objects.get_or_create(username=name, is_staff=True)
    user.set_password("a long password")
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    api = Api()
    api.headers = {"Authorization": "Basic " + b64encode(f"{name}:a long password".encode()).decode()}
    return api


def test_an_act_is_looked_at_asked_for_and_approved(world):
    who, loan_id = with_loan(world)
    where = f"/operations/loans/{who.borrower.shard}/{loan_id}"
    rights = ("view_loan", "view_loanact", "view_wish", "add_loanact", "change_loanact", "change_wish")
    maker, checker = staff("api-maker", *rights), staff("api-checker", *rights)
    wish = {"kind": "hardship", "amount_fen": 60_000, "instalments": 3}
    mine = Api(who.token)
    asked = mine.post(f"/loans/{loan_id}/wishes", wish)
    assert asked.status_code == 201 and asked.json()["state"] == "open"
    problem(mine.post(f"/loans/{loan_id}/wishes", wish), "wish-waiting")
    assert asked.json()["id"] in {found["id"] for found in maker.get("/operations/wishes").json()["wishes"]}

    act = {"type": "HARDSHIP_AGREED", "amount_fen": 60_000, "instalments": 3, "extra": 2}
    shown = maker.post(f"{where}/acts/preview", {"act": act}, None).json()
    assert shown["second_person"] and len(shown["after"]["instalments"]) == 14 and shown["borrower_fen"] > 0
    body = {"act": act, "reason": "核实", "seen": shown["sha256"], "wish_id": asked.json()["id"]}
    key = str(uuid4())
    made = maker.post(f"{where}/acts", body, key)
    assert (made.status_code, made.json()["state"]) == (201, "waiting")
    assert maker.post(f"{where}/acts", body, key).json() == made.json()
    one = f"/operations/acts/{made.json()['id']}"
    assert maker.get(one).json()["preview"]["sha256"] == shown["sha256"]
    problem(maker.post(f"{one}/approval", {}), "same-person")
    stale = {"seen": "0" * 64}
    problem(checker.post(f"{one}/approval", stale), "preview-changed", field="seen")
    done = checker.post(f"{one}/approval", {"note": "同意", "seen": shown["sha256"]})
    assert done.json()["state"] == "done" and done.json()["after"]["instalments"] == 14
    problem(checker.post(f"{one}/rejection", {"note": "late"}), "act-decided")
    assert mine.get(f"/loans/{loan_id}/wishes").json()["wishes"][0]["state"] == "granted"
    assert maker.get(f"{where}/acts").json()["acts"][0]["id"] == made.json()["id"]
    assert maker.get(f"{where}/proof").json()["equal"]


def test_lists_over_http_stop_at_once_and_let_past_by_two(world):
    rights = ("view_listentry", "add_listentry", "view_exemption", "change_exemption")
    maker, checker, looker = (
        staff("list-maker", *rights),
        staff("list-checker", *rights),
        staff("list-looker"),
    )
    who = register(world)
    phone = {"value": who.person["phone"]}
    problem(looker.get("/operations/lists"), "not-allowed", 403)
    problem(
        looker.post("/operations/lists/fraud_phone/entries", phone | {"why": "case 5"}), "not-allowed", 403
    )
    (before,) = [
        one for one in maker.get("/operations/lists").json()["lists"] if one["name"] == "fraud_phone"
    ]
    assert (before["kind"], before["key"]) == ("deny", "phone") and before["zh"] and before["en"]

    key, entry = str(uuid4()), phone | {"why": "case 5", "until": "2099-12-31"}
    made = maker.post("/operations/lists/fraud_phone/entries", entry, key)
    assert made.status_code == 201
    assert maker.post("/operations/lists/fraud_phone/entries", entry, key).json() == made.json()
    assert "ON_FRAUD_LIST" in [reason["code"] for reason in apply(who).reasons]
    asked = {"key": "phone", **phone}
    (found,) = maker.post("/operations/lists/search", asked, None).json()["entries"]
    assert (found["id"], found["by"], found["stands"]) == (made.json()["entry"], "list-maker", True)
    assert maker.get("/operations/lists").json()["lists"] != [before]

    waits = maker.post("/operations/lists/fraud_phone/ends", phone | {"why": "mistaken"})
    assert waits.status_code == 202
    one = f"/operations/exemptions/{waits.json()['waits']}"
    listed = maker.get("/operations/exemptions").json()["exemptions"]
    assert waits.json()["waits"] in [waiting["id"] for waiting in listed]
    problem(maker.post(f"{one}/approval", {}), "second-person-needed")
    problem(checker.post(f"{one}/rejection", {}), "invalid-value", field="note")
    assert checker.post(f"{one}/approval", {"note": "seen"}).json()["state"] == "approved"
    assert maker.get(one).json()["decided_by"] == "list-checker"
    assert not any(e["stands"] for e in maker.post("/operations/lists/search", asked, None).json()["entries"])
    problem(maker.post("/operations/lists/fraud_phone/ends", phone | {"why": "again"}), "conflict")
    problem(
        maker.post("/operations/lists/nowhere/entries", phone | {"why": "x"}), "invalid-value", field="list"
    )
    odd = {"value": "ACME Ltd", "why": "x"}
    problem(maker.post("/operations/lists/watched_employer/entries", odd), "invalid-value", field="value")
    problem(maker.get(f"/operations/exemptions/{uuid4()}"), "not-found")


def test_acts_that_cannot_be_are_refused_with_the_rule(world):
    who, loan_id = with_loan(world)
    where = f"/operations/loans/{who.borrower.shard}/{loan_id}/acts"
    maker = staff("api-maker", "view_loan", "add_loanact")
    for act, slug, field in (
        ({"type": "WAIVED", "amount_fen": 100, "target": "penalty"}, "act-impossible", None),
        ({"type": "WAIVED", "amount_fen": 100, "target": "everything"}, "invalid-value", None),
        ({"type": "WAIVED", "amount_fen": "100", "target": "penalty"}, "invalid-value", None),
        ({"type": "WAIVED", "amount_fen": 100, "target": "penalty", "more": 1}, "invalid-value", None),
        ({"type": "DISBURSED", "amount_fen": 100}, "invalid-value", None),
        ({"type": "REVERSED", "event": str(uuid4())}, "invalid-value", "data.event"),
        ({"type": "SETTLED", "value_on": "2020-01-01"}, "invalid-value", "value_on"),
        ({"type": "RATE_CHANGED", "rate_ppm": 900_000}, "above-law-cap", None),
    ):
        for path, body in ((f"{where}/preview", {"act": act}), (where, {"act": act, "reason": "x"})):
            found = problem(maker.post(path, body), slug, field=field)
            assert slug != "act-impossible" or found["rule"] == "waive-what-is-due"
    nobody, reader = Api(), staff("api-reader", "view_loan")
    problem(nobody.post(where, {"act": {"type": "SETTLED"}, "reason": "x"}), "not-signed-in")
    problem(reader.post(where, {"act": {"type": "SETTLED"}, "reason": "x"}), "not-allowed")
    problem(reader.get("/operations/acts"), "not-allowed")
    problem(reader.get(f"/operations/acts/{uuid4()}"), "not-allowed")


def test_the_books_of_a_day_over_http(world):
    who, loan_id = with_loan(world)
    reader = staff("api-books", "view_loan", "view_account")
    clock.SHIFTED.advance_to(clock.now() + timedelta(days=2))
    services.run_due_days()
    worker.drain()
    on = clock.today() - timedelta(days=1)
    day = reader.get(f"/operations/loans/{who.borrower.shard}/{loan_id}/days/{on}").json()
    assert day["agrees"] and day["booked"]["interest_fen"] > 0
    problem(reader.get(f"/operations/loans/{who.borrower.shard}/{loan_id}/days/2020-01-01"), "not-found")
    found = reader.get(
        f"/operations/general-ledger/1303?since={on - timedelta(days=5)}&until={clock.today()}"
    ).json()
    assert found["closing_fen"] == found["opening_fen"] + sum(line["amount_fen"] for line in found["lines"])
    assert reader.get(f"/operations/trial-balance?on={on}").json()["balanced"]
    problem(reader.get("/operations/reconciliations/2020-01-01"), "not-found")
