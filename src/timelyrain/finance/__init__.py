"""Money, calendars, schedules and rates: pure functions on integers (fen, ppm) and dates. No Django, no I/O, no clock."""

from .calendars import add_months, due_dates
from .daycount import DayBasis, day_fraction
from .money import Rounding, parse_yuan, percent, round_ratio, yuan
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
    Instalment,
    Method,
    Period,
    amortise,
    level_part,
    period_interest,
    periods,
    schedule,
    schedule_problems,
)

__all__ = [
    "CashFlow",
    "DayBasis",
    "Instalment",
    "Method",
    "NoRate",
    "NoUniqueRate",
    "Period",
    "Rounding",
    "TermsInvalid",
    "TermsProblem",
    "add_months",
    "amortise",
    "annualised_irr_ppm",
    "annualised_simple_ppm",
    "day_fraction",
    "due_dates",
    "irr_periodic",
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
