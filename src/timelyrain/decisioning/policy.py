"""A policy: features, model inputs, tables, figures (limit and price) and rules, parsed from one TOML definition."""

import hashlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal, cast

from .aggregates import (
    ALL_TIME,
    OF_KEYS,
    STATS,
    Aggregate,
    Aggregation,
    Stat,
    column_types,
    result_type,
    too_large,
    window_name,
)
from .definition import Block, DefinitionInvalid, Draft
from .engine import Engine
from .evidence import FACTS, MAX_FEN, SOURCES, TABLES, canonical_json
from .language import BAD, BOOL, PPM, Apply, Constant, Name, Node, Type, constant, names_read, read

Stage = Literal["eligibility", "fraud", "credit", "affordability"]
Effect = Literal["decline", "more_evidence", "refer", "skip"]
STAGES: tuple[Stage, ...] = ("eligibility", "fraud", "credit", "affordability")
EFFECTS: tuple[Effect, ...] = ("decline", "more_evidence", "refer", "skip")
MAX_INSTALMENTS = 120
MAX_CATALOGUE = 20_000
_PLACEHOLDER = re.compile(r"\{([\w.]+)(?::(\w+))?\}")
_BLOCKS = ("request", "aggregate", "feature", "model", "table", "figure", "rule")


@dataclass(frozen=True, slots=True)
class Feature:
    """One entry of the catalogue. reads: what it is made of; window_days: None for facts and derived features.

    formula: of a derived feature; of an aggregate its value and, after "where", its condition. table, stat: of an
    aggregate.
    """

    name: str
    type: Type
    kind: Literal["fact", "aggregate", "derived"]
    zh: str
    en: str
    sources: tuple[str, ...]
    reads: tuple[str, ...]
    window_days: int | None
    known_at_application: bool
    formula: str = ""
    table: str = ""
    stat: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A named number between features and rules: affordability, limit, price."""

    name: str
    node: Node
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Rule:
    """When `when` is true the outcome is `then`; when it cannot be evaluated, `if_missing`. c1: Reg B form C-1 item."""

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

    def render(self, text: str, values: Mapping[str, object], unknown: str) -> str:
        """Fills {name}, {name:yuan} (fen) and {name:percent} (ppm)."""

        def one(found: re.Match[str]) -> str:
            value = values.get(found[1])
            if value is None:
                return unknown
            return _FORMATS[found[2] or ""](cast(int, value))

        return _PLACEHOLDER.sub(one, text)


_FORMATS: dict[str, Callable[[int], str]] = {
    "": str,
    "yuan": lambda fen: f"{fen // 100:,}",
    "percent": lambda ppm: f"{ppm / 10_000:.1f}%",
}


@dataclass(frozen=True, eq=False)
class Policy:
    """A checked definition, ready to run. sha256 is the hash of its content; comments and layout do not count."""

    name: str
    version: str
    sha256: str
    purposes: tuple[str, ...]
    catalogue: tuple[Feature, ...]
    model_inputs: tuple[str, ...]
    monotone: Mapping[str, int]
    """model input -> +1 when a higher value may only raise PD, -1 when it may only lower it."""
    tables: tuple[tuple[str, Node], ...]
    """Columns of step tables, as <table>.<column>."""
    figures: tuple[Figure, ...]
    rules: tuple[Rule, ...]
    aggregation: Aggregation
    feature_steps: tuple[tuple[str, Node], ...]
    verdict_types: Mapping[str, Type]
    """Everything that figures and rules may name, with types."""

    @staticmethod
    def parse(text: str) -> "Policy":
        """Read a TOML definition; raises DefinitionInvalid with every problem, its position and its remedy."""
        return _Parser(Draft(text)).policy()

    @cached_property
    def features(self) -> Mapping[str, Feature]:
        return {feature.name: feature for feature in self.catalogue}

    @property
    def verdict_steps(self) -> tuple[tuple[str, Node], ...]:
        """Tables, figures, rules, in order of evaluation."""
        return (
            *self.tables,
            *((f.name, f.node) for f in self.figures),
            *((rule.code, rule.when) for rule in self.rules),
        )

    @cached_property
    def rule_reads(self) -> Mapping[str, tuple[str, ...]]:
        """rule -> the names its condition reads."""
        return {rule.code: names_read(rule.when) for rule in self.rules}

    @cached_property
    def scope_names(self) -> tuple[str, ...]:
        """What every verdict may read beside features: request, law, draw, model."""
        return tuple(_verdict_scope(self.purposes))

    @cached_property
    def given_names(self) -> tuple[str, ...]:
        """Names that the verdict reads and that are neither features nor in `scope_names`: the caller hands them in."""
        known = {*self.engine.names, *self.scope_names}
        return tuple(name for name in self.engine.verdict_reads if name not in known)

    @cached_property
    def engine(self) -> Engine:
        """The arithmetic of this definition, compiled once."""
        return Engine(self.aggregation, self.feature_steps, self.verdict_steps)


def _verdict_scope(purposes: Sequence[str]) -> dict[str, Type]:
    given = {
        "request.amount_fen": Type("int", "fen", 1, MAX_FEN, nullable=False),
        "request.instalments": Type("int", "", 1, MAX_INSTALMENTS, nullable=False),
        "request.purpose": Type("enum", values=tuple(purposes), nullable=False),
        "law.cap_ppm": Type("int", "ppm", 0, PPM, nullable=False),
        "law.max_rate_ppm": Type("int", "ppm", 0, PPM, nullable=False),
        "law.limit_max_fen": Type("int", "fen", 0, MAX_FEN, nullable=False),
        "law.instalments_max": Type("int", "", 1, MAX_INSTALMENTS, nullable=False),
        "draw": Type("int", "", 0, PPM - 1, nullable=False),
    }
    return given | {"model.pd_ppm": Type("int", "ppm", 0, PPM)}


def _fact_types() -> dict[str, Type]:
    facts = {name: Type(f.kind, f.unit, f.low, f.high, f.values) for name, f in FACTS.items()}
    flags = {f"source_missing.{source}": Type("bool", nullable=False) for source in SOURCES}
    return facts | flags


class _Parser:
    """One definition: blocks in the order of evaluation, each adding to the names that later ones may use."""

    def __init__(self, draft: Draft):
        self.draft = draft
        self.names: dict[str, Type] = _fact_types()
        self.catalogue: list[Feature] = [
            Feature(n, self.names[n], "fact", f.zh, f.en, (f.source,), (), None, True)
            for n, f in FACTS.items()
        ]
        self.entries = {feature.name: feature for feature in self.catalogue}
        self.aggregates: list[Aggregate] = []
        self.families: dict[str, Aggregate] = {}
        self.steps: list[tuple[str, Node]] = []
        self.tables: dict[str, list[tuple[str, Node]]] = {}
        self.figures: list[Figure] = []
        self.rules: dict[str, Rule] = {}

    def policy(self) -> Policy:
        draft = self.draft
        top = draft.top()
        name, version = top.text("name"), top.text("version")
        offset = top.integer("utc_offset_minutes", 480, -720, 840)
        top.done()
        request = draft.block("request")
        purposes = request.texts("purposes")
        request.done()
        draft.headers(_BLOCKS)
        for block in draft.blocks("aggregate"):
            self._aggregate(block)
        for block in draft.blocks("feature"):
            self._feature(block)
        inputs, monotone = self._model(draft.block("model"))
        self.names |= _verdict_scope(purposes)
        for block in draft.blocks("table"):
            self._table(block)
        for block in draft.blocks("figure"):
            self._figure(block)
        for block in draft.blocks("rule"):
            self._rule(block)
        self._required()
        draft.finish()
        sha256 = hashlib.sha256(canonical_json(draft.raw)).hexdigest()
        aggregation = Aggregation(self.aggregates, offset)
        return Policy(
            name,
            version,
            sha256,
            purposes,
            tuple(self.catalogue),
            inputs,
            monotone,
            tuple(column for columns in self.tables.values() for column in columns),
            tuple(self.figures),
            tuple(self.rules.values()),
            aggregation,
            tuple(self.steps),
            dict(self.names),
        )

    def _aggregate(self, block: Block) -> None:
        name = block.name("name", self.families)
        table = block.choice("table", tuple(TABLES))
        types = column_types(table)
        where = block.expression("where", types, "bool") if block.has("where") else None
        value = block.expression("value", types) if block.has("value") else Name(types["at"], "at")
        stats, once = (
            cast(tuple[Stat, ...], block.texts("stats", ())),
            cast(tuple[Stat, ...], block.texts("once", ())),
        )
        if value.type.kind not in ("int", "key", "bad"):
            block.report("value", f"is {value.type.kind}, not a number", "give a number or a key")
        if value.type.kind == "key" and not {*stats, *once} <= set(OF_KEYS):
            block.report("stats", "a key has no sum and no order", f"of a key use {', '.join(OF_KEYS)}")
        if not stats + once or len({*stats, *once}) < len(stats + once):
            block.report(
                "stats", f"{[*stats, *once]!r} is empty or names one twice", "name each statistic once"
            )
        for key, given in (("stats", stats), ("once", once)):
            for stat in given:
                if stat not in STATS:
                    block.report(key, f"unknown statistic {stat!r}", f"known are {', '.join(STATS)}")
        windows = self._windows(block)
        zh, en = block.text("zh"), block.text("en")
        known = block.flag("known_at_application", True)
        share_of = block.text("share_of", "")
        trend = block.items("trend", [])
        block.done()
        if value.type.kind == "bad" or not windows or any(stat not in STATS for stat in stats + once):
            return
        family = Aggregate(name, table, where, value, windows, stats)
        self.families[name] = family
        whole = Aggregate(name, table, where, value, (max(windows),), once)  # what hardly differs by window
        parts = [part for part in (family, whole) if part.stats]
        for part in parts:
            if remedy := too_large(part):
                block.report("stats", "a statistic could overflow", remedy)
        self.aggregates += parts
        formula = block.text("value", "at") + (f" where {block.text('where')}" if where else "")
        reads = tuple(f"{table}.{n}" for n in names_read(value) + (names_read(where) if where else ()))
        outputs = (output for part in parts for output in part.outputs())
        for feature, stat, window in outputs:
            self._add(
                block,
                Feature(
                    feature,
                    result_type(family, stat),
                    "aggregate",
                    f"{_span(window, 'zh')}{zh}{STATS[stat][0]}",
                    f"{en}, {STATS[stat][1]}, {_span(window, 'en')}",
                    (TABLES[table].source,),
                    reads,
                    window,
                    known,
                    formula,
                    table,
                    stat,
                ),
            )
        self._shares(block, family, share_of, zh, en)
        self._trends(block, family, trend, zh, en)

    def _windows(self, block: Block) -> tuple[int, ...]:
        windows: list[int] = []
        for item in block.items("windows"):
            days = ALL_TIME if item == "all" else item
            if type(days) is not int or not 1 <= days <= ALL_TIME or days in windows:
                block.report("windows", f"{item!r} is not a window", "use different days from 1 up, or 'all'")
            else:
                windows.append(days)
        return tuple(windows)

    def _shares(self, block: Block, family: Aggregate, share_of: str, zh: str, en: str) -> None:
        """<name>_share_<w>: this family's sum (else count) in ppm of another's, window by window."""
        whole = self.families.get(share_of)
        if not share_of:
            return
        stat = _additive(family)
        if whole is None or stat is None or _additive(whole) != stat:
            block.report(
                "share_of", f"{share_of!r} has no sum or count to compare", "name an aggregate above"
            )
            return
        for window in family.windows:
            if window in whole.windows:
                w = window_name(window)
                formula = f"ratio_ppm({family.name}_{stat}_{w}, {whole.name}_{stat}_{w})"
                text = f"{_span(window, 'zh')}{zh}占比", f"{en}, share, {_span(window, 'en')}"
                self._derive(block, f"{family.name}_share_{w}", formula, *text, True)

    def _trends(self, block: Block, family: Aggregate, trend: Sequence[object], zh: str, en: str) -> None:
        """<name>_trend_<short>_<long>: the part of the long window that fell into the short one, in ppm."""
        stat = _additive(family)
        for pair in trend:
            days = cast(list[object], pair) if isinstance(pair, list) else []
            if stat is None or len(days) != 2 or any(day not in family.windows for day in days):
                block.report("trend", f"{pair!r} is not two windows of a sum or count", "write [[30, 180]]")
                continue
            short, long = (window_name(cast(int, day)) for day in days)
            formula = f"ratio_ppm({family.name}_{stat}_{short}, {family.name}_{stat}_{long})"
            text = (
                f"{zh}近{days[0]}天占近{days[1]}天",
                f"{en}, part of the last {days[1]} days in the last {days[0]}",
            )
            self._derive(block, f"{family.name}_trend_{short}_{long}", formula, *text, True)

    def _feature(self, block: Block) -> None:
        """One derived feature, or one for each of its windows: {w} in name and formula becomes 30d, 90d, all."""
        name, formula, zh, en = (block.text(key) for key in ("name", "formula", "zh", "en"))
        known = block.flag("known_at_application", True)
        if not block.has("windows"):
            block.name("name", self.names | {"draw": BOOL})
            self._derived(block, name, block.expression("formula", self.names), zh, en, known, formula)
        elif "{w}" not in name or "{w}" not in formula:
            block.report("name", "windows without {w} in name and formula", "write income_{w}_ppm")
            self._windows(block)
        else:
            for window in self._windows(block):
                w = window_name(window)
                own = name.replace("{w}", w)
                if own in self.names or not own.isidentifier():
                    block.report("name", f"{own!r} is already declared or no name", "choose another name")
                texts = f"{_span(window, 'zh')}{zh}", f"{en}, {_span(window, 'en')}"
                self._derive(block, own, formula.replace("{w}", w), *texts, known)
        block.done()

    def _derive(self, block: Block, name: str, formula: str, zh: str, en: str, known: bool) -> None:
        node, faults = read(formula, self.names)
        for fault in faults:
            block.report("name", f"{formula}: {fault.what}", fault.remedy)
        self._derived(block, name, Constant(BAD, 0) if faults else node, zh, en, known, formula)

    def _derived(
        self, block: Block, name: str, node: Node, zh: str, en: str, known: bool, formula: str
    ) -> None:
        reads = names_read(node)
        parts = [self.entries[n] for n in reads if n in self.entries]
        flags = {n.removeprefix("source_missing.") for n in reads if n.startswith("source_missing.")}
        sources = tuple(sorted({source for part in parts for source in part.sources} | flags))
        known = known and all(part.known_at_application for part in parts)
        self._add(block, Feature(name, node.type, "derived", zh, en, sources, reads, None, known, formula))
        self.steps.append((name, node))

    def _add(self, block: Block, feature: Feature) -> None:
        if feature.name in self.names and feature.kind == "aggregate":
            block.report("name", f"{feature.name!r} is already declared", "choose another family name")
        if len(self.catalogue) == MAX_CATALOGUE:
            block.report("name", f"more than {MAX_CATALOGUE} features", "declare fewer windows or statistics")
        self.names[feature.name] = feature.type
        self.catalogue.append(feature)
        self.entries[feature.name] = feature

    def _model(self, block: Block) -> tuple[tuple[str, ...], dict[str, int]]:
        include, exclude = block.texts("inputs", ()), block.texts("exclude", ())
        up, down = block.texts("increasing", ()), block.texts("decreasing", ())
        block.done()
        for key, patterns in (
            ("inputs", include),
            ("exclude", exclude),
            ("increasing", up),
            ("decreasing", down),
        ):
            for pattern in patterns:
                if not any(fnmatchcase(feature.name, pattern) for feature in self.catalogue):
                    block.report(
                        key, f"{pattern!r} matches no feature", "name a feature or a pattern such as bank_*"
                    )
        chosen = [f for f in self.catalogue if _matches(f.name, include) and not _matches(f.name, exclude)]
        for feature in chosen:
            if not feature.known_at_application:
                block.report("inputs", f"{feature.name!r} is not known at application", "exclude it")
            if feature.type.kind == "enum":
                block.report("inputs", f"{feature.name!r} is an enum", "derive a flag or a number from it")
        names = tuple(feature.name for feature in chosen)
        both = [n for n in names if _matches(n, up) and _matches(n, down)]
        if both:
            block.report("increasing", f"{both[0]!r} is declared both ways", "keep one direction")
        return names, {n: 1 if _matches(n, up) else -1 for n in names if _matches(n, up) or _matches(n, down)}

    def _table(self, block: Block) -> None:
        """A step table: rows `below` ascending; each other key becomes <table>.<key>. Past the last row: missing."""
        name = block.name("name", self.tables)
        on = block.expression("on", self.names, "int")
        given = block.items("rows")
        rows = [cast(dict[str, object], row) for row in given if isinstance(row, dict)]
        block.text("note", "")
        block.done()
        self.tables[name] = []
        limits = [row.get("below") for row in rows]
        numbers = [limit for limit in limits if type(limit) is int]
        if not rows or len(numbers) < len(given) or any(a >= b for a, b in itertools.pairwise(numbers)):
            block.report("rows", f"limits {limits!r}", "give each row an integer `below`, strictly ascending")
            return
        for key in dict.fromkeys(key for row in rows for key in row if key != "below"):
            column = [row.get(key) for row in rows]
            node = self._steps(block, on, numbers, key, column)
            self.names[f"{name}.{key}"] = node.type
            self.tables[name].append((f"{name}.{key}", node))
            if names_read(on) == ("model.pd_ppm",):
                self._monotone(block, key, column)

    def _steps(self, block: Block, on: Node, limits: list[int], key: str, column: list[object]) -> Node:
        texts = [value for value in column if isinstance(value, str)]
        if len(texts) == len(column):
            enum = Type("enum", values=tuple(dict.fromkeys(texts)), nullable=False)
            parts: list[Node] = [Constant(enum, enum.values.index(text)) for text in texts]
        else:
            unit = next((u for u in ("fen", "ppm", "days") if key.endswith(f"_{u}")), "")
            numbers = [value for value in column if type(value) is int and abs(value) <= MAX_FEN]
            if len(numbers) < len(column):
                block.report(
                    "rows", f"{key!r} has {column!r}", "give every row a number, or every row a text"
                )
                return Constant(BAD, 0)
            parts = [constant(number, unit) for number in numbers]
        kinds = [part.type for part in parts]
        kind = Type(
            kinds[0].kind,
            kinds[0].unit,
            min(t.low for t in kinds),
            max(t.high for t in kinds),
            kinds[0].values,
        )
        # the way past the last row is 0 // 0: missing, in both compilers
        result: Node = Apply(kind, "div", (constant(0), constant(0)))
        for limit, part in zip(reversed(limits), reversed(parts), strict=True):
            inside = Apply(BOOL, "lt", (on, constant(limit)))
            result = Apply(kind, "if", (inside, part, result))
        return result

    def _monotone(self, block: Block, key: str, column: list[object]) -> None:
        numbers = [value for value in column if type(value) is int]
        pairs = list(itertools.pairwise(numbers))
        if key.endswith("_fen") and any(a < b for a, b in pairs):
            block.report("rows", f"{key!r} rises with PD: {numbers}", "a limit may only fall as PD rises")
        if key.endswith("rate_ppm") and any(a > b for a, b in pairs):
            block.report("rows", f"{key!r} falls with PD: {numbers}", "a price may only rise with PD")

    def _figure(self, block: Block) -> None:
        name = block.name("name", self.names)
        node = block.expression("formula", self.names)
        figure = Figure(name, node, block.text("zh"), block.text("en"))
        block.done()
        self.names[name] = node.type
        self.figures.append(figure)

    def _rule(self, block: Block) -> None:
        code = block.name("code", self.rules, r"[A-Z][A-Z0-9_]{2,59}")
        node = block.expression("when", self.names, "bool")
        rule = Rule(
            code,
            cast(Stage, block.choice("stage", STAGES)),
            node,
            cast(Effect, block.choice("then", EFFECTS[:3])),
            cast(Effect, block.choice("if_missing", EFFECTS)),
            block.text("zh"),
            block.text("en"),
            block.text("change_zh"),
            block.text("change_en"),
            block.integer("c1", 24, 1, 24),
            block.text("note", ""),
        )
        block.done()
        self.rules[code] = rule
        if node.type.kind != "bad":
            self._placeholders(block, rule)

    def _placeholders(self, block: Block, rule: Rule) -> None:
        for key, text in (
            ("zh", rule.zh),
            ("en", rule.en),
            ("change_zh", rule.change_zh),
            ("change_en", rule.change_en),
        ):
            for name, form in _PLACEHOLDER.findall(text):
                if name not in names_read(rule.when):
                    block.report(key, f"{{{name}}} is not read by this rule", "use only names of its `when`")
                if form not in _FORMATS:
                    block.report(key, f"unknown form {form!r}", "use {name}, {name:yuan} or {name:percent}")

    def _required(self) -> None:
        for name, unit in (("limit_fen", "fen"), ("rate_ppm", "ppm")):
            figure = next((f for f in self.figures if f.name == name), None)
            if figure is None or (figure.node.type.kind != "bad" and figure.node.type.unit != unit):
                self.draft.report(
                    "figure", 0, "", f"no figure {name!r} in {unit}", f"declare {name}: it is the offer"
                )
        if not self.rules:
            self.draft.report("rule", 0, "", "no rules", "declare at least one [[rule]]")


def _span(window: int, language: str) -> str:
    if window == ALL_TIME:
        return "全部历史" if language == "zh" else "all time"
    if language == "zh":
        return f"近{window}天"
    return "last day" if window == 1 else f"last {window} days"


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _additive(family: Aggregate) -> Stat | None:
    return next((stat for stat in ("sum", "count") if stat in family.stats), None)


__all__ = ["DefinitionInvalid", "Feature", "Figure", "Policy", "Rule"]
