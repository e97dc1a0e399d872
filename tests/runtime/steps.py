"""Saga steps whose outside is a folder: what was done there stays, whoever dies. Workers started by tests import them too.

A saga's data say where the folder is, and at which `point` the process that carries it shall be killed, once.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from timelyrain.audit import services as audit
from timelyrain.runtime import sagas
from timelyrain.runtime.sagas import Data, Done, Outcome, Refused, Retry, Run, Unknown


def _pass(run: Run, point: str) -> None:
    marker = Path(run.data["folder"], f"{run.key}.die")
    if run.data.get("die") == point and marker.exists():
        marker.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def _line(run: Run, what: str) -> None:
    with Path(run.data["folder"], run.key).open("a") as file:
        file.write(f"{what}\n")


def lines(folder: Path, key: str) -> list[str]:
    """What the outside world saw of a saga, in order."""
    path = folder / key
    return path.read_text().split() if path.exists() else []


def _call(run: Run) -> Outcome:
    _pass(run, "before call")
    _line(run, "called")
    _pass(run, "after call")
    return Done({"answer": 42})


def _query(run: Run) -> Outcome:
    _line(run, "asked")
    return (
        Done({"answer": 42}) if "called" in lines(Path(run.data["folder"]), run.key) else Retry("never seen")
    )


def _apply(name: str) -> Callable[[Run, Data], Data]:
    def apply(run: Run, answer: Data) -> Data:
        audit.record(run.shard, name, actor="test", subject=run.id)
        _pass(run, f"in {name}")
        return {name: len(run.data)}

    return apply


def _scripted(who: str) -> Callable[[Run], Outcome]:
    """Answers from the saga's own script: a list of words for calls and one for queries, the last of which is repeated."""

    def act(run: Run) -> Outcome:
        seen = lines(Path(run.data["folder"]), run.key).count(who)
        _line(run, who)
        script = run.data[who]
        answers: dict[str, Any] = {
            "done": Done(),
            "refused": Refused("no money"),
            "retry": Retry("not there"),
            "unknown": Unknown("silence"),
        }
        word = script[min(seen, len(script) - 1)]
        if word == "error":
            raise RuntimeError("nobody foresaw this")
        return answers[word]

    return act


def _bad_apply(run: Run, answer: Data) -> Data:
    audit.record(run.shard, "halfway", actor="test", subject=run.id)
    if not Path(run.data["folder"], "mended").exists():
        raise RuntimeError("broken after its first write")
    return {}


sagas.register("test.first", _apply("first"))
sagas.register("test.send", _apply("sent"), call=_call, query=_query)
sagas.register("test.last", _apply("last"))
sagas.register("test.refused", _apply("refusal"))
sagas.register("test.scripted", _apply("scripted"), call=_scripted("called"), query=_scripted("asked"))
sagas.register("test.broken", _bad_apply)
sagas.define("test_walk", ["test.first", "test.send", "test.last"])
sagas.define("test_scripted", ["test.scripted", "test.last"], on_refused="test.refused")
sagas.define("test_broken", ["test.broken", "test.last"])
