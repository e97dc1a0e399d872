"""Plans that follow the balance actually owed: Fineract's scenarios, and the laws of every history of payments."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import dates
from timelyrain.finance import (
    Ahead,
    DayBasis,
    Method,
    Payment,
    Rounding,
    ServicedInstalment,
    amortise,
    level_part,
    periods,
    serviced_plan,
)

START = date(2024, 1, 1)
ROWS = periods(START, 6, Method.EQUAL_INSTALMENT, DayBasis.PER_INSTALMENT)
PART = level_part(10_000, 70_000, ROWS, Method.EQUAL_INSTALMENT)  # 17.01


def serviced(*payments: Payment, until: date, **how: object) -> tuple[ServicedInstalment, ...]:
    return serviced_plan(10_000, 70_000, ROWS, Rounding.HALF_EVEN, PART, payments, until, **how)  # pyright: ignore[reportArgumentType]


def interest(plan: tuple[ServicedInstalment, ...]) -> list[int]:
    return [row.interest_fen for row in plan]


def test_paid_on_its_day_nothing_changes():
    plain = amortise(10_000, 70_000, ROWS, Method.EQUAL_INSTALMENT, Rounding.HALF_EVEN, PART)
    paid = [Payment(row.due_on, row.total_fen) for row in plain]
    plan = serviced(*paid, until=date(2024, 7, 1))
    assert [(r.principal_fen, r.interest_fen) for r in plan] == [
        (r.principal_fen, r.interest_fen) for r in plain
    ]
    assert all(r.principal_paid_fen == r.principal_fen for r in plan)


def test_paid_early_the_last_instalment_falls():
    """C3253, C3255: 15.00 on the 15th; then the rest on the 20th, and the days after it are the next instalment's."""
    some = serviced(Payment(date(2024, 1, 15), 1_500), until=date(2024, 1, 15))
    assert (some[0].principal_fen, some[0].interest_fen) == (1_647, 54)
    assert (some[0].principal_paid_fen, some[0].interest_paid_fen) == (1_474, 26)
    assert some[5].principal_fen == 1_686
    whole = serviced(
        Payment(date(2024, 1, 15), 1_500), Payment(date(2024, 1, 20), 201), until=date(2024, 1, 20)
    )
    assert interest(whole)[:2] == [34, 68]


def test_overdue_principal_goes_on_bearing_interest():
    """C3228 to the day, C3229 to the end of the period."""
    assert interest(serviced(until=date(2024, 2, 15)))[:3] == [58, 53, 39]
    assert interest(serviced(until=date(2024, 2, 15), whole_periods=True))[:3] == [58, 58, 39]
    assert interest(serviced(until=date(2024, 7, 1)))[:6] == [58] * 6


def test_money_to_the_last_instalments():
    """C3289: interest falls from the day on, the instalments to come stay."""
    plan = serviced(Payment(date(2024, 1, 15), 1_500), until=date(2024, 1, 15), ahead=Ahead.LAST)
    assert interest(plan) == [54, 40, 30, 21, 11, 1]
    assert plan[5].principal_paid_fen == 1_500
    done = serviced(
        Payment(date(2024, 1, 15), 1_701), Payment(date(2024, 1, 20), 8_333), until=date(2024, 1, 20), ahead=Ahead.LAST
    )  # C3292  # fmt: skip
    assert [row.principal_fen for row in done] == [1_495] + [1_701] * 5
    assert interest(done) == [34, 0, 0, 0, 0, 0]


def test_payoff_to_the_day_or_to_the_end_of_the_period():
    """C3245 and C3214."""
    for how, owed, last in (({}, 10_086, 1_581), ({"payoff_to_period_end": True}, 10_116, 1_611)):
        plan = serviced(Payment(date(2024, 2, 15), owed), until=date(2024, 2, 15), **how)
        assert sum(r.principal_paid_fen + r.interest_paid_fen for r in plan) == owed
        assert all(r.principal_paid_fen == r.principal_fen for r in plan)
        assert plan[5].principal_fen == last


@st.composite
def histories(draw: st.DrawFn) -> tuple[dict[str, object], date]:
    n, start = draw(st.integers(1, 18)), draw(dates)
    rows = periods(start, n, Method.EQUAL_INSTALMENT, draw(st.sampled_from(DayBasis)))
    principal, rate = draw(st.integers(10_000, 10**7)), draw(st.integers(0, 360_000))
    days = st.integers(0, 31 * n + 60)
    payments = draw(st.lists(st.tuples(days, st.integers(1, principal)), max_size=8))
    return {
        "principal_fen": principal,
        "annual_rate_ppm": rate,
        "rows": rows,
        "rounding": draw(st.sampled_from(Rounding)),
        "part_fen": level_part(principal, rate, rows, Method.EQUAL_INSTALMENT),
        "payments": [Payment(start + timedelta(days=day), amount) for day, amount in payments],
        "ahead": draw(st.sampled_from(Ahead)),
        "whole_periods": draw(st.booleans()),
        "payoff_to_period_end": draw(st.booleans()),
    }, start + timedelta(days=draw(days))


@given(histories())
def test_every_history_keeps_the_books(history: tuple[dict[str, object], date]):
    loan, until = history
    plan = serviced_plan(until=until, **loan)  # pyright: ignore[reportArgumentType]
    assert sum(row.principal_fen for row in plan) == loan["principal_fen"]
    for row in plan:
        assert 0 <= row.principal_paid_fen <= row.principal_fen
        assert 0 <= row.interest_paid_fen <= row.interest_fen
    received = sum(p.amount_fen for p in loan["payments"] if p.on <= until)  # pyright: ignore
    paid = sum(row.principal_paid_fen + row.interest_paid_fen for row in plan)
    owed = sum(row.principal_fen + row.interest_fen for row in plan)
    assert paid <= received
    if loan["ahead"] is Ahead.NEXT:
        assert paid == min(received, owed)


@given(histories(), st.integers(1, 200))
def test_paying_earlier_never_costs_more(history: tuple[dict[str, object], date], sooner: int):
    loan, _ = history
    loan |= {"whole_periods": False, "payoff_to_period_end": False, "ahead": Ahead.NEXT}
    rows = loan["rows"]
    start, end = rows[0].start, rows[-1].due_on + timedelta(days=90)  # pyright: ignore
    earlier = [
        Payment(max(start, p.on - timedelta(days=sooner)), p.amount_fen)
        for p in loan["payments"]  # pyright: ignore
    ]
    cost = [
        sum(interest(serviced_plan(until=end, **{**loan, "payments": payments})))  # pyright: ignore[reportArgumentType]
        for payments in (loan["payments"], earlier)
    ]
    assert cost[1] <= cost[0] + len(rows)  # a fen of rounding an instalment  # pyright: ignore


def test_needs_nothing_after_the_end():
    plan = serviced(Payment(date(2024, 6, 15), 10**9), until=date(2026, 1, 1))
    assert sum(r.principal_paid_fen for r in plan) == 10_000


@pytest.mark.parametrize("until", [START, date(2024, 7, 1)])
def test_no_payment_no_change_of_sum(until: date):
    assert sum(row.principal_fen for row in serviced(until=until)) == 10_000
