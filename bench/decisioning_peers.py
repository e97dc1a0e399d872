"""The same work by others: zen-engine for rules; pandas, polars, duckdb and featuretools for features; LightGBM for one row."""
# pyright: reportMissingImports=false
# The peers come with `make bench`, not with the tools of `make check`.

import json
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl

from timelyrain.decisioning import TABLES, Evidence, Policy, evidence_from_json
from timelyrain.decisioning.events import DAY, Plan, TablePlan
from timelyrain.risk import TrainedModel


def _microseconds(work: Callable[[], object], repeat: int = 20) -> float:
    work()
    times: list[float] = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e6


def zen(texts: list[str], fields: list[str]) -> float:
    """One call from Python of a decision with all rules in one expression node."""
    import zen as engine

    expressions = [{"id": f"e{i}", "key": f"r{i}", "value": text} for i, text in enumerate(texts)]
    nodes = [
        {"id": "in", "type": "inputNode", "name": "in", "position": {"x": 0, "y": 0}},
        {"id": "ex", "type": "expressionNode", "name": "ex", "position": {"x": 1, "y": 0},
         "content": {"expressions": expressions}},
        {"id": "out", "type": "outputNode", "name": "out", "position": {"x": 2, "y": 0}},
    ]  # fmt: skip
    edges = [
        {"id": "a", "sourceId": "in", "targetId": "ex", "type": "edge"},
        {"id": "b", "sourceId": "ex", "targetId": "out", "type": "edge"},
    ]
    decision = engine.ZenEngine().create_decision(json.dumps({"nodes": nodes, "edges": edges}))
    row = {name: (37 + at * 91) % 1_000 for at, name in enumerate(fields)}
    assert len(decision.evaluate(row)["result"]) >= len(texts)
    return _microseconds(lambda: decision.evaluate(row), 2_000)


def lightgbm_row(model: TrainedModel, rows: Any) -> dict[str, float]:
    booster = lgb.Booster(model_str=model.booster)
    one = rows[:1]
    return {
        "Booster.predict (no reasons)": _microseconds(
            lambda: booster.predict(one, raw_score=True, num_threads=1), 500
        ),
        "Booster.predict(pred_contrib=True)": _microseconds(
            lambda: booster.predict(one, pred_contrib=True, num_threads=1)
        ),
    }


def features(policy: Policy, raw: dict[str, Any]) -> dict[str, float]:
    """Aggregates of one applicant. What others get ready-made is said in the label."""
    person = evidence_from_json(raw)
    plan = policy.aggregation.plan
    tables = {
        name: {key: np.array(column) for key, column in columns.items()}
        for name, columns in person.tables.items()
    }
    long = _sorted(plan, person)
    (slow, made), count = _featuretools(person), len(policy.engine.aggregation.names)
    return {
        "pandas, family by family": _microseconds(lambda: _pandas(plan, person.as_of, tables), 3),
        "pandas groupby of events already sorted into families": _microseconds(lambda: _grouped(long)),
        "polars group_by of events already sorted into families": _microseconds(lambda: _polars(long)),
        "duckdb GROUP BY of events already sorted into families": _duckdb(long),
        f"featuretools, all tables, {made:,} features": slow,
        f"featuretools, for as many aggregates ({count:,})": slow / made * count,
    }


def _masks(each: TablePlan, columns: Mapping[str, Any]) -> list[Any]:
    """Of each family, which rows its condition takes, as far as single columns say it."""
    words = np.full((len(columns["at"]), -(-len(each.outputs) // 64)), ~np.uint64(0))
    for digit in each.selection.digits:
        name = each.selection.sources[digit.source]
        if isinstance(name, str) and name in columns:
            column = columns[name]
            words &= digit.bits[
                column if digit.breaks is None else np.searchsorted(digit.breaks, column, side="right")
            ]
    return [
        (words[:, family // 64] >> np.uint64(family % 64) & np.uint64(1)).astype(bool)
        for family in range(len(each.outputs))
    ]


def _sorted(plan: Plan, person: Evidence) -> dict[str, Any]:
    """One row for every family of every event: family, ring, value, days ago."""
    parts: list[Any] = []
    for each in plan.tables:
        columns = person.tables[each.table]
        days = (person.as_of - columns["at"]) // DAY
        ring = np.searchsorted(each.windows, days)
        for family, mask in enumerate(_masks(each, columns)):
            name = each.selection.sources[each.selection.values[family][0]]
            values = columns[name] if isinstance(name, str) and name in columns else columns["at"]
            number = np.full(mask.sum(), len(parts))
            parts.append(np.stack([number, ring[mask], values[mask], days[mask]]))
    return dict(zip(("family", "ring", "x", "days"), np.concatenate(parts, axis=1), strict=True))


def _pandas(plan: Plan, as_of: int, tables: dict[str, dict[str, Any]]) -> list[Any]:
    """What an analyst writes: a frame, a mask per family, the statistics of each window. Conditions come ready as masks."""
    found: list[Any] = []
    for each in plan.tables:
        frame = pd.DataFrame(tables[each.table])
        age = as_of - frame["at"]
        masks = _masks(each, tables[each.table])
        for family, (source, _) in enumerate(each.selection.values):
            mask = masks[family]
            mine, ages = frame[mask], age[mask]
            name = each.selection.sources[source]
            values = mine[name] if isinstance(name, str) and name in frame else mine["at"]
            by_window: dict[int, list[str]] = {}
            for stat, window, _ in each.outputs[family]:
                by_window.setdefault(window, []).append(stat)
            for window, stats in by_window.items():
                inside = values[ages <= window * DAY]
                for stat in stats:
                    found.append(_STATISTICS[stat](inside))
    return found


_STATISTICS: dict[str, Callable[[Any], Any]] = {
    "count": lambda s: s.count(), "sum": lambda s: s.sum(), "mean": lambda s: s.mean(), "min": lambda s: s.min(),
    "max": lambda s: s.max(), "std": lambda s: s.std(ddof=0), "distinct": lambda s: s.nunique(),
    "periods": lambda s: s.nunique(), "last": lambda s: s.iloc[-1:], "first": lambda s: s.iloc[:1],
    "recency": lambda s: s.iloc[-1:],
    "slope": lambda s: s.sum(), "sum_slope": lambda s: s.sum(), "count_slope": lambda s: s.count(),  # less than they are
}  # fmt: skip


def _grouped(long: dict[str, Any]) -> Any:
    frame = pd.DataFrame(long).groupby(["family", "ring"], sort=False)
    return frame.agg({"x": ["count", "sum", "min", "max", "std", "last", "nunique"], "days": ["min", "max"]})


def _polars(long: dict[str, Any]) -> Any:
    x, days = pl.col("x"), pl.col("days")
    return pl.DataFrame(long).group_by("family", "ring").agg(
        x.count().alias("n"), x.sum().alias("s"), x.min().alias("a"), x.max().alias("b"), x.std().alias("d"),
        x.last().alias("l"), x.n_unique().alias("u"), days.min().alias("r"), days.max().alias("f"),
    )  # fmt: skip


def _duckdb(long: dict[str, Any]) -> float:
    import duckdb

    connection = duckdb.connect()
    frame = pd.DataFrame(long)
    connection.register("pairs", frame)
    query = (
        "SELECT family, ring, count(x), sum(x), min(x), max(x), stddev_pop(x), last(x), count(DISTINCT x), min(days), max(days) "
        "FROM pairs GROUP BY family, ring"
    )
    return _microseconds(lambda: connection.execute(query).fetchall())


WINDOWS = (7, 30, 60, 90, 180, 365, 730)


def _featuretools(person: Evidence) -> tuple[float, int]:
    """(µs, features) of deep feature synthesis over all tables: eight statistics of every number, over seven windows, of all
    events and of those of each kind (of the account movements, the orders, the inquiries, the device's events)."""
    warnings.simplefilter("ignore")
    import featuretools as ft

    entities = ft.EntitySet("one")
    entities.add_dataframe(dataframe=pd.DataFrame({"person": [0]}), dataframe_name="people", index="person")
    for name, table in TABLES.items():
        frame = pd.DataFrame(person.tables[name])
        for column, field in table.columns.items():
            if field.kind in ("enum", "key"):
                frame[column] = frame[column].astype("category")
        frame["at"] = pd.to_datetime(frame["at"], unit="s")
        frame["row"], frame["person"] = range(len(frame)), 0
        entities.add_dataframe(dataframe=frame, dataframe_name=name, index="row", time_index="at")
        entities.add_relationship("people", "person", name, "person")
    for name, column in (
        ("bank_flow", "kind"),
        ("shop_order", "category"),
        ("bureau_inquiry", "kind"),
        ("device_event", "kind"),
    ):
        values = np.unique(person.tables[name][column]).tolist()
        entities.add_interesting_values(dataframe_name=name, values={column: values})
    primitives = ["count", "sum", "mean", "min", "max", "std", "num_unique", "last"]
    wanted = ft.dfs(
        entityset=entities, target_dataframe_name="people", agg_primitives=primitives, trans_primitives=[],
        where_primitives=primitives, features_only=True, max_depth=1,
    )  # fmt: skip
    now, made = pd.Timestamp(person.as_of, unit="s"), 0
    start = time.perf_counter()
    for days in WINDOWS:
        matrix = ft.calculate_feature_matrix(
            wanted, entities, cutoff_time=now, training_window=f"{days} days"
        )
        made += matrix.shape[1]
    return (time.perf_counter() - start) * 1e6, made
