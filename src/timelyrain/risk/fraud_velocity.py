"""How often the same device, address or employer was lately seen: state that grows by one application at a time.

Shared things are hot: each keeps only its latest MEMORY sightings within the longest window, so that one application costs the
same however many came before. The counts are those before the application itself, and its own applicant is not counted.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

MEMORY = 200
DAY = 86_400
THINGS = {
    "device": ("device_event", "device"),
    "place": ("device_event", "place"),
    "address": ("shop_order", "address"),
    "employer": ("tax_record", "employer"),
}
"""Where evidence says which thing the applicant used last: table and column."""


def things_used(tables: Mapping[str, Mapping[str, npt.NDArray[np.int64]]]) -> dict[str, int]:
    """The provider's key of each of THINGS that the events of one applicant state last, 0 where none is stated."""
    found: dict[str, int] = {}
    for entity, (table, column) in THINGS.items():
        values = tables[table][column]
        stated = values[values != 0]
        found[entity] = int(stated[-1]) if len(stated) else 0
    return found


@dataclass(frozen=True, eq=False)
class Velocity:
    """entities: kinds of things that persons may share. windows_days: ascending."""

    entities: tuple[str, ...]
    windows_days: tuple[int, ...]
    _seen: dict[tuple[str, int], deque[tuple[int, str]]] = field(
        default_factory=dict[tuple[str, int], deque[tuple[int, str]]]
    )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"velocity_{e}_people_{days}d" for e in self.entities for days in self.windows_days)

    def see(self, at: int, person: str, keys: Mapping[str, int]) -> list[float]:
        """Other persons seen with each thing within each window, in the order of `names`; NaN where the thing is not stated.

        at: epoch seconds, not earlier than the application before. keys: by entity, 0 or absent for not stated. At most MEMORY
        sightings of one thing are counted.
        """
        found: list[float] = []
        for entity in self.entities:
            key = keys.get(entity, 0)
            if not key:
                found.extend(float("nan") for _ in self.windows_days)
                continue
            known = self._seen.setdefault((entity, key), deque(maxlen=MEMORY))
            while known and known[0][0] < at - self.windows_days[-1] * DAY:
                known.popleft()
            if known and known[-1][0] > at:
                raise ValueError(
                    f"application at {at} comes after one at {known[-1][0]}: give them in the order of time"
                )
            found.extend(_others(known, at, person, self.windows_days))
            known.append((at, person))
        return found


def _others(
    known: Sequence[tuple[int, str]], at: int, person: str, windows_days: Sequence[int]
) -> list[float]:
    if not known:
        return [0.0] * len(windows_days)
    return [
        float(len({who for _, who in list(known)[bisect_left(known, (at - days * DAY, "")) :]} - {person}))
        for days in windows_days
    ]
