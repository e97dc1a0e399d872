"""Which database this installation uses: the embedded server, or the one named by TIMELYRAIN_DATABASE_URL.

Two addresses, two roles: the owner's makes tables (migrate), the application's is all that the web and worker processes get.
An address is a libpq URL: postgresql://user:password@host:5432/database
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from timelyrain.runtime.embedded import APP, OWNER, DatabaseError, EmbeddedPostgres, default_home

OLDEST_SERVER = 15
_NO_ADDRESS = "TIMELYRAIN_DATABASE_URL is no database address{}. Write it as postgresql://user:password@host:5432/database"


@dataclass(frozen=True)
class Database:
    """The owner's and the application's address; `embedded` where the server is ours to start."""

    owner_dsn: str
    app_dsn: str
    embedded: EmbeddedPostgres | None

    def prepare(self) -> None:
        """Make it usable: start the embedded server and create the database, or check the given server and its role.

        Raises DatabaseError.
        """
        if self.embedded:
            self.embedded.start()
            self.embedded.ensure_database(str(conninfo_to_dict(self.owner_dsn)["dbname"]))
        else:
            _check_server(self.owner_dsn)
            _check_app_role(self.owner_dsn, self.app_dsn)


def resolve(
    home: Path | None = None, name: str = "timelyrain", say: Callable[[str], None] = lambda _: None
) -> Database:
    """Read the environment; starts and connects nothing. `name` is the database on the embedded server.

    TIMELYRAIN_DATABASE_URL: the owner's address on a server of yours, PostgreSQL >= 15.
    TIMELYRAIN_APP_DATABASE_URL: the application's; without it the owner connects and takes the role timelyrain_app.
    """
    owner = os.environ.get("TIMELYRAIN_DATABASE_URL")
    app = os.environ.get("TIMELYRAIN_APP_DATABASE_URL")
    if owner:
        return Database(owner, app or as_app_role(owner), None)
    embedded = EmbeddedPostgres(home or default_home(), say)
    return Database(embedded.dsn(name, OWNER), embedded.dsn(name, APP), embedded)


def recreate(database: Database, name: str) -> Database:
    """A sibling database of this name on the same server, made anew; an older one of that name is dropped.

    Raises DatabaseError.
    """
    dsns = (sibling(database.owner_dsn, name), sibling(database.app_dsn, name))
    if database.embedded:
        database.embedded.start()
    drop(database, name)
    if database.embedded:
        database.embedded.ensure_database(name)
        return Database(*dsns, database.embedded)
    _maintain(database.owner_dsn, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    made = Database(*dsns, None)
    made.prepare()
    return made


def drop(database: Database, name: str) -> None:
    """Drop a sibling database, whoever is connected to it. Raises DatabaseError."""
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    # As superuser where there is one: nobody else may end the autovacuum that may be at work in there.
    embedded = database.embedded
    _maintain(embedded.dsn("postgres", "postgres") if embedded else database.owner_dsn, statement)


def sibling(dsn: str, name: str) -> str:
    """The address of another database on the same server."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


def _maintain(dsn: str, statement: sql.Composed) -> None:
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)
    except psycopg.Error as error:
        raise DatabaseError(
            f"A database could not be made or dropped: {str(error).strip()}. Give the user of TIMELYRAIN_DATABASE_URL the right "
            "CREATEDB, or unset the variable to use the embedded server."
        ) from None


def as_app_role(owner_dsn: str) -> str:
    """The same address with every session set to the application's role."""
    parts = urlsplit(owner_dsn)
    try:
        options = conninfo_to_dict(owner_dsn).get("options") or ""
    except psycopg.ProgrammingError as error:
        raise DatabaseError(_NO_ADDRESS.format(f": {str(error).strip()}")) from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise DatabaseError(_NO_ADDRESS.format(""))
    query = dict(parse_qsl(parts.query)) | {"options": f"{options} -c role={APP}".strip()}
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def _check_server(owner_dsn: str) -> None:
    try:
        with psycopg.connect(owner_dsn, connect_timeout=10) as connection:
            version = connection.info.server_version
    except psycopg.Error as error:
        raise DatabaseError(f"TIMELYRAIN_DATABASE_URL cannot be used: {str(error).strip()}") from None
    if version < OLDEST_SERVER * 10_000:
        raise DatabaseError(
            f"TIMELYRAIN_DATABASE_URL leads to PostgreSQL {version // 10_000}; TimelyRain needs {OLDEST_SERVER} or newer: "
            "upgrade that server, or unset the variable to use the embedded one."
        )


def _check_app_role(owner_dsn: str, app_dsn: str) -> None:
    """Create the application's role where the owner may, and see that its address works."""
    role = sql.Identifier(APP)
    try:
        with psycopg.connect(owner_dsn, autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APP]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {}").format(role))
            try:
                connection.execute(sql.SQL("SET ROLE {}").format(role))
            except (
                psycopg.errors.InsufficientPrivilege
            ):  # since PostgreSQL 16 even for a role of its own making
                connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
        with psycopg.connect(app_dsn, connect_timeout=10) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        raise DatabaseError(
            f"The application's role cannot be used: {str(error).strip()}. Let an administrator of that server run\n"
            f"    CREATE ROLE {APP}; GRANT {APP} TO <the user of TIMELYRAIN_DATABASE_URL>;\n"
            "or name a login of its own in TIMELYRAIN_APP_DATABASE_URL."
        ) from None
