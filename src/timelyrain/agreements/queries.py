"""Reads of agreements."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from timelyrain.agreements import contracts, disclosures, services, wording, workdays
from timelyrain.agreements.documents import Verification, verify_contract
from timelyrain.agreements.models import Agreement, Confirmation, ContractDocument, Disclosure
from timelyrain.contract import Terms, plan
from timelyrain.finance import Advance, Instalment, all_in_cost
from timelyrain.payments import queries as payments
from timelyrain.policies import Product
from timelyrain.runtime import clock, law
from timelyrain.runtime.models import Saga, SagaTrace
from timelyrain.runtime.problems import NotFound


@dataclass(frozen=True)
class DisclosureView:
    id: UUID
    offer_id: UUID
    amount_fen: int
    instalments: int
    sha256: str
    body: dict[str, Any]
    terms: dict[str, Any]
    read_seconds: int
    shown_at: datetime
    expires_at: datetime
    confirmed: bool


def disclosure(shard: int, borrower_id: UUID, disclosure_id: UUID) -> DisclosureView:
    row = Disclosure.objects.filter(shard=shard, borrower_id=borrower_id, id=disclosure_id).first()
    if row is None:
        raise NotFound(
            f"You were shown no disclosure {disclosure_id}.",
            remedy="Ask for a disclosure of the amount you want.",
        )
    return DisclosureView(
        row.id,
        row.offer_id,
        row.amount_fen,
        row.instalments,
        row.sha256,
        json.loads(row.body),
        json.loads(row.terms_json),
        row.read_seconds,
        row.shown_at,
        row.expires_at,
        Confirmation.objects.filter(shard=shard, disclosure=row).exists(),
    )


@dataclass(frozen=True)
class AgreementView:
    """Where a signed agreement stands. `stage` is the step its saga is at; `pay_out` the state of the order at the rail."""

    id: UUID
    loan_id: UUID
    disclosure_id: UUID
    state: str
    stage: str
    saga_status: str
    pay_out: str
    pay_out_calls: int
    pay_out_queries: int
    contract_sha256: str | None
    cancelled_because: str
    signed_at: datetime
    paid_out_at: datetime | None
    trace: list[dict[str, Any]]


def agreement(shard: int, borrower_id: UUID, agreement_id: UUID) -> AgreementView:
    row = _agreement(shard, borrower_id, agreement_id)
    saga = Saga.objects.get(shard=shard, id=row.saga_id)
    order = payments.order_of(shard, "pay_out", row.loan_id)
    document = (
        ContractDocument.objects.filter(shard=shard, agreement=row).values_list("sha256", flat=True).first()
    )
    trace = SagaTrace.objects.filter(shard=shard, saga=saga).order_by("id")
    return AgreementView(
        row.id,
        row.loan_id,
        row.disclosure_id,
        row.state,
        saga.step,
        saga.status,
        order.state if order else "new",
        order.calls if order else 0,
        order.queries if order else 0,
        document,
        row.cancelled_because,
        row.signed_at,
        order.finished_at if order and order.state == "succeeded" else None,
        [
            {
                "step": t.step,
                "attempt": t.attempt,
                "outcome": t.outcome,
                "detail": t.detail,
                "ms": round(t.milliseconds, 1),
                "at": t.at.isoformat(),
            }
            for t in trace
        ],
    )


def conditions_of(terms: Terms) -> list[tuple[str, str]]:
    """Whatever is agreed beyond the usual, as the borrower has read it: (zh, en) each."""
    return wording.conditions(terms)


def worked_out(
    product: Product, amount_fen: int, instalments: int, rate_ppm: int
) -> tuple[Sequence[Instalment], int, int]:
    """The plan of a loan paid out today and its annual rates (compound, simple; ppm), as its disclosure would have them.

    Raises TermsInvalid, CalendarEnds.
    """
    today, cap_ppm = clock.today(), law.number("cost_cap_ppm")
    calendar = workdays.signed(product, today, instalments)
    lender = services.lender()
    terms = disclosures.make_terms(
        product, lender, law.pack().id, amount_fen, instalments, rate_ppm, cap_ppm, calendar
    )
    rows = plan(terms, today)
    cost = all_in_cost(lender.name, [Advance(today, amount_fen)], rows)
    compound, simple, _ = disclosures.annual_rates(terms, today, rows, cost)
    return rows, compound, simple


def offer_of_agreement(shard: int, agreement_id: UUID) -> UUID | None:
    """The offer that an agreement took."""
    rows = Agreement.objects.filter(shard=shard, id=agreement_id)
    return rows.values_list("offer_id", flat=True).first()


def agreement_of_offer(shard: int, borrower_id: UUID, offer_id: UUID) -> AgreementView | None:
    """The agreement an offer was signed as, by whichever face; None while it is not signed."""
    found = Agreement.objects.filter(shard=shard, borrower_id=borrower_id, offer_id=offer_id).values_list(
        "id", flat=True
    )
    return agreement(shard, borrower_id, found[0]) if found else None


def contract_pdf(shard: int, borrower_id: UUID, agreement_id: UUID) -> bytes:
    document = ContractDocument.objects.filter(
        shard=shard, agreement=_agreement(shard, borrower_id, agreement_id)
    ).first()
    if document is None:
        raise NotFound("The contract is still being made.", remedy="Ask again in a second.", retry_after=1)
    return bytes(document.pdf)


def verify(pdf: bytes) -> Verification:
    """Check a contract file against our trust roots, as of now."""
    return verify_contract(pdf, contracts.trust_roots(), clock.now())


def authority_root() -> bytes:
    """The certificate (PEM) that third-party tools need to trust our demo authority."""
    return contracts.authority().root


def _agreement(shard: int, borrower_id: UUID, agreement_id: UUID) -> Agreement:
    row = Agreement.objects.filter(shard=shard, borrower_id=borrower_id, id=agreement_id).first()
    if row is None:
        raise NotFound(f"You have no agreement {agreement_id}.", remedy="Sign a disclosure first.")
    return row


def loans_of_offers(shard: int, offers: Collection[UUID]) -> dict[UUID, UUID]:
    """Offer -> the loan that was or will be made on it, for the offers that were signed."""
    found = Agreement.objects.filter(shard=shard, offer_id__in=offers)
    return dict(found.values_list("offer_id", "loan_id"))
