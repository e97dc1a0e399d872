"""Shadow policies: they decide every application once more, after the answer has gone out, and change nothing."""

import json
import logging
import time
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from timelyrain import decisioning
from timelyrain.audit import services as audit
from timelyrain.origination import registry, trials
from timelyrain.origination.models import DecisionRecord, ShadowDecision, ShadowPolicy
from timelyrain.runtime import clock, sagas
from timelyrain.runtime.crypto import encrypt
from timelyrain.runtime.ids import new_id
from timelyrain.runtime.sagas import Data, Run

log = logging.getLogger(__name__)
KIND = "shadow_decision"
_FRESH_SECONDS = 5.0
_cached: tuple[float, tuple[str, ...]] = (float("-inf"), ())


def begin(policy_sha256: str, by: str) -> None:
    """Let a kept policy run in the shadow from now on (every process sees it within five seconds)."""
    registry.policy(policy_sha256)  # it has to be there and readable
    with transaction.atomic():
        _, begun = ShadowPolicy.objects.get_or_create(
            policy_sha256=policy_sha256, ended_at=None, defaults={"by": by, "begun_at": clock.now()}
        )
        if begun:
            audit.record(0, "shadow_begun", actor=by, subject=policy_sha256)
    _forget()


def end(policy_sha256: str, by: str) -> None:
    """Let it decide no more; what it said stays."""
    with transaction.atomic():
        if ShadowPolicy.objects.filter(policy_sha256=policy_sha256, ended_at=None).update(
            ended_at=clock.now()
        ):
            audit.record(0, "shadow_ended", actor=by, subject=policy_sha256)
    _forget()


def compared(policy_sha256: str) -> dict[tuple[str, str], int]:
    """(what was decided, what this policy would have decided) -> how many decisions."""
    found = ShadowDecision.objects.filter(policy_sha256=policy_sha256)
    rows = found.values_list("decision__outcome", "outcome").annotate(n=Count("id"))
    return {(real, shadow): n for real, shadow, n in rows}


def ask(shard: int, decision_id: UUID) -> None:
    """In the transaction that keeps a decision: have the worker run the shadows on it."""
    sagas.start_many(KIND, shard, {str(decision_id): {"decision": str(decision_id)}})


def running() -> tuple[str, ...]:
    """Hashes of the shadow policies and models, asked of the database every five seconds at most."""
    global _cached
    if time.monotonic() - _cached[0] > _FRESH_SECONDS:
        found = ShadowPolicy.objects.filter(ended_at=None).order_by("begun_at")
        _cached = (time.monotonic(), tuple(found.values_list("policy_sha256", flat=True)))
    return (*_cached[1], *trials.shadows())


def _forget() -> None:
    global _cached
    _cached = (float("-inf"), ())


def decide(run: Run, answer: Data | None) -> Data | None:
    """The evidence, request, draw and limits of the decision under each shadow policy; the whole record is kept."""
    row = DecisionRecord.objects.get(shard=run.shard, id=run.data["decision"])
    evidence = decisioning.evidence_from_json(json.loads(registry.open_sealed(row, "evidence")))
    scorer = registry.model(row.model_sha256) if row.model_sha256 else None
    told = registry.open_sealed(row, "record")
    for digest in ShadowPolicy.objects.filter(ended_at=None).values_list("policy_sha256", flat=True):
        if ShadowDecision.objects.filter(shard=row.shard, decision=row, policy_sha256=digest).exists():
            continue
        try:
            decision, record = decisioning.decide_again(told, registry.policy(digest), evidence, scorer)
        except (decisioning.RequestInvalid, decisioning.ScorerMismatch) as error:
            log.warning("shadow policy %s cannot take decision %s: %s", digest[:12], row.id, error)
            continue
        shadow_id = new_id()
        ShadowDecision.objects.create(
            shard=row.shard,
            id=shadow_id,
            decision=row,
            policy_sha256=digest,
            outcome=decision.outcome,
            agrees=decision.outcome == row.outcome,
            record_sha256=registry.sha256(record),
            record_sealed=encrypt(record, f"origination_shadowdecision.record:{shadow_id}"),
            at=clock.now(),
        )
    return None
