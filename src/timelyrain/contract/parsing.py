"""Strict reading of JSON objects: unknown names, missing names, floats and wrong types are all told at once."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from timelyrain.finance import TermsProblem

T = TypeVar("T")


class Reader:
    """Reads fields of one JSON object and collects the problems it meets.

    A getter that finds a problem returns a harmless value of the right type; the caller must look at `problems`
    (by `finish`) before using anything.
    """

    def __init__(self, source: object, prefix: str = "") -> None:
        self.prefix = prefix
        self.problems: list[TermsProblem] = []
        self.seen: set[str] = set()
        self.values: Mapping[str, object] = {}
        if isinstance(source, Mapping):
            self.values = cast("Mapping[str, object]", source)
        else:
            self.problem("", source, "must be a JSON object")

    def problem(self, name: str, value: object, remedy: str) -> None:
        self.problems.append(TermsProblem(f"{self.prefix}{name}", value, remedy))

    def _get(self, name: str, kinds: tuple[type, ...], wanted: str) -> object | None:
        self.seen.add(name)
        if name not in self.values:
            self.problem(name, None, f"is missing; must be {wanted}")
            return None
        value = self.values[name]
        if type(value) not in kinds:
            self.problem(name, value, f"must be {wanted}")
            return None
        return value

    def integer(self, name: str) -> int:
        return cast("int", self._get(name, (int,), "an integer (no float, no string)") or 0)

    def optional_integer(self, name: str) -> int | None:
        if name in self.values and self.values[name] is None:
            self.seen.add(name)
            return None
        return self.integer(name)

    def truth(self, name: str) -> bool:
        return bool(self._get(name, (bool,), "true or false"))

    def text(self, name: str) -> str:
        return cast("str", self._get(name, (str,), "a string") or "")

    def parsed(self, name: str, parse: Callable[[str], T], wanted: str, default: T) -> T:
        """A string field turned into something by `parse` (which raises ValueError)."""
        value = self._get(name, (str,), wanted)
        if value is None:
            return default
        try:
            return parse(cast("str", value))
        except ValueError:
            self.problem(name, value, f"must be {wanted}")
            return default

    def array(self, name: str) -> Sequence[object]:
        return cast("Sequence[object]", self._get(name, (list, tuple), "an array") or ())

    def mapping(self, name: str) -> Mapping[str, object]:
        return cast("Mapping[str, object]", self._get(name, (dict,), "an object") or {})

    def nested(self, name: str, index: int, item: object) -> "Reader":
        return Reader(item, f"{self.prefix}{name}[{index}].")

    def finish(self) -> list[TermsProblem]:
        """All problems, unknown names among them."""
        for name in self.values:
            if name not in self.seen:
                self.problem(name, self.values[name], "is not a known field; remove it")
        return self.problems


def parse_json(source: str | bytes | Mapping[str, Any]) -> object:
    """JSON text, or an object already parsed. Raises ValueError for text that is not JSON or repeats a name."""
    if isinstance(source, Mapping):
        return dict(source)
    return json.loads(source, object_pairs_hook=_no_repeats)


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name!r} stands twice in one JSON object; keep one")
        found[name] = value
    return found


def canonical(value: object) -> bytes:
    """The one byte form of a JSON value: sorted names, no spaces, UTF-8."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()
