"""One decision: a pure function of policy, evidence, request, model, draw and the limits of the law."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .compilers import Column, Value, run_columns
from .evidence import FACTS, SOURCES, Evidence
from .language import PPM, Type, names_read
from .policy import Effect, Policy, Rule

Shown = int | bool | str | None
FACTORS = 4
"""Principal factors named from the model, as adverse-action practice has it."""


class Outcome(StrEnum):
    """In order of precedence: a decline outweighs a request for evidence, that a referral, that an approval."""

    DECLINE = "decline"
    MORE_EVIDENCE = "more_evidence"
    REFER = "refer"
    APPROVE = "approve"


class RequestInvalid(ValueError):
    """The request, the draw or the context is outside its domain."""


class ScorerMismatch(ValueError):
    """The model reads features that the policy does not have."""


class ScoreLike(Protocol):
    """pd in 0..1; contributions in log-odds, one per feature name, + raises PD."""

    @property
    def pd(self) -> float: ...
    @property
    def contributions(self) -> tuple[float, ...]: ...


class Scorer(Protocol):
    """A model. sha256 names it; score takes float64[len(feature_names)] with NaN for missing."""

    @property
    def sha256(self) -> str: ...
    @property
    def feature_names(self) -> tuple[str, ...]: ...
    def score(self, values: npt.NDArray[np.float64], /) -> ScoreLike: ...


@dataclass(frozen=True, slots=True)
class Request:
    """What the applicant asks for. purpose is one of policy.purposes."""

    amount_fen: int
    instalments: int
    purpose: str


@dataclass(frozen=True, slots=True)
class LawContext:
    """Limits in force for the licence and date, found by the caller.

    cap_ppm: cap on the annualised all-in cost. max_rate_ppm: the nominal annual rate whose annualised cost stays
    under the cap. limit_max_fen, instalments_max: per person and per loan.
    """

    cap_ppm: int
    max_rate_ppm: int
    limit_max_fen: int
    instalments_max: int = 60


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule spoke: `because` is 'true' or 'not_evaluated'; values are those the rule read."""

    code: str
    stage: str
    effect: Effect
    because: str
    zh: str
    en: str
    change_zh: str
    change_en: str
    c1: int
    values: Mapping[str, Shown]


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One rule of the policy: state is 'true', 'false' or 'not_evaluated'."""

    code: str
    stage: str
    state: str
    values: Mapping[str, Shown]


@dataclass(frozen=True, slots=True)
class Factor:
    """A feature that raised the applicant's PD; contribution in millionths of log-odds."""

    feature: str
    zh: str
    en: str
    value: Shown
    contribution_ppm: int


@dataclass(frozen=True, slots=True)
class Decision:
    """limit, amount and rate are 0 unless approved or referred (a proposal then); affordability holds every figure.

    reasons and trace are in the author's order. features holds the whole catalogue, None where missing.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...]
    pd_ppm: int | None
    limit_fen: int
    amount_fen: int
    rate_ppm: int
    affordability: Mapping[str, Shown]
    factors: tuple[Factor, ...]
    features: Mapping[str, Shown]
    trace: tuple[TraceLine, ...]

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**asdict(self), "outcome": self.outcome.value}


def decide(
    policy: Policy,
    evidence: Evidence,
    request: Request,
    scorer: Scorer | None,
    draw: int,
    context: LawContext,
) -> Decision:
    """Evaluate every feature, figure and rule. draw: an integer 0..999,999 that the caller stores.

    Without a scorer, or when it gives no PD in 0..1, model.pd_ppm is missing and the policy's `if_missing` speaks.
    Raises RequestInvalid, ScorerMismatch.
    """
    _check(policy, request, draw, context)
    values = _features(policy, evidence)
    pd_ppm, contributions = _score(policy, values, scorer)
    values |= {
        "request.amount_fen": request.amount_fen,
        "request.instalments": request.instalments,
        "request.purpose": policy.purposes.index(request.purpose),
        "law.cap_ppm": context.cap_ppm,
        "law.max_rate_ppm": context.max_rate_ppm,
        "law.limit_max_fen": context.limit_max_fen,
        "law.instalments_max": context.instalments_max,
        "draw": draw,
        "model.pd_ppm": pd_ppm,
    }
    found = policy.verdict_program([values[name] for name in policy.verdict_inputs])
    values |= {name: value for (name, _), value in zip(policy.verdict_steps, found, strict=True)}

    def shown(name: str) -> Shown:
        return _shown(policy.verdict_types[name], values[name])

    figures = {figure.name: shown(figure.name) for figure in policy.figures}
    trace = tuple(
        TraceLine(r.code, r.stage, _state(values[r.code]), {n: shown(n) for n in names_read(r.when)})
        for r in policy.rules
    )
    spoken = zip(policy.rules, trace, strict=True)
    reasons = tuple(reason for rule, line in spoken if (reason := _reason(rule, line)) is not None)
    limit, rate = values["limit_fen"] or 0, values["rate_ppm"] or 0
    reasons += _guard(reasons, limit, rate, context)
    outcome = next((o for o in Outcome if any(r.effect == o.value for r in reasons)), Outcome.APPROVE)
    offered = outcome in (Outcome.APPROVE, Outcome.REFER) and limit > 0 and 0 < rate <= context.max_rate_ppm
    features = {feature.name: shown(feature.name) for feature in policy.catalogue}
    return Decision(
        outcome,
        reasons,
        pd_ppm,
        limit if offered else 0,
        min(limit, request.amount_fen) if offered else 0,
        rate if offered else 0,
        figures,
        _factors(policy, features, contributions),
        features,
        trace,
    )


def features_matrix(
    policy: Policy, evidences: Sequence[Evidence]
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """(matrix float64[n, k] with NaN for missing, names): the policy's model inputs, as decide would see them."""
    columns = feature_columns(policy, evidences)
    matrix = np.empty((len(evidences), len(policy.model_inputs)), np.float64)
    for i, name in enumerate(policy.model_inputs):
        matrix[:, i] = np.where(columns[name].known, columns[name].values, np.nan)
    return matrix, policy.model_inputs


def feature_columns(policy: Policy, evidences: Sequence[Evidence]) -> dict[str, Column]:
    """Every feature of the catalogue over n applicants at once."""
    numbers, known = policy.aggregation.run(evidences)
    columns = {name: Column(numbers[:, i], known[:, i]) for i, name in enumerate(policy.aggregation.names)}
    for name in FACTS:
        codes = [e.facts[name] for e in evidences]
        present = np.array([code is not None for code in codes], np.bool_)
        columns[name] = Column(np.array([code or 0 for code in codes], np.int64), present)
    for source in SOURCES:
        gone = np.array([source in e.missing for e in evidences], np.int64)
        columns[f"source_missing.{source}"] = Column(gone, np.ones(len(evidences), np.bool_))
    return columns | run_columns(policy.feature_steps, columns, len(evidences))


def _features(policy: Policy, evidence: Evidence) -> dict[str, Value]:
    """Every input and derived feature of one applicant, None where missing."""
    numbers, known = policy.aggregation.run([evidence])
    values: dict[str, Value] = dict(evidence.facts)
    values |= {f"source_missing.{source}": source in evidence.missing for source in SOURCES}
    pairs = zip(policy.aggregation.names, numbers[0].tolist(), known[0].tolist(), strict=True)
    values |= {name: number if ok else None for name, number, ok in pairs}
    derived = policy.feature_program([values[name] for name in policy.feature_inputs])
    return values | {name: value for (name, _), value in zip(policy.feature_steps, derived, strict=True)}


def _check(policy: Policy, request: Request, draw: int, context: LawContext) -> None:
    ranges = {
        "request.amount_fen": request.amount_fen,
        "request.instalments": request.instalments,
        "law.cap_ppm": context.cap_ppm,
        "law.max_rate_ppm": context.max_rate_ppm,
        "law.limit_max_fen": context.limit_max_fen,
        "law.instalments_max": context.instalments_max,
        "draw": draw,
    }
    for name, value in ranges.items():
        domain = policy.verdict_types[name]
        if type(value) is not int or not domain.low <= value <= domain.high:
            raise RequestInvalid(f"{name} is {value!r}: give an integer from {domain.low} to {domain.high}")
    if request.purpose not in policy.purposes:
        raise RequestInvalid(
            f"request.purpose is {request.purpose!r}: use one of {', '.join(policy.purposes)}"
        )
    if context.max_rate_ppm > context.cap_ppm:
        raise RequestInvalid(f"law.max_rate_ppm {context.max_rate_ppm} is over law.cap_ppm {context.cap_ppm}")


def _score(
    policy: Policy, values: Mapping[str, Value], scorer: Scorer | None
) -> tuple[int | None, list[tuple[str, float]]]:
    if scorer is None:
        return None, []
    names = scorer.feature_names
    unknown = [name for name in names if name not in policy.features]
    if unknown:
        raise ScorerMismatch(
            f"model {scorer.sha256[:12]} reads {unknown[0]!r}, which {policy.name} does not have"
        )
    vector = np.array([np.nan if (v := values[name]) is None else v for name in names], np.float64)
    score = scorer.score(vector)
    if not 0.0 <= score.pd <= 1.0:
        return None, []
    return round(score.pd * PPM), list(zip(names, score.contributions, strict=True))


def _factors(
    policy: Policy, features: Mapping[str, Shown], contributions: list[tuple[str, float]]
) -> tuple[Factor, ...]:
    worst = sorted((pair for pair in contributions if pair[1] > 0), key=lambda pair: (-pair[1], pair[0]))
    return tuple(
        Factor(name, policy.features[name].zh, policy.features[name].en, features[name], round(part * PPM))
        for name, part in worst[:FACTORS]
    )


def _state(value: Value) -> str:
    return "not_evaluated" if value is None else "true" if value else "false"


def _shown(kind: Type, value: Value) -> Shown:
    if value is None:
        return None
    return kind.values[value] if kind.kind == "enum" else bool(value) if kind.kind == "bool" else value


def _reason(rule: Rule, line: TraceLine) -> Reason | None:
    lacking = line.state == "not_evaluated"
    effect = rule.if_missing if lacking else rule.then
    if effect == "skip" or line.state == "false":
        return None
    zh, en = rule.render(rule.zh, line.values, "未知"), rule.render(rule.en, line.values, "unknown")
    return Reason(
        rule.code,
        rule.stage,
        effect,
        line.state,
        f"资料不足，未能核实：{zh}" if lacking else zh,
        f"Not enough data to rule out: {en}" if lacking else en,
        rule.render(rule.change_zh, line.values, "未知"),
        rule.render(rule.change_en, line.values, "unknown"),
        rule.c1,
        line.values,
    )


def _guard(reasons: Sequence[Reason], limit: int, rate: int, context: LawContext) -> tuple[Reason, ...]:
    """The engine's own last rule: no approval without an offer inside the law, whatever the policy says."""
    inside = 0 < limit <= context.limit_max_fen and 0 < rate <= context.max_rate_ppm
    if inside or reasons:
        return ()
    return (
        Reason(
            "NO_LAWFUL_OFFER",
            "affordability",
            "refer",
            "true",
            "无法在法定额度与利率上限内给出方案，转人工审核",
            "No limit and price within the law could be worked out; a person will look at it",
            "无需您操作，审核人员会联系您",
            "Nothing to do; a reviewer will contact you",
            24,
            {"limit_fen": limit, "rate_ppm": rate, "law.max_rate_ppm": context.max_rate_ppm},
        ),
    )
