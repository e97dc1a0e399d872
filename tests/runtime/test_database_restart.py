"""A database of its own that is stopped and started under a working worker."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.runtime.workers import eventually, worker_process
from timelyrain.runtime.embedded import APP, OWNER, EmbeddedPostgres


@pytest.fixture
def own_database(tmp_path: Path):
    server = EmbeddedPostgres(tmp_path / "home")
    server.start()
    server.ensure_database("own")
    try:
        yield server
    finally:
        server.destroy()


def test_the_database_is_restarted_while_a_worker_works(own_database, tmp_path):
    server = own_database
    owner = server.dsn("own", OWNER)
    environment = {
        "TIMELYRAIN_HOME": str(server.home),
        "TIMELYRAIN_DATABASE_URL": owner,
        "TIMELYRAIN_APP_DATABASE_URL": server.dsn("own", APP),
    }
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "--database", "owner", "-v0"],
        env=os.environ | environment,
        check=True,
    )

    def begin(count: int) -> None:
        now = datetime.now(UTC)
        with psycopg.connect(owner, autocommit=True) as connection:
            for _ in range(count):
                connection.execute(
                    "INSERT INTO runtime_saga (shard, id, kind, key, step, status, data, attempts,"
                    " due_at, last_error, created_at)"
                    " VALUES (1, %s, 'test_walk', %s, 'test.first', 'ready', %s, 0, %s, '', %s)",
                    [uuid4(), str(uuid4()), Jsonb({"folder": str(tmp_path)}), now, now],
                )

    def done() -> int:
        with psycopg.connect(owner) as connection:
            row = connection.execute("SELECT count(*) FROM runtime_saga WHERE status = 'done'").fetchone()
            return row[0] if row else 0

    with worker_process("restarted", **environment) as process:
        begin(5)
        eventually(lambda: done() == 5)
        begin(60)
        server.stop()
        server.start()
        eventually(lambda: done() == 65)
        assert process.poll() is None
    with psycopg.connect(owner) as connection:
        acts = connection.execute(
            "SELECT act, count(*), count(DISTINCT subject) FROM audit_act GROUP BY act"
        ).fetchall()
    assert sorted(acts) == [("first", 65, 65), ("last", 65, 65), ("sent", 65, 65)]
