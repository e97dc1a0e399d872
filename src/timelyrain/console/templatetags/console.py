"""Filters of the console's templates: values by the name of their column, and bars by their longest."""

from collections.abc import Sequence
from typing import Any

from django import template

from timelyrain.finance import yuan
from timelyrain.runtime import glossary, panels

register = template.Library()
register.filter("label", glossary.label)


@register.filter
def cells(row: Sequence[Any], columns: Sequence[str]) -> list[tuple[str, Any]]:
    """(css class, HTML) for each value of a row."""
    return [(number(name), panels.cell(name, value)) for name, value in zip(columns, row, strict=True)]


@register.filter
def number(name: str) -> str:
    """The css class of a column."""
    return "c-number" if panels.is_number(name) else "c-prose" if panels.is_prose(name) else ""


@register.filter
def shown(value: Any, name: str) -> Any:
    return panels.cell(name, value)


@register.filter
def drawn(bars: Sequence[panels.Bar], size: float) -> list[dict[str, Any]]:
    """Bars with lengths in units of the drawing: the longest is `size`."""
    longest = max((bar.length for bar in bars), default=0) or 1
    return [
        {
            "bar": bar,
            "length": round(bar.length / longest * size, 1),
            "part": round(bar.part / longest * size, 1),
        }
        for bar in bars
    ]


@register.filter
def minus(a: float, b: float) -> float:
    return a - b


@register.filter
def times(a: float, b: float) -> float:
    return a * b


@register.filter
def fen(amount_fen: int) -> str:
    return yuan(amount_fen)


@register.filter
def plain(length: float) -> str:
    """A number for a drawing, in no language's spelling."""
    return f"{length:.1f}"


@register.simple_tag
def zh() -> bool:
    """Whether the reader reads Chinese."""
    return str(glossary.words("zh", "en")) == "zh"
