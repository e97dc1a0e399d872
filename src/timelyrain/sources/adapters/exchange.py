"""One question, one answer, one deadline: the HTTP manners every adapter shares."""

import json
import threading
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

from timelyrain.sources.ports import (
    RawDocument,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnavailable,
)

MAX_BYTES = 16 << 20
_CHUNK = 1 << 18


class _Lines(threading.local):
    """This thread's open connections by scheme and address; kept, because opening one costs more than a question."""

    def __init__(self) -> None:
        self.open: dict[tuple[str, str], HTTPConnection] = {}


_lines = _Lines()


def ask(source: str, url: str, body: dict[str, Any], timeout: float) -> RawDocument:
    """POSTs JSON and reads the whole answer within `timeout` seconds, however slowly it drips. Raises SourceError."""
    deadline, where = monotonic() + timeout, urlsplit(url)
    try:
        answer = _send(where, json.dumps(body).encode(), deadline)
        content = _read(source, answer, where, deadline)
    except TimeoutError:
        _hang_up(where)
        raise SourceTimeout(source, f"no whole answer within {timeout:g} s") from None
    except SourceMalformed:
        _hang_up(where)
        raise
    except (OSError, HTTPException) as broken:
        _hang_up(where)
        raise SourceUnavailable(source, f"{type(broken).__name__} at {url}") from broken
    if answer.status >= 500:
        raise SourceUnavailable(source, f"HTTP {answer.status} from {url}")
    if answer.status != 200:
        raise SourceRefused(source, f"HTTP {answer.status} from {url}{_code(content)}")
    return RawDocument(source, content, answer.headers.get("content-type", ""), url)


def _send(where: SplitResult, body: bytes, deadline: float) -> HTTPResponse:
    """The head of the answer. A kept line that the other side has closed meanwhile is opened anew, once."""
    kept = (where.scheme, where.netloc) in _lines.open
    try:
        return _try(where, body, deadline)
    except TimeoutError:
        raise
    except (OSError, HTTPException):
        if not kept:
            raise
        _hang_up(where)
        return _try(where, body, deadline)


def _try(where: SplitResult, body: bytes, deadline: float) -> HTTPResponse:
    line = _lines.open.get((where.scheme, where.netloc))
    if line is None:
        kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
        line = _lines.open[where.scheme, where.netloc] = kind(where.netloc)
    line.timeout = _left(deadline)  # for a connection that has to be opened
    if line.sock:
        line.sock.settimeout(line.timeout)
    line.request("POST", where.path, body, {"Content-Type": "application/json"})
    line.sock.settimeout(_left(deadline))
    return line.getresponse()


def _read(source: str, answer: HTTPResponse, where: SplitResult, deadline: float) -> bytes:
    line = _lines.open[where.scheme, where.netloc]
    chunks: list[bytes] = []
    size = 0
    while chunk := answer.read1(_CHUNK):
        size += len(chunk)
        if size > MAX_BYTES:
            raise SourceMalformed(source, f"the answer is larger than {MAX_BYTES} bytes")
        chunks.append(chunk)
        left = _left(deadline)
        if line.sock:  # gone once the last byte of a closing answer is in
            line.sock.settimeout(left)
    if answer.length:  # the other side hung up early
        raise HTTPException("incomplete")
    answer.close()  # of this answer; the line is free for the next question
    return b"".join(chunks)


def _left(deadline: float) -> float:
    if (left := deadline - monotonic()) <= 0:
        raise TimeoutError
    return left


def _hang_up(where: SplitResult) -> None:
    if line := _lines.open.pop((where.scheme, where.netloc), None):
        line.close()


def _code(answer: bytes) -> str:
    """The counterparty's error code; not its prose, which may quote personal data back."""
    try:
        value = json.loads(answer)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {value[:60]}" if isinstance(value, str) else ""
