"""One question, one answer, one deadline: the HTTP manners every adapter shares."""

from time import monotonic
from typing import Any

import httpx

from timelyrain.sources.ports import (
    RawDocument,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnavailable,
)

MAX_BYTES = 16 << 20


def ask(client: httpx.Client, source: str, url: str, body: dict[str, Any], timeout: float) -> RawDocument:
    """POSTs JSON and reads the whole answer within `timeout` seconds, however slowly it drips. Raises SourceError."""
    deadline = monotonic() + timeout
    chunks: list[bytes] = []
    size = 0
    try:
        with client.stream("POST", url, json=body, timeout=timeout) as response:
            for chunk in response.iter_bytes():
                size += len(chunk)
                if monotonic() > deadline:
                    raise SourceTimeout(source, f"no whole answer within {timeout:g} s")
                if size > MAX_BYTES:
                    raise SourceMalformed(source, f"the answer is larger than {MAX_BYTES} bytes")
                chunks.append(chunk)
    except httpx.TimeoutException:
        raise SourceTimeout(source, f"no answer within {timeout:g} s") from None
    except httpx.HTTPError as broken:
        raise SourceUnavailable(source, f"{type(broken).__name__} at {url}") from broken
    answer, status = b"".join(chunks), response.status_code
    if status >= 500:
        raise SourceUnavailable(source, f"HTTP {status} from {url}")
    if status != 200:
        raise SourceRefused(source, f"HTTP {status} from {url}{_code(response, answer)}")
    return RawDocument(source, answer, response.headers.get("content-type", ""), url)


def _code(response: httpx.Response, answer: bytes) -> str:
    """The counterparty's error code; not its prose, which may quote personal data back."""
    try:
        value = httpx.Response(response.status_code, content=answer).json()["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {value[:60]}" if isinstance(value, str) else ""
