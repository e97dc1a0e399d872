"""Reading a policy: blocks in the order of evaluation, each adding to the names that later ones may use."""

import hashlib
import itertools
from collections.abc import Sequence
from typing import Any, cast

from .aggregates import Aggregation
from .checks import Direction, direction, possible
from .definition import KEYWORDS, Block, Draft
from .evidence import MAX_FEN, SOURCES, canonical_json
from .feature_reader import FeatureReader
from .language import BOOL, PPM, Apply, Constant, Name, Node, Type, constant, names_read
from .parts import (
    EFFECTS,
    FORMATS,
    LIST_KEYS,
    LIST_KINDS,
    PLACEHOLDER,
    STAGES,
    Effect,
    Experiment,
    Fallback,
    Figure,
    PolicyList,
    RandomApproval,
    Rule,
    Stage,
    fill,
)
from .pricing import PriceGrid, read_price
from .schema import MAX_TIME
from .scorecards import Scorecard, read_scorecard
from .step_tables import read_step_table
from .tables import DecisionTable, read_table, unit_of

_BLOCKS = (
    "request", "constant", "source", "list", "experiment", "aggregate", "feature", "model", "table", "scorecard",
    "figure", "price", "rule", "random_approval",
)  # fmt: skip
_CODE = r"[A-Z][A-Z0-9_]{2,59}"
_WATCHED = "model.pd_ppm"
MAX_INSTALMENTS = 120
_FORM_UNITS = {"yuan": "fen", "percent": "ppm"}
SCORES = {f"{role}.score_ppm": Type("int", "ppm", 0, PPM) for role in ("fraud", "anomaly")}
"""Scores of other models than that of PD: the caller hands them in, and says by hash which model gave them."""
MAX_ARMS = 20


def read_policy(text: str, activated: bool) -> dict[str, Any]:
    """The fields of a Policy. Raises DefinitionInvalid."""
    return PolicyReader(Draft(text, activated)).policy(activated)


def verdict_scope(purposes: Sequence[str]) -> dict[str, Type]:
    given = {
        "today": Type("int", "date", 0, MAX_TIME // 86_400, nullable=False),
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


class PolicyReader:
    """One definition. Every block is read, whatever was wrong before, so that all problems are told at once."""

    def __init__(self, draft: Draft):
        self.draft = draft
        self.book = FeatureReader()
        self.names = self.book.names
        self.constants: dict[str, int] = {}
        self.steps: list[tuple[str, Node]] = []
        self.moves: dict[str, Direction] = {_WATCHED: 1}
        self.figures: dict[str, Figure] = {}
        self.places: dict[str, Block] = {}
        self.tables: dict[str, DecisionTable] = {}
        self.outputs: dict[str, list[str]] = {}
        """Table, scorecard or price -> the names it gives after its dot."""
        self.scorecards: list[Scorecard] = []
        self.grids: list[PriceGrid] = []
        self.rules: dict[str, Rule] = {}
        self.fallbacks: dict[str, Fallback] = {}
        self.lists: dict[str, PolicyList] = {}
        self.experiments: dict[str, Experiment] = {}
        self.stages: dict[str, Stage] = {}
        self.shown: set[str] = set()

    def policy(self, activated: bool) -> dict[str, Any]:
        draft = self.draft
        top = draft.top()
        name, version, owner = top.text("name"), top.text("version"), top.text("owner", "")
        offset = top.integer("utc_offset_minutes", 480, -720, 840)
        top.done()
        request = draft.block("request")
        purposes = request.texts("purposes")
        request.done()
        if request.has("purposes") and (not purposes or len(set(purposes)) < len(purposes) or "" in purposes):
            request.report("purposes", "no_purposes", value=purposes)
        draft.headers(_BLOCKS)
        for block in draft.blocks("constant"):
            self._constant(block)
        for block in draft.blocks("aggregate"):
            self.book.aggregate(block)
        for block in draft.blocks("feature"):
            self.book.feature(block)
        inputs, monotone = self.book.model(draft.block("model"))
        self.names |= verdict_scope(purposes) | SCORES
        for block in draft.blocks("list"):
            self._list(block)
        for block in draft.blocks("experiment"):
            self._experiment(block)
        read = {
            "table": self._table,
            "scorecard": self._scorecard,
            "figure": self._figure,
            "price": self._price,
        }
        for block in draft.in_order(tuple(read)):
            read[block.header](block)
        for block in draft.blocks("source"):
            self._source(block, owner)
        for block in draft.blocks("rule"):
            self._rule(block, owner)
        after: Sequence[tuple[str, Node]] = ()
        band: RandomApproval | None = None
        if "random_approval" in draft.raw:
            after, band = self._random(draft.block("random_approval"))
        self._required()
        if not activated:
            self._checks(inputs, after)
        draft.finish()
        try:
            content = canonical_json(draft.raw)
        except (TypeError, ValueError):
            draft.plain()
            raise
        return {
            "name": name,
            "version": version,
            "owner": owner,
            "sha256": hashlib.sha256(content).hexdigest(),
            "purposes": purposes,
            "catalogue": tuple(self.book.catalogue),
            "model_inputs": inputs,
            "monotone": monotone,
            "steps": tuple(self.steps),
            "after": tuple(after),
            "figures": tuple(self.figures.values()),
            "tables": tuple(self.tables.values()),
            "scorecards": tuple(self.scorecards),
            "grids": tuple(self.grids),
            "rules": tuple(self.rules.values()),
            "fallbacks": tuple(self.fallbacks.values()),
            "lists": tuple(self.lists.values()),
            "experiments": tuple(self.experiments.values()),
            "random_approval": band,
            "stages": dict(self.stages),
            "aggregation": Aggregation(self.book.aggregates, offset),
            "feature_steps": tuple(self.book.steps),
            "verdict_types": dict(self.names),
            "warnings": tuple(sorted(draft.warnings)),
        }

    def _constant(self, block: Block) -> None:
        """A number, as an integer or yuan(…), percent(…), date(…) in a text; or a list of texts or integers for `in`."""
        name, raw = block.name("name", self.names), block.raw("value")
        block.text("note", "")
        unit = unit_of(name)
        if isinstance(raw, list):
            self._constant_list(block, name, unit, cast(list[object], raw))
        elif isinstance(raw, str):
            node = block.reading("value", raw, self.names, "int")
            if (
                isinstance(node, Constant)
                and node.type.kind == "int"
                and node.type.unit in ("", unit, "date")
            ):
                self._fix(name, node.value, node.type.unit or unit)
            elif node.type.kind != "bad":
                block.report("value", "constant_unit", value=raw, unit=unit or "plain numbers")  # fmt: skip
        elif type(raw) is int and abs(raw) <= 10**15:
            self._fix(name, raw, unit)
        else:
            block.report("value", "no_constant", value=raw)
        block.done()

    def _fix(self, name: str, value: int, unit: str) -> None:
        self.names[name] = constant(value, unit).type
        self.constants[name] = value

    def _constant_list(self, block: Block, name: str, unit: str, items: list[object]) -> None:
        numbers = [item for item in items if type(item) is int and abs(item) <= 10**15]
        if items and len(numbers) == len(items):
            words = tuple(str(number) for number in numbers)
            self.names[name] = Type("list", unit, min(numbers), max(numbers), words, nullable=False)
        elif items and all(isinstance(item, str) for item in items):
            self.names[name] = Type("list", "", 1, 0, tuple(str(item) for item in items), nullable=False)
        else:
            block.report("value", "no_constant_list", value=items)

    def _list(self, block: Block) -> None:
        name = block.name("name", self.lists, reserved=())
        self.lists[name] = PolicyList(
            name,
            block.choice("kind", LIST_KINDS),
            block.choice("key", LIST_KEYS),
            block.text("zh"),
            block.text("en"),
            block.text("note", ""),
        )
        block.done()
        self.names[f"on_list.{name}"] = BOOL
        self.places[f"on_list.{name}"] = block

    def _experiment(self, block: Block) -> None:
        name, rows = block.name("name", self.experiments, reserved=KEYWORDS), block.rows("arms")
        arms = tuple((row.get("name"), row.get("ppm")) for row in rows)
        zh, en, note = block.text("zh"), block.text("en"), block.text("note", "")
        block.done()
        odd = sorted({key for row in rows for key in row} - {"name", "ppm"})
        if odd:
            block.report("arms", "arms_key", name=odd[0])
        good = [
            (arm, ppm) for arm, ppm in arms if isinstance(arm, str) and arm and type(ppm) is int and ppm > 0
        ]
        if (
            not 2 <= len(good) <= MAX_ARMS
            or len(good) < len(rows)
            or sum(ppm for _, ppm in good) != PPM
            or len(dict(good)) < len(good)
        ):
            block.report("arms", "no_arms", value=arms, most=MAX_ARMS)  # fmt: skip
            good = [("first", PPM - 1), ("second", 1)]
        self.experiments[name] = Experiment(name, tuple(good), zh, en, note)
        kind = Type("enum", values=tuple(arm for arm, _ in good), nullable=False)
        bucket = Name(Type("int", "", 0, PPM - 1), f"bucket.{name}")
        at = Apply(Type("int", "", 0, PPM - 1, nullable=False), "coalesce", (bucket, constant(0)))
        starts = list(itertools.accumulate(ppm for _, ppm in good))
        chosen: Node = Constant(kind, len(good) - 1)
        for arm, end in reversed(list(enumerate(starts[:-1]))):
            inside = Apply(Type("bool", nullable=False), "lt", (at, constant(end)))
            chosen = Apply(kind, "if", (inside, Constant(kind, arm), chosen))
        self.names[f"bucket.{name}"] = bucket.type
        self._step(block, f"experiment.{name}", chosen)

    def _step(self, block: Block, name: str, node: Node) -> None:
        """One named value of the verdict; later blocks may read it."""
        self.steps.append((name, node))
        self.names[name] = node.type
        self.moves[name] = direction(node, self.moves) if node.type.kind != "bad" else 0
        self.places[name] = block

    def _known(self, block: Block, key: str, node: Node) -> None:
        """Reports features that are not known when somebody applies."""
        for name in names_read(node):
            feature = self.book.entries.get(name)
            if feature is not None and not feature.known_at_application:
                block.report(key, "unknown_then", name=name)

    def _stage(self, block: Block, name: str, default: Stage) -> None:
        self.stages[name] = cast(Stage, block.choice("stage", STAGES, default))

    def _table(self, block: Block) -> None:
        name = block.name("name", self.outputs)
        self._stage(block, name, "credit")
        if isinstance(block.raw("on"), dict):
            found = read_table(block, name, self.names, self.moves)
        else:
            found = read_step_table(block, name, self.names, _WATCHED)
        self.tables[name] = found.table
        for step, node in found.steps:
            self._step(block, step, node)
            self._known(block, "on", node)
        self.moves |= found.moves
        self.outputs[name] = [step for step, _ in self.steps if step.startswith(f"{name}.")]

    def _scorecard(self, block: Block) -> None:
        name = block.name("name", {*self.names, *self.outputs})
        self._stage(block, name, "credit")
        found = read_scorecard(block, name, self.names, self.moves)
        self.scorecards.append(found.card)
        for step, node in found.steps:
            self._step(block, step, node)
            self._known(block, "name", node)
        self.moves |= found.moves
        self.outputs[name] = [step for step, _ in found.steps]

    def _figure(self, block: Block) -> None:
        name = block.name("name", self.names)
        self._stage(block, name, "affordability")
        node = block.expression("formula", self.names)
        self.figures[name] = Figure(name, node, block.text("zh"), block.text("en"), self.stages[name])
        block.text("note", "")
        if block.flag("show", False):
            self.shown.add(name)
        block.done()
        ending = unit_of(name)
        if ending and node.type.kind == "int" and node.type.unit not in ("", ending):
            block.report("name", "unit_of_name", warn=True, name=name, ending=ending, unit=node.type.unit)
        self._known(block, "formula", node)
        self._step(block, name, node)

    def _price(self, block: Block) -> None:
        name = block.name("name", {*self.names, *self.outputs})
        self._stage(block, name, "price")
        found = read_price(block, name, self.names, self.moves)
        self.grids.append(found.grid)
        self.outputs[name] = []
        for step, node in found.steps:
            self._step(block, step, node)
            self._known(block, "name", node)
        self.moves |= found.moves
        self.figures[name] = Figure(name, dict(found.steps)[name], found.grid.zh, found.grid.en, "price")

    def _source(self, block: Block, owner: str) -> None:
        """What happens when a source gave nothing, as a rule of its own."""
        name = block.choice("name", SOURCES)
        if name in self.fallbacks:
            block.report("name", "source_declared", name=name)
        wait = block.integer("wait_seconds", 0, 0, 600)
        flag = Name(Type("bool", nullable=False), f"source_missing.{name}")
        rule = self._speaks(block, flag, f"source_missing('{name}')", "refer", owner)
        self.fallbacks[name] = Fallback(name, rule.code, wait)

    def _rule(self, block: Block, owner: str) -> None:
        node = block.expression("when", self.names, "bool")
        self._known(block, "when", node)
        if_missing = cast(Effect, block.choice("if_missing", EFFECTS))
        rule = self._speaks(block, node, str(block.raw("when") or ""), if_missing, owner)
        if not rule.note:
            block.report("code", "no_note", warn=True, code=rule.code)

    def _speaks(self, block: Block, node: Node, written: str, if_missing: Effect, owner: str) -> Rule:
        code = block.name("code", self.rules, _CODE)
        stage = cast(Stage, block.choice("stage", STAGES))
        rule = Rule(
            code,
            stage,
            node,
            cast(Effect, block.choice("then", EFFECTS[:4])),
            if_missing,
            self._text(block, "zh", node),
            self._text(block, "en", node),
            self._text(block, "change_zh", node),
            self._text(block, "change_en", node),
            block.integer("c1", 24, 1, 24),
            block.text("note", ""),
            block.text("source", ""),
            block.text("owner", owner),
            block.flag("snooze", stage != "eligibility"),
            written,
        )
        block.done()
        self.rules[code] = rule
        self.places[code] = block
        return rule

    def _text(self, block: Block, key: str, when: Node) -> str:
        """A reason with {name} of what the rule reads; constants are filled in here."""
        text = block.text(key)
        for name, form in PLACEHOLDER.findall(text):
            if form not in FORMATS:
                block.report(key, "unknown_form", form=form)
                return text
            if when.type.kind == "bad":
                continue
            if name not in names_read(when) and name not in self.constants:
                block.report(key, "not_read", name=name)
            elif form and self.names[name].unit != _FORM_UNITS[form]:
                block.report(key, "form_of_unit", name=name, form=form, unit=self.names[name].unit or "plain")
        if set("{}") & set(PLACEHOLDER.sub("", text)):
            block.report(key, "stray_brace", text=text)
        for name in [name for name, _ in PLACEHOLDER.findall(text) if name in self.constants]:
            for form in FORMATS:
                place = f"{{{name}:{form}}}" if form else f"{{{name}}}"
                text = text.replace(place, fill(place, self.constants, ""))
        return text

    def _random(self, block: Block) -> tuple[Sequence[tuple[str, Node]], RandomApproval | None]:
        """Steps random.limit_fen, random.rate_ppm and random.taken: drawn, refused by these rules, and with an offer."""
        share = block.integer("share_ppm", 0, 1, PPM // 10)
        ceiling = block.integer("ceiling_fen", 0, 1, MAX_FEN)
        codes = block.texts("rules")
        limit, rate = (block.expression(key, self.names, "int") for key in ("limit_fen", "rate_ppm"))
        note = block.text("note", "")
        block.done()
        for key, node, unit in (("limit_fen", limit, "fen"), ("rate_ppm", rate, "ppm")):
            if node.type.kind == "int" and node.type.unit != unit:
                block.report(key, "offer_unit", unit=unit)
        for code in codes:
            if code not in self.rules:
                block.report("rules", "unknown_rule", code=code)
            elif self.rules[code].stage == "eligibility":
                block.report("rules", "rule_of_law", code=code)
        if not codes:
            block.report("rules", "no_rules_aside")
        if "bad" in (limit.type.kind, rate.type.kind) or not codes or not self.rules.keys() >= set(codes):
            return (), None
        names = self.names | {code: self.rules[code].when.type for code in codes}
        names |= {"random.limit_fen": limit.type, "random.rate_ppm": rate.type}
        spoken = " or ".join(
            f"coalesce({code}, {self.rules[code].if_missing not in ('skip', 'note')})" for code in codes
        )
        offer = "coalesce(random.limit_fen > 0, False) and coalesce(random.rate_ppm > 0, False)"
        taken = block.reading("rules", f"draw >= {PPM - share} and ({spoken}) and {offer}", names, "bool")
        least = Apply(
            Type("int", "fen", min(limit.type.low, ceiling), min(limit.type.high, ceiling), nullable=limit.type.nullable),
            "min", (limit, constant(ceiling, "fen")),
        )  # fmt: skip
        names["random.limit_fen"] = least.type
        self.names |= {name: names[name] for name in ("random.limit_fen", "random.rate_ppm")}
        self.names["random.taken"] = taken.type
        steps = (("random.limit_fen", least), ("random.rate_ppm", rate), ("random.taken", taken))
        return steps, RandomApproval(share, ceiling, codes, note)

    def _required(self) -> None:
        for name, unit, ways, slug in (
            ("limit_fen", "fen", (0, -1), "limit_not_falling"),
            ("rate_ppm", "ppm", (0, 1), "rate_not_rising"),
        ):
            figure = self.figures.get(name)
            if figure is None:
                self.draft.report("figure", 0, "", "no_offer", name=name, unit=unit)
            elif figure.node.type.kind != "bad" and figure.node.type.unit != unit:
                self.places[name].report("formula", "offer_unit", unit=unit)
            elif figure.node.type.kind != "bad" and self.moves[name] not in ways:
                self.places[name].report("formula", slug, name=name)
        if not self.rules:
            self.draft.report("rule", 0, "", "no_rules")

    def _checks(self, inputs: Sequence[str], after: Sequence[tuple[str, Node]]) -> None:
        """What a definition has to satisfy before it may be activated, beyond being able to run."""
        nodes = [*self.steps, *((rule.code, rule.when) for rule in self.rules.values()), *after]
        nodes = [(name, node) for name, node in nodes if node.type.kind != "bad"]
        for code, rule in self.rules.items():
            if rule.when.type.kind == "bad":
                continue
            if not possible(rule.when, True):
                self.places[code].report("when", "never_true", code=code)
            elif not possible(rule.when, False):  # somebody may mean to stop everything
                self.places[code].report("when", "always_true", warn=True, code=code)
        read = {name for _, node in nodes for name in names_read(node)}
        for name in self.figures:
            if name not in {*read, *self.shown, "limit_fen", "rate_ppm"}:
                self.places[name].report("name", "unused_figure", warn=True, name=name)
        for name, outputs in self.outputs.items():
            place = self.places.get(outputs[0]) if outputs else None
            if place is not None and not read & set(outputs):
                place.report("name", "unused_table", warn=True, name=name)
        for name in (*(f"on_list.{n}" for n in self.lists), *(f"experiment.{n}" for n in self.experiments)):
            if name not in read:
                self.places[name].report("name", "unused_name", warn=True, name=name)
        self._sources(read | set(inputs))

    def _sources(self, read: set[str]) -> None:
        """Every source that the decision reads has a declared fallback."""
        features = [self.book.entries[name] for name in read if name in self.book.entries]
        used = {source for feature in features for source in feature.sources} - {"application"}
        for source in sorted(used - set(self.fallbacks)):
            reader = min(feature.name for feature in features if source in feature.sources)
            self.draft.report("source", 0, "", "no_fallback", source=source, reader=reader)  # fmt: skip
