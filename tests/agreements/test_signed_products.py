"""A product of another kind walks through every room: offer, disclosure, signature, contract file, pay-out, books."""

import json
from datetime import date, timedelta

import pytest

from tests.borrowers import approved, confirmed, sign
from tests.console.test_desk import staff
from tests.portfolio import happen
from tests.worlds import World
from timelyrain.agreements import errors, queries, services
from timelyrain.agreements.documents import extract_attachment
from timelyrain.contract import Ahead, EventType, Overdue, Terms, replay
from timelyrain.policies.packs import Pack, parse_pack
from timelyrain.runtime import clock, law, worker
from timelyrain.servicing import queries as servicing
from timelyrain.servicing import services as loans
from timelyrain.servicing.models import Loan


def pack_with(**words: str) -> Pack:
    """The shipped pack, its product with other words."""
    shipped = law.pack()
    names = ("law.toml", "house.toml", "products.toml", "consents.toml")
    sources = {name: shipped.read(name) for name in names}
    text = sources["products.toml"].decode()
    for name in ("method", "day_basis"):
        kept = [line for line in text.splitlines() if not (name in words and line.startswith(f"{name} = "))]
        text = "\n".join(kept)
    lines = "\n".join(f"{name} = {value}" for name, value in words.items())
    return parse_pack("cn", sources | {"products.toml": f"{text}\n{lines}\n".encode()}, "5" * 64)


@pytest.fixture
def other_product(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    pack = pack_with(
        method='"EQUAL_PRINCIPAL"', day_basis='"ACT_365"', grace_principal="1", due_day="15", working_days="true",
        ahead='"NEXT"', overdue='"INTEREST"', late_fee_fen="1000",
    )  # fmt: skip
    monkeypatch.setattr(law, "pack", lambda: pack)
    return world


def test_from_an_offer_to_the_books(other_product: World):
    who, view = approved(other_product)
    assert view.offer
    disclosure = confirmed(who, view.offer)
    body = disclosure.body
    assert body["rates_by"] == "days" and len(body["conditions"]) == 4
    assert {"interest", "penalty", "late_fee"} == {c["kind"] for c in body["normal"] + body["contingent"]}
    assert body["instalments"][0]["principal_fen"] == 0
    terms = Terms.from_json(disclosure.terms)
    assert terms.sha256() == body["terms_sha256"] and terms.calendar is not None
    assert (terms.ahead, terms.overdue, terms.due_day) == (Ahead.NEXT, Overdue.INTEREST, 15)
    assert all(terms.calendar.is_working(date.fromisoformat(row["due_on"])) for row in body["instalments"])
    assert terms.annual_rate_ppm + terms.penalty_ppm <= terms.cap_ppm

    b = who.borrower
    agreement = sign(other_product, who, disclosure)
    worker.drain()
    pdf = queries.contract_pdf(b.shard, b.id, agreement)
    kept = {name: extract_attachment(pdf, name) for name in ("terms.json", "disclosure.json")}
    assert kept["terms.json"] == terms.canonical_bytes()
    assert json.loads(kept["disclosure.json"]) == body
    assert queries.verify(pdf).valid

    loan = Loan.objects.get(shard=b.shard, id=queries.agreement(b.shard, b.id, agreement).loan_id)
    clock.SHIFTED.advance_to(clock.now() + timedelta(days=3))
    loans.run_due_days()
    owed = loans.state_of(loan).payoff_fen
    happen(
        loan, EventType.REPAID, clock.today(), 200_000
    )  # ahead of its day: three days' interest, then principal
    state = loans.state_of(loan)
    assert (
        state.payoff_fen == owed - 200_000 and state.outstanding_principal_fen < terms.principal_fen - 190_000
    )
    assert servicing.proof(b.shard, loan.id).equal
    again = replay(kept["terms.json"], [e.to_json() for e in loans.events_of(loan)], clock.today())
    assert again["payoff_fen"] == state.payoff_fen
    worker.drain()
    page = (
        staff("auditor", "auditor", "en").get(f"/console/servicing/loan/{loan.id}/change/").content.decode()
    )
    assert "Money before its day pays interest to the day, then principal of the next instalment." in page
    shown = staff("auditor", "auditor").get(f"/console/agreements/disclosure/{disclosure.id}/change/")
    assert "前 1 期只还利息，不还本金。" in shown.content.decode()


def test_a_choice_that_no_terms_can_be_made_of_is_refused(world: World, monkeypatch: pytest.MonkeyPatch):
    """Working days are known to the end of the table; a plan past it is no plan."""
    pack = pack_with(working_days="true", every="300")
    monkeypatch.setattr(law, "pack", lambda: pack)
    who, view = approved(world)
    assert view.offer
    with pytest.raises(errors.OutsideOffer, match="calendar covers"):
        services.disclose(who.borrower.shard, who.borrower.id, view.offer.id, 1_000_000, 12, view.id)
