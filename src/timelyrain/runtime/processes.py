"""Child processes: started, watched, restarted and stopped, with nothing left behind by any kind of death.

Each child leads a session of its own, so that its helpers end with it. `<home>/run/<name>.json` says what runs: its pid and the
moment the kernel started it, so that a reused pid is not mistaken for the child. `<home>/log/<name>.log` keeps what it says. A
watcher process holds the reading end of a pipe; when the supervisor dies, however abruptly, the pipe closes and the watcher ends
the children.
"""

import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

LOG_BYTES = 10_000_000
TERM_SECONDS = 10.0
STEADY_SECONDS = 30.0  # a child that lived this long starts again without delay
POLL_SECONDS = 0.05


class ProcessError(RuntimeError):
    """A child could not be started; the message carries the end of its log."""


@dataclass(frozen=True)
class Child:
    """What to run. `ready` is a URL that answers below 500, or a text that its log shows, once it is at work."""

    name: str
    command: tuple[str, ...]
    ready: str
    environment: Mapping[str, str] | None = None  # the whole of it; None is the supervisor's own


@dataclass(frozen=True)
class Record:
    """A started process, in a form that survives its supervisor; `supervisor` is the identity of that one."""

    name: str
    pid: int
    identity: str
    ready: str
    supervisor: str

    def save(self, home: Path) -> None:
        path = home / "run" / f"{self.name}.json"
        making = path.with_suffix(".new")
        making.write_text(json.dumps(asdict(self)))
        making.replace(path)

    def alive(self) -> bool:
        """Whether the process still runs."""
        return identity(self.pid) == self.identity

    def lingers(self) -> bool:
        """Whether it, or a helper of its session, still runs.

        The kernel gives no new process a number that an old group still bears, so a group without its leader is ours.
        """
        now = identity(self.pid)
        if now is not None:
            return now == self.identity
        return self.identity.startswith(_boot()) and _signal_group(self.pid, 0)


def records(home: Path) -> list[Record]:
    """What was started from this home and not cleared away, newest first."""
    found: list[tuple[float, Record]] = []
    for path in (home / "run").glob("*.json"):
        with suppress(OSError, ValueError, TypeError):
            found.append((path.stat().st_mtime, Record(**json.loads(path.read_text()))))
    return [record for _, record in sorted(found, key=lambda pair: pair[0], reverse=True)]


def end(record: Record, home: Path, seconds: float = TERM_SECONDS) -> None:
    """End a process that need not be our child, with its helpers: TERM, after `seconds` KILL. Forgets its record."""
    if record.alive():
        with suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while record.alive() and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    if record.alive():
        with suppress(ProcessLookupError):
            os.kill(record.pid, signal.SIGKILL)
    if record.lingers():
        _signal_group(record.pid, signal.SIGKILL)
    if record in records(home):  # not one of the same name that was started meanwhile
        (home / "run" / f"{record.name}.json").unlink(missing_ok=True)


class Supervisor:
    """Runs children until it is left; one per home at a time.

        with Supervisor(home) as supervisor:
            supervisor.start(child)

    say: takes a sentence when something happens to a child. keep: called about once a second, to look after what is no child.
    """

    def __init__(
        self, home: Path, say: Callable[[str], None] = lambda _: None, keep: Callable[[], None] | None = None
    ) -> None:
        self.home = home.absolute()
        self._say, self._keep = say, keep
        self._children: dict[str, _Running] = {}
        self._guard = threading.RLock()
        self._leaving = threading.Event()

    def __enter__(self) -> Self:
        (self.home / "run").mkdir(parents=True, exist_ok=True)
        (self.home / "log").mkdir(exist_ok=True)
        self._lock = (self.home / "run" / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise ProcessError(
                f"TimelyRain already runs from {self.home}: `TIMELYRAIN_HOME={self.home} timelyrain down` stops it."
            ) from None
        for record in records(self.home):
            if record.lingers():
                self._say(f"ending {record.name} (pid {record.pid}), left by an interrupted run")
            end(record, self.home)
        self._identity = identity(os.getpid()) or ""
        self._record = Record("supervisor", os.getpid(), self._identity, "", "")
        self._record.save(self.home)
        # in a session of its own, and deaf to the terminal: it must outlive us by a moment
        self._watcher = subprocess.Popen(
            [sys.executable, "-m", "timelyrain.runtime.processes", str(self.home), self._identity],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._monitor = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._monitor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._monitor.join()
        for running in reversed(list(self._children.values())):
            end(running.record, self.home)
            running.process.wait()
        self._watcher.communicate()  # closes its pipe: it finds nothing to end, and goes
        (self.home / "run" / "supervisor.json").unlink(missing_ok=True)
        self._lock.close()

    def start(self, child: Child, seconds: float = 60) -> None:
        """Start a child and wait until it is ready.

        Raises ProcessError with the end of its log when it dies or is not ready after `seconds`.
        """
        with self._guard:
            running = self._children[child.name] = _Running.launch(child, self.home, self._identity)
        deadline = time.monotonic() + seconds
        while not self.ready(child.name):
            gave_up = time.monotonic() > deadline
            if gave_up or running.ended():
                with self._guard:
                    del self._children[child.name]
                end(running.record, self.home)
                status = running.process.wait()
                what = f"was not ready after {seconds:.0f} s" if gave_up else f"ended with status {status}"
                raise ProcessError(f"{child.name} {what}. The end of {running.log}:\n{running.tail()}")
            time.sleep(POLL_SECONDS)

    def ready(self, name: str) -> bool:
        """Whether the child is at work now."""
        return self._children[name].ready()

    def pid(self, name: str) -> int:
        """The child's pid now; it changes with a restart."""
        return self._children[name].process.pid

    def _watch(self) -> None:
        kept = time.monotonic()
        while not self._leaving.wait(POLL_SECONDS):
            with self._guard:
                for name, running in list(self._children.items()):
                    if running.started and running.ended():
                        self._children[name] = self._again(running)
            if self._keep and time.monotonic() - kept > 1:
                try:
                    self._keep()
                except Exception as error:  # whatever it is, the children still need their supervisor
                    self._say(str(error))
                kept = time.monotonic()

    def _again(self, running: "_Running") -> "_Running":
        """The child after its death: still waiting for its turn, or started anew."""
        if running.restart_at is None:
            _signal_group(running.process.pid, signal.SIGKILL)  # before wait() gives the number back
            status = running.process.wait()
            running.quick = 0 if time.monotonic() - running.began > STEADY_SECONDS else running.quick + 1
            delay = min(0.1 * 2**running.quick, 10.0) if running.quick > 1 else 0.0
            running.restart_at = time.monotonic() + delay
            self._say(
                f"{running.child.name} (pid {running.process.pid}) ended with status {status}; starting it again"
            )
            return running
        if time.monotonic() < running.restart_at:
            return running
        try:
            return _Running.launch(running.child, self.home, self._identity, running.quick, started=True)
        except OSError as error:
            self._say(f"{running.child.name} cannot be started: {error}")
            running.restart_at = time.monotonic() + 10
            return running


@dataclass
class _Running:
    child: Child
    process: subprocess.Popen[bytes]
    record: Record
    log: Path
    log_from: int
    began: float
    quick: int  # deaths in a row, each soon after its start
    started: (
        bool  # whether it was ready once: from then on it is restarted, before that its death is an answer
    )
    restart_at: float | None = None

    @classmethod
    def launch(
        cls, child: Child, home: Path, supervisor: str, quick: int = 0, started: bool = False
    ) -> "_Running":
        log = home / "log" / f"{child.name}.log"
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".old.log"))
        with log.open("ab") as out:
            log_from = out.tell()  # before the child has the file: it moves this very position
            process = subprocess.Popen(
                child.command,
                env=child.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        record = Record(child.name, process.pid, identity(process.pid) or "", child.ready, supervisor)
        record.save(home)
        return cls(child, process, record, log, log_from, time.monotonic(), quick, started)

    def ended(self) -> bool:
        """Whether the process is dead, without taking its status: until then its number stays its own."""
        if self.process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def ready(self) -> bool:
        if self.ended():
            return False
        if self.child.ready.startswith("http"):
            ready = answers(self.child.ready)
        else:
            with self.log.open("rb") as log:
                log.seek(self.log_from)
                ready = self.child.ready.encode() in log.read()
        self.started |= ready
        return ready

    def tail(self, lines: int = 25) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def answers(url: str, seconds: float = 2) -> bool:
    """Whether the URL answers with a status below 500. Asks directly: a proxy in the environment has no part in it."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def free_port(preferred: int = 0) -> int:
    """The preferred port of 127.0.0.1 where nobody listens on it, else one that the kernel picks."""
    for port in (preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise ProcessError("There is no free port on 127.0.0.1.")


def identity(pid: int) -> str | None:
    """What tells a process from a later one of the same number: the boot and its start. None for a dead one or a zombie."""
    if sys.platform == "linux":
        try:
            # the name, in parentheses, may hold anything: count from behind it; state is field 3, start time field 22
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"{_boot()}:{fields[19]}"
    out = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return (
        None
        if not out.strip() or out.lstrip().startswith("Z")
        else f"{_boot()}:{out.split(None, 1)[1].strip()}"
    )


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _signal_group(pid: int, number: int) -> bool:
    """Signal every process of the group that `pid` led; False when none is left."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _watch_for_the_end(home: Path, supervisor: str) -> None:
    """The watcher: wait until the supervisor's end of the pipe closes, then end what that one left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdin.buffer.read()
    for record in records(home):
        if record.supervisor == supervisor:
            end(record, home)


if __name__ == "__main__":
    _watch_for_the_end(Path(sys.argv[1]), sys.argv[2])
