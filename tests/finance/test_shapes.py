"""Plans of every shape: grace, custom instalments, several disbursements, down payments, multiples, and what is refused."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import dates
from timelyrain.finance import (
    Advance,
    DayBasis,
    Grace,
    Method,
    Rounding,
    TermsInvalid,
    Unit,
    due_dates,
    periods,
    schedule,
)

START = date(2026, 1, 15)


def test_grace_on_principal():
    plan = schedule(120_000, 120_000, START, 6, grace=Grace(principal=2))
    assert [row.principal_fen for row in plan[:2]] == [0, 0]
    assert [row.interest_fen for row in plan[:3]] == [1_200] * 3
    later = schedule(120_000, 120_000, date(2026, 3, 15), 4)
    assert [row.total_fen for row in plan[2:]] == [row.total_fen for row in later]


def test_grace_on_interest_puts_it_off():
    plan = schedule(120_000, 120_000, START, 4, Method.EQUAL_PRINCIPAL, grace=Grace(interest=2))
    assert [row.interest_fen for row in plan] == [0, 0, 1_200 + 900 + 600, 300]
    assert [row.principal_fen for row in plan] == [30_000] * 4


def test_interest_free_periods():
    plan = schedule(120_000, 120_000, START, 4, grace=Grace(interest_free=2))
    assert [row.interest_fen for row in plan[:2]] == [0, 0]
    assert plan[2].interest_fen == round(plan[1].balance_fen * Fraction(1, 100))
    assert max(row.total_fen for row in plan) - min(row.total_fen for row in plan) <= 4
    whole = schedule(120_000, 120_000, START, 4, grace=Grace(interest_free=4))
    assert {row.total_fen for row in whole} == {30_000}


def test_custom_instalments():
    plan = schedule(1_000_000, 120_000, START, 6, fixed_fen={2: 300_000, 4: 50_000})
    totals = [row.total_fen for row in plan]
    assert (totals[1], totals[3]) == (300_000, 50_000)
    assert len({totals[k] for k in (0, 2, 4)}) == 1 and abs(totals[5] - totals[0]) <= 6
    shares = schedule(1_000_000, 120_000, START, 3, Method.EQUAL_PRINCIPAL, fixed_fen={1: 0, 2: 900_000})
    assert [row.principal_fen for row in shares] == [0, 900_000, 100_000]
    balloon = schedule(1_000_000, 120_000, START, 3, Method.INTEREST_ONLY, fixed_fen={1: 400_000})
    assert [row.principal_fen for row in balloon] == [400_000, 0, 600_000]


def test_a_custom_instalment_that_cannot_be_is_refused():
    with pytest.raises(TermsInvalid, match=r"fixed_fen\[1\]=5000: does not cover the interest of 10000"):
        schedule(1_000_000, 120_000, START, 6, fixed_fen={1: 5_000})
    with pytest.raises(TermsInvalid, match=r"fixed_fen\[2\]=1200000: is more than the \d+ still owed"):
        schedule(1_000_000, 120_000, START, 6, fixed_fen={2: 1_200_000})


def test_principal_never_grows_unasked():
    long_first: dict[str, object] = {"first_due": date(2026, 9, 15)}
    with pytest.raises(TermsInvalid, match="does not cover the first interest of 78387; shorten"):
        schedule(1_000_000, 120_000, START, 60, **long_first)
    eased = schedule(1_000_000, 120_000, START, 60, grace=Grace(principal=1), **long_first)
    assert eased[0].total_fen == 78_387  # 243 days, where a month to 15 September has 31


def test_several_disbursements():
    """Fineract scenario C3281: 250.00, and 750.00 six days later."""
    plan = schedule(
        25_000, 99_000, date(2024, 1, 1), 4, day_basis=DayBasis.ACT_ACT_DEC31,
        later=[Advance(date(2024, 1, 7), 75_000)], smooth=True,
    )  # fmt: skip
    assert [row.principal_fen for row in plan] == [24_766, 24_893, 25_061, 25_280]
    assert [row.interest_fen for row in plan] == [717, 590, 422, 205]


def test_a_disbursement_on_a_due_date_belongs_to_the_next_period():
    plan = schedule(100_000, 120_000, START, 3, later=[Advance(date(2026, 2, 15), 50_000)])
    alone = schedule(100_000, 120_000, START, 3)
    assert plan[0][:6] == alone[0][:6]
    assert plan[1].interest_fen == round((plan[0].balance_fen + 50_000) * Fraction(1, 100))


def test_down_payment():
    plan = schedule(10_000, 50_000, date(2024, 1, 1), 5, down_payment_ppm=250_000)
    assert (plan[0].due_on, plan[0].total_fen, plan[0].balance_fen) == (date(2024, 1, 1), 2_500, 7_500)
    assert [row.total_fen for row in plan[1:]] == [1_519] * 4 + [1_518]
    assert [row.n for row in plan] == [1, 2, 3, 4, 5, 6]


def test_multiples_and_smoothing():
    in_yuan = schedule(100_000, 0, START, 6, multiple_fen=100)
    assert [row.total_fen for row in in_yuan] == [16_700] * 5 + [16_500]
    plain = schedule(33_177, 106_500, date(2023, 12, 12), 5, day_basis=DayBasis.ACT_ACT_DEC31)
    smooth = schedule(33_177, 106_500, date(2023, 12, 12), 5, day_basis=DayBasis.ACT_ACT_DEC31, smooth=True)
    gap = [abs(plan[-1].total_fen - plan[0].total_fen) for plan in (plain, smooth)]
    assert gap[1] < gap[0]


def test_whole_interest_of_a_flat_loan():
    plain = schedule(125_000, 150_000, START, 4, Method.FLAT)
    assert [row.interest_fen for row in plain] == [1_562] * 4  # 15.625 to even
    whole = schedule(125_000, 150_000, START, 4, Method.FLAT, whole_interest=True)
    assert [row.interest_fen for row in whole] == [1_562] * 3 + [1_564]


def test_daily_product():
    """按日计息: 0.05 % a day is 18.25 % over 365 days; 30 days cost 1.5 %."""
    (row,) = schedule(100_000, 500 * 365, START, 1, Method.BULLET, DayBasis.ACT_365, unit=Unit.DAYS, every=30)
    assert (row.due_on, row.interest_fen) == (date(2026, 2, 14), 1_500)
    (by_360,) = schedule(
        100_000, 500 * 360, START, 1, Method.BULLET, DayBasis.ACT_360, unit=Unit.DAYS, every=30
    )
    assert by_360.interest_fen == 1_500


def test_all_problems_at_once():
    with pytest.raises(TermsInvalid) as caught:
        schedule(
            100_000, 120_000, START, 3, grace=Grace(3, 0, 9), fixed_fen={3: 5, 1: -1}, down_payment_ppm=2_000_000,
            later=[Advance(date(2026, 1, 1), 0)], multiple_fen=0, every=0, first_due=START,
        )  # fmt: skip
    assert {p.field for p in caught.value.problems} == {
        "every",
        "grace.principal",
        "grace.interest_free",
        "down_payment_ppm",
        "multiple_fen",
        "fixed_fen[1]",
        "fixed_fen",
        "later[0].amount_fen",
        "later[0].on",
        "first_due",
    }


def test_an_instalment_below_a_fen_is_refused():
    with pytest.raises(TermsInvalid, match="at least a fen for each of the 12 instalments"):
        schedule(11, 120_000, START, 12)


@st.composite
def shaped(draw: st.DrawFn) -> dict[str, object]:
    n = draw(st.integers(1, 24))
    start, unit, every = draw(dates), draw(st.sampled_from(Unit)), draw(st.integers(1, 20))
    term = (due_dates(start, n, unit=unit, every=every)[-1] - start).days
    later = draw(st.lists(st.tuples(st.integers(0, term - 1), st.integers(1, 10**7)), max_size=3))
    return {
        "principal_fen": draw(st.integers(10_000, 10**8)),
        "annual_rate_ppm": draw(st.integers(0, 360_000)),
        "start": start,
        "instalments": n,
        "method": draw(st.sampled_from(Method)),
        "day_basis": draw(st.sampled_from(DayBasis)),
        "rounding": draw(st.sampled_from(Rounding)),
        "grace": Grace(*(draw(st.integers(0, n - 1)) for _ in range(3))),
        "later": [Advance(start + timedelta(days=days), amount) for days, amount in later],
        "down_payment_ppm": draw(st.sampled_from((0, 0, 250_000))),
        "multiple_fen": draw(st.sampled_from((1, 1, 100))),
        "smooth": draw(st.booleans()),
        "unit": unit,
        "every": every,
    }


def test_a_disbursement_after_the_end_is_refused():
    with pytest.raises(TermsInvalid, match=r"later\[0\]\.on='2026-04-15': must be before the last due date"):
        schedule(100_000, 120_000, START, 3, later=[Advance(date(2026, 4, 15), 50_000)])


@given(shaped())
def test_every_shape_repays_what_was_paid_out(terms: dict[str, object]):
    plan = schedule(**terms)
    paid_out = terms["principal_fen"] + sum(a.amount_fen for a in terms["later"])
    assert sum(row.principal_fen for row in plan) == paid_out
    assert plan[-1].balance_fen == 0
    assert all(row.principal_fen >= 0 and row.interest_fen >= 0 and row.balance_fen >= 0 for row in plan)
    assert [row.n for row in plan] == list(range(1, len(plan) + 1))
    assert all(row.total_fen == row.principal_fen + row.interest_fen for row in plan)


@given(shaped())
def test_no_interest_is_lost_in_grace(terms: dict[str, object]):
    """What is put off is collected: with the same principal shares, the interest is the same."""
    free = {**terms, "method": Method.EQUAL_PRINCIPAL, "later": [], "down_payment_ppm": 0, "multiple_fen": 1}
    held = schedule(**{**free, "grace": Grace(interest=terms["instalments"] - 1)})
    plain = schedule(**{**free, "grace": Grace()})
    assert sum(row.interest_fen for row in held) == sum(row.interest_fen for row in plain)


def test_periods_carry_their_concessions():
    rows = periods(
        START, 3, Method.EQUAL_INSTALMENT, DayBasis.ACT_365, grace=Grace(1, 2, 1), fixed_fen={2: 500}
    )
    assert [row.repays for row in rows] == [False, True, True]
    assert [row.collects for row in rows] == [False, False, True]
    assert [row.num for row in rows] == [0, 1, 1]
    assert [row.fixed_fen for row in rows] == [None, 500, None]
