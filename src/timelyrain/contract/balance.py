"""What is owed on a loan while the fold walks through it: what time does to it, how money is spread, what the cap leaves over.

Interest runs on the principal that is not yet due and, day by day, is one rounding of sum(principal x days x rate) in
the period. Principal that was due and not paid bears penalty interest instead, after the grace days, at the lower of the
penalty rate and the cap, rounded down: on no day does any fen of principal bear more than the cap.
"""

from datetime import date, timedelta

from timelyrain.finance import (
    DayBasis,
    Method,
    Period,
    Rounding,
    Unit,
    period_interest,
    round_ratio,
)

from .charges import Allocation
from .events import Event
from .rows import Pool, Row
from .state import ChargeOff, Sale
from .terms import PPM, Terms

_DAY = timedelta(days=1)
_PENALTY_YEAR = PPM * 365


class Balance:
    """Mutable, internal to `fold`. Rows before `current` have fallen due; `periods` run parallel to `rows`."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.weekly = (
            terms.unit is Unit.WEEKS and terms.day_basis is DayBasis.PER_INSTALMENT
        )  # 52 weeks: 364 days
        self.flat = terms.method is Method.FLAT
        self.event: Event | None = None  # what is happening, and whether it is judged firmly
        self.firm = False
        self.penalty_ppm = min(terms.penalty_ppm, terms.cap_ppm)
        self.late_after = timedelta(days=terms.grace_days)
        self.rate = terms.annual_rate_ppm
        self.due_day = terms.due_day
        self.owner = terms.lender
        self.started: date | None = None
        self.charged_off_on: date | None = None
        self.charge_off: ChargeOff | None = None
        self.sales: list[Sale] = []
        self.rows: list[Row] = []
        self.periods: list[Period] = []
        self.current: int = 0  # index of the running period; len(rows) when all have fallen due
        self.oldest: int = 0  # index of the first instalment not settled
        self.part = 0  # what the running plan keeps equal
        self.disbursed = self.parts = 0
        self.undue: int = 0  # principal not yet due (what of it is left after prepayments)
        self.put_off = (
            0  # interest of periods of grace that have ended, due with the next instalment that collects it
        )
        self.still = date.min  # no interest runs before this day
        self.joined = False  # money was paid out since the level part was found
        self.base = 0  # what interest runs on: undue, or for FLAT the original principal
        self.since = (
            date.min
        )  # the running period is counted up to here (later than today while interest stands still)
        self.counted = 0  # sum(base x weight x rate) of the running period up to `since`
        self.owed = 0  # sum(undue x weight) of the same: what the cap is counted on
        self.allowed = 0  # the cap's worth of all periods that have ended
        self.pool = Pool()
        self.next_cost: int = 0  # fees that fall due with the running instalment
        # surplus below zero: returned to the borrower before the payment it came from turned out to be worth nothing
        self.received = self.surplus = self.paid_back = self.goodwill = self.prepaid = 0
        self.fees = self.late_fees = self.service_fees = 0
        self.charged_off = self.recovered = 0

    # -- time ------------------------------------------------------------------------------------------------------

    def advance(self, to: date) -> None:
        """Let instalments due up to `to` fall due; surplus pays them on their day."""
        while self.current < len(self.rows) and self.rows[self.current].due_on <= to:
            row = self.rows[self.current]
            self.allowed += self.cap_worth(self.owed + self.undue * self.weight(row.due_on))
            if not self.periods[self.current].collects and self.current < len(self.rows) - 1:
                self.put_off += self.accrued(row.due_on)
            elif self.put_off:
                self.put_off = 0  # it is in the row
            self.undue -= row.principal
            if not self.flat:
                self.base = self.undue
            self.fall(row)
            self.counted = self.owed = 0
            self.since = max(row.due_on, self.still)
            self.mark(row, row.due_on)
            self.surplus = self.pay_due(self.surplus, row.due_on)

    def fall(self, row: Row) -> None:
        """The running row is due now, with its share of what waited for it."""
        row.fallen = True
        self.pool.interest -= row.carried
        self.pool.penalty -= row.penalty_base
        self.pool.cost -= row.cost - self.next_cost
        self.next_cost = 0
        self.current += 1

    def foresee(self, on: date) -> None:
        """Make the instalments to come what they will be if nothing happens after `on`. Here they are."""

    def weight(self, on: date) -> int:
        """Weight of the days of the running period from `since` to `on`."""
        return self.periods[self.current].weight(self.since, on) if on > self.since else 0

    def count(self, on: date) -> None:
        """Close the sums of the running period on `on`, before balance or rate change."""
        if self.current < len(self.rows):
            weight = self.weight(on)
            self.counted += self.base * weight * self.rate
            self.owed += self.undue * weight
        self.since = max(self.since, on)

    def accrued(self, on: date) -> int:
        """Interest of the running period up to `on`."""
        if self.current >= len(self.rows):
            return 0
        counted = self.counted + self.base * self.weight(on) * self.rate
        return period_interest(counted, 1, self.periods[self.current], self.terms.rounding)

    def lend(self, amount: int) -> None:
        """More principal, not yet due."""
        self.undue += amount
        self.base += amount
        self.joined = True

    def down_payment(self, amount: int) -> int:
        """The part of money paid out that is due back on its day."""
        multiple = self.terms.multiple_fen
        return min(amount, round_ratio(amount * self.terms.down_payment_ppm, PPM * multiple) * multiple)

    def reduce(self, principal: int) -> None:
        """Less principal that is not yet due: paid ahead, outside of any instalment."""
        left = self.undue - principal
        self.base = self.base * left // self.undue
        self.undue = left
        self.prepaid += principal

    def overdue_fen_days(self, row: Row, on: date) -> int:
        owed = row.principal - row.principal_paid
        if not owed or not row.fallen:
            return row.overdue_fen_days
        if self.charged_off_on is not None and on > self.charged_off_on:
            on = self.charged_off_on
        since = row.due_on + self.late_after if self.late_after else row.due_on
        days = (on - max(row.counted_to, since)).days
        return row.overdue_fen_days + owed * days if days > 0 else row.overdue_fen_days

    def penalty(self, row: Row, on: date) -> int:
        """Penalty interest of one instalment up to `on`, paid or not; rounded down, under the cap."""
        return row.penalty_base + self.overdue_fen_days(row, on) * self.penalty_ppm // _PENALTY_YEAR

    # -- money -----------------------------------------------------------------------------------------------------

    def unpaid(self, row: Row, on: date) -> int:
        gone = row.principal_paid + row.interest_paid + row.penalty_paid + row.cost_paid
        gone += row.interest_waived + row.penalty_waived + row.cost_waived
        return row.principal + row.interest + row.cost + self.penalty(row, on) - gone

    def pay(self, row: Row, money: int, on: date) -> int:
        """Pay one fallen instalment in the order of the terms; returns the money left."""
        penalty = self.hold(row, on)
        for target in self.terms.allocation if money else ():
            if target is Allocation.INTEREST:
                part = min(money, penalty - row.penalty_paid - row.penalty_waived)
                row.penalty_paid += part
                money -= part
                part = min(money, row.interest - row.interest_paid - row.interest_waived)
                row.interest_paid += part
            elif target is Allocation.PRINCIPAL:
                part = min(money, row.principal - row.principal_paid)
                row.principal_paid += part
            else:
                part = min(money, row.cost - row.cost_paid - row.cost_waived)
                row.cost_paid += part
            money -= part
        self.mark(row, on)
        return money

    def hold(self, row: Row, on: date) -> int:
        """Count the row's penalty up to `on`, before its principal changes; returns the penalty."""
        row.overdue_fen_days, row.counted_to = self.overdue_fen_days(row, on), on
        return row.penalty_base + row.overdue_fen_days * self.penalty_ppm // _PENALTY_YEAR

    def mark(self, row: Row, on: date) -> None:
        if row.settled_on is None and not self.unpaid(row, on):
            row.settled_on = on

    def skip_settled(self) -> None:
        while self.oldest < self.current and self.rows[self.oldest].settled_on is not None:
            self.oldest += 1

    def pay_due(self, money: int, on: date) -> int:
        """Pay what is due, oldest first; returns the money left."""
        for row in self.rows[self.oldest : self.current]:
            if money <= 0:
                break
            money = self.pay(row, money, on)
        self.skip_settled()
        return money

    def receive(self, money: int, on: date) -> int:
        """Pay what is due and, as the terms have it, what is not due yet; returns the money left. Here it waits."""
        return self.pay_due(money, on)

    def bank(self, on: date, most: int | None = None) -> None:
        """Set apart what was paid ahead of its day on instalments to come. Here there is nothing."""

    def settle(self, money: int, on: date) -> int:
        """Pay everything, due or not; returns the money left."""
        self.close(on)
        return self.pay_due(money, on)

    def arrears(self, on: date) -> int:
        """Everything due up to `on` and not paid."""
        unpaid = sum(self.unpaid(row, on) for row in self.rows[self.oldest : self.current])
        return unpaid - min(self.surplus, 0)

    def waiting(self) -> int:
        """What is owed beside the principal not yet due and its running interest, and not due yet either."""
        return sum(self.pool.sums()) + self.next_cost + self.put_off

    def to_come(self, on: date) -> int:
        """What is owed on `on` and not due yet."""
        return self.undue + self.accrued(on) + self.waiting()

    def payoff(self, on: date) -> tuple[int, int]:
        """(what settles the loan on `on` beyond its surplus, the fee in it)."""
        fee = self.fee(self.undue, on)
        owed = self.arrears(on) + self.to_come(on) + fee
        return max(0, owed - max(self.surplus, 0)), fee

    def settled(self) -> bool:
        return self.started is not None and self.oldest == len(self.rows) and self.surplus >= 0

    # -- the cap ---------------------------------------------------------------------------------------------------

    def fee(self, principal: int, on: date) -> int:
        """Prepayment fee on `principal`, kept within what the cap leaves after all other charges."""
        fee = principal * self.terms.prepayment_fee_ppm // PPM
        return max(0, min(fee, self.cap_room(on))) if fee else 0

    def cap_room(self, on: date) -> int:
        """What may still be charged by `on`: the cap on owed principal x days, less everything charged so far."""
        cap, fallen = self.terms.cap_ppm, self.rows[: self.current]
        room = self.allowed + sum(self.overdue_fen_days(row, on) * cap // (PPM * 365) for row in fallen)
        if self.current < len(self.rows):
            room += self.cap_worth(self.owed + self.undue * self.weight(on))
        return room - self.charged(on)

    def charged(self, on: date) -> int:
        """All charges up to `on`, but for what was forgiven."""
        charged = self.pool.interest + self.pool.penalty + self.put_off + self.accrued(on)
        for row in self.rows[: self.current]:
            charged += row.interest - row.interest_waived + self.penalty(row, on) - row.penalty_waived
            charged -= row.cost_waived
        return charged + self.fees + self.late_fees + self.service_fees

    def fee_room(self, on: date) -> int:
        """`cap_room` while the loan goes on: FLAT interest will use up room that the cap on a falling principal won't give."""
        room = self.cap_room(on)
        if not self.flat or self.current == len(self.rows):
            return room
        undue, to_come = (
            self.undue,
            self.accrued(on) - self.cap_worth(self.owed + self.undue * self.weight(on)),
        )
        for index in range(self.current, len(self.rows)):
            row, period = self.rows[index], self.periods[index]
            owed = undue * period.whole
            if index == self.current:
                owed = self.owed + undue * period.weight(self.since, row.due_on)
            to_come += self.cap_worth(owed, index) - (row.interest - row.carried)
            undue -= row.principal
        return min(room, room + to_come)

    def cap_worth(self, owed: int, index: int | None = None) -> int:
        """The cap on principal x weight of a period (the running one), whose year may have 360 or 364 days; the cap's has 365."""
        period = self.periods[self.current if index is None else index]
        if self.terms.day_basis in (DayBasis.ACT_360, DayBasis.ACT_364) or self.weekly:
            return owed * self.terms.cap_ppm // (PPM * 365)
        return period_interest(owed, self.terms.cap_ppm, period, Rounding.DOWN)

    # -- the end of a period ----------------------------------------------------------------------------------------

    def restart(self, on: date) -> None:
        """Interest runs from `on`, whatever stood still."""
        self.since, self.still = on, date.min

    def cut(self, on: date) -> int:
        """End the running period on `on`; returns its interest."""
        running = self.accrued(on)
        self.allowed += self.cap_worth(self.owed + self.undue * self.weight(on))
        self.counted = self.owed = 0
        return running

    def close(self, on: date) -> None:
        """All principal, what has run on it and what waited fall due on `on`; no instalment comes after."""
        if self.current == len(self.rows):
            return
        row, running = self.rows[self.current], self.cut(on)
        row.principal, row.interest = self.undue, running + self.pool.interest + self.put_off
        row.carried, row.penalty_base = self.pool.interest, self.pool.penalty
        row.cost = self.pool.cost + self.next_cost
        row.due_on = row.counted_to = on
        del self.rows[self.current + 1 :], self.periods[self.current + 1 :]
        self.fall(row)
        self.mark(row, on)
        self.undue = self.base = self.put_off = 0

    # -- days ahead ------------------------------------------------------------------------------------------------

    def running_line(self, on: date) -> tuple[date, int, int, int, date]:
        """Interest of the running period as a line: (start, at start, a day, per, the first day it may have turned)."""
        if self.current >= len(self.rows):
            return on, 0, 0, 1, date.max
        period, start = self.periods[self.current], max(on, self.since)
        counted = self.counted + self.base * self.weight(start) * self.rate
        a_day = self.base * self.rate * period.weight(start, start + _DAY)
        return start, counted * period.num, a_day * period.num, PPM * period.den, turns(period, start)


def turns(period: Period, start: date) -> date:
    """The first day after `start` on which a day of the period weighs differently: where a leap year begins or ends."""
    if period.whole == period.days:
        return date.max
    last = date(start.year, 12, 31)
    return last if start < last else last + _DAY
