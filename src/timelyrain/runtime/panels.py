"""What the console shows, as data. Rooms add panels to the pages of records and tiles to the dashboard; the console draws them.

An upper room takes its place on a lower room's page by the page's name ("origination.application"), without being imported by it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from timelyrain.finance import percent, yuan
from timelyrain.runtime import glossary
from timelyrain.runtime.problems import Problem


@dataclass(frozen=True)
class Link:
    """A record to go to: page "servicing.loan", its id; `text` instead of the short id."""

    page: str
    id: Any
    text: Any = ""

    @property
    def url(self) -> str:
        return reverse(f"admin:{self.page.replace('.', '_')}_change", args=[self.id])


@dataclass(frozen=True)
class As:
    """A value that is shown as one of another name would be."""

    name: str
    value: Any


@dataclass(frozen=True)
class Badge:
    """A value with its feeling, when neither is in the glossary."""

    text: Any
    tone: str = "plain"


@dataclass(frozen=True)
class Table:
    """Rows under column names; a name chooses label and format (`_fen`, `_ppm` …). `search`: a field above filters the rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    total: Sequence[Any] = ()
    search: bool = False

    @classmethod
    def of(cls, columns: Sequence[str], rows: Iterable[Any], **pages: str) -> "Table":
        """The named fields of rows; `pages` names the page to which the id in a column leads."""

        def show(name: str, value: Any) -> Any:
            return Link(pages[name], value) if name in pages and value is not None else value

        return cls(columns, [[show(name, getattr(row, name)) for name in columns] for row in rows])


@dataclass(frozen=True)
class Bar:
    """One bar: its length, the part of it that is solid, and what is written at its end."""

    label: Any
    length: float
    text: Any
    part: float = 0
    tone: str = "plain"


@dataclass(frozen=True)
class Verdict:
    """A mark that is seen before anything is read."""

    good: bool
    text: Any


@dataclass(frozen=True)
class Step:
    """Where a journey stands: tone good, wait, bad, or plain for not there yet."""

    label: Any
    tone: str
    text: Any = ""


@dataclass(frozen=True)
class Panel:
    """A titled piece of a page: whichever of its parts are there, in this order."""

    title: Any
    verdict: Verdict | None = None
    facts: Sequence[tuple[str, Any]] = ()
    bars: Sequence[Bar] = ()
    stacks: Sequence[Bar] = ()  # upright bars on a common ground
    table: Table | None = None
    text: Any = ""
    more: Link | None = None
    steps: Sequence[Step] = ()
    wide: bool = False


Maker = Callable[[HttpRequest, Any], Panel | None]
TileMaker = Callable[[], Panel | None]
_pages: dict[str, list[tuple[int, str, Maker]]] = {}
_tiles: list[tuple[int, str, TileMaker]] = []


def on_page(page: str, permission: str, order: int) -> Callable[[Maker], Maker]:
    """Add a panel to the page of a record for those who have the permission; panels stand in the order of a loan's life."""

    def add(make: Maker) -> Maker:
        _pages.setdefault(page, []).append((order, permission, make))
        return make

    return add


def on_dashboard(permission: str, order: int) -> Callable[[TileMaker], TileMaker]:
    """Add a tile to the dashboard for those who have the permission."""

    def add(make: TileMaker) -> TileMaker:
        _tiles.append((order, permission, make))
        return make

    return add


def page_panels(page: str, request: HttpRequest, row: Any) -> list[Panel]:
    return _made(request, ((o, p, lambda m=make: m(request, row)) for o, p, make in _pages.get(page, [])))


def tiles(request: HttpRequest) -> list[Panel]:
    return _made(request, _tiles)


def _made(request: HttpRequest, makers: Iterable[tuple[int, str, TileMaker]]) -> list[Panel]:
    panels = []
    for _, permission, make in sorted(makers, key=lambda entry: entry[0]):
        if request.user.has_perm(permission):
            try:
                panel = make()
            except Problem as problem:  # one part that cannot be shown does not hide the others
                panel = Panel(problem.title, Verdict(False, str(problem)))
            if panel is not None:
                panels.append(panel)
    return panels


def visible(request: HttpRequest, panel: Panel) -> Panel:
    """The panel without links to pages that this person may not open."""

    def allowed(cell: Any) -> Any:
        if not isinstance(cell, Link) or request.user.has_perm(cell.page.replace(".", ".view_")):
            return cell
        return cell.text or cell.id

    table = panel.table and replace(panel.table, rows=[[allowed(c) for c in row] for row in panel.table.rows])
    more = panel.more if panel.more and isinstance(allowed(panel.more), Link) else None
    return replace(panel, facts=[(n, allowed(v)) for n, v in panel.facts], table=table, more=more)


def cell(name: str, value: Any) -> SafeString:
    """One value as HTML; the name of its column chooses the format."""
    match value:
        case "":
            return SafeString("")
        case None:
            return SafeString('<span class="c-none">—</span>')
        case SafeString():  # made of HTML already
            return value
        case Link():
            text = value.text or short(value.id)
            return format_html('<a class="c-link" href="{}" title="{}">{}</a>', value.url, value.id, text)
        case As():
            return cell(value.name, value.value)
        case Badge():
            return format_html('<span class="c-badge c-{}">{}</span>', value.tone, value.text)
        case bool():
            return format_html(
                '<span class="c-mark c-{}">{}</span>', "good" if value else "none", "✓" if value else "✗"
            )
        case datetime():
            local = f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"
            return format_html('<time datetime="{}">{}</time>', value.isoformat(), local)
        case date():
            return format_html("<time>{}</time>", value.isoformat())
        case timedelta():
            return format_html("{}", glossary.words(f"{value.days} 天", f"{value.days} day(s)"))
        case UUID():
            return format_html('<code title="{}">{}</code>', value, short(value))
        case bytes() | memoryview():
            return cell("sha256", bytes(value).hex())
        case int() if name.endswith("_fen"):
            minus = ("c-minus", "-") if value < 0 else ("", "")
            return format_html('<span class="{}">{}¥{}</span>', *minus, yuan(abs(value)))
        case int() if name.endswith("_ppm"):
            return format_html("{}", percent(value))
        case int() if name == "microseconds":
            return format_html("{} ms", f"{value / 1000:,.1f}")
        case int() | float() if name.endswith("milliseconds") or name.endswith("_ms"):
            return format_html(
                "{} ms", f"{value:.1f}" if isinstance(value, float) and value < 10 else f"{value:,.0f}"
            )
        case int():
            return format_html("{}", f"{value:,}")
        case Mapping() if value:
            pairs = ((glossary.label(name), cell(name, part)) for name, part in value.items())
            return format_html_join(" ", '<span class="c-pair">{} <b>{}</b></span>', pairs)
        case Mapping():
            return cell(name, None)
        case list() | tuple() if all(isinstance(part, int) for part in value):
            return format_html("{}", " / ".join(map(str, value)) or "—")
        case list() | tuple():
            return format_html(
                '<code class="c-json">{}</code>', json.dumps(value, ensure_ascii=False, default=str)
            )
        case str() if name.endswith("sha256"):
            return format_html('<code title="{}">{}…</code>', value, value[:12])
        case str() if not isinstance(value, Promise) and (
            name in _NAMED or (glossary.tone(value) != "plain" and name in _STATES)
        ):
            return format_html(
                '<span class="c-badge c-{}">{}</span>', glossary.tone(value), glossary.value(value)
            )
        case str() if name in _SPOKEN:
            return format_html("{}", glossary.value(value))
    return format_html("{}", value)


_NAMED = {"state", "status", "outcome", "bucket", "effect"}
_STATES = _NAMED | {"kind"}
_SPOKEN = {
    "interest",
    "kind",
    "target",
    "to",
    "act",
    "step",
    "source",
    "type",
    "direction",
    "asked_by",
    "mode",
    "method",
    "stage",
    "product",
    "purpose",
    "recipient",
    "what",
}


def short(id: object) -> str:
    """The end of an id: the beginning of a UUIDv7 is the time and the same for many."""
    text = str(id)
    return f"…{text[-8:]}" if len(text) > 20 else text


def is_number(name: str) -> bool:
    """Whether a column is set to the right."""
    return name.endswith(("_fen", "_ppm", "_ms", "milliseconds", "microseconds")) or name in _COUNTS


def is_prose(name: str) -> bool:
    """Whether a column may break its lines."""
    return name in _PROSE


_COUNTS = {
    "attempt",
    "attempts",
    "calls",
    "count",
    "dpd",
    "line",
    "lines",
    "loans",
    "n",
    "position",
    "queries",
    "size",
}
_PROSE = {
    "answer", "change", "change_message", "data", "detail", "fields", "formula", "last_error", "meaning", "name", "note",
    "problem", "reason", "remedy", "text", "title", "untried_rules", "value", "values", "where", "why",
}  # fmt: skip
