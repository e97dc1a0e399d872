"""The demonstration from outside, as a new user runs it: every scenario, and the settled one while its processes are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

HOME = Path(os.environ["TIMELYRAIN_HOME"]) / "journeys"
COMMAND = (sys.executable, "-m", "timelyrain.cli", "demo", "--json", "--scenario")


def environment() -> dict[str, str]:
    """What a user has: none of the test's own settings."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("TIMELYRAIN_", "DJANGO_"))}
    return ours | {"TIMELYRAIN_HOME": str(HOME)}


def walk(scenario: str) -> dict[str, Any]:
    done = subprocess.run(
        (*COMMAND, scenario), env=environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    return json.loads(done.stdout)


def test_the_whole_life_of_a_loan():
    told = walk("settled")
    assert all(told["checks"].values())
    assert told["decision"]["outcome"] == "approved"
    assert told["decision"]["features"] > 100
    assert 0 < told["offer"]["annualised_irr_ppm"] <= told["offer"]["cap_ppm"]
    assert told["offer"]["amount_fen"] == 1_000_000
    assert told["pay_out"]["attempts"] == 1
    assert told["contract"]["verified"] and Path(told["contract"]["pdf"]).read_bytes().startswith(b"%PDF")
    assert told["loan"] == {"state": "SETTLED", "outstanding_fen": 0}
    assert told["ledger"]["balanced"] and told["ledger"]["postings"] > 0
    assert told["replay"]["equal"] is True
    assert {"register", "apply and decide", "sign", "contract and pay-out"} <= {
        stage["name"] for stage in told["stages"]
    }


def test_a_third_party_replays_the_pdf():
    """`timelyrain contract replay` needs the signed PDF alone to say what the schedule was."""
    pdf = next((HOME / "demo" / "contracts").glob("*.pdf"))
    command = (
        sys.executable,
        "-m",
        "timelyrain.cli",
        "contract",
        "replay",
        str(pdf),
        "--as-of",
        datetime.now(UTC).date().isoformat(),
    )
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "PENDING"


def test_declined_with_reasons_and_a_person():
    told = walk("declined")
    assert told["decision"]["outcome"] == "declined"
    assert all(
        reason["zh"] and reason["en"] and reason["change_zh"] for reason in told["decision"]["reasons"]
    )
    assert told["offer"] is None and told["pay_out"] is None and told["loan"] is None


def test_a_lost_answer_is_asked_for_and_never_paid_twice():
    told = walk("lost-answer")
    assert told["pay_out"]["attempts"] == 1 and told["pay_out"]["queries"] >= 1
    assert told["checks"]["the rail has paid exactly once"]


def test_a_killed_worker_goes_on():
    told = walk("killed")
    assert told["checks"]["the rail has paid exactly once"]
    assert told["loan"]["state"] == "ACTIVE"


def test_a_source_without_consent_is_not_called():
    told = walk("no-consent")
    assert told["checks"]["bureau was not called"] and told["checks"]["telecom was not called"]


@pytest.mark.parametrize("victims", [("web", "worker"), ("sandbox", "database")])
def test_the_walk_survives_kill_9(victims: tuple[str, ...]):
    """Each victim is killed several times at moments spread over the walk; the story still ends well."""
    run, log = HOME / "demo" / "run", HOME / "demo" / "log" / "worker.log"
    before = _starts(log)
    process = subprocess.Popen(
        (*COMMAND, "settled"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # A child that dies before it was at work once is an error of the start, and is said, not mended.
    deadline = time.monotonic() + 120
    while _starts(log) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    killed = 0
    while process.poll() is None and killed < 6:
        time.sleep(2.3)
        killed += _kill(victims[killed % len(victims)], run)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:] + out[-2000:]
    told = json.loads(out)
    assert killed >= 3
    assert told["loan"] == {"state": "SETTLED", "outstanding_fen": 0}
    assert told["ledger"]["balanced"] and told["replay"]["equal"]


def _starts(log: Path) -> int:
    return log.read_text(errors="replace").count("is at work") if log.exists() else 0


def _kill(name: str, run: Path) -> int:
    try:
        if name == "database":
            pid = int((run.parent / "pg" / "postmaster.pid").read_text().split()[0])
        else:
            pid = json.loads((run / f"{name}.json").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        return 0
    return 1
