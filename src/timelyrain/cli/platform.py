"""The installation: start it, stop it, look after its processes and its database."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from timelyrain.runtime.database import resolve
from timelyrain.runtime.embedded import EmbeddedPostgres, default_home
from timelyrain.runtime.processes import ProcessError, Supervisor, end, records
from timelyrain.runtime.stack import SANDBOX_PORT, WEB_PORT, Stack, plan

from .commands import Commands, Refusal, address_of, current, load_django, say, supervisor_of

SUPERVISOR_SECONDS = 45  # to stop: each of its children may take ten

# -- the platform in the background


def up(given: argparse.Namespace) -> None:
    """Start the platform in the background, wait until it works, say where it is."""
    home = default_home()
    if supervisor_of(home):
        say("it already runs")
    else:
        stack = plan(home, say, given.port, given.sandbox_port)
        stack.prepare(say)
        _leavesupervisor_of(stack)
    _print_addresses(home)


def _leavesupervisor_of(stack: Stack) -> None:
    """Start a supervisor that outlives this command, and pass on what it says until all its children work."""
    ports = ("--port", str(stack.web_port), "--sandbox-port", str(stack.sandbox_port or 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "timelyrain.cli", "supervise", *ports],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    try:
        for line in process.stdout:  # ends when the supervisor turns to its log, or dies
            print(line, end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    if not supervisor_of(stack.home):
        raise ProcessError("TimelyRain did not start; what had started is stopped again.")


def supervise(given: argparse.Namespace) -> None:
    """What `up` leaves in the background."""
    import signal

    def leave(*_: object) -> None:
        raise SystemExit(0)

    stack = plan(None, say, given.port, given.sandbox_port or None)
    signal.signal(signal.SIGTERM, leave)
    with Supervisor(stack.home, say, stack.keep) as supervisor:
        stack.start(supervisor, say)
        with (stack.home / "log" / "supervisor.log").open("ab") as log:
            for stream in (1, 2):
                os.dup2(log.fileno(), stream)  # `up` sees its pipe close, and knows that all is well
        while True:
            signal.pause()


def down(given: argparse.Namespace) -> None:
    """Stop what `up` started, or what an interrupted run left, and the embedded database."""
    home = default_home()
    if supervisor := supervisor_of(home):
        say("stopping")
        end(supervisor, home, SUPERVISOR_SECONDS)
    for record in records(home):
        end(record, home)
    if embedded := resolve(home).embedded:
        embedded.stop()
    say("TimelyRain is stopped")


def status(given: argparse.Namespace) -> int:
    """What runs, and where; exit status 3 when the platform does not run."""
    home = default_home()
    database = resolve(home)
    running = {record.name: record for record in records(home) if record.alive()}
    print(f"home        {home}")
    if database.embedded:
        state = database.embedded.status()
        where = f"runs (pid {state.pid}, PostgreSQL {state.major})" if state.running else "stopped"
        print(f"database    embedded, {where}, data in {state.data}")
    else:
        print("database    TIMELYRAIN_DATABASE_URL")
    for name in ("supervisor", "sandbox", "web", "worker"):
        record = running.get(name)
        print(
            f"{name:<11} {f'runs (pid {record.pid}) {address_of(record)}'.strip() if record else 'stopped'}"
        )
    return 0 if "supervisor" in running else 3


def _print_addresses(home: Path) -> None:
    running = {record.name: record for record in records(home)}
    web = address_of(running.get("web"))
    rows = [("borrower pages", f"{web}/"), ("console", f"{web}/console/"), ("API", f"{web}/api/v1/docs")]
    if sandbox := address_of(running.get("sandbox")):
        rows.append(("sandbox", sandbox))
        rows.append(("a person to be", f"{sandbox}/people/new?profile=good"))
        rows.append(("their phone", f"{sandbox}/sms/PHONE  (one-time codes arrive here)"))
    rows.append(("logs", str(home / "log")))
    print("TimelyRain runs.")
    for name, value in rows:
        print(f"  {name:<15} {value}")
    with suppress(FileNotFoundError):
        for login in json.loads((home / "demo-logins.json").read_text()):
            print("  demo login      " + "  ".join(str(value) for value in login.values()))
    print("Stop it with `timelyrain down`.")


# -- work with Django loaded


def migrate(given: argparse.Namespace) -> None:
    """Bring the tables of the database up to date, as its owner."""
    stack = current()
    stack.database.prepare()
    print(stack.migrate(), end="")


def seed(given: argparse.Namespace) -> None:
    """Give a simulated installation what it needs to lend; skips what is there."""
    load_django()
    from timelyrain.demo.seed import seed as plant  # type: ignore[import-not-found,unused-ignore]

    plant(say)


def worker(given: argparse.Namespace) -> None:
    """Carry sagas and scheduled work until told to stop."""
    load_django()
    from timelyrain.runtime.worker import Worker

    Worker(given.name).run()


def demo(given: argparse.Namespace) -> int:
    """Walk one loan through the public API, on real parts, and print the story."""
    from timelyrain.demo import main as walk  # type: ignore[import-not-found,unused-ignore]

    return walk(given)


def shell(given: argparse.Namespace) -> None:
    """Python with the platform loaded, under the application's role."""
    load_django()
    from django.core.management import call_command

    call_command("shell")


def manage(given: argparse.Namespace) -> None:
    """Any management command of Django, as the owner of the database."""
    load_django(owner=True)
    from django.core.management import execute_from_command_line

    execute_from_command_line(["timelyrain manage", *given.arguments])


# -- the embedded database


def db(given: argparse.Namespace) -> None:
    """Start, stop, enter or erase the embedded database."""
    home = default_home()
    database = resolve(home, say=say)
    if given.act == "start":
        database.prepare()
        print(database.owner_dsn)
    elif given.act == "stop":
        _embedded(database.embedded, "stop")
        _refuse_while_running(home)
        _embedded(database.embedded, "stop").stop()
    elif given.act == "psql":
        database.prepare()
        psql = str(database.embedded.programs / "psql") if database.embedded else shutil.which("psql")
        if not psql:
            raise Refusal("There is no psql on this machine: install PostgreSQL's client programs.")
        os.execv(psql, [psql, database.owner_dsn, *given.arguments])
    else:
        embedded = _embedded(database.embedded, "reset")
        _refuse_while_running(home)
        if not given.yes:
            raise Refusal(f"This erases {embedded.data} for good: say `timelyrain db reset --yes`.")
        embedded.destroy()
        say(f"{embedded.data} is erased")


def _embedded(embedded: EmbeddedPostgres | None, act: str) -> EmbeddedPostgres:
    if embedded is None:
        raise Refusal(f"TIMELYRAIN_DATABASE_URL names a server of yours: `db {act}` is for the embedded one.")
    return embedded


def _refuse_while_running(home: Path) -> None:
    if supervisor_of(home):
        raise Refusal("The platform runs and would start its database again: `timelyrain down` first.")


def add(commands: Commands) -> None:
    walk = commands.add(demo)
    walk.add_argument("--json", action="store_true", help="print one JSON object instead of the story")
    walk.add_argument(
        "--scenario", default="settled", help="settled, declined, lost-answer, killed or no-consent"
    )
    walk.add_argument("--verbose", action="store_true", help="show every HTTP call")
    for run in (up, supervise):
        start = commands.add(run)
        start.add_argument("--port", type=int, help=f"of the web server (usually {WEB_PORT})")
        start.add_argument(
            "--sandbox-port", type=int, help=f"of the simulated outside world (usually {SANDBOX_PORT})"
        )
    commands.add(down)
    commands.add(status)
    commands.add(migrate)
    commands.add(seed)
    commands.add(worker).add_argument("--name", default="worker-1", help="no two of one name work at once")
    base = commands.add(db)
    base.add_argument("act", choices=("start", "stop", "psql", "reset"))
    base.add_argument("--yes", action="store_true", help="really erase all data (with reset)")
    base.add_argument("arguments", nargs="*", help="more arguments for psql, after --")
    commands.add(shell)
    commands.add(manage).add_argument("arguments", nargs=argparse.REMAINDER)
