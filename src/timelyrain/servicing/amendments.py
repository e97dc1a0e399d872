"""A rate above the signed one: what the borrower must have read and confirmed before it counts."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from timelyrain.contract import ChargeKind, Terms, formulas_at
from timelyrain.finance import CashFlow, xirr
from timelyrain.ledger import services as ledger
from timelyrain.runtime import clock, law
from timelyrain.servicing import errors
from timelyrain.servicing.models import Loan, LoanAct
from timelyrain.servicing.previews import Preview, to_pay

TO_BE_CONFIRMED = "to be confirmed by the borrower"


@dataclass(frozen=True)
class Amendment:
    """What a borrower is asked to agree to. body: the disclosure as JSON; it may be confirmed after read_seconds."""

    act_id: UUID
    sha256: str
    body: dict[str, Any]
    read_seconds: int
    waits_seconds: int


def needed(terms: Terms, data: Mapping[str, str | int]) -> bool:
    rate = data.get("rate_ppm")
    return isinstance(rate, int) and rate > terms.annual_rate_ppm


def require_within_law(loan: Loan, rate_ppm: object) -> None:
    """The law of today, beside the cap in the terms that the fold holds. Raises AboveLawCap."""
    cap = min(law.number("cost_cap_ppm"), law.number("cost_cap_ppm", on=loan.opened_on))
    if isinstance(rate_ppm, int) and rate_ppm > cap:
        raise errors.AboveLawCap(
            f"{rate_ppm} ppm a year is above the cap of {cap} ppm.", remedy="Choose a rate within the cap."
        )


def disclosure(row: LoanAct, loan: Loan, terms: Terms, shown: Preview) -> str:
    """Canonical JSON of what changes, worked out for today."""
    ahead = [r for r in shown.after.instalments if r.due_on > shown.after.as_of and r.unpaid_fen]
    flows = [CashFlow(shown.after.as_of, shown.after.outstanding_principal_fen)]
    flows += [CashFlow(r.due_on, -r.unpaid_fen) for r in ahead]
    body = {
        "act": str(row.id),
        "loan": str(loan.id),
        "terms_sha256": loan.terms_sha256,
        "from": shown.event.value_on.isoformat(),
        "signed_rate_ppm": terms.annual_rate_ppm,
        "rate_before_ppm": shown.before.annual_rate_ppm,
        "rate_ppm": shown.after.annual_rate_ppm,
        "annualised_ppm": int(xirr(flows) * 1_000_000) if ahead and len(flows) > 1 else 0,
        "cap_ppm": terms.cap_ppm,
        "costs_more_fen": shown.borrower_fen,
        "to_pay_before_fen": to_pay(shown.before),
        "to_pay_fen": to_pay(shown.after),
        "payee": terms.lender,
        "nothing_else_changes": True,
        "instalments": [{"n": r.n, "due_on": r.due_on.isoformat(), "fen": r.unpaid_fen} for r in ahead],
    }
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def view(row: LoanAct) -> Amendment:
    assert row.shown_at is not None
    seconds = law.number("min_read_seconds")
    waits = row.shown_at + timedelta(seconds=seconds) - clock.now()
    left = max(0, -(-int(waits.total_seconds() * 1000) // 1000))
    return Amendment(row.id, row.disclosure_sha256, json.loads(row.disclosure), seconds, left)


def require_read(row: LoanAct, sha256: str) -> None:
    """Raises AmendmentChanged, ReadingAmendment."""
    if (
        row.shown_at is None
        or clock.business_date(row.shown_at) != clock.today()
        or sha256 != row.disclosure_sha256
    ):
        raise errors.AmendmentChanged("It was shown on another day, or changed.", remedy="Read it again.")
    left = view(row).waits_seconds
    if left:
        raise errors.ReadingAmendment(
            "The reading time is not over.", remedy=f"Confirm in {left} s.", retry_after=left
        )


def register(row: LoanAct, loan: Loan, terms: Terms) -> None:
    """The new rate as a disclosed charge of the loan (in the caller's transaction)."""
    wording = formulas_at(terms, int(row.data.get("rate_ppm")))[ChargeKind.INTEREST]
    found = [(str(ChargeKind.INTEREST), wording)]
    ledger.register_disclosure(row.shard, loan.id, bytes.fromhex(row.disclosure_sha256), found)
