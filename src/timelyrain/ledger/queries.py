"""Reads of the books. Balances are signed fen, + for debit."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from timelyrain.ledger.models import Account, DisclosedCharge, Entry, LoanDay, Transfer


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
    up_to = (
        "JOIN ledger_transfer t ON t.shard = e.shard AND t.id = e.transfer_id AND t.value_on <= %(on)s"
        if on
        else ""
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.code, c.name, c.name_zh, c.type, coalesce(debit, 0)::bigint, coalesce(credit, 0)::bigint,
                   coalesce(debit, 0)::bigint - coalesce(credit, 0)::bigint, coalesce(lines, 0)::bigint
            FROM ledger_chart c LEFT JOIN (
                SELECT a.code, sum(s.debit) AS debit, sum(s.credit) AS credit, sum(s.lines) AS lines
                FROM ledger_account a JOIN (
                    SELECT e.shard, e.account_id, sum(greatest(e.amount_fen, 0)) AS debit, -sum(least(e.amount_fen, 0)) AS credit,
                           count(*) AS lines
                    FROM ledger_entry e {up_to} GROUP BY 1, 2) s ON s.shard = a.shard AND s.account_id = a.id
                GROUP BY a.code) x ON x.code = c.code
            ORDER BY c.code
            """,
            {"on": on},
        )
        rows = cursor.fetchall()
    return TrialBalance(on, tuple(TrialLine(*row[:7]) for row in rows), sum(row[7] for row in rows))


def loan_balances(shard: int, loan_id: UUID) -> dict[str, int]:
    """Balance of each account of a loan by chart code."""
    return dict(Account.objects.filter(shard=shard, owner=loan_id).values_list("code_id", "balance_fen"))


def accrued_days(shard: int, loan_id: UUID, after: date, until: date) -> tuple[int, int]:
    """(interest, penalty) that day closes added to a loan after one day, up to and with another."""
    days = [after + timedelta(days=n) for n in range(1, (until - after).days + 1)]
    rows = LoanDay.objects.filter(shard=shard, loan_id=loan_id, on__in=days)
    interest, penalty = 0, 0
    for row in rows.values_list("interest_fen", "penalty_fen"):
        interest, penalty = interest + row[0], penalty + row[1]
    return interest, penalty


@dataclass(frozen=True)
class DayOfLoan:
    """A loan's row in the sub-ledger of the day close (see `LoanDay`)."""

    on: date
    interest_fen: int
    penalty_fen: int
    allowance_fen: int
    dpd: int
    suspended: bool
    interest_formula: str | None
    penalty_formula: str | None


def day_of_loan(shard: int, loan_id: UUID, on: date) -> DayOfLoan | None:
    """None when no day close has covered that loan on that day."""
    row = LoanDay.objects.filter(shard=shard, loan_id=loan_id, on=on).first()
    if row is None:
        return None
    charges = {row.interest_charge_id, row.penalty_charge_id}
    formulas = dict(DisclosedCharge.objects.filter(shard=shard, id__in=charges).values_list("id", "formula"))
    return DayOfLoan(
        row.on,
        row.interest_fen,
        row.penalty_fen,
        row.allowance_fen,
        row.dpd,
        row.suspended,
        formulas.get(row.interest_charge_id),
        formulas.get(row.penalty_charge_id),
    )


def disclosed_charges(shard: int, loan_ids: Iterable[UUID]) -> dict[tuple[UUID, str, str], UUID]:
    """(loan, kind, formula) -> id of everything that may be charged to these loans."""
    rows = DisclosedCharge.objects.filter(shard=shard, loan_id__in=list(loan_ids))
    return {
        (loan, kind, formula): id
        for loan, kind, formula, id in rows.values_list("loan_id", "kind", "formula", "id")
    }


@dataclass(frozen=True)
class LedgerLine:
    transfer_id: UUID
    key: str
    act: str
    value_on: date
    booked_at: datetime
    loan_id: UUID | None
    amount_fen: int
    balance_fen: int


@dataclass(frozen=True)
class GeneralLedger:
    """One account of the chart over a span of value dates: what stood before, each line, what stands after."""

    code: str
    since: date
    until: date
    opening_fen: int
    lines: tuple[LedgerLine, ...]

    @property
    def closing_fen(self) -> int:
        return self.opening_fen + sum(line.amount_fen for line in self.lines)


def general_ledger(
    code: str, since: date, until: date, *, owner: UUID | None = None, shard: int | None = None
) -> GeneralLedger:
    """The lines of a chart account from `since` to `until`, both included; of all owners and shards, or of one.

    `balance_fen` of a line runs over the lines shown, in the order of value dates.
    """
    of_account = """
        FROM ledger_account a JOIN ledger_entry e ON e.shard = a.shard AND e.account_id = a.id
        JOIN ledger_transfer t ON t.shard = e.shard AND t.id = e.transfer_id
        WHERE a.code = %(code)s AND (%(owner)s::uuid IS NULL OR a.owner = %(owner)s::uuid)
            AND (%(shard)s::smallint IS NULL OR a.shard = %(shard)s::smallint)
        """
    wanted = {"code": code, "owner": owner, "shard": shard, "since": since, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT coalesce(sum(e.amount_fen), 0)::bigint {of_account} AND t.value_on < %(since)s", wanted
        )
        opening = balance = cursor.fetchone()[0]
        cursor.execute(
            f"""
            SELECT t.id, t.key, t.act, t.value_on, t.booked_at, t.loan_id, e.amount_fen {of_account}
                AND t.value_on BETWEEN %(since)s AND %(until)s
            ORDER BY t.value_on, t.booked_at, t.id, e.line
            """,
            wanted,
        )
        rows = cursor.fetchall()
    lines: list[LedgerLine] = []
    for row in rows:
        balance += row[-1]
        lines.append(LedgerLine(*row, balance_fen=balance))
    return GeneralLedger(code, since, until, opening, tuple(lines))


def balances_at(moment: datetime, *, owner: UUID | None = None) -> dict[str, int]:
    """What each chart account showed at a past moment, by what had been booked then; of all owners, or of one.

    Booking times, not value dates: a fact that was learned later is not in it (`trial_balance(on)` asks by value date).
    """
    entries = Entry.objects.filter(transfer__booked_at__lte=moment)
    if owner is not None:
        entries = entries.filter(account__owner=owner)
    return dict(
        entries.values_list("account__code_id").annotate(fen=Sum("amount_fen")).order_by("account__code_id")
    )


def moves(code: str, on: date, key_prefixes: Iterable[str] = ("",)) -> dict[str, int]:
    """Transfers of a value date that move the lender's own account of this code: key -> fen."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.key, e.amount_fen FROM ledger_transfer t
            JOIN ledger_entry e ON e.shard = t.shard AND e.transfer_id = t.id
            JOIN ledger_account a ON a.shard = e.shard AND a.id = e.account_id AND a.code = %s
            WHERE t.value_on = %s AND t.key LIKE ANY(%s)
            """,
            [code, on, [f"{prefix}%" for prefix in key_prefixes]],
        )
        return dict(cursor.fetchall())


def lender_balances(codes: Iterable[str]) -> dict[tuple[int, str], int]:
    """(shard, code) -> balance of the lender's own accounts of these codes."""
    rows = Account.objects.filter(owner=UUID(int=0), code_id__in=list(codes))
    return {(shard, code): fen for shard, code, fen in rows.values_list("shard", "code_id", "balance_fen")}


def allowances(shard: int, on: date) -> int:
    """The loss allowances of all loans of a shard at the end of a day, fen."""
    return LoanDay.objects.filter(shard=shard, on=on).aggregate(fen=Sum("allowance_fen"))["fen"] or 0


def unposted_days() -> list[tuple[int, date]]:
    """(shard, day) of the sub-ledger whose rows do not sum to what was posted for them: always none."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT d.shard, d."on" FROM
                (SELECT shard, "on", sum(interest_fen) AS interest, sum(penalty_fen) AS penalty
                 FROM ledger_loanday GROUP BY 1, 2) d
            LEFT JOIN (
                SELECT t.shard, t.value_on,
                       sum(e.amount_fen) FILTER (WHERE a.code = '1132.1') AS interest,
                       sum(e.amount_fen) FILTER (WHERE a.code = '1132.2') AS penalty
                FROM ledger_transfer t JOIN ledger_entry e ON e.shard = t.shard AND e.transfer_id = t.id
                JOIN ledger_account a ON a.shard = e.shard AND a.id = e.account_id
                WHERE t.act = 'day_close' GROUP BY 1, 2) p ON p.shard = d.shard AND p.value_on = d."on"
            WHERE (d.interest, d.penalty) IS DISTINCT FROM (coalesce(p.interest, 0), coalesce(p.penalty, 0))
            ORDER BY 1, 2
            """
        )
        return cursor.fetchall()


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
