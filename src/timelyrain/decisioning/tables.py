"""Decision tables: rows of cells over several values, read into the same tree as everything else.

A cell holds what its column must be: `-` anything, `missing`, `< 5`, `<= 5`, `> 5`, `>= 5`, `= 5`, `5`, `1..5` (both
ends), `[1..5)` (an open end), texts `'a', 'b'`, `true`, `not 'a'`. A missing value fits only `-` and `missing`. Numbers
may be written as yuan(20) or percent(5). hit: `first` row that fits; `unique`, at most one row fits; `sum`, `max`,
`min` and `count` collect over all that fit. The analysis is exact: each column falls into the segments that its cells
distinguish, and every combination of segments is visited (equal ones once).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

from .checks import Direction, direction, domain
from .definition import Block
from .language import BAD, BOOL, INT64, Apply, Constant, Node, Type, absent, constant, read
from .schema import MAX_FEN
from .wording import Said

HITS = ("first", "unique", "sum", "max", "min", "count")
MAX_ROWS = 500
MAX_STATES = 200_000
NULL = -(2**70)
"""Stands for `missing` among the codes of a segment."""
_OPEN_RANGE = re.compile(r"([\[(])\s*(.+?)\s*\.\.\s*(.+?)\s*([\])])")
_RANGE = re.compile(r"()(.+?)\s*\.\.\s*(.+?)()")
_SIDE = re.compile(r"(<=|>=|<|>|=)\s*(.+)")
_TEXTS = re.compile(r"\s*'[^']*'(\s*,\s*'[^']*')*\s*")
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class DecisionTable:
    """What a reader sees of a table: columns (name, expression as written), rows of cells as written, output names."""

    name: str
    hit: str
    columns: tuple[tuple[str, str], ...]
    cells: tuple[tuple[str, ...], ...]
    outputs: tuple[str, ...]
    values: tuple[tuple[int | str | None, ...], ...]
    note: str


@dataclass(frozen=True, slots=True)
class Cell:
    """spans: the codes that fit; missing: whether a missing value fits."""

    spans: tuple[Span, ...]
    missing: bool

    def fits(self, code: int) -> bool:
        return self.missing if code == NULL else any(low <= code <= high for low, high in self.spans)


@dataclass(frozen=True, slots=True)
class TableRead:
    """table: for readers; steps: <table>.row and <table>.<output>; moves: how each output moves with the watched name."""

    table: DecisionTable
    steps: tuple[tuple[str, Node], ...]
    moves: Mapping[str, Direction]


def read_table(
    block: Block, name: str, names: Mapping[str, Type], moves: Mapping[str, Direction]
) -> TableRead:
    """One [[table]] with `on = { column = "expression", … }`. Every problem is reported at its row and cell."""
    on = block.raw("on")
    written = {k: str(v) for k, v in cast(dict[str, object], on).items()} if isinstance(on, dict) else {}
    columns = {k: block.reading(("on", k), text, names) for k, text in written.items()}
    hit = block.choice("hit", HITS, "unique")
    gaps = block.choice("gaps", ("refused", "missing"), "refused")
    rows = block.rows("rows")
    note = block.text("note", "")
    block.done()
    outputs = tuple(dict.fromkeys(key for row in rows for key in row if key not in columns))
    table = DecisionTable(
        name,
        hit,
        tuple(written.items()),
        tuple(tuple(str(row.get(c, "-")) for c in columns) for row in rows),
        outputs,
        tuple(tuple(cast("int | str | None", row.get(o)) for o in outputs) for row in rows),
        note,
    )
    nothing = TableRead(table, tuple((f"{name}.{o}", Constant(BAD, 0)) for o in outputs), {})
    if not columns or not rows or not outputs or len(rows) > MAX_ROWS:
        found = {"columns": len(columns), "rows": len(rows), "outputs": len(outputs)}
        block.report(
            "rows", "table_shape", most=MAX_ROWS, found=tuple(f"{n} {what}" for what, n in found.items())
        )
        return nothing
    if any(node.type.kind == "bad" for node in columns.values()):
        return nothing
    cells = [
        [read_cell(block, i, c, row.get(c, "-"), columns[c].type) for c in columns]
        for i, row in enumerate(rows)
    ]
    parts = [[_output(block, i, o, row.get(o), hit) for i, row in enumerate(rows)] for o in outputs]
    if any(c is None for row in cells for c in row) or any(p is None for part in parts for p in part):
        return nothing
    boxes = [[cast(Cell, cell) for cell in row] for row in cells]
    values = [
        _one_kind(block, o, [cast(Constant, p) for p in part]) for o, part in zip(outputs, parts, strict=True)
    ]
    nodes = list(columns.values())
    axes = [segments(node.type, [row[i] for row in boxes]) for i, node in enumerate(nodes)]
    visit = Visit(axes, boxes)
    if not visit.run():
        block.report("rows", "table_too_wide")
        return nothing
    judge(block, hit, gaps == "missing", list(columns), nodes, visit)
    fits = [row_test(nodes, row) for row in boxes]
    row_type = Type("int", "", 1, len(rows), nullable=bool(visit.gaps))
    steps: list[tuple[str, Node]] = []
    found: dict[str, Direction] = {}
    if hit in ("first", "unique"):
        steps.append(
            (f"{name}.row", chain(fits, [constant(i + 1) for i in range(len(rows))], row_type, visit))
        )
    for o, column in zip(outputs, values, strict=True):
        kind = _widest(column, nullable=bool(visit.gaps))
        steps.append((f"{name}.{o}", chain(fits, list(column), kind, visit) if hit in ("first", "unique")
                      else _collect(fits, column, kind, hit)))  # fmt: skip
        found[f"{name}.{o}"] = output_moves(nodes, moves, axes, visit, column, hit)
    found[f"{name}.row"] = None if any(direction(node, moves) != 0 for node in nodes) else 0
    return TableRead(table, tuple(steps), found)


def read_cell(
    block: Block, row: int, column: str, raw: object, kind: Type, rows: str = "rows"
) -> Cell | None:
    """The codes a cell admits; None after a report."""
    if isinstance(raw, bool) or type(raw) is int:
        raw = str(raw).lower()
    if not isinstance(raw, str):
        block.report((rows, row, column), "no_cell", value=raw)
        return None
    text = raw.strip()
    low, high = domain(kind)
    if text == "-":
        return Cell(((low, high),), kind.nullable)
    if text == "missing":
        if not kind.nullable:
            block.report((rows, row, column), "never_missing")
            return None
        return Cell((), True)
    negated = text.startswith("not ")
    spans = _spans(text.removeprefix("not ").strip(), kind)
    if isinstance(spans, Said):
        block.report((rows, row, column), "cell", text=text, said=spans)
        return None
    inside = [(max(a, low), min(b, high)) for a, b in spans if a <= high and b >= low and a <= b]
    if negated:
        inside = _outside(inside, low, high)
    if not inside:
        block.report((rows, row, column), "cell_fits_nothing", text=text, low=low, high=high)
        return None
    return Cell(tuple(inside), False)


def _outside(spans: list[Span], low: int, high: int) -> list[Span]:
    rest: list[Span] = []
    for a, b in sorted(spans):
        if a > low:
            rest.append((low, a - 1))
        low = max(low, b + 1)
    return [*rest, (low, high)] if low <= high else rest


def _spans(text: str, kind: Type) -> list[Span] | Said:
    """Spans of codes, or what is wrong."""
    if kind.kind == "bool":
        if text not in ("true", "false"):
            return Said("cell_flag", {})
        return [(1, 1)] if text == "true" else [(0, 0)]
    if kind.kind == "enum":
        if not _TEXTS.fullmatch(text):
            return Said("cell_texts", {})
        words = re.findall(r"'([^']*)'", text)
        unknown = next((word for word in words if word not in kind.values), None)
        if unknown is not None:
            return Said("cell_unknown_text", {"value": unknown, "known": kind.values})
        return [(code, code) for code in sorted({kind.values.index(word) for word in words})]
    if kind.kind != "int":
        return Said("cell_kind", {"kind": kind.kind})
    if found := _OPEN_RANGE.fullmatch(text) or _RANGE.fullmatch(text):
        a, b = _number(found[2], kind), _number(found[3], kind)
        if isinstance(a, Said):
            return a
        if isinstance(b, Said):
            return b
        a, b = a + (found[1] == "("), b - (found[4] == ")")
        return [(a, b)] if a <= b else Said("cell_empty_range", {})
    if found := _SIDE.fullmatch(text):
        number = _number(found[2], kind)
        if isinstance(number, Said):
            return number
        sides = {
            "<": (-INT64, number - 1), "<=": (-INT64, number), ">": (number + 1, INT64), ">=": (number, INT64),
            "=": (number, number),
        }  # fmt: skip
        return [sides[found[1]]]
    spans: list[Span] = []
    for word in re.split(r",\s*", text):
        number = _number(word, kind)
        if isinstance(number, Said):
            return number
        spans.append((number, number))
    return spans


def _number(text: str, kind: Type) -> int | Said:
    """A written number; with a unit it has to be the column's."""
    node, faults = read(text, {}, "int")
    if faults or not isinstance(node, Constant):
        return faults[0].said if faults else Said("cell_no_number", {})
    if node.type.unit not in ("", kind.unit):
        return Said("cell_unit", {"found": node.type.unit, "unit": kind.unit or "plain numbers"})
    return node.value


def _output(block: Block, row: int, key: str, raw: object, hit: str) -> Constant | None:
    """An output of one row: a number (written, or yuan(…) and percent(…) in a text), or an enum text."""
    unit = next((u for u in ("fen", "ppm", "days") if key.endswith(f"_{u}")), "")
    if isinstance(raw, str) and re.fullmatch(r"(yuan|percent)\(.*\)", raw):
        node = block.reading(("rows", row, key), raw, {}, "int")
        if node.type.kind == "bad":
            return None
        raw = node.value if isinstance(node, Constant) and node.type.unit == unit else raw
    if type(raw) is int and abs(raw) <= MAX_FEN:
        return constant(raw, unit)
    if isinstance(raw, str) and hit in ("first", "unique") and not unit:
        return Constant(Type("enum", values=(raw,), nullable=False), 0)
    block.report(("rows", row, key) if raw is not None else ("rows", row), "no_output", name=key, value=raw)  # fmt: skip
    return None


def _one_kind(block: Block, key: str, parts: Sequence[Constant]) -> list[Constant]:
    """The outputs of a column under one type: enum texts share their values."""
    texts = tuple(dict.fromkeys(v for part in parts for v in part.type.values))
    if not texts:
        return list(parts)
    if any(part.type.kind != "enum" for part in parts):
        block.report("rows", "output_mixed", name=key)
        return [constant(0)] * len(parts)
    kind = Type("enum", values=texts, nullable=False)
    return [Constant(kind, texts.index(v)) for part in parts for v in part.type.values]


def _widest(column: Sequence[Constant], nullable: bool) -> Type:
    first = column[0].type
    low, high = min(p.type.low for p in column), max(p.type.high for p in column)
    return Type(first.kind, first.unit, low, high, first.values, nullable)


def segments(kind: Type, cells: Sequence[Cell]) -> list[int]:
    """One code for each segment of a column between which no cell distinguishes; NULL first where it may be missing."""
    low, high = domain(kind)
    starts = (
        {low}
        | {a for cell in cells for a, _ in cell.spans}
        | {b + 1 for cell in cells for _, b in cell.spans}
    )
    return ([NULL] if kind.nullable else []) + sorted(code for code in starts if low <= code <= high)


class Visit:
    """Every combination of segments: rows that are hit, pairs that meet, combinations that no row fits."""

    def __init__(self, axes: Sequence[Sequence[int]], boxes: Sequence[Sequence[Cell]]):
        self.axes = axes
        self.masks = [
            [sum(1 << r for r, row in enumerate(boxes) if row[i].fits(code)) for code in axis]
            for i, axis in enumerate(axes)
        ]
        self.rows = len(boxes)
        self._fit: dict[int, int] = {}
        """Row that is hit -> all rows that fit somewhere where it is hit, as bits."""
        self.gaps: list[tuple[int, ...]] = []
        self._seen: set[tuple[int, int]] = set()

    def run(self) -> bool:
        """False when there are too many combinations."""
        return self._walk(0, (1 << self.rows) - 1, ())

    @property
    def first(self) -> set[int]:
        """Rows that are the first to fit somewhere."""
        return set(self._fit)

    @property
    def meet(self) -> set[tuple[int, int]]:
        """(row that is hit, later row that fits there too)."""
        return {(a, b) for a, fit in self._fit.items() for b in range(a + 1, self.rows) if fit >> b & 1}

    def _walk(self, axis: int, alive: int, path: tuple[int, ...]) -> bool:
        if axis == len(self.axes) or not alive:
            self._leaf(alive, path)
            return True
        if (axis, alive) in self._seen:
            return True
        self._seen.add((axis, alive))
        done: set[int] = set()
        for i, mask in enumerate(self.masks[axis]):
            if alive & mask not in done:
                done.add(alive & mask)
                if len(self._seen) > MAX_STATES or not self._walk(axis + 1, alive & mask, (*path, i)):
                    return False
        return True

    def _leaf(self, alive: int, path: tuple[int, ...]) -> None:
        if not alive:
            if len(self.gaps) < 50:
                self.gaps.append(path)
            return
        self._seen.add((len(self.axes), alive))  # a leaf counts as a state too: the time is bounded
        first = (alive & -alive).bit_length() - 1
        self._fit[first] = self._fit.get(first, 0) | alive


def judge(
    block: Block,
    hit: str,
    gaps_stay: bool,
    columns: list[str],
    nodes: list[Node],
    visit: Visit,
    rows: str = "rows",
) -> None:
    """Reports rows that never speak, rows that meet where only one may, and combinations without a row."""
    if hit == "first":
        for r in range(visit.rows):
            if r not in visit.first:
                block.report((rows, r), "never_reached")
    elif hit == "unique":
        for a, b in sorted(visit.meet):
            block.report((rows, b), "overlaps", row=a + 1)
    if hit in ("first", "unique") and not gaps_stay:
        for gap in visit.gaps[:3]:
            where = tuple(_shown(columns[i], nodes[i].type, visit.axes[i], at) for i, at in enumerate(gap))
            block.report(rows, "gap", where=where)


def _shown(column: str, kind: Type, axis: Sequence[int], at: int) -> str:
    code = axis[at]
    if code == NULL:
        return f"{column} missing"
    last = axis[at + 1] - 1 if at + 1 < len(axis) else domain(kind)[1]
    if kind.kind in ("enum", "bool"):
        words = kind.values or ("false", "true")
        return f"{column} {' or '.join(words[code : last + 1])}"
    return f"{column} {code}..{last}" if code < last else f"{column} {code}"


def row_test(nodes: Sequence[Node], row: Sequence[Cell]) -> Node | None:
    """The condition of a row, never missing; None when it always holds."""
    tests = [test for node, cell in zip(nodes, row, strict=True) if (test := _test(node, cell)) is not None]
    known = replace(BOOL, nullable=False)
    return None if not tests else tests[0] if len(tests) == 1 else Apply(known, "and", tuple(tests))


def _test(node: Node, cell: Cell) -> Node | None:
    known, (low, high) = replace(BOOL, nullable=False), domain(node.type)
    whole = cell.spans == ((low, high),)
    if whole and (cell.missing or not node.type.nullable):
        return None
    if not cell.spans:
        return Apply(known, "missing", (node,))
    kind = replace(BOOL, nullable=node.type.nullable)
    if whole:
        return Apply(known, "not", (Apply(known, "missing", (node,)),))
    if node.type.kind == "bool":
        inside: Node = node if cell.spans[0][0] else Apply(kind, "not", (node,))
    elif all(a == b for a, b in cell.spans):
        codes = tuple(Constant(replace(node.type, nullable=False), a) for a, _ in cell.spans)
        inside = Apply(kind, "eq", (node, *codes)) if len(codes) == 1 else Apply(kind, "in", (node, *codes))
    elif node.type.kind == "enum":
        codes = tuple(
            Constant(replace(node.type, nullable=False), c) for a, b in cell.spans for c in range(a, b + 1)
        )
        inside = Apply(kind, "in", (node, *codes))
    else:
        ways = tuple(_within(kind, node, a, b, low, high) for a, b in cell.spans)
        inside = ways[0] if len(ways) == 1 else Apply(kind, "or", ways)
    return Apply(known, "coalesce", (inside, Constant(known, 0))) if kind.nullable else inside


def _within(kind: Type, node: Node, a: int, b: int, low: int, high: int) -> Node:
    sides = [Apply(kind, "ge", (node, constant(a)))] if a > low else []
    sides += [Apply(kind, "le", (node, constant(b)))] if b < high else []
    return sides[0] if len(sides) == 1 else Apply(kind, "and", tuple(sides))


def chain(fits: Sequence[Node | None], values: Sequence[Node], kind: Type, visit: Visit) -> Node:
    """The value of the first row that fits. Where every combination has a row, the last one needs no test."""
    result: Node = absent(kind)
    for r in reversed(range(len(fits))):
        test = fits[r]
        last = test is None or (r == len(fits) - 1 and not visit.gaps)
        result = values[r] if last else Apply(kind, "if", (cast(Node, test), values[r], result))
    return result


def _collect(fits: Sequence[Node | None], column: Sequence[Constant], kind: Type, hit: str) -> Node:
    """Over all rows that fit: their sum or number (0 of none), their greatest or least (missing of none)."""
    sum_low, sum_high = sum(min(p.value, 0) for p in column), sum(max(p.value, 0) for p in column)
    result: Node | None = None
    for test, part in zip(fits, column, strict=True):
        value: Node = constant(1) if hit == "count" else part
        if hit in ("sum", "count"):
            zero = constant(0, value.type.unit)
            one = (
                value
                if test is None
                else Apply(
                    replace(kind, low=min(0, value.type.low), high=max(0, value.type.high), nullable=False),
                    "if",
                    (test, value, zero),
                )
            )
            total = Type(
                "int",
                value.type.unit,
                *((0, len(column)) if hit == "count" else (sum_low, sum_high)),
                nullable=False,
            )
            result = one if result is None else Apply(total, "add", (result, one))
            continue
        open_ = replace(kind, nullable=True)
        one = value if test is None else Apply(open_, "if", (test, value, absent(kind)))
        if result is None:
            result = one
        else:  # max of those that are there
            both = Apply(open_, hit, (result, one))
            result = Apply(open_, "coalesce", (both, Apply(open_, "coalesce", (result, one))))
    return cast(Node, result)


def output_moves(nodes: Sequence[Node], moves: Mapping[str, Direction], axes: Sequence[Sequence[int]], visit: Visit,
           column: Sequence[Constant], hit: str) -> Direction:  # fmt: skip
    """How an output moves when the watched name rises: exact over the segments of the one column that depends on it."""
    ways = [direction(node, moves) for node in nodes]
    moving = [i for i, way in enumerate(ways) if way != 0]
    if not moving:
        return 0
    way = ways[moving[0]]
    if len(moving) > 1 or way is None or hit not in ("first", "unique") or column[0].type.kind != "int":
        return None
    found: set[int] = set()
    others = [i for i in range(len(nodes)) if i != moving[0]]
    alive_sets = {(1 << visit.rows) - 1}
    for i in others:
        alive_sets = {alive & mask for alive in alive_sets for mask in visit.masks[i]}
        if len(alive_sets) > MAX_STATES:
            return None
    for alive in alive_sets:
        rows = [
            alive & mask
            for code, mask in zip(axes[moving[0]], visit.masks[moving[0]], strict=True)
            if code != NULL
        ]
        run = [column[(r & -r).bit_length() - 1].value for r in rows if r]
        found |= {1 if b > a else -1 for a, b in pairwise(run) if a != b}
    return None if len(found) > 1 else way * found.pop() if found else 0
