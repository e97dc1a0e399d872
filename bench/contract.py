"""The fold: a 36-instalment loan with 40 events, its preview, and every ACTUS case published."""

from datetime import UTC, date, datetime, time, timedelta

from bench.claims import Claim, microseconds, report
from timelyrain.contract import Event, EventType, PrepayMode, Terms, disclosed_charges, fold, plan, preview
from timelyrain.finance import DayBasis, Method

START, LIMIT_US = date(2023, 1, 15), 1_000


def make_loan(*, eventful: bool) -> tuple[Terms, list[Event], date]:
    """36 instalments of 100,000 yuan, 40 events; eventful: late payments, prepayments, fees, a pause, a lower rate."""
    numbers = {
        "annual_rate_ppm": 180_000,
        "method": Method.EQUAL_INSTALMENT,
        "day_basis": DayBasis.PER_INSTALMENT,
        "cap_ppm": 240_000,
        "penalty_ppm": 240_000,
        "grace_days": 3,
        "service_fee_fen": 500,
    }
    terms = Terms(
        principal_fen=10_000_000, instalments=36, lender="bench", licence="bench", policy_pack="cn", product="bench",
        charges=disclosed_charges("bench", **numbers), **numbers,
    )  # fmt: skip
    events = [_event(0, EventType.DISBURSED, START, terms.principal_fen)]
    unusual: list[tuple[EventType, int, dict[str, str | int]]] = [
        (EventType.PREPAID_PART, 500_000, {"mode": str(PrepayMode.KEEP_TERM)}),
        (EventType.FEE_CHARGED, 500, {"kind": "service_fee"}),
        (EventType.PAUSED, 0, {"months": 1, "interest": "runs"}),
        (EventType.RATE_CHANGED, 0, {"rate_ppm": 150_000}),
        (EventType.PREPAID_PART, 500_000, {"mode": str(PrepayMode.KEEP_INSTALMENT)}),
        (EventType.DUE_DATE_CHANGED, 0, {"due_day": 20}),
    ]
    for row in plan(terms, START):
        on = row.due_on + timedelta(days=5 if eventful and row.n % 9 == 0 else 0)
        due = fold(terms, events, on).amount_due_fen
        if not due:
            due = 1_000
        events.append(_event(len(events), EventType.REPAID, on, due))
        if eventful and row.n % 5 == 1 and unusual:
            kind, amount, data = unusual.pop(0)
            events.append(_event(len(events), kind, on + timedelta(days=8), amount, data))
        if len(events) == 40:
            break
    last = events[-1].value_on
    while len(events) < 40:
        events.append(_event(len(events), EventType.REPAID, last, 1_000))
    return terms, events, last


def _event(n: int, kind: EventType, on: date, amount: int, data: dict[str, str | int] | None = None) -> Event:
    booked = datetime.combine(on, time(12), UTC) + timedelta(seconds=n)
    return Event(f"e{n:02}", kind, on, booked, amount, data or {})


def measure() -> list[Claim]:
    plain, eventful = make_loan(eventful=False), make_loan(eventful=True)
    assert len(plain[1]) == len(eventful[1]) == 40
    terms, events, on = plain
    payoff = _event(99, EventType.REPAID, on, 10_000)
    return [
        Claim(
            "fold of a 36-instalment loan with 40 events",
            microseconds(lambda: fold(terms, events, on), number=50),
            "µs",
            "payments as they fall due, folded from the first event to the last day",
            at_most=LIMIT_US,
        ),
        Claim(
            "the same with prepayments, a fee, a pause, a new rate and a new due day",
            microseconds(lambda: fold(*eventful), number=50),
            "µs",
            "each change of the plan lays the rest of it out anew",
            at_most=LIMIT_US,
        ),
        Claim(
            "preview of a payment on that loan",
            microseconds(lambda: preview(terms, events, [payoff], on), number=50),
            "µs",
            "the fold over one more event",
            at_most=LIMIT_US,
        ),
    ]


if __name__ == "__main__":
    report("contract", measure())
