"""One decision: a pure function of policy, evidence, request, model, draw and the limits of the law."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from timelyrain.finance import annualised_irr_ppm, schedule

from .compilers import Column, Value
from .decision import Decision, Factor, LawContext, Reason, Request
from .engine import FeatureTable
from .evidence import Bools, Evidence, Ints
from .language import PPM
from .parts import Effect
from .policy import Policy
from .texts import effect
from .verdicts import Outcome, Verdicts, column, verdicts
from .wording import Bilingual

FACTORS = 4
"""Principal factors named from the model, as adverse-action practice has it."""
_MADE_FROM = "velocity_"


class RequestInvalid(Bilingual, ValueError):
    """The request, the draw or the context is outside its domain."""


class ScorerMismatch(Bilingual, ValueError):
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


def decide(
    policy: Policy,
    evidence: Evidence,
    request: Request,
    scorer: Scorer | None,
    draw: int,
    context: LawContext,
    *,
    given: Mapping[str, Value] | None = None,
    snoozed: Collection[str] = (),
    versions: Mapping[str, str] | None = None,
    table: FeatureTable | None = None,
) -> Decision:
    """Evaluate every feature, figure and rule. draw: an integer 0..999,999 that the caller stores.

    Without a scorer, or when it gives no PD in 0..1, model.pd_ppm is missing and the policy's `if_missing` speaks.
    given: values for names of the policy that are neither features nor request, law, model or draw; missing where absent.
    What a score was made from besides features (`velocity_*`) is recorded with it.
    snoozed: codes of rules that are evaluated and recorded but do not speak for this person; those the policy lets be.
    versions: hashes of the lists and other stores that `given` was taken from, for the record.
    table: the policy's features of this evidence, where they are computed already.
    Raises RequestInvalid, ScorerMismatch.
    """
    _check(policy, request, draw, context)
    table = policy.engine.features([evidence]) if table is None else table
    values, known = table.numbers[0], table.known[0]
    pd_ppm, parts = _score(policy, values, known, scorer)
    extra = _given(policy, given or {})
    scope = _scope(policy, evidence, request, draw, context) | {"model.pd_ppm": pd_ppm} | extra
    seen = policy.engine.verdict(values, known, scope)
    quiet = frozenset(snoozed).intersection(rule.code for rule in policy.rules if rule.snooze)
    spoken = tuple(
        (rule, state)
        for rule in policy.rules
        if (state := seen[rule.code]) is not False
        and (rule.if_missing != "skip" or state is not None)
        and rule.code not in quiet
    )
    figures, taken = ("limit_fen", "rate_ppm"), False
    if policy.random_approval and seen["random.taken"]:
        aside = policy.random_approval.rules
        others = tuple((rule, state) for rule, state in spoken if rule.code not in aside)
        taken = len(others) < len(spoken) and all(effect(*one) == "note" for one in others)
        if taken:  # nobody else holds this person back
            spoken, figures = others, ("random.limit_fen", "random.rate_ppm")
    limit, rate = (cast(int, seen[name] or 0) for name in figures)
    effects: set[Effect] = {effect(rule, state) for rule, state in spoken}
    extra_reasons = _guard(effects, limit, rate, context, {name: seen[name] for name in figures})
    effects.update(reason.effect for reason in extra_reasons)
    outcome = next((o for o in Outcome if o.value in effects), Outcome.APPROVE)
    offered = outcome in (Outcome.APPROVE, Outcome.REFER) and limit > 0 and 0 < rate <= context.max_rate_ppm
    amount = min(limit, request.amount_fen) if offered else 0
    return Decision(
        policy,
        outcome,
        spoken,
        extra_reasons,
        pd_ppm,
        limit if offered else 0,
        amount,
        rate if offered else 0,
        annual_rate_ppm(amount, rate, request.instalments) if offered else 0,
        _factors(policy, table, scorer, parts),
        table,
        seen,
        extra | {name: value for name, value in (given or {}).items() if name.startswith(_MADE_FROM)},
        tuple(sorted(quiet)),
        taken,
        dict(versions or {}),
    )


_ANY_DAY = date(2026, 1, 1)


def annual_rate_ppm(amount_fen: int, rate_ppm: int, instalments: int) -> int:
    """Compound annual rate of equal monthly instalments at a nominal rate, from the schedule as it is rounded to the fen.

    Months count as twelfths of a year, so that the day of the pay-out does not matter. 0 where there is no schedule (less than
    a fen for each instalment).
    """
    if amount_fen < instalments:
        return 0
    plan = schedule(amount_fen, rate_ppm, _ANY_DAY, instalments)
    return annualised_irr_ppm([amount_fen, *(-row.total_fen for row in plan)])


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """n decisions as columns. pd_ppm: known where a model spoke. annual_rate_ppm int64[n], 0 without an offer."""

    features: FeatureTable
    pd_ppm: Column
    verdicts: Verdicts
    annual_rate_ppm: Ints


def decide_batch(
    policy: Policy,
    evidences: Sequence[Evidence],
    requests: Sequence[Request],
    scorer: Scorer | None,
    draws: Sequence[int],
    contexts: Sequence[LawContext],
    *,
    given: Sequence[Mapping[str, Value]] | None = None,
    snoozed: Sequence[Collection[str]] | None = None,
    threads: int = 1,
) -> Batch:
    """`decide` for n applicants from raw events, with equal results; reasons and records only where asked for, one by one.

    given, snoozed: as of `decide`, one for each applicant.
    Raises RequestInvalid, ScorerMismatch.
    """
    for request, draw, context in zip(requests, draws, contexts, strict=True):
        _check(policy, request, draw, context)
    table = policy.engine.features(evidences)
    cases = zip(evidences, requests, draws, contexts, strict=True)
    scopes = [_scope(policy, *case) for case in cases]
    names = tuple(scopes[0]) if scopes else tuple(policy.scope_names)
    pd_ppm = scores(policy, table, scorer)
    columns: dict[str, Column | int | None] = {
        name: column([cast(int, scope[name]) for scope in scopes]) for name in names
    }
    handed = None if given is None else [_given(policy, one) for one in given]
    columns |= {
        name: column([one[name] for one in handed]) if handed is not None else None
        for name in policy.given_names
    }
    columns["model.pd_ppm"] = pd_ppm
    columns |= {name: table[name] for name in policy.engine.verdict_reads if name in table.places}
    found = verdicts(policy, columns, len(evidences), silent=silence(snoozed or ()), threads=threads)
    rates = [
        annual_rate_ppm(amount, rate, request.instalments) if rate else 0
        for amount, rate, request in zip(
            found.amount_fen.tolist(), found.rate_ppm.tolist(), requests, strict=True
        )
    ]
    return Batch(table, pd_ppm, found, np.array(rates, np.int64))


def silence(snoozed: Sequence[Collection[str]]) -> dict[str, Bools]:
    """Rule -> bool[n]: for whom it is snoozed."""
    codes = {code for one in snoozed for code in one}
    return {code: np.array([code in one for one in snoozed], np.bool_) for code in sorted(codes)}


def scores(policy: Policy, table: FeatureTable, scorer: Scorer | None) -> Column:
    """PD in ppm of n applicants, missing where the model gives none; the same numbers as `decide` one by one."""
    rows = len(table.numbers)
    if scorer is None:
        return Column(np.zeros(rows, np.int64), np.zeros(rows, np.bool_))
    _places(policy, scorer)
    matrix = np.empty((rows, len(scorer.feature_names)), np.float64)
    for at, name in enumerate(scorer.feature_names):
        read = table[name]
        matrix[:, at] = np.where(read.known, read.values, np.nan)
    many = getattr(scorer, "pds", None)
    found = (
        many(matrix) if many is not None else np.array([scorer.score(row).pd for row in matrix], np.float64)
    )
    known = (found >= 0.0) & (found <= 1.0)
    return Column(np.rint(np.where(known, found, 0.0) * PPM).astype(np.int64), known)


def features_matrix(
    policy: Policy, evidences: Sequence[Evidence]
) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """(matrix float64[n, k] with NaN for missing, names): the policy's model inputs, as decide would see them."""
    table = policy.engine.features(evidences)
    at = np.array([table.places[name] for name in policy.model_inputs], np.int64)
    return np.where(table.known[:, at], table.numbers[:, at].astype(np.float64), np.nan), policy.model_inputs


def _scope(
    policy: Policy, evidence: Evidence, request: Request, draw: int, context: LawContext
) -> dict[str, Value]:
    return {
        "today": (evidence.as_of + 60 * policy.aggregation.utc_offset_minutes) // 86_400,
        "request.amount_fen": request.amount_fen,
        "request.instalments": request.instalments,
        "request.purpose": policy.purposes.index(request.purpose),
        "law.cap_ppm": context.cap_ppm,
        "law.max_rate_ppm": context.max_rate_ppm,
        "law.limit_max_fen": context.limit_max_fen,
        "law.instalments_max": context.instalments_max,
        "draw": draw,
    }


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
            raise RequestInvalid(
                f"{name} is {value!r}: give an integer from {domain.low} to {domain.high}",
                f"{name} 为 {value!r}：请给出 {domain.low} 到 {domain.high} 的整数",
            )
    if request.purpose not in policy.purposes:
        raise RequestInvalid(
            f"request.purpose is {request.purpose!r}: use one of {', '.join(policy.purposes)}",
            f"request.purpose 为 {request.purpose!r}：请从这些中选：{'、'.join(policy.purposes)}",
        )
    if context.max_rate_ppm > context.cap_ppm:
        raise RequestInvalid(
            f"law.max_rate_ppm {context.max_rate_ppm} is over law.cap_ppm {context.cap_ppm}",
            f"law.max_rate_ppm {context.max_rate_ppm} 高于 law.cap_ppm {context.cap_ppm}",
        )


def _given(policy: Policy, given: Mapping[str, Value]) -> dict[str, Value]:
    """What the policy asks its caller for, None where it was not handed in."""
    found: dict[str, Value] = {}
    for name in policy.given_names:
        value, kind = given.get(name), policy.verdict_types[name]
        flag = kind.kind == "bool"
        typed = type(value) is int or (flag and type(value) is bool)  # columns hold flags as 0 and 1
        if value is not None and (not typed or not kind.low <= value <= kind.high):
            wanted = "True or False" if flag else f"an integer from {kind.low} to {kind.high}"
            wanted_zh = " True 或 False" if flag else f" {kind.low} 到 {kind.high} 的整数"
            raise RequestInvalid(
                f"{name} is {value!r}: give {wanted}, or None where it is not known",
                f"{name} 为 {value!r}：请给出{wanted_zh}，未知时给 None",
            )
        found[name] = value
    return found


def _places(policy: Policy, scorer: Scorer) -> Ints:
    """Where the model's inputs stand among the features."""
    at = policy.engine.model_places(scorer.feature_names)
    if at is None:
        name = next(name for name in scorer.feature_names if name not in policy.features)
        raise ScorerMismatch(
            f"model {scorer.sha256[:12]} reads {name!r}, which {policy.name} does not have",
            f"模型 {scorer.sha256[:12]} 要读 {name!r}，而 {policy.name} 没有",
        )
    return at


def _score(
    policy: Policy, values: Ints, known: Bools, scorer: Scorer | None
) -> tuple[int | None, Sequence[float]]:
    if scorer is None:
        return None, ()
    at = _places(policy, scorer)
    vector = values[at].astype(np.float64)
    vector[~known[at]] = np.nan
    score = scorer.score(vector)
    if not 0.0 <= score.pd <= 1.0:
        return None, ()
    return round(score.pd * PPM), score.contributions


def _factors(
    policy: Policy, table: FeatureTable, scorer: Scorer | None, parts: Sequence[float]
) -> tuple[Factor, ...]:
    if scorer is None or not parts:
        return ()
    least = sorted(parts)[-FACTORS:][0]  # what does not reach it cannot be among the worst
    names = scorer.feature_names
    near = [(-part, name) for part, name in zip(parts, names, strict=True) if part > 0 and part >= least]
    return tuple(Factor.of(policy, table, name, -part) for part, name in sorted(near)[:FACTORS])


def _guard(
    effects: Collection[Effect], limit: int, rate: int, context: LawContext, figures: Mapping[str, Value]
) -> tuple[Reason, ...]:
    """The engine's own last rule: no approval without an offer inside the law, whatever the policy says."""
    inside = 0 < limit <= context.limit_max_fen and 0 < rate <= context.max_rate_ppm
    if inside or any(effect != "note" for effect in effects):
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
            {**figures, "law.limit_max_fen": context.limit_max_fen, "law.max_rate_ppm": context.max_rate_ppm},
        ),
    )
