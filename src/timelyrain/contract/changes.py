"""What events that change the plan do to a loan: rate, dates, pauses, hardship, restructuring.

Each act: (loan, event, firm) -> None, or ContractViolation. A change that finds no plan left to change, because an
earlier fact arrived late and settled the loan, changes nothing.
"""

from datetime import date, timedelta

from timelyrain.finance import Method, Rounding, Unit, add_months

from .charges import Overdue, simple_cost_ppm
from .events import Event
from .loan import Loan
from .money import spreads
from .violations import ContractViolation


def rate_changed(loan: Loan, event: Event, firm: bool) -> None:
    rate = event.number("rate_ppm")
    if rate > loan.terms.annual_rate_ppm and not event.text("disclosure"):
        raise ContractViolation(
            event,
            "rate-disclosed",
            "a rate above the signed one needs data.disclosure, the hash of what the borrower confirmed",
            rate_ppm=rate,
            signed_ppm=loan.terms.annual_rate_ppm,
        )
    _refuse_above_cap(loan, event, rate, len(loan.rows))
    loan.count(event.value_on)
    loan.rate = rate
    if loan.current < len(loan.rows):
        loan.lay_out()


def _refuse_above_cap(loan: Loan, event: Event, rate: int, instalments: int) -> None:
    terms = loan.terms
    num, den = simple_cost_ppm(terms.method, terms.day_basis, rate, instalments)
    beside = 0 if terms.overdue is Overdue.PENALTY else terms.penalty_ppm
    cap = (terms.cap_ppm - beside) * den
    if num > cap or (rate and num == cap and terms.rounding is not Rounding.DOWN):
        raise ContractViolation(
            event,
            "rate-within-cap",
            "would cost more than the cap allows",
            rate_ppm=rate,
            costs_ppm=-(-num // den),
            cap_ppm=terms.cap_ppm,
        )


def due_date_changed(loan: Loan, event: Event, firm: bool) -> None:
    if _over(loan, event, firm):
        return
    if loan.terms.unit is not Unit.MONTHS:
        raise ContractViolation(
            event, "monthly-instalments", "only these have a day of the month", unit=loan.terms.unit
        )
    due_day = event.number("due_day")
    first, month = loan.rows[loan.current].due_on, loan.agreed_month()
    moved = add_months(month, 0, due_day, loan.terms.month_end)
    if moved < first:
        moved = add_months(month, 1, due_day, loan.terms.month_end)
    loan.count(event.value_on)
    loan.due_day = due_day
    _move(loan, moved)


def paused(loan: Loan, event: Event, firm: bool) -> None:
    if _over(loan, event, firm):
        return
    on, months = event.value_on, event.number("months")
    loan.count(on)
    if loan.terms.unit is Unit.MONTHS:
        first = add_months(loan.agreed_month(), months, loan.day_of_month(), loan.terms.month_end)
    else:
        first = add_months(loan.rows[loan.current].due_on, months)
    if event.text("interest") == "stops":
        loan.since = max(loan.since, min(first, add_months(on, months)))
    _move(loan, first)


def interest_stopped(loan: Loan, event: Event, firm: bool) -> None:
    """No interest on so many days from the value date; due dates stand."""
    loan.count(event.value_on)
    loan.still = max(loan.still, event.value_on + timedelta(days=event.number("days")))
    loan.since = max(loan.since, loan.still)
    if loan.current < len(loan.rows):
        loan.lay_out(level=False)


def accelerated(loan: Loan, event: Event, firm: bool) -> None:
    if not _over(loan, event, firm):
        loan.close(event.value_on)
        loan.surplus = loan.pay_due(loan.surplus, event.value_on)


def _move(loan: Loan, first_due: date) -> None:
    """The instalments to come, the first of them on `first_due`."""
    start, count = loan.periods[loan.current].start, len(loan.rows) - loan.current
    loan.replan(loan.plan_dates(start, count, loan.day_of_month(), first_due))
    loan.lay_out()


def hardship_agreed(loan: Loan, event: Event, firm: bool) -> None:
    if _over(loan, event, firm):
        return
    terms, count, extra = loan.terms, event.number("instalments"), event.number("extra")
    left = len(loan.rows) - loan.current + extra
    if not spreads(terms.method):
        raise ContractViolation(
            event, "instalment-to-lower", "these terms have no principal to spread", method=terms.method
        )
    if count >= left:
        if not firm:
            return
        raise ContractViolation(
            event,
            "hardship-leaves-a-rest",
            "later instalments must take the rest; agree data.extra more",
            instalments=count,
            to_come=left,
        )
    part = loan.part
    loan.count(event.value_on)
    if firm and terms.method is Method.EQUAL_INSTALMENT and event.amount_fen >= part:
        raise ContractViolation(
            event,
            "hardship-lowers",
            "no lower than the instalment",
            amount_fen=event.amount_fen,
            instalment_fen=part,
        )
    loan.append(extra)
    lowered = range(loan.current, loan.current + count)
    interest = max(loan.undue_interest(index) for index in lowered)
    if firm and event.amount_fen < interest:
        raise ContractViolation(
            event,
            "hardship-covers-interest",
            "the debt would grow; let interest stop by PAUSED, or lower it by RATE_CHANGED",
            amount_fen=event.amount_fen,
            interest_fen=interest,
        )
    fixed = max(0, event.amount_fen - (0 if terms.method is Method.EQUAL_INSTALMENT else interest))
    for index in lowered:
        loan.periods[index] = loan.periods[index]._replace(fixed_fen=fixed)
    loan.lay_out(shorten=True)


def restructured(loan: Loan, event: Event, firm: bool) -> None:
    on, count = event.value_on, event.number("instalments")
    _refuse_above_cap(loan, event, loan.rate, count)
    loan.due_day = event.number("due_day") or loan.day_of_month()
    loan.spread_anew(loan.plan_dates(on, count, loan.due_day), on)


def _over(loan: Loan, event: Event, firm: bool) -> bool:
    """Whether no instalment is left to change."""
    if loan.current < len(loan.rows):
        return False
    if firm:
        raise ContractViolation(
            event, "instalments-to-come", "every instalment has fallen due; RESTRUCTURED spreads them anew"
        )
    return True
