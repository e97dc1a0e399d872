"""The catalogue of features in words: what each means, where it comes from, and what it says when it is missing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

from .aggregates import ALL_TIME
from .events import OF_NOTHING
from .evidence import canonical_json
from .feature_reader import Feature
from .policy import Policy
from .wording import Language

_SOURCES = {
    "application": ("申请资料", "the application"),
    "identity": ("身份核验", "the identity registry"),
    "bureau": ("征信", "the bureau"),
    "bank": ("银行流水", "bank flows"),
    "telecom": ("运营商", "telecom"),
    "shop": ("电商", "shops"),
    "tax": ("税费记录", "tax records"),
    "device": ("设备", "devices"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One feature. window: days, 0 for all time, None for facts and derived features.

    formula: the definition's own text. lineage: every fact (`fact.age`) and column (`bank_flow.kind`) the value is made
    of, through all features between. missing: what it means when there is no value.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    sources: tuple[str, ...]
    window: int | None
    known_at_application: bool
    model_input: bool
    missing: str
    formula: str
    lineage: tuple[str, ...]


def entries(policy: Policy, language: Language = "zh") -> tuple[Entry, ...]:
    """The whole catalogue, in the order of the definition."""
    leaves, inputs = lineages(policy), frozenset(policy.model_inputs)
    return tuple(
        Entry(
            name=f.name,
            kind=f.kind,
            unit=f.type.unit if f.type.kind == "int" else f.type.kind,
            meaning=f.zh if language == "zh" else f.en,
            sources=f.sources,
            window=0 if f.window_days == ALL_TIME else f.window_days,
            known_at_application=f.known_at_application,
            model_input=f.name in inputs,
            missing=missing(f, language),
            formula=f.formula,
            lineage=leaves[f.name],
        )
        for f in policy.catalogue
    )


@lru_cache(maxsize=8)
def lineages(policy: Policy) -> Mapping[str, tuple[str, ...]]:
    """Feature -> the facts and columns it is made of, sorted."""
    found: dict[str, tuple[str, ...]] = {}
    for f in policy.catalogue:  # what a feature reads stands above it
        parts = {f"fact.{f.name}"} if f.kind == "fact" else set[str]()
        for name in f.reads:
            if name.startswith("source_missing.") or f.kind == "aggregate":
                parts.add(name)
            else:
                parts.update(found[name])
        found[f.name] = tuple(sorted(parts))
    return found


def missing(f: Feature, language: Language = "zh") -> str:
    """What no value means. A count of nothing is 0, which is a value."""
    zh, en = (_joined(f.sources, i, ("、", " or ")[i]) for i in (0, 1))
    if f.kind == "fact":
        told = f"{zh}未提供此项", f"{en} did not state it"
    elif f.kind == "derived":
        told = (
            f"{zh}缺失，或所用特征缺失，或分母为零",
            f"{en} gave nothing, a feature it is made of is missing, or its divisor is zero",
        )
    elif f.stat in OF_NOTHING:
        told = f"{zh}缺失（窗口内无记录时为0）", f"{en} gave nothing; 0 when the window holds none"
    elif f.stat == "slope":
        told = (
            f"{zh}缺失，或窗口内的记录不足两天",
            f"{en} gave nothing, or the window holds none of two different days",
        )
    else:
        told = f"{zh}缺失，或窗口内无记录", f"{en} gave nothing, or the window holds none"
    return told[0] if language == "zh" else told[1]


def catalogue_json(policy: Policy, language: Language = "zh") -> bytes:
    """The entries as canonical JSON, under the policy's name and hash."""
    rows = [asdict(entry) for entry in entries(policy, language)]
    return canonical_json({"policy": policy.name, "sha256": policy.sha256, "features": rows})


def catalogue_markdown(policy: Policy, language: Language = "zh") -> str:
    """One table per source, features that read several sources last."""
    head = (
        ("特征", "含义", "窗口（天）", "单位", "缺失含义", "定义", "来源列")
        if language == "zh"
        else ("feature", "meaning", "window, days", "unit", "missing means", "definition", "made of")
    )
    groups: dict[str, list[Entry]] = {}
    for entry in entries(policy, language):
        groups.setdefault(" + ".join(entry.sources), []).append(entry)
    lines: list[str] = []
    for group in sorted(groups, key=lambda name: (" + " in name, name)):
        lines += ["", f"## {group} ({len(groups[group]):,})", "", _row(head), "|" + "---|" * len(head)]
        for e in groups[group]:
            window = "" if e.window is None else "∞" if e.window == 0 else str(e.window)
            lines.append(
                _row(
                    (
                        f"`{e.name}`",
                        e.meaning,
                        window,
                        e.unit,
                        e.missing,
                        f"`{e.formula}`" if e.formula else "",
                        ", ".join(e.lineage),
                    )
                )
            )
    return "\n".join([f"# {policy.name} {policy.version}", "", f"`{policy.sha256}`", *lines, ""])


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _joined(sources: tuple[str, ...], language: int, between: str) -> str:
    return between.join(_SOURCES[source][language] for source in sources)
