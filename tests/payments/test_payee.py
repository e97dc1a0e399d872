"""Where the money goes is what was signed."""

from datetime import date

from tests import borrowers
from tests.worlds import World
from timelyrain.agreements import queries as agreements
from timelyrain.customers import services as customers
from timelyrain.runtime import worker


def test_a_card_changed_after_the_signature_does_not_redirect_the_money(world: World):
    who, view = borrowers.approved(world)
    assert view.offer is not None
    agreement_id = borrowers.sign(world, who, borrowers.confirmed(who, view.offer))
    other = world.person("good")["bank_card"]
    valid_until = date.fromisoformat(who.person["id_valid_until"])
    customers.save_profile(who.borrower, who.person["name"], who.person["id_number"], valid_until, other)
    worker.drain()
    assert agreements.agreement(who.borrower.shard, who.borrower.id, agreement_id).pay_out == "succeeded"
    paid = world.get("/calls", target="rail.pay_out", bank_card=who.person["bank_card"]).json()["count"]
    assert paid == 1
    assert world.get("/calls", target="rail.pay_out", bank_card=other).json()["count"] == 0
