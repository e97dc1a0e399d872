"""What somebody meant who wrote something else: the nearest known name, the right sign for a wrong one."""

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

from .wording import Said

_TWINS = {"≥": ">=", "≤": "<=", "≠": "!=", "×": "*", "÷": "//", "、": ",", "。": "."} | dict.fromkeys(
    "“”‘’", "'"
)
_SLIPS = (
    (re.compile(r"&&|\|\||!(?!=)|\b(?:AND|OR|NOT)\b"), "logic_sign"),
    (re.compile(r"<>|=>|=<"), "comparison_sign"),
    (re.compile(r"(?<![=!<>])=(?!=)"), "single_equals"),
)


def slip(source: str, error: Exception) -> tuple[int, Said]:
    """At which character a text is no expression, and what is wrong: signs of another language, or of a Chinese keyboard."""
    if not source:
        return (0, Said("empty_expression", {}))
    at = max((getattr(error, "offset", 1) or 1) - 1, 0)
    sign = source[at : at + 1]
    plain = _TWINS.get(sign, unicodedata.normalize("NFKC", sign))
    if sign and not sign.isascii() and plain.isascii():
        return (at, Said("wide_sign", {"sign": sign, "plain": plain}))
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", lambda text: " " * len(text[0]), source)
    for form, slug in _SLIPS:
        if found := form.search(bare):
            return (found.start(), Said(slug, {"sign": found[0]}))
    said = getattr(error, "msg", None) or "too deep or not readable"
    return (at, Said("no_expression", {"said": said}))


_TOML = (
    (re.compile("Cannot overwrite|Duplicate|Cannot declare|Cannot mutate"), "toml_twice"),
    (re.compile("Unterminated|Illegal character|Unescaped|Expected \"'"), "toml_text"),
    (re.compile("Invalid value"), "toml_value"),
    (re.compile("Unclosed"), "toml_unclosed"),
    (re.compile("Expected newline"), "toml_rest"),
    (re.compile("Expected '='|Invalid initial character|Invalid statement"), "toml_key"),
)
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def toml_slip(text: str, error: Exception) -> tuple[int, int, str, Said]:
    """Line, column and where of what is no TOML, and what to write instead."""
    said = str(error)
    found = _PLACE.search(said)
    line, column = 1, 1
    if found and found[1]:
        line, column = int(found[1]), int(found[2])
    elif found:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
    bare = _PLACE.sub("", said)
    slug = next((slug for form, slug in _TOML if form.match(bare)), "no_toml")
    return line, column, "file", Said(slug, {"said": bare})


FOREIGN = {"true": "True", "false": "False", "null": "missing(x)", "none": "missing(x)", "NULL": "missing(x)"}
"""What other languages call what ours has."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that somebody may have meant; '' for none. Looks at 500 that begin or end alike, so that thousands of
    errors are told in bounded time."""
    if name in FOREIGN:
        return FOREIGN[name]
    alike = (one for one in known if one[:1] == name[:1] or one[-2:] == name[-2:])
    return next(iter(get_close_matches(name[:200], islice(alike, 500), 1)), "")


def under(scope: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(f"{scope}.")]
