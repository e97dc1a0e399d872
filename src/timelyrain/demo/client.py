"""A client of the public API as a borrower's app would be: one Idempotency-Key per act, repeated until there is an answer."""

import time
from typing import Any
from uuid import uuid4

import httpx


class Refused(Exception):
    """The API refused: `problem` is its problem+json."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(f"{problem.get('title')}: {problem.get('detail')} {problem.get('remedy', '')}")
        self.problem = problem


class ApiClient:
    """Repeats an act under its key while the server is away or busy, for at most `patience` seconds."""

    def __init__(self, base_url: str, verbose: bool = False, patience: float = 90) -> None:
        self._client = httpx.Client(base_url=f"{base_url}/api/v1", timeout=30)
        self._verbose, self._patience = verbose, patience
        self.token = ""
        self.basic: tuple[str, str] | None = None
        self.repeats = 0

    def get(self, path: str, **query: Any) -> Any:
        return self._ask("GET", path, params=query).json()

    def download(self, path: str) -> bytes:
        return self._ask("GET", path).content

    def post(self, path: str, **body: Any) -> Any:
        return self._ask("POST", path, json=body, headers={"Idempotency-Key": str(uuid4())}).json()

    def put(self, path: str, **body: Any) -> Any:
        return self._ask("PUT", path, json=body).json()

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        deadline = time.monotonic() + self._patience
        while True:
            began = time.monotonic()
            try:
                auth = self.basic if path.startswith("/operations") else None
                response = self._client.request(method, path, headers=headers, auth=auth, **more)
            except httpx.TransportError as error:
                again, said = True, repr(error)
            else:
                problem = (
                    response.json() if "problem+json" in response.headers.get("content-type", "") else {}
                )
                again = (
                    response.status_code in (502, 503)
                    or problem.get("type") == "/problems/request-in-progress"
                )
                said = f"{response.status_code} {problem.get('type', '')}"
                if self._verbose:
                    print(
                        f"  {method} {path} -> {said} {1000 * (time.monotonic() - began):.0f} ms", flush=True
                    )
                if not again:
                    if response.is_error:
                        raise Refused(
                            problem
                            or {"title": f"HTTP {response.status_code}", "detail": response.text[:300]}
                        )
                    return response
            if time.monotonic() > deadline:
                raise Refused(
                    {"title": "No answer", "detail": f"{method} {path}: {said} for {self._patience:.0f} s."}
                )
            self.repeats += 1
            time.sleep(0.3)
