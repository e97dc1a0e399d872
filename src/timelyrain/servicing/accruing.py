"""The open loans of a shard as columns: read for the day close, written by the fold of each loan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.db import connection

from timelyrain.contract import (
    NEVER,
    ROUNDINGS,
    Column,
    Event,
    Line,
    LoanState,
    Outlook,
    Status,
    Terms,
    formulas_at,
    grown,
)
from timelyrain.ledger import queries as ledger
from timelyrain.ledger.errors import UndisclosedCharge
from timelyrain.runtime import law
from timelyrain.runtime.columns import Array, fetch
from timelyrain.servicing import books, errors, provisions
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
    "arrangement": "int",
    "pd_origin_ppm": "int",
    "pd_ppm": "int",
    "product": "fen",
    "last_due_on": "day",
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

    def rated(self, day: int) -> provisions.Rated:
        """What the allowances need to know of each loan besides its days past due; `day` as `runtime.columns.number`."""
        of = self.of
        months = np.clip(-(-(of["last_due_on"] - day) * 12 // 365), 1, 600)
        return provisions.Rated(of["pd_origin_ppm"], of["pd_ppm"], months, of["product"])


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

    @cached_property
    def standing(self) -> books.Standing:
        return books.Standing.of(self.state, self.suspended)

    @property
    def ours(self) -> bool:
        """Whether the claim is the lender's; a loan that is sold adds nothing to its books."""
        return self.standing.ours(self.terms.lender)

    @property
    def accrued(self) -> tuple[int, int]:
        """(interest, penalty) as far as the books go."""
        return self.standing.accrued(self.terms.lender)

    @property
    def penalties(self) -> tuple[Line, ...]:
        return self.outlook.penalties if self.ours else ()

    @property
    def exposure_fen(self) -> int:
        """What could be lost: principal and fees, and charges that were counted as income; partners' part included."""
        totals = self.state.totals
        owed = totals.principal_receivable_fen + totals.cost_receivable_fen
        if not self.suspended:
            owed += totals.interest_receivable_fen + totals.penalty_receivable_fen
        return owed if self.ours else 0


def keep(shard: int, looked: Sequence[Looked]) -> None:
    """Write the columns of these loans anew (in the caller's transaction).

    Raises AboveLawCap, UndisclosedCharge: what may not be charged is not let into the columns.
    """
    ids = [one.loan.id for one in looked]
    charges, extras = ledger.disclosed_charges(shard, ids), extras_of(shard, ids)
    rows = [row_of(one, charges, extras.get(one.loan.id) or Extras()) for one in looked]
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
                for n, line in enumerate(one.penalties):
                    copy.write_row((shard, one.loan.id, n, line.start, line.at_start, line.a_day, line.per))


class Extras(NamedTuple):
    """What a loan's columns hold that its fold does not know: who funds it, and how it was rated."""

    arrangement: int = 0
    pd_origin_ppm: int = 0
    pd_ppm: int = 0


def extras_of(shard: int, ids: Sequence[UUID], known_at: datetime | None = None) -> dict[UUID, Extras]:
    """Of those loans that have any; as they were known at a moment, or are now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT l.id, coalesce(f.arrangement, 0), coalesce(first.pd_ppm, 0), coalesce(last.pd_ppm, 0)
            FROM unnest(%(ids)s::uuid[]) AS l(id)
            LEFT JOIN servicing_loanfunding f ON f.shard = %(shard)s AND f.loan_id = l.id
            LEFT JOIN LATERAL (SELECT pd_ppm FROM servicing_loanrating r WHERE r.shard = %(shard)s AND r.loan_id = l.id
                AND r.at <= %(at)s ORDER BY "on" LIMIT 1) first ON true
            LEFT JOIN LATERAL (SELECT pd_ppm FROM servicing_loanrating r WHERE r.shard = %(shard)s AND r.loan_id = l.id
                AND r.at <= %(at)s ORDER BY "on" DESC LIMIT 1) last ON true
            WHERE f.arrangement IS NOT NULL OR first.pd_ppm IS NOT NULL
            """,
            {"shard": shard, "ids": list(ids), "at": known_at or datetime.max.replace(tzinfo=UTC)},
        )
        return {row[0]: Extras(*row[1:]) for row in cursor.fetchall()}


def row_of(one: Looked, charges: Mapping[tuple[UUID, str, str], UUID], extras: Extras) -> tuple[Any, ...]:
    """The loan's columns in the order of ACCRUING. Raises as `keep`."""
    loan, state, ahead, totals = one.loan, one.state, one.outlook, one.state.totals
    signed_law = law.number("cost_cap_ppm", on=loan.opened_on)
    if one.terms.cap_ppm > signed_law:
        raise errors.AboveLawCap(
            f"The terms allow {one.terms.cap_ppm} ppm, the law of {loan.opened_on} {signed_law} ppm.",
            remedy="Nothing was charged; compliance must look at this loan.",
        )
    wording = formulas_at(one.terms, state.annual_rate_ppm)
    charge = {str(kind): charges.get((loan.id, kind, formula)) for kind, formula in wording.items()}
    for kind, grows in (
        ("interest", one.ours and ahead.interest.a_day > 0),
        ("penalty", bool(one.penalties)),
    ):
        if grows and not charge.get(kind):
            raise UndisclosedCharge(
                f"{kind} on loan {loan.id} is in no registered disclosure",
                remedy="Charge only what the signed disclosure names; nothing was posted.",
            )
    interest = ahead.interest if one.ours else Line(ahead.on, 0, 0, 1, ahead.interest.rounding)
    # Cumulative totals at `on`, less what the lines say of that day: as the outlook has them, frozen where the loan is sold.
    interest_fen, penalty_fen = (ahead.interest_fen, ahead.penalty_fen) if one.ours else one.accrued
    receivable = totals.interest_receivable_fen + totals.penalty_receivable_fen
    if not one.ours:
        receivable = 0
    return (
        loan.id,
        loan.opened_on,
        ahead.on,
        ahead.until,
        max((row.due_on for row in state.instalments if row.due_on <= ahead.on), default=loan.opened_on),
        state.next_due.due_on if state.next_due else NEVER,
        ahead.late_since or NEVER,
        interest_fen,
        interest.start,
        interest.at_start,
        interest.a_day,
        interest.per,
        ROUNDINGS.index(interest.rounding),
        penalty_fen,
        len(one.penalties),
        totals.principal_receivable_fen + totals.cost_receivable_fen if one.ours else 0,
        sum(one.accrued) - receivable,
        totals.surplus_fen,
        one.suspended,
        state.status == Status.SETTLED,
        charge.get("interest") or NIL,
        charge.get("penalty") or NIL,
        *extras,
        provisions.product_number(one.terms.product),
        state.instalments[-1].due_on if state.instalments else NEVER,
    )
