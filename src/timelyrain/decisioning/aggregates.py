"""Windowed aggregates over event tables, exact in int64, one kernel for one applicant and for many.

Events of an applicant are oldest first, so a window [as_of - w days, as_of] is a suffix of them, and a count or a sum
over it is a difference of two running totals. Sums cannot overflow: evidence bounds the total of a money column.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .compilers import Column, run_columns
from .evidence import MAX_ROWS, MAX_TOTAL_FEN, TABLES, Bools, Evidence, Ints
from .language import BOOL, Apply, Name, Node, Type

Stat = Literal["count", "sum", "mean", "min", "max", "last", "recency", "first", "periods", "distinct"]
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
}
OF_KEYS: tuple[Stat, ...] = ("count", "recency", "first", "periods", "distinct")
"""Statistics that need no number."""
DAY = 86_400
ALL_TIME = 36_600
"""A window of a hundred years: everything."""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One family: events of `table` where the condition holds, over each window (days), each statistic of `value`.

    An event for which the condition or the value is missing is left out. count, sum, periods and distinct of nothing
    are 0, the others are missing; all are missing when the table's source is.
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
            reach = MAX_ROWS * max(abs(value.low), abs(value.high))
            if value.unit == "fen" and _is_column(aggregate.value):
                reach = min(reach, MAX_TOTAL_FEN)
            return Type("int", value.unit, 0 if value.low >= 0 else -reach, reach)
        case _:
            return Type("int", value.unit, value.low, value.high)


def _is_column(node: Node) -> bool:
    """A column, its negative or its absolute value: what the evidence's limit on totals speaks of."""
    match node:
        case Name():
            return True
        case Apply(op="neg" | "abs", args=(Name(),)):
            return True
        case _:
            return False


class Aggregation:
    """All families of a policy, ready to run. `names` are the feature names in the order of the columns."""

    def __init__(self, aggregates: Sequence[Aggregate], utc_offset_minutes: int):
        self.aggregates = tuple(aggregates)
        self.names = tuple(name for a in aggregates for name, _, _ in a.outputs())
        self.utc_offset_minutes = utc_offset_minutes
        self._offset = utc_offset_minutes * 60
        self._by_table = {t: [a for a in aggregates if a.table == t] for t in TABLES}
        order = {name: i for i, name in enumerate(self.names)}
        self._columns = {
            (a.name, stat): np.array([order[name] for name, s, _ in a.outputs() if s == stat], np.int64)
            for a in aggregates
            for stat in a.stats
        }

    def run(self, evidences: Sequence[Evidence]) -> tuple[Ints, Bools]:
        """(values int64[n, k], known bool[n, k]), n applicants by k names; 0 where not known."""
        shape = (len(evidences), len(self.names))
        values, known = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
        for table, aggregates in self._by_table.items():
            if aggregates and len(evidences):
                events = _Events(table, evidences, self._offset)
                for aggregate in aggregates:
                    self._family(aggregate, events, values, known)
        return values, known

    def _family(self, aggregate: Aggregate, events: "_Events", values: Ints, known: Bools) -> None:
        cell = _Cell(aggregate, events)
        low = cell.rank[np.stack([events.start(window) for window in aggregate.windows], 1)]
        given = np.broadcast_to(events.given[:, None], low.shape)
        some = given & (cell.high > low)
        for stat in aggregate.stats:
            at, ok = self._columns[aggregate.name, stat], given if stat in _OF_NOTHING else some
            values[:, at] = np.where(ok, cell.statistic(stat, low), 0)
            known[:, at] = ok


_OF_NOTHING = ("count", "sum", "periods", "distinct")


class _Events:
    """One table of n applicants end to end: offsets int64[n+1] say whose events are whose."""

    def __init__(self, table: str, evidences: Sequence[Evidence], utc_offset: int):
        spec = TABLES[table]
        parts = [e.tables[table] for e in evidences]
        sizes = np.array([len(p["at"]) for p in parts], np.int64)
        self.offsets = _running(sizes)
        self.given = np.array([spec.source not in e.missing for e in evidences], np.bool_)
        self.rows = int(self.offsets[-1])
        self.owner = np.repeat(np.arange(len(parts)), sizes)
        self.columns = {name: np.concatenate([p[name] for p in parts]) for name in spec.columns}
        at = self.columns["at"]
        self.age = np.array([e.as_of for e in evidences], np.int64)[self.owner] - at
        local = at + utc_offset
        date = (local // DAY).astype("datetime64[D]")
        self.columns["days_ago"] = self.age // DAY
        self.columns["period"] = self.columns["days_ago"] // 30
        self.columns["day_of_month"] = (date - date.astype("datetime64[M]")).astype(np.int64) + 1
        self.columns["weekday"] = (date.astype(np.int64) + 3) % 7  # Monday is 0; the epoch was a Thursday
        self.columns["hour"] = local % DAY // 3600
        self.all = np.ones(self.rows, np.bool_)
        keys = {name for name, field in spec.columns.items() if field.kind == "key"}  # a key of 0 is missing
        self._inputs = {
            name: Column(values, values != 0 if name in keys else self.all)
            for name, values in self.columns.items()
        }
        self._starts: dict[int, Ints] = {}

    def start(self, window: int) -> Ints:
        """Position of each applicant's first event inside the window; an event exactly `window` days old is inside."""
        if window not in self._starts:
            older = _running((self.age > window * DAY).astype(np.int64))
            first = self.offsets[:-1]
            self._starts[window] = first + older[self.offsets[1:]] - older[first]
        return self._starts[window]

    def evaluate(self, node: Node) -> Column:
        return run_columns([("result", node)], self._inputs, self.rows)["result"]


class _Cell:
    """The events of one family: rank[i] = how many of them stand before event i of the table."""

    def __init__(self, aggregate: Aggregate, events: _Events):
        needs_value = any(
            stat in ("sum", "mean", "min", "max", "last", "distinct") for stat in aggregate.stats
        )
        take = events.all
        if aggregate.where is not None:
            chosen = events.evaluate(aggregate.where)
            take = chosen.known & (chosen.values != 0)
        value = events.evaluate(aggregate.value) if needs_value else None
        if value is not None:
            take = take & value.known
        self.rank = _running(take.astype(np.int64))
        self.high = self.rank[events.offsets[1:]][:, None]
        picked = np.flatnonzero(take)
        self._owner = events.owner[picked]
        self._values = value.values[picked] if value is not None else picked
        self._days = events.columns["days_ago"][picked]
        self._period = events.columns["period"][picked]
        self._padded: Ints | None = None
        self._cache: dict[str, Ints] = {}

    def statistic(self, stat: Stat, low: Ints) -> Ints:
        """int64[n, windows]: the statistic over events low..high of each applicant; noise where there are none."""
        count = self.high - low
        match stat:
            case "count":
                return count
            case "sum" | "mean":
                total = self._totals("sum", self._values)
                found = total[self.high] - total[low]
                return found if stat == "sum" else found // np.maximum(count, 1)
            case "min" | "max":
                return self._extreme(stat, low)
            case "last":
                return np.broadcast_to(self._pick(self._values, self.high - 1), low.shape)
            case "recency":
                return np.broadcast_to(self._pick(self._days, self.high - 1), low.shape)
            case "first":
                return self._pick(self._days, low)
            case "periods" | "distinct":
                total = self._distinct(stat, self._period if stat == "periods" else self._values)
                return total[self.high] - total[low]

    def _pick(self, values: Ints, at: Ints) -> Ints:
        if not len(values):
            return np.zeros_like(at)
        return values[np.minimum(np.maximum(at, 0), len(values) - 1)]

    def _totals(self, key: str, values: Ints) -> Ints:
        if key not in self._cache:
            self._cache[key] = _running(values)
        return self._cache[key]

    def _extreme(self, stat: Literal["min", "max"], low: Ints) -> Ints:
        pairs = np.stack([low, np.broadcast_to(self.high, low.shape)], -1).ravel()
        reduce = np.minimum.reduceat if stat == "min" else np.maximum.reduceat
        if self._padded is None:  # reduceat wants every position to exist, the end too
            self._padded = np.append(self._values, 0)
        return reduce(self._padded, pairs)[::2].reshape(low.shape)

    def _distinct(self, key: str, values: Ints) -> Ints:
        """Running count of last occurrences: each value in a suffix of events has exactly one there."""
        if key not in self._cache:
            order = np.lexsort((np.arange(len(values)), values, self._owner))
            owner, value = self._owner[order], values[order]
            last = np.ones(len(values), np.int64)
            last[order[:-1]] = (owner[1:] != owner[:-1]) | (value[1:] != value[:-1])
            self._cache[key] = _running(last)
        return self._cache[key]


def _running(values: Ints) -> Ints:
    """0 followed by the running totals. Totals over many applicants may wrap; their differences are still exact."""
    total = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=total[1:])
    return total
