"""Laws of whole lives: whatever is allowed to happen to a loan, these hold."""

import random
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contract.test_folding import check_identity, check_status, paid
from tests.strategies import History, accepted, booked, disbursed, lives, terms
from timelyrain.contract import (
    ContractViolation,
    Event,
    EventType,
    Status,
    Terms,
    Totals,
    fold,
    plan,
    preview,
    replay,
)
from timelyrain.finance import DayBasis, Method, Rounding, Unit, periods

START = date(2026, 1, 15)

LIVES = settings(max_examples=100, deadline=None)


@LIVES
@given(lives(), st.data())
def test_books_balance_on_every_day_of_a_life(history: History, data: st.DataObject):
    first = history.events[0].value_on
    day = data.draw(st.dates(first - timedelta(days=1), history.horizon))
    state = fold(history.terms, history.events, day)
    check_identity(state)
    check_status(state)


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
@given(lives(), st.data())
def test_no_interest_is_forgotten_overnight(history: History, data: st.DataObject):
    """What has accrued stays, most of all on the day an instalment falls due."""
    terms, events, last = history.terms, history.events, history.events[-1].value_on
    later = [row.due_on for row in fold(terms, events, last).instalments if row.due_on > last]
    on = data.draw(
        st.sampled_from(later) if later else st.dates(last + timedelta(days=1), last + timedelta(days=90))
    )
    nights = [fold(terms, events, day).totals for day in (on - timedelta(days=1), on)]
    assert nights[0].interest_accrued_fen <= nights[1].interest_accrued_fen
    assert nights[0].penalty_accrued_fen <= nights[1].penalty_accrued_fen


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
    wrong = paid("zz", on, max(before.totals.surplus_fen, 0) + 1, EventType.PAID_BACK)
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


@pytest.mark.parametrize("method", [m for m in Method if m is not Method.FLAT])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_all_charges_of_a_life_stay_under_the_cap(method: Method, data: st.DataObject):
    """Interest, penalty and fees less what was forgiven: never above the cap on what was owed, counted day by day."""
    history = data.draw(
        lives(
            max_events=8, method=method, instalments=data.draw(st.integers(1, 5)), rounding=Rounding.DOWN,
            day_basis=data.draw(st.sampled_from((DayBasis.ACT_365, DayBasis.ACT_360))),
        )
    )  # fmt: skip
    undone = {id for e in history.events if e.type is EventType.REVERSED for id in (e.id, e.data["event"])}
    events = [e for e in history.events if e.id not in undone]
    day, owed_days = events[0].value_on, 0
    while day < history.horizon:
        owed_days += fold(history.terms, events, day).outstanding_principal_fen
        day += timedelta(days=1)
    totals = fold(history.terms, events, history.horizon).totals
    charged = totals.interest_accrued_fen + totals.penalty_accrued_fen + totals.fee_charged_fen
    charged += totals.late_fee_charged_fen + totals.service_fee_charged_fen - totals.waived_fen
    assert charged * 365 * 1_000_000 <= owed_days * history.terms.cap_ppm


@given(
    terms(late_fee_fen=5_000, service_fee_fen=50_000, method=Method.FLAT, rounding=Rounding.DOWN), st.data()
)
def test_a_fee_on_a_flat_loan_leaves_room_for_its_later_interest(loan: Terms, data: st.DataObject):
    events = [disbursed(loan, START)]
    rows = [row for row in plan(loan, START) if row.days]  # no down payment
    on = START + timedelta(days=data.draw(st.integers(0, rows[0].days - 1)))
    for amount in (50_000, 5_000, 500, 50, 5):
        fee = Event(f"fee{amount}", EventType.FEE_CHARGED, on, booked(on), amount, {"kind": "service_fee"})
        if accepted(loan, [*events, fee], on):
            events.append(fee)
            break
    for row in rows:
        if due := fold(loan, events, row.due_on).amount_due_fen:
            events.append(Event(f"p{row.n:03}", EventType.REPAID, row.due_on, booked(row.due_on), due))
    totals = fold(loan, events, rows[-1].due_on).totals
    by_plan, owed = 0, sum(row.principal_fen for row in rows)
    shape = {"every": loan.every, "unit": loan.unit, "month_end": loan.month_end}
    dated = periods(START, loan.instalments, loan.method, loan.day_basis, loan.due_day, **shape)
    for row, period in zip(rows, dated, strict=True):
        year = Fraction(period.num * period.whole, period.den)
        if loan.day_basis in (DayBasis.ACT_360, DayBasis.ACT_364) or loan.unit is Unit.WEEKS:
            year = Fraction(row.days, 365)
        by_plan += owed * loan.cap_ppm * year
        owed -= row.principal_fen
    assert totals.interest_accrued_fen + totals.service_fee_charged_fen <= by_plan / 1_000_000


@given(terms(rounding=Rounding.DOWN), st.integers(0, 200), st.data())
def test_a_change_of_plan_leaves_what_has_accrued(loan: Terms, days: int, data: st.DataObject):
    """New dates, a pause, a lower rate or a second part of the principal change the days to come, not those that went."""
    loan = replace(loan, parts=2, whole_interest=False)
    half = loan.principal_fen // 2 or 1
    events = [replace(disbursed(loan, START), amount_fen=half)]
    on = START + timedelta(days=days)
    before = fold(loan, events, on)
    kind, amount, extra = data.draw(
        st.sampled_from(
            [
                (EventType.RATE_CHANGED, 0, {"rate_ppm": loan.annual_rate_ppm // 2}),
                (EventType.DUE_DATE_CHANGED, 0, {"due_day": 11}),
                (EventType.PAUSED, 0, {"months": 2, "interest": "stops"}),
                (EventType.PAUSED, 0, {"months": 2, "interest": "runs"}),
                (EventType.DISBURSED, loan.principal_fen - half or 1, {}),
            ]
        )
    )
    change = Event("x", kind, on, booked(on, 23), amount, extra)
    if not accepted(loan, [*events, change], on):
        return
    after = preview(loan, events, [change], on)
    assert after.totals.interest_accrued_fen == before.totals.interest_accrued_fen
    assert after.totals.penalty_accrued_fen == before.totals.penalty_accrued_fen
    check_identity(after)
