"""Borrowers who walk the services as the faces do, for tests that need one."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID, uuid4

from tests.worlds import World
from timelyrain.agreements import queries as agreements_queries
from timelyrain.agreements import services as agreements
from timelyrain.customers import queries as customers_queries
from timelyrain.customers import services as customers
from timelyrain.customers.models import Borrower
from timelyrain.origination import queries as origination_queries
from timelyrain.origination import services as origination
from timelyrain.runtime import clock, worker


def code_on_phone(world: World, phone: str) -> str:
    """The code in the newest text on a phone."""
    found = re.search(r"验证码 (\d{6})", world.get(f"/sms/{phone}").json()["messages"][-1]["text"])
    assert found
    return found[1]


@dataclass
class Applicant:
    """A person of the sandbox and their account here."""

    person: dict[str, str]
    borrower: Borrower
    token: str


def sign_in(world: World, person: dict[str, str]) -> tuple[Borrower, str]:
    challenge = customers.request_sign_in(person["phone"])
    signed_in = customers.sign_in(
        person["phone"], challenge.id, code_on_phone(world, person["phone"]), uuid4()
    )
    return customers.borrower_of(signed_in.token), signed_in.token


def register(world: World, profile: str = "good", *, without: str = "", seed: int | None = None) -> Applicant:
    """Sign in, consent to everything except the recipient `without`, give the minimum data."""
    person = world.person(profile, seed if seed is not None else uuid4().int % 10**8)
    borrower, token = sign_in(world, person)
    states = customers_queries.consent_states(borrower)
    customers.grant_consents(borrower, [s.sha256 for s in states if s.recipient != without], "test")
    valid_until = date.fromisoformat(person["id_valid_until"])
    customers.save_profile(borrower, person["name"], person["id_number"], valid_until, person["bank_card"])
    borrower.refresh_from_db()
    return Applicant(person, borrower, token)


def apply(
    who: Applicant, amount_fen: int = 1_000_000, instalments: int = 12
) -> origination_queries.ApplicationView:
    b = who.borrower
    made = origination.submit_application(b, uuid4(), "instant_consumer", amount_fen, instalments, "shopping")
    return origination_queries.application(b.shard, b.id, made)


def approved(
    world: World, seeds: range = range(1, 40)
) -> tuple[Applicant, origination_queries.ApplicationView]:
    """A new applicant whose application is approved for all that was asked."""
    for _ in seeds:
        who = register(world)
        view = apply(who)
        if view.offer is not None and view.offer.limit_fen >= view.amount_fen:
            return who, view
    raise AssertionError(f"none of {len(seeds)} good applicants was approved")


def confirmed(
    who: Applicant, offer: origination_queries.OfferView, amount_fen: int = 1_000_000, instalments: int = 12
):
    """A disclosure within the offer, read and confirmed."""
    b = who.borrower
    made = agreements.disclose(
        b.shard, b.id, offer.id, min(amount_fen, offer.limit_fen), instalments, uuid4()
    )
    view = agreements_queries.disclosure(b.shard, b.id, made)
    clock.SHIFTED.advance_to(clock.now() + timedelta(seconds=view.read_seconds))  # time to read
    agreements.confirm(b.shard, b.id, made, view.sha256)
    return view


def sign(world: World, who: Applicant, disclosure: agreements_queries.DisclosureView) -> UUID:
    """Sign with the code on the phone; the saga has not run yet. Returns the agreement's id."""
    b = who.borrower
    challenge = agreements.send_signing_code(b.shard, b.id, disclosure.id, disclosure.sha256)
    code = code_on_phone(world, who.person["phone"])
    return agreements.sign(b.shard, b.id, disclosure.id, disclosure.sha256, challenge.id, code, uuid4())


def with_loan(world: World) -> tuple[Applicant, UUID]:
    """A borrower whose loan has been paid out."""
    who, view = approved(world)
    assert view.offer is not None
    agreement = sign(world, who, confirmed(who, view.offer))
    worker.drain()
    return who, agreements_queries.agreement(who.borrower.shard, who.borrower.id, agreement).loan_id
