"""Which events belong to which families, worked out once per definition: an event's families are an AND of table look-ups.

A condition is a conjunction; a part of it that reads one column splits that column into ranges or values on which it is
constant, so that a family is a bit, and each range of each column holds the bits of the families it admits. What reads several
columns at once is evaluated per event and becomes a column of its own, with values 0 and 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .compilers import Column, run_columns
from .evidence import TABLES, Bools, Ints
from .language import Apply, Constant, Name, Node, Type, leaves, names_read

Words = npt.NDArray[np.uint64]
DIRECT = 16_384
"""A column with at most so many values is looked up by value, a longer one by search among its breaks."""
CLOCK = ("days_ago", "period", "day_of_month", "weekday", "hour")


@dataclass(frozen=True, slots=True, eq=False)
class Digit:
    """Look-up by one column. bits uint64[codes, words]: families admitted. breaks: code = how many are <= the value;
    None: the code is the value itself."""

    source: int
    breaks: Ints | None
    bits: Words


@dataclass(frozen=True, slots=True)
class Selection:
    """Families of one table. sources: columns read, as <column>, a clock column, or an expression (Node).

    conditions: per family, what must hold, value known included. values: per family, its source and -1, 0 (absolute) or 1.
    """

    table: str
    sources: tuple[str | Node, ...]
    digits: tuple[Digit, ...]
    values: tuple[tuple[int, int], ...]

    def steady(self, source: int) -> bool:
        """Whether a source only changes with time, so that its different values are its changes."""
        return self.sources[source] in ("days_ago", "period")


def select(
    table: str, types: Mapping[str, Type], families: Sequence[tuple[Node | None, Node | None]]
) -> Selection:
    """families: (condition, value or None where no number is taken of it)."""
    reading = _Reading(table, types, len(families))
    for at, (where, value) in enumerate(families):
        for term in _terms(where) if where is not None else ():
            reading.admit(at, term)
        if value is not None and value.type.nullable:
            absent = Apply(Type("bool", nullable=False), "missing", (value,))
            reading.admit(at, Apply(Type("bool", nullable=False), "not", (absent,)))
    values = tuple(reading.value(value) for _, value in families)
    return Selection(table, tuple(reading.sources), reading.digits(), values)


def _terms(node: Node) -> list[Node]:
    if isinstance(node, Apply) and node.op == "and":
        return [term for arg in node.args for term in _terms(arg)]
    return [node]


class _Reading:
    """One table being compiled."""

    def __init__(self, table: str, types: Mapping[str, Type], families: int):
        self.sources: list[str | Node] = ["at"]
        self._types, self._families = types, families
        self._keys = {name for name, field in TABLES[table].columns.items() if field.kind == "key"}
        self._terms: dict[int, list[tuple[int, Node]]] = {}

    def admit(self, family: int, term: Node) -> None:
        """Only events where the term is true belong to the family."""
        names = names_read(term)
        name = names[0] if len(names) == 1 else None
        if name is not None and (self._size(name) <= DIRECT or _compares(term)):
            self._terms.setdefault(self._source(name), []).append((family, term))
            return
        flag = term
        if term.type.nullable:
            flag = Apply(Type("bool", nullable=False), "coalesce", (term, Constant(term.type, 0)))
        self._terms.setdefault(self._source(flag), []).append((family, flag))

    def value(self, node: Node | None) -> tuple[int, int]:
        if node is None:
            return 0, 1
        if isinstance(node, Apply) and node.op in ("neg", "abs") and isinstance(node.args[0], Name):
            return self._source(node.args[0].name), -1 if node.op == "neg" else 0
        if isinstance(node, Name):
            return self._source(node.name), 1
        if node.type.nullable:
            zero = Constant(Type("int", nullable=False), 0)
            node = Apply(node.type, "coalesce", (node, zero))
        return self._source(node), 1

    def digits(self) -> tuple[Digit, ...]:
        return tuple(self._digit(source, terms) for source, terms in sorted(self._terms.items()))

    def _source(self, source: str | Node) -> int:
        if source not in self.sources:
            self.sources.append(source)
        return self.sources.index(source)

    def _size(self, name: str) -> float:
        kind = self._types[name]
        if kind.kind == "bool":
            return 2
        if kind.kind == "enum":
            return len(kind.values)
        return kind.high + 1 if kind.kind == "int" and kind.low >= 0 else float("inf")

    def _digit(self, source: int, terms: Sequence[tuple[int, Node]]) -> Digit:
        name = self.sources[source]
        if not isinstance(name, str):
            return Digit(source, None, self._bits([(family, np.array([False, True])) for family, _ in terms]))
        if (size := self._size(name)) <= DIRECT:
            breaks, probes = None, np.arange(int(size), dtype=np.int64)
        else:
            edges = {0, 1}  # a key of 0 is missing
            edges.update(
                edge
                for _, term in terms
                for leaf in leaves(term)
                if isinstance(leaf, Constant)
                for edge in (leaf.value, leaf.value + 1)
            )
            breaks = np.array(sorted(edges), np.int64)
            probes = np.concatenate([breaks[:1] - 1, breaks])
        known = probes != 0 if name in self._keys else np.ones(len(probes), np.bool_)
        inputs = {name: Column(probes, known)}
        found = run_columns([(str(i), term) for i, (_, term) in enumerate(terms)], inputs, len(probes))
        chosen = [
            (family, found[str(i)].known & (found[str(i)].values != 0)) for i, (family, _) in enumerate(terms)
        ]
        return Digit(source, breaks, self._bits(chosen))

    def _bits(self, chosen: Sequence[tuple[int, npt.NDArray[np.bool_]]]) -> Words:
        admitted = np.ones((len(chosen[0][1]), self._families), np.bool_)
        for family, codes_admitted in chosen:
            admitted[:, family] &= codes_admitted
        return packed(admitted)


def packed(admitted: Bools) -> Words:
    """bool[codes, families] as words of 64 families."""
    whole = np.zeros((len(admitted), -(-admitted.shape[1] // 64) * 64), np.bool_)
    whole[:, : admitted.shape[1]] = admitted
    words: Any = np.packbits(whole, axis=1, bitorder="little").view("<u8")
    return cast(Words, np.ascontiguousarray(words.astype(np.uint64)))


def unpacked(words: Words, families: int) -> Bools:
    """The other way."""
    octets: Any = words.astype("<u8").view(np.uint8)
    return np.unpackbits(octets, axis=1, bitorder="little", count=families).view(np.bool_)


def _compares(node: Node) -> bool:
    """Whether a condition changes only at its literals: comparisons of the bare column under and, or, not."""
    match node:
        case Apply(op="and" | "or" | "not", args=args):
            return all(_compares(arg) for arg in args)
        case Apply(op="eq" | "ne" | "lt" | "le" | "gt" | "ge" | "in" | "missing", args=args):
            return all(not isinstance(arg, Apply) for arg in args)
        case _:
            return isinstance(node, (Name, Constant))
