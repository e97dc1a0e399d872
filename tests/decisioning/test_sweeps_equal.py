"""The compiled loop, the numpy form and a plain loop give the same bytes, for any events."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decisioning.applicants import AS_OF, DAY, evidence
from tests.decisioning.test_aggregates import by_hand, fitted
from timelyrain.decisioning.aggregates import ALL_TIME, STATS, Aggregate, Aggregation, column_types, too_large
from timelyrain.decisioning.compiled import compiled_sweep, kernels
from timelyrain.decisioning.events import BY_PERIOD, PERIOD
from timelyrain.decisioning.evidence import Evidence
from timelyrain.decisioning.language import read
from timelyrain.decisioning.schema import FACTS, MAX_FEN, TABLES
from timelyrain.decisioning.spread import deviation, deviation_of, limbs, slope_of, small_deviation
from timelyrain.decisioning.sweep import Sweep, _latest  # pyright: ignore[reportPrivateUsage]

NUMBERS = tuple(stat for stat in STATS if stat not in BY_PERIOD)
MONTHLY = ("slope", *BY_PERIOD)
KEYS = ("count", "recency", "first", "periods", "distinct")
BY_KEY = (*KEYS, "count_slope")
FAMILIES = [
    ("amount", "bank_flow", "", "amount_fen", (1, 30, 90, ALL_TIME), NUMBERS),
    (
        "out",
        "bank_flow",
        "amount_fen < 0 and kind not in ('rent', 'other')",
        "-amount_fen",
        (7, 30, 365),
        NUMBERS,
    ),
    ("round", "bank_flow", "amount_fen % 10000 == 0", "abs(balance_fen)", (30,), NUMBERS),
    ("either", "bank_flow", "hour < 6 or balance_fen < 0", "amount_fen // balance_fen", (30, 90), NUMBERS),
    (
        "band",
        "bank_flow",
        "-5 <= amount_fen and amount_fen != 0 and not (balance_fen > 7)",
        "hour",
        (45,),
        NUMBERS,
    ),
    ("payee", "bank_flow", "weekday >= 5", "counterparty", (30, 90, ALL_TIME), KEYS),
    ("group", "bank_flow", "mcc in (5411, 5499)", "mcc", (60,), NUMBERS),
    ("day", "bank_flow", "", "days_ago", (30, 365), NUMBERS),
    ("month", "bank_flow", "day_of_month >= 25", "period", (90, 400), NUMBERS),
    ("quiet", "bank_flow", "", "at", (30,), ("recency", "count")),
    ("monthly", "bank_flow", "", "amount_fen", (60, 90, 365, 36_599), MONTHLY),
    ("falling", "bank_flow", "amount_fen < 0", "-amount_fen", (89, 180), (*MONTHLY, "sum")),
    ("steep", "bank_flow", "", "balance_fen // 7", (730,), MONTHLY),
    ("bills", "telecom_bill", "", "late_days", (61, 180), MONTHLY),
    ("bill", "telecom_bill", "late", "amount_fen", (90,), NUMBERS),
    ("lender", "bureau_inquiry", "missing(lender) or kind == 'self'", "lender", (60, 180), BY_KEY),
]


def families(copies: int = 1) -> list[Aggregate]:
    """The families above; copies of them make a table of more than 64."""
    found = []
    for copy in range(copies):
        for name, table, where, value, windows, stats in FAMILIES:
            types = column_types(table)
            condition, faults = read(where or "True", types)
            if where and copy:
                condition, faults = read(f"({where}) and days_ago >= {copy}", types)
            node, more = read(value, types)
            assert not faults + more, (faults, more)
            found.append(
                Aggregate(f"{name}{copy}", table, condition if where else None, node, windows, stats)
            )
    return found


AGES = st.one_of(
    st.sampled_from([0, 1, DAY - 1, DAY, 30 * DAY, 30 * DAY + 1, 90 * DAY, 365 * DAY, 36_600 * DAY // 2]),
    st.integers(0, 400 * DAY),
)
MONEY = st.one_of(st.sampled_from([0, 1, -1, MAX_FEN, -MAX_FEN, 10_000, -20_000]), st.integers(-100, 100))


@st.composite
def applicants(draw: st.DrawFn) -> Evidence:
    """Any events, the extremes of every column among them; equal times; sources that are missing."""
    gone = draw(st.sets(st.sampled_from(["bank", "bureau", "telecom"]), max_size=2))
    tables = {}
    for name, table in TABLES.items():
        rows = 0 if table.source in gone else draw(st.integers(0, 8))
        columns = {}
        for column, field in table.columns.items():
            if column == "at":
                ages = draw(st.lists(AGES, min_size=rows, max_size=rows))
                values = [max(AS_OF - age, 0) for age in sorted(ages, reverse=True)]
            elif field.kind == "enum":
                values = draw(st.lists(st.integers(0, len(field.values) - 1), min_size=rows, max_size=rows))
            elif field.unit == "fen":
                money = MONEY if field.low < 0 else MONEY.map(abs)
                values = draw(st.lists(money, min_size=rows, max_size=rows))
            else:
                odd = [v for v in (0, 1, 5411, field.high) if v <= field.high]
                values = draw(st.lists(st.sampled_from(odd), min_size=rows, max_size=rows))
            columns[column] = np.array(values, np.int64)
        tables[name] = columns
    return Evidence(AS_OF, dict.fromkeys(FACTS), tables, tuple(sorted(gone)))


def swept(kernel: Aggregation, people: list[Evidence], compiled: bool) -> tuple[np.ndarray, np.ndarray]:
    values = np.zeros((len(people), len(kernel.names)), np.int64)
    known = np.zeros(values.shape, np.bool_)
    run = compiled_sweep(kernel.plan) if compiled else None
    if compiled and run is None:
        pytest.skip("numba is not installed or switched off")
    if run is not None:
        run.run(people, values, known)
    else:
        Sweep(kernel.plan).run(people, values, known)
    return values, known


KERNEL = Aggregation(families(), 480)


@settings(max_examples=40, deadline=None)
@given(st.lists(applicants(), min_size=1, max_size=4))
def test_numpy_equals_the_loop(people: list[Evidence]):
    values, known = swept(KERNEL, people, compiled=False)
    for row, person in enumerate(people):
        column = 0
        for family in FAMILIES:
            for window in family[4]:
                for stat in family[5]:
                    found = int(values[row, column]) if known[row, column] else None
                    assert found == by_hand(person, family[:5], stat, window), (row, family[0], stat, window)
                    assert known[row, column] or values[row, column] == 0
                    column += 1


@settings(max_examples=60, deadline=None)
@given(st.lists(applicants(), min_size=1, max_size=4))
def test_compiled_equals_numpy(people: list[Evidence]):
    for one, other in zip(swept(KERNEL, people, True), swept(KERNEL, people, False), strict=True):
        assert one.tobytes() == other.tobytes()


def test_many_families_and_many_people():
    kernel = Aggregation(families(14), 480)  # more than two words of families in one table
    people = [
        evidence(seed, seed % 7 / 6, ((), ("bank",), ("bureau", "telecom"))[seed % 3]) for seed in range(150)
    ]
    fast, slow = swept(kernel, people, True), swept(kernel, people, False)
    assert fast[0].tobytes() == slow[0].tobytes() and fast[1].tobytes() == slow[1].tobytes()
    again = kernel.run(people)
    assert again[0].tobytes() == slow[0].tobytes() and again[1].tobytes() == slow[1].tobytes()
    one = swept(kernel, people[77:78], False)
    assert one[0].tobytes() == slow[0][77].tobytes()


def test_what_could_leave_int64_is_found_when_the_definition_is_read():
    types = column_types("bank_flow")
    wide = read("amount_fen * 50000000", types)[0]
    assert "sum could reach" in too_large(Aggregate("x", "bank_flow", None, wide, (30,), ("sum",)))
    assert "std takes values" in too_large(Aggregate("x", "bank_flow", None, wide, (30,), ("std",)))
    fen = read("amount_fen", types)[0]
    assert too_large(Aggregate("x", "bank_flow", None, fen, (30,), NUMBERS)) == ""


def test_a_hundred_thousand_events_at_the_extremes():
    rows = 100_000
    big = np.full(rows, MAX_FEN, np.int64)
    big[::2] = -MAX_FEN
    tables = {n: {c: np.zeros(0, np.int64) for c in t.columns} for n, t in TABLES.items()}
    tables["bank_flow"] = {c: np.zeros(rows, np.int64) for c in TABLES["bank_flow"].columns}
    tables["bank_flow"] |= {
        "at": np.full(rows, AS_OF - 5),
        "amount_fen": big,
        "counterparty": np.arange(rows),
    }
    person = Evidence(AS_OF, dict.fromkeys(FACTS), tables, ())
    slow, fast = (swept(KERNEL, [person], compiled) for compiled in (False, True))
    assert slow[0].tobytes() == fast[0].tobytes()
    found = dict(zip(KERNEL.names, slow[0][0].tolist(), strict=True))
    assert (found["amount0_std_30d"], found["amount0_sum_30d"]) == (MAX_FEN, 0)
    spread = {"at": np.repeat([0, AS_OF], rows // 2), "amount_fen": np.repeat([0, 10**7], rows // 2)}
    old = Evidence(AS_OF, person.facts, tables | {"bank_flow": tables["bank_flow"] | spread}, ())
    slow, fast = (swept(KERNEL, [old], compiled) for compiled in (False, True))
    assert slow[0].tobytes() == fast[0].tobytes()
    rises = slow[0][0, KERNEL.names.index("monthly0_slope_36599d")]
    assert rises == PERIOD * 10**7 // (AS_OF // DAY)
    assert found["payee0_distinct_30d"] in (0, rows - 1)  # the key 0 is missing; the day may be no weekend


@given(
    st.one_of(
        st.lists(st.tuples(st.integers(0, 36_600), st.integers(-(10**11), 10**11)), min_size=1, max_size=50),
        st.lists(st.tuples(st.integers(0, 1), st.integers(-(2**45), 2**45)), min_size=1, max_size=50),
        st.lists(
            st.tuples(st.integers(36_000, 36_600), st.integers(-(10**7), 10**7)), min_size=1, max_size=9
        ),
    ),
    st.integers(1, 10_000),
)
def test_slopes_are_exact_however_many_and_however_steep(pairs: list[tuple[int, int]], times: int):
    n, ts, tts, xs, txs = map(sum, zip(*((1, t, t * t, x, t * x) for t, x in pairs), strict=True))
    expected = slope_of(n, ts, tts, xs, txs, PERIOD)
    assert expected == fitted([t for t, _ in pairs], [PERIOD * x for _, x in pairs])
    if (compiled := kernels()) is not None and expected is not None:
        times = times if max(abs(x) for _, x in pairs) <= 10**7 else 1
        t, x = np.tile(np.array(pairs, np.int64), (times, 1)).T.copy()
        assert compiled.slope(t, x, 1, np.arange(len(t), dtype=np.int32), len(t)) == expected


WIDE = st.integers(-(2**40), 2**40)


@given(st.one_of(st.lists(WIDE, min_size=1), st.lists(st.integers(-(2**27), 2**27), min_size=1, max_size=10)))
def test_deviations_are_exact_whichever_way(values: list[int]):
    x, n, squares = np.array(values, np.int64), len(values), sum(value**2 for value in values)
    expected = deviation_of(n, sum(values), squares)
    count, total = np.array([n]), np.array([sum(values)])
    assert deviation(count, total, *(part.sum(keepdims=True) for part in limbs(x))).tolist() == [expected]
    if n * squares < 2**62:
        assert small_deviation(count, total, np.array([squares])).tolist() == [expected]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=400))
def test_the_latest_of_equals_is_found_through_collisions(pairs: list[tuple[int, int]]):
    values, groups = np.array(pairs, np.int64).reshape(-1, 2).T.copy() * (2**40 + 7)
    assert _latest(values, groups).tolist() == [pair not in pairs[at + 1 :] for at, pair in enumerate(pairs)]
