"""The decision record: canonical bytes that name every input by hash and hold every output; and its replay."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from .decide import RequestInvalid, Scorer, ScorerMismatch, decide
from .decision import Decision, LawContext, Request, plain
from .evidence import Evidence
from .policy import Policy
from .texts import encode
from .wording import Bilingual

FORMAT = 2
ENGINE = "3"
"""Version of the meaning of definitions and of this record. Raise it with any change that could change a decision.

2: the annualised rate of the offer stands in the outputs; features are hashed as arrays; a model's parts are added tree by tree.
3: a random approval is of whom only its own rules held back; a missing offer is shown as missing.
"""

Cause = Literal["data", "rule", "model", "engine"]
_KINDS: Mapping[str, tuple[type, ...]] = {
    "format": (int,),
    "model": (str, type(None)),
    "snoozed": (list,),
    **dict.fromkeys(
        ("context", "definition", "evidence", "given", "given_versions", "outputs", "request"), (dict,)
    ),
}
"""Of the parts of a record."""


class RecordInvalid(Bilingual, ValueError):
    """The bytes are not a decision record of a format this engine reads."""


@dataclass(frozen=True, slots=True)
class Replay:
    """equal: the record came out byte for byte. cause: the first of data, rule, model, engine that differs."""

    equal: bool
    cause: Cause | None
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
    """Canonical JSON. The evidence stands by hash (its bytes are stored beside); features by hash of their arrays.

    graph: the watermark of the graph that was read; null while no room keeps one.
    """
    before = {
        "context": plain(context),
        "definition": {"name": policy.name, "version": policy.version, "sha256": policy.sha256},
        "draw": draw,
        "engine": ENGINE,
        "evidence": {"sha256": evidence.sha256, "as_of": evidence.as_of, "missing": evidence.missing},
        "features_sha256": decision.table.sha256(0),
        "format": FORMAT,
        "given": decision.given,
        "given_versions": decision.versions,
        "graph": None,
        "model": None if scorer is None else scorer.sha256,
    }
    after = {"request": plain(request), "snoozed": decision.snoozed}
    return f'{encode(before)[:-1]},"outputs":{decision.outputs_json()},{encode(after)[1:]}'.encode()


def replay(record: bytes, policy: Policy, evidence: Evidence, scorer: Scorer | None) -> Replay:
    """Decide again with what the record holds of request, draw and context, and compare bytes.

    A record of another format was made by another engine: it is not decided again, the cause is `engine`.
    Raises RecordInvalid when the bytes are no record, or one whose request this policy could never have taken.
    """
    told = _parse(record)
    cause = _other_input(told, policy, evidence, scorer)
    if told["format"] != FORMAT:
        return Replay(False, cause or "engine", ("engine", "format"))
    try:
        again = _again(told, policy, evidence, scorer)[1]
    except (KeyError, TypeError, RequestInvalid, ScorerMismatch) as error:
        if cause is None or isinstance(error, (KeyError, TypeError)):
            raise _no_record(error) from None
        return Replay(False, cause, ("outputs",))
    if again == record:
        return Replay(True, None, ())
    now = _parse(again)
    return Replay(False, cause or _other_words(told, now) or "engine", _differences(told, now))


def decide_again(
    record: bytes, policy: Policy, evidence: Evidence, scorer: Scorer | None
) -> tuple[Decision, bytes]:
    """Another policy on the inputs of a record: request, draw, limits, lists and snoozes as they were; and its record.

    Raises RecordInvalid, RequestInvalid, ScorerMismatch.
    """
    told = _parse(record)
    if told["format"] != FORMAT:
        raise RecordInvalid(
            f"a record of format {told['format']}; this engine decides again from {FORMAT}",
            f"记录的格式为 {told['format']}；本引擎只重新决策格式 {FORMAT}",
        )
    try:
        return _again(told, policy, evidence, scorer)
    except (KeyError, TypeError) as error:
        raise _no_record(error) from None


def _again(
    told: Mapping[str, object], policy: Policy, evidence: Evidence, scorer: Scorer | None
) -> tuple[Decision, bytes]:
    request = Request(**cast(dict[str, Any], told["request"]))
    context = LawContext(**cast(dict[str, Any], told["context"]))
    draw = cast(int, told["draw"])
    given, versions = cast(dict[str, Any], told["given"]), cast(dict[str, str], told["given_versions"])
    snoozed = cast(list[str], told["snoozed"])
    decision = decide(
        policy, evidence, request, scorer, draw, context, given=given, snoozed=snoozed, versions=versions
    )
    return decision, decision_record(decision, policy, evidence, request, scorer, draw, context)


def _other_input(
    told: Mapping[str, object], policy: Policy, evidence: Evidence, scorer: Scorer | None
) -> Cause | None:
    """The first input whose hash is not the recorded one."""
    if _hash_of(told, "evidence") != evidence.sha256:
        return "data"
    if _hash_of(told, "definition") != policy.sha256:
        return "rule"
    return "model" if told.get("model") != (None if scorer is None else scorer.sha256) else None


def _other_words(told: Mapping[str, object], now: Mapping[str, object]) -> Cause | None:
    """The first input of which the record tells something else than its hash does."""
    said: Mapping[str, Cause] = {"evidence": "data", "definition": "rule"}
    return next((cause for part, cause in said.items() if told.get(part) != now[part]), None)


def _hash_of(told: Mapping[str, object], part: str) -> object:
    value = told.get(part)
    return cast(dict[str, object], value).get("sha256") if isinstance(value, dict) else None


def _parse(record: bytes) -> dict[str, object]:
    try:
        value = json.loads(record)
    except (ValueError, RecursionError) as error:
        raise _no_record(error) from None
    told = cast(dict[str, object], value) if isinstance(value, dict) else {}
    odd = [name for name, kinds in _KINDS.items() if name in told and type(told[name]) not in kinds]
    form, needed = told.get("format", 0), {"outputs"}
    if form != FORMAT:  # made by another engine: enough to say so
        needed |= {"definition", "evidence"}
    if odd or cast(int, form) < 1 or not needed <= told.keys():
        raise _no_record(Bilingual(f"not of format {FORMAT}", f"不是格式 {FORMAT}"))
    return told


def _no_record(why: Exception) -> RecordInvalid:
    also = why.told("zh") if isinstance(why, Bilingual) else why
    return RecordInvalid(
        f"not a decision record ({why}): pass the bytes of decision_record",
        f"不是决策记录（{also}）：请给出 decision_record 的字节",
    )


def _differences(told: Mapping[str, object], now: Mapping[str, object]) -> tuple[str, ...]:
    """Dotted names of the parts that differ, one level into `outputs`; `bytes` where only their writing does."""
    parts = [
        name for name in sorted({*told, *now} - {"outputs"}) if told.get(name, _NONE) != now.get(name, _NONE)
    ]
    before = cast(dict[str, object], told.get("outputs") or {})
    after = cast(dict[str, object], now.get("outputs") or {})
    outputs = [f"outputs.{n}" for n in sorted({*before, *after}) if before.get(n) != after.get(n)]
    return (*parts, *outputs) or ("bytes",)


_NONE = object()
