"""The API as its clients call it: every answer that is no problem is one that the OpenAPI document declares."""

import json
import re
from base64 import b64encode
from functools import cache
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Permission, User
from django.test import Client

from timelyrain.runtime.problems import catalogue


@cache
def document() -> dict[str, Any]:
    return Client().get("/api/v1/openapi.json").json()


def declared(method: str, path: str) -> dict[str, Any]:
    """What the OpenAPI document says of an address."""
    fitting = (
        methods[method.lower()]
        for template, methods in document()["paths"].items()
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path.partition("?")[0])
    )
    return next(fitting)


class Api:
    """A client of the API, signed in with a token or not."""

    def __init__(self, token: str = "") -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(self, method: str, path: str, body: Any = None, key: str | None = "", **headers: str) -> Any:
        extra = {} if key is None else {"Idempotency-Key": key or str(uuid4())}
        data = body if isinstance(body, (str, bytes)) else json.dumps(body)
        answer: Any = self.client.generic(
            method, f"/api/v1{path}", data, "application/json", headers=self.headers | extra | headers
        )
        if not answer["Content-Type"].startswith("application/problem+json"):
            assert str(answer.status_code) in declared(method, f"/api/v1{path}")["responses"], path
        return answer

    def get(self, path: str) -> Any:
        return self.call("GET", path, b"", None)

    def post(self, path: str, body: Any, key: str | None = "") -> Any:
        return self.call("POST", path, body, key)


def problem(answer: Any, slug: str, status: int | None = None, field: str | None = None) -> dict[str, Any]:
    """The body of a refusal, after what holds for all of them was checked."""
    assert answer["Content-Type"].startswith("application/problem+json"), answer.content[:300]
    body = answer.json()
    assert body["type"] == f"/problems/{slug}", body
    assert body["status"] == answer.status_code == (status or catalogue()[slug].status)
    assert body["title"] and body["detail"] and body["remedy"]
    if field:
        assert body["field"] == field
    return body


def staff(name: str, *permissions: str) -> Api:
    """A member of the lender's staff with these permissions, over HTTP Basic."""
    user, _ = User.objects.get_or_create(username=name, is_staff=True)
    user.set_password("a long password")
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    api = Api()
    api.headers = {"Authorization": "Basic " + b64encode(f"{name}:a long password".encode()).decode()}
    return api
