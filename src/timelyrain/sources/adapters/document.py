"""Strict reading of a JSON document: each value is asked for by name and type, and an error names its path."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, NoReturn

from timelyrain.sources.ports import SourceMalformed

CHINA = timezone(timedelta(hours=8))
_KEY = re.compile(r"[0-7][0-9a-f]{15}")
_NAMES = {dict: "an object", list: "a list", str: "a string", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True)
class Node:
    """A value and where it stands."""

    source: str
    path: str
    value: Any

    def fail(self, why: str) -> NoReturn:
        raise SourceMalformed(self.source, f"{self.path}: {why}")

    def at(self, *names: str) -> "Node":
        """The member down these names; it must be there."""
        node = self
        for name in names:
            inner = node._typed(dict)
            if name not in inner:
                node.fail(f"has no {name!r}")
            node = Node(self.source, f"{node.path}.{name}", inner[name])
        return node

    def each(self) -> Iterator["Node"]:
        for i, value in enumerate(self._typed(list)):
            yield Node(self.source, f"{self.path}[{i}]", value)

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
        return 0 if self.value is None else key(self, self.value)

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
        return Node(source, "$", json.loads(document, parse_float=_no_float, parse_constant=_no_float))
    except (ValueError, RecursionError) as bad:
        raise SourceMalformed(source, f"$: not readable as JSON: {bad}") from None


def key(where: Node, value: object) -> int:
    """16 hex digits as an integer below 2^63."""
    if isinstance(value, str) and _KEY.fullmatch(value):
        return int(value, 16)
    where.fail(f"{str(value)[:40]!r} is no key of 16 hex digits, the first from 0 to 7")


def fields(top: Node, *names: str) -> Iterator[Node]:
    """The rows under `rows`, after a check that `fields` names these columns."""
    if top.at("fields").value != list(names):
        top.at("fields").fail(f"must be {list(names)}")
    return top.at("rows").each()


class Clock:
    """Instants of rows that must come oldest first and not after now."""

    def __init__(self, now: int) -> None:
        self._last, self._now = 0, now

    def check(self, where: Node, ts: int) -> int:
        if not self._last <= ts <= self._now:
            where.fail(f"time {ts} is before the row above or after {self._now}")
        self._last = ts
        return ts


def epoch(on: date) -> int:
    """Epoch seconds of a day's first instant in China."""
    return int(datetime.combine(on, time(), CHINA).timestamp())


def month_end(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text} is a fraction; no field here is one")


def _show(value: Any) -> str:
    return "nothing (null)" if value is None else f"a {type(value).__name__}"
