"""What the world remembers, in one SQLite file (WAL): a kill loses nothing that was answered."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from threading import RLock
from typing import Any

from timelyrain.sandbox.days import now
from timelyrain.sandbox.people import Person

_SCHEMA = """
CREATE TABLE IF NOT EXISTS people (id_number TEXT PRIMARY KEY, name TEXT NOT NULL, phone TEXT NOT NULL, bank_card TEXT NOT NULL,
    id_valid_until TEXT NOT NULL, profile TEXT NOT NULL, seed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS links (kind TEXT NOT NULL, value TEXT NOT NULL, id_number TEXT NOT NULL, PRIMARY KEY (kind, value));
CREATE TABLE IF NOT EXISTS messages (key TEXT PRIMARY KEY, phone TEXT NOT NULL, text TEXT NOT NULL, at TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS messages_by_phone ON messages (phone);
CREATE TABLE IF NOT EXISTS accounts (card TEXT PRIMARY KEY, holder TEXT NOT NULL,
    balance_fen INTEGER NOT NULL CHECK (balance_fen >= 0));
CREATE TABLE IF NOT EXISTS orders (kind TEXT NOT NULL, key TEXT NOT NULL, amount_fen INTEGER NOT NULL, bank_card TEXT NOT NULL,
    name TEXT NOT NULL, status TEXT NOT NULL, code TEXT, reference TEXT NOT NULL, value_date TEXT NOT NULL,
    accepted_at TEXT NOT NULL, settles_at REAL NOT NULL, PRIMARY KEY (kind, key));
CREATE INDEX IF NOT EXISTS orders_by_day ON orders (value_date);
CREATE TABLE IF NOT EXISTS faults (id INTEGER PRIMARY KEY, target TEXT NOT NULL, mode TEXT NOT NULL, seconds REAL NOT NULL,
    times INTEGER, code TEXT);
CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY, at TEXT NOT NULL, target TEXT NOT NULL, method TEXT NOT NULL,
    path TEXT NOT NULL, id_number TEXT, phone TEXT, bank_card TEXT, key TEXT, consent_id TEXT);
CREATE TABLE IF NOT EXISTS inquiries (id_number TEXT NOT NULL, asked_on TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (id_number, asked_on, reason));
"""
_LOGGED = ("id_number", "phone", "bank_card", "key", "consent_id")


@dataclass(frozen=True)
class Fault:
    """times: how many calls it still affects, None for all until deleted."""

    target: str
    mode: str
    seconds: float
    times: int | None
    code: str | None


class Store:
    """One connection guarded by a lock; other processes on the same file wait on SQLite's own."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all or nothing, one at a time."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> sqlite3.Row | None:
        found = self.rows(sql, *values)
        return found[0] if found else None

    # people

    def add_person(self, p: Person) -> Person:
        """Keeps the first person of this number; links an unlinked phone and card to them. Returns who is kept."""
        with self.writing() as db:
            values = (
                p.id_number,
                p.name,
                p.phone,
                p.bank_card,
                p.id_valid_until.isoformat(),
                p.profile,
                p.seed,
            )
            db.execute("INSERT OR IGNORE INTO people VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            for kind, value in (("phone", p.phone), ("bank_card", p.bank_card)):
                if value:
                    db.execute("INSERT OR IGNORE INTO links VALUES (?, ?, ?)", (kind, value, p.id_number))
        kept = self.person(p.id_number)
        assert kept is not None
        return kept

    def person(self, id_number: str) -> Person | None:
        row = self.row("SELECT * FROM people WHERE id_number = ?", id_number)
        if row is None:
            return None
        found = Person(**{k: row[k] for k in row.keys()})  # noqa: SIM118  (sqlite3.Row iterates values)
        return replace(found, id_valid_until=date.fromisoformat(row["id_valid_until"]))

    def owner(self, kind: str, value: str) -> str | None:
        row = self.row("SELECT id_number FROM links WHERE kind = ? AND value = ?", kind, value)
        return row["id_number"] if row else None

    # faults and the call log

    def take_fault(self, target: str) -> Fault | None:
        """The oldest live fault on this target, or on its family (`rail` for `rail.debit`); uses one of its times."""
        family = target.split(".")[0]
        query = (
            "SELECT * FROM faults WHERE target IN (?, ?) AND (times IS NULL OR times > 0) ORDER BY id LIMIT 1"
        )
        if self.row(query, target, family) is None:
            return None
        with self.writing() as db:
            row = db.execute(query, (target, family)).fetchone()
            if row is None:
                return None
            db.execute("UPDATE faults SET times = times - 1 WHERE id = ?", (row["id"],))
            return Fault(row["target"], row["mode"], row["seconds"], row["times"], row["code"])

    def log_call(self, target: str, method: str, path: str, said: Mapping[str, Any]) -> None:
        subject = [str(said[k]) if said.get(k) is not None else None for k in _LOGGED]
        with self.writing() as db:
            marks = ", ".join("?" * (4 + len(_LOGGED)))
            columns = ", ".join(("at", "target", "method", "path", *_LOGGED))
            db.execute(
                f"INSERT INTO calls ({columns}) VALUES ({marks})",
                (now().isoformat(), target, method, path, *subject),
            )
