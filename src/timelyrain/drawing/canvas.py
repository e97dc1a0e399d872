"""Pictures as SVG, made by hand: text in both languages, colours from the page they stand on (page.css)."""
# ruff: noqa: E501  (statements are kept whole)

import re
from collections.abc import Callable, Sequence
from html import escape

Point = tuple[float, float]
Words = tuple[str, str]
"""Chinese and English."""


class Canvas:
    """Parts of one picture. Coordinates are pixels of its view box."""

    def __init__(self, width: int, height: int):
        self.width, self.height, self._parts = width, height, list[str]()

    def text(self, x: float, y: float, what: str | Words, anchor: str = "start", style: str = "") -> None:
        both = [("", what)] if isinstance(what, str) else [("zh", what[0]), ("en", what[1])]
        for language, text in both:
            self._parts.append(
                f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{language} {style}">{escape(text)}</text>'
            )

    def bar(self, x: float, y: float, width: float, height: float, style: str, title: str = "") -> None:
        told = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}" rx="2" class="{style}">{told}</rect>'
        )

    def path(self, points: Sequence[Point], style: str) -> None:
        if points:
            self._parts.append(
                f'<path d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in points)}" class="{style}"/>'
            )

    def dot(self, x: float, y: float, style: str, title: str = "", radius: float = 4.5) -> None:
        told = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{style}">{told}</circle>')

    def svg(self, title: Words) -> str:
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(" / ".join(title))}">'
            f"{''.join(self._parts)}</svg>"
        )


class Axes(Canvas):
    """A frame with a horizontal and a vertical scale, both linear from the given ranges."""

    def __init__(self, xs: Point, ys: Point, width: int = 560, height: int = 300, left: int = 64):
        super().__init__(width, height)
        self._xs, self._ys, self._left = xs, ys, left

    def x(self, value: float) -> float:
        low, high = self._xs
        return self._left + (value - low) / ((high - low) or 1) * (self.width - self._left - 16)

    def y(self, value: float) -> float:
        low, high = self._ys
        return self.height - 40 - (value - low) / ((high - low) or 1) * (self.height - 60)

    def grid(
        self,
        tell_x: Callable[[float], str],
        tell_y: Callable[[float], str],
        across: Words,
        ticks: Sequence[tuple[float, str]] = (),
    ) -> None:
        """tell_x, tell_y: a value in words. ticks: instead of round values of x."""
        for value in round_values(*self._ys):
            self.path([(self._left, self.y(value)), (self.width - 16, self.y(value))], "line")
            self.text(self._left - 8, self.y(value) + 4, tell_y(value), "end", "small")
        for value, text in ticks or [(v, tell_x(v)) for v in round_values(*self._xs, count=6)]:
            self.text(self.x(value), self.height - 22, text, "middle", "small")
        self.text((self._left + self.width - 16) / 2, self.height - 4, across, "middle", "small")

    def line(self, points: Sequence[Point], style: str) -> None:
        self.path([(self.x(x), self.y(y)) for x, y in points], style)

    def whisker(self, x: float, low: float, high: float, style: str) -> None:
        self.path([(self.x(x), self.y(low)), (self.x(x), self.y(high))], style)


def round_values(low: float, high: float, count: int = 5) -> list[float]:
    """A few round numbers from low to high."""
    if not high > low:
        return [low]
    rough = (high - low) / count
    power = 10.0 ** int(f"{rough:e}".partition("e")[2])
    step = next(power * f for f in (1, 2, 2.5, 5, 10) if power * f >= rough * 0.999)
    first = int(low / step // 1) if low / step == low // step else int(low // step) + 1
    values: list[float] = []
    while first * step <= high + step * 1e-9:
        values.append(first * step)
        first += 1
    return values


def percent(value: float, digits: int = 0) -> str:
    return f"{value * 100:.{digits}f}%"


def yuan(fen: float) -> str:
    """Money short enough for an axis."""
    size = abs(fen) / 100
    for limit, unit in ((1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if size >= limit:
            return f"{'-' if fen < 0 else ''}¥{size / limit:.3g}{unit}"
    return f"{'-' if fen < 0 else ''}¥{size:.0f}"


def still(svg: str, language: str, css: str) -> str:
    """A picture that stands alone: in one language, with its colours inside, for paper and for files."""
    other = {"zh": "en", "en": "zh"}[language]
    svg = re.sub(rf'<text [^>]*class="{other} [^"]*">[^<]*</text>', "", svg)
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        ">", f"><style>{css}</style>", 1
    )
