"""One loan while the fold walks through its history: the plan of its instalments, and how it is laid out anew."""

from collections.abc import Sequence
from datetime import date

from timelyrain.finance import (
    CalendarEnds,
    Grace,
    Period,
    Unit,
    add_months,
    amortise,
    even,
    flat_total,
    level_part,
    period_interest,
    periods,
    rolled_month,
    rounded_once,
)

from .balance import Balance
from .rows import Row, shares
from .terms import dates_of, grace_of
from .violations import ContractViolation


class Loan(Balance):
    """A balance with its plan: also mutable, and internal to `fold`."""

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

    def undue_interest(self, index: int) -> int:
        """The most that the period of an instalment to come can bear: interest on all principal not yet due."""
        weight = self.periods[index].whole - (
            self.elapsed() if index == self.current else self.standing(index)
        )
        counted = (self.counted if index == self.current else 0) + self.base * weight * self.rate
        return period_interest(counted, 1, self.periods[index], self.terms.rounding)

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
