"""JDM, the JSON of the zen engine: a document read without trust, its nodes in order, and what is told about a conversion."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from typing import Any, Literal, cast

from .wording import Language, Said

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
UNITS = {"date": "days since 1970", "ppm": "millionths (ppm)"}
"""Units that zen's readers are told in words."""
BARE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
Json = dict[str, Any]


Kind = Literal["refused", "difference", "kept"]
KINDS_ZH: dict[Kind, str] = {"refused": "拒绝", "difference": "差异", "kept": "保留"}
DOCUMENT = Said("at_document", {})


@dataclass(frozen=True, slots=True)
class Told:
    """refused: has to be changed first; difference: means something else on the other side; kept: means the same.

    In English and Chinese, as DefinitionProblem.
    """

    kind: Kind
    where: str
    what: str
    remedy: str
    where_zh: str
    what_zh: str
    remedy_zh: str

    @staticmethod
    def of(kind: Kind, where: Said, said: Said) -> "Told":
        (what, remedy), (what_zh, remedy_zh) = said.told("en"), said.told("zh")
        return Told(kind, where.what, what, remedy, where.told("zh")[0], what_zh, remedy_zh)

    def sentence(self, language: Language = "en") -> str:
        if language == "zh":
            return f"{KINDS_ZH[self.kind]}：{self.where_zh}：{self.what_zh}" + (
                f"；{self.remedy_zh}" if self.remedy_zh else ""
            )
        return f"{self.kind}: {self.where}: {self.what}" + (f"; {self.remedy}" if self.remedy else "")

    def __str__(self) -> str:
        return self.sentence()


class JdmInvalid(ValueError):
    """A document that could not be converted. `told` lists every refusal with its place and remedy."""

    def __init__(self, told: Sequence[Told]):
        self.told = tuple(told)
        super().__init__("not converted:\n" + "\n".join(f"  {one}" for one in self.told))


@dataclass
class Report:
    told: list[Told] = field(default_factory=list[Told])

    def tell(self, kind: Kind, where: Said, said: Said) -> None:
        self.told.append(Told.of(kind, where, said))

    def refuse(self, where: Said, slug: str, /, **values: object) -> None:
        self.tell("refused", where, Said(slug, values))

    def differ(self, where: Said, slug: str, /, **values: object) -> None:
        self.tell("difference", where, Said(slug, values))

    def keep(self, where: Said, slug: str, /, **values: object) -> None:
        self.tell("kept", where, Said(slug, values))

    @property
    def refused(self) -> list[Told]:
        return [one for one in self.told if one.kind == "refused"]

    def finish(self) -> tuple[Told, ...]:
        """Raises JdmInvalid when anything was refused."""
        if refused := self.refused:
            more = len(refused) - MAX_TOLD
            rest = [Told.of("refused", DOCUMENT, Said("jdm_more", {"more": more}))] if more > 0 else []
            raise JdmInvalid([*refused[:MAX_TOLD], *rest])
        return tuple(dict.fromkeys(self.told))


def refusal(where: Said, slug: str, /, **values: object) -> JdmInvalid:
    return JdmInvalid([Told.of("refused", where, Said(slug, values))])


def parse_json(text: str) -> Json:
    """A JSON object. Raises JdmInvalid for what is none, for repeated keys, and for what is too large or too deep."""
    if len(text) > MAX_CHARACTERS:
        raise refusal(DOCUMENT, "jdm_long", found=len(text), most=MAX_CHARACTERS)
    try:
        found: object = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate has no bytes
    except (ValueError, RecursionError) as error:
        said = "nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise refusal(DOCUMENT, "jdm_no_json", said=said) from None
    if not isinstance(found, dict):
        raise refusal(DOCUMENT, "jdm_no_object")
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
    place: Said
    content: Json
    before: tuple[str, ...] = ()


def read_graph(raw: Json, report: Report, partial: bool) -> list[Node]:
    """Nodes in an order in which each comes after what it reads, otherwise that of the document; [] after a refusal.

    partial: nodes that no table can stand for are told and left out, not refused.
    """
    nodes, edges = raw.get("nodes"), raw.get("edges", [])
    kind = raw.get("contentType", CONTENT_TYPE)
    if kind != CONTENT_TYPE or not isinstance(nodes, list) or not isinstance(edges, list):
        report.refuse(DOCUMENT, "jdm_no_decision", type=CONTENT_TYPE)
        return []
    nodes, edges = cast(list[object], nodes), cast(list[object], edges)
    if len(nodes) > MAX_NODES or len(edges) > MAX_EDGES:
        counts = {"nodes": len(nodes), "edges": len(edges)}
        report.refuse(DOCUMENT, "jdm_too_many", **counts, most_nodes=MAX_NODES, most_edges=MAX_EDGES)
        return []
    if raw.get("settings"):
        report.differ(Said("at_settings", {}), "jdm_settings")
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
            report.refuse(Said("at_edge", {"number": i + 1}), "jdm_lost_edge")
    try:
        order = _order(before)
    except CycleError:
        report.refuse(Said("at_edges", {}), "jdm_circle")
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
    place = Said("at_node", {"node": (name or own or str(number))[:75]})
    content = an_object(raw.get("content"))
    readable = kind in ("inputNode", "outputNode", "decisionTableNode", "expressionNode")
    if not own or own in found:
        report.refuse(place, "jdm_no_id")
    elif readable and not (partial and kind == "expressionNode"):
        if kind in ("inputNode", "outputNode") and content.get("schema"):
            report.differ(place, "jdm_schema")
        return Node(own, kind, name, place, content)
    elif partial:
        report.differ(place, "jdm_left_out", kind=kind)
    elif kind in _KINDS:
        report.refuse(place, "jdm_node_holds", kind=kind, what=_KINDS[kind])
    else:
        report.refuse(place, "jdm_unknown_node", kind=kind)
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
