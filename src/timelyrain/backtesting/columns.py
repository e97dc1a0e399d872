"""Which columns a file of applications may have, of which types; docs/sandbox.md says what each means."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import polars as pl

from timelyrain.decisioning import FACTS, LATER_SOURCES, SOURCES, TABLES, Bilingual

REQUIRED = ("application_id", "at", "amount_fen", "instalments", "purpose")


class ApplicationsInvalid(Bilingual, ValueError):
    """A file of applications was refused: the message names column, row and value, and what to do."""


def wrong(schema: Mapping[str, Any], cuts: Sequence[str], asked: Sequence[str]) -> list[tuple[str, str]]:
    """All that is wrong with a file's columns, (en, zh). cuts: by which it may be cut; asked: those that must be there."""
    silent = absent(schema)
    needed = [
        f"{t}.{c}"
        for t, table in TABLES.items()
        for c, f in table.columns.items()
        if not (table.later or f.later or (table.source in silent and table.source in LATER_SOURCES))
    ]
    problems = [
        (f"no column {name!r}", f"缺少列 {name!r}")
        for name in (*REQUIRED, *needed, *asked)
        if name not in schema
    ]
    problems += [
        (f"{name!r} is {schema[name]}, not {kind}", f"{name!r} 是 {schema[name]}，应为{zh}")
        for name, kind, zh, right in _TYPES
        if name in schema and not right(schema[name])
    ]
    problems += [
        (f"{name!r} is {kind}, not a list of whole numbers", f"{name!r} 是 {kind}，应为整数的列表")
        for name, kind in schema.items()
        if name.partition(".")[0] in TABLES and not (isinstance(kind, pl.List) and _of_codes(kind.inner))
    ]
    problems += [
        (f"{name!r} is {kind}, not whole numbers", f"{name!r} 是 {kind}，应为整数")
        for name, kind in schema.items()
        if (name.startswith("fact.") and not _of_codes(kind))
        or (name.startswith("given.") and not (kind.is_integer() or kind in (pl.Boolean, pl.Null)))
    ]
    problems += [
        (
            f"column {name!r} is not known{near and f' (nearest: {near!r})'}",
            f"没有 {name!r} 这一列{near and f'（最接近：{near!r}）'}",
        )
        for name, near in ((name, _nearest(name)) for name in schema)
        if name.partition(".")[0] in {"fact", *TABLES} and "." in name and name not in KNOWN
    ]
    problems += [
        (
            f"{name!r} is {schema[name]}, by which nothing can be cut",
            f"{name!r} 是 {schema[name]}，不能用来分组",
        )
        for name in cuts
        if name in schema and schema[name].is_nested()
    ]
    return problems


def _of_codes(kind: Any) -> bool:
    """Whole numbers as the schema codes them, flags, or an enum by its names."""
    return (
        kind.is_integer()
        or kind in (pl.Boolean, pl.Null, pl.String, pl.Categorical)
        or isinstance(kind, pl.Enum)
    )


KNOWN = [*(f"fact.{name}" for name in FACTS), *(f"{t}.{c}" for t in TABLES for c in TABLES[t].columns)]


def _nearest(name: str) -> str:
    return next(iter(get_close_matches(name, KNOWN, 1)), "")


def absent(columns: Mapping[str, object]) -> tuple[str, ...]:
    """Sources without any column, then facts without one where the source has others."""
    of = {source: [f"fact.{n}" for n, f in FACTS.items() if f.source == source] for source in SOURCES}
    tables = {source: [f"{n}.at" for n, t in TABLES.items() if t.source == source] for source in SOURCES}
    silent = [s for s in SOURCES if not any(name in columns for name in (*of[s], *tables[s]))]
    return (*silent, *(name for s in SOURCES if s not in silent for name in of[s] if name not in columns))


def _text(kind: Any) -> bool:
    return kind in (pl.String, pl.Categorical) or isinstance(kind, pl.Enum)


_TYPES: Sequence[tuple[str, str, str, Callable[[Any], bool]]] = (
    ("application_id", "text or whole numbers", "文本或整数", lambda kind: _text(kind) or kind.is_integer()),
    (
        "at",
        "whole numbers (epoch seconds) or times",
        "整数（epoch 秒）或时间",
        lambda kind: kind.is_integer() or kind == pl.Datetime,
    ),
    ("amount_fen", "whole numbers", "整数", lambda kind: kind.is_integer()),
    ("instalments", "whole numbers", "整数", lambda kind: kind.is_integer()),
    ("purpose", "text", "文本", _text),
    ("person", "text or whole numbers", "文本或整数", lambda kind: _text(kind) or kind.is_integer()),
    ("draw", "whole numbers", "整数", lambda kind: kind.is_integer()),
    (
        "outcome_bad",
        "0, 1 or null",
        " 0、1 或 null",
        lambda kind: kind.is_integer() or kind in (pl.Boolean, pl.Null),
    ),
    (
        "outcome_loss_fen",
        "whole numbers or null",
        "整数或 null",
        lambda kind: kind.is_integer() or kind == pl.Null,
    ),
    (
        "missing",
        "a list of texts",
        "文本的列表",
        lambda kind: kind == pl.List and (_text(kind.inner) or kind.inner == pl.Null),
    ),
)
