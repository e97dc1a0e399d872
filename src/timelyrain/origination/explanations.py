"""Why a decision was not an approval, in words, and what would change it: worked out when first asked for, then kept as told.

Off the fast path: the record of a decision holds the heaviest features by path; here the model's causes are told by the
attribution that its manifest asks for, and changes are found by deciding again.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction

from timelyrain import decisioning, risk
from timelyrain.decisioning import Outcome
from timelyrain.origination import errors, registry
from timelyrain.origination.models import DecisionRecord, Explanation
from timelyrain.runtime import clock, law
from timelyrain.runtime.crypto import decrypt, encrypt
from timelyrain.runtime.ids import new_id

log = logging.getLogger(__name__)


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
    """attribution: path or exact; empty where the model had no say. causes, changes: heaviest and least first.

    statement: what would change the answer, in one sentence that agrees with what each reason says of itself.
    """

    attribution: str
    causes: tuple[Cause, ...]
    changes: tuple[Change, ...]
    statement_zh: str
    statement_en: str


APPROVED = (
    "这次已经通过，不需要任何变化。",
    "It was approved; nothing has to change.",
)
_REACHED = {
    Outcome.DECLINE: (
        "金额、期数、现有债务、收入材料已按今天的资料逐一试算：其他情况不变，做到下面任意一项再申请，即可通过。",
        "Amount, term, existing debt and documents of income were each tried with today’s data: apply again with any one of "
        "these and nothing else changed, and it is approved.",
    ),
    Outcome.REFER: (
        "金额、期数、现有债务、收入材料已按今天的资料逐一试算：其他情况不变，做到下面任意一项再申请，即可自动通过，不必等人工审核。",
        "Amount, term, existing debt and documents of income were each tried with today’s data: apply again with any one of "
        "these and nothing else changed, and it is approved without waiting for a person.",
    ),
}
_NOT_REACHED = {
    Outcome.DECLINE: (
        "金额、期数、现有债务、收入材料已逐一试算：只改变它们，今天还不能通过。每条原因下面写明了针对这一条可以做什么；"
        "这些原因都不再成立之后再申请，会按那时的资料重新审批。",
        "Amount, term, existing debt and documents of income were tried: changing only these is not enough today. Under each "
        "reason stands what can be done about it; once none of the reasons holds any more, apply again and it is decided anew.",
    ),
    Outcome.REFER: (
        "金额、期数、现有债务、收入材料已逐一试算：只改变它们，今天还不能自动通过，所以由人来审核。每条原因下面写明了针对这一条可以做什么。",
        "Amount, term, existing debt and documents of income were tried: changing only these is not enough for an automatic "
        "approval today, so a person looks at it. Under each reason stands what can be done about it.",
    ),
    Outcome.MORE_EVIDENCE: (
        "这次缺的是资料，只改变金额、期数或现有债务不能代替它。原因下面写明了怎样补充；补充之后再申请，会重新审批。",
        "What is missing is evidence: changing the amount, the term or existing debt does not stand in for it. The reasons "
        "say how to give it; apply again with it and it is decided anew.",
    ),
}


def statement(
    outcome: Outcome, reasons: Sequence[Mapping[str, Any]], changes: Sequence[Change]
) -> tuple[str, str]:
    """What would change the answer, in zh and en. reasons: as a decision keeps them, some with a change of their own."""
    if changes:
        return _REACHED.get(outcome, _REACHED[Outcome.DECLINE])
    return _NOT_REACHED[outcome] if any(r["change_zh"] for r in reasons) else decisioning.NOTHING


def explain(row: DecisionRecord) -> Explained | None:
    """As it was told before; None for an approval.

    Raises NotExplained for what cannot be decided again, ModelUnusable where the model of then is not to be had.
    """
    if row.outcome == Outcome.APPROVE:
        return None
    kept = Explanation.objects.filter(shard=row.shard, decision=row).first()
    if kept is None:
        try:
            kept = _keep(row, *_work_out(row))
        except (decisioning.RecordInvalid, decisioning.RequestInvalid, decisioning.ScorerMismatch) as error:
            raise errors.NotExplained(
                f"The decision {row.id} cannot be made again: {error}.",
                remedy="Its reasons stand with the application; ask for a person to explain it.",
            ) from None
        except risk.ModelRefused:
            raise errors.ModelUnusable(
                f"The model that the decision {row.id} was made with cannot be read.",
                remedy="Try again later; the reasons stand with the application.",
            ) from None
    raw = json.loads(decrypt(kept.told_sealed, f"origination_explanation.told:{kept.id}"))
    changes = tuple(Change(**{**change, "levers": tuple(change["levers"])}) for change in raw["changes"])
    return Explained(
        kept.attribution,
        tuple(Cause(**cause) for cause in raw["causes"]),
        changes,
        *statement(Outcome(row.outcome), row.reasons, changes),
    )


def explained_if_possible(row: DecisionRecord) -> Explained | None:
    """For pages that also stand without it."""
    try:
        return explain(row)
    except (errors.NotExplained, errors.ModelUnusable) as refused:
        log.warning("a decision goes unexplained: %s", refused)
        return None


def _keep(
    row: DecisionRecord, attribution: str, causes: Sequence[Cause], changes: Sequence[Change]
) -> Explanation:
    """The first that is kept stays: what was told is told again."""
    explanation_id = new_id()
    text = json.dumps({"causes": [asdict(c) for c in causes], "changes": [asdict(c) for c in changes]})
    sealed = encrypt(text.encode(), f"origination_explanation.told:{explanation_id}")
    try:
        with transaction.atomic():
            return Explanation.objects.create(
                shard=row.shard,
                id=explanation_id,
                decision=row,
                attribution=attribution,
                told_sealed=sealed,
                at=clock.now(),
            )
    except IntegrityError:
        return Explanation.objects.get(shard=row.shard, decision=row)


def _work_out(row: DecisionRecord) -> tuple[str, tuple[Cause, ...], tuple[Change, ...]]:
    """Attribution, causes and changes."""
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
    return attribution, causes, tuple(shown)


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
