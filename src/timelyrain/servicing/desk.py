"""The console's pages on which people act: choose, fill in, look at what would be, ask, approve; why a day; the books."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from timelyrain.contract import EventType
from timelyrain.finance import parse_yuan, yuan
from timelyrain.runtime import clock
from timelyrain.runtime.glossary import words
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.panels import Link
from timelyrain.runtime.problems import Invalid, Problem
from timelyrain.servicing import acts, drawing, explaining, previews, queries
from timelyrain.servicing.catalogue import GROUPS, KINDS, Field, Kind
from timelyrain.servicing.models import Loan, LoanAct, Wish, WishKind
from timelyrain.servicing.previews import Preview

_BANKED = {
    EventType.REPAID,
    EventType.PREPAID_PART,
    EventType.PREPAID_FULL,
    EventType.RECOVERED,
    EventType.REFUNDED,
}


@dataclass(frozen=True)
class Door(Link):
    """A link to one of these pages; `page` still says which permission opens it."""

    view: str = ""
    more: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return reverse(f"admin:{self.view}", args=[self.id, *self.more])


def slug(kind: EventType) -> str:
    return kind.lower().replace("_", "-")


def said(pair: tuple[str, str]) -> Any:
    return words(*pair)


def choices(loan: Loan) -> list[tuple[Any, SafeString]]:
    """(group, its acts as links) for the panel on the page of a loan."""
    rows = []
    for name, title in GROUPS.items():
        links = (
            (
                reverse("admin:servicing_loan_propose", args=[loan.id, slug(kind.type)]),
                said(kind.what),
                said(kind.title),
            )
            for kind in KINDS.values()
            if kind.group == name
        )
        rows.append(
            (said(title), format_html_join("", '<a class="c-chip" href="{}" title="{}">{}</a>', links))
        )
    return rows


def answers(wish: Wish) -> SafeString:
    """The acts by which a wish can be granted, as links to forms that are filled in with it."""
    asked = {
        "amount_fen": yuan(wish.amount_fen) if wish.amount_fen else "",
        "instalments": wish.instalments or "",
        "extra": wish.instalments or "",
        "due_day": wish.due_day or "",
        "wish": wish.id,
    }
    kinds = _HELP if wish.kind == WishKind.HARDSHIP else (EventType.DUE_DATE_CHANGED,)
    return SafeString(
        "".join(
            chip(
                reverse("admin:servicing_loan_propose", args=[wish.loan_id, slug(kind)])
                + "?"
                + urlencode(asked),
                said(KINDS[kind].title),
            )
            for kind in kinds
        )
    )


_HELP = (
    EventType.HARDSHIP_AGREED,
    EventType.PAUSED,
    EventType.INTEREST_STOPPED,
    EventType.RESTRUCTURED,
    EventType.WAIVED,
)


# -- one act ---------------------------------------------------------------------------------------------------------------


def propose(request: HttpRequest, loan: Loan, name: str) -> HttpResponse:
    """GET: the form and, once it is filled in, what would be. POST: ask for it; what is refused is shown as filled in."""
    kind = next((kind for kind in KINDS.values() if slug(kind.type) == name), None)
    if kind is None or not request.user.has_perm("servicing.add_loanact"):
        raise PermissionDenied
    given = request.POST if request.method == "POST" else request.GET
    context: dict[str, Any] = {"kind": kind, "given": given, "key": given.get("key") or uuid4()}
    try:
        if request.method == "POST":
            made = _ask(request, loan, kind)
            row = LoanAct.objects.get(id=made)
            _log(request, row, f"{kind.type}: {row.reason}")
            messages.success(request, _outcome(row))
            return HttpResponseRedirect(Link("servicing.loanact", made).url)
    except Problem as problem:
        context["problem"] = problem
    try:
        if "on" in given or not kind.fields:
            amount_fen, data, on = _read(kind, given)
            context |= _shown(acts.preview(loan.shard, loan.id, kind.type, amount_fen, data, on))
    except Problem as problem:
        context.setdefault("problem", problem)
    if wrong := context.get("problem"):
        context["wrong"] = (wrong.field or "").removeprefix("data.")
    status = getattr(context.get("problem"), "status", 200)
    return _page(request, loan, "propose", said(kind.title), context | _form(loan, kind, given), status)


def _ask(request: HttpRequest, loan: Loan, kind: Kind) -> UUID:
    amount_fen, data, on = _read(kind, request.POST)
    try:
        wish_id = UUID(request.POST["wish"]) if request.POST.get("wish") else None
    except ValueError:
        raise Invalid(
            "The form names no request.", field="wish", remedy="Begin again from the request."
        ) from None
    return acts.request(
        loan.shard,
        loan.id,
        kind.type,
        amount_fen,
        data,
        on,
        by=request.user.get_username(),
        reason=request.POST.get("reason", ""),
        request_id=derived_id("console", request.user.pk, loan.id, request.POST.get("key", "")),
        wish_id=wish_id,
        seen=request.POST.get("seen", ""),
    )


def _outcome(row: LoanAct) -> Any:
    match row.state:
        case "waiting":
            return words("已提交，等待另一人批准。", "Asked; another person must approve.")
        case "moving":
            return words("已记账，款项正在退回。", "Booked; the money is on its way.")
        case "offered":
            return words("已提交借款人确认。", "The borrower is asked to confirm.")
        case _:
            return words("已入账。", "Done and booked.")


def _form(loan: Loan, kind: Kind, given: Mapping[str, str]) -> dict[str, Any]:
    fields = []
    for field in kind.fields:
        options = [(value, said(text)) for value, text in field.choices]
        if field.kind == "event":
            options = _events(loan, kind)
        fields.append(
            {
                "field": field,
                "label": said(field.label),
                "options": options,
                "value": given.get(field.name, ""),
            }
        )
    return {"fields": fields, "what": said(kind.what), "on": given.get("on") or clock.today().isoformat()}


def _events(loan: Loan, kind: Kind) -> list[tuple[str, str]]:
    """What may be named: payments for a chargeback, anything not undone for a reversal."""
    lines = [line for line in queries.history(loan) if line.reversible]
    if kind.type is EventType.CHARGED_BACK:
        lines = [line for line in lines if line.event.type in _BANKED]
    return [
        (line.event.id, f"{line.event.value_on} {line.event.type} ¥{yuan(line.event.amount_fen)}")
        for line in lines
    ]


def _read(kind: Kind, given: Mapping[str, str]) -> tuple[int, dict[str, str | int], date]:
    """(fen, data, value date) of the form. Raises Invalid naming the field."""
    amount_fen, data = 0, {}
    for field in kind.fields:
        text = given.get(field.name, "").strip()
        if not text and field.optional:
            continue
        if field.name == "amount_fen":
            amount_fen = _fen(text)
        else:
            data[field.name] = _value(field, text)
    try:
        return amount_fen, data, date.fromisoformat(given.get("on") or clock.today().isoformat())
    except ValueError as error:
        raise Invalid(f"{error}.", field="on", remedy="Write a day like 2026-01-31.") from None


def _fen(text: str) -> int:
    try:
        return parse_yuan(text)
    except ValueError as error:
        raise Invalid(f"{error}.", field="amount_fen", remedy="Write an amount like 1234.50.") from None


def _value(field: Field, text: str) -> str | int:
    if field.kind == "percent":
        try:
            ppm = Decimal(text) * 10_000
        except InvalidOperation:
            ppm = Decimal("0.5")
        if ppm != int(ppm):
            raise Invalid(
                f"{text!r} is not a rate.", field=field.name, remedy="Write per cent a year like 14.4."
            )
        return int(ppm)
    if field.kind == "whole":
        if not text.isdecimal() or not field.low <= int(text) <= field.high:
            raise Invalid(
                f"{field.name} is {text!r}.",
                field=field.name,
                remedy=f"Write a whole number from {field.low} to {field.high}.",
            )
        return int(text)
    if not 1 <= len(text) <= 100:
        raise Invalid(
            f"{field.name} has {len(text)} characters.",
            field=field.name,
            remedy="Fill it in, up to 100 characters.",
        )
    return text


def _shown(shown: Preview) -> dict[str, Any]:
    """What the page needs of a preview."""
    before, after = previews.summary(shown.before), previews.summary(shown.after)
    facts = [(name, before[name], after[name], before[name] != after[name]) for name in _FACTS]
    changes = shown.changes
    return {
        "shown": shown,
        "facts": [fact for fact in facts if fact[3] or fact[0] in _ALWAYS],
        "changes": [row for row in changes if row.differs or _open(row)],
        "closed": sum(not row.differs and not _open(row) for row in changes),
        "curve": drawing.curve(shown),
        "pairs": drawing.pairs(changes),
        "more_fen": max(0, shown.borrower_fen),
        "less_fen": max(0, -shown.borrower_fen),
    }


def _open(row: previews.Change) -> bool:
    return any(one is not None and one.unpaid_fen for one in (row.before, row.after))


_FACTS = (
    "status", "amount_due_fen", "payoff_fen", "to_pay_fen", "outstanding_principal_fen", "annual_rate_ppm", "dpd",
    "instalments", "last_due_on", "owner",
)  # fmt: skip
_ALWAYS = {"amount_due_fen", "payoff_fen", "to_pay_fen"}


# -- the second person -----------------------------------------------------------------------------------------------------


def decide(request: HttpRequest, row: LoanAct) -> HttpResponse:
    """GET: what would be now. POST: approve or reject; what is refused is shown as filled in."""
    if not request.user.has_perm("servicing.change_loanact"):
        raise PermissionDenied
    by = request.user.get_username()
    context: dict[str, Any] = {"act": row, "kind": KINDS[EventType(row.type)]}
    if request.method == "POST":
        note = request.POST.get("note", "")
        try:
            if request.POST.get("verdict") == "approve":
                acts.approve(row.id, by=by, note=note, seen=request.POST.get("seen", ""))
                messages.success(request, _outcome(LoanAct.objects.get(id=row.id)))
            else:
                acts.reject(row.id, by=by, note=note)
                messages.success(request, words("未批准，借据没有变化。", "Rejected; nothing changed."))
        except Problem as problem:
            context |= {"problem": problem, "note": note}
            row.refresh_from_db()
        else:
            _log(request, row, f"{request.POST.get('verdict')}: {note}")
            return HttpResponseRedirect(Link("servicing.loanact", row.id).url)
    refused = context.get("problem")
    if row.state != "waiting":  # decided by somebody else meanwhile, it may be
        if refused:
            messages.error(request, str(refused))
        return HttpResponseRedirect(Link("servicing.loanact", row.id).url)
    context["own"] = row.requested_by == by
    try:
        context |= _shown(acts.preview_of(row.id))
    except Problem as problem:
        context.setdefault("problem", problem)
    status = refused.status if refused else 200
    return _page(request, row.loan, "decide", said(context["kind"].title), context, status)


# -- why a day -------------------------------------------------------------------------------------------------------------


def explain(request: HttpRequest, loan: Loan) -> HttpResponse:
    """The numbers of one day close of a loan, found again."""
    last = queries.days_run_up_to() or clock.today()
    try:
        on = date.fromisoformat(request.GET.get("on") or min(last, clock.today()).isoformat())
    except ValueError:
        on = last
    context: dict[str, Any] = {
        "on": on,
        "day_before": on - timedelta(days=1),
        "day_after": on + timedelta(days=1),
    }
    try:
        day = explaining.explain(loan.shard, loan.id, on)
        context |= {"day": day, "sentences": day.sentences(str(words("zh", "en")))}
    except Problem as problem:
        context["problem"] = problem
    return _page(request, loan, "explain", words("日终说明", "Why a day"), context)


# -- what they share -------------------------------------------------------------------------------------------------------


def _page(
    request: HttpRequest, loan: Loan, template: str, title: Any, context: dict[str, Any], status: int = 200
) -> HttpResponse:
    shared = {
        **admin.site.each_context(request),
        "title": title,
        "loan": loan,
        "loan_link": Link("servicing.loan", loan.id),
        "list_url": reverse("admin:servicing_loan_changelist"),
        "width": drawing.WIDTH,
        "height": drawing.HEIGHT,
        "left": drawing.LEFT,
    }
    return TemplateResponse(request, f"servicing/{template}.html", shared | context, status=status)


def _log(request: HttpRequest, row: LoanAct, text: str) -> None:
    LogEntry.objects.log_actions(
        request.user.pk, [row], CHANGE, change_message=text[:500], single_object=True
    )


def chip(address: str, text: Any) -> SafeString:
    return format_html('<a class="c-chip" href="{}">{}</a>', address, text)
