"""The rail's statement against our books, value date by value date: matched, missing, surplus, differing.

The statement is asked for outside any transaction. Nothing is corrected here: a finding waits for a person, and an order that the
rail settled but we do not know the end of is settled by its own saga, which asks the rail.
"""

import logging
from dataclasses import asdict
from datetime import date, timedelta
from uuid import UUID

from django.db import connection

from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger
from timelyrain.payments.models import PaymentOrder, Reconciliation
from timelyrain.payments.ports import Rail, RailSilent, StatementLine
from timelyrain.payments.queries import Finding, Reconciled, reconciled_up_to
from timelyrain.runtime import clock

log = logging.getLogger(__name__)
_DAYS_AT_ONCE = 31


def reconcile(rail: Rail, on: date) -> Reconciled:
    """Hold the rail's statement of a value date against the bank account's postings of that date, and keep the result.

    Raises RailSilent when the rail gives no statement.
    """
    if connection.in_atomic_block:
        raise RuntimeError("reconcile asks the rail: call it outside any transaction")
    statement = {_key(line): line for line in rail.statement(on) if line.status == "succeeded"}
    books = ledger.moves(chart.BANK, on, ("pay_out:", "debit:"))
    findings = [
        finding
        for key in sorted(statement.keys() | books.keys())
        if (finding := _compare(key, statement.get(key), books.get(key)))
    ]
    matched = len(statement.keys() | books.keys()) - len(findings)
    row = Reconciliation.objects.create(
        on=on, at=clock.now(), matched=matched, findings=[asdict(finding) for finding in findings]
    )
    if findings:
        log.warning("reconciliation of %s: %d matched, %d to look at", on, matched, len(findings))
    return Reconciled(on, row.at, matched, tuple(findings))


def reconcile_due_days(rail: Rail) -> int:
    """Reconcile every value date that is over since the last one, yesterday at least; returns how many."""
    yesterday = clock.today() - timedelta(days=1)
    last = reconciled_up_to()
    first = yesterday if last is None else last + timedelta(days=1)
    done = 0
    for n in range(min((yesterday - first).days + 1, _DAYS_AT_ONCE)):
        try:
            reconcile(rail, first + timedelta(days=n))
        except RailSilent as error:
            log.warning("%s; the reconciliation is tried again later", error)
            break
        done += 1
    return done


def _key(line: StatementLine) -> str:
    """The key of the transfer that books this order."""
    return f"{line.direction}:{line.key}"


def _compare(key: str, line: StatementLine | None, booked_fen: int | None) -> Finding | None:
    direction, _, order_id = key.partition(":")
    ours = 0 if booked_fen is None else abs(booked_fen)
    theirs = line.amount_fen if line else 0
    if line and booked_fen is not None and ours == theirs:
        return None
    kind = "missing" if line is None else "surplus" if booked_fen is None else "differing"
    return Finding(kind, direction, order_id, theirs, ours, _order_state(direction, order_id))


def _order_state(direction: str, order_id: str) -> str:
    try:
        found = PaymentOrder.objects.filter(id=UUID(order_id), direction=direction).first()
    except ValueError:  # not one of our keys
        return ""
    return found.state if found else ""
