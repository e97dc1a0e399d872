"""Loans from pay-out to settlement: after every step the books equal the replay of what was signed and what happened."""

import json
import random
import time as real_time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from tests.borrowers import Applicant, approved, confirmed, sign, with_loan
from tests.worlds import World
from timelyrain.agreements import queries as agreements
from timelyrain.contract import Event, EventType, LoanState, replay
from timelyrain.customers import queries as customers_queries
from timelyrain.customers import services as customers
from timelyrain.customers.errors import ConsentMissing
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger
from timelyrain.origination import registry
from timelyrain.origination.models import DecisionRecord
from timelyrain.runtime import clock, law, worker
from timelyrain.runtime.models import Saga, SagaStatus
from timelyrain.runtime.problems import Invalid, NotFound
from timelyrain.servicing import dayclose, errors, queries, services
from timelyrain.servicing.models import DayRun, Loan, LoanRating, Repayment, RepaymentState

RICH = 100_000_000


@pytest.fixture(autouse=True)
def nothing_left_over(world: World) -> Iterator[None]:
    """No saga and no day's work of an earlier test: its faults and its time are this one's alone."""
    Loan.objects.update(status="SETTLED")
    Saga.objects.filter(status__in=["ready", "unknown"]).update(status=SagaStatus.DEAD, claimed_by=None)
    yield


@dataclass
class Walker:
    """A borrower with a loan, money in the bank and a calendar."""

    world: World
    who: Applicant
    id: UUID

    @property
    def loan(self) -> Loan:
        return Loan.objects.get(id=self.id)

    @property
    def state(self) -> LoanState:
        return services.state_of(self.loan)

    @property
    def card(self) -> str:
        return self.who.person["bank_card"]

    def fill(self) -> None:
        self.world.post(f"/rail/accounts/{self.card}/deposit", amount_fen=RICH).raise_for_status()

    def empty(self) -> None:
        self.world.post(f"/rail/accounts/{self.card}/withdraw")  # refused where it is empty already

    def pay(
        self, kind: str, amount_fen: int | None = None, mode: str = "", request: UUID | None = None
    ) -> UUID:
        made = services.request_repayment(self.loan, kind, request or uuid4(), amount_fen, mode)
        worker.drain()
        self.check()
        return made

    def check(self) -> None:
        proof = queries.proof(self.loan.shard, self.id)
        assert proof.equal, proof
        assert ledger.trial_balance().balanced

    def last(self) -> queries.RepaymentView:
        return queries.repayments(self.loan.shard, self.who.borrower.id, self.id)[0]


def go_to(on: date) -> None:
    """Forward to the morning of a business day; the day's work is done, and all that follows from it."""
    clock.SHIFTED.advance_to(datetime.combine(on, time(9), clock.BUSINESS_ZONE))
    services.run_due_days()
    worker.drain()


def borrow(world: World, amount_fen: int = 1_000_000, instalments: int = 12) -> Walker:
    who, view = approved(world)
    assert view.offer
    agreement = sign(world, who, confirmed(who, view.offer, amount_fen, instalments))
    worker.drain()
    loan = agreements.agreement(who.borrower.shard, who.borrower.id, agreement).loan_id
    walker = Walker(world, who, loan)
    walker.fill()
    walker.check()
    return walker


def cleared() -> tuple[int, int]:
    lines = {line.code: line.balance_fen for line in ledger.trial_balance().lines}
    return lines[chart.PAY_OUT_CLEARING], lines[chart.RECEIPT_CLEARING]


def test_a_whole_life(world):
    before = cleared()
    w = borrow(world)
    first, second = w.state.instalments[:2]
    b = w.who.borrower

    go_to(first.due_on - timedelta(days=1))
    assert w.state.amount_due_fen == 0
    go_to(first.due_on)  # debited on the day
    w.check()
    assert w.state.instalments[0].settled_on == first.due_on and w.state.dpd == 0
    assert (w.last().state, w.last().automatic, w.last().amount_fen) == (
        "booked", True, first.principal_due_fen + first.interest_due_fen,
    )  # fmt: skip

    w.pay("part", 200_000, "keep_term")  # early in part, both ways
    assert w.state.totals.prepaid_principal_fen == 200_000 and len(w.state.instalments) == 12
    w.pay("part", 100_000, "keep_instalment")
    assert len(w.state.instalments) < 12

    w.empty()
    go_to(second.due_on)
    assert w.last().state == "refused" and w.last().refusal == "insufficient_funds"
    with pytest.raises(errors.AmountWrong):  # what is due comes first
        w.pay("part", 1000, "keep_term")
    go_to(second.due_on + timedelta(days=20))
    w.check()
    late = w.state
    assert (late.status, late.dpd, late.bucket) == ("OVERDUE", 20, "M1")
    penalty = late.totals.penalty_accrued_fen
    terms = services.terms_of(w.loan)
    overdue = late.instalments[1].principal_due_fen
    assert 0 < penalty <= overdue * terms.cap_ppm * 20 // (365 * 1_000_000)
    assert penalty == overdue * terms.penalty_ppm * (20 - terms.grace_days) // (365 * 1_000_000)
    assert Loan.objects.get(id=w.id).dpd == 20

    w.fill()
    w.pay("due", 100)  # a part of what is due is money, too
    w.pay("due")  # cured
    assert (w.state.dpd, w.state.amount_due_fen, w.state.status) == (0, 0, "ACTIVE")

    go_to(clock.today() + timedelta(days=3))
    payoff = w.state.payoff_fen
    with pytest.raises(errors.AmountWrong, match=str(payoff)):
        w.pay("full", payoff - 1)
    w.pay("full")
    assert w.last().amount_fen == payoff
    end = w.state
    assert (end.status, end.outstanding_principal_fen, end.payoff_fen, end.totals.surplus_fen) == (
        "SETTLED",
        0,
        0,
        0,
    )
    row = w.loan
    assert (row.status, row.outstanding_fen, row.settled_on) == ("SETTLED", 0, clock.today())
    assert set(ledger.loan_balances(row.shard, row.id).values()) == {0}
    assert agreements.agreement(b.shard, b.id, row.agreement_id).state == "fulfilled"
    assert cleared() == before
    with pytest.raises(errors.LoanClosed):
        w.pay("full")

    disclosure = agreements.disclosure(
        b.shard, b.id, agreements.agreement(b.shard, b.id, row.agreement_id).disclosure_id
    )
    told = replay(disclosure.terms, queries.events(b.shard, b.id, row.id), clock.today())
    assert told["status"] == "SETTLED" and told["totals"] == end.totals.to_json()
    texts = [m.text for m in customers_queries.messages(b)]
    assert any("全部结清" in text for text in texts) and any("扣款未成功" in text for text in texts)


def test_days_are_run_once_and_again_changes_nothing(world):
    w = borrow(world)
    start = clock.today()
    clock.SHIFTED.advance_to(clock.now() + timedelta(days=5))
    assert services.run_due_days() > 0
    assert services.run_due_days() == 0
    days = DayRun.objects.filter(shard=w.loan.shard, on__gt=start, on__lte=clock.today())
    assert days.count() == (clock.today() - start).days
    before = ledger.trial_balance()
    for n in range(6):
        services.run_day(w.loan.shard, start + timedelta(days=n))
    assert ledger.trial_balance() == before
    w.check()
    assert queries.days_run_up_to() == clock.today()


def test_a_day_run_that_died_half_way_is_done_by_the_next(world, monkeypatch):
    w = borrow(world, 100_000, 3)
    clock.SHIFTED.advance_to(clock.now() + timedelta(days=1))
    on, before = clock.today(), ledger.trial_balance()

    def dies(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(dayclose, "_queue_debits", dies)
        services.run_day(w.loan.shard, on)
    assert ledger.trial_balance() == before
    services.run_day(w.loan.shard, on)
    w.check()
    assert ledger.trial_balance() != before
    assert DayRun.objects.filter(shard=w.loan.shard, on=on).exists()


def test_several_days_at_once_ask_for_each_instalment_once(world):
    """The platform stood still over two due days: what fell due is asked for, and nothing twice."""
    w = borrow(world)
    second = w.state.instalments[1]
    clock.SHIFTED.advance_to(datetime.combine(second.due_on, time(9), clock.BUSINESS_ZONE))
    services.run_due_days()
    worker.drain()
    w.check()
    automatic = [r for r in queries.repayments(w.loan.shard, w.who.borrower.id, w.id) if r.automatic]
    assert (
        len(automatic) == 1 and automatic[0].state == "booked"
    )  # one at a time: the second waits for its payer
    assert w.state.instalments[0].penalty_accrued_fen > 0
    w.pay("due")
    assert w.state.amount_due_fen == 0 and w.state.totals.surplus_fen == 0


def test_a_due_day_of_a_loan_that_was_settled_meanwhile(world):
    w = borrow(world, 100_000, 3)
    due_on = w.state.instalments[0].due_on
    clock.SHIFTED.advance_to(datetime.combine(due_on, time(0, 1), clock.BUSINESS_ZONE))
    w.pay("full")
    assert w.state.status == "SETTLED"
    services.run_day(w.loan.shard, due_on)
    assert not any(r.automatic for r in queries.repayments(w.loan.shard, w.who.borrower.id, w.id))


def test_no_debit_after_the_consent_was_withdrawn(world):
    w = borrow(world, 100_000, 3)
    customers.withdraw_consent(w.who.borrower, "pay_out_and_debit", "payment_institution", "test")
    go_to(w.state.instalments[0].due_on)
    assert (w.last().state, w.last().refusal) == ("refused", "consent_withdrawn")
    assert world.calls(target="rail.debit", bank_card=w.card) == 0
    with pytest.raises(ConsentMissing):
        w.pay("due")
    w.check()


def test_two_payments_on_their_way_are_refused(world):
    w = borrow(world)
    request = uuid4()
    world.fault("rail.debit", "pend", seconds=0.2, times=1)
    made = services.request_repayment(w.loan, "part", request, 1000, "keep_term")
    assert services.request_repayment(w.loan, "part", request, 1000, "keep_term") == made
    with pytest.raises(errors.RepaymentOnItsWay):
        services.request_repayment(w.loan, "full", uuid4())
    for _ in range(3):
        Saga.objects.filter(key=str(made)).update(due_at=datetime.now(UTC))
        worker.drain()
        if Repayment.objects.get(id=made).state == RepaymentState.BOOKED:
            break
        real_time.sleep(0.2)
    assert Repayment.objects.get(id=made).state == RepaymentState.BOOKED
    w.pay("full")
    assert w.state.status == "SETTLED"


@pytest.mark.parametrize(
    ("kind", "amount", "mode", "problem"),
    [
        ("due", None, "", errors.AmountWrong),  # nothing is due
        ("due", 100, "", errors.AmountWrong),
        ("part", None, "keep_term", Invalid),
        ("part", 100, "", Invalid),
        ("part", 100, "keep_nothing", Invalid),
        ("part", 0, "keep_term", errors.AmountWrong),
        ("part", -5, "keep_term", errors.AmountWrong),
        ("part", 1_000_000, "keep_term", errors.AmountWrong),
        ("part", 10**12, "keep_term", errors.AmountWrong),
        ("full", 1, "", errors.AmountWrong),
        ("full", 0, "", errors.AmountWrong),
    ],
)
def test_amounts_that_cannot_be_paid(shared, kind, amount, mode, problem):
    with pytest.raises(problem):
        shared.pay(kind, amount, mode)
    assert not Repayment.objects.filter(loan_id=shared.id).exists()


@pytest.fixture(scope="module")
def shared(platform: World) -> Walker:
    who, loan = with_loan(platform)
    return Walker(platform, who, loan)


def test_money_found_after_midnight_counts_from_the_day_it_moved(world):
    """The due debit's answer is lost; it is found five days later, and the borrower was never late."""
    w = borrow(world, 100_000, 3)
    due = w.state.instalments[0]
    world.fault("rail.debit", "lose_answer", seconds=0, times=999)  # other loans may fall due on that day
    world.fault("rail.query", "down", seconds=0, times=999)  # nor does a slow machine find it by asking again
    go_to(due.due_on)
    world.delete("/faults")
    assert w.last().state == "pending"
    # nobody asks the rail before we say so, however long the next days take to run
    Saga.objects.filter(key=str(w.last().id)).update(due_at=datetime.now(UTC) + timedelta(hours=1))
    go_to(due.due_on + timedelta(days=5))
    assert w.state.dpd == 5
    Saga.objects.filter(key=str(w.last().id)).update(due_at=datetime.now(UTC))
    worker.drain()
    w.check()
    assert w.state.dpd == 0 and w.state.instalments[0].settled_on == due.due_on
    assert w.state.totals.penalty_accrued_fen == 0 and world.calls(target="rail.debit", bank_card=w.card) == 1


def test_a_payoff_is_honoured_though_the_money_comes_a_day_later(world):
    w = borrow(world, 100_000, 3)
    go_to(clock.today() + timedelta(days=2))
    made = services.request_repayment(w.loan, "full", uuid4())
    quoted = clock.today()
    go_to(quoted + timedelta(days=1))  # the order leaves only now
    w.check()
    assert Repayment.objects.get(id=made).state == RepaymentState.BOOKED
    assert w.state.status == "SETTLED" and w.state.payoff_fen == 0 and w.loan.settled_on == quoted


def test_money_that_arrives_when_it_no_longer_fits_is_booked_all_the_same(world):
    """A part prepayment was asked for the day before an instalment fell due, and comes on the due day."""
    w = borrow(world, 100_000, 3)
    due_on = w.state.instalments[0].due_on
    go_to(due_on - timedelta(days=1))
    services.request_repayment(w.loan, "part", uuid4(), 60_000, "keep_term")
    clock.SHIFTED.advance_to(datetime.combine(due_on, time(9), clock.BUSINESS_ZONE))
    worker.drain()
    w.check()
    assert w.last().state == "booked" and w.state.amount_due_fen == 0
    assert w.state.totals.received_fen == 60_000 and w.state.totals.surplus_fen > 0


def test_a_back_dated_event_moves_the_books_to_where_they_would_have_been(world):
    w = borrow(world, 300_000, 3)
    paid_on = clock.today() + timedelta(days=4)
    go_to(clock.today() + timedelta(days=12))
    event = Event(str(uuid4()), EventType.PREPAID_PART, paid_on, clock.now(), 50_000, {"mode": "keep_term"})
    before = w.state.totals.interest_accrued_fen
    for _ in range(2):  # counts once
        with transaction.atomic():
            services.append(w.loan, event)
    w.check()
    assert w.state.totals.interest_accrued_fen < before and w.state.totals.prepaid_principal_fen == 50_000
    reversed_ = Event(
        str(uuid4()), EventType.REVERSED, clock.today(), clock.now(), 50_000, {"event": event.id}
    )
    with transaction.atomic():
        services.append(w.loan, reversed_)
    w.check()
    assert w.state.totals.interest_accrued_fen == before


def test_nobody_elses_loan(shared, world):
    from tests.borrowers import register

    other, row = register(world).borrower, shared.loan
    for ask in (services.loan_for, queries.loan, queries.events, queries.repayments):
        with pytest.raises(NotFound):
            ask(row.shard, other.id, row.id)
    for shard in (row.shard + 1, -1, 10**12):
        with pytest.raises(NotFound):
            queries.proof(shard, row.id)


def test_many_loans_many_days_random_lives(world):
    """Seeded lives side by side: payments early, late, refused, lost; every book equals its replay every few days."""
    dice = random.Random(20261121)
    before = cleared()
    walkers = [borrow(world, 100_000 * dice.randint(2, 9), dice.choice([3, 6])) for _ in range(4)]
    for _ in range(18):
        world.delete("/faults")
        if dice.random() < 0.4:
            world.fault(
                "rail", dice.choice(["fail", "lose_answer", "down"]), seconds=0, times=dice.randint(1, 3)
            )
        go_to(clock.today() + timedelta(days=dice.randint(1, 9)))
        for w in walkers:
            dice.choice([w.fill, w.empty, lambda: None])()
            wish: Callable[[], object] = dice.choice(
                [
                    lambda w=w: w.pay("due"),
                    lambda w=w: w.pay(
                        "part", dice.randint(1, 50_000), dice.choice(["keep_term", "keep_instalment"])
                    ),
                    lambda w=w: w.pay("full") if dice.random() < 0.2 else None,
                    lambda: None,
                ]
            )
            with suppress(errors.AmountWrong, errors.RepaymentOnItsWay, errors.LoanClosed):
                wish()
            w.check()
        Saga.objects.filter(status__in=["ready", "unknown"]).update(due_at=datetime.now(UTC))
        worker.drain()
    world.delete("/faults")
    for _ in range(3):
        Saga.objects.filter(status__in=["ready", "unknown"]).update(due_at=datetime.now(UTC))
        worker.drain()
    for w in walkers:
        w.fill()
        if w.state.status != "SETTLED":
            w.pay("full")
        w.check()
        assert w.state.status == "SETTLED" and w.state.outstanding_principal_fen == 0
        asked = {
            r.id for r in queries.repayments(w.loan.shard, w.who.borrower.id, w.id) if r.state == "booked"
        }
        booked = sum(Repayment.objects.filter(id__in=asked).values_list("amount_fen", flat=True))
        assert w.state.totals.received_fen == booked
        assert w.state.totals.penalty_accrued_fen + w.state.totals.interest_accrued_fen == booked - (
            w.state.totals.disbursed_fen + w.state.totals.surplus_fen
        )
        terms = services.terms_of(w.loan)
        assert terms.cap_ppm <= law.number("cost_cap_ppm", on=w.loan.opened_on)
    assert cleared() == before and ledger.drifted_accounts() == []


def test_a_loans_first_rating_is_the_pd_it_was_decided_on(world: World) -> None:
    """From the decision's record through offer and agreement to the allowance."""
    who, loan_id = with_loan(world)
    loan = Loan.objects.get(shard=who.borrower.shard, id=loan_id)
    decision = DecisionRecord.objects.get(shard=loan.shard, application__borrower_id=who.borrower.id)
    decided = json.loads(registry.open_sealed(decision, "record"))["outputs"]["pd_ppm"]
    rating = LoanRating.objects.get(shard=loan.shard, loan_id=loan_id)
    assert decided and (rating.pd_ppm, rating.on, rating.source) == (decided, loan.opened_on, "decision")
