from collections.abc import Iterator

import pytest

from tests.worlds import World, running_sandbox


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_sandbox(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """A world in which everything works; one process per test module."""
    yield shared_world
    shared_world.delete("/faults")
