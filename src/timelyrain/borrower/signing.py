"""From the offer to the money: choose, read the full cost, sign with a code, watch the pay-out."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from timelyrain import policies
from timelyrain.agreements import errors
from timelyrain.agreements import queries as agreements_queries
from timelyrain.agreements import services as agreements
from timelyrain.borrower import words
from timelyrain.borrower.estimates import estimate
from timelyrain.borrower.page import act, once, own, show, whole
from timelyrain.customers import services as customers
from timelyrain.origination import queries as origination
from timelyrain.runtime import clock, law
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.problems import Invalid, Problem

form_page = require_http_methods(["GET", "POST"])


def _signing_act(offer_id: UUID) -> UUID:
    """Signing an offer is one act however often it is tried, so its agreement can be found again from the offer."""
    return derived_id("page signs", offer_id)


@form_page
@own
def offer(request: HttpRequest, borrower: customers.Borrower, offer_id: UUID) -> HttpResponse:
    """Choose an amount and a term within the offer; its full cost follows on the next page."""
    if signed := agreements_queries.agreement_of_offer(borrower.shard, borrower.id, offer_id):
        return redirect("borrower:agreement", signed.id)
    view = origination.live_offer(borrower.shard, borrower.id, offer_id)
    product = law.pack().product(view.product)
    if request.method == "GET":
        context = _within(request, view, product)
        part = request.headers.get("HX-Target") == "estimate"
        return show(request, "parts/exact_estimate" if part else "offer", **context)

    def work(request_id: UUID) -> str:
        made = agreements.disclose(
            borrower.shard,
            borrower.id,
            offer_id,
            whole(request, "amount") * 100,
            whole(request, "instalments"),
            request_id,
        )
        return reverse("borrower:disclosure", args=[made])

    try:
        return act(request, borrower, work)
    except (errors.OutsideOffer, errors.AboveCap, Invalid) as problem:
        context = {"problem": words.sentences(problem), "wrong": words.field_errors(problem)}
        return show(request, "offer", problem.status, **_within(request, view, product), **context)


def _within(request: HttpRequest, view: origination.OfferView, product: policies.Product) -> dict[str, Any]:
    try:
        amount_fen, instalments = whole(request, "amount") * 100, whole(request, "instalments")
    except Invalid:
        amount_fen, instalments = view.requested_fen, view.requested_instalments
    amount_fen = min(max(amount_fen, view.minimum_fen), view.limit_fen)
    instalments = instalments if instalments in view.instalments else view.requested_instalments
    return {
        "offer": view,
        "product": product,
        "amount_fen": amount_fen,
        "instalments": instalments,
        "exact": estimate(product, amount_fen, instalments, view.rate_ppm),
    }


@form_page
@own
def disclosure(request: HttpRequest, borrower: customers.Borrower, disclosure_id: UUID) -> HttpResponse:
    """Every cost of the loan, to be read for a while before it can be confirmed."""
    view = agreements_queries.disclosure(borrower.shard, borrower.id, disclosure_id)
    if request.method == "GET":
        return _disclosure(request, view)

    def work(request_id: UUID) -> str:
        agreements.confirm(borrower.shard, borrower.id, disclosure_id, request.POST.get("sha256", ""))
        return reverse("borrower:signature", args=[disclosure_id])

    try:
        return act(request, borrower, work)
    except errors.ReadingTime as problem:
        return _disclosure(request, view, problem.status, problem=words.sentences(problem))


def _disclosure(
    request: HttpRequest, view: agreements_queries.DisclosureView, status: int = 200, **more: Any
) -> HttpResponse:
    elapsed = (clock.now() - view.shown_at).total_seconds()
    left = 0 if view.confirmed else max(0, -int(elapsed - view.read_seconds) + 1)
    return show(
        request, "disclosure", status, disclosure=view, body=view.body, terms=view.terms, left=left, **more
    )


@form_page
@own
def signature(request: HttpRequest, borrower: customers.Borrower, disclosure_id: UUID) -> HttpResponse:
    """Send the code that signs exactly this disclosure, then sign with it."""
    view = agreements_queries.disclosure(borrower.shard, borrower.id, disclosure_id)
    if signed := agreements_queries.agreement_of_offer(borrower.shard, borrower.id, view.offer_id):
        return redirect("borrower:agreement", signed.id)
    if not view.confirmed:
        return redirect("borrower:disclosure", disclosure_id)
    context: dict[str, Any] = {"disclosure": view, "challenge": request.POST.get("challenge", "")}
    context["sent"] = bool(context["challenge"])
    if request.method == "GET":
        return show(request, "signature", **context)
    sha256 = request.POST.get("sha256", "")
    try:
        if request.POST.get("step") == "send":

            def send(request_id: UUID) -> dict[str, Any]:
                made = agreements.send_signing_code(borrower.shard, borrower.id, disclosure_id, sha256)
                return {"challenge": str(made.id), "minutes": made.expires_in_seconds // 60}

            return show(
                request,
                "signature",
                **context | once(request, borrower.id, send) | {"sent": True, "fresh": True},
            )

        def sign(request_id: UUID) -> str:
            made = agreements.sign(
                borrower.shard,
                borrower.id,
                disclosure_id,
                sha256,
                _uuid(request.POST.get("challenge", "")),
                "".join(request.POST.get("code", "").split()),
                _signing_act(view.offer_id),
            )
            return reverse("borrower:agreement", args=[made])

        return act(request, borrower, sign)
    except Problem as problem:
        told = {"problem": words.sentences(problem), "wrong": words.field_errors(problem)}
        return show(request, "signature", problem.status, **context, **told)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("No code was asked for.", field="code", remedy="Ask for a code first.") from None


@require_GET
@own
def agreement(request: HttpRequest, borrower: customers.Borrower, agreement_id: UUID) -> HttpResponse:
    """Where the loan stands on its way out; the part that changes asks again by itself."""
    view = agreements_queries.agreement(borrower.shard, borrower.id, agreement_id)
    disclosed = agreements_queries.disclosure(borrower.shard, borrower.id, view.disclosure_id)
    tries = [t for t in view.trace if t["step"] == "agreements.make_contract" and t["outcome"] == "done"]
    opened = any(t["step"] == "servicing.open_loan" and t["outcome"] == "done" for t in view.trace)
    context = {
        "agreement": view,
        "disclosure": disclosed,
        "contract_ms": tries[-1]["ms"] if tries else None,
        "opened": opened,
        "over": view.state == "cancelled" or view.saga_status == "dead" or opened,
        "seconds": (view.paid_out_at - view.signed_at).total_seconds() if view.paid_out_at else None,
        "complaints": agreements.lender().complaints,
        "waiting_seconds": int((clock.now() - view.signed_at).total_seconds()),
    }
    return show(request, "parts/progress" if getattr(request, "htmx", False) else "agreement", **context)


@require_GET
@own
def contract_pdf(request: HttpRequest, borrower: customers.Borrower, agreement_id: UUID) -> HttpResponse:
    pdf = agreements_queries.contract_pdf(borrower.shard, borrower.id, agreement_id)
    name = f"timelyrain-contract-{str(agreement_id)[:8]}.pdf"
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(pdf, content_type="application/pdf", headers=headers)
