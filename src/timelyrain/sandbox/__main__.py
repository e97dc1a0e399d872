"""`python -m timelyrain.sandbox --port N --state PATH`: the world in one process, one thread per call, on localhost."""

import argparse
import contextlib
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from timelyrain.sandbox.store import Store
from timelyrain.sandbox.web import Application
from timelyrain.sandbox.world import router


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """GET /calls is the log."""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="timelyrain.sandbox", description="The simulated outside world, over HTTP."
    )
    parser.add_argument("--port", type=int, default=8901, help="0 picks a free one (default %(default)s)")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--state", type=Path, default=Path("var/sandbox.sqlite3"), help="SQLite file (default %(default)s)"
    )
    given = parser.parse_args()
    application = Application(router, Store(given.state))
    with make_server(
        given.host, given.port, application, server_class=_Server, handler_class=_Quiet
    ) as server:
        print(f"sandbox on http://{given.host}:{server.server_port}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


if __name__ == "__main__":
    main()
