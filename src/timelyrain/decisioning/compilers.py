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
    raw, done = set(inputs), dict[Node, str]()

    def atom(node: Node) -> str:
        if isinstance(node, Constant):
            return ("yes" if node.value else "no") if node.type.kind == "bool" else repr(node.value)
        if isinstance(node, Name):
            if node.type.kind == "bool" and node.name in raw:
                raw.discard(node.name)  # columns hold flags as 0 and 1; `is True` wants the real thing
                lines.append(
                    f"    if {atoms[node.name]} is not None: {atoms[node.name]} = {atoms[node.name]} != 0"
                )
            return atoms[node.name]
        if node not in done:
            code = _row_code(node, [atom(arg) for arg in node.args])
            done[node] = f"t{len(done)}"
            lines.append(f"    {done[node]} = {code}")
        return done[node]

    for name, node in steps:
        atoms[name] = atom(node)
    lines.append(f"    return ({''.join(atoms[name] + ', ' for name, _ in steps)})")
    space: dict[str, Any] = {"__builtins__": {"abs": abs}}
    exec(compile("\n".join(lines), "<row program>", "exec"), space)
    return cast(RowProgram, space["program"])


_ROW = {
    "neg": "-{0}",
    "abs": "abs({0})",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "min": "{0} if {0} <= {1} else {1}",
    "max": "{0} if {0} >= {1} else {1}",
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


def compile_column(node: Node) -> Callable[[Callable[[str], Any]], Any] | None:
    """A quick form of `run_columns` for one expression no part of which can be missing: column getter -> values.

    None where something can be missing. The source is made of names of numpy functions and numbers alone.
    """
    reads: list[str] = []

    def code(part: Node) -> str:
        if isinstance(part, Constant):
            return repr(part.value)
        if part.type.nullable:
            raise LookupError
        if isinstance(part, Name):
            if part.name not in reads:
                reads.append(part.name)
            return f"c{reads.index(part.name)}"
        args = [code(arg) for arg in part.args]
        if part.op in ("and", "or"):
            tests = [f"({arg} != 0)" for arg in args]
            return f"({(' & ' if part.op == 'and' else ' | ').join(tests)})"
        if part.op == "in":
            return f"({' | '.join(f'({args[0]} == {arg})' for arg in args[1:])})"
        if part.op not in _COLUMN:
            raise LookupError
        return f"{_COLUMN[part.op].__name__}({', '.join(args)})"

    try:
        body = code(node)
    except LookupError:
        return None
    lines = [
        "def column(get):",
        *(f"    c{i} = get(names[{i}])" for i in range(len(reads))),
        f"    return {body}",
    ]
    space: dict[str, Any] = {"__builtins__": {}, "names": reads}
    space |= {function.__name__: function for function in _COLUMN.values()}
    exec(compile("\n".join(lines), "<column program>", "exec"), space)
    return cast(Callable[[Callable[[str], Any]], Any], space["column"])


Part = tuple[Any, Bools | None]
"""Values (flags as bool or 0/1, anything where not known) and what is known; None says that all is."""


def run_columns(
    steps: Sequence[tuple[str, Node]], inputs: Mapping[str, Column], rows: int
) -> dict[str, Column]:
    """The steps over n rows at once; the meaning of the language."""
    parts = run_parts(steps, lambda name: (inputs[name].values, inputs[name].known))
    return {name: whole(part, (rows,)) for name, part in parts.items()}


def run_parts(steps: Sequence[tuple[str, Node]], given: Callable[[str], Part]) -> dict[str, Part]:
    """`run_columns` for callers that want no array they do not use: an input is asked for when a step reads it."""
    named: dict[str, Part] = {}
    read: dict[str, Part] = {}
    done: dict[int, Part] = {}  # by identity: cheaper than hashing trees, and the steps keep the nodes alive

    def part(node: Node) -> Part:
        if isinstance(node, Constant):
            return node.value, None
        if isinstance(node, Name):
            if node.name in named:
                return named[node.name]
            if node.name not in read:
                values, known = given(node.name)
                read[node.name] = values, known if node.type.nullable else None
            return read[node.name]
        if id(node) not in done:
            done[id(node)] = apply(node.op, [part(arg) for arg in node.args])
        return done[id(node)]

    with np.errstate(all="ignore"):  # where nothing is known stands anything
        for name, node in steps:
            named[name] = part(node)
    found = dict(named)
    for kept in (named, read, done):
        kept.clear()  # `part` refers to itself: what it holds would wait for the garbage collector
    return found


def whole(part: Part, shape: tuple[int, ...]) -> Column:
    """A column of its own: int64, 0 where not known."""
    values, known = part
    if known is None:
        return Column(
            np.ascontiguousarray(np.broadcast_to(values, shape), dtype=np.int64), np.ones(shape, np.bool_)
        )
    known = np.ascontiguousarray(np.broadcast_to(known, shape))
    return Column(np.where(known, values, 0).astype(np.int64, copy=False), known)


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


_where: Callable[..., Any] = np.where


def apply(op: str, args: Sequence[Part]) -> Part:
    """One operation of the language on columns."""
    (a, known), (b, other) = args[0], args[-1]
    match op:
        case "and" | "or":
            return _kleene(args, op == "and")
        case "if":
            then, otherwise = args[1:]
            chosen = _both(known, _choose(a, then[1], otherwise[1]))
            return _where(_flag(a), then[0], otherwise[0]), chosen
        case "coalesce":
            if known is None:
                return a, None
            return _where(known, a, b), None if other is None else known | other
        case "missing":
            return (False if known is None else ~known), None
        case "in":
            found = np.equal(a, args[1][0])
            for option, _ in args[2:]:
                found = found | np.equal(a, option)
            return found, known
        case "div" | "mod":
            if isinstance(b, int) and b:
                return _COLUMN[op](a, b), _both(known, other)
            zero: Any = np.equal(b, 0)
            some: Bools | None = ~zero if np.any(zero) else None
            return _COLUMN[op](a, b if some is None else np.where(zero, 1, b)), _both(
                _both(known, other), some
            )
        case _:
            if len(args) == 1:
                return _COLUMN[op](a), known
            return _COLUMN[op](a, b), _both(known, other)


def _kleene(args: Sequence[Part], conjunction: bool) -> Part:
    """Decided by one operand where it is known to decide; else known only where all are."""
    decided: Any = False
    known: Bools | None = None
    for values, given in args:
        here = ~_flag(values) if conjunction else _flag(values)
        decided = decided | (here if given is None else here & given)
        known = _both(known, given)
    return (np.logical_not(decided) if conjunction else decided), None if known is None else known | decided


def _flag(values: Any) -> Any:
    kind = getattr(values, "dtype", None)
    return values if kind == np.bool_ else np.not_equal(values, 0)


def _both(a: Bools | None, b: Bools | None) -> Bools | None:
    return b if a is None else a if b is None else a & b


def _choose(take: Any, a: Bools | None, b: Bools | None) -> Bools | None:
    if a is None and b is None:
        return None
    return np.where(_flag(take), True if a is None else a, True if b is None else b)
