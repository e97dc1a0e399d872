"""Loans in the console: terms and events, the fold's instalments, and the proof that the books follow from them."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Count, Sum
from django.http import HttpRequest

from timelyrain.agreements import queries as agreements
from timelyrain.contract import InstalmentState
from timelyrain.ledger import chart
from timelyrain.runtime import clock
from timelyrain.runtime.admin import ReadOnlyAdmin
from timelyrain.runtime.glossary import tone, value, words
from timelyrain.runtime.panels import Badge, Bar, Panel, Step, Table, Verdict, on_dashboard, on_page
from timelyrain.servicing import queries, services
from timelyrain.servicing.models import DayRun, Loan, LoanEvent, Repayment


@admin.register(Loan)
class LoanAdmin(ReadOnlyAdmin):
    title = words("借据", "Loans")
    ordering = ("-opened_on", "-pk")
    columns = ("id", "status", "outstanding_fen", "bucket", "dpd", "next_due_on", "opened_on", "settled_on")
    filters = ("status", "bucket")
    find_by = ("id", "borrower_id", "agreement_id")
    hidden = ("terms_json",)
    links = {"borrower_id": "customers.borrower", "agreement_id": "agreements.agreement"}


@on_page("servicing.loan", "servicing.view_loan", order=10)
def _terms(request: HttpRequest, loan: Loan) -> Panel:
    terms, state = services.terms_of(loan), services.state_of(loan)
    return Panel(
        words("今日状态", "Today"),
        steps=[
            Step(words("放款", "Paid out"), "good", loan.opened_on.isoformat()),
            Step(value(state.status), tone(state.status), f"{state.bucket} · dpd {state.dpd}"),
            Step(
                words("结清", "Settled"), "good" if loan.settled_on else "plain", str(loan.settled_on or "")
            ),
        ],
        facts=[
            ("status", state.status),
            ("bucket", state.bucket),
            ("dpd", state.dpd),
            ("outstanding_fen", state.outstanding_principal_fen),
            ("amount_due_fen", state.amount_due_fen),
            ("payoff_fen", state.payoff_fen),
            ("principal_fen", terms.principal_fen),
            ("annual_rate_ppm", terms.annual_rate_ppm),
            ("penalty_ppm", terms.penalty_ppm),
            ("cap_ppm", terms.cap_ppm),
            ("instalments", terms.instalments),
            ("method", terms.method),
            ("policy_pack", terms.policy_pack),
            ("terms_sha256", loan.terms_sha256),
        ],
    )


@on_page("servicing.loan", "servicing.view_loan", order=15)
def _proof(request: HttpRequest, loan: Loan) -> Panel:
    proof = queries.proof(loan.shard, loan.id)
    names = {line.code: words(line.name_zh, line.name) for line in chart.CHART}
    return Panel(
        words("账实证明：重放与总账", "Proof: replay against the books"),
        verdict=Verdict(
            proof.equal,
            words(f"截至 {proof.on}，重放与总账一致", f"Replay and books agree as of {proof.on}")
            if proof.equal
            else words(f"截至 {proof.on}，重放与总账不一致", f"Replay and books differ as of {proof.on}"),
        ),
        table=Table(
            ("account", "replayed_fen", "booked_fen", "equal"),
            [
                (
                    f"{code} {names[code]}",
                    amount,
                    proof.booked.get(code, 0),
                    Badge("=", "good") if proof.booked.get(code, 0) == amount else Badge("≠", "bad"),
                )
                for code, amount in proof.replayed.items()
            ],
        ),
    )


@on_page("servicing.loan", "servicing.view_loan", order=20)
def _instalments(request: HttpRequest, loan: Loan) -> Panel:
    state = services.state_of(loan)
    columns = ("n", "due_on", *_CHARGED, "penalty_fen", "paid_fen", "unpaid_fen", "state", "settled_on")
    rows, bars = [], []
    for r in state.instalments:
        due = r.principal_due_fen + r.interest_due_fen + r.penalty_accrued_fen
        mark = _mark(r, due, state.as_of)
        charged = (r.principal_due_fen, r.interest_due_fen, r.penalty_accrued_fen)
        rows.append((r.n, r.due_on, *charged, due - r.unpaid_fen, r.unpaid_fen, mark, r.settled_on))
        bars.append(Bar(str(r.n), due, f"{r.due_on:%m-%d}", part=due - r.unpaid_fen, tone=mark.tone))
    return Panel(
        words("还款计划（实色：已还）", "Instalments (solid: paid)"),
        stacks=bars,
        table=Table(
            columns, rows, total=("", "", *(sum(row[i] for row in rows) for i in range(2, 7)), "", "")
        ),
    )


_CHARGED = ("principal_due_fen", "interest_due_fen")


def _mark(row: InstalmentState, due_fen: int, as_of: date) -> Badge:
    if row.unpaid_fen == 0 and due_fen:
        return Badge(words("已还清", "paid"), "good")
    if row.due_on < as_of and due_fen:
        return Badge(words("逾期", "late"), "bad")
    return Badge(words("未到期", "to come"))


@on_page("servicing.loan", "servicing.view_loanevent", order=30)
def _events(request: HttpRequest, loan: Loan) -> Panel:
    rows = LoanEvent.objects.filter(shard=loan.shard, loan=loan).order_by("value_on", "booked_at", "id")
    return Panel(
        words("事件", "Events"),
        table=Table.of(
            ("id", "type", "value_on", "amount_fen", "data", "booked_at"), rows, id="servicing.loanevent"
        ),
    )


@on_page("servicing.loan", "servicing.view_repayment", order=40)
def _repayments(request: HttpRequest, loan: Loan) -> Panel | None:
    rows = list(Repayment.objects.filter(shard=loan.shard, loan=loan).order_by("id"))
    if not rows:
        return None
    return Panel(
        words("还款请求", "Repayments"),
        table=Table.of(
            ("id", "kind", "amount_fen", "state", "automatic", "refusal", "requested_at"),
            rows,
            id="servicing.repayment",
        ),
    )


@on_page("origination.application", "servicing.view_loan", order=80)
def _loan_of_application(request: HttpRequest, application: Any) -> Panel | None:
    offers = set(application.offers.values_list("id", flat=True))
    loans = Loan.objects.filter(shard=application.shard, borrower_id=application.borrower_id)
    loan = next((loan for loan in loans if _offer_of(loan) in offers), None)
    if loan is None:
        return None
    return Panel(
        words("借据", "Loan"),
        steps=[
            Step(words("放款", "Paid out"), "good", loan.opened_on.isoformat()),
            Step(words("还款", "Repayment"), tone(loan.status), value(loan.status)),
        ],
        table=Table.of(
            ("id", "status", "outstanding_fen", "bucket", "next_due_on", "settled_on"),
            [loan],
            id="servicing.loan",
        ),
    )


def _offer_of(loan: Loan) -> UUID:
    agreement = agreements.agreement(loan.shard, loan.borrower_id, loan.agreement_id)
    return agreements.disclosure(loan.shard, loan.borrower_id, agreement.disclosure_id).offer_id


@admin.register(LoanEvent)
class LoanEventAdmin(ReadOnlyAdmin):
    title = words("借据事件", "Loan events")
    ordering = ("-booked_at",)
    columns = ("id", "type", "value_on", "amount_fen", "booked_at")
    filters = ("type",)
    find_by = ("id", "loan_id")
    links = {"loan_id": "servicing.loan"}


@admin.register(Repayment)
class RepaymentAdmin(ReadOnlyAdmin):
    title = words("还款", "Repayments")
    ordering = ("-requested_at",)
    columns = ("id", "kind", "amount_fen", "state", "automatic", "refusal", "requested_at", "finished_at")
    filters = ("state", "kind", "automatic")
    find_by = ("id", "loan_id")
    links = {"loan_id": "servicing.loan"}


@on_dashboard("servicing.view_loan", order=30)
def _buckets() -> Panel:
    rows = Loan.objects.exclude(status="SETTLED").values_list("bucket")
    found = {bucket: (n, fen) for bucket, n, fen in rows.annotate(n=Count("id"), fen=Sum("outstanding_fen"))}
    settled = Loan.objects.filter(status="SETTLED").count()
    return Panel(
        words("在贷余额（按逾期档）", "Outstanding by bucket"),
        bars=[
            Bar(
                bucket,
                fen,
                words(f"¥{fen / 100:,.0f} · {n} 笔", f"¥{fen / 100:,.0f} · {n} loan(s)"),
                tone=tone(bucket),
            )
            for bucket, (n, fen) in sorted(found.items())
        ],
        text=words(f"另有 {settled} 笔已结清。", f"{settled} more are settled."),
    )


@on_dashboard("servicing.view_dayrun", order=40)
def _days() -> Panel:
    """The newest business days that were run: loans counted over all shards."""
    since = clock.today() - timedelta(days=30)
    rows = DayRun.objects.filter(on__gt=since).values_list("on").annotate(n=Sum("loans"))
    last, today = queries.days_run_up_to(), clock.today()
    behind = (today - last).days if last else 0
    return Panel(
        words("日终：最近 30 个营业日", "Day close: the last 30 business days"),
        verdict=Verdict(
            behind == 0,
            words(f"已跑到 {last or today}", f"Run up to {last or today}")
            if behind == 0
            else words(f"落后 {behind} 天（已跑到 {last}）", f"{behind} day(s) behind (run up to {last})"),
        ),
        stacks=[
            Bar(f"{on:%d}" if on.day % 5 == 1 else "", n, f"{on:%m-%d}: {n}", part=n, tone="good")
            for on, n in rows.order_by("on")
        ],
    )
