"""The catalogue of a policy: facts, aggregates and derived features with their descriptions, and the inputs of the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, cast

from .aggregates import (
    ALL_TIME,
    OF_KEYS,
    STATS,
    SUMMED_BY_TIME,
    Aggregate,
    Stat,
    column_types,
    result_type,
    too_large,
    window_name,
)
from .definition import Block
from .events import BY_PERIOD, PERIOD
from .evidence import FACTS, SOURCES, TABLES
from .language import BAD, BOOL, Constant, Name, Node, Type, names_read, read

MAX_CATALOGUE = 20_000


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


def _given() -> dict[str, Type]:
    """What every definition may read: facts, and which sources are missing."""
    facts = {name: Type(f.kind, f.unit, f.low, f.high, f.values) for name, f in FACTS.items()}
    flags = {f"source_missing.{source}": Type("bool", nullable=False) for source in SOURCES}
    return facts | flags


class FeatureReader:
    """Blocks in the order written, each adding to the names that later ones may use."""

    def __init__(self) -> None:
        self.names: dict[str, Type] = _given()
        self.catalogue: list[Feature] = [
            Feature(n, self.names[n], "fact", f.zh, f.en, (f.source,), (), None, True)
            for n, f in FACTS.items()
        ]
        self.entries = {feature.name: feature for feature in self.catalogue}
        self.aggregates: list[Aggregate] = []
        self.families: dict[str, Aggregate] = {}
        self.steps: list[tuple[str, Node]] = []

    def aggregate(self, block: Block) -> None:
        name = block.name("name", self.families)
        table = block.choice("table", tuple(TABLES))
        types = column_types(table)
        where = block.expression("where", types, "bool") if block.has("where") else None
        value = block.expression("value", types) if block.has("value") else Name(types["at"], "at")
        stats, once = (cast(tuple[Stat, ...], block.texts(key, ())) for key in ("stats", "once"))
        if value.type.kind not in ("int", "key", "bad"):
            block.report("value", "no_number", kind=value.type.kind)
        if value.type.kind == "key" and not {*stats, *once} <= set(OF_KEYS):
            block.report("stats", "of_keys", known=OF_KEYS)
        if not stats + once or len({*stats, *once}) < len(stats + once):
            block.report("stats", "no_stats", stats=[*stats, *once])
        for key, given in (("stats", stats), ("once", once)):
            for stat in given:
                if stat not in STATS:
                    block.report(key, "unknown_stat", stat=stat, known=tuple(STATS))
                if stat in SUMMED_BY_TIME and not block.has("value"):
                    block.report(key, "slope_of_times", stat=stat)
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
            if told := too_large(part):
                block.report("stats", "stat_overflow", stat=told.split()[0])
            odd = [window_name(w) for w in part.windows if not 2 * PERIOD <= w < ALL_TIME]
            for stat in [s for s in BY_PERIOD if odd and s in part.stats]:
                block.report("windows", "no_periods", stat=stat, windows=odd)
        self.aggregates += parts
        formula = block.text("value", "at") + (f" where {block.text('where')}" if where else "")
        reads = tuple(f"{table}.{n}" for n in names_read(value) + (names_read(where) if where else ()))
        for feature, stat, window in (output for part in parts for output in part.outputs()):
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
        if block.raw("windows") == []:
            block.report("windows", "no_window", value=[])
        for item in block.items("windows"):
            days = ALL_TIME if item == "all" else item
            if type(days) is not int or not 1 <= days <= ALL_TIME or days in windows:
                block.report("windows", "no_window", value=item)
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
            block.report("share_of", "no_share", name=share_of)
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
                block.report("trend", "no_trend", value=cast(object, pair))
                continue
            short, long = (window_name(cast(int, day)) for day in days)
            formula = f"ratio_ppm({family.name}_{stat}_{short}, {family.name}_{stat}_{long})"
            text = (
                f"{zh}近{days[0]}天占近{days[1]}天",
                f"{en}, part of the last {days[1]} days in the last {days[0]}",
            )
            self._derive(block, f"{family.name}_trend_{short}_{long}", formula, *text, True)

    def feature(self, block: Block) -> None:
        """One derived feature, or one for each of its windows: {w} in name and formula becomes 30d, 90d, all."""
        name, formula, zh, en = (block.text(key) for key in ("name", "formula", "zh", "en"))
        known = block.flag("known_at_application", True)
        if not block.has("windows"):
            block.name("name", self.names | {"draw": BOOL})
            self._derived(block, name, block.expression("formula", self.names), zh, en, known, formula)
        elif "{w}" not in name or "{w}" not in formula:
            block.report("name", "windows_without_place")
            self._windows(block)
        else:
            for window in self._windows(block):
                w = window_name(window)
                own = name.replace("{w}", w)
                if own in self.names or not own.isidentifier():
                    block.report("name", "no_family_member", name=own)
                texts = f"{_span(window, 'zh')}{zh}", f"{en}, {_span(window, 'en')}"
                self._derive(block, own, formula.replace("{w}", w), *texts, known)
        block.done()

    def _derive(self, block: Block, name: str, formula: str, zh: str, en: str, known: bool) -> None:
        node, faults = read(formula, self.names)
        for fault in faults:
            block.report("name", "in_formula", formula=formula, said=fault.said)
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
            block.report("name", "family_declared", name=feature.name)
        if len(self.catalogue) == MAX_CATALOGUE:
            block.report("name", "too_many_features", most=MAX_CATALOGUE)
        self.names[feature.name] = feature.type
        self.catalogue.append(feature)
        self.entries[feature.name] = feature

    def model(self, block: Block) -> tuple[tuple[str, ...], dict[str, int]]:
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
                    block.report(key, "no_match", pattern=pattern)
        chosen = [f for f in self.catalogue if _matches(f.name, include) and not _matches(f.name, exclude)]
        for feature in chosen:
            if not feature.known_at_application:
                block.report("inputs", "input_unknown_then", name=feature.name)
            if feature.type.kind == "enum":
                block.report("inputs", "input_enum", name=feature.name)
        names = tuple(feature.name for feature in chosen)
        both = [n for n in names if _matches(n, up) and _matches(n, down)]
        if both:
            block.report("increasing", "both_ways", name=both[0])
        return names, {n: 1 if _matches(n, up) else -1 for n in names if _matches(n, up) or _matches(n, down)}


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
