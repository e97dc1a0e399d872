"""A whole platform for one demonstration: its own folder, a fresh database, free ports; stopped when it is left."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Self

from timelyrain.runtime import database
from timelyrain.runtime.embedded import default_home
from timelyrain.runtime.processes import Supervisor, free_port
from timelyrain.runtime.stack import Stack


class DemoWorld:
    """Keeps `<home>/demo`: logs, keys and trained models stay between runs, data does not."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.home: Path = default_home().absolute() / "demo"

    def __enter__(self) -> Self:
        server = database.resolve(self.home, "timelyrain_demo", self._say)
        self._was_running = server.embedded is not None and server.embedded.status().running
        # The supervisor comes first: it holds the folder's lock and ends what an interrupted run has left.
        self.supervisor = Supervisor(self.home, self._say, self._keep)
        self.supervisor.__enter__()
        try:
            self._say("starting the database")
            self.stack = Stack(
                self.home, database.recreate(server, "timelyrain_demo"), free_port(), free_port()
            )
            for old in (*self.home.glob("sandbox.sqlite3*"), self.home / "demo-logins.json"):
                old.unlink(missing_ok=True)
            shutil.rmtree(self.home / "contracts", ignore_errors=True)
            self._say("making its tables")
            self.stack.migrate()
            self.stack.start(self.supervisor, self._say)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.supervisor.__exit__()
        embedded = self.stack.database.embedded if hasattr(self, "stack") else None
        if embedded and not self._was_running:
            embedded.stop()

    def _keep(self) -> None:
        if hasattr(self, "stack"):
            self.stack.keep()

    def login(self, role: str) -> tuple[str, str]:
        """User name and password of the demo user of a role."""
        for login in json.loads((self.home / "demo-logins.json").read_text()):
            if login["role"] == role:
                return login["username"], login["password"]
        raise LookupError(f"there is no demo login for the role {role}")

    def authority_root(self) -> bytes:
        """The certificate (PEM) of the demo authority that signs contracts here."""
        from timelyrain.agreements.documents import DemoAuthority

        return DemoAuthority(self.home / "keys" / "authority").root
