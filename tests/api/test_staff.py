"""The HTTP API for the lender's staff: rights, acts on a loan by two, lists, the books of a day."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User

from tests.api.calling import Api, problem, staff
from tests.borrowers import apply, register, with_loan
from timelyrain.runtime import clock, worker
from timelyrain.servicing import services

pytestmark = pytest.mark.usefixtures("world")


def test_operations_need_the_right_permission(world):
    clerk = staff("api-clerk")
    user = User.objects.get(username="api-clerk")
    problem(clerk.get("/operations/trial-balance"), "not-allowed", 403)
    wanted = ["view_account", "view_decisionrecord", "view_loan", "view_treehead"]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    assert clerk.get("/operations/trial-balance").json()["balanced"]
    assert clerk.get("/operations/audit/check").json()["problems"] == []
    problem(clerk.get(f"/operations/decisions/{uuid4()}"), "not-found")
    problem(clerk.post(f"/operations/decisions/{uuid4()}/replay", {}), "not-found")
    for shard in (1, 99, 10**15, -1):
        problem(clerk.get(f"/operations/loans/{shard}/{uuid4()}/proof"), "not-found")
    who, loan = with_loan(world)
    assert clerk.get(f"/operations/loans/{who.borrower.shard}/{loan}/proof").json()["equal"]
    problem(clerk.post("/operations/clock", {"to": "2040-01-01T00:00:00+08:00"}), "not-allowed")
    user.user_permissions.add(Permission.objects.get(codename="change_clockshift"))
    problem(clerk.post("/operations/clock", {"to": "2040-01-01T00:00:00"}), "invalid-value", field="to")
    before = clock.now()
    back = clerk.post("/operations/clock", {"to": (before - timedelta(days=9)).isoformat()})
    assert back.status_code == 200 and clock.now() >= before


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
