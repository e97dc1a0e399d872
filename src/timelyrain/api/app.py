"""The API object: authentication, problem+json for every error, idempotent commands."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.security import HttpBearer

from timelyrain import __version__
from timelyrain.customers import services as customers
from timelyrain.runtime import idempotency
from timelyrain.runtime.problems import Invalid, NotSignedIn, Problem, Unavailable

log = logging.getLogger(__name__)


class Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        return asdict(o) if is_dataclass(o) and not isinstance(o, type) else super().default(o)


def respond(body: Any, status: int = 200, **headers: str) -> HttpResponse:
    text = json.dumps(body, cls=Encoder, ensure_ascii=False)
    return HttpResponse(text, status=status, content_type="application/json; charset=utf-8", headers=headers)


class BorrowerToken(HttpBearer):
    """A borrower's session token. The borrower becomes `request.auth`."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        return customers.borrower_of(token)


api = NinjaAPI(
    title="TimelyRain 及时雨",
    version=__version__,
    description="Instant lending: apply, decide, disclose, sign, pay out, repay. Amounts are integer fen, rates integer ppm per year.",
    auth=BorrowerToken(),
    urls_namespace="api",
)


def command(request: HttpRequest, work: Callable[[UUID], tuple[int, Any]]) -> HttpResponse:
    """Run a command once per Idempotency-Key. Without the header each request is a new act."""
    borrower = getattr(request, "auth", None)
    principal = str(borrower.id) if hasattr(borrower, "id") else "anonymous"
    key = request.headers.get("Idempotency-Key")
    if key is None:
        raise Invalid(
            "The Idempotency-Key header is missing.",
            field="Idempotency-Key",
            remedy="Send a new key (for example a UUID) with each intended act, and the same key with each repeat of it.",
        )
    content = f"{request.method} {request.path}\n".encode() + _canonical(request.body)

    def plain(request_id: UUID) -> tuple[int, Any]:
        status, body = work(request_id)
        return status, json.loads(json.dumps(body, cls=Encoder))

    answer = idempotency.once(principal, key, content, plain)
    return respond(
        answer.body, answer.status, **({"Idempotency-Replayed": "true"} if answer.repeated else {})
    )


def _canonical(body: bytes) -> bytes:
    """The same JSON in another spelling is the same request."""
    try:
        return json.dumps(json.loads(body or b"null"), sort_keys=True).encode()
    except ValueError:
        return body


def problem(error: Problem) -> HttpResponse:
    body = error.as_dict()
    headers = (
        {"Retry-After": str(max(1, round(error.extra["retry_after"])))}
        if "retry_after" in error.extra
        else {}
    )
    return HttpResponse(
        json.dumps(body, cls=Encoder, ensure_ascii=False),
        status=error.status,
        content_type="application/problem+json; charset=utf-8",
        headers=headers,
    )


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
    kind = NotSignedIn if error.status_code == 401 else Invalid
    refusal = kind(
        str(error),
        remedy="Correct the request; the OpenAPI document (/api/v1/openapi.json) says what is expected.",
    )
    body = refusal.as_dict() | {"status": error.status_code}
    return HttpResponse(
        json.dumps(body, ensure_ascii=False),
        status=error.status_code,
        content_type="application/problem+json; charset=utf-8",
    )


@api.exception_handler(DatabaseError)
def on_database(request: HttpRequest, error: DatabaseError) -> HttpResponse:
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
    refusal = Problem(
        "Something failed on our side; nothing was half done.",
        remedy="Repeat the request with the same Idempotency-Key; if it persists, call us.",
    )
    body = refusal.as_dict() | {"type": "/problems/internal", "status": 500, "title": "Internal error"}
    return HttpResponse(
        json.dumps(body, ensure_ascii=False),
        status=500,
        content_type="application/problem+json; charset=utf-8",
    )
