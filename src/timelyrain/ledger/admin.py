"""The books in the console. Entries stand on their transfer's page."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from timelyrain.ledger import queries
from timelyrain.ledger.models import Account, Chart, DisclosedCharge, Entry, Transfer
from timelyrain.runtime.admin import ReadOnlyAdmin
from timelyrain.runtime.glossary import words
from timelyrain.runtime.panels import Link, Panel, Table, Verdict, on_dashboard, on_page


def name(line: Chart | queries.TrialLine) -> str:
    return f"{line.code} {words(line.name_zh, line.name)}"


@admin.register(Chart)
class ChartAdmin(ReadOnlyAdmin):
    title = words("科目表", "Chart of accounts")
    columns = ("code", "name_zh", "name", "type", "charge_kind")
    ordering = ("code",)


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    title = words("账户", "Accounts")
    columns = ("id", "code_id", "owner", "balance_fen")
    filters = ("code_id",)
    find_by = ("id", "owner")
    links = {"code_id": "ledger.chart"}


@on_page("ledger.account", "ledger.view_entry", order=10)
def _entries_of_account(request: HttpRequest, account: Account) -> Panel:
    newest = Entry.objects.filter(shard=account.shard, account=account).select_related("transfer")
    return Panel(
        words("最近 100 行分录", "The newest 100 entries"),
        table=Table(
            ("transfer_id", "act", "value_on", "debit_fen", "credit_fen", "balance_after_fen"),
            [
                (
                    Link("ledger.transfer", e.transfer_id),
                    e.transfer.act,
                    e.transfer.value_on,
                    *sides(e.amount_fen),
                    e.balance_after_fen,
                )
                for e in newest.order_by("-transfer_id", "-line")[:100]
            ],
        ),
        wide=True,
    )


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    title = words("凭证", "Transfers")
    columns = ("id", "act", "value_on", "lines", "loan_id", "key", "booked_at")
    filters = ("act",)
    find_by = ("id", "loan_id", "key")
    links = {"loan_id": "servicing.loan"}


@on_page("ledger.transfer", "ledger.view_entry", order=10)
def _entries(request: HttpRequest, transfer: Transfer) -> Panel:
    entries = list(
        Entry.objects.filter(shard=transfer.shard, transfer=transfer)
        .order_by("line")
        .select_related("account__code")
    )
    total = sum(e.amount_fen for e in entries)
    debit = sum(e.amount_fen for e in entries if e.amount_fen > 0)
    return Panel(
        words("分录", "Entries"),
        verdict=Verdict(
            total == 0, words("借贷平衡", "Balanced") if total == 0 else words("借贷不平", "Out of balance")
        ),
        table=Table(
            ("line", "account", "debit_fen", "credit_fen", "balance_after_fen", "formula"),
            [
                (
                    e.line,
                    Link("ledger.account", e.account_id, name(e.account.code)),
                    *sides(e.amount_fen),
                    e.balance_after_fen,
                    e.charge_formula,
                )
                for e in entries
            ],
            total=("", words("合计", "Total"), debit, debit - total, "", ""),
        ),
        wide=True,
    )


@admin.register(DisclosedCharge)
class DisclosedChargeAdmin(ReadOnlyAdmin):
    title = words("已披露的息费", "Disclosed charges")
    columns = ("id", "loan_id", "kind", "formula")
    filters = ("kind",)
    find_by = ("loan_id",)
    links = {"loan_id": "servicing.loan"}


@on_page("servicing.loan", "ledger.view_disclosedcharge", order=70)
def _charges(request: HttpRequest, loan: Any) -> Panel:
    rows = DisclosedCharge.objects.filter(shard=loan.shard, loan_id=loan.id).order_by("kind")
    return Panel(
        words("签约前披露的息费", "Charges disclosed before signing"),
        table=Table(("kind", "formula"), [(row.kind, row.formula) for row in rows]),
        text=words(
            "不在此表中的息费，数据库拒绝入账。", "The database refuses any charge that is not in this table."
        ),
    )


@on_page("servicing.loan", "ledger.view_entry", order=80)
def _postings(request: HttpRequest, loan: Any) -> Panel:
    lines = queries.loan_postings(loan.shard, loan.id)
    names = {line.code: name(line) for line in Chart.objects.all()}
    return Panel(
        words(f"分录（{len(lines)} 行）", f"Postings ({len(lines)} lines)"),
        table=Table(
            ("transfer_id", "act", "value_on", "account", "debit_fen", "credit_fen", "balance_after_fen"),
            [
                (
                    Link("ledger.transfer", p.transfer_id),
                    p.act,
                    p.value_on,
                    names[p.code],
                    *sides(p.amount_fen),
                    p.balance_after_fen,
                )
                for p in lines
            ],
            search=True,
        ),
    )


def sides(amount_fen: int) -> tuple[int | None, int | None]:
    """A signed amount as (debit, credit)."""
    return (amount_fen, None) if amount_fen > 0 else (None, -amount_fen)


@on_dashboard("ledger.view_account", order=50)
def _trial_balance() -> Panel:
    trial = queries.trial_balance()
    drifted = queries.drifted_accounts()
    good = trial.balanced and not drifted
    lines = [line for line in trial.lines if line.debit_fen or line.credit_fen]
    return Panel(
        words("试算平衡", "Trial balance"),
        verdict=Verdict(
            good,
            words(f"借贷平衡，{trial.postings:,} 行分录", f"Balanced over {trial.postings:,} entries")
            if good
            else words(
                f"不平衡，{len(drifted)} 个账户与分录不符",
                f"Out of balance; {len(drifted)} account(s) differ from their entries",
            ),
        ),
        table=Table(
            ("account", "debit_fen", "credit_fen", "balance_fen"),
            [
                (
                    Link("ledger.chart", line.code, name(line)),
                    line.debit_fen,
                    line.credit_fen,
                    line.balance_fen,
                )
                for line in lines
            ],
            total=(
                words("合计", "Total"),
                sum(line.debit_fen for line in lines),
                sum(line.credit_fen for line in lines),
                sum(line.balance_fen for line in lines),
            ),
        ),
        wide=True,
    )
