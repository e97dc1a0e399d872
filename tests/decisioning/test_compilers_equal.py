"""Row code and columns give the same bytes, for generated expressions and for the whole default policy."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decisioning.applicants import default_policy
from timelyrain.decisioning.compilers import Column, Value, compile_row, run_columns
from timelyrain.decisioning.language import Node, Type, read

NAMES = {
    "a": Type("int", "", -(10**6), 10**6),
    "b": Type("int", "", -3, 3),
    "c": Type("int", "", 0, 10**12),
    "p": Type("bool"),
    "q": Type("bool"),
    "e": Type("enum", values=("x", "y", "z")),
}


@st.composite
def numbers(draw: st.DrawFn, depth: int) -> str:
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(["a", "b", "c", "0", "1", "-7", "1000"]))
    x, y = draw(numbers(depth - 1)), draw(numbers(depth - 1))
    match draw(st.integers(0, 4)):
        case 0:
            return f"({x} {draw(st.sampled_from(['+', '-', '*', '//', '%']))} {y})"
        case 1:
            return f"{draw(st.sampled_from(['min', 'max', 'coalesce']))}({x}, {y})"
        case 2:
            return f"clip(abs(-{x}), -50, 50)"
        case 3:
            return f"({x} if {draw(flags(depth - 1))} else {y})"
        case _:
            return f"share({x}, clip({y}, -9, 2000000))"


@st.composite
def flags(draw: st.DrawFn, depth: int) -> str:
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(["p", "q", "True", "False", "e == 'y'", "e in ('x', 'z')", "missing(e)"]))
    match draw(st.integers(0, 4)):
        case 0:
            op = draw(st.sampled_from(["<", "<=", "==", "!=", ">", ">="]))
            return f"({draw(numbers(depth - 1))} {op} {draw(numbers(depth - 1))})"
        case 1:
            return (
                f"({draw(flags(depth - 1))} {draw(st.sampled_from(['and', 'or']))} {draw(flags(depth - 1))})"
            )
        case 2:
            return f"(not {draw(flags(depth - 1))})"
        case 3:
            return f"(ratio_ppm({draw(numbers(depth - 1))}, {draw(numbers(depth - 1))}) > 1000)"
        case _:
            return f"({draw(numbers(depth - 1))} not in (0, 1, -3) or missing({draw(numbers(depth - 1))}))"


def drawn(kind: Type, rng: random.Random) -> Value:
    """Missing, the bounds, near zero, or anything."""
    if kind.nullable and rng.random() < 0.25:
        return None
    if kind.kind == "bool":
        return rng.random() < 0.5
    high = len(kind.values) - 1 if kind.kind == "enum" else kind.high
    low = 0 if kind.kind == "enum" else kind.low
    near = [v for v in (low, high, 0, 1, -1, low + 1, high - 1) if low <= v <= high]
    return rng.choice(near) if rng.random() < 0.5 else rng.randint(low, high)


def both(types: dict[str, Type], steps: list[tuple[str, Node]], n: int, seed: int) -> tuple[bytes, bytes]:
    """(columns, rows) of n adversarial rows, as bytes."""
    rng = random.Random(seed)
    rows = [[drawn(kind, rng) for kind in types.values()] for _ in range(n)]
    program = compile_row(tuple(types), steps)
    found = [program(row) for row in rows]
    columns = {}
    for i, name in enumerate(types):
        known = np.array([row[i] is not None for row in rows], np.bool_)
        columns[name] = Column(np.array([int(row[i] or 0) for row in rows], np.int64), known)
    result = run_columns(steps, columns, n)
    by_column, by_row = b"", b""
    for i, (name, node) in enumerate(steps):
        column = result[name]
        values = np.array([int(row[i] or 0) for row in found], np.int64)
        known = np.array([row[i] is not None for row in found], np.bool_)
        by_column += column.values.tobytes() + column.known.tobytes()
        by_row += values.tobytes() + known.tobytes()
        if node.type.kind == "int" and known.any():
            assert node.type.low <= values[known].min() <= values[known].max() <= node.type.high, name
        assert node.type.nullable or known.all(), name
    return by_column, by_row


@settings(max_examples=300, deadline=None)
@given(st.one_of(numbers(3), flags(3)), st.integers(0, 2**32))
def test_generated_expressions_agree(source: str, seed: int):
    node, faults = read(source, NAMES)
    if faults:  # only refusals for size and for a divisor of 0 may come out of this grammar
        refusals = ("int64", "characters", "operations", "by zero")
        assert all(any(word in fault.what for word in refusals) for fault in faults), faults
        return
    for n in (0, 1, 7, 1000):
        columns, rows = both(NAMES, [("result", node)], n, seed)
        assert columns == rows, source


@pytest.mark.parametrize("n", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_the_default_policy_agrees(n: int, seed: int):
    policy = default_policy()
    engine, types = policy.engine, policy.verdict_types
    for inputs, steps in (
        (engine.names[: -len(policy.feature_steps)], policy.feature_steps),
        (engine.verdict_reads, policy.verdict_steps),
    ):
        columns, rows = both({name: types[name] for name in inputs}, list(steps), n, seed)
        assert columns == rows


def test_a_hundred_thousand_rows_agree():
    sources = (
        "clip(a * b, -1000, 1000) // b % 7",
        "coalesce(ratio_ppm(a, c), b) if p else share(c, clip(a, -9, 2000000))",
        "p and (q or not (a < c)) and e in ('x', 'z')",
        "missing(a // b) or e == 'y' and a != b",
        "max(min(a, b), -a) + abs(c - a)",
    )
    steps = [(f"s{i}", read(source, NAMES)[0]) for i, source in enumerate(sources)]
    columns, rows = both(NAMES, steps, 100_000, 7)
    assert columns == rows
