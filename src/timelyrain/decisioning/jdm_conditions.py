"""Cells of zen that name other fields than their column's, read as boxes of values that share no point.

What zen 2.1 does, found by asking it: `and` and `or` stop early; a comparison or range over null fails, and the whole cell with
it, so what holds and what does not are kept apart: whatever is in neither fails. In a column without a field `and` binds before
`or`, and `not` takes a bracket, a call or a flag; in a column with one, terms are read from left to right as all its cells.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

from .checks import domain
from .intervals import joined, outside
from .language import Type
from .unary import CALLS, Reader, Test, Token, Unreadable, intersection, tokens

Box = dict[str, Test]
"""Field -> values that fit; a field that is not named may be anything."""
MAX_BOXES = 64
MAX_DEPTH = 30
MAX_WORK = 5_000_000
"""Pairs of boxes that one table may ask for."""
_WORDS = ("and", "or", "not", "in", "true", "false", "null")
_MARKS = ("==", "!=", "<", "<=", ">", ">=", "in", "not")
_END = Token("", "the end")


@lru_cache(maxsize=20_000)
def named(text: str, compared: bool = False) -> tuple[str, ...]:
    """Fields that a cell names; compared: only those that a comparison follows."""
    try:
        found = tokens(text)
    except Unreadable:  # told where the cell is read
        return ()
    return tuple(
        here.text
        for here, after in zip(found, [*found[1:], _END], strict=False)
        if here.kind == "word"
        and here.text not in _WORDS
        and here.text[0] != "$"
        and (after.text in _MARKS if compared else after.text != "(")
    )


@dataclass(frozen=True, slots=True)
class Truth:
    """Where a condition holds and where it does not; elsewhere zen fails on it. No point is in two boxes."""

    yes: tuple[Box, ...]
    no: tuple[Box, ...]


class Conditions:
    """Reads conditions over fields of these types; scales: factors of their numbers."""

    def __init__(self, kinds: dict[str, Type], scales: dict[str, int]):
        self.kinds, self.scales = kinds, scales
        self.tokens: list[Token] = []
        self.at = self.depth = self.work = 0

    def read(self, text: str, own: str = "") -> list[Box]:
        """Boxes in which the condition holds; own: the field of its column, if any. Raises Unreadable."""
        self.tokens, self.at, self.depth = tokens(text), 0, 0
        found = self._joined(("and", "or", ","), lambda: self._term(own)) if own else self._either()
        if self.at < len(self.tokens):
            raise Unreadable("unary_rest", text=text, word=self._token().text)
        return self._tidy(found.yes)

    def both(self, a: Box, b: Box) -> Box | None:
        """Where both hold; None where they never do."""
        found = dict(a)
        for path, test in b.items():
            found[path] = meet(found[path], test) if path in found else test
        return found if all(self._fits(path, test) for path, test in found.items()) else None

    def _fits(self, path: str, test: Test) -> bool:
        return bool(test.spans) or bool(test.null and self.kinds[path].nullable)

    def _token(self, ahead: int = 0) -> Token:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else _END

    def _take(self, *texts: str) -> str:
        here = self._token()
        if here.kind not in ("mark", "word") or here.text not in texts:
            return ""
        self.at += 1
        return here.text

    def _either(self) -> Truth:
        return self._joined(("or",), lambda: self._joined(("and",), self._one))

    def _joined(self, words: tuple[str, ...], part: Callable[[], Truth]) -> Truth:
        found = part()
        while word := self._take(*words):
            other = part()
            found = self._and(found, other) if word == "and" else _not(self._and(_not(found), _not(other)))
        return found

    def _and(self, a: Truth, b: Truth) -> Truth:
        found = Truth(self._cross(a.yes, b.yes), (*a.no, *self._cross(a.yes, b.no)))
        most = max(len(found.yes), len(found.no))
        if most > MAX_BOXES:
            raise Unreadable("jdm_split", rows=most)
        return found

    def _cross(self, a: tuple[Box, ...], b: tuple[Box, ...]) -> tuple[Box, ...]:
        self._worked(len(a) * len(b))
        return tuple(found for one in a for other in b if (found := self.both(one, other)) is not None)

    def _worked(self, pairs: int) -> None:
        self.work += pairs
        if self.work > MAX_WORK:
            raise Unreadable("unary_conditions_many")

    def _one(self) -> Truth:
        """A comparison, a flag, a call or a bracket, perhaps after `not`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable("unary_deep", most=MAX_DEPTH)
        if self._take("not", "!"):
            if self._token().text in self.kinds and self._token(1).text in _MARKS:
                raise Unreadable("unary_not_condition")
            found = _not(self._one())
        elif self._take("("):
            found = self._either()
            if not self._take(")"):
                raise Unreadable("unary_unclosed", word=self._token().text, marks=")")
        elif word := self._take("true", "false"):
            found = Truth(({},), ()) if word == "true" else Truth((), ({},))
        else:
            found = self._named()
        self.depth -= 1
        return found

    def _named(self) -> Truth:
        """What is said of a field that is named."""
        here = self._token()
        if self._token(1).text == "(" and here.text in CALLS:
            inside = (word.text for word in self.tokens[self.at + 2 :])
            subject = next((word for word in inside if word in self.kinds), "")
            if subject:
                return self._told(subject, lambda reader: cast(Test, reader.call(subject)))
        if here.kind != "word" or here.text not in self.kinds:
            called = self._token(1).text == "("
            raise Unreadable("unary_call" if called else "unary_no_condition", word=here.text)
        self.at += 1
        if self._token().text in _MARKS:
            return self._told(here.text, Reader.term)
        if self.kinds[here.text].kind != "bool":
            raise Unreadable("unary_no_condition", word=here.text)
        return self._truth(here.text, Test(((1, 1),), None))

    def _term(self, own: str) -> Truth:
        """A term in a column with a field of its own."""
        path = self._token().text
        if path in self.kinds and self._token(1).text in _MARKS:
            self.at += 1
            return self._told(path, Reader.term)
        return self._told(own, Reader.term)

    def _told(self, path: str, how: Callable[[Reader], Test]) -> Truth:
        """What the next tokens say of a field, read as a cell of its own column."""
        reader = Reader(self.tokens, self.kinds[path], self.scales[path])
        reader.at = self.at
        test = how(reader)
        self.at = reader.at
        return self._truth(path, test)

    def _truth(self, path: str, test: Test) -> Truth:
        yes = Test(test.spans, bool(test.null))
        no = Test(tuple(outside(test.spans, *domain(self.kinds[path]))), test.null is False)
        return Truth(*(({path: one},) if self._fits(path, one) else () for one in (yes, no)))

    def _tidy(self, boxes: tuple[Box, ...] | list[Box]) -> list[Box]:
        """The same points in fewer boxes: two that differ in one field become one."""
        self._worked(len(boxes) ** 2)
        found: list[Box] = []
        for box in boxes:
            for i, other in enumerate(found):
                if box.keys() == other.keys() and sum(box[path] != other[path] for path in box) < 2:
                    one = {path: _join(test, other[path]) for path, test in box.items()}
                    found = self._tidy([*found[:i], *found[i + 1 :], one])
                    break
            else:
                found.append(box)
        return found


def _not(truth: Truth) -> Truth:
    return Truth(truth.no, truth.yes)


def meet(a: Test, b: Test) -> Test:
    """Values that fit both."""
    return Test(intersection(a.spans, b.spans), bool(a.null and b.null))


def _join(a: Test, b: Test) -> Test:
    return Test(tuple(joined((*a.spans, *b.spans))), bool(a.null or b.null))
