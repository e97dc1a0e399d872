"""A very small WSGI framework: routes by decorator, JSON in and out, faults before or after the handler, a call log."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from time import sleep
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import uuid4

from timelyrain.sandbox.days import instant, now
from timelyrain.sandbox.store import Fault, Store

MAX_BODY = 1 << 20
_REASONS = {
    200: "OK",
    201: "Created",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
StartResponse = Callable[[str, list[tuple[str, str]]], object]


class Refusal(Exception):
    """An answer other than success: status, a stable code, what was wrong and what to do."""

    def __init__(self, status: int, code: str, detail: str, where: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.where = status, code, detail, where


@dataclass(frozen=True)
class Request:
    store: Store
    path: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]
    raw: bytes = b""
    fault: Fault | None = None

    def text(self, name: str, pattern: str = r".{1,400}") -> str:
        """A required string of the JSON body."""
        value = self.body.get(name)
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
            raise Refusal(
                422, "bad_field", f"{name} must be a string matching {pattern}, got {value!r}", name
            )
        return value

    def optional(self, name: str) -> str:
        return self.text(name) if self.body.get(name) is not None else ""

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """An integer of the JSON body or of the query."""
        value = self.body.get(name, self.query.get(name, default))
        if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise Refusal(
                422, "bad_field", f"{name} must be a whole number in {low}..{high}, got {value!r}", name
            )
        return value

    def as_of(self) -> datetime:
        """The world's date for this request: `as_of` in body or query, else the real now."""
        value = self.body.get("as_of", self.query.get("as_of"))
        if value is None:
            return now()
        try:
            return instant(value)
        except (TypeError, ValueError):
            raise Refusal(
                422, "bad_field", f"as_of must be an ISO date or instant, got {value!r}", "as_of"
            ) from None


@dataclass(frozen=True)
class Answer:
    body: Any
    status: int = 200
    content_type: str = "application/json; charset=utf-8"


Handler = Callable[[Request], Answer]


@dataclass(frozen=True)
class Route:
    method: str
    template: str
    target: str | None  # what faults and the call log know it by
    handler: Handler
    pattern: re.Pattern[str]


@dataclass
class Router:
    routes: list[Route] = field(default_factory=list[Route])

    def on(self, method: str, template: str, target: str | None = None) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))
            self.routes.append(Route(method, template, target, handler, pattern))
            return handler

        return register

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        allowed: list[str] = []
        for route in self.routes:
            if match := route.pattern.fullmatch(path):
                if route.method == method:
                    return route, {k: unquote(v) for k, v in match.groupdict().items()}
                allowed.append(route.method)
        if allowed:
            raise Refusal(405, "method_not_allowed", f"{path} takes {', '.join(allowed)}, not {method}")
        raise Refusal(404, "no_such_page", f"nothing at {path}; GET / lists what there is")

    def targets(self) -> list[str]:
        return sorted({r.target for r in self.routes if r.target})

    def index(self) -> str:
        rows = "".join(
            f"<tr><td>{r.method}<td><code>{escape(r.template)}</code><td>{escape((r.handler.__doc__ or '').strip())}"
            for r in self.routes
        )
        style = "body{font:15px system-ui;margin:2rem;max-width:72rem}td{padding:.25rem 1rem .25rem 0;vertical-align:top}"
        return (
            f"<!doctype html><meta charset=utf-8><title>TimelyRain sandbox</title><style>{style}</style>"
            f"<h1>TimelyRain sandbox 沙箱</h1><p>A simulated outside world. Nobody here is real.</p><table>{rows}</table>"
        )


class Application:
    """WSGI application over a router and a store."""

    def __init__(self, router: Router, store: Store) -> None:
        self.router, self.store = router, store

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            answer = self.answer(environ)
        except Refusal as no:
            answer = Answer(
                {"error": no.code, "detail": no.detail, **({"field": no.where} if no.where else {})},
                no.status,
            )
        headers = [("Content-Type", answer.content_type)]
        if isinstance(answer.body, Iterator):
            start_response(_status(answer.status), headers)
            return answer.body
        body = answer.body if isinstance(answer.body, bytes) else _encode(answer.body)
        start_response(_status(answer.status), [*headers, ("Content-Length", str(len(body)))])
        return [body]

    def answer(self, environ: dict[str, Any]) -> Answer:
        # WSGI hands the path over as UTF-8 bytes dressed up as latin-1
        path = str(environ.get("PATH_INFO", "/")).encode("latin-1").decode("utf-8", "replace")
        route, parts = self.router.find(environ["REQUEST_METHOD"], path)
        query = {k: v[-1] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}
        raw = _read(environ)
        body = _decode(raw) if raw and route.target != "tsa" else {}  # time-stamp requests are DER
        if route.target is None:
            return route.handler(Request(self.store, parts, query, body, raw))
        self.store.log_call(route.target, route.method, path, {**query, **parts, **body})
        fault = self.store.take_fault(route.target)
        return _with_fault(fault, lambda: route.handler(Request(self.store, parts, query, body, raw, fault)))


def _with_fault(fault: Fault | None, work: Callable[[], Answer]) -> Answer:
    if fault is None:
        return work()
    match fault.mode:
        case "slow":
            sleep(fault.seconds)
            return work()
        case "fail":
            raise Refusal(500, "fault", f"{fault.target} was told to fail; nothing was done")
        case "down":
            raise Refusal(503, "down", f"{fault.target} was told to be down; nothing was done")
        case "lose_answer":
            work()  # the deed is done ...
            sleep(fault.seconds)  # ... and nobody hears of it
            raise Refusal(504, "answer_lost", "the answer did not arrive in time; the outcome is unknown")
        case _:
            return work()


def _status(code: int) -> str:
    return f"{code} {_REASONS.get(code, 'Status')}"


def _encode(body: Any) -> bytes:
    if isinstance(body, str):
        return body.encode()
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _read(environ: dict[str, Any]) -> bytes:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > MAX_BODY:
        raise Refusal(413, "too_large", f"a body of {length} bytes; at most {MAX_BODY}")
    return environ["wsgi.input"].read(int(length)) if int(length) else b""


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError as bad:
        raise Refusal(400, "bad_json", f"the body is not JSON: {bad}") from None
    if not isinstance(value, dict):
        raise Refusal(400, "bad_json", "the body must be a JSON object")
    return value


def reference() -> str:
    """A counterparty's own reference number."""
    return uuid4().hex
