"""The platform as the tests meet it: embedded PostgreSQL under the application's own role, a sandbox process, real commits.

There is no rollback between tests: rows that are append only cannot be taken back here either. Each test works with a borrower of
its own. Tests of the ground floor ask for no fixture and touch no database.
"""

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from tests.worlds import World, running_sandbox

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("TIMELYRAIN_TEST_HOME", ROOT / "var" / "test"))


EXPLORE = int(os.environ.get("TIMELYRAIN_EXPLORE", "0"))
"""Examples that each property test tries, other ones on each run; 0: its own number, the same ones on each run."""

settings.register_profile(
    "explore" if EXPLORE else "same",
    derandomize=not EXPLORE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # a slow machine is no failure
    print_blob=True,
)
settings.load_profile("explore" if EXPLORE else "same")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Exploring, a test's own number of examples does not count, and a test that is no property is left out."""
    if EXPLORE:
        items[:] = [item for item in items if is_hypothesis_test(getattr(item, "function", None))]
        for item in items:
            inner = item.function  # pyright: ignore[reportAttributeAccessIssue]
            own = inner._hypothesis_internal_use_settings
            inner._hypothesis_internal_use_settings = settings(own, max_examples=EXPLORE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pytest_configure() -> None:
    """Point the settings at the test's own home and database before anything reads them."""
    import django

    from timelyrain.runtime import database

    os.environ["TIMELYRAIN_HOME"] = str(HOME)
    server = database.resolve(HOME)
    name = f"timelyrain_test_{os.getpid()}"
    os.environ["TIMELYRAIN_DATABASE_URL"] = database.sibling(server.owner_dsn, name)
    os.environ["TIMELYRAIN_APP_DATABASE_URL"] = database.sibling(server.app_dsn, name)
    os.environ["TIMELYRAIN_SANDBOX_URL"] = f"http://127.0.0.1:{_free_port()}"
    os.environ["TIMELYRAIN_SIMULATED"] = "1"
    os.environ["DJANGO_SETTINGS_MODULE"] = "timelyrain.runtime.settings"
    _SERVER.append((server, name))
    django.setup()


_SERVER: list = []


def superuser_dsn() -> str:
    """The test database for whoever may do anything there: cut connections, change what nobody else can."""
    from timelyrain.runtime import database

    server, name = _SERVER[0]
    return (
        server.embedded.dsn(name, "postgres") if server.embedded else database.sibling(server.owner_dsn, name)
    )


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A migrated, seeded platform in this process, and the sandbox it talks to. Yields the sandbox."""
    from django.core.management import call_command

    from timelyrain.origination import registry, releases, training
    from timelyrain.runtime import database

    server, name = _SERVER[0]
    database.recreate(server, name)
    call_command("migrate", database="owner", verbosity=0)
    port = int(os.environ["TIMELYRAIN_SANDBOX_URL"].rpartition(":")[2])
    with running_sandbox(tmp_path_factory.mktemp("world"), port) as world:
        releases.install(source=registry.default_policy_source())
        policy, _ = registry.active()
        people = training.train_on_population(policy, 1500, 1, datetime(2025, 6, 30, tzinfo=UTC))
        releases.install(model=people)
        yield world
    from django.db import connections

    connections.close_all()
    database.drop(server, name)


@pytest.fixture
def world(platform: World) -> Iterator[World]:
    """The sandbox without left-over faults."""
    platform.delete("/faults")
    yield platform
    platform.delete("/faults")


@pytest.fixture
def django_queries():
    """The statements a block sends to the database."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    return lambda: CaptureQueriesContext(connection)
