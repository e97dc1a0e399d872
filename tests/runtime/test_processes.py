"""The supervisor on real processes: small Python programs that serve, die, linger and leave helpers behind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from timelyrain.runtime.processes import (
    Child,
    ProcessError,
    Record,
    Supervisor,
    answers,
    end,
    free_port,
    identity,
    records,
)

SLEEPER = "print('at work', flush=True); import time; time.sleep(600)"
WITH_HELPER = f"""
import subprocess, sys
helper = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
print("helper", helper.pid, flush=True)
helper.wait()
"""
SUPERVISOR = f"""
import sys, time
from pathlib import Path
from timelyrain.runtime.processes import Child, Supervisor
with Supervisor(Path(sys.argv[1])) as supervisor:
    supervisor.start(Child("parent", (sys.executable, "-c", {WITH_HELPER!r}), "at work"))
    print("started", flush=True)
    time.sleep(600)
"""


def python(code: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code, *arguments)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something that must come; a minute is only the limit at which waiting has become a failure."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def helper_pid(home: Path) -> int:
    return int((home / "log" / "parent.log").read_text().split("helper ")[-1].split()[0])


def test_child_runs_until_the_supervisor_is_left(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(Child("sleeper", python(SLEEPER), "at work"))
        pid = supervisor.pid("sleeper")
        assert identity(pid)
        assert {record.name for record in records(tmp_path)} == {"sleeper", "supervisor"}
    assert identity(pid) is None
    assert records(tmp_path) == []


def test_children_end_in_reverse_order(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    code = """
import signal, sys, time
def leave(*_):
    with open(sys.argv[2], "a") as notes: notes.write(sys.argv[1] + " ")
    sys.exit()
signal.signal(signal.SIGTERM, leave)
print("at work", flush=True)
time.sleep(600)
"""
    with Supervisor(tmp_path) as supervisor:
        for name in ("first", "second", "third"):
            supervisor.start(Child(name, python(code, name, str(notes)), "at work"))
    assert notes.read_text().split() == ["third", "second", "first"]


def test_child_that_is_killed_starts_again_and_its_helper_is_ended(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor(tmp_path, said.append) as supervisor:
        supervisor.start(Child("parent", python(WITH_HELPER), "at work"))
        pid, helper = supervisor.pid("parent"), helper_pid(tmp_path)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: supervisor.pid("parent") != pid and supervisor.ready("parent"))
        eventually(lambda: identity(helper) is None)
        assert identity(supervisor.pid("parent"))
    assert any("status -9; starting it again" in sentence for sentence in said)


def test_url_is_awaited(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    assert not answers(url)
    with Supervisor(tmp_path) as supervisor:
        supervisor.start(Child("web", command, url))
        assert answers(url)
        assert free_port(port) != port
    assert not answers(url)


def test_child_that_cannot_start_is_shown_with_its_log(tmp_path: Path) -> None:
    with Supervisor(tmp_path) as supervisor:
        with pytest.raises(ProcessError, match=r"(?s)broken ended with status 3.*no such table"):
            supervisor.start(
                Child("broken", python("print('no such table'); raise SystemExit(3)"), "at work")
            )
        with pytest.raises(ProcessError, match="mute was not ready after 0 s"):
            supervisor.start(Child("mute", python("import time; time.sleep(600)"), "at work"), seconds=0.2)
        assert [record.name for record in records(tmp_path)] == ["supervisor"]


def test_old_log_does_not_make_a_child_ready(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "mute.log").write_text("at work\n")
    with Supervisor(tmp_path) as supervisor, pytest.raises(ProcessError, match="mute ended with status 0"):
        supervisor.start(Child("mute", python("pass"), "at work"))


def test_children_and_their_helpers_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    with subprocess.Popen(python(SUPERVISOR, str(tmp_path)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "started\n"
        child = next(record for record in records(tmp_path) if record.name == "parent")
        helper = helper_pid(tmp_path)
        assert child.alive() and identity(helper)
        process.kill()
    eventually(lambda: not child.alive() and identity(helper) is None)
    eventually(lambda: not any(record.name == "parent" for record in records(tmp_path)))


def test_leftover_of_an_interrupted_run_is_ended_first(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with subprocess.Popen(python(SLEEPER), start_new_session=True, stdout=subprocess.DEVNULL) as leftover:
        Record("worker", leftover.pid, identity(leftover.pid) or "", "", "").save(tmp_path)
        said: list[str] = []
        with Supervisor(tmp_path, said.append):
            assert leftover.wait() == -signal.SIGTERM
    assert said == [f"ending worker (pid {leftover.pid}), left by an interrupted run"]


def test_reused_pid_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with subprocess.Popen(python(SLEEPER), start_new_session=True, stdout=subprocess.DEVNULL) as stranger:
        Record("worker", stranger.pid, f"{identity(stranger.pid)}0", "", "").save(tmp_path)
        with Supervisor(tmp_path):
            assert stranger.poll() is None
        assert not (tmp_path / "run" / "worker.json").exists()
        stranger.kill()


def test_second_supervisor_is_refused(tmp_path: Path) -> None:
    with Supervisor(tmp_path), pytest.raises(ProcessError, match="already runs from"), Supervisor(tmp_path):
        pass


def test_deaf_child_is_killed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER
    with subprocess.Popen(python(deaf), start_new_session=True, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline()
        record = Record("deaf", process.pid, identity(process.pid) or "", "", "")
        record.save(tmp_path)
        end(record, tmp_path, seconds=0.2)
        assert process.wait() == -signal.SIGKILL


def test_broken_record_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for name, text in {"cut": '{"name": "c', "other": json.dumps({"pid": 1}), "list": "[]"}.items():
        (tmp_path / "run" / f"{name}.json").write_text(text)
    assert records(tmp_path) == []


def test_supervisor_keeps_what_is_no_child_even_after_a_failure(tmp_path: Path) -> None:
    calls: list[int] = []
    said: list[str] = []

    def keep() -> None:
        calls.append(1)
        raise RuntimeError("the database is gone")

    with Supervisor(tmp_path, said.append, keep):
        eventually(lambda: len(calls) >= 2)
    assert said[0] == "the database is gone"
