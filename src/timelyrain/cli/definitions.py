"""What decisions are made of, found by the words of a command: policies, models, evidence, the limits of the law."""

import argparse
import json
import os
import re
from pathlib import Path
from typing import Any

from timelyrain import policies
from timelyrain.decisioning import DefinitionInvalid, Evidence, EvidenceInvalid, Policy, evidence_from_json
from timelyrain.policies import Pack, Product
from timelyrain.risk import ModelRefused, TrainedModel
from timelyrain.runtime.embedded import EmbeddedPostgres, default_home

from .commands import Refusal, load_django, say
from .decisions import SHIPPED

_HASH = re.compile(r"[0-9a-f]{8,64}")


def chinese(given: argparse.Namespace) -> bool:
    """The reader's language: --language, else that of the shell."""
    return (given.language or os.environ.get("LC_ALL") or os.environ.get("LANG") or "").startswith("zh")


def is_file(path: Path) -> bool:
    """False too for what can be no path: too long, or with a null byte."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_hash(name: object) -> bool:
    return isinstance(name, str) and _HASH.fullmatch(name) is not None


def policy_source(name: str, jurisdiction: str = "cn") -> str:
    """A definition by its path, its name in the policy pack, or (the beginning of) its hash in the platform's database."""
    path = Path(name)
    if is_file(path):
        try:
            return path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise Refusal(f"{path} cannot be read ({error}): give a definition in TOML, in UTF-8.") from None
    if _HASH.fullmatch(name):
        return _stored(name)
    try:
        return policies.load_pack(jurisdiction).read(f"{Path(name).stem}.toml").decode()
    except (policies.PackInvalid, OSError, ValueError):
        raise Refusal(
            f"{name!r:.80} is neither a file nor a policy of pack {jurisdiction}: give a path, {SHIPPED}, or a hash."
        ) from None


def need_platform() -> None:
    """Refuses where no platform was ever set up: looking for something in it must not make one."""
    if "TIMELYRAIN_DATABASE_URL" in os.environ or "TIMELYRAIN_APP_DATABASE_URL" in os.environ:
        return
    if not (EmbeddedPostgres().data / "PG_VERSION").exists():
        raise Refusal(f"There is no platform in {default_home()}: set TIMELYRAIN_HOME, or give files.")


def _stored(digest: str) -> str:
    need_platform()
    load_django()
    from timelyrain.origination.models import PolicyVersion

    found = list(PolicyVersion.objects.filter(sha256__startswith=digest)[:2])
    if len(found) != 1:
        raise Refusal(
            f"{len(found) or 'no'} policies of this platform have a hash that begins with {digest}."
        )
    return found[0].source


def parsed(source: str, name: str, zh: bool = False, decided: bool = False) -> Policy:
    """decided: it has decided before, so that checks which came later do not count."""
    try:
        return Policy.parse(source, activated=decided)
    except DefinitionInvalid as error:
        told = "\n".join(f"  {problem.sentence('zh' if zh else 'en')}" for problem in error.problems)
        if zh:
            raise Refusal(
                f"{name}：定义有误：\n{told}\n请改正；`timelyrain policy check` 显示同样的内容。"
            ) from None
        raise Refusal(
            f"{name}: definition refused:\n{told}\nCorrect it; `timelyrain policy check` shows the same."
        ) from None


def model_content(name: str | None) -> bytes | None:
    """A model's bytes by the path of its file, or by (the beginning of) its hash among those of TIMELYRAIN_HOME."""
    if not name:
        say("no --model: the PD is missing, and what a policy says of a missing PD decides")
        return None
    path = Path(name)
    if not is_file(path) and _HASH.fullmatch(name):
        found = sorted((default_home() / "models").glob(f"{name}*.model"))
        if len(found) != 1:
            raise Refusal(f"{len(found) or 'no'} models in {default_home() / 'models'} begin with {name}.")
        path = found[0]
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise Refusal(
            f"The model {name!r:.80} cannot be read ({why}): give the path of a .model file."
        ) from None


def model(content: bytes | None) -> TrainedModel | None:
    try:
        return TrainedModel.from_bytes(content, {}) if content else None
    except ModelRefused as error:
        raise Refusal(str(error)) from None


def evidence(path: Path) -> Evidence:
    try:
        return evidence_from_json(path.read_bytes())
    except EvidenceInvalid as error:
        raise Refusal(f"{path}: evidence refused:\n" + "\n".join(f"  {p}" for p in error.problems)) from None
    except (OSError, ValueError) as error:
        raise Refusal(
            f"{str(path)!r:.80} cannot be read ({getattr(error, 'strerror', None) or error}): give evidence as JSON."
        ) from None


def pack_and_product(given: argparse.Namespace) -> tuple[Pack, Product]:
    try:
        pack = policies.load_pack(given.jurisdiction)
        return pack, pack.product(given.product) if given.product else pack.products()[0]
    except (policies.PackInvalid, policies.RuleUnknown) as error:
        raise Refusal(str(error)) from None


def json_object(text: str) -> dict[str, Any]:
    """An object given as JSON or as the path of a JSON file."""
    try:
        content = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8-sig")
        value = json.loads(content, object_pairs_hook=_no_twins)
    except (OSError, ValueError, RecursionError) as error:
        raise Refusal(f"{text!r:.60} is no JSON object ({error}): write '{{...}}' or name a file.") from None
    if not isinstance(value, dict):
        raise Refusal(f"{text!r:.60} is no JSON object: write '{{...}}' or name a file.")
    return value


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
