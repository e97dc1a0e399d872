"""Money, calendars, schedules and rates: pure functions on integers (fen, ppm) and dates. No Django, no I/O, no clock."""

from .calendars import (
    CalendarEnds,
    DueDates,
    MonthEnd,
    Shift,
    Unit,
    WorkCalendar,
    add_months,
    due_dates,
)
from .daycount import DayBasis, day_fraction
from .money import Rounding, parse_yuan, percent, round_ratio, yuan
from .periods import Grace, Method, Period, periods
from .problems import TermsInvalid, TermsProblem
from .rates import (
    CashFlow,
    NoRate,
    NoUniqueRate,
    annualised_irr_ppm,
    annualised_simple_ppm,
    irr_periodic,
    xirr,
)
from .schedules import (
    Advance,
    Instalment,
    amortise,
    lay_out,
    level_part,
    period_interest,
    schedule,
    schedule_problems,
)

__all__ = [
    "Advance",
    "CalendarEnds",
    "CashFlow",
    "DayBasis",
    "DueDates",
    "Grace",
    "Instalment",
    "Method",
    "MonthEnd",
    "NoRate",
    "NoUniqueRate",
    "Period",
    "Rounding",
    "Shift",
    "TermsInvalid",
    "TermsProblem",
    "Unit",
    "WorkCalendar",
    "add_months",
    "amortise",
    "annualised_irr_ppm",
    "annualised_simple_ppm",
    "day_fraction",
    "due_dates",
    "irr_periodic",
    "lay_out",
    "level_part",
    "parse_yuan",
    "percent",
    "period_interest",
    "periods",
    "round_ratio",
    "schedule",
    "schedule_problems",
    "xirr",
    "yuan",
]
