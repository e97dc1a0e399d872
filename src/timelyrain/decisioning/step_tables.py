"""Tables of the old form: rows `below` ascending over one number, each other key an output; past the last row: missing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import cast

from .definition import Block
from .language import BAD, BOOL, INT64, Apply, Constant, Node, Type, absent, constant, names_read
from .schema import MAX_FEN
from .tables import MAX_ROWS, DecisionTable, TableRead, output_names, pick, table_shape, unit_of


def read_step_table(block: Block, name: str, names: Mapping[str, Type], watched: str) -> TableRead:
    """One [[table]] with `on = "expression"`; watched: the name over which limits may only fall and rates only rise."""
    on = block.expression("on", names, "int")
    given = block.items("rows")
    rows = [cast(dict[str, object], row) for row in given if isinstance(row, dict)]
    note = block.text("note", "")
    block.done()
    limits = [row.get("below") for row in rows]
    numbers = [limit for limit in limits if type(limit) is int and abs(limit) <= INT64]
    keys = output_names(block, rows, ("below",))
    table = DecisionTable(
        name,
        "first",
        (("below", str(block.raw("on"))),),
        tuple((f"< {limit}",) for limit in limits),
        keys,
        tuple(tuple(cast("int | str | None", row.get(key)) for key in keys) for row in rows),
        note,
    )
    nothing = TableRead(table, tuple((f"{name}.{key}", Constant(BAD, 0)) for key in keys), {})
    if not rows or len(numbers) < len(given) or any(a >= b for a, b in pairwise(numbers)):
        block.report("rows", "no_limits", value=limits)
        return nothing
    if not keys:
        block.report("rows", "no_outputs")
    if len(rows) > MAX_ROWS:
        table_shape(block, 1, len(rows), len(keys))
        return nothing
    for row, limit in enumerate(numbers if on.type.kind == "int" else []):
        if limit <= on.type.low or (row and numbers[row - 1] > on.type.high):
            written = table.columns[0][1]
            block.report(("rows", row), "row_unreached", written=written, low=on.type.low, high=on.type.high)
    steps: list[tuple[str, Node]] = []
    for key in keys:
        column = [row.get(key) for row in rows]
        steps.append((f"{name}.{key}", _steps(block, on, numbers, key, column)))
        if names_read(on) == (watched,):
            _monotone(block, key, column)
    return TableRead(table, tuple(steps), {})


def _steps(block: Block, on: Node, limits: list[int], key: str, column: list[object]) -> Node:
    texts = [value for value in column if isinstance(value, str)]
    if len(texts) == len(column):
        enum = Type("enum", values=tuple(dict.fromkeys(texts)), nullable=False)
        parts: list[Node] = [Constant(enum, enum.values.index(text)) for text in texts]
    else:
        numbers = [value for value in column if type(value) is int and abs(value) <= MAX_FEN]
        if len(numbers) < len(column):
            block.report("rows", "column_mixed", name=key, value=column)
            return Constant(BAD, 0)
        parts = [constant(number, unit_of(key)) for number in numbers]
    if on.type.kind == "bad":
        return Constant(BAD, 0)
    kinds = [part.type for part in parts]
    low, high = min(t.low for t in kinds), max(t.high for t in kinds)
    kind = Type(kinds[0].kind, kinds[0].unit, low, high, kinds[0].values)
    inside = Apply(replace(BOOL, nullable=on.type.nullable), "lt", (on, constant(limits[-1])))
    return Apply(kind, "if", (inside, pick(on, [0, *limits[:-1]], parts, kind), absent(kind)))


def _monotone(block: Block, key: str, column: Sequence[object]) -> None:
    numbers = [value for value in column if type(value) is int]
    pairs = list(pairwise(numbers))
    if key.endswith("_fen") and any(a < b for a, b in pairs):
        block.report("rows", "rises_with_pd", name=key, value=numbers)
    if key.endswith("rate_ppm") and any(a > b for a, b in pairs):
        block.report("rows", "falls_with_pd", name=key, value=numbers)
