"""JDM decision tables -> [[table]] blocks of our language. docs/jdm.md tells what is kept and what differs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from .definition import Draft
from .jdm import (
    BARE,
    COLLECTED,
    OURS,
    PATH,
    Json,
    Node,
    Report,
    Told,
    an_object,
    objects,
    parse_json,
    read_graph,
    text_of,
    toml_table,
    toml_value,
)
from .jdm_rules import Column, Output, RuleReader, output_kind, step_rows
from .language import Type, read
from .table_checks import Cell, Visit, segments
from .tables import MAX_ROWS, read_cell, read_table
from .unary import Unreadable, read_output

MAX_CELLS = 200_000
"""Of all tables of a document."""
MAX_COLUMNS = 60
_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_AGGREGATE = re.compile(
    r"(?:len\((?P<guard>[\w.]+)\) > 0 \? )?(?P<call>sum|max|min)\(map\((?P<rows>[\w.]+), #\.(?P<out>[\w.]+)\)\)(?P<else> : null)?"
)
_LENGTH = re.compile(r"len\((?P<rows>[\w.]+)\)")


@dataclass(frozen=True, slots=True)
class Imported:
    """toml: [[table]] blocks, and [[constant]] for expression nodes that hold literals."""

    toml: str
    tables: tuple[str, ...]
    told: tuple[Told, ...]


def import_jdm(
    text: str,
    names: Mapping[str, Type],
    *,
    fields: Mapping[str, str] | None = None,
    scale: Mapping[str, int] | None = None,
    collect: str = "",
    only: str = "",
) -> Imported:
    """The decision tables of a JDM document as TOML.

    names: what tables may read, with types (a policy's `verdict_types`). fields: field of the document -> name or expression
    of ours; without an entry the same name is taken. scale: field or output -> factor of its numbers (yuan in fen: 100).
    collect: how results of hit policy collect are put together (sum, max, min, count) where the document does not say.
    only: the name of one table node; all else is left out and told.
    Raises JdmInvalid with every refusal.
    """
    return _Import(text, names, fields or {}, scale or {}, collect, only).run()


def _slug(text: str, other: str) -> str:
    found = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:60]
    return found if found and found[0].isalpha() else other


class _Import:
    def __init__(
        self,
        text: str,
        names: Mapping[str, Type],
        fields: Mapping[str, str],
        scale: Mapping[str, int],
        collect: str,
        only: str,
    ):
        self.raw, self.names = parse_json(text), dict(names)
        self.fields, self.scale, self.collect, self.only = fields, scale, collect, only
        self.report = Report()
        self.nodes: dict[str, Node] = {}
        self.blocks: list[str] = []
        self.tables: list[str] = []
        self.cells = 0
        self.collected: dict[str, dict[str, tuple[str, str, str]]] = {}  # path -> output -> call, key, place
        self.used: set[str] = set()
        self.seen: set[str] = set()  # fields, outputs and expressions that a mapping or scale may name
        self.outputs: dict[str, tuple[str, str]] = {}  # path in zen's context -> id of its node, name here

    def run(self) -> Imported:
        if self.collect not in ("", *COLLECTED):
            self.report.refuse(
                "collect", f"{self.collect!r} is unknown", f"use one of {', '.join(COLLECTED)}"
            )
        bad = [key for key, factor in self.scale.items() if factor < 1]
        if bad:
            self.report.refuse(
                f"scale of {bad[0]}", "is under 1", "give how many of ours make one of the document's"
            )
        ordered = read_graph(self.raw, self.report, bool(self.only))
        self.nodes = {node.id: node for node in ordered}
        for node in ordered:
            if node.type == "expressionNode":
                self._expressions(node)
        tables = [node for node in ordered if node.type == "decisionTableNode"]
        if self.only and not self.report.refused:
            known = ", ".join(node.name for node in tables)[:500]
            tables = [node for node in tables if node.name == self.only]
            if not tables:
                self.report.refuse(
                    "document", f"no table {self.only[:60]!r}", f"its tables are {known or 'none'}"
                )
        elif not tables and not self.report.refused:
            self.report.refuse("document", "no decision table", "only decisionTableNodes can be imported")
        for node in tables:
            self._table(node)
        for path in sorted(set(self.collected) - self.used):
            _, _, place = next(iter(self.collected[path].values()))
            self.report.refuse(
                place, f"{path!r} is no collected table", "set outputPath of a collecting table to it"
            )
        self._general(tables)
        for option, given in (("field", self.fields), ("scale", self.scale)):
            for path in sorted(set(given) - self.seen):
                if self.only:
                    self.report.keep(f"{option} of {path[:60]}", "is not used by this table")
                elif not self.report.refused:
                    remedy = f"known are {', '.join(sorted(self.seen))[:500]}"
                    self.report.refuse(
                        f"{option} of {path[:60]}", "nothing in the document is called so", remedy
                    )
        return Imported("\n".join(self.blocks), tuple(self.tables), self.report.finish())

    def _expressions(self, node: Node) -> None:
        """Literals become constants; sum(map(rows, #.out)) and its like say how a collecting table is put together."""
        for item in self._list(node, "expressions"):
            key, value = text_of(item.get("key")), text_of(item.get("value")).strip()
            place = f"{node.place}, expression {key[:60]}"
            self.seen.add(key)
            if found := _AGGREGATE.fullmatch(value) or _LENGTH.fullmatch(value):
                parts = found.groupdict()
                guard = parts.get("guard")
                if (guard is None) != (parts.get("else") is None) or guard not in (None, parts["rows"]):
                    self.report.refuse(
                        place, f"{value[:60]!r} is no plain sum, max, min or len", "write one of them"
                    )
                    continue
                call = parts.get("call") or "count"
                if call in ("max", "min") and guard is None:
                    self.report.differ(place, f"where no row fits zen fails; here {key} is missing")
                self.collected.setdefault(parts["rows"], {})[parts.get("out") or f"#{key}"] = (
                    call,
                    key,
                    place,
                )
                continue
            try:
                kind, number = read_output(value, self.scale.get(key, 1))
            except Unreadable as error:
                self.report.refuse(place, error.what, "write it as a figure or feature")
                continue
            if kind != "number" or not _NAME.fullmatch(key) or key in self.names:
                self.report.refuse(
                    place,
                    f"{key[:60]!r} = {value[:60]} can be no constant",
                    "only numbers under new plain names can",
                )
                continue
            self.blocks.append(f"[[constant]]\nname = {toml_value(key)}\nvalue = {number}\n")

    def _list(self, node: Node, key: str) -> list[Json]:
        raw = node.content.get(key)
        found = objects(raw)
        if not isinstance(raw, list) or len(found) < len(cast(list[object], raw)):
            self.report.refuse(node.place, f"{key} is no list of objects", "export it from zen again")
        return found

    def _table(self, node: Node) -> None:
        place, content = node.place, node.content
        ours = an_object(content.get(OURS))
        name = self._name(node, ours)
        if content.get("executionMode", "single") != "single":
            self.report.refuse(
                place, "runs in a loop over a list", "a table is asked once for each applicant"
            )
        rules, inputs, outputs = (self._list(node, key) for key in ("rules", "inputs", "outputs"))
        if not rules or not inputs or not outputs:
            shown = f"{len(inputs)} inputs, {len(outputs)} outputs, {len(rules)} rules"
            self.report.refuse(place, shown, "give at least one of each")
            return
        self.cells += len(rules) * (len(inputs) + len(outputs))
        if self.cells > MAX_CELLS or len(inputs) + len(outputs) > MAX_COLUMNS:
            shown = f"{len(rules)} rules of {len(inputs) + len(outputs)} columns"
            self.report.refuse(place, shown, f"at most {MAX_COLUMNS} columns and {MAX_CELLS} cells")
            return
        hit, renamed = self._hit(node, ours, outputs)
        outs = self._outputs(place, outputs, name, renamed)
        columns = self._columns(node, ours, inputs, {out.key for out in outs or ()})
        if columns is None or outs is None or not hit:
            return
        if any(rule.get("_description") for rule in rules):
            self.report.differ(
                place, "descriptions of rules are left out", "put them into the note of the table"
            )
        rows = RuleReader(self.report).read(place, rules, columns, outs, hit)
        kinds = {out.key: output_kind(rows, out) for out in outs}
        paths = {out.key: out.place for out in outs}
        for key, kind in kinds.items():
            self.names[f"{name}.{key}"] = kind
            path = ".".join(part for part in (text_of(content.get("outputPath")).strip(), paths[key]) if part)
            self.outputs[path] = (node.id, f"{name}.{key}")
        self.tables.append(name)
        if ours.get("steps") is True and (steps := step_rows(rows, columns)):
            on: object = columns[0].source
            block = {"name": name, **_kept(ours, ("stage", "note")), "on": on, "rows": steps}
            self.blocks.append(toml_table(block))
            return
        gaps = ours.get("gaps") if ours.get("gaps") in ("missing", "refused") else None
        analysed, rows, open_ = self._analysed(place, rows, columns, hit)
        if open_ and gaps != "missing":
            gaps = "missing"
        block = {
            "name": name, **_kept(ours, ("stage", "note")), "hit": hit, "gaps": gaps,
            "on": {column.key: column.source for column in columns}, "rows": rows,
        }  # fmt: skip
        if hit == "unique" and "hit" not in ours:
            del block["hit"]
        self.blocks.append(toml_table(block))
        if analysed and not self.report.refused:
            self._checked(place, name)

    def _name(self, node: Node, ours: Json) -> str:
        given = text_of(ours.get("name")) or node.name
        name = _slug(given, _slug(node.id, f"table_{len(self.tables) + 1}"))
        while name in self.tables:
            name += "_2"
        if name != given:
            self.report.keep(node.place, f"is called {name}")
        return name

    def _hit(self, node: Node, ours: Json, outputs: list[Json]) -> tuple[str, dict[str, str]]:
        """The hit policy of ours, '' after a refusal, and outputs renamed by the node that puts them together."""
        place, content = node.place, node.content
        raw = content.get("hitPolicy", "first")
        if raw == "first":
            unique = OURS in content and ours.get("hit", "unique") == "unique" and not ours.get("steps")
            return "unique" if unique else "first", {}
        if raw != "collect":
            self.report.refuse(place, f"hit policy {raw!r:.60}", "zen knows first and collect")
            return "", {}
        path = text_of(content.get("outputPath")).strip()
        calls = self.collected.get(path, {})
        self.used.add(path)
        found = {call for call, _, _ in calls.values()} or ({self.collect} if self.collect else set[str]())
        if len(found) != 1:
            said = f"is put together in {len(found)} ways" if found else "gives a list of results"
            self.report.refuse(place, f"hit policy collect {said}; a table of ours gives one value",
                               "say how they are put together: collect = sum, max, min or count")  # fmt: skip
            return "", {}
        hit = next(iter(found))
        if not calls:
            self.report.differ(place, f"zen gives the list of all results; here each output is their {hit}")
        renamed = {out: key for out, (_, key, _) in calls.items()}
        paths = [text_of(out.get("field")) for out in outputs]
        if hit == "count" and calls:  # every output counts the same rows
            renamed = dict(zip(paths, renamed.values(), strict=False))
        lost = [path for path in paths if calls and path not in renamed]
        if lost:
            self.report.differ(
                place, f"outputs {', '.join(lost)} are not put together by any node; here they are"
            )
        return hit, renamed

    def _columns(self, node: Node, ours: Json, inputs: list[Json], taken: set[str]) -> list[Column] | None:
        """taken: keys of the outputs."""
        found: list[Column] = []
        told = an_object(ours.get("on"))
        prefix = text_of(node.content.get("inputField")).strip()
        before = [self.nodes[name] for name in node.before]
        hidden = bool(before) and all(
            b.type != "inputNode" and b.content.get("passThrough") is not True for b in before
        )
        for i, raw in enumerate(inputs):
            path, label = text_of(raw.get("field")).strip(), text_of(raw.get("name")).strip()
            place = f"{node.place}, column {label[:60] or path[:60] or i + 1}"
            if not text_of(raw.get("id")):
                self.report.refuse(place, "has no id", "give every column an id")
                continue
            if not path:
                self.report.refuse(place, "has no field: its cells are whole conditions", "give it a field")
                continue
            path = f"{prefix}.{path}" if prefix else path
            self.seen.add(path)
            kept = label and (BARE.fullmatch(label) or OURS in node.content)
            key = label if kept else _slug(path.rpartition(".")[2], f"c{i + 1}")
            while key in taken:
                key += "_in"
            above, output = self.outputs.get(path, ("", ""))
            if above not in self._above(node):
                output = ""
            source = self.fields.get(path) or text_of(told.get(key)) or output or path
            if source == path and not PATH.fullmatch(path):
                self.report.refuse(
                    place, f"reads {path[:60]!r}, an expression", "name a feature for it in the mapping"
                )
                continue
            kind_read, faults = read(source, self.names)
            kind = kind_read.type
            if faults or kind.kind not in ("int", "enum", "bool"):
                said = f"{faults[0].what}; {faults[0].remedy}" if faults else f"is a {kind.kind}"
                self.report.refuse(place, f"field {source[:60]!r}: {said}", "map the field to a feature")
                continue
            if hidden and not output and not any(source.startswith(f"{table}.") for table in self.tables):
                self.report.differ(
                    place, f"in zen {path} is null here: the table before it does not pass its input through"
                )
            scale = self.scale.get(path, 1)
            self._numbers(place, path, kind, scale)
            taken = {*taken, key}
            found.append(Column(text_of(raw.get("id")), key, source, kind, scale, label or path))
        return found if len(found) == len(inputs) else None

    def _above(self, node: Node) -> set[str]:
        """Ids of all nodes that come before it along the edges."""
        found: set[str] = set()
        waiting = list(node.before)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting.extend(self.nodes[one].before)
        return found

    def _numbers(self, place: str, path: str, kind: Type, scale: int) -> None:
        if kind.kind != "int":
            return
        unit = {"fen": "fen", "ppm": "millionths (ppm)", "date": "days since 1970"}.get(kind.unit, kind.unit)
        said = f"zen compares decimals; here it is a whole number{f' of {unit}' if unit else ''} from {kind.low} to {kind.high}"
        if scale > 1:
            said += f", {scale} times the document's"
        self.report.differ(
            place,
            said,
            "" if scale > 1 or not kind.unit else f"scale {path} if the document has another unit",
        )

    def _outputs(
        self, place: str, outputs: list[Json], name: str, renamed: Mapping[str, str]
    ) -> list[Output] | None:
        found: list[Output] = []
        for i, raw in enumerate(outputs):
            path = text_of(raw.get("field")).strip()
            self.seen.add(path)
            key = renamed.get(path, path).removeprefix(f"{name}.")
            if not BARE.fullmatch(key):
                said, key = key, _slug(key, f"out{i + 1}")
                self.report.keep(place, f"output {said[:60]!r} is called {key}")
            if not path or key in [out.key for out in found] or not text_of(raw.get("id")):
                self.report.refuse(
                    place, f"output {i + 1} has no id and field of its own", "give every output both"
                )
                continue
            found.append(Output(text_of(raw.get("id")), key, self.scale.get(path, 1), path))
        return found if len(found) == len(outputs) else None

    def _analysed(
        self, place: str, rows: list[Json], columns: list[Column], hit: str
    ) -> tuple[bool, list[Json], bool]:
        """Whether the table was analysed; rows without those that first hit never reaches; whether gaps are possible."""
        if len(rows) > MAX_ROWS:
            said = f"{len(rows)} rows, not analysed: a policy reads at most {MAX_ROWS} in one table"
            self.report.differ(place, said, "split it before it goes into a policy")
            return False, rows, True
        block = Draft("").block("table")
        boxes = [
            [read_cell(block, i, c.key, row.get(c.key, "-"), c.kind) for c in columns]
            for i, row in enumerate(rows)
        ]
        if any(cell is None for box in boxes for cell in box):
            return True, rows, False
        cells = [[cast(Cell, cell) for cell in box] for box in boxes]
        visit = Visit([segments(c.kind, [box[i] for box in cells]) for i, c in enumerate(columns)], cells)
        if not visit.run():
            said = "too many combinations of its columns to look for gaps and rows never reached"
            self.report.differ(place, said, "split it before it goes into a policy")
            return False, rows, True
        single = hit in ("first", "unique")
        if visit.gaps and single:
            self.report.differ(
                place,
                "where no row fits zen gives no output; here the outputs are missing, "
                "and a rule that reads them follows its if_missing",
            )
        if hit == "first" and len(visit.first) < len(rows):
            lost = [str(r + 1) for r in range(len(rows)) if r not in visit.first]
            said = f"rows {', '.join(lost[:20])} are left out: rows above fit wherever they do"
            self.report.keep(place, said)
            rows = [row for r, row in enumerate(rows) if r in visit.first]
        return True, rows, bool(visit.gaps) and single

    def _checked(self, place: str, name: str) -> None:
        """What a policy would say about the finished block."""
        draft = Draft(self.blocks[-1])
        block = draft.blocks("table")[0]
        block.text("name")
        block.text("stage", "")
        read_table(block, name, self.names, {})
        for problem in draft.problems:
            self.report.refuse(place, f"{problem.where}: {problem.what}", problem.remedy)

    def _general(self, tables: Sequence[Node]) -> None:
        """What holds for every document."""
        if len(tables) > 1:
            self.report.differ(
                "document",
                "zen runs tables along the edges; here all are evaluated, in the order of the file, "
                "and none replaces the context of another",
            )
        self.report.differ(
            "document",
            "a value of the wrong type makes zen skip the row; here evidence is checked before, "
            "and such a value is refused or missing",
        )


def _kept(ours: Json, keys: Iterable[str]) -> Json:
    return {key: ours[key] for key in keys if isinstance(ours.get(key), str)}
