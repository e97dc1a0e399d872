"""What a decision table leaves open: rows that never speak, rows that meet, combinations without a row. Exact, or refused.

Each column falls into the segments that its cells distinguish; every combination of segments is visited, equal ones once.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from .checks import Direction, direction, domain
from .definition import Block, Spent
from .intervals import Span, joined
from .language import Constant, Node, Type

MAX_STATES = 100_000
MAX_STEPS = 2_000_000
"""Sets of rows that are left, and their combinations with a segment: what bounds memory and time, to a few seconds."""
MAX_OF_FILE = 3 * MAX_STATES
"""Sets of all tables of a file together."""
MAX_GAPS = 10
MAX_SHOWN = 12
"""Combinations without a row that are told, and ranges of one column in each."""
NULL = -(2**70)
"""Stands for `missing` among the codes of a segment."""


@dataclass(frozen=True, slots=True)
class Cell:
    """spans: the codes that fit; missing: whether a missing value fits."""

    spans: tuple[Span, ...]
    missing: bool


def segments(kind: Type, cells: Sequence[Cell]) -> list[int]:
    """One code for each segment of a column between which no cell distinguishes; NULL first where it may be missing."""
    low, high = domain(kind)
    starts = (
        {low}
        | {a for cell in cells for a, _ in cell.spans}
        | {b + 1 for cell in cells for _, b in cell.spans}
    )
    return ([NULL] if kind.nullable else []) + sorted(code for code in starts if low <= code <= high)


class Visit:
    """Every combination of segments: rows that are hit, pairs that meet, combinations that no row fits."""

    def __init__(
        self, axes: Sequence[Sequence[int]], boxes: Sequence[Sequence[Cell]], spent: Spent | None = None
    ):
        """spent: what the tables of the same file have asked for before."""
        self.axes, self._spent = axes, spent or Spent()
        self.masks = [_masks(axis, [row[i] for row in boxes]) for i, axis in enumerate(axes)]
        """For each segment of each column the rows that fit there, as bits."""
        self.rows = len(boxes)
        self._fit: dict[int, int] = {}
        """Row that is hit -> all rows that fit somewhere where it is hit, as bits."""
        self.gaps: list[tuple[Sequence[int], ...]] = []
        """What no row fits: for each column that was looked at, the segments."""
        self._seen: set[tuple[int, int]] = set()
        self._steps = 0

    def run(self) -> bool:
        """False when there are too many combinations."""
        return self._walk(0, (1 << self.rows) - 1, ())

    @property
    def first(self) -> set[int]:
        """Rows that are the first to fit somewhere."""
        return set(self._fit)

    @property
    def meet(self) -> dict[int, int]:
        """Row -> the first row above it that is hit where it fits too."""
        found: dict[int, int] = {}
        for a in sorted(self._fit):
            for b in _bits(self._fit[a] >> (a + 1)):
                found.setdefault(a + 1 + b, a)
        return found

    def _walk(self, axis: int, alive: int, path: tuple[Sequence[int], ...]) -> bool:
        if axis == len(self.axes) or not alive:
            self._leaf(alive, path)
            return True
        if (axis, alive) in self._seen:
            return True
        self._seen.add((axis, alive))
        self._steps += len(self.masks[axis])
        self._spent.states += 1
        if len(self._seen) > MAX_STATES or self._steps > MAX_STEPS or self._spent.states > MAX_OF_FILE:
            return False
        alike: dict[int, list[int]] = {}
        for i, mask in enumerate(self.masks[axis]):
            alike.setdefault(alive & mask, []).append(i)
        return all(self._walk(axis + 1, left, (*path, segments)) for left, segments in alike.items())

    def _leaf(self, alive: int, path: tuple[Sequence[int], ...]) -> None:
        if not alive:
            if len(self.gaps) < 50:
                self.gaps.append(path)
            return
        first = (alive & -alive).bit_length() - 1
        self._fit[first] = self._fit.get(first, 0) | alive


def _masks(axis: Sequence[int], cells: Sequence[Cell]) -> list[int]:
    """For each segment the rows whose cell fits it: bits that turn where a span begins and after it ends."""
    null = axis[:1] == [NULL]
    codes = axis[1:] if null else axis
    turns, missing = [0] * (len(codes) + 1), 0
    for r, cell in enumerate(cells):
        missing |= cell.missing << r
        for low, high in joined(cell.spans):
            turns[bisect_left(codes, low)] ^= 1 << r
            turns[bisect_left(codes, high + 1)] ^= 1 << r
    masks = list(accumulate(turns[:-1], int.__xor__))
    return [missing, *masks] if null else masks


def _bits(number: int) -> Iterator[int]:
    while number:
        least = number & -number
        yield least.bit_length() - 1
        number ^= least


def judge(
    block: Block,
    hit: str,
    gaps_stay: bool,
    columns: list[str],
    nodes: list[Node],
    visit: Visit,
    rows: str = "rows",
) -> None:
    """Reports rows that never speak, rows that meet where only one may, and combinations without a row."""
    if hit == "first":
        for r in range(visit.rows):
            if r not in visit.first:
                block.report((rows, r), "never_reached")
    elif hit == "unique":
        for b, a in sorted(visit.meet.items()):
            block.report(
                (rows, b),
                "overlaps" if rows == "rows" else "bins_overlap",
                row=a + 1,
                line=block.line((rows, a)),
            )
    if hit in ("first", "unique") and not gaps_stay:
        for gap in visit.gaps[:MAX_GAPS]:
            where = tuple(_shown(columns[i], nodes[i].type, visit.axes[i], at) for i, at in enumerate(gap))
            block.report(rows, "gap" if rows == "rows" else "bins_gap", where=where)


def _shown(column: str, kind: Type, axis: Sequence[int], segments: Sequence[int]) -> str:
    """The column with the values of these segments, neighbours as one range."""
    if len(segments) == len(axis):
        return f"{column} -"
    spans = joined([_span(kind, axis, at) for at in segments if axis[at] != NULL])
    words = ["missing"] if axis[segments[0]] == NULL else []
    if kind.kind in ("enum", "bool"):
        names = kind.values or ("false", "true")
        words += [f"'{name}'" if kind.values else name for a, b in spans for name in names[a : b + 1]]
    else:
        words += [f"{a}..{b}" if a < b else str(a) for a, b in spans]
    more = ["…"] if len(words) > MAX_SHOWN else []
    return f"{column} {' | '.join(words[:MAX_SHOWN] + more)}"


def _span(kind: Type, axis: Sequence[int], at: int) -> Span:
    return axis[at], axis[at + 1] - 1 if at + 1 < len(axis) else domain(kind)[1]


def output_moves(nodes: Sequence[Node], moves: Mapping[str, Direction], axes: Sequence[Sequence[int]], visit: Visit,
           column: Sequence[Constant], hit: str) -> Direction:  # fmt: skip
    """How an output moves when the watched name rises: exact over the segments of the one column that depends on it."""
    ways = [direction(node, moves) for node in nodes]
    moving = [i for i, way in enumerate(ways) if way != 0]
    if not moving:
        return 0
    way = ways[moving[0]]
    if len(moving) > 1 or way is None or hit not in ("first", "unique") or column[0].type.kind != "int":
        return None
    found: set[int] = set()
    others = [i for i in range(len(nodes)) if i != moving[0]]
    alive_sets = {(1 << visit.rows) - 1}
    for i in (*others, moving[0]):
        if len(alive_sets) * len(visit.masks[i]) > MAX_STEPS:
            return None
        if i != moving[0]:
            alive_sets = {alive & mask for alive in alive_sets for mask in visit.masks[i]}
    for alive in alive_sets:
        rows = [
            alive & mask
            for code, mask in zip(axes[moving[0]], visit.masks[moving[0]], strict=True)
            if code != NULL
        ]
        run = [column[(r & -r).bit_length() - 1].value for r in rows if r]
        found |= {1 if b > a else -1 for a, b in pairwise(run) if a != b}
    return None if len(found) > 1 else way * found.pop() if found else 0
