"""Reads of the books. Balances are signed fen, + for debit."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db import connection

from timelyrain.ledger.models import Account, Transfer


@dataclass(frozen=True)
class TrialLine:
    code: str
    name: str
    name_zh: str
    type: str
    debit_fen: int
    credit_fen: int
    balance_fen: int


@dataclass(frozen=True)
class TrialBalance:
    on: date | None
    lines: tuple[TrialLine, ...]
    postings: int

    @property
    def balanced(self) -> bool:
        return sum(line.balance_fen for line in self.lines) == 0 and all(
            line.debit_fen - line.credit_fen == line.balance_fen for line in self.lines
        )


def trial_balance(on: date | None = None) -> TrialBalance:
    """All accounts by chart line, from the entries alone; `on`: only what has a value date up to that day."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.code, c.name, c.name_zh, c.type,
                   coalesce(sum(e.amount_fen) FILTER (WHERE e.amount_fen > 0), 0)::bigint,
                   coalesce(-sum(e.amount_fen) FILTER (WHERE e.amount_fen < 0), 0)::bigint,
                   coalesce(sum(e.amount_fen), 0)::bigint,
                   count(e.line)
            FROM ledger_chart c
            LEFT JOIN (ledger_account a JOIN ledger_entry e ON e.shard = a.shard AND e.account_id = a.id
                       JOIN ledger_transfer t ON t.shard = e.shard AND t.id = e.transfer_id
                            AND (%(on)s::date IS NULL OR t.value_on <= %(on)s::date)) ON a.code = c.code
            GROUP BY c.code, c.name, c.name_zh, c.type ORDER BY c.code
            """,
            {"on": on},
        )
        rows = cursor.fetchall()
    return TrialBalance(on, tuple(TrialLine(*row[:7]) for row in rows), sum(row[7] for row in rows))


def loan_balances(shard: int, loan_id: UUID) -> dict[str, int]:
    """Balance of each account of a loan by chart code."""
    return dict(Account.objects.filter(shard=shard, owner=loan_id).values_list("code_id", "balance_fen"))


def drifted_accounts() -> list[UUID]:
    """Accounts whose kept balance differs from the sum of their entries: always none, or somebody must look."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT a.id FROM ledger_account a LEFT JOIN ledger_entry e ON e.shard = a.shard AND e.account_id = a.id
            GROUP BY a.shard, a.id, a.balance_fen HAVING a.balance_fen <> coalesce(sum(e.amount_fen), 0)
            """
        )
        return [row[0] for row in cursor.fetchall()]


@dataclass(frozen=True)
class PostedLine:
    transfer_id: UUID
    act: str
    value_on: date
    code: str
    name: str
    amount_fen: int
    balance_after_fen: int


def loan_postings(shard: int, loan_id: UUID) -> list[PostedLine]:
    """Every line of a loan's transfers, in the order of booking."""
    transfers = (
        Transfer.objects.filter(shard=shard, loan_id=loan_id)
        .order_by("id")
        .prefetch_related("entries__account__code")
    )
    return [
        PostedLine(
            t.id, t.act, t.value_on, e.account.code_id, e.account.code.name, e.amount_fen, e.balance_after_fen
        )
        for t in transfers
        for e in sorted(t.entries.all(), key=lambda entry: entry.line)
    ]
