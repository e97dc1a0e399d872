"""One loan while the fold walks through its history: what time does to it, and how money is spread over what is due.

Interest runs on the principal that is not yet due and, day by day, is one rounding of sum(principal x days x rate) in
the period. Principal that was due and not paid bears penalty interest instead, after the grace days, at the lower of the
penalty rate and the cap, rounded down: on no day does any fen of principal bear more than the cap.
"""

from collections.abc import Sequence
from datetime import date, timedelta

from timelyrain.finance import (
    CalendarEnds,
    DayBasis,
    Grace,
    Method,
    Period,
    Rounding,
    Unit,
    add_months,
    amortise,
    even,
    flat_total,
    level_part,
    period_interest,
    periods,
    rolled_month,
    round_ratio,
    rounded_once,
)

from .charges import Allocation
from .events import Event
from .rows import Pool, Row, shares
from .state import ChargeOff, Sale
from .terms import PPM, Terms, dates_of, grace_of
from .violations import ContractViolation

_DAY = timedelta(days=1)
_PENALTY_YEAR = PPM * 365


class Loan:
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
        self.current = 0  # index of the running period; len(rows) when all have fallen due
        self.oldest = 0  # index of the first instalment not settled
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

    def start(self, on: date) -> None:
        """The money goes out: interest counts from `on`, and the plan has its dates."""
        terms = self.terms
        self.started = self.since = on
        self.periods = list(
            self.plan_dates(
                on, terms.instalments, terms.due_day, terms.first_due, grace_of(terms), dict(terms.custom_fen)
            )
        )

    def plan_dates(
        self,
        start: date,
        count: int,
        due_day: int | None,
        first_due: date | None = None,
        grace: Grace | None = None,
        fixed_fen: dict[int, int] | None = None,
    ) -> tuple[Period, ...]:
        """Periods under these terms. Past the end of its calendar a firm event is refused; what was booked before keeps
        its agreed days."""
        terms, dates, grace = self.terms, dates_of(self.terms, first_due), grace or Grace()
        method, basis = terms.method, terms.day_basis
        try:
            return periods(start, count, method, basis, due_day, grace=grace, fixed_fen=fixed_fen, **dates)
        except CalendarEnds as ends:
            if self.firm and self.event:
                raise ContractViolation(self.event, "calendar-covers-the-plan", str(ends)) from ends
        dates["calendar"] = None
        return periods(start, count, method, basis, due_day, grace=grace, fixed_fen=fixed_fen, **dates)

    def agreed_month(self) -> date:
        """A day of the month whose due day the running instalment has, whatever it rolled or was shifted to."""
        terms, due_day, due_on = self.terms, self.day_of_month(), self.rows[self.current].due_on
        if terms.calendar is not None:
            for months in (0, -1, 1):
                middle = add_months(due_on, months, 15)
                agreed = add_months(middle, 0, due_day, terms.month_end)
                try:
                    if terms.calendar.shift(agreed, terms.shift) == due_on:
                        return middle
                except CalendarEnds:
                    continue
        return rolled_month(due_on, due_day, terms.month_end)

    def day_of_month(self) -> int | None:
        """The day that monthly instalments keep."""
        if self.terms.unit is not Unit.MONTHS or self.started is None:
            return None
        return self.due_day or (self.terms.first_due or self.started).day

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

    def undue_interest(self, index: int) -> int:
        """The most that the period of an instalment to come can bear: interest on all principal not yet due."""
        weight = self.periods[index].whole - (
            self.elapsed() if index == self.current else self.standing(index)
        )
        counted = (self.counted if index == self.current else 0) + self.base * weight * self.rate
        return period_interest(counted, 1, self.periods[index], self.terms.rounding)

    # -- the plan --------------------------------------------------------------------------------------------------

    def elapsed(self) -> int:
        """Weight of the running period up to `since`: counted already, or bearing nothing."""
        period = self.periods[self.current]
        return period.weight(period.start, min(self.since, period.due_on))

    def standing(self, index: int) -> int:
        """Weight of a period to come in which interest stands still."""
        period = self.periods[index]
        until = min(self.still, period.due_on)
        return period.weight(period.start, until) if until > period.start else 0

    def lay_out(self, *, level: bool = True, shorten: bool = False) -> None:
        """Replace the instalments from the running one on by a plan for the principal not yet due.

        level: find anew what stays equal. shorten: leave out the instalments that nothing is left for.
        """
        terms, current, rest = self.terms, self.current, self.periods[self.current :]
        method, rate, elapsed, carried = terms.method, self.rate, self.elapsed(), self.counted
        if self.still > rest[0].due_on:
            rest[1:] = [
                period._replace(whole=period.whole - self.standing(current + k))
                for k, period in enumerate(rest[1:], 1)
            ]
        if rate and not carried % rate:
            carried //= rate
        else:  # the rate changed within the running period: it goes into the weight
            rest = [period._replace(whole=period.whole * rate) for period in rest]
            elapsed, rate = elapsed * rate, 1
        smooth, totals = False, terms.equal_totals
        if level:
            gone, run = (
                (0, 0) if self.joined else (elapsed, carried)
            )  # new money as if there from the period's start
            self.joined = False
            part = flat_total(
                self.undue, rate, rest, terms.rounding, self.base,
                elapsed=elapsed, carried_fen_days=carried, multiple_fen=terms.multiple_fen,
            ) if totals else level_part(
                self.undue, rate, rest, method, elapsed=gone, carried_fen_days=run, multiple_fen=terms.multiple_fen
            )  # fmt: skip
            self.part, smooth = max(0, part), terms.smooth
        if smooth:
            self.part, plan = even(
                self.undue, rate, rest, method, terms.rounding, self.part,
                elapsed=elapsed, carried_fen_days=carried, flat_base_fen=self.base, put_off=self.put_off,
                multiple_fen=terms.multiple_fen,
            )  # fmt: skip
        else:
            plan = amortise(
                self.undue, rate, rest, method, terms.rounding, self.part,
                elapsed=elapsed, carried_fen_days=carried, flat_base_fen=self.base,
                equal_totals=totals, put_off=self.put_off,
            )  # fmt: skip
        if terms.whole_interest:
            plan = rounded_once(
                plan, self.base, rate, rest, terms.rounding, elapsed=elapsed, carried_fen_days=carried
            )
        rows = self.rows[current:]
        rows += [Row(row.n, row.due_on, 0, 0) for row in plan[len(rows) :]]
        for row, made in zip(rows, plan, strict=False):
            row.n, row.due_on, row.counted_to = made.n, made.due_on, made.due_on
            row.principal, row.interest = made.principal_fen, made.interest_fen
            row.carried = row.penalty_base = row.cost = 0
        del rows[len(plan) :]
        if shorten:
            ends = (k for k, row in enumerate(plan) if not row.balance_fen and rest[k].collects)
            rows = rows[: 1 + next(ends, len(plan) - 1)]
            del self.periods[self.current + len(rows) :]
        self.share_pool(rows)
        rows[0].cost += self.next_cost
        self.rows[self.current :] = rows

    def share_pool(self, rows: Sequence[Row]) -> None:
        """What waits, in equal shares on the instalments to come; those of an agreed amount bear nothing of it."""
        if not any(self.pool.sums()):
            return
        bearing = [
            row
            for k, (row, period) in enumerate(zip(rows, self.periods[self.current :], strict=True), 1)
            if period.fixed_fen is None or k == len(rows)
        ]
        for row, interest, penalty, cost in zip(
            bearing, *(shares(fen, len(bearing)) for fen in self.pool.sums()), strict=True
        ):
            row.carried, row.penalty_base, row.cost = interest, penalty, cost
            row.interest += interest

    def replan(self, rest: Sequence[Period]) -> None:
        """Give the running instalment and those to come the dates of `rest`; what has run so far keeps its worth."""
        old, first = self.periods[self.current], rest[0]
        if (old.num, old.den) != (first.num, first.den) and old.num and first.num:
            scale, unit = old.num * first.den, old.den * first.num
            self.counted, self.owed = -(-self.counted * scale // unit), -(-self.owed * scale // unit)
        agreed = self.periods[self.current :]
        agreed += [agreed[-1]._replace(fixed_fen=None)] * (len(rest) - len(agreed))
        self.periods[self.current :] = [
            period._replace(
                n=old.n + k,
                num=period.num if was.num else 0,
                repays=was.repays,
                collects=was.collects,
                fixed_fen=was.fixed_fen,
            )
            for k, (period, was) in enumerate(zip(rest, agreed, strict=False))
        ]

    def append(self, extra: int) -> None:
        """`extra` more periods after the last; `lay_out` gives them their instalments."""
        if extra:
            last = self.periods[-1]
            more = self.plan_dates(last.due_on, extra, self.day_of_month())
            self.periods += [period._replace(n=last.n + period.n) for period in more]

    def insert_due(self, row: Row) -> None:
        """A debt that is due today and stands in no plan."""
        row.fallen = True
        on = row.due_on
        self.rows.insert(self.current, row)
        self.periods.insert(self.current, Period(0, on, 0, 0, 1, on, 0, self.terms.day_basis))
        self.current += 1

    def spread_anew(self, rest: Sequence[Period], on: date) -> None:
        """Everything owed, over `rest` from `on`: principal as principal, the other sums without bearing interest."""
        moved = 0
        for row in self.rows[self.oldest : self.current]:
            penalty = self.hold(row, on) - row.penalty_paid - row.penalty_waived
            interest = row.interest - row.interest_paid - row.interest_waived
            cost = row.cost - row.cost_paid - row.cost_waived
            moved += row.principal - row.principal_paid
            row.principal = row.principal_paid
            row.interest -= interest
            row.penalty_base -= penalty
            row.cost -= cost
            self.pool.interest += interest
            self.pool.penalty += penalty
            self.pool.cost += cost
            self.mark(row, on)
        if self.current < len(self.rows):
            self.pool.interest += self.cut(on)
        self.pool.cost += self.next_cost
        self.pool.interest += self.put_off
        self.next_cost = self.put_off = 0
        self.undue += moved
        self.base, self.oldest = self.undue, self.current
        self.restart(on)
        number = max((row.n for row in self.rows[: self.current]), default=0)
        self.periods[self.current :] = [p._replace(n=number + p.n) for p in rest]
        self.lay_out()

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
