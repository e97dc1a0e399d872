"""Which policy and which model decide: activated versions by content hash, loaded once per process."""

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from timelyrain import decisioning, risk
from timelyrain.audit import services as audit
from timelyrain.origination import errors
from timelyrain.origination.models import DecisionRecord, PolicyVersion, ScoringModel
from timelyrain.runtime import clock, law
from timelyrain.runtime.crypto import decrypt


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def default_policy_source() -> str:
    """The policy that ships with this jurisdiction's pack."""
    return law.pack().read("consumer_credit.toml").decode()


def activate_policy(source: str, by: str) -> str:
    """Check a policy definition and make it the one that decides; returns its hash. Raises DefinitionInvalid."""
    policy = decisioning.Policy.parse(source)
    _, created = PolicyVersion.objects.get_or_create(
        sha256=policy.sha256,
        defaults={"name": policy.name, "source": source, "activated_by": by, "activated_at": clock.now()},
    )
    if created:
        audit.record(0, "policy_activated", actor=by, subject=policy.sha256, name=policy.name)
    return policy.sha256


def activate_model(model: risk.TrainedModel, by: str) -> str:
    """Keep a trained model's file under its hash and make it the one that scores; returns the hash."""
    risk.save(model, models_folder())
    _, created = ScoringModel.objects.get_or_create(
        sha256=model.sha256,
        defaults={"manifest": model.manifest, "activated_by": by, "activated_at": clock.now()},
    )
    if created:
        audit.record(0, "model_activated", actor=by, subject=model.sha256)
    return model.sha256


def models_folder() -> Path:
    folder = settings.HOME / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def active_policy() -> decisioning.Policy:
    newest = PolicyVersion.objects.order_by("-activated_at").values_list("sha256", flat=True).first()
    if newest is None:
        raise errors.NotReady("No decision policy is active.", remedy="Activate one (timelyrain seed).")
    return policy(newest)


def active_model() -> risk.TrainedModel | None:
    """The model that scores; None while there is none: the policy says what happens without a score."""
    newest = ScoringModel.objects.order_by("-activated_at").values_list("sha256", flat=True).first()
    return model(newest) if newest else None


@lru_cache(maxsize=8)
def policy(digest: str) -> decisioning.Policy:
    return decisioning.Policy.parse(PolicyVersion.objects.get(sha256=digest).source)


def load_model(digest: str) -> risk.TrainedModel:
    """A model by its hash. Raises risk.ModelRefused when the file is absent or not what the hash says."""
    return risk.load(models_folder() / f"{digest}.model", digest)


model = lru_cache(maxsize=8)(load_model)


def open_sealed(row: DecisionRecord, part: str) -> bytes:
    """The clear bytes of a decision's "record" or "evidence"."""
    return decrypt(getattr(row, f"{part}_sealed"), f"origination_decisionrecord.{part}:{row.id}")
