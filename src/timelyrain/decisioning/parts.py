"""What a policy is made of beside its catalogue: figures, rules, fallbacks, lists, experiments, the random band."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from .language import Node

Stage = Literal["eligibility", "fraud", "credit", "affordability", "limit", "price"]
Effect = Literal["decline", "more_evidence", "refer", "note", "skip"]
STAGES: tuple[Stage, ...] = ("eligibility", "fraud", "credit", "affordability", "limit", "price")
EFFECTS: tuple[Effect, ...] = ("decline", "more_evidence", "refer", "note", "skip")
"""In order of gravity. `note` tells without deciding; `skip` says nothing."""
PLACEHOLDER = re.compile(r"\{([\w.]+)(?::(\w+))?\}")
LIST_KINDS = ("deny", "watch", "allow")
LIST_KEYS = ("person", "phone", "device", "employer", "card", "address")


@dataclass(frozen=True, slots=True)
class Figure:
    """A named number between features and rules: affordability, limit, price."""

    name: str
    node: Node
    zh: str
    en: str
    stage: Stage = "affordability"


@dataclass(frozen=True, slots=True)
class Rule:
    """When `when` is true the outcome is `then`; when it cannot be evaluated, `if_missing`. c1: Reg B form C-1 item.

    note: why it is there; source: the law or study behind it; owner: who answers for it. snooze: whether it may be
    silenced for one person.
    """

    code: str
    stage: Stage
    when: Node
    then: Effect
    if_missing: Effect
    zh: str
    en: str
    change_zh: str
    change_en: str
    c1: int
    note: str
    source: str = ""
    owner: str = ""
    snooze: bool = True
    written: str = ""


@dataclass(frozen=True, slots=True)
class Fallback:
    """What happens when a source gave nothing: after waiting so many seconds for it, the rule `code` speaks."""

    source: str
    code: str
    wait_seconds: int


@dataclass(frozen=True, slots=True)
class PolicyList:
    """A list the policy asks for, as on_list('name'): of people, phones, devices … by keyed hash, kept by the caller."""

    name: str
    kind: str
    key: str
    zh: str
    en: str
    note: str


@dataclass(frozen=True, slots=True)
class Experiment:
    """Arms with shares in ppm that add up to a million. bucket.<name> (0..999,999) chooses; without one, the first arm."""

    name: str
    arms: tuple[tuple[str, int], ...]
    zh: str
    en: str
    note: str


@dataclass(frozen=True, slots=True)
class RandomApproval:
    """A share of applicants whom only these rules refuse is approved all the same, within a ceiling, to keep learning."""

    share_ppm: int
    ceiling_fen: int
    rules: tuple[str, ...]
    note: str


FORMATS: dict[str, Callable[[int], str]] = {
    "": str,
    "yuan": lambda fen: f"{fen // 100:,}",
    "percent": lambda ppm: f"{ppm / 10_000:.1f}%",
}


def fill(text: str, values: Mapping[str, object], unknown: str) -> str:
    """The text with {name}, {name:yuan} (fen) and {name:percent} (ppm) filled; `unknown` where a value is missing."""

    def one(found: re.Match[str]) -> str:
        value = values.get(found[1])
        if value is None:
            return unknown
        return FORMATS[found[2] or ""](cast(int, value))

    return PLACEHOLDER.sub(one, text) if "{" in text else text
