"""The plan of a sweep as flat arrays, for the compiled loop of `kernels.py`; and whether that loop can be had."""

# pyright: basic
import os
from collections.abc import Sequence
from functools import cache
from threading import Thread
from typing import Any, get_args

import numpy as np

from .compilers import compile_column
from .events import DAY, DAY_OF_MONTH, Events, Plan, Stat, TablePlan
from .evidence import PLACES, TABLES, Bools, Evidence, Ints
from .language import Node, names_read
from .selection import CLOCK, Words, packed, unpacked

_STATS: tuple[Stat, ...] = get_args(Stat)


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


_compiling: list[Thread] = []


class CompiledSweep:
    """`sweep.Sweep` by the compiled loop, applicant by applicant."""

    def __init__(self, plan: Plan, module: Any):
        self._plan, self._module = plan, module
        self._expressions: list[tuple[int, Node]] = []  # with their tables
        self._fixed = self._flatten()
        self._programs = [self._program(table, node) for table, node in self._expressions]
        self._names = [each.table for each in plan.tables]
        self._at = np.array([PLACES[name] for name in self._names], np.int64)
        self._from = [TABLES[each.table].source for each in plan.tables]

    def run(self, evidences: Sequence[Evidence], values: Ints, known: Bools) -> None:
        for row, evidence in enumerate(evidences):
            packed = evidence.packed
            given = np.array([source not in evidence.missing for source in self._from])
            extra, first = self._extra(evidence)
            self._module.sweep(
                evidence.as_of, given, packed.starts.take(self._at), packed.sizes.take(self._at), packed.events, extra, first,
                self._plan.utc_offset, DAY_OF_MONTH, *self._fixed, values[row], known[row],
            )  # fmt: skip

    def ready(self, evidence: Evidence) -> bool:
        """Whether the loop is compiled. If not, a thread compiles it (on this applicant) while numpy does the work."""
        if not _compiling:
            columns = sum(len(outputs) for each in self._plan.tables for outputs in each.outputs)
            nowhere = np.zeros((1, columns), np.int64), np.zeros((1, columns), np.bool_)
            _compiling.append(Thread(target=self.run, args=([evidence], *nowhere), name="compile the sweep"))
            _compiling[0].start()
        return not _compiling[0].is_alive()

    def _extra(self, evidence: Evidence) -> tuple[Ints, Ints]:
        """Columns that expressions give, end to end, and where each begins."""
        if not self._expressions:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        events, parts, first = None, list[Any](), [0]
        for (table, node), program in zip(self._expressions, self._programs, strict=True):
            if program is not None:
                parts.append(program(evidence.tables[self._names[table]].__getitem__))
            else:
                events = events or Events(self._plan, evidence)
                parts.append(events.source(table, node))
            first.append(first[-1] + len(parts[-1]))
        return np.concatenate(parts, dtype=np.int64), np.array(first)

    def _program(self, table: int, node: Node) -> Any:
        """The quick form of an expression that reads columns alone."""
        reads = names_read(node)
        own = TABLES[self._plan.tables[table].table].columns
        return compile_column(node) if reads and own.keys() >= set(reads) else None

    def _source(self, table: int, source: str | Node) -> int:
        """A source as the loop knows it."""
        if isinstance(source, str):
            if source in CLOCK:
                return -1 - CLOCK.index(source)
            return list(TABLES[self._plan.tables[table].table].columns).index(source)
        if (table, source) not in self._expressions:
            self._expressions.append((table, source))
        return -1 - len(CLOCK) - self._expressions.index((table, source))

    def _flatten(self) -> tuple[Any, ...]:
        plan, module = self._plan, self._module
        tables, families = len(plan.tables), plan.families
        edges = np.zeros((tables, plan.rings), np.int64)
        digits: list[tuple[int, int, int, int]] = []
        bits: list[Any] = []
        breaks: list[Any] = []
        digit_first, word_first, family_first = [0], [0], [0]
        condition_count: list[int] = []
        value_source, value_sign, condition = (np.zeros(families, np.int64) for _ in range(3))
        wants, ids_at = np.zeros(families, np.int64), np.zeros(families, np.int64)
        numbered: list[tuple[int, int]] = []
        numbered_first, outputs, output_first = [0], list[int](), [0]
        for t, each in enumerate(plan.tables):
            edges[t, : len(each.windows)] = np.array(each.windows, np.int64) * DAY
            selection, (chosen, words) = each.selection, _conditions(each)
            for digit, own in zip(selection.digits, words, strict=True):
                source = self._source(t, selection.sources[digit.source])
                length = -1 if digit.breaks is None else len(digit.breaks)
                digits.append((source, sum(map(len, breaks)), length, sum(map(len, bits))))
                bits.append(own.ravel())
                breaks.append([] if digit.breaks is None else digit.breaks)
            digit_first.append(len(digits))
            for first in range(0, max(chosen) + 1, 64):
                condition_count.append(min(max(chosen) + 1 - first, 64))
                family_first.append(family_first[-1] + sum(first <= at < first + 64 for at in chosen))
            word_first.append(len(condition_count))
            for f, k in enumerate(np.argsort(chosen, kind="stable").tolist(), plan.first_family[t]):
                made, (at, sign) = each.outputs[k], selection.values[k]
                stats = {output.stat for output in made}
                source = self._source(t, selection.sources[at])
                steady = selection.steady(at)
                wants[f] = (
                    module.WANTS_VALUE * bool(stats & {"sum", "mean", "min", "max", "std"})
                    + module.WANTS_SQUARES * ("std" in stats)
                    + module.WANTS_PERIODS * ("periods" in stats)
                    + module.WANTS_STEADY * ("distinct" in stats and steady)
                    + module.WANTS_DISTINCT * ("distinct" in stats and not steady)
                )
                value_source[f], value_sign[f], condition[f] = source, sign, chosen[k] % 64
                if "distinct" in stats and not steady:
                    key = source, abs(sign)
                    if key not in numbered[numbered_first[-1] :]:
                        numbered.append(key)
                    ids_at[f] = numbered.index(key, numbered_first[-1]) - numbered_first[-1]
                outputs += sorted(
                    _STATS.index(stat) + 16 * each.windows.index(window) + 2**24 * column
                    for stat, window, column in made
                )
                output_first.append(len(outputs))
            numbered_first.append(len(numbered))
        by_digit = np.array(digits, np.int64).reshape(-1, 4).T.copy()
        by_number = np.array(numbered, np.int64).reshape(-1, 2).T.copy()
        at_columns = [self._source(t, "at") for t in range(tables)]
        return (
            edges, np.array([len(each.windows) for each in plan.tables], np.int64), np.array(at_columns, np.int64),
            np.array(digit_first, np.int64), *by_digit,
            np.concatenate([*bits, np.zeros(0, np.uint64)]), np.concatenate([*breaks, np.zeros(0, np.int64)]).astype(np.int64),
            np.array(word_first, np.int64), np.array(condition_count, np.int64), np.array(family_first, np.int64), condition,
            value_source, value_sign, wants, ids_at, np.array(numbered_first, np.int64), *by_number,
            np.array(output_first, np.int64), np.array(outputs, np.int64),
        )  # fmt: skip


def _conditions(table: TablePlan) -> tuple[list[int], list[Words]]:
    """(of each family, its condition; of each digit, the bits of the conditions): families that admit the same are one."""
    families, digits = len(table.outputs), table.selection.digits
    admitted = [unpacked(digit.bits, families) for digit in digits]
    everything = np.concatenate([*admitted, np.ones((1, families), np.bool_)])
    numbers: dict[bytes, int] = {}
    chosen = [numbers.setdefault(column.tobytes(), len(numbers)) for column in everything.T]
    firsts = [chosen.index(number) for number in range(len(numbers))]
    return chosen, [packed(each[:, firsts]) for each in admitted]


def compiled_sweep(plan: Plan) -> CompiledSweep | None:
    """None where the compiled loop cannot be had."""
    module = kernels()
    return None if module is None or not plan.tables else CompiledSweep(plan, module)
