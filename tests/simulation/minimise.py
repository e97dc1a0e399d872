"""A failing life made small: events are dropped, and the end drawn nearer, while the failure remains."""

from collections.abc import Callable
from dataclasses import replace

from tests.simulation.simulator import DAY, Life, still_accepted


def shrink(life: Life, fails: Callable[[Life], bool]) -> Life:
    """The smallest life found that still fails; every step of it is one that could have been booked."""
    smaller = True
    while smaller:
        smaller = False
        size = max(1, len(life.events) // 2)
        while size:
            place = 0
            while place < len(life.events):
                events = life.events[:place] + life.events[place + size :]
                trial = replace(life, events=events)
                if events and still_accepted(life, events) and fails(trial):
                    life, smaller = trial, True
                else:
                    place += size
            size //= 2
        earliest = max((max(e.booked_at.date(), e.value_on) for e in life.events), default=life.until)
        span = (life.until - earliest).days
        while span > 0:
            trial = replace(life, until=life.until - span * DAY)
            if fails(trial):
                life, smaller = trial, True
                span = min(span, (life.until - earliest).days)
            else:
                span //= 2
    return life
