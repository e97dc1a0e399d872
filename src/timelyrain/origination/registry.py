"""Policies and models by content hash: kept, loaded once per process, and which of them are in force."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection

from timelyrain import decisioning, risk
from timelyrain.origination import errors
from timelyrain.origination.models import DecisionRecord, PolicyVersion, ScoringModel
from timelyrain.runtime import clock, law
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


def keep_model(model: risk.TrainedModel, by: str) -> str:
    """Keep a trained model's file under its hash; returns the hash."""
    risk.save(model, models_folder())
    ScoringModel.objects.get_or_create(
        sha256=model.sha256, defaults={"manifest": model.manifest, "kept_by": by, "kept_at": clock.now()}
    )
    return model.sha256


def manifest_sha256(manifest: Mapping[str, object]) -> str:
    return sha256(json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def kept_at(digest: str) -> datetime:
    """When a model was first submitted here."""
    return ScoringModel.objects.get(sha256=digest).kept_at


def models_folder() -> Path:
    folder = settings.HOME / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


InForce = Mapping[str, tuple[str, UUID, int]]
"""What is in force by kind: its hash, the step or trial that put it there, its share of the applicants in ppm.

"policy" and "model": the newest activation that has come and was not taken back. "challenger": the model that scores a share of
the applicants in the place of that one.
"""


def active_hashes(at: datetime | None = None) -> dict[str, str]:
    """The hash of what is in force, by kind."""
    return {kind: digest for kind, (digest, _, _) in in_force_later(at)().items()}


def in_force_later(at: datetime | None = None) -> Callable[[], InForce]:
    """What is in force, in two halves: asked now, called for later (`rows.together`)."""
    moment = at or clock.now()
    cursor = connection.cursor()
    cursor.execute(_IN_FORCE, [moment, moment, moment])

    def found() -> InForce:
        with cursor:
            return {kind: (digest, id, share) for kind, digest, id, share in cursor.fetchall()}

    return found


_IN_FORCE = """
(SELECT DISTINCT ON (kind) kind, sha256, id, 1000000 FROM origination_releasestep s
WHERE act = 'activated' AND effective_at <= %s AND NOT EXISTS (
    SELECT FROM origination_releasestep t
    WHERE t.kind = s.kind AND t.sha256 = s.sha256 AND t.act = 'rejected' AND t.id > s.id)
ORDER BY kind, effective_at DESC, id DESC)
UNION ALL SELECT kind, model_sha256, id, share_ppm FROM origination_modeltrial
WHERE kind = 'challenger' AND begun_at <= %s AND (ended_at IS NULL OR ended_at > %s)
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


def judge_pair(hashes: Mapping[str, str]) -> None:
    """Raises PolicyUnfit where a model reads what the policy does not have, ModelUnusable where its file is not the approved one.

    hashes: "policy", and models under any other names.
    """
    if "policy" not in hashes:
        return
    policy_ = policy(hashes["policy"])
    for digest in [digest for kind, digest in hashes.items() if kind != "policy"]:
        unknown = unknown_features(policy_, _scorer(digest))
        if unknown:
            more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
            raise errors.PolicyUnfit(
                f"The model {digest[:12]} reads {', '.join(unknown[:8])}{more}: the policy {policy_.name} {policy_.version}"
                " does not have them.",
                remedy="Activate a model that was trained on this policy's features, or keep the features.",
            )


def unknown_features(policy: decisioning.Policy, model: risk.TrainedModel) -> list[str]:
    """Features of the model that the policy's catalogue lacks, each with the nearest that it has."""
    lacking = [name for name in model.feature_names if name not in policy.features]
    near = {name: get_close_matches(name, policy.features, 1) for name in lacking}
    return [f"{name} (nearest: {near[name][0]})" if near[name] else name for name in lacking]


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
