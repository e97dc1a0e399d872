"""fold(terms, events, as_of): what signed terms and a history of facts make of a loan.

Interest runs on the principal that is not yet due and, day by day, is one rounding of sum(principal x days) in the
period. Principal that was due and not paid bears penalty interest instead, after the grace days, at the lower of the
penalty rate and the cap, rounded down: on no day does any fen of principal bear more than the cap.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from operator import attrgetter
from typing import Any

from timelyrain.finance import (
    DayBasis,
    Method,
    Period,
    Rounding,
    amortise,
    level_part,
    period_interest,
    periods,
)

from .events import Event, EventType, PrepayMode
from .state import InstalmentState, LoanState, Status, Totals, bucket_of
from .terms import PPM, Allocation, Terms

_order = attrgetter("value_on", "booked_at", "id")


class ContractViolation(ValueError):
    """An event that cannot have happened under these terms: which event, which rule, which values, what to do."""

    def __init__(self, event: Event, rule: str, detail: str, **values: object) -> None:
        self.event_id = event.id
        self.rule = rule
        self.values = values
        shown = ", ".join(f"{name}={value}" for name, value in values.items())
        super().__init__(
            f"event {event.id} ({event.type} on {event.value_on}) breaks {rule}: {detail} ({shown})"
        )


def fold(terms: Terms, events: Sequence[Event], as_of: date) -> LoanState:
    """The loan on `as_of`. Events in any order; those valued after `as_of` are not looked at.

    Raises ContractViolation for a history that cannot be.
    """
    loan = _Loan(terms)
    for event in effective_events(events, as_of):
        loan.apply(event)
    return loan.state(as_of)


def preview(terms: Terms, events: Sequence[Event], hypothetical: Sequence[Event], as_of: date) -> LoanState:
    """The loan on `as_of` if `hypothetical` happened too."""
    return fold(terms, [*events, *hypothetical], as_of)


def replay(
    terms_json: str | bytes | Mapping[str, Any],
    events_json: Sequence[str | bytes | Mapping[str, Any]],
    as_of: str | date,
) -> dict[str, Any]:
    """The loan's balances from the signed JSON alone, for a third party: LoanState as JSON, with the terms' hash.

    Raises TermsInvalid, EventInvalid, ContractViolation.
    """
    terms = Terms.from_json(terms_json)
    on = date.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    return {
        "terms_sha256": terms.sha256(),
        **fold(terms, [Event.from_json(e) for e in events_json], on).to_json(),
    }


def effective_events(events: Sequence[Event], as_of: date) -> list[Event]:
    """Events up to `as_of` in the order they count, without reversals and the payments that they undo."""
    ordered = sorted((e for e in events if e.value_on <= as_of), key=_order)
    seen: dict[str, Event] = {}
    undone: set[str] = set()
    for event in ordered:
        if event.id in seen:
            raise ContractViolation(event, "unique-id", "two events carry this id; give each its own")
        seen[event.id] = event
        if event.type is EventType.REVERSED:
            undone |= {event.id, _reversed_payment(event, seen, undone).id}
    return [event for event in ordered if event.id not in undone] if undone else ordered


def _reversed_payment(event: Event, seen: Mapping[str, Event], undone: set[str]) -> Event:
    target = seen.get(str(event.data["event"]))
    if target is None or target.type in (EventType.DISBURSED, EventType.REVERSED):
        raise ContractViolation(
            event, "reverses-a-payment", "name an earlier REPAID or PREPAID event", target=event.data["event"]
        )
    if target.id in undone:
        raise ContractViolation(event, "reverses-once", "that payment is already reversed", target=target.id)
    if target.amount_fen != event.amount_fen:
        raise ContractViolation(
            event,
            "reverses-whole-payment",
            "reverse the whole amount and book a new payment",
            amount_fen=event.amount_fen,
            payment_fen=target.amount_fen,
        )
    return target


class _Row:
    """An instalment while the fold walks. `overdue_fen_days`: sum(unpaid principal x days after grace) up to `counted_to`."""

    __slots__ = (
        "counted_to",
        "due_on",
        "fallen",
        "interest",
        "interest_paid",
        "n",
        "overdue_fen_days",
        "penalty_paid",
        "principal",
        "principal_paid",
        "settled_on",
    )

    def __init__(self, n: int, due_on: date, principal: int, interest: int) -> None:
        self.n = n
        self.due_on = due_on
        self.principal = principal
        self.interest = interest
        self.principal_paid = self.interest_paid = self.penalty_paid = self.overdue_fen_days = 0
        self.counted_to = due_on
        self.fallen = False
        self.settled_on: date | None = None


class _Loan:
    """The walk through one history, day by day where something happens. Internal to `fold`."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.flat = terms.method is Method.FLAT
        self.penalty_ppm = min(terms.penalty_ppm, terms.cap_ppm)
        self.grace = timedelta(days=terms.grace_days)
        self.started: date | None = None
        self.rows: list[_Row] = []
        self.current = 0  # index of the running period; len(rows) when all have fallen due
        self.oldest = 0  # index of the first instalment not settled
        self.undue = 0  # principal not yet due (what of it is left after prepayments)
        self.base = 0  # what interest runs on: undue, or for FLAT the original principal
        self.fen_days = 0  # sum(base x days) of the running period up to `since`
        self.since = date.min
        self.received = self.surplus = self.fees = self.prepaid = 0
        self.part = 0  # what the running plan keeps equal
        self.periods: tuple[Period, ...] = ()
        self.owed_fen_days = 0  # as fen_days, on undue: what the cap is counted on
        self.allowed = 0  # the cap's worth of all periods that have ended

    # -- time ------------------------------------------------------------------------------------------------------

    def advance(self, to: date) -> None:
        """Let instalments due up to `to` fall due; surplus pays them on their day."""
        while self.current < len(self.rows) and self.rows[self.current].due_on <= to:
            row = self.rows[self.current]
            row.fallen = True
            owed = self.owed_fen_days + self.undue * (row.due_on - self.since).days
            self.allowed += self.cap_worth(owed)
            self.undue -= row.principal
            if not self.flat:
                self.base = self.undue
            self.current += 1
            self.fen_days = self.owed_fen_days = 0
            self.since = row.due_on
            self.surplus = self.pay(row, self.surplus, row.due_on)
            self.skip_settled()

    def accrued(self, on: date) -> int:
        """Interest of the running period up to `on`."""
        if self.current >= len(self.rows):
            return 0
        fen_days = self.fen_days + self.base * (on - self.since).days
        row = self.periods[self.current]
        return period_interest(fen_days, self.terms.annual_rate_ppm, row, self.terms.rounding)

    def overdue_fen_days(self, row: _Row, on: date) -> int:
        if not row.fallen:
            return 0
        days = (on - max(row.counted_to, row.due_on + self.grace)).days
        return (
            row.overdue_fen_days + (row.principal - row.principal_paid) * days
            if days > 0
            else row.overdue_fen_days
        )

    def penalty(self, row: _Row, on: date) -> int:
        """Penalty interest accrued on one instalment up to `on`, paid or not; rounded down, under the cap."""
        return self.overdue_fen_days(row, on) * self.penalty_ppm // (PPM * 365)

    # -- money -----------------------------------------------------------------------------------------------------

    def unpaid(self, row: _Row, on: date) -> int:
        paid = row.principal_paid + row.interest_paid + row.penalty_paid
        return row.principal + row.interest + self.penalty(row, on) - paid

    def pay(self, row: _Row, money: int, on: date) -> int:
        """Pay one fallen instalment in the order of the terms; returns the money left."""
        penalty = self.penalty(row, on)
        row.overdue_fen_days, row.counted_to = self.overdue_fen_days(row, on), on
        for target in self.terms.allocation if money else ():
            if target is Allocation.INTEREST:
                part = min(money, penalty - row.penalty_paid)
                row.penalty_paid += part
                money -= part
                part = min(money, row.interest - row.interest_paid)
                row.interest_paid += part
                money -= part
            elif target is Allocation.PRINCIPAL:
                part = min(money, row.principal - row.principal_paid)
                row.principal_paid += part
                money -= part
        if row.settled_on is None and not self.unpaid(row, on):
            row.settled_on = on
        return money

    def skip_settled(self) -> None:
        while self.oldest < self.current and self.rows[self.oldest].settled_on is not None:
            self.oldest += 1

    def arrears(self, on: date) -> int:
        """Everything due up to `on` and not paid."""
        return sum(self.unpaid(row, on) for row in self.rows[self.oldest : self.current])

    def fee(self, principal: int, on: date) -> int:
        """Prepayment fee on `principal`, kept within what the cap leaves after all other charges."""
        fee = principal * self.terms.prepayment_fee_ppm // PPM
        return max(0, min(fee, self.cap_room(on))) if fee else 0

    def cap_room(self, on: date) -> int:
        """What may still be charged by `on`: the cap on owed principal x days, less everything charged so far."""
        cap, fallen = self.terms.cap_ppm, self.rows[: self.current]
        room = self.allowed + sum(self.overdue_fen_days(row, on) * cap // (PPM * 365) for row in fallen)
        if self.current < len(self.rows):
            owed = self.owed_fen_days + self.undue * (on - self.since).days
            room += self.cap_worth(owed)
        charged = sum(row.interest + self.penalty(row, on) for row in fallen) + self.accrued(on) + self.fees
        return room - charged

    def cap_worth(self, owed_fen_days: int) -> int:
        """The cap on principal x days of the running period; ACT_360 must not stretch the year of the cap."""
        if self.terms.day_basis is DayBasis.ACT_360:
            return owed_fen_days * self.terms.cap_ppm // (PPM * 365)
        return period_interest(owed_fen_days, self.terms.cap_ppm, self.periods[self.current], Rounding.DOWN)

    def payoff(self, on: date) -> tuple[int, int]:
        """(what settles the loan on `on` beyond its surplus, the fee in it)."""
        fee = self.fee(self.undue, on)
        return max(0, self.arrears(on) + self.undue + self.accrued(on) + fee - self.surplus), fee

    # -- events ----------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        if event.type is EventType.DISBURSED:
            self.disburse(event)
            return
        if self.started is None:
            raise ContractViolation(
                event, "disbursed-first", "nothing can happen before the money is paid out"
            )
        self.advance(event.value_on)
        if event.type is EventType.REPAID:
            self.repay(event)
        elif self.settled():
            raise ContractViolation(
                event, "nothing-after-settlement", "the loan is settled; book money as REPAID"
            )
        elif event.type is EventType.PREPAID_PART:
            self.prepay_part(event)
        else:
            self.prepay_full(event)

    def disburse(self, event: Event) -> None:
        terms = self.terms
        if self.started is not None:
            raise ContractViolation(
                event, "disbursed-once", "the money was paid out before", first=self.started
            )
        if event.amount_fen != terms.principal_fen:
            raise ContractViolation(
                event,
                "disburse-whole-principal",
                "pay out exactly the principal; nothing may be deducted",
                amount_fen=event.amount_fen,
                principal_fen=terms.principal_fen,
            )
        self.started = self.since = event.value_on
        self.periods = periods(self.started, terms.instalments, terms.method, terms.day_basis, terms.due_day)
        self.undue = self.base = terms.principal_fen
        self.part = level_part(self.undue, terms.annual_rate_ppm, self.periods, terms.method)
        self.lay_out(elapsed=0, stop_when_paid=False)

    def lay_out(self, *, elapsed: int, stop_when_paid: bool) -> None:
        """Replace the instalments from the running one on by a plan for the principal not yet due."""
        rest = self.periods[self.current : len(self.rows) or None]
        plan = amortise(
            self.undue,
            self.terms.annual_rate_ppm,
            rest,
            self.terms.method,
            self.terms.rounding,
            self.part,
            elapsed=elapsed,
            carried_fen_days=self.fen_days,
            flat_base_fen=self.base,
        )
        rows = [_Row(row.n, row.due_on, row.principal_fen, row.interest_fen) for row in plan]
        if stop_when_paid:
            rows = rows[: 1 + next(k for k, row in enumerate(plan) if not row.balance_fen)]
        self.rows[self.current :] = rows

    def repay(self, event: Event) -> None:
        money = event.amount_fen
        self.received += money
        for row in self.rows[self.oldest : self.current]:
            if not money:
                break
            money = self.pay(row, money, event.value_on)
        self.skip_settled()
        self.surplus += money

    def prepay_part(self, event: Event) -> None:
        terms, on, mode = self.terms, event.value_on, event.data["mode"]
        arrears = self.arrears(on)
        if arrears:
            raise ContractViolation(
                event, "arrears-first", "pay what is due as REPAID first", amount_due_fen=arrears
            )
        most = event.amount_fen * terms.prepayment_fee_ppm // (PPM + terms.prepayment_fee_ppm)
        fee = max(0, min(most, self.cap_room(on))) if most else 0
        principal = event.amount_fen - fee
        if principal >= self.undue:
            raise ContractViolation(
                event,
                "part-below-whole",
                "use PREPAID_FULL to settle",
                principal_fen=principal,
                principal_not_due_fen=self.undue,
            )
        if mode == PrepayMode.KEEP_INSTALMENT and not self.part:
            raise ContractViolation(
                event, "instalment-to-keep", "these terms allow keep_term only", method=terms.method
            )
        self.received += event.amount_fen
        self.fees += fee
        self.prepaid += principal
        opened = self.rows[self.current - 1].due_on if self.current else self.started or on
        days = (on - self.since).days
        self.fen_days += self.base * days
        self.owed_fen_days += self.undue * days
        self.since = on
        left = self.undue - principal
        self.base = self.base * left // self.undue
        self.undue = left
        elapsed = (on - opened).days
        if mode == PrepayMode.KEEP_TERM:
            rest = self.periods[self.current : len(self.rows)]
            rate = terms.annual_rate_ppm
            self.part = level_part(
                left, rate, rest, terms.method, elapsed=elapsed, carried_fen_days=self.fen_days
            )
        self.lay_out(elapsed=elapsed, stop_when_paid=mode == PrepayMode.KEEP_INSTALMENT)

    def prepay_full(self, event: Event) -> None:
        on = event.value_on
        payoff, fee = self.payoff(on)
        if event.amount_fen != payoff:
            raise ContractViolation(
                event,
                "settle-exactly",
                "the amount must be the payoff of the day; book other money as REPAID",
                amount_fen=event.amount_fen,
                payoff_fen=payoff,
            )
        self.received += payoff
        self.fees += fee
        money = payoff + self.surplus - fee
        if self.current < len(
            self.rows
        ):  # the running instalment falls due today with all principal; no later ones
            row = self.rows[self.current]
            row.principal, row.interest, row.due_on, row.counted_to, row.fallen = (
                self.undue,
                self.accrued(on),
                on,
                on,
                True,
            )
            del self.rows[self.current + 1 :]
            self.current += 1
            self.undue = self.base = 0
        for row in self.rows[self.oldest :]:
            money = self.pay(row, money, on)
        self.skip_settled()
        self.surplus = money

    # -- result ----------------------------------------------------------------------------------------------------

    def settled(self) -> bool:
        return self.started is not None and self.oldest == len(self.rows)

    def state(self, as_of: date) -> LoanState:
        self.advance(as_of)
        rows = tuple(
            InstalmentState(
                row.n,
                row.due_on,
                row.principal,
                row.interest,
                row.principal_paid,
                row.interest_paid,
                self.penalty(row, as_of),
                row.penalty_paid,
                row.settled_on,
            )
            for row in self.rows
        )
        oldest = rows[self.oldest] if self.oldest < self.current else None
        dpd = (as_of - oldest.due_on).days if oldest else 0
        totals = Totals(
            disbursed_fen=self.terms.principal_fen if self.started else 0,
            received_fen=self.received,
            principal_paid_fen=sum(row.principal_paid_fen for row in rows) + self.prepaid,
            prepaid_principal_fen=self.prepaid,
            interest_accrued_fen=sum(row.interest_due_fen for row in rows[: self.current])
            + self.accrued(as_of),
            interest_paid_fen=sum(row.interest_paid_fen for row in rows),
            penalty_accrued_fen=sum(row.penalty_accrued_fen for row in rows),
            penalty_paid_fen=sum(row.penalty_paid_fen for row in rows),
            fee_charged_fen=self.fees,
            surplus_fen=self.surplus,
        )
        payoff, fee = self.payoff(as_of)
        if self.started is None:
            status = Status.PENDING
        elif self.settled():
            status = Status.SETTLED
        else:
            status = Status.OVERDUE if dpd else Status.ACTIVE
        return LoanState(
            as_of=as_of,
            status=status,
            instalments=rows,
            outstanding_principal_fen=totals.principal_receivable_fen,
            dpd=dpd,
            bucket=bucket_of(dpd),
            next_due=rows[self.current] if self.current < len(rows) else None,
            amount_due_fen=self.arrears(as_of),
            payoff_fen=payoff,
            prepayment_fee_fen=fee,
            totals=totals,
        )
