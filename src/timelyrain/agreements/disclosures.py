"""The full cost of one loan, worked out before anything is signed (金规〔2026〕2号; PBOC 公告〔2021〕3号).

Terms and disclosure are made from the same numbers: what the borrower reads is what will be executed.
"""

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from timelyrain import policies
from timelyrain.agreements.errors import AboveCap
from timelyrain.contract import Charge, ChargeKind, Terms, disclosed_charges, plan
from timelyrain.finance import (
    DayBasis,
    Method,
    Rounding,
    annualised_irr_ppm,
    annualised_simple_ppm,
    percent,
    yuan,
)

NAMES = {
    ChargeKind.INTEREST: ("利息", "Interest"),
    ChargeKind.PENALTY: ("罚息（逾期时）", "Penalty interest (if overdue)"),
    ChargeKind.PREPAYMENT_FEE: ("提前还款手续费", "Prepayment fee"),
    ChargeKind.LATE_FEE: ("逾期违约金", "Late fee"),
    ChargeKind.SERVICE_FEE: ("服务费（按次）", "Service fee (each time)"),
}


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
) -> Terms:
    """The executable terms of a loan of this product. Raises TermsInvalid naming every contradiction."""
    penalty_ppm = min(rate_ppm * product.penalty_multiplier_ppm // 1_000_000, cap_ppm)
    method = Method(product.method)
    numbers: dict[str, Any] = {
        "annual_rate_ppm": rate_ppm,
        "method": method,
        "day_basis": DayBasis(product.day_basis),
        "cap_ppm": cap_ppm,
        "penalty_ppm": penalty_ppm,
        "grace_days": product.grace_days,
        "prepayment_fee_ppm": product.prepayment_fee_ppm,
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
        **numbers,
    )


def make_disclosure(
    terms: Terms, lender: Lender, on: date, cap: policies.Rule, read_seconds: int, purpose: str
) -> dict[str, Any]:
    """The disclosure as plain JSON values. Dates assume that the money arrives on `on`. Refuses a cost above the cap."""
    rows = plan(terms, on)
    flows = [terms.principal_fen, *(-row.total_fen for row in rows)]
    compound, simple = annualised_irr_ppm(flows), annualised_simple_ppm(flows)
    # The cap's basis is open in the rule's wording; the stricter reading is the one that cannot be wrong.
    if max(compound, simple) > terms.cap_ppm or terms.cap_ppm > int(cap.value):
        raise AboveCap(
            f"{terms.principal_fen} fen over {terms.instalments} instalments would cost {percent(compound)} a year; "
            f"the cap is {percent(int(cap.value))}.",
            field="instalments",
            remedy="Choose another amount or term; nothing was agreed.",
        )
    interest = sum(row.interest_fen for row in rows)
    by_kind = {charge.kind: charge for charge in terms.charges}
    return {
        "version": 1,
        "lender": {"name": lender.name, "licence_no": lender.licence_no, "complaints": lender.complaints},
        "purpose": purpose,
        "principal_fen": terms.principal_fen,
        "received_fen": terms.principal_fen,
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
            | {"amount_fen": interest, "collected": "with each instalment"}
        ]
        if ChargeKind.INTEREST in by_kind
        else [],
        "contingent": [
            _charge(charge, terms) for kind, charge in by_kind.items() if kind is not ChargeKind.INTEREST
        ],
        "total_cost_fen": interest,
        "total_repaid_fen": sum(row.total_fen for row in rows),
        "nothing_else": True,
        "read_seconds": read_seconds,
        "policy_pack": terms.policy_pack,
        "terms_sha256": terms.sha256(),
    }


def standard(kind: ChargeKind, terms: Terms) -> tuple[str, str]:
    """How a charge is computed, in words for the borrower: (zh, en)."""
    match kind:
        case ChargeKind.INTEREST:
            rate = percent(terms.annual_rate_ppm)
            return (
                f"年利率 {rate}，按未到期本金计收，随每期还款",
                f"{rate} a year on principal not yet due, with each instalment",
            )
        case ChargeKind.PENALTY:
            rate, grace = percent(terms.penalty_ppm), terms.grace_days
            return (
                f"逾期本金 × 年利率 {rate} × 逾期天数 / 365，宽限 {grace} 日，不再计收正常利息",
                f"overdue principal at {rate} a year by days overdue / 365 after {grace} days of grace, instead of interest",
            )
        case ChargeKind.PREPAYMENT_FEE:
            rate = percent(terms.prepayment_fee_ppm)
            return f"提前归还的本金 × {rate}", f"{rate} of the principal repaid early"
        case ChargeKind.LATE_FEE:
            fee = yuan(terms.late_fee_fen)
            return f"每个逾期期次一次，最高 {fee} 元", f"at most ¥{fee} once for each overdue instalment"
        case ChargeKind.SERVICE_FEE:
            fee = yuan(terms.service_fee_fen)
            return f"应您要求的每次服务最高 {fee} 元", f"at most ¥{fee} for each service you ask for"


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
