"""The way in: landing page, one-time code, consents, the minimum data, and the borrower's own page."""

import json
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from timelyrain.agreements.queries import agreement_of_offer
from timelyrain.borrower import applying, words
from timelyrain.borrower.page import SESSION_COOKIE, act, keep_cookie, once, own, page, show, token_of
from timelyrain.customers import errors
from timelyrain.customers import queries as customers_queries
from timelyrain.customers import services as customers
from timelyrain.origination import queries as origination
from timelyrain.runtime import clock, law
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.problems import Invalid, NotFound, NotSignedIn, Problem
from timelyrain.servicing import queries as servicing

CODE_COOKIE = "timelyrain_code"
RESEND_SECONDS = 30  # a courtesy to the reader: what may be sent is for customers to say

form_page = require_http_methods(["GET", "POST"])


@require_GET
@page
def landing(request: HttpRequest) -> HttpResponse:
    """What this is and what it costs; the panel answers alone when the chooser moves."""
    context = applying.chooser(request)
    if request.headers.get("HX-Target") == "estimate":
        return show(request, "parts/estimate", **context)
    return show(request, "landing", signed_in=_is_signed_in(request), **context)


def _is_signed_in(request: HttpRequest) -> bool:
    try:
        customers.borrower_of(token_of(request))
    except NotSignedIn:
        return False
    return True


@form_page
@page
def sign_in(request: HttpRequest) -> HttpResponse:
    """A phone number; a code is sent to it."""
    phone, then = request.POST.get("phone", "").strip(), _then(request)
    if request.method == "GET":
        return show(request, "sign_in", then=then)

    def work(request_id: UUID) -> dict[str, Any]:
        challenge = customers.request_sign_in(phone)
        return {"challenge": str(challenge.id), "life": challenge.expires_in_seconds, "sent": _now()}

    try:
        sent = once(request, "anonymous", work)
    except Problem as problem:
        return show(request, "sign_in", problem.status, then=then, phone=phone, **_told(problem))
    response = redirect(f"{reverse('borrower:enter_code')}?{urlencode({'then': then})}")
    keep_cookie(response, CODE_COOKIE, json.dumps({"phone": phone, **sent}), sent["life"])
    return response


@form_page
@page
def enter_code(request: HttpRequest) -> HttpResponse:
    """The code from the message; it opens the session."""
    try:
        sent = json.loads(request.get_signed_cookie(CODE_COOKIE, salt=CODE_COOKIE))
    except (KeyError, ValueError):
        return redirect("borrower:sign_in")
    then = _then(request)
    ages = _now() - sent["sent"]
    context = {
        "then": then,
        "phone": sent["phone"],
        "masked": customers_queries.mask_phone(sent["phone"]),
        "resend_in": max(0, RESEND_SECONDS - ages),
        "minutes": max(1, (sent["life"] - ages + 59) // 60),
    }
    if request.method == "GET":
        return show(request, "enter_code", **context)
    code = "".join(request.POST.get("code", "").split())
    # The act is this form filled in with this code: sent twice, the service knows it for one.
    request_id = derived_id("page", sent["challenge"], request.POST.get("key", ""), code)
    try:
        signed_in = customers.sign_in(sent["phone"], UUID(sent["challenge"]), code, request_id)
    except Problem as problem:
        return show(request, "enter_code", problem.status, **context, **_told(problem))
    response = redirect(then or "borrower:next")
    keep_cookie(response, SESSION_COOKIE, signed_in.token, signed_in.expires_in_seconds)
    response.delete_cookie(CODE_COOKIE)
    return response


@require_POST
@page
def sign_out(request: HttpRequest) -> HttpResponse:
    customers.sign_out(token_of(request))
    response = redirect("borrower:landing")
    response.delete_cookie(SESSION_COOKIE)
    return response


def _then(request: HttpRequest) -> str:
    """Where the reader wanted to go before signing in; only an address of ours."""
    then = request.POST.get("then") or request.GET.get("then") or ""
    return then if url_has_allowed_host_and_scheme(then, allowed_hosts=None) else ""


def _now() -> int:
    return int(clock.now().timestamp())


def _told(problem: Problem) -> dict[str, Any]:
    return {"problem": words.sentences(problem), "wrong": words.field_errors(problem)}


@require_GET
@own
def next_step(request: HttpRequest, borrower: customers.Borrower) -> HttpResponse:
    """Wherever this borrower has not been yet."""
    if any(s.required and not s.granted for s in customers_queries.consent_states(borrower)):
        return redirect("borrower:consents")
    if not customers_queries.masked_profile(borrower).complete:
        return redirect("borrower:profile")
    if origination.applications(borrower.shard, borrower.id):
        return redirect("borrower:me")
    return redirect("borrower:apply")


@form_page
@own
def consents(request: HttpRequest, borrower: customers.Borrower) -> HttpResponse:
    """Every consent that is not given yet, each with its own tick."""
    if request.method == "POST":
        ticked = request.POST.getlist("text")

        def work(request_id: UUID) -> dict[str, Any]:
            customers.grant_consents(borrower, ticked, "borrower page")
            return {}

        try:
            once(request, borrower.id, work)
        except errors.ConsentTextChanged as problem:
            return _consents(request, borrower, problem.status, **_told(problem))
        if not _missing(borrower):
            return redirect("borrower:next")
        return _consents(request, borrower, 422, missing=_missing(borrower))
    return _consents(request, borrower)


def _missing(borrower: customers.Borrower) -> list[customers_queries.ConsentState]:
    states = customers_queries.consent_states(borrower, words.language())
    return [state for state in states if state.required and not state.granted]


def _consents(
    request: HttpRequest, borrower: customers.Borrower, status: int = 200, **more: Any
) -> HttpResponse:
    texts = {text.sha256: text for text in law.pack().consent_texts()}
    states = customers_queries.consent_states(borrower, words.language())
    rows = [(state, texts[state.sha256]) for state in states]
    return show(
        request,
        "consents",
        status,
        open=[row for row in rows if not row[0].granted],
        given=sum(state.granted for state in states),
        **more,
    )


@form_page
@own
def given_consents(request: HttpRequest, borrower: customers.Borrower) -> HttpResponse:
    """What was consented to, and one button each to take it back."""
    if request.method == "POST":

        def work(request_id: UUID) -> str:
            purpose, recipient = request.POST.get("purpose", ""), request.POST.get("recipient", "")
            with suppress(NotFound):  # withdrawn already, which is what was wanted
                customers.withdraw_consent(borrower, purpose, recipient, "borrower page")
            return reverse("borrower:given_consents")

        return act(request, borrower, work)
    states = customers_queries.consent_states(borrower, words.language())
    return show(request, "given_consents", states=states)


@form_page
@own
def profile(request: HttpRequest, borrower: customers.Borrower) -> HttpResponse:
    """Name, ID, card: the minimum, shown masked once it is given."""
    if request.method == "GET":
        masked = customers_queries.masked_profile(borrower)
        editing = not masked.complete or "edit" in request.GET
        return show(request, "profile", profile=masked, editing=editing, given={})
    given = {
        name: request.POST.get(name, "").strip()
        for name in ("name", "id_number", "id_valid_until", "id_without_end", "bank_card")
    }

    def work(request_id: UUID) -> str:
        customers.save_profile(
            borrower, given["name"], given["id_number"], _valid_until(given), given["bank_card"]
        )
        return reverse("borrower:next")

    try:
        return act(request, borrower, work)
    except errors.ConsentMissing:
        return redirect("borrower:consents")
    except Problem as problem:
        masked = customers_queries.masked_profile(borrower)
        context = {"profile": masked, "editing": True, "given": given, **_told(problem)}
        return show(request, "profile", problem.status, **context)


def _valid_until(given: dict[str, str]) -> date:
    """The end of the document; date.max for one without an end (长期)."""
    if given["id_without_end"]:
        return date.max
    try:
        return date.fromisoformat(given["id_valid_until"])
    except ValueError:
        raise Invalid(
            f"{given['id_valid_until'][:20]!r} is no date.",
            field="id_valid_until",
            remedy="Give it as 2030-01-31.",
        ) from None


@require_GET
@own
def me(request: HttpRequest, borrower: customers.Borrower) -> HttpResponse:
    """Everything of this borrower at a glance."""
    applications = origination.applications(borrower.shard, borrower.id)
    now = clock.now()
    rows = []
    for application in applications:
        offer = application.offer
        agreement = agreement_of_offer(borrower.shard, borrower.id, offer.id) if offer else None
        live = offer is not None and agreement is None and offer.expires_at > now
        rows.append({"application": application, "agreement": agreement, "live": live})
    loans = servicing.loans_of(borrower.shard, borrower.id)
    opened = {loan.id for loan in loans}
    return show(
        request,
        "me",
        profile=customers_queries.masked_profile(borrower),
        loans=loans,
        on_their_way=[
            r["agreement"] for r in rows if r["agreement"] and r["agreement"].loan_id not in opened
        ],
        rows=rows,
        purposes=applying.purpose_names(),
        messages_=customers_queries.messages(borrower)[:20],
    )
