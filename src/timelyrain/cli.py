"""The command `timelyrain`: starts, stops and looks after an installation. No business rule lives here."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

from timelyrain import __version__
from timelyrain.runtime.database import resolve
from timelyrain.runtime.embedded import DatabaseError, EmbeddedPostgres, default_home
from timelyrain.runtime.processes import ProcessError, Record, Supervisor, end, records
from timelyrain.runtime.stack import SANDBOX_PORT, WEB_PORT, Stack, plan

SUPERVISOR_SECONDS = 45  # to stop: each of its children may take ten

GUIDE = """
first steps
  timelyrain demo                        walk one loan from application to settlement, on real parts
  timelyrain demo --scenario declined    others: lost-answer, killed, no-consent
  timelyrain up                          start sandbox, web and worker in the background
  timelyrain status                      what runs, and where
  timelyrain down                        stop all of it

looking inside
  timelyrain db psql                     the database, as its owner
  timelyrain shell                       Python with the platform loaded, under the application's role
  timelyrain audit                       recompute the log of acts; says what was changed, if anything was
  timelyrain contract replay contract.pdf events.json --as-of 2026-01-31
                                         a loan's balances from its signed terms, without a database

Data, keys and logs live in TIMELYRAIN_HOME (default ./var). TIMELYRAIN_DATABASE_URL puts a PostgreSQL server of
yours in the place of the embedded one. docs/operations.md describes every variable.
"""


class Refusal(Exception):
    """What was asked cannot be done; the message says why and what to do instead."""


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        return given.run(given) or 0
    except (DatabaseError, ProcessError, Refusal) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def say(sentence: str) -> None:
    """Progress goes to stderr: stdout belongs to results."""
    print(f"• {sentence}", file=sys.stderr, flush=True)


# -- the platform in the background


def up(given: argparse.Namespace) -> None:
    """Start the platform in the background, wait until it works, say where it is."""
    home = default_home()
    if _supervisor(home):
        say("it already runs")
    else:
        stack = plan(home, say, given.port, given.sandbox_port)
        stack.prepare(say)
        _leave_supervisor(stack)
    _print_addresses(home)


def _leave_supervisor(stack: Stack) -> None:
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
    if not _supervisor(stack.home):
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
    if supervisor := _supervisor(home):
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
        print(f"{name:<11} {f'runs (pid {record.pid}) {_address(record)}'.strip() if record else 'stopped'}")
    return 0 if "supervisor" in running else 3


def _supervisor(home: Path) -> Record | None:
    return next((record for record in records(home) if record.name == "supervisor" and record.alive()), None)


def _address(record: Record | None) -> str:
    """The address a running process answers at; empty for one that does not."""
    return record.ready.removesuffix("/health") if record and record.ready.startswith("http") else ""


def _print_addresses(home: Path) -> None:
    running = {record.name: record for record in records(home)}
    web = _address(running.get("web"))
    rows = [("borrower pages", f"{web}/"), ("console", f"{web}/console/"), ("API", f"{web}/api/v1/docs")]
    if sandbox := _address(running.get("sandbox")):
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


def _current(home: Path | None = None) -> Stack:
    """The installation as it runs now, or as it would by default."""
    home = home or default_home()
    running = {record.name: record for record in records(home) if record.alive()}

    def port(name: str, usual: int) -> int:
        return int(_address(running.get(name)).rpartition(":")[2] or usual)

    return plan(home, say, port("web", WEB_PORT), port("sandbox", SANDBOX_PORT))


def _django(owner: bool = False) -> None:
    """Load the platform in this process. A child of the supervisor has its environment already."""
    if owner or "TIMELYRAIN_APP_DATABASE_URL" not in os.environ:
        stack = _current()
        stack.database.prepare()
        os.environ.pop("TIMELYRAIN_DATABASE_URL", None)
        os.environ.update(stack.environment(owner))
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "timelyrain.runtime.settings")
    django.setup()


def migrate(given: argparse.Namespace) -> None:
    """Bring the tables of the database up to date, as its owner."""
    stack = _current()
    stack.database.prepare()
    print(stack.migrate(), end="")


def seed(given: argparse.Namespace) -> None:
    """Give a simulated installation what it needs to lend; skips what is there."""
    _django()
    from timelyrain.demo.seed import seed as plant  # type: ignore[import-not-found,unused-ignore]

    plant(say)


def worker(given: argparse.Namespace) -> None:
    """Carry sagas and scheduled work until told to stop."""
    _django()
    from timelyrain.runtime.worker import Worker

    Worker(given.name).run()


def demo(given: argparse.Namespace) -> int:
    """Walk one loan through the public API, on real parts, and print the story."""
    from timelyrain.demo import main as walk  # type: ignore[import-not-found,unused-ignore]

    return walk(given)


def shell(given: argparse.Namespace) -> None:
    """Python with the platform loaded, under the application's role."""
    _django()
    from django.core.management import call_command

    call_command("shell")


def manage(given: argparse.Namespace) -> None:
    """Any management command of Django, as the owner of the database."""
    _django(owner=True)
    from django.core.management import execute_from_command_line

    execute_from_command_line(["timelyrain manage", *given.arguments])


def audit(given: argparse.Namespace) -> int:
    """Recompute the log of acts from its rows; exit status 1 when something was changed."""
    _django()
    from timelyrain.audit.queries import check_log

    check = check_log()
    for problem in check.problems:
        print(problem)
    if not check.problems:
        print(f"{check.size} acts, nothing changed; root {check.root}")
    return 1 if check.problems else 0


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
    if _supervisor(home):
        raise Refusal("The platform runs and would start its database again: `timelyrain down` first.")


# -- a contract on its own


def replay(given: argparse.Namespace) -> None:
    """A loan's balances from its signed terms and its events; needs no database."""
    from timelyrain.agreements.documents import DocumentError, extract_attachment
    from timelyrain.contract import ContractViolation, EventInvalid, TermsInvalid
    from timelyrain.contract import replay as fold

    try:
        terms = given.terms.read_bytes()
        events = json.loads(given.events.read_text()) if given.events else []
        if terms.startswith(b"%PDF"):
            terms = extract_attachment(terms, "terms.json")
        print(json.dumps(fold(terms, events, given.as_of), indent=2, ensure_ascii=False))
    except (OSError, ValueError, DocumentError, TermsInvalid, EventInvalid, ContractViolation) as error:
        raise Refusal(f"The contract cannot be replayed: {error}") from error


# -- the words of the command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="timelyrain",
        description="TimelyRain (及时雨): a self-hosted instant-lending platform.",
        epilog=GUIDE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"timelyrain {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(
        name: str,
        run: Callable[[argparse.Namespace], int | None],
        under: "argparse._SubParsersAction[argparse.ArgumentParser]" = commands,
    ) -> argparse.ArgumentParser:
        text = run.__doc__ or ""
        made = under.add_parser(name, help=text.split(";")[0].rstrip("."), description=text)
        made.set_defaults(run=run)
        return made

    walk = command("demo", demo)
    walk.add_argument("--json", action="store_true", help="print one JSON object instead of the story")
    walk.add_argument(
        "--scenario", default="settled", help="settled, declined, lost-answer, killed or no-consent"
    )
    walk.add_argument("--verbose", action="store_true", help="show every HTTP call")
    for name, run in (("up", up), ("supervise", supervise)):
        start = command(name, run)
        start.add_argument("--port", type=int, help=f"of the web server (usually {WEB_PORT})")
        start.add_argument(
            "--sandbox-port", type=int, help=f"of the simulated outside world (usually {SANDBOX_PORT})"
        )
    command("down", down)
    command("status", status)
    command("migrate", migrate)
    command("seed", seed)
    command("worker", worker).add_argument(
        "--name", default="worker-1", help="no two of one name work at once"
    )
    command("audit", audit)

    books = command("db", db)
    books.add_argument("act", choices=("start", "stop", "psql", "reset"))
    books.add_argument("--yes", action="store_true", help="really erase all data (with reset)")
    books.add_argument("arguments", nargs="*", help="more arguments for psql, after --")
    command("shell", shell)
    command("manage", manage).add_argument("arguments", nargs=argparse.REMAINDER)

    contract = commands.add_parser("contract", help="Read a contract on its own, without a database")
    acts = contract.add_subparsers(metavar="ACT", required=True)
    again = command("replay", replay, acts)
    again.add_argument("terms", type=Path, help="the signed contract (PDF) or its terms (JSON)")
    again.add_argument(
        "events", type=Path, nargs="?", help="what happened to the loan: a JSON array of events"
    )
    again.add_argument("--as-of", type=date.fromisoformat, required=True, help="the day, as YYYY-MM-DD")
    return parser


if __name__ == "__main__":
    sys.exit(main())
