"""Scorecards: points for the bin that a value falls into, one bin for each value and one for a missing one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from .checks import Direction, join
from .definition import KEYWORDS, Block
from .language import BAD, Apply, Constant, Node, Type, constant
from .table_checks import Cell, Visit, judge, output_moves, segments
from .tables import MAX_ROWS, chain, read_cell, row_test

MAX_POINTS = 100_000
MAX_CHARACTERISTICS = 100


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One line of a scorecard. most: the points of its best bin; what an applicant has less is lost. c1: as of rules."""

    name: str
    on: str
    zh: str
    en: str
    c1: int
    most: int
    bins: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """points = offset + the points of every characteristic; <name>.<characteristic> holds those of one."""

    name: str
    offset: int
    zh: str
    en: str
    note: str
    characteristics: tuple[Characteristic, ...]


@dataclass(frozen=True, slots=True)
class ScorecardRead:
    card: Scorecard
    steps: tuple[tuple[str, Node], ...]
    moves: Mapping[str, Direction]


def read_scorecard(
    block: Block, name: str, names: Mapping[str, Type], moves: Mapping[str, Direction]
) -> ScorecardRead:
    """One [[scorecard]] with its [[scorecard.characteristic]] blocks."""
    offset = block.integer("offset", 0, -MAX_POINTS, MAX_POINTS)
    zh, en, note = block.text("zh"), block.text("en"), block.text("note", "")
    parts = block.parts("characteristic")
    block.done()
    if not parts:
        block.report("name", "no_characteristics")
    if len(parts) > MAX_CHARACTERISTICS:
        block.report("name", "too_many_characteristics", found=len(parts), most=MAX_CHARACTERISTICS)
        parts = parts[:MAX_CHARACTERISTICS]
    found: list[Characteristic] = []
    steps: list[tuple[str, Node]] = []
    ways: dict[str, Direction] = {}
    for part in parts:
        line, node, way = _characteristic(part, names, moves, {c.name: c for c in found})
        found.append(line)
        steps.append((f"{name}.{line.name}", node))
        ways[f"{name}.{line.name}"] = way
    total: Node = constant(offset)
    for _, node in steps:
        low, high = total.type.low + node.type.low, total.type.high + node.type.high
        kind = BAD if node.type.kind == "bad" else Type("int", "", low, high, nullable=False)
        total = Apply(kind, "add", (total, node))
    ways[name] = join(*ways.values())
    card = Scorecard(name, offset, zh, en, note, tuple(found))
    return ScorecardRead(card, (*steps, (name, total)), ways)


def _characteristic(
    block: Block, names: Mapping[str, Type], moves: Mapping[str, Direction], taken: Mapping[str, object]
) -> tuple[Characteristic, Node, Direction]:
    name, on = block.name("name", taken, reserved=KEYWORDS), block.expression("on", names)
    zh, en, c1 = block.text("zh"), block.text("en"), block.integer("c1", 24, 1, 24)
    rows = block.rows("bins")
    written, formula = tuple(str(row.get("is", "-")) for row in rows), str(block.raw("on") or "")
    block.done()
    points: list[Constant] = []
    cells: list[Cell] = []
    for i, row in enumerate(rows):
        given, odd = row.get("points"), sorted({*row} - {"is", "points"})
        if type(given) is not int or abs(given) > MAX_POINTS or odd:
            block.report(
                ("bins", i),
                "bin_key" if odd else "bin_points",
                name=(odd or [""])[0],
                value=given,
                most=MAX_POINTS,
            )
        points.append(constant(given if type(given) is int else 0))
        cell = (
            None if on.type.kind == "bad" else read_cell(block, i, "is", row.get("is", "-"), on.type, "bins")
        )
        if cell is not None:
            cells.append(cell)
    bins = tuple(zip(written, (point.value for point in points), strict=True))
    line = Characteristic(name, formula, zh, en, c1, max((p.value for p in points), default=0), bins)
    if not rows or len(cells) < len(rows):
        if not rows:
            block.report("bins", "no_bins")
        return line, Constant(BAD, 0), None
    boxes = [[cell] for cell in cells]
    axes = [segments(on.type, cells)]
    visit = Visit(axes, boxes, block.spent)
    if len(rows) > MAX_ROWS or not visit.run():
        block.report("bins", "too_many_bins", found=len(rows), most=MAX_ROWS)
        return line, Constant(BAD, 0), None
    judge(block, "unique", False, [name], [on], visit, "bins")
    low, high = min(p.value for p in points), max(p.value for p in points)
    kind = Type("int", "", low, high, nullable=bool(visit.gaps))
    node = chain([row_test([on], row) for row in boxes], cast(list[Node], points), kind, visit)
    return line, node, output_moves([on], moves, axes, visit, points, "unique")
