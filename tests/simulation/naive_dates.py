"""Days, months, interest periods and roundings of the naive loan: from calendar and terms alone."""

from calendar import isleap, monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from timelyrain.contract import Terms
from timelyrain.finance import DayBasis, Method, MonthEnd, Rounding, Shift, Unit

DAY = timedelta(days=1)
MILLION = 1_000_000
PER_YEAR = {Unit.MONTHS: 12, Unit.WEEKS: 52, Unit.DAYS: 365}
FIXED = {DayBasis.ACT_360: 360, DayBasis.ACT_364: 364, DayBasis.ACT_365: 365}


def months_after(on: date, months: int, day: int | None = None, *, roll: bool = False) -> date:
    """The day of the month `months` later, or the month's last day (roll: the day after it)."""
    first = date(on.year + (on.month - 1 + months) // 12, (on.month - 1 + months) % 12 + 1, 1)
    wanted, last = day or on.day, monthrange(first.year, first.month)[1]
    return first.replace(day=last) + DAY if roll and wanted > last else first.replace(day=min(wanted, last))


def rounded(exact: Fraction, how: Rounding) -> int:
    down = exact.numerator // exact.denominator
    over = exact - down
    if how is Rounding.DOWN or over < Fraction(1, 2):
        return down
    if over == Fraction(1, 2) and how is Rounding.HALF_EVEN:
        return down + down % 2
    return down + 1


def half_even(exact: Fraction) -> int:
    return rounded(exact, Rounding.HALF_EVEN)


@dataclass
class Stretch:
    """An interest period: its days, and what part of a year each of them is. agreed: the amount of a hardship plan."""

    start: date
    due_on: date
    share: Fraction | None  # of each day, where months and not days are counted
    basis: DayBasis
    agreed: int | None = None
    repays: bool = True
    free: bool = False  # of interest
    collects: bool = True

    def day(self, on: date) -> Fraction:
        if self.free:
            return Fraction(0)
        if self.share is not None:
            return self.share
        if self.basis in FIXED:
            return Fraction(1, FIXED[self.basis])
        year = (on + DAY if self.basis is DayBasis.ACT_ACT_DEC31 else on).year
        return Fraction(1, 366 if isleap(year) else 365)

    def years(self, since: date) -> Fraction:
        """From `since` to the end."""
        return sum((self.day(since + n * DAY) for n in range((self.due_on - since).days)), Fraction(0))


def month_of_rolled(on: date, due_day: int | None, roll: bool) -> date:
    """A day of the month whose due day `on` is: the one before, where that lacks the day and it rolled to the first."""
    before = on - DAY
    return before if roll and on.day == 1 and before.day < (due_day or 1) else on


def working(on: date, terms: Terms) -> date:
    """The working day that takes the place of a due date."""
    table, moved = terms.calendar, on
    assert table is not None
    step = -DAY if terms.shift is Shift.PRECEDING else DAY
    while moved not in table.worked and (moved.weekday() > 4 or moved in table.off):
        moved += step
    if terms.shift is Shift.MODIFIED and moved.month != on.month:
        moved = on
        while moved not in table.worked and (moved.weekday() > 4 or moved in table.off):
            moved -= DAY
    return moved


def stretches(
    start: date, count: int, terms: Terms, due_day: int | None, first_due: date | None = None
) -> list[Stretch]:
    """Periods from `start`; the first ends on `first_due`, or on the due day nearest to one step after the start."""
    every, roll = terms.every, terms.month_end is MonthEnd.ROLL
    if terms.unit is not Unit.MONTHS:
        step = every * (7 * DAY if terms.unit is Unit.WEEKS else DAY)
        first = first_due or start + step
        ends, regular = [first + k * step for k in range(count)], step.days
    elif first_due is None and due_day in (None, start.day):
        ends = [months_after(start, k * every, roll=roll) for k in range(1, count + 1)]
        regular = (ends[0] - start).days
    elif first_due is None:
        ideal = months_after(start, every)
        near = min((every + 1, every, every - 1), key=lambda k: abs(months_after(start, k, due_day) - ideal))
        ends = [months_after(start, near + k * every, due_day, roll=roll) for k in range(count)]
        regular = (ends[0] - months_after(start, near - every, due_day, roll=roll)).days
    else:
        month = month_of_rolled(first_due, due_day, roll)
        ends = [first_due, *(months_after(month, k * every, due_day, roll=roll) for k in range(1, count))]
        regular = (first_due - months_after(month, -every, due_day or first_due.day, roll=roll)).days
    table = terms.calendar
    shifted = [working(on, terms) for on in ends] if table else ends
    if table and table.first <= min(*ends, *shifted) and max(*ends, *shifted) <= table.last:
        ends = shifted  # otherwise nothing is known about some of them, and all stay
        if terms.unit is Unit.MONTHS and first_due is None and due_day in (None, start.day):
            regular = (ends[0] - start).days
    opening = Fraction((ends[0] - start).days, regular)  # the first period, in steps
    step_years = Fraction(every, PER_YEAR[terms.unit])
    if terms.method is Method.BULLET:
        share = _share(terms.day_basis, start, ends[-1], (opening + count - 1) * step_years)
        return [Stretch(start, ends[-1], share, terms.day_basis)]
    made = []
    for n, (since, due_on) in enumerate(zip([start, *ends], ends, strict=False)):
        share = _share(terms.day_basis, since, due_on, step_years if n else opening * step_years)
        made.append(Stretch(since, due_on, share, terms.day_basis))
    return made


def _share(basis: DayBasis, start: date, end: date, years: Fraction) -> Fraction | None:
    """Each day's part of a year where the period counts as so many steps, or in months of 30 days."""
    days = (end - start).days
    if basis is DayBasis.PER_INSTALMENT:
        return years / days
    if basis not in (DayBasis.THIRTY_360, DayBasis.THIRTY_E_360):
        return None
    first = min(start.day, 30)
    late = end.day == 31 and (basis is DayBasis.THIRTY_E_360 or first == 30)
    thirties = (
        (end.year - start.year) * 360 + (end.month - start.month) * 30 + (30 if late else end.day) - first
    )
    return Fraction(thirties, 360 * days)
