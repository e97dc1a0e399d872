"""JDM, the JSON of the zen engine: a document read without trust, its nodes in order, and what is told about a conversion."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from typing import Any, Literal, cast

CONTENT_TYPE = "application/vnd.gorules.decision"
MAX_CHARACTERS = 2**24
MAX_NODES = 500
MAX_EDGES = 10_000
MAX_TOLD = 200
OURS = "timelyrain"
"""The key under which an export keeps what zen has no place for; zen ignores it."""
_KINDS = {
    "functionNode": "JavaScript",
    "switchNode": "branches",
    "decisionNode": "another document",
    "customNode": "code of the caller",
}
COLLECTED = ("sum", "max", "min", "count")
"""Hit policies that zen's collect can stand for, with a node behind it."""
BARE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """refused: has to be changed first; difference: means something else on the other side; kept: means the same."""

    kind: Literal["refused", "difference", "kept"]
    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.what}" + (f"; {self.remedy}" if self.remedy else "")


class JdmInvalid(ValueError):
    """A document that could not be converted. `told` lists every refusal with its place and remedy."""

    def __init__(self, told: Sequence[Told]):
        self.told = tuple(told)
        super().__init__("not converted:\n" + "\n".join(f"  {one}" for one in self.told))


@dataclass
class Report:
    told: list[Told] = field(default_factory=list[Told])

    def refuse(self, where: str, what: str, remedy: str) -> None:
        self.told.append(Told("refused", where, what, remedy))

    def differ(self, where: str, what: str, remedy: str = "") -> None:
        self.told.append(Told("difference", where, what, remedy))

    def keep(self, where: str, what: str) -> None:
        self.told.append(Told("kept", where, what))

    @property
    def refused(self) -> list[Told]:
        return [one for one in self.told if one.kind == "refused"]

    def finish(self) -> tuple[Told, ...]:
        """Raises JdmInvalid when anything was refused."""
        if refused := self.refused:
            more = len(refused) - MAX_TOLD
            rest = (
                [Told("refused", "document", f"and {more} more", "correct these first")] if more > 0 else []
            )
            raise JdmInvalid([*refused[:MAX_TOLD], *rest])
        return tuple(dict.fromkeys(self.told))


def parse_json(text: str) -> Json:
    """A JSON object. Raises JdmInvalid for what is none, for repeated keys, and for what is too large or too deep."""
    if len(text) > MAX_CHARACTERS:
        raise JdmInvalid(
            [Told("refused", "document", f"{len(text)} characters", f"at most {MAX_CHARACTERS}")]
        )
    try:
        found: object = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate has no bytes
    except (ValueError, RecursionError) as error:
        said = "nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise JdmInvalid(
            [Told("refused", "document", f"not JSON: {said}", "export it from zen again")]
        ) from None
    if not isinstance(found, dict):
        raise JdmInvalid([Told("refused", "document", "is not an object", "give nodes and edges")])
    return cast(Json, found)


def _once(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def text_of(raw: object) -> str:
    return raw if isinstance(raw, str) else ""


def objects(raw: object) -> list[Json]:
    items = cast(list[object], raw) if isinstance(raw, list) else []
    return [cast(Json, item) for item in items if isinstance(item, dict)]


def an_object(raw: object) -> Json:
    return cast(Json, raw) if isinstance(raw, dict) else {}


@dataclass(frozen=True, slots=True)
class Node:
    """place: how a report calls it; before: ids of the nodes whose output it reads."""

    id: str
    type: str
    name: str
    place: str
    content: Json
    before: tuple[str, ...] = ()


def read_graph(raw: Json, report: Report, partial: bool = False) -> list[Node]:
    """Nodes in an order in which each comes after what it reads, otherwise that of the document; [] after a refusal.

    partial: nodes that no table can stand for are told and left out, not refused.
    """
    nodes, edges = raw.get("nodes"), raw.get("edges", [])
    kind = raw.get("contentType", CONTENT_TYPE)
    if kind != CONTENT_TYPE or not isinstance(nodes, list) or not isinstance(edges, list):
        report.refuse("document", "is no JDM decision", f"give contentType {CONTENT_TYPE}, nodes and edges")
        return []
    nodes, edges = cast(list[object], nodes), cast(list[object], edges)
    if len(nodes) > MAX_NODES or len(edges) > MAX_EDGES:
        report.refuse(
            "document", f"{len(nodes)} nodes, {len(edges)} edges", f"at most {MAX_NODES} and {MAX_EDGES}"
        )
        return []
    if raw.get("settings"):
        report.differ("settings", "zen checks input and output against these schemas; they are left out")
    found: dict[str, Node] = {}
    for i, item in enumerate(nodes):
        node = _node(i + 1, an_object(item), found, report, partial)
        if node:
            found[node.id] = node
    before: dict[str, set[str]] = {name: set() for name in found}
    for i, edge in enumerate(edges):
        source, target = (text_of(an_object(edge).get(key)) for key in ("sourceId", "targetId"))
        if source in found and target in found:
            before[target].add(source)
        elif not report.refused and not partial:
            report.refuse(f"edge {i + 1}", "joins nodes that are not there", "give sourceId and targetId")
    try:
        order = _order(before)
    except CycleError:
        report.refuse("edges", "run in a circle", "a decision has a beginning and an end")
        return []
    return [replace(found[name], before=tuple(sorted(before[name]))) for name in order]


def _order(before: dict[str, set[str]]) -> list[str]:
    index = {name: i for i, name in enumerate(before)}
    sorter = TopologicalSorter(before)
    sorter.prepare()
    ready: list[tuple[int, str]] = []
    order: list[str] = []
    while sorter.is_active():  # of those that may come next, the first of the document
        for name in sorter.get_ready():
            heappush(ready, (index[name], name))
        order.append(heappop(ready)[1])
        sorter.done(order[-1])
    return order


def _node(number: int, raw: Json, found: dict[str, Node], report: Report, partial: bool) -> Node | None:
    own, kind, name = (text_of(raw.get(key)) for key in ("id", "type", "name"))
    place = f"node {name or own or number}"[:80]
    content = an_object(raw.get("content"))
    readable = kind in ("inputNode", "outputNode", "decisionTableNode", "expressionNode")
    if not own or own in found:
        report.refuse(place, "has no id of its own", "give every node an id")
    elif readable and not (partial and kind == "expressionNode"):
        if kind in ("inputNode", "outputNode") and content.get("schema"):
            report.differ(
                place, "zen checks against its schema, which is left out; evidence has its own checks here"
            )
        return Node(own, kind, name, place, content)
    elif partial:
        report.differ(place, f"{kind[:60]!r} is left out: what it gives has to be a feature or figure here")
    elif kind in _KINDS:
        report.refuse(place, f"a {kind} holds {_KINDS[kind]}", "write it as tables, figures or rules")
    else:
        report.refuse(place, f"unknown type {kind[:60]!r}", "only decision tables can be imported")
    return None


def toml_table(block: Json) -> str:
    """A [[table]]; keys whose value is None are left out."""
    lines = ["[[table]]"]
    for key, value in block.items():
        if key == "rows":
            rows = ",\n".join(f"    {toml_value(row)}" for row in cast(list[Json], value))
            lines.append(f"rows = [\n{rows},\n]\n")
        elif value is not None:
            lines.append(f"{key} = {toml_value(value)}")
    return "\n".join(lines)


def toml_value(value: object) -> str:
    if isinstance(value, dict):
        pairs = cast(Json, value).items()
        return (
            "{ "
            + ", ".join(f"{k if BARE.fullmatch(k) else toml_value(k)} = {toml_value(v)}" for k, v in pairs)
            + " }"
        )
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
