"""The HTTP API: one loan through it, and everything that is not right leaves as problem+json with nothing half-written."""

import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.test import Client

from tests.api.calling import Api, document, problem
from tests.borrowers import Applicant, code_on_phone, register, with_loan
from timelyrain.api import borrower_routes
from timelyrain.api.app import encode
from timelyrain.customers import queries as customers_queries
from timelyrain.origination import queries as origination_queries
from timelyrain.origination.models import Application
from timelyrain.runtime import clock, worker
from timelyrain.runtime.problems import catalogue
from timelyrain.servicing.models import Repayment

pytestmark = pytest.mark.usefixtures("world")


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
