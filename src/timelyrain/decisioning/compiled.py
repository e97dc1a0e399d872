"""The plan of a sweep as flat arrays, for the compiled loop of `kernels.py`; and whether that loop can be had."""

# pyright: basic
import os
from collections.abc import Sequence
from functools import cache
from typing import Any, cast

import numpy as np

from .evidence import TABLES, Bools, Evidence, Ints
from .language import Node
from .selection import CLOCK
from .sweep import DAY, DAY_OF_MONTH, Events, Plan, Stat

_STATS: tuple[Stat, ...] = (
    "count", "sum", "mean", "min", "max", "last", "recency", "first", "periods", "distinct", "std",
)  # fmt: skip


@cache
def kernels() -> Any:
    """The compiled loops; None without numba or with TIMELYRAIN_NUMBA=0: results are the same, later."""
    if os.environ.get("TIMELYRAIN_NUMBA") == "0":
        return None
    try:
        from . import kernels as module
    except ImportError:
        return None
    return module


class CompiledSweep:
    """`sweep.sweep` by the compiled loop."""

    def __init__(self, plan: Plan, module: Any):
        self._plan, self._module = plan, module
        self._sources: list[
            tuple[int, str | Node, int]
        ] = []  # table, source, sign; in the order of the pool after times
        self._fixed = self._flatten()
        fields = [TABLES[each.table].columns for each in plan.tables]
        self._own = [
            isinstance(source, str) and source in fields[table] for table, source, _ in self._sources
        ]

    def run(self, evidences: Sequence[Evidence], values: Ints, known: Bools) -> None:
        events = Events(self._plan, evidences)
        starts = np.zeros((len(self._plan.tables), len(evidences) + 1), np.int64)
        np.cumsum(events.sizes, axis=1, out=starts[:, 1:])
        starts += np.array(events.ends[:-1], np.int64)[:, None]
        arrays, bases, used = [events.at], [], events.ends[-1]
        one = [evidences[0].tables[each.table] for each in self._plan.tables] if len(evidences) == 1 else None
        ends = events.ends
        for (table, source, sign), own in zip(self._sources, self._own, strict=True):
            column = one[table][str(source)] if own and one is not None else events.source(table, source)
            arrays.append(column if sign else np.abs(column))
            bases.append(used - ends[table])
            used += ends[table + 1] - ends[table]
        self._module.sweep(
            events.as_of, events.given, starts, self._plan.utc_offset, DAY_OF_MONTH,
            np.concatenate(arrays), np.array(bases, np.int64), *self._fixed, values, known,
        )  # fmt: skip

    def _source(self, table: int, source: str | Node, sign: int = 1) -> int:
        if isinstance(source, str) and source in CLOCK and sign:
            return -1 - CLOCK.index(source)
        key = table, source, sign
        if key not in self._sources:
            self._sources.append(key)
        return self._sources.index(key)

    def _place(self, table: int, source: str | Node, first: int) -> int:
        """Where the loop finds a source of an event: the clock, then the table's sources."""
        at = self._source(table, source)
        return -1 - at if at < 0 else len(CLOCK) + at - first

    def _flatten(self) -> tuple[Any, ...]:
        plan, module = self._plan, self._module
        tables, families = len(plan.tables), plan.families
        edges = np.zeros((tables, plan.rings), np.int64)
        digits: list[tuple[int, int, int, int]] = []
        bits: list[Any] = []
        breaks: list[Any] = []
        digit_first, source_first, word_count = [0], [0], []
        value_source, value_sign = np.zeros(families, np.int64), np.ones(families, np.int64)
        wants, stamp_at, ids_at = (np.zeros(families, np.int64) for _ in range(3))
        numbered: list[int] = []
        numbered_first, stamps = [0], 0
        outputs: list[tuple[int, int, int]] = []
        output_first = [0]
        for t, each in enumerate(plan.tables):
            edges[t, : len(each.windows)] = np.array(each.windows, np.int64) * DAY
            selection = each.selection
            for digit in selection.digits:
                source = self._place(t, selection.sources[digit.source], source_first[t])
                length = -1 if digit.breaks is None else len(digit.breaks)
                digits.append((source, sum(map(len, breaks)), length, sum(map(len, bits))))
                bits.append(digit.bits.ravel())
                breaks.append([] if digit.breaks is None else digit.breaks)
            digit_first.append(len(digits))
            word_count.append(-(-len(each.outputs) // 64))
            for f, (made, (source, sign)) in enumerate(
                zip(each.outputs, selection.values, strict=True), plan.first_family[t]
            ):
                stats = {output.stat for output in made}
                name = selection.sources[source]
                steady = name in ("days_ago", "period")
                wants[f] = (
                    module.WANTS_VALUE
                    * bool(stats & {"sum", "mean", "min", "max", "last", "distinct", "std"})
                    + module.WANTS_RANGE * bool(stats & {"min", "max"})
                    + module.WANTS_SQUARES * ("std" in stats)
                    + module.WANTS_PERIODS * ("periods" in stats)
                    + module.WANTS_STEADY * ("distinct" in stats and steady)
                    + module.WANTS_DISTINCT * ("distinct" in stats and not steady)
                )
                value_source[f], value_sign[f] = self._place(t, name, source_first[t]), sign
                if "distinct" in stats and not steady:
                    key = self._plain(t, name, sign)
                    if key not in numbered[numbered_first[-1] :]:
                        numbered.append(key)
                    ids_at[f] = numbered.index(key, numbered_first[-1])
                    stamp_at[f], stamps = stamps, stamps + 1
                rows = [
                    (each.windows.index(window), _STATS.index(stat), column) for stat, window, column in made
                ]
                outputs += sorted(rows)
                output_first.append(len(outputs))
            numbered_first.append(len(numbered))
            source_first.append(len(self._sources))
        table = np.array(outputs, np.int64).reshape(-1, 3).T.copy()
        by_digit = np.array(digits, np.int64).reshape(-1, 4).T.copy()
        return (
            edges, np.array([len(each.windows) for each in plan.tables], np.int64),
            np.array(source_first, np.int64), np.array(digit_first, np.int64), *by_digit,
            np.concatenate([*bits, np.zeros(0, np.uint64)]), np.concatenate([*breaks, np.zeros(0, np.int64)]).astype(np.int64),
            np.array(word_count, np.int64), np.array(plan.first_family, np.int64),
            value_source, value_sign, wants, stamp_at, ids_at,
            np.array(numbered_first, np.int64), np.array(numbered, np.int64),
            np.array(output_first, np.int64), table[1], table[0], table[2],
        )  # fmt: skip

    def _plain(self, table: int, name: str | Node, sign: int) -> int:
        """A source that lies in the pool as the family sees it, for numbering its values."""
        if isinstance(name, str) and name in CLOCK:
            key = (table, name, 2)  # a clock column, written out
            if key not in self._sources:
                self._sources.append(key)
            return self._sources.index(key)
        return self._source(table, name, 0 if sign == 0 else 1)


def compiled_sweep(plan: Plan) -> CompiledSweep | None:
    """None where the compiled loop cannot be had."""
    module = kernels()
    return None if module is None or not plan.tables else CompiledSweep(plan, cast(Any, module))
