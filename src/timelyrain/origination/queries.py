"""Reads of applications, decisions and offers."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from timelyrain import policies
from timelyrain.origination import errors, registry
from timelyrain.origination.exemptions import entries_of as entries_of
from timelyrain.origination.exemptions import exemption as exemption
from timelyrain.origination.exemptions import lists as lists
from timelyrain.origination.exemptions import waiting_exemptions as waiting_exemptions
from timelyrain.origination.explanations import APPROVED, Cause, Change, explain, explained_if_possible
from timelyrain.origination.explanations import Explained as Explained
from timelyrain.origination.models import Application, DecisionRecord, Offer, Review
from timelyrain.origination.pricing import max_rate_ppm as max_rate_ppm
from timelyrain.runtime import clock, law, rows
from timelyrain.runtime.problems import NotFound
from timelyrain.sources import queries as sources


def products() -> list[policies.Product]:
    """What this lender may offer today."""
    return [p for p in law.pack().products() if p.offered(clock.today(), settings.LENDER["licence"])]


@dataclass(frozen=True)
class OfferView:
    """What may be taken: minimum_fen to limit_fen at rate_ppm in one of `instalments`."""

    id: UUID
    application_id: UUID
    product: str
    purpose: str
    minimum_fen: int
    limit_fen: int
    requested_fen: int
    requested_instalments: int
    instalments: tuple[int, ...]
    rate_ppm: int
    cap_ppm: int
    expires_at: datetime


@dataclass(frozen=True)
class ReviewView:
    asked_by: str
    opened_at: datetime
    answer: str
    answered_at: datetime | None


@dataclass(frozen=True)
class ApplicationView:
    id: UUID
    product: str
    amount_fen: int
    instalments: int
    purpose: str
    state: str
    submitted_at: datetime
    decided_at: datetime | None
    decision_id: UUID | None
    reasons: list[dict[str, Any]]
    decision_microseconds: int | None
    gather_milliseconds: int | None
    offer: OfferView | None
    reviews: tuple[ReviewView, ...]
    sources: list[sources.ReadView]


def application(shard: int, borrower_id: UUID, application_id: UUID) -> ApplicationView:
    own = "WHERE shard = $1 AND borrower_id = $2 AND id = $3"
    with rows.together():
        asked = rows.select_later(Application, own, [shard, borrower_id, application_id])
        parts = _ask(shard, [application_id])
        found = asked()
        if not found:
            raise NotFound(
                f"You have no application {application_id}.",
                remedy="List your applications (GET /api/v1/applications).",
            )
        return parts(found)[0]


def explanation(shard: int, borrower_id: UUID, application_id: UUID) -> Explained | None:
    """What raised the risk and what would change the answer; None where it was an approval, is not decided or cannot be told."""
    row = _decision_of(shard, borrower_id, application_id)
    return explained_if_possible(row) if row else None


@dataclass(frozen=True)
class ExplanationView:
    """Why an application was decided as it was. reasons: of the policy's rules; causes: what weighed most in the model;
    changes: each alone leads to an approval; statement: what would change the answer, in agreement with all of these.

    attribution: how causes were found, path or exact; empty where the model had no say.
    """

    application_id: UUID
    decision_id: UUID
    outcome: str
    decided_at: datetime
    statement_zh: str
    statement_en: str
    reasons: list[dict[str, Any]]
    attribution: str
    causes: tuple[Cause, ...]
    changes: tuple[Change, ...]


def explanation_told(shard: int, borrower_id: UUID, application_id: UUID) -> ExplanationView:
    """Raises NotFound for what is not the borrower's, NotDecided, and what `explain` raises."""
    row = _decision_of(shard, borrower_id, application_id)
    if row is None:
        application(shard, borrower_id, application_id)
        raise errors.NotDecided(
            f"The application {application_id} is not decided yet.",
            remedy="Ask again in a moment; the application's `state` says when it is decided.",
        )
    told = explain(row) or Explained("", (), (), *APPROVED)
    return ExplanationView(
        application_id,
        row.id,
        row.outcome,
        row.at,
        told.statement_zh,
        told.statement_en,
        row.reasons,
        told.attribution,
        told.causes,
        told.changes,
    )


def _decision_of(shard: int, borrower_id: UUID, application_id: UUID) -> DecisionRecord | None:
    own = {"application_id": application_id, "application__borrower_id": borrower_id}
    return DecisionRecord.objects.filter(shard=shard, **own).select_related("application").first()


def applications(shard: int, borrower_id: UUID) -> list[ApplicationView]:
    """The newest fifty, newest first."""
    found = Application.objects.filter(shard=shard, borrower_id=borrower_id)
    newest = list(found.order_by("-submitted_at")[:50])
    with rows.together():
        return _ask(shard, [row.id for row in newest])(newest)


def _ask(shard: int, ids: list[UUID]) -> Callable[[Sequence[Application]], list[ApplicationView]]:
    """Ask for the parts of applications, one query for each kind; what is sealed stays where it is."""
    of_these, about = "WHERE shard = $1 AND application_id = ANY($2) ORDER BY id", [shard, ids]
    sealed = ("record_sealed", "evidence_sealed")
    decided = rows.select_later(DecisionRecord, of_these, about, without=sealed)
    offered = rows.select_later(Offer, of_these, about)
    reviewed = rows.select_later(Review, of_these, about)
    read = sources.reads_of_each_later(shard, ids)

    def views(found: Sequence[Application]) -> list[ApplicationView]:
        decisions = {d.application_id: d for d in decided()}
        offers = {o.application_id: o for o in offered()}
        reviews: dict[Any, list[ReviewView]] = {id: [] for id in ids}
        for r in reviewed():
            reviews[r.application_id].append(review_view(r))
        reads = read()
        return [
            view(row, decisions.get(row.id), offers.get(row.id), reviews[row.id], reads[row.id])
            for row in found
        ]

    return views


def review_view(row: Review) -> ReviewView:
    return ReviewView(row.asked_by, row.opened_at, row.answer, row.answered_at)


def view(
    row: Application,
    decision: DecisionRecord | None,
    offer: Offer | None,
    reviews: Sequence[ReviewView],
    reads: list[sources.ReadView],
) -> ApplicationView:
    """An application and its parts as they are told."""
    return ApplicationView(
        row.id,
        row.product,
        row.amount_fen,
        row.instalments,
        row.purpose,
        row.state,
        row.submitted_at,
        row.decided_at,
        decision.id if decision else None,
        decision.reasons if decision else [],
        decision.microseconds if decision else None,
        decision.gather_milliseconds if decision else None,
        _offer(offer) if offer else None,
        tuple(reviews),
        reads,
    )


def live_offer(shard: int, borrower_id: UUID, offer_id: UUID) -> OfferView:
    """The borrower's own offer, if it can still be taken."""
    row = Offer.objects.filter(shard=shard, borrower_id=borrower_id, id=offer_id).first()
    if row is None:
        raise NotFound(f"You have no offer {offer_id}.", remedy="Apply first.")
    if row.expires_at <= clock.now():
        raise errors.OfferExpired(
            f"It was open until {row.expires_at.isoformat()}.", remedy="Apply again; it takes seconds."
        )
    return _offer(row)


def pd_of_offer(shard: int, offer_id: UUID) -> int | None:
    """PD (ppm, twelve months) that the decision behind an offer came to; None where no model spoke."""
    offer = Offer.objects.filter(shard=shard, id=offer_id).select_related("decision").first()
    if offer is None:
        return None
    return json.loads(registry.open_sealed(offer.decision, "record"))["outputs"]["pd_ppm"]


def _offer(row: Offer) -> OfferView:
    return OfferView(
        row.id,
        row.application_id,
        row.product,
        row.purpose,
        row.minimum_fen,
        row.limit_fen,
        row.requested_fen,
        row.requested_instalments,
        tuple(row.instalments),
        row.rate_ppm,
        row.cap_ppm,
        row.expires_at,
    )


@dataclass(frozen=True)
class DecisionView:
    """A decision with its whole record, for people who may see it."""

    id: UUID
    application_id: UUID
    outcome: str
    record: dict[str, Any]
    record_sha256: str
    policy_sha256: str
    model_sha256: str | None
    features: int
    microseconds: int
    at: datetime


def decision_row(decision_id: UUID) -> DecisionRecord:
    row = DecisionRecord.objects.filter(id=decision_id).first()
    if row is None:
        raise NotFound(f"There is no decision {decision_id}.", remedy="Take the id from the application.")
    return row


def decision(decision_id: UUID) -> DecisionView:
    row = decision_row(decision_id)
    record = json.loads(registry.open_sealed(row, "record"))
    return DecisionView(
        row.id,
        row.application_id,
        row.outcome,
        record,
        row.record_sha256,
        row.policy_sha256,
        row.model_sha256,
        len(registry.policy(row.policy_sha256).catalogue),
        row.microseconds,
        row.at,
    )
