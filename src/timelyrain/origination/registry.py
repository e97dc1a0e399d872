"""Policies and models by content hash: kept, loaded once per process, and which of them are in force."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import connection

from timelyrain import decisioning, risk
from timelyrain.origination import errors
from timelyrain.origination.models import DecisionRecord, PolicyVersion, ScoringModel
from timelyrain.runtime import clock, law
from timelyrain.runtime.crypto import decrypt


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


def models_folder() -> Path:
    folder = settings.HOME / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


Hashes = dict[str, str]
"""What is in force by kind, "policy" and "model": the newest activation that has come and was not taken back."""


def active_hashes(at: datetime | None = None) -> Hashes:
    return active_hashes_later(at)()


def active_hashes_later(at: datetime | None = None) -> Callable[[], Hashes]:
    """`active_hashes` in two halves: asked now, called for later (`rows.together`)."""
    cursor = connection.cursor()
    cursor.execute(_IN_FORCE, [at or clock.now()])

    def found() -> Hashes:
        with cursor:
            return dict(cursor.fetchall())

    return found


_IN_FORCE = """
SELECT DISTINCT ON (kind) kind, sha256 FROM origination_releasestep s
WHERE act = 'activated' AND effective_at <= %s AND NOT EXISTS (
    SELECT FROM origination_releasestep t
    WHERE t.kind = s.kind AND t.sha256 = s.sha256 AND t.act = 'rejected' AND t.id > s.id)
ORDER BY kind, effective_at DESC, id DESC
"""


def active(found: Hashes | None = None) -> tuple[decisioning.Policy, risk.TrainedModel | None]:
    """The policy that decides now, and the model that scores; None while there is none: the policy says what happens then.

    found: `active_hashes` of a moment ago.
    """
    found = active_hashes() if found is None else found
    if "policy" not in found:
        raise errors.NotReady(
            "No decision policy is active.", remedy="Activate one (console, Policy versions)."
        )
    return policy(found["policy"]), model(found["model"]) if "model" in found else None


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
