"""What changed from one definition to another, in words: block by block, thresholds by their numbers. Reads TOML only."""
# ruff: noqa: E501  (sentences are kept whole)

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, cast

Words = tuple[str, str]
Block = Mapping[str, object]

BLOCKS: Mapping[str, Words] = {
    "constant": ("常量", "constant"), "source": ("来源", "source"), "random_approval": ("随机放行", "random approvals"),
    "aggregate": ("聚合族", "aggregate"), "feature": ("特征", "feature"), "model": ("模型", "model"), "table": ("决策表", "table"),
    "scorecard": ("评分卡", "scorecard"), "figure": ("中间值", "figure"), "price": ("定价", "price"), "rule": ("规则", "rule"),
    "list": ("名单", "list"), "experiment": ("实验", "experiment"), "request": ("申请", "request"), "case": ("测试案例", "test case"),
}  # fmt: skip
KEYS: Mapping[str, Words] = {
    "when": ("条件", "condition"), "formula": ("公式", "formula"), "then": ("结论", "outcome"), "if_missing": ("资料缺失时", "when missing"),
    "stage": ("阶段", "stage"), "windows": ("窗口", "windows"), "stats": ("统计量", "statistics"), "where": ("筛选", "filter"),
    "value": ("取值", "value"), "table": ("事件表", "event table"), "inputs": ("模型输入", "model inputs"), "exclude": ("排除", "excluded"),
    "increasing": ("单调递增", "increasing"), "decreasing": ("单调递减", "decreasing"), "on": ("依据", "read"), "rows": ("行", "rows"),
    "zh": ("中文说明", "Chinese text"), "en": ("英文说明", "English text"), "change_zh": ("中文建议", "Chinese advice"),
    "change_en": ("英文建议", "English advice"), "note": ("备注", "note"), "c1": ("C-1 理由", "C-1 reason"), "purposes": ("用途", "purposes"),
    "version": ("版本号", "version"), "owner": ("负责人", "owner"), "name": ("名称", "name"), "utc_offset_minutes": ("时区（分钟）", "offset from UTC in minutes"),
}  # fmt: skip
WORDING = frozenset(("zh", "en", "change_zh", "change_en", "note"))
_EXPRESSIONS = tuple(KEYS[key] for key in ("when", "formula", "where", "value", "on"))
_TOKEN = re.compile(r"\d[\d_]*(?:\.\d+)?%?|[A-Za-z_][\w.]*|'[^']*'|\"[^\"]*\"|\S")
_NUMBER = re.compile(r"\d[\d_]*(?:\.\d+)?%?")


def differences(before: str, after: str) -> list[Words]:
    """(zh, en) sentences from one TOML definition to the next, in the author's order; none when they mean the same.

    Raises tomllib.TOMLDecodeError.
    """
    a, b = tomllib.loads(before), tomllib.loads(after)
    told: list[Words] = []
    for name in dict.fromkeys([*a, *b]):
        old, new = a.get(name), b.get(name)
        if old == new:
            continue
        kind = BLOCKS.get(name, (name, name))
        if isinstance(old, list | None) and isinstance(new, list | None) and _blocks(old or new):
            told += _keyed(kind, cast(list[Block], old or []), cast(list[Block], new or []))
        elif isinstance(old, dict) and isinstance(new, dict):
            told += _keys(kind, "", cast(Block, old), cast(Block, new))
        else:
            told += _value(KEYS.get(name, (name, name)), old, new, ("", ""))
    return told


def _blocks(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) for item in cast(list[object], value))
    )


def _name(block: Block) -> str:
    return str(block.get("code") or block.get("name") or "?")


def _keyed(kind: Words, old: Sequence[Block], new: Sequence[Block]) -> Iterator[Words]:
    """Blocks with names: added, removed, moved, changed."""
    before, after = {_name(b): b for b in old}, {_name(b): b for b in new}
    for name, block in before.items():
        if name not in after:
            yield (
                f"删除{kind[0]} {name}{_brief(block, 'zh')}",
                f"{kind[1]} {name} removed{_brief(block, 'en')}",
            )
    for name, block in after.items():
        if name not in before:
            yield f"新增{kind[0]} {name}{_brief(block, 'zh')}", f"{kind[1]} {name} added{_brief(block, 'en')}"
        elif block != before[name]:
            yield from _keys(kind, name, before[name], block)
    common = [name for name in before if name in after]
    if common != [name for name in after if name in before]:
        yield f"{kind[0]}的次序改变", f"order of each {kind[1]} changed"


def _brief(block: Block, language: str) -> str:
    """What a block that came or went was about."""
    formula = block.get("when") or block.get("formula")
    text = str(block.get(language) or "")
    parts = [part for part in (text, f"`{_line(formula)}`" if formula else "") if part]
    return f"{'：' if language == 'zh' else ': '}{' · '.join(parts)}" if parts else ""


def _keys(kind: Words, name: str, old: Block, new: Block) -> Iterator[Words]:
    where = (f"{kind[0]} {name}".strip(), f"{kind[1]} {name}".strip())
    wording = [key for key in dict.fromkeys([*old, *new]) if key in WORDING and old.get(key) != new.get(key)]
    for key in dict.fromkeys([*old, *new]):
        if key not in WORDING and old.get(key) != new.get(key):
            words = KEYS.get(key, (key, key))
            yield from _value(words, old.get(key), new.get(key), where)
    if wording:
        keys = [KEYS[key] for key in wording]
        yield (
            f"{where[0]}：{'、'.join(k[0] for k in keys)}改写",
            f"{where[1]}: {', '.join(k[1] for k in keys)} reworded",
        )


def _value(key: Words, old: object, new: object, where: Words) -> Iterator[Words]:
    """One changed value: numbers alone as thresholds, lists by what came and went, rows by row."""
    lead = tuple(f"{w}{sep}" if w else "" for w, sep in zip(where, ("：", ": "), strict=True))
    if (
        key in _EXPRESSIONS
        and isinstance(old, str)
        and isinstance(new, str)
        and (changed := _thresholds(old, new))
    ):
        for what, x, y in changed:
            zh, en = (f"{what} 的阈值 ", f"threshold of {what}: ") if what else ("", "")
            yield f"{lead[0]}{zh}{x} → {y}", f"{lead[1]}{en}{x} → {y}"
        return
    if _blocks(old) and _blocks(new):
        yield from _rows(lead, cast(list[Block], old), cast(list[Block], new))
        return
    if isinstance(old, list) and isinstance(new, list):
        olds, news = cast(list[object], old), cast(list[object], new)
        gone = [_line(x) for x in olds if x not in news]
        come = [_line(x) for x in news if x not in olds]
        zh = "；".join(
            f"{verb} {'、'.join(found)}" for verb, found in (("新增", come), ("删除", gone)) if found
        )
        en = "; ".join(
            f"{verb} {', '.join(found)}" for verb, found in (("added", come), ("removed", gone)) if found
        )
        yield f"{lead[0]}{key[0]} {zh or '次序改变'}", f"{lead[1]}{key[1]} {en or 'in another order'}"
        return
    yield (
        f"{lead[0]}{key[0]} {_line(old, '（无）')} → {_line(new, '（无）')}",
        f"{lead[1]}{key[1]} {_line(old, '(none)')} → {_line(new, '(none)')}",
    )


def _rows(lead: Sequence[str], old: Sequence[Block], new: Sequence[Block]) -> Iterator[Words]:
    """Rows of a table, by position; what a row is called by is its `name` if it has one."""
    if len(old) != len(new):
        yield f"{lead[0]}由 {len(old)} 行变为 {len(new)} 行", f"{lead[1]}{len(old)} rows become {len(new)}"
    for i, (a, b) in enumerate(zip_longest(old, new), 1):
        row = f"{i}" + (f" ({(a or b or {}).get('name')})" if (a or b or {}).get("name") else "")
        if a is None or b is None:
            cells = ", ".join(f"{k} {_shown(k, v)}" for k, v in (a or b or {}).items())
            zh, en = ("新增", "added") if a is None else ("删除", "removed")
            yield f"{lead[0]}第 {row} 行{zh}：{cells}", f"{lead[1]}row {row} {en}: {cells}"
            continue
        for key in dict.fromkeys([*a, *b]):
            if a.get(key) != b.get(key):
                change = f"{key} {_shown(key, a.get(key))} → {_shown(key, b.get(key))}"
                yield f"{lead[0]}第 {row} 行 {change}", f"{lead[1]}row {row} {change}"


def _thresholds(old: str, new: str) -> list[tuple[str, str, str]]:
    """(what is compared, old, new) where two expressions differ in numbers only; empty where they differ in more."""
    a, b = _TOKEN.findall(old), _TOKEN.findall(new)
    if len(a) != len(b) or any(
        x != y and not (_NUMBER.fullmatch(x) and _NUMBER.fullmatch(y)) for x, y in zip(a, b, strict=True)
    ):
        return []
    changed: list[tuple[str, str, str]] = []
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        if x != y:
            name = next((t for t in reversed(a[:i]) if re.fullmatch(r"[a-z_][\w.]*_\w+", t)), "")
            unit = (
                a[i - 2] if i > 1 and a[i - 1] == "(" else ""
            )  # yuan(150) and percent(60) say their unit themselves
            around = name or ("" if unit else " ".join(a[max(0, i - 2) : i]))
            changed.append((around and f"`{around}`", _threshold(name, unit, x), _threshold(name, unit, y)))
    return changed


def _threshold(name: str, unit: str, text: str) -> str:
    plain = text.replace("_", "")
    if unit == "yuan":
        return f"¥{plain}"
    if unit == "percent":
        return f"{plain}%"
    return _shown(name, int(plain) if plain.isdigit() else text)


def _shown(key: str, value: object) -> str:
    """A number as its name means it: fen as yuan, ppm as percent."""
    if (
        type(value) is int
        and re.search(r"_fen(_|$)|_(sum|mean|min|max|last)_(\d+d|all)$", key)
        and "ppm" not in key
        and value % 100 == 0
    ):
        return f"¥{value // 100:,}"
    if type(value) is int and re.search(r"(^|_)ppm$|_share_|_trend_", key):
        return f"{value / 10_000:g}%"
    return f"{value:,}" if type(value) is int else _line(value)


def _line(value: object, none: str = "") -> str:
    """One line of at most 120 characters."""
    text = (
        none
        if value is None
        else " ".join(value.split())
        if isinstance(value, str)
        else str(cast(Any, value))
    )
    return text if len(text) <= 120 else f"{text[:117]}…"
