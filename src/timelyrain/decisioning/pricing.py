"""The price: of a grid of rates the lawful one with the greatest expected profit, rising with PD by construction.

For each rate r of the grid: margin(r) = income - funding - cost, all without PD; loss = the expected loss, without r;
expected profit = acceptance(r) x (margin(r) - loss), where acceptance falls as r rises. The best rate is the least one
whose unrounded profit is greatest among floor <= r <= cap. It cannot fall as PD rises: let loss grow by d; then the
profit of each rate falls by acceptance(r) x d, by less the higher the rate, so a higher rate that was at least as good
stays so, and floor and cap may only rise. This holds in integers as written, because nothing is rounded before the
comparison. The four conditions (who may read PD, who may read the rate, which way loss, floor and cap move, the shape
of the curve) are proved when a definition is read, or it is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

from .checks import Direction, direction
from .definition import Block
from .intervals import bounds
from .language import (
    BAD,
    BOOL,
    INT64,
    PPM,
    Apply,
    Constant,
    Name,
    Node,
    Type,
    absent,
    constant,
    names_read,
)

MAX_RATES = 60
LINES = ("income", "funding", "cost")


@dataclass(frozen=True, slots=True)
class PriceGrid:
    """The grid as declared. rates ppm a year, ascending; acceptance in ppm at each of them; formulas as written."""

    name: str
    rates: tuple[int, ...]
    acceptance: tuple[int, ...]
    formulas: Mapping[str, str]
    zh: str
    en: str
    note: str

    def column(self, part: str) -> tuple[str, ...]:
        """Names of the steps that hold `margin` or `profit` (in millionths of a fen), rate by rate."""
        return tuple(f"{self.name}.{part}.{i}" for i in range(len(self.rates)))


@dataclass(frozen=True, slots=True)
class PriceRead:
    grid: PriceGrid
    steps: tuple[tuple[str, Node], ...]
    moves: Mapping[str, Direction]


def read_price(
    block: Block, name: str, names: Mapping[str, Type], moves: Mapping[str, Direction]
) -> PriceRead:
    """One [[price]]: its steps end with the figure `name`, missing when no rate of the grid is lawful."""
    rates = _rates(block)
    acceptance = _acceptance(block, rates)
    free = Type("int", "ppm", rates[0], rates[-1], nullable=False)
    inside = {**names, "rate": free}
    parts = {key: block.expression(key, inside, "int") for key in (*LINES, "loss", "floor", "cap")}
    formulas = {key: block.text(key) for key in parts}
    zh, en, note = block.text("zh"), block.text("en"), block.text("note", "")
    block.done()
    grid = PriceGrid(name, tuple(rates), tuple(acceptance), formulas, zh, en, note)
    if any(node.type.kind == "bad" for node in parts.values()):
        return PriceRead(grid, ((name, Constant(BAD, 0)),), {})
    _judge(block, parts, moves)
    node_of = {key: cast(Node, Name(node.type, f"{name}.{key}")) for key, node in parts.items()}
    steps: list[tuple[str, Node]] = [(f"{name}.{key}", parts[key]) for key in ("loss", "floor", "cap")]
    margins: list[Node] = []
    for i, rate in enumerate(rates):
        income, funding, cost = (put(parts[key], "rate", constant(rate, "ppm")) for key in LINES)
        margin = _operate(block, "sub", _operate(block, "sub", income, funding), cost)
        steps.append((f"{name}.margin.{i}", margin))
        margins.append(Name(margin.type, f"{name}.margin.{i}"))
    scores: list[Node] = []
    for i, margin in enumerate(margins):
        left = _operate(block, "sub", margin, node_of["loss"])
        profit = _operate(
            block, "mul", replace(left, type=replace(left.type, unit="")), constant(acceptance[i])
        )
        steps.append((f"{name}.profit.{i}", profit))
        scores.append(Name(profit.type, f"{name}.profit.{i}"))
    steps += _best(name, rates, scores, node_of)
    ways: dict[str, Direction] = {step: None for step, _ in steps}
    return PriceRead(
        grid, tuple(steps), {**ways, f"{name}.loss": 1, f"{name}.floor": 1, f"{name}.cap": 1, name: 1}
    )


def _rates(block: Block) -> list[int]:
    raw = block.items("rates")
    rates = [rate for rate in raw if type(rate) is int and 0 < rate <= PPM]
    if len(rates) < len(raw) or not 2 <= len(rates) <= MAX_RATES or any(a >= b for a, b in pairwise(rates)):
        block.report("rates", "no_grid", value=raw, most=MAX_RATES)
        return [10_000, 20_000]
    return rates


def _acceptance(block: Block, rates: list[int]) -> list[int]:
    """The curve at each rate of the grid: straight lines between the points, flat outside them, rounded down."""
    rows = block.rows("acceptance")
    points = [
        (row.get("rate_ppm"), row.get("accept_ppm")) for row in rows if set(row) == {"rate_ppm", "accept_ppm"}
    ]
    good = [(r, a) for r, a in points if type(r) is int and type(a) is int and 0 <= r <= PPM and 0 < a <= PPM]
    if len(good) < len(rows) or not good or any(r >= s for (r, _), (s, _) in pairwise(good)):
        block.report("acceptance", "no_curve")
        return [PPM] * len(rates)
    if any(a < b for (_, a), (_, b) in pairwise(good)):
        block.report("acceptance", "curve_rises")
    return [_between(good, rate) for rate in rates]


def _between(points: list[tuple[int, int]], rate: int) -> int:
    if rate <= points[0][0]:
        return points[0][1]
    for (r, a), (s, b) in pairwise(points):
        if rate <= s:
            return a + (b - a) * (rate - r) // (s - r)
    return points[-1][1]


def _judge(block: Block, parts: Mapping[str, Node], moves: Mapping[str, Direction]) -> None:
    """The conditions under which the price provably rises with PD."""
    for key in (*LINES, "loss"):
        if parts[key].type.unit != "fen":
            block.report(key, "price_unit", found=parts[key].type.unit or "plain", wanted="fen")
    for key in ("floor", "cap"):
        if parts[key].type.unit != "ppm":
            block.report(key, "price_unit", found=parts[key].type.unit or "plain", wanted="ppm")
    for key in LINES:
        if direction(parts[key], moves) != 0:
            block.report(key, "depends_on_pd")
    for key in ("loss", "floor", "cap"):
        if "rate" in names_read(parts[key]):
            block.report(key, "depends_on_rate")
        if direction(parts[key], moves) not in (0, 1):
            block.report(key, "not_rising")


def _operate(block: Block, op: str, a: Node, b: Node) -> Node:
    low, high = bounds(op, [(a.type.low, a.type.high), (b.type.low, b.type.high)])
    if low < -INT64 or high > INT64:
        block.report("income", "profit_overflow", reach=f"{max(high, -low):.1e}")
        low, high = 0, 0
    kind = Type("int", a.type.unit, low, high, nullable=a.type.nullable or b.type.nullable)
    return Apply(kind, op, (a, b))


def put(node: Node, name: str, value: Constant) -> Node:
    """The expression with a constant in the place of a name; what that leaves constant is computed now."""
    if isinstance(node, Name):
        return value if node.name == name else node
    if isinstance(node, Constant):
        return node
    args = tuple(put(arg, name, value) for arg in node.args)
    numbers = [arg.value for arg in args if isinstance(arg, Constant) and arg.type.kind == "int"]
    if node.type.kind == "int" and len(numbers) == len(args) and node.op not in ("if", "coalesce"):
        low, high = bounds(node.op, [(number, number) for number in numbers])
        if low == high and not (node.op in ("div", "mod") and numbers[1] == 0):
            return constant(low, node.type.unit)
    return replace(node, args=args)


def _best(
    name: str, rates: list[int], scores: list[Node], node_of: Mapping[str, Node]
) -> list[tuple[str, Node]]:
    """The greatest profit among lawful rates, then the least rate that has it."""
    steps: list[tuple[str, Node]] = []
    floor, cap = node_of["floor"], node_of["cap"]
    sure = replace(BOOL, nullable=floor.type.nullable or cap.type.nullable)
    worst = constant(-INT64)
    lawful: list[Node] = []
    for i, (rate, score) in enumerate(zip(rates, scores, strict=True)):
        there = tuple(
            Apply(replace(BOOL, nullable=side.type.nullable), op, (side, constant(rate, "ppm")))
            for op, side in (("le", floor), ("ge", cap))
        )
        kind = Type("int", "", -INT64, score.type.high, nullable=score.type.nullable or sure.nullable)
        steps.append((f"{name}.lawful.{i}", Apply(kind, "if", (Apply(sure, "and", there), score, worst))))
        lawful.append(Name(kind, f"{name}.lawful.{i}"))
    best = lawful[0]
    for other in lawful[1:]:
        kind = Type(
            "int",
            "",
            -INT64,
            max(best.type.high, other.type.high),
            nullable=best.type.nullable or other.type.nullable,
        )
        best = Apply(kind, "max", (best, other))
    steps.append((f"{name}.best", best))
    top: Node = Name(best.type, f"{name}.best")
    kind = Type("int", "ppm", rates[0], rates[-1])
    chosen: Node = absent(kind)
    asked = replace(BOOL, nullable=top.type.nullable)
    for rate, other in zip(reversed(rates), reversed(lawful), strict=True):
        test = Apply(replace(BOOL, nullable=asked.nullable or other.type.nullable), "eq", (other, top))
        chosen = Apply(kind, "if", (test, constant(rate, "ppm"), chosen))
    none = Apply(asked, "eq", (top, worst))
    steps.append((name, Apply(kind, "if", (none, absent(kind), chosen))))
    profit = Apply(Type("int", "fen", -(2**53), 2**53), "div", (top, constant(PPM)))
    steps.append((f"{name}.profit_fen", Apply(profit.type, "if", (none, absent(profit.type), profit))))
    return steps
