"""The calendar of working days of a jurisdiction: published years as data (`calendar.toml`), nothing known past the last."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from timelyrain.finance import WorkCalendar

from .reading import Entry, PackInvalid, toml_tables

_DAY = timedelta(days=1)


def work_calendar(*sources: bytes, licence: str = "", projected: bool = False) -> WorkCalendar:
    """The working days that these files publish; a year of a later file goes before one of an earlier, and one for the licence
    before one for every licence. projected: with the days after the last year that a simulated world may assume.

    Raises PackInvalid with every problem.
    """
    problems: list[str] = []
    years: dict[tuple[int, str], tuple[set[date], set[date]]] = {}
    projections: list[Entry] = []
    for n, source in enumerate(sources, 1):
        tables = toml_tables(source, f"calendar.toml {n}")
        for name in tables.keys() - {"year", "projection"}:
            problems.append(f"calendar.toml {n}: {name} is not a known name")
        for table in tables.get("year", []):
            entry = Entry(table, f"calendar.toml {n} year {table.get('year', '?')}", problems)
            key = entry.integer("year"), entry.text("licence", "")
            years[key] = _year(entry)
        projections += [
            Entry(t, f"calendar.toml {n} projection", problems) for t in tables.get("projection", [])
        ]
    known = {year for year, of in years if of in ("", licence)}
    if not known:
        problems.append("calendar.toml: there is no [[year]]")
    elif missing := set(range(min(known), max(known))) - known:
        problems.append(f"calendar.toml: the years {sorted(missing)} are missing between others")
    if problems:
        raise PackInvalid(problems)
    off: set[date] = set()
    worked: set[date] = set()
    for year in known:
        rest, work = years.get((year, licence)) or years[year, ""]
        off |= rest
        worked |= work
    last = date(max(known), 12, 31)
    for entry in projections if projected else ():
        until = entry.day("until")
        for year in range(last.year + 1, until.year + 1):
            off |= set(_days(entry, [text.format(year=year) for text in entry.texts("off")]))
        last = max(last, until)
    if problems:
        raise PackInvalid(problems)
    return WorkCalendar(date(min(known), 1, 1), last, frozenset(off), frozenset(worked))


def _year(entry: Entry) -> tuple[set[date], set[date]]:
    year = entry.integer("year")
    off, worked = set(_days(entry, entry.texts("off"))), set(_days(entry, entry.texts("worked")))
    for name in ("source", "confidence"):
        entry.text(name)
    entry.done()
    for day in sorted(off | worked):
        if day.year != year:
            entry.problem(f"{day} is not in {year}")
    for day in sorted(off & worked):
        entry.problem(f"{day} is in off and in worked")
    for day in sorted(worked):
        if day.weekday() < 5:
            entry.problem(f"{day} in worked is no Saturday or Sunday")
    return off, worked


def _days(entry: Entry, texts: Iterable[str]) -> Iterator[date]:
    """Every day of days and spans: 2026-06-10, 2026-10-01/2026-10-07."""
    for text in texts:
        first, _, last = text.partition("/")
        try:
            day, end = date.fromisoformat(first), date.fromisoformat(last or first)
        except ValueError:
            entry.problem(f"{text!r} is no day or span; write 2026-10-01 or 2026-10-01/2026-10-07")
            continue
        if not day <= end <= day + timedelta(days=31):
            entry.problem(f"{text!r} is no span of at most 31 days")
            continue
        while day <= end:
            yield day
            day += _DAY
