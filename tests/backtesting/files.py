"""Files of applications as a lender would bring them, made of the synthetic applicants of the decisioning tests."""

import random
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tests.decisioning.applicants import AS_OF, DAY, applicant
from timelyrain.decisioning import FACTS, TABLES

PURPOSES = ("shopping", "renovation", "medical")


def application(seed: int, days: int = 0, outcome: bool = True) -> dict:
    """One row of docs/sandbox.md, `days` before AS_OF. The same seed gives the same person."""
    rng = random.Random(seed)
    trouble = rng.random() ** 2
    raw = applicant(seed, trouble, rng.choice([(), (), (), ("telecom",), ("bureau",)]))
    back = days * DAY
    row: dict = {
        "application_id": f"t-{seed}", "at": AS_OF - back, "amount_fen": rng.choice((500_000, 2_000_000, 6_000_000)),
        "instalments": rng.choice((6, 12, 24)), "purpose": rng.choice(PURPOSES), "missing": raw["missing"],
    }  # fmt: skip
    for name, field in FACTS.items():
        value = raw["facts"].get(name)
        row[f"fact.{name}"] = (
            field.values.index(value) if field.kind == "enum" and value is not None else value
        )
    row["fact.declared_income_fen"], row["fact.employment"] = 1_000_000, 0
    for name, table in TABLES.items():
        columns = raw["events"].get(name, {})
        for column, field in table.columns.items():
            values = columns.get(column, [0] * len(columns.get("at", [])))
            if field.kind == "enum":
                values = [v if type(v) is int else field.values.index(v) for v in values]
            shift = back if column in ("at", "closed") else 0
            row[f"{name}.{column}"] = [int(v) - (shift if v else 0) for v in values]
    bad = rng.random() < 0.02 + 0.5 * trouble
    row["outcome_bad"] = int(bad) if outcome else None
    row["outcome_loss_fen"] = (row["amount_fen"] * 6 // 10 if bad else 0) if outcome else None
    row["sex"] = rng.choice(("female", "male"))
    row["age_band"] = "18-24" if trouble > 0.5 else rng.choice(("25-34", "35-44"))
    return row


def applications(n: int, seed: int = 0, **more: bool) -> list[dict]:
    return [application(seed + i, days=(i * 37) % 400, **more) for i in range(n)]


def write(rows: Sequence[dict], path: Path) -> Path:
    lists = {f"{t}.{c}": pl.List(pl.Int64) for t, table in TABLES.items() for c in table.columns}
    facts = {f"fact.{name}": pl.Int64 for name in FACTS}
    fixed = {"outcome_bad": pl.Int8, "outcome_loss_fen": pl.Int64, "missing": pl.List(pl.String)}
    kinds = {name: kind for name, kind in (lists | facts | fixed).items() if name in rows[0]}
    pl.DataFrame(rows, schema_overrides=kinds, infer_schema_length=None).write_parquet(
        path, row_group_size=500
    )
    return path
