"""What a measurement says: a claim, its number, the limit it has to keep, and what peers need in the same run.

A room's measurements are `bench/<room>.py`; it ends in `report("<room>", ...)`, which prints the table and writes
`bench/results/<room>.json`. `make bench ONLY=<room>` runs one.
"""

import json
import sys
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Claim:
    """`claim` measured `value` `unit`; it has to be at most (or at least) `target`. peers: the same work done by others."""

    claim: str
    value: float
    unit: str
    how: str
    at_most: float | None = None
    at_least: float | None = None
    peers: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def met(self) -> bool:
        """True as well where there is no target: the number is then only told."""
        low, high = self.at_least, self.at_most
        return (low is None or self.value >= low) and (high is None or self.value <= high)

    def to_json(self) -> dict[str, object]:
        values = asdict(self)
        low, high = values.pop("at_least"), values.pop("at_most")
        return values | {"target": high if low is None else low, "met": self.met, "at": _now()}


def microseconds(work: Callable[[], object], number: int = 200, seconds: float = 2.0) -> float:
    """Best mean time of one call over `number` calls, tried for some seconds: other programs can only make it longer."""
    timer, best = timeit.Timer(work), float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        best = min(best, timer.timeit(number))
    return best / number * 1e6


def report(room: str, claims: Sequence[Claim], part: bool = False) -> None:
    """Print the claims of a room, write its results, and leave with exit code 1 where a target is missed.

    part: only some of its claims were measured; the others stay in the file with the moment they were measured at.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{room}.json"
    found = (
        {str(one["claim"]): one for one in json.loads(path.read_bytes())} if part and path.exists() else {}
    )
    found |= {claim.claim: claim.to_json() for claim in claims}
    text = json.dumps(list(found.values()), ensure_ascii=False, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    table = Table(
        "claim", "measured", "target", "met", "peers (times ours)", title=room, title_justify="left"
    )
    for claim in claims:
        peers = "\n".join(
            f"{name} {value:,.2f} ({value / claim.value:,.1f}x)" for name, value in claim.peers.items()
        )
        target = (
            f"≤ {claim.at_most:,g}"
            if claim.at_most is not None
            else ""
            if claim.at_least is None
            else f"≥ {claim.at_least:,g}"
        )
        table.add_row(
            claim.claim, f"{claim.value:,.2f} {claim.unit}", target, "yes" if claim.met else "NO", peers
        )
    Console(width=None if sys.stdout.isatty() else 150).print(table)
    if not all(claim.met for claim in claims):
        sys.exit(1)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
