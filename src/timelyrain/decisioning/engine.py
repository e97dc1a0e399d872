"""A definition made ready to run: features as arrays, verdicts for one row and for columns, from the same trees.

Features of n applicants are one int64[n, k] and one bool[n, k], in a fixed order of names. For one applicant, derived
features of one shape (hundreds of shares and trends) are computed together; the rest, and the verdict, run as generated row code
on just the values they read.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from .aggregates import Aggregation
from .compilers import Column, Part, RowProgram, Value, apply, compile_row, run_parts, whole
from .evidence import FACTS, SOURCES, Bools, Evidence, Ints, canonical_json
from .language import Apply, Constant, Name, Node, leaves, names_read

Steps = Sequence[tuple[str, Node]]
TOGETHER = 16
"""So many steps of one shape are cheaper in one array than in row code."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable(Mapping[str, Column]):
    """Features of n applicants by k names: numbers int64[n, k] (flags 0/1, enums by code, 0 where not known), known bool[n, k].

    A mapping from name to column.
    """

    places: Mapping[str, int]
    names_sha256: str
    numbers: Ints
    known: Bools

    def __getitem__(self, name: str) -> Column:
        at = self.places[name]
        return Column(self.numbers[:, at], self.known[:, at])

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def sha256(self, row: int) -> str:
        """Hash of the names, the numbers (little-endian int64) and what is known, of one applicant."""
        found = hashlib.sha256(self.names_sha256.encode())
        found.update(self.numbers[row].astype("<i8", copy=False).tobytes())
        found.update(self.known[row].tobytes())
        return found.hexdigest()


class Engine:
    """The arithmetic of one definition. features: facts, source flags, aggregates, then derived features, in order."""

    def __init__(self, aggregation: Aggregation, feature_steps: Steps, verdict_steps: Steps):
        self.aggregation = aggregation
        self._flags = tuple(f"source_missing.{source}" for source in SOURCES)
        self._inputs = (*FACTS, *self._flags, *aggregation.names)
        self.names = (*self._inputs, *(name for name, _ in feature_steps))
        self.places: Mapping[str, int] = {name: at for at, name in enumerate(self.names)}
        self.names_sha256 = hashlib.sha256(canonical_json(self.names)).hexdigest()
        self._phases = _phases(feature_steps, self._inputs, self.places)
        self._model: tuple[tuple[str, ...], Ints] | None = None  # of the model asked for last
        self.verdict_steps = tuple(verdict_steps)
        self.features_sha256 = hashlib.sha256(
            repr((aggregation.aggregates, aggregation.utc_offset_minutes, tuple(feature_steps))).encode()
        ).hexdigest()
        """Changes with any change of what a feature means: cached features hold as long as it stays."""
        self.meanings = _meanings(verdict_steps)
        self.verdict_names = tuple(name for name, _ in verdict_steps)
        self.verdict_reads = _reads(verdict_steps)
        self._features_read = tuple(name for name in self.verdict_reads if name in self.places)
        self._given = tuple(name for name in self.verdict_reads if name not in self.places)
        self._at = np.array([self.places[name] for name in self._features_read], np.int64)
        self._program = compile_row(self._features_read + self._given, verdict_steps)

    def features(self, evidences: Sequence[Evidence]) -> FeatureTable:
        """Every feature of n applicants, from raw events."""
        rows, head = len(evidences), len(FACTS) + len(SOURCES)
        values = np.zeros((rows, len(self.names)), np.int64)
        known = np.zeros((rows, len(self.names)), np.bool_)
        for row, evidence in enumerate(evidences):
            values[row, :head], known[row, :head] = evidence.packed.head, evidence.packed.known
        aggregates = slice(head, len(self._inputs))
        self.aggregation.fill(evidences, values[:, aggregates], known[:, aggregates])
        for phase in self._phases:
            phase.run(values, known)
        return FeatureTable(self.places, self.names_sha256, values, known)

    def model_places(self, names: tuple[str, ...]) -> Ints | None:
        """Where the inputs of a model stand; None when one is no feature here."""
        if self._model is None or self._model[0] is not names:
            if any(name not in self.places or name in self._flags for name in names):
                return None
            self._model = names, np.array([self.places[name] for name in names], np.int64)
        return self._model[1]

    def verdict(self, values: Ints, known: Bools, given: Mapping[str, Value]) -> dict[str, Value]:
        """Tables, figures and rules of one applicant (values int64[k], known bool[k]), with the values they read.

        given: what is not a feature: request, law, model, draw.
        """
        features = _objects(values, known, self._at)
        outside: list[Value] = [given[name] for name in self._given]
        found = self._program(features + outside)
        seen = dict(zip(self._features_read, features, strict=True))
        seen.update(zip(self._given, outside, strict=True))
        seen.update(zip(self.verdict_names, found, strict=True))
        return seen


def _reads(steps: Steps) -> tuple[str, ...]:
    """Names the steps take from outside, each once, in the order of reading."""
    own = {name for name, _ in steps}
    return tuple(dict.fromkeys(name for _, node in steps for name in names_read(node) if name not in own))


def _meanings(steps: Steps) -> dict[str, str]:
    """step -> hash of its tree and of the steps it leads back to: equal where two definitions mean the same."""
    found: dict[str, str] = {}
    for name, node in steps:
        parts = [repr(node), *(found[read] for read in names_read(node) if read in found)]
        found[name] = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return found


def _objects(values: Ints, known: Bools, at: Ints) -> list[Value]:
    numbers, given = cast(list[int], values.take(at).tolist()), cast(list[bool], known.take(at).tolist())
    return [number if there else None for number, there in zip(numbers, given, strict=True)]


@dataclass(frozen=True, slots=True)
class _Together:
    """Steps of one shape: `shape` reads column i of every leaf for the step whose result goes to column out[i]."""

    shape: Node
    leaves: tuple[Ints | Part, ...]
    out: Ints

    def run(self, values: Ints, known: Bools) -> None:
        """Of one applicant as [k], which numpy indexes several times as quick, or of n as [n, k]."""
        if len(values) == 1:
            values, known = values[0], known[0]
        parts = [
            leaf if isinstance(leaf, tuple) else (values.take(leaf, axis=-1), known.take(leaf, axis=-1))
            for leaf in self.leaves
        ]
        found = whole(_over(self.shape, iter(parts)), (*values.shape[:-1], len(self.out)))
        values[..., self.out], known[..., self.out] = found.values, found.known


@dataclass(frozen=True, slots=True)
class _Apart:
    """Steps that have no fellows: row code for one applicant, columns for many."""

    steps: tuple[tuple[str, Node], ...]
    places: Mapping[str, int]
    at: Ints
    out: Ints
    program: RowProgram

    def run(self, values: Ints, known: Bools) -> None:
        if len(values) == 1:
            found = self.program(_objects(values[0], known[0], self.at))
            values[0, self.out] = [value or 0 for value in found]
            known[0, self.out] = [value is not None for value in found]
            return

        def given(name: str) -> Part:
            return values[:, self.places[name]], known[:, self.places[name]]

        for name, part in run_parts(self.steps, given).items():
            column = whole(part, (len(values),))
            values[:, self.places[name]], known[:, self.places[name]] = column.values, column.known


def _phases(steps: Steps, inputs: Sequence[str], places: Mapping[str, int]) -> list[_Together | _Apart]:
    """All steps, those of a common shape together as soon as what they read is there, the others in between."""
    shapes = {name: _shape(node) for name, node in steps}
    ready, left, phases = set(inputs), list(steps), list[_Together | _Apart]()
    while left:
        groups: dict[object, list[tuple[str, Node]]] = defaultdict(list)
        for name, node in left:
            if ready.issuperset(names_read(node)):
                groups[shapes[name]].append((name, node))
        groups = {shape: group for shape, group in groups.items() if len(group) >= TOGETHER}
        phases += [_together(group, places) for group in groups.values()]
        ready |= {name for group in groups.values() for name, _ in group}
        fellows = Counter(shapes[name] for name, _ in left if name not in ready)
        apart: list[tuple[str, Node]] = []
        for name, node in left:
            if fellows[shapes[name]] < TOGETHER and ready.issuperset(names_read(node)) and name not in ready:
                apart.append((name, node))
                ready.add(name)
        if not apart and not groups:  # many of one shape that become ready by and by
            apart = [(name, node) for name, node in left if ready.issuperset(names_read(node))]
            ready |= {name for name, _ in apart}
        if apart:
            phases.append(_apart(apart, places))
        left = [(name, node) for name, node in left if name not in ready]
    return phases


def _shape(node: Node) -> object:
    """What two steps must share to be computed together: operations, and where names and constants stand."""
    if isinstance(node, Apply):
        return (node.op, *(_shape(arg) for arg in node.args))
    return "constant" if isinstance(node, Constant) else ("name", node.type.nullable)


def _together(group: Steps, places: Mapping[str, int]) -> _Together:
    rows = [list(leaves(node)) for _, node in group]
    found: list[Ints | Part] = []
    for column in zip(*rows, strict=True):
        if isinstance(column[0], Name):
            found.append(np.array([places[cast(Name, leaf).name] for leaf in column], np.int64))
        else:
            numbers = [cast(Constant, leaf).value for leaf in column]
            found.append((numbers[0] if len(set(numbers)) == 1 else np.array(numbers), None))
    return _Together(group[0][1], tuple(found), np.array([places[name] for name, _ in group], np.int64))


def _apart(steps: Steps, places: Mapping[str, int]) -> _Apart:
    reads = _reads(steps)
    return _Apart(
        tuple(steps),
        places,
        np.array([places[name] for name in reads], np.int64),
        np.array([places[name] for name, _ in steps], np.int64),
        compile_row(reads, steps),
    )


def _over(node: Node, leaves: Iterator[Part]) -> Part:
    if isinstance(node, Apply):
        return apply(node.op, [_over(arg, leaves) for arg in node.args])
    values, known = next(leaves)
    return values, known if node.type.nullable else None
