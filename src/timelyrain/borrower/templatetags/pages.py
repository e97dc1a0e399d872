"""What the templates say and show: both languages in place, money, rates and times in one form."""

from dataclasses import dataclass
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
from timelyrain.contract import InstalmentState, LoanState, Totals
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
    """All that it asks for: principal, interest, the penalty so far, fees, less what was forgiven."""
    charged = row.interest_due_fen + row.penalty_accrued_fen + row.cost_due_fen - row.waived_fen
    return row.principal_due_fen + charged


@register.filter
def payoff_interest_fen(state: LoanState) -> int:
    """What of the payoff is neither principal nor fee."""
    return state.payoff_fen - state.outstanding_principal_fen - state.prepayment_fee_fen


@dataclass(frozen=True)
class Part:
    name: str
    fen: int

    @property
    def size(self) -> int:
        return abs(self.fen)


@register.filter
def payoff_parts(state: LoanState) -> list[Part]:
    """What the payoff is made of, to the fen; a surplus counts against it."""
    totals = state.totals
    parts = (
        Part(words.say("剩余本金", "Principal left"), state.outstanding_principal_fen),
        Part(
            words.say("截至今天的利息", "Interest up to today"),
            totals.interest_receivable_fen + totals.written_off_interest_fen,
        ),
        Part(words.say("罚息", "Penalty"), totals.penalty_receivable_fen + totals.written_off_penalty_fen),
        Part(words.say("费用", "Fees"), totals.cost_receivable_fen + totals.written_off_cost_fen),
        Part(words.say("提前还款手续费", "Fee for early repayment"), state.prepayment_fee_fen),
        Part(words.say("减：多还的", "Less: paid ahead"), -max(totals.surplus_fen, 0)),
        Part(words.say("多退的，须还回", "Paid back too much"), max(-totals.surplus_fen, 0)),
    )
    return [part for part in parts if part.fen]


@register.filter
def fees_paid_fen(totals: Totals) -> int:
    return totals.cost_paid_fen + totals.fee_charged_fen


@register.filter
def share_paid(principal_fen: int, paid_fen: int) -> str:
    return f"{paid_fen * 100 // principal_fen}%"


@register.filter
def share_width(principal_fen: int, paid_fen: int) -> str:
    return f"{paid_fen / principal_fen * 100:.1f}"
