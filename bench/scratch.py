"""Scratch databases on the embedded server, and portfolios of synthetic loans in them."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import psycopg

# ruff: noqa: E501  (statements are kept whole)
from timelyrain.contract import (
    ROUNDINGS,
    Event,
    EventType,
    Terms,
    disclosed_charges,
    fold,
    look_ahead,
)
from timelyrain.finance import DayBasis, Method
from timelyrain.runtime import database
from timelyrain.runtime.embedded import APP, OWNER, EmbeddedPostgres

HOME = Path(os.environ.get("TIMELYRAIN_BENCH_HOME", Path(__file__).resolve().parent.parent / "var" / "bench"))
NEVER = date(9999, 12, 31)


def server() -> EmbeddedPostgres:
    """The embedded server of the measurements, running."""
    found = EmbeddedPostgres(HOME)
    found.start()
    return found


@contextmanager
def platform(name: str) -> Iterator[str]:
    """A migrated database of this name under the application's settings; yields the superuser's address. Dropped at the end, and the
    server stopped.
    """
    import django
    from django.core.management import call_command
    from django.db import connections

    embedded = server()
    home = database.Database(embedded.dsn(name, OWNER), embedded.dsn(name, APP), embedded)
    made = database.recreate(home, name)
    os.environ["TIMELYRAIN_HOME"] = str(HOME)
    os.environ["TIMELYRAIN_DATABASE_URL"], os.environ["TIMELYRAIN_APP_DATABASE_URL"] = (
        made.owner_dsn,
        made.app_dsn,
    )
    os.environ["TIMELYRAIN_SIMULATED"] = "1"
    os.environ["TIMELYRAIN_LOG_LEVEL"] = "WARNING"
    os.environ["DJANGO_SETTINGS_MODULE"] = "timelyrain.runtime.settings"
    django.setup()
    call_command("migrate", database="owner", verbosity=0)
    try:
        yield embedded.dsn(name, "postgres")
    finally:
        connections.close_all()
        database.drop(home, name)
        embedded.stop()


@dataclass(frozen=True)
class Template:
    """One life of a loan, to be multiplied."""

    terms: Terms
    events: tuple[Event, ...]
    opened_on: date


def templates(count: int, closed_on: date, seed: int = 20261121) -> list[Template]:
    """Lives up to `closed_on`: equal instalments and equal principal, 6 to 36 months, opened on any day of the last year; one in
    twenty-five stopped paying at some instalment.
    """
    dice = Random(seed)
    made: list[Template] = []
    while len(made) < count:
        numbers = {
            "annual_rate_ppm": dice.randrange(72_000, 200_000, 1000),
            "method": dice.choice([Method.EQUAL_INSTALMENT, Method.EQUAL_INSTALMENT, Method.EQUAL_PRINCIPAL]),
            "day_basis": dice.choice([DayBasis.PER_INSTALMENT, DayBasis.ACT_365]),
            "cap_ppm": 240_000,
            "penalty_ppm": 239_000,
            "grace_days": 3,
            "prepayment_fee_ppm": 0,
        }
        terms = Terms(
            principal_fen=dice.randrange(200_000, 20_000_000, 10_000),
            instalments=dice.choice([6, 12, 12, 24, 36]),
            lender="bench",
            licence="consumer_finance",
            policy_pack="cn@bench",
            product="instant_consumer",
            charges=disclosed_charges("bench", **numbers),
            **numbers,
        )
        opened_on = closed_on - timedelta(days=dice.randrange(0, 365))
        events = [_event(0, EventType.DISBURSED, opened_on, terms.principal_fen)]
        stops = dice.randrange(1, 12) if dice.random() < 0.04 else 99
        for row in fold(terms, events, opened_on).instalments:
            if row.due_on > closed_on or row.n > stops:
                break
            events.append(
                _event(row.n, EventType.REPAID, row.due_on, row.principal_due_fen + row.interest_due_fen)
            )
        if fold(terms, events, closed_on).status != "SETTLED":
            made.append(Template(terms, tuple(events), opened_on))
    return made


def _event(n: int, kind: EventType, on: date, amount: int) -> Event:
    return Event(str(n), kind, on, datetime(on.year, on.month, on.day, 2, n % 60, tzinfo=UTC), amount)


def fill(dsn: str, loans: int, lives: Sequence[Template], closed_on: date, shards: int = 16) -> None:
    """Bulk-insert `loans` copies of the lives with their events, disclosed charges, accounts and columns, all shards closed up to
    `closed_on`. Foreign keys are not checked: agreements are not made.
    """
    from timelyrain.servicing import provisions

    rule = provisions.provisions(closed_on)
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(
            "SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '256MB'"
        )
        db.execute(
            "CREATE UNLOGGED TABLE life (n int, terms text, sha text, opened_on date, posted_on date, status text, outstanding bigint,"
            " dpd int, bucket text, next_due_on date, from_on date, until_on date, fallen_on date, due_on date, late_since date, interest_fen bigint,"
            " interest_start date, at_start bigint, a_day bigint, per bigint, rounding int, penalty_fen bigint, penalties int,"
            " owed bigint, paid bigint, suspended boolean, interest_formula text, penalty_formula text);"
            "CREATE UNLOGGED TABLE life_event (n int, type text, value_on date, booked_at timestamptz, amount bigint);"
            "CREATE UNLOGGED TABLE life_penalty (n int, line int, start_on date, at_start bigint, a_day bigint, per bigint)"
        )
        with db.cursor() as cursor:
            rows = [_life(n, life, closed_on, rule) for n, life in enumerate(lives)]
            with cursor.copy("COPY life FROM STDIN") as copy:
                for row, _ in rows:
                    copy.write_row(row)
            with cursor.copy("COPY life_penalty FROM STDIN") as copy:
                for n, (_, lines) in enumerate(rows):
                    for k, line in enumerate(lines):
                        copy.write_row((n, k, line.start, line.at_start, line.a_day, line.per))
            with cursor.copy("COPY life_event FROM STDIN") as copy:
                for n, life in enumerate(lives):
                    for e in life.events:
                        copy.write_row((n, e.type, e.value_on, e.booked_at, e.amount_fen))
        for statement in _MULTIPLY.split(";"):
            if statement.strip():
                db.execute(
                    statement, {"loans": loans, "lives": len(lives), "shards": shards, "on": closed_on}
                )
        db.execute("VACUUM ANALYZE")
        db.execute("CHECKPOINT")


def _life(
    n: int, life: Template, closed_on: date, rule: object
) -> tuple[tuple[object, ...], tuple[object, ...]]:
    state, ahead = look_ahead(life.terms, life.events, closed_on)
    totals = state.totals
    suspended = state.dpd > 90
    until = ahead.until
    if ahead.late_since and not suspended:
        until = min(until, ahead.late_since + timedelta(days=91))
    formulas = {c.kind: c.formula for c in life.terms.charges}
    receivable = totals.interest_receivable_fen + totals.penalty_receivable_fen
    line = ahead.interest
    row = (
        n, json.dumps(life.terms.to_json(), ensure_ascii=False), life.terms.sha256(), life.opened_on, closed_on, str(state.status),
        state.outstanding_principal_fen, state.dpd, state.bucket, state.next_due.due_on if state.next_due else None,
        closed_on, until, closed_on, state.next_due.due_on if state.next_due else NEVER, ahead.late_since or NEVER,
        ahead.interest_fen, line.start, line.at_start, line.a_day, line.per, ROUNDINGS.index(line.rounding),
        ahead.penalty_fen, len(ahead.penalties), totals.principal_receivable_fen + totals.cost_receivable_fen,
        totals.interest_accrued_fen + totals.penalty_accrued_fen - receivable, suspended,
        formulas["interest"], formulas["penalty"],
    )  # fmt: skip
    return row, ahead.penalties


_MULTIPLY = """
CREATE UNLOGGED TABLE made AS SELECT g AS i, (g %% %(shards)s)::smallint AS shard, (g / %(shards)s) %% %(lives)s AS n, uuidv7() AS id,
    uuidv7() AS borrower, uuidv7() AS interest_charge, uuidv7() AS penalty_charge FROM generate_series(1, %(loans)s) g;
INSERT INTO customers_borrower (shard, id, phone_index, phone_sealed, registered_at)
    SELECT shard, borrower, sha256(i::text::bytea), '', now() FROM made;
INSERT INTO servicing_loan (shard, id, borrower_id, agreement_id, terms_json, terms_sha256, opened_on, posted_on, status,
    outstanding_fen, dpd, bucket, next_due_on) SELECT m.shard, m.id, m.borrower, uuidv7(), l.terms, l.sha, l.opened_on, l.posted_on,
    l.status, l.outstanding, l.dpd, l.bucket, l.next_due_on FROM made m JOIN life l USING (n) ORDER BY m.shard, m.id;
INSERT INTO servicing_loanevent (shard, id, loan_id, type, value_on, booked_at, amount_fen, data)
    SELECT m.shard, uuidv7(), m.id, e.type, e.value_on, e.booked_at, e.amount, '{}' FROM made m JOIN life_event e USING (n)
    ORDER BY m.shard, m.id;
INSERT INTO ledger_disclosedcharge (shard, id, loan_id, kind, formula, disclosure_sha256)
    SELECT m.shard, m.interest_charge, m.id, 'interest', l.interest_formula, '\\x00'::bytea FROM made m JOIN life l USING (n)
    UNION ALL SELECT m.shard, m.penalty_charge, m.id, 'penalty', l.penalty_formula, '\\x00'::bytea FROM made m JOIN life l USING (n);
INSERT INTO ledger_account (shard, id, code, owner, balance_fen)
    SELECT m.shard, uuidv7(), '1303', m.id, l.outstanding FROM made m JOIN life l USING (n) ORDER BY m.shard, m.id;
INSERT INTO servicing_accruing (shard, loan_id, opened_on, from_on, until_on, fallen_on, next_due_on, late_since, interest_fen, interest_start,
    interest_at_start, interest_a_day, interest_per, rounding, penalty_fen, penalties, owed_fen, paid_fen, surplus_fen, suspended,
    settled, interest_charge_id, penalty_charge_id)
    SELECT m.shard, m.id, l.opened_on, l.from_on, l.until_on, l.fallen_on, l.due_on, l.late_since, l.interest_fen, l.interest_start, l.at_start,
    l.a_day, l.per, l.rounding, l.penalty_fen, l.penalties, l.owed, l.paid, 0, l.suspended, false, m.interest_charge,
    m.penalty_charge FROM made m JOIN life l USING (n) ORDER BY m.shard, m.id;
INSERT INTO servicing_penaltyline (shard, loan_id, line, start_on, at_start, a_day, per)
    SELECT m.shard, m.id, p.line, p.start_on, p.at_start, p.a_day, p.per FROM made m JOIN life_penalty p USING (n) ORDER BY m.shard, m.id;
INSERT INTO servicing_dayrun (shard, "on", loans, at) SELECT s, %(on)s, 0, now() FROM generate_series(0, %(shards)s - 1) s
"""
