"""What terms can say beyond the usual: what is signed is what the fold does."""

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.simulation.simulator import draw_terms
from tests.strategies import booked, disbursed, make_terms
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
    fold,
    plan,
)
from timelyrain.finance import (
    Advance,
    CalendarEnds,
    DayBasis,
    Method,
    MonthEnd,
    Rounding,
    Shift,
    WorkCalendar,
    lay_out,
    periods,
)

START = date(2026, 1, 15)
TABLE = WorkCalendar(
    date(2026, 1, 1),
    date(2026, 12, 31),
    frozenset(date(2026, 2, day) for day in range(16, 24)),
    frozenset({date(2026, 2, 14)}),
    "国务院办公厅 2026",
)


def act(kind: EventType, on: date, amount: int = 0, n: int = 1, **data: str | int) -> Event:
    return Event(f"p{n:02}", kind, on, booked(on, n), amount, data)


def rows(state: LoanState) -> list[tuple[date, int, int]]:
    return [(row.due_on, row.principal_due_fen, row.interest_due_fen) for row in state.instalments]


@example(2_684_333)
@given(st.integers(0, 10**9))
def test_the_fold_begins_with_the_signed_plan(seed: int):
    dice = Random(seed)
    start = date(2024, 1, 1) + timedelta(days=dice.randrange(700))
    terms = draw_terms(dice, start)
    try:
        signed = plan(terms, start)
    except TermsInvalid:
        return
    except CalendarEnds:
        with pytest.raises(ContractViolation, match="calendar-covers-the-plan"):
            fold(terms, [disbursed(terms, start)], start)
        return
    if terms.principal_fen < 2 * terms.multiple_fen * terms.instalments:
        return  # an instalment of nothing
    state = fold(terms, [disbursed(terms, start)], start)
    told = [row for row in rows(state) if row[1] or row[2]]
    assert told == [
        (r.due_on, r.principal_fen, r.interest_fen) for r in signed if r.principal_fen or r.interest_fen
    ]
    assert Terms.from_json(terms.canonical_bytes()) == terms


@given(st.integers(0, 10**9))
def test_several_disbursements_fold_to_their_plan(seed: int):
    """Paid as they fall due, parts paid out at any time leave the instalments that `finance.lay_out` plans for them."""
    dice = Random(seed)
    n, start, method = (
        dice.randrange(2, 13),
        START,
        dice.choice([Method.EQUAL_INSTALMENT, Method.EQUAL_PRINCIPAL]),
    )
    days = sorted(
        {start + timedelta(days=dice.randrange(1, 28 * (n - 1))) for _ in range(dice.randrange(1, 3))}
    )
    advances = [Advance(on, dice.randrange(10_000, 500_000)) for on in (start, *days)]
    words = dice.choice([{}, {"ahead": Ahead.NEXT, "overdue": Overdue.INTEREST}])
    terms = make_terms(
        principal_fen=sum(a.amount_fen for a in advances), instalments=n, method=method, parts=len(advances),
        day_basis=dice.choice(list(DayBasis)), annual_rate_ppm=dice.randrange(0, 200_000), penalty_ppm=0,
        smooth=method is Method.EQUAL_INSTALMENT and dice.random() < 0.5, **words,
    )  # fmt: skip
    periods_of = periods(start, n, method, terms.day_basis)
    signed = lay_out(advances, terms.annual_rate_ppm, periods_of, method, terms.rounding, smooth=terms.smooth)
    events: list[Event] = []
    for on in sorted({a.on for a in advances} | {period.due_on for period in periods_of}):
        due = fold(terms, events, on).amount_due_fen
        if due:
            events.append(act(EventType.REPAID, on, due, len(events)))
        for advance in advances:
            if advance.on == on:
                events.append(act(EventType.DISBURSED, on, advance.amount_fen, len(events)))
        if on >= advances[-1].on:
            break
    assert rows(fold(terms, events, advances[-1].on)) == [
        (r.due_on, r.principal_fen, r.interest_fen) for r in signed
    ]


def paid_to_the_end(terms: Terms, start: date = START) -> LoanState:
    events = [disbursed(terms, start)]
    for n in range(1, 60):
        state = fold(terms, events, start if n == 1 else events[-1].value_on)
        if state.amount_due_fen:
            events.append(act(EventType.REPAID, state.as_of, state.amount_due_fen, n))
        elif state.next_due:
            due_on = state.next_due.due_on
            due = fold(terms, events, due_on).amount_due_fen
            events.append(act(EventType.REPAID, due_on, max(1, due), n))
        else:
            break
    return fold(terms, events, events[-1].value_on)


@pytest.mark.parametrize(
    "words",
    [
        {"grace_interest": 3},
        {"grace_interest": 2, "grace_principal": 4, "method": Method.EQUAL_PRINCIPAL},
        {"down_payment_ppm": 250_000},
        {"custom_fen": ((2, 300_000), (5, 0))},
        {"method": Method.INTEREST_ONLY, "custom_fen": ((6, 400_000),)},
        {"calendar": TABLE, "instalments": 10},
        {"method": Method.FLAT, "equal_totals": True, "annual_rate_ppm": 100_000},
        {"method": Method.FLAT, "whole_interest": True, "annual_rate_ppm": 100_000},
        {"smooth": True, "multiple_fen": 10_000},
    ],
)  # fmt: skip
def test_paid_as_it_falls_due_it_ends_at_zero_with_the_planned_interest(words: dict[str, object]):
    if words.get("custom_fen") == ((2, 300_000), (5, 0)):
        words = {**words, "method": Method.EQUAL_PRINCIPAL}
    terms = make_terms(**words)
    state = paid_to_the_end(terms)
    assert state.status is Status.SETTLED
    assert state.totals.interest_paid_fen == sum(row.interest_fen for row in plan(terms, START))
    assert state.totals.principal_paid_fen == terms.principal_fen


def test_interest_put_off_is_owed_while_it_waits():
    terms = make_terms(grace_interest=2, grace_principal=2)
    state = fold(terms, [disbursed(terms, START)], date(2026, 3, 20))
    first_two = [row.interest_due_fen for row in state.instalments][:2]
    assert first_two == [0, 0]
    assert state.amount_due_fen == 0
    assert state.payoff_fen == terms.principal_fen + state.totals.interest_accrued_fen
    bare = make_terms(grace_principal=2)
    late = fold(bare, [disbursed(bare, START)], date(2026, 3, 20))
    assert state.totals.interest_accrued_fen == late.totals.interest_accrued_fen


def test_a_down_payment_is_due_on_the_day():
    terms = make_terms(down_payment_ppm=250_000)
    state = fold(terms, [disbursed(terms, START)], START)
    assert state.amount_due_fen == terms.principal_fen // 4
    assert fold(terms, [disbursed(terms, START)], START + timedelta(days=1)).dpd == 1


def test_working_days_are_fixed_at_signing():
    terms = make_terms(calendar=TABLE, instalments=6, due_day=16)
    due = [row.due_on for row in plan(terms, START)]
    assert due[0] == date(2026, 2, 24)  # the holiday week, moved on
    assert TABLE.name in terms.canonical_bytes().decode()
    with pytest.raises(CalendarEnds, match="extend the table"):
        plan(make_terms(calendar=TABLE, instalments=12), START)
    long = make_terms(calendar=TABLE, instalments=12)
    with pytest.raises(ContractViolation, match="calendar-covers-the-plan"):
        fold(long, [disbursed(long, START)], START)
    preceding = make_terms(calendar=TABLE, shift=Shift.PRECEDING, instalments=6, due_day=16)
    assert plan(preceding, START)[0].due_on == date(2026, 2, 14)  # a Saturday that is worked


def test_a_shifted_day_is_not_the_agreed_one():
    """Due on the 31st: January's falls on Saturday and moves to February; the pause moves it by one month, not two."""
    terms = make_terms(calendar=TABLE, instalments=8, due_day=31, month_end=MonthEnd.CLAMP)
    begun = [disbursed(terms, date(2026, 1, 5))]
    assert fold(terms, begun, date(2026, 1, 5)).instalments[0].due_on == date(2026, 2, 2)
    pause = act(EventType.PAUSED, date(2026, 1, 20), months=1, interest="runs")
    moved = [row.due_on for row in fold(terms, [*begun, pause], date(2026, 1, 20)).instalments]
    assert moved[:3] == [date(2026, 3, 2), date(2026, 3, 31), date(2026, 4, 30)]


def test_a_rolled_day_comes_back_after_a_pause():
    terms = make_terms(due_day=31, month_end=MonthEnd.ROLL, instalments=6)
    begun = [disbursed(terms, date(2026, 1, 31))]
    due = [row.due_on for row in fold(terms, begun, date(2026, 1, 31)).instalments]
    assert due[:3] == [date(2026, 3, 1), date(2026, 3, 31), date(2026, 5, 1)]
    for months, wanted in (
        (1, [date(2026, 3, 31), date(2026, 5, 1), date(2026, 5, 31)]),
        (2, [date(2026, 5, 1), date(2026, 5, 31), date(2026, 7, 1)]),
    ):
        pause = act(EventType.PAUSED, date(2026, 2, 10), months=months, interest="runs")
        state = fold(terms, [*begun, pause], date(2026, 2, 10))
        assert [row.due_on for row in state.instalments][:3] == wanted
    change = act(EventType.DUE_DATE_CHANGED, date(2026, 2, 10), due_day=30)
    state = fold(terms, [*begun, change], date(2026, 2, 10))
    assert [row.due_on for row in state.instalments][:3] == [
        date(2026, 3, 1),
        date(2026, 3, 30),
        date(2026, 4, 30),
    ]


def test_flat_totals_stay_equal_when_a_part_follows():
    """Fineract's C3893: 1,000.00, and 250.00 in the second period."""
    terms = make_terms(
        principal_fen=125_000, annual_rate_ppm=120_000, method=Method.FLAT, instalments=3, parts=2,
        day_basis="ACT_ACT_DEC31", rounding=Rounding.HALF_EVEN, equal_totals=True,
    )  # fmt: skip
    first, second = date(2024, 6, 1), date(2024, 7, 15)
    events = [act(EventType.DISBURSED, first, 100_000, 1), act(EventType.DISBURSED, second, 25_000, 2)]
    assert [row[1:] for row in rows(fold(terms, events, second))] == [
        (33_355, 984),
        (45_880, 1_156),
        (45_765, 1_270),
    ]


def test_custom_instalments_that_cannot_be_kept_are_refused_at_pay_out():
    terms = make_terms(custom_fen=((2, 10),))
    with pytest.raises(ContractViolation, match="custom-instalments-kept"):
        fold(terms, [disbursed(terms, START)], START)


def test_all_problems_are_told_at_once():
    story = make_terms().to_json() | {
        "custom_fen": [[1, 5], [99, 1], "x"],
        "calendar": {"name": "", "first": "2026-01-01", "last": "2025-01-01", "off": ["x"], "worked": []},
        "smooth": 1,
        "ahead": "SOON",
        "grace_interest": 700,
    }
    with pytest.raises(TermsInvalid) as told:
        Terms.from_json(story)
    fields = {problem.field for problem in told.value.problems}
    assert {
        "custom_fen[2]",
        "custom_fen",
        "calendar.off",
        "calendar",
        "smooth",
        "ahead",
        "grace_interest",
    } <= fields
