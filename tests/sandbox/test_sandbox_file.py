"""The file of applications: the lender's own schema, the lender's own parsers' results, reproducible, streamed whole."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from timelyrain.decisioning import FACTS, TABLES, canonical_bytes, evidence_from_json
from timelyrain.sandbox import bank, credit, device, evidence, population, shop, tax
from timelyrain.sandbox.days import CHINA
from timelyrain.sources.adapters.population import read_population

UNTIL = datetime(2026, 6, 30, tzinfo=CHINA)
N, SEED, MONTHS = 300, 11, 30


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    out = tmp_path_factory.mktemp("file") / "applications.parquet"
    given = ["--applicants", str(N), "--seed", str(SEED), "--until", "2026-06-30", "--months", str(MONTHS)]
    population.main([*given, "--out", str(out)])
    return pl.read_parquet(out)


def evidence_of(row: dict[str, Any]) -> dict[str, object]:
    """A row of the file in the shape that a live application has."""

    def shown(field: Any, code: int | None) -> object:
        if code is None:
            return None
        return field.values[code] if field.kind == "enum" else bool(code) if field.kind == "bool" else code

    events = {
        name: {
            column: [field.values[c] for c in row[f"{name}.{column}"]]
            if field.kind == "enum"
            else row[f"{name}.{column}"]
            for column, field in spec.columns.items()
        }
        for name, spec in TABLES.items()
        if spec.source not in row["missing"]
    }
    facts = {name: shown(field, row.get(f"fact.{name}")) for name, field in FACTS.items()}
    return {"as_of": row["at"], "facts": facts, "events": events, "missing": row["missing"]}


def test_columns_are_what_the_parsers_make_of_the_documents(table: pl.DataFrame):
    """Two ways to one evidence: documents through the lender's adapters, and columns straight to the file."""
    people = read_population(population.population_lines(N, SEED, UNTIL, MONTHS))
    for row, person in zip(table.iter_rows(named=True), people, strict=True):
        written, read = evidence_from_json(evidence_of(row)), evidence_from_json(person.evidence)
        assert json.loads(canonical_bytes(written)) == json.loads(canonical_bytes(read)), row[
            "application_id"
        ]
        assert row["true_pd"] == person.true_pd
        assert row["outcome_bad"] in (None, person.default_12m)


def test_names_and_codes_are_the_lenders():
    named = {f"{name}.{column}" for name, spec in TABLES.items() for column in spec.columns}
    frame = next(population.frames(3, 1, UNTIL, 0))
    assert {name for name in frame.columns if "." in name and not name.startswith("fact.")} == named
    assert {name[5:] for name in frame.columns if name.startswith("fact.")} <= set(FACTS)
    assert set(evidence.SOURCES) == {spec.source for spec in TABLES.values()} | {"identity"}
    for ours, table, column in (
        (credit.KINDS, "bureau_account", "kind"),
        (credit.REASONS, "bureau_inquiry", "kind"),
        (shop.SIDES, "shop_order", "side"),
        (shop.CATEGORIES, "shop_order", "category"),
        (shop.PAYS, "shop_order", "pay"),
        (tax.KINDS, "tax_record", "kind"),
        (device.KINDS, "device_event", "kind"),
    ):
        assert tuple(ours) == TABLES[table].columns[column].values
    assert len(bank.CODES) == 11


def test_outcomes_are_those_of_their_time(table: pl.DataFrame):
    over = table["at"] + 365 * 86_400 <= int(UNTIL.timestamp())
    assert 0 < over.sum() < N
    assert (table["outcome_bad"].is_not_null() == over).all()
    assert (table["outcome_loss_fen"].is_not_null() == over).all()
    bad = table.filter(pl.col("outcome_bad") == 1)
    assert ((bad["outcome_loss_fen"] > 0) & (bad["outcome_loss_fen"] < bad["amount_fen"])).all()
    good = table.filter(pl.col("outcome_bad") == 0)
    assert good["outcome_loss_fen"].sum() == 0
    said = table.group_by("approved").agg(pl.col("true_pd").mean()).sort("approved")["true_pd"].to_list()
    assert said[0] > 2 * said[1] > 0  # the lender of the time was no fool
    assert set(table["sex"]) == {"female", "male"} and table["region"].n_unique() > 10
    assert table["application_id"].n_unique() == N


def test_the_same_seed_writes_the_same_rows(table: pl.DataFrame, tmp_path: Path):
    for seed, same in ((SEED, True), (SEED + 1, False)):
        out = tmp_path / f"{seed}.parquet"
        population.write_parquet(40, seed, UNTIL, MONTHS, out)
        assert (
            pl.read_parquet(out).drop("application_id").equals(table.head(40).drop("application_id")) is same
        )
        assert not list(tmp_path.glob("*.part"))
