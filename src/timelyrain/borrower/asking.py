"""What a borrower may ask of a running loan, and what the lender asks of them: help, another due day, a change to confirm."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from timelyrain import finance
from timelyrain.borrower import words
from timelyrain.borrower.page import act, own, show, whole
from timelyrain.customers import services as customers
from timelyrain.runtime import law
from timelyrain.runtime.problems import Invalid, Problem
from timelyrain.servicing import acts, wishes
from timelyrain.servicing import queries as servicing


@require_http_methods(["GET", "POST"])
@own
def ask(request: HttpRequest, borrower: customers.Borrower, loan_id: UUID) -> HttpResponse:
    """Help in hardship, or another due day; and what became of earlier requests."""
    view = servicing.loan(borrower.shard, borrower.id, loan_id)
    asked = servicing.wishes_of(borrower.shard, borrower.id, loan_id)
    context: dict[str, Any] = {
        "loan": view,
        "state": view.state,
        "wishes": asked,
        "waiting": {wish.kind for wish in asked if wish.state == "open"},
        "answer_days": law.number("hardship_reply_working_days"),
        "given": request.POST,
    }
    if request.method == "GET":
        return show(request, "ask", **context)

    def work(request_id: UUID) -> str:
        kind = request.POST.get("kind", "")
        said: dict[str, Any] = {"note": request.POST.get("note", "")}
        if kind == "hardship":
            said |= {
                "amount_fen": _fen(request.POST.get("amount", "")),
                "instalments": whole(request, "instalments"),
            }
        else:
            said["due_day"] = whole(request, "due_day")
        wishes.ask(borrower.shard, borrower.id, loan_id, kind, request_id=request_id, **said)
        return reverse("borrower:ask", args=[loan_id])

    try:
        return act(request, borrower, work)
    except Problem as problem:
        told = {"problem": words.sentences(problem), "wrong": words.field_errors(problem)}
        return show(request, "ask", problem.status, **context, **told)


def _fen(text: str) -> int:
    try:
        return finance.parse_yuan(text)
    except ValueError as error:
        raise Invalid(str(error), field="amount_fen", remedy="Write an amount like 1234.50.") from None


@require_http_methods(["GET", "POST"])
@own
def change(request: HttpRequest, borrower: customers.Borrower, loan_id: UUID, act_id: UUID) -> HttpResponse:
    """A change of the rate above the signed one: to be read and confirmed, or not."""
    view = servicing.loan(borrower.shard, borrower.id, loan_id)

    def work(request_id: UUID) -> str:
        if request.POST.get("verdict") == "confirm":
            acts.confirm_amendment(borrower.shard, borrower.id, act_id, request.POST.get("sha256", ""))
        else:
            acts.decline_amendment(borrower.shard, borrower.id, act_id)
        return reverse("borrower:loan", args=[loan_id])

    problem: Problem | None = None
    if request.method == "POST":
        try:
            return act(request, borrower, work)
        except Problem as found:
            problem = found
    amendment = acts.show_amendment(borrower.shard, borrower.id, act_id)
    context = {"loan": view, "amendment": amendment, "body": amendment.body}
    if problem is not None:
        context |= {"problem": words.sentences(problem)}
    return show(request, "change", problem.status if problem else 200, **context)
