"""Commands of origination: apply, decide, ask for a person, answer a review."""

import json
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from timelyrain import decisioning, risk
from timelyrain.audit import services as audit
from timelyrain.customers import services as customers
from timelyrain.customers.services import Borrower
from timelyrain.decisioning import Outcome, Request
from timelyrain.origination import errors, queries, registry, scores, shadows
from timelyrain.origination.exemptions import decide as decide_exemption
from timelyrain.origination.exemptions import enter as enter_on_list
from timelyrain.origination.limits import limits_on
from timelyrain.origination.models import (
    Application,
    ApplicationState,
    DecisionRecord,
    Offer,
    Review,
    Sighting,
)
from timelyrain.origination.standing import (
    Keys,
    key_hash,
    keys_of,
    put_on_list,
    snooze_rule,
    standing,
    take_off_list,
)
from timelyrain.runtime import clock, law, locks, rows, sagas, turns
from timelyrain.runtime.crypto import encrypt
from timelyrain.runtime.ids import new_id
from timelyrain.runtime.problems import Conflict, Invalid, NotFound
from timelyrain.sources import queries as source_queries
from timelyrain.sources import services as sources

__all__ = [
    "answer_review",
    "apply",
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
    "warm",
]

log = logging.getLogger(__name__)
T = TypeVar("T")
DRAWS = 1_000_000
WAITING = "decide_application"

_STATES = {
    Outcome.APPROVE: ApplicationState.APPROVED,
    Outcome.DECLINE: ApplicationState.DECLINED,
    Outcome.REFER: ApplicationState.REFERRED,
    Outcome.MORE_EVIDENCE: ApplicationState.MORE_EVIDENCE,
}


def warm() -> None:
    """Decide once on nothing, so that the first applicant does not wait until programs and models are ready.

    Whatever stands in the way is told to whoever applies: here it must not keep the pages away that mend it.
    """
    try:
        found = registry.in_force_later()()
        policy, model = registry.active(None, found)
        registry.scorers(policy, found)
        product = law.pack().product(queries.products()[0].id)
        limits = limits_on(law.pack(), product, settings.LENDER["licence"], clock.today())
        nothing = {"as_of": int(clock.now().timestamp()), "facts": {}, "events": {}}
        evidence = decisioning.evidence_from_json({**nothing, "missing": [*decisioning.SOURCES]})
        request = Request(product.min_amount_fen, product.instalments[0], policy.purposes[0])
        decision = decisioning.decide(policy, evidence, request, model, 0, limits)
        decisioning.decision_record(decision, policy, evidence, request, model, 0, limits)
    except Exception as trouble:
        log.warning("not warmed up: %s", trouble)
    finally:
        connection.close()


def submit_application(
    borrower: Borrower, request_id: UUID, product: str, amount_fen: int, instalments: int, purpose: str
) -> UUID:
    """`apply`; returns the application's id."""
    return apply(borrower, request_id, product, amount_fen, instalments, purpose)[0].id


@turns.turn()
def apply(
    borrower: Borrower,
    request_id: UUID,
    product: str,
    amount_fen: int,
    instalments: int,
    purpose: str,
    tell: Callable[[queries.ApplicationView], T] | None = None,
) -> tuple[queries.ApplicationView, T | None]:
    """Apply: gather evidence, decide, make an offer or give reasons, all before this returns.

    tell: takes what was decided, in the transaction that keeps it. Returns what may be told, and what `tell` returned: None when
    sources are waited for or another decided.
    """
    with audit.refusals(borrower.shard, "application", actor="borrower", subject=borrower.id):
        _judge_request(product, amount_fen, instalments, purpose)
        with rows.together():
            given = customers.live_consents_later(borrower.shard, borrower.id)
            in_force = registry.in_force_later()
        consents = given()
        customers.require_among(consents, "account_data", "lender")
        customers.require_profile(borrower)
        found = in_force()
        policy, model = registry.active(borrower.id, found)
        scorers = registry.scorers(policy, found)
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
        application, person = _begin(application, borrower)
    if application.state == ApplicationState.GATHERING:
        known = keys_of(borrower)
        gathered = sources.gather_about(person, consents)
        decided = _decide(application, policy, model, scorers, known, gathered, tell)
        if isinstance(decided, tuple):
            return decided
        if decided:
            hexes = {kind: key.hex() for kind, key in known.items()}
            data = {"application": str(application.id), "keys": hexes}
            sagas.start(WAITING, str(application.id), application.shard, data)
    return queries.application(borrower.shard, borrower.id, application.id), None


def _begin(new: Application, borrower: Borrower) -> tuple[Application, customers.Person]:
    """Keep the application unless there were too many within a day, or find what an earlier try of its request left.

    Returns it, and the borrower as the sources shall know them.
    """
    since, most = new.submitted_at - timedelta(days=1), law.number("applications_per_day")
    with rows.together():
        # Requests at once are counted one after the other. The decision brings to disk what is kept here.
        locks.hold_relaxed(f"applications:{new.borrower_id}")
        begun = rows.execute(_BEGIN, [*(getattr(new, name) for name in _ASKED), since, most])
        person = sources.open_person(borrower)
    if begun.rowcount == 1:
        return new, person
    recent = rows.select(Application, _RECENT, [new.shard, new.borrower_id, since, new.id])
    if application := next((a for a in recent if a.id == new.id), None):
        return application, person
    raise errors.TooManyApplications(
        f"{len(recent)} applications were made within a day.",
        remedy="Look at their results, or apply again tomorrow.",
    )


_ASKED = (
    "shard",
    "id",
    "borrower_id",
    "product",
    "amount_fen",
    "instalments",
    "purpose",
    "state",
    "submitted_at",
)
_BEGIN = f"""
INSERT INTO origination_application ({", ".join(_ASKED)}) SELECT {", ".join(f"${n}" for n in range(1, 10))}
WHERE $11 > (SELECT count(*) FROM origination_application WHERE shard = $1 AND borrower_id = $3 AND submitted_at > $10)
ON CONFLICT (shard, id) DO NOTHING
"""
_RECENT = "WHERE shard = $1 AND borrower_id = $2 AND (submitted_at > $3 OR id = $4)"


def decide_waiting(shard: int, application_id: str, keys: dict[str, str]) -> list[str]:
    """Ask again for an application whose sources are waited for; the sources that are still waited for, none once decided."""
    application = Application.objects.get(shard=shard, id=application_id)
    if application.state != ApplicationState.GATHERING:
        return []
    known = {kind: bytes.fromhex(key) for kind, key in keys.items()}
    gathered = sources.gather(shard, application.borrower_id)
    found = registry.in_force_later()()
    policy, model = registry.active(application.borrower_id, found)
    decided = _decide(application, policy, model, registry.scorers(policy, found), known, gathered)
    return decided if isinstance(decided, list) else []


def _awaited(policy: decisioning.Policy, application: Application, gathered: sources.Gathered) -> list[str]:
    """Sources that failed or are late, and for which the policy waits longer than has passed since the application."""
    waits = {fallback.source: fallback.wait_seconds for fallback in policy.fallbacks if fallback.wait_seconds}
    passed = (clock.now() - application.submitted_at).total_seconds()
    asked = [
        read.source.name for read in gathered.reads if read.consent_id is not None and read.extract is None
    ]
    return [name for name in asked if waits.get(name, 0) > passed]


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
    application: Application,
    policy: decisioning.Policy,
    model: risk.TrainedModel | None,
    scorers: scores.Scorers,
    keys: Keys,
    gathered: sources.Gathered,
    tell: Callable[[queries.ApplicationView], T] | None = None,
) -> tuple[queries.ApplicationView, T | None] | list[str]:
    """Decide, and keep all of it; or the sources that are waited for, and nothing is kept."""
    if awaited := _awaited(policy, application, gathered):
        return awaited
    evidence = decisioning.evidence_from_json(gathered.evidence)
    held = standing(policy, application.shard, application.borrower_id, keys, evidence)
    scored = scores.score(policy, scorers, evidence, keys, application.id)
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
        given={**held.given, **scored.given},
        snoozed=held.snoozed,
        versions={**held.versions, **scored.versions},
        table=scored.table,
    )
    record = decisioning.decision_record(decision, policy, evidence, request, model, draw, context)
    microseconds = (time.perf_counter_ns() - began) // 1000
    decision_id, now = new_id(), clock.now()
    row = DecisionRecord(
        shard=application.shard,
        id=decision_id,
        application_id=application.id,
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
            decisioning.canonical_bytes(evidence), f"origination_decisionrecord.evidence:{decision_id}"
        ),
        microseconds=microseconds,
        gather_milliseconds=gathered.milliseconds,
        at=now,
    )
    offer = review = None
    if decision.outcome == Outcome.APPROVE:
        offer = _offer(application, row, decision.limit_fen, decision.rate_ppm, context.cap_ppm)
    elif decision.outcome == Outcome.REFER:
        review = Review(
            shard=application.shard, application_id=application.id, asked_by="policy", opened_at=now
        )
    try:
        return _keep(application, row, offer, review, gathered, scored.sightings, tell)
    except IntegrityError as error:
        if not rows.violates(error, "one_decision_per_application"):
            raise
        # decided beside us
        return queries.application(application.shard, application.borrower_id, application.id), None


def _keep(
    application: Application,
    decision: DecisionRecord,
    offer: Offer | None,
    review: Review | None,
    gathered: sources.Gathered,
    sightings: Sequence[Sighting],
    tell: Callable[[queries.ApplicationView], T] | None,
) -> tuple[queries.ApplicationView, T | None]:
    """Everything of a decision in one message and one transaction: what was made before it opened."""
    application.state, application.decided_at = _STATES[Outcome(decision.outcome)], decision.at
    reads = sources.kept(application.shard, application.id, application.borrower_id, gathered)
    view = queries.view(
        application,
        decision,
        offer,
        [queries.review_view(review)] if review else [],
        [source_queries.view(read) for read in reads],
    )
    shadowed = shadows.running()
    with rows.together():
        rows.insert(decision)  # first: another one of this application is refused here
        rows.insert(*reads)
        if sightings:
            rows.insert(*sightings)
        rows.update(application, "state", "decided_at")
        for made in (offer, review):
            if made:
                rows.insert(made)
        audit.record(
            application.shard,
            "application_decided",
            actor="origination",
            subject=application.id,
            outcome=decision.outcome,
            reasons=[reason["code"] for reason in decision.reasons],
            record=decision.record_sha256,
            policy=decision.policy_sha256,
            model=decision.model_sha256,
        )
        if shadowed:
            shadows.ask(application.shard, decision.id)
        return view, tell(view) if tell else None


def _offer(
    application: Application, decision: DecisionRecord, limit_fen: int, rate_ppm: int, cap_ppm: int
) -> Offer:
    product = law.pack().product(application.product)
    limit_fen -= limit_fen % product.step_fen
    return Offer(
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
        expires_at=decision.at + timedelta(days=law.number("offer_valid_days")),
        created_at=decision.at,
    )


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
    """Decide again from the stored evidence with the policy and the models of then, and compare byte for byte.

    Scores of fraud and oddness are those of the record; that its models still give them is checked beside (cause `model`).
    """
    row = queries.decision_row(decision_id)
    evidence = decisioning.evidence_from_json(json.loads(registry.open_sealed(row, "evidence")))
    policy = registry.policy(row.policy_sha256)
    model = registry.model(row.model_sha256) if row.model_sha256 else None
    record = registry.open_sealed(row, "record")
    replay = decisioning.replay(record, policy, evidence, model)
    if not replay.equal or not (roles := scores.asked(policy)):
        return replay
    told = json.loads(record)
    by = told["given_versions"]
    try:
        scorers = {role: registry.load_model(by[role]) for role in roles if role in by}
    except risk.ModelRefused:
        return decisioning.Replay(False, "model", ("given_versions",))
    wrong = scores.differs(told, scorers, policy, evidence)
    return decisioning.Replay(False, "model", tuple(wrong)) if wrong else replay
