"""What each event does to the naive loan of `naive.py`, and its life from the first to any day.

An event that fits no more, because an earlier fact came to light, is taken for what it can still be.
"""

from collections.abc import Sequence
from copy import deepcopy
from datetime import date
from fractions import Fraction

from tests.simulation.naive import Debt, NaiveLoan
from tests.simulation.naive_actual import NaiveActual
from tests.simulation.naive_dates import DAY, MILLION, months_after, stretches
from timelyrain.contract import Event, EventType, Terms
from timelyrain.finance import Method, MonthEnd

_ALWAYS = {
    EventType.DISBURSED, EventType.REPAID, EventType.REFUNDED, EventType.RECOVERED, EventType.PAID_BACK,
    EventType.CHARGED_BACK, EventType.PREPAID_FULL, EventType.PREPAID_PART,
}  # fmt: skip
_WHEN_WRITTEN_OFF = {
    EventType.REPAID, EventType.REFUNDED, EventType.RECOVERED, EventType.PAID_BACK, EventType.CHARGED_BACK, EventType.WAIVED,
    EventType.SOLD, EventType.DISBURSED,
}  # fmt: skip


def live(terms: Terms, events: Sequence[Event], until: date) -> NaiveLoan:
    """The loan at the end of `until`, by what had a value date up to then."""
    known = sorted((e for e in events if e.value_on <= until), key=lambda e: (e.value_on, e.booked_at, e.id))
    never = {e.data["event"] for e in known if e.type is EventType.REVERSED}
    facts = [e for e in known if e.type is not EventType.REVERSED and e.id not in never]
    actual = terms.ahead != "WAITS" or terms.overdue != "PENALTY"
    loan = NaiveActual(terms) if actual else NaiveLoan(terms)
    if not facts:
        loan.today = until
        return loan
    loan.today = facts[0].value_on
    while True:
        loan.morning()
        while facts and facts[0].value_on == loan.today:
            happen(loan, facts.pop(0))
            loan.sweep()
        if loan.today == until:
            loan.foresee()
            return loan
        loan.night()


def happen(loan: NaiveLoan, event: Event) -> None:
    if loan.settled and event.type not in _ALWAYS:
        return  # there is nothing left that it could change
    if loan.charged_off_on and event.type not in _WHEN_WRITTEN_OFF:
        if event.type in (EventType.PREPAID_FULL, EventType.PREPAID_PART):
            _repaid(loan, event)
        return
    _ACTS[event.type](loan, event)


def _disbursed(loan: NaiveLoan, event: Event) -> None:
    on, terms, amount = loan.today, loan.terms, event.amount_fen
    loan.disbursed += amount
    if loan.started is not None and not loan.ahead:  # a part that came too late for any instalment
        loan.due.append(Debt(on, amount, 0))
        before = loan.surplus
        loan.surplus = loan.pay(loan.surplus)
        if loan.charged_off_on:
            loan.charged_off += amount - (before - loan.surplus)
        return
    if loan.started is None:
        loan.started = on
        custom = dict(terms.custom_fen)
        parts = stretches(on, terms.instalments, terms, terms.due_day, terms.first_due)
        for n, part in enumerate(parts, 1):
            part.free = n <= terms.interest_free
            part.repays = n > terms.grace_principal or terms.method is Method.BULLET
            part.collects = n > terms.grace_interest
            part.agreed = custom.get(n)
        loan.ahead = [(Debt(part.due_on, 0, 0), part) for part in parts]
    back = min(amount, loan.to_multiple(Fraction(amount * terms.down_payment_ppm, MILLION)))
    if back:
        loan.due.append(Debt(on, back, 0))
        loan.sweep()
        amount -= back
    loan.lend(amount)
    loan.find_level()
    loan.plan()
    loan.surplus = loan.pay(loan.surplus)


def _repaid(loan: NaiveLoan, event: Event) -> None:
    loan.received += event.amount_fen
    left = loan.receive(event.amount_fen)
    if loan.charged_off_on:
        loan.recovered += event.amount_fen - left
    loan.surplus += left


def _prepaid_part(loan: NaiveLoan, event: Event) -> None:
    ppm, mode = loan.terms.prepayment_fee_ppm, event.data["mode"]
    most = event.amount_fen * ppm // (MILLION + ppm)
    fee = max(0, min(most, loan.fee_room()))
    principal = event.amount_fen - fee
    loan.received += event.amount_fen
    if loan.arrears or principal >= loan.undue or (mode == "keep_instalment" and not loan.level):
        loan.credit(event.amount_fen, to_principal=True)
        return
    loan.fees += fee
    loan.reduce(principal, keep_term=mode == "keep_term")


def _prepaid_full(loan: NaiveLoan, event: Event) -> None:
    fee, exact = loan.fee_to_settle, event.amount_fen == loan.payoff
    loan.received += event.amount_fen
    if not exact:
        loan.credit(event.amount_fen, to_principal=True)
        return
    loan.fees += fee
    money = event.amount_fen + loan.surplus - fee
    loan.surplus = loan.settle(money)


def _refunded(loan: NaiveLoan, event: Event) -> None:
    if event.data["source"] == "goodwill":
        loan.goodwill += event.amount_fen
    else:
        loan.received += event.amount_fen
    loan.credit(event.amount_fen, to_principal=event.data["to"] == "principal")


def _paid_back(loan: NaiveLoan, event: Event) -> None:
    loan.surplus -= event.amount_fen
    loan.paid_back += event.amount_fen


def _charged_back(loan: NaiveLoan, event: Event) -> None:
    money = event.amount_fen
    loan.received -= money
    part = min(money, max(0, loan.surplus))
    loan.surplus -= part
    money -= part
    again, taken = Debt(loan.today, 0, 0), money
    if money:
        loan.bank(money)

    def take(row: Debt, name: str, money: int) -> int:
        part = min(money, getattr(row, f"{name}_paid"))
        setattr(row, f"{name}_paid", getattr(row, f"{name}_paid") - part)
        owed = "moved_penalty" if name == "penalty" else name
        setattr(row, owed, getattr(row, owed) - part)
        setattr(again, owed, getattr(again, owed) + part)
        return money - part

    for row in reversed(loan.due):
        money = take(row, "principal", money)
    part = min(money, loan.prepaid)
    loan.prepaid -= part
    again.principal += part
    money -= part
    for row in reversed(loan.due):
        for name in ("interest", "penalty", "cost"):
            money = take(row, name, money)
    if loan.charged_off_on:  # what had been recovered is lost again
        part = min(taken - money, loan.recovered)
        loan.recovered -= part
        loan.charged_off += taken - money - part
    if loan.unpaid(again):
        loan.due.append(again)
    loan.surplus -= money


def _fee_charged(loan: NaiveLoan, event: Event) -> None:
    amount = min(event.amount_fen, max(0, loan.fee_room()))
    if event.data["kind"] == "late_fee":
        late = [row for row in loan.open() if row.due_on < loan.today and not row.late_fee]
        if late and amount:
            late[0].cost += amount
            late[0].late_fee = True
            loan.late_fees += amount
        return
    loan.service_fees += amount
    if loan.ahead:
        loan.next_cost += amount
        loan.ahead[0][0].cost += amount
    elif loan.open():
        loan.open()[0].cost += amount
    elif amount:
        loan.due.append(Debt(loan.today, 0, 0, amount))


def _waived(loan: NaiveLoan, event: Event) -> None:
    money = event.amount_fen
    name = {"penalty": "penalty", "interest": "interest", "fee": "cost"}[str(event.data["target"])]
    for row in loan.open():
        owed = loan.penalty(row) if name == "penalty" else getattr(row, name)
        part = min(money, owed - getattr(row, f"{name}_paid") - getattr(row, f"{name}_waived"))
        setattr(row, f"{name}_waived", getattr(row, f"{name}_waived") + part)
        money -= part
    if loan.charged_off_on:
        loan.charged_off -= event.amount_fen - money


def _rate_changed(loan: NaiveLoan, event: Event) -> None:
    loan.rate = event.number("rate_ppm")
    if loan.ahead:
        loan.find_level()
        loan.plan()


def _due_date_changed(loan: NaiveLoan, event: Event) -> None:
    if not loan.ahead:
        return
    first, month, day = loan.ahead[0][0].due_on, loan.agreed_month, event.number("due_day")
    roll = loan.terms.month_end is MonthEnd.ROLL
    moved = months_after(month, 0, day, roll=roll)
    loan.due_day = day
    loan.move(moved if moved >= first else months_after(month, 1, day, roll=roll))


def _paused(loan: NaiveLoan, event: Event) -> None:
    if not loan.ahead:
        return
    months = event.number("months")
    if loan.day_of_month:
        roll = loan.terms.month_end is MonthEnd.ROLL
        first = months_after(loan.agreed_month, months, loan.day_of_month, roll=roll)
    else:
        first = months_after(loan.ahead[0][0].due_on, months)
    if event.data["interest"] == "stops":
        loan.still_until = max(loan.still_until, min(first, months_after(loan.today, months)))
    loan.move(first)


def _interest_stopped(loan: NaiveLoan, event: Event) -> None:
    loan.stopped_until = max(loan.stopped_until, loan.today + event.number("days") * DAY)
    loan.still_until = max(loan.still_until, loan.stopped_until)
    if loan.ahead:
        loan.plan()


def _accelerated(loan: NaiveLoan, event: Event) -> None:
    if loan.ahead:
        loan.close()
        loan.surplus = loan.pay(loan.surplus)


def _hardship_agreed(loan: NaiveLoan, event: Event) -> None:
    count, extra = event.number("instalments"), event.number("extra")
    if not loan.ahead or count >= len(loan.ahead) + extra:
        return
    if extra:
        loan.bank()
        more = stretches(loan.ahead[-1][1].due_on, extra, loan.terms, loan.day_of_month)
        loan.ahead += [(Debt(part.due_on, 0, 0), part) for part in more]
    agreed = event.amount_fen
    if (
        loan.terms.method is not Method.EQUAL_INSTALMENT
    ):  # principal is agreed: the amount less the most interest
        most = 0
        for n, (_, stretch) in enumerate(loan.ahead[:count]):
            most = max(most, loan.most_interest(n, stretch))
        agreed -= most
    for _, stretch in loan.ahead[:count]:
        stretch.agreed = max(0, agreed)
    loan.find_level()
    loan.plan(shorten=True)


def _restructured(loan: NaiveLoan, event: Event) -> None:
    loan.bank()
    moved = 0
    for row in loan.open():
        interest = row.interest - row.interest_paid - row.interest_waived
        penalty = loan.penalty(row) - row.penalty_paid - row.penalty_waived
        cost = row.cost - row.cost_paid - row.cost_waived
        moved += row.principal - row.principal_paid
        row.principal = row.principal_paid
        row.interest -= interest
        row.moved_penalty -= penalty
        row.cost -= cost
        loan.pool["interest"] += interest
        loan.pool["penalty"] += penalty
        loan.pool["cost"] += cost
    loan.sweep()
    if loan.ahead:
        loan.pool["interest"] += loan.cut()
    loan.pool["interest"] += loan.put_off
    loan.pool["cost"] += loan.next_cost
    loan.next_cost = loan.put_off = 0
    loan.restart()
    loan.undue += moved
    loan.base = loan.undue
    loan.due_day = event.number("due_day") or loan.day_of_month
    parts = stretches(loan.today, event.number("instalments"), loan.terms, loan.due_day)
    loan.ahead = [(Debt(part.due_on, 0, 0), part) for part in parts]
    loan.find_level()
    loan.plan()


def _charged_off(loan: NaiveLoan, event: Event) -> None:
    if loan.charged_off_on:
        return
    loan.close()
    loan.surplus = loan.pay(loan.surplus)
    loan.charged_off = sum(map(loan.unpaid, loan.open()))
    loan.charged_off_on = loan.today
    loan.written_off = loan.dpd, loan.owed("interest"), loan.owed("penalty")


def _sold(loan: NaiveLoan, event: Event) -> None:
    loan.owner = str(event.data["owner"])
    loan.passed.append((loan.owner, event.amount_fen, deepcopy(loan)))


_ACTS = {
    EventType.DISBURSED: _disbursed,
    EventType.REPAID: _repaid,
    EventType.PREPAID_PART: _prepaid_part,
    EventType.PREPAID_FULL: _prepaid_full,
    EventType.REFUNDED: _refunded,
    EventType.RECOVERED: _repaid,
    EventType.PAID_BACK: _paid_back,
    EventType.CHARGED_BACK: _charged_back,
    EventType.FEE_CHARGED: _fee_charged,
    EventType.WAIVED: _waived,
    EventType.RATE_CHANGED: _rate_changed,
    EventType.DUE_DATE_CHANGED: _due_date_changed,
    EventType.PAUSED: _paused,
    EventType.INTEREST_STOPPED: _interest_stopped,
    EventType.ACCELERATED: _accelerated,
    EventType.HARDSHIP_AGREED: _hardship_agreed,
    EventType.RESTRUCTURED: _restructured,
    EventType.CHARGED_OFF: _charged_off,
    EventType.SOLD: _sold,
    EventType.SETTLED: lambda loan, event: None,
}
