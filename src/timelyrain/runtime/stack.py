"""The platform as processes: which children it has, what each is told, how it is made ready.

stack = plan(home, say)
stack.prepare(say)
with Supervisor(stack.home, say, stack.keep) as supervisor:
    stack.start(supervisor, say)
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from timelyrain.runtime.database import Database, resolve
from timelyrain.runtime.embedded import DatabaseError, default_home
from timelyrain.runtime.processes import Child, ProcessError, Supervisor, free_port

WEB_PORT = 8900
SANDBOX_PORT = 8901


@dataclass(frozen=True)
class Stack:
    """One installation: its folder, its database, its addresses. `sandbox_port` is None when the outside world is elsewhere."""

    home: Path
    database: Database
    web_port: int
    sandbox_port: int | None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def sandbox_url(self) -> str:
        if self.sandbox_port is None:
            return os.environ["TIMELYRAIN_SANDBOX_URL"]
        return f"http://127.0.0.1:{self.sandbox_port}"

    def prepare(self, say: Callable[[str], None]) -> None:
        """Bring the database to life and its tables up to date. Raises DatabaseError."""
        say("starting the database")
        self.database.prepare()
        say("bringing its tables up to date")
        self.migrate()

    def migrate(self) -> str:
        """Apply the migrations as the owner; returns what Django said. Raises DatabaseError."""
        done = subprocess.run(
            [sys.executable, "-m", "django", "migrate", "--no-input"],
            env=self.environment(owner=True),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DatabaseError(f"The migrations failed:\n{(done.stdout + done.stderr)[-4000:]}")
        return done.stdout

    def start(self, supervisor: Supervisor, say: Callable[[str], None]) -> None:
        """Start sandbox, web and worker, each once the one before is at work. Raises ProcessError."""
        for child in self.children():
            say(f"starting {child.name}")
            supervisor.start(child)
            if child.name == "sandbox":
                self.seed(say)

    def seed(self, say: Callable[[str], None]) -> None:
        """Give a simulated installation what it needs to lend: policy, model, accounts, logins. Skips what is there."""
        say("seeding")
        done = subprocess.run(
            [sys.executable, "-m", "timelyrain.cli", "seed"], env=self.environment(), check=False
        )
        if done.returncode:
            raise ProcessError("Seeding failed: see the message above.")

    def keep(self) -> None:
        """Start the embedded server again when it died."""
        embedded = self.database.embedded
        if embedded and not embedded.status().running:
            embedded.start()

    def environment(self, owner: bool = False) -> dict[str, str]:
        """What a process of this installation finds in its environment; the owner's address only where `owner`."""
        database = self.database
        inherited = {k: v for k, v in os.environ.items() if k != "TIMELYRAIN_DATABASE_URL"}
        return inherited | {
            "DJANGO_SETTINGS_MODULE": "timelyrain.runtime.settings",
            "PYTHONUNBUFFERED": "1",
            "TIMELYRAIN_HOME": str(self.home),
            "TIMELYRAIN_BASE_URL": os.environ.get("TIMELYRAIN_BASE_URL") or self.base_url,
            "TIMELYRAIN_SANDBOX_URL": self.sandbox_url,
            "TIMELYRAIN_SIMULATED": os.environ.get("TIMELYRAIN_SIMULATED", "1" if self.sandbox_port else ""),
            "TIMELYRAIN_APP_DATABASE_URL": database.owner_dsn if owner else database.app_dsn,
            **({"TIMELYRAIN_DATABASE_URL": database.owner_dsn} if owner else {}),
        }

    def sandbox(self) -> Child | None:
        """The simulated outside world, where it is ours to run."""
        if self.sandbox_port is None:
            return None
        state = self.home / "sandbox.sqlite3"
        where = ("--port", str(self.sandbox_port), "--state", str(state))
        return Child(
            "sandbox", (sys.executable, "-m", "timelyrain.sandbox", *where), f"{self.sandbox_url}/health"
        )

    def web(self) -> Child:
        """granian; a process per core up to four, a thread per request in work."""
        serve = (
            "--interface",
            "wsgi",
            "--workers",
            os.environ.get("TIMELYRAIN_WEB_PROCESSES") or str(min(4, os.cpu_count() or 1)),
            "--blocking-threads",
            os.environ.get("TIMELYRAIN_WEB_THREADS") or "8",
            "--workers-kill-timeout",
            "5",
        )
        where = ("--host", "127.0.0.1", "--port", str(self.web_port))
        command = (sys.executable, "-m", "granian", *serve, *where, "timelyrain.wsgi:application")
        return Child("web", command, f"{self.base_url}/health", self.environment())

    def worker(self) -> Child:
        """Carries sagas and scheduled work."""
        return Child(
            "worker", (sys.executable, "-m", "timelyrain.cli", "worker"), "is at work", self.environment()
        )

    def children(self) -> tuple[Child, ...]:
        """All of them, in the order they are started."""
        sandbox = self.sandbox()
        return (*((sandbox,) if sandbox else ()), self.web(), self.worker())


def plan(
    home: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
    web_port: int | None = None,
    sandbox_port: int | None = None,
    database: str = "timelyrain",
) -> Stack:
    """Choose database and ports; starts nothing. Without a wish, the usual ports where they are free, else any.

    TIMELYRAIN_SANDBOX_URL names an outside world that runs elsewhere: then none of ours is started.
    """
    home = (home or default_home()).absolute()
    web_port = web_port or _port(WEB_PORT, "web", say)
    elsewhere = "TIMELYRAIN_SANDBOX_URL" in os.environ
    if not elsewhere:
        sandbox_port = sandbox_port or _port(SANDBOX_PORT, "sandbox", say)
    return Stack(home, resolve(home, database, say), web_port, None if elsewhere else sandbox_port)


def _port(usual: int, name: str, say: Callable[[str], None]) -> int:
    port = free_port(usual)
    if port != usual:
        say(f"port {usual} is taken: {name} uses {port}")
    return port
