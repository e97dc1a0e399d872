"""Strict reading of a JSON document: each value is asked for by name and type, and an error names its path."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Any, NoReturn

import msgspec
import numpy as np

from timelyrain.sources.ports import SourceMalformed

CHINA = timezone(timedelta(hours=8))
_NO_KEY = "0" * 16
_NAMES = {dict: "an object", list: "a list", str: "a string", int: "a whole number", bool: "true or false"}


class Node(msgspec.Struct):
    """A value and where it stands: as a member (by name) or an item (by number) of another one."""

    source: str
    value: Any
    outer: "Node | None" = None
    place: str | int = ""

    @property
    def path(self) -> str:
        if self.outer is None:
            return "$"
        return self.outer.path + (f".{self.place}" if isinstance(self.place, str) else f"[{self.place}]")

    def fail(self, why: str) -> NoReturn:
        raise SourceMalformed(self.source, f"{self.path}: {why}")

    def at(self, *names: str) -> "Node":
        """The member down these names; it must be there."""
        node = self
        for name in names:
            inner = node._typed(dict)
            if name not in inner:
                node.fail(f"has no {name!r}")
            node = Node(self.source, inner[name], node, name)
        return node

    def item(self, number: int) -> "Node":
        return Node(self.source, self._typed(list)[number], self, number)

    def each(self) -> Iterator["Node"]:
        for number in range(len(self._typed(list))):
            yield self.item(number)

    def text(self) -> str:
        return self._typed(str)

    def flag(self) -> bool:
        return self._typed(bool)

    def whole(self, low: int = 0, high: int = 10**11) -> int:
        value = self._typed(int)
        if not low <= value <= high:
            self.fail(f"{value} is outside {low} to {high}")
        return value

    def one_of(self, *allowed: str) -> str:
        value = self.text()
        if value not in allowed:
            self.fail(f"{value[:40]!r} is none of {', '.join(allowed)}")
        return value

    def key(self) -> int:
        """A provider's hash of a name: 16 hex digits, or null for not stated, which is 0."""
        found = _keys([_NO_KEY if self.value is None else self.text()])
        if not found:
            self.fail(f"{self.text()[:40]!r} is no key of 16 hex digits, the first from 0 to 7")
        return found[0]

    def day(self) -> date:
        try:
            return date.fromisoformat(self.text())
        except ValueError:
            self.fail(f"{self.text()[:40]!r} is no date like 2026-03-31")

    def month(self) -> date:
        """The first day of a month written 2026-03."""
        try:
            return date.fromisoformat(f"{self.text()}-01")
        except ValueError:
            self.fail(f"{self.text()[:40]!r} is no month like 2026-03")

    def _typed(self, kind: type) -> Any:
        if type(self.value) is not kind:  # exactly: a bool is no number here
            self.fail(f"{_show(self.value)} is not {_NAMES[kind]}")
        return self.value


def read(source: str, document: bytes) -> Node:
    """The top of a JSON document. Raises SourceMalformed."""
    try:
        return Node(source, msgspec.json.decode(document))
    except (ValueError, RecursionError) as bad:
        raise SourceMalformed(source, f"$: not readable as JSON: {bad}") from None


def _keys(texts: list[str]) -> list[int]:
    """16 hex digits each as integers below 2^63; nothing when any of them is none."""
    joined = "".join(texts)
    try:
        plain = bytes.fromhex(joined)
    except ValueError:
        return []
    if plain.hex() != joined or not {*map(len, texts)} <= {16}:  # capitals and spaces are read too
        return []
    keys: list[int] = np.frombuffer(plain, ">i8").tolist()
    return keys if min(keys, default=0) >= 0 else []


Kind = str | tuple[str, ...]
_WORDS = {
    "time": "time in order",
    "natural": "whole number from 0",
    "whole": "whole number",
    "flag": "true or false",
}


def table(top: Node, now: int, **kinds: Kind) -> dict[str, list[Any]]:
    """Column -> values of the rows under `rows`, checked a column at a time: statements are long.

    kinds: "time" (ascending, at most now), "whole", "natural", "flag" (becomes 0/1), "text", "key", "key or null"
    (null becomes 0), or the texts that are allowed.
    """
    if top.at("fields").value != list(kinds):
        top.at("fields").fail(f"must be {list(kinds)}")
    found = top.at("rows")
    rows: list[Any] = found._typed(list)
    what = ", ".join(
        f"{name}: {_WORDS.get(kind, kind) if isinstance(kind, str) else '|'.join(kind)}"
        for name, kind in kinds.items()
    )

    def fail(row: int) -> NoReturn:
        found.item(row).fail(f"must be [{what}]")

    if not {*map(type, rows)} <= {list} or not {*map(len, rows)} <= {len(kinds)}:
        fail(next(i for i, row in enumerate(rows) if type(row) is not list or len(row) != len(kinds)))
    turned = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in kinds]
    return {
        name: _column(found, name, kind, column, now, fail)
        for (name, kind), column in zip(kinds.items(), turned, strict=True)
    }


def _column(
    rows: Node, name: str, kind: Kind, values: list[Any], now: int, fail: Callable[[int], NoReturn]
) -> list[Any]:
    wanted = (int,) if kind in ("time", "whole", "natural") else (bool,) if kind == "flag" else (str,)
    if kind == "key or null":
        wanted = (str, type(None))
    if not set(map(type, values)) <= set(wanted):
        fail(next(i for i, value in enumerate(values) if type(value) not in wanted))
    match kind:
        case "time":
            if values and (values[0] < 0 or values[-1] > now or values != sorted(values)):
                odd = next(i for i, at in enumerate(values) if at > now or at < (values[i - 1] if i else 0))
                rows.item(odd).fail(f"time {values[odd]} is before the row above or after {now}")
        case "natural":
            if values and min(values) < 0:
                fail(next(i for i, value in enumerate(values) if value < 0))
        case "flag":
            return list(map(int, values))
        case "key" | "key or null":
            texts = [_NO_KEY if value is None else value for value in values]
            keys = _keys(texts)
            if len(keys) != len(texts):
                odd = next(i for i, text in enumerate(texts) if not _keys([text]))
                rows.item(odd).fail(
                    f"{name}: {texts[odd][:40]!r} is no key of 16 hex digits, the first from 0 to 7"
                )
            return keys
        case tuple():
            if not set(values) <= set(kind):
                fail(next(i for i, value in enumerate(values) if value not in kind))
        case _:
            pass
    return values


@lru_cache(maxsize=1 << 14)
def epoch(on: date) -> int:
    """Epoch seconds of a day's first instant in China."""
    return int(datetime.combine(on, time(), CHINA).timestamp())


def month_end(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _show(value: Any) -> str:
    if value is None:
        return "nothing (null)"
    return f"{value} is a fraction and" if isinstance(value, float) else f"a {type(value).__name__}"
