"""The full cost of one loan, worked out before anything is signed (金规〔2026〕2号; PBOC 公告〔2021〕3号).

Terms and disclosure are made from the same numbers: what the borrower reads is what will be executed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from timelyrain import policies
from timelyrain.agreements.errors import AboveCap
from timelyrain.agreements.wording import NAMES, conditions, standard
from timelyrain.contract import (
    Ahead,
    Allocation,
    Charge,
    ChargeKind,
    Overdue,
    Terms,
    disclosed_charges,
    plan,
)
from timelyrain.finance import (
    Advance,
    AllInCost,
    DayBasis,
    Instalment,
    Method,
    MonthEnd,
    Rounding,
    Shift,
    Unit,
    WorkCalendar,
    all_in_cost,
    annualised_irr_ppm,
    annualised_simple_ppm,
    due_dates,
    percent,
)

PPM = 1_000_000


@dataclass(frozen=True)
class Lender:
    name: str
    licence: str
    licence_no: str
    complaints: str


def make_terms(
    product: policies.Product,
    lender: Lender,
    policy_pack: str,
    amount_fen: int,
    instalments: int,
    rate_ppm: int,
    cap_ppm: int,
    calendar: WorkCalendar | None = None,
) -> Terms:
    """The executable terms of a loan of this product. calendar: where due dates keep to working days.

    Raises TermsInvalid naming every contradiction.
    """
    basis, overdue = DayBasis(product.day_basis), Overdue(product.overdue)
    numbers: dict[str, Any] = {
        "annual_rate_ppm": rate_ppm,
        "method": Method(product.method),
        "day_basis": basis,
        "cap_ppm": cap_ppm,
        "penalty_ppm": _penalty_ppm(rate_ppm, product.penalty_multiplier_ppm, cap_ppm, basis, overdue),
        "grace_days": product.grace_days,
        "prepayment_fee_ppm": product.prepayment_fee_ppm,
        "late_fee_fen": product.late_fee_fen,
        "service_fee_fen": product.service_fee_fen,
        "overdue": overdue,
        "to_period_end": product.to_period_end,
    }
    return Terms(
        principal_fen=amount_fen,
        instalments=instalments,
        lender=lender.name,
        licence=lender.licence_no,
        policy_pack=policy_pack,
        product=product.id,
        rounding=Rounding(product.rounding),
        charges=disclosed_charges(lender.name, **numbers),
        allocation=tuple(Allocation(name) for name in product.allocation),
        every=product.every,
        unit=Unit(product.unit),
        month_end=MonthEnd(product.month_end),
        due_day=product.due_day,
        calendar=calendar,
        shift=Shift(product.shift),
        ahead=Ahead(product.ahead),
        **{name: getattr(product, name) for name in _AS_THEY_ARE},
        **numbers,
    )


_AS_THEY_ARE = ("grace_principal", "grace_interest", "interest_free", "down_payment_ppm", "multiple_fen", "smooth",
                "whole_interest", "equal_totals")  # fmt: skip
_YEAR = {DayBasis.ACT_360: 360, DayBasis.ACT_364: 364}


def _penalty_ppm(rate_ppm: int, multiplier_ppm: int, cap_ppm: int, basis: DayBasis, overdue: Overdue) -> int:
    """Penalty by its multiple of the contract rate (银发〔2003〕251号), within the cap; beside interest it is the multiple less
    the interest that goes on, so that both together are the multiple."""
    if overdue is Overdue.PENALTY:
        return min(rate_ppm * multiplier_ppm // PPM, cap_ppm)
    beside = rate_ppm * max(0, multiplier_ppm - PPM) // PPM
    interest = -(-rate_ppm * 365 // _YEAR.get(basis, 365))  # of a year of 365 days, rounded up
    return max(0, min(beside, cap_ppm - interest))


def make_disclosure(
    terms: Terms, lender: Lender, on: date, cap: policies.Rule, read_seconds: int, purpose: str
) -> dict[str, Any]:
    """The disclosure as plain JSON values. Dates assume that the money arrives on `on`. Refuses a cost above the cap."""
    rows = plan(terms, on)
    cost = all_in_cost(lender.name, [Advance(on, terms.principal_fen)], rows)
    compound, simple, even = annual_rates(terms, on, rows, cost)
    # The cap's basis is open in the rule's wording; the stricter reading is the one that cannot be wrong.
    if max(compound, simple) > terms.cap_ppm or terms.cap_ppm > int(cap.value):
        raise AboveCap(
            f"{terms.principal_fen} fen over {terms.instalments} instalments would cost {percent(compound)} a year; "
            f"the cap is {percent(int(cap.value))}.",
            field="instalments",
            remedy="Choose another amount or term; nothing was agreed.",
        )
    by_kind = {charge.kind: charge for charge in terms.charges}
    agreed = [{"zh": zh, "en": en} for zh, en in conditions(terms)]
    return {
        "version": 1,
        "lender": {"name": lender.name, "licence_no": lender.licence_no, "complaints": lender.complaints},
        "purpose": purpose,
        "principal_fen": terms.principal_fen,
        "received_fen": cost.received_fen,
        "annual_rate_ppm": terms.annual_rate_ppm,
        "annualised_irr_ppm": compound,
        "annualised_simple_ppm": simple,
        "cap_ppm": terms.cap_ppm,
        "cap_source": cap.source,
        "method": terms.method,
        "instalments": [
            {
                "n": r.n,
                "due_on": r.due_on.isoformat(),
                "principal_fen": r.principal_fen,
                "interest_fen": r.interest_fen,
                "total_fen": r.total_fen,
            }
            for r in rows
        ],
        "normal": [
            _charge(by_kind[ChargeKind.INTEREST], terms)
            | {"amount_fen": cost.interest_fen, "collected": "with each instalment"}
        ]
        if ChargeKind.INTEREST in by_kind
        else [],
        "contingent": [
            _charge(charge, terms) for kind, charge in by_kind.items() if kind is not ChargeKind.INTEREST
        ],
        "total_cost_fen": cost.normal_fen,
        "total_repaid_fen": sum(row.total_fen for row in rows),
        "nothing_else": True,
        "read_seconds": read_seconds,
        "policy_pack": terms.policy_pack,
        "terms_sha256": terms.sha256(),
        **({} if even else {"rates_by": "days"}),
        **({"conditions": agreed} if agreed else {}),
    }


def annual_rates(
    terms: Terms, on: date, rows: Sequence[Instalment], cost: AllInCost
) -> tuple[int, int, bool]:
    """(compound, simple) in ppm a year, and whether periods are even steps of months, which are counted as equal.

    Where they are not (a down payment, a first period of its own length, weeks, working days, one payment for many months),
    the compound rate is that of the dated flows, and the simple one is twelve times the monthly rate that compounds to it.
    """
    steps = 12 // terms.every
    even = terms.unit is Unit.MONTHS and steps * terms.every == 12 and not terms.down_payment_ppm
    if even and tuple(row.due_on for row in rows) == due_dates(
        on, len(rows), every=terms.every, month_end=terms.month_end
    ):
        flows = [terms.principal_fen, *(-row.total_fen for row in rows)]
        return annualised_irr_ppm(flows, steps), annualised_simple_ppm(flows, steps), True
    monthly = (1 + cost.annual_rate) ** (Decimal(1) / 12) - 1
    return round(cost.annual_rate * PPM), round(monthly * 12 * PPM), False


def canonical(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _charge(charge: Charge, terms: Terms) -> dict[str, Any]:
    zh, en = NAMES[charge.kind]
    standard_zh, standard_en = standard(charge.kind, terms)
    return {
        "kind": charge.kind,
        "name_zh": zh,
        "name_en": en,
        "standard_zh": standard_zh,
        "standard_en": standard_en,
        "formula": charge.formula,
        "payee": charge.payee,
    }
