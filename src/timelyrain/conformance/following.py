"""A published case followed by our fold: its product as signed terms, its happenings as events.

Only what our terms and events can say is followed. Where a product does not recalculate interest, a payment ahead of its day
waits for it. A loan paid off is compared by its sums where Fineract keeps instalments that nothing is owed in and we do not.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from timelyrain.contract import (
    Ahead,
    ContractViolation,
    Event,
    EventType,
    InstalmentState,
    LoanState,
    Status,
    Terms,
    TermsInvalid,
    disclosed_charges,
    fold,
)
from timelyrain.finance import DayBasis, Method, Rounding

Happening = dict[str, Any]
_REPAYMENTS = (EventType.REPAID, EventType.PREPAID_FULL)
CAP_PPM = 10_000_000  # published loans know no cap


class CannotFollow(ValueError):
    """Something that our terms or events have no word for."""


def make_terms(
    principal_fen: int,
    rate_ppm: int,
    method: Method,
    instalments: int,
    basis: DayBasis,
    rounding: Rounding,
    **rest: Any,
) -> Terms:
    """Terms of a published loan; rest: further fields of the terms. Raises CannotFollow."""
    numbers = {"annual_rate_ppm": rate_ppm, "method": method, "day_basis": basis, "cap_ppm": CAP_PPM}
    fees = {"service_fee_fen": principal_fen}
    words = {name: rest[name] for name in ("overdue", "to_period_end") if name in rest}
    try:
        return Terms(
            principal_fen=principal_fen, instalments=instalments, rounding=rounding,
            lender="published", licence="published", policy_pack="published", product="published",
            charges=disclosed_charges("published", **numbers, **fees, **words), **numbers, **fees, **rest,
        )  # fmt: skip
    except TermsInvalid as error:
        raise CannotFollow(str(error)) from error


def follow(
    terms: Terms,
    happenings: Sequence[Happening],
    until: date,
    fen: Callable[[str], int],
    *,
    pays_down: bool = False,
) -> LoanState:
    """The loan on `until` after these happenings. pays_down: a down payment is paid as soon as it is due.

    Raises CannotFollow.
    """
    events: list[Event] = []
    for index, happening in enumerate(happenings):
        kind = happening["type"]
        make = _EVENTS.get(kind)
        if kind == "cob":
            continue
        if make is None:
            raise CannotFollow(f"no event for {kind}")
        on = date.fromisoformat(happening.get("date") or happening["business_date"])
        booked = date.fromisoformat(happening["business_date"])
        at = datetime.combine(max(on, booked), time(12), UTC) + timedelta(seconds=index)
        try:
            type_, value_on, amount, data = make(terms, events, happening, on, fen)
            event = Event(f"e{index:03}", type_, value_on, at, amount, data)
            fold(terms, [*events, event], max(until, value_on))
        except (ContractViolation, KeyError, IndexError, ValueError, ArithmeticError) as error:
            raise CannotFollow(f"{kind}: {error or repr(error)}") from error
        events.append(event)
        if kind == "disbursement" and pays_down and (due := fold(terms, events, value_on).amount_due_fen):
            events.append(replace(event, id=f"{event.id}-down", type=EventType.REPAID, amount_fen=due))
    return fold(terms, events, until)


Made = tuple[EventType, date, int, dict[str, str | int]]


def _disbursed(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    return EventType.DISBURSED, on, fen(happening["amount"]), {}


def _repaid(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    """Money that settles the loan ahead of time is a payoff, whatever it is called."""
    amount, state = fen(happening["amount"]), fold(terms, events, on)
    if amount == state.payoff_fen and state.next_due is not None and terms.ahead is not Ahead.WAITS:
        return EventType.PREPAID_FULL, on, amount, {}
    return EventType.REPAID, on, amount, {}


def _paid_off(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    """A product that does not recalculate asks for its whole plan."""
    state = fold(terms, events, on)
    if terms.ahead is Ahead.WAITS:
        owed = sum(row.unpaid_fen for row in state.instalments) - state.totals.surplus_fen
        return EventType.REPAID, on, owed, {}
    return (EventType.PREPAID_FULL if state.next_due else EventType.REPAID), on, state.payoff_fen, {}


def _undone(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    nth = [e for e in events if e.type in _REPAYMENTS and not e.id.endswith("-down")][happening["nth"] - 1]
    return EventType.REVERSED, nth.value_on, nth.amount_fen, {"event": nth.id}


def _charged_back(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    last = [e for e in events if e.type is EventType.REPAID][-1]
    return EventType.CHARGED_BACK, on, fen(happening["amount"]), {"event": last.id}


def _refunded(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    return EventType.REFUNDED, on, fen(happening["amount"]), {"source": "merchant", "to": _credited(terms)}


def _credited(terms: Terms) -> str:
    """A product that does not recalculate keeps its plan, and credits wait for it."""
    return "surplus" if terms.ahead is Ahead.WAITS else "principal"


def _paid_back(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    return EventType.PAID_BACK, on, fen(happening["amount"]), {}


def _charged(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    due = date.fromisoformat(happening["due_date"])
    return EventType.FEE_CHARGED, due, fen(happening["amount"]), {"kind": "service_fee"}


def _terminated(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    return EventType.ACCELERATED, on, 0, {}


def _goodwill(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    return EventType.REFUNDED, on, fen(happening["amount"]), {"source": "goodwill", "to": _credited(terms)}


def _interest_paused(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    """From the first to the last day, both included."""
    first, last = (date.fromisoformat(happening[name]) for name in ("start", "end"))
    return EventType.INTEREST_STOPPED, first - timedelta(days=1), 0, {"days": (last - first).days + 1}


def _charged_off(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    return EventType.CHARGED_OFF, on, 0, {}


def _rescheduled(
    terms: Terms, events: list[Event], happening: Happening, on: date, fen: Callable[[str], int]
) -> Made:
    # Fineract names the first day of the new rate, or the first due date to move; ours counts from the end of a day.
    since = date.fromisoformat(happening["rescheduleFromDate"]) - timedelta(days=1)
    if "adjustedDueDate" in happening:
        moved = date.fromisoformat(happening["adjustedDueDate"])
        return EventType.DUE_DATE_CHANGED, since, 0, {"due_day": moved.day}
    if "newInterestRate" not in happening:
        raise CannotFollow(f"no event for {', '.join(sorted(happening.keys() - {'type', 'business_date'}))}")
    return EventType.RATE_CHANGED, since, 0, {"rate_ppm": round(float(happening["newInterestRate"]) * 10_000)}


_EVENTS = {
    "disbursement": _disbursed,
    "repayment": _repaid,
    "payoff": _paid_off,
    "undo_repayment": _undone,
    "chargeback": _charged_back,
    "merchant_issued_refund": _refunded,
    "credit_balance_refund": _paid_back,
    "charge": _charged,
    "charge_off": _charged_off,
    "reschedule": _rescheduled,
    "contract_termination": _terminated,
    "goodwill_credit": _goodwill,
    "payout_refund": _refunded,
    "interest_pause": _interest_paused,
}


def compare(state: LoanState, table: dict[str, Any], fen: Callable[[str], int]) -> tuple[str, ...]:
    """Where the fold departs from a published table; a loan that was settled ahead of its plan is compared by its sums."""
    rows = [
        (row.due_on, row.principal_due_fen, row.interest_due_fen, _paid(row)) for row in state.instalments
    ]
    if state.status is Status.SETTLED and len(rows) != len(table["expected_schedule"]):
        return _sums(rows, table["totals"], fen, min(0, state.totals.surplus_fen))
    return compare_rows(rows, table, fen, state.totals.surplus_fen)


def _paid(row: InstalmentState) -> int:
    return row.principal_paid_fen + row.interest_paid_fen + row.cost_paid_fen - row.cost_due_fen


def compare_rows(
    rows: Sequence[tuple[date, int, int, int]],
    table: dict[str, Any],
    fen: Callable[[str], int],
    surplus: int = 0,
) -> tuple[str, ...]:
    """Differences of (due date, principal, interest, paid of both) rows from a published table, and of their sums."""
    expected = table["expected_schedule"]
    if len(rows) != len(expected):
        rows = _by_day(rows)
    if len(rows) != len(expected):
        return (f"{len(expected)} instalments published, ours {len(rows)}",)
    found = tuple(
        f"instalment {published['n']} {name}: published {wanted}, ours {ours}"
        for (due_on, principal, interest, _), published in zip(rows, expected, strict=True)
        for name, ours, wanted in (
            ("due_date", due_on.isoformat(), published["due_date"]),
            ("principal", principal, fen(published["principal"])),
            ("interest", interest, fen(published["interest"])),
        )
        if ours != wanted
    )
    return found + _sums(rows, table["totals"], fen, surplus)


def _by_day(rows: Sequence[tuple[date, int, int, int]]) -> list[tuple[date, int, int, int]]:
    """What falls due on one day as one row; Fineract lets an instalment swallow what is called due on its day."""
    found: dict[date, list[tuple[date, int, int, int]]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return [
        (on, sum(r[1] for r in same), sum(r[2] for r in same), sum(r[3] for r in same))
        for on, same in sorted(found.items())
    ]


def _sums(
    rows: Sequence[tuple[date, int, int, int]],
    totals: dict[str, str],
    fen: Callable[[str], int],
    surplus: int,
) -> tuple[str, ...]:
    interest = sum(row[2] for row in rows)
    outstanding = max(0, sum(row[1] + row[2] - row[3] for row in rows) - surplus)
    return tuple(
        f"sum of {name}: published {wanted}, ours {ours}"
        for name, ours, wanted in (
            ("interest", interest, fen(totals["interest"])),
            ("outstanding", outstanding, fen(totals["outstanding"])),
        )
        if ours != wanted
    )
