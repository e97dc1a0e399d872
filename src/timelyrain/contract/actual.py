"""A loan whose interest follows the balance actually owed (随借随还, simple interest): the words `ahead` and `overdue` of terms.

The instalment stays what was agreed. Money ahead of its day pays interest to the day, then principal, so that less is owed
from that day on and the last instalment falls; overdue principal may go on bearing interest up to the last due date, the
instalments to come then hold less principal, and the last one rises. Interest is exact until an instalment is done with, is
then rounded once, and what that rounding leaves goes on with the next.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction
from math import lcm

from timelyrain.finance import DayBasis, Method, Period, even, level_part, round_ratio

from .balance import turns
from .charges import Ahead, Overdue
from .loan import Loan
from .rows import Row
from .terms import PPM, Terms

_DAY = timedelta(days=1)
_NOTHING = Fraction(0)


def _part(years: Fraction, fen_ppm: int) -> Fraction:
    """A yearly rate on a balance, for so long."""
    return Fraction(years.numerator * fen_ppm, years.denominator * PPM)


def planned(terms: Terms) -> bool:
    """Whether interest follows the plan: money ahead waits for its day, and what is overdue bears penalty alone."""
    return terms.ahead is Ahead.WAITS and terms.overdue is Overdue.PENALTY


class ActualLoan(Loan):
    """`undue` is what no instalment that is done with holds and nobody has paid ahead; rows from `current` on may be paid in
    part, the last of them whole (LAST). Their amounts are only found where somebody looks (`foresee`)."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self.bears = terms.overdue is not Overdue.PENALTY
        self.short_year = self.weekly or terms.day_basis in (DayBasis.ACT_360, DayBasis.ACT_364)
        self.level = terms.method is Method.EQUAL_INSTALMENT
        self.running = Fraction(
            0
        )  # interest up to `since`, exact; what was rounded away is in it until its row is due
        self.taken = 0  # the part of it that rows paid whole ahead of their day hold
        self.behind: list[Period] = []  # periods of such rows, of which days are still to come
        self.cap_share = Fraction(0)  # the cap's worth of all that was owed up to `cap_to`
        self.cap_to = date.max

    # -- interest --------------------------------------------------------------------------------------------------

    def start(self, on: date) -> None:
        super().start(on)
        self.cap_to = on

    def late(self) -> int:
        """Principal that is due and unpaid."""
        return sum(row.principal - row.principal_paid for row in self.rows[self.oldest : self.current])

    def bearing(self) -> int:
        return self.undue + (self.late() if self.bears else 0)

    def days_ahead(self) -> Iterator[Period]:
        """The periods in which days to come lie."""
        yield from self.behind
        yield from self.periods[self.current :]

    def years(self, since: date, until: date) -> Fraction:
        """What part of a year these days are, up to the last due date."""
        num, den = 0, 1
        for period in self.days_ahead():
            if period.start >= until:
                break
            begin, end = max(since, period.start), min(until, period.due_on)
            if begin < end:
                num, den = num * period.den + period.weight(begin, end) * period.num * den, den * period.den
        return Fraction(num, den)

    def interest(self, base: int, since: date, until: date) -> Fraction:
        if not base or since >= until:
            return _NOTHING
        return _part(self.years(since, until), base * self.rate)

    def cap_worth_of(self, owed: int, since: date, until: date) -> Fraction:
        """The cap on a debt over these days; its year has 365 days where the terms' is shorter, and after the last due date."""
        if since >= until or not owed:
            return _NOTHING
        end = self.rows[-1].due_on if self.current < len(self.rows) else since
        inside = min(until, max(since, end))
        years = Fraction((inside - since).days, 365) if self.short_year else self.years(since, inside)
        if inside < until:
            years += Fraction((until - inside).days, 365)
        return _part(years, owed * self.terms.cap_ppm)

    def count(self, on: date) -> None:
        if on == self.since == self.cap_to:
            return
        together = self.since == self.cap_to < on and not self.short_year and self.current < len(self.rows)
        if together and on <= self.rows[-1].due_on:  # the same days for interest and cap
            years, late = self.years(self.since, on), self.late()
            self.running += _part(years, (self.undue + (late if self.bears else 0)) * self.rate)
            self.cap_share += _part(years, (self.undue + late) * self.terms.cap_ppm)
            self.since = self.cap_to = on
            self.behind = [period for period in self.behind if period.due_on > on]
            return
        if on > self.cap_to:
            self.cap_share += self.cap_worth_of(self.undue + self.late(), self.cap_to, on)
            self.cap_to = on
        if on > self.since:
            if self.current < len(self.rows):
                self.running += self.interest(self.bearing(), self.since, on)
            self.since = on
            self.behind = [period for period in self.behind if period.due_on > on]

    def whole(self, exact: Fraction) -> int:
        return round_ratio(exact.numerator, exact.denominator, self.terms.rounding)

    def accrued(self, on: date) -> int:
        if self.current >= len(self.rows):
            return 0
        return self.whole(self.running + self.interest(self.bearing(), self.since, on)) - self.taken

    def to_end(self, on: date) -> Fraction:
        """What money ahead of its day pays beyond interest to the day, within what the cap leaves."""
        if not self.terms.to_period_end or self.current >= len(self.rows):
            return Fraction(0)
        extra = self.interest(self.bearing(), max(on, self.since), self.rows[self.current].due_on)
        return min(extra, Fraction(max(0, self.cap_room(on))))

    def hold(self, row: Row, on: date) -> int:
        self.count(on)
        return super().hold(row, on)

    def cap_room(self, on: date) -> int:
        return int(
            self.cap_share + self.cap_worth_of(self.undue + self.late(), self.cap_to, on)
        ) - self.charged(on)

    # -- instalments -----------------------------------------------------------------------------------------------

    def tail(self) -> int:
        """Index of the last row that asks for something."""
        last = len(self.rows) - 1
        while last > self.current and self.rows[last].settled_on is not None:
            last -= 1
        return last

    def asked(self, index: int, last: int, interest: int, left: int) -> tuple[int, int]:
        """(interest, principal) of an instalment, of so much interest and of principal that the rows from it on hold.

        The instalment is kept: interest that it has no room for goes on with the next, and the last takes the rest.
        """
        row, period = self.rows[index], self.periods[index]
        if index == last:
            return interest, left
        wanted = self.part if period.fixed_fen is None else period.fixed_fen
        if self.level and period.repays and period.collects:
            interest = min(interest, max(0, wanted - row.principal_paid))
        if not period.repays:
            return interest, row.principal_paid
        share = max(0, wanted - interest) if self.level else wanted
        share = min(share, left - self.rows[last].principal_paid)
        return interest, max(share, row.principal_paid)

    def collect(self, index: int, last: int, own: int, put_off: int) -> int:
        """Set the interest that an instalment asks for; returns what is put off after it."""
        row, asks = self.rows[index], self.periods[index].collects or index == last
        row.interest = row.carried + (own + put_off if asks else 0)
        return 0 if asks else own + put_off

    def left(self, last: int) -> int:
        """Principal that the rows to come hold, paid ahead or not."""
        return self.undue + sum(row.principal_paid for row in self.rows[self.current : last + 1])

    def reopen(self, row: Row, on: date) -> None:
        """Paid whole ahead of its day, a row may still be asked for a fee, or for the interest on what is late."""
        if row.settled_on is not None and self.unpaid(row, on):
            row.settled_on = None

    def advance(self, to: date) -> None:
        while self.current < len(self.rows) and self.rows[self.current].due_on <= to:
            row = self.rows[self.current]
            self.count(row.due_on)
            last = self.tail()
            if row.settled_on is None or self.current == last:
                whole = self.whole(self.running)
                own, row.principal = self.asked(self.current, last, whole - self.taken, self.left(last))
                self.put_off = self.collect(self.current, last, own, self.put_off)
                self.undue -= row.principal - row.principal_paid
                self.running, self.taken = Fraction(whole - self.taken - own), 0
            self.reopen(row, row.due_on)
            self.fall(row)
            self.mark(row, row.due_on)
            self.surplus = self.pay_due(self.surplus, row.due_on)

    def foresee(self, on: date) -> None:
        """The instalments to come as if what is overdue were paid on `on`, or at the end of the running period."""
        if self.current >= len(self.rows):
            return
        self.count(on)
        last, running, taken, since, owed = self.tail(), self.running, self.taken, self.since, self.undue
        left, put_off = self.left(last), self.put_off
        if self.terms.overdue is Overdue.TO_PERIOD_END and self.late() and self.rows[self.oldest].due_on < on:
            running += self.interest(self.bearing(), since, self.rows[self.current].due_on)
            since = max(since, self.rows[self.current].due_on)
        for index in range(self.current, last + 1):
            row = self.rows[index]
            running += self.interest(owed, since, row.due_on)
            since, whole = max(since, row.due_on), self.whole(running)
            own, row.principal = self.asked(index, last, whole - taken, left)
            put_off = self.collect(index, last, own, put_off)
            running, taken = Fraction(whole - taken - own), 0
            owed -= row.principal - row.principal_paid
            left -= row.principal
            self.reopen(row, on)

    # -- money -----------------------------------------------------------------------------------------------------

    def to_come(self, on: date) -> int:
        if self.current >= len(self.rows):
            return self.waiting()
        exact = self.running + self.interest(self.bearing(), self.since, on) + self.to_end(on)
        paid = sum(_paid(row) - row.principal_paid for row in self.rows[self.current :])
        return self.undue + self.whole(exact) - self.taken + self.waiting() - paid

    def receive(self, money: int, on: date) -> int:
        if self.terms.ahead is Ahead.WAITS or self.current == len(self.rows):
            return self.pay_due(money, on)
        if money > self.arrears(on):
            self.count(on)
            if extra := self.to_end(on):
                self.running += extra
                self.since = max(self.since, self.rows[self.current].due_on)
        return self.pay_ahead(self.pay_due(money, on), on)

    def settle(self, money: int, on: date) -> int:
        return super().settle(money, on) if self.terms.ahead is Ahead.WAITS else self.receive(money, on)

    def pay_ahead(self, money: int, on: date) -> int:
        """Money that no debt took pays instalments to come, one after the other; returns the money left."""
        self.count(on)
        if self.terms.ahead is Ahead.LAST:
            money = self.pay_last(money, on)
        while money > 0 and self.current < len(self.rows):
            row, last = self.rows[self.current], self.tail()
            own, row.principal = self.asked(
                self.current, last, self.whole(self.running) - self.taken, self.left(last)
            )
            put_off, before = self.collect(self.current, last, own, self.put_off), row.principal_paid
            self.reopen(row, on)
            if row.settled_on is not None:
                break
            money = self.pay(row, money, on)
            self.undue -= row.principal_paid - before
            if row.settled_on is None:
                break
            if self.current < last and not row.principal:
                rest = self.pay_last(money, on)
                if rest < money or not money:  # the row stays open for the interest to come
                    money, row.settled_on = rest, None
                    continue
            self.taken += own
            self.put_off = put_off
            self.behind.append(self.periods[self.current])
            self.fall(row)
        self.finish(on)
        self.skip_settled()
        return money

    def pay_last(self, money: int, on: date) -> int:
        """Principal of the last instalments, the last one first; one paid whole is done with. Returns the money left."""
        while money > 0 and self.undue and self.current < (last := self.tail()):
            row = self.rows[last]
            room = (self.part or self.left(last)) - row.principal_paid
            part = max(0, min(money, room, self.undue))
            row.principal_paid += part
            self.undue -= part
            money -= part
            if part < room or not self.part or row.carried or row.penalty_base or row.cost:
                break
            row.principal, row.interest, row.settled_on = row.principal_paid, 0, on
        return money

    def finish(self, on: date) -> None:
        """Where nothing is left to pay, no instalment is left to come; what is late goes on bearing interest until then."""
        if self.current >= len(self.rows) or self.undue or self.late() or self.to_come(on):
            return
        for row in [row for row in self.rows[self.current :] if not _paid(row)]:
            place = self.rows.index(row)
            del self.rows[place], self.periods[place]
        self.put_off = 0
        while self.current < len(self.rows):
            row = self.rows[self.current]
            row.principal, row.interest = row.principal_paid, row.interest_paid
            row.settled_on = row.settled_on or on
            self.fall(row)

    def bank(self, on: date, most: int | None = None) -> None:
        """Set what was paid ahead (at most so much, principal first) apart, as an instalment that was due and paid today."""
        apart, left = Row(0, on, 0, 0), most
        ahead = self.rows[self.current :][::-1]
        for name in ("principal", "interest", "penalty", "cost"):
            for row in ahead:
                paid = getattr(row, f"{name}_paid")
                part = paid if left is None else min(paid, left)
                if not part:
                    continue
                left = None if left is None else left - part
                setattr(row, f"{name}_paid", paid - part)
                setattr(apart, f"{name}_paid", getattr(apart, f"{name}_paid") + part)
                self._apart(row, apart, name, part)
        if most is None:
            for row in ahead:
                row.settled_on = None  # it may be asked for again
        if _paid(apart):
            apart.settled_on = on
            self.insert_due(apart)
            self.skip_settled()

    def _apart(self, row: Row, apart: Row, name: str, part: int) -> None:
        """What was owed for a part paid ahead goes with it."""
        if name == "principal":
            apart.principal += part
            if row.settled_on is not None:
                row.principal -= part
        elif name == "interest":
            apart.interest += part
            waited = min(row.carried, part)
            row.carried -= waited
            self.pool.interest -= waited
            late = min(self.put_off, part - waited)
            self.put_off -= late
            self.taken += part - waited - late
        elif name == "penalty":
            apart.penalty_base += part
            row.penalty_base -= part
            self.pool.penalty -= part
        else:
            apart.cost += part
            row.cost -= part
            fee = min(self.next_cost, part)
            self.next_cost -= fee
            self.pool.cost -= part - fee

    # -- the plan --------------------------------------------------------------------------------------------------

    def lend(self, amount: int) -> None:
        self.undue += amount
        self.joined = True

    def reduce(self, principal: int) -> None:
        self.undue -= principal
        self.prepaid += principal

    def first_interest(self, *, anew: bool = False) -> Fraction:
        """Interest of the running instalment, exact; anew: as if all principal had been there from its period's start."""
        row, period = self.rows[self.current], self.periods[self.current]
        if anew:
            return self.interest(self.undue, period.start, row.due_on)
        return self.running - self.taken + self.interest(self.undue, self.since, row.due_on)

    def undue_interest(self, index: int) -> int:
        if index == self.current:
            return self.whole(self.first_interest())
        period = self.periods[index]
        return self.whole(self.interest(self.undue, max(self.since, period.start), period.due_on))

    def standing(self, index: int) -> int:
        period = self.periods[index]
        until = min(max(self.still, self.since), period.due_on)
        return period.weight(period.start, until) if until > period.start else 0

    def lay_out(self, *, level: bool = True, shorten: bool = False) -> None:
        on = self.event.value_on if self.event else self.since
        rows = self.rows[self.current :]
        if any(self.pool.sums()) and any(_paid(row) > row.principal_paid for row in rows):
            self.bank(on)
            rows = self.rows[self.current :]
        rest = self.periods[self.current :]
        rows += [Row(period.n, period.due_on, 0, 0) for period in rest[len(rows) :]]
        del rows[len(rest) :]
        for row, period in zip(rows, rest, strict=True):
            row.n, row.due_on, row.counted_to = period.n, period.due_on, period.due_on
            row.carried = row.penalty_base = row.cost = row.interest = 0
        self.share_pool(rows)
        rows[0].cost += self.next_cost
        self.rows[self.current :] = rows
        if level:
            self.find_level()
        if shorten:
            self.foresee(on)
            while len(self.rows) - 1 > self.current and not self._holds(self.rows[-1]):
                del self.rows[-1], self.periods[-1]

    def _holds(self, row: Row) -> int:
        return row.principal + row.interest + row.penalty_base + row.cost

    def find_level(self) -> None:
        """What stays equal over the instalments to come, from the interest that has run on the first."""
        terms, last = self.terms, self.tail()
        rest = [
            period._replace(whole=(period.whole - self.standing(self.current + k)) * self.rate)
            for k, period in enumerate(self.periods[self.current : last + 1])
        ]
        first = self.first_interest(anew=self.joined and not self.behind)
        self.joined = False
        principal, multiple = self.left(last), terms.multiple_fen

        def with_first(interest: Fraction) -> int:
            """Let the first row bear so much; returns the weight that says so."""
            rest[0] = rest[0]._replace(num=1, den=interest.denominator, whole=0)
            return interest.numerator * PPM

        run = with_first(first)
        part = level_part(principal, 1, rest, terms.method, carried_fen_days=run, multiple_fen=multiple)
        self.part = max(0, part)
        if terms.smooth:
            run = with_first(self.first_interest())
            self.part, _ = even(
                principal, 1, rest, terms.method, terms.rounding, self.part,
                carried_fen_days=run, multiple_fen=multiple,
            )  # fmt: skip

    def append(self, extra: int) -> None:
        if extra and self.event:
            self.bank(self.event.value_on)
        super().append(extra)

    def spread_anew(self, rest: Sequence[Period], on: date) -> None:
        self.bank(on)
        super().spread_anew(rest, on)

    def restart(self, on: date) -> None:
        """Interest that was paid to the end of a period does not run again."""
        self.since, self.still = max(self.since, on), date.min

    def cut(self, on: date) -> int:
        self.count(on)
        running = self.accrued(on)
        self.running, self.taken, self.behind = Fraction(0), 0, []
        return running

    def close(self, on: date) -> None:
        if self.current < len(self.rows):
            self.bank(on)
            super().close(on)

    # -- days ahead ------------------------------------------------------------------------------------------------

    def running_line(self, on: date) -> tuple[date, int, int, int, date]:
        start = max(on, self.since)
        if self.current < len(self.rows):
            for period in self.days_ahead():
                if period.start <= start < period.due_on:
                    a_day = Fraction(
                        self.bearing() * self.rate * period.weight(start, start + _DAY) * period.num,
                        PPM * period.den,
                    )
                    at_start = self.running + self.interest(self.bearing(), self.since, start)
                    per = lcm(at_start.denominator, a_day.denominator)
                    until = min(period.due_on, turns(period, start))
                    return start, int(at_start * per), int(a_day * per), per, until
        return start, 0, 0, 1, date.max


def _paid(row: Row) -> int:
    return row.principal_paid + row.interest_paid + row.penalty_paid + row.cost_paid
