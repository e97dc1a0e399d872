"""The rules of a loan whose interest follows the balance actually owed, day by day: the words `ahead` and `overdue`."""

from datetime import date
from fractions import Fraction

from tests.simulation.naive import Debt, NaiveLoan
from tests.simulation.naive_dates import DAY, MILLION, Stretch, rounded
from timelyrain.contract import Ahead, Overdue, Terms
from timelyrain.finance import Method

PARTS = ("principal", "interest", "penalty", "cost")


def paid_on(row: Debt) -> int:
    return sum(getattr(row, f"{name}_paid") for name in PARTS)


class NaiveActual(NaiveLoan):
    """`running` is all interest since an instalment last fell due, `taken` what instalments paid early hold of it."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self.taken = 0
        self.done: list[Stretch] = []  # of instalments paid before their day

    @property
    def late(self) -> int:
        return sum(row.principal - row.principal_paid for row in self.due)

    @property
    def bearing(self) -> int:
        return self.undue + (0 if self.terms.overdue is Overdue.PENALTY else self.late)

    def sum(self, name: str) -> int:
        return super().sum(name) + sum(getattr(row, name) for row, _ in self.ahead)

    def stretch_on(self, day: date) -> Stretch | None:
        parts = [*self.done, *(stretch for _, stretch in self.ahead)]
        return next((part for part in parts if part.start <= day < part.due_on), None)

    def share_of_year(self, since: date, until: date) -> Fraction:
        total, day = Fraction(0), since
        while day < until:
            stretch = self.stretch_on(day)
            total += stretch.day(day) if stretch else 0
            day += DAY
        return total

    def interest(self, base: int, since: date, until: date) -> Fraction:
        return base * self.share_of_year(since, until) * self.rate / MILLION if base else Fraction(0)

    def night(self) -> None:
        stretch = self.stretch_on(self.today) if self.ahead else None
        if stretch and self.today >= self.still_until:
            self.running += self.bearing * stretch.day(self.today) * self.rate / MILLION
        year = stretch.day(self.today) if stretch and not self.short_year else Fraction(1, 365)
        self.cap_running += (self.undue + self.late) * year * self.terms.cap_ppm / MILLION
        ahead, self.ahead = self.ahead, []  # the rest of the night is the same for every loan
        super().night()
        self.ahead = ahead

    @property
    def allowed_so_far(self) -> int:
        return int(self.cap_running)

    @property
    def whole(self) -> int:
        return rounded(self.running, self.terms.rounding)

    @property
    def accrued(self) -> int:
        return self.whole - self.taken if self.ahead else 0

    @property
    def last(self) -> int:
        """Place of the last instalment that asks for something."""
        open_rows = [n for n, (row, _) in enumerate(self.ahead) if row.settled_on is None]
        return max(open_rows, default=0)

    @property
    def left(self) -> int:
        return self.undue + sum(row.principal_paid for row, _ in self.ahead[: self.last + 1])

    def asked(self, n: int, last: int, interest: int, left: int) -> tuple[int, int]:
        row, stretch = self.ahead[n]
        if n == last:
            return interest, left
        wanted = self.level if stretch.agreed is None else stretch.agreed
        equal = self.terms.method is Method.EQUAL_INSTALMENT
        if equal and stretch.repays and stretch.collects:
            interest = min(interest, max(0, wanted - row.principal_paid))
        share = max(0, wanted - interest) if equal else wanted
        share = min(share, left - self.ahead[last][0].principal_paid) if stretch.repays else 0
        return interest, max(share, row.principal_paid)

    def collect(self, n: int, last: int, own: int, put_off: int) -> int:
        """What the n-th asks of its own interest and of what was put off before; returns what is put off then."""
        row, stretch = self.ahead[n]
        row.interest = row.carried
        if stretch.collects or n == last:
            row.interest += own + put_off
            return 0
        return own + put_off

    def fall(self) -> None:
        row, stretch = self.ahead[0]
        if stretch.due_on == self.today and (row.settled_on is None or not self.last):
            whole = self.whole
            own, row.principal = self.asked(0, self.last, whole - self.taken, self.left)
            self.put_off = self.collect(0, self.last, own, self.put_off)
            self.undue -= row.principal - row.principal_paid
            self.running, self.taken = Fraction(whole - self.taken - own), 0
        self.ask_again(row)
        self.leave()
        self.sweep()

    def ask_again(self, row: Debt) -> None:
        """What was paid before its day may be asked for interest on what is late, or a fee."""
        if self.unpaid(row):
            row.settled_on = None

    def leave(self) -> None:
        """The first instalment is not to come any more."""
        row, _ = self.ahead.pop(0)
        self.pool["interest"] -= row.carried
        self.pool["penalty"] -= row.moved_penalty
        self.pool["cost"] -= row.cost - self.next_cost
        self.next_cost = 0
        self.due.append(row)

    def foresee(self) -> None:
        """The instalments to come, as if what is overdue were paid now (or when the running one falls due)."""
        if not self.ahead:
            return
        last, running, taken, since = self.last, self.running, self.taken, self.runs_from
        owed, left, put_off = self.undue, self.left, self.put_off
        overdue = any(row.due_on < self.today for row in self.open())
        if self.terms.overdue is Overdue.TO_PERIOD_END and self.late and overdue:
            running += self.interest(self.bearing, since, self.ahead[0][1].due_on)
            since = max(since, self.ahead[0][1].due_on)
        for n, (row, stretch) in enumerate(self.ahead[: last + 1]):
            running += self.interest(owed, since, stretch.due_on)
            since, whole = max(since, stretch.due_on), rounded(running, self.terms.rounding)
            own, row.principal = self.asked(n, last, whole - taken, left)
            put_off = self.collect(n, last, own, put_off)
            running, taken = Fraction(whole - taken - own), 0
            owed -= row.principal - row.principal_paid
            left -= row.principal
            self.ask_again(row)

    # -- money ------------------------------------------------------------------------------------------------------

    @property
    def beyond_today(self) -> Fraction:
        """Interest that money ahead of its day pays for days to come, if so agreed and as far as the cap goes."""
        if not self.terms.to_period_end or not self.ahead:
            return Fraction(0)
        extra = self.interest(self.bearing, self.runs_from, self.ahead[0][1].due_on)
        return min(extra, Fraction(max(0, self.cap_room())))

    @property
    def to_come(self) -> int:
        if not self.ahead:
            return self.waiting
        paid = sum(paid_on(row) - row.principal_paid for row, _ in self.ahead)
        interest = rounded(self.running + self.beyond_today, self.terms.rounding) - self.taken
        return self.undue + interest + self.waiting - paid

    def receive(self, money: int) -> int:
        if self.terms.ahead is Ahead.WAITS or not self.ahead:
            return self.pay(money)
        if money > self.arrears and (extra := self.beyond_today):
            self.running += extra
            self.still_until = max(self.still_until, self.ahead[0][1].due_on)
        money = self.pay(money)
        if self.terms.ahead is Ahead.LAST:
            money = self.pay_last(money)
        while money and self.ahead:
            row, stretch = self.ahead[0]
            own, row.principal = self.asked(0, self.last, self.whole - self.taken, self.left)
            put_off, before = self.collect(0, self.last, own, self.put_off), row.principal_paid
            self.ask_again(row)
            if row.settled_on:
                break
            money = self.pay_row(row, money)
            self.undue -= row.principal_paid - before
            if self.unpaid(row):
                break
            if self.last and not row.principal:
                rest = self.pay_last(money)
                if rest < money or not money:
                    money = rest
                    continue
            self.taken += own
            self.put_off = put_off
            self.done.append(stretch)
            row.settled_on = self.today
            self.leave()
        if self.ahead and not self.late and not self.to_come:
            for row, _ in self.ahead:
                if paid_on(row):
                    row.principal, row.interest = row.principal_paid, row.interest_paid
                    row.settled_on = row.settled_on or self.today
            self.ahead = [(row, stretch) for row, stretch in self.ahead if paid_on(row)]
            self.put_off = 0
            while self.ahead:
                self.leave()
        return money

    def pay_row(self, row: Debt, money: int) -> int:
        """As if this were the only debt."""
        due, self.due = self.due, [row]
        left = self.pay(money)
        self.due, row.settled_on = due, None
        return left

    def pay_last(self, money: int) -> int:
        while money and self.undue and self.last:
            row, _ = self.ahead[self.last]
            room = (self.level or self.left) - row.principal_paid
            part = max(0, min(money, room, self.undue))
            row.principal_paid += part
            self.undue -= part
            money -= part
            if part < room or not self.level or row.carried or row.moved_penalty or row.cost:
                break
            row.principal, row.interest, row.settled_on = row.principal_paid, 0, self.today
        return money

    def settle(self, money: int) -> int:
        return super().settle(money) if self.terms.ahead is Ahead.WAITS else self.receive(money)

    def bank(self, most: int | None = None) -> None:
        """What was paid ahead becomes a debt of its own, due and paid today."""
        apart = Debt(self.today, 0, 0)
        left = sum(paid_on(row) for row, _ in self.ahead) if most is None else most
        for name in PARTS:
            owed = "moved_penalty" if name == "penalty" else name
            for row, _ in reversed(self.ahead):
                part = min(left, getattr(row, f"{name}_paid"))
                left -= part
                setattr(row, f"{name}_paid", getattr(row, f"{name}_paid") - part)
                setattr(apart, f"{name}_paid", getattr(apart, f"{name}_paid") + part)
                setattr(apart, owed, getattr(apart, owed) + part)
                if name == "principal" and row.settled_on:
                    row.principal -= part
                elif name == "interest":
                    waited = min(row.carried, part)
                    row.carried -= waited
                    self.pool["interest"] -= waited
                    late = min(self.put_off, part - waited)
                    self.put_off -= late
                    self.taken += part - waited - late
                elif name == "penalty":
                    row.moved_penalty -= part
                    self.pool["penalty"] -= part
                elif name == "cost":
                    row.cost -= part
                    fee = min(self.next_cost, part)
                    self.next_cost -= fee
                    self.pool["cost"] -= part - fee
        if most is None:
            for row, _ in self.ahead:
                row.settled_on = None
        if paid_on(apart):
            apart.settled_on = self.today
            self.due.append(apart)

    def close(self) -> None:
        if not self.ahead:
            return
        self.bank()
        row, stretch = self.ahead[0]
        row.due_on, row.principal = self.today, self.undue
        row.interest, row.carried = self.accrued + self.pool["interest"] + self.put_off, self.pool["interest"]
        self.put_off = 0
        row.moved_penalty, row.cost = self.pool["penalty"], self.pool["cost"] + self.next_cost
        self.ahead, self.undue = [(row, stretch)], 0
        self.cut()
        self.leave()
        self.sweep()

    def cut(self) -> int:
        interest = self.accrued
        self.running, self.taken, self.done = Fraction(0), 0, []
        return interest

    def restart(self) -> None:
        self.still_until = max(self.still_until, self.today)

    # -- the plan ---------------------------------------------------------------------------------------------------

    def lend(self, amount: int) -> None:
        self.undue += amount
        self.joined = True

    def reduce(self, principal: int, keep_term: bool) -> None:
        self.undue -= principal
        self.prepaid += principal
        self.plan()
        if keep_term:
            self.find_level()
        else:
            self.shorten()

    def first_interest(self) -> Fraction:
        return self.running - self.taken + self.interest(self.undue, self.runs_from, self.ahead[0][1].due_on)

    def most_interest(self, n: int, stretch: Stretch) -> int:
        if n == 0:
            return rounded(self.first_interest(), self.terms.rounding)
        since = max(self.runs_from, stretch.start)
        return rounded(self.interest(self.undue, since, stretch.due_on), self.terms.rounding)

    def find_level(self) -> None:
        """By way of a plan-following loan that has the same balance and the same interest on its first instalment."""
        self.part_ways()
        last, first = self.last, self.first_interest()
        truly = first
        parts = [stretch for _, stretch in self.ahead[: last + 1]]
        if self.joined and not any(part.due_on > self.today for part in self.done):
            first = self.interest(self.undue, parts[0].start, parts[0].due_on)
        self.joined = False
        twin = NaiveLoan(self.terms)
        twin.rate, twin.undue, twin.base = self.rate, self.left, self.left
        twin.running, twin.today, twin.still_until = truly, self.today, parts[0].due_on
        twin.stopped_until = self.runs_from
        twin.ahead = [(Debt(part.due_on, 0, 0), part) for part in parts]
        twin.level = max(0, twin.level_of(parts, first, parts[0].due_on))
        twin.smoothen()
        self.level = twin.level

    def part_ways(self) -> None:
        """Before what waits is shared out anew, what was paid ahead of it is set apart."""
        if any(self.pool.values()) and any(paid_on(row) > row.principal_paid for row, _ in self.ahead):
            self.bank()

    def plan(self, shorten: bool = False) -> None:
        self.part_ways()
        for row, stretch in self.ahead:
            row.due_on = stretch.due_on
            row.carried = row.moved_penalty = row.cost = row.interest = 0
        self.ahead = self.with_pool(self.ahead)
        if shorten:
            self.shorten()

    def shorten(self) -> None:
        self.foresee()
        while len(self.ahead) > 1:
            row, _ = self.ahead[-1]
            if row.principal or row.interest or row.moved_penalty or row.cost:
                return
            self.ahead.pop()

    def move(self, first_due: date) -> None:
        rows = [row for row, _ in self.ahead]
        super().move(first_due)
        self.ahead = [(row, stretch) for row, (_, stretch) in zip(rows, self.ahead, strict=True)]
        self.plan()
        self.find_level()
