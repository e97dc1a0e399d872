"""Laws of whole lives: whatever is allowed to happen to a loan, these hold."""

import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.test_folding import check_identity, check_status, paid
from tests.strategies import History, booked, lives
from timelyrain.contract import ContractViolation, Event, EventType, Status, Totals, fold, preview, replay

LIVES = settings(max_examples=200)


@LIVES
@given(lives(), st.data())
def test_books_balance_on_every_day_of_a_life(history: History, data: st.DataObject):
    first = history.events[0].value_on
    day = data.draw(st.dates(first - timedelta(days=1), history.horizon))
    state = fold(history.terms, history.events, day)
    check_identity(state)
    check_status(state)
    assert state.totals.surplus_fen >= 0


@LIVES
@given(lives())
def test_paying_all_that_is_owed_ends_at_zero_and_returns_the_principal(history: History):
    terms, on = history.terms, history.horizon
    state = fold(terms, history.events, on)
    if state.status is not Status.SETTLED:
        kind = EventType.RECOVERED if state.status is Status.CHARGED_OFF else EventType.PREPAID_FULL
        if state.payoff_fen or kind is EventType.PREPAID_FULL:
            state = preview(terms, history.events, [paid("zz", on, state.payoff_fen, kind)], on)
    assert state.status is Status.SETTLED
    assert state.outstanding_principal_fen == state.payoff_fen == state.amount_due_fen == 0
    assert state.totals.principal_paid_fen == state.totals.disbursed_fen
    check_identity(state)


@LIVES
@given(lives())
def test_instalments_paid_on_their_days_end_at_zero(history: History):
    terms, on, events = history.terms, history.horizon, list(history.events)
    state = fold(terms, events, on)
    for k in range(1000):
        if state.amount_due_fen:
            kind = EventType.RECOVERED if state.status is Status.CHARGED_OFF else EventType.REPAID
            events.append(Event(f"z{k:03}", kind, on, booked(on, 23), state.amount_due_fen))
            state = fold(terms, events, on)
        if state.next_due is None:
            break
        on = state.next_due.due_on
        state = fold(terms, events, on)
    assert state.status is Status.SETTLED
    assert state.outstanding_principal_fen == 0


@LIVES
@given(lives(), st.randoms(use_true_random=False))
def test_order_of_arrival_is_irrelevant(history: History, chance: random.Random):
    shuffled = list(history.events)
    chance.shuffle(shuffled)
    assert fold(history.terms, shuffled, history.horizon) == fold(
        history.terms, history.events, history.horizon
    )


@LIVES
@given(lives(), st.integers(1, 10**6), st.integers(1, 10**6))
def test_two_payments_of_one_day_count_the_same_in_either_order(history: History, one: int, other: int):
    """Civil Code 561 orders what a payment goes to, not which of two payments of a day came first."""
    on = history.horizon
    if fold(history.terms, history.events, on).charged_off_on is not None:
        return
    first, second = paid("y1", on, one), paid("y2", on, other)
    swapped = [replace(first, amount_fen=other), replace(second, amount_fen=one)]
    day = on + timedelta(days=200)
    assert preview(history.terms, history.events, [first, second], day) == preview(
        history.terms, history.events, swapped, day
    )


@LIVES
@given(lives())
def test_reversing_the_last_event_restores(history: History):
    last = history.events[-1]
    if last.type is EventType.DISBURSED:
        return
    back = Event(
        "zz",
        EventType.REVERSED,
        history.horizon,
        booked(history.horizon, 23),
        last.amount_fen,
        {"event": last.id},
    )
    if last.type is EventType.REVERSED:
        try:
            preview(history.terms, history.events, [back], history.horizon)
        except ContractViolation as refusal:
            assert refusal.rule == "reverses-an-event"  # a reversal stands; book the payment anew
        return
    without = fold(history.terms, history.events[:-1], history.horizon)
    assert preview(history.terms, history.events, [back], history.horizon) == without


@LIVES
@given(lives(), st.data())
def test_a_fact_found_late_is_the_same_fold_over_one_more_fact(history: History, data: st.DataObject):
    """A payment of an earlier day, booked last: never refused while the loan lives, and the books balance again."""
    start = history.events[0].value_on
    day = data.draw(st.dates(start, history.horizon))
    late = Event("late", EventType.REPAID, day, booked(history.horizon, 23), data.draw(st.integers(1, 10**7)))
    if fold(history.terms, history.events, day).charged_off_on is not None:
        return
    state = preview(history.terms, history.events, [late], history.horizon)
    check_identity(state)
    check_status(state)
    before = fold(history.terms, history.events, history.horizon).totals
    assert state.totals.received_fen == before.received_fen + late.amount_fen


@LIVES
@given(lives(), st.data())
def test_a_returned_payment_found_late_never_stops_the_loan(history: History, data: st.DataObject):
    payments = [e for e in history.events if e.type in (EventType.REPAID, EventType.RECOVERED)]
    undone = {
        e.data["event"] for e in history.events if e.type in (EventType.REVERSED, EventType.CHARGED_BACK)
    }
    payments = [e for e in payments if e.id not in undone]
    if not payments:
        return
    target = data.draw(st.sampled_from(payments))
    on = history.horizon
    back = Event("zz", EventType.REVERSED, on, booked(on, 23), target.amount_fen, {"event": target.id})
    state = preview(history.terms, history.events, [back], on)
    check_identity(state)
    check_status(state)


@LIVES
@given(lives(), st.data())
def test_a_violation_leaves_no_trace(history: History, data: st.DataObject):
    on = history.horizon
    before = fold(history.terms, history.events, on)
    wrong = paid("zz", on, before.totals.surplus_fen + 1, EventType.PAID_BACK)
    try:
        preview(history.terms, history.events, [wrong], on)
    except ContractViolation as refusal:
        assert refusal.rule == "pay-back-within-surplus"
    else:
        raise AssertionError("returned more than was surplus")
    assert fold(history.terms, history.events, on) == before


@given(lives())
def test_the_signed_json_and_the_facts_are_enough(history: History):
    answer = replay(
        history.terms.canonical_bytes(),
        [event.canonical_bytes() for event in history.events],
        history.horizon.isoformat(),
    )
    state = fold(history.terms, history.events, history.horizon)
    assert answer == {"terms_sha256": history.terms.sha256(), **state.to_json()}
    assert Totals(**answer["totals"]) == state.totals
