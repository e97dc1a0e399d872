"""Decision tables to and from JDM: the converted text goes to stdout or a file, what is told about it to stderr."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from timelyrain.decisioning import DefinitionInvalid, JdmInvalid, Told, export_jdm, import_jdm

from . import definitions
from .commands import Refusal, chinese


def bring_in(given: argparse.Namespace) -> int:
    try:
        text = Path(given.file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(
            f"{given.file} cannot be read ({error}): give a JDM document in UTF-8.",
            f"{given.file} 无法读取（{error}）：请给出 UTF-8 的 JDM 文档。",
        ) from None
    source = definitions.policy_source(given.policy, given.jurisdiction)
    names = definitions.parsed(source, given.policy).verdict_types
    try:
        made = import_jdm(
            text,
            names,
            fields=_pairs(given.field),
            scale=_factors(given.scale),
            collect=given.collect,
            only=given.node,
        )
    except JdmInvalid as error:
        return _refused(error, given)
    return _done(made.toml, made.told, given)


def hand_out(given: argparse.Namespace) -> int:
    try:
        made = export_jdm(definitions.policy_source(given.policy, given.jurisdiction), given.table)
    except DefinitionInvalid as error:
        en, zh = (error.problems[0].sentence(language) for language in definitions.LANGUAGES)
        raise Refusal(
            f"{given.policy} cannot be read: `timelyrain policy check` says why ({en}).",
            f"{given.policy} 无法读取：`timelyrain policy check` 会说明原因（{zh}）。",
        ) from None
    except JdmInvalid as error:
        return _refused(error, given)
    return _done(made.json + "\n", made.told, given)


def _pairs(words: list[str]) -> dict[str, str]:
    for word in words:
        if "=" not in word.strip("="):
            raise Refusal(f"{word!r} is no pair: write FIELD=NAME.", f"{word!r} 不成对：请写成 FIELD=NAME。")
    return {left.strip(): right.strip() for left, _, right in (word.partition("=") for word in words)}


def _factors(words: list[str]) -> dict[str, int]:
    found = _pairs(words)
    bad = next((key for key, factor in found.items() if not factor.isdecimal() or len(factor) > 9), None)
    if bad is not None:
        raise Refusal(
            f"{bad}={found[bad]}: a scale is a whole number, such as 100 for yuan in fen.",
            f"{bad}={found[bad]}：倍数应为整数，例如元换成分写 100。",
        )
    return {key: int(factor) for key, factor in found.items()}


def _refused(error: JdmInvalid, given: argparse.Namespace) -> int:
    if given.json:
        print(json.dumps({"told": [asdict(one) for one in error.told]}, ensure_ascii=False))
    zh = chinese(given)
    _tell(() if given.json else error.told, zh)
    n = len(error.told)
    print(f"{n} 个问题：没有转换" if zh else f"{n} problem(s): nothing was converted", file=sys.stderr)
    return 1


def _tell(told: Sequence[Told], zh: bool) -> None:
    for one in told:
        print(one.sentence("zh" if zh else "en"), file=sys.stderr)


def _done(text: str, told: tuple[Told, ...], given: argparse.Namespace) -> int:
    if given.out:
        try:
            given.out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Refusal(
                f"{given.out} cannot be written ({error}): name another file.",
                f"{given.out} 无法写入（{error}）：请换一个文件。",
            ) from None
    if given.json:
        shown = {"told": [asdict(one) for one in told]}
        print(json.dumps(shown if given.out else {"text": text, **shown}, ensure_ascii=False))
        return 0
    if not given.out:
        sys.stdout.write(text)
    _tell(told, chinese(given))
    return 0
