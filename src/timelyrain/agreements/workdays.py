"""The table of working days that is signed with the terms of a product whose due dates keep to them."""

from dataclasses import replace
from datetime import date

from django.conf import settings

from timelyrain import policies
from timelyrain.finance import MonthEnd, Unit, WorkCalendar, due_dates
from timelyrain.runtime import law

SPARE_YEARS = 2  # for plans that change later: a pause, a hardship plan


def signed(product: policies.Product, on: date, instalments: int) -> WorkCalendar | None:
    """The lender's calendar of `on`, from that year to some years past the last due date as far as it is published; None
    where due dates do not ask for it. A plan past its end is refused when it is made (CalendarEnds)."""
    if not product.working_days:
        return None
    last = due_dates(
        on, instalments, product.due_day, every=product.every, unit=Unit(product.unit),
        month_end=MonthEnd(product.month_end),
    )[-1]  # fmt: skip
    known = law.work_calendar()
    first = max(known.first, date(on.year, 1, 1))
    until = min(known.last, date(last.year + SPARE_YEARS, 12, 31))
    return replace(
        known,
        name=f"{law.pack().id} {settings.LENDER['licence']}",
        first=first,
        last=max(until, first),
        off=frozenset(day for day in known.off if first <= day <= until),
        worked=frozenset(day for day in known.worked if first <= day <= until),
    )
