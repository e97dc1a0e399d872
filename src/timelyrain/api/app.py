"""The API object: authentication, problem+json for every error, idempotent commands."""

import json
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import msgspec
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.security import HttpBearer

from timelyrain import __version__
from timelyrain.customers import services as customers
from timelyrain.runtime import idempotency
from timelyrain.runtime.problems import (
    Internal,
    Invalid,
    Malformed,
    MethodNotAllowed,
    NotFound,
    NotSignedIn,
    Problem,
    Unavailable,
)

log = logging.getLogger(__name__)


def encode(body: Any) -> str:
    """Dataclasses, dates and ids as JSON."""
    return msgspec.json.encode(body).decode()


def respond(body: Any, status: int = 200, kind: str = "json", **headers: str) -> HttpResponse:
    return _respond(encode(body), status, kind, **headers)


def _respond(text: str, status: int, kind: str = "json", **headers: str) -> HttpResponse:
    private = {"Cache-Control": "no-store"}  # answers are about one person
    return HttpResponse(
        text, status=status, content_type=f"application/{kind}; charset=utf-8", headers=private | headers
    )


_PROBLEM = {
    "description": "Refused, with what to do (RFC 9457); `type` is the address of a page about it",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "properties": {
                    **{name: {"type": "string"} for name in ("type", "title", "detail", "remedy", "field")},
                    "status": {"type": "integer"},
                },
                "required": ["type", "title", "status", "detail", "remedy"],
            }
        }
    },
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "schema": {"type": "string"},
    "description": "A new one (a UUID) with each intended act, the same with each repeat of it",
}


def answering(*statuses: int) -> dict[str, Any]:
    """How the address of a command is declared: by what it answers, and by the key that it asks for."""
    return {"response": dict.fromkeys(statuses), "openapi_extra": {"parameters": [_KEY]}}


class BorrowerToken(HttpBearer):
    """A borrower's session token. The borrower becomes `request.auth`."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        return customers.borrower_of(token)


class Api(NinjaAPI):
    """Says as problems what the framework leaves in HTML: an unknown address, an unknown method."""

    def get_openapi_schema(self, **given: Any) -> Any:
        """The document; at every address, what is not as declared is a problem."""
        document = super().get_openapi_schema(**given)
        document["components"]["responses"] = {"Problem": _PROBLEM}
        for methods in document["paths"].values():
            for operation in methods.values():
                operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
        return document

    def _get_urls(self) -> list[Any]:
        urls = super()._get_urls()
        for pattern in urls:
            pattern.callback = _in_problems(pattern.callback)
        return [*urls, re_path("", _unknown_address)]


def _in_problems(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            answered = view(request, *args, **kwargs)
        except Http404:
            return _unknown_address(request)
        if answered.status_code != 405:
            return answered
        allowed = answered.headers.get("Allow", "")
        detail = f"{request.path} does not take {request.method}."
        refusal = problem(MethodNotAllowed(detail, remedy=f"Use one of: {allowed}."))
        refusal.headers["Allow"] = allowed
        return refusal

    return answer


@csrf_exempt
def _unknown_address(request: HttpRequest) -> HttpResponse:
    return problem(
        NotFound(
            f"There is nothing at {request.path[:200]}.",
            remedy="The OpenAPI document (/api/v1/openapi.json) lists every address.",
        )
    )


api = Api(
    title="TimelyRain 及时雨",
    version=__version__,
    description="Instant lending: apply, decide, disclose, sign, pay out, repay. Amounts are integer fen, rates ppm per year.",
    auth=BorrowerToken(),
    urls_namespace="api",
)


def command(request: HttpRequest, work: idempotency.Work) -> HttpResponse:
    """Run a command once per Idempotency-Key."""
    caller: Any = getattr(request, "auth", None)
    principal = str(caller.id) if caller else "anonymous"
    key = request.headers.get("Idempotency-Key")
    if key is None:
        raise Invalid(
            "The Idempotency-Key header is missing.",
            field="Idempotency-Key",
            remedy="Send a new key (for example a UUID) with each intended act, and the same key with each repeat of it.",
        )
    content = f"{request.method} {request.path}\n".encode() + _canonical(request.body)

    answer = idempotency.once(principal, key, content, work, encode)
    return _respond(
        answer.text, answer.status, **({"Idempotency-Replayed": "true"} if answer.repeated else {})
    )


def _canonical(body: bytes) -> bytes:
    """The same JSON in another spelling is the same request."""
    try:
        return json.dumps(json.loads(body or b"null"), sort_keys=True).encode()
    except ValueError:
        return body


def problem(error: Problem) -> HttpResponse:
    headers = {}
    if "retry_after" in error.extra:
        headers["Retry-After"] = str(max(1, round(error.extra["retry_after"])))
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    return respond(error.as_dict(), error.status, "problem+json", **headers)


@api.exception_handler(Problem)
def on_problem(request: HttpRequest, error: Problem) -> HttpResponse:
    return problem(error)


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    found = [
        {
            "field": ".".join(map(str, e["loc"][2:] or e["loc"])),
            "problem": e["msg"],
            "value": repr(e.get("input"))[:80],
        }
        for e in error.errors
    ]
    first = found[0]
    return problem(
        Invalid(
            "; ".join(f"{f['field']}: {f['problem']}" for f in found) + ".",
            field=first["field"],
            remedy="Correct the fields named in `fields`; the OpenAPI document (/api/v1/openapi.json) says what each takes.",
            fields=found,
        )
    )


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if error.status_code == 401:
        remedy = (
            "Send `Authorization: Bearer <token>` (a borrower) or name and password by HTTP Basic (staff)."
        )
        return problem(NotSignedIn("The request carries no valid credentials.", remedy=remedy))
    return problem(Malformed(f"{error}.", remedy="Send a JSON body as the OpenAPI document describes it."))


@api.exception_handler(OperationalError)
@api.exception_handler(InterfaceError)
def on_database(request: HttpRequest, error: Exception) -> HttpResponse:
    log.exception("database error at %s %s", request.method, request.path)
    return problem(
        Unavailable(
            "The database did not answer.",
            remedy="Repeat the request with the same Idempotency-Key in a moment.",
            retry_after=1,
        )
    )


@api.exception_handler(Exception)
def on_failure(request: HttpRequest, error: Exception) -> HttpResponse:
    log.exception("unexpected failure at %s %s", request.method, request.path)
    return problem(
        Internal(
            "Something failed on our side; nothing was half done.",
            remedy="Repeat the request with the same Idempotency-Key; if it persists, call us.",
        )
    )
