"""Loans in the console: terms and events, the fold's instalments, and the proof that the books follow from them."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse

from timelyrain.agreements import queries as agreements
from timelyrain.contract import EventType, InstalmentState
from timelyrain.ledger import chart
from timelyrain.runtime import clock
from timelyrain.runtime.admin import Act, ReadOnlyAdmin
from timelyrain.runtime.glossary import label, tone, value, words
from timelyrain.runtime.panels import As, Badge, Bar, Link, Panel, Step, Table, Verdict, on_dashboard, on_page
from timelyrain.servicing import bookkeeping, desk, queries, services, wishes
from timelyrain.servicing import funding_admin as funding_admin  # registers its pages
from timelyrain.servicing.catalogue import KINDS
from timelyrain.servicing.models import ActState, DayRun, Loan, LoanAct, LoanEvent, Repayment, Wish, WishState


@admin.register(Loan)
class LoanAdmin(ReadOnlyAdmin):
    title = words("借据", "Loans")
    ordering = ("-opened_on", "-pk")
    columns = ("id", "status", "outstanding_fen", "bucket", "dpd", "next_due_on", "opened_on", "settled_on")
    filters = ("status", "bucket")
    find_by = ("id", "borrower_id", "agreement_id")
    hidden = ("terms_json",)
    links = {"borrower_id": "customers.borrower", "agreement_id": "agreements.agreement"}

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view
        return [
            path("books/", view(bookkeeping.books), name="servicing_books"),
            path("<uuid:loan_id>/propose/<slug:name>/", view(self._propose), name="servicing_loan_propose"),
            path("<uuid:loan_id>/explain/", view(self._explain), name="servicing_loan_explain"),
            *super().get_urls(),
        ]

    def _propose(self, request: HttpRequest, loan_id: UUID, name: str) -> HttpResponse:
        loan = self._row(request, str(loan_id))
        return loan if isinstance(loan, HttpResponse) else desk.propose(request, loan, name)

    def _explain(self, request: HttpRequest, loan_id: UUID) -> HttpResponse:
        loan = self._row(request, str(loan_id))
        return loan if isinstance(loan, HttpResponse) else desk.explain(request, loan)


@on_page("servicing.loan", "servicing.add_loanact", order=11)
def _choose(request: HttpRequest, loan: Loan) -> Panel:
    return Panel(
        words("办理", "Acts"),
        table=Table(("group", "acts"), desk.choices(loan)),
        text=words(
            "先看看会怎样，再提交；让利、核销、转让和改计划须另一人批准。",
            "See what would be, then ask; what gives value away needs another person.",
        ),
    )


def _listed(title: Any, columns: tuple[str, ...], rows: Iterable[Any], page: str) -> Panel | None:
    """Rows of a loan, each with a link to its page; nothing where there are none."""
    found = list(rows)
    return Panel(title, table=Table.of(columns, found, id=page)) if found else None


@on_page("servicing.loan", "servicing.view_loanact", order=14)
def _acts(request: HttpRequest, loan: Loan) -> Panel | None:
    rows = LoanAct.objects.filter(shard=loan.shard, loan=loan).order_by("-requested_at")
    return _listed(
        words("办理记录", "Acts so far"),
        ("id", "type", "amount_fen", "state", "requested_by", "decided_by", "requested_at"),
        rows,
        "servicing.loanact",
    )


@on_page("servicing.loan", "servicing.view_wish", order=13)
def _wishes(request: HttpRequest, loan: Loan) -> Panel | None:
    rows = Wish.objects.filter(shard=loan.shard, loan=loan).order_by("-asked_at")
    return _listed(
        words("借款人的申请", "What the borrower asks for"),
        ("id", "kind", "amount_fen", "instalments", "due_day", "state", "asked_at"),
        rows,
        "servicing.wish",
    )


@on_page("servicing.loan", "servicing.view_loan", order=10)
def _terms(request: HttpRequest, loan: Loan) -> Panel:
    terms, state = services.terms_of(loan), services.state_of(loan)
    agreed = agreements.conditions_of(terms)
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
        text=words(*map(" ".join, zip(*agreed, strict=True))) if agreed else "",
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
        bars.append(Bar(str(r.n or "↺"), due, f"{r.due_on:%m-%d}", part=due - r.unpaid_fen, tone=mark.tone))
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
    """The history, newest first; what can be taken back has its link."""
    may = request.user.has_perm("servicing.add_loanact")
    rows = []
    for line in queries.history(loan):
        event = line.event
        mark = Badge(words("已冲回", "reversed"), "bad") if line.undone_by else ""
        if may and line.reversible:
            address = reverse("admin:servicing_loan_propose", args=[loan.id, desk.slug(EventType.REVERSED)])
            mark = desk.chip(f"{address}?event={event.id}", words("冲回", "Reverse"))
        shown = Link("servicing.loanevent", UUID(event.id))
        rows.append(
            (shown, event.type, event.value_on, event.amount_fen, dict(event.data), event.booked_at, mark)
        )
    explain = desk.Door(
        "servicing.loan", loan.id, words("逐日说明", "Why each day"), "servicing_loan_explain"
    )
    columns = ("id", "type", "value_on", "amount_fen", "data", "booked_at", "acts")
    return Panel(words("事件", "Events"), table=Table(columns, rows), more=explain, wide=True)


@on_page("servicing.loan", "servicing.view_repayment", order=40)
def _repayments(request: HttpRequest, loan: Loan) -> Panel | None:
    rows = Repayment.objects.filter(shard=loan.shard, loan=loan).order_by("id")
    return _listed(
        words("还款请求", "Repayments"),
        ("id", "kind", "amount_fen", "state", "automatic", "refusal", "requested_at"),
        rows,
        "servicing.repayment",
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


@admin.register(LoanAct)
class LoanActAdmin(ReadOnlyAdmin):
    title = words("办理", "Acts on loans")
    ordering = ("-requested_at",)
    columns = ("id", "type", "amount_fen", "state", "requested_by", "decided_by", "requested_at")
    filters = ("state", "type", "requested_by")
    find_by = ("id", "loan_id")
    hidden = ("before", "after", "disclosure")
    links = {"loan_id": "servicing.loan", "wish_id": "servicing.wish", "event_id": "servicing.loanevent"}

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(self._decide)
        return [path("<uuid:act_id>/decide/", view, name="servicing_loanact_decide"), *super().get_urls()]

    def _decide(self, request: HttpRequest, act_id: UUID) -> HttpResponse:
        row = self._row(request, str(act_id))
        return row if isinstance(row, HttpResponse) else desk.decide(request, row)


@on_page("servicing.loanact", "servicing.view_loanact", order=10)
def _act(request: HttpRequest, row: LoanAct) -> Panel:
    """Where it stands, and what it changed: as it was seen at the request, or as it was booked."""
    waits = row.state == ActState.WAITING
    more = desk.Door(
        "servicing.loanact", row.id, words("查看并决定", "Look and decide"), "servicing_loanact_decide"
    )
    seen = queries.act(row.id)
    changed = [
        (label(name), As(name, before), As(name, seen.after[name]))
        for name, before in seen.before.items()
        if before != seen.after[name]
    ]
    good = {"done": "good", "rejected": "bad", "failed": "bad"}.get(seen.state, "wait")
    return Panel(
        desk.said(KINDS[EventType(row.type)].title),
        steps=[
            Step(words("提交", "Asked"), "good", row.requested_by),
            *(
                [Step(words("批准", "Approved"), "wait" if waits else good, row.decided_by)]
                if row.second_person
                else []
            ),
            Step(value(row.state), good, row.finished_at.date().isoformat() if row.finished_at else ""),
        ],
        facts=[("reason", row.reason), ("note", row.note), ("borrower_fen", row.borrower_fen)],
        table=Table(("field", "before", "after"), changed),
        more=more if waits and request.user.has_perm("servicing.change_loanact") else None,
        wide=True,
    )


def _decline(request: HttpRequest, wish: Wish) -> Any:
    wishes.decline(wish.id, by=request.user.get_username(), answer=request.POST.get("text", ""))
    return words("已答复借款人。", "The borrower was told.")


@admin.register(Wish)
class WishAdmin(ReadOnlyAdmin):
    title = words("借款人申请", "Borrowers' requests")
    ordering = ("asked_at",)
    columns = ("id", "kind", "amount_fen", "instalments", "due_day", "state", "asked_at", "answered_by")
    filters = ("state", "kind")
    find_by = ("id", "loan_id")
    links = {"loan_id": "servicing.loan"}
    acts = (
        Act(
            "decline",
            words("不同意并说明", "Decline, and say why"),
            "servicing.change_wish",
            _decline,
            ask=words("说明会原样发给借款人。", "The borrower reads these words."),
            writes=words("为什么，以及可以怎么办", "Why, and what could be done instead"),
            offered=lambda wish: wish.state == WishState.OPEN,
        ),
    )


@on_page("servicing.wish", "servicing.add_loanact", order=10)
def _answer(request: HttpRequest, wish: Wish) -> Panel | None:
    """The acts that could answer it, filled in with what was asked for."""
    if wish.state != WishState.OPEN:
        return None
    state = services.state_of(wish.loan)
    return Panel(
        words("用一项办理来答复", "Answer it with an act"),
        facts=[
            ("status", state.status),
            ("dpd", state.dpd),
            ("amount_due_fen", state.amount_due_fen),
            ("payoff_fen", state.payoff_fen),
        ],
        table=Table(("acts",), [(desk.answers(wish),)]),
        text=wish.note,
    )


@on_dashboard("servicing.change_loanact", order=5)
def _queue() -> Panel:
    """What waits for a person."""
    waiting = LoanAct.objects.filter(state=ActState.WAITING).order_by("requested_at")
    asked = Wish.objects.filter(state=WishState.OPEN).order_by("asked_at")
    rows = [(Link("servicing.wish", w.id), w.kind, w.asked_at) for w in asked[:5]]
    rows += [
        (
            desk.Door("servicing.loanact", a.id, "", "servicing_loanact_decide"),
            desk.said(KINDS[EventType(a.type)].title),
            a.requested_at,
        )
        for a in waiting[:5]
    ]
    return Panel(
        words("等待处理", "Waiting for a person"),
        verdict=Verdict(
            not rows,
            words("没有", "Nothing waits")
            if not rows
            else words(
                f"{waiting.count()} 项办理待批准，{asked.count()} 个申请待答复",
                f"{waiting.count()} act(s) to approve, {asked.count()} request(s) to answer",
            ),
        ),
        table=Table(("id", "kind", "at"), rows) if rows else None,
    )


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
