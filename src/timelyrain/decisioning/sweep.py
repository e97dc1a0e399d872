"""One sweep over the events of an applicant: every family, every window, every statistic. The numpy form.

Events of all tables stand end to end, and each is a word of bits: the families it belongs to. Turned over, bit by bit, the words
give the pairs (family, event) by family and time. A window of a family is then a stretch of pairs, and its sum the difference of
two running sums, so that few calls of numpy do it all. Families that want the same stand at the same bits of their tables, so
that what only they need is worked out for the first pairs alone.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from .events import DAY, OF_NOTHING, PERIOD, Events, Output, Plan, Stat, TablePlan, oldest_age
from .evidence import TABLES, Bools, Evidence, Ints
from .selection import Words
from .spread import deviation, limbs, slope_of, small_deviation

_OF_VALUES: tuple[Stat, ...] = ("std", "sum", "mean", "min", "max", "last", "slope", "sum_slope")
_SLOPES: tuple[Stat, ...] = ("slope", "sum_slope", "count_slope")
_MASKS = (1 << np.arange(8, dtype=np.uint8))[:, None]
_MIX, _STIR = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_FEW, _MANY = 16, 256
_SMALL = 2.0**62  # what int64 and the square root of a float take


def costly(outputs: Sequence[Output]) -> tuple[bool, ...]:
    """Families sorted by this stand as the sweep wants them: what takes most work first."""
    stages: tuple[tuple[Stat, ...], ...] = (_SLOPES, ("std",), _OF_VALUES, ("periods",))
    return tuple(not _want(outputs, stats) for stats in stages)


def _want(outputs: Sequence[Output], stats: Sequence[Stat]) -> bool:
    return any(output.stat in stats for output in outputs)


class Sweep:
    """A plan as index arrays. A slot is a family; slots go by bit, then by table. A stretch is a window of a slot."""

    def __init__(self, plan: Plan):
        self.plan = plan
        sizes = [len(each.outputs) for each in plan.tables]
        most = max(sizes, default=0)
        self.planes = [(sum(s > first for s in sizes), min(8, most - first)) for first in range(0, most, 8)]
        self.digits = [
            _Digits(plan.tables[: sum(s > first for s in sizes)], first // 64) for first in range(0, most, 64)
        ]
        slots = sorted((bit, t) for t, size in enumerate(sizes) for bit in range(size))
        bits, self.table = np.array(slots, np.int64).reshape(-1, 2).T.copy()
        self.plane, self.bit = bits // 8, bits % 8
        outputs = [plan.tables[t].outputs[bit] for bit, t in slots]

        def until(*stats: Stat) -> int:
            """How many slots there are up to the last bit at which one of these is wanted."""
            last = max(
                (bit for (bit, _), made in zip(slots, outputs, strict=True) if _want(made, stats)), default=-1
            )
            return sum(bit <= last for bit, _ in slots)

        self.squared, self.valued, self.periodic = until("std"), until(*_OF_VALUES), until("periods")
        self.sloped = {stat: until(stat) for stat in _SLOPES}
        self.timed = max(self.periodic, *self.sloped.values())
        self.squares = np.array([_want(made, ("std",)) for made in outputs[: self.squared]], np.int64)
        keys = [(t, *plan.tables[t].selection.values[bit]) for bit, t in slots]
        distinct = [slot for slot, made in enumerate(outputs) if _want(made, ("distinct",))]
        steady = [slot for slot in distinct if plan.tables[keys[slot][0]].selection.steady(keys[slot][1])]
        keyed = [*steady, *(slot for slot in distinct if slot not in steady)]
        self.steady = len(steady)
        valued = [*range(self.valued), *keyed]
        self.values = tuple(dict.fromkeys(keys[slot] for slot in valued)) or tuple(keys[:1])
        self.value, self.keyed = np.zeros(len(slots), np.int64), np.array(keyed, np.int64)
        self.value[valued] = [self.values.index(keys[slot]) for slot in valued]
        self.value_table = np.array([t for t, _, _ in self.values], np.int64)

        ends = [
            (slot, age)
            for slot, made in enumerate(outputs)
            for age in sorted({oldest_age(o.stat, o.window) for o in made}, reverse=True)
        ]
        edges = sorted({(slots[slot][1], age) for slot, age in ends})
        self.edge = np.array([age for _, age in edges], np.int64)
        self.edge_table = np.array([t for t, _ in edges], np.int64)
        self.slot = np.array([slot for slot, _ in ends], np.int64)
        self.window = np.array([edges.index((slots[slot][1], age)) for slot, age in ends], np.int64)
        self.summed = int(self.slot.searchsorted(self.valued))  # stretches of slots with values

        place = {end: at for at, end in enumerate(ends)}
        wanted: dict[Stat, list[tuple[int, int]]] = {}
        for slot, made in enumerate(outputs):
            for stat, window, column in made:
                wanted.setdefault(stat, []).append((place[slot, oldest_age(stat, window)], column))
        self.wanted: dict[Stat, Ints] = {
            stat: np.array([at for at, _ in rows], np.int64) for stat, rows in wanted.items()
        }
        self.stretch = np.array([at for rows in wanted.values() for at, _ in rows], np.int64)
        self.column = np.array([column for rows in wanted.values() for _, column in rows], np.int64)
        stats = [stat for stat, rows in wanted.items() for _ in rows]
        self.of_nothing = np.array([stat in OF_NOTHING for stat in stats])
        self.of_two = np.array([stat == "slope" for stat in stats])
        self.output_table = self.table[self.slot[self.stretch]]

    def run(self, evidences: Sequence[Evidence], values: Ints, known: Bools) -> None:
        """Fills values and known [n, columns] for n applicants; where nothing is known 0 stands already."""
        for row, evidence in enumerate(evidences if self.plan.tables else ()):
            given = np.array([TABLES[t.table].source not in evidence.missing for t in self.plan.tables])
            events = Events(self.plan, evidence)
            there = given.take(self.output_table)
            if len(events.at):
                pairs = _Pairs(self, events, given)
                there &= (pairs.counts > 0).take(self.stretch) | self.of_nothing
                if "slope" in self.wanted:
                    there[self.of_two] &= pairs.apart(self.wanted["slope"])
                found = np.concatenate([pairs.read(stat, at) for stat, at in self.wanted.items()])
                values[row, self.column] = found * there
            else:
                there &= self.of_nothing
            known[row, self.column] = there


class _Digits:
    """The look-ups of all tables for one word of 64 families, their bits by code end to end."""

    def __init__(self, tables: Sequence[TablePlan], word: int):
        own = [(t, plan, digit) for t, plan in enumerate(tables) for digit in plan.selection.digits]
        self.read = [(t, plan.selection.sources[digit.source], digit.breaks) for t, plan, digit in own]
        self.table = np.array([t for t, _, _ in own], np.int64)
        self.count = [len(plan.selection.digits) for plan in tables]
        sizes = [len(digit.bits) for _, _, digit in own]
        self.first = np.cumsum(sizes, dtype=np.int64) - sizes
        self.bits: Words = np.concatenate(
            [np.zeros(0, np.uint64), *(digit.bits[:, word] for _, _, digit in own)]
        )
        self.all = np.array([2 ** min(len(plan.outputs) - 64 * word, 64) - 1 for plan in tables], np.uint64)


def _code(column: Ints, breaks: Ints | None) -> Any:
    """What a value is looked up by: itself, or how many breaks it reaches.

    These are counted where there are many values: in a search a processor guesses at every step, and guesses wrong.
    """
    if breaks is None:
        return column
    if len(column) < _MANY or len(breaks) > _FEW:
        return breaks.searchsorted(column, "right")
    return np.add.reduce((column >= breaks[:, None]).view(np.int8), axis=0, dtype=np.int8)


class _Pairs:
    """Every event of every family of one applicant, by slot and time.

    pair: where each stands when the bits of all families are laid out; one more at the end, so that the end can be read.
    A stretch holds the pairs from `first` to before `last`. Where there are none, what `read` gives is without meaning.
    """

    def __init__(self, sweep: Sweep, events: Events, given: Bools):
        self._sweep, self._events = sweep, events
        self.pair, begins, rows = self._turned()
        # pair - shift is the event's row
        self.shift = begins.take(sweep.plane) + sweep.bit * rows.take(sweep.plane)
        ends = np.array(events.ends)
        self._end = self.pair.searchsorted(self.shift + ends.take(sweep.table + 1))
        self.sizes = np.diff(self._end, prepend=0)
        oldest = np.where(given, 0, events.sizes).take(sweep.edge_table) + events.oldest(
            sweep.edge_table, sweep.edge
        )
        self.first = self.pair.searchsorted(self.shift.take(sweep.slot) + oldest.take(sweep.window))
        self.last = self._end.take(sweep.slot)
        self.counts = self.last - self.first
        self._columns = np.concatenate([self._column(*key) for key in sweep.values])
        sizes = events.sizes.take(sweep.value_table)
        starts = sizes.cumsum() - sizes - ends.take(sweep.value_table)
        self._to_value = starts.take(sweep.value) - self.shift

    def _turned(self) -> tuple[Ints, Ints, Ints]:
        """(pairs, where the bits of each eight families begin, how many rows their tables have)."""
        planes = self._sweep.planes
        rows = [self._events.ends[tables] for tables, _ in planes]
        begins = [0, *accumulate(bits * count for (_, bits), count in zip(planes, rows, strict=True))]
        flags = np.empty(begins[-1] + 1, np.uint8)
        flags[-1] = 1
        octets = flags
        for at, ((_, bits), count) in enumerate(zip(planes, rows, strict=True)):
            if at % 8 == 0:
                octets = np.ascontiguousarray(self._words(at // 8).view(np.uint8).reshape(count, 8).T)
            lines = flags[begins[at] : begins[at + 1]].reshape(bits, count)
            np.bitwise_and(octets[at % 8, :count], _MASKS[:bits], out=lines)
        return (flags != 0).nonzero()[0], np.array(begins), np.array(rows)

    def _words(self, number: int) -> Any:
        """Of each row, to which 64 families of its table it belongs, the first in the lowest bit of the first byte."""
        events, digits = self._events, self._sweep.digits[number]
        ends = events.ends[: len(digits.all) + 1]
        words = digits.all.repeat(events.sizes[: len(digits.all)])
        if digits.read:
            codes = [_code(events.source(table, source), breaks) for table, source, breaks in digits.read]
            at = np.concatenate(codes, dtype=np.int64)
            at += digits.first.repeat(events.sizes.take(digits.table))
            bits, used = digits.bits.take(at), 0
            for start, end, count in zip(ends[:-1], ends[1:], digits.count, strict=True):
                if count and end > start:
                    lines = bits[used : (used := used + count * (end - start))].reshape(count, end - start)
                    np.bitwise_and.reduce(lines, axis=0, out=words[start:end])
        return words.astype("<u8", copy=False)

    def _column(self, table: int, source: int, sign: int) -> Ints:
        column = self._events.source(table, self._sweep.plan.tables[table].selection.sources[source])
        return np.abs(column) if sign == 0 else -column if sign < 0 else column

    @cached_property
    def _x(self) -> Ints:
        """Values of the pairs that have one, and one more."""
        slots = self._sweep.valued
        count = int(self._end[slots - 1])
        values = np.zeros(count + 1, np.int64)
        places = self.pair[:count] + self._to_value[:slots].repeat(self.sizes[:slots])
        self._columns.take(places, out=values[:-1], mode="clip")
        return values

    @cached_property
    def _totals(self) -> Ints:
        """Sums of the stretches that have values."""
        return self._between(self._x, slice(self._sweep.summed))

    def _between(self, numbers: Ints, at: Ints | slice) -> Ints:
        """Sums over stretches. Running sums may leave int64 and come back: differences are right."""
        running = np.zeros(len(numbers) + 1, np.int64)
        numbers.cumsum(out=running[1:])
        return running.take(self.last[at], mode="clip") - running.take(self.first[at], mode="clip")

    @cached_property
    def _rows(self) -> Ints:
        """Of each pair whose time is asked for, its event's row."""
        slots = self._sweep.timed
        return self.pair[: self._end[slots - 1]] - self.shift[:slots].repeat(self.sizes[:slots])

    @cached_property
    def _period(self) -> Ints:
        return self._events.period.take(self._rows)

    def _until(self, slots: int) -> slice:
        """Those of the first slots."""
        return slice(int(self._end[slots - 1]))

    def read(self, stat: Stat, at: Ints) -> Ints:
        """The statistic of some stretches."""
        match stat:
            case "count":
                return self.counts.take(at)
            case "sum":
                return self._totals.take(at)
            case "mean":
                return self._totals.take(at) // np.maximum(self.counts.take(at), 1)
            case "std":
                return self._deviation(at)
            case "min":
                return np.minimum.reduceat(self._x, self._edges(at))[::2]
            case "max":
                return np.maximum.reduceat(self._x, self._edges(at))[::2]
            case "last":
                return self._x.take(self.last.take(at) - 1)
            case "recency":
                return self._days(self.last.take(at) - 1, at)
            case "first":
                return self._days(self.first.take(at), at)
            case "periods":
                return self._periods(at)
            case "distinct":
                return self._distinct(at)
            case "slope":
                return self._slope(at)
            case "sum_slope" | "count_slope":
                return self._period_slope(stat, at)

    def _edges(self, at: Ints) -> Ints:
        """Beginnings and ends in turn, for `reduceat`."""
        return np.stack((self.first.take(at), self.last.take(at)), 1).ravel()

    def _deviation(self, at: Ints) -> Ints:
        count = np.maximum(self.counts.take(at), 1)
        total = self._totals.take(at)
        slots = self._sweep.squared
        x = self._x[: self._end[slots - 1]] * self._sweep.squares.repeat(self.sizes[:slots])
        if float(np.square(x, dtype=np.float64).sum()) * float(count.max()) < _SMALL:
            return small_deviation(count, total, self._between(x * x, at))
        return deviation(count, total, *(self._between(part, at) for part in limbs(x)))

    def _days(self, pairs: Ints, at: Ints) -> Ints:
        """Ago, of one pair of each of these stretches."""
        rows = self.pair.take(pairs) - self.shift.take(self._sweep.slot.take(at))
        return self._events.days_ago.take(rows, mode="clip")

    def apart(self, at: Ints) -> Bools:
        """Whether the first and the last of a stretch lie on different days."""
        return self._days(self.first.take(at), at) > self._days(self.last.take(at) - 1, at)

    def _slope(self, at: Ints) -> Ints:
        days = self._events.days_ago.take(self._rows[self._until(self._sweep.sloped["slope"])])
        time, squares, products = (
            self._between(part, at) for part in (days, days * days, days * self._x[: len(days)])
        )
        sums = np.stack((self.counts.take(at), time, squares, self._totals.take(at), products), 1)
        return np.array([slope_of(*each, by=PERIOD) or 0 for each in sums.tolist()], np.int64)

    def _period_slope(self, stat: Stat, at: Ints) -> Ints:
        """Least squares of the sums of whole periods, 0 to `whole` - 1 ago: their times are given, so two sums say all."""
        period = self._period[self._until(self._sweep.sloped[stat])]
        if stat == "count_slope":
            total, products = 1000 * self.counts.take(at), 1000 * self._between(period, at)
        else:
            total = self._totals.take(at)
            products = self._between(period * self._x[: len(period)], at)
        whole = (self._sweep.edge.take(self._sweep.window.take(at)) + 1) // (PERIOD * DAY)
        return 6 * ((whole - 1) * total - 2 * products) // (whole * (whole * whole - 1))

    def _periods(self, at: Ints) -> Ints:
        period = self._period[self._until(self._sweep.periodic)]
        changes = np.zeros(len(period) + 1, np.int64)
        (period[1:] != period[:-1]).cumsum(out=changes[1:-1])
        more = changes.take(self.last.take(at) - 1) - changes.take(self.first.take(at), mode="clip")
        return (more + 1) * (self.counts.take(at) > 0)

    def _distinct(self, at: Ints) -> Ints:
        """How many values have their latest event in a stretch."""
        keyed = self._sweep.keyed
        ends, sizes = self._end.take(keyed), self.sizes.take(keyed)
        pairs = [
            self.pair[start:end] for start, end in zip((ends - sizes).tolist(), ends.tolist(), strict=True)
        ]
        places = np.concatenate(pairs) + self._to_value.take(keyed).repeat(sizes)
        slots = keyed.repeat(sizes)
        latest = np.zeros(len(places) + 1, np.int64)
        values, steady = self._columns.take(places), int(sizes[: self._sweep.steady].sum())
        last = np.ones(len(places), np.bool_)
        if steady:
            last[: steady - 1] = (values[1:steady] != values[: steady - 1]) | (
                slots[1:steady] != slots[: steady - 1]
            )
        last[steady:] = _latest(values[steady:], slots[steady:])
        last.cumsum(out=latest[1:])
        moved = np.zeros(len(self._end), np.int64)
        moved[keyed] = ends - sizes.cumsum()
        moved = moved.take(self._sweep.slot.take(at))
        return latest.take(self.last.take(at) - moved) - latest.take(self.first.take(at) - moved)


def _latest(values: Ints, groups: Ints) -> Bools:
    """Whether an element is the last with its value in its group. Hashed, which is quicker than sorted; collisions are sorted."""
    bits = (8 * len(values)).bit_length()
    code = (values.view(np.uint64) * _MIX + groups.view(np.uint64) * _STIR) >> np.uint64(64 - bits)
    numbers, slots = np.arange(len(values), dtype=np.int32), np.empty(1 << bits, np.int32)
    slots[code] = numbers  # of several the last stays
    last = slots.take(code)
    found = last == numbers
    others = np.flatnonzero((values.take(last) != values) | (groups.take(last) != groups))
    others = others.take(np.lexsort((values.take(others), groups.take(others))))
    value, group = values.take(others), groups.take(others)
    found[others[:-1]] = (value[1:] != value[:-1]) | (group[1:] != group[:-1])
    found[others[-1:]] = True
    return found
