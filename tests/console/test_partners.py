"""Funding partners in the console: one person asks, another approves; what stands with each; a statement held against ours."""

from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from tests.console.test_desk import staff
from tests.portfolio import forget_sagas, happen, on_day, open_loan, terms
from tests.worlds import World
from timelyrain.contract import EventType
from timelyrain.ledger import chart
from timelyrain.runtime import clock
from timelyrain.servicing import books, funding, services
from timelyrain.servicing.models import FundingAct, FundingArrangement, FundingPartner
from timelyrain.servicing.shares import Part

DESK = "/console/servicing/fundingpartner/desk/"


def ask(client: Client, kind: str, **given: str):
    return client.post(DESK, {"kind": kind, "key": str(uuid4()), "reason": "合作协议"} | given)


def act_of(answer) -> FundingAct:
    assert answer.status_code == 302, answer.content.decode()
    return FundingAct.objects.get(id=answer.headers["Location"].split("/")[-3])


def decide(client: Client, act: FundingAct, name: str, **given: str) -> str:
    address = f"/console/servicing/fundingact/{act.id}/act/{name}/"
    assert client.get(address).status_code == 200
    client.post(address, given)
    act.refresh_from_db()
    return act.state


def test_a_partner_is_admitted_and_shares_are_agreed_by_two(platform: World):
    maker, checker = staff("maker", "operations"), staff("checker", "risk")
    name, today = f"银行 {uuid4().hex[:8]}", clock.today()
    key = str(uuid4())
    admit = act_of(ask(maker, "admit", name=name, on=today.isoformat(), until="", key=key))
    assert act_of(ask(maker, "admit", name=name, on=today.isoformat(), until="", key=key)) == admit
    assert decide(maker, admit, "approve") == "waiting"  # not by whoever asked
    assert not FundingPartner.objects.filter(name=name).exists()
    with pytest.raises(IntegrityError, match="funding_decided_by_another"), transaction.atomic():
        FundingAct.objects.filter(id=admit.id).update(state="done", decided_by=admit.requested_by)
    overview = checker.get("/console/").content.decode()
    assert "合作方办理待批准" in overview
    assert decide(checker, admit, "approve") == "done"
    assert decide(checker, admit, "reject", text="late") == "done"
    lines = f"{name}，20，0，5"
    low = ask(maker, "agree", product="instant_consumer", from_on="2099-01-01", parts=lines)
    assert low.status_code == 422 and "200000 ppm" in low.content.decode()
    odd = ask(maker, "agree", product="instant_consumer", from_on="2099-01-01", parts="nobody, 50")
    assert odd.status_code == 422 and "nobody, 50" in odd.content.decode()
    good = lines.replace("20", "62.5")
    agree = act_of(ask(maker, "agree", product="instant_consumer", from_on="2099-01-01", parts=good))
    partner = FundingPartner.objects.get(name=name)
    kept: Any = agree.data
    assert kept["parts"] == [[str(partner.id), 625_000, 0, 50_000]]
    page = checker.get(f"/console/servicing/fundingact/{agree.id}/change/").content.decode()
    assert f"{name} 62.50% / 0.00% / 5.00%" in page and "及时贷" in page
    assert decide(maker, agree, "reject", text="typing mistake") == "rejected"
    assert not FundingArrangement.objects.filter(from_on=date(2099, 1, 1)).exists()


def test_what_stands_is_shown_settled_and_reconciled(platform: World):
    maker, checker = staff("maker", "operations", "en"), staff("checker", "risk", "en")
    start, product = date(2046, 3, 5), f"p{uuid4().hex[:8]}"
    part = Part(funding.admit(f"bank {product}", start, by="tests"), 700_000)
    funding.agree(product, start, [part], by="tests")
    loans = [open_loan(shard, replace(terms(), product=product), start) for shard in (3, 5)]
    due_on = services.state_of(loans[0], start).instalments[0].due_on
    for loan in loans:
        with on_day(due_on, 20):
            happen(loan, EventType.REPAID, due_on, services.state_of(loan, due_on).amount_due_fen)
        forget_sagas(loan.shard)
    due = funding.due(part.partner, due_on)
    assert due.funding_fen == 1_680_000 and due.remit_fen == sum(due.by_loan.values()) > 0
    with on_day(due_on, 21):
        seen = maker.get(DESK, {"of": str(part.partner), "as_of": due_on.isoformat()}).content.decode()
        assert "16,800.00" in seen and f"{due.remit_fen / 100:,.2f}" in seen and str(loans[1].id) in seen
        ours = "\n".join(f"{loan},{fen / 100:.2f}" for loan, fen in due.by_loan.items())
        form = {"kind": "reconcile", "of": str(part.partner), "as_of": due_on.isoformat(), "statement": ours}
        assert "2 loan(s), all agree" in maker.post(DESK, form).content.decode()
        form["statement"] = ours.splitlines()[0] + f"\n{books.buyer_id('none of ours')},5"
        wrong = maker.post(DESK, form).content.decode()
        assert (
            "1 agree, 2 do not" in wrong and "not in our books" in wrong and "not in the statement" in wrong
        )
        form["statement"] = "nonsense"
        refused = maker.post(DESK, form)
        assert refused.status_code == 422 and ">nonsense</textarea>" in refused.content.decode()
        paid = {"partner": str(part.partner), "on": due_on.isoformat()}
        remit = paid | {
            "account": chart.SHARES_TO_REMIT,
            "reference": "R1",
            "amount_fen": f"{due.remit_fen / 100:.2f}",
        }
        much = ask(maker, "settle", **remit | {"amount_fen": f"{(due.remit_fen + 1) / 100:.2f}"})
        assert much.status_code == 422
        first = act_of(ask(maker, "settle", **remit))
        assert ask(maker, "settle", **remit).status_code == 409  # one reference, one act
        paying = paid | {"account": chart.FUNDING_DUE, "reference": "R2", "amount_fen": "16800"}
        second = act_of(ask(maker, "settle", **paying))
        page = checker.get(f"/console/servicing/fundingact/{second.id}/change/").content.decode()
        assert f"bank {product}" in page and "The partner pays in" in page and "16,800.00" in page
        assert str(second.id) in checker.get(DESK).content.decode()
        assert funding.due(part.partner, due_on).remit_fen == due.remit_fen
        assert decide(checker, first, "approve") == decide(checker, second, "approve") == "done"
        left = funding.due(part.partner, due_on)
        assert (left.funding_fen, left.remit_fen) == (0, 0)
        for shard in (3, 5):
            assert funding.due(part.partner, due_on, shard).remit_fen == 0


def test_who_may_not(platform: World):
    assert staff("guest", "administrator").get(DESK).status_code == 403
    looks = staff("looks", "compliance")
    assert looks.get(DESK).status_code == 200 and 'value="admit"' not in looks.get(DESK).content.decode()
    assert ask(looks, "admit", name="x", on="2026-01-01", until="").status_code == 403
