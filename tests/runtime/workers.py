"""Real worker processes for tests: they know the steps of `tests.runtime.steps` beside the platform's own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager

_RUN = """
import logging, sys, django
django.setup()
import tests.runtime.steps
from timelyrain.runtime.worker import Worker
Worker(sys.argv[1]).run()
"""


def start_worker(name: str = "test-worker", **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _RUN, name], env=os.environ | environment)


@contextmanager
def worker_process(name: str = "test-worker", **environment: str):
    process = start_worker(name, **environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=20)


def eventually(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait until `true()` is; a generous limit, so that a slow machine is no failure."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
