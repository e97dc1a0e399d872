"""The command as a person meets it: what it says, where it refuses. Starting the platform is the journeys' business."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import _SERVER  # pyright: ignore[reportPrivateUsage]
from tests.strategies import make_terms
from timelyrain.runtime import database


def timelyrain(*arguments: str, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TIMELYRAIN_")}
    return subprocess.run(
        [sys.executable, "-m", "timelyrain.cli", *arguments],
        env=inherited | {"TIMELYRAIN_HOME": str(home)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_teaches(tmp_path: Path) -> None:
    done = timelyrain("--help", home=tmp_path)
    assert done.returncode == 0
    for wanted in (
        "first steps",
        "timelyrain demo --scenario declined",
        "timelyrain db psql",
        "docs/operations.md",
    ):
        assert wanted in done.stdout


def test_status_of_nothing(tmp_path: Path) -> None:
    done = timelyrain("status", home=tmp_path)
    assert done.returncode == 3
    assert "database    embedded, stopped" in done.stdout
    assert done.stdout.count("stopped") == 5
    assert list(tmp_path.iterdir()) == []


def test_looking_into_a_platform_makes_none(tmp_path: Path) -> None:
    for words in (("risk", "list"), ("audit",), ("policy", "check", "deadbeef99")):
        done = timelyrain(*words, home=tmp_path)
        assert (done.returncode, "There is no platform in" in done.stderr) == (2, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_our_tables_is_told(tmp_path: Path) -> None:
    server, name = _SERVER[0][0], f"timelyrain_bare_{os.getpid()}"
    bare = database.recreate(server, name)
    try:
        addresses = {
            "TIMELYRAIN_DATABASE_URL": bare.owner_dsn,
            "TIMELYRAIN_APP_DATABASE_URL": bare.app_dsn,
        }
        done = timelyrain("risk", "list", home=tmp_path, **addresses)
    finally:
        database.drop(server, name)
    assert (done.returncode, "`timelyrain migrate`" in done.stderr) == (2, True), done.stderr


def test_down_of_nothing(tmp_path: Path) -> None:
    assert timelyrain("down", home=tmp_path).returncode == 0


def test_reset_asks_first(tmp_path: Path) -> None:
    done = timelyrain("db", "reset", home=tmp_path)
    assert (done.returncode, "db reset --yes" in done.stderr) == (2, True)


def test_given_server_is_not_ours_to_stop(tmp_path: Path) -> None:
    address = "postgresql://user@localhost/books"
    done = timelyrain("db", "stop", home=tmp_path, TIMELYRAIN_DATABASE_URL=address)
    assert (done.returncode, "names a server of yours" in done.stderr) == (2, True)


def test_no_address_is_one_sentence(tmp_path: Path) -> None:
    done = timelyrain("migrate", home=tmp_path, TIMELYRAIN_DATABASE_URL="books")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Write it as postgresql://" in done.stderr


@pytest.mark.parametrize(
    ("terms", "wanted"),
    [(None, "No such file"), ("{}", "principal_fen"), ("%PDF-1.7 cut off", "terms.json")],
)
def test_replay_refuses_what_are_no_terms(tmp_path: Path, terms: str | None, wanted: str) -> None:
    path = tmp_path / "terms.json"
    if terms is not None:
        path.write_text(terms)
    done = timelyrain("contract", "replay", str(path), "--as-of", "2026-01-31", home=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("The contract cannot be replayed") and "Traceback" not in done.stderr
    assert wanted.lower() in done.stderr.lower()


def test_replay_of_signed_terms(tmp_path: Path) -> None:
    path = tmp_path / "terms.json"
    path.write_bytes(make_terms().canonical_bytes())
    done = timelyrain("contract", "replay", str(path), "--as-of", "2026-01-31", home=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["terms_sha256"]) == ("PENDING", make_terms().sha256())
