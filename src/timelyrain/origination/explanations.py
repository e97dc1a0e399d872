"""Why a decision was not an approval, in words, and what would change it: worked out when first asked for, then kept as told.

Off the fast path: the record of a decision holds the heaviest features by path; here the model's causes are told by the
attribution that its manifest asks for, and changes are found by deciding again.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction

from timelyrain import decisioning, risk
from timelyrain.decisioning import Outcome
from timelyrain.origination import registry
from timelyrain.origination.models import DecisionRecord, Explanation
from timelyrain.runtime import clock, law
from timelyrain.runtime.crypto import decrypt, encrypt
from timelyrain.runtime.ids import new_id


@dataclass(frozen=True)
class Cause:
    """What raised the PD: a sentence, the value of the feature it tells of, the part in the PD in millionths of log-odds."""

    zh: str
    en: str
    theme: str
    feature: str
    value: Any
    contribution_ppm: int


@dataclass(frozen=True)
class Change:
    """What would lead to an approval of limit_fen at rate_ppm; waits_days: how long to wait before applying again."""

    zh: str
    en: str
    levers: tuple[str, ...]
    waits_days: int
    limit_fen: int
    rate_ppm: int


@dataclass(frozen=True)
class Explained:
    """attribution: path or exact; empty where the model had no say. causes, changes: heaviest and least first."""

    attribution: str
    causes: tuple[Cause, ...]
    changes: tuple[Change, ...]
    nothing_zh: str = decisioning.NOTHING[0]
    nothing_en: str = decisioning.NOTHING[1]


def explain(row: DecisionRecord) -> Explained | None:
    """As it was told before; None for an approval, and for decisions of engines that cannot be decided again."""
    if row.outcome == Outcome.APPROVE:
        return None
    kept = Explanation.objects.filter(shard=row.shard, decision=row).first()
    if kept is None:
        try:
            told = _work_out(row)
        except (decisioning.RecordInvalid, decisioning.RequestInvalid, decisioning.ScorerMismatch):
            return None
        kept = _keep(row, told)
    raw = json.loads(decrypt(kept.told_sealed, f"origination_explanation.told:{kept.id}"))
    return Explained(
        kept.attribution,
        tuple(Cause(**cause) for cause in raw["causes"]),
        tuple(Change(**{**change, "levers": tuple(change["levers"])}) for change in raw["changes"]),
    )


def _keep(row: DecisionRecord, told: Explained) -> Explanation:
    """The first that is kept stays: what was told is told again."""
    explanation_id = new_id()
    text = json.dumps(
        {"causes": [asdict(c) for c in told.causes], "changes": [asdict(c) for c in told.changes]}
    )
    sealed = encrypt(text.encode(), f"origination_explanation.told:{explanation_id}")
    try:
        with transaction.atomic():
            return Explanation.objects.create(
                shard=row.shard,
                id=explanation_id,
                decision=row,
                attribution=told.attribution,
                told_sealed=sealed,
                at=clock.now(),
            )
    except IntegrityError:
        return Explanation.objects.get(shard=row.shard, decision=row)


def _work_out(row: DecisionRecord) -> Explained:
    record = registry.open_sealed(row, "record")
    evidence = decisioning.evidence_from_json(json.loads(registry.open_sealed(row, "evidence")))
    policy = registry.policy(row.policy_sha256)
    model = registry.model(row.model_sha256) if row.model_sha256 else None
    decision, _ = decisioning.decide_again(record, policy, evidence, model)
    attribution, causes = _causes(policy, decision, model)
    raw = json.loads(record)
    product = law.pack().product(row.application.product)
    changes = decisioning.what_would_change(
        policy,
        evidence,
        decisioning.Request(**raw["request"]),
        model,
        decisioning.LawContext(**raw["context"]),
        amounts=range(product.min_amount_fen, product.max_amount_fen + 1, product.step_fen),
        terms=product.instalments,
        given=raw["given"],
        snoozed=raw["snoozed"],
    )
    shown = (Change(c.zh, c.en, c.levers, c.waits_days, c.limit_fen, c.rate_ppm) for c in changes)
    return Explained(attribution, causes, tuple(shown))


def _causes(
    policy: decisioning.Policy, decision: decisioning.Decision, model: risk.TrainedModel | None
) -> tuple[str, tuple[Cause, ...]]:
    """By the attribution that the model's manifest asks for; none where no rule that spoke had read the model."""
    if model is None or decision.pd_ppm is None or not decisioning.model_spoke(policy, decision):
        return "", ()
    at = [decision.table.places[name] for name in model.feature_names]
    values = np.where(decision.table.known[0, at], decision.table.numbers[0, at].astype(np.float64), np.nan)
    used = risk.reasons_method(model)
    parts = risk.exact_contributions(model, values) if used == "exact" else model.score(values).contributions
    typical = model.manifest.get("typical")
    found = decisioning.causes(
        policy, decision, model.feature_names, parts, typical=typical if isinstance(typical, dict) else None
    )
    return used, tuple(Cause(c.zh, c.en, c.theme, c.feature, c.value, c.contribution_ppm) for c in found)
