"""Apply and read the result: amount, term and purpose in; a decision with reasons and a person to talk to out."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from timelyrain import policies
from timelyrain.agreements.queries import agreement_of_offer
from timelyrain.borrower import words
from timelyrain.borrower.estimates import estimate, nominal_range
from timelyrain.borrower.page import act, own, show, whole
from timelyrain.customers import errors as customers_errors
from timelyrain.customers import queries as customers_queries
from timelyrain.customers import services as customers
from timelyrain.origination import queries as origination
from timelyrain.origination import services as origination_services
from timelyrain.runtime import clock, law
from timelyrain.runtime.problems import Invalid, Problem


def chooser(request: HttpRequest) -> dict[str, Any]:
    """The product, the chosen amount and term (or a usual choice), and their cost at the lowest and the highest rate."""
    product = next(iter(origination.products()), None)
    if product is None:
        return {"product": None}
    amount_fen, instalments = _chosen(request, product)
    low, high = (estimate(product, amount_fen, instalments, rate) for rate in nominal_range(product))
    return {
        "product": product,
        "amount_fen": amount_fen,
        "instalments": instalments,
        "low": low,
        "high": high,
    }


def _chosen(request: HttpRequest, product: policies.Product) -> tuple[int, int]:
    """What the query asks for where it can be offered; a curious address gets the usual choice, not an error."""
    try:
        amount_fen, instalments = whole(request, "amount") * 100, whole(request, "instalments")
    except Invalid:
        amount_fen, instalments = 0, 0
    if not product.min_amount_fen <= amount_fen <= product.max_amount_fen or amount_fen % product.step_fen:
        amount_fen = max(
            product.min_amount_fen, product.max_amount_fen // 5 // product.step_fen * product.step_fen
        )
    return amount_fen, instalments if instalments in product.instalments else product.instalments[-1]


def purpose_names() -> dict[str, str]:
    language = words.language()
    return {
        purpose.code: getattr(purpose, language)
        for product in law.pack().products()
        for purpose in (*product.purposes, *product.forbidden_purposes)
    }


@require_http_methods(["GET", "POST"])
@own
def apply(request: HttpRequest, borrower: customers.Borrower) -> HttpResponse:
    """How much, how long, for what. The decision is made while the reader waits."""
    if request.method == "GET":
        if request.headers.get("HX-Target") == "estimate":
            return show(request, "parts/estimate", **chooser(request))
        if not customers_queries.masked_profile(borrower).complete:
            return redirect("borrower:next")
        return show(request, "apply", deadline=settings.SOURCE_DEADLINE_SECONDS, **chooser(request))

    def work(request_id: UUID) -> str:
        made = origination_services.submit_application(
            borrower,
            request_id,
            request.POST.get("product", ""),
            whole(request, "amount") * 100,
            whole(request, "instalments"),
            request.POST.get("purpose", ""),
        )
        return reverse("borrower:application", args=[made])

    try:
        return act(request, borrower, work)
    except customers_errors.ConsentMissing:
        return redirect("borrower:consents")
    except Problem as problem:
        context = {"problem": words.sentences(problem), "wrong": words.field_errors(problem)}
        context |= {"deadline": settings.SOURCE_DEADLINE_SECONDS, **chooser(request)}
        return show(request, "apply", problem.status, purpose=request.POST.get("purpose"), **context)


@require_GET
@own
def result(request: HttpRequest, borrower: customers.Borrower, application_id: UUID) -> HttpResponse:
    """The decision, why, and what can be done about it."""
    view = origination.application(borrower.shard, borrower.id, application_id)
    recipients = {t.recipient: t.recipient_name(words.language()) for t in law.pack().consent_texts()}
    offer, irr_ppm = view.offer, 0
    if offer:
        product = law.pack().product(offer.product)
        asked = (offer.requested_fen, offer.requested_instalments)
        irr_ppm = estimate(product, *asked, offer.rate_ppm).irr_ppm
    return show(
        request,
        "result",
        application=view,
        told=None if offer else origination.explanation(borrower.shard, borrower.id, application_id),
        irr_ppm=irr_ppm,
        purpose=purpose_names().get(view.purpose, view.purpose),
        sources=[(recipients.get(read.recipient, read.source), read) for read in view.sources],
        decided_ms=(view.decision_microseconds or 0) / 1000,
        agreement=agreement_of_offer(borrower.shard, borrower.id, offer.id) if offer else None,
        expired=offer is not None and offer.expires_at <= clock.now(),
        waiting=any(not review.answer for review in view.reviews),
        answer_days=law.number("human_review_working_days"),
    )


@require_POST
@own
def ask_person(request: HttpRequest, borrower: customers.Borrower, application_id: UUID) -> HttpResponse:
    """A person shall look at this."""

    def work(request_id: UUID) -> str:
        note = request.POST.get("note", "")
        origination_services.request_review(borrower.shard, borrower.id, application_id, note)
        return reverse("borrower:application", args=[application_id]) + "#person"

    return act(request, borrower, work)
