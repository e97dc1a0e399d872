"""Questions to counterparties over HTTP: all of them at once, one deadline, connections that are kept.

One thread sends every question and then reads whichever answer is there. A thread for each would spend more on waking up than an
answer takes to read; only connections that have to be opened are opened side by side. The exchange is spoken here, not by a
general client, whose headers alone cost more than the answers: POST, and an answer with a length, in chunks or up to the end.
"""

import json
import select
import socket
import ssl
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from time import monotonic
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from timelyrain.runtime.turns import aside
from timelyrain.sources.ports import (
    Question,
    RawDocument,
    SourceError,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnavailable,
)

MAX_BYTES = 16 << 20
MAX_HEAD = 1 << 16
_PIECE = 1 << 16
_T = TypeVar("_T")


@dataclass(frozen=True)
class Answer:
    """What became of a question: a document, or the error that says why there is none; how long it took."""

    document: RawDocument | None
    error: SourceError | None
    milliseconds: int


class _Lines(threading.local):
    """This thread's kept connections, one for each source and address: two questions at once do not share one."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str], socket.socket] = {}


_lines = _Lines()


@cache
def _openers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(32, thread_name_prefix="source")


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def ask(question: Question, timeout: float) -> RawDocument:
    """One question. Raises SourceError."""
    answer = ask_all([question], timeout)[0]
    if answer.error is not None:
        raise answer.error
    assert answer.document is not None
    return answer.document


def ask_all(questions: Sequence[Question], timeout: float) -> list[Answer]:
    """POST every question, read every whole answer within `timeout` seconds, however slowly some drip. In the order asked."""
    began = monotonic()
    deadline = began + timeout
    calls = [_Call(question) for question in questions]
    opening: dict[Future[None], _Call] = {}
    for call in calls:
        if (line := _lines.kept.pop(call.place, None)) is None:
            opening[_openers().submit(call.open, deadline)] = call
        else:
            call.line = line
            call.attempt(call.send, deadline)
    if opening:
        with aside():
            done, late = wait(opening, timeout)
        for future in done:
            opening[future].attempt(future.result)
        for future in late:
            opening[future].error = TimeoutError()
    poll = select.poll()
    waiting: dict[int, _Call] = {}

    def expect(call: _Call) -> None:
        if call.error is None and call.line and call.status is None:
            waiting[call.line.fileno()] = call
            poll.register(call.line, select.POLLIN)

    for call in calls:
        expect(call)
    with aside():
        while waiting:
            left = max(0.0, deadline - monotonic())
            for number, _ in poll.poll(left * 1000):  # once more when time is up, for what had come meanwhile
                call = waiting[number]
                if call.attempt(call.read, deadline):
                    poll.unregister(number)
                    del waiting[number]
                    call.milliseconds = round((monotonic() - began) * 1000)
                    expect(call)  # on another line, where this one was closed before the question came
            if not left:
                break
    for call in waiting.values():
        call.error = TimeoutError()
    return [call.settle(timeout, round((monotonic() - began) * 1000)) for call in calls]


class _Call:
    """One question on its way."""

    def __init__(self, question: Question):
        self.question = question
        self.where: SplitResult = urlsplit(question.url)
        self.place = (question.source, self.where.scheme, self.where.netloc)
        self.line: socket.socket | None = None
        self.fresh = False
        self.error: Exception | None = None
        self.status: int | None = None
        self.kind, self.content = "", b""
        self.answer = self._listen()
        self.milliseconds: int | None = None

    def attempt(self, step: object, *given: float) -> bool:
        """Whether the step is over, well or badly."""
        try:
            return bool(step(*given))  # type: ignore[operator]
        except (OSError, HTTPException, SourceError) as error:
            self.error = error
            return True

    def open(self, deadline: float) -> None:
        """A connection of its own, and the question sent on it."""
        secure = self.where.scheme == "https"
        host = self.where.hostname or ""
        address = host, self.where.port or (443 if secure else 80)
        line = socket.create_connection(address, timeout=_left(deadline))
        self.line, self.fresh = line, True
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:
            self.line = _trust().wrap_socket(line, server_hostname=host)
        self._send(deadline)

    def send(self, deadline: float) -> None:
        """On the kept line; one that the other side has closed meanwhile is opened anew."""
        try:
            self._send(deadline)
        except TimeoutError:
            raise
        except OSError:
            self._again(deadline)

    def _again(self, deadline: float) -> None:
        assert self.line
        self.line.close()
        self.open(deadline)

    def _send(self, deadline: float) -> None:
        assert self.line
        body = json.dumps(self.question.body).encode()
        path = self.where._replace(scheme="", netloc="").geturl() or "/"
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self.where.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nAccept-Encoding: identity\r\n\r\n"
        )
        self.line.settimeout(_left(deadline))
        self.line.sendall(head.encode() + body)
        self.line.setblocking(False)
        self.answer = self._listen()
        next(self.answer)

    def read(self, deadline: float) -> bool:
        """What is there of the answer; True once it is whole, or the question was sent anew."""
        assert self.line
        while True:
            try:
                piece = self.line.recv(_PIECE)
            except (BlockingIOError, ssl.SSLWantReadError):
                return False
            except OSError:
                piece = b""
            try:
                self.answer.send(piece)
            except StopIteration:
                return True
            except _Unheard:
                if self.fresh:
                    raise
                self._again(deadline)  # the other side had closed the kept line when the question came
                return True

    def _listen(self) -> Generator[None, bytes, None]:
        """Takes the answer piece by piece, b"" for its end; leaves status, kind and content, and keeps the line if it may."""
        data, status = bytearray(), 100
        head: dict[str, str] = {}
        while status < 200:  # remarks may come before the answer
            status, head, lasting = yield from _head(data)
        if head.get("transfer-encoding", "").lower() == "chunked":
            self.content = yield from _chunks(data, self.question.source)
        elif (length := head.get("content-length")) is not None:
            self.content = yield from _take(data, _number(length, 10), self.question.source)
        else:
            lasting = False
            while piece := (yield):
                data += piece
                _bound(len(data), self.question.source)
            self.content = bytes(data)
            data.clear()
        self.status, self.kind = status, head.get("content-type", "")
        if lasting and not data and self.line:
            _lines.kept[self.place], self.line = self.line, None

    def settle(self, timeout: float, milliseconds: int) -> Answer:
        source, url = self.question.source, self.question.url
        if self.line is not None:
            self.line.close()
        took = milliseconds if self.milliseconds is None else self.milliseconds
        match self.error:
            case SourceError() as error:
                return Answer(None, error, took)
            case TimeoutError():
                return Answer(None, SourceTimeout(source, f"no whole answer within {timeout:g} s"), took)
            case Exception() as error:
                return Answer(None, SourceUnavailable(source, f"{type(error).__name__} at {url}"), took)
        status = self.status or 0
        if status >= 500:
            return Answer(None, SourceUnavailable(source, f"HTTP {status} from {url}"), took)
        if status != 200:
            refused = SourceRefused(source, f"HTTP {status} from {url}{_code(self.content)}")
            return Answer(None, refused, took)
        return Answer(RawDocument(source, self.content, self.kind, url), None, took)


class _Unheard(HTTPException):
    """The other side hung up without a word."""


Reading = Generator[None, bytes, _T]
"""Takes pieces and adds them to its buffer until it can return its part of the answer, which it removes from there."""


def _head(data: bytearray) -> Reading[tuple[int, dict[str, str], bool]]:
    """Status, fields by lower-case name, whether the connection may be used again."""
    while (end := data.find(b"\r\n\r\n")) < 0:
        if not (piece := (yield)):
            raise HTTPException("incomplete") if data else _Unheard
        data += piece
        if len(data) > MAX_HEAD + _PIECE:
            raise HTTPException("a head without end")
    first, *lines = data[:end].decode("latin-1").split("\r\n")
    del data[: end + 4]
    version, _, rest = first.partition(" ")
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise HTTPException("no answer of HTTP/1")
    fields = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    lasting = version == "HTTP/1.1" and fields.get("connection", "").lower() != "close"
    return _number(rest[:3], 10), fields, lasting


def _take(data: bytearray, size: int, source: str) -> Reading[bytes]:
    _bound(size, source)
    while len(data) < size:
        if not (piece := (yield)):
            raise HTTPException("incomplete")
        data += piece
    taken = bytes(data[:size])
    del data[:size]
    return taken


def _chunks(data: bytearray, source: str) -> Reading[bytes]:
    whole = bytearray()
    while size := _number((yield from _line(data, source)).partition(";")[0], 16):
        whole += yield from _take(data, size, source)
        _bound(len(whole), source)
        yield from _line(data, source)
    while (yield from _line(data, source)):
        pass  # fields after the body
    return bytes(whole)


def _line(data: bytearray, source: str) -> Reading[str]:
    while (end := data.find(b"\r\n")) < 0:
        if not (piece := (yield)) or len(data) > MAX_HEAD:
            raise HTTPException("incomplete")
        data += piece
    return (yield from _take(data, end + 2, source))[:-2].decode("latin-1")


def _number(text: str, base: int) -> int:
    digits = text.strip()
    if not digits.isalnum() or not digits.isascii():  # no sign, no underscores
        raise HTTPException(f"{digits[:20]!r} is no number")
    try:
        return int(digits, base)
    except ValueError:
        raise HTTPException(f"{digits[:20]!r} is no number") from None


def _bound(size: int, source: str) -> None:
    if size > MAX_BYTES:
        raise SourceMalformed(source, f"the answer is larger than {MAX_BYTES} bytes")


def _left(deadline: float) -> float:
    if (left := deadline - monotonic()) <= 0:
        raise TimeoutError
    return left


def _code(answer: bytes) -> str:
    """The counterparty's error code; not its prose, which may quote personal data back."""
    try:
        value = json.loads(answer)["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {value[:60]}" if isinstance(value, str) else ""
