"""What each event of a loan's life does, with numbers checked by hand. The loan: 10,000.00 at 18 %, 12 months from 15 January.

Its first instalments: 91,680 fen each, of which interest 15,000, 13,849 (923,320 at 1.5 %), ...
"""

import json
from dataclasses import replace
from datetime import date

import pytest

from tests.contract.test_folding import START, at, check_identity, loan, paid
from tests.strategies import make_terms
from timelyrain.contract import (
    ContractViolation,
    Event,
    EventInvalid,
    EventType,
    LoanState,
    Status,
    Terms,
    fold,
)
from timelyrain.finance import Method, Rounding, Unit

FIRST, SECOND = date(2026, 2, 15), date(2026, 3, 15)


def totals_of_instalments(state: LoanState) -> list[int]:
    return [row.principal_due_fen + row.interest_due_fen for row in state.instalments]


def test_principal_in_two_parts():
    terms = make_terms(parts=2)
    events = [paid("d1", START, 600_000, EventType.DISBURSED)]
    assert at(terms, events, 2026, 2, 1).outstanding_principal_fen == 600_000
    events.append(paid("d2", date(2026, 1, 31), 400_000, EventType.DISBURSED))
    state = at(terms, events, 2026, 2, 15)
    interest = (600_000 * 31 + 400_000 * 15) * 180_000 // (12_000_000 * 31)  # 16 days on 600,000, 15 on all
    assert state.instalments[0].interest_due_fen == interest == 11_903
    rows = totals_of_instalments(state)
    assert (
        set(rows[:-1]) == {rows[0]} and 0 < rows[0] - rows[-1] < 10_000
    )  # found as if all had been there before
    even = totals_of_instalments(at(make_terms(parts=2, smooth=True), events, 2026, 2, 15))
    assert set(even[:-1]) == {even[0]} and abs(even[-1] - even[0]) < 12
    with pytest.raises(ContractViolation, match="parts-agreed"):
        at(terms, [*events, paid("d3", date(2026, 2, 1), 1, EventType.DISBURSED)], 2026, 2, 1)
    with pytest.raises(ContractViolation, match=r"disburse-within-principal.*left_fen=400000"):
        at(terms, [events[0], replace(events[1], amount_fen=400_001)], 2026, 2, 1)


def test_a_late_fee_once_for_each_overdue_instalment():
    terms, events = loan(late_fee_fen=300)
    fee = paid("f1", date(2026, 2, 20), 300, EventType.FEE_CHARGED, kind="late_fee")
    state = at(terms, [*events, fee], 2026, 2, 20)
    assert state.amount_due_fen == 91_680 + 300 + 100  # two days of penalty after grace on 76,680
    assert state.totals.cost_receivable_fen == state.totals.late_fee_charged_fen == 300
    for rule, wrong in (
        (
            "late-fee-once",
            replace(fee, id="f2", value_on=date(2026, 2, 21), booked_at=fee.booked_at.replace(day=21)),
        ),
        ("fee-as-disclosed", replace(fee, amount_fen=301)),
        ("late-fee-once", replace(fee, value_on=date(2026, 2, 10))),
        ("fee-disclosed", replace(fee, data={"kind": "service_fee"})),
    ):
        known = [*events, fee] if wrong.id == "f2" else events
        with pytest.raises(ContractViolation, match=rule):
            fold(terms, [*known, wrong], wrong.value_on)


def test_a_fee_falls_due_with_the_running_instalment_and_is_paid_first():
    terms, events = loan(service_fee_fen=1_000)
    events.append(paid("f1", date(2026, 1, 31), 1_000, EventType.FEE_CHARGED, kind="service_fee"))
    assert at(terms, events, 2026, 1, 31).amount_due_fen == 0
    assert at(terms, events, 2026, 1, 31).payoff_fen == 1_000_000 + 7_741 + 1_000
    events.append(paid("p1", FIRST, 10_000))
    row = at(terms, events, 2026, 2, 15).instalments[0]
    assert (row.cost_paid_fen, row.interest_paid_fen, row.principal_paid_fen) == (1_000, 9_000, 0)


def test_a_fee_above_the_cap_is_refused():
    terms, events = loan(service_fee_fen=100_000)
    fee = paid("f1", date(2026, 1, 25), 1_614, EventType.FEE_CHARGED, kind="service_fee")
    with pytest.raises(
        ContractViolation, match=r"fee-within-cap.*room_fen=1613"
    ):  # as for the prepayment fee
        at(terms, [*events, fee], 2026, 1, 25)
    assert (
        at(terms, [*events, replace(fee, amount_fen=1_613)], 2026, 1, 25).totals.service_fee_charged_fen
        == 1_613
    )


def test_waivers_take_no_more_than_is_due():
    terms, events = loan()
    waiver = paid("w1", date(2026, 2, 28), 504, EventType.WAIVED, target="penalty")
    state = at(terms, [*events, waiver], 2026, 2, 28)
    assert state.amount_due_fen == 91_680
    assert (state.totals.penalty_accrued_fen, state.totals.penalty_receivable_fen) == (504, 0)
    with pytest.raises(ContractViolation, match=r"waive-what-is-due.*due_fen=504"):
        at(terms, [*events, replace(waiver, amount_fen=505)], 2026, 2, 28)
    free = replace(waiver, data={"target": "interest"}, amount_fen=15_000)
    rows = at(terms, [*events, free], 2026, 2, 28).instalments
    assert rows[0].unpaid_fen == 76_680 + 504


def test_a_merchant_refund_lowers_the_principal_without_a_fee():
    terms, events = loan(prepayment_fee_ppm=50_000)
    refund = paid("r1", START, 400_000, EventType.REFUNDED, source="merchant", to="principal")
    state = at(terms, [*events, refund], 2026, 1, 15)
    assert (state.outstanding_principal_fen, state.totals.fee_charged_fen) == (600_000, 0)
    assert state.totals.received_fen == 400_000
    all_of_it = replace(refund, amount_fen=1_000_050)
    state = at(terms, [*events, all_of_it], 2026, 1, 15)
    assert (state.status, state.totals.surplus_fen) == (Status.SETTLED, 50)


def test_goodwill_is_the_lenders_own_money():
    terms, events = loan()
    events.append(paid("g1", date(2026, 2, 16), 5_000, EventType.REFUNDED, source="goodwill", to="surplus"))
    state = at(terms, events, 2026, 2, 16)
    assert (state.amount_due_fen, state.totals.goodwill_fen, state.totals.received_fen) == (86_680, 5_000, 0)
    check_identity(state)


def test_surplus_goes_back_and_no_more():
    terms, events = loan()
    events.append(paid("p1", START, 1_000_070))
    events.append(paid("p2", START, 0, EventType.PREPAID_FULL))
    back = paid("p3", date(2026, 1, 20), 70, EventType.PAID_BACK)
    state = at(terms, [*events, back], 2026, 1, 20)
    assert (state.totals.surplus_fen, state.totals.paid_back_fen, state.status) == (0, 70, Status.SETTLED)
    with pytest.raises(ContractViolation, match="pay-back-within-surplus"):
        at(terms, [*events, replace(back, amount_fen=71)], 2026, 1, 20)


def test_a_chargeback_is_due_again_from_its_own_day():
    terms, events = loan()
    events.append(paid("p1", FIRST, 91_680))
    back = paid("c1", date(2026, 3, 1), 80_000, EventType.CHARGED_BACK, event="p1")
    assert at(terms, [*events, back], 2026, 2, 28).amount_due_fen == 0
    state = at(terms, [*events, back], 2026, 3, 1)
    debt = next(row for row in state.instalments if row.n == 0)
    assert (debt.principal_due_fen, debt.interest_due_fen, state.amount_due_fen) == (76_680, 3_320, 80_000)
    assert (state.totals.received_fen, state.totals.interest_paid_fen) == (11_680, 11_680)
    assert at(terms, [*events, back], 2026, 3, 2).dpd == 1
    assert (
        at(terms, [*events, back], 2026, 3, 5).totals.penalty_accrued_fen == 50
    )  # the fourth day, 76,680 at 24 %
    with pytest.raises(ContractViolation, match=r"charges-back-within-payment.*left_fen=11680"):
        at(terms, [*events, back, replace(back, id="c2", amount_fen=11_681)], 2026, 3, 1)
    undo = paid("v1", date(2026, 3, 2), 91_680, EventType.REVERSED, event="p1")
    with pytest.raises(ContractViolation, match="reverses-no-chargeback"):
        at(terms, [*events, back, undo], 2026, 3, 2)


def test_a_lower_rate_counts_from_its_day():
    terms, events = loan()
    change = paid_nothing("x", date(2026, 1, 31), EventType.RATE_CHANGED, rate_ppm=120_000)
    state = at(terms, [*events, change], 2026, 2, 15)
    interest = 1_000_000 * (16 * 180_000 + 15 * 120_000) // (12_000_000 * 31)
    assert state.instalments[0].interest_due_fen == interest == 12_580
    rows = totals_of_instalments(state)
    assert set(rows[:-1]) == {rows[0]} and rows[0] < 91_680
    assert state.annual_rate_ppm == 120_000
    free = at(terms, [*events, paid_nothing("x", START, EventType.RATE_CHANGED, rate_ppm=0)], 2026, 2, 15)
    assert totals_of_instalments(free)[:2] == [83_333, 83_333]


def test_a_higher_rate_needs_its_disclosure_and_the_cap():
    terms, events = loan()
    change = paid_nothing("x", START, EventType.RATE_CHANGED, rate_ppm=200_000)
    with pytest.raises(ContractViolation, match="rate-disclosed"):
        at(terms, [*events, change], 2026, 2, 1)
    agreed = replace(change, data={"rate_ppm": 200_000, "disclosure": "ab" * 32})
    assert at(terms, [*events, agreed], 2026, 2, 1).annual_rate_ppm == 200_000
    with pytest.raises(ContractViolation, match=r"rate-within-cap.*cap_ppm=240000"):
        at(terms, [*events, replace(agreed, data={**agreed.data, "rate_ppm": 240_001})], 2026, 2, 1)


def test_a_new_due_day_is_never_earlier():
    terms, events = loan()
    for due_day, first in ((20, date(2026, 2, 20)), (10, date(2026, 3, 10)), (31, date(2026, 2, 28))):
        change = paid_nothing("x", date(2026, 2, 1), EventType.DUE_DATE_CHANGED, due_day=due_day)
        state = at(terms, [*events, change], 2026, 2, 1)
        assert state.instalments[0].due_on == first, due_day
        assert len(state.instalments) == 12
        assert {row.due_on.day for row in state.instalments[3:5]} <= {due_day, 30}
    change = paid_nothing("x", date(2026, 2, 1), EventType.DUE_DATE_CHANGED, due_day=20)
    interest = at(terms, [*events, change], 2026, 2, 20).instalments[0].interest_due_fen
    assert interest == 1_000_000 * 180_000 * 36 // (12_000_000 * 31)  # 36 days of a month of 31


@pytest.mark.parametrize(("kind", "paused_days"), [("runs", 0), ("stops", 28)])
def test_a_pause(kind: str, paused_days: int):
    terms, events = loan()
    pause = paid_nothing("x", date(2026, 2, 10), EventType.PAUSED, months=1, interest=kind)
    state = at(terms, [*events, pause], 2026, 3, 15)
    assert [row.due_on for row in state.instalments[:2]] == [SECOND, date(2026, 4, 15)]
    assert len(state.instalments) == 12
    days = 59 - paused_days  # 15 January to 15 March, without 10 February to 10 March
    assert abs(state.instalments[0].interest_due_fen - 15_000 * days / 29.5) < 700  # months of 31 and 28 days
    accrued = [at(terms, [*events, pause], 2026, 2, day).totals.interest_accrued_fen for day in (10, 20, 28)]
    assert accrued[0] == at(terms, events, 2026, 2, 10).totals.interest_accrued_fen
    assert (accrued[0] == accrued[1] == accrued[2]) == (kind == "stops")


def test_hardship_lowers_the_next_instalments():
    terms, events = loan()
    plan = paid("h1", date(2026, 2, 15), 20_000, EventType.HARDSHIP_AGREED, instalments=3, extra=6)
    state = at(terms, [*events, paid("p1", FIRST, 91_680), plan], 2026, 2, 15)
    rows = totals_of_instalments(state)[1:]
    assert rows[:3] == [20_000] * 3
    assert len(rows) == 11 + 6
    assert set(rows[3:-1]) == {rows[3]} and abs(rows[-1] - rows[3]) < 20
    for rule, wrong in (
        ("hardship-covers-interest", replace(plan, amount_fen=10_000)),
        ("hardship-lowers", replace(plan, amount_fen=95_000)),
        ("hardship-leaves-a-rest", replace(plan, data={"instalments": 12})),
    ):
        with pytest.raises(ContractViolation, match=rule):
            at(terms, [*events, wrong], 2026, 2, 15)


def test_restructuring_spreads_all_that_is_owed():
    terms, events = loan()
    before = at(terms, events, 2026, 3, 25)  # two instalments missed
    new = paid_nothing("x", date(2026, 3, 25), EventType.RESTRUCTURED, instalments=24)
    state = at(terms, [*events, new], 2026, 3, 25)
    assert (state.dpd, state.amount_due_fen, state.outstanding_principal_fen) == (0, 0, 1_000_000)
    assert state.totals == before.totals  # nothing is forgiven and nothing is charged by it
    ahead = [row for row in state.instalments if row.due_on > state.as_of]
    assert len(ahead) == 24 and ahead[0].due_on == date(2026, 4, 15) and ahead[0].n == 3
    carried = before.totals.interest_receivable_fen + before.totals.penalty_receivable_fen
    assert state.payoff_fen == 1_000_000 + carried
    assert sum(row.principal_due_fen for row in ahead) == 1_000_000
    later = at(terms, [*events, new], 2026, 4, 14)
    bare = (
        1_000_000 * 180_000 * 20 // (12_000_000 * 31)
    )  # no interest on interest: 20 of 31 days on the principal
    assert later.totals.interest_accrued_fen == before.totals.interest_accrued_fen + bare


def test_charge_off_stops_accrual_and_recovery_pays_the_debt():
    terms, events = loan()
    off = paid_nothing("x", date(2026, 6, 1), EventType.CHARGED_OFF)
    before = at(terms, events, 2026, 6, 1).totals
    state = at(terms, [*events, off], 2026, 12, 31)
    owed = state.totals.charged_off_fen
    assert state.status is Status.CHARGED_OFF
    assert state.totals.interest_accrued_fen == before.interest_accrued_fen
    assert state.totals.penalty_accrued_fen == before.penalty_accrued_fen
    assert (
        owed == 1_000_000 + before.interest_receivable_fen + before.penalty_receivable_fen == state.payoff_fen
    )
    assert (state.totals.principal_receivable_fen, state.outstanding_principal_fen) == (0, 1_000_000)
    with pytest.raises(ContractViolation, match="recovered-after-charge-off"):
        at(terms, [*events, off, paid("p1", date(2027, 1, 1), 5)], 2027, 1, 1)
    with pytest.raises(ContractViolation, match="only-recovery-after-charge-off"):
        at(
            terms,
            [*events, off, paid_nothing("y", date(2027, 1, 1), EventType.RESTRUCTURED, instalments=3)],
            2027,
            1,
            1,
        )
    with pytest.raises(ContractViolation, match="charged-off-first"):
        at(terms, [*events, paid("p1", date(2026, 2, 16), 5, EventType.RECOVERED)], 2026, 2, 16)
    events += [off, paid("p1", date(2027, 1, 1), owed - 1_000, EventType.RECOVERED)]
    state = at(terms, events, 2027, 1, 1)
    assert (state.payoff_fen, state.totals.recovered_fen) == (1_000, owed - 1_000)
    check_identity(state)
    events.append(paid("p2", date(2027, 1, 2), 1_000, EventType.RECOVERED))
    assert at(terms, events, 2027, 1, 2).status is Status.SETTLED


def test_a_sale_changes_the_owner_and_nothing_the_borrower_owes():
    terms, events = loan()
    sale = paid("s1", date(2026, 2, 1), 900_000, EventType.SOLD, owner="another")
    sold, kept = at(terms, [*events, sale], 2026, 3, 1), at(terms, events, 2026, 3, 1)
    assert (sold.owner, kept.owner) == ("another", terms.lender)
    assert replace(sold, owner=kept.owner, sales=()) == kept
    (sale_of,) = sold.sales
    assert (sale_of.owner, sale_of.price_fen, sale_of.dpd) == ("another", 900_000, 0)
    assert sale_of.totals == at(terms, events, 2026, 2, 1).totals
    assert json.loads(json.dumps(sold.to_json()))["sales"][0]["on"] == "2026-02-01"
    with pytest.raises(ContractViolation, match="sold-to-another"):
        at(terms, [*events, sale, replace(sale, id="s2")], 2026, 3, 1)


def test_settled_is_said_of_a_settled_loan_only():
    terms, events = loan()
    said = paid_nothing("s1", date(2026, 1, 20), EventType.SETTLED)
    with pytest.raises(ContractViolation, match=r"settled-owes-nothing.*payoff_fen=1002419"):
        at(terms, [*events, said], 2026, 1, 20)
    events.append(paid("p1", START, 1_000_000, EventType.PREPAID_FULL))
    assert at(terms, [*events, said], 2026, 1, 20).status is Status.SETTLED


def test_a_bounced_payment_turns_a_payoff_into_a_partial_prepayment():
    """Judged when it was booked, the payoff fitted; the debit behind the payment before it came back days later."""
    terms, events = loan()
    events.append(paid("p1", date(2026, 2, 10), 91_680))
    payoff = at(terms, events, 2026, 2, 20).payoff_fen
    events.append(paid("p2", date(2026, 2, 20), payoff, EventType.PREPAID_FULL))
    assert at(terms, events, 2026, 2, 20).status is Status.SETTLED
    events.append(paid("v1", date(2026, 2, 24), 91_680, EventType.REVERSED, event="p1"))
    state = at(terms, events, 2026, 2, 24)
    assert state.totals.received_fen == payoff
    assert (state.status, state.amount_due_fen) == (Status.ACTIVE, 0)
    check_identity(state)
    owed = 1_000_000 + 15_000 + 100 - payoff  # the first instalment five days late, two of them after grace
    assert abs(state.outstanding_principal_fen - owed) < 10


def test_events_that_cannot_be_read_tell_everything():
    for kind, amount, data, fields in (
        (
            EventType.PAUSED,
            1,
            {"months": 0, "interest": "walks"},
            {"amount_fen", "data.months", "data.interest"},
        ),
        (EventType.RATE_CHANGED, 0, {"rate_ppm": "low"}, {"data.rate_ppm"}),
        (EventType.SOLD, 0, {}, {"data.owner"}),
        (EventType.WAIVED, 0, {"target": "principal"}, {"amount_fen", "data.target"}),
    ):
        with pytest.raises(EventInvalid) as caught:
            Event("x", kind, START, paid("y", START, 1).booked_at, amount, data)
        assert {problem.field for problem in caught.value.problems} == fields


def test_terms_at_the_cap_leave_no_room_for_a_plan_above_it():
    """Flat interest on a longer plan costs more of what is owed: a restructuring cannot take it above the cap."""
    terms = make_terms(method=Method.FLAT, annual_rate_ppm=125_000, rounding=Rounding.DOWN, instalments=6)
    events = [paid("d", START, 1_000_000, EventType.DISBURSED)]
    new = paid_nothing("x", date(2026, 3, 1), EventType.RESTRUCTURED, instalments=36)
    with pytest.raises(ContractViolation, match=r"rate-within-cap.*costs_ppm=243244"):
        fold(terms, [*events, new], date(2026, 3, 1))


def paid_nothing(id: str, on: date, kind: EventType, **data: str | int) -> Event:
    return replace(paid(id, on, 1), type=kind, amount_fen=0, data=data)


def test_fees_are_disclosed_or_the_terms_are_refused():
    terms: Terms = make_terms(late_fee_fen=500, service_fee_fen=700)
    assert [str(c.kind) for c in terms.charges] == ["interest", "penalty", "late_fee", "service_fee"]
    assert Terms.from_json(terms.canonical_bytes()) == terms
    assert b"late_fee_fen" not in make_terms().canonical_bytes()
    with pytest.raises(ValueError, match="is charged but not disclosed"):
        replace(terms, charges=make_terms().charges)


def test_weeks_a_first_due_date_and_grace_are_terms_too():
    terms = make_terms(unit=Unit.WEEKS, every=2, instalments=6, first_due=date(2026, 2, 2), grace_principal=1)
    assert Terms.from_json(terms.canonical_bytes()) == terms
    events = [paid("d", START, 1_000_000, EventType.DISBURSED)]
    rows = at(terms, events, 2026, 1, 20).instalments
    assert [row.due_on for row in rows[:3]] == [date(2026, 2, 2), date(2026, 2, 16), date(2026, 3, 2)]
    assert rows[0].principal_due_fen == 0
    assert rows[0].interest_due_fen == 1_000_000 * 180_000 * 2 * 18 // (52 * 14 * 1_000_000)  # 18 days of 14
    with pytest.raises(ContractViolation, match="monthly-instalments"):
        at(terms, [*events, paid_nothing("x", START, EventType.DUE_DATE_CHANGED, due_day=3)], 2026, 2, 1)
    with pytest.raises(ContractViolation, match="disburse-before-first-due"):
        at(terms, [paid("d", date(2026, 2, 2), 1_000_000, EventType.DISBURSED)], 2026, 2, 2)
