"""Orders through a rail that is slow, fails, loses its answers, keeps people waiting or says no: never twice, never half."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.borrowers import Applicant, register
from tests.worlds import World
from timelyrain.audit import queries as audit
from timelyrain.customers import services as customers
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger
from timelyrain.payments import jobs, queries, services
from timelyrain.payments.models import PaymentOrder
from timelyrain.runtime import clock, sagas, worker
from timelyrain.runtime.models import Saga, SagaStatus, SagaTrace
from timelyrain.runtime.problems import Conflict

sagas.define("test_pay_out", ["payments.pay_out"])
sagas.define("test_debit", ["payments.debit"])
RICH = 10_000_000


@pytest.fixture(scope="module")
def payer(platform: World) -> Applicant:
    who = register(platform)
    platform.post(f"/rail/accounts/{who.person['bank_card']}/deposit", amount_fen=RICH)
    return who


@pytest.fixture(autouse=True)
def nothing_left_over(world: World) -> Iterator[None]:
    Saga.objects.filter(status__in=["ready", "unknown"]).update(status=SagaStatus.DEAD, claimed_by=None)
    yield


@dataclass
class Act:
    direction: str
    subject: UUID
    saga: UUID
    amount_fen: int
    who: Applicant

    @property
    def order(self) -> queries.Order:
        found = queries.order_of(self.who.borrower.shard, self.direction, self.subject)
        assert found
        return found

    def carry(self, rounds: int = 1) -> Saga:
        for _ in range(rounds):
            Saga.objects.filter(pk=self.saga).update(due_at=datetime.now(UTC))
            worker.drain()
        return Saga.objects.get(pk=self.saga)


def begin(who: Applicant, direction: str, amount_fen: int = 100) -> Act:
    subject, b = uuid4(), who.borrower
    order = services.order(b.shard, direction, subject, b.id, amount_fen)
    data = {"order_id": str(order), "borrower_id": str(b.id)}
    saga = sagas.start(f"test_{direction}", str(subject), b.shard, data)
    return Act(direction, subject, saga, amount_fen, who)


def balance(code: str) -> int:
    return next(line.balance_fen for line in ledger.trial_balance().lines if line.code == code)


def cash(world: World, who: Applicant) -> int:
    return world.get(f"/rail/accounts/{who.person['bank_card']}").json()["balance_fen"]


def at_rail(world: World, act: Act) -> dict[str, object]:
    path = {"pay_out": "pay-outs", "debit": "debits"}[act.direction]
    return world.get(f"/rail/{path}/{act.order.id}").json()


@pytest.mark.parametrize("direction", ["pay_out", "debit"])
def test_an_order_moves_the_money_and_the_books(world, payer, direction):
    bank, held = balance(chart.BANK), cash(world, payer)
    act = begin(payer, direction)
    assert act.carry().status == SagaStatus.DONE
    sign = 1 if direction == "pay_out" else -1
    assert cash(world, payer) == held + 100 * sign and balance(chart.BANK) == bank - 100 * sign
    assert (act.order.state, act.order.calls, act.order.queries) == ("succeeded", 1, 0)
    assert [a.act for a in audit.acts_of(act.subject)] == [f"{direction}_confirmed"]


def test_a_lost_answer_is_asked_for_and_never_paid_twice(world, payer):
    held = cash(world, payer)
    world.fault("rail.pay_out", "lose_answer", seconds=0, times=1)
    act = begin(payer, "pay_out")
    assert act.carry().status == SagaStatus.UNKNOWN and act.order.state == "unknown"
    assert act.carry().status == SagaStatus.DONE
    assert (act.order.calls, act.order.queries) == (1, 1)
    assert cash(world, payer) == held + 100


def test_a_real_time_out_is_no_answer(world, payer, monkeypatch):
    held = cash(world, payer)
    rail = jobs.SandboxRail()
    rail._client.timeout = 0.3
    monkeypatch.setattr(jobs, "rail", lambda: rail)
    world.fault("rail.pay_out", "lose_answer", seconds=1, times=1)
    act = begin(payer, "pay_out")
    assert act.carry().status == SagaStatus.UNKNOWN
    assert act.carry(2).status == SagaStatus.DONE and act.order.calls == 1
    assert cash(world, payer) == held + 100


def test_a_rail_that_cannot_be_reached_is_tried_again(world, payer, monkeypatch):
    rail = jobs.SandboxRail()
    rail._client.base_url = "http://127.0.0.1:9"
    act = begin(payer, "pay_out")
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "rail", lambda: rail)
        assert act.carry().status == SagaStatus.READY  # certainly nothing happened
    assert act.carry().status == SagaStatus.DONE


def test_an_error_answer_proves_nothing(world, payer):
    world.fault("rail.pay_out", "fail", times=1)
    act = begin(payer, "pay_out")
    assert act.carry().status == SagaStatus.UNKNOWN
    assert act.carry().status == SagaStatus.DONE and act.order.calls == 2


def test_an_order_that_pends_waits(world, payer):
    world.fault("rail.debit", "pend", seconds=600, times=1)
    act = begin(payer, "debit")
    assert act.carry(3).status == SagaStatus.UNKNOWN and (act.order.calls, act.order.queries) == (1, 2)


def test_a_refusal_is_final_and_named(world, payer):
    world.fault("rail.debit", "refuse", code="card_blocked", times=1)
    act = begin(payer, "debit")
    bank = balance(chart.BANK)
    assert act.carry().status == SagaStatus.REFUSED
    assert (act.order.state, act.order.refusal) == ("refused", "card_blocked") and balance(chart.BANK) == bank
    poor = begin(payer, "debit", cash(world, payer) + 1)
    assert poor.carry().status == SagaStatus.REFUSED and poor.order.refusal == "insufficient_funds"


def test_a_second_order_for_the_same_subject_is_the_same_or_refused(world, payer):
    b, act = payer.borrower, begin(payer, "pay_out")
    assert services.order(b.shard, "pay_out", act.subject, b.id, 100) == act.order.id
    for other in ((b.id, 101), (uuid4(), 100)):
        with pytest.raises(Conflict):
            services.order(b.shard, "pay_out", act.subject, *other)
    assert act.carry().status == SagaStatus.DONE
    again = sagas.start("test_pay_out", "again", b.shard, {"order_id": str(act.order.id)})
    held = cash(world, payer)
    worker.drain()
    assert (
        Saga.objects.get(pk=again).status == SagaStatus.DONE
    )  # the rail says: done already; the books: posted already
    assert cash(world, payer) == held


def test_the_money_counts_from_the_day_it_moved_not_from_the_day_it_was_known(world, payer):
    """The answer is lost before midnight and found after it."""
    world.fault("rail.pay_out", "lose_answer", seconds=0, times=1)
    act = begin(payer, "pay_out")
    moved = clock.today()
    act.carry()
    with clock.using(clock.FixedClock(clock.now() + timedelta(days=1))):
        saga = act.carry()
    assert saga.status == SagaStatus.DONE
    data: Any = saga.data
    assert data["moved_on"] == moved.isoformat() == at_rail(world, act)["value_date"]


def test_nothing_is_sent_after_the_consent_was_withdrawn(world):
    who = register(world)
    act, sent = begin(who, "debit"), begin(who, "debit")
    world.fault("rail.debit", "lose_answer", seconds=0, times=1)
    sent.carry()
    customers.withdraw_consent(who.borrower, "pay_out_and_debit", "payment_institution", "test")
    late = begin(who, "pay_out")
    assert late.carry().status == SagaStatus.REFUSED and late.order.refusal == "consent_withdrawn"
    assert world.calls(target="rail.pay_out", key=str(late.order.id)) == 0
    assert sent.carry().status == SagaStatus.DONE  # what the rail may know already is carried to its end
    assert act.order.state in ("succeeded", "unknown")


def test_no_card_or_name_in_traces_errors_or_orders(world):
    """The rail quotes what it does not like; that must not end up in append-only tables."""
    who = register(world)
    world.fault("rail", "fail", times=2)
    act = begin(who, "pay_out")
    PaymentOrder.objects.filter(pk=act.order.id).update(amount_fen=10**13)  # the rail answers 422 with prose
    saga = act.carry(4)
    assert saga.status == SagaStatus.UNKNOWN and "422 bad_field" in saga.last_error
    written = str(list(SagaTrace.objects.filter(saga=saga).values())) + saga.last_error
    assert who.person["bank_card"] not in written and who.person["name"] not in written


FAULTS = st.one_of(
    st.tuples(
        st.sampled_from(["rail.pay_out", "rail.debit", "rail.query", "rail"]),
        st.sampled_from(["fail", "down", "lose_answer", "slow"]),
        st.just(0.0),
    ),
    st.tuples(st.sampled_from(["rail.pay_out", "rail.debit"]), st.just("pend"), st.sampled_from([0.0, 0.05])),
    st.tuples(st.sampled_from(["rail.pay_out", "rail.debit"]), st.just("refuse"), st.just(0.0)),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    faults=st.lists(st.tuples(FAULTS, st.integers(1, 2)), max_size=6),
    acts=st.lists(
        st.tuples(st.sampled_from(["pay_out", "debit"]), st.integers(1, 500)), min_size=1, max_size=4
    ),
    crashes=st.lists(st.integers(1, 6), max_size=3),
)
def test_whatever_the_rail_does_no_money_moves_twice_and_the_books_say_what_the_rail_says(
    world, payer, faults, acts, crashes
):
    world.delete("/faults")
    for (target, mode, seconds), times in faults:
        world.fault(target, mode, seconds=seconds, times=times)
    bank, held = balance(chart.BANK), cash(world, payer)
    out, in_ = balance(chart.PAY_OUT_CLEARING), balance(chart.RECEIPT_CLEARING)
    begun = [begin(payer, direction, amount) for direction, amount in acts]
    for rounds in range(1, 30):
        if rounds in crashes:  # a worker that claims, and is never heard of again
            Saga.objects.filter(pk__in=[a.saga for a in begun]).update(due_at=datetime.now(UTC))
            sagas.claim("dies", limit=50)
            sagas.release_claims("dies")
        open_ = [a for a in begun if a.carry().finished_at is None]
        if not open_:
            break
        if rounds > 8:
            world.delete("/faults")
        sleep(0.01)  # a quick machine would use up all tries before the longest pending order is done
    world.delete("/faults")
    moved = {"pay_out": 0, "debit": 0}
    for act in begun:
        saga, told = Saga.objects.get(pk=act.saga), at_rail(world, act)
        assert saga.status == {"succeeded": SagaStatus.DONE, "refused": SagaStatus.REFUSED}[act.order.state]
        assert told["status"] == act.order.state and told["amount_fen"] == act.amount_fen
        if act.order.state == "succeeded":
            moved[act.direction] += act.amount_fen
    assert cash(world, payer) == held + moved["pay_out"] - moved["debit"]
    assert balance(chart.BANK) == bank - moved["pay_out"] + moved["debit"]
    assert balance(chart.PAY_OUT_CLEARING) == out + moved["pay_out"]  # until a loan is opened for it
    assert balance(chart.RECEIPT_CLEARING) == in_ - moved["debit"]
    assert ledger.trial_balance().balanced and ledger.drifted_accounts() == []
