"""The fold: walks with numbers checked by hand, then the laws that hold for every history."""

import random
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.strategies import CAP_PPM, History, booked, disbursed, histories, make_terms, terms
from timelyrain.contract import (
    ContractViolation,
    Event,
    EventType,
    LoanState,
    Overdue,
    PrepayMode,
    Status,
    Terms,
    Totals,
    bucket_of,
    fold,
    plan,
    preview,
    replay,
)
from timelyrain.finance import DayBasis, Method, Rounding, round_ratio

START = date(2026, 1, 15)


def paid(id: str, on: date, fen: int, type: EventType = EventType.REPAID, **data: str) -> Event:
    return Event(id, type, on, booked(on), fen, data)


def loan(**changes: object) -> tuple[Terms, list[Event]]:
    terms = make_terms(**changes)
    return terms, [disbursed(terms, START)]


def at(terms: Terms, events: list[Event], *on: int) -> LoanState:
    return fold(terms, events, date(*on))


def test_before_and_at_disbursement():
    terms, events = loan()
    assert at(terms, events, 2026, 1, 14).status is Status.PENDING
    assert at(terms, events, 2026, 1, 14).totals == Totals()
    state = at(terms, events, 2026, 1, 15)
    assert (state.status, state.outstanding_principal_fen, state.payoff_fen) == (
        Status.ACTIVE,
        1_000_000,
        1_000_000,
    )
    assert (state.amount_due_fen, state.dpd, state.bucket) == (0, 0, "M0")
    assert state.next_due is not None and state.next_due.due_on == date(2026, 2, 15)


def test_plan_is_the_schedule_and_paying_it_settles_at_zero():
    terms, events = loan()
    rows = plan(terms, START)
    assert [row.total_fen for row in rows[:3]] == [91_680, 91_680, 91_680]
    for row in rows:
        state = fold(terms, events, row.due_on)
        assert state.amount_due_fen == row.total_fen
        assert state.totals.interest_receivable_fen == row.interest_fen
        events.append(paid(f"p{row.n}", row.due_on, row.total_fen))
    state = fold(terms, events, rows[-1].due_on)
    assert (state.status, state.payoff_fen, state.outstanding_principal_fen) == (Status.SETTLED, 0, 0)
    assert state.totals.surplus_fen == state.totals.interest_receivable_fen == 0
    assert all(row.settled_on == row.due_on for row in state.instalments)


def test_interest_accrues_by_the_day():
    terms, events = loan()  # the first period is 31 days, its interest 15,000 fen
    assert (
        at(terms, events, 2026, 1, 16).totals.interest_accrued_fen == 483
    )  # 15,000/31 = 483.87, rounded down
    assert at(terms, events, 2026, 2, 14).payoff_fen == 1_000_000 + 14_516  # 15,000 * 30/31 = 14,516.1
    assert at(terms, events, 2026, 2, 15).totals.interest_accrued_fen == 15_000


def test_missed_instalment_bears_capped_penalty_after_grace():
    terms, events = loan()  # principal due 15 Feb: 91,680 - 15,000 = 76,680; penalty min(27 %, 24 %)
    state = at(terms, events, 2026, 2, 16)
    assert (state.status, state.dpd, state.bucket, state.amount_due_fen) == (Status.OVERDUE, 1, "M1", 91_680)
    assert at(terms, events, 2026, 2, 18).totals.penalty_accrued_fen == 0
    assert at(terms, events, 2026, 2, 19).totals.penalty_accrued_fen == 50  # 76,680 * 0.24 / 365 = 50.4
    state = at(terms, events, 2026, 2, 28)
    assert state.amount_due_fen == 91_680 + 504  # ten days: 504.2
    cured = [*events, paid("p1", date(2026, 2, 28), state.amount_due_fen)]
    state = at(terms, cured, 2026, 2, 28)
    assert (state.status, state.dpd, state.amount_due_fen) == (Status.ACTIVE, 0, 0)
    assert state.totals.penalty_paid_fen == 504


def test_part_payment_goes_to_penalty_interest_then_principal():
    terms, events = loan()
    state = at(terms, [*events, paid("p1", date(2026, 2, 28), 20_000)], 2026, 2, 28)
    row = state.instalments[0]
    assert (row.penalty_paid_fen, row.interest_paid_fen, row.principal_paid_fen) == (504, 15_000, 4_496)
    assert state.dpd == 13


def test_early_money_waits_for_the_due_date():
    terms, events = loan()
    events.append(paid("p1", date(2026, 2, 1), 100_000))
    state = at(terms, events, 2026, 2, 1)
    assert (state.totals.surplus_fen, state.outstanding_principal_fen) == (100_000, 1_000_000)
    state = at(terms, events, 2026, 2, 15)
    assert (state.totals.surplus_fen, state.amount_due_fen) == (8_320, 0)
    assert state.instalments[0].settled_on == date(2026, 2, 15)


def test_prepaid_part_keep_term():
    terms, events = loan()
    events.append(paid("p1", date(2026, 2, 15), 91_680))
    part = paid("p2", date(2026, 3, 1), 300_000, EventType.PREPAID_PART, mode=PrepayMode.KEEP_TERM)
    before, after = at(terms, events, 2026, 3, 1), at(terms, [*events, part], 2026, 3, 1)
    assert before.outstanding_principal_fen - after.outstanding_principal_fen == 300_000
    assert len(after.instalments) == 12
    assert after.totals.interest_accrued_fen == before.totals.interest_accrued_fen
    interest = round_ratio((923_320 * 14 + 623_320 * 14) * 180_000, 1_000_000 * 12 * 28, Rounding.DOWN)
    row = after.instalments[1]
    assert row.interest_due_fen == interest == 11_599
    totals = [r.principal_due_fen + r.interest_due_fen for r in after.instalments[1:]]
    assert set(totals[:-1]) == {totals[0]} and abs(totals[-1] - totals[0]) < 12 and totals[0] < 91_680


def test_prepaid_part_keep_instalment():
    terms, events = loan()
    events.append(paid("p1", date(2026, 2, 15), 91_680))
    part = paid("p2", date(2026, 3, 1), 300_000, EventType.PREPAID_PART, mode=PrepayMode.KEEP_INSTALMENT)
    rows = at(terms, [*events, part], 2026, 3, 1).instalments
    assert len(rows) == 9
    assert all(r.principal_due_fen + r.interest_due_fen == 91_680 for r in rows[:-1])
    assert 0 < rows[-1].principal_due_fen + rows[-1].interest_due_fen <= 91_680


def test_prepaid_part_that_leaves_less_than_the_interest_due():
    """Nearly all is prepaid on the last day of a period: the running instalment is interest alone, the rest level."""
    terms, events = loan(instalments=24)
    part = paid("p1", date(2026, 2, 14), 990_000, EventType.PREPAID_PART, mode=PrepayMode.KEEP_TERM)
    rows = at(terms, [*events, part], 2026, 2, 14).instalments
    assert rows[0].interest_due_fen == (1_000_000 * 30 + 10_000) * 180_000 // (12_000_000 * 31) == 14_520
    assert rows[0].principal_due_fen == 0
    rest = [row.principal_due_fen + row.interest_due_fen for row in rows[1:]]
    assert set(rest[:-1]) == {517} and abs(rest[-1] - 517) <= 23


def test_prepaid_full_settles_on_the_day():
    terms, events = loan()
    events.append(
        paid("p1", date(2026, 2, 10), 100_000)
    )  # leaves a surplus of 8,320 after the first instalment
    quote = at(terms, events, 2026, 3, 1)
    events.append(paid("p2", date(2026, 3, 1), quote.payoff_fen, EventType.PREPAID_FULL))
    state = at(terms, events, 2026, 3, 1)
    assert (state.status, state.payoff_fen, state.totals.surplus_fen) == (Status.SETTLED, 0, 0)
    assert state.totals.interest_accrued_fen == 15_000 + 923_320 * 180_000 * 14 // (12_000_000 * 28)
    assert at(terms, events, 2030, 1, 1).totals == state.totals


def test_overdue_loan_can_be_settled_after_its_end():
    terms, events = loan(instalments=1)
    state = at(terms, events, 2026, 6, 1)
    assert (state.dpd, state.bucket, state.payoff_fen) == (106, "M4", state.amount_due_fen)
    events.append(paid("p1", date(2026, 6, 1), state.payoff_fen))
    assert at(terms, events, 2026, 6, 1).status is Status.SETTLED


def test_surplus_alone_can_settle():
    terms, events = loan()
    events.append(paid("p1", date(2026, 1, 20), 2_000_000))
    assert at(terms, events, 2026, 1, 20).payoff_fen == 0
    events.append(paid("p2", date(2026, 1, 20), 0, EventType.PREPAID_FULL))
    state = at(terms, events, 2026, 1, 20)
    assert (state.status, state.totals.surplus_fen) == (Status.SETTLED, 2_000_000 - 1_000_000 - 2_419)


def test_reversal_makes_the_payment_never_have_been():
    terms, events = loan()
    events.append(paid("p1", date(2026, 2, 15), 91_680))
    back = paid("r1", date(2026, 2, 20), 91_680, EventType.REVERSED, event="p1")
    assert at(terms, [*events, back], 2026, 2, 19).dpd == 0  # not known to be worth nothing yet
    state = at(terms, [*events, back], 2026, 2, 20)
    assert (state.dpd, state.totals.received_fen, state.totals.penalty_accrued_fen) == (5, 0, 100)


def test_prepayment_fee_is_disclosed_and_stays_under_the_cap():
    terms, events = loan(prepayment_fee_ppm=50_000)
    state = at(terms, events, 2026, 1, 25)  # ten days: cap 20,000 * 10/31, interest 15,000 * 10/31
    assert state.prepayment_fee_fen == 6_451 - 4_838
    events.append(paid("p1", date(2026, 1, 25), state.payoff_fen, EventType.PREPAID_FULL))
    totals = at(terms, events, 2026, 1, 25).totals
    assert (totals.fee_charged_fen, totals.surplus_fen) == (1_613, 0)


@pytest.mark.parametrize(
    ("rule", "event"),
    [
        ("disbursed-once", paid("x", date(2026, 1, 16), 1_000_000, EventType.DISBURSED)),
        ("disbursed-first", paid("x", date(2026, 1, 14), 100)),
        ("settle-exactly", paid("x", date(2026, 1, 16), 1_000_000, EventType.PREPAID_FULL)),
        (
            "part-below-whole",
            paid("x", date(2026, 1, 16), 1_000_000, EventType.PREPAID_PART, mode="keep_term"),
        ),
        ("arrears-first", paid("x", date(2026, 2, 15), 10_000, EventType.PREPAID_PART, mode="keep_term")),
        ("reverses-an-event", paid("x", date(2026, 1, 16), 1_000_000, EventType.REVERSED, event="e000")),
        ("unique-id", paid("e000", date(2026, 1, 16), 100)),
    ],
)
def test_impossible_events_are_named(rule: str, event: Event):
    terms, events = loan()
    with pytest.raises(ContractViolation) as caught:
        fold(terms, [*events, event], date(2026, 12, 31))
    assert (caught.value.rule, caught.value.event_id) == (rule, event.id)
    assert rule in str(caught.value) and event.id in str(caught.value)


def test_disbursement_deducts_nothing():
    terms, events = loan()
    with pytest.raises(ContractViolation, match=r"disburse-whole-principal.*900000.*1000000"):
        fold(terms, [replace(events[0], amount_fen=900_000)], START)


def test_reversals_are_strict():
    terms, events = loan()
    events.append(paid("p1", date(2026, 1, 20), 500))
    back = paid("r1", date(2026, 1, 21), 500, EventType.REVERSED, event="p1")
    for rule, event in (
        ("reverses-whole-amount", replace(back, amount_fen=400)),
        ("reverses-an-event", replace(back, value_on=date(2026, 1, 19))),
    ):
        with pytest.raises(ContractViolation, match=rule):
            fold(terms, [*events, event], date(2026, 2, 1))
    with pytest.raises(ContractViolation, match="reverses-once"):
        fold(terms, [*events, back, replace(back, id="r2")], date(2026, 2, 1))


def test_events_of_one_instant_count_in_the_order_of_their_ids():
    terms, events = loan()
    first = paid("p1", date(2026, 1, 20), 1_000)
    settling = paid("p2", date(2026, 1, 20), 1_001_419, EventType.PREPAID_FULL)  # counts on the surplus of p1
    for order in ([first, settling], [settling, first]):
        assert at(terms, events + order, 2026, 1, 20).status is Status.SETTLED
    with pytest.raises(ContractViolation, match="payoff_fen=1002419"):
        at(terms, [*events, first, replace(settling, id="p0")], 2026, 1, 20)


def test_nothing_but_money_after_settlement():
    terms, events = loan()
    events.append(paid("p1", date(2026, 1, 15), 1_000_000, EventType.PREPAID_FULL))
    late = paid("p2", date(2026, 1, 20), 700)
    assert at(terms, [*events, late], 2026, 1, 20).totals.surplus_fen == 700
    with pytest.raises(ContractViolation, match="nothing-after-settlement"):
        at(terms, [*events, replace(late, type=EventType.PREPAID_FULL)], 2026, 1, 20)


def test_buckets():
    days = (0, 1, 30, 31, 60, 61, 150, 151, 180, 181, 1000)
    assert [bucket_of(d) for d in days] == ["M0", "M1", "M1", "M2", "M2", "M3", "M5", "M6", "M6", "M7", "M7"]


# Laws of every history.


def check_identity(state: LoanState) -> None:
    t = state.totals
    receivables = (
        t.principal_receivable_fen,
        t.interest_receivable_fen,
        t.penalty_receivable_fen,
        t.cost_receivable_fen,
    )
    charged = t.interest_accrued_fen + t.penalty_accrued_fen + t.fee_charged_fen
    charged += t.late_fee_charged_fen + t.service_fee_charged_fen
    money = t.received_fen + t.goodwill_fen - t.paid_back_fen - t.surplus_fen
    lost = t.waived_fen + t.charged_off_fen - t.recovered_fen
    assert sum(receivables) == t.disbursed_fen + charged - money - lost
    assert min(*receivables, t.recovered_fen, t.charged_off_fen) >= 0
    rows = state.instalments
    assert t.principal_paid_fen == t.prepaid_principal_fen + sum(r.principal_paid_fen for r in rows)
    if t.disbursed_fen:
        assert sum(r.principal_due_fen for r in rows) + t.prepaid_principal_fen == t.disbursed_fen
    for row in rows:
        assert 0 <= row.principal_paid_fen <= row.principal_due_fen
        assert 0 <= row.interest_paid_fen <= row.interest_due_fen
        assert 0 <= row.penalty_paid_fen <= row.penalty_accrued_fen
        assert 0 <= row.cost_paid_fen <= row.cost_due_fen
        assert row.unpaid_fen >= 0
        if row.settled_on is None:
            assert row.unpaid_fen or row.due_on > state.as_of
        else:  # some are paid whole before their day
            assert row.unpaid_fen == 0 and row.settled_on <= state.as_of


def check_status(state: LoanState) -> None:
    due = [row for row in state.instalments if row.due_on <= state.as_of]
    assert state.amount_due_fen == sum(row.unpaid_fen for row in due) - min(0, state.totals.surplus_fen)
    late = [row.due_on for row in due if row.unpaid_fen and row.due_on < state.as_of]
    assert state.dpd == ((state.as_of - min(late)).days if late else 0)
    if state.charged_off_on is None:
        assert (state.status is Status.OVERDUE) == bool(state.dpd)
    if state.status is Status.SETTLED:
        assert state.payoff_fen == state.amount_due_fen == state.outstanding_principal_fen == 0
        assert state.totals.interest_receivable_fen == state.totals.penalty_receivable_fen == 0


@given(histories(), st.data())
def test_books_always_balance(history: History, data: st.DataObject):
    first = history.events[0].value_on
    day = data.draw(st.dates(first - timedelta(days=1), history.horizon))
    state = fold(history.terms, history.events, day)
    check_identity(state)
    check_status(state)


@given(histories(), st.randoms(use_true_random=False))
def test_order_of_arrival_does_not_matter(history: History, chance: random.Random):
    shuffled = list(history.events)
    chance.shuffle(shuffled)
    assert fold(history.terms, shuffled, history.horizon) == fold(
        history.terms, history.events, history.horizon
    )


@given(histories(), st.integers(1, 10**8))
def test_payment_and_its_reversal_leave_the_original(history: History, amount: int):
    on = history.horizon
    payment = paid("zz1", on, amount)
    back = paid("zz2", on, amount, EventType.REVERSED, event="zz1")
    assert preview(history.terms, history.events, [payment, back], on) == fold(
        history.terms, history.events, on
    )


@given(histories())
def test_paying_what_is_asked_always_settles_at_zero(history: History):
    """Payoff on the horizon settles; so does paying each amount due on its day."""
    terms, on = history.terms, history.horizon
    state = fold(terms, history.events, on)
    if state.status is not Status.SETTLED:
        settled = preview(
            terms, history.events, [paid("zz", on, state.payoff_fen, EventType.PREPAID_FULL)], on
        )
        assert settled.status is Status.SETTLED
        check_identity(settled)
    events = list(history.events)
    if state.amount_due_fen:
        events.append(paid("z0", on, state.amount_due_fen))
    while (state := fold(terms, events, on)).next_due is not None:
        on = state.next_due.due_on
        due = fold(terms, events, on).amount_due_fen
        if due:
            events.append(paid(f"z{len(events)}", on, due))
    assert state.status is Status.SETTLED
    assert state.outstanding_principal_fen == 0
    check_identity(state)


def cap_fen(terms: Terms, events: tuple[Event, ...], on: date) -> float:
    """The cap on principal by days, counted a day at a time from states alone; a month's day is its part of 1/12."""
    undone = {id for e in events if e.type is EventType.REVERSED for id in (e.id, e.data["event"])}
    events = tuple(e for e in events if e.id not in undone)  # what is known in the end, on every day
    total, day = 0.0, events[0].value_on
    while day < on:
        state = fold(terms, events, day)
        later = [row.due_on for row in state.instalments if row.due_on > day]
        owed = state.outstanding_principal_fen
        undue = sum(row.principal_due_fen for row in state.instalments if row.due_on > day)
        total += (owed - undue) / 365
        if undue:
            length = next(row.days for row in plan(terms, events[0].value_on) if row.due_on == later[0])
            total += undue / (12 * length if terms.day_basis is DayBasis.PER_INSTALMENT else 365)
        day += timedelta(days=1)
    return total * terms.cap_ppm / 1_000_000


@pytest.mark.parametrize("basis", [DayBasis.PER_INSTALMENT, DayBasis.ACT_365, DayBasis.ACT_360])
@given(data=st.data())
def test_all_charges_stay_under_the_cap(basis: DayBasis, data: st.DataObject):
    history = data.draw(
        histories(
            max_events=4, instalments=3, due_day=None, rounding=Rounding.DOWN, day_basis=basis,
            method=Method.EQUAL_INSTALMENT,
        )
    )  # fmt: skip
    totals = fold(history.terms, history.events, history.horizon).totals
    charged = totals.interest_accrued_fen + totals.penalty_accrued_fen + totals.fee_charged_fen
    assert charged <= cap_fen(history.terms, history.events, history.horizon) + 1e-6


@given(
    terms(
        annual_rate_ppm=CAP_PPM,
        rounding=Rounding.DOWN,
        method=Method.EQUAL_INSTALMENT,
        day_basis=DayBasis.ACT_365,
    )
)
def test_penalty_never_costs_more_than_the_cap(terms: Terms):
    """A loan at the cap that is never paid: each year costs at most the cap on the principal."""
    state = fold(terms, [disbursed(terms, START)], START + timedelta(days=365 * 3))
    charged = state.totals.interest_accrued_fen + state.totals.penalty_accrued_fen
    assert charged * 1_000_000 <= 3 * terms.principal_fen * terms.cap_ppm


@given(terms(), st.data())
def test_interest_is_additive_over_any_split_of_a_period(terms: Terms, data: st.DataObject):
    """Folding on a day in between changes nothing, and the last day of a period completes the instalment's interest.

    Not where interest is put off, which runs in one period and stands in another, nor where what is overdue, as everything is
    here, bears interest beyond the plan: other tests look at those.
    """
    assume(not terms.grace_interest and terms.overdue is Overdue.PENALTY)
    events = [disbursed(terms, START)]
    rows = plan(terms, START)
    k = data.draw(st.integers(0, len(rows) - 1))
    opened = rows[k - 1].due_on if k else START
    days = sorted(data.draw(st.lists(st.integers(0, rows[k].days), max_size=4)))
    accrued = [fold(terms, events, opened + timedelta(days=d)).totals.interest_accrued_fen for d in days]
    assert accrued == sorted(accrued)
    before = sum(row.interest_fen for row in rows[:k])
    assert fold(terms, events, rows[k].due_on).totals.interest_accrued_fen == before + rows[k].interest_fen
    assert all(before <= a <= before + rows[k].interest_fen for a in accrued)


@given(histories())
def test_replay_from_json_gives_the_same_balances(history: History):
    answer = replay(
        history.terms.canonical_bytes(),
        [event.canonical_bytes() for event in history.events],
        history.horizon.isoformat(),
    )
    state = fold(history.terms, history.events, history.horizon)
    assert answer == {"terms_sha256": history.terms.sha256(), **state.to_json()}
    assert Totals(**answer["totals"]) == state.totals


@given(histories())
def test_step_between_two_days_adds_up(history: History):
    first = fold(history.terms, history.events, history.events[0].value_on).totals
    last = fold(history.terms, history.events, history.horizon).totals
    step = last - first
    assert Totals() - (Totals() - step) == step
    assert all(first.to_json()[name] + fen == last.to_json()[name] for name, fen in step.to_json().items())
