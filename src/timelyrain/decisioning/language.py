"""The definition language: a closed, typed subset of Python expressions, read with `ast` and never executed.

Values are int (with a unit: fen, ppm, days, seconds, date or plain), bool and enum; every value may be missing.
Arithmetic and comparison with a missing operand is missing; `and`, `or` are Kleene's; division by zero is missing.
`//` and `%` round down. An expression whose result could leave int64 is refused when it is read, from the bounds of
its operands. The functions are in functions.py; docs/policy-language.md explains all of it with examples.
"""

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from .intervals import bounds
from .meant import nearest, slip, under
from .wording import Said

_FILE = "<definition>"
# what Python thinks of an expression is no business of stderr
warnings.filterwarnings("ignore", module=_FILE)
INT64 = 2**63 - 1
MAX_LENGTH = 2_000
MAX_DEPTH = 60
MAX_NODES = 2_000
"""Operations of one expression, counted as a tree: what is written twice is counted twice."""
PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Type:
    """Type of an expression. low..high bound an int; values name the codes of an enum, or the members of a list.

    A key is the hash of a name: it may be missing, equal to another key or not, and counted; it has no order. A list
    stands only at the right of `in`. `bad` marks a reported error.
    """

    kind: Literal["int", "bool", "enum", "key", "list", "bad"]
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
    """What is wrong in one expression, at which character (from 0, over all its lines), and what to do."""

    column: int
    said: Said

    @property
    def what(self) -> str:
        return self.said.what

    @property
    def remedy(self) -> str:
        return self.said.remedy


def constant(value: int, unit: str = "") -> Constant:
    """An int literal with a unit."""
    return Constant(Type("int", unit, value, value, nullable=False), value)


def absent(like: Type) -> Node:
    """A value that is always missing: 0 // 0, in both compilers."""
    hole = Apply(Type("int", like.unit, 0, 0), "div", (constant(0), constant(0)))
    if like.kind == "bool":
        return Apply(BOOL, "eq", (hole, constant(0)))
    return replace(hole, type=replace(like, nullable=True))


def is_absent(node: Node) -> bool:
    """Whether `absent` made the node."""
    match node:
        case Apply(op="div", args=(Constant(value=0), Constant(value=0))):
            return True
        case Apply(op="eq", args=(Apply() as hole, Constant(value=0))):
            return is_absent(hole)
        case _:
            return False


def names_read(node: Node) -> tuple[str, ...]:
    """Names in the expression, each once, in the order written."""
    return tuple(dict.fromkeys(leaf.name for leaf in leaves(node) if isinstance(leaf, Name)))


def leaves(node: Node) -> Iterator[Name | Constant]:
    """Names and literals of an expression, in the order written."""
    if isinstance(node, Apply):
        for arg in node.args:
            yield from leaves(arg)
    else:
        yield node


def read(source: str, names: Mapping[str, Type], want: str = "") -> tuple[Node, tuple[Fault, ...]]:
    """Parse and check one expression; want is '', 'int' or 'bool'. The node is usable only without faults."""
    lead = len(source) - len(source.lstrip())
    source = source.strip().replace("\n", " ")
    if len(source) > MAX_LENGTH:
        return constant(0), (
            Fault(0, Said("expression_too_long", {"found": len(source), "most": MAX_LENGTH})),
        )
    try:
        tree = ast.parse(source, _FILE, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column, said = slip(source, error)
        return constant(0), (Fault(column + lead, said),)
    reader = Reader(names, source)
    node = reader.node(tree.body, 0)
    after = len(source.encode()[: tree.body.end_col_offset].decode())
    if "#" in source[after:]:
        reader.faults.append(Fault(after, Said("comment", {})))
    if want and node.type.kind not in (want, "bad"):
        reader.fault(tree.body, "wants_condition" if want == "bool" else "wants_number", kind=node.type.kind)
    return node, tuple(replace(fault, column=fault.column + lead) for fault in reader.faults)


_COMPARE: dict[type[ast.AST], str] = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}
_SIGNS = {"add": "+", "sub": "-", "neg": "-", "mul": "*", "div": "//", "mod": "%"}
_BINARY: dict[type[ast.AST], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.FloorDiv: "div",
    ast.Mod: "mod",
}


class Reader:
    """One expression: the tree comes in, typed nodes go out, faults collect. Each part is read once."""

    def __init__(self, names: Mapping[str, Type], source: str):
        self.names = names
        self.faults: list[Fault] = []
        self._bytes = source.encode()
        self._done: dict[int, tuple[ast.expr, Node]] = {}
        # by identity; the node is kept so that its id stays taken
        self._sizes: dict[int, tuple[Node, int]] = {}

    def fault(self, tree: ast.AST, slug: str, /, **values: object) -> Node:
        column = len(self._bytes[: getattr(tree, "col_offset", 0)].decode(errors="replace"))
        self.faults.append(Fault(column, Said(slug, values)))
        return Constant(BAD, 0)

    def apply(self, tree: ast.AST, kind: Type, op: str, args: tuple[Node, ...]) -> Node:
        """An operation, unless the tree has grown too large: then every pass over it stays short."""
        size = 1 + sum(self._size(arg) for arg in args)
        if size > MAX_NODES:
            return self.fault(tree, "too_many_operations", most=MAX_NODES)
        return self._sized(Apply(kind, op, args), size)

    def with_unit(self, node: Node, unit: str) -> Node:
        """The same number under another unit; only for formulas that account for units themselves."""
        if node.type.kind != "int":
            return node
        return self._sized(replace(node, type=replace(node.type, unit=unit)), self._size(node))

    def _size(self, node: Node) -> int:
        return self._sizes.get(id(node), (node, 1))[1]

    def _sized(self, node: Node, size: int) -> Node:
        self._sizes[id(node)] = (node, size)
        return node

    def node(self, tree: ast.expr, depth: int) -> Node:
        if id(tree) not in self._done:
            self._done[id(tree)] = (tree, self.read(tree, depth))
        return self._done[id(tree)][1]

    def read(self, tree: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            return self.fault(tree, "too_deep", most=MAX_DEPTH)
        match tree:
            case ast.Constant(value=bool() as value):
                return Constant(replace(BOOL, nullable=False), int(value))
            case ast.Constant(value=int() as value) if abs(value) <= INT64:
                return constant(value)
            case ast.Constant(value=int()):
                return self.fault(tree, "over_int64")
            case ast.Constant(value=str() as value):
                return self.fault(tree, "text_alone", value=value)
            case ast.Constant(value=value):
                return self.fault(tree, "no_literal", value=value)
            case ast.Name() | ast.Attribute():
                named = self.name(tree)
                return self.fault(tree, "list_alone") if named.type.kind == "list" else named
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.arithmetic(tree, "neg", (self.node(operand, depth + 1),))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.logic(tree, "not", (self.node(operand, depth + 1),))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return self.arithmetic(
                    tree, _BINARY[type(op)], (self.node(left, depth + 1), self.node(right, depth + 1))
                )
            case ast.BinOp(op=ast.Div()):
                return self.fault(tree, "fraction")
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
            case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
                return self.fault(tree, "named_arguments", form=FUNCTIONS[name].form)
            case _:
                return self.fault(tree, "not_in_language", form=self.written(tree))

    def written(self, tree: ast.expr) -> str:
        return self._bytes[tree.col_offset : tree.end_col_offset].decode(errors="replace")

    def name(self, tree: ast.Name | ast.Attribute) -> Node:
        words: list[str] = []
        part: ast.expr = tree
        while isinstance(part, ast.Attribute):
            words.append(part.attr)
            part = part.value
        if not isinstance(part, ast.Name):
            return self.fault(tree, "no_attribute", form=self.written(part))
        return self.called(tree, ".".join([part.id, *reversed(words)]))

    def called(self, tree: ast.AST, name: str) -> Node:
        """The value of a declared name."""
        if name in self.names:
            kind = self.names[name]
            if kind.kind == "int" and kind.low == kind.high and not kind.nullable:
                return Constant(kind, kind.low)  # a [[constant]], or a value that can be no other
            return Name(kind, name)
        scope, _, rest = name.partition(".")
        alike = self.names if scope not in ("on_list", "source_missing") else under(scope, self.names)
        near = nearest(name, alike)
        return self.fault(
            tree,
            "unknown_name_near" if near else "unknown_list" if scope == "on_list" else "unknown_name",
            name=name,
            near=near,
            list=rest,
        )

    def arithmetic(self, tree: ast.AST, op: str, args: tuple[Node, ...]) -> Node:
        if any(arg.type.kind == "bad" for arg in args):
            return Constant(BAD, 0)
        odd = next((arg for arg in args if arg.type.kind != "int"), None)
        if odd is not None:
            return self.fault(tree, "needs_numbers", op=_SIGNS.get(op, op), kind=odd.type.kind)
        unit = _unit(op, args)
        if unit is None:
            units = tuple(arg.type.unit or "plain" for arg in args)
            return self.fault(
                tree,
                "multiplies_units" if op in ("mul", "div", "mod") else "mixes_units",
                op=_SIGNS.get(op, op),
                units=units,
            )
        if op in ("div", "mod") and args[1].type.low == args[1].type.high == 0:
            return self.fault(tree, "by_zero", op=_SIGNS[op])
        low, high = bounds(op, [(arg.type.low, arg.type.high) for arg in args])
        if low < -INT64 or high > INT64:
            return self.fault(tree, "overflow", op=_SIGNS.get(op, op), reach=f"{max(high, -low):.1e}")
        if all(isinstance(arg, Constant) for arg in args):
            return constant(low, unit)  # the bounds of constants are the value
        partial = op in ("div", "mod") and args[1].type.low <= 0 <= args[1].type.high
        nullable = partial or any(arg.type.nullable for arg in args)
        return self.apply(tree, Type("int", unit, low, high, nullable=nullable), op, args)

    def logic(self, tree: ast.AST, op: str, args: tuple[Node, ...]) -> Node:
        if any(arg.type.kind == "bad" for arg in args):
            return Constant(BAD, 0)
        odd = next((arg for arg in args if arg.type.kind != "bool"), None)
        if odd is not None:
            return self.fault(tree, "needs_conditions", op=op, kind=odd.type.kind)
        return self.apply(tree, replace(BOOL, nullable=any(arg.type.nullable for arg in args)), op, args)

    def comparison(self, tree: ast.Compare, depth: int) -> Node:
        sides = [tree.left, *tree.comparators]
        links = [self.link(tree, sides[i], op, sides[i + 1], depth + 1) for i, op in enumerate(tree.ops)]
        return links[0] if len(links) == 1 else self.logic(tree, "and", tuple(links))

    def link(self, tree: ast.AST, left: ast.expr, op: ast.cmpop, right: ast.expr, depth: int) -> Node:
        if isinstance(op, (ast.In, ast.NotIn)):
            return self.member(tree, left, right, isinstance(op, ast.NotIn), depth)
        if type(op) not in _COMPARE:
            return self.fault(tree, "is")
        if isinstance(right, ast.Constant) and isinstance(right.value, str):
            a = self.node(left, depth)
            b = self.text(right, a)
        elif isinstance(left, ast.Constant) and isinstance(left.value, str):
            b = self.node(right, depth)
            a = self.text(left, b)
        else:
            a, b = self.node(left, depth), self.node(right, depth)
        return self.compare(tree, _COMPARE[type(op)], a, b)

    def compare(self, tree: ast.AST, name: str, a: Node, b: Node) -> Node:
        if "bad" in (a.type.kind, b.type.kind):
            return Constant(BAD, 0)
        if a.type.kind != b.type.kind or (a.type.kind == "enum" and a.type.values != b.type.values):
            return self.fault(tree, "compares_kinds", a=a.type.kind, b=b.type.kind)
        if a.type.kind != "int" and name not in ("eq", "ne"):
            return self.fault(tree, "orders", kind=a.type.kind)
        if a.type.kind == "int" and _common_unit((a, b)) is None:
            return self.fault(tree, "compares_units", a=a.type.unit or "plain", b=b.type.unit or "plain")
        return self.apply(tree, replace(BOOL, nullable=a.type.nullable or b.type.nullable), name, (a, b))

    def member(self, tree: ast.AST, left: ast.expr, right: ast.expr, negate: bool, depth: int) -> Node:
        subject = self.node(left, depth)
        if isinstance(right, (ast.Name, ast.Attribute)):
            named = self.name(right)
            if named.type.kind == "bad":
                return named
            texts = named.type.values if named.type.kind == "list" else ()
            number = subject.type.kind == "int" and named.type.low <= named.type.high
            elements = [ast.copy_location(ast.Constant(int(t) if number else t), right) for t in texts]
            if number and named.type.unit and subject.type.unit != named.type.unit:
                return self.fault(right, "list_unit", unit=named.type.unit)
        else:
            elements = right.elts if isinstance(right, (ast.Tuple, ast.List, ast.Set)) else []
        if not elements:
            return self.fault(right, "in_needs_list")
        options = tuple(self.text(e, subject) if is_text(e) else self.node(e, depth) for e in elements)
        if subject.type.kind == "bad" or any(option.type.kind == "bad" for option in options):
            return Constant(BAD, 0)
        if any(not isinstance(o, Constant) or o.type.kind != subject.type.kind for o in options):
            return self.fault(right, "in_one_kind")
        odd = next(
            (o for o in options if subject.type.kind == "int" and _common_unit((subject, o)) is None), None
        )
        if odd is not None:
            a, b = subject.type.unit or "plain", odd.type.unit or "plain"
            return self.fault(right, "compares_units", a=a, b=b)
        kind = replace(BOOL, nullable=subject.type.nullable)
        found = self.apply(tree, kind, "in", (subject, *options))
        return self.logic(tree, "not", (found,)) if negate else found

    def text(self, tree: ast.expr, other: Node) -> Node:
        """A text literal takes the enum of what it stands beside."""
        value = str(tree.value) if isinstance(tree, ast.Constant) else ""
        if other.type.kind == "bad":
            return other
        if other.type.kind != "enum" or value not in other.type.values:
            known = other.type.values
            return self.fault(
                tree,
                "no_such_value"
                if known
                else "date_as_text"
                if other.type.unit == "date"
                else "flag_as_text"
                if other.type.kind == "bool"
                else "no_value_of_number",
                value=value,
                known=known,
            )
        return Constant(replace(other.type, nullable=False), other.type.values.index(value))

    def choice(self, tree: ast.AST, op: str, args: tuple[Node, ...]) -> Node:
        """if (condition, then, otherwise) and coalesce (first, second): the branches share one type."""
        branches = args[-2:]
        if any(arg.type.kind == "bad" for arg in args):
            return Constant(BAD, 0)
        if op == "if" and args[0].type.kind != "bool":
            return self.fault(tree, "no_condition", kind=args[0].type.kind)
        a, b = (branch.type for branch in branches)
        unit = _common_unit(branches)
        if a.kind != b.kind or a.kind == "list" or a.values != b.values or unit is None:
            return self.fault(
                tree, "branches_differ", a=f"{a.kind} {a.unit}".strip(), b=f"{b.kind} {b.unit}".strip()
            )
        nullable = any(arg.type.nullable for arg in args) if op == "if" else a.nullable and b.nullable
        joined = Type(a.kind, unit, min(a.low, b.low), max(a.high, b.high), a.values, nullable)
        return self.apply(tree, joined, op, args)

    def call(self, tree: ast.Call, name: str, args: list[ast.expr], depth: int) -> Node:
        if name not in FUNCTIONS:
            return self.fault(tree, "unknown_function", name=name, known=tuple(sorted(FUNCTIONS)))
        function = FUNCTIONS[name]
        if not function.least <= len(args) <= function.most:
            return self.fault(
                tree,
                "no_arguments",
                name=name,
                least=function.least,
                most=function.most,
                found=len(args),
                form=function.form,
            )
        if function.literal is not None:
            return function.literal(self, tree, args)
        nodes = tuple(self.node(arg, depth + 1) for arg in args)
        if any(node.type.kind == "bad" for node in nodes):
            return Constant(BAD, 0)
        return function.make(self, tree, nodes)


@dataclass(frozen=True, slots=True)
class Function:
    """make takes the arguments read, literal as they are written. form shows how to call it."""

    form: str
    least: int
    most: int
    zh: str
    en: str
    make: Callable[[Reader, ast.AST, tuple[Node, ...]], Node] = lambda _reader, _tree, args: args[0]
    literal: Callable[[Reader, ast.Call, list[ast.expr]], Node] | None = None


FUNCTIONS: dict[str, Function] = {}
"""Filled by functions.py, which writes each with the reader above."""


def is_text(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Constant) and isinstance(tree.value, str)


def _common_unit(args: tuple[Node, ...]) -> str | None:
    """The unit all agree on; a literal without a unit takes any."""
    units = {arg.type.unit for arg in args if arg.type.unit or not isinstance(arg, Constant)}
    return None if len(units) > 1 else next(iter(units), "")


def _unit(op: str, args: tuple[Node, ...]) -> str | None:
    """Unit of a result, None where the units do not fit. A date plus days is a date, a date less a date is days."""
    units = [arg.type.unit for arg in args]
    if "date" in units and op in ("add", "sub", "neg", "abs", "mul", "div", "mod"):
        other = units[-1] if units[0] == "date" else units[0]
        if op == "sub" and units == ["date", "date"]:
            return "days"
        fits = op == "add" or (op == "sub" and units[0] == "date")
        literal = any(isinstance(arg, Constant) and not arg.type.unit for arg in args)
        return "date" if fits and len(units) == 2 and (other == "days" or literal) else None
    if op == "mul":
        known = [unit for unit in units if unit]
        return None if len(known) > 1 else next(iter(known), "")
    if op == "div" and units[0] == units[1]:
        return ""
    if op == "div":
        return None if units[1] else units[0]
    return _common_unit(args)
