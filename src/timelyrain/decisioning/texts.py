"""The long parts of a decision as canonical JSON, from text prepared once per policy: equal bytes, a fraction of the work.

What they say is defined by `Decision.outputs()`; a test holds the two equal.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, cast

from .compilers import Value
from .language import Type
from .parts import FORMATS, PLACEHOLDER, Effect, Rule

if TYPE_CHECKING:
    from .policy import Policy

STATES: Mapping[Value, str] = {True: "true", False: "false", None: "not_evaluated"}
UNKNOWN = {"zh": "未知", "en": "unknown"}
LACKING = {"zh": "资料不足，未能核实：", "en": "Not enough data to rule out: "}
encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode
"""`canonical_json` as text."""
Slots = list[tuple[str, Callable[[Value], str] | None]]
"""Names whose values go into a template, in order: as JSON, or as people read them."""


def effect(rule: Rule, state: Value) -> Effect:
    """What a rule that speaks asks for."""
    return rule.if_missing if state is None else rule.then


class Texts:
    """Prepared from a policy. seen: every value a verdict read or worked out, None where missing."""

    def __init__(self, policy: "Policy"):
        self._rules = {rule.code: rule for rule in policy.rules}
        self._types, self._reads = policy.verdict_types, policy.rule_reads
        self._features = policy.features
        read = dict.fromkeys(name for names in policy.rule_reads.values() for name in names)
        self._read = [(name, _names(policy.verdict_types[name])) for name in read]
        figures = sorted((figure.name, _names(figure.node.type)) for figure in policy.figures)
        self._figures = [(name, names) for name, names in figures]
        self._affordability = _object(name for name, _ in figures)
        lines = [
            f'{{"code":{_fixed(rule.code)},"stage":{_fixed(rule.stage)},"state":"%s","values":{self._values(rule)}}}'
            for rule in policy.rules
        ]
        self._trace = f"[{','.join(lines)}]"
        self._traced = [
            name for rule in policy.rules for name in (f"={rule.code}", *sorted(self._reads[rule.code]))
        ]
        self._reason, self._factor = cache(self._prepare_reason), cache(self._prepare_factor)

    def affordability(self, seen: Mapping[str, Value]) -> str:
        return self._affordability % tuple([_said(seen[name], names) for name, names in self._figures])

    def trace_and_reasons(
        self, seen: Mapping[str, Value], spoken: Sequence[tuple[Rule, Value]]
    ) -> tuple[str, list[str]]:
        """Every rule with the values it read; the reason of each that spoke."""
        texts = {name: _said(seen[name], names) for name, names in self._read}
        reasons: list[str] = []
        for rule, state in spoken:
            template, slots = self._reason(rule.code, state)
            reasons.append(
                template % tuple([texts[name] if tell is None else tell(seen[name]) for name, tell in slots])
            )
        texts.update([(f"={code}", STATES[seen[code]]) for code in self._rules])
        return self._trace % tuple([texts[name] for name in self._traced]), reasons

    def factor(self, feature: str, value: object, contribution_ppm: int) -> str:
        return self._factor(feature) % (contribution_ppm, encode(value))

    def _values(self, rule: Rule) -> str:
        return _object(sorted(self._reads[rule.code]))

    def _prepare_reason(self, code: str, state: Value) -> tuple[str, Slots]:
        rule, slots = self._rules[code], Slots()
        lacking = LACKING if state is None else {"zh": "", "en": ""}
        parts = {
            "because": _fixed(STATES[state]),
            "c1": str(rule.c1),
            "change_en": self._text(rule, "", rule.change_en, UNKNOWN["en"], slots),
            "change_zh": self._text(rule, "", rule.change_zh, UNKNOWN["zh"], slots),
            "code": _fixed(code),
            "effect": _fixed(effect(rule, state)),
            "en": self._text(rule, lacking["en"], rule.en, UNKNOWN["en"], slots),
            "stage": _fixed(rule.stage),
            "values": self._values(rule),
        }
        slots += [(name, None) for name in sorted(self._reads[code])]
        parts["zh"] = self._text(rule, lacking["zh"], rule.zh, UNKNOWN["zh"], slots)
        return "{" + ",".join(f'"{name}":{part}' for name, part in parts.items()) + "}", slots

    def _text(self, rule: Rule, before: str, text: str, unknown: str, slots: Slots) -> str:
        """A text as JSON with %s for its placeholders, which are added to slots."""
        found, end = [_fixed(before)[1:-1]], 0
        for place in PLACEHOLDER.finditer(text):
            found.append(_fixed(text[end : place.start()])[1:-1])
            end = place.end()
            if place[1] in self._reads[rule.code]:
                found.append("%s")
                slots.append((place[1], _teller(self._types[place[1]], place[2] or "", unknown)))
            else:
                found.append(_fixed(unknown)[1:-1])
        return '"' + "".join([*found, _fixed(text[end:])[1:-1]]) + '"'

    def _prepare_factor(self, name: str) -> str:
        feature = self._features[name]
        return (
            f'{{"contribution_ppm":%d,"en":{_fixed(feature.en)},"feature":{_fixed(name)},"value":%s,'
            f'"zh":{_fixed(feature.zh)}}}'
        )


def _fixed(text: str) -> str:
    """JSON text for a template."""
    return encode(text).replace("%", "%%")


def _object(names: Iterable[str]) -> str:
    """A JSON object with %s for the values."""
    return "{" + ",".join(f"{_fixed(name)}:%s" for name in names) + "}"


def _names(kind: Type) -> Mapping[Value, str] | None:
    """JSON of every value of a type; None where they are numbers."""
    if kind.kind == "bool":
        return {True: "true", False: "false", None: "null"}
    if kind.kind == "enum":
        return {None: "null", **{code: encode(value) for code, value in enumerate(kind.values)}}
    return None


def _said(value: Value, names: Mapping[Value, str] | None) -> str:
    if names is not None:
        return names[value]
    return "null" if value is None else str(value)


def _teller(kind: Type, form: str, unknown: str) -> Callable[[Value], str]:
    """A value as people read it, as JSON without quotes."""

    def tell(value: Value) -> str:
        if value is None:
            return unknown
        shown = kind.values[value] if kind.kind == "enum" else bool(value) if kind.kind == "bool" else value
        return encode(FORMATS[form](cast(int, shown)))[1:-1]

    return tell
