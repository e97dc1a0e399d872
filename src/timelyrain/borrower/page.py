"""What every page shares: rendering under a strict content policy, the signed-in borrower, acts done once, refusals as pages."""

import hashlib
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from timelyrain.borrower import words
from timelyrain.customers import services as customers
from timelyrain.runtime import idempotency
from timelyrain.runtime.problems import Invalid, NotSignedIn, Problem

SESSION_COOKIE = "timelyrain_session"
_WAIT_SECONDS = 15  # a second tap waits this long for the first one's answer
_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
OwnView = Callable[Concatenate[HttpRequest, customers.Borrower, P], HttpResponse]


def show(request: HttpRequest, template: str, status: int = 200, **context: Any) -> HttpResponse:
    """A page or a part of one; nobody may keep a copy of it, and it may load nothing from elsewhere."""
    response = render(request, f"borrower/{template}.html", context, status=status)
    response["Content-Security-Policy"] = _POLICY
    response["Cache-Control"] = "no-store"
    return response


def page(view: View[P]) -> View[P]:
    """A view whose refusals become pages, unless it shows them itself."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except NotSignedIn:
            return _to_sign_in(request)
        except Problem as problem:
            what, remedy = words.sentences(problem)
            return show(request, "refused", problem.status, what=what, remedy=remedy, slug=problem.slug)

    return wrapped


def own(view: OwnView[P]) -> View[P]:
    """A page for the signed-in borrower, who is handed to the view."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        return view(request, customers.borrower_of(token_of(request)), *args, **kwargs)

    return page(wrapped)


def token_of(request: HttpRequest) -> str:
    return request.get_signed_cookie(SESSION_COOKIE, default="", salt=SESSION_COOKIE) or ""


def keep_cookie(response: HttpResponse, name: str, value: str, seconds: int) -> None:
    """A signed cookie that scripts cannot read."""
    response.set_signed_cookie(
        name,
        value,
        salt=name,
        max_age=seconds,
        httponly=True,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )


def _to_sign_in(request: HttpRequest) -> HttpResponse:
    where = reverse("borrower:sign_in")
    then = f"?{urlencode({'then': request.get_full_path()})}" if request.method == "GET" else ""
    if getattr(request, "htmx", False):
        return HttpResponse(status=204, headers={"HX-Redirect": where})
    return redirect(where + then)


def once(request: HttpRequest, principal: object, work: Callable[[UUID], dict[str, Any]]) -> dict[str, Any]:
    """Do `work(request_id)` once for this form as it was filled in; a second tap gets the first answer.

    The key of the act is the hidden key of the rendered form and what was filled in: going back and filling it in otherwise
    is another act. A refusal is raised and not remembered.
    """
    filled = sorted((name, request.POST.getlist(name)) for name in request.POST)
    content = repr((request.path, [f for f in filled if f[0] != "csrfmiddlewaretoken"])).encode()
    if not request.POST.get("key"):
        raise Invalid("The form has no key.", field="key", remedy="Reload the page and send it again.")
    key = f"page:{hashlib.sha256(content).hexdigest()}"
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return idempotency.once(str(principal), key, content, lambda act: (200, work(act))).body
        except idempotency.InProgress:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def act(request: HttpRequest, borrower: customers.Borrower, work: Callable[[UUID], str]) -> HttpResponse:
    """Do what a form asks, once, and go on to the address that `work` returns."""
    return redirect(once(request, borrower.id, lambda request_id: {"to": work(request_id)})["to"])


def whole(request: HttpRequest, name: str) -> int:
    """A whole number of a form or a query; anything else is a refusal that names the field."""
    text = (request.POST if request.method == "POST" else request.GET).get(name, "")
    if not text.isdecimal() or len(text) > 12:
        raise Invalid(f"{name} is not a whole number: {text[:20]!r}.", field=name, remedy="Choose a number.")
    return int(text)
