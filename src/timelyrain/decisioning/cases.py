"""Test cases of a policy: applicants with the outcome their author expects, and which rules they have put to the test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from .compilers import Value
from .decide import RequestInvalid, Scorer, ScorerMismatch, decide
from .decision import LawContext, Request
from .evidence import Evidence, EvidenceInvalid, evidence_from_json
from .policy import Policy
from .verdicts import Outcome
from .wording import Bilingual


class CaseInvalid(Bilingual, ValueError):
    """A test case cannot be read; the message names the key and what belongs there."""


@dataclass(frozen=True, slots=True)
class Case:
    """reasons: codes that must speak, and no others may when `only`. limit_fen: inclusive bounds, None for any. given: what
    the policy asks its caller for (lists, experiments); snoozed: rules that do not speak for this applicant.
    """

    name: str
    evidence: Evidence
    request: Request
    context: LawContext
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    only: bool = False
    limit_fen: tuple[int, int] | None = None
    draw: int = 500_000
    given: Mapping[str, Value] = field(default_factory=dict[str, Value])
    snoozed: tuple[str, ...] = ()

    @staticmethod
    def from_json(raw: object) -> "Case":
        """Reads {"name", "evidence", "request", "context", "expect": {"outcome", "reasons", "only", "limit_fen"}, "draw",
        "given", "snoozed"}; all after `expect` may be absent.

        Raises CaseInvalid.
        """
        if not isinstance(raw, dict):
            kind = type(raw).__name__
            raise CaseInvalid(
                f"a test case is a JSON object, not {kind}", f"测试案例应是 JSON 对象，不是 {kind}"
            )
        case = cast(dict[str, object], raw)
        if unknown := sorted(set(case) - set(_KEYS)):
            raise CaseInvalid(
                f"unknown key {unknown[0]!r}; known are {', '.join(_KEYS)}",
                f"没有 {unknown[0]!r} 这个键；可用的有：{'、'.join(_KEYS)}",
            )
        name = case.get("name")
        if not isinstance(name, str) or not name:
            raise CaseInvalid(f"name is {name!r}: give the case a name", f"name 为 {name!r}：请给案例起名")
        try:
            request = Request(**cast(dict[str, int], case["request"]))  # pyright: ignore[reportArgumentType]
            context = LawContext(**cast(dict[str, int], case["context"]))
            expect = dict(cast(Mapping[str, object], case["expect"]))
            outcome = Outcome(cast(str, expect.pop("outcome")))
            reasons = _texts(expect.pop("reasons", []))
            given = dict(cast(Mapping[str, Value], case.get("given", {})))
            snoozed = _texts(case.get("snoozed", []))
            only, limit = expect.pop("only", False), expect.pop("limit_fen", None)
            bounds = (
                None if limit is None else (int(cast(list[int], limit)[0]), int(cast(list[int], limit)[1]))
            )
            evidence = evidence_from_json(cast(Mapping[str, object], case["evidence"]))
        except EvidenceInvalid as error:
            raise CaseInvalid(f"{name}: {error}", f"{name}：{error.told('zh')}") from None
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise CaseInvalid(
                f"{name}: {error!r} is absent or of the wrong form", f"{name}：{error!r} 缺失或写法不对"
            ) from None
        if expect:
            odd = f"expect.{sorted(expect)[0]}"
            raise CaseInvalid(f"{name}: unknown key {odd}", f"{name}：没有 {odd} 这个键")
        draw = case.get("draw", 500_000)
        if type(draw) is not int:
            raise CaseInvalid(
                f"{name}: draw is {draw!r}, give a whole number", f"{name}：draw 为 {draw!r}，请给出整数"
            )
        return Case(
            name, evidence, request, context, outcome, reasons, only is True, bounds, draw, given, snoozed
        )


_KEYS = ("name", "evidence", "request", "context", "expect", "draw", "given", "snoozed")


def _texts(raw: object) -> tuple[str, ...]:
    texts = cast(list[object], raw) if isinstance(raw, list) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{raw!r:.60} is not a list of codes")
    return tuple(cast(list[str], texts))


@dataclass(frozen=True, slots=True)
class CaseResult:
    """problems: what came out otherwise than expected, (zh, en); none when the case passes."""

    name: str
    outcome: Outcome | None
    problems: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """What the cases showed. coverage: rule code -> states seen ('true', 'false', 'not_evaluated'), in the policy's order."""

    results: tuple[CaseResult, ...]
    coverage: Mapping[str, frozenset[str]]

    @property
    def passed(self) -> bool:
        return not any(result.problems for result in self.results)

    @property
    def untried(self) -> tuple[str, ...]:
        """Rules that no case made true, or that no case made false."""
        return tuple(code for code, seen in self.coverage.items() if not {"true", "false"} <= seen)


def _unfit(policy: Policy, given: Mapping[str, Value]) -> tuple[str, str] | None:
    """What of the given is not of the type that the policy asks for; names that it does not ask for are left alone."""
    for name in sorted(given.keys() & set(policy.given_names)):
        kind, value = policy.verdict_types[name], given[name]
        fits = (
            type(value) in ((bool,) if kind.kind == "bool" else (int,))
            and kind.low <= int(cast(int, value)) <= kind.high
        )
        if value is not None and not fits:
            wanted = (
                "true, false" if kind.kind == "bool" else f"a whole number from {kind.low} to {kind.high}"
            )
            return (
                f"given.{name} 为 {value!r}：应为 {wanted} 或 null",
                f"given.{name} is {value!r}: give {wanted} or null",
            )
    return None


def try_cases(policy: Policy, cases: Sequence[Case], scorer: Scorer | None) -> Tried:
    """Decide every case under the policy and compare with what its author expects."""
    seen: dict[str, set[str]] = {rule.code: set() for rule in policy.rules}
    results: list[CaseResult] = []
    for case in cases:
        if wrong := _unfit(policy, case.given):
            results.append(CaseResult(case.name, None, (wrong,)))
            continue
        try:
            found = decide(
                policy,
                case.evidence,
                case.request,
                scorer,
                case.draw,
                case.context,
                given=case.given,
                snoozed=case.snoozed,
            )
        except (RequestInvalid, ScorerMismatch) as error:
            results.append(CaseResult(case.name, None, ((error.told("zh"), error.told("en")),)))
            continue
        for line in found.trace:
            seen[line.code].add(line.state)
        spoken = [reason.code for reason in found.reasons]
        problems = [
            (f"应有原因 {code}，但它没有出现", f"expected reason {code}, which did not speak")
            for code in case.reasons
            if code not in spoken
        ]
        if found.outcome is not case.outcome:
            wanted, came, why = case.outcome.value, found.outcome.value, ", ".join(spoken)
            problems.insert(
                0,
                (
                    f"应为 {wanted}，实为 {came}（{why or '没有原因'}）",
                    f"expected {wanted}, got {came} ({why or 'no reason'})",
                ),
            )
        if case.only:
            more = [code for code in spoken if code not in case.reasons]
            problems += [(f"多出原因 {code}", f"unexpected reason {code}") for code in more]
        if case.limit_fen and not case.limit_fen[0] <= found.limit_fen <= case.limit_fen[1]:
            low, high = case.limit_fen
            problems.append((
                f"额度 {found.limit_fen} 分不在 {low} 至 {high} 之间",
                f"limit {found.limit_fen} fen is not from {low} to {high}",
            ))  # fmt: skip
        results.append(CaseResult(case.name, found.outcome, tuple(problems)))
    return Tried(tuple(results), {code: frozenset(states) for code, states in seen.items()})
