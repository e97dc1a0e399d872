"""Commands of the books."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from uuid import UUID

import psycopg
from django.db import DatabaseError, connection

from timelyrain.ledger import chart, errors
from timelyrain.ledger.models import Account, DisclosedCharge
from timelyrain.runtime import clock
from timelyrain.runtime.columns import Array, number, store
from timelyrain.runtime.ids import new_id

LENDER = UUID(int=0)
"""Owner of the lender's own accounts."""


@dataclass(frozen=True)
class Line:
    """One side of a transfer. amount_fen: + debit, - credit. owner: a loan, or the lender itself."""

    code: str
    amount_fen: int
    owner: UUID = LENDER
    formula: str | None = None


@dataclass(frozen=True)
class Transfer:
    """One business act. The same `key` with the same content posts once; with other content it is refused."""

    key: str
    act: str
    value_on: date
    booked_at: datetime
    lines: Sequence[Line]
    loan_id: UUID | None = None
    id: UUID = field(default_factory=new_id)

    def digest(self) -> bytes:
        """What must not differ when the key is repeated: the act and its lines, not the moment of booking."""
        lines = [(line.code, line.amount_fen, line.owner.hex, line.formula) for line in self.lines]
        loan = self.loan_id and self.loan_id.hex
        return hashlib.sha256(repr((self.act, loan, self.value_on.isoformat(), lines)).encode()).digest()


def post(shard: int, transfers: Sequence[Transfer]) -> set[UUID]:
    """Post a batch in one database call, all or nothing; returns the ids that are new (the others had been posted before)."""
    if not transfers:
        return set()
    lines = [(number, line) for number, transfer in enumerate(transfers, 1) for line in transfer.lines]
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT ledger_post(%s::smallint, %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::date[], %s::timestamptz[],"
                " %s::bytea[], %s::int[], %s::text[], %s::uuid[], %s::bigint[], %s::text[])",
                [
                    shard,
                    _array(t.id.hex for t in transfers),
                    _array(_quoted(t.key) for t in transfers),
                    _array(_element(t.act) for t in transfers),
                    _array("NULL" if t.loan_id is None else t.loan_id.hex for t in transfers),
                    _array(t.value_on.isoformat() for t in transfers),
                    _array(t.booked_at.isoformat() for t in transfers),
                    _array(f'"\\\\x{t.digest().hex()}"' for t in transfers),
                    _array(str(number) for number, _ in lines),
                    _array(_element(line.code) for _, line in lines),
                    _array(line.owner.hex for _, line in lines),
                    _array(str(line.amount_fen) for _, line in lines),
                    _array("NULL" if line.formula is None else _element(line.formula) for _, line in lines),
                ],
            )
            return set(cursor.fetchone()[0])
    except DatabaseError as error:
        raise _problem(error, getattr(error.__cause__, "sqlstate", None)) from error


def _array(elements: Iterable[str]) -> str:
    """PostgreSQL's text form of an array: for thousands of elements many times faster than one parameter of Python objects."""
    return f"{{{','.join(elements)}}}"


@lru_cache(4096)
def _element(text: str) -> str:
    """`_quoted` for texts that come again and again: acts, codes, formulas."""
    return _quoted(text)


def _quoted(text: str) -> str:
    """A text as an element of `_array`."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def post_days(shard: int, on: date, booked_at: datetime, columns: Mapping[str, tuple[str, Array]]) -> None:
    """Insert and thereby post a shard's rows of `LoanDay` (in the caller's transaction): name -> (type, values) as in `store`.

    Raises UndisclosedCharge.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('timelyrain.booked_at', %s, true)", [booked_at.isoformat()])
        store("ledger_loanday", {"shard": ("small", shard), "on": ("day", number(on))}, columns)
    except psycopg.Error as error:  # COPY goes past Django, which would have made its own error of it
        raise _problem(error, error.sqlstate) from error


def pay_in_capital(shard: int, amount_fen: int, key: str, on: date) -> None:
    """The owners' money arrives in the lending account of a shard, once per key."""
    lines = (Line(chart.BANK, amount_fen), Line(chart.CAPITAL, -amount_fen))
    if not Account.objects.filter(shard=shard, code=chart.CAPITAL).exists():
        post(shard, [Transfer(f"capital:{key}", "capital_paid_in", on, clock.now(), lines)])


def register_disclosure(
    shard: int, loan_id: UUID, disclosure_sha256: bytes, charges: Iterable[tuple[str, str]]
) -> None:
    """Record the (kind, formula) pairs that may be charged to a loan: those the borrower saw and confirmed."""
    DisclosedCharge.objects.bulk_create(
        [
            DisclosedCharge(
                shard=shard, loan_id=loan_id, kind=kind, formula=formula, disclosure_sha256=disclosure_sha256
            )
            for kind, formula in charges
        ],
        ignore_conflicts=True,
    )


def _problem(error: Exception, sqlstate: str | None) -> Exception:
    message = str(error).splitlines()[0]
    match sqlstate:
        case "TR001":
            return errors.Unbalanced(message, remedy="Correct the posting template; nothing was posted.")
        case "TR002":
            return errors.UndisclosedCharge(
                message, remedy="Charge only what the signed disclosure names; nothing was posted."
            )
        case "TR003":
            return errors.TransferKeyReused(
                message, remedy="Give another act another key; nothing was posted."
            )
        case _:
            return error
