"""Reading a definition file: TOML blocks with positions, all problems collected and shown together."""

import keyword
import re
import tomllib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from .language import BAD, Constant, Node, Type, read
from .meant import nearest, toml_slip
from .positions import Positions
from .wording import Language, Said

MAX_BYTES = 2**20
_HUGE = re.compile(r"[+-]?0[xob][0-9a-fA-F_]{40}")
KEYWORDS = frozenset(keyword.kwlist)
"""Words that no expression can read as a name."""
RESERVED = KEYWORDS | {
    "today", "draw", "rate", "request", "law", "model", "source_missing", "on_list", "experiment", "bucket", "random",
    "fraud", "anomaly",
}  # fmt: skip
"""Names that the language itself gives, alone or before a dot."""
ADDED = frozenset(
    ("blank", "reserved", "output_name", "stray_brace", "form_of_unit", "no_outputs", "arms_key")
)
"""Checks that came after definitions had decided: an activated one is not asked, so that its decisions stay replayable."""
Key = str | tuple[str | int, ...]
"""A key of a block, or a path inside its value: ("rows", 2, "below")."""


@dataclass(frozen=True, slots=True, order=True)
class DefinitionProblem:
    """line and column count from 1; where names the block and key; slug the entry of `wording`; in English and Chinese."""

    line: int
    column: int
    where: str
    slug: str
    what: str
    remedy: str
    what_zh: str
    remedy_zh: str

    @staticmethod
    def at(line: int, column: int, where: str, said: Said) -> "DefinitionProblem":
        return DefinitionProblem(line, column, where, said.slug, *said.told("en"), *said.told("zh"))

    def told(self, language: Language = "en") -> tuple[str, str]:
        """(what is wrong, what to do)."""
        return (self.what_zh, self.remedy_zh) if language == "zh" else (self.what, self.remedy)

    def sentence(self, language: Language = "en") -> str:
        return f"{self.line}:{self.column} {self.where}: {('；' if language == 'zh' else '; ').join(self.told(language))}"

    def __str__(self) -> str:
        return self.sentence()


class DefinitionInvalid(ValueError):
    """A definition was refused. `problems` lists every error with its position and remedy, in order."""

    def __init__(self, problems: Sequence[DefinitionProblem]):
        self.problems = tuple(sorted(set(problems)))
        super().__init__("definition refused:\n" + "\n".join(f"  {problem}" for problem in self.problems))


@dataclass(slots=True)
class Spent:
    """states: sets of rows looked at so far, over all tables of a file."""

    states: int = 0


class Draft:
    """A definition being read. Blocks report problems here; `finish` raises if there were any."""

    def __init__(self, text: str, activated: bool = False):
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self._activated = activated
        self.spent = None if activated else Spent()
        if len(text) > MAX_BYTES:
            said = Said("too_long", {"found": len(text), "most": MAX_BYTES})
            raise DefinitionInvalid([DefinitionProblem.at(1, 1, "file", said)])
        self.problems: list[DefinitionProblem] = []
        self.warnings: list[DefinitionProblem] = []
        try:
            text.encode()  # a lone surrogate has no bytes to hash
            self.raw: dict[str, object] = tomllib.loads(text)
            self._positions = Positions(text)
        except (ValueError, RecursionError) as error:
            raise DefinitionInvalid([DefinitionProblem.at(*toml_slip(text, error))]) from None

        for path, offset in self._positions.places.items():
            if _HUGE.match(text, offset):  # Python would not write it again
                self.report(str(path[0]), int(path[1]), path[2:], "huge_number")
        self.finish()

    def top(self) -> "Block":
        """The keys above the first header."""
        plain = {key: value for key, value in self.raw.items() if not isinstance(value, (dict, list))}
        return Block(self, "", 0, plain)

    def block(self, header: str) -> "Block":
        """A [header] block; empty when absent."""
        raw = self.raw.get(header, {})
        if not isinstance(raw, dict):
            self.report(header, 0, "", "no_block", header=header)
            raw = {}
        return Block(self, header, 0, cast(dict[str, object], raw))

    def blocks(self, header: str) -> list["Block"]:
        """All [[header]] blocks in order."""
        raw = self.raw.get(header, [])
        items = cast(list[object], raw) if isinstance(raw, list) else [raw]
        if not isinstance(raw, list) or any(not isinstance(item, dict) for item in items):
            self.report(header, 0, "", "no_blocks", header=header)
            return []
        return [Block(self, header, i, cast(dict[str, object], item)) for i, item in enumerate(items)]

    def in_order(self, headers: Sequence[str]) -> list["Block"]:
        """All blocks under these headers in the order of the file."""
        found = [block for header in headers for block in self.blocks(header)]
        return sorted(found, key=lambda block: self._positions.places.get((block.header, block.index), 0))

    def headers(self, known: Sequence[str]) -> None:
        """Reports headers that nobody reads."""
        for header, value in self.raw.items():
            if isinstance(value, (dict, list)) and header not in known:
                self.report(header, 0, "", "unknown_block", header=header, known=tuple(known))

    def report(self, header: str, index: int, key: Key, slug: str, /, **values: object) -> None:
        """Collects one problem, an entry of `wording`, at a key of a block (or at its header)."""
        self.collect(header, index, key, Said(slug, values))

    def collect(
        self, header: str, index: int, key: Key, said: Said, shift: int | None = None, warn: bool = False
    ) -> None:
        """shift: the character inside the text that stands at the key; warn: it does not hinder activation."""
        if self._activated and said.slug in ADDED:
            return
        inside = (key,) if isinstance(key, str) else key
        line, column = self.place(header, index, key, shift)
        where = f"{header}[{index}]" if (header, 1) in self._positions.places else header
        where = ".".join(str(part) for part in (where, *inside) if part != "")
        problem = DefinitionProblem.at(line, column, where, said)
        (self.warnings if warn else self.problems).append(problem)

    def place(self, header: str, index: int, key: Key, shift: int | None = None) -> tuple[int, int]:
        """Line and column of a key, or of what holds it where it is absent."""
        places = self._positions.places
        path = (header, index, *((key,) if isinstance(key, str) else key)) if key else (header, index)
        while path not in places and len(path) > 2:
            path, shift = path[:-1], None
        offset = places.get(path, 0)
        return self._positions.line_and_column(
            offset if shift is None else self._positions.within(offset, shift)
        )

    def part_number(self, header: str, index: int, key: str) -> int:
        """How many [[header.key]] blocks stand in the file before those of the index-th [[header]] block."""
        before = cast(list[dict[str, object]], self.raw.get(header, []))[:index]
        parts = [block.get(key) for block in before]
        return sum(len(cast(list[object], part)) for part in parts if isinstance(part, list))

    def plain(self) -> None:
        """Raises DefinitionInvalid for floats, dates and times: nothing in a definition is one."""

        def walk(value: object, header: str, number: int, inside: tuple[str | int, ...]) -> None:
            if isinstance(value, dict):
                for key, part in cast(dict[str, object], value).items():
                    walk(part, header, number, (*inside, key))
            elif isinstance(value, list):
                for i, part in enumerate(cast(list[object], value)):
                    walk(part, header, number, (*inside, i))
            elif not isinstance(value, (str, int)):
                self.report(header, number, inside, "no_plain_value", value=value)

        for header, value in self.raw.items():
            for i, part in enumerate(cast(list[object], value) if isinstance(value, list) else [value]):
                walk(part, header, i, ())
        self.finish()

    def finish(self) -> None:
        if self.problems:
            raise DefinitionInvalid(self.problems)


class Block:
    """One block of a definition. Every getter reports a problem and returns a harmless value when the key is bad."""

    def __init__(self, draft: Draft, header: str, index: int, raw: Mapping[str, object]):
        self._draft, self.header, self.index, self._raw = draft, header, index, raw
        self._read: set[str] = set()

    def report(self, key: Key, slug: str, /, warn: bool = False, **values: object) -> None:
        self._draft.collect(self.header, self.index, key, Said(slug, values), warn=warn)

    @property
    def spent(self) -> Spent | None:
        """What the tables of this file have asked for so far; None where nobody counts."""
        return self._draft.spent

    def line(self, key: Key) -> int:
        return self._draft.place(self.header, self.index, key)[0]

    def has(self, key: str) -> bool:
        return key in self._raw

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.report(key, "no_text", value=value)
            return default or ""
        if default is None and not value.strip():
            self.report(key, "blank", name=key)
        return value

    def name(
        self,
        key: str,
        taken: Container[str],
        pattern: str = r"[a-z][a-z0-9_]{0,79}",
        reserved: Container[str] = RESERVED,
    ) -> str:
        """A new name: of the given form and not taken yet."""
        value = self.text(key)
        if not value.strip():
            return value
        if not re.fullmatch(pattern, value):
            self.report(key, "no_name", value=value, pattern=pattern)
        elif value in taken:
            self.report(key, "declared", value=value)
        elif value in reserved:
            self.report(key, "reserved", value=value)
        return value

    def choice(self, key: str, options: Sequence[str], default: str | None = None) -> str:
        value = self._get(key, default)
        if isinstance(value, str) and value in options:
            return value
        if value is not None:
            self.report(key, "no_choice", value=value, known=tuple(options))
        return options[0]

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self._get(key, default)
        if type(value) is int and low <= value <= high:
            return value
        self.report(key, "no_integer", value=value, low=low, high=high)
        return default

    def flag(self, key: str, default: bool) -> bool:
        value = self._get(key, default)
        if isinstance(value, bool):
            return value
        self.report(key, "no_flag", value=value)
        return default

    def items(self, key: str, default: Sequence[object] | None = None) -> list[object]:
        value = self._get(key, default)
        if isinstance(value, (list, tuple)):
            return list(cast(Sequence[object], value))
        if value is not None:
            self.report(key, "no_list", value=value)
        return []

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        values = self.items(key, default)
        if all(isinstance(value, str) for value in values):
            return tuple(str(value) for value in values)
        self.report(key, "no_texts")
        return ()

    def expression(self, key: str, names: Mapping[str, Type], want: str = "") -> Node:
        """A checked expression; a node of type BAD after problems, so that later checks stay silent."""
        source = self.text(key)
        return self.reading(key, source, names, want) if source.strip() else Constant(BAD, 0)

    def reading(self, key: Key, source: str, names: Mapping[str, Type], want: str = "") -> Node:
        """The expression that stands, as a text, at a key or deeper inside its value."""
        node, faults = read(source, names, want)
        for fault in faults:
            self._draft.collect(self.header, self.index, key, fault.said, min(fault.column, len(source)))
        return Constant(BAD, 0) if faults else node

    def rows(self, key: str) -> list[Mapping[str, object]]:
        """A list of inline tables; what is none is reported and left out."""
        found: list[Mapping[str, object]] = []
        for i, item in enumerate(self.items(key)):
            if isinstance(item, dict):
                found.append(cast(dict[str, object], item))
            else:
                self.report((key, i), "no_row", value=item)
        return found

    def raw(self, key: str) -> object:
        """The value as TOML has it, for keys of several forms; None when absent."""
        self._read.add(key)
        return self._raw.get(key)

    def parts(self, key: str) -> list["Block"]:
        """The [[header.key]] blocks inside this [[header]] block, in order."""
        self._read.add(key)
        raw = self._raw.get(key, [])
        items = cast(list[object], raw) if isinstance(raw, list) else [raw]
        if any(not isinstance(item, dict) for item in items):
            self.report(key, "no_parts", header=f"{self.header}.{key}")
            return []
        first = self._draft.part_number(self.header, self.index, key)
        name = f"{self.header}.{key}"
        return [
            Block(self._draft, name, first + i, cast(dict[str, object], item)) for i, item in enumerate(items)
        ]

    def done(self) -> None:
        """Reports keys that nobody read."""
        for key in self._raw:
            if key not in self._read:
                near = nearest(key, self._read)
                slug = "unknown_key_near" if near else "unknown_key"
                self.report(key, slug, name=key, near=near, known=tuple(sorted(self._read)))

    def _get(self, key: str, default: object) -> object:
        """The value as TOML has it; None after a report that it is absent."""
        self._read.add(key)
        if key not in self._raw and default is None:
            self.report(key, "absent", name=key)
            return None
        return self._raw.get(key, default)
