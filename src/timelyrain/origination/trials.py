"""Models beside the one in force: a challenger decides for a share of the applicants, shadows score after the answer.

Which model scored stands in each decision; who is scored by a challenger follows from a keyed hash of person and trial.
"""

import json
import logging
import time
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Count, Q

from timelyrain import decisioning, risk
from timelyrain.audit import services as audit
from timelyrain.origination import registry, scores, sightings
from timelyrain.origination.models import (
    DecisionRecord,
    ModelTrial,
    ReleaseAct,
    ReleaseKind,
    ReleaseStep,
    ScoringModel,
    ShadowScore,
    TrialKind,
)
from timelyrain.runtime import clock, locks
from timelyrain.runtime.problems import Conflict, Invalid, NotFound
from timelyrain.runtime.sagas import Data, Run

log = logging.getLogger(__name__)
MOST_PPM = 500_000
"""A challenger takes at most half of the applicants."""
BANDS = (0, 100_000, 300_000, 500_000, 700_000, 900_000, 990_000)
_FRESH_SECONDS = 5.0
_cached: tuple[float, tuple[str, ...]] = (float("-inf"), ())


def challenge(model_sha256: str, share_ppm: int, by: str) -> UUID:
    """Let an approved model decide for a share of the applicants from now on. Raises Invalid, Conflict, NotFound, PolicyUnfit."""
    if not 0 < share_ppm <= MOST_PPM:
        raise Invalid(
            f"{share_ppm / 10_000:g} % is no share of a challenger.",
            field="share",
            remedy=f"Give more than 0 and at most {MOST_PPM // 10_000} %.",
        )
    with transaction.atomic():
        locks.hold(f"release:{ReleaseKind.MODEL}")
        last = ReleaseStep.objects.filter(kind=ReleaseKind.MODEL, sha256=model_sha256).order_by("-id").first()
        if last is None or last.act not in (ReleaseAct.APPROVED, ReleaseAct.ACTIVATED):
            raise Conflict(
                "Only an approved model decides, for a share of the applicants too.",
                remedy="Submit it and have it approved by somebody else first.",
            )
        in_force = registry.active_hashes()
        if in_force.get("model") == model_sha256:
            raise Conflict("This model is in force.", remedy="Choose another one as its challenger.")
        if "challenger" in in_force:
            raise Conflict(
                f"The model {in_force['challenger'][:12]} is the challenger already.",
                remedy="End its trial first.",
            )
        registry.judge_pair({**in_force, "challenger": model_sha256})
        return _begin(model_sha256, TrialKind.CHALLENGER, share_ppm, by)


def shadow(model_sha256: str, by: str) -> UUID:
    """Let a kept model score every application after its answer has gone out (every process sees it within five seconds).

    A model of fraud or oddness stands in the place of the one in force for its score, if there is one.
    """
    try:
        with transaction.atomic():
            row = ScoringModel.objects.filter(sha256=model_sha256).first()
            place = row.kind if row and row.kind in ReleaseKind.roles() else "shadow"
            registry.judge_pair({**registry.active_hashes(), place: model_sha256})
            return _begin(model_sha256, TrialKind.SHADOW, 0, by)
    except IntegrityError:
        raise Conflict("This model runs in the shadow already.", remedy="Look at its page.") from None
    finally:
        _forget()


def end(model_sha256: str, kind: str, by: str) -> None:
    """What it decided or scored stays."""
    with transaction.atomic():
        ended = ModelTrial.objects.filter(model_sha256=model_sha256, kind=kind, ended_at=None).update(
            ended_at=clock.now(), ended_by=by
        )
        if not ended:
            raise NotFound(f"This model is in no trial as {kind}.", remedy="Look at its page.")
        audit.record(0, f"model_{kind}_ended", actor=by, subject=model_sha256)
    _forget()


def end_all(model_sha256: str, at: datetime, by: str) -> None:
    """No trial of a model that is in force itself, or was taken back."""
    running = ModelTrial.objects.filter(model_sha256=model_sha256, ended_at=None)
    running.update(ended_at=at, ended_by=by)
    _forget()


def _begin(model_sha256: str, kind: TrialKind, share_ppm: int, by: str) -> UUID:
    row = ModelTrial.objects.create(
        model_sha256=model_sha256, kind=kind, share_ppm=share_ppm, by=by, begun_at=clock.now()
    )
    audit.record(0, f"model_{kind}_begun", actor=by, subject=model_sha256, share_ppm=share_ppm)
    return row.id


def shadows() -> tuple[str, ...]:
    """Hashes of the shadow models, asked of the database every five seconds at most."""
    global _cached
    if time.monotonic() - _cached[0] > _FRESH_SECONDS:
        found = ModelTrial.objects.filter(kind=TrialKind.SHADOW, ended_at=None).order_by("begun_at")
        _cached = (time.monotonic(), tuple(found.values_list("model_sha256", flat=True)))
    return _cached[1]


def _forget() -> None:
    global _cached
    _cached = (float("-inf"), ())


def score(run: Run, answer: Data | None) -> Data | None:
    """The decision with each shadow model in the place of the one that scored; a saga step."""
    row = DecisionRecord.objects.select_related("application").get(shard=run.shard, id=run.data["decision"])
    running = ModelTrial.objects.filter(kind=TrialKind.SHADOW, ended_at=None)
    digests = [d for d in running.values_list("model_sha256", flat=True) if d != row.model_sha256]
    if not digests:
        return None
    policy = registry.policy(row.policy_sha256)
    evidence = decisioning.evidence_from_json(registry.open_sealed(row, "evidence"))
    told = registry.open_sealed(row, "record")
    for digest in digests:
        if ShadowScore.objects.filter(shard=row.shard, decision=row, model_sha256=digest).exists():
            continue
        try:
            role = registry.kind_of(digest)
            model = registry.model(digest)
            if unknown := registry.unknown_features(policy, model, role):
                raise decisioning.ScorerMismatch(f"it reads {unknown[0]}")
            if role in ReleaseKind.roles():
                found = _with_score(row, told, policy, evidence, model, role)
            else:
                decision, _ = decisioning.decide_again(told, policy, evidence, model)
                found = {"pd_ppm": decision.pd_ppm, "outcome": decision.outcome}
        except (decisioning.RequestInvalid, decisioning.ScorerMismatch, risk.ModelRefused) as error:
            log.warning("shadow model %s cannot score decision %s: %s", digest[:12], row.id, error)
            continue
        ShadowScore.objects.create(
            shard=row.shard,
            decision=row,
            model_sha256=digest,
            decided_pd_ppm=json.loads(told)["outputs"]["pd_ppm"],
            agrees=found["outcome"] == row.outcome,
            at=clock.now(),
            **found,
        )
    return None


def _with_score(
    row: DecisionRecord,
    told: bytes,
    policy: decisioning.Policy,
    evidence: decisioning.Evidence,
    model: risk.TrainedModel,
    role: str,
) -> dict[str, Any]:
    """Fields of a shadow score. The outcome is that of the decision unless its policy names the score: then it is decided with
    this one. Velocities are those of the record, and what it does not hold is counted now.
    """
    record, name = json.loads(told), scores.name_of(role)
    given = record["given"]
    read = set(scores.velocities().names) & set(model.feature_names)
    known = sightings.counted(row, evidence) | {one: given[one] for one in read if one in given}
    velocities = {one: known.get(one) for one in sorted(read)}
    ppm = scores.ppm(model, policy.engine.features([evidence]), velocities)
    pd_ppm, outcome = record["outputs"]["pd_ppm"], row.outcome
    if name in policy.given_names:
        other = json.dumps({**record, "given": {**given, name: ppm}}).encode()
        scorer = registry.model(row.model_sha256) if row.model_sha256 else None
        decision, _ = decisioning.decide_again(other, policy, evidence, scorer)
        pd_ppm, outcome = decision.pd_ppm, decision.outcome
    return {
        "pd_ppm": pd_ppm,
        "score_ppm": ppm,
        "decided_score_ppm": given.get(name),
        "velocities": velocities,
        "outcome": outcome,
    }


@dataclass(frozen=True)
class Band:
    """Shadow scores from low_ppm up to below the next band: how many, and how many of these were approved."""

    low_ppm: int
    decisions: int
    approved: int


def bands(model_sha256: str) -> list[Band]:
    """How a score in the shadow falls, the highest band first; empty before there is any."""
    edges = pairwise((*BANDS, 1_000_001))
    inside = {low: Q(score_ppm__gte=low, score_ppm__lt=high) for low, high in edges}
    approved = Q(decision__outcome=decisioning.Outcome.APPROVE)
    counted = ShadowScore.objects.filter(model_sha256=model_sha256).aggregate(
        **{f"all_{low}": Count("id", filter=of) for low, of in inside.items()},
        **{f"approved_{low}": Count("id", filter=of & approved) for low, of in inside.items()},
    )
    made = [Band(low, counted[f"all_{low}"], counted[f"approved_{low}"]) for low in reversed(BANDS)]
    return made if any(band.decisions for band in made) else []


def shadowed(model_sha256: str) -> dict[tuple[str, str], int]:
    """(what was decided, what it would have been with this model) -> how many decisions."""
    found = ShadowScore.objects.filter(model_sha256=model_sha256)
    rows = found.values_list("decision__outcome", "outcome").annotate(n=Count("id"))
    return {(real, other): n for real, other, n in rows}


def decided(model_sha256: str) -> dict[str, int]:
    """outcome -> how many decisions this model scored."""
    found = DecisionRecord.objects.filter(model_sha256=model_sha256).values_list("outcome")
    return dict(found.annotate(n=Count("id")).order_by("outcome"))
