"""What is to be swept, and the events of one applicant as columns: what both forms of the sweep share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from .compilers import Part, compile_column, run_parts, whole
from .evidence import TABLES, Evidence, Ints
from .language import Node
from .selection import Selection

Stat = Literal[
    "count", "sum", "mean", "min", "max", "last", "recency", "first", "periods", "distinct", "std", "slope", "sum_slope",
    "count_slope",
]  # fmt: skip
OF_NOTHING: tuple[Stat, ...] = ("count", "sum", "periods", "distinct", "sum_slope", "count_slope")
"""Statistics that are 0, not missing, when there is no event."""
BY_PERIOD: tuple[Stat, ...] = ("sum_slope", "count_slope")
"""Statistics of whole 30-day periods."""
DAY, PERIOD = 86_400, 30


def oldest_age(stat: Stat, window: int) -> int:
    """Seconds before the application that an event of this window (days) may lie; only whole periods for what compares them."""
    return window // PERIOD * PERIOD * DAY - 1 if stat in BY_PERIOD else window * DAY


class Output(NamedTuple):
    """A statistic over a window (days), and its column among the results."""

    stat: Stat
    window: int
    column: int


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table: its windows' ends in days, ascending; its families; the outputs of each family."""

    table: str
    windows: tuple[int, ...]
    selection: Selection
    outputs: tuple[tuple[Output, ...], ...]


@dataclass(frozen=True)
class Plan:
    """All tables of a definition, those of many families first; families are numbered through."""

    utc_offset: int
    tables: tuple[TablePlan, ...]

    @cached_property
    def programs(self) -> dict[int, Callable[[Callable[[str], Any]], Any] | None]:
        """Expressions over events by identity, compiled when first met."""
        return {}

    @cached_property
    def rings(self) -> int:
        return max((len(plan.windows) for plan in self.tables), default=0)

    @cached_property
    def families(self) -> int:
        return sum(len(plan.outputs) for plan in self.tables)

    @cached_property
    def first_family(self) -> tuple[int, ...]:
        """Of each table."""
        firsts = np.cumsum([0, *(len(plan.outputs) for plan in self.tables)])
        return tuple(firsts.tolist())


def _days_of_months() -> Ints:
    """Day of the month of each day since 1970, until after the last time that evidence may hold."""
    days = np.arange(-2, 48_000, dtype=np.int64).astype("datetime64[D]")
    return (days - days.astype("datetime64[M]")).astype(np.int64) + 1


DAY_OF_MONTH = _days_of_months()


_APART = np.arange(len(TABLES)) << 40
"""Added to the times of each table, so that one follows upon the other."""


class Events:
    """The rows of all tables of one applicant, table by table, oldest first."""

    def __init__(self, plan: Plan, evidence: Evidence):
        self._plan, self._as_of = plan, evidence.as_of
        self._columns = [evidence.tables[each.table] for each in plan.tables]
        self._expressions: dict[tuple[int, int], Ints] = {}
        self.at = np.concatenate([columns["at"] for columns in self._columns])
        sizes = [len(columns["at"]) for columns in self._columns]
        self.sizes = np.array(sizes, np.int64)
        self.ends = [0]
        for size in sizes:
            self.ends.append(self.ends[-1] + size)

    def oldest(self, tables: Ints, ages: Ints) -> Ints:
        """The first row of each of these tables that is at most so old; the next table's first where none is."""
        apart = np.repeat(_APART[: len(self.sizes)], self.sizes)
        return (self.at + apart).searchsorted(self._as_of - ages + _APART.take(tables))

    @cached_property
    def days_ago(self) -> Ints:
        return (self._as_of - self.at) // DAY

    @cached_property
    def period(self) -> Ints:
        return self.days_ago // PERIOD

    @cached_property
    def day(self) -> Ints:
        """Since the epoch, as the clock on the wall has it."""
        return (self.at + self._plan.utc_offset) // DAY

    @cached_property
    def day_of_month(self) -> Ints:
        return DAY_OF_MONTH.take(self.day + 2)

    @cached_property
    def weekday(self) -> Ints:
        return (self.day + 3) % 7  # Monday is 0; the epoch was a Thursday

    @cached_property
    def hour(self) -> Ints:
        return (self.at + self._plan.utc_offset) // 3600 - self.day * 24

    def source(self, table: int, source: str | Node) -> Ints:
        """One column of one table: its own, of the clock, or an expression's (0 where that is missing)."""
        if not isinstance(source, str):
            key = table, id(source)
            if key not in self._expressions:
                self._expressions[key] = self._expression(table, source)
            return self._expressions[key]
        own = self._columns[table].get(source)
        return getattr(self, source)[self.ends[table] : self.ends[table + 1]] if own is None else own

    def _expression(self, table: int, node: Node) -> Ints:
        programs, shape = self._plan.programs, (self.ends[table + 1] - self.ends[table],)
        if id(node) not in programs:
            programs[id(node)] = compile_column(node)
        program = programs[id(node)]
        if program is not None:
            found: Any = program(lambda name: self.source(table, name))
            return (found if np.ndim(found) else np.full(shape, found)).astype(np.int64)

        def given(name: str) -> Part:
            values, fields = self.source(table, name), TABLES[self._plan.tables[table].table].columns
            return values, values != 0 if name in fields and fields[name].kind == "key" else None

        return whole(run_parts([("it", node)], given)["it"], shape).values
