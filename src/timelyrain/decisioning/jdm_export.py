"""Tables of a policy -> a JDM document that zen 2.1 loads, with equal results but for the differences told."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from .jdm import CONTENT_TYPE, DOCUMENT, OURS, PATH, UNITS, Json, Report, Told, objects, refusal, text_of
from .language import Type, read
from .policy import Policy
from .tables import COLLECTED
from .unary import Unreadable, our_cells, read_output, read_unary, zen_cell, zen_output
from .wording import Said


@dataclass(frozen=True, slots=True)
class Exported:
    json: str
    tables: tuple[str, ...]
    told: tuple[Told, ...]


def export_jdm(source: str, table: str = "") -> Exported:
    """The tables of a policy (TOML), or one of them, as a JDM document for zen 2.1.

    Raises DefinitionInvalid for a policy that cannot be read, JdmInvalid for an unknown table or one zen has no words for.
    """
    policy = Policy.parse(source, activated=True)
    raws = objects(tomllib.loads(source).get("table"))
    names = [text_of(raw.get("name")) for raw in raws]
    if not names or (table and table not in names):
        at = Said("at_policy", {"policy": policy.name})
        raise refusal(
            at, "jdm_no_table" if names else "jdm_policy_tableless", table=table, known=tuple(names)
        )
    return _Export(policy.verdict_types, [raw for raw in raws if table in ("", raw["name"])]).run()


class _Export:
    def __init__(self, names: Mapping[str, Type], raws: list[Json]):
        self.names, self.raws = names, raws
        self.report = Report()
        self.nodes = [_node("request", "inputNode", "request", None, 0, 0)]
        self.edges: list[Json] = []
        self.ends: dict[str, str] = {}  # table -> the node that holds its outputs
        self.given: set[str] = set()

    def run(self) -> Exported:
        for i, raw in enumerate(self.raws):
            self._table(raw, i)
        self.nodes.append(_node("response", "outputNode", "response", None, 4, 0))
        for end in self.ends.values():
            self._edge(end, "response")
        if self.given:
            self.report.differ(DOCUMENT, "jdm_hand_in", names=tuple(sorted(self.given)))
        self.report.differ(DOCUMENT, "jdm_unchecked")
        told = self.report.finish()
        document = {"contentType": CONTENT_TYPE, "nodes": self.nodes, "edges": self.edges}
        return Exported(json.dumps(document, ensure_ascii=False, indent=1), tuple(self.ends), told)

    def _edge(self, source: str, target: str) -> None:
        edge = {"id": f"{source}-{target}", "type": "edge", "sourceId": source, "targetId": target}
        if edge not in self.edges:
            self.edges.append(edge)

    def _table(self, raw: Json, at: int) -> None:
        name, rows = str(raw["name"]), objects(raw["rows"])
        place = Said("at_table", {"table": name})
        steps = not isinstance(raw["on"], dict)
        hit = "first" if steps else text_of(raw.get("hit", "unique"))
        written = {"below": raw["on"]} if steps else cast(Json, raw["on"])
        on = {key: str(source) for key, source in written.items()}
        kinds = {key: read(source, self.names)[0].type for key, source in on.items()}
        inputs = [self._input(place, name, key, source, kinds[key]) for key, source in on.items()]
        keys = list(dict.fromkeys(key for row in rows for key in row if key not in on))
        collected = hit in COLLECTED
        content: Json = {
            "hitPolicy": "collect" if collected else "first",
            "inputs": inputs,
            "outputs": [{"id": f"out:{k}", "name": k, "field": k if collected else f"{name}.{k}"} for k in keys],
            "rules": [self._rule(place, i, row, kinds, keys, steps) for i, row in enumerate(rows)],
            "passThrough": False,
            "inputField": None,
            "outputPath": f"{name}_rows" if collected else None,
            "executionMode": "single",
            OURS: {k: v for k, v in raw.items() if k not in ("on", "rows")} | {"on": on} | ({"steps": True} if steps else {}),
        }  # fmt: skip
        self.nodes.append(_node(name, "decisionTableNode", name, content, 1, at))
        self._edge("request", name)
        for source in on.values():
            before = source.partition(".")[0]
            if PATH.fullmatch(source) and before in self.ends:
                self._edge(self.ends[before], name)
        self.ends[name] = name
        if collected:
            self._collected(name, hit, keys, at)
        elif not steps:
            self.report.differ(place, "jdm_row_number", name=name)
        if hit == "unique":
            self.report.keep(place, "jdm_unique")

    def _input(self, place: Said, name: str, key: str, source: str, kind: Type) -> Json:
        plain, at = bool(PATH.fullmatch(source)), Said("at_column", {"at": place, "column": key})
        path = source if plain else f"{name}.{key}"
        if not plain:
            self.report.differ(at, "jdm_hand_expression", path=path, source=" ".join(source.split()))
        elif source.partition(".")[0] not in self.ends:
            self.given.add(source)
        if kind.unit:
            self.report.differ(at, "jdm_unit", path=path, unit=UNITS.get(kind.unit, kind.unit))
        return {"id": f"in:{key}", "name": key, "field": path}

    def _rule(
        self, place: Said, number: int, row: Json, kinds: Mapping[str, Type], keys: Sequence[str], steps: bool
    ) -> Json:
        rule: Json = {"_id": f"row-{number + 1}"}
        place = Said("at_row", {"at": place, "row": number + 1})
        original: Json = {}
        for key, kind in kinds.items():
            raw = f"< {row[key]}" if steps else row.get(key)
            try:
                cell = zen_cell(raw, kind)
                back = our_cells(read_unary(cell, kind), kind) if cell else [""]
                if back != [raw] and raw is not None:
                    original[key] = raw
                rule[f"in:{key}"] = cell
            except Unreadable as error:
                self.report.tell("refused", Said("at_column", {"at": place, "column": key}), error.said)
        for key in keys:
            try:
                rule[f"out:{key}"] = zen_output(row.get(key))
                if read_output(rule[f"out:{key}"], 1)[1] != row.get(key):
                    original[key] = row.get(key)
            except Unreadable as error:
                self.report.tell("refused", Said("at_output", {"at": place, "output": key}), error.said)
        return rule | ({f"_{OURS}": json.dumps(original, ensure_ascii=False)} if original else {})

    def _collected(self, name: str, hit: str, keys: Sequence[str], at: int) -> None:
        """zen's collect gives a list: a node behind it puts the list together."""
        rows = f"{name}_rows"
        forms = {
            "count": "len({rows})",
            "sum": "sum(map({rows}, #.{key}))",
            "max": "len({rows}) > 0 ? max(map({rows}, #.{key})) : null",
            "min": "len({rows}) > 0 ? min(map({rows}, #.{key})) : null",
        }
        items = [
            {"id": f"{name}:{k}", "key": f"{name}.{k}", "value": forms[hit].format(rows=rows, key=k)}
            for k in keys
        ]
        content = {
            "expressions": items,
            "passThrough": False,
            "inputField": None,
            "outputPath": None,
            "executionMode": "single",
        }
        self.ends[name] = f"{name}:{hit}"
        self.nodes.append(_node(self.ends[name], "expressionNode", f"{hit} of {name}", content, 2, at))
        self._edge(name, self.ends[name])
        self.report.keep(Said("at_table", {"table": name}), "jdm_list_node", hit=hit, name=name)


def _node(name: str, kind: str, title: str, content: Json | None, x: int, y: int) -> Json:
    node: Json = {"id": name, "type": kind, "name": title, "position": {"x": 80 + 300 * x, "y": 80 + 120 * y}}
    return node if content is None else {**node, "content": content}
