"""Funding partners in the console: who they are, what stands with each, the day's loans, a statement held against ours."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID, uuid4

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html

from timelyrain.finance import parse_yuan, percent
from timelyrain.ledger import chart
from timelyrain.runtime import clock, law
from timelyrain.runtime.admin import Act, ReadOnlyAdmin
from timelyrain.runtime.glossary import teach, value, words
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.panels import Badge, Bar, Link, Panel, Step, Table, Verdict, on_dashboard, on_page
from timelyrain.runtime.problems import Invalid, Problem
from timelyrain.servicing import funding, funding_acts
from timelyrain.servicing.models import ActState, FundingAct, FundingArrangement, FundingPartner

for _name, _zh, _en in (
    ("admit", "准入合作方", "admit a partner"),
    ("agree", "约定出资比例", "agree on shares"),
    ("settle", "登记划款", "book a transfer"),
):
    teach(_name, _zh, _en)


@dataclass(frozen=True)
class _Field:
    """One input of a form; kind: text, date, amount, partner, product, account, lines, and whether it may be left empty."""

    name: str
    label: Any
    kind: str = "text"
    optional: bool = False


_ON = _Field("on", words("日期", "Day"), "date")
_PARTNER = _Field("partner", words("合作方", "Partner"), "partner")
_FORMS: dict[str, tuple[Any, tuple[_Field, ...]]] = {
    "admit": (
        words("准入合作方（或改变有效期）", "Admit a partner, or change until when"),
        (
            _Field("name", words("名称", "Name")),
            _ON,
            _Field("until", words("至（可不填）", "Until (optional)"), "date", optional=True),
        ),
    ),
    "agree": (
        words("约定某产品的出资", "Agree who funds a product"),
        (
            _Field("product", words("产品", "Product"), "product"),
            _Field("from_on", words("自此日放款的借据起", "For loans paid out from"), "date"),
            _Field(
                "parts",
                words(
                    "每行：合作方，出资 %，费用 %，服务费 %（留空：不再联合出资）",
                    "One line each: partner, share %, fees %, service % (empty: the lender alone)",
                ),
                "lines",
                optional=True,
            ),
        ),
    ),
    "settle": (
        words("登记银行划款", "Book a transfer of the bank"),
        (
            _PARTNER,
            _Field("account", words("哪一笔", "Which"), "account"),
            _Field("amount_fen", words("金额（元）", "Amount (yuan)"), "amount"),
            _ON,
            _Field("reference", words("银行流水号", "Bank reference")),
        ),
    ),
}
_ACCOUNTS = {
    chart.SHARES_TO_REMIT: words("划付合作方", "We remit to the partner"),
    chart.FUNDING_DUE: words("合作方划入出资款", "The partner pays in its part"),
}


def partners(request: HttpRequest) -> HttpResponse:
    """GET: the page of a day, of one partner where it is named. POST: ask for an act, or compare a statement."""
    if not request.user.has_perm("servicing.view_fundingpartner"):
        raise PermissionDenied
    may, problem, panels = request.user.has_perm("servicing.add_fundingact"), None, []
    given = request.POST if request.method == "POST" else request.GET
    kind = request.POST.get("kind", "")
    on, one = clock.today(), None
    try:
        if kind in _FORMS:
            if not may:
                raise PermissionDenied
            made = _ask(request, kind)
            messages.success(
                request, words("已提交，等待另一人批准。", "Asked; another person must approve.")
            )
            return HttpResponseRedirect(Link("servicing.fundingact", made).url)
        on = _day(given.get("as_of") or clock.today().isoformat(), "as_of")
        one = FundingPartner.objects.filter(id=_partner(given["of"])).first() if given.get("of") else None
        if kind == "reconcile" and one:
            panels.append(_reconciled(one, on, given.get("statement", "")))
    except Problem as found:
        problem = found
    if one:
        panels.append(_loans_of(one, on))
    panels += [*_waiting(), _standing(on), _arrangements()]
    context = {
        **admin.site.each_context(request),
        "title": words("联合贷合作方", "Funding partners"),
        "panels": panels,
        "problem": problem,
        "forms": [_form(name, given if name == kind else {}) for name in _FORMS] if may else [],
        "on": on,
        "one": one,
        "statement": given.get("statement", ""),
        "key": given.get("key") or uuid4(),
    }
    status = problem.status if problem else 200
    return TemplateResponse(request, "servicing/partners.html", context, status=status)


def _form(name: str, given: Any) -> dict[str, Any]:
    title, fields = _FORMS[name]
    options = {
        "partner": lambda: [
            (str(id), text) for id, text in FundingPartner.objects.order_by("name").values_list("id", "name")
        ],
        "product": lambda: [(p.id, words(p.name_zh, p.name_en)) for p in law.pack().products()],
        "account": lambda: list(_ACCOUNTS.items()),
    }
    rows = [
        {
            "field": field,
            "value": given.get(field.name, clock.today().isoformat() if field is _ON else ""),
            "options": options[field.kind]() if field.kind in options else None,
        }
        for field in fields
    ]
    return {"kind": name, "title": title, "fields": rows, "reason": given.get("reason", "")}


# -- reading what was filled in ----------------------------------------------------------------------------------------------


def _ask(request: HttpRequest, kind: str) -> UUID:
    given = request.POST
    data: dict[str, Any] = {field.name: given.get(field.name, "").strip() for field in _FORMS[kind][1]}
    for field in _FORMS[kind][1]:
        text = data[field.name]
        if not text and not field.optional:
            raise Invalid(f"{field.label} is missing.", field=field.name, remedy="Fill it in.")
        if field.kind == "date" and text:
            _day(text, field.name)
    if kind == "agree":
        data["parts"] = [_part(line) for line in data["parts"].splitlines() if line.strip()]
    if kind == "settle":
        sign = -1 if data["account"] == chart.FUNDING_DUE else 1
        data |= {"partner": str(_partner(data["partner"])), "amount_fen": sign * _fen(data["amount_fen"])}
    key = derived_id("console", request.user.pk, "funding", given.get("key", ""))
    by = request.user.get_username()
    return funding_acts.request(kind, data, by=by, reason=given.get("reason", ""), request_id=key)


def _day(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{error}.", field=field, remedy="Write a day like 2026-01-31.") from None


def _fen(text: str) -> int:
    try:
        return parse_yuan(text)
    except ValueError as error:
        raise Invalid(f"{error}.", field="amount_fen", remedy="Write an amount like 1234.50.") from None


def _partner(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid(f"{text!r} is no partner.", field="partner", remedy="Choose one of the list.") from None


def _part(line: str) -> list[Any]:
    """partner name, share, fees and service in per cent."""
    name, *shares = [cell.strip() for cell in line.replace("，", ",").split(",")]
    partner = FundingPartner.objects.filter(name=name).first()
    try:
        ppm = [Decimal(share.rstrip("%")) * 10_000 for share in shares]
    except InvalidOperation:
        ppm = []
    if partner is None or not 1 <= len(ppm) <= 3 or any(one != int(one) for one in ppm):
        raise Invalid(
            f"{line.strip()!r} is no part.",
            field="parts",
            remedy="Write an admitted partner and its per cent: name, share, fees, service.",
        )
    return [str(partner.id), *map(int, ppm), *[0] * (3 - len(ppm))]


# -- panels ------------------------------------------------------------------------------------------------------------------


def _standing(on: date) -> Panel:
    rows, bars = [], []
    for partner in FundingPartner.objects.order_by("name"):
        due = funding.due(partner.id, on)
        name = format_html('<a class="c-link" href="?of={}&as_of={}">{}</a>', partner.id, on, partner.name)
        listed = partner.admitted_on <= on and (
            partner.admitted_until is None or on <= partner.admitted_until
        )
        mark = (
            Badge(words("在名单", "listed"), "good")
            if listed
            else Badge(words("不在名单", "not listed"), "bad")
        )
        rows.append((name, mark, partner.admitted_on, partner.admitted_until, due.funding_fen, due.remit_fen))
        bars.append(
            Bar(partner.name, due.remit_fen, words("应付", "to remit") + f" ¥{due.remit_fen / 100:,.2f}")
        )
    columns = ("name", "status", "from_on", "until", "funding_fen", "remit_fen")
    return Panel(
        words(f"与各合作方往来 · {on}", f"What stands with each partner · {on}"),
        bars=[bar for bar in bars if bar.length > 0],
        table=Table(columns, rows) if rows else None,
        text="" if rows else words("还没有合作方。", "There are no partners."),
        wide=True,
    )


def _shares(parts: Any) -> Any:
    """Parts as they are kept, with names: share / fees / service."""
    names = {str(id): name for id, name in FundingPartner.objects.values_list("id", "name")}
    told = (
        f"{names.get(partner, partner)} {percent(share)} / {percent(fees)} / {percent(service)}"
        for partner, share, fees, service in parts
    )
    return "; ".join(told) or words("贷款人独自出资", "the lender alone")


def _waiting() -> list[Panel]:
    rows = list(FundingAct.objects.filter(state=ActState.WAITING).order_by("requested_at"))
    columns = ("id", "kind", "requested_by", "requested_at", "reason")
    table = Table.of(columns, rows, id="servicing.fundingact")
    return (
        [Panel(words("等待另一人批准", "Waiting for another person"), table=table, wide=True)] if rows else []
    )


def _arrangements() -> Panel:
    rows = [
        (
            row.number,
            value(row.product),
            row.from_on,
            _shares(row.parts),
            row.agreed_by,
            row.agreed_at,
        )
        for row in FundingArrangement.objects.order_by("-number")[:50]
    ]
    return Panel(
        words("出资约定（出资 / 费用 / 服务费）", "Arrangements (share / fees / service)"),
        table=Table(("number", "product", "from_on", "parts", "agreed_by", "at"), rows) if rows else None,
        text="" if rows else words("还没有约定。", "Nothing is agreed."),
        wide=True,
    )


def _loans_of(partner: FundingPartner, on: date) -> Panel:
    due = funding.due(partner.id, on)
    rows = [(Link("servicing.loan", loan), fen) for loan, fen in sorted(due.by_loan.items())]
    return Panel(
        words(f"{partner.name} · {on} 当日新增应付", f"{partner.name} · what {on} added to remit"),
        facts=[("funding_fen", due.funding_fen), ("remit_fen", due.remit_fen)],
        table=Table(("loan_id", "amount_fen"), rows, total=("", sum(due.by_loan.values())), search=True)
        if rows
        else None,
        text="" if rows else words("当日没有借据变动。", "No loan moved on that day."),
        wide=True,
    )


_KINDS = {
    "missing": words("我方没有", "not in our books"),
    "surplus": words("对方没有", "not in the statement"),
    "differing": words("金额不同", "amounts differ"),
}


def _reconciled(partner: FundingPartner, on: date, text: str) -> Panel:
    """A statement of lines `loan, yuan` against ours."""
    statement: dict[UUID, int] = {}
    for line in filter(str.strip, text.replace("，", ",").splitlines()):
        loan, _, yuan_text = line.partition(",")
        try:
            loan_id = UUID(loan.strip())
            fen = parse_yuan(yuan_text.strip().removeprefix("-"))
        except ValueError:
            raise Invalid(
                f"{line.strip()!r} is no line of a statement.",
                field="statement",
                remedy="Write a loan's id, a comma, and yuan.",
            ) from None
        if loan_id in statement:
            raise Invalid(
                f"Loan {loan_id} stands twice.", field="statement", remedy="Give each loan one line."
            )
        statement[loan_id] = -fen if yuan_text.strip().startswith("-") else fen
    agree, found = funding.reconcile(partner.id, on, statement)
    rows = [
        (Link("servicing.loan", f.loan_id), Badge(_KINDS[f.kind], "bad"), f.theirs_fen, f.ours_fen)
        for f in found
    ]
    return Panel(
        words(f"与 {partner.name} 对账 · {on}", f"Reconciled with {partner.name} · {on}"),
        verdict=Verdict(
            not found,
            words(f"{agree} 笔全部相符", f"{agree} loan(s), all agree")
            if not found
            else words(f"{agree} 笔相符，{len(found)} 笔不符", f"{agree} agree, {len(found)} do not"),
        ),
        table=Table(("loan_id", "kind", "statement_fen", "books_fen"), rows) if rows else None,
        wide=True,
    )


# -- records -----------------------------------------------------------------------------------------------------------------


@admin.register(FundingPartner)
class FundingPartnerAdmin(ReadOnlyAdmin):
    title = words("合作方名单", "List of partners")
    ordering = ("name",)
    columns = ("id", "name", "admitted_on", "admitted_until")
    find_by = ("id", "name")

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(partners)
        return [path("desk/", view, name="servicing_partners"), *super().get_urls()]


@admin.register(FundingArrangement)
class FundingArrangementAdmin(ReadOnlyAdmin):
    title = words("出资约定", "Funding arrangements")
    columns = ("number", "product", "from_on", "agreed_by", "agreed_at")
    filters = ("product",)


def _approve(request: HttpRequest, row: FundingAct) -> Any:
    funding_acts.approve(row.id, by=request.user.get_username())
    return words("已批准并办理。", "Approved and done.")


def _reject(request: HttpRequest, row: FundingAct) -> Any:
    funding_acts.reject(row.id, by=request.user.get_username(), note=request.POST.get("text", ""))
    return words("未批准，没有变化。", "Rejected; nothing changed.")


def _waits(row: FundingAct) -> bool:
    return row.state == ActState.WAITING


@admin.register(FundingAct)
class FundingActAdmin(ReadOnlyAdmin):
    title = words("合作方办理", "Acts with partners")
    ordering = ("-requested_at",)
    columns = ("id", "kind", "state", "requested_by", "decided_by", "requested_at")
    filters = ("state", "kind")
    find_by = ("id", "reference")
    acts = (
        Act(
            "approve",
            words("批准", "Approve"),
            "servicing.change_fundingact",
            _approve,
            ask=words("按登记内容办理，不能撤销。", "It is done as it stands, and cannot be undone."),
            offered=_waits,
        ),
        Act(
            "reject",
            words("不批准", "Reject"),
            "servicing.change_fundingact",
            _reject,
            ask=words("什么也不会改变。", "Nothing changes."),
            writes=words("为什么", "Why"),
            offered=_waits,
        ),
    )


@on_page("servicing.fundingact", "servicing.view_fundingact", order=10)
def _where(request: HttpRequest, row: FundingAct) -> Panel:
    good = {ActState.DONE: "good", ActState.REJECTED: "bad"}.get(ActState(row.state), "wait")
    return Panel(
        value(row.kind),
        steps=[
            Step(words("提交", "Asked"), "good", row.requested_by),
            Step(words("批准", "Approved"), good, row.decided_by),
            Step(value(row.state), good, row.decided_at.date().isoformat() if row.decided_at else ""),
        ],
        facts=[*_said(row), ("reason", row.reason), ("note", row.note)],
        wide=True,
    )


def _said(row: FundingAct) -> list[tuple[str, Any]]:
    """What is asked for, in names instead of keys: whoever approves must see whom and what."""
    kept: Any = row.data
    data: dict[str, Any] = {**kept}
    if row.kind == "agree":
        data |= {"product": value(data["product"]), "parts": _shares(data["parts"])}
    if row.kind == "settle":
        name = FundingPartner.objects.values_list("name", flat=True).get(id=data["partner"])
        data |= {
            "partner": name,
            "account": _ACCOUNTS[data["account"]],
            "amount_fen": abs(data["amount_fen"]),
        }
    return list(data.items())


@on_dashboard("servicing.change_fundingact", order=6)
def _queue() -> Panel | None:
    rows = list(FundingAct.objects.filter(state=ActState.WAITING).order_by("requested_at")[:5])
    if not rows:
        return None
    return Panel(
        words("合作方办理待批准", "Acts with partners to approve"),
        verdict=Verdict(False, words("等待另一人批准", "Another person must approve")),
        table=Table.of(("id", "kind", "requested_by", "requested_at"), rows, id="servicing.fundingact"),
    )
