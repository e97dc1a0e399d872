"""Policies and models by content hash: kept, loaded once per process, and which of them are in force."""

import hashlib
import json
import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.conf import settings

from timelyrain import decisioning, risk
from timelyrain.origination import errors, scores
from timelyrain.origination.models import DecisionRecord, PolicyVersion, ReleaseKind, ScoringModel
from timelyrain.runtime import clock, law, rows
from timelyrain.runtime.crypto import blind_index, decrypt

log = logging.getLogger(__name__)
SHARES = 1_000_000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def default_policy_source() -> str:
    """The policy that ships with this jurisdiction's pack."""
    return law.pack().read("consumer_credit.toml").decode()


def keep_policy(source: str, by: str) -> decisioning.Policy:
    """Check a definition and keep it by its hash; whether it decides is said by `releases`. Raises DefinitionInvalid."""
    policy = decisioning.Policy.parse(source)
    PolicyVersion.objects.get_or_create(
        sha256=policy.sha256,
        defaults={"name": policy.name, "source": source, "kept_by": by, "kept_at": clock.now()},
    )
    return policy


def keep_model(model: risk.TrainedModel, by: str) -> ScoringModel:
    """Keep a trained model's file under its hash."""
    risk.save(model, models_folder())
    return ScoringModel.objects.get_or_create(
        sha256=model.sha256, defaults={"manifest": model.manifest, "kept_by": by, "kept_at": clock.now()}
    )[0]


def manifest_sha256(manifest: Mapping[str, object]) -> str:
    return sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def kind_of(digest: str) -> ReleaseKind:
    """What a kept model scores."""
    return ScoringModel.objects.get(sha256=digest).kind


def kept_at(digest: str) -> datetime:
    """When a model was first submitted here."""
    return ScoringModel.objects.get(sha256=digest).kept_at


def models_folder() -> Path:
    folder = settings.HOME / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


InForce = Mapping[str, tuple[str, UUID, int]]
"""What is in force by kind: its hash, the step or trial that put it there, its share of the applicants in ppm.

"policy", "model", "fraud", "anomaly": the newest activation that has come and was not taken back. "challenger": the model that
scores a share of the applicants in the place of "model".
"""


def active_hashes(at: datetime | None = None) -> dict[str, str]:
    """The hash of what is in force, by kind."""
    return {kind: digest for kind, (digest, _, _) in in_force_later(at)().items()}


def in_force_later(at: datetime | None = None) -> Callable[[], InForce]:
    """What is in force, in two halves: asked now, called for later (`rows.together`)."""
    moment = at or clock.now()
    cursor = rows.execute(_IN_FORCE, [moment])

    def found() -> InForce:
        return {kind: (digest, id, share) for kind, digest, id, share in cursor.fetchall()}

    return found


_IN_FORCE = """
(SELECT DISTINCT ON (kind) kind, sha256, id, 1000000 FROM origination_releasestep s
WHERE act = 'activated' AND effective_at <= $1 AND NOT EXISTS (
    SELECT FROM origination_releasestep t
    WHERE t.kind = s.kind AND t.sha256 = s.sha256 AND t.act = 'rejected' AND t.id > s.id)
ORDER BY kind, effective_at DESC, id DESC)
UNION ALL SELECT kind, model_sha256, id, share_ppm FROM origination_modeltrial
WHERE kind = 'challenger' AND begun_at <= $1 AND (ended_at IS NULL OR ended_at > $1)
"""


def active(
    borrower_id: UUID | None = None, found: InForce | None = None
) -> tuple[decisioning.Policy, risk.TrainedModel | None]:
    """The policy that decides now, and the model that scores; None while there is none: the policy says what happens then.

    borrower_id: whoever falls into the challenger's share is scored by that one, the same person always. found: what was in
    force a moment ago.
    Raises NotReady without a policy, ModelUnusable where the model's file is not the one that was approved: nothing else scores.
    """
    found = in_force_later()() if found is None else found
    if "policy" not in found:
        raise errors.NotReady(
            "No decision policy is active.", remedy="Activate one (console, Policy versions)."
        )
    kind = "model"
    if borrower_id is not None and "challenger" in found:
        _, trial, share = found["challenger"]
        kind = "challenger" if _place(trial, borrower_id) < share else kind
    return policy(found["policy"][0]), _scorer(found[kind][0]) if kind in found else None


def scorers(policy: decisioning.Policy, found: InForce) -> scores.Scorers:
    """The models in force of the scores that a policy names beside the PD. Raises ModelUnusable."""
    return {role: _scorer(found[role][0]) for role in scores.asked(policy) if role in found}


def judge_pair(hashes: Mapping[str, str]) -> None:
    """Raises PolicyUnfit where a model reads what the policy does not have, or the policy names a score that no model gives;
    ModelUnusable where a model's file is not the approved one.

    hashes: "policy", and models by kind or under any other names.
    """
    if "policy" not in hashes:
        return
    policy_ = policy(hashes["policy"])
    for role in scores.asked(policy_):
        if role not in hashes:
            raise errors.PolicyUnfit(
                f"The policy {policy_.name} {policy_.version} names {scores.name_of(role)}, and no {role} model is in force.",
                remedy=f"Activate an approved {role} model first, or a policy that does not name its score.",
            )
    for kind, digest in hashes.items():
        if kind == "policy":
            continue
        scorer = _scorer(digest)
        if predicts := scorer.manifest.get("predicts"):
            raise errors.PolicyUnfit(
                f"The model {digest[:12]} predicts {predicts}: a policy decides by the chance of default.",
                remedy="Activate a model of `timelyrain risk train`.",
            )
        unknown = unknown_features(policy_, scorer, kind)
        if unknown:
            more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
            raise errors.PolicyUnfit(
                f"The model {digest[:12]} reads {', '.join(unknown[:8])}{more}: the policy {policy_.name} {policy_.version}"
                " does not have them.",
                remedy="Activate a model that was trained on this policy's features, or keep the features.",
            )


def unknown_features(
    policy: decisioning.Policy, model: risk.TrainedModel, kind: str = ReleaseKind.MODEL
) -> list[str]:
    """Inputs of a model that it could not be given, each with the nearest that there is."""
    readable = readable_by(kind, policy)
    lacking = [name for name in model.feature_names if name not in readable]
    near = {name: get_close_matches(name, readable, 1) for name in lacking}
    return [f"{name} (nearest: {near[name][0]})" if near[name] else name for name in lacking]


def readable_by(kind: str, policy: decisioning.Policy) -> Collection[str]:
    """What models of a kind may read: the policy's features; those of fraud and oddness, the velocities too."""
    return {*policy.features, *scores.velocities().names} if kind in ReleaseKind.roles() else policy.features


def _place(trial: UUID, borrower_id: UUID) -> int:
    """0..999,999, the same for one person in one trial for ever, and independent between trials."""
    return int.from_bytes(blind_index("model_trial", f"{trial}:{borrower_id}")[:8]) % SHARES


def _scorer(digest: str) -> risk.TrainedModel:
    try:
        return model(digest)
    except risk.ModelRefused as error:
        log.error("the model in force is refused: %s", error)
        raise errors.ModelUnusable(
            f"The file of the model {digest[:12]} is not the one that was approved; nothing is decided without it.",
            remedy="Put the registered file back (timelyrain risk submit FILE), or activate another model.",
        ) from None


@lru_cache(maxsize=8)
def policy(digest: str) -> decisioning.Policy:
    return decisioning.Policy.parse(PolicyVersion.objects.get(sha256=digest).source, activated=True)


def load_model(digest: str) -> risk.TrainedModel:
    """A model by its hash. Raises risk.ModelRefused when the file is absent or not what the hash says."""
    return risk.load(models_folder() / f"{digest}.model", digest)


model = lru_cache(maxsize=8)(load_model)


def open_sealed(row: DecisionRecord, part: str) -> bytes:
    """The clear bytes of a decision's "record" or "evidence"."""
    return decrypt(getattr(row, f"{part}_sealed"), f"origination_decisionrecord.{part}:{row.id}")
