"""Hypothesis strategies shared by all tests: money, dates, terms, histories of events."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import strategies as st

from timelyrain.contract import (
    Ahead,
    ContractViolation,
    Event,
    EventType,
    Overdue,
    PrepayMode,
    Status,
    Terms,
    disclosed_charges,
    fold,
)
from timelyrain.finance import DayBasis, Method, MonthEnd, Rounding, Unit

CAP_PPM = 240_000

fen = st.integers(600, 50_000_000)
rates_ppm = st.integers(0, 200_000)
dates = st.dates(date(2024, 1, 1), date(2027, 12, 31))


def make_terms(**changes: object) -> Terms:
    """Terms of an ordinary 12-month loan of 10,000.00 at 18 %, with `changes`; charges follow the numbers."""
    values: dict[str, object] = {
        "principal_fen": 1_000_000,
        "annual_rate_ppm": 180_000,
        "method": Method.EQUAL_INSTALMENT,
        "instalments": 12,
        "cap_ppm": CAP_PPM,
        "lender": "timelyrain-demo",
        "licence": "consumer_finance",
        "policy_pack": "cn",
        "product": "instant_consumer",
        "day_basis": DayBasis.PER_INSTALMENT,
        "penalty_ppm": 270_000,
        "grace_days": 3,
        "prepayment_fee_ppm": 0,
        "late_fee_fen": 0,
        "service_fee_fen": 0,
        **changes,
    }
    names = (
        "annual_rate_ppm",
        "method",
        "day_basis",
        "cap_ppm",
        "penalty_ppm",
        "grace_days",
        "prepayment_fee_ppm",
        "late_fee_fen",
        "service_fee_fen",
        *({"overdue", "to_period_end"} & values.keys()),
    )
    values.setdefault(
        "charges", disclosed_charges("timelyrain-demo", **{name: values[name] for name in names})
    )
    return Terms(**values)


SHAPES: tuple[dict[str, object], ...] = (
    {},
    {},
    {"unit": Unit.WEEKS, "every": 2},
    {"unit": Unit.DAYS, "every": 10},
    {"every": 3, "instalments": 8},
    {"month_end": MonthEnd.ROLL},
    {"grace_principal": 2, "interest_free": 1, "instalments": 9},
    {"multiple_fen": 100, "instalments": 6, "principal_fen": 123_456},
    {"down_payment_ppm": 200_000},
)
SHAPES_BY_METHOD: dict[Method, tuple[dict[str, object], ...]] = {
    Method.FLAT: ({"equal_totals": True}, {"whole_interest": True}, {"grace_interest": 2, "instalments": 9}),
    Method.BULLET: (),
}
ACTUAL = {"penalty_ppm": 1_000, "prepayment_fee_ppm": 0}
OTHER_SHAPES: tuple[dict[str, object], ...] = (
    {"grace_interest": 2, "instalments": 9},
    {"ahead": Ahead.NEXT, "overdue": Overdue.INTEREST, **ACTUAL},
    {"ahead": Ahead.LAST, "overdue": Overdue.PENALTY, **ACTUAL},
    {"ahead": Ahead.LAST, "overdue": Overdue.INTEREST, **ACTUAL},
    {"ahead": Ahead.NEXT, "overdue": Overdue.TO_PERIOD_END, "to_period_end": True, **ACTUAL},
)


@st.composite
def terms(draw: st.DrawFn, **fixed: object) -> Terms:
    """Valid terms of every method and day basis; `fixed` fields as given."""
    method = Method(fixed.get("method") or draw(st.sampled_from(Method)))
    shapes = SHAPES + (
        () if fixed.keys() & {"annual_rate_ppm", "parts"} else SHAPES_BY_METHOD.get(method, OTHER_SHAPES)
    )
    highest = 120_000 if method is Method.FLAT else 235_000  # FLAT costs almost twice its nominal rate
    values: dict[str, object] = {
        "principal_fen": draw(st.one_of(fen, st.integers(24, 500))),
        "annual_rate_ppm": draw(st.integers(0, highest)),
        "method": method,
        "instalments": draw(st.integers(1, 24)),
        "day_basis": draw(st.sampled_from(DayBasis)),
        "due_day": draw(st.none() | st.integers(1, 31)),
        "rounding": draw(st.sampled_from(Rounding)),
        "penalty_ppm": draw(st.integers(0, 400_000)),
        "grace_days": draw(st.integers(0, 5)),
        "prepayment_fee_ppm": draw(st.sampled_from((0, 0, 10_000, 50_000))),
        **({} if "instalments" in fixed else draw(st.sampled_from(shapes))),
        **fixed,
    }
    return make_terms(**values)


def booked(on: date, hour: int = 12) -> datetime:
    return datetime.combine(on, time(hour % 24, hour // 24), UTC)


def disbursed(terms: Terms, on: date) -> Event:
    return Event("e000", EventType.DISBURSED, on, booked(on, 0), terms.principal_fen)


@dataclass(frozen=True)
class History:
    """Terms and a possible history: the fold accepts `events` on any day."""

    terms: Terms
    events: tuple[Event, ...]
    horizon: date


@st.composite
def histories(draw: st.DrawFn, max_events: int = 8, **fixed: object) -> History:
    """A loan that was paid out, and then paid, prepaid, left unpaid and reversed in any way its terms allow."""
    loan = draw(terms(**fixed))
    day = draw(dates)
    events = [disbursed(loan, day)]
    for k in range(1, draw(st.integers(0, max_events)) + 1):
        day += timedelta(days=draw(st.integers(0, 60)))
        event = draw(_possible(loan, events, day, k))
        if event is not None:
            events.append(event)
    return History(loan, tuple(events), day + timedelta(days=draw(st.integers(0, 400))))


@st.composite
def _possible(
    draw: st.DrawFn,
    loan: Terms,
    events: list[Event],
    day: date,
    k: int,
    wishes: tuple[str, ...] = ("cure", "cure", "pay", "part", "full", "reverse"),
) -> Event | None:
    state = fold(loan, events, day)
    blank = Event(f"e{k:03}", EventType.REPAID, day, booked(day, k), 1)
    wish = draw(st.sampled_from(wishes))
    if wish == "reverse":
        payments = [e for e in events[-1:] if e.type not in (EventType.DISBURSED, EventType.REVERSED)]
        if payments:
            last = payments[0]
            return replace(
                blank, type=EventType.REVERSED, amount_fen=last.amount_fen, data={"event": last.id}
            )
    if wish == "cure" and state.amount_due_fen:
        return replace(blank, amount_fen=state.amount_due_fen)
    if wish == "full" and state.outstanding_principal_fen:
        return replace(blank, type=EventType.PREPAID_FULL, amount_fen=state.payoff_fen)
    later = [row for row in state.instalments if row.due_on > day]
    undue = sum(row.principal_due_fen - row.principal_paid_fen for row in later)
    if wish == "part" and undue > 1 and not state.amount_due_fen:
        spread = loan.method in SPREADING and undue > 10_000
        mode = draw(st.sampled_from(PrepayMode)) if spread else PrepayMode.KEEP_TERM
        amount = draw(st.integers(1, undue - 1))
        return replace(blank, type=EventType.PREPAID_PART, amount_fen=amount, data={"mode": str(mode)})
    return replace(blank, amount_fen=draw(st.integers(1, 2 * loan.principal_fen))) if wish == "pay" else None


SPREADING = (Method.EQUAL_INSTALMENT, Method.EQUAL_PRINCIPAL, Method.FLAT)


@st.composite
def lives(draw: st.DrawFn, max_events: int = 10, **fixed: object) -> History:
    """A loan with everything that can happen to one: also fees, waivers, refunds, new dates and rates, trouble and its end."""
    fees = {"late_fee_fen": 5_000, "service_fee_fen": 2_000, "parts": draw(st.sampled_from((1, 1, 3)))}
    size = draw(st.one_of(fen, fen, st.integers(24, 500)))
    loan = draw(terms(**{**fees, "principal_fen": size, **fixed}))
    day = draw(dates)
    first = loan.principal_fen if loan.parts == 1 else draw(st.integers(1, loan.principal_fen))
    events = [replace(disbursed(loan, day), amount_fen=first)]
    for k in range(1, draw(st.integers(1, max_events)) + 1):
        day += timedelta(days=draw(st.integers(0, 45)))
        wishes = ("cure", "cure", "pay", "part", "reverse", "full" if k > 6 else "cure")
        event = draw(_possible(loan, events, day, k, wishes) if k % 2 else _unusual(loan, events, day, k))
        if event is not None and accepted(loan, [*events, event], day):
            events.append(event)
    return History(loan, tuple(events), day + timedelta(days=draw(st.integers(0, 400))))


def accepted(loan: Terms, events: list[Event], day: date) -> bool:
    try:
        fold(loan, events, day)
    except ContractViolation:
        return False
    return True


@st.composite
def _unusual(draw: st.DrawFn, loan: Terms, events: list[Event], day: date, k: int) -> Event:
    state = fold(loan, events, day)
    some = draw(st.integers(1, loan.principal_fen))
    payments = [
        e for e in events if e.type in (EventType.REPAID, EventType.PREPAID_FULL, EventType.RECOVERED)
    ]
    payment = draw(st.sampled_from(payments)).id if payments else "none"
    rows = [
        row
        for row in state.instalments
        if row.due_on <= day and row.settled_on is None and not row.waived_fen
    ]
    due = {
        "interest": sum(row.interest_due_fen - row.interest_paid_fen for row in rows),
        "penalty": sum(row.penalty_accrued_fen - row.penalty_paid_fen for row in rows),
        "fee": sum(row.cost_due_fen - row.cost_paid_fen for row in rows),
    }
    target = draw(st.sampled_from([name for name, fen in due.items() if fen] or ["penalty"]))
    choices: dict[EventType, tuple[int, dict[str, str | int]]] = {
        EventType.PAID_BACK: (max(1, state.totals.surplus_fen), {}),
        EventType.CHARGED_BACK: (some, {"event": payment}),
        EventType.REFUNDED: (
            some,
            {
                "source": draw(st.sampled_from(("merchant", "goodwill"))),
                "to": draw(st.sampled_from(("principal", "surplus"))),
            },
        ),
        EventType.FEE_CHARGED: (
            draw(st.integers(1, 1 + loan.principal_fen // 5_000)),
            {"kind": draw(st.sampled_from(("late_fee", "service_fee")))},
        ),
        EventType.WAIVED: (max(1, draw(st.integers(0, due[target]))), {"target": target}),
        EventType.RATE_CHANGED: (0, {"rate_ppm": draw(st.integers(0, loan.annual_rate_ppm))}),
        EventType.DUE_DATE_CHANGED: (0, {"due_day": draw(st.integers(1, 31))}),
        EventType.PAUSED: (
            0,
            {"months": draw(st.integers(1, 3)), "interest": draw(st.sampled_from(("runs", "stops")))},
        ),
        EventType.HARDSHIP_AGREED: (
            draw(st.integers(1, max(1, loan.principal_fen // 4))),
            {"instalments": draw(st.integers(1, 4)), "extra": draw(st.integers(0, 6))},
        ),
        EventType.RESTRUCTURED: (0, {"instalments": draw(st.integers(1, 12))}),
        EventType.DISBURSED: (some, {}),
        EventType.CHARGED_OFF: (0, {}),
        EventType.RECOVERED: (some, {}),
        EventType.SOLD: (some, {"owner": "another"}),
    }
    kinds = list(choices)
    if not state.dpd:
        kinds.remove(EventType.CHARGED_OFF)
    if state.amount_due_fen:
        kinds += [EventType.WAIVED, EventType.WAIVED, EventType.FEE_CHARGED]
    if state.status is Status.CHARGED_OFF:
        kinds = [EventType.RECOVERED, EventType.WAIVED, EventType.CHARGED_BACK, EventType.REFUNDED]
    kind = draw(st.sampled_from(kinds))
    amount, data = choices[kind]
    return Event(f"e{k:03}", kind, day, booked(day, k), amount, data)
