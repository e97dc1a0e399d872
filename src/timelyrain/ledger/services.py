"""Commands of the books."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

import psycopg
from django.db import DatabaseError, connection

from timelyrain.ledger import arrays, chart, errors
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
        lines = [f"({x.code!r}, {x.amount_fen}, '{x.owner.hex}', {x.formula!r})" for x in self.lines]
        loan = self.loan_id and self.loan_id.hex
        told = f"({self.act!r}, {loan!r}, '{self.value_on}', [{', '.join(lines)}])"
        return hashlib.sha256(told.encode()).digest()


def post(shard: int, transfers: Sequence[Transfer]) -> set[UUID]:
    """Post a batch in one database call, all or nothing; returns the ids that are new (the others had been posted before)."""
    if not transfers:
        return set()
    places: dict[tuple[str, int], int] = {}
    lines = [(n, m, line) for n, t in enumerate(transfers, 1) for m, line in enumerate(t.lines, 1)]
    of_line = [places.setdefault((line.code, line.owner.int), len(places) + 1) for _, _, line in lines]
    parameters = [
        arrays.ids([t.id.int for t in transfers]),
        arrays.keys([t.key for t in transfers]),
        arrays.texts([t.act for t in transfers]),
        arrays.ids([t.loan_id and t.loan_id.int for t in transfers]),
        arrays.days([t.value_on for t in transfers]),
        arrays.moments([t.booked_at for t in transfers]),
        arrays.hashes([t.digest() for t in transfers]),
        arrays.texts([code for code, _ in places]),
        arrays.ids([owner for _, owner in places]),
        arrays.ints([n for n, _, _ in lines]),
        arrays.smalls([m for _, m, _ in lines]),
        arrays.ints(of_line),
        arrays.bigints([line.amount_fen for _, _, line in lines]),
        arrays.texts([line.formula for _, _, line in lines]),
    ]
    connection.ensure_connection()
    try:
        with connection.wrap_database_errors, arrays.ready(psycopg.Cursor(connection.connection)) as cursor:
            cursor.execute(
                f"SELECT ledger_post(%s::smallint{', %b' * len(parameters)})", [shard, *parameters]
            )
            ((new,),) = cursor
    except DatabaseError as error:
        raise _problem(error, getattr(error.__cause__, "sqlstate", None)) from error
    return {t.id for t in transfers} if new is None else set(new)


def open_month(on: date) -> None:
    """Make room for the days of this month and the next in the sub-ledger. Quick, and best outside a long transaction: others who
    need a new month wait for its end.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_open_month(day::date) FROM (VALUES (%s), (%s + interval '1 month')) AS m(day)",
            [on, on],
        )


def post_days(shard: int, on: date, booked_at: datetime, columns: Mapping[str, tuple[str, Array]]) -> None:
    """Insert and thereby post a shard's rows of `LoanDay` (in the caller's transaction): name -> (type, values) as in `store`.
    `open_month` has made their month.

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
