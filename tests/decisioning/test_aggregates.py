"""Aggregates against a plain loop over events, alone and in a batch, at the edges of windows and of evidence."""

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from math import floor, isqrt

import numpy as np
import pytest

from tests.decisioning.applicants import AS_OF, DAY, applicant, evidence
from timelyrain.decisioning.aggregates import ALL_TIME, STATS, Aggregate, Aggregation, Stat, column_types
from timelyrain.decisioning.events import BY_PERIOD
from timelyrain.decisioning.evidence import TABLES, Evidence, evidence_from_json
from timelyrain.decisioning.language import read
from timelyrain.decisioning.sweep import Sweep


def stats_of(windows: Sequence[int]) -> tuple[Stat, ...]:
    """All that make sense over these windows."""
    return tuple(s for s in STATS if s not in BY_PERIOD or (min(windows) >= 60 and max(windows) < ALL_TIME))


FAMILIES = [
    ("flow", "bank_flow", "", "amount_fen", (1, 30, 90, 365, ALL_TIME)),
    ("out", "bank_flow", "amount_fen < 0 and kind != 'rent'", "-amount_fen", (30, 60, 180)),
    ("salary_day", "bank_flow", "kind == 'salary'", "day_of_month", (90, 365)),
    ("salary", "bank_flow", "kind == 'salary'", "amount_fen", (60, 100, 360)),
    ("gambling", "bank_flow", "kind == 'gambling'", "abs(amount_fen)", (7, 90)),
    ("night", "bank_flow", "hour < 6", "balance_fen", (30, 365)),
    ("late", "bureau_month", "state in ('1', '2', '3', '4')", "days_ago", (180, 730)),
    ("open", "bureau_account", "closed == 0", "balance_fen", (365, ALL_TIME)),
    ("odd", "bank_flow", "", "1000 // period", (90,)),
    ("unpaid", "telecom_bill", "late", "amount_fen", (90,)),
]


def families() -> list[Aggregate]:
    found = []
    for name, table, where, value, windows in FAMILIES:
        types = column_types(table)
        condition, faults = read(where or "True", types)
        node, more = read(value, types)
        assert not faults + more
        found.append(Aggregate(name, table, condition if where else None, node, windows, stats_of(windows)))
    return found


def by_hand(e: Evidence, family: tuple, stat: str, window: int) -> int | None:
    """The same aggregate, said with a loop and Python's own arithmetic."""
    _, table, where, value, _ = family
    if TABLES[table].source in e.missing:
        return None
    columns = e.tables[table]
    days, seen, periods = [], [], set()
    for i in range(len(columns["at"])):
        at = int(columns["at"][i])
        if e.as_of - at > window * DAY:
            continue
        row = {
            n: f.values[columns[n][i]]
            if f.kind == "enum"
            else (int(columns[n][i]) or (None if f.kind == "key" else 0))
            for n, f in TABLES[table].columns.items()
        }
        ago, local = (e.as_of - at) // DAY, at + 480 * 60
        row |= {
            "days_ago": ago,
            "period": ago // 30,
            "hour": local % DAY // 3600,
            "weekday": datetime.fromtimestamp(local, UTC).weekday(),
            "missing": lambda key: key is None,
            "day_of_month": _day(local),
        }
        if where and not eval(where, {}, row):
            continue
        try:
            number = eval(value, {}, row)
        except ZeroDivisionError:
            continue
        if number is None:
            continue
        seen.append(number)
        days.append(ago)
        periods.add(ago // 30)
    match stat:
        case "count":
            return len(seen)
        case "sum":
            return sum(seen)
        case "periods":
            return len(periods)
        case "distinct":
            return len(set(seen))
        case "sum_slope" | "count_slope":
            whole, ys = range(window // 30), seen if stat == "sum_slope" else [1000] * len(seen)
            sums = [sum(y for y, ago in zip(ys, days, strict=True) if ago // 30 == p) for p in whole]
            return fitted(whole, sums)
        case "slope":
            return fitted(days, [30 * x for x in seen])
        case _ if not seen:
            return None
        case "mean":
            return sum(seen) // len(seen)
        case "std":
            squares = len(seen) * sum(x * x for x in seen) - sum(seen) ** 2
            return isqrt(squares // len(seen) ** 2)
        case "min":
            return min(seen)
        case "max":
            return max(seen)
        case "last":
            return seen[-1]
        case "recency":
            return days[-1]
        case _:
            return days[0]


def fitted(ago: Sequence[int], values: Sequence[int]) -> int | None:
    """Slope towards now of the least-squares line, by the textbook, in fractions."""
    if len(set(ago)) < 2:
        return None
    t, x = Fraction(-sum(ago), len(ago)), Fraction(sum(values), len(values))
    rise = sum((-a - t) * (v - x) for a, v in zip(ago, values, strict=True))
    return floor(rise / sum((-a - t) ** 2 for a in ago))


def _day(local: int) -> int:
    return datetime.fromtimestamp(local, UTC).day


PEOPLE = [
    evidence(1),
    evidence(2, 0.9),
    evidence(3, 0.5, ("bank",)),
    evidence(4, 0.7, ("bureau", "telecom")),
    evidence_from_json({"as_of": AS_OF, "facts": {}, "events": {}, "missing": ["bank", "bureau", "telecom"]}),
    evidence(5, 1.0),
]


def test_every_statistic_equals_the_loop():
    values, known = Aggregation(families(), 480).run(PEOPLE)
    for row, person in enumerate(PEOPLE):
        column = 0
        for family in FAMILIES:
            for window in family[4]:
                for stat in stats_of(family[4]):
                    expected = by_hand(person, family, stat, window)
                    found = int(values[row, column]) if known[row, column] else None
                    assert found == expected, (row, family[0], stat, window)
                    assert known[row, column] or values[row, column] == 0
                    column += 1
        assert column == values.shape[1]


def test_a_batch_equals_its_singles():
    kernel = Aggregation(families(), 480)
    values, known = kernel.run(PEOPLE)
    for row, person in enumerate(PEOPLE):
        one, one_known = kernel.run([person])
        assert one.tobytes() == values[row].tobytes()
        assert one_known.tobytes() == known[row].tobytes()


def test_nobody_gives_no_rows():
    values, _ = Aggregation(families(), 480).run([])
    assert values.shape == (0, len(Aggregation(families(), 480).names))


@pytest.mark.parametrize(("seconds", "inside"), [(30 * DAY, 1), (30 * DAY + 1, 0), (0, 1)])
def test_an_event_as_old_as_the_window_is_inside(seconds: int, inside: int):
    raw = applicant(1)
    raw["events"]["bureau_inquiry"] = {"at": [AS_OF - seconds], "kind": ["self"]}
    types = column_types("bureau_inquiry")
    family = Aggregate("i", "bureau_inquiry", None, read("at", types)[0], (30,), ("count",))
    kernel, person = Aggregation([family], 480), evidence_from_json(raw)
    assert kernel.run([person])[0].tolist() == [[inside]]
    values = np.zeros((1, 1), np.int64)
    Sweep(kernel.plan).run([person], values, values > 0)
    assert values.tolist() == [[inside]]


def test_the_greatest_evidence_does_not_overflow():
    raw = applicant(1)
    most = {
        "at": [AS_OF - 1] * 10,
        "amount_fen": [10**11] * 10,
        "balance_fen": [0] * 10,
        "kind": ["other"] * 10,
    }
    raw["events"]["bank_flow"] = most
    node = read("amount_fen", column_types("bank_flow"))[0]
    family = Aggregate("f", "bank_flow", None, node, (30,), ("sum", "mean"))
    values, _ = Aggregation([family], 480).run([evidence_from_json(raw)] * 50)
    assert values.tolist() == [[10**12, 10**11]] * 50
