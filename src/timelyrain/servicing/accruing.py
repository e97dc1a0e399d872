"""The open loans of a shard as columns: read for the day close, written by the fold of each loan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection

from timelyrain.contract import (
    NEVER,
    ROUNDINGS,
    Column,
    Event,
    LoanState,
    Outlook,
    Status,
    Terms,
    grown,
)
from timelyrain.ledger import queries as ledger
from timelyrain.ledger.errors import UndisclosedCharge
from timelyrain.runtime import law
from timelyrain.runtime.columns import Array, fetch
from timelyrain.servicing import errors
from timelyrain.servicing.models import Loan

NIL = UUID(int=0)
ACCRUING = {
    "loan_id": "uuid",
    "opened_on": "day",
    "from_on": "day",
    "until_on": "day",
    "fallen_on": "day",
    "next_due_on": "day",
    "late_since": "day",
    "interest_fen": "fen",
    "interest_start": "day",
    "interest_at_start": "fen",
    "interest_a_day": "fen",
    "interest_per": "fen",
    "rounding": "small",
    "penalty_fen": "fen",
    "penalties": "small",
    "owed_fen": "fen",
    "paid_fen": "fen",
    "surplus_fen": "fen",
    "suspended": "flag",
    "settled": "flag",
    "interest_charge_id": "uuid",
    "penalty_charge_id": "uuid",
}
_LINES = {"start_on": "day", "at_start": "fen", "a_day": "fen", "per": "fen"}


@dataclass(frozen=True)
class Columns:
    """The open loans of one shard, in the order of their ids; `lines` are penalty lines, `owner` the loan of each."""

    of: dict[str, Array]
    lines: dict[str, Column]
    owner: Column

    def accrued(self, day: Column) -> tuple[Column, Column]:
        """(interest, penalty) accrued since the beginning on one day per loan, each from its from_on up to its until_on."""
        of = self.of
        interest = of["interest_fen"] + grown(
            of["interest_start"],
            of["interest_at_start"],
            of["interest_a_day"],
            of["interest_per"],
            of["rounding"],
            day,
        )
        penalty = of["penalty_fen"].copy()
        if self.owner.size:
            down = np.zeros(self.owner.size, np.int64)
            line = self.lines
            np.add.at(
                penalty,
                self.owner,
                grown(line["start_on"], line["at_start"], line["a_day"], line["per"], down, day[self.owner]),
            )
        return interest, penalty


def read(shard: int) -> Columns:
    of = fetch(
        f"SELECT {', '.join(ACCRUING)} FROM servicing_accruing WHERE shard = {shard:d} ORDER BY loan_id",
        ACCRUING,
    )
    lines = fetch(
        f"SELECT {', '.join(_LINES)} FROM servicing_penaltyline WHERE shard = {shard:d} ORDER BY loan_id, line",
        _LINES,
    )
    owner = np.repeat(np.arange(of["penalties"].size), of["penalties"])
    if owner.size != lines["per"].size:
        raise AssertionError(f"shard {shard}: {lines['per'].size} penalty lines for {owner.size}")
    return Columns(of, lines, owner)


@dataclass(frozen=True)
class Looked:
    """A loan, its fold on a day and what follows from it."""

    loan: Loan
    terms: Terms
    events: Sequence[Event]
    state: LoanState
    outlook: Outlook
    suspended: bool


def keep(shard: int, looked: Sequence[Looked]) -> None:
    """Write the columns of these loans anew (in the caller's transaction).

    Raises AboveLawCap, UndisclosedCharge: what may not be charged is not let into the columns.
    """
    ids = [one.loan.id for one in looked]
    charges = ledger.disclosed_charges(shard, ids)
    rows = [row_of(one, charges) for one in looked]
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM servicing_accruing WHERE shard = %s AND loan_id = ANY(%s)", [shard, ids])
        cursor.execute(
            "DELETE FROM servicing_penaltyline WHERE shard = %s AND loan_id = ANY(%s)", [shard, ids]
        )
        with cursor.copy(f"COPY servicing_accruing (shard, {', '.join(ACCRUING)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row((shard, *row))
        with cursor.copy(
            f"COPY servicing_penaltyline (shard, loan_id, line, {', '.join(_LINES)}) FROM STDIN"
        ) as copy:
            for one in looked:
                for n, line in enumerate(one.outlook.penalties):
                    copy.write_row((shard, one.loan.id, n, line.start, line.at_start, line.a_day, line.per))


def row_of(one: Looked, charges: Mapping[tuple[UUID, str, str], UUID]) -> tuple[Any, ...]:
    """The loan's columns in the order of ACCRUING. Raises as `keep`."""
    loan, state, ahead, totals = one.loan, one.state, one.outlook, one.state.totals
    signed_law = law.number("cost_cap_ppm", on=loan.opened_on)
    if one.terms.cap_ppm > signed_law:
        raise errors.AboveLawCap(
            f"The terms allow {one.terms.cap_ppm} ppm, the law of {loan.opened_on} {signed_law} ppm.",
            remedy="Nothing was charged; compliance must look at this loan.",
        )
    charge = {c.kind: charges.get((loan.id, c.kind, c.formula)) for c in one.terms.charges}
    for kind, grows in (("interest", ahead.interest.a_day > 0), ("penalty", bool(ahead.penalties))):
        if grows and not charge.get(kind):
            raise UndisclosedCharge(
                f"{kind} on loan {loan.id} is in no registered disclosure",
                remedy="Charge only what the signed disclosure names; nothing was posted.",
            )
    receivable = totals.interest_receivable_fen + totals.penalty_receivable_fen
    return (
        loan.id,
        loan.opened_on,
        ahead.on,
        ahead.until,
        max((row.due_on for row in state.instalments if row.due_on <= ahead.on), default=loan.opened_on),
        state.next_due.due_on if state.next_due else NEVER,
        ahead.late_since or NEVER,
        ahead.interest_fen,
        ahead.interest.start,
        ahead.interest.at_start,
        ahead.interest.a_day,
        ahead.interest.per,
        ROUNDINGS.index(ahead.interest.rounding),
        ahead.penalty_fen,
        len(ahead.penalties),
        totals.principal_receivable_fen + totals.cost_receivable_fen,
        totals.interest_accrued_fen + totals.penalty_accrued_fen - receivable,
        totals.surplus_fen,
        one.suspended,
        state.status == Status.SETTLED,
        charge.get("interest") or NIL,
        charge.get("penalty") or NIL,
    )
