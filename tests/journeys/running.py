"""The platform as real processes against the test database: web by granian, worker by its own main loop."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

WORKER = (
    "import django; django.setup(); from timelyrain.runtime.worker import Worker; Worker('journey').run()"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_web() -> Iterator[str]:
    """A web process on a free port, under the environment of this test run. Yields its address."""
    port = free_port()
    where = ("--host", "127.0.0.1", "--port", str(port))
    serve = (
        "--interface",
        "wsgi",
        "--workers",
        "1",
        "--blocking-threads",
        "8",
        "--workers-kill-timeout",
        "3",
    )
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "granian", *serve, *where, "timelyrain.wsgi:application"]
    with _process(command, {"TIMELYRAIN_BASE_URL": address}) as process:
        _wait(f"{address}/health", process)
        yield address


@contextmanager
def running_worker() -> Iterator[None]:
    with _process([sys.executable, "-c", WORKER], {}):
        yield


@contextmanager
def _process(command: list[str], more: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=os.environ | {"TIMELYRAIN_LOG_LEVEL": "WARNING"} | more)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(f"the web process ended with {process.returncode} before {url} answered")
