"""WSGI entry: `granian --interface wsgi timelyrain.sandbox.wsgi:application`; state in $TIMELYRAIN_SANDBOX_STATE."""

import os
from pathlib import Path

from timelyrain.sandbox.store import Store
from timelyrain.sandbox.web import Application
from timelyrain.sandbox.world import router

application = Application(
    router, Store(Path(os.environ.get("TIMELYRAIN_SANDBOX_STATE", "var/sandbox.sqlite3")))
)
