"""People by the thousand with their raw documents and their fate, for models to learn from: see docs/sandbox.md.

`python -m timelyrain.sandbox.population --applicants 10000 --out FILE.parquet --seed 1` writes them as columns.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from timelyrain.sandbox import bank, credit, device, evidence, shop, tax, telecom
from timelyrain.sandbox.days import CHINA, Moments, instant, moments
from timelyrain.sandbox.lives import RING_KINDS, Lives, draw_lives, rings
from timelyrain.sandbox.noise import Floats, normal, seed_of, uniform
from timelyrain.sandbox.people import Person, make_person
from timelyrain.sandbox.report import Reports
from timelyrain.sandbox.truth import default_probability, defaults, loss_share
from timelyrain.sandbox.words import employer_names, purpose_texts

NO_TELECOM = 0.04  # share of people whose carrier gives nothing
BATCH = 256
BLOCK = 2_000
_ASK = 90
_WAVE = 81
_PURPOSES = (
    "shopping", "appliances", "renovation", "travel", "education", "training", "medical", "wedding", "rent", "family",
)  # fmt: skip
_TERMS = np.array([3, 6, 6, 12, 12, 12])
_AGES = ("18-24", "25-34", "35-44", "45-54", "55+")


class Documents:
    """Every source's document about n people, one by one."""

    def __init__(self, people: Sequence[Person], at: Sequence[datetime]):
        self.people, self.at = people, at
        self.lives, self.when = draw_lives(people), moments(at)
        self.file = credit.open_file(self.lives, self.when)
        self._reports = Reports(self.lives, self.when, self.file)
        self._statements = bank.Statements(
            self.when, bank.transactions(self.lives, self.when, file=self.file)
        )
        self._bills = telecom.bills(self.lives, self.when)
        self._shop = shop.Accounts(self.lives, self.when, shop.orders(self.lives, self.when))
        self._tax = tax.Ledgers(self.lives, tax.records(self.lives, self.when))
        self._device = device.Sightings(self.lives, self.when, device.events(self.lives, self.when))

    def of(self, i: int) -> dict[str, Any]:
        person = self.people[i]
        return {
            "registry": {"result": "match"},
            "bureau": self._reports.of(i, person, self.at[i], "loan_approval", []),
            "bank_flow": self._statements.of(i, person, person.bank_card),
            "telecom": telecom.document(self._bills, i, person.phone),
            "shop": self._shop.of(i),
            "tax": self._tax.of(i),
            "device": self._device.of(i),
        }


def _members(
    first: int, n: int, seed: int, until: datetime, months: int
) -> tuple[list[Person], list[datetime], Floats]:
    """People first..first+n of the population, when each applies, and the draw that decides on their carrier."""
    root = seed_of(f"population/{seed}")
    draws = uniform(root, 80, np.arange(first, first + n)[None, :], [[0], [1]])
    people = [make_person("random", seed_of(f"population/{seed}/{i}")) for i in range(first, first + n)]
    ring = rings(np.array([p.seed for p in people], np.int64))
    wave = uniform(root, _WAVE, ring, np.floor(draws[0] * 2))  # each ring has two days of action
    spread = 7.0 if months else 0.0
    back = months * 30.4375 * np.where(ring >= 0, wave, draws[0]) + np.where(ring >= 0, spread * draws[0], 0)
    at = [until - timedelta(days=days) for days in back.tolist()]
    return people, at, draws[1]


def population_lines(n: int, seed: int, as_of: datetime, span_months: int) -> Iterator[bytes]:
    """n lines of JSON; applications spread evenly over the `span_months` before `as_of`."""
    for first in range(0, n, BATCH):
        people, at, carrier = _members(first, min(BATCH, n - first), seed, as_of, span_months)
        world = Documents(people, at)
        pd = default_probability(world.lives, world.when, world.file)
        bad = defaults(world.lives, world.when, pd)
        for i, person in enumerate(people):
            line = {
                "subject": person.identity(),
                "as_of": at[i].isoformat(timespec="seconds"),
                "documents": world.of(i) | ({"telecom": None} if carrier[i] < NO_TELECOM else {}),
                "default_12m": int(bad[i]),
                "true_pd": round(float(pd[i]), 6),
            }
            yield json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def frames(n: int, seed: int, until: datetime, months: int) -> Iterator[Any]:
    """The file of applications (docs/sandbox.md) as polars frames of at most 2,000 rows."""
    for first in range(0, n, BLOCK):
        yield _frame(first, min(BLOCK, n - first), seed, until, months)


def _frame(first: int, n: int, seed: int, until: datetime, months: int) -> Any:
    import polars as pl  # the world's HTTP side never needs it

    people, at, carrier = _members(first, n, seed, until, months)
    at = [x.replace(microsecond=0) for x in at]
    c, when = draw_lives(people), moments(at)
    file = credit.open_file(c, when)
    valid = np.array([p.id_valid_until.toordinal() - 719_163 for p in people], dtype=np.int64)
    found = evidence.gather(c, when, file, valid, carrier < NO_TELECOM)
    pd = np.round(default_probability(c, when, file), 6)
    amount, instalments, purpose, approved = _asked(c, when, file, pd)
    bad = defaults(c, when, pd).astype(np.int8)
    over = when.at + 365 * 86_400 <= int(until.timestamp())
    loss = np.where(bad == 1, (amount * loss_share(c, when)).astype(np.int64), 0)
    ages = found.facts["age"][0]
    missing = [[s for s in evidence.SOURCES if found.missing[s][i]] for i in range(n)]
    columns: dict[str, Any] = {
        "application_id": [f"{seed}-{i}" for i in range(first, first + n)],
        "at": when.at,
        "amount_fen": amount,
        "instalments": instalments,
        "purpose": [_PURPOSES[i] for i in purpose.tolist()],
        "missing": pl.Series(missing, dtype=pl.List(pl.String)),
        **{
            f"fact.{name}": pl.Series(v).set(pl.Series(~known), None)
            for name, (v, known) in found.facts.items()
        },
    }
    for name, table in found.tables.items():
        for column, values in table.columns.items():
            columns[f"{name}.{column}"] = _lists(pl, values, table.counts)
    columns |= {
        "approved": approved.astype(np.int8),
        "outcome_bad": pl.Series(bad).set(pl.Series(~over), None),
        "outcome_loss_fen": pl.Series(loss).set(pl.Series(~over), None),
        "true_pd": pd,
        "sex": ["male" if int(p.id_number[16]) % 2 else "female" for p in people],
        "age_band": [_AGES[i] for i in np.searchsorted([25, 35, 45, 55], ages, side="right").tolist()],
        "region": [p.id_number[:2] for p in people],
        "purpose_text": purpose_texts(c, when, purpose),
        "employer": pl.Series(employer_names(c, when), dtype=pl.String),
        "fraud": (c.ring >= 0).astype(np.int8),
        "fraud_kind": [RING_KINDS[i % 4] if i >= 0 else "" for i in c.ring.tolist()],
        "fraud_ring": pl.Series(c.ring).set(pl.Series(c.ring < 0), None),
    }
    return pl.DataFrame(columns)


def _lists(pl: Any, values: Any, counts: Any) -> Any:
    """A list column from flat values and the number of values in each row."""
    rows = pl.DataFrame({"row": np.repeat(np.arange(len(counts)), counts), "value": values.astype(np.int64)})
    some = rows.group_by("row", maintain_order=True).agg("value")
    whole = pl.DataFrame({"row": np.arange(len(counts))}).join(
        some, on="row", how="left", maintain_order="left"
    )
    return whole["value"].fill_null(pl.Series([[]], dtype=pl.List(pl.Int64)))


def _asked(c: Lives, when: Moments, file: credit.File, pd: Floats) -> tuple[Any, Any, Any, Any]:
    """Amount, instalments, purpose, and whether the lender of the time said yes: a score of old, with noise, and a budget."""
    u = uniform(c.seed[:, None], _ASK, when.date[:, None], np.arange(3)).T
    wish = c.income_fen * (0.5 + 2.5 * u[0]) * np.exp(0.2 * np.tanh(c.z_appetite))
    amount = np.clip(wish.astype(np.int64) // 100_000 * 100_000, 100_000, 20_000_000)
    instalments = _TERMS[(u[1] * len(_TERMS)).astype(np.int64)]
    judged = np.log(pd / (1 - pd)) + 0.9 * normal(c.seed, _ASK + 1, when.date)
    due = np.bincount(file.accounts.owner, file.due_now, len(c)) / c.income_fen
    return amount, instalments, (u[2] * len(_PURPOSES)).astype(np.int64), (judged < -1.7) & (due < 0.6)


def write_parquet(
    n: int, seed: int, until: datetime, months: int, out: Path, say: Any = lambda text: None
) -> None:
    """Streams the file to disk: memory stays that of one block. The file appears under its name when it is whole."""
    from polars.io.plugins import register_io_source

    began = time.perf_counter()

    def blocks(columns: Any, predicate: Any, rows: Any, size: Any) -> Iterator[Any]:
        done = 0
        for frame in frames(n, seed, until, months):
            done += len(frame)
            yield frame if columns is None else frame.select(columns)
            say(f"{done} of {n}, {done / (time.perf_counter() - began):,.0f} a second")

    schema = _frame(0, 1, seed, until, months).schema
    part = out.with_name(out.name + ".part")
    register_io_source(blocks, schema=schema, is_pure=True).sink_parquet(
        part, compression="zstd", maintain_order=True, row_group_size=BLOCK
    )
    part.replace(out)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="timelyrain.sandbox.population",
        description="A file of simulated applications with their outcomes.",
    )
    parser.add_argument("--applicants", type=int, default=10_000, help="rows (default %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="the Parquet file to write")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--until", default="2026-06-30", help="the day of the latest application (default %(default)s)"
    )
    parser.add_argument(
        "--months", type=int, default=36, help="applications are spread over so many (default %(default)s)"
    )
    given = parser.parse_args(arguments)
    if not 1 <= given.applicants <= 100_000_000 or not 0 <= given.months <= 120:
        parser.error("give 1 to 100,000,000 applicants and 0 to 120 months")
    try:
        until = instant(given.until).astimezone(CHINA)
    except ValueError:
        parser.error(f"--until {given.until!r} is no date like 2026-06-30")
    given.out.parent.mkdir(parents=True, exist_ok=True)

    def say(text: str) -> None:
        print(f"\r{text}   ", end="", file=sys.stderr, flush=True)

    write_parquet(given.applicants, given.seed, until, given.months, given.out, say)
    print(f"\n{given.out}: {given.applicants} applications", file=sys.stderr)


if __name__ == "__main__":
    main()
