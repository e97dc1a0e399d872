"""A product of any kind: the same words from the pack through disclosure and signed terms to the fold."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelyrain import policies
from timelyrain.agreements.disclosures import Lender, canonical, make_disclosure, make_terms
from timelyrain.agreements.wording import conditions, overdue, prepayment
from timelyrain.contract import Ahead, Allocation, Event, EventType, Overdue, Terms, TermsInvalid, fold, plan
from timelyrain.finance import (
    Advance,
    CashFlow,
    DayBasis,
    Fee,
    Method,
    MonthEnd,
    Rounding,
    Shift,
    Unit,
    WorkCalendar,
    all_in_cost,
    xirr,
)
from timelyrain.policies import PackInvalid
from timelyrain.policies.catalogue import AHEAD, ALLOCATION, OVERDUE, read_products

LENDER = Lender("测试消费金融", "consumer_finance", "L0001", "95000")
ON = date(2026, 3, 2)
CAP = policies.load_pack("cn").rule("cost_cap_ppm", on=ON, licence="consumer_finance")
PLAIN: dict[str, object] = {
    "id": "p", "name_zh": "测试", "name_en": "test", "licences": ["consumer_finance"], "in_force_from": date(2020, 1, 1),
    "method": "EQUAL_INSTALMENT", "day_basis": "PER_INSTALMENT", "rounding": "DOWN", "instalments": [6, 12],
    "min_amount_fen": 100_000, "max_amount_fen": 5_000_000, "step_fen": 10_000, "min_rate_ppm": 72_000,
    "max_rate_ppm": 200_000, "grace_days": 3, "penalty_multiplier_ppm": 1_500_000, "prepayment_fee_ppm": 0,
    "purposes": ["shopping"], "forbidden_purposes": [],
}  # fmt: skip
CALENDAR = WorkCalendar(date(2026, 1, 1), date(2029, 12, 31), name="tests")


def read(words: dict[str, object]) -> tuple[list[str], policies.Product]:
    problems: list[str] = []
    purposes = {"shopping": policies.Purpose("shopping", "日常消费", "everyday shopping")}
    return problems, read_products({"product": [PLAIN | words]}, purposes, problems)[0]


def product(**words: object) -> policies.Product:
    problems, found = read(words)
    if problems:
        raise PackInvalid(problems)
    return found


def terms_of(made: policies.Product, fen: int = 1_200_000, n: int = 12, rate_ppm: int = 144_000) -> Terms:
    calendar = CALENDAR if made.working_days else None
    return make_terms(made, LENDER, "cn@tests", fen, n, rate_ppm, 240_000, calendar)


def disclosed(terms: Terms, on: date = ON) -> dict:
    return make_disclosure(terms, LENDER, on, CAP, 10, "shopping")


def at(on: date) -> datetime:
    return datetime(on.year, on.month, on.day, 4, tzinfo=UTC)


def event(kind: EventType, on: date, fen: int, **data: str | int) -> Event:
    return Event(f"{on}-{kind}", kind, on, at(on), fen, data)


def test_the_pack_knows_the_words_that_contracts_have():
    assert (tuple(Ahead), tuple(Overdue), tuple(Allocation)) == (AHEAD, OVERDUE, ALLOCATION)


def test_a_product_without_words_signs_what_it_always_did():
    """The hash of terms as they were made before products had words."""
    terms = terms_of(product())
    assert terms.sha256() == "7bcb818d950970a1a758bda9c1e81f152212efc9d7f5a4a7dd1f036906035b43"
    assert {"conditions", "rates_by"}.isdisjoint(disclosed(terms)) and conditions(terms) == []


def test_everything_wrong_with_the_words_is_told_at_once():
    with pytest.raises(PackInvalid) as refused:
        product(
            method="FLAT", day_basis="ACT_366", rounding="UP", unit="YEARS", shift="PRECEDING", ahead="SOON", overdue="INTEREST",
            to_period_end=True, smooth=True, grace_interest=6, down_payment_ppm=1_000_000, due_day=32, every=0,
            late_fee_fen=-1, allocation=["COSTS"], penalty_multiplier_ppm=-1, colour="red",
        )  # fmt: skip
    for name in ("day_basis", "rounding", "unit", "shift", "ahead", "flat interest", "smooth", "grace_interest = 6",
                 "down_payment_ppm", "due_day", "every = 0", "late_fee_fen", "allocation", "penalty_multiplier_ppm",
                 "colour is not a known name"):  # fmt: skip
        assert name in str(refused.value), name
    with pytest.raises(PackInvalid, match="to_period_end is about money ahead"):
        product(to_period_end=True)


@given(
    st.fixed_dictionaries(
        {"method": st.sampled_from(Method).map(str)},
        optional={
            "day_basis": st.sampled_from(DayBasis).map(str), "rounding": st.sampled_from(Rounding).map(str),
            "unit": st.sampled_from(Unit).map(str), "every": st.integers(1, 3), "month_end": st.sampled_from(MonthEnd).map(str),
            "due_day": st.integers(1, 31), "working_days": st.booleans(), "shift": st.sampled_from(Shift).map(str),
            "grace_principal": st.integers(0, 6), "grace_interest": st.integers(0, 6), "interest_free": st.integers(0, 6),
            "down_payment_ppm": st.sampled_from((0, 200_000)), "multiple_fen": st.sampled_from((1, 100)),
            "smooth": st.booleans(), "whole_interest": st.booleans(), "equal_totals": st.booleans(),
            "ahead": st.sampled_from(AHEAD), "overdue": st.sampled_from(OVERDUE), "to_period_end": st.booleans(),
            "prepayment_fee_ppm": st.sampled_from((0, 10_000)), "late_fee_fen": st.sampled_from((0, 2_000)),
        },
    )
)  # fmt: skip
def test_the_pack_takes_a_product_exactly_where_contracts_take_its_terms(words: dict[str, object]):
    problems, made = read(words)
    refused: list[str] = []
    for n in made.instalments:
        try:
            terms = terms_of(made, n=n, rate_ppm=100_000)
        except TermsInvalid as error:
            refused += map(str, error.problems)
            continue
        assert Terms.from_json(terms.canonical_bytes()) == terms
        body = disclosed(terms)
        assert sum(row["principal_fen"] for row in body["instalments"]) == 1_200_000
        assert {c["kind"] for c in body["normal"] + body["contingent"]} == {c.kind for c in terms.charges}
    assert bool(problems) == bool(refused), (problems, refused)


def test_interest_first_then_principal_by_days_overdue_bears_interest():
    """先息后本 for two months, then equal principal; by actual days; early money recalculates, overdue bears interest."""
    made = product(
        method="EQUAL_PRINCIPAL", day_basis="ACT_365", grace_principal=2, ahead="NEXT", overdue="INTEREST",
        instalments=[6],
    )  # fmt: skip
    terms = terms_of(made, fen=1_200_000, n=6, rate_ppm=146_000)  # 480 fen a day on 12,000 yuan
    assert terms.penalty_ppm == 73_000  # with the interest beside it one and a half times the rate
    body = disclosed(terms)
    rows = body["instalments"]
    assert [row["principal_fen"] for row in rows] == [0, 0, 300_000, 300_000, 300_000, 300_000]
    assert [row["interest_fen"] for row in rows[:3]] == [480 * 31, 480 * 30, 480 * 31]
    interest, penalty = body["normal"][0], body["contingent"][0]
    assert "按实际未还本金计收" in interest["standard_zh"] and "on principal owed" in interest["standard_en"]
    assert "在正常利息之外" in penalty["standard_zh"] and "beside interest" in penalty["standard_en"]
    assert "principal_owed" in interest["formula"] and "beside interest" in penalty["formula"]
    assert any("Money before its day" in text["en"] for text in body["conditions"])
    signed = Terms.from_json(canonical(terms.to_json()))
    assert signed.sha256() == body["terms_sha256"]
    paid = [event(EventType.DISBURSED, ON, 1_200_000)]
    paid += [
        event(EventType.REPAID, date(2026, 4, 2), 480 * 31),
        event(EventType.REPAID, date(2026, 5, 2), 480 * 30),
    ]
    # Ten days into the third month 6,048 yuan come: 48 are interest of ten days, the rest is principal.
    early = [*paid, event(EventType.REPAID, date(2026, 5, 12), 604_800)]
    state = fold(signed, early, date(2026, 5, 12))
    assert state.outstanding_principal_fen == 600_000
    assert fold(signed, early, date(2026, 5, 22)).payoff_fen == 600_000 + 10 * 240
    # Or nothing comes: the due principal bears interest with the rest, and after the grace penalty beside it.
    late = fold(signed, paid, date(2026, 6, 12))
    assert late.payoff_fen == 1_200_000 + 480 * (31 + 10) + 300_000 * 73_000 * (10 - 3) // (365 * 1_000_000)


@pytest.mark.parametrize(("words", "on"), [
    ({"down_payment_ppm": 200_000}, ON),
    ({"due_day": 15}, ON),
    ({"unit": "WEEKS", "every": 2}, ON),
    ({"method": "BULLET"}, ON),
    ({"working_days": True, "shift": "MODIFIED"}, date(2026, 1, 31)),
    ({"every": 5}, ON),
])  # fmt: skip
def test_rates_of_uneven_plans_are_those_of_the_dated_flows(words: dict[str, object], on: date):
    terms = terms_of(product(**words), n=6)
    body, rows = disclosed(terms, on), plan(terms, on)
    flows = [CashFlow(on, terms.principal_fen), *(CashFlow(row.due_on, -row.total_fen) for row in rows)]
    cost = all_in_cost(LENDER.name, [Advance(on, terms.principal_fen)], rows, [Fee("late", "x", on, 5, True)])
    assert body["rates_by"] == "days" and body["annualised_irr_ppm"] == round(xirr(flows) * 1_000_000)
    assert (body["received_fen"], body["total_cost_fen"]) == (cost.received_fen, cost.normal_fen)
    simple = Decimal(body["annualised_simple_ppm"]) / 12_000_000
    assert abs((1 + simple) ** 12 - 1 - cost.annual_rate) < Decimal("2e-6")
    assert (
        abs(body["annualised_simple_ppm"] - terms.annual_rate_ppm) < 6_000
    )  # simple is near what was agreed
    assert ("conditions" in body) == (words != {"method": "BULLET"})


def test_quarters_are_even():
    body = disclosed(terms_of(product(every=3), n=6))
    assert body["annualised_simple_ppm"] == pytest.approx(144_000, abs=5) and "rates_by" not in body


def test_words_of_early_and_late_follow_the_terms():
    plain, other = (
        terms_of(product()),
        terms_of(product(ahead="LAST", to_period_end=True, overdue="TO_PERIOD_END")),
    )
    assert prepayment(plain)[0] == "可随时提前部分或全部还款，利息按实际占用天数计收，不收手续费。"
    assert "当期期末" in prepayment(other)[0] and "end of the running period" in prepayment(other)[1]
    assert (
        overdue(plain)[0].endswith("不再计收正常利息") and "继续按年利率 14.40% 计收利息" in overdue(other)[0]
    )
    no_penalty = terms_of(product(penalty_multiplier_ppm=0, overdue="INTEREST"))
    assert "罚息" not in overdue(no_penalty)[0] and "Penalty" not in str(disclosed(no_penalty)["contingent"])


def test_terms_refuse_what_the_cap_leaves_no_room_for():
    flat = product(method="FLAT")
    with pytest.raises(TermsInvalid, match="cap_ppm"):
        terms_of(flat, rate_ppm=200_000)
    full = terms_of(product(overdue="INTEREST", day_basis="ACT_360"), rate_ppm=230_000)
    assert full.penalty_ppm == 240_000 - 233_195  # 230,000 x 365 / 360 is 233,194.4
