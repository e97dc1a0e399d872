"""Times of ACTUS: cycles and their schedules, end of month, business days, and parts of years."""

import re
from calendar import monthrange
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from typing import NamedTuple

from timelyrain.finance import DayBasis, add_months, count_30, year_position

_LAST_SECOND = time(23, 59, 59)
_MONTHS = {"M": 1, "Q": 3, "H": 6, "Y": 12}
_DAYS = {"D": 1, "W": 7}
_CYCLE = re.compile(r"P?(\d+)([DWMQHY])(?:L([01])|([-+]))?")


class Cycle(NamedTuple):
    """A step of months or of days; `long`: a last period that is not whole joins the one before it."""

    months: int
    days: int
    long: bool

    @classmethod
    def parse(cls, text: str) -> "Cycle":
        """ "P1ML0" (long last stub), "P2WL1" (short), or the older "1M+", "1M-". Raises ValueError."""
        match = _CYCLE.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no cycle like P1ML0")
        count, unit = int(match[1]), match[2]
        return cls(
            _MONTHS.get(unit, 0) * count, _DAYS.get(unit, 0) * count, match[3] == "0" or match[4] == "+"
        )

    def after(self, start: datetime, steps: int = 1, *, month_end: bool = False) -> datetime:
        """`start` moved by `steps` cycles (negative: back); month_end: to the last day of the month."""
        if not self.months:
            return start + timedelta(days=self.days * steps)
        due_day = 31 if month_end else None
        return datetime.combine(add_months(start.date(), self.months * steps, due_day), start.time())


class Shift(NamedTuple):
    """A business day convention over Monday to Friday (or over all days)."""

    weekdays_only: bool
    preceding: bool
    modified: bool
    calculate_first: bool

    @classmethod
    def parse(cls, convention: str, calendar: str) -> "Shift":
        """ "SCF", "CSMP" ... or "NOS"/"NULL" for none. Raises ValueError."""
        match = re.fullmatch("(SC|CS)(M?)([FP])", convention)
        if match is None:
            if convention not in ("", "NULL", "NOS"):
                raise ValueError(f"{convention!r} is no business day convention like SCMF")
            return cls(False, False, False, False)
        if calendar not in ("", "NC", "MF"):
            raise ValueError(f"calendar {calendar!r} is not known; only NC and MF are")
        return cls(calendar == "MF", match[3] == "P", match[2] == "M", match[1] == "CS")

    def moved(self, on: datetime) -> datetime:
        if not self.weekdays_only:
            return on
        step = timedelta(days=-1 if self.preceding else 1)
        moved = on
        while moved.weekday() > 4:
            moved += step
        if self.modified and moved.month != on.month:
            moved = on
            while moved.weekday() > 4:
                moved -= step
        return moved


def schedule(
    anchor: datetime | None, cycle: Cycle | None, end: datetime, *, end_of_month: bool, with_end: bool = True
) -> list[datetime]:
    """Times from `anchor` by `cycle` up to `end`; a long stub swallows the last time before a broken end."""
    if anchor is None or anchor > end:
        return []
    if cycle is None:
        return sorted({anchor, end}) if with_end else [anchor] if anchor < end else []
    last_of_month = monthrange(anchor.year, anchor.month)[1]
    month_end = end_of_month and anchor.day == last_of_month
    times: list[datetime] = []
    while (on := cycle.after(anchor, len(times), month_end=month_end)) < end:
        times.append(on)
    if cycle.long and on != end and len(times) > 1:
        times.pop()
    return [*times, end] if with_end else times


def day_of(moment: datetime) -> date:
    """The day whose start is nearest behind; the last second of a day is the start of the next."""
    return moment.date() + timedelta(days=moment.time() >= _LAST_SECOND)


def year_fraction(
    convention: str, start: datetime, end: datetime, maturity: datetime | None = None
) -> Fraction:
    """Part of a year from start to end by an ACTUS day count convention. Raises ValueError for an unknown one."""
    first, last = day_of(start), day_of(end)
    if convention in ("A360", "A365"):
        return Fraction((last - first).days, int(convention[1:]))
    if convention in ("AA", "AAISDA"):
        basis = DayBasis.ACT_ACT_ISDA
        return Fraction(year_position(basis, last) - year_position(basis, first), 365 * 366)
    if convention == "30E360":
        return Fraction(count_30(DayBasis.THIRTY_E_360, first, last), 360)
    if convention == "30E360ISDA":
        ends = maturity is not None and last == day_of(maturity)
        return Fraction(_months_of(30, first, last, keep_february=ends), 360)
    if convention == "28E336":
        return Fraction(_months_of(28, first, last, keep_february=True), 336)
    raise ValueError(
        f"day count {convention!r} is not known; known are A360, A365, AA, 30E360, 30E360ISDA, 28E336"
    )


def _months_of(length: int, first: date, last: date, *, keep_february: bool) -> int:
    """Days in months of `length` days; the last day of a month counts as the last of `length`."""

    def day(on: date, keep: bool) -> int:
        closes = length == 30 and on.day == monthrange(on.year, on.month)[1] and not (on.month == 2 and keep)
        return length if closes else min(on.day, length)

    months = 12 * (last.year - first.year) + last.month - first.month
    return length * months + day(last, keep_february) - day(first, False)
