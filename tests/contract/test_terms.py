"""Signed terms and events: one byte form, strict reading, every problem at once."""

import json
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given

from tests.strategies import History, histories, make_terms, terms
from timelyrain import contract
from timelyrain.contract import (
    Allocation,
    Charge,
    ChargeKind,
    Event,
    EventInvalid,
    EventType,
    Terms,
    TermsInvalid,
)
from timelyrain.finance import DayBasis, Method, Rounding


def problems_of(source: object) -> dict[str, str]:
    with pytest.raises(TermsInvalid) as caught:
        Terms.from_json(source)  # pyright: ignore[reportArgumentType]
    return {p.field: p.remedy for p in caught.value.problems}


def test_public_names_are_pinned():
    assert set(contract.__all__) >= {"Terms", "Event", "fold", "preview", "replay", "LoanState", "Totals"}
    assert all(hasattr(contract, name) for name in contract.__all__)


@given(terms())
def test_terms_survive_their_bytes(terms: Terms):
    again = Terms.from_json(terms.canonical_bytes())
    assert again == terms
    assert again.sha256() == terms.sha256()
    assert again.canonical_bytes() == terms.canonical_bytes()


def test_bytes_do_not_move():
    """What was signed years ago must have the same bytes for ever."""
    assert make_terms().sha256() == "afd4e756989c73be845401e59a3595c40cdd3e1f869c371f9ec5b943f98775e4"
    assert (
        make_terms()
        .canonical_bytes()
        .startswith(b'{"allocation":["COSTS","INTEREST","PRINCIPAL"],"annual_rate_ppm":')
    )


def test_any_change_changes_the_hash():
    hashes = {
        make_terms(**c).sha256() for c in ({}, {"due_day": 5}, {"grace_days": 4}, {"lender": "another"})
    }
    assert len(hashes) == 4


def test_terms_are_frozen():
    with pytest.raises(FrozenInstanceError):
        make_terms().principal_fen = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_everything_wrong_is_told_at_once():
    good = make_terms().to_json()
    bad = good | {
        "principal_fen": 1e6,
        "method": "MAGIC",
        "instalments": 0,
        "surprise": 1,
        "currency": "yuan",
    }
    bad["charges"] = [{"kind": "interest", "formula": 3, "payee": "x", "tip": 1}]
    del bad["lender"]
    found = problems_of(bad)
    assert set(found) == {
        "principal_fen", "method", "instalments", "surprise", "currency", "lender", "charges[0].formula", "charges[0].tip",
    }  # fmt: skip
    assert "no float" in found["principal_fen"] and "not a known field" in found["surprise"]


@pytest.mark.parametrize("value", [1.0, "1000000", True, None, [1]])
def test_money_is_an_integer(value: object):
    assert list(problems_of(make_terms().to_json() | {"principal_fen": value})) == ["principal_fen"]


@pytest.mark.parametrize("source", ["", "[1]", "nonsense", b"\xff", '{"a":1,"a":2}', "NaN"])
def test_what_is_not_a_json_object_is_refused(source: str | bytes):
    assert problems_of(source)


def test_cap_is_held_by_the_terms():
    with pytest.raises(TermsInvalid, match="above cap_ppm=240000"):
        make_terms(annual_rate_ppm=240_001)
    with pytest.raises(TermsInvalid, match="above cap_ppm"):  # flat 14 % costs 25.8 % of what is owed
        make_terms(annual_rate_ppm=140_000, method=Method.FLAT)
    with pytest.raises(TermsInvalid, match="above cap_ppm"):  # 24 % on a year of 360 days
        make_terms(annual_rate_ppm=240_000, day_basis=DayBasis.ACT_360)
    with pytest.raises(TermsInvalid, match="must be DOWN"):
        make_terms(annual_rate_ppm=240_000, rounding=Rounding.HALF_EVEN)
    assert make_terms(annual_rate_ppm=240_000, rounding=Rounding.DOWN)


def test_nothing_is_charged_that_is_not_disclosed():
    terms = make_terms()
    assert [c.kind for c in terms.charges] == [ChargeKind.INTEREST, ChargeKind.PENALTY]
    with pytest.raises(TermsInvalid, match="charged but not disclosed"):
        replace(terms, charges=terms.charges[:1])
    with pytest.raises(TermsInvalid, match="formula"):
        replace(terms, annual_rate_ppm=170_000)  # the disclosed formula still says 180000
    with pytest.raises(TermsInvalid, match="rate is zero"):
        replace(terms, charges=(*terms.charges, Charge(ChargeKind.PREPAYMENT_FEE, "0", "x")))
    with pytest.raises(TermsInvalid, match="more than once"):
        replace(terms, charges=(*terms.charges, terms.charges[0]))
    with pytest.raises(TermsInvalid, match="who collects"):
        replace(terms, charges=tuple(replace(c, payee=" ") for c in terms.charges))


def test_allocation_names_each_target_once():
    order = (Allocation.PRINCIPAL, Allocation.INTEREST, Allocation.COSTS)
    assert make_terms(allocation=order).allocation == order
    for wrong in (order[:2], (*order, order[0])):
        with pytest.raises(TermsInvalid, match="allocation"):
            make_terms(allocation=wrong)


EVENT = Event(
    "e1", EventType.REPAID, date(2026, 2, 1), datetime(2026, 2, 1, 8, tzinfo=UTC), 100, {"ref": "r", "try": 2}
)


@given(histories())
def test_events_survive_their_bytes(history: History):
    for event in history.events:
        assert Event.from_json(event.canonical_bytes()) == event
        assert Event.from_json(json.loads(event.canonical_bytes())) == event


def test_events_are_frozen_to_the_data():
    with pytest.raises(TypeError):
        EVENT.data["ref"] = "x"  # pyright: ignore[reportIndexIssue]


def test_booking_time_has_one_form():
    shanghai = EVENT.booked_at.astimezone(timezone(timedelta(hours=8)))
    assert replace(EVENT, booked_at=shanghai).canonical_bytes() == EVENT.canonical_bytes()


def test_bad_events_tell_everything():
    good = EVENT.to_json()
    bad = good | {"type": "GIFT", "value_on": "yesterday", "amount_fen": 1.0, "data": {"x": 0.5}, "extra": 1}
    with pytest.raises(EventInvalid) as caught:
        Event.from_json(bad)
    assert {p.field for p in caught.value.problems} == {"type", "value_on", "amount_fen", "data.x", "extra"}
    for change, field in (
        ({"amount_fen": 0}, "amount_fen"),
        ({"id": ""}, "id"),
        ({"booked_at": "2026-02-01T08:00:00"}, "booked_at"),
        ({"type": "PREPAID_PART"}, "data.mode"),
        ({"type": "REVERSED", "data": {}}, "data.event"),
    ):
        with pytest.raises(EventInvalid, match=field):
            Event.from_json(good | change)
