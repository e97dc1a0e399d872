"""Refusals as typed values. A `Problem` leaves every face in one shape: RFC 9457 problem+json over HTTP, a sentence on a page.

A room declares its refusals in `errors.py` as subclasses: the class is the stable `type`, the instance says what was wrong here.
"""

from typing import Any, ClassVar


class Problem(Exception):
    """A request that is refused. `detail` names the value and what is wrong with it, `remedy` what to do."""

    slug: ClassVar[str] = "problem"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "The request was refused"

    def __init__(self, detail: str, *, remedy: str, field: str | None = None, **extra: Any) -> None:
        super().__init__(f"{detail} {remedy}".strip())
        self.detail, self.remedy, self.field, self.extra = detail, remedy, field, extra

    def __reduce__(self) -> tuple[Any, ...]:  # so that it comes back whole from another process
        return _again, (type(self), self.detail, self.remedy, self.field, self.extra)

    def as_dict(self) -> dict[str, Any]:
        body = {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "remedy": self.remedy,
        }
        return body | ({"field": self.field} if self.field else {}) | self.extra


def _again(
    kind: type[Problem], detail: str, remedy: str, field: str | None, extra: dict[str, Any]
) -> Problem:
    return kind(detail, remedy=remedy, field=field, **extra)


class Invalid(Problem):
    slug, status, title = "invalid-value", 422, "A value is not acceptable"


class NotFound(Problem):
    slug, status, title = "not-found", 404, "There is no such thing here"


class Malformed(Problem):
    slug, status, title = "malformed-request", 400, "The request cannot be read"


class MethodNotAllowed(Problem):
    slug, status, title = "method-not-allowed", 405, "This cannot be done here"


class Internal(Problem):
    slug, status, title = "internal", 500, "Something failed on our side"


class NotSignedIn(Problem):
    slug, status, title = "not-signed-in", 401, "Sign in first"


class NotAllowed(Problem):
    slug, status, title = "not-allowed", 403, "This is not allowed for you"


class Conflict(Problem):
    slug, status, title = "conflict", 409, "The request contradicts the present state"


class TooMany(Problem):
    slug, status, title = "too-many-requests", 429, "Too many attempts"


class Unavailable(Problem):
    slug, status, title = "temporarily-unavailable", 503, "A part of the service cannot be reached right now"


def catalogue() -> dict[str, type[Problem]]:
    """Every declared kind of problem by its slug, for the documentation pages behind `type`."""
    found: dict[str, type[Problem]] = {}
    waiting = [Problem]
    while waiting:
        kind = waiting.pop()
        found[kind.slug] = kind
        waiting.extend(kind.__subclasses__())
    return found
