"""The rail's statement against our books: what both have, what one of them lacks, and amounts that differ."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from tests.borrowers import with_loan
from tests.portfolio import on_day
from tests.worlds import World
from timelyrain.ledger import chart
from timelyrain.ledger import services as ledger
from timelyrain.payments import queries, reconciliation
from timelyrain.payments.adapters.sandbox_rail import SandboxRail
from timelyrain.payments.models import Reconciliation
from timelyrain.payments.ports import RailSilent
from timelyrain.runtime import clock
from timelyrain.servicing.models import Loan


def settled(world: World, on: date) -> int:
    lines = world.get("/rail/statement", on=on).json()["lines"]
    return sum(line["status"] == "succeeded" for line in lines)


def test_days_that_are_over_are_reconciled_once(world):
    with on_day(date(2042, 3, 10)):
        Reconciliation.objects.create(on=date(2042, 3, 6), at=clock.now(), matched=0)
        assert reconciliation.reconcile_due_days(SandboxRail()) == 3
        assert reconciliation.reconcile_due_days(SandboxRail()) == 0
        assert queries.reconciled_up_to() == date(2042, 3, 9)


def test_what_both_have_is_matched(world):
    _, loan_id = with_loan(world)
    on = Loan.objects.get(id=loan_id).opened_on
    found = reconciliation.reconcile(SandboxRail(), on)
    assert found.matched >= 1
    assert found.matched + sum(f.kind == "surplus" for f in found.findings) == settled(world, on)
    assert queries.reconciliation(on) == found
    assert queries.reconciliation(on - timedelta(days=9000)) is None


def test_money_that_moved_without_us_is_surplus_and_money_only_in_our_books_is_missing(world):
    who, _ = with_loan(world)
    on = date(2041, 5, 6)  # a value date of this test's own
    strange, ours = uuid4(), uuid4()
    card = {"bank_card": who.person["bank_card"], "name": who.person["name"], "as_of": on.isoformat()}
    world.post("/rail/pay-outs", key=str(strange), amount_fen=700, **card).raise_for_status()
    world.post("/rail/pay-outs", key=str(ours), amount_fen=900, **card).raise_for_status()
    world.post("/rail/pay-outs", key="no-uuid", amount_fen=5, **card).raise_for_status()
    missing = uuid4()
    for order, fen in ((ours, 901), (missing, 40)):
        lines = (ledger.Line(chart.PAY_OUT_CLEARING, fen), ledger.Line(chart.BANK, -fen))
        ledger.post(3, [ledger.Transfer(f"pay_out:{order}", "pay_out_confirmed", on, clock.now(), lines)])
    found = reconciliation.reconcile(SandboxRail(), on)
    assert found.matched == 0 and not found.clean
    assert {(f.kind, f.key, f.statement_fen, f.books_fen) for f in found.findings} == {
        ("surplus", str(strange), 700, 0),
        ("surplus", "no-uuid", 5, 0),
        ("differing", str(ours), 900, 901),
        ("missing", str(missing), 0, 40),
    }
    lines = (ledger.Line(chart.PAY_OUT_CLEARING, 700), ledger.Line(chart.BANK, -700))
    ledger.post(3, [ledger.Transfer(f"pay_out:{strange}", "pay_out_confirmed", on, clock.now(), lines)])
    again = reconciliation.reconcile(SandboxRail(), on)  # somebody has booked it
    assert again.matched == 1 and len(again.findings) == 3
    assert queries.reconciliation(on) == again
    assert Reconciliation.objects.filter(on=on).count() == 2


def test_a_silent_rail_leaves_the_day_for_later(world):
    on = date(2041, 6, 1)
    world.fault("rail.statement", "fail", times=1)
    with pytest.raises(RailSilent):
        reconciliation.reconcile(SandboxRail(), on)
    assert queries.reconciliation(on) is None


def test_the_rail_is_never_asked_inside_a_transaction(world):
    before = world.calls(target="rail.statement")
    with pytest.raises(RuntimeError, match="outside any transaction"), transaction.atomic():
        reconciliation.reconcile(SandboxRail(), clock.today())
    assert world.calls(target="rail.statement") == before
    assert not connection.in_atomic_block
