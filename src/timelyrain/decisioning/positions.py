"""Where each value of a TOML text stands. The text has been read by tomllib before, so nothing is checked here."""

import re
from bisect import bisect_right

Path = tuple[str | int, ...]
"""(header, number of that header from 0, key, and further keys or indices inside arrays and inline tables)."""

_BARE = re.compile(r"[^,\]}#\n \t]+(?: \d\d:\d\d[^,\]}#\n \t]*)?")
"""A value without quotes; a date may be parted from its time by a blank."""
_BLANK = frozenset(" \t\n")


class Positions:
    """places: path -> offset of the value's first character; the path (header, number) is the header's own."""

    def __init__(self, text: str):
        self._text = text
        self._lines = [0, *(i + 1 for i, c in enumerate(text) if c == "\n")]
        self.places: dict[Path, int] = {}
        self._counts: dict[str, int] = {}
        self._read()

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Both from 1."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def within(self, offset: int, character: int) -> int:
        """Offset of the n-th character of a string whose literal begins at offset: escapes and joins are undone."""
        text = self._text
        quote = text[offset]
        long = text.startswith(quote * 3, offset)
        at = offset + (3 if long else 1)
        if long and text[at : at + 1] == "\n":
            at += 1
        for _ in range(character):
            at = self._joined(at) if quote == '"' else at
            step = {"u": 6, "U": 10}.get(text[at + 1 : at + 2], 2) if text[at] == "\\" and quote == '"' else 1
            at += step
        return self._joined(at) if quote == '"' else at

    def _joined(self, at: int) -> int:
        """Past a backslash that joins lines."""
        text, after = self._text, at + 1
        if text[at : at + 1] == "\\" and text[after : after + 1] in _BLANK:
            while text[after : after + 1] in _BLANK and after < len(text):
                after += 1
            return self._joined(after)
        return at

    def _read(self) -> None:
        at, header, number = 0, "", 0
        while (at := self._skip(at)) < len(self._text):
            if self._text[at] == "[":
                many = self._text.startswith("[[", at)
                words, end = self._key(at + 1 + many, "]")
                header = ".".join(words)
                number = self._counts[header] = self._counts.get(header, -1) + 1
                self.places[header, number] = at
                at = end + 1 + many
            else:
                at = self._pair(at, (header, number))
        self._without_headers()

    def _without_headers(self) -> None:
        """Blocks written as values: rule = [{ … }], request.purposes = …, characteristic = [{ … }] inside a scorecard."""
        parts: dict[Path, Path] = {}
        for path, offset in list(self.places.items()):
            if path[0] == "" and len(path) > 2:
                word, *inside = path[2:]
                inside = inside if inside and isinstance(inside[0], int) else [0, *inside]
                self.places.setdefault((word, *inside), offset)
            elif len(path) > 3 and isinstance(path[3], int):
                if path[:4] not in parts:
                    header = f"{path[0]}.{path[2]}"
                    number = self._counts[header] = self._counts.get(header, -1) + 1
                    parts[path[:4]] = (header, number)
                self.places.setdefault((*parts[path[:4]], *path[4:]), offset)

    def _skip(self, at: int) -> int:
        """Past blanks and comments."""
        while at < len(self._text):
            if self._text[at] == "#":
                end = self._text.find("\n", at)
                at = len(self._text) if end < 0 else end
            elif self._text[at] in _BLANK:
                at += 1
            else:
                break
        return at

    def _pair(self, at: int, path: Path) -> int:
        words, at = self._key(at, "=")
        return self._value(self._skip(at + 1), (*path, *words))

    def _key(self, at: int, end: str) -> tuple[list[str], int]:
        """The words of a dotted key, and where it ends."""
        words, start = list[str](), at
        while True:
            if self._text[at] in "\"'":
                at = self._string(at)
            elif self._text[at] in (".", end):
                words.append(self._text[start:at].strip(" \t\"'"))
                start = at + 1
                if self._text[at] == end:
                    return words, at
                at += 1
            else:
                at += 1

    def _value(self, at: int, path: Path) -> int:
        self.places.setdefault(path, at)
        match self._text[at]:
            case "[":
                at, index = self._skip(at + 1), 0
                while self._text[at] != "]":
                    at = self._skip(self._value(at, (*path, index)))
                    at = self._skip(at + 1) if self._text[at] == "," else at
                    index += 1
                return at + 1
            case "{":
                at = self._skip(at + 1)
                while self._text[at] != "}":
                    at = self._skip(self._pair(at, path))
                    at = self._skip(at + 1) if self._text[at] == "," else at
                return at + 1
            case '"' | "'":
                return self._string(at)
            case _:
                found = _BARE.match(self._text, at)
                return found.end() if found else at

    def _string(self, at: int) -> int:
        text, quote = self._text, self._text[at]
        end = quote * 3 if text.startswith(quote * 3, at) else quote
        at += len(end)
        while not text.startswith(end, at):
            at += 2 if text[at] == "\\" and quote == '"' else 1
        at += len(end)
        while len(end) == 3 and text[at : at + 1] == quote:  # """a"""" ends in a quote of its own
            at += 1
        return at
