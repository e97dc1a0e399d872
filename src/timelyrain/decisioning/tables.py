"""Decision tables: rows of cells over several values, read into the same tree as everything else.

A cell holds what its column must be: `-` anything, `missing`, `< 5`, `<= 5`, `> 5`, `>= 5`, `= 5`, `5`, `1..5` (both
ends), `[1..5)` (an open end), texts `'a', 'b'`, `true`, `not 'a'`. A missing value fits only `-` and `missing`. Numbers
may be written as yuan(20) or percent(5). hit: `first` row that fits; `unique`, at most one row fits; `sum`, `max`,
`min` and `count` collect over all that fit. table_checks.py holds the analysis.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

from .checks import Direction, direction, domain
from .definition import KEYWORDS, Block
from .intervals import Span, bounds, outside
from .language import BAD, BOOL, INT64, Apply, Constant, Name, Node, Type, absent, constant, read
from .schema import MAX_FEN
from .table_checks import Cell, Visit, judge, output_moves, segments
from .wording import Said

COLLECTED = ("sum", "max", "min", "count")
HITS = ("first", "unique", *COLLECTED)
MAX_ROWS = 5_000
LINEAR = 60
"""Rows up to which a table is a chain of conditions; a longer one is halved again and again, and as shallow as a short one."""
SIDE = re.compile(r"(<=|>=|<|>|=)\s*(.+)")
"""A cell that compares: its mark and its number."""
_OUTPUT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_DAY = re.compile(r"\d{4}-\d\d?-\d\d?")
_NUMBER_FAULTS = (
    "no_date",
    "no_such_number",
    "needs_written_number",
    "over_int64",
    "wide_sign",
    "no_literal",
)
TEXTS = re.compile(r"'[^']*'(\s*,\s*'[^']*')*")


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
class TableRead:
    """table: for readers; steps: <table>.row and <table>.<output>; moves: how each output moves with the watched name."""

    table: DecisionTable
    steps: tuple[tuple[str, Node], ...]
    moves: Mapping[str, Direction]


def read_table(
    block: Block, name: str, names: Mapping[str, Type], moves: Mapping[str, Direction]
) -> TableRead:
    """One [[table]] with `on = { column = "expression", … }`. Every problem is reported at its row and cell."""
    on = cast(dict[str, object], block.raw("on"))
    for column, source in on.items():
        if not isinstance(source, str):
            block.report(("on", column), "no_text", value=source)
    written = {k: str(v) for k, v in on.items()}
    columns = {k: block.reading(("on", k), text, names) for k, text in written.items()}
    hit = block.choice("hit", HITS, "unique")
    gaps = block.choice("gaps", ("refused", "missing"), "refused")
    rows = block.rows("rows")
    note = block.text("note", "")
    block.done()
    outputs = output_names(block, rows, tuple(columns), "" if hit in COLLECTED else "row")
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
        table_shape(block, len(columns), len(rows), len(outputs))
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
    visit = Visit(axes, boxes, block.spent)
    if not visit.run():
        block.report("rows", "table_too_wide")
        return nothing
    judge(block, hit, gaps == "missing", list(columns), nodes, visit)
    fits = [row_test(nodes, row) for row in boxes]
    row_type = Type("int", "", 1, len(rows), nullable=bool(visit.gaps))
    steps: list[tuple[str, Node]] = []
    found: dict[str, Direction] = {}
    single = hit in ("first", "unique")
    if single:
        steps.append(
            (f"{name}.row", chain(fits, [constant(i + 1) for i in range(len(rows))], row_type, visit))
        )
    for o, column in zip(outputs, values, strict=True):
        kind = _widest(column, nullable=bool(visit.gaps))
        if not single:
            node = _collect(fits, column, kind, hit)
        elif len(rows) > LINEAR:
            node = _by_row(Name(row_type, f"{name}.row"), column, kind)
        else:
            node = chain(fits, list(column), kind, visit)
        steps.append((f"{name}.{o}", node))
        found[f"{name}.{o}"] = output_moves(nodes, moves, axes, visit, column, hit)
    found[f"{name}.row"] = None if any(direction(node, moves) != 0 for node in nodes) else 0
    return TableRead(table, tuple(steps), found)


def unit_of(name: str) -> str:
    """The unit that the end of a name states."""
    return next((unit for unit in ("fen", "ppm", "days") if name.endswith(f"_{unit}")), "")


def table_shape(block: Block, columns: int, rows: int, outputs: int) -> None:
    block.report("rows", "table_shape", columns=columns, rows=rows, outputs=outputs, most=MAX_ROWS)


def output_names(
    block: Block, rows: Sequence[Mapping[str, object]], columns: Sequence[str], taken: str = ""
) -> tuple[str, ...]:
    """Keys of rows that are no columns; taken: a name that the table itself gives."""
    found = {key: i for i, row in reversed(list(enumerate(rows))) for key in row if key not in columns}
    for key, row in found.items():
        if not _OUTPUT.fullmatch(key) or key in KEYWORDS or key == taken:
            block.report(("rows", row, key), "output_name", name=key)
    return tuple(dict.fromkeys(key for row in rows for key in row if key not in columns))


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
        inside = outside(inside, low, high)
    if not inside:
        block.report((rows, row, column), "cell_fits_nothing", text=text, low=low, high=high)
        return None
    return Cell(tuple(inside), False)


def _spans(text: str, kind: Type) -> list[Span] | Said:
    """Spans of codes, or what is wrong."""
    if kind.kind == "bool":
        if text not in ("true", "false"):
            return Said("cell_flag", {})
        return [(1, 1)] if text == "true" else [(0, 0)]
    if kind.kind == "enum":
        if not TEXTS.fullmatch(text):
            return Said("cell_texts", {})
        words = re.findall(r"'([^']*)'", text)
        unknown = next((word for word in words if word not in kind.values), None)
        if unknown is not None:
            return Said("cell_unknown_text", {"value": unknown, "known": kind.values})
        return [(code, code) for code in sorted({kind.values.index(word) for word in words})]
    if kind.kind != "int":
        return Said("cell_kind", {"kind": kind.kind})
    if found := split_range(text):
        opened, low, high, ended = found
        a, b = _number(low, kind), _number(high, kind)
        if isinstance(a, Said):
            return a
        if isinstance(b, Said):
            return b
        a, b = a + (opened == "("), b - (ended == ")")
        return [(a, b)] if a <= b else Said("cell_empty_range", {})
    if found := SIDE.fullmatch(text):
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


def split_range(text: str) -> tuple[str, str, str, str] | None:
    """Of a..b: its bracket or '', the ends, the other bracket; None for what is no range."""
    bare = text[:1] not in ("[", "(") or text[-1:] not in ("]", ")")
    low, dots, high = (text if bare else text[1:-1]).partition("..")
    if not dots or not low.strip() or not high.strip():
        return None
    return "" if bare else text[0], low.strip(), high.strip(), "" if bare else text[-1]


def _number(text: str, kind: Type) -> int | Said:
    """A written number; with a unit it has to be the column's."""
    if kind.unit == "date" and _DAY.fullmatch(text):
        return Said("date_unwritten", {"value": text})
    node, faults = read(text, {}, "int")
    if faults or not isinstance(node, Constant):
        told = faults[0].said if faults else Said("", {})
        return told if told.slug in _NUMBER_FAULTS else Said("cell_no_number", {})
    if node.type.unit not in ("", kind.unit):
        return Said("cell_unit", {"found": node.type.unit, "unit": kind.unit or "plain numbers"})
    return node.value


def _output(block: Block, row: int, key: str, raw: object, hit: str) -> Constant | None:
    """An output of one row: a number (written, or yuan(…) and percent(…) in a text), or an enum text."""
    unit = unit_of(key)
    if isinstance(raw, str) and re.fullmatch(r"(yuan|percent)\(.*\)", raw):
        node = block.reading(("rows", row, key), raw, {}, "int")
        if node.type.kind == "bad":
            return None
        if node.type.unit != unit:
            block.report(("rows", row, key), "output_unit", name=key, value=raw, unit=unit or "plain numbers")
            return None
        raw = cast(Constant, node).value
    if type(raw) is int and abs(raw) <= MAX_FEN:
        return constant(raw, unit)
    if isinstance(raw, str) and hit in ("first", "unique") and not unit:
        return Constant(Type("enum", values=(raw,), nullable=False), 0)
    if raw is None:
        block.report(("rows", row), "output_absent", name=key)
    else:
        block.report(("rows", row, key), "no_output", name=key, value=raw)
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
    if len(fits) > LINEAR:
        return _halved(fits, values, kind, visit)
    result: Node = absent(kind)
    for r in reversed(range(len(fits))):
        test = fits[r]
        last = test is None or (r == len(fits) - 1 and not visit.gaps)
        result = values[r] if last else Apply(kind, "if", (cast(Node, test), values[r], result))
    return result


def _halved(fits: Sequence[Node | None], values: Sequence[Node], kind: Type, visit: Visit) -> Node:
    """The same for many rows: does one of the first half fit, then the first of that half, else of the other."""
    known = replace(BOOL, nullable=False)

    @cache
    def either(low: int, high: int) -> Node:
        """Whether one of these rows fits; each part of the tree once."""
        if high - low == 1:
            return fits[low] or Constant(known, 1)
        middle = (low + high) // 2
        return Apply(known, "or", (either(low, middle), either(middle, high)))

    def first(low: int, high: int) -> Node:
        if high - low == 1:
            return values[low]
        middle = (low + high) // 2
        return Apply(kind, "if", (either(low, middle), first(low, middle), first(middle, high)))

    found = first(0, len(fits))
    return Apply(kind, "if", (either(0, len(fits)), found, absent(kind))) if visit.gaps else found


def pick(at: Node, starts: Sequence[int], values: Sequence[Node], kind: Type) -> Node:
    """The last value whose start is not over `at` (the first has none below), by halves; missing where `at` is."""
    if len(values) == 1:
        return values[0]
    middle = len(values) // 2
    test = Apply(replace(BOOL, nullable=at.type.nullable), "lt", (at, constant(starts[middle])))
    below, above = (
        pick(at, starts[:middle], values[:middle], kind),
        pick(at, starts[middle:], values[middle:], kind),
    )
    return Apply(kind, "if", (test, below, above))


def _by_row(row: Node, column: Sequence[Constant], kind: Type) -> Node:
    """An output of many rows, from the number of the row that was hit."""
    starts = [r for r in range(len(column)) if r == 0 or column[r].value != column[r - 1].value]
    found = pick(row, [r + 1 for r in starts], [column[r] for r in starts], kind)
    if isinstance(found, Constant) and row.type.nullable:  # the same everywhere, missing where no row fits
        return Apply(
            kind, "if", (Apply(replace(BOOL, nullable=True), "ge", (row, constant(1))), found, found)
        )
    return found


def _collect(fits: Sequence[Node | None], column: Sequence[Constant], kind: Type, hit: str) -> Node:
    """Over all rows that fit: their sum or number (0 of none), their greatest or least (missing of none)."""
    if hit == "count":
        column = [constant(1)] * len(column)
    if hit in ("sum", "count"):
        return _folded("add", [_unless(test, part, 0) for test, part in zip(fits, column, strict=True)])
    values = [part.value for part in column]
    none = min(values) - 1 if hit == "max" else max(values) + 1
    found = _folded(hit, [_unless(test, part, none) for test, part in zip(fits, column, strict=True)])
    hole = Apply(replace(BOOL, nullable=False), "eq", (found, constant(none, kind.unit)))
    return Apply(replace(kind, nullable=True), "if", (hole, absent(kind), found))


def _unless(test: Node | None, part: Constant, otherwise: int) -> Node:
    """The part where its row fits, else a number."""
    if test is None:
        return part
    low, high = min(part.value, otherwise), max(part.value, otherwise)
    kind = Type("int", part.type.unit, low, high, nullable=False)
    return Apply(kind, "if", (test, part, constant(otherwise, part.type.unit)))


def _folded(op: str, parts: Sequence[Node]) -> Node:
    """One operation over all, by halves: a tree as deep as the number of parts has digits."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    a, b = _folded(op, parts[:middle]), _folded(op, parts[middle:])
    low, high = bounds(op, [(a.type.low, a.type.high), (b.type.low, b.type.high)])
    return Apply(Type("int", a.type.unit, low, high, nullable=False), op, (a, b))
