"""One loan while the fold walks through its history: what time does to it, and how money is spread over what is due.

Interest runs on the principal that is not yet due and, day by day, is one rounding of sum(principal x days x rate) in
the period. Principal that was due and not paid bears penalty interest instead, after the grace days, at the lower of the
penalty rate and the cap, rounded down: on no day does any fen of principal bear more than the cap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from timelyrain.finance import (
    DayBasis,
    Method,
    Period,
    Rounding,
    Unit,
    amortise,
    level_part,
    period_interest,
    periods,
    round_ratio,
)

from .state import ChargeOff, Sale
from .terms import PPM, Allocation, Terms, dates_of, grace_of


class Row:
    """An instalment while the fold walks. `overdue_fen_days`: sum(unpaid principal x days after grace) up to `counted_to`.

    penalty_base: penalty that moved here from another row (negative where it moved away). carried: interest that did.
    """

    __slots__ = (
        "carried", "cost", "cost_paid", "cost_waived", "counted_to", "due_on", "fallen", "interest", "interest_paid",
        "interest_waived", "late_fee", "n", "overdue_fen_days", "penalty_base", "penalty_paid", "penalty_waived",
        "principal", "principal_paid", "settled_on",
    )  # fmt: skip

    def __init__(self, n: int, due_on: date, principal: int, interest: int) -> None:
        self.n = n
        self.due_on = self.counted_to = due_on
        self.principal = principal
        self.interest = interest
        self.cost = self.penalty_base = self.carried = self.overdue_fen_days = 0
        self.principal_paid = self.interest_paid = self.penalty_paid = self.cost_paid = 0
        self.interest_waived = self.penalty_waived = self.cost_waived = 0
        self.fallen = self.late_fee = False
        self.settled_on: date | None = None


@dataclass(slots=True)
class Pool:
    """Sums that are owed, bear nothing, and fall due with the instalments to come."""

    interest: int = 0
    penalty: int = 0
    cost: int = 0

    def sums(self) -> tuple[int, int, int]:
        return self.interest, self.penalty, self.cost


class Loan:
    """Mutable, internal to `fold`. Rows before `current` have fallen due; `periods` run parallel to `rows`."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.weekly = (
            terms.unit is Unit.WEEKS and terms.day_basis is DayBasis.PER_INSTALMENT
        )  # 52 weeks: 364 days
        self.flat = terms.method is Method.FLAT
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
        self.undue = 0  # principal not yet due (what of it is left after prepayments)
        self.base = 0  # what interest runs on: undue, or for FLAT the original principal
        self.since = (
            date.min
        )  # the running period is counted up to here (later than today while interest stands still)
        self.counted = 0  # sum(base x weight x rate) of the running period up to `since`
        self.owed = 0  # sum(undue x weight) of the same: what the cap is counted on
        self.allowed = 0  # the cap's worth of all periods that have ended
        self.pool = Pool()
        self.next_cost = 0  # fees that fall due with the running instalment
        # surplus below zero: returned to the borrower before the payment it came from turned out to be worth nothing
        self.received = self.surplus = self.paid_back = self.goodwill = self.prepaid = 0
        self.fees = self.late_fees = self.service_fees = 0
        self.charged_off = self.recovered = 0

    def start(self, on: date) -> None:
        """The money goes out: interest counts from `on`, and the plan has its dates."""
        terms = self.terms
        self.started = self.since = on
        self.periods = list(
            periods(
                on, terms.instalments, terms.method, terms.day_basis, terms.due_day,
                grace=grace_of(terms), **dates_of(terms, terms.first_due),
            )
        )  # fmt: skip

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
            self.undue -= row.principal
            if not self.flat:
                self.base = self.undue
            self.fall(row)
            self.counted = self.owed = 0
            self.since = row.due_on
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

    def overdue_fen_days(self, row: Row, on: date) -> int:
        if not row.fallen:
            return 0
        if self.charged_off_on is not None and on > self.charged_off_on:
            on = self.charged_off_on
        days = (on - max(row.counted_to, row.due_on + self.late_after)).days
        if days <= 0:
            return row.overdue_fen_days
        return row.overdue_fen_days + (row.principal - row.principal_paid) * days

    def penalty(self, row: Row, on: date) -> int:
        """Penalty interest of one instalment up to `on`, paid or not; rounded down, under the cap."""
        return row.penalty_base + self.overdue_fen_days(row, on) * self.penalty_ppm // (PPM * 365)

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
        penalty = self.penalty(row, on)
        row.overdue_fen_days, row.counted_to = self.overdue_fen_days(row, on), on
        return penalty

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

    def arrears(self, on: date) -> int:
        """Everything due up to `on` and not paid."""
        unpaid = sum(self.unpaid(row, on) for row in self.rows[self.oldest : self.current])
        return unpaid - min(self.surplus, 0)

    def waiting(self) -> int:
        """What is owed beside the principal not yet due and its running interest, and not due yet either."""
        return sum(self.pool.sums()) + self.next_cost

    def payoff(self, on: date) -> tuple[int, int]:
        """(what settles the loan on `on` beyond its surplus, the fee in it)."""
        fee = self.fee(self.undue, on)
        owed = self.arrears(on) + self.undue + self.accrued(on) + self.waiting() + fee
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
        charged = self.pool.interest + self.pool.penalty + self.accrued(on)
        for row in fallen:
            charged += row.interest - row.interest_waived + self.penalty(row, on) - row.penalty_waived
            charged -= row.cost_waived
        return room - charged - self.fees - self.late_fees - self.service_fees

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
        weight = self.periods[index].whole - (self.elapsed() if index == self.current else 0)
        counted = (self.counted if index == self.current else 0) + self.base * weight * self.rate
        return period_interest(counted, 1, self.periods[index], self.terms.rounding)

    # -- the plan --------------------------------------------------------------------------------------------------

    def elapsed(self) -> int:
        period = self.periods[self.current]
        return period.weight(period.start, self.since)

    def lay_out(self, *, level: bool = True, shorten: bool = False) -> None:
        """Replace the instalments from the running one on by a plan for the principal not yet due.

        level: find anew what stays equal. shorten: leave out the instalments that nothing is left for.
        """
        method, rest = self.terms.method, self.periods[self.current :]
        rate, elapsed, carried = self.rate, self.elapsed(), self.counted
        if rate and not carried % rate:
            carried //= rate
        else:  # the rate changed within the running period: it goes into the weight
            rest = [period._replace(whole=period.whole * rate) for period in rest]
            elapsed, rate = elapsed * rate, 1
        if level:
            part = level_part(
                self.undue, rate, rest, method,
                elapsed=elapsed, carried_fen_days=carried, multiple_fen=self.terms.multiple_fen,
            )  # fmt: skip
            self.part = max(0, part)
        plan = amortise(
            self.undue, rate, rest, method, self.terms.rounding, self.part,
            elapsed=elapsed, carried_fen_days=carried, flat_base_fen=self.base,
        )  # fmt: skip
        rows = [Row(row.n, row.due_on, row.principal_fen, row.interest_fen) for row in plan]
        if shorten:
            rows = rows[: 1 + next(k for k, row in enumerate(plan) if not row.balance_fen)]
            del self.periods[self.current + len(rows) :]
        lowered = sum(
            period.fixed_fen is not None for period in self.periods[self.current :][: len(rows) - 1]
        )
        open_rows = rows[lowered:]  # instalments lowered in hardship bear nothing of what waits
        for row, interest, penalty, cost in zip(
            open_rows, *(_shares(fen, len(open_rows)) for fen in self.pool.sums()), strict=True
        ):
            row.carried, row.penalty_base, row.cost = interest, penalty, cost
            row.interest += interest
        rows[0].cost += self.next_cost
        self.rows[self.current :] = rows

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
                fixed_fen=was.fixed_fen,
            )
            for k, (period, was) in enumerate(zip(rest, agreed, strict=False))
        ]

    def append(self, extra: int) -> None:
        """`extra` more periods after the last; `lay_out` gives them their instalments."""
        if extra:
            terms, last = self.terms, self.periods[-1]
            more = periods(
                last.due_on,
                extra,
                terms.method,
                terms.day_basis,
                self.day_of_month(),
                **dates_of(terms, None),
            )
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
            self.pool.interest += self.accrued(on)
            self.allowed += self.cap_worth(self.owed + self.undue * self.weight(on))
        self.pool.cost += self.next_cost
        self.next_cost = self.counted = self.owed = 0
        self.undue += moved
        self.base, self.since, self.oldest = self.undue, on, self.current
        number = max((row.n for row in self.rows[: self.current]), default=0)
        self.periods[self.current :] = [p._replace(n=number + p.n) for p in rest]
        self.lay_out()

    def close(self, on: date) -> None:
        """All principal, what has run on it and what waited fall due on `on`; no instalment comes after."""
        if self.current == len(self.rows):
            return
        row, running = self.rows[self.current], self.accrued(on)
        self.allowed += self.cap_worth(self.owed + self.undue * self.weight(on))
        row.principal, row.interest = self.undue, running + self.pool.interest
        row.carried, row.penalty_base = self.pool.interest, self.pool.penalty
        row.cost = self.pool.cost + self.next_cost
        row.due_on = row.counted_to = on
        del self.rows[self.current + 1 :], self.periods[self.current + 1 :]
        self.fall(row)
        self.mark(row, on)
        self.undue = self.base = self.counted = self.owed = 0


def _shares(total: int, count: int) -> list[int]:
    """`total` in equal parts, the last with the rest."""
    part = round_ratio(total, count)
    if part * (count - 1) > total:
        part = total // count
    return [part] * (count - 1) + [total - part * (count - 1)]
