"""One sweep over the events of some applicants: every family, every window, every statistic. The numpy form.

Events of all tables stand end to end. Pairs (family, event) are ordered by family, applicant and time, so that a ring of a family
is a run of pairs, and merging is one `reduceat` per number kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from .compilers import Part, compile_column, run_parts, whole
from .evidence import TABLES, Bools, Evidence, Ints
from .language import Node
from .selection import CLOCK, Selection
from .spread import deviation, limbs

Stat = Literal["count", "sum", "mean", "min", "max", "last", "recency", "first", "periods", "distinct", "std"]
DAY = 86_400
NEVER = 2**62


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


class Wanted(NamedTuple):
    """Outputs of one statistic: family, ring and column of each."""

    family: Ints
    ring: Ints
    column: Ints


@dataclass(frozen=True)
class Plan:
    """All tables of a definition; families are numbered through."""

    utc_offset: int
    tables: tuple[TablePlan, ...]

    @cached_property
    def programs(self) -> dict[int, tuple[Callable[[Callable[[str], Any]], Any] | None]]:
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

    @cached_property
    def table_of(self) -> Ints:
        """Of each family, its table's number."""
        return np.repeat(np.arange(len(self.tables)), [len(plan.outputs) for plan in self.tables])

    @cached_property
    def value_keys(self) -> tuple[tuple[int, int, int], ...]:
        """What families take values of: table, source, sign; each once."""
        keys = ((at, *value) for at, plan in enumerate(self.tables) for value in plan.selection.values)
        return tuple(dict.fromkeys(keys))

    @cached_property
    def value_of(self) -> Ints:
        """Of each family, which of `value_keys`."""
        place = {key: at for at, key in enumerate(self.value_keys)}
        return np.array(
            [place[at, *value] for at, plan in enumerate(self.tables) for value in plan.selection.values],
            np.int64,
        )

    @cached_property
    def wanted(self) -> dict[Stat, Wanted]:
        """What is to be read off, by statistic."""
        found: dict[Stat, list[tuple[int, int, int]]] = {}
        for first, plan in zip(self.first_family, self.tables, strict=False):
            for family, outputs in enumerate(plan.outputs, first):
                for stat, window, column in outputs:
                    found.setdefault(stat, []).append((family, plan.windows.index(window), column))
        return {stat: Wanted(*np.array(rows, np.int64).T.copy()) for stat, rows in found.items()}

    def having(self, *stats: Stat) -> Bools:
        """Of each family, whether it wants one of these."""
        chosen = np.zeros(self.families, np.bool_)
        for stat in stats:
            if stat in self.wanted:
                chosen[self.wanted[stat].family] = True
        return chosen

    @cached_property
    def steady(self) -> Bools:
        """Families whose values only change with time (days or periods): different values are changes of it."""
        return np.array(
            [
                plan.selection.sources[source] in ("days_ago", "period")
                for plan in self.tables
                for source, _ in plan.selection.values
            ],
            np.bool_,
        )


def _days_of_months() -> Ints:
    """Day of the month of each day since 1970, until after the last time that evidence may hold."""
    days = np.arange(-2, 48_000, dtype=np.int64).astype("datetime64[D]")
    return (days - days.astype("datetime64[M]")).astype(np.int64) + 1


DAY_OF_MONTH = _days_of_months()


class Events:
    """The rows of all tables of n applicants, table by table, applicant by applicant, oldest first."""

    def __init__(self, plan: Plan, evidences: Sequence[Evidence]):
        self.plan = plan
        self.applicants = len(evidences)
        self._sources: dict[tuple[int, str | int], Ints] = {}
        self.as_of = np.array([evidence.as_of for evidence in evidences], np.int64)
        names = [each.table for each in plan.tables]
        self._columns = [[evidence.tables[name] for evidence in evidences] for name in names]
        sizes = np.array([[len(part["at"]) for part in parts] for parts in self._columns], np.int64)
        self.sizes = sizes.reshape(len(names), self.applicants)
        self.given = np.array(
            [[TABLES[name].source not in e.missing for e in evidences] for name in names], np.bool_
        ).reshape(len(names), self.applicants)
        ends = np.cumsum(self.sizes.sum(axis=1))
        self.ends = [0, *cast(list[int], ends.tolist())]

    @cached_property
    def at(self) -> Ints:
        return np.concatenate([part["at"] for parts in self._columns for part in parts])

    @cached_property
    def owner(self) -> Ints:
        if self.applicants == 1:
            return np.zeros(self.ends[-1], np.int64)
        return np.repeat(
            np.broadcast_to(np.arange(self.applicants), self.sizes.shape).ravel(), self.sizes.ravel()
        )

    @cached_property
    def age(self) -> Ints:
        """Seconds before the moment of decision."""
        return (self.as_of[0] if self.applicants == 1 else self.as_of[self.owner]) - self.at

    @cached_property
    def clock(self) -> dict[str, Ints]:
        """The clock columns over all rows."""
        days_ago = self.age // DAY
        local = self.at + self.plan.utc_offset
        day = local // DAY
        return {
            "days_ago": days_ago,
            "period": days_ago // 30,
            "day_of_month": DAY_OF_MONTH[day + 2],
            "weekday": (day + 3) % 7,  # Monday is 0; the epoch was a Thursday
            "hour": (local - day * DAY) // 3600,
        }

    def source(self, table: int, source: str | Node) -> Ints:
        """`_source`, once."""
        key = table, source if isinstance(source, str) else id(source)
        if key not in self._sources:
            self._sources[key] = self._source(table, source)
        return self._sources[key]

    def _source(self, table: int, source: str | Node) -> Ints:
        """One column of one table: its own, of the clock, or an expression's (0 where that is missing)."""
        here = slice(self.ends[table], self.ends[table + 1])
        if not isinstance(source, str):
            found = self._expression(table, source)
            return found.astype(np.int64) if found.dtype != np.int64 else found
        if source in CLOCK:
            return self.clock[source][here]
        if source == "at":
            return self.at[here]
        parts = self._columns[table]
        return parts[0][source] if len(parts) == 1 else np.concatenate([part[source] for part in parts])

    def _expression(self, table: int, node: Node) -> Any:
        program = self.plan.programs.get(id(node))
        if program is None:
            program = self.plan.programs[id(node)] = (compile_column(node),)
        rows = self.ends[table + 1] - self.ends[table]
        if program[0] is not None:
            return np.broadcast_to(program[0](lambda name: self.source(table, name)), (rows,))

        def given(name: str) -> Part:
            values, fields = self.source(table, name), TABLES[self.plan.tables[table].table].columns
            return values, values != 0 if name in fields and fields[name].kind == "key" else None

        return whole(run_parts([("it", node)], given)["it"], (rows,)).values


def sweep(plan: Plan, evidences: Sequence[Evidence], values: Ints, known: Bools) -> None:
    """Fills values and known [n, columns] for n applicants; where nothing is known 0 stands already."""
    events = Events(plan, evidences)
    n, rings = len(evidences), plan.rings
    given = events.given[plan.table_of]  # [families, n]
    pairs = _Pairs(events)

    def spread(numbers: Any, empty: int = 0) -> Ints:
        """One number per run -> [families, n, rings], newest ring first."""
        dense = np.full(plan.families * n * rings, empty, np.int64)
        dense[pairs.cells] = numbers
        return dense.reshape(plan.families, n, rings)

    count = np.cumsum(spread(pairs.counts), axis=2)
    merged = {"count": count}
    for stat in plan.wanted:
        merged |= _merge(stat, plan, pairs, spread) if stat not in merged else {}
    for stat, (family, ring, column) in plan.wanted.items():
        numbers = count[family, :, ring]
        if stat == "mean":
            found = merged["sum"][family, :, ring] // np.maximum(numbers, 1)
        elif stat == "std":
            parts = (merged[name][family, :, ring] for name in ("sum", "aa", "ab", "bb"))
            some = numbers > 0
            found = np.zeros_like(numbers)
            found[some] = deviation(numbers[some], *(part[some] for part in parts))
        else:
            found = merged[stat][family, :, ring]
        there = given[family] if stat in _EMPTY else given[family] & (numbers > 0)
        values[:, column] = np.where(there, found, 0).T
        known[:, column] = there.T


_EMPTY = ("count", "sum", "periods", "distinct")


def _merge(stat: Stat, plan: Plan, pairs: "_Pairs", spread: Any) -> dict[str, Ints]:
    """Numbers kept for a statistic, merged over the rings of each window."""

    def totals(numbers: Ints) -> Ints:
        return np.cumsum(spread(np.add.reduceat(numbers, pairs.starts) if len(numbers) else 0), axis=2)

    match stat:
        case "sum" | "mean":
            return {"sum": totals(pairs.values)}
        case "std":
            parts = zip(("sum", "aa", "ab", "bb"), (pairs.values, *limbs(pairs.values)), strict=True)
            return {name: totals(part) for name, part in parts}
        case "min":
            least = np.minimum.reduceat(pairs.values, pairs.starts) if len(pairs.values) else 0
            return {"min": np.minimum.accumulate(spread(least, NEVER * 2 - 1), axis=2)}
        case "max":
            most = np.maximum.reduceat(pairs.values, pairs.starts) if len(pairs.values) else 0
            return {"max": np.maximum.accumulate(spread(most, -NEVER * 2), axis=2)}
        case "first":
            return {"first": np.maximum.accumulate(spread(pairs.days[pairs.starts]), axis=2)}
        case "recency":
            newest = spread(pairs.days[pairs.starts + pairs.counts - 1], NEVER)
            return {"recency": np.minimum.accumulate(newest, axis=2)}
        case "last":
            position = spread(pairs.starts + pairs.counts - 1, -1)
            newest = np.maximum.accumulate(position, axis=2)
            return {"last": pairs.values[newest] if len(pairs.values) else newest}
        case "periods":
            return {"periods": totals(pairs.changes(pairs.period))}
        case "distinct":
            return {"distinct": np.cumsum(spread(pairs.distinct(plan.having("distinct"))), axis=2)}
        case "count":
            return {}


class _Pairs:
    """Every event of every family, by family, applicant and time; runs of one ring."""

    def __init__(self, events: Events):
        self._events, plan = events, events.plan
        n, rings = events.applicants, plan.rings
        families: list[Ints] = []
        rows: list[Ints] = []
        for at, each in enumerate(plan.tables):
            if events.ends[at] < events.ends[at + 1]:
                members = np.ascontiguousarray(self._members(at, each).T)
                found = np.flatnonzero(members)  # quicker than nonzero in two dimensions
                family = found // members.shape[1]
                families.append(family + plan.first_family[at])
                rows.append(found - family * members.shape[1] + events.ends[at])
        self.family = np.concatenate(families) if families else np.zeros(0, np.int64)
        self._row = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        self._segment = self.family if n == 1 else self.family * n + events.owner[self._row]
        cell = self._segment * rings + self._ring[self._row]
        edges = np.flatnonzero(cell[1:] != cell[:-1]) + 1
        self.starts = np.concatenate([np.zeros(min(len(cell), 1), np.int64), edges])
        self.cells = cell[self.starts]
        self.counts = np.diff(self.starts, append=len(cell))

    @cached_property
    def _ring(self) -> Ints:
        """Of each event: the first window it is in."""
        events = self._events
        parts = [
            np.searchsorted(np.array(plan.windows) * DAY, events.age[events.ends[at] : events.ends[at + 1]])
            for at, plan in enumerate(events.plan.tables)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def _members(self, table: int, plan: TablePlan) -> Bools:
        """bool[events, families]"""
        events, selection = self._events, plan.selection
        inside = self._ring[events.ends[table] : events.ends[table + 1]] < len(plan.windows)
        words: npt.NDArray[np.uint64] | None = None
        one = len(plan.outputs) <= 64
        for digit in selection.digits:
            column = events.source(table, selection.sources[digit.source])
            code = column if digit.breaks is None else np.searchsorted(digit.breaks, column, side="right")
            bits = digit.bits[:, 0].take(code)[:, None] if one else digit.bits.take(code, axis=0)
            words = bits if words is None else np.bitwise_and(words, bits, out=words)
        if words is None:
            return np.broadcast_to(inside[:, None], (len(inside), len(plan.outputs)))
        if not inside.all():
            words[~inside] = 0
        octets: npt.NDArray[np.uint8] = words.astype("<u8", copy=False).view(np.uint8)
        return np.unpackbits(octets, axis=1, bitorder="little")[:, : len(plan.outputs)].view(np.bool_)

    @cached_property
    def values(self) -> Ints:
        """The value of each pair, in its family's terms."""
        columns = [self._column(*key) for key in self._events.plan.value_keys]
        return np.concatenate(columns)[self._bases(columns)[self.family] + self._row]

    def _column(self, table: int, source: int, sign: int) -> Ints:
        events = self._events
        column = events.source(table, events.plan.tables[table].selection.sources[source])
        return np.abs(column) if sign == 0 else -column if sign < 0 else column

    def _bases(self, columns: Sequence[Ints | None]) -> Ints:
        """Per family, what to add to a row to find its value among all columns end to end."""
        bases, used = list[int](), 0
        for (table, _, _), column in zip(self._events.plan.value_keys, columns, strict=True):
            bases.append(used - self._events.ends[table])
            used += 0 if column is None else len(column)
        return np.array(bases, np.int64)[self._events.plan.value_of]

    def _numbers(self, wanted: Bools) -> tuple[Ints, Ints]:
        """(each value as a dense number among its applicant's values of its column, bases as for `values`)."""
        events, plan = self._events, self._events.plan
        needed = np.bincount(plan.value_of, wanted, len(plan.value_keys)) > 0
        columns = [
            self._column(*key) if need else None for key, need in zip(plan.value_keys, needed, strict=True)
        ]
        groups = [
            events.owner[events.ends[key[0]] : events.ends[key[0] + 1]] + at * events.applicants
            for at, key in enumerate(plan.value_keys)
            if needed[at]
        ]
        values = np.concatenate([column for column in columns if column is not None])
        group = np.concatenate(groups)
        least, reach = int(values.min(initial=0)), int(values.max(initial=0))
        if (len(plan.value_keys) * events.applicants) * (span := reach - least + 1) < NEVER:
            order = np.argsort(group * span + (values - least))  # several times as quick as by two keys
        else:
            order = np.lexsort((values, group))
        values, group = values[order], group[order]
        fresh, first = np.ones(len(order), np.bool_), np.ones(len(order), np.bool_)
        first[1:] = group[1:] != group[:-1]
        fresh[1:] = first[1:] | (values[1:] != values[:-1])
        number = np.cumsum(fresh)
        found = np.empty(len(order), np.int64)
        found[order] = number - np.maximum.accumulate(np.where(first, number, 0))
        return found, self._bases(columns)

    @cached_property
    def days(self) -> Ints:
        return self._events.clock["days_ago"][self._row]

    @cached_property
    def period(self) -> Ints:
        return self._events.clock["period"][self._row]

    def changes(self, column: Ints) -> Ints:
        """1 where a pair is the newest of its family with its value, for values that only change with time."""
        last = np.ones(len(column), np.int64)
        last[:-1] = (column[1:] != column[:-1]) | (self._segment[1:] != self._segment[:-1])
        return last

    def distinct(self, wanted: Bools) -> Ints:
        """Per run, how many values have their newest event there."""
        total = np.zeros(len(self.starts), np.int64)
        steady = wanted & self._events.plan.steady
        pick = np.flatnonzero(steady[self.family])
        if len(pick):
            last = np.ones(len(pick), np.int64)
            value, segment = self.values[pick], self._segment[pick]
            last[:-1] = (value[1:] != value[:-1]) | (segment[1:] != segment[:-1])
            total += np.bincount(self._run[pick], last, len(total)).astype(np.int64)
        pick = np.flatnonzero((wanted & ~steady)[self.family])
        if len(pick):
            numbers, bases = self._numbers(wanted & ~steady)
            number = numbers[bases[self.family[pick]] + self._row[pick]]
            segment, width = self._segment[pick], int(number.max()) + 1
            fresh = np.ones(len(pick), np.int64)
            fresh[1:] = segment[1:] != segment[:-1]
            place = np.cumsum(fresh) - 1
            newest = np.full((int(place[-1]) + 1) * width, -1, np.int64)
            newest[place * width + number] = self._run[
                pick
            ]  # of several the last stays, and that is the newest
            total += np.bincount(newest[newest >= 0], minlength=len(total))
        return total

    @cached_property
    def _run(self) -> Ints:
        """Of each pair, its run."""
        return np.repeat(np.arange(len(self.starts)), self.counts)
