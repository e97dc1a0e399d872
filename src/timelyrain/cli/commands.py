"""What every group of commands shares: how a command is added, how it refuses, and the platform loaded for it."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from timelyrain.runtime.embedded import EmbeddedPostgres, default_home
from timelyrain.runtime.processes import Record, records
from timelyrain.runtime.stack import SANDBOX_PORT, WEB_PORT, Stack, plan

Run = Callable[[argparse.Namespace], int | None]


class Refusal(Exception):
    """What was asked cannot be done; the message says why and what to do instead. zh: the same in Chinese."""

    def __init__(self, en: str, zh: str = ""):
        super().__init__(en)
        self.zh = zh or en


class Commands:
    """A level of the command line. The first sentence of a function's docstring is its help."""

    def __init__(self, parser: argparse.ArgumentParser, metavar: str = "COMMAND"):
        self._under = parser.add_subparsers(title="commands", metavar=metavar, required=True)

    def add(self, run: Run, name: str = "", epilog: str = "") -> argparse.ArgumentParser:
        """A command that runs the function; its exit status is what the function returns, None meaning 0."""
        text = run.__doc__ or ""
        made = self._under.add_parser(
            name or run.__name__.replace("_", "-"),
            help=text.split(";")[0].rstrip("."),
            description=text,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=run)
        return made

    def group(self, name: str, text: str) -> "Commands":
        """`timelyrain NAME ACT`."""
        return Commands(self._under.add_parser(name, help=text, description=text), "ACT")


def chinese(given: argparse.Namespace) -> bool:
    """The reader's language: --language, else that of the shell."""
    asked = getattr(given, "language", None)
    return (asked or os.environ.get("LC_ALL") or os.environ.get("LANG") or "").startswith("zh")


def say(sentence: str) -> None:
    """Progress goes to stderr: stdout belongs to results."""
    print(f"• {sentence}", file=sys.stderr, flush=True)


def supervisor_of(home: Path) -> Record | None:
    return next((record for record in records(home) if record.name == "supervisor" and record.alive()), None)


def address_of(record: Record | None) -> str:
    """The address a running process answers at; empty for one that does not."""
    return record.ready.removesuffix("/health") if record and record.ready.startswith("http") else ""


def current(home: Path | None = None) -> Stack:
    """The installation as it runs now, or as it would by default."""
    home = home or default_home()
    running = {record.name: record for record in records(home) if record.alive()}

    def port(name: str, usual: int) -> int:
        return int(address_of(running.get(name)).rpartition(":")[2] or usual)

    return plan(home, say, port("web", WEB_PORT), port("sandbox", SANDBOX_PORT))


def need_platform() -> None:
    """Refuses where no platform was ever set up: looking for something in it must not make one."""
    if "TIMELYRAIN_DATABASE_URL" in os.environ or "TIMELYRAIN_APP_DATABASE_URL" in os.environ:
        return
    if not (EmbeddedPostgres().data / "PG_VERSION").exists():
        raise Refusal(
            f"There is no platform in {default_home()}: start one with `timelyrain up`, set TIMELYRAIN_HOME, or give files.",
            f"{default_home()} 里没有平台：请用 `timelyrain up` 启动，或设置 TIMELYRAIN_HOME，或给出文件。",
        )


def load_django(owner: bool = False) -> None:
    """Load the platform in this process. A child of the supervisor has its environment already."""
    if not owner:
        need_platform()
    if owner or "TIMELYRAIN_APP_DATABASE_URL" not in os.environ:
        stack = current()
        stack.database.prepare()
        os.environ.pop("TIMELYRAIN_DATABASE_URL", None)
        os.environ.update(stack.environment(owner))
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "timelyrain.runtime.settings")
    django.setup()
