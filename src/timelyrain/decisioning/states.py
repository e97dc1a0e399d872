"""Running states of entities that see too many events to be read again: a device, a merchant, a partner.

The same algebra as the sweep over one applicant, kept instead of recomputed: a ring of slots (an hour, a day),
each with numbers that merge. A window is a whole number of slots, the present one included.
"""

import json
from collections.abc import Mapping
from typing import cast

from .spread import LARGEST, deviation_of, slope_of

FORMAT = 1
# What a slot keeps, in this order; `add` counts them out, because it runs for every event.
_COUNT, _TOTAL, _SQUARES, _LEAST, _MOST, _FIRST, _LAST, _LAST_VALUE = range(8)


class StateInvalid(ValueError):
    """Bytes that are no state, or two states of different shape."""


class State:
    """Events of one entity over the newest `slots` slots of `slot_seconds` each.

    Equal for the same events in whatever order and however they were split and merged. Events older than the oldest slot
    are counted in `late` and nowhere else.
    """

    __slots__ = ("_keys", "_newest", "_slots", "late", "slot_seconds", "slots")

    def __init__(self, slot_seconds: int, slots: int):
        if slot_seconds < 1 or not 1 <= slots <= 100_000:
            raise StateInvalid(
                f"{slots} slots of {slot_seconds} s: give at least a second and 1 to 100,000 slots"
            )
        self.slot_seconds, self.slots, self.late = slot_seconds, slots, 0
        self._newest = -1
        self._slots: dict[int, list[int]] = {}
        self._keys: dict[int, set[int]] = {}

    def add(self, at: int, value: int = 0, key: int = 0) -> None:
        """One event: when (epoch seconds), how much (at most 2^40 either way), and whom it concerned (a key; 0: nobody)."""
        if not -LARGEST <= value <= LARGEST:
            raise ValueError(f"value {value} is outside {-LARGEST} to {LARGEST}: clip it")
        number = at // self.slot_seconds
        kept = self._slots.get(number)
        if kept is None:
            if number <= self._newest - self.slots:
                self.late += 1
                return
            self._slots[number] = [1, value, value * value, value, value, at, at, value]
            if number > self._newest:
                self._move(number)
        else:
            kept[0] += 1
            kept[1] += value
            kept[2] += value * value
            if value < kept[3]:
                kept[3] = value
            if value > kept[4]:
                kept[4] = value
            if at < kept[5]:
                kept[5] = at
            if at > kept[6] or (at == kept[6] and value > kept[7]):
                kept[6], kept[7] = at, value
        if key:
            seen = self._keys.get(number)
            if seen is None:
                self._keys[number] = {key}
            else:
                seen.add(key)

    def window(self, as_of: int, slots: int) -> Mapping[str, int | None]:
        """Statistics of the newest `slots` slots up to and with that of `as_of`; None where there was no event.

        As a decision reads them: count, sum, distinct; mean, std, min, max, last; first and recency in seconds; and by the
        slot instead of by 30 days: slope of the values (None in a single slot), and of the slots' sums and counts (in
        thousandths), empty ones included (None over a single slot).
        """
        if not 1 <= slots <= self.slots:
            raise ValueError(f"{slots} slots: this state keeps 1 to {self.slots}")
        end = as_of // self.slot_seconds
        numbers = [n for n in self._slots if end - slots < n <= end]
        parts = [self._slots[n] for n in numbers]
        count = sum(part[_COUNT] for part in parts)
        total = sum(part[_TOTAL] for part in parts)
        different = len(set[int]().union(*(self._keys[n] for n in numbers if n in self._keys)))
        times = squares = products = 0
        for n, part in zip(numbers, parts, strict=True):
            t = end - n
            times += t * part[_COUNT]
            squares += t * t * part[_COUNT]
            products += t * part[_TOTAL]
        even = slots, slots * (slots - 1) // 2, (slots - 1) * slots * (2 * slots - 1) // 6
        found: dict[str, int | None] = {"count": count, "sum": total, "distinct": different}
        found |= {
            "slope": slope_of(count, times, squares, total, products),
            "sum_slope": slope_of(*even, total, products),
            "count_slope": slope_of(*even, 1000 * count, 1000 * times),
        }
        if not parts:
            return found | dict.fromkeys(("mean", "std", "min", "max", "last", "first", "recency"))
        latest = max(parts, key=lambda part: (part[_LAST], part[_LAST_VALUE]))
        return found | {
            "mean": total // count,
            "std": deviation_of(count, total, sum(part[_SQUARES] for part in parts)),
            "min": min(part[_LEAST] for part in parts),
            "max": max(part[_MOST] for part in parts),
            "last": latest[_LAST_VALUE],
            "first": as_of - min(part[_FIRST] for part in parts),
            "recency": as_of - latest[_LAST],
        }

    def to_bytes(self) -> bytes:
        """Canonical: equal states give equal bytes."""
        slots = [[n, *self._slots[n], sorted(self._keys.get(n, ()))] for n in sorted(self._slots)]
        whole = [FORMAT, self.slot_seconds, self.slots, self.late, slots]
        return json.dumps(whole, separators=(",", ":")).encode()

    @staticmethod
    def from_bytes(data: bytes) -> "State":
        """Raises StateInvalid."""
        try:
            whole = cast(list[object], json.loads(data))
            version, seconds, size, late, slots = whole
            if version != FORMAT:
                raise ValueError(f"format {version!r}")
            state = State(_integer(seconds), _integer(size))
            state.late = _integer(late)
            for row in cast(list[list[object]], slots):
                number, *numbers, keys = row
                if len(numbers) != 8:
                    raise ValueError(f"a slot of {len(numbers)} numbers")
                state._slots[_integer(number)] = [_integer(each) for each in numbers]
                if keys:
                    state._keys[_integer(number)] = {_integer(key) for key in cast(list[object], keys)}
            state._newest = max(state._slots, default=-1)
        except (ValueError, TypeError, RecursionError) as error:
            raise StateInvalid(f"not the state of an entity ({error}): pass the bytes of to_bytes") from None
        return state

    def absorb(self, other: "State") -> None:
        """Adds all that another state has seen. Raises StateInvalid for a state of other slots."""
        if (other.slot_seconds, other.slots) != (self.slot_seconds, self.slots):
            raise StateInvalid(
                f"slots of {other.slot_seconds} s x {other.slots} do not fit {self.slot_seconds} s x {self.slots}: "
                "rebuild one of the states from its events"
            )
        self.late += other.late
        if other._newest > self._newest:
            self._move(other._newest)
        for number, kept in other._slots.items():
            if number <= self._newest - self.slots:
                self.late += kept[_COUNT]
                continue
            mine = self._slots.get(number)
            self._slots[number] = kept.copy() if mine is None else _joined(mine, kept)
            if number in other._keys:
                self._keys.setdefault(number, set()).update(other._keys[number])

    def _move(self, newest: int) -> None:
        """Slots that fall off the end are let go; their events are late from now on."""
        self._newest = newest
        for number in [n for n in self._slots if n <= newest - self.slots]:
            self.late += self._slots.pop(number)[_COUNT]
            self._keys.pop(number, None)


def _integer(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is not an integer")
    return value


def merge(first: State, *others: State) -> State:
    """The state of all events that these states have seen; they stay as they are. Raises StateInvalid for different slots."""
    whole = State(first.slot_seconds, first.slots)
    for state in (first, *others):
        whole.absorb(state)
    return whole


def _joined(a: list[int], b: list[int]) -> list[int]:
    latest = max((a[_LAST], a[_LAST_VALUE]), (b[_LAST], b[_LAST_VALUE]))
    return [
        a[_COUNT] + b[_COUNT],
        a[_TOTAL] + b[_TOTAL],
        a[_SQUARES] + b[_SQUARES],
        min(a[_LEAST], b[_LEAST]),
        max(a[_MOST], b[_MOST]),
        min(a[_FIRST], b[_FIRST]),
        *latest,
    ]
