"""The all-in cost: every fee with its payee, certain apart from contingent."""

from datetime import date

import pytest

from timelyrain.finance import Advance, DayBasis, Fee, all_in_cost, normal_flows, schedule, xirr

START = date(2026, 1, 15)
PLAN = schedule(1_000_000, 120_000, START, 12, day_basis=DayBasis.ACT_365)
ADVANCE = [Advance(START, 1_000_000)]


def test_interest_alone():
    cost = all_in_cost("bank", ADVANCE, PLAN)
    interest = sum(row.interest_fen for row in PLAN)
    assert (cost.normal_fen, cost.fees_fen, cost.by_payee) == (interest, 0, {"bank": interest})
    assert float(cost.annual_rate) == pytest.approx((1 + 0.12 / 12) ** 12 - 1, abs=1e-3)


def test_every_fee_with_its_payee_and_contingent_apart():
    fees = [
        Fee("guarantee", "guarantor", row.due_on, 2_000) for row in PLAN
    ] + [Fee("service", "bank", START, 10_000), Fee("late", "bank", PLAN[0].due_on, 5_000, contingent=True)]  # fmt: skip
    cost = all_in_cost("bank", ADVANCE, PLAN, fees)
    assert cost.by_payee == {"bank": cost.interest_fen + 10_000, "guarantor": 24_000}
    assert (cost.fees_fen, cost.contingent_fen) == (34_000, 5_000)
    assert cost.annual_rate > all_in_cost("bank", ADVANCE, PLAN).annual_rate
    assert cost == all_in_cost("bank", ADVANCE, PLAN, fees[:-1])._replace(contingent_fen=5_000)


def test_a_fee_kept_back_lowers_what_was_received():
    flows = normal_flows(ADVANCE, PLAN, [Fee("kept back", "bank", START, 100_000)])
    assert flows[0] == (START, 900_000)
    assert xirr(flows) > xirr(normal_flows(ADVANCE, PLAN))
