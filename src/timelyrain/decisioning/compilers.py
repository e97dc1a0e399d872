"""Two compilers of one checked tree: columns of numpy (the reference) and generated row code. Equal byte for byte.

A program is an ordered list of named nodes; later nodes may name earlier ones. Missing is None in a row and
known=False in a column. All intermediate values fit in int64 because `language.read` has proved it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from .evidence import Bools, Ints
from .language import Apply, Constant, Name, Node

Value = int | bool | None
RowProgram = Callable[[Sequence[Value]], tuple[Value, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """values int64[n] (flags 0/1, enums by code), known bool[n]. Where not known the value is 0."""

    values: Ints
    known: Bools


def compile_row(inputs: Sequence[str], steps: Sequence[tuple[str, Node]]) -> RowProgram:
    """A function from the inputs in order (None = missing) to the values of the steps in order.

    The source given to the Python compiler is made of the templates below and of names chosen here; no text of a
    definition reaches it.
    """
    lines = [
        "def program(inputs):",
        f"    ({''.join(f'v{i}, ' for i in range(len(inputs)))}) = inputs",
        "    yes, no = True, False",
    ]
    atoms = {name: f"v{i}" for i, name in enumerate(inputs)}
    done: dict[Node, str] = {}

    def atom(node: Node) -> str:
        if isinstance(node, Constant):
            return ("yes" if node.value else "no") if node.type.kind == "bool" else repr(node.value)
        if isinstance(node, Name):
            return atoms[node.name]
        if node not in done:
            code = _row_code(node, [atom(arg) for arg in node.args])
            done[node] = f"t{len(done)}"
            lines.append(f"    {done[node]} = {code}")
        return done[node]

    for name, node in steps:
        atoms[name] = atom(node)
    lines.append(f"    return ({''.join(atoms[name] + ', ' for name, _ in steps)})")
    space: dict[str, Any] = {"__builtins__": {"abs": abs, "min": min, "max": max}}
    exec(compile("\n".join(lines), "<row program>", "exec"), space)
    return cast(RowProgram, space["program"])


_ROW = {
    "neg": "-{0}",
    "abs": "abs({0})",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "min": "min({0}, {1})",
    "max": "max({0}, {1})",
    "div": "{0} // {1}",
    "mod": "{0} % {1}",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "not": "not {0}",
}


def _row_code(node: Apply, args: list[str]) -> str:
    maybe = [arg for arg, part in zip(args, node.args, strict=True) if part.type.nullable]
    first = node.args[0].type.nullable
    match node.op:
        case "and" | "or":
            decided, open_ = ("False", "True") if node.op == "and" else ("True", "False")
            some = " or ".join(f"{arg} is {decided}" for arg in args)
            none = " or ".join(f"{arg} is None" for arg in maybe)
            return f"{decided} if {some} else {f'None if {none} else ' if none else ''}{open_}"
        case "if":
            check = f"None if {args[0]} is None else " if first else ""
            return f"{check}{args[1]} if {args[0]} else {args[2]}"
        case "coalesce":
            return f"{args[1]} if {args[0]} is None else {args[0]}" if first else args[0]
        case "missing":
            return f"{args[0]} is None" if first else "no"
        case "in":
            code = f"{args[0]} in ({''.join(arg + ', ' for arg in args[1:])})"
        case _:
            code = _ROW[node.op].format(*args)
    refuse = [f"{arg} is None" for arg in dict.fromkeys(maybe)]
    if node.op in ("div", "mod") and not (isinstance(node.args[1], Constant) and node.args[1].value):
        refuse.append(f"{args[1]} == 0")
    return f"None if {' or '.join(refuse)} else {code}" if refuse else code


def run_columns(
    steps: Sequence[tuple[str, Node]], inputs: Mapping[str, Column], rows: int
) -> dict[str, Column]:
    """The steps over n rows at once; the meaning of the language."""
    known = dict(inputs)
    done: dict[
        int, Column
    ] = {}  # by identity: cheaper than hashing trees, and the steps keep the nodes alive

    def column(node: Node) -> Column:
        if isinstance(node, Name):
            return known[node.name]
        if id(node) not in done:
            if isinstance(node, Constant):
                done[id(node)] = Column(np.full(rows, node.value, np.int64), np.ones(rows, np.bool_))
            else:
                done[id(node)] = _apply(node.op, [column(arg) for arg in node.args])
        return done[id(node)]

    for name, node in steps:
        known[name] = column(node)
    return {name: known[name] for name, _ in steps}


_COLUMN: dict[str, Callable[..., Any]] = {
    "neg": np.negative,
    "abs": np.abs,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "div": np.floor_divide,
    "mod": np.mod,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "not": np.logical_not,
}


def _apply(op: str, args: list[Column]) -> Column:
    first = args[0]
    match op:
        case "and":
            no = np.logical_or.reduce([a.known & (a.values == 0) for a in args])
            return _masked(~no, no | np.logical_and.reduce([a.known for a in args]))
        case "or":
            yes = np.logical_or.reduce([a.known & (a.values != 0) for a in args])
            return _masked(yes, yes | np.logical_and.reduce([a.known for a in args]))
        case "if":
            take = first.values != 0
            values = np.where(take, args[1].values, args[2].values)
            return _masked(values, first.known & np.where(take, args[1].known, args[2].known))
        case "coalesce":
            return Column(np.where(first.known, first.values, args[1].values), first.known | args[1].known)
        case "missing":
            return _masked(~first.known, np.ones_like(first.known))
        case "in":
            return _masked(np.logical_or.reduce([first.values == a.values for a in args[1:]]), first.known)
        case "div" | "mod":
            known = first.known & args[1].known & (args[1].values != 0)
            return _masked(_COLUMN[op](first.values, np.where(args[1].values == 0, 1, args[1].values)), known)
        case _:
            known = np.logical_and.reduce([a.known for a in args])
            return _masked(_COLUMN[op](*(a.values for a in args)), known)


def _masked(values: Any, known: Bools) -> Column:
    return Column(np.where(known, values, 0).astype(np.int64, copy=False), known)
