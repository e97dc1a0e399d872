"""Windowed aggregates over event tables, exact in int64, one kernel for one applicant and for many.

An event falls into a family (by its condition) and a ring (the time between two windows' ends). What is kept of the events of a
ring are int64 numbers that merge: count, sum, limbs of squares, least, greatest, first, last, values seen. A window is the
merge of its rings, a statistic is read off at the end. Sums cannot overflow: bounds are known when the definition is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .compiled import compiled_sweep
from .events import PERIOD, Output, Plan, Stat, TablePlan
from .evidence import MAX_ROWS, MAX_TOTAL_FEN, TABLES, Bools, Evidence, Ints
from .language import BOOL, INT64, Apply, Name, Node, Type
from .selection import select
from .spread import LARGEST
from .sweep import Sweep, costly

STATS: Mapping[Stat, tuple[str, str]] = {
    "count": ("次数", "number"),
    "sum": ("合计", "sum"),
    "mean": ("平均", "mean, rounded down"),
    "min": ("最小值", "least"),
    "max": ("最大值", "greatest"),
    "last": ("最近一次的值", "latest value"),
    "recency": ("距最近一次的天数", "days since the latest"),
    "first": ("距最早一次的天数", "days since the first"),
    "periods": ("出现的30天周期数", "number of 30-day periods with any"),
    "distinct": ("不同取值数", "number of different values"),
    "std": ("标准差", "standard deviation, rounded down"),
    "slope": ("每30天的变化", "rise in 30 days, rounded down"),
    "sum_slope": ("每30天合计的变化", "rise of the sum from one 30 days to the next, rounded down"),
    "count_slope": (
        "每30天次数的变化（千分之一次）",
        "rise of the number from one 30 days to the next, thousandths, rounded down",
    ),
}
OF_KEYS: tuple[Stat, ...] = ("count", "recency", "first", "periods", "distinct", "count_slope")
"""Statistics that need no number."""
SUMMED_BY_TIME: tuple[Stat, ...] = ("slope", "sum_slope")
"""Statistics of values times their times."""
ALL_TIME = 36_600
"""A window of a hundred years: everything."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One family: events of `table` where the condition holds, over each window (days), each statistic of `value`.

    An event for which the condition or the value is missing is left out. count, sum, periods and distinct of nothing
    are 0, the slopes by period too, the others are missing, a slope also of events of one day; all are missing when the
    table's source is.
    """

    name: str
    table: str
    where: Node | None
    value: Node
    windows: tuple[int, ...]
    stats: tuple[Stat, ...]

    def outputs(self) -> Iterator[tuple[str, Stat, int]]:
        """(feature name, statistic, window), window by window."""
        for window in self.windows:
            for stat in self.stats:
                yield f"{self.name}_{stat}_{window_name(window)}", stat, window


def window_name(days: int) -> str:
    """90 -> '90d', ALL_TIME -> 'all'."""
    return "all" if days == ALL_TIME else f"{days}d"


def column_types(table: str) -> dict[str, Type]:
    """What a condition or value over this table may name: its columns and the clock columns."""
    types = {
        name: BOOL
        if f.kind == "bool"
        else Type(f.kind, f.unit, f.low, f.high, f.values, nullable=f.kind == "key")
        for name, f in TABLES[table].columns.items()
    }
    return types | {name: Type("int", unit, 0, high, nullable=False) for name, unit, high in _CLOCK}


_CLOCK = (
    ("days_ago", "days", 50_000),
    ("period", "", 2_000),
    ("day_of_month", "", 31),
    ("weekday", "", 6),
    ("hour", "", 23),
)


def result_type(aggregate: Aggregate, stat: Stat) -> Type:
    """Type of one statistic, with bounds that the evidence guarantees."""
    value = aggregate.value.type
    match stat:
        case "count" | "periods" | "distinct":
            return Type("int", "", 0, MAX_ROWS)
        case "recency" | "first":
            return Type("int", "days", 0, 50_000)
        case "sum":
            reach = _reach(aggregate)
            return Type("int", value.unit, 0 if value.low >= 0 else -reach, reach)
        case "std":
            return Type("int", value.unit, 0, (value.high - value.low + 1) // 2)
        case "slope":
            steepest = PERIOD * (value.high - value.low)  # within a day from one end to the other
            return Type("int", value.unit, -steepest, steepest)
        case "sum_slope":
            return Type("int", value.unit, -_reach(aggregate), _reach(aggregate))
        case "count_slope":
            return Type("int", "", -1000 * MAX_ROWS, 1000 * MAX_ROWS)
        case _:
            return Type("int", value.unit, value.low, value.high)


def _reach(aggregate: Aggregate) -> int:
    """How much the values of a whole table may add up to, either way."""
    value = aggregate.value.type
    reach = MAX_ROWS * max(abs(value.low), abs(value.high))
    return min(reach, MAX_TOTAL_FEN) if value.unit == "fen" and _is_column(aggregate.value) else reach


def too_large(aggregate: Aggregate) -> str:
    """What to do when a statistic could leave int64; empty where none can."""
    for stat in aggregate.stats:
        bounds = result_type(aggregate, stat)
        most = max(abs(bounds.low), abs(bounds.high))
        if stat in SUMMED_BY_TIME:  # sums of values times days, or times 6 periods
            most = max(most, _reach(aggregate) * max(aggregate.windows))
        if most > INT64:
            return f"{stat} could reach {most:.1e}, over int64: clip() the value"
        if stat == "std" and max(abs(aggregate.value.type.low), abs(aggregate.value.type.high)) > LARGEST:
            return f"std takes values up to {LARGEST:.1e} either way: clip() the value"
    return ""


def _is_column(node: Node) -> bool:
    """A column, its negative or its absolute value: what the evidence's limit on totals speaks of."""
    match node:
        case Name():
            return True
        case Apply(op="neg" | "abs", args=(Name(),)):
            return True
        case _:
            return False


_OF_VALUES = ("sum", "mean", "min", "max", "last", "distinct", "std", "slope", "sum_slope")


class Aggregation:
    """All families of a policy, ready to run. `names` are the feature names in the order of the columns."""

    def __init__(self, aggregates: Sequence[Aggregate], utc_offset_minutes: int):
        self.aggregates = tuple(aggregates)
        self.names = tuple(name for a in aggregates for name, _, _ in a.outputs())
        self.utc_offset_minutes = utc_offset_minutes
        self.plan = _plan(self.aggregates, utc_offset_minutes * 60)
        self._plain, self._compiled = Sweep(self.plan), compiled_sweep(self.plan)

    def run(self, evidences: Sequence[Evidence]) -> tuple[Ints, Bools]:
        """(values int64[n, k], known bool[n, k]), n applicants by k names; 0 where not known."""
        shape = (len(evidences), len(self.names))
        values, known = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
        self.fill(evidences, values, known)
        return values, known

    def fill(self, evidences: Sequence[Evidence], values: Ints, known: Bools) -> None:
        """`run` into arrays that hold zeros. One applicant does not wait until the loop is compiled; many do."""
        compiled = self._compiled
        if compiled is not None and (len(evidences) != 1 or compiled.ready(evidences[0])):
            compiled.run(evidences, values, known)
        else:
            self._plain.run(evidences, values, known)


def _plan(aggregates: Sequence[Aggregate], utc_offset: int) -> Plan:
    """Families of equal condition and value are one; their outputs keep the author's order of columns."""
    column = 0
    tables: dict[str, dict[tuple[Node | None, Node | None], int]] = {}
    wants: dict[tuple[str, int], list[Output]] = {}
    edges: dict[str, set[int]] = {}
    of_values = {
        (a.table, a.where): a.value for a in aggregates if any(stat in _OF_VALUES for stat in a.stats)
    }
    for aggregate in aggregates:
        value: Node | None = aggregate.value
        if not value.type.nullable and not any(stat in _OF_VALUES for stat in aggregate.stats):
            value = of_values.get((aggregate.table, aggregate.where))  # any will do that leaves no event out
            value = None if value is None or value.type.nullable else value
        families = tables.setdefault(aggregate.table, {})
        at = families.setdefault((aggregate.where, value), len(families))
        outputs = wants.setdefault((aggregate.table, at), [])
        for _, stat, window in aggregate.outputs():
            outputs.append(Output(stat, window, column))
            edges.setdefault(aggregate.table, set()).add(window)
            column += 1
    plans: list[TablePlan] = []
    for table, families in tables.items():
        order = sorted(families, key=lambda family: costly(wants[table, families[family]]))
        made = tuple(tuple(wants[table, families[family]]) for family in order)
        plans.append(
            TablePlan(table, tuple(sorted(edges[table])), select(table, column_types(table), order), made)
        )
    return Plan(utc_offset, tuple(sorted(plans, key=lambda plan: -len(plan.outputs))))
