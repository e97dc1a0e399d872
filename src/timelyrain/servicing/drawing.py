"""Two plans of one loan as a picture: what is owed day by day, and each instalment beside the one it replaces."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from timelyrain.finance import yuan
from timelyrain.servicing.previews import Change, Preview, asked, balances

WIDTH, HEIGHT, LEFT, FOOT, TOP = 640, 220, 76, 24, 12
MOST_BARS = 48


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Curve:
    """Step lines as SVG paths, in units of the drawing."""

    before: str
    after: str
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


@dataclass(frozen=True)
class Pair:
    """One instalment in both plans: heights of 100, and what is said when it is pointed at."""

    label: str
    before: float
    after: float
    text: str


def curve(shown: Preview) -> Curve:
    before, after = balances(shown.before), balances(shown.after)
    first = before[0][0]
    last = max(before[-1][0], after[-1][0], first + timedelta(days=30))
    most = max(fen for _, fen in (*before, *after)) or 1
    days = (last - first).days

    def x(on: date) -> float:
        return round(LEFT + (on - first).days / days * (WIDTH - LEFT - 8), 1)

    def y(fen: int) -> float:
        return round(TOP + (1 - fen / most) * (HEIGHT - TOP - FOOT), 1)

    def path(points: Sequence[tuple[date, int]]) -> str:
        steps = [f"M{x(points[0][0])} {y(points[0][1])}"]
        for on, fen in points[1:]:
            steps.append(f"H{x(on)}V{y(fen)}")
        if points[-1][1]:
            steps.append(f"H{x(last)}")
        return "".join(steps)

    marks = [first + timedelta(days=days * k // 4) for k in range(5)]
    return Curve(
        path(before),
        path(after),
        tuple(Tick(x(on), f"{on:%y-%m-%d}") for on in marks),
        tuple(Tick(y(most * k // 2), yuan(most * k // 2)) for k in range(3)),
    )


def pairs(changes: Sequence[Change]) -> list[Pair]:
    """The instalments that are not the same; empty where there are too many to be seen."""
    rows = [row for row in changes if row.differs]
    if len(rows) > MOST_BARS:
        return []
    most = max((max(asked(row.before), asked(row.after)) for row in rows), default=0) or 1
    return [
        Pair(
            str(row.n or "–"),
            round(asked(row.before) / most * 100, 1),
            round(asked(row.after) / most * 100, 1),
            f"{row.n}: ¥{yuan(asked(row.before))} → ¥{yuan(asked(row.after))}",
        )
        for row in rows
    ]
