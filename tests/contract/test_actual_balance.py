"""Interest on the balance actually owed, in the fold: Fineract's scenarios, and the laws of every history of payments."""

from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.strategies import booked, disbursed, make_terms
from tests.strategies import dates as days_of
from timelyrain.contract import (
    Ahead,
    ContractViolation,
    Event,
    EventType,
    LoanState,
    Overdue,
    Status,
    Terms,
    TermsInvalid,
    disclosed_charges,
    fold,
    look_ahead,
)
from timelyrain.finance import DayBasis, Method, Rounding

START = date(2024, 1, 1)
WORDS = {"ahead": Ahead.NEXT, "overdue": Overdue.INTEREST}


def actual_terms(**changes: object) -> Terms:
    """100.00 at 7 % in six months, half-even, unless `changes` say otherwise; no cap that bites."""
    numbers: dict[str, object] = {
        "annual_rate_ppm": 70_000, "method": Method.EQUAL_INSTALMENT, "day_basis": DayBasis.PER_INSTALMENT,
        "cap_ppm": 1_000_000, "penalty_ppm": 0, "grace_days": 0, "prepayment_fee_ppm": 0,
    }  # fmt: skip
    words = {**WORDS, **{k: changes.pop(k) for k in ("ahead", "overdue", "to_period_end") if k in changes}}
    numbers |= {k: changes.pop(k) for k in numbers.keys() & changes.keys()}
    charged = {k: v for k, v in words.items() if k != "ahead"}
    return Terms(
        principal_fen=changes.pop("principal_fen", 10_000), instalments=changes.pop("instalments", 6),
        lender="lender", licence="x", policy_pack="cn", product="test",
        charges=disclosed_charges("lender", **numbers, **charged),
        **{"rounding": Rounding.HALF_EVEN, **numbers, **words, **changes},
    )  # fmt: skip  # pyright: ignore[reportArgumentType]


def paid(on: date, amount: int, n: int = 1, kind: EventType = EventType.REPAID, **data: str | int) -> Event:
    return Event(f"p{n:02}", kind, on, booked(on, n), amount, data)


def after(*payments: tuple[date, int], until: date, **words: object) -> LoanState:
    terms = actual_terms(**words)
    events = [disbursed(terms, START)] + [paid(on, fen, n) for n, (on, fen) in enumerate(payments, 1)]
    return fold(terms, events, until)


def interest(state: LoanState) -> list[int]:
    return [row.interest_due_fen for row in state.instalments]


def principal(state: LoanState) -> list[int]:
    return [row.principal_due_fen for row in state.instalments]


def test_paid_early_the_last_instalment_falls():
    """C3253, C3255: 15.00 on the 15th; then the rest on the 20th, and the days after it are the next instalment's."""
    first, second = (date(2024, 1, 15), 1_500), (date(2024, 1, 20), 201)
    some = after(first, until=first[0])
    row = some.instalments[0]
    assert (row.principal_due_fen, row.interest_due_fen) == (1_647, 54)
    assert (row.principal_paid_fen, row.interest_paid_fen) == (1_474, 26)
    assert principal(some)[5] == 1_686
    whole = after(first, second, until=second[0])
    assert interest(whole)[:2] == [34, 68]
    assert whole.instalments[0].settled_on == second[0]
    assert whole.next_due and whole.next_due.n == 2


def test_overdue_principal_goes_on_bearing_interest():
    """C3228 to the day, C3229 to the end of the period; switched off, the plan stands and only penalty is left."""
    on = date(2024, 2, 15)
    assert interest(after(until=on))[:3] == [58, 53, 39]
    assert interest(after(until=on, overdue=Overdue.TO_PERIOD_END))[:3] == [58, 58, 39]
    assert interest(after(until=date(2024, 7, 1))) == [58] * 6
    assert interest(after(until=on, overdue=Overdue.PENALTY))[:3] == [58, 49, 39]
    assert (
        after(until=on, overdue=Overdue.PENALTY, penalty_ppm=100_000).totals.penalty_accrued_fen
        == 1643 * 14 // 3650
    )


def test_money_to_the_last_instalments():
    """C3289, C3292: interest falls from the day on, the instalments to come stay."""
    state = after((date(2024, 1, 15), 1_500), until=date(2024, 1, 15), ahead=Ahead.LAST)
    assert interest(state) == [54, 40, 30, 21, 11, 1]
    assert state.instalments[5].principal_paid_fen == 1_500
    done = after(
        (date(2024, 1, 15), 1_701), (date(2024, 1, 20), 8_333), until=date(2024, 1, 20), ahead=Ahead.LAST
    )
    assert principal(done) == [1_495] + [1_701] * 5
    assert interest(done) == [34, 0, 0, 0, 0, 0]
    assert done.status is Status.SETTLED


@pytest.mark.parametrize(("to_period_end", "owed"), [(False, 10_086), (True, 10_116)])
def test_payoff_to_the_day_or_to_the_end_of_the_period(to_period_end: bool, owed: int):
    """C3245 and C3214."""
    on = date(2024, 2, 15)
    assert after(until=on, to_period_end=to_period_end).payoff_fen == owed
    state = after((on, owed), until=on, to_period_end=to_period_end)
    assert (state.status, state.totals.surplus_fen) == (Status.SETTLED, 0)


def test_a_new_rate_between_two_early_payments():
    """C3259: 17.01 paid on 15 January, 4 % from the 21st."""
    terms = actual_terms(smooth=True)
    on = date(2024, 1, 20)
    events = [
        disbursed(terms, START),
        paid(date(2024, 1, 15), 1_701),
        paid(on, 0, 2, EventType.RATE_CHANGED, rate_ppm=40_000),
    ]
    state = fold(terms, events, on)
    assert interest(state) == [26, 47, 22, 17, 11, 6]
    assert principal(state) == [1_675, 1_639, 1_664, 1_669, 1_675, 1_678]


def test_interest_stopped_for_days():
    """C3478: six days of February bear nothing, found out on 1 March."""
    terms, on = actual_terms(), date(2024, 3, 1)
    events = [disbursed(terms, START), paid(date(2024, 2, 1), 1_701), paid(on, 1_701, 2)]
    stop = Event("s", EventType.INTEREST_STOPPED, date(2024, 2, 4), booked(on, 3), 0, {"days": 6})
    assert interest(fold(terms, events, on))[1] == 49
    assert interest(fold(terms, [*events, stop], on)) == [58, 39, 39, 29, 20, 10]


def test_called_due():
    """C3678: everything at once, interest to the day; penalty alone from then on."""
    terms, on = actual_terms(penalty_ppm=100_000), date(2024, 3, 1)
    events = [disbursed(terms, START), paid(date(2024, 2, 1), 1_701), paid(on, 0, 2, EventType.ACCELERATED)]
    assert fold(terms, events, on).amount_due_fen == 8_406
    later = fold(terms, events, on + timedelta(days=73))
    assert later.amount_due_fen == 8_406 + later.totals.penalty_accrued_fen
    assert later.totals.interest_accrued_fen == 107
    assert later.totals.penalty_accrued_fen == sum(p * 100_000 * 73 // 365_000_000 for p in (1_652, 6_705))


def test_what_cannot_be_signed_is_told_at_once():
    with pytest.raises(TermsInvalid) as told:
        actual_terms(
            method=Method.FLAT, prepayment_fee_ppm=10_000, penalty_ppm=950_000, cap_ppm=1_000_000,
            smooth=True, custom_fen=((3, 100),), whole_interest=True, parts=2,
        )  # fmt: skip
    fields = [problem.field for problem in told.value.problems]
    assert {"ahead", "penalty_ppm", "smooth", "custom_fen", "whole_interest"} <= set(fields)


def test_penalty_and_interest_stay_under_the_cap_when_the_rate_rises():
    terms = actual_terms(cap_ppm=240_000, penalty_ppm=150_000)
    events = [disbursed(terms, START)]
    rise = paid(date(2024, 1, 10), 0, 1, EventType.RATE_CHANGED, rate_ppm=95_000, disclosure="hash")
    with pytest.raises(ContractViolation, match="rate-within-cap"):
        fold(terms, [*events, rise], date(2024, 1, 10))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Terms, list[Event], date]:
    n, start = draw(st.integers(1, 18)), draw(days_of)
    principal = draw(st.integers(10_000, 10**7))
    terms = actual_terms(
        principal_fen=principal,
        instalments=n,
        annual_rate_ppm=draw(st.integers(0, 360_000)),
        method=draw(st.sampled_from([m for m in Method if m is not Method.FLAT])),
        day_basis=draw(st.sampled_from(DayBasis)),
        rounding=draw(st.sampled_from(Rounding)),
        ahead=draw(st.sampled_from([Ahead.NEXT, Ahead.LAST])),
        overdue=draw(st.sampled_from(Overdue)),
        to_period_end=draw(st.booleans()),
        penalty_ppm=draw(st.sampled_from([0, 100_000])),
    )
    days = st.integers(0, 31 * n + 60)
    payments = sorted(draw(st.lists(st.tuples(days, st.integers(1, principal)), max_size=8)))
    events = [disbursed(terms, start)]
    events += [paid(start + timedelta(days=day), fen, k) for k, (day, fen) in enumerate(payments, 1)]
    return terms, events, start + timedelta(days=draw(days))


@given(histories())
def test_every_history_keeps_the_books(history: tuple[Terms, list[Event], date]):
    terms, events, until = history
    state, outlook = look_ahead(terms, events, until)
    totals = state.totals
    for row in state.instalments:
        assert 0 <= row.principal_paid_fen <= row.principal_due_fen
        assert 0 <= row.interest_paid_fen <= row.interest_due_fen
    assert sum(row.principal_due_fen for row in state.instalments) == terms.principal_fen
    spent = totals.principal_paid_fen + totals.interest_paid_fen + totals.penalty_paid_fen
    assert totals.received_fen == spent + totals.surplus_fen
    if state.payoff_fen:
        assert totals.surplus_fen == 0 and state.outstanding_principal_fen >= 0
    known = [e for e in events if e.value_on <= until]
    later = min(outlook.until - timedelta(days=1), until + timedelta(days=9))
    then = fold(terms, known, later).totals
    assert outlook.accrued(later) == (then.interest_accrued_fen, then.penalty_accrued_fen)


def late_beside_paid_ahead(rate_ppm: int) -> tuple[Terms, list[Event], date]:
    """The two last of three instalments are paid ahead, the first is late and bears interest."""
    terms = actual_terms(principal_fen=450_139, annual_rate_ppm=rate_ppm, instalments=3, ahead=Ahead.LAST)
    return terms, [disbursed(terms, START), paid(START, 300_120)], date(2024, 3, 10)


def interest_waits_beside_principal() -> tuple[Terms, list[Event], date]:
    """Spread anew: each instalment holds old interest, the last alone principal."""
    terms, on = actual_terms(method=Method.INTEREST_ONLY, instalments=2), date(2024, 2, 15)
    return terms, [disbursed(terms, START), paid(on, 0, 1, EventType.RESTRUCTURED, instalments=3)], on


def test_interest_on_what_is_late_is_asked_of_instalments_paid_ahead():
    """1,500.19 owed for three months at 7 %; a fen paid on a due date changes nothing."""
    terms, events, _ = late_beside_paid_ahead(70_000)
    for a_fen in ([], [paid(date(2024, 2, 1), 1, 2)]):
        late = fold(terms, events + a_fen, date(2024, 6, 1))
        assert interest(late) == [875, 875, 875]
        assert late.payoff_fen == late.amount_due_fen == 150_019 + 3 * 875 - len(a_fen)


@example(late_beside_paid_ahead(31))
@example(late_beside_paid_ahead(70_000))
@example(interest_waits_beside_principal())
@given(histories())
def test_the_payoff_settles(history: tuple[Terms, list[Event], date]):
    terms, events, until = history
    known = [e for e in events if e.value_on <= until]
    state = fold(terms, known, until)
    if not state.payoff_fen:
        return
    kind = EventType.PREPAID_FULL if state.next_due else EventType.REPAID
    done = fold(terms, [*known, paid(until, state.payoff_fen, 23, kind)], until)  # booked last
    assert (done.status, done.totals.surplus_fen, done.outstanding_principal_fen) == (Status.SETTLED, 0, 0)


@given(histories(), st.integers(1, 200))
def test_paying_earlier_never_costs_more(history: tuple[Terms, list[Event], date], sooner: int):
    terms, events, _ = history
    if terms.to_period_end or terms.ahead is not Ahead.NEXT or terms.overdue is Overdue.PENALTY:
        return
    start = events[0].value_on
    end = start + timedelta(days=31 * terms.instalments + 90)
    earlier = [events[0]] + [
        paid(max(start, e.value_on - timedelta(days=sooner)), e.amount_fen, n)
        for n, e in enumerate(events[1:], 1)
    ]
    cost = [fold(terms, known, end).totals.interest_accrued_fen for known in (events, earlier)]
    assert cost[1] <= cost[0] + terms.instalments  # a fen of rounding an instalment


@given(histories(), st.data())
def test_a_reversal_restores(history: tuple[Terms, list[Event], date], data: st.DataObject):
    terms, events, until = history
    if len(events) < 2:
        return
    event = data.draw(st.sampled_from(events[1:]))
    back = Event(
        "r",
        EventType.REVERSED,
        event.value_on,
        booked(until + timedelta(days=1_000)),
        event.amount_fen,
        {"event": event.id},
    )
    without = [e for e in events if e is not event]
    assert fold(terms, [*events, back], max(until, event.value_on)) == fold(
        terms, without, max(until, event.value_on)
    )


def test_unused_words_are_not_written():
    assert not {"ahead", "overdue", "to_period_end", "custom_fen", "calendar"} & make_terms().to_json().keys()
    terms = actual_terms(custom_fen=((2, 3_000),), smooth=True)
    assert Terms.from_json(terms.canonical_bytes()) == terms
