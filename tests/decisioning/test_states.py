"""Running states equal a recomputation from all events, in any order, however they were split."""

from math import isqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decisioning.test_aggregates import fitted
from timelyrain.decisioning.states import State, StateInvalid, merge

HOUR = 3_600
TIMES = st.one_of(st.integers(0, 40 * HOUR), st.sampled_from([0, HOUR - 1, HOUR, 24 * HOUR, 24 * HOUR - 1]))
VALUES = st.one_of(st.integers(-50, 50), st.sampled_from([0, 2**40, -(2**40)]))
EVENTS = st.lists(st.tuples(TIMES, VALUES, st.integers(0, 5)), max_size=40)


def state_of(events: list[tuple[int, int, int]]) -> State:
    state = State(HOUR, 24)
    for at, value, key in events:
        state.add(at, value, key)
    return state


def by_hand(events: list[tuple[int, int, int]], as_of: int, slots: int) -> dict[str, int | None]:
    end = as_of // HOUR
    newest = max((at // HOUR for at, _, _ in events), default=0)
    kept = [e for e in events if end - slots < e[0] // HOUR <= end and e[0] // HOUR > newest - 24]
    values = [value for _, value, _ in kept]
    found: dict[str, int | None] = {"count": len(kept), "sum": sum(values)}
    found["distinct"] = len({key for _, _, key in kept if key})
    days = [end - at // HOUR for at, _, _ in kept]
    for stat, of in (("sum_slope", values), ("count_slope", [1000] * len(kept))):
        sums = [sum(y for y, ago in zip(of, days, strict=True) if ago == slot) for slot in range(slots)]
        found[stat] = fitted(range(slots), sums)
    found["slope"] = fitted(days, values)
    if not kept:
        return found | dict.fromkeys(("mean", "std", "min", "max", "last", "first", "recency"))
    n, (latest, last, _) = len(kept), max(kept)
    return found | {
        "mean": sum(values) // n,
        "std": isqrt((n * sum(v * v for v in values) - sum(values) ** 2) // n**2),
        "min": min(values),
        "max": max(values),
        "last": last,
        "first": as_of - min(at for at, _, _ in kept),
        "recency": as_of - latest,
    }


@settings(max_examples=200, deadline=None)
@given(EVENTS, EVENTS, st.integers(0, 45 * HOUR), st.integers(1, 24), st.randoms())
def test_states_merge_and_equal_a_recomputation(a: list, b: list, as_of: int, slots: int, rng) -> None:
    whole = state_of(a + b)
    assert whole.window(as_of, slots) == by_hand(a + b, as_of, slots)
    mixed = a + b
    rng.shuffle(mixed)
    one, other = state_of(a), state_of(b)
    before = one.to_bytes()
    for found in (merge(one, other), merge(other, one), state_of(mixed), State.from_bytes(whole.to_bytes())):
        assert found.to_bytes() == whole.to_bytes()
    assert one.to_bytes() == before


def test_what_cannot_be_kept_is_refused():
    with pytest.raises(ValueError, match="clip it"):
        State(HOUR, 24).add(0, 2**40 + 1)
    with pytest.raises(StateInvalid, match="do not fit"):
        merge(State(HOUR, 24), State(HOUR, 25))
    with pytest.raises(StateInvalid, match="at least a second"):
        State(0, 24)
    with pytest.raises(ValueError, match="keeps 1 to 24"):
        State(HOUR, 24).window(0, 25)
    for bad in (
        b"",
        b"[]",
        b"[2,1,1,0,[]]",
        b"[1,3600,24,0,[[1,2]]]",
        b"[" * 9_999,
        b'[1,3600,24,0,[["a",1,1,1,1,1,1,1,1,[]]]]',
    ):
        with pytest.raises(StateInvalid, match="to_bytes"):
            State.from_bytes(bad)
