"""The decision record: canonical bytes that name every input by hash and hold every output; and its replay."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, cast

from .decide import Decision, LawContext, Request, Scorer, decide
from .evidence import Evidence, canonical_json
from .policy import Policy

FORMAT = 1
ENGINE = "1"
"""Version of the meaning of definitions. Raise it with any change that could change a decision."""


class RecordInvalid(ValueError):
    """The bytes are not a decision record of a format this engine reads."""


@dataclass(frozen=True, slots=True)
class Replay:
    """equal: the record came out byte for byte. cause: the first of data, rule, model, engine that differs."""

    equal: bool
    cause: Literal["data", "rule", "model", "engine"] | None
    differences: tuple[str, ...]


def decision_record(
    decision: Decision,
    policy: Policy,
    evidence: Evidence,
    request: Request,
    scorer: Scorer | None,
    draw: int,
    context: LawContext,
) -> bytes:
    """Canonical JSON. The evidence stands by hash (its bytes are stored beside); features by hash of their values."""
    outputs = decision.as_dict()
    features = outputs.pop("features")
    outputs["features_sha256"] = hashlib.sha256(canonical_json(features)).hexdigest()
    return canonical_json(
        {
            "format": FORMAT,
            "engine": ENGINE,
            "evidence": {"sha256": evidence.sha256, "as_of": evidence.as_of, "missing": evidence.missing},
            "definition": {"name": policy.name, "version": policy.version, "sha256": policy.sha256},
            "model": None if scorer is None else scorer.sha256,
            "request": asdict(request),
            "context": asdict(context),
            "draw": draw,
            "outputs": outputs,
        }
    )


def replay(record: bytes, policy: Policy, evidence: Evidence, scorer: Scorer | None) -> Replay:
    """Decide again with the request, draw and context of the record, and compare bytes.

    Raises RecordInvalid when the bytes are no record.
    """
    told = _parse(record)
    try:
        request = Request(**cast(dict[str, int], told["request"]))  # type: ignore[arg-type]
        context = LawContext(**cast(dict[str, int], told["context"]))
        draw = cast(int, told["draw"])
        decision = decide(policy, evidence, request, scorer, draw, context)
    except (KeyError, TypeError) as error:
        raise RecordInvalid(f"not a decision record: {error!r}; pass the bytes of decision_record") from None
    again = decision_record(decision, policy, evidence, request, scorer, draw, context)
    if again == record:
        return Replay(True, None, ())
    now = _parse(again)
    places = {"evidence": "data", "definition": "rule", "model": "model"}
    cause = next((cause for place, cause in places.items() if told.get(place) != now[place]), "engine")
    return Replay(False, cast(Literal["data", "rule", "model", "engine"], cause), _differences(told, now))


def _parse(record: bytes) -> dict[str, object]:
    try:
        value = json.loads(record)
    except (ValueError, RecursionError) as error:
        raise RecordInvalid(f"not a decision record: {error}; pass the bytes of decision_record") from None
    if not isinstance(value, dict) or cast(dict[str, object], value).get("format") != FORMAT:
        raise RecordInvalid(f"not a decision record of format {FORMAT}; pass the bytes of decision_record")
    return cast(dict[str, object], value)


def _differences(told: Mapping[str, object], now: Mapping[str, object]) -> tuple[str, ...]:
    """Dotted names of the parts that differ, one level into `outputs`."""
    parts = [name for name in sorted({*told, *now} - {"outputs"}) if told.get(name) != now.get(name)]
    before = cast(dict[str, object], told.get("outputs") or {})
    after = cast(dict[str, object], now.get("outputs") or {})
    outputs = [f"outputs.{n}" for n in sorted({*before, *after}) if before.get(n) != after.get(n)]
    return (*parts, *outputs)
