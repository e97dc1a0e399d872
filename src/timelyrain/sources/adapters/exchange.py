"""Questions to counterparties over HTTP: all of them at once, one deadline, connections that are kept.

One thread sends every question and then reads whichever answer is there. A thread for each would spend more on waking up than an
answer takes to read; only connections that have to be opened are opened side by side.
"""

import json
import select
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from time import monotonic
from urllib.parse import SplitResult, urlsplit

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
LATE_SECONDS = 0.05
"""For an answer that had come while another source used up the time."""
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Answer:
    """What became of a question: a document, or the error that says why there is none; how long it took."""

    document: RawDocument | None
    error: SourceError | None
    milliseconds: int


class _Lines(threading.local):
    """This thread's kept connections, one for each source and address: two questions at once do not share one."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, str], HTTPConnection] = {}


_lines = _Lines()


@cache
def _openers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(32, thread_name_prefix="source")


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
        done, late = wait(opening, timeout)
        for future in done:
            opening[future].attempt(future.result)
        for future in late:
            opening[future].error = TimeoutError()
    poll = select.poll()
    waiting = {call.line.sock.fileno(): call for call in calls if call.error is None and call.line}
    for number in waiting:
        poll.register(number, select.POLLIN)
    while waiting:
        left = max(0.0, deadline - monotonic())
        ready = poll.poll(left * 1000)
        for number, _ in ready:
            poll.unregister(number)
            call = waiting.pop(number)
            call.attempt(call.read, max(deadline, monotonic() + LATE_SECONDS))
            call.milliseconds = round((monotonic() - began) * 1000)
        if not ready and not left:
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
        self.body = json.dumps(question.body).encode()
        self.line: HTTPConnection | None = None
        self.fresh = False
        self.error: Exception | None = None
        self.status, self.kind, self.content = 0, "", b""
        self.milliseconds: int | None = None

    def attempt(self, step: object, *given: float) -> None:
        try:
            step(*given)  # type: ignore[operator]
        except (OSError, HTTPException, SourceError) as error:
            self.error = error

    def open(self, deadline: float) -> None:
        """A connection of its own, and the question sent on it."""
        kind = HTTPSConnection if self.where.scheme == "https" else HTTPConnection
        self.line, self.fresh = kind(self.where.netloc, timeout=_left(deadline)), True
        self._send(deadline)

    def send(self, deadline: float) -> None:
        """On the kept line; one that the other side has closed meanwhile is opened anew."""
        try:
            self._send(deadline)
        except TimeoutError:
            raise
        except (OSError, HTTPException):
            self.open(deadline)

    def _send(self, deadline: float) -> None:
        assert self.line
        if self.line.sock:
            self.line.sock.settimeout(_left(deadline))
        self.line.request("POST", self.where.path, self.body, {"Content-Type": "application/json"})

    def read(self, deadline: float) -> None:
        assert self.line
        try:
            self.line.sock.settimeout(_left(deadline))
            head = self.line.getresponse()
        except TimeoutError:
            raise
        except (OSError, HTTPException):
            if self.fresh:
                raise
            self.line.close()  # the other side had closed the kept line when the question came
            self.open(deadline)
            self.line.sock.settimeout(_left(deadline))
            head = self.line.getresponse()
        self.content = self._whole(head, deadline)
        self.status, self.kind = head.status, head.headers.get("content-type", "")
        head.close()  # of this answer; the line is free for the next question
        if self.line.sock:
            _lines.kept[self.place], self.line = self.line, None

    def _whole(self, head: HTTPResponse, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while chunk := head.read1(_CHUNK):
            size += len(chunk)
            if size > MAX_BYTES:
                raise SourceMalformed(self.question.source, f"the answer is larger than {MAX_BYTES} bytes")
            chunks.append(chunk)
            left = _left(deadline)
            if self.line and self.line.sock:  # gone once the last byte of a closing answer is in
                self.line.sock.settimeout(left)
        if head.length:  # the other side hung up early
            raise HTTPException("incomplete")
        return b"".join(chunks)

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
        if self.status >= 500:
            return Answer(None, SourceUnavailable(source, f"HTTP {self.status} from {url}"), took)
        if self.status != 200:
            refused = SourceRefused(source, f"HTTP {self.status} from {url}{_code(self.content)}")
            return Answer(None, refused, took)
        return Answer(RawDocument(source, self.content, self.kind, url), None, took)


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
