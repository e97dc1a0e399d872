"""What the templates say and show: both languages in place, money, rates and times in one form."""

from datetime import date, datetime
from typing import Any
from uuid import uuid4

from django import template
from django.conf import settings
from django.middleware.csrf import get_token
from django.utils.html import format_html
from django.utils.safestring import SafeString

from timelyrain import finance
from timelyrain.borrower import estimates, words
from timelyrain.contract import InstalmentState, LoanState
from timelyrain.runtime.clock import BUSINESS_ZONE, business_date

register = template.Library()
register.simple_tag(words.say, name="say")
register.simple_tag(words.language, name="language")


@register.simple_tag(takes_context=True)
def form_key(context: dict[str, Any]) -> SafeString:
    """The hidden inputs of a form: against forgery, and the key by which a second tap is recognised."""
    return format_html(
        '<input type="hidden" name="csrfmiddlewaretoken" value="{}"><input type="hidden" name="key" value="{}">',
        get_token(context["request"]),
        uuid4(),
    )


@register.simple_tag
def lender() -> dict[str, str]:
    return settings.LENDER


@register.simple_tag
def rate_range() -> tuple[int, int] | None:
    """Lowest and highest annualised rate (compound, ppm) of what is offered today; None when nothing is."""
    return estimates.rate_range()


@register.simple_tag
def simulated() -> str:
    """Where the simulated outside world is; empty for a real installation."""
    return settings.SANDBOX_URL if settings.SIMULATED else ""


@register.filter
def yuan(fen: int) -> str:
    return finance.yuan(fen)


@register.filter
def whole_yuan(fen: int) -> str:
    """Without the fen where there are none."""
    return finance.yuan(fen).removesuffix(".00")


@register.filter
def percent(ppm: int) -> str:
    return finance.percent(ppm)


@register.filter
def percent_2(ppm: int) -> str:
    """To a hundredth of a per cent, for estimates."""
    return finance.percent(finance.round_ratio(ppm, 100) * 100)


@register.filter
def day(on: date | str) -> str:
    on = date.fromisoformat(on) if isinstance(on, str) else on
    return words.say("{on.year}年{on.month}月{on.day}日", "{on.day} {on:%b %Y}", on=on)


@register.filter
def short_day(on: date | str) -> str:
    """2026-01-31, for tables."""
    return str(on)


@register.filter
def clock_time(at: datetime) -> str:
    return f"{at.astimezone(BUSINESS_ZONE):%H:%M:%S}"


@register.filter
def moment(at: datetime) -> str:
    """To the second, in the lender's zone."""
    return f"{day(at.astimezone(BUSINESS_ZONE).date())} {at.astimezone(BUSINESS_ZONE):%H:%M:%S}"


@register.filter
def took(milliseconds: float) -> str:
    if milliseconds < 1000:
        return words.say("{n:.0f} 毫秒", "{n:.0f} ms", n=max(milliseconds, 1))
    return words.say("{n:.1f} 秒", "{n:.1f} s", n=milliseconds / 1000)


@register.filter
def business_day(at: datetime) -> date:
    return business_date(at)


@register.filter
def need(purpose: str) -> str:
    """Why a consent is asked for, in a line; the full text says it in full."""
    return words.say(*words.NEEDS[purpose]) if purpose in words.NEEDS else ""


@register.filter
def kinds_of_data(categories: tuple[str, ...]) -> str:
    return words.say("、", ", ").join(words.say(*words.DATA.get(c, (c, c))) for c in categories)


@register.filter
def why_nothing(status: str) -> str:
    return words.say(*words.SOURCE_STATES.get(status, (status, status)))


@register.filter
def refusal(code: str) -> str:
    return words.say(*words.RAIL_REFUSALS.get(code, (code, code)))


@register.filter
def in_language(thing: Any, name: str) -> str:
    """`reason|in_language:"change"` is reason["change_zh"] or reason.change_en, whichever is read."""
    key = f"{name}_{words.language()}" if name else words.language()
    return thing[key] if isinstance(thing, dict) else getattr(thing, key)


@register.filter
def instalment_fen(row: InstalmentState) -> int:
    """Principal, interest and the penalty so far."""
    return row.principal_due_fen + row.interest_due_fen + row.penalty_accrued_fen


@register.filter
def payoff_interest_fen(state: LoanState) -> int:
    """What of the payoff is neither principal nor fee."""
    return state.payoff_fen - state.outstanding_principal_fen - state.prepayment_fee_fen
