"""Where the published numbers are: TIMELYRAIN_SHARED, or a `shared` folder beside the repository."""

import json
import os
from pathlib import Path
from typing import Any

import pytest


def published(name: str) -> Any:
    """A JSON file of published numbers; skips the test where they are not at hand."""
    root = Path(os.environ.get("TIMELYRAIN_SHARED") or Path(__file__).parents[3] / "shared")
    path = root / "conformance" / name
    if not path.is_file():
        pytest.skip(
            f"no {name}: set TIMELYRAIN_SHARED to the folder that holds conformance/", allow_module_level=True
        )
    return json.loads(path.read_text())
