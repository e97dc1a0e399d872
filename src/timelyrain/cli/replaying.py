"""A recorded decision made again: byte for byte, or what is different."""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from timelyrain import decisioning
from timelyrain.decisioning import Evidence, Policy, RecordInvalid, Replay
from timelyrain.risk import TrainedModel

from . import definitions
from .commands import Refusal, chinese, load_django

CAUSES = {
    "data": ("证据与记录中的不同", "the evidence is not the one of the record"),
    "rule": ("规则与记录中的不同", "the policy is not the one of the record"),
    "model": ("模型与记录中的不同", "the model is not the one of the record"),
    "engine": (
        "证据、规则与模型相同而答案不同：引擎的含义变了，或记录被改动",
        "same evidence, rules and model, another answer: the engine decides otherwise than it did, or the record was changed",
    ),
}
REWRITTEN = (
    "内容一致，但字节不同：记录被重新排版过",
    "it says the same in other bytes: the record was laid out anew",
)
T = TypeVar("T")
MOST_FILES = 200
"""Looked at beside a record for what it names by hash."""


class NotReplayable(Refusal):
    """Something of the record is not at hand or cannot be read; cause: whose it is."""

    def __init__(self, cause: str | None, en: str, zh: str):
        super().__init__(en, zh)
        self.cause = cause


def replay(given: argparse.Namespace) -> int:
    """Decide a recorded decision again; 0 when equal byte for byte, 1 with the cause when not, 2 when it cannot be replayed."""
    zh = chinese(given)
    try:
        found, digest = _replayed(given)
    except Refusal as refusal:
        cause = refusal.cause if isinstance(refusal, NotReplayable) else None
        if given.json:
            print(json.dumps({"equal": False, "cause": cause, "differences": [], "problem": str(refusal)}))
        lead = f"{'无法重放' if zh else 'cannot be replayed'}: {f'{cause}: ' if cause else ''}"
        print(f"{lead}{refusal.zh if zh else refusal}", file=sys.stderr)
        return 2
    if given.json:
        told = {"equal": found.equal, "cause": found.cause, "differences": found.differences}
        print(json.dumps(told | {"record_sha256": digest}))
    elif found.equal:
        print(f"{'逐字节一致' if zh else 'equal byte for byte'}: {digest}")
    else:
        words = REWRITTEN if found.differences == ("bytes",) else CAUSES[found.cause or "engine"]
        lead = f"{'不一致' if zh else 'differs'}: {found.cause} ({words[0 if zh else 1]})"
        print(f"{lead}: {', '.join(found.differences)}")
    return 0 if found.equal else 1


def _replayed(given: argparse.Namespace) -> tuple[Replay, str]:
    """What came out, and the hash of the record."""
    path = Path(given.record)
    if not definitions.is_file(path):
        return _from_database(given)
    try:
        record = path.read_bytes().rstrip(b"\r\n")  # of `decide --json >`
        told = json.loads(record)
        seen, rule, scored = told["evidence"]["sha256"], told["definition"]["sha256"], told["model"]
        if not (definitions.is_hash(seen) and definitions.is_hash(rule)):
            raise TypeError("evidence and definition are no hashes")
        if not (scored is None or definitions.is_hash(scored)):
            raise TypeError("model is no hash")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why, zh = (
            (f"it has no {error}", f"没有 {error}") if isinstance(error, KeyError) else (str(error),) * 2
        )
        raise NotReplayable(
            None,
            f"{path} is no decision record ({why:.200}): give what `decide --record` wrote.",
            f"{path} 不是决策记录（{zh:.200}）：请给出 `decide --record` 写出的文件。",
        ) from None
    with _whose("rule"):
        policy = _policy(given, path, rule)
    with _whose("data"):
        evidence = definitions.evidence(given.evidence) if given.evidence else _evidence(path, seen)
    with _whose("model"):
        scorer = _model(given, path, scored)
    try:
        found = decisioning.replay(record, policy, evidence, scorer)
    except RecordInvalid as error:
        raise NotReplayable(None, error.told("en"), error.told("zh")) from None
    return found, hashlib.sha256(record).hexdigest()


@contextmanager
def _whose(cause: str) -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        raise NotReplayable(cause, str(refusal), refusal.zh) from None


def _policy(given: argparse.Namespace, record: Path, digest: str) -> Policy:
    """The one named; else the one of the record: shipped, beside it, or kept by the platform."""

    def parsed(source: str, name: str) -> Policy:
        return definitions.parsed(source, name, decided=True)

    def named(name: str) -> Policy:
        return parsed(definitions.policy_source(name, given.jurisdiction), name)

    def read(file: Path) -> Policy | None:
        policy = parsed(file.read_text(encoding="utf-8-sig"), str(file))
        return policy if policy.sha256 == digest else None

    if given.policy:
        return named(given.policy)
    shipped = named(definitions.SHIPPED)
    return shipped if shipped.sha256 == digest else _beside(record, "*.toml", read) or named(digest)


def _evidence(record: Path, digest: str) -> Evidence:
    def read(file: Path) -> Evidence | None:
        evidence = definitions.evidence(file)
        return evidence if evidence.sha256 == digest else None

    found = _beside(record, "*.json", read)
    if found is None:
        raise Refusal(
            f"No file beside {record} or here is the evidence that it names ({digest[:12]}): give it with --evidence.",
            f"{record} 旁边和当前目录都没有它所指的证据（{digest[:12]}）：请用 --evidence 给出。",
        )
    return found


def _model(given: argparse.Namespace, record: Path, digest: str | None) -> TrainedModel | None:
    if given.model:
        return definitions.model(definitions.model_content(given.model))
    if digest is None:
        return None

    def read(file: Path) -> bytes | None:
        content = file.read_bytes()
        return content if hashlib.sha256(content).hexdigest() == digest else None

    return definitions.model(_beside(record, "*.model", read) or definitions.model_content(digest))


def _beside(record: Path, pattern: str, read: Callable[[Path], T | None]) -> T | None:
    """The first of the files in the record's folder, then in this one, that is what is looked for."""
    folders = dict.fromkeys((record.absolute().parent, Path.cwd()))
    files = [file for folder in folders for file in sorted(folder.glob(pattern)) if file.is_file()]
    for file in files[:MOST_FILES]:
        try:
            found = read(file)
        except (OSError, ValueError, Refusal):  # something else
            continue
        if found is not None:
            return found
    return None


def _from_database(given: argparse.Namespace) -> tuple[Replay, str]:
    try:
        decision_id = UUID(given.record)
    except ValueError:
        raise NotReplayable(
            None,
            f"{given.record!r:.200} is neither a file nor the id of a decision.",
            f"{given.record!r:.200} 既不是文件，也不是决策的编号。",
        ) from None
    if given.policy or given.evidence or given.model:
        raise NotReplayable(
            None,
            "A decision of the platform is replayed from what is stored: leave --policy, --evidence and --model away.",
            "平台的决策按所存的内容重放：请不要给 --policy、--evidence 和 --model。",
        )
    load_django()
    from timelyrain.origination import queries, services
    from timelyrain.risk import ModelRefused
    from timelyrain.runtime.problems import Problem

    try:
        return services.replay_decision(decision_id), queries.decision_row(decision_id).record_sha256
    except ModelRefused as refused:
        raise NotReplayable("model", str(refused), f"模型不能使用（{refused}）") from None
    except Problem as problem:
        raise NotReplayable(None, str(problem), f"平台拒绝了（{problem}）") from None
