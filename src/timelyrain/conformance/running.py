"""The suites there are, and how a file or a folder of one is run."""

import json
import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from .outcome import Outcome, SuiteUnreadable

Check = Callable[[Path], Iterator[Outcome]]


class Suite(NamedTuple):
    """A suite: the file or folder it has under conformance/, and the module of this package that checks one file."""

    name: str
    source: str
    module: str

    def check(self) -> Check:
        return import_module(f"{__package__}.{self.module}").outcomes


SUITES = {
    suite.name: suite
    for suite in (
        Suite("schedules", "schedules.json", "schedules"),
        Suite("apr", "apr.json", "apr"),
        Suite("identifiers", "identifiers.json", "identifiers"),
        Suite("actus", "actus", "actus"),
    )
}


def published(suite: Suite) -> Path | None:
    """Where the suite's published numbers are: under TIMELYRAIN_SHARED or a `shared` folder beside the checkout."""
    root = Path(os.environ.get("TIMELYRAIN_SHARED") or Path(__file__).parents[4] / "shared")
    path = root / "conformance" / suite.source
    return path if path.exists() else None


def run(suite: Suite, path: Path) -> list[Outcome]:
    """Every case of a file, or of all JSON files of a folder, in order. Raises SuiteUnreadable, FileNotFoundError."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise SuiteUnreadable(f"{path} holds no JSON file; name a file or a folder of suite {suite.name!r}")
    found: list[Outcome] = []
    for file in files:
        try:
            found += suite.check()(file)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise SuiteUnreadable(f"{file} is not a file of suite {suite.name!r}: {error!r}") from error
    return found
