"""What decisions are made of, found by the words of a command: policies, models, evidence, the limits of the law."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from timelyrain import policies
from timelyrain.decisioning import (
    Bilingual,
    DefinitionInvalid,
    Evidence,
    EvidenceInvalid,
    Language,
    Policy,
    evidence_from_json,
)
from timelyrain.policies import Pack, Product
from timelyrain.risk import ModelRefused, TrainedModel
from timelyrain.runtime.embedded import default_home

from .commands import Refusal, load_django, say
from .decisions import SHIPPED

LANGUAGES: tuple[Language, Language] = ("en", "zh")
_HASH = re.compile(r"[0-9a-f]{8,64}")


def refused(error: Bilingual) -> Refusal:
    """A refusal of the rooms below, as one of the command."""
    return Refusal(error.told("en"), error.told("zh"))


def faulty(error: DefinitionInvalid, name: str) -> Refusal:
    en, zh = (
        "\n".join(f"  {problem.sentence(language)}" for problem in error.problems) for language in LANGUAGES
    )
    return Refusal(
        f"{name}: definition refused:\n{en}\nCorrect it; `timelyrain policy check` shows the same.",
        f"{name}：定义有误：\n{zh}\n请改正；`timelyrain policy check` 显示同样的内容。",
    )


def no_model(error: ModelRefused) -> Refusal:
    return Refusal(str(error), f"模型不能使用（{error}）：请重新训练，或给出另一个 .model 文件。")


def lawless(error: policies.RuleNotInForce, given: argparse.Namespace) -> Refusal:
    return Refusal(
        str(error),
        f"规则包 {given.jurisdiction} 里没有对牌照 {given.licence!r} 在当日有效的规则（{error}）。",
    )


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
            raise Refusal(
                f"{path} cannot be read ({error}): give a definition in TOML, in UTF-8.",
                f"{path} 无法读取（{error}）：请给出 UTF-8 的 TOML 定义。",
            ) from None
    if _HASH.fullmatch(name):
        return _stored(name)
    try:
        return policies.load_pack(jurisdiction).read(f"{Path(name).stem}.toml").decode()
    except (policies.PackInvalid, OSError, ValueError):
        raise Refusal(
            f"{name!r:.80} is neither a file nor a policy of pack {jurisdiction}: give a path, {SHIPPED}, or a hash.",
            f"{name!r:.80} 不是文件，规则包 {jurisdiction} 里也没有这个策略：请给出路径、{SHIPPED} 或哈希。",
        ) from None


def _stored(digest: str) -> str:
    load_django()
    from timelyrain.origination.models import PolicyVersion

    found = list(PolicyVersion.objects.filter(sha256__startswith=digest)[:2])
    if len(found) != 1:
        raise Refusal(
            f"{len(found) or 'no'} policies of this platform have a hash that begins with {digest}: give more of it, or a file.",
            f"此平台有 {len(found)} 个策略的哈希以 {digest} 开头：请写得更长，或给出文件。",
        )
    return found[0].source


def parsed(source: str, name: str, decided: bool = False) -> Policy:
    """decided: it has decided before, so that checks which came later do not count."""
    try:
        return Policy.parse(source, activated=decided)
    except DefinitionInvalid as error:
        raise faulty(error, name) from None


def model_content(name: str | None, zh: bool = False) -> bytes | None:
    """A model's bytes by the path of its file, or by (the beginning of) its hash among those of TIMELYRAIN_HOME."""
    if not name:
        say(
            "没有 --model：违约概率缺失，由策略对缺失的规定决定"
            if zh
            else "no --model: the PD is missing, and what a policy says of a missing PD decides"
        )
        return None
    path = Path(name)
    if not is_file(path) and _HASH.fullmatch(name):
        found = sorted((default_home() / "models").glob(f"{name}*.model"))
        if len(found) != 1:
            folder = default_home() / "models"
            raise Refusal(
                f"{len(found) or 'no'} models in {folder} begin with {name}: give more of it, or the path of a .model file.",
                f"{folder} 里有 {len(found)} 个模型以 {name} 开头：请写得更长，或给出 .model 文件的路径。",
            )
        path = found[0]
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise Refusal(
            f"The model {name!r:.80} cannot be read ({why}): give the path of a .model file.",
            f"模型 {name!r:.80} 无法读取（{why}）：请给出 .model 文件的路径。",
        ) from None


def model(content: bytes | None) -> TrainedModel | None:
    try:
        return TrainedModel.from_bytes(content, {}) if content else None
    except ModelRefused as error:
        raise no_model(error) from None


def evidence(path: Path) -> Evidence:
    try:
        return evidence_from_json(path.read_bytes())
    except EvidenceInvalid as error:
        en, zh = ("\n".join(f"  {p}" for p in error.sentences(language)) for language in LANGUAGES)
        raise Refusal(f"{path}: evidence refused:\n{en}", f"{path}：证据被拒绝：\n{zh}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise Refusal(
            f"{str(path)!r:.80} cannot be read ({why}): give evidence as JSON.",
            f"{str(path)!r:.80} 无法读取（{why}）：请给出 JSON 的证据。",
        ) from None


def pack_and_product(given: argparse.Namespace) -> tuple[Pack, Product]:
    try:
        pack = policies.load_pack(given.jurisdiction)
    except policies.PackInvalid as error:
        raise Refusal(str(error), f"没有可用的规则包 {given.jurisdiction!r}（{error}）。") from None
    try:
        return pack, pack.product(given.product) if given.product else pack.products()[0]
    except policies.RuleUnknown as error:
        known = "、".join(product.id for product in pack.products())
        raise Refusal(
            str(error), f"规则包 {pack.code} 没有产品 {given.product!r}，可用的有 {known}。"
        ) from None


def json_object(text: str) -> dict[str, Any]:
    """An object given as JSON or as the path of a JSON file."""
    try:
        content = text if text.lstrip().startswith("{") else Path(text).read_text(encoding="utf-8-sig")
        value = json.loads(content, object_pairs_hook=_no_twins)
    except (OSError, ValueError, RecursionError) as error:
        raise _no_object(text, f" ({error})", f"（{error}）") from None
    if not isinstance(value, dict):
        raise _no_object(text)
    return value


def _no_object(text: str, en: str = "", zh: str = "") -> Refusal:
    """en, zh: why."""
    return Refusal(
        f"{text!r:.60} is no JSON object{en}: write '{{...}}' or name a file.",
        f"{text!r:.60} 不是 JSON 对象{zh}：请写 '{{...}}' 或给出文件。",
    )


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found
