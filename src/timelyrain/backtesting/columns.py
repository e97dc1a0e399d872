"""Which columns a file of applications may have, of which types; docs/sandbox.md says what each means."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import polars as pl

from timelyrain.decisioning import FACTS, LATER_SOURCES, SOURCES, TABLES

REQUIRED = ("application_id", "at", "amount_fen", "instalments", "purpose")


class ApplicationsInvalid(ValueError):
    """A file of applications was refused: the message names column, row and value, and what to do."""


def wrong(schema: Mapping[str, Any], cuts: Sequence[str], asked: Sequence[str]) -> list[str]:
    """All that is wrong with a file's columns. cuts: by which it may be cut; asked: those that must be there."""
    silent = absent(schema)
    needed = [
        f"{t}.{c}"
        for t, table in TABLES.items()
        for c, f in table.columns.items()
        if not (table.later or f.later or (table.source in silent and table.source in LATER_SOURCES))
    ]
    problems = [f"no column {name!r}" for name in (*REQUIRED, *needed, *asked) if name not in schema]
    problems += [
        f"{name!r} is {schema[name]}, not {kind}"
        for name, kind, right in _TYPES
        if name in schema and not right(schema[name])
    ]
    problems += [
        f"{name!r} is {kind}, not a list of whole numbers"
        for name, kind in schema.items()
        if name.partition(".")[0] in TABLES and not (isinstance(kind, pl.List) and _of_codes(kind.inner))
    ]
    problems += [
        f"{name!r} is {kind}, not whole numbers"
        for name, kind in schema.items()
        if (name.startswith("fact.") and not _of_codes(kind))
        or (name.startswith("given.") and not (kind.is_integer() or kind in (pl.Boolean, pl.Null)))
    ]
    problems += [
        f"column {name!r} is not known{_nearest(name, KNOWN)}"
        for name in schema
        if name.partition(".")[0] in {"fact", *TABLES} and "." in name and name not in KNOWN
    ]
    problems += [
        f"{name!r} is {schema[name]}, by which nothing can be cut"
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


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, known, 1)
    return f" (nearest: {near[0]!r})" if near else ""


def absent(columns: Mapping[str, object]) -> tuple[str, ...]:
    """Sources without any column, then facts without one where the source has others."""
    of = {source: [f"fact.{n}" for n, f in FACTS.items() if f.source == source] for source in SOURCES}
    tables = {source: [f"{n}.at" for n, t in TABLES.items() if t.source == source] for source in SOURCES}
    silent = [s for s in SOURCES if not any(name in columns for name in (*of[s], *tables[s]))]
    return (*silent, *(name for s in SOURCES if s not in silent for name in of[s] if name not in columns))


def _text(kind: Any) -> bool:
    return kind in (pl.String, pl.Categorical) or isinstance(kind, pl.Enum)


_TYPES: Sequence[tuple[str, str, Callable[[Any], bool]]] = (
    ("application_id", "text or whole numbers", lambda kind: _text(kind) or kind.is_integer()),
    ("at", "whole numbers (epoch seconds) or times", lambda kind: kind.is_integer() or kind == pl.Datetime),
    ("amount_fen", "whole numbers", lambda kind: kind.is_integer()),
    ("instalments", "whole numbers", lambda kind: kind.is_integer()),
    ("purpose", "text", _text),
    ("person", "text or whole numbers", lambda kind: _text(kind) or kind.is_integer()),
    ("draw", "whole numbers", lambda kind: kind.is_integer()),
    ("outcome_bad", "0, 1 or null", lambda kind: kind.is_integer() or kind in (pl.Boolean, pl.Null)),
    ("outcome_loss_fen", "whole numbers or null", lambda kind: kind.is_integer() or kind == pl.Null),
    (
        "missing",
        "a list of texts",
        lambda kind: kind == pl.List and (_text(kind.inner) or kind.inner == pl.Null),
    ),
)
