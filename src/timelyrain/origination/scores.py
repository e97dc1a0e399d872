"""Scores of fraud and oddness on the way to a decision, and how often the platform has lately seen the applicant's things.

Nothing here runs for a policy that names neither score. Numbers of sightings are `risk.Velocity.see`'s, from rows.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from math import nan
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import connection

from timelyrain import risk
from timelyrain.decisioning import Evidence, FeatureTable, Policy
from timelyrain.origination.models import ReleaseKind, Sighting
from timelyrain.runtime import law
from timelyrain.runtime.crypto import blind_index

Scorers = Mapping[str, risk.TrainedModel]
"""Role (fraud, anomaly) -> the model in force."""
PPM = 1_000_000
TOLD = ("phone", "card")
"""Things that the borrower told us, beside those that evidence shows."""
Given = dict[str, int | bool | None]


@dataclass(frozen=True, eq=False)
class Scored:
    """table: the policy's features, computed once. given: the scores and the velocities they read. sightings: not yet kept."""

    table: FeatureTable | None
    given: Mapping[str, int | bool | None]
    versions: Mapping[str, str]
    sightings: Sequence[Sighting]


def name_of(role: str) -> str:
    """What a policy calls the score of a role."""
    return f"{role}.score_ppm"


def asked(policy: Policy) -> list[str]:
    """Roles whose score the policy names."""
    return [role.value for role in ReleaseKind.roles() if name_of(role) in policy.given_names]


@cache
def velocities() -> risk.Velocity:
    """Which velocities a model may read here: things by the windows of the policy pack's fraud.toml."""
    windows: list[int] = tomllib.loads(law.pack().read("fraud.toml").decode())["velocity"]["windows_days"]
    return risk.Velocity((*risk.THINGS, *TOLD), tuple(windows))


def score(
    policy: Policy, scorers: Scorers, evidence: Evidence, told: Mapping[str, bytes], application_id: UUID
) -> Scored:
    """told: keyed hashes of what the borrower told (`standing.keys_of`). At most one statement; none without scorers."""
    if not scorers:
        return Scored(None, {}, {}, ())
    at = datetime.fromtimestamp(evidence.as_of, UTC)
    keys = things_of(evidence, told)
    counted = counts(at, told["person"], keys)
    table = policy.engine.features([evidence])
    given: Given = {}
    names = set(velocities().names)
    for role, model in scorers.items():
        given |= {name: counted.get(name) for name in model.feature_names if name in names}
        given[name_of(role)] = ppm(model, table, given)
    versions = {role: model.sha256 for role, model in scorers.items()}
    return Scored(table, given, versions, sightings(application_id, at, told["person"], keys))


def things_of(evidence: Evidence, told: Mapping[str, bytes]) -> dict[str, bytes]:
    """Keyed hashes of the things that an applicant used, by kind: as evidence states them last, and as the borrower told them."""
    used = risk.things_used(evidence.tables)
    keys = {kind: blind_index(kind, f"{value:016x}") for kind, value in used.items() if value}
    return keys | {kind: told[kind] for kind in TOLD if kind in told}


def sightings(application_id: UUID, at: datetime, person: bytes, keys: Mapping[str, bytes]) -> list[Sighting]:
    """A row for each thing, not kept yet."""
    return [
        Sighting(kind=kind, key_hash=key, person_hash=person, application_id=application_id, at=at)
        for kind, key in keys.items()
    ]


def ppm(model: risk.TrainedModel, table: FeatureTable, counted: Mapping[str, int | bool | None]) -> int:
    """One applicant's score in millionths. table: one row. counted: velocities, None or absent where not known."""
    return round(model.score(_vector(model, table, counted)).pd * PPM)


def _vector(
    model: risk.TrainedModel, table: FeatureTable, counted: Mapping[str, int | bool | None]
) -> npt.NDArray[np.float64]:
    vector = np.full(len(model.feature_names), nan)
    for place, name in enumerate(model.feature_names):
        at = table.places.get(name)
        if at is None:
            value = counted.get(name)
            vector[place] = nan if value is None else value
        elif table.known[0, at]:
            vector[place] = table.numbers[0, at]
    return vector


def counts(at: datetime, person: bytes, keys: Mapping[str, bytes]) -> dict[str, int]:
    """Other persons seen with each of these things within each window before `at`; what is not stated has none."""
    windows = velocities().windows_days
    since = [at - timedelta(days=days) for days in windows]
    with connection.cursor() as cursor:
        cursor.execute(
            _counting(len(windows)),
            [*since, list(keys), list(keys.values()), at, since[-1], risk.VELOCITY_MEMORY, person],
        )
        found = cursor.fetchall()
    return {
        f"velocity_{kind}_people_{days}d": count
        for kind, *row in found
        for days, count in zip(windows, row, strict=True)
    }


@cache
def _counting(windows: int) -> str:
    within = ", ".join(["count(DISTINCT s.person_hash) FILTER (WHERE s.at >= %s)"] * windows)
    return f"""
SELECT asked.kind, {within} FROM unnest(%s::text[], %s::bytea[]) AS asked(kind, key_hash) LEFT JOIN LATERAL (
    SELECT person_hash, at FROM origination_sighting WHERE key_hash = asked.key_hash AND at <= %s AND at >= %s
    ORDER BY at DESC, id DESC LIMIT %s) s ON s.person_hash <> %s
GROUP BY asked.kind
"""


def differs(
    record: Mapping[str, dict[str, int | bool | None]], scorers: Scorers, policy: Policy, evidence: Evidence
) -> list[str]:
    """Which scores of a record come out otherwise from these models, the evidence and the velocities it holds."""
    table = policy.engine.features([evidence])
    return [
        f"given.{name_of(role)}"
        for role, model in scorers.items()
        if record["given"].get(name_of(role)) != ppm(model, table, record["given"])
    ]
