"""The simulated outside world as a real process on a free port, for any test that needs one."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass
class World:
    """A running sandbox. The state file outlives the process: kill it and start another on the same folder."""

    url: str
    process: subprocess.Popen[str]

    def get(self, path: str, **query: object) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", params={k: str(v) for k, v in query.items()}, timeout=60)

    def post(self, path: str, **body: object) -> httpx.Response:
        return httpx.post(f"{self.url}{path}", json=body, timeout=60)

    def delete(self, path: str) -> httpx.Response:
        return httpx.delete(f"{self.url}{path}", timeout=60)

    def person(self, profile: str = "good", seed: int = 1) -> dict[str, str]:
        return self.get("/people/new", profile=profile, seed=seed).json()

    def fault(self, target: str, mode: str, **more: object) -> None:
        self.post("/faults", target=target, mode=mode, **more).raise_for_status()

    def calls(self, **by: object) -> int:
        return self.get("/calls", **by).json()["count"]

    def kill(self) -> None:
        """kill -9, as a machine would die."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)


def start_sandbox(folder: Path, port: int = 0) -> World:
    """Starts a sandbox with its state in `folder` (port 0: any free one); returns when it listens. The caller stops it."""
    command = [
        sys.executable,
        "-m",
        "timelyrain.sandbox",
        "--port",
        str(port),
        "--state",
        str(folder / "world.sqlite3"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("sandbox on "), f"the sandbox did not start (exit code {process.wait()})"
    return World(line.split()[-1], process)


@contextmanager
def running_sandbox(folder: Path, port: int = 0) -> Iterator[World]:
    world = start_sandbox(folder, port)
    try:
        yield world
    finally:
        world.stop()
