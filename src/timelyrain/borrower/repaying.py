"""The life of a loan as its borrower sees it: what is due, paying, paying early, and proof of it all."""

import json
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from timelyrain import finance
from timelyrain.borrower import words
from timelyrain.borrower.estimates import effects
from timelyrain.borrower.page import act, own, show
from timelyrain.customers import queries as customers_queries
from timelyrain.customers import services as customers
from timelyrain.runtime.problems import Invalid, NotFound, Problem
from timelyrain.servicing import queries as servicing_queries
from timelyrain.servicing import services as servicing

KINDS = ("due", "part", "full")


@require_GET
@own
def loan(request: HttpRequest, borrower: customers.Borrower, loan_id: UUID) -> HttpResponse:
    view = servicing_queries.loan(borrower.shard, borrower.id, loan_id)
    payments = servicing_queries.repayments(borrower.shard, borrower.id, loan_id)
    asked = servicing_queries.wishes_of(borrower.shard, borrower.id, loan_id)
    row = servicing.loan_for(borrower.shard, borrower.id, loan_id)
    return show(
        request,
        "loan",
        changes=servicing_queries.offered(borrower.shard, borrower.id, loan_id),
        waiting=[wish for wish in asked if wish.state == "open"],
        sold_to=view.state.owner if view.state.owner != servicing.terms_of(row).lender else "",
        returned=any(r.n == 0 for r in view.state.instalments),
        loan=view,
        state=view.state,
        payments=payments,
        on_its_way=next((p for p in payments if p.state == "pending"), None),
        messages_=customers_queries.messages(borrower)[:5],
    )


@require_http_methods(["GET", "POST"])
@own
def repay(request: HttpRequest, borrower: customers.Borrower, loan_id: UUID, kind: str) -> HttpResponse:
    """Pay what is due, early in part (with its effect shown first), or all."""
    if kind not in KINDS:
        raise Http404
    view = servicing_queries.loan(borrower.shard, borrower.id, loan_id)
    nothing_to_pay = view.state.amount_due_fen == 0 if kind == "due" else view.state.payoff_fen == 0
    if request.method == "GET" and nothing_to_pay:
        return redirect("borrower:loan", loan_id)
    row = servicing.loan_for(borrower.shard, borrower.id, loan_id)
    context: dict[str, Any] = {"loan": view, "state": view.state, "kind": kind}
    context["profile"] = customers_queries.masked_profile(borrower)
    if request.method == "GET":
        if kind == "part":
            context |= _part(row, request.GET.get("amount", ""))
        if request.headers.get("HX-Target") == "effects":
            return show(request, "parts/effects", **context)
        return show(request, "repay", **context)

    def work(request_id: UUID) -> str:
        amount_fen = _fen(request.POST.get("amount", "")) if kind == "part" else _confirmed(request)
        servicing.request_repayment(row, kind, request_id, amount_fen, request.POST.get("mode", ""))
        return reverse("borrower:repayment", args=[loan_id, request_id])

    try:
        return act(request, borrower, work)
    except Problem as problem:
        if kind == "part":
            context |= _part(row, request.POST.get("amount", ""))
        told = {"problem": words.sentences(problem), "wrong": words.field_errors(problem)}
        return show(request, "repay", problem.status, **context, **told)


def _fen(text: str) -> int:
    try:
        return finance.parse_yuan(text)
    except ValueError as error:
        raise Invalid(str(error), field="amount_fen", remedy="Write an amount like 1234.50.") from None


def _confirmed(request: HttpRequest) -> int:
    """The amount that the page showed: should another be due by now, the service refuses rather than debits it."""
    text = request.POST.get("shown_fen", "")
    if not text.isdecimal():
        raise Invalid("The form names no amount.", field="amount_fen", remedy="Reload the page.")
    return int(text)


def _part(row: servicing.Loan, text: str) -> dict[str, Any]:
    """The amount as typed and both effects of it; nothing to show for what is no amount."""
    try:
        amount_fen = _fen(text)
    except Invalid:
        amount_fen = 0
    return {
        "amount": text,
        "amount_fen": amount_fen,
        "effects": effects(row, amount_fen) if amount_fen > 0 else [],
    }


@require_GET
@own
def repayment(
    request: HttpRequest, borrower: customers.Borrower, loan_id: UUID, repayment_id: UUID
) -> HttpResponse:
    """How one payment stands; the part that changes asks again by itself."""
    found = servicing_queries.repayments(borrower.shard, borrower.id, loan_id)
    payment = next((p for p in found if p.id == repayment_id), None)
    if payment is None:
        raise NotFound(f"There is no payment {repayment_id}.", remedy="See the payments of the loan.")
    view = servicing_queries.loan(borrower.shard, borrower.id, loan_id)
    took = (payment.finished_at - payment.requested_at).total_seconds() if payment.finished_at else None
    template = "parts/payment" if getattr(request, "htmx", False) else "repayment"
    return show(request, template, payment=payment, loan=view, state=view.state, took=took)


@require_GET
@own
def events_file(request: HttpRequest, borrower: customers.Borrower, loan_id: UUID) -> HttpResponse:
    """The facts of the loan as a file: with the signed contract they replay every balance."""
    events = servicing_queries.events(borrower.shard, borrower.id, loan_id)
    text = json.dumps(events, ensure_ascii=False, indent=1)
    name = f"timelyrain-events-{str(loan_id)[:8]}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(text, content_type="application/json; charset=utf-8", headers=headers)
