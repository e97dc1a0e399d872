"""The definition language: a closed, typed subset of Python expressions, read with `ast` and never executed.

Values are int (with a unit: fen, ppm, days, seconds or plain), bool and enum; every value may be missing. Arithmetic
and comparison with a missing operand is missing; `and`, `or` are Kleene's; division by zero is missing. `//` and `%`
round down. An expression whose result could leave int64 is refused when it is read, from the bounds of its operands.

Functions: abs(a) min(a, b, …) max(a, b, …) clip(a, low, high) coalesce(a, b) missing(a) ratio_ppm(a, b)
share(a, ppm) first_instalment(principal_fen, instalments, rate_ppm)
affordable_principal(instalment_fen, instalments, rate_ppm) source_missing('bank').
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

INT64 = 2**63 - 1
MAX_LENGTH = 2_000
MAX_DEPTH = 60
PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Type:
    """Type of an expression. low..high bound an int; values name the codes of an enum; `bad` marks a reported error.

    A key is the hash of a name: it may be missing, equal to another key or not, and counted; it has no order.
    """

    kind: Literal["int", "bool", "enum", "key", "bad"]
    unit: str = ""
    low: int = 0
    high: int = 1
    values: tuple[str, ...] = ()
    nullable: bool = True


BOOL = Type("bool")
BAD = Type("bad")


@dataclass(frozen=True, slots=True)
class Constant:
    type: Type
    value: int


@dataclass(frozen=True, slots=True)
class Name:
    type: Type
    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """op is a key of the tables in compilers.py; args are in the order written."""

    type: Type
    op: str
    args: tuple["Node", ...]


Node = Constant | Name | Apply


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in one expression, at which column (0-based), and what to do."""

    column: int
    what: str
    remedy: str


def constant(value: int, unit: str = "") -> Constant:
    """An int literal with a unit."""
    return Constant(Type("int", unit, value, value, nullable=False), value)


def names_read(node: Node) -> tuple[str, ...]:
    """Names in the expression, each once, in the order written."""
    return tuple(dict.fromkeys(part.name for part in _parts(node) if isinstance(part, Name)))


def _parts(node: Node) -> Iterator[Node]:
    yield node
    if isinstance(node, Apply):
        for arg in node.args:
            yield from _parts(arg)


def read(source: str, names: Mapping[str, Type], want: str = "") -> tuple[Node, tuple[Fault, ...]]:
    """Parse and check one expression; want is '', 'int' or 'bool'. The node is usable only without faults."""
    reader = _Reader(names)
    if len(source) > MAX_LENGTH:
        return constant(0), (Fault(0, f"{len(source)} characters", f"keep an expression under {MAX_LENGTH}"),)
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = max((getattr(error, "offset", 1) or 1) - 1, 0)
        return constant(0), (Fault(column, f"not an expression: {error}", "write one Python expression"),)
    node = reader.node(tree.body, 0)
    if want and node.type.kind not in (want, "bad"):
        reader.fault(
            tree.body, f"is {node.type.kind}, not {want}", "compare it" if want == "bool" else "give a number"
        )
    return node, tuple(reader.faults)


_COMPARE: dict[type[ast.AST], str] = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}
_BINARY: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.FloorDiv: "div",
    ast.Mod: "mod",
}


class _Reader:
    """One expression: the tree comes in, typed nodes go out, faults collect."""

    def __init__(self, names: Mapping[str, Type]):
        self.names = names
        self.faults: list[Fault] = []

    def fault(self, tree: ast.AST, what: str, remedy: str) -> Node:
        self.faults.append(Fault(getattr(tree, "col_offset", 0), what, remedy))
        return Constant(BAD, 0)

    def node(self, tree: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            return self.fault(tree, f"nested deeper than {MAX_DEPTH}", "split it into named features")
        match tree:
            case ast.Constant(value=bool() as value):
                return Constant(replace(BOOL, nullable=False), int(value))
            case ast.Constant(value=int() as value) if abs(value) <= INT64:
                return constant(value)
            case ast.Constant(value=str() as value):
                return self.fault(
                    tree, f"{value!r} stands alone", "compare a text with an enum value, by == or in"
                )
            case ast.Constant(value=value):
                return self.fault(
                    tree, f"{value!r} is not allowed", "use integers: fen, ppm, days; missing(x) for null"
                )
            case ast.Name() | ast.Attribute():
                return self.name(tree)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.node(operand, depth + 1)
                if isinstance(inner, Constant) and inner.type.kind == "int":
                    return constant(-inner.value)
                return self.arithmetic(tree, "neg", (inner,))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.logic(tree, "not", (self.node(operand, depth + 1),))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self.arithmetic(
                    tree, _BINARY[type(op)], (self.node(left, depth + 1), self.node(right, depth + 1))
                )
            case ast.BinOp(op=ast.Div()):
                return self.fault(
                    tree, "/ makes fractions", "use // for whole numbers or ratio_ppm(a, b) for a share"
                )
            case ast.BoolOp(op=op, values=values):
                args = tuple(self.node(value, depth + 1) for value in values)
                return self.logic(tree, "and" if isinstance(op, ast.And) else "or", args)
            case ast.Compare():
                return self.comparison(tree, depth)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                args = (self.node(test, depth + 1), self.node(body, depth + 1), self.node(orelse, depth + 1))
                return self.choice(tree, "if", args)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self.call(tree, name, args, depth)
            case _:
                return self.fault(tree, f"{type(tree).__name__} is not in the language", _REMEDY)

    def name(self, tree: ast.Name | ast.Attribute) -> Node:
        name = ast.unparse(tree)
        if name in self.names:
            return Name(self.names[name], name)
        near = _nearest(name, self.names)
        return self.fault(
            tree, f"unknown name {name!r}", f"did you mean {near!r}?" if near else "declare it above"
        )

    def arithmetic(self, tree: ast.AST, op: str, args: tuple[Node, ...]) -> Node:
        if any(arg.type.kind == "bad" for arg in args):
            return Constant(BAD, 0)
        odd = next((arg for arg in args if arg.type.kind != "int"), None)
        if odd is not None:
            return self.fault(
                tree, f"{op} needs numbers, got {odd.type.kind}", "compare enums and flags instead"
            )
        unit = _unit(op, args)
        if unit is None:
            shown = " and ".join(arg.type.unit or "plain" for arg in args)
            return self.fault(
                tree, f"{op} mixes {shown}", "bring both to one unit, or use share() and ratio_ppm()"
            )
        low, high = _bounds(op, [(arg.type.low, arg.type.high) for arg in args])
        if low < -INT64 or high > INT64:
            return self.fault(
                tree, f"{op} could reach {max(high, -low):.1e}, over int64", "narrow an operand with clip()"
            )
        partial = op in ("div", "mod") and args[1].type.low <= 0 <= args[1].type.high
        nullable = partial or any(arg.type.nullable for arg in args)
        return Apply(Type("int", unit, low, high, nullable=nullable), op, args)

    def logic(self, tree: ast.AST, op: str, args: tuple[Node, ...]) -> Node:
        if any(arg.type.kind == "bad" for arg in args):
            return Constant(BAD, 0)
        odd = next((arg for arg in args if arg.type.kind != "bool"), None)
        if odd is not None:
            return self.fault(
                tree, f"{op} needs conditions, got {odd.type.kind}", "write a comparison, such as x > 0"
            )
        return Apply(replace(BOOL, nullable=any(arg.type.nullable for arg in args)), op, args)

    def comparison(self, tree: ast.Compare, depth: int) -> Node:
        sides = [tree.left, *tree.comparators]
        links = [self.link(tree, sides[i], op, sides[i + 1], depth + 1) for i, op in enumerate(tree.ops)]
        return links[0] if len(links) == 1 else self.logic(tree, "and", tuple(links))

    def link(self, tree: ast.AST, left: ast.expr, op: ast.cmpop, right: ast.expr, depth: int) -> Node:
        if isinstance(op, (ast.In, ast.NotIn)):
            return self.member(tree, left, right, isinstance(op, ast.NotIn), depth)
        if type(op) not in _COMPARE:
            return self.fault(tree, "'is' is not in the language", "use == or missing(x)")
        if isinstance(right, ast.Constant) and isinstance(right.value, str):
            a = self.node(left, depth)
            b = self.text(right, a)
        elif isinstance(left, ast.Constant) and isinstance(left.value, str):
            b = self.node(right, depth)
            a = self.text(left, b)
        else:
            a, b = self.node(left, depth), self.node(right, depth)
        if "bad" in (a.type.kind, b.type.kind):
            return Constant(BAD, 0)
        name = _COMPARE[type(op)]
        if a.type.kind != b.type.kind or (a.type.kind == "enum" and a.type.values != b.type.values):
            return self.fault(
                tree, f"compares {a.type.kind} with {b.type.kind}", "compare values of one kind"
            )
        if a.type.kind != "int" and name not in ("eq", "ne"):
            return self.fault(tree, f"orders {a.type.kind} values", "use ==, != or in")
        if a.type.kind == "int" and _common_unit((a, b)) is None:
            shown = f"{a.type.unit or 'plain'} with {b.type.unit or 'plain'}"
            return self.fault(tree, f"compares {shown}", "bring both sides to one unit")
        return Apply(replace(BOOL, nullable=a.type.nullable or b.type.nullable), name, (a, b))

    def member(self, tree: ast.AST, left: ast.expr, right: ast.expr, negate: bool, depth: int) -> Node:
        subject = self.node(left, depth)
        if not isinstance(right, (ast.Tuple, ast.List, ast.Set)) or not right.elts:
            return self.fault(right, "'in' needs a written list", "write x in ('a', 'b')")
        options = tuple(self.text(e, subject) if _is_text(e) else self.node(e, depth) for e in right.elts)
        if subject.type.kind == "bad" or any(option.type.kind == "bad" for option in options):
            return Constant(BAD, 0)
        if any(not isinstance(o, Constant) or o.type.kind != subject.type.kind for o in options):
            return self.fault(
                right, "'in' takes literals of one kind", "write x in ('a', 'b') or x in (1, 2)"
            )
        found = Apply(replace(BOOL, nullable=subject.type.nullable), "in", (subject, *options))
        return Apply(found.type, "not", (found,)) if negate else found

    def text(self, tree: ast.expr, other: Node) -> Node:
        """A text literal takes the enum of what it stands beside."""
        value = str(tree.value) if isinstance(tree, ast.Constant) else ""
        if other.type.kind == "bad":
            return other
        if value not in other.type.values:
            known = ", ".join(other.type.values)
            return self.fault(
                tree, f"{value!r} is no value here", f"use one of {known}" if known else "compare numbers"
            )
        return Constant(replace(other.type, nullable=False), other.type.values.index(value))

    def choice(self, tree: ast.AST, op: str, args: tuple[Node, ...]) -> Node:
        """if (condition, then, otherwise) and coalesce (first, second): the branches share one type."""
        branches = args[-2:]
        if any(arg.type.kind == "bad" for arg in args):
            return Constant(BAD, 0)
        if op == "if" and args[0].type.kind != "bool":
            return self.fault(
                tree, f"the condition is {args[0].type.kind}", "write a comparison, such as x > 0"
            )
        a, b = (branch.type for branch in branches)
        unit = _common_unit(branches)
        if a.kind != b.kind or a.values != b.values or unit is None:
            return self.fault(
                tree, f"gives {a.kind} {a.unit} or {b.kind} {b.unit}", "make both branches one kind"
            )
        nullable = any(arg.type.nullable for arg in args) if op == "if" else a.nullable and b.nullable
        joined = Type(a.kind, unit, min(a.low, b.low), max(a.high, b.high), a.values, nullable)
        return Apply(joined, op, args)

    def call(self, tree: ast.Call, name: str, args: list[ast.expr], depth: int) -> Node:
        if name == "source_missing" and len(args) == 1 and _is_text(args[0]):
            return self.name(ast.Attribute(ast.Name("source_missing"), ast.literal_eval(args[0])))
        if name not in _ARITY:
            return self.fault(tree, f"unknown function {name!r}", f"known are {', '.join(sorted(_ARITY))}")
        low, high = _ARITY[name]
        if not low <= len(args) <= high:
            return self.fault(
                tree, f"{name} takes {low} to {high} values, got {len(args)}", "see the language page"
            )
        nodes = tuple(self.node(arg, depth + 1) for arg in args)
        if any(node.type.kind == "bad" for node in nodes):
            return Constant(BAD, 0)
        if name == "missing":
            return Apply(replace(BOOL, nullable=False), "missing", nodes)
        if name == "coalesce":
            return self.choice(tree, "coalesce", nodes)

        def make(op: str, *parts: Node) -> Node:
            return self.arithmetic(tree, op, parts)

        return _SHORT[name](make, nodes)


_REMEDY = "use arithmetic, comparisons, and/or/not, x if c else y, and the listed functions"
_ARITY = {
    "abs": (1, 1),
    "min": (2, 8),
    "max": (2, 8),
    "clip": (3, 3),
    "coalesce": (2, 2),
    "missing": (1, 1),
    "ratio_ppm": (2, 2),
    "share": (2, 2),
    "first_instalment": (3, 3),
    "affordable_principal": (3, 3),
}

Make = Callable[..., Node]


def _plain(node: Node) -> Node:
    """The same number without its unit; only for formulas that account for units themselves."""
    return replace(node, type=replace(node.type, unit="")) if node.type.kind == "int" else node


def _with_unit(node: Node, unit: str) -> Node:
    return replace(node, type=replace(node.type, unit=unit)) if node.type.kind == "int" else node


def _ratio_ppm(make: Make, args: tuple[Node, ...]) -> Node:
    a, b = args
    if a.type.unit != b.type.unit:
        return make("add", a, b)  # reports the mixed units
    return _with_unit(make("div", make("mul", _plain(a), constant(PPM)), _plain(b)), "ppm")


def _share(make: Make, args: tuple[Node, ...]) -> Node:
    a, ppm = args
    return _with_unit(make("div", make("mul", _plain(a), _plain(ppm)), constant(PPM)), a.type.unit)


def _first_instalment(make: Make, args: tuple[Node, ...]) -> Node:
    """Upper bound of an annuity payment: principal / n + one month's interest on the whole principal."""
    principal, instalments, rate = map(_plain, args)
    part = make("div", principal, instalments)
    interest = make("div", make("mul", principal, rate), constant(12 * PPM))
    return _with_unit(make("add", make("add", part, interest), constant(2)), "fen")


def _affordable_principal(make: Make, args: tuple[Node, ...]) -> Node:
    """The principal whose first_instalment is the given one: P = c / (1/n + rate/12). At most ¥10 M a month counts."""
    instalment, instalments, rate = map(_plain, args)
    instalment = make("min", make("max", instalment, constant(0)), constant(10**9))
    scaled = make("mul", make("mul", instalment, instalments), constant(12 * PPM))
    return _with_unit(
        make("div", scaled, make("add", make("mul", instalments, rate), constant(12 * PPM))), "fen"
    )


_SHORT: dict[str, Callable[[Make, tuple[Node, ...]], Node]] = {
    "abs": lambda make, args: make("abs", *args),
    "min": lambda make, args: _fold(make, "min", args),
    "max": lambda make, args: _fold(make, "max", args),
    "clip": lambda make, args: make("min", make("max", args[0], args[1]), args[2]),
    "ratio_ppm": _ratio_ppm,
    "share": _share,
    "first_instalment": _first_instalment,
    "affordable_principal": _affordable_principal,
}


def _fold(make: Make, op: str, args: tuple[Node, ...]) -> Node:
    result = args[0]
    for arg in args[1:]:
        result = make(op, result, arg)
    return result


def _is_text(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Constant) and isinstance(tree.value, str)


def _is_literal(node: Node) -> bool:
    return isinstance(node, Constant)


def _common_unit(args: tuple[Node, ...]) -> str | None:
    """The unit all agree on; a literal without a unit takes any."""
    units = {arg.type.unit for arg in args if arg.type.unit or not _is_literal(arg)}
    return None if len(units) > 1 else next(iter(units), "")


def _unit(op: str, args: tuple[Node, ...]) -> str | None:
    """Unit of a result, None where the units do not fit."""
    if op == "mul":
        units = [arg.type.unit for arg in args if arg.type.unit]
        return None if len(units) > 1 else next(iter(units), "")
    if op == "div" and args[0].type.unit == args[1].type.unit:
        return ""
    if op == "div":
        return None if args[1].type.unit else args[0].type.unit
    return _common_unit(args)


def _bounds(op: str, sides: list[tuple[int, int]]) -> tuple[int, int]:
    """Interval arithmetic, exact in unbounded integers."""
    (low, high), (c, d) = sides[0], sides[-1]
    match op:
        case "neg":
            return -high, -low
        case "abs":
            return (0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
        case "add":
            return low + c, high + d
        case "sub":
            return low - d, high - c
        case "mul":
            corners = (low * c, low * d, high * c, high * d)
            return min(corners), max(corners)
        case "min":
            return min(low, c), min(high, d)
        case "max":
            return max(low, c), max(high, d)
        case "div" if c >= 1:
            return min(low // c, low // d), max(high // c, high // d)
        case "div":
            reach = max(abs(low), abs(high))
            return -reach, reach
        case _:  # mod takes the sign of the divisor
            return min(c + 1, 0), max(d - 1, 0)


def _nearest(name: str, names: Mapping[str, Type]) -> str:
    """The closest known name, by difflib's ratio."""
    return next(iter(get_close_matches(name, names, 1)), "")
