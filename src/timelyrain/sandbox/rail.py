"""The payment rail: pay-outs to and debits from people's accounts, each exactly once per key."""

import sqlite3
from time import time
from typing import Any

from timelyrain.sandbox.days import china_date, now
from timelyrain.sandbox.lives import draw_lives
from timelyrain.sandbox.people import adopt_person, valid_card
from timelyrain.sandbox.store import Store
from timelyrain.sandbox.web import Refusal, Request, reference

_PUBLIC = (
    "key",
    "kind",
    "amount_fen",
    "bank_card",
    "name",
    "status",
    "code",
    "reference",
    "value_date",
    "accepted_at",
)
_POOR = ("overindebted", "gambler", "late")


def account(store: Store, card: str) -> sqlite3.Row:
    """The account behind a card, opened on first sight with what its holder would have."""
    if not valid_card(card):
        raise Refusal(
            422, "invalid_card", f"{card!r} is no bank card number (16 to 19 digits, Luhn)", "bank_card"
        )
    found = store.row("SELECT * FROM accounts WHERE card = ?", card)
    if found:
        return found
    owner = store.owner("bank_card", card)
    person = store.person(owner) if owner else None
    c = draw_lives([person or adopt_person(f"card:{card}", "")])
    months = 0.1 if person and person.profile in _POOR else 1.0 + 2 * float(c.buffer[0])
    with store.writing() as db:
        opening = (card, person.name if person else "", int(c.income_fen[0] * months) // 100 * 100)
        db.execute("INSERT OR IGNORE INTO accounts VALUES (?, ?, ?)", opening)
    return account(store, card)


def place(request: Request, kind: str) -> tuple[dict[str, Any], bool]:
    """Takes an order of `kind` ("pay_out" or "debit"); says whether it is new. Same key, other body: 409."""
    store = request.store
    key, name = request.text("key", r"[\x21-\x7e]{1,100}"), request.text("name", r".{1,60}")
    amount = request.whole("amount_fen", 1, 10**12)
    card = request.text("bank_card", r"\d{8,30}")
    on = china_date(request.as_of()).isoformat()
    holder = account(store, card)["holder"] if valid_card(card) else None
    with store.writing() as db:
        old = db.execute("SELECT * FROM orders WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        if old:
            if (old["amount_fen"], old["bank_card"], old["name"]) != (amount, card, name):
                raise Refusal(
                    409, "key_reused", f"key {key!r} already stands for another {kind}; use a new key", "key"
                )
            return _settled(db, old), False
        fault = request.fault
        refused = "invalid_card" if holder is None else "name_mismatch" if holder not in ("", name) else None
        if fault and fault.mode == "refuse":
            refused = fault.code or "refused_by_bank"
        wait = fault.seconds if fault and fault.mode == "pend" else 0.0
        values = (
            kind,
            key,
            amount,
            card,
            name,
            "refused" if refused else "processing",
            refused,
            reference(),
            on,
        )
        marks = ", ".join("?" * 11)
        db.execute(f"INSERT INTO orders VALUES ({marks})", (*values, now().isoformat(), time() + wait))
        return _settled(
            db, db.execute("SELECT * FROM orders WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        ), True


def look_up(store: Store, kind: str, key: str) -> dict[str, Any]:
    with store.writing() as db:
        row = db.execute("SELECT * FROM orders WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        if row is None:
            raise Refusal(404, "unknown_key", f"no {kind} with key {key!r} was ever accepted here", "key")
        return _settled(db, row)


def _settled(db: sqlite3.Connection, order: sqlite3.Row) -> dict[str, Any]:
    """The order, moved to its end when its time has come."""
    out = {k: order[k] for k in _PUBLIC}
    if order["status"] != "processing" or order["settles_at"] > time():
        return out
    change = order["amount_fen"] if order["kind"] == "pay_out" else -order["amount_fen"]
    moved = db.execute(
        "UPDATE accounts SET balance_fen = balance_fen + ? WHERE card = ? AND balance_fen + ? >= 0",
        (change, order["bank_card"], change),
    ).rowcount
    out["status"], out["code"] = ("succeeded", None) if moved else ("refused", "insufficient_funds")
    done = (out["status"], out["code"], order["kind"], order["key"])
    db.execute("UPDATE orders SET status = ?, code = ? WHERE kind = ? AND key = ?", done)
    return out


def statement(store: Store, on: str) -> dict[str, Any]:
    """All orders of a value date with totals of what succeeded, fen."""
    with store.writing() as db:
        orders = db.execute(
            "SELECT * FROM orders WHERE value_date = ? ORDER BY accepted_at, key", (on,)
        ).fetchall()
        lines = [_settled(db, o) for o in orders]
    totals = {
        kind: sum(x["amount_fen"] for x in lines if x["kind"] == kind and x["status"] == "succeeded")
        for kind in ("pay_out", "debit")
    }
    return {"on": on, "paid_out_fen": totals["pay_out"], "debited_fen": totals["debit"], "lines": lines}


def move_cash(request: Request, sign: int) -> dict[str, Any]:
    """Puts money into an account or takes it out; a withdrawal without an amount takes everything."""
    card = request.path["card"]
    held = account(request.store, card)["balance_fen"]
    amount = request.whole("amount_fen", 1, 10**12, default=held if sign < 0 and held else None)
    with request.store.writing() as db:
        sql = "UPDATE accounts SET balance_fen = balance_fen + ? WHERE card = ? AND balance_fen + ? >= 0"
        if not db.execute(sql, (sign * amount, card, sign * amount)).rowcount:
            raise Refusal(
                422, "insufficient_funds", f"the account holds {held} fen, less than {amount}", "amount_fen"
            )
    return dict(account(request.store, card))
