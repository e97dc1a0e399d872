"""Commands of origination: apply, decide, ask for a person, answer a review."""

import json
import logging
import secrets
import time
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from timelyrain import decisioning, risk
from timelyrain.audit import services as audit
from timelyrain.customers import services as customers
from timelyrain.customers.services import Borrower
from timelyrain.decisioning import Outcome, Request
from timelyrain.origination import errors, queries, registry, shadows
from timelyrain.origination.exemptions import decide as decide_exemption
from timelyrain.origination.exemptions import enter as enter_on_list
from timelyrain.origination.limits import limits_on
from timelyrain.origination.models import Application, ApplicationState, DecisionRecord, Offer, Review
from timelyrain.origination.standing import (
    Keys,
    key_hash,
    keys_of,
    put_on_list,
    snooze_rule,
    standing,
    take_off_list,
)
from timelyrain.runtime import clock, law, locks, rows, sagas
from timelyrain.runtime.crypto import encrypt
from timelyrain.runtime.ids import new_id
from timelyrain.runtime.problems import Conflict, Invalid, NotFound
from timelyrain.sources import services as sources

__all__ = [
    "answer_review",
    "decide_exemption",
    "decide_waiting",
    "enter_on_list",
    "key_hash",
    "put_on_list",
    "replay_decision",
    "request_review",
    "snooze_rule",
    "submit_application",
    "take_off_list",
]

log = logging.getLogger(__name__)
DRAWS = 1_000_000
WAITING = "decide_application"

_STATES = {
    Outcome.APPROVE: ApplicationState.APPROVED,
    Outcome.DECLINE: ApplicationState.DECLINED,
    Outcome.REFER: ApplicationState.REFERRED,
    Outcome.MORE_EVIDENCE: ApplicationState.MORE_EVIDENCE,
}


def submit_application(
    borrower: Borrower, request_id: UUID, product: str, amount_fen: int, instalments: int, purpose: str
) -> UUID:
    """Apply: gather evidence, decide, make an offer or give reasons, all before this returns. Returns the application's id."""
    with audit.refusals(borrower.shard, "application", actor="borrower", subject=borrower.id):
        _judge_request(product, amount_fen, instalments, purpose)
        customers.require_consent(borrower.shard, borrower.id, "account_data", "lender")
        customers.require_profile(borrower)
        active = registry.active()
        with transaction.atomic():
            locks.hold(f"applications:{borrower.id}")  # requests at once are counted one after the other
            of_borrower = "WHERE shard = %s AND borrower_id = %s AND (submitted_at > %s OR id = %s)"
            since = clock.now() - timedelta(days=1)
            recent = rows.select(Application, of_borrower, [borrower.shard, borrower.id, since, request_id])
            application = next((a for a in recent if a.id == request_id), None)
            if application is None:
                _judge_frequency(len(recent))
                application = Application(
                    shard=borrower.shard,
                    id=request_id,
                    borrower_id=borrower.id,
                    product=product,
                    amount_fen=amount_fen,
                    instalments=instalments,
                    purpose=purpose,
                    submitted_at=clock.now(),
                )
                rows.insert(application)
    if application.state == ApplicationState.GATHERING:
        known = keys_of(borrower)
        if _decide(application, *active, known):
            hexes = {kind: key.hex() for kind, key in known.items()}
            data = {"application": str(application.id), "keys": hexes}
            sagas.start(WAITING, str(application.id), application.shard, data)
    return application.id


def decide_waiting(shard: int, application_id: str, keys: dict[str, str]) -> list[str]:
    """Ask again for an application whose sources are waited for; the sources that are still waited for, none once decided."""
    application = Application.objects.get(shard=shard, id=application_id)
    if application.state != ApplicationState.GATHERING:
        return []
    return _decide(application, *registry.active(), {kind: bytes.fromhex(key) for kind, key in keys.items()})


def _awaited(policy: decisioning.Policy, application: Application, gathered: sources.Gathered) -> list[str]:
    """Sources that failed or are late, and for which the policy waits longer than has passed since the application."""
    waits = {fallback.source: fallback.wait_seconds for fallback in policy.fallbacks if fallback.wait_seconds}
    passed = (clock.now() - application.submitted_at).total_seconds()
    asked = [
        read.source.name for read in gathered.reads if read.consent_id is not None and read.extract is None
    ]
    return [name for name in asked if waits.get(name, 0) > passed]


def _judge_frequency(recent: int) -> None:
    if recent >= law.number("applications_per_day"):
        raise errors.TooManyApplications(
            f"{recent} applications were made within a day.",
            remedy="Look at their results, or apply again tomorrow.",
        )


def _judge_request(product_id: str, amount_fen: int, instalments: int, purpose: str) -> None:
    product = next((p for p in queries.products() if p.id == product_id), None)
    if product is None:
        raise errors.RequestOutsideProduct(
            f"There is no product {product_id!r} today.",
            field="product",
            remedy="Choose one of GET /api/v1/products.",
        )
    allowed = [p.code for p in product.purposes]
    if purpose in {p.code for p in product.forbidden_purposes}:
        raise errors.PurposeForbidden(
            f"{purpose!r} is not a purpose this loan may serve.",
            field="purpose",
            remedy=f"Choose one of {', '.join(allowed)}.",
        )
    low, high, step = product.min_amount_fen, product.max_amount_fen, product.step_fen
    wrong = {
        "amount_fen": ""
        if low <= amount_fen <= high and amount_fen % step == 0
        else f"{amount_fen} fen is not from {low} to {high} in steps of {step}",
        "instalments": ""
        if instalments in product.instalments
        else f"{instalments} is none of {', '.join(map(str, product.instalments))}",
        "purpose": "" if purpose in allowed else f"{purpose!r} is none of {', '.join(allowed)}",
    }
    if any(wrong.values()):
        raise errors.RequestOutsideProduct(
            "; ".join(filter(None, wrong.values())) + ".",
            field=next(name for name, problem in wrong.items() if problem),
            remedy="Choose values that the product offers (GET /api/v1/products).",
            fields={name: problem for name, problem in wrong.items() if problem},
        )


def _decide(
    application: Application, policy: decisioning.Policy, model: risk.TrainedModel | None, keys: Keys
) -> list[str]:
    """Decide, unless a source is waited for: then these are returned and nothing is kept."""
    gathered = sources.gather(application.shard, application.borrower_id)
    if awaited := _awaited(policy, application, gathered):
        return awaited
    evidence = decisioning.evidence_from_json(gathered.evidence)
    held = standing(policy, application.shard, application.borrower_id, keys, evidence)
    product = law.pack().product(application.product)
    context = limits_on(law.pack(), product, settings.LENDER["licence"], clock.today())
    request = Request(application.amount_fen, application.instalments, application.purpose)
    draw = secrets.randbelow(DRAWS)
    began = time.perf_counter_ns()
    decision = decisioning.decide(
        policy,
        evidence,
        request,
        model,
        draw,
        context,
        given=held.given,
        snoozed=held.snoozed,
        versions=held.versions,
    )
    record = decisioning.decision_record(decision, policy, evidence, request, model, draw, context)
    microseconds = (time.perf_counter_ns() - began) // 1000
    decision_id = new_id()
    now = clock.now()
    with transaction.atomic():
        locked = rows.select(
            Application, "WHERE shard = %s AND id = %s FOR UPDATE", [application.shard, application.id]
        )[0]
        if locked.state != ApplicationState.GATHERING:
            return []  # the same request was decided beside us
        with rows.together():
            sources.keep(application.shard, application.id, application.borrower_id, gathered)
            row = DecisionRecord(
                shard=application.shard,
                id=decision_id,
                application=locked,
                outcome=decision.outcome,
                reasons=[
                    {
                        "code": r.code,
                        "effect": r.effect,
                        "zh": r.zh,
                        "en": r.en,
                        "change_zh": r.change_zh,
                        "change_en": r.change_en,
                        "values": dict(r.values),
                    }
                    for r in decision.reasons
                ],
                policy_sha256=policy.sha256,
                model_sha256=model.sha256 if model else None,
                record_sha256=registry.sha256(record),
                record_sealed=encrypt(record, f"origination_decisionrecord.record:{decision_id}"),
                evidence_sealed=encrypt(
                    decisioning.canonical_bytes(evidence),
                    f"origination_decisionrecord.evidence:{decision_id}",
                ),
                microseconds=microseconds,
                gather_milliseconds=gathered.milliseconds,
                at=now,
            )
            rows.insert(row)
            locked.state, locked.decided_at = _STATES[decision.outcome], now
            rows.update(locked, "state", "decided_at")
            if decision.outcome == Outcome.APPROVE:
                _make_offer(locked, row, decision.limit_fen, decision.rate_ppm, context.cap_ppm)
            elif decision.outcome == Outcome.REFER:
                Review.objects.create(
                    shard=locked.shard, application=locked, asked_by="policy", opened_at=now
                )
            audit.record(
                locked.shard,
                "application_decided",
                actor="origination",
                subject=locked.id,
                outcome=decision.outcome,
                reasons=[r.code for r in decision.reasons],
                record=row.record_sha256,
                policy=policy.sha256,
                model=row.model_sha256,
            )
            shadows.ask(locked.shard, row.id)
    return []


def _make_offer(
    application: Application, decision: DecisionRecord, limit_fen: int, rate_ppm: int, cap_ppm: int
) -> None:
    product = law.pack().product(application.product)
    limit_fen -= limit_fen % product.step_fen
    offer = Offer(
        shard=application.shard,
        application_id=application.id,
        decision_id=decision.id,
        borrower_id=application.borrower_id,
        product=product.id,
        purpose=application.purpose,
        minimum_fen=product.min_amount_fen,
        limit_fen=limit_fen,
        requested_fen=min(application.amount_fen, limit_fen),
        requested_instalments=application.instalments,
        instalments=list(product.instalments),
        rate_ppm=rate_ppm,
        cap_ppm=cap_ppm,
        expires_at=clock.now() + timedelta(days=law.number("offer_valid_days")),
        created_at=clock.now(),
    )
    rows.insert(offer)


def request_review(shard: int, borrower_id: UUID, application_id: UUID, note: str) -> None:
    """The borrower asks for a person: on every result, as the law gives the right to (PIPL 24)."""
    application = Application.objects.filter(shard=shard, borrower_id=borrower_id, id=application_id).first()
    if application is None:
        raise NotFound(f"You have no application {application_id}.", remedy="List your applications.")
    try:
        with transaction.atomic():
            Review.objects.create(
                shard=shard,
                application=application,
                asked_by="borrower",
                note=note[:2000],
                opened_at=clock.now(),
            )
            audit.record(shard, "review_requested", actor="borrower", subject=application_id)
    except IntegrityError:
        pass  # one open review is enough; asking again changes nothing


def answer_review(review_id: UUID, reviewer: str, answer: str) -> None:
    """A person answers a review; the answer is told to the borrower with the application."""
    with transaction.atomic():
        review = Review.objects.select_for_update().filter(id=review_id).first()
        if review is None:
            raise NotFound(f"There is no review {review_id}.", remedy="Choose one from the list.")
        if review.answered_at is not None:
            raise Conflict(f"{review.answered_by} has answered this review.", remedy="Reload the page.")
        if not answer.strip():
            raise Invalid(
                "An answer cannot be empty.", field="answer", remedy="Write what the borrower shall read."
            )
        review.answered_by, review.answer, review.answered_at = reviewer, answer.strip(), clock.now()
        review.save()
        audit.record(
            review.shard, "review_answered", actor=reviewer, subject=review.application_id, review=review_id
        )


def replay_decision(decision_id: UUID) -> decisioning.Replay:
    """Decide again from the stored evidence with the policy and the model of then, and compare byte for byte."""
    row = queries.decision_row(decision_id)
    evidence = decisioning.evidence_from_json(json.loads(registry.open_sealed(row, "evidence")))
    policy = registry.policy(row.policy_sha256)
    model = registry.model(row.model_sha256) if row.model_sha256 else None
    return decisioning.replay(registry.open_sealed(row, "record"), policy, evidence, model)
