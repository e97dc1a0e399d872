"""ACTUS: terms that are read or refused, our plans against the unrounded evaluation, and the way there and back."""

from dataclasses import replace
from datetime import date, datetime
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.strategies import make_terms, terms
from timelyrain.contract import Terms, plan
from timelyrain.contract.actus import (
    ActusInvalid,
    evaluate,
    from_actus,
    read_observed,
    read_prepayments,
    read_terms,
    to_actus,
)
from timelyrain.contract.actus.dates import Cycle, Shift, schedule, year_fraction
from timelyrain.finance import DayBasis, Method

START = date(2026, 1, 15)
LOAN = {
    "contractType": "LAM",
    "contractRole": "RPA",
    "statusDate": "2025-12-31T00:00:00",
    "initialExchangeDate": "2026-01-15T00:00:00",
    "notionalPrincipal": "1200",
    "nominalInterestRate": "0.12",
    "dayCountConvention": "30E360",
    "cycleAnchorDateOfPrincipalRedemption": "2026-02-15T00:00:00",
    "cycleOfPrincipalRedemption": "P1ML1",
    "cycleAnchorDateOfInterestPayment": "2026-02-15T00:00:00",
    "cycleOfInterestPayment": "P1ML1",
    "maturityDate": "2027-01-15T00:00:00",
}
OURS = {"cap_ppm": 240_000, "lender": "l", "licence": "n", "policy_pack": "cn", "product": "p"}


def at(*when: int) -> datetime:
    return datetime(*when)  # noqa: DTZ001 # pyright: ignore[reportArgumentType]


def test_a_loan_of_equal_principal_checked_by_hand():
    events = evaluate(read_terms(LOAN))
    assert [e.type for e in events[:3]] == ["IED", "PR", "IP"]
    assert (events[0].payoff, events[1].payoff, events[2].payoff) == (-1200, 100, 12)
    assert (events[4].payoff, events[-1].type, events[-1].payoff) == (11, "MD", 100)
    assert sum(e.payoff for e in events) == sum(range(1, 13))  # interest of 12, 11, ... 1


def test_an_observed_prepayment_reduces_the_notional():
    seen = read_prepayments([{"type": "PP", "time": "2026-03-01T00:00:00", "value": "550"}])
    events = evaluate(read_terms(LOAN), prepayments=seen)
    prepaid = next(e for e in events if e.type == "PP")
    assert (prepaid.payoff, prepaid.notional) == (
        550,
        1200 - 550 - 100 * sum(e.at < prepaid.at for e in events if e.type == "PR"),
    )
    assert sum(e.payoff for e in events if e.type in ("PR", "PP", "MD")) == 1200
    assert sum(e.payoff for e in events) < sum(range(1, 13))
    with pytest.raises(ActusInvalid, match="only a prepayment"):
        read_prepayments([{"type": "CE", "time": "2026-03-01T00:00:00"}])


def test_a_negative_amortizer_lets_the_debt_grow():
    loan = LOAN | {"contractType": "NAM", "nextPrincipalRedemptionPayment": "10"}
    events = evaluate(read_terms(loan))
    assert (events[1].payoff, events[1].notional) == (-2, 1202)


def test_rate_resets_within_their_bounds():
    market = {"X": {"data": [{"timestamp": "2026-01-01T00:00:00", "value": "0.5"}]}}
    loan = LOAN | {
        "cycleAnchorDateOfRateReset": "2026-03-15T00:00:00",
        "cycleOfRateReset": "P3ML1",
        "marketObjectCodeOfRateReset": "X",
        "periodCap": "0.01",
        "lifeCap": "0.135",
    }
    rates = [e.rate for e in evaluate(read_terms(loan), read_observed(market)) if e.type == "RR"]
    assert rates == [Fraction("0.13"), Fraction("0.135"), Fraction("0.135"), Fraction("0.135")]
    with pytest.raises(ActusInvalid, match="X"):
        evaluate(read_terms(loan))


def test_a_running_contract_starts_from_its_status_date():
    running = LOAN | {"statusDate": "2026-03-01T00:00:00", "accruedInterest": "5"}
    events = evaluate(read_terms(running))
    assert (events[0].at, events[0].type) == (at(2026, 3, 15), "PR")
    assert events[1].payoff == 5 + Fraction(1200) * 12 / 100 * 14 / 360


def test_fees():
    loan = LOAN | {"feeRate": "3", "feeBasis": "A", "cycleOfFee": "P6ML1"}
    assert [(e.at.month, e.payoff) for e in evaluate(read_terms(loan)) if e.type == "FP"] == [(7, 3), (1, 3)]


def test_everything_wrong_is_told_at_once():
    bad = LOAN | {
        "contractType": "SWAPS",
        "notionalPrincipal": "much",
        "cycleOfInterestPayment": "monthly",
        "statusDate": "",
        "businessDayConvention": "XYZ",
    }
    with pytest.raises(ActusInvalid) as caught:
        read_terms(bad)
    assert {
        "contractType",
        "notionalPrincipal",
        "cycleOfInterestPayment",
        "statusDate",
        "businessDayConvention",
    } <= {problem.field for problem in caught.value.problems}


def test_schedules_with_long_and_short_ends():
    def days(cycle: str, end: datetime, *, eom: bool = False) -> list[tuple[int, int]]:
        times = schedule(at(2026, 1, 31), Cycle.parse(cycle), end, end_of_month=eom)
        return [(t.month, t.day) for t in times]

    assert days("P1ML0", at(2026, 4, 10)) == [(1, 31), (2, 28), (4, 10)]
    assert days("P1ML1", at(2026, 4, 10)) == [(1, 31), (2, 28), (3, 31), (4, 10)]
    assert days("P1ML0", at(2026, 3, 31)) == [(1, 31), (2, 28), (3, 31)]
    april = schedule(at(2026, 4, 30), Cycle.parse("P1ML1"), at(2026, 6, 30), end_of_month=True)
    assert [t.day for t in april] == [30, 31, 30]


@pytest.mark.parametrize(
    ("convention", "moved"),
    [
        ("SCF", (2026, 6, 1)),
        ("SCMF", (2026, 5, 29)),
        ("CSP", (2026, 5, 29)),
        ("SCMP", (2026, 5, 29)),
        ("NOS", (2026, 5, 31)),
    ],
)
def test_business_days(convention: str, moved: tuple[int, int, int]):
    assert Shift.parse(convention, "MF").moved(at(2026, 5, 31)) == at(*moved)  # a Sunday


@pytest.mark.parametrize(
    ("convention", "part"),
    [
        ("A360", Fraction(28, 360)),
        ("A365", Fraction(28, 365)),
        ("AA", Fraction(28, 365)),
        ("30E360", Fraction(28, 360)),
        ("30E360ISDA", Fraction(30, 360)),
        ("28E336", Fraction(28, 336)),
    ],
)
def test_day_counts_from_31_january_to_28_february(convention: str, part: Fraction):
    assert year_fraction(convention, at(2026, 1, 31), at(2026, 2, 28)) == part


def test_the_last_second_of_a_day_is_the_next_day():
    assert year_fraction("A365", at(2026, 1, 1), at(2026, 1, 31, 23, 59, 59)) == Fraction(31, 365)


@given(
    terms(principal_fen=1_000_000),
    st.dates(date(2024, 1, 1), date(2027, 12, 31)).filter(lambda d: d.day <= 28),
)
def test_our_plan_is_the_unrounded_one_to_the_rounding(loan: Terms, start: date):
    try:
        contract = to_actus(loan, start)
    except ActusInvalid:
        assume(False)
        raise
    events = evaluate(read_terms(contract))
    principal = [e.payoff * 100 for e in events if e.type in ("PR", "MD")]
    interest = [e.payoff * 100 for e in events if e.type == "IP"]
    rows = plan(loan, start)
    assert [e.at.date() for e in events if e.type == "IP"] == [row.due_on for row in rows]
    drift = len(rows) + 1  # each rounded instalment moves the balance by at most a fen
    principal = [Fraction(0)] * (len(rows) - len(principal)) + principal
    for row, share, part in zip(rows[:-1], principal, interest, strict=False):
        assert abs(row.principal_fen - share) <= drift
        assert abs(row.interest_fen - part) <= drift
    assert abs(sum(row.interest_fen for row in rows) - sum(interest)) <= drift * 2


@given(
    terms(penalty_ppm=0, prepayment_fee_ppm=0, grace_days=0),
    st.dates(date(2024, 1, 1), date(2027, 12, 31)),
)
def test_terms_come_back_from_actus(loan: Terms, start: date):
    try:
        contract = to_actus(loan, start)
    except ActusInvalid:
        assume(False)
        raise
    ours = {
        **OURS,
        "lender": loan.lender,
        "rounding": loan.rounding,
        "licence": loan.licence,
        "product": loan.product,
    }
    back, on = from_actus(contract, **ours)
    assert on == start
    assert plan(back, start) == plan(loan, start) or loan.day_basis is DayBasis.PER_INSTALMENT
    assert (back.principal_fen, back.annual_rate_ppm, back.method) == (
        loan.principal_fen,
        loan.annual_rate_ppm,
        loan.method,
    )
    if loan.method is not Method.BULLET:
        assert back.instalments == loan.instalments


def test_what_retail_terms_cannot_say_is_refused():
    wrong = LOAN | {
        "contractRole": "RPL",
        "premiumDiscountAtIED": "-5",
        "cycleOfRateReset": "P3ML1",
        "capitalizationEndDate": "2026-03-01T00:00",
    }
    with pytest.raises(ActusInvalid) as caught:
        from_actus(wrong, **OURS)
    assert {p.field for p in caught.value.problems} == {
        "contractRole", "premiumDiscountAtIED", "cycleOfRateReset", "capitalizationEndDate",
    }  # fmt: skip
    with pytest.raises(ActusInvalid, match="irregular first month"):
        to_actus(replace(make_terms(), due_day=20), START)
    with pytest.raises(ActusInvalid, match="at most 28"):
        to_actus(make_terms(), date(2026, 1, 31))
