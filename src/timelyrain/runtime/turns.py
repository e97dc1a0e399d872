"""One at a time in a process, in the order of coming, for work that computes.

Threads that compute side by side take the interpreter from each other at every wait: all of them come later than the last would
have come in a row. What waits long for others steps aside meanwhile.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_guard = threading.Lock()
_waiting: deque[threading.Lock] = deque()
_held = False
_mine = threading.local()


@contextmanager
def turn() -> Iterator[None]:
    """Wait for one's turn and have it; not to be asked for by who has it."""
    _take()
    try:
        yield
    finally:
        _pass_on()


@contextmanager
def aside() -> Iterator[None]:
    """Let others have it while this thread waits for something slow; nothing happens where it has none."""
    if not getattr(_mine, "held", False):
        yield
        return
    _pass_on()
    try:
        yield
    finally:
        _take()


def _take() -> None:
    global _held
    call = threading.Lock()
    call.acquire()
    with _guard:
        if _held:
            _waiting.append(call)
        else:
            _held = True
            call.release()
    call.acquire()
    _mine.held = True


def _pass_on() -> None:
    global _held
    _mine.held = False
    with _guard:
        if _waiting:
            _waiting.popleft().release()
        else:
            _held = False
