"""The embedded server through real lives and deaths: each test makes, kills and mends a server of its own."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from timelyrain.runtime.database import as_app_role, resolve
from timelyrain.runtime.embedded import APP, MAJOR, OWNER, SOCKET_PATH_BYTES, DatabaseError, EmbeddedPostgres
from timelyrain.runtime.processes import identity


def open_folder() -> Iterator[Path]:
    """A home that any user may reach; pytest's own temporary folders are closed to others."""
    path = Path(tempfile.mkdtemp(prefix="tr-test-"))
    path.chmod(0o755)
    yield path
    EmbeddedPostgres(path).destroy()
    shutil.rmtree(path)


home = pytest.fixture(open_folder, name="home")
shared_home = pytest.fixture(open_folder, name="shared_home", scope="module")


@pytest.fixture
def server(shared_home: Path) -> EmbeddedPostgres:
    """A running server without a database of its own; whatever a test does to it, the next start must mend."""
    server = EmbeddedPostgres(shared_home)
    server.start()
    server.drop_database("books")
    return server


def write_row(server: EmbeddedPostgres) -> None:
    server.ensure_database("books")
    with psycopg.connect(server.dsn("books")) as connection:
        connection.execute("CREATE TABLE kept (fen bigint)")
        connection.execute("INSERT INTO kept VALUES (1234)")


def read_row(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.dsn("books")) as connection:
        row = connection.execute("SELECT fen FROM kept").fetchone()
        assert row
        return row[0]


def running_pid(server: EmbeddedPostgres) -> int:
    pid = server.status().pid
    assert pid
    return pid


def test_start_and_stop(home: Path) -> None:
    said: list[str] = []
    server = EmbeddedPostgres(home, said.append)
    assert (server.status().running, server.status().major) == (False, None)
    server.start()
    assert (server.status().running, server.status().major) == (True, MAJOR)
    assert said == ["making the database (first start)"]
    pid = server.status().pid
    server.start()
    assert server.status().pid == pid
    write_row(server)
    server.stop()
    server.stop()
    assert not server.status().running
    server.start()
    assert read_row(server) == 1234
    assert len(said) == 1


def test_settings_hold(server: EmbeddedPostgres) -> None:
    wanted = {
        "listen_addresses": "",
        "data_checksums": "on",
        "fsync": "on",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "lc_collate": "C",
    }
    with psycopg.connect(server.dsn("postgres")) as connection:
        rows = connection.execute("SELECT name, setting FROM pg_settings").fetchall()
        collate = connection.execute(
            "SELECT datcollate FROM pg_database WHERE datname = 'postgres'"
        ).fetchone()
    settings = dict(rows) | {"lc_collate": collate[0] if collate else None}
    assert {name: settings[name] for name in wanted} == wanted
    assert server.socket_dir.stat().st_mode & 0o077 == 0
    assert server.data.stat().st_mode & 0o077 == 0


def test_application_role_has_no_rights_of_its_own(server: EmbeddedPostgres) -> None:
    write_row(server)
    with psycopg.connect(server.dsn("books", APP)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM kept")
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE mine ()")
        connection.rollback()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"SET ROLE {OWNER}")


def test_databases_come_and_go(server: EmbeddedPostgres) -> None:
    write_row(server)
    server.ensure_database("books")
    server.create_database("copy", template="books")
    with closing(psycopg.connect(server.dsn("copy"))) as held:
        assert held.execute("SELECT fen FROM kept").fetchone() == (1234,)
        server.drop_database("copy")
    server.drop_database("copy")
    with pytest.raises(psycopg.errors.DuplicateDatabase):
        server.create_database("books")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(server.dsn("copy"))


def test_committed_rows_survive_a_killed_server(server: EmbeddedPostgres) -> None:
    write_row(server)
    with closing(
        psycopg.connect(server.dsn("books"))
    ) as busy:  # its session outlives the postmaster for a while
        busy.execute("INSERT INTO kept VALUES (-1)")
        old = running_pid(server)
        os.kill(old, signal.SIGKILL)
        said: list[str] = []
        EmbeddedPostgres(server.home, said.append).start()  # at once, while the killed one still fades
        assert said == ["the database was not shut down in order: recovering it"]
        assert server.status().pid != old
    assert read_row(server) == 1234


def test_pid_file_that_names_a_foreign_process_is_passed_over(server: EmbeddedPostgres) -> None:
    write_row(server)
    user = server.data.stat().st_uid  # PostgreSQL itself is deceived only by a process of its own user
    os.kill(running_pid(server), signal.SIGKILL)
    while server.status().running:
        time.sleep(0.01)
    with subprocess.Popen(["sleep", "600"], user=user if os.geteuid() == 0 else None) as stranger:
        for path in (server.data / "postmaster.pid", server.socket_dir / ".s.PGSQL.5432.lock"):
            _, _, rest = path.read_text().partition("\n")
            path.write_text(f"{stranger.pid}\n{rest}")
        assert not server.status().running
        server.start()
        assert stranger.poll() is None
        stranger.kill()
    assert read_row(server) == 1234


def test_data_of_an_unknown_major_version_are_refused(server: EmbeddedPostgres) -> None:
    server.stop()
    pin = server.data / "PG_VERSION"
    pin.write_text("12\n")
    try:
        with pytest.raises(
            DatabaseError, match=r"made by PostgreSQL 12.*brings only 16, 18.*untouched.*pg_dump"
        ):
            EmbeddedPostgres(server.home).start()
    finally:
        pin.write_text(f"{MAJOR}\n")


def start_in(home: Path) -> int:
    server = EmbeddedPostgres(home)
    server.start()
    server.ensure_database("books")
    return running_pid(server)


def test_concurrent_starters_get_one_server(home: Path) -> None:
    with ProcessPoolExecutor(4) as pool:
        assert len(set(pool.map(start_in, [home] * 4))) == 1


def test_interrupted_first_start_is_made_good(home: Path) -> None:
    (home / "pg.new").mkdir()
    (home / "pg.new" / "PG_VERSION").write_text(f"{MAJOR}\n")
    start_in(home)
    assert not (home / "pg.new").exists()


def test_lost_socket_folder_is_made_again(server: EmbeddedPostgres) -> None:
    write_row(server)
    shutil.rmtree(server.socket_dir)
    server.start()
    assert read_row(server) == 1234


def test_removed_data_folder_means_a_new_server(home: Path) -> None:
    old = start_in(home)
    shutil.rmtree(home / "pg")
    assert start_in(home) != old
    assert identity(old) is None


def test_deep_home_keeps_its_socket_short(home: Path) -> None:
    deep = home / ("long" * 20) / ("name" * 20)
    server = EmbeddedPostgres(deep)
    try:
        server.start()
        assert len(os.fsencode(server.socket_dir)) < SOCKET_PATH_BYTES
        assert server.socket_dir.parent == Path("/tmp")
        server.ensure_database("books")
    finally:
        server.destroy()
    assert not server.socket_dir.exists()


def test_socket_folder_of_somebody_else_is_refused(home: Path) -> None:
    server = EmbeddedPostgres(home)
    (home / "elsewhere").mkdir()
    server.socket_dir.symlink_to(home / "elsewhere")
    with pytest.raises(DatabaseError, match="belongs to somebody else"):
        server.start()


def test_failed_start_shows_the_log(server: EmbeddedPostgres) -> None:
    server.stop()
    control = server.data / "global" / "pg_control"
    control.rename(control.with_suffix(".away"))
    with pytest.raises(DatabaseError, match="did not start"):
        server.start()
    control.with_suffix(".away").rename(control)
    server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for the server")
def test_root_gives_the_server_to_another_user(server: EmbeddedPostgres) -> None:
    assert Path(f"/proc/{running_pid(server)}").stat().st_uid == server.data.stat().st_uid != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's home can be closed to the server's user")
def test_root_with_a_closed_home_keeps_the_data_where_the_server_may_go(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    said: list[str] = []
    server = EmbeddedPostgres(closed / "var", said.append)
    try:
        server.start()
        write_row(server)
        server.stop()
        assert any("is closed to the server's user" in sentence for sentence in said)
        again = EmbeddedPostgres(closed / "var")
        again.start()
        assert read_row(again) == 1234
        assert (closed / "var" / "pg").readlink() == again.data
    finally:
        server.destroy()
    assert not server.data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="the rest of this file already runs as an ordinary user")
def test_ordinary_user(home: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    child = get_context("fork").Process(target=live_as, args=(nobody.pw_uid, nobody.pw_gid, home))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert (home / "pg").stat().st_uid == nobody.pw_uid


def live_as(user: int, group: int, home: Path) -> None:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    server = EmbeddedPostgres(home)
    server.start()
    write_row(server)
    os.kill(running_pid(server), signal.SIGKILL)
    server.start()
    assert read_row(server) == 1234
    server.stop()


def test_embedded_is_used_when_no_address_is_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TIMELYRAIN_DATABASE_URL", raising=False)
    monkeypatch.delenv("TIMELYRAIN_APP_DATABASE_URL", raising=False)
    database = resolve(home, "books")
    database.prepare()
    for dsn, user in ((database.owner_dsn, OWNER), (database.app_dsn, APP)):
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT current_user, current_database()").fetchone() == (user, "books")


def test_given_server_is_used_under_the_application_role(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    server.ensure_database("books")
    with psycopg.connect(server.dsn("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(f"DROP ROLE {APP}")
    monkeypatch.delenv("TIMELYRAIN_APP_DATABASE_URL", raising=False)
    monkeypatch.setenv("TIMELYRAIN_DATABASE_URL", server.dsn("books"))
    database = resolve(home / "other")
    assert database.embedded is None
    with pytest.raises(DatabaseError, match=r"(?s)permission denied.*CREATE ROLE timelyrain_app; GRANT"):
        database.prepare()
    with psycopg.connect(server.dsn("postgres", "postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {OWNER} CREATEROLE")
    database.prepare()
    database.prepare()
    with psycopg.connect(database.app_dsn) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (APP,)


def test_address_that_leads_nowhere_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIMELYRAIN_DATABASE_URL", f"postgresql://nobody@/books?host={home}")
    with pytest.raises(DatabaseError, match="TIMELYRAIN_DATABASE_URL cannot be used"):
        resolve(home).prepare()


def test_address_keeps_its_own_options() -> None:
    dsn = as_app_role("postgresql://u:p%40w@h:5432/d?sslmode=require&options=-c%20work_mem%3D8MB")
    assert conninfo_to_dict(dsn) == {
        "user": "u",
        "password": "p@w",
        "host": "h",
        "port": "5432",
        "dbname": "d",
        "sslmode": "require",
        "options": f"-c work_mem=8MB -c role={APP}",
    }


@pytest.mark.parametrize("address", ["books", "mysql://root@localhost/books", "host=localhost dbname=books"])
def test_address_of_another_shape_is_refused(address: str) -> None:
    with pytest.raises(DatabaseError, match=r"no database address.*Write it as postgresql://"):
        as_app_role(address)
