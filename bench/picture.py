"""Small pictures as SVG, without a plotting library."""
# ruff: noqa: E501  (statements are kept whole)

from collections.abc import Sequence
from math import log10
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 420, 80, 60, 50
Points = Sequence[tuple[float, float]]


def growth(path: Path, title: str, ours: Points, peer: Points) -> None:
    """Two lines on logarithmic axes: the day close as columns, and row by row."""
    xs = [x for x, _ in (*ours, *peer)]
    ys = [y for _, y in (*ours, *peer)]
    low_x, high_x = int(log10(min(xs))), -int(-log10(max(xs)) // 1)
    low_y, high_y = int(log10(min(ys)) // 1), -int(-log10(max(ys)) // 1)

    def at(x: float, y: float) -> tuple[float, float]:
        right = (log10(x) - low_x) / max(1, high_x - low_x) * (WIDTH - LEFT - 160)
        up = (log10(y) - low_y) / max(1, high_y - low_y) * (HEIGHT - TOP - BOTTOM)
        return LEFT + right, HEIGHT - BOTTOM - up

    parts = [f'<text x="{LEFT}" y="28" font-size="17" font-weight="600">{title}</text>']
    for power in range(low_x, high_x + 1):
        x, y = at(10**power, 10**low_y)
        parts.append(f'<path d="M{x:.0f} {TOP}V{y:.0f}" stroke="#e3e7ea"/>')
        parts.append(f'<text x="{x:.0f}" y="{y + 22:.0f}" text-anchor="middle">{10**power:,}</text>')
    for power in range(low_y, high_y + 1):
        x, y = at(10**low_x, 10**power)
        parts.append(f'<path d="M{x:.0f} {y:.0f}H{WIDTH - 160}" stroke="#e3e7ea"/>')
        parts.append(f'<text x="{x - 10:.0f}" y="{y + 5:.0f}" text-anchor="end">{10**power:g} s</text>')
    for name, points, colour in (
        ("row by row, scaled", peer, "#a3461b"),
        ("as columns", ours, "#0b6e6e"),
    ):
        places = [at(*point) for point in points]
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2.5" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>'
        )
        for (x, y), (_, value) in zip(places, points, strict=True):
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
            parts.append(
                f'<text x="{x - 6:.1f}" y="{y - 9:.1f}" text-anchor="end" fill="{colour}">{value:,.1f} s</text>'
            )
        x, y = places[-1]
        parts.append(f'<text x="{x + 10:.1f}" y="{y + 5:.1f}" fill="{colour}">{name}</text>')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="13"'
        f' fill="#334"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{"".join(parts)}</svg>\n',
        encoding="utf-8",
    )
