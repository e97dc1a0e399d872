"""What can be said about an expression without running it: its range, whether it can hold, which way it moves.

All three are proofs: a range holds every value, a condition found impossible is impossible, a direction found is kept for
every input. Where nothing can be proved the answer is the wider one: the whole range, possible, or None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from .intervals import Span, bounds
from .language import Apply, Constant, Name, Node, Type, is_absent


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a name may still be: an int in low..high or one of the codes, and missing or not."""

    low: int
    high: int
    codes: frozenset[int] | None
    missing: bool

    @property
    def nothing(self) -> bool:
        return self.low > self.high or (self.codes is not None and not self.codes)


Box = Mapping[str, Allowed]
"""Names not in it may be anything of their type."""

_NEGATED = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}
_TURNED = {"eq": "eq", "ne": "ne", "lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
_ARITHMETIC = frozenset(("neg", "abs", "add", "sub", "mul", "div", "mod", "min", "max"))


def span(node: Node, box: Box) -> Span | None:
    """The least interval proved for an int (codes for others); None when the value is always missing."""
    if is_absent(node):
        return None
    match node:
        case Name(name=name) if name in box:
            return None if box[name].nothing else (box[name].low, box[name].high)
        case Apply(op="if", args=(_, a, b)) | Apply(op="coalesce", args=(a, b)):
            return _hull(span(a, box), span(b, box))
        case Apply(op=op, args=args) if op in _ARITHMETIC:
            sides = [span(arg, box) for arg in args]
            known = [side for side in sides if side is not None]
            return bounds(op, known) if len(known) == len(sides) else None
        case _:
            return (node.type.low, node.type.high)


def _hull(a: Span | None, b: Span | None) -> Span | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


def possible(node: Node, want: bool) -> bool:
    """False only when the condition can never be `want`, whatever the inputs within their bounds."""
    return narrow(node, want, {}, Effort()) is not None


@dataclass(slots=True)
class Effort:
    """Parts that may still be looked at. Conditions inside conditions are looked at again and again: twice for each level."""

    left: int = 5_000


def narrow(node: Node, want: bool, box: Box, effort: Effort) -> Box | None:
    """A box that holds every point of `box` where the condition is `want`; None when there is none.

    Once the effort is spent the answer is the wider one, the box itself.
    """
    effort.left -= 1
    if effort.left < 0:
        return box
    match node:
        case Constant(value=value):
            return box if bool(value) == want else None
        case Name():
            return _only(node, frozenset((int(want),)), box)
        case Apply(op="not", args=(arg,)):
            return narrow(arg, not want, box, effort)
        case Apply(op="and" | "or" as op, args=args) if (op == "and") == want:
            found: Box | None = box
            for arg in (*args, *args):  # twice: a later part may narrow an earlier one
                found = None if found is None else narrow(arg, want, found, effort)
            return found
        case Apply(op="and" | "or", args=args):
            return _either([narrow(arg, want, box, effort) for arg in args])
        case Apply(op="if", args=(test, a, b)):
            yes, no = narrow(test, True, box, effort), narrow(test, False, box, effort)
            ways = [(yes, a), (no, b)]
            return _either([narrow(arg, want, way, effort) for way, arg in ways if way is not None])
        case Apply(op="coalesce", args=args):
            return _either([narrow(arg, want, box, effort) for arg in args])
        case Apply(op="missing", args=(arg,)):
            return _missing(arg, want, box)
        case Apply(op="in", args=(subject, *options)):
            return _member(subject, [option for option in options if isinstance(option, Constant)], want, box)
        case Apply(op=op, args=(a, b)) if op in _NEGATED:
            return _compared(op if want else _NEGATED[op], a, b, box)
        case _:
            return box


def _either(boxes: list[Box | None]) -> Box | None:
    """The hull of what is possible."""
    some = [box for box in boxes if box is not None]
    if not some:
        return None
    hull = dict(some[0])
    for box in some[1:]:
        for name in list(hull):
            if name not in box:
                del hull[name]
                continue
            a, b = hull[name], box[name]
            codes = None if a.codes is None or b.codes is None else a.codes | b.codes
            ranges = [(x.low, x.high) for x in (a, b) if not x.nothing] or [(a.low, a.high)]
            low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
            hull[name] = Allowed(low, high, codes, a.missing or b.missing)
    return hull


def _now(name: Name, box: Box) -> Allowed:
    kind = name.type
    codes = (
        frozenset(range(len(kind.values)))
        if kind.kind == "enum"
        else frozenset((0, 1))
        if kind.kind == "bool"
        else None
    )
    return box.get(name.name) or Allowed(kind.low, kind.high, codes, kind.nullable)


def _with(name: Name, allowed: Allowed, box: Box) -> Box | None:
    """The box with the name known and in `allowed`."""
    return None if allowed.nothing else {**box, name.name: replace(allowed, missing=False)}


def _only(name: Name, codes: frozenset[int], box: Box) -> Box | None:
    now = _now(name, box)
    return _with(name, replace(now, codes=codes if now.codes is None else now.codes & codes), box)


def _missing(arg: Node, want: bool, box: Box) -> Box | None:
    if not isinstance(arg, Name):
        return box if arg.type.nullable or not want else None
    now = _now(arg, box)
    if want:
        return {**box, arg.name: Allowed(1, 0, now.codes, True)} if now.missing else None
    return _with(arg, now, box)


def _member(subject: Node, options: list[Constant], want: bool, box: Box) -> Box | None:
    codes = frozenset(option.value for option in options)
    if not isinstance(subject, Name):
        return box
    now = _now(subject, box)
    if now.codes is not None:
        return _only(subject, codes if want else now.codes - codes, box)
    if want:
        inside = [code for code in codes if now.low <= code <= now.high]
        low, high = min(inside, default=1), max(inside, default=0)
        return _with(subject, replace(now, low=low, high=high), box)
    return _with(subject, now, box)


def _compared(op: str, a: Node, b: Node, box: Box) -> Box | None:
    if a.type.kind != "int":
        name, constant = (a, b) if isinstance(a, Name) else (b, a)
        if isinstance(name, Name) and isinstance(constant, Constant) and _now(name, box).codes is not None:
            codes = frozenset((constant.value,))
            return _only(name, codes if op == "eq" else (_now(name, box).codes or codes) - codes, box)
        return box
    if a == b:
        return box if op in ("eq", "le", "ge") else None
    left, right = span(a, box), span(b, box)
    if left is None or right is None or not _may(op, left, right):
        return None
    found: Box | None = box
    if isinstance(a, Name):
        found = _with(a, _cut(op, _now(a, box), right), box)
    if isinstance(b, Name) and found is not None:
        found = _with(b, _cut(_TURNED[op], _now(b, found), left), found)
    return found


def _may(op: str, left: Span, right: Span) -> bool:
    match op:
        case "eq":
            return left[0] <= right[1] and right[0] <= left[1]
        case "ne":
            return left != right or left[0] != left[1]
        case "lt":
            return left[0] < right[1]
        case "le":
            return left[0] <= right[1]
        case "gt":
            return left[1] > right[0]
        case _:
            return left[1] >= right[0]


def _cut(op: str, now: Allowed, other: Span) -> Allowed:
    """What is left of a name that stands in this relation to some value of `other`."""
    low, high = other
    match op:
        case "eq":
            return replace(now, low=max(now.low, low), high=min(now.high, high))
        case "lt":
            return replace(now, high=min(now.high, high - 1))
        case "le":
            return replace(now, high=min(now.high, high))
        case "gt":
            return replace(now, low=max(now.low, low + 1))
        case "ge":
            return replace(now, low=max(now.low, low))
        case _ if low == high == now.low:
            return replace(now, low=now.low + 1)
        case _ if low == high == now.high:
            return replace(now, high=now.high - 1)
        case _:
            return now


Direction = int | None
"""+1: never falls as the watched name rises, -1: never rises, 0: does not depend on it, None: not proved."""


def direction(node: Node, moves: Mapping[str, Direction]) -> Direction:
    """Which way a value moves when the watched name rises, everything else unchanged, as long as it is not missing.

    moves: direction of each name; names not in it do not depend on the watched one. Conditions count as 0 and 1.
    """
    if is_absent(node) or isinstance(node, Constant):
        return 0
    if isinstance(node, Name):
        return moves.get(node.name, 0)
    ways = [direction(arg, moves) for arg in node.args]
    if not any(way != 0 for way in ways):
        return 0
    match node.op:
        case "neg" | "not":
            return _flip(ways[0])
        case "add" | "min" | "max" | "and" | "or":
            return join(*ways)
        case "sub" | "gt" | "ge":
            return join(ways[0], _flip(ways[1]))
        case "lt" | "le":
            return join(_flip(ways[0]), ways[1])
        case "abs":
            return _times(ways[0], node.args[0])
        case "mul":
            return join(_times(ways[0], node.args[1]), _times(ways[1], node.args[0]))
        case "div" if _sign(node.args[1]) == 1 and node.args[1].type.low > 0:
            return join(ways[0], _flip(_times(ways[1], node.args[0])))
        case "if":
            return _branch(ways, node.args[1], node.args[2])
        case "coalesce" if not node.args[0].type.nullable:
            return ways[0]
        case _:
            return None


def _flip(way: Direction) -> Direction:
    return None if way is None else -way


def join(*ways: Direction) -> Direction:
    """The way of a sum of what moves these ways."""
    moving = {way for way in ways if way != 0}
    return 0 if not moving else moving.pop() if len(moving) == 1 else None


def _sign(node: Node) -> int | None:
    """1 where it is never negative, -1 where never positive."""
    found = span(node, {})
    low, high = found or (0, 0)
    return 1 if low >= 0 else -1 if high <= 0 else None


def _times(way: Direction, factor: Node) -> Direction:
    sign = _sign(factor)
    return 0 if way == 0 else None if way is None or sign is None else way * sign


def _branch(ways: list[Direction], a: Node, b: Node) -> Direction:
    """if test then a else b. A test that turns from true to false moves the value from a to b, and the reverse."""
    test, first, second = ways
    if test == 0:
        return join(first, second)
    if test is None or first is None or second is None:
        return None
    before, after = (span(a, {}), span(b, {})) if test < 0 else (span(b, {}), span(a, {}))
    if before is None or after is None:
        return join(first, second)
    if before[1] <= after[0] and first >= 0 and second >= 0:
        return 1
    if before[0] >= after[1] and first <= 0 and second <= 0:
        return -1
    return None


def domain(kind: Type) -> Span:
    """The codes of a type, first and last."""
    match kind.kind:
        case "enum":
            return 0, max(len(kind.values) - 1, 0)
        case "bool":
            return 0, 1
        case _:
            return kind.low, kind.high
