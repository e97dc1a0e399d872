"""JDM decision tables -> [[table]] blocks of our language. docs/jdm.md tells what is kept and what differs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from .definition import KEYWORDS, RESERVED, Draft, Spent
from .jdm import (
    BARE,
    DOCUMENT,
    OURS,
    PATH,
    UNITS,
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
from .jdm_rules import (
    Column,
    Output,
    RuleReader,
    conditions_of,
    named_by,
    output_kind,
    sparse_rows,
    step_rows,
)
from .language import Type, read
from .table_checks import Cell, Visit, segments
from .tables import COLLECTED, MAX_ROWS, read_cell, read_table
from .unary import Unreadable, read_output
from .wording import Said

MAX_CELLS = 200_000
"""Of all tables of a document."""
MAX_COLUMNS = 60
_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_OR_NONE = r"(?: \?\? \[\])?"
_AGGREGATE = re.compile(
    rf"(?:len\((?P<guard>[\w.]+){_OR_NONE}\) > 0 \? )?(?P<call>sum|max|min)"
    rf"\(map\((?P<rows>[\w.]+){_OR_NONE}, #\.(?P<out>[\w.]+)\)\)(?P<else> : null)?"
)
_LENGTH = re.compile(rf"len\((?P<rows>[\w.]+){_OR_NONE}\)")


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
        self.cells, self.spent = 0, Spent()
        # path -> output -> call, key, place, id of the node
        self.collected: dict[str, dict[str, tuple[str, str, Said, str]]] = {}
        self.reached: set[str] = set()  # ids of nodes that see the request itself
        self.used: set[str] = set()
        self.seen: set[str] = set()  # fields, outputs and expressions that a mapping or scale may name
        # path in zen's context -> id of the node that gives it, expression here, scale
        self.outputs: dict[str, tuple[str, str, int]] = {}

    def run(self) -> Imported:
        if self.collect not in ("", *COLLECTED):
            at = Said("at_option", {"option": "collect", "path": "tables"})
            self.report.refuse(at, "jdm_no_collect", value=self.collect, known=COLLECTED)
        bad = [key for key, factor in self.scale.items() if factor < 1]
        if bad:
            self.report.refuse(Said("at_option", {"option": "scale", "path": bad[0]}), "jdm_scale_low")
        ordered = read_graph(self.raw, self.report, bool(self.only))
        self.nodes = {node.id: node for node in ordered}
        for node in ordered:
            ways = [self.nodes[name] for name in node.before]
            if not ways or any(
                b.type == "inputNode" or (b.id in self.reached and b.content.get("passThrough") is True)
                for b in ways
            ):
                self.reached.add(node.id)
        for node in ordered:
            if node.type == "expressionNode":
                self._expressions(node)
        tables = [node for node in ordered if node.type == "decisionTableNode"]
        if self.only and not self.report.refused:
            known = tuple(node.name for node in tables[:20]) or ("none",)
            tables = [node for node in tables if node.name == self.only]
            if not tables:
                self.report.refuse(DOCUMENT, "jdm_no_table", table=self.only, known=known)
        elif not tables and not self.report.refused:
            self.report.refuse(DOCUMENT, "jdm_tableless")
        for node in tables:
            self._table(node)
        for path in sorted(set(self.collected) - self.used):
            place = next(iter(self.collected[path].values()))[2]
            self.report.refuse(place, "jdm_uncollected", path=path)
        self._general(tables)
        for option, given in (("field", self.fields), ("scale", self.scale)):
            for path in sorted(set(given) - self.seen):
                at = Said("at_option", {"option": option, "path": path[:60]})
                if self.only:
                    self.report.keep(at, "jdm_option_unused")
                elif not self.report.refused:
                    self.report.refuse(at, "jdm_option_unknown", known=tuple(sorted(self.seen)[:40]))
        return Imported("\n".join(self.blocks), tuple(self.tables), self.report.finish())

    def _expressions(self, node: Node) -> None:
        """Literals become constants; sum(map(rows, #.out)) and its like say how a collecting table is put together."""
        for item in self._list(node, "expressions"):
            key, value = text_of(item.get("key")), text_of(item.get("value")).strip()
            place = Said("at_expression", {"at": node.place, "key": key[:60]})
            self.seen.add(key)
            if found := _AGGREGATE.fullmatch(value) or _LENGTH.fullmatch(value):
                parts = found.groupdict()
                guard = parts.get("guard")
                if (guard is None) != (parts.get("else") is None) or guard not in (None, parts["rows"]):
                    self.report.refuse(place, "jdm_no_plain_sum", value=value)
                    continue
                call = parts.get("call") or "count"
                if call in ("max", "min") and guard is None:
                    self.report.differ(place, "jdm_empty_collection", key=key)
                self.collected.setdefault(parts["rows"], {})[parts.get("out") or f"#{key}"] = (
                    call,
                    key,
                    place,
                    node.id,
                )
                continue
            try:
                kind, number = read_output(value, self.scale.get(key, 1))
            except Unreadable as error:
                self.report.refuse(place, "jdm_worked_out", said=error.said)
                continue
            if kind != "number" or not _NAME.fullmatch(key) or key in self.names:
                self.report.refuse(place, "jdm_no_constant", key=key, value=value)
                continue
            self.blocks.append(f"[[constant]]\nname = {toml_value(key)}\nvalue = {number}\n")

    def _list(self, node: Node, key: str) -> list[Json]:
        raw = node.content.get(key)
        found = objects(raw)
        if not isinstance(raw, list) or len(found) < len(cast(list[object], raw)):
            self.report.refuse(node.place, "jdm_no_objects", key=key)
        return found

    def _table(self, node: Node) -> None:
        place, content = node.place, node.content
        ours = an_object(content.get(OURS))
        name = self._name(node, ours)
        if content.get("executionMode", "single") != "single":
            self.report.refuse(place, "jdm_loop")
        rules, inputs, outputs = (self._list(node, key) for key in ("rules", "inputs", "outputs"))
        if not rules or not inputs or not outputs:
            counts = {"inputs": len(inputs), "outputs": len(outputs), "rules": len(rules)}
            self.report.refuse(place, "jdm_shape", **counts)
            return
        self.cells += len(rules) * (len(inputs) + len(outputs))
        if self.cells > MAX_CELLS or len(inputs) + len(outputs) > MAX_COLUMNS:
            counts = {"rules": len(rules), "columns": len(inputs) + len(outputs)}
            self.report.refuse(
                place, "jdm_too_wide", **counts, most_columns=MAX_COLUMNS, most_cells=MAX_CELLS
            )
            return
        hit, renamed = self._hit(node, ours, outputs)
        outs = self._outputs(place, outputs, name, renamed, hit)
        outs = self._numeric(place, outs, rules, hit) if outs else outs
        columns = self._columns(node, ours, inputs, rules, {out.key for out in outs or ()})
        if columns is None or outs is None or not hit:
            return
        if any(rule.get("_description") for rule in rules):
            self.report.differ(place, "jdm_descriptions")
        if any(column.get("defaultValue") for column in (*inputs, *outputs)):
            self.report.differ(place, "jdm_defaults")
        reader = RuleReader(self.report)
        rows = reader.read(place, rules, columns, outs, hit, conditions_of(inputs))
        if not rows:
            return
        self.tables.append(name)
        full = all(out.key in row for row in rows for out in outs)
        if full and ours.get("steps") is True and (steps := step_rows(rows, columns)):
            self._give(node, name, outs, rows, reader, hit)
            block = {"name": name, **_kept(ours, ("stage", "note")), "on": columns[0].source, "rows": steps}
            self.blocks.append(toml_table(block))
            return
        gaps = ours.get("gaps") if ours.get("gaps") in ("missing", "refused") else None
        analysed, rows, open_ = self._analysed(place, rows, columns, hit)
        while rows and not any(out.key in rows[-1] for out in outs):  # nothing below it, and it gives nothing
            rows, open_ = rows[:-1], True
        sparse = [out for out in outs if not all(out.key in row for row in rows)]
        if not rows or not self._some(place, outs, rows):
            return
        on = {column.key: column.source for column in columns}
        thin, key = {out.key for out in sparse}, "rule"
        while key in thin or key in on:
            key += "_out"
        number = len(sparse) == len(outs)  # a table has to give something
        block = {
            "name": name, **_kept(ours, ("stage", "note")),
            "hit": None if hit == "unique" and "hit" not in ours else hit, "gaps": "missing" if open_ else gaps,
            "on": on, "rows": [
                {k: v for k, v in row.items() if k not in thin} | ({key: i + 1} if number else {})
                for i, row in enumerate(rows)
            ],
        }  # fmt: skip
        self._give(node, name, [out for out in outs if out not in sparse], rows, reader, hit)
        self._close(place, name, block, analysed)
        for out in sparse:
            self.names[f"{name}.row"] = Type("int", "", 1, len(rows))
            own = self._free(_slug(f"{name}_{out.key}", name))
            self.tables.append(own)
            self._give(node, own, [out], rows, reader, hit)
            self.report.keep(Said("at_output", {"at": place, "output": out.place}), "jdm_sparse", name=own)
            on = {"row": f"{name}.row"}
            block = {
                "name": own,
                "hit": "first",
                "gaps": "missing",
                "on": on,
                "rows": sparse_rows(rows, out.key),
            }
            self._close(place, own, block, analysed)

    def _close(self, place: Said, name: str, block: Json, analysed: bool) -> None:
        self.blocks.append(toml_table(block))
        if analysed and not self.report.refused:
            self._checked(place, name)

    def _some(self, place: Said, outs: list[Output], rows: list[Json]) -> bool:
        """Whether each output is given by some row."""
        empty = [out.place for out in outs if not any(out.key in row for row in rows)]
        if empty:
            self.report.refuse(Said("at_output", {"at": place, "output": empty[0]}), "jdm_output_never")
        return not empty

    def _give(
        self, node: Node, name: str, outs: list[Output], rows: list[Json], reader: RuleReader, hit: str
    ) -> None:
        """Tables below may read these outputs."""
        for out in outs:
            here = f"{name}.{out.key}"
            self.names[here] = output_kind(rows, out)
            flag = reader.kinds.get(out.key) == {"flag"} and hit not in COLLECTED
            path = text_of(node.content.get("outputPath")).strip()
            given = self.collected.get(path, {}) if hit in COLLECTED else {}
            if out.place in given:  # known by the key of the node that puts the list together
                _, key, _, behind = given[out.place]
                self.outputs[key] = (behind, here, out.scale)
            else:
                whole = ".".join(part for part in (path, out.place) if part)
                self.outputs[whole] = (node.id, f"{here} == 1" if flag else here, out.scale)

    def _name(self, node: Node, ours: Json) -> str:
        given = text_of(ours.get("name")) or node.name
        name = _slug(given, _slug(node.id, f"table_{len(self.tables) + 1}"))
        name = self._free(name + "_table" if name in RESERVED else name)
        if name != given:
            self.report.keep(node.place, "jdm_called", name=name)
        return name

    def _free(self, name: str) -> str:
        while name in self.tables:
            name += "_2"
        return name

    def _hit(self, node: Node, ours: Json, outputs: list[Json]) -> tuple[str, dict[str, str]]:
        """The hit policy of ours, '' after a refusal, and outputs renamed by the node that puts them together."""
        place, content = node.place, node.content
        raw = content.get("hitPolicy", "first")
        if raw == "first":
            unique = OURS in content and ours.get("hit", "unique") == "unique" and not ours.get("steps")
            return "unique" if unique else "first", {}
        if raw != "collect":
            self.report.refuse(place, "jdm_hit", hit=raw)
            return "", {}
        path = text_of(content.get("outputPath")).strip()
        calls = self.collected.get(path, {})
        self.used.add(path)
        found = {call for call, _, _, _ in calls.values()} or ({self.collect} if self.collect else set[str]())
        if len(found) != 1:
            self.report.refuse(place, "jdm_many_ways" if found else "jdm_list", count=len(found))
            return "", {}
        hit = next(iter(found))
        if not calls:
            self.report.differ(place, "jdm_collected", hit=hit)
        renamed = {out: key for out, (_, key, _, _) in calls.items()}
        paths = [text_of(out.get("field")) for out in outputs]
        if hit == "count" and calls:  # every output counts the same rows
            renamed = dict(zip(paths, renamed.values(), strict=False))
        lost = [path for path in paths if calls and path not in renamed]
        if lost:
            self.report.differ(place, "jdm_outputs_lost", paths=tuple(lost))
        return hit, renamed

    def _columns(
        self, node: Node, ours: Json, inputs: list[Json], rules: list[Json], taken: set[str]
    ) -> list[Column] | None:
        """One for each field: of a column, or named by cells and no column's. taken: keys of the outputs."""
        wanted: list[tuple[Said, str, str, str]] = []  # place, id of the column or '', field, label
        known = {text_of(raw.get("field")).strip() for raw in inputs}
        for i, raw in enumerate(inputs):
            id_, field, label = (text_of(raw.get(key)).strip() for key in ("id", "field", "name"))
            place = Said("at_column", {"at": node.place, "column": label[:60] or field[:60] or str(i + 1)})
            if field:
                wanted.append((place, id_, field, label))
            if not id_:
                self.report.refuse(place, "jdm_column_no_id")
                continue
            more = [one for one in named_by(rules, id_, compared=bool(field)) if one not in known]
            known.update(more)
            for one in more:
                inside = Said(
                    "at_column", {"at": node.place, "column": f"{label or field or i + 1} ({one[:60]})"}
                )
                wanted.append((inside, "", one, ""))
            if not field and i + 1 == len(inputs) and not wanted:
                self.report.refuse(place, "jdm_column_no_field")
        if len(wanted) > MAX_COLUMNS:
            self.report.refuse(node.place, "jdm_columns", found=len(wanted), most=MAX_COLUMNS)
            return None
        found: list[Column] = []
        for place, id_, field, label in wanted:
            if column := self._column(node, ours, place, id_, field, label, taken):
                taken = {*taken, column.key}
                found.append(column)
        return found if 0 < len(found) == len(wanted) else None

    def _column(
        self, node: Node, ours: Json, place: Said, id_: str, field: str, label: str, taken: set[str]
    ) -> Column | None:
        prefix = text_of(node.content.get("inputField")).strip()
        path = f"{prefix}.{field}" if prefix else field
        self.seen.add(path)
        kept = label and (BARE.fullmatch(label) or OURS in node.content)
        key = label if kept else _slug(path.rpartition(".")[2], f"c{len(taken) + 1}")
        while key in taken:
            key += "_in"
        above, output, scale = self.outputs.get(path, ("", "", 1))
        if above not in self._above(node):
            output, scale = "", 1
        source = self.fields.get(path) or text_of(an_object(ours.get("on")).get(key)) or output or path
        if source == path and not PATH.fullmatch(path):
            self.report.refuse(place, "jdm_column_expression", path=path)
            return None
        kind_read, faults = read(source, self.names)
        kind = kind_read.type
        if faults or kind.kind not in ("int", "enum", "bool"):
            if faults:
                self.report.refuse(place, "jdm_field_faulty", field=source, said=faults[0].said)
            else:
                self.report.refuse(place, "jdm_field_kind", field=source, kind=kind.kind)
            return None
        if (
            node.id not in self.reached
            and not output
            and not any(source.startswith(f"{table}.") for table in self.tables)
        ):
            self.report.differ(place, "jdm_hidden", path=path)
        scale = self.scale.get(path, scale if source == output else 1)
        self._numbers(place, path, kind, scale)
        return Column(id_, field, key, source, kind, scale, label or path)

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

    def _numbers(self, place: Said, path: str, kind: Type, scale: int) -> None:
        if kind.kind != "int":
            return
        unit = UNITS.get(kind.unit, kind.unit)
        self.report.differ(
            place,
            "jdm_whole_scaled" if scale > 1 else "jdm_whole_unit" if unit else "jdm_whole",
            unit=unit or "plain numbers",
            low=kind.low,
            high=kind.high,
            scale=scale,
            path=path,
        )

    def _outputs(
        self, place: Said, outputs: list[Json], name: str, renamed: Mapping[str, str], hit: str
    ) -> list[Output] | None:
        taken = KEYWORDS if hit in COLLECTED else KEYWORDS | {"row"}
        found: list[Output] = []
        for i, raw in enumerate(outputs):
            path = text_of(raw.get("field")).strip()
            self.seen.add(path)
            if path.endswith("[]"):
                self.report.refuse(Said("at_output", {"at": place, "output": path[:60]}), "jdm_output_list")
                continue
            key = renamed.get(path, path).removeprefix(f"{name}.")
            if not BARE.fullmatch(key) or key in taken:
                said, key = key, _slug(key, f"out{i + 1}")
                key += "_out" if key in taken else ""
                self.report.keep(place, "jdm_output_called", output=said, name=key)
            if not path or key in [out.key for out in found] or not text_of(raw.get("id")):
                self.report.refuse(place, "jdm_output_no_id", number=i + 1)
                continue
            found.append(Output(text_of(raw.get("id")), key, self.scale.get(path, 1), path))
        return found if len(found) == len(outputs) else None

    def _numeric(self, place: Said, outs: list[Output], rules: list[Json], hit: str) -> list[Output]:
        """Outputs without those that hold texts, where numbers are put together and some are left."""
        if hit not in ("sum", "max", "min"):
            return outs
        texts = [
            out for out in outs if any(text_of(rule.get(out.id)).strip()[:1] in ("'", '"') for rule in rules)
        ]
        if not texts or len(texts) == len(outs):
            return outs
        self.report.differ(place, "jdm_texts_left_out", paths=tuple(out.place for out in texts), hit=hit)
        return [out for out in outs if out not in texts]

    def _analysed(
        self, place: Said, rows: list[Json], columns: list[Column], hit: str
    ) -> tuple[bool, list[Json], bool]:
        """Whether the table was analysed; rows without those that first hit never reaches; whether gaps are possible."""
        if len(rows) > MAX_ROWS:
            self.report.differ(place, "jdm_rows_many", rows=len(rows), most=MAX_ROWS)
            return False, rows, True
        block = Draft("").block("table")
        boxes = [
            [read_cell(block, i, c.key, row.get(c.key, "-"), c.kind) for c in columns]
            for i, row in enumerate(rows)
        ]
        if any(cell is None for box in boxes for cell in box):
            return True, rows, False
        cells = [[cast(Cell, cell) for cell in box] for box in boxes]
        axes = [segments(c.kind, [box[i] for box in cells]) for i, c in enumerate(columns)]
        visit = Visit(axes, cells, self.spent)
        if not visit.run():
            self.report.differ(place, "jdm_not_analysed")
            return False, rows, True
        single = hit in ("first", "unique")
        if visit.gaps and single:
            self.report.differ(place, "jdm_no_row")
        if hit == "first" and len(visit.first) < len(rows):
            lost = [str(r + 1) for r in range(len(rows)) if r not in visit.first]
            self.report.keep(place, "jdm_unreached", rows=tuple(lost[:20]))
            rows = [row for r, row in enumerate(rows) if r in visit.first]
        return True, rows, bool(visit.gaps) and single

    def _checked(self, place: Said, name: str) -> None:
        """What a policy would say about the finished block, and the types it gives."""
        draft = Draft(self.blocks[-1])
        block = draft.blocks("table")[0]
        block.text("name")
        block.text("stage", "")
        steps = read_table(block, name, self.names, {}).steps
        for problem in draft.problems:
            self.report.refuse(place, "jdm_policy_says", where=problem.where, what=problem)
        if not draft.problems:
            self.names.update((step, node.type) for step, node in steps)

    def _general(self, tables: Sequence[Node]) -> None:
        """What holds for every document."""
        if len(tables) > 1:
            self.report.differ(DOCUMENT, "jdm_order")
        self.report.differ(DOCUMENT, "jdm_types")


def _kept(ours: Json, keys: Iterable[str]) -> Json:
    return {key: ours[key] for key in keys if isinstance(ours.get(key), str)}
