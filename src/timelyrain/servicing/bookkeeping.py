"""The console's page of the books: trial balance at a date, general ledger of an account, reconciliation with the rail."""

from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html

from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger
from timelyrain.payments import queries as payments
from timelyrain.runtime import clock
from timelyrain.runtime.glossary import words
from timelyrain.runtime.panels import Badge, Bar, Panel, Table, Verdict

MOST_LINES = 500
_DAYS = 14
_TONES = {"missing": "bad", "surplus": "bad", "differing": "bad"}


def books(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("ledger.view_account"):
        raise PermissionDenied
    today, problem = clock.today(), ""
    try:
        on = date.fromisoformat(request.GET.get("on") or today.isoformat())
        since = date.fromisoformat(request.GET.get("since") or (on - timedelta(days=30)).isoformat())
    except ValueError as error:
        on, since, problem = today, today - timedelta(days=30), str(error)
    names = {line.code: words(line.name_zh, line.name) for line in chart.CHART}
    code = request.GET.get("code", "")
    panels = [_trial(on), *_reconciliations(on)]
    if code in names:
        panels.insert(0, _account(code, names[code], since, on))
    context = {
        **admin.site.each_context(request),
        "title": words("账簿", "Books"),
        "panels": panels,
        "on": on,
        "code": code if code in names else "",
        "problem": problem,
    }
    return TemplateResponse(request, "servicing/books.html", context)


def _trial(on: date) -> Panel:
    trial = ledger.trial_balance(on)
    rows = [
        (
            format_html(
                '<a class="c-link" href="?on={}&code={}">{}</a>', on.isoformat(), line.code, line.code
            ),
            words(line.name_zh, line.name),
            line.type,
            line.debit_fen,
            line.credit_fen,
            line.balance_fen,
        )
        for line in trial.lines
        if line.debit_fen or line.credit_fen
    ]
    totals = [
        sum(getattr(line, name) for line in trial.lines)
        for name in ("debit_fen", "credit_fen", "balance_fen")
    ]
    return Panel(
        words(f"试算平衡表 · {on}", f"Trial balance · {on}"),
        verdict=Verdict(
            trial.balanced,
            words("借贷平衡", "Debits equal credits")
            if trial.balanced
            else words("借贷不平", "Debits and credits differ"),
        ),
        table=Table(
            ("code", "name", "kind", "debit_fen", "credit_fen", "balance_fen"),
            rows,
            total=("", "", "", *totals),
        ),
        wide=True,
    )


def _account(code: str, name: Any, since: date, until: date) -> Panel:
    ledger_ = ledger.general_ledger(code, since, until)
    lines = ledger_.lines[-MOST_LINES:]
    left_out = len(ledger_.lines) - len(lines)
    first = lines[0].balance_fen - lines[0].amount_fen if lines else ledger_.opening_fen
    rows: list[tuple[Any, ...]] = [(since, words("期初", "opening"), "", "", first)]
    rows += [
        (
            line.value_on,
            line.act,
            line.amount_fen if line.amount_fen > 0 else "",
            -line.amount_fen if line.amount_fen < 0 else "",
            line.balance_fen,
        )
        for line in lines
    ]
    return Panel(
        words(
            f"总账 {code} {name} · {since} 至 {until}", f"General ledger {code} {name} · {since} to {until}"
        ),
        table=Table(
            ("value_on", "act", "debit_fen", "credit_fen", "balance_fen"),
            rows,
            total=("", words("期末", "closing"), "", "", ledger_.closing_fen),
            search=True,
        ),
        text=words(f"更早的 {left_out} 行未列出。", f"{left_out} earlier lines are not listed.")
        if left_out
        else "",
        wide=True,
    )


def _reconciliations(on: date) -> list[Panel]:
    """The value dates up to `on`, and the findings of the newest that has any."""
    days = [on - timedelta(days=n) for n in range(_DAYS)]
    done = [one for day in days if (one := payments.reconciliation(day))]
    rows = [
        (
            one.on,
            one.matched,
            *(sum(f.kind == kind for f in one.findings) for kind in _TONES),
            Badge("✓", "good") if one.clean else Badge("!", "bad"),
        )
        for one in done
    ]
    bad = sum(not one.clean for one in done)
    found = [
        (
            one.on,
            Badge(_KINDS[f.kind], _TONES[f.kind]),
            f.direction,
            f.statement_fen or "",
            f.books_fen or "",
            f.order_state,
            f.key,
        )
        for one in done
        for f in one.findings
    ]
    summary = Panel(
        words("与支付通道对账", "Reconciliation with the rail"),
        verdict=Verdict(
            not bad,
            words(f"{len(done)} 天全部相符", f"{len(done)} day(s), all agree")
            if not bad
            else words(f"{bad} 天有差异", f"{bad} day(s) with differences"),
        )
        if done
        else None,
        stacks=[
            Bar(f"{one.on:%d}", one.matched + len(one.findings), f"{one.on}: {one.matched} + {len(one.findings)}",
                part=one.matched, tone="good" if one.clean else "bad")
            for one in reversed(done)
        ],
        table=Table(("on", "matched", "missing", "surplus", "differing", "equal"), rows) if rows else None,
        text="" if done else words("这段时间还没有对账。", "Nothing was reconciled in these days."),
        wide=True,
    )  # fmt: skip
    if not found:
        return [summary]
    table = Table(
        ("on", "kind", "direction", "statement_fen", "books_fen", "order_state", "key"), found, search=True
    )
    return [summary, Panel(words("对账差异", "What does not agree"), table=table, wide=True)]


_KINDS = {
    "missing": words("通道缺", "missing in the statement"),
    "surplus": words("账上缺", "not in our books"),
    "differing": words("金额不同", "amounts differ"),
}
