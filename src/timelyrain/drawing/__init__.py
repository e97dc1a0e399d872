"""What people look at: pictures as SVG, the page and the fonts they stand on. Pure, but for looking which fonts a machine has."""

from .canvas import Axes, Canvas, Point, Words, percent, round_values, still, yuan
from .fonts import FontSet, cjk_font
from .page import SWITCH, both, document, figure

__all__ = [
    "SWITCH",
    "Axes",
    "Canvas",
    "FontSet",
    "Point",
    "Words",
    "both",
    "cjk_font",
    "document",
    "figure",
    "percent",
    "round_values",
    "still",
    "yuan",
]
