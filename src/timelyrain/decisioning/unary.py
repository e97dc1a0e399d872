"""Cells of zen's decision tables ("unary tests") read as sets of values, and written in our words; and the reverse.

What zen 2.1 does, found by asking it: `and`, `or` and the comma, which is an `or`, are read strictly from left to right; a
comparison or range over null fails, and a cell that fails makes its row not fit; `!= 5` and `not in [5]` do fit null.
`date('2026-08-01')` is its midnight in UTC, in seconds since 1970; `d('2026-08-01')` orders dates written as texts.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

from .checks import domain
from .functions import EPOCH
from .intervals import Span, joined, outside
from .language import INT64, Constant, Type, read
from .tables import SIDE, TEXTS, split_range
from .wording import Said

MAX_CELL = 2_000
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'[^']*'|\"[^\"]*\")|(?P<number>-?\s*\d+(?:_\d+)*(?:\.\d+)?(?![\w]))|(?P<mark>\.\.|<=|>=|==|!=|[<>\[\](),!])"
    r"|(?P<word>\$[\w.]*|[^\W\d]\w*(?:\.[^\W\d]\w*)*)|(?P<other>[\w.]+|\S))"
)
_LISTED = frozenset("-0123456789'd")
"""How our cells begin that may be listed with commas."""
_LITERALS = ("true", "false", "null")
_DAYS = ("date", "d")
_DAY = ["word", "mark", "text", "mark"]
"""How a date is written: date('2026-08-01')."""
_ABOUT = ("==", "!=", "<", "<=", ">", ">=", "in", "not")
"""What may follow `$`, the column itself; the same without it says the same."""
CALLS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, part: part in value,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}
_FLIPPED = {"<=": ">", ">=": "<", "<": ">=", ">": "<="}


class Unreadable(ValueError):
    """A cell that our language has no words for."""

    def __init__(self, slug: str, /, **values: object):
        self.said = Said(slug, values)
        super().__init__(self.said.what)


@dataclass(frozen=True, slots=True)
class Test:
    """spans: the codes that fit, ascending and apart; null: whether a missing value fits; None: zen fails on it.

    ours: the cell in our words where one says exactly the same.
    """

    spans: tuple[Span, ...]
    null: bool | None
    ours: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    if len(text) > MAX_CELL:
        raise Unreadable("unary_long", found=len(text), most=MAX_CELL)
    return [Token(m.lastgroup or "", m[m.lastgroup or 0].strip()) for m in _TOKEN.finditer(text)]


def scaled(text: str, scale: int) -> int:
    """A written decimal times its scale, which has to be a whole number."""
    digits = text.replace("_", "").replace(" ", "")
    if len(digits) > 30:
        raise Unreadable("unary_digits", digits=digits)
    value = Decimal(digits) * scale
    if value != value.to_integral_value():
        slug = "unary_scaled_fraction" if scale > 1 else "unary_fraction"
        raise Unreadable(slug, digits=digits, scale=scale)
    if abs(value) > INT64:
        raise Unreadable("unary_int64", digits=digits)
    return int(value)


@lru_cache(maxsize=20_000)
def read_unary(text: str, kind: Type, scale: int = 1) -> Test:
    """A cell over a column of this type; numbers are multiplied by scale. Raises Unreadable."""
    words = tokens(text)
    odd = next((word.text for word in words if word.kind == "other"), "")
    if odd:
        raise Unreadable("unary_odd", word=odd)
    reader = Reader(words, kind, scale)
    found = reader.test()
    if reader.at < len(reader.tokens):
        raise Unreadable("unary_rest", text=text, word=reader.peek())
    return found


class Reader:
    """Tokens of one cell; each method reads one form and says what it means."""

    def __init__(self, found: Sequence[Token], kind: Type, scale: int):
        self.tokens, self.kind, self.scale, self.at = found, kind, scale, 0
        self.domain = domain(kind)

    def peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else "the end"

    def take(self, *texts: str) -> str:
        """The next token if it is one of these, else ''."""
        here = self.tokens[self.at] if self.at < len(self.tokens) else Token("", "")
        if here.kind in ("mark", "word") and here.text in texts:
            self.at += 1
            return here.text
        return ""

    def test(self) -> Test:
        """Terms from left to right; a comma is an `or`."""
        found = self.term()
        while word := self.take("and", "or", ","):
            other = self.term()
            if word == "and":
                spans = intersection(found.spans, other.spans)
                null = other.null if found.null is True else found.null
                full = other.spans == (self.domain,) and other.null is False  # != null
                found = Test(spans, null, found.ours if full else "")
            else:
                spans = tuple(joined((*found.spans, *other.spans)))
                null = other.null if found.null is False else found.null
                listed = all(part.ours[:1] in _LISTED and ".." not in part.ours for part in (found, other))
                found = Test(spans, null, f"{found.ours}, {other.ours}" if listed else "")
        return found

    def term(self) -> Test:
        if self.peek() == "$" and self.at + 1 < len(self.tokens) and self.tokens[self.at + 1].text in _ABOUT:
            self.at += 1
        if (found := self.call("$")) is not None:
            return found
        if self.take("not"):
            if not self.take("in"):
                raise Unreadable("unary_not")
            inside = self.members()
            null = None if inside.null is None else not inside.null
            ours = f"not {inside.ours}" if inside.ours and inside.ours != "missing" else ""
            return Test(self.outside(inside.spans), null, ours)
        if self.take("in"):
            found = self.members()
            wrapped = ".." in found.ours and found.ours[0] not in "(["
            return Test(found.spans, found.null, f"[{found.ours}]" if wrapped else found.ours)
        if mark := self.take("==", "!=", "<", "<=", ">", ">="):
            return self.side(mark)
        if self.peek() in ("[", "("):
            return self.members()
        return self.literal()

    def call(self, subject: str) -> Test | None:
        """contains(['a', 'b'], $), and contains, startsWith, endsWith($, 'a') over known texts; None where none is written."""
        start, negated = self.at, bool(self.take("!", "not"))
        name = self.take(*CALLS)
        if not name or not self.take("("):
            self.at = start
            return None
        if self.take(subject) and self.kind.kind == "enum":
            self.closed(",")
            here = self.tokens[self.at] if self.at < len(self.tokens) else Token("", "")
            if here.kind != "text":
                raise self.odd(here, "a text in quotes")
            self.at += 1
            has = CALLS[name]
            codes = [(i, i) for i, value in enumerate(self.kind.values) if has(value, here.text[1:-1])]
            found = Test(tuple(joined(codes)), None)
        elif name == "contains" and self.peek() == "[" and (inside := self.members()).null is not None:
            self.closed(",")
            self.closed(subject)
            found = Test(inside.spans, inside.null, inside.ours)
        else:
            raise Unreadable("unary_call", word=name)
        self.closed(")")
        if not negated:
            return found
        return Test(self.outside(found.spans), None if found.null is None else not found.null)

    def side(self, mark: str) -> Test:
        if mark in ("==", "!="):
            found = self.literal()
            if mark == "==":
                equal = (
                    f"= {found.ours}" if self.kind.kind == "int" and found.ours != "missing" else found.ours
                )
                return Test(found.spans, found.null, equal)
            ours = f"not {found.ours}" if found.ours != "missing" else ""
            return Test(self.outside(found.spans), not found.null, ours)
        if self.kind.kind != "int":
            raise Unreadable("unary_order", mark=mark)
        value = self.number()
        low, high = self.domain
        spans = {"<": (low, value - 1), "<=": (low, value), ">": (value + 1, high), ">=": (value, high)}
        return Test(_clipped(spans[mark], self.domain), None, f"{mark} {self.shown(value)}")

    def members(self) -> Test:
        """A range or a list."""
        opened = self.take("[", "(")
        if not opened:
            raise Unreadable("unary_no_list", word=self.peek())
        after = self.at + (len(_DAY) if self.peek() in _DAYS and self.kind.unit == "date" else 1)
        if after < len(self.tokens) and self.tokens[after].text == "..":
            return self.range(opened)
        if opened == "(":
            raise Unreadable("unary_bracket")
        parts = [self.literal()]
        while self.take(","):
            parts.append(self.literal())
        self.closed("]")
        spans = tuple(joined(span for part in parts for span in part.spans))
        plain = all(part.ours != "missing" for part in parts) and (
            self.kind.kind != "bool" or len(parts) == 1
        )
        null = any(part.null for part in parts)
        return Test(
            spans, null, ", ".join(p.ours for p in parts) if plain else "missing" if len(parts) == 1 else ""
        )

    def range(self, opened: str) -> Test:
        if self.kind.kind != "int":
            raise Unreadable("unary_text_range")
        low = self.number()
        self.at += 1
        high = self.number()
        if self.peek() == "[":
            raise Unreadable("unary_open_end")
        ended = self.closed("]", ")")
        span = (low + (opened == "("), high - (ended == ")"))
        plain = f"{self.shown(low)}..{self.shown(high)}"
        ours = plain if (opened, ended) == ("[", "]") else f"{opened}{plain}{ended}"
        return Test(_clipped(span, self.domain), None, ours if span[0] <= span[1] else "")

    def closed(self, *marks: str) -> str:
        found = self.take(*marks)
        if not found:
            raise Unreadable("unary_unclosed", word=self.peek(), marks=" or ".join(marks))
        return found

    def number(self) -> int:
        here = self.tokens[self.at] if self.at < len(self.tokens) else Token("", "")
        call = self.tokens[self.at : self.at + len(_DAY)]
        if self.kind.unit == "date" and here.text in _DAYS and [word.kind for word in call] == _DAY:
            self.at += len(_DAY)
            return _day(call[2].text[1:-1])
        if here.kind != "number":
            raise self.odd(here, "a number")
        self.at += 1
        return scaled(here.text, self.scale)

    def shown(self, value: int) -> str:
        """A number in our words: a day as a date."""
        if self.kind.unit != "date" or not self.domain[0] <= value <= self.domain[1]:
            return str(value)
        return f"date('{EPOCH + timedelta(value)}')"

    def literal(self) -> Test:
        here = self.tokens[self.at] if self.at < len(self.tokens) else Token("", "")
        if here.text == "null" and here.kind == "word":
            self.at += 1
            return Test((), True, "missing")
        match self.kind.kind:
            case "int":
                value = self.number()
                return Test(_clipped((value, value), self.domain), False, self.shown(value))
            case "enum":
                return self.word(here)
            case _:
                if here.text not in ("true", "false") or here.kind != "word":
                    raise self.odd(here, "true or false")
                self.at += 1
                code = int(here.text == "true")
                return Test(((code, code),), False, here.text)

    def word(self, here: Token) -> Test:
        if here.kind != "text":
            raise self.odd(here, "a text in quotes")
        value = here.text[1:-1]
        if value not in self.kind.values:
            raise Unreadable("unary_unknown_text", value=value, known=self.kind.values)
        if "'" in value:
            raise Unreadable("unary_quote", value=value)
        self.at += 1
        code = self.kind.values.index(value)
        return Test(((code, code),), False, f"'{value}'")

    def odd(self, here: Token, wanted: str) -> Unreadable:
        after = self.tokens[self.at + 1].text if self.at + 1 < len(self.tokens) else ""
        if here.text.startswith("$"):
            return Unreadable("unary_itself")
        if here.kind == "word" and after == "(":
            return Unreadable("unary_call", word=here.text)
        if here.kind == "word" and here.text not in _LITERALS:
            return Unreadable("unary_name", word=here.text)
        if here.text == "]":
            return Unreadable("unary_open_start")
        return Unreadable("unary_wrong", word=here.text or "the end", wanted=wanted)

    def outside(self, spans: Sequence[Span]) -> tuple[Span, ...]:
        return tuple(outside(spans, *self.domain))


def _day(text: str) -> int:
    """Days since 1970 of a written date."""
    try:
        return (date.fromisoformat(text) - EPOCH).days
    except ValueError:
        raise Unreadable("no_date", value=text) from None


def _clipped(span: Span, within: Span) -> tuple[Span, ...]:
    low, high = max(span[0], within[0]), min(span[1], within[1])
    return ((low, high),) if low <= high else ()


def intersection(a: Sequence[Span], b: Sequence[Span]) -> tuple[Span, ...]:
    pairs = ((max(x[0], y[0]), min(x[1], y[1])) for x in a for y in b)
    return tuple(sorted((low, high) for low, high in pairs if low <= high))


def our_cells(test: Test, kind: Type) -> list[str]:
    """Cells that together fit what the test fits, no value twice: none when nothing fits; '' for a cell left out."""
    low, high = domain(kind)
    missing = bool(test.null) and kind.nullable
    if test.spans == ((low, high),) and (missing or (not kind.nullable and not test.ours)):
        return [""]
    if test.ours and test.ours != "missing" and test.spans:
        return [test.ours, *(["missing"] if missing else [])]
    return [*_written(test.spans, kind), *(["missing"] if missing else [])]


def _written(spans: tuple[Span, ...], kind: Type) -> list[str]:
    if kind.kind == "bool":
        return [("false", "true")[code] for a, b in spans for code in range(a, b + 1)]
    if kind.kind == "enum":
        words = [f"'{kind.values[code]}'" for a, b in spans for code in range(a, b + 1)]
        return [", ".join(words)] if words else []
    low, high = domain(kind)
    rest = outside(spans, low, high)
    if len(spans) > 1 and all(a == b for a, b in spans):
        return [", ".join(str(a) for a, _ in spans)]
    if len(spans) == 2 and len(rest) == 1:
        return [f"not {_between(rest[0], low, high)}"]
    return [_between(span, low, high) for span in spans]


def _between(span: Span, low: int, high: int) -> str:
    a, b = span
    if a == b:
        return str(a)
    return f">= {a}" if b == high else f"<= {b}" if a == low else f"{a}..{b}"


def zen_cell(raw: object, kind: Type) -> str:
    """A cell of a table that has been read, in zen's words, with equal meaning. Raises Unreadable for what is no cell."""
    text = str(raw).lower() if isinstance(raw, bool) else str(raw).strip()
    if raw is None or text == "-":
        return ""
    if text == "missing":
        return "null"
    body, negated = text.removeprefix("not ").strip(), text.startswith("not ")
    if kind.kind == "bool":
        words = [body]
    elif kind.kind == "enum":
        words = [f"'{word}'" for word in re.findall(r"'([^']*)'", body)]
        if not TEXTS.fullmatch(body):
            raise Unreadable("unary_no_texts", text=text)
    elif found := split_range(body):
        opened, ended = found[0] or "[", found[3] or "]"
        plain = f"{opened}{_number(found[1])}..{_number(found[2])}{ended}"
        return (
            f"not in {plain}"
            if negated
            else f"in {plain}"
            if found[0] and plain[0] + plain[-1] == "[]"
            else plain
        )
    elif found := SIDE.fullmatch(body):
        mark, value = found[1], _number(found[2])
        if not negated:
            return f"{'==' if mark == '=' else mark} {value}"
        return f"!= {value} and != null" if mark == "=" else f"{_FLIPPED[mark]} {value}"
    else:
        words = [str(_number(word)) for word in body.split(",")]
    if not negated:
        return ", ".join(words)
    return f"!= {words[0]} and != null" if len(words) == 1 else f"not in [{', '.join(words)}] and != null"


def _number(text: str) -> int:
    node, faults = read(text, {}, "int")
    if faults or not isinstance(node, Constant):
        raise Unreadable("unary_no_number", text=text)
    return node.value


Output = tuple[Literal["number", "text", "flag"], int | str]


def read_output(text: str, scale: int) -> Output:
    """A literal output of a row. Raises Unreadable for an empty one, a null, and whatever would have to be worked out."""
    found = tokens(text)
    if not found:
        raise Unreadable("unary_no_output")
    only = found[0]
    match only.kind if len(found) == 1 else "":
        case "number":
            return "number", scaled(only.text, scale)
        case "text":
            return "text", only.text[1:-1]
        case "word" if only.text in ("true", "false"):
            return "flag", int(only.text == "true")
        case "word" if only.text == "null":
            raise Unreadable("unary_null_output")
        case _:
            raise Unreadable("unary_worked_out", text=text.strip())


def zen_output(raw: object) -> str:
    """An output of a table that has been read, in zen's words. Raises Unreadable."""
    if type(raw) is int:
        return str(raw)
    text = str(raw)
    if re.fullmatch(r"(yuan|percent)\(.*\)", text):
        return str(_number(text))
    quote = next((q for q in "'\"" if q not in text), "")
    if not quote:
        raise Unreadable("unary_both_quotes", text=text)
    return f"{quote}{text}{quote}"
