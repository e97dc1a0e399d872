"""The rules of a loan once more, the slow way: one day after the other, in exact fractions, nothing kept that a day can tell.

Written from the meaning of terms and events, as a second opinion on `timelyrain.contract`: it shares no calculation with it,
only the vocabulary (Terms, Event and the enums). Histories are taken as accepted; nothing is refused here.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from tests.simulation.naive_dates import (
    DAY,
    MILLION,
    Stretch,
    half_even,
    month_of_rolled,
    months_after,
    rounded,
    stretches,
    working,
)
from timelyrain.contract import Terms
from timelyrain.finance import DayBasis, Method, MonthEnd, Unit


@dataclass
class Debt:
    """One instalment, or a payment taken back."""

    due_on: date
    principal: int
    interest: int
    cost: int = 0
    carried: int = 0  # of the interest: what waited in the pool
    moved_penalty: int = 0
    overdue: int = 0  # fen-days of principal after the days of grace
    principal_paid: int = 0
    interest_paid: int = 0
    penalty_paid: int = 0
    cost_paid: int = 0
    interest_waived: int = 0
    penalty_waived: int = 0
    cost_waived: int = 0
    late_fee: bool = False
    settled_on: date | None = None


@dataclass
class NaiveLoan:
    """A loan on `today`, after all that has happened to it. Read the properties; `live` makes it."""

    terms: Terms
    today: date = date.min
    started: date | None = None
    charged_off_on: date | None = None
    due: list[Debt] = field(default_factory=list)
    ahead: list[tuple[Debt, Stretch]] = field(default_factory=list)
    undue: int = 0
    base: int = 0
    running: Fraction = Fraction(0)
    cap_running: Fraction = Fraction(0)
    allowed: int = 0
    still_until: date = date.min
    level: int = 0
    put_off: int = 0  # interest of periods of grace that have ended
    stopped_until: date = date.min
    joined: bool = False  # money came since the level was found
    pool: dict[str, int] = field(default_factory=lambda: {"interest": 0, "penalty": 0, "cost": 0})
    next_cost: int = 0
    disbursed: int = 0
    received: int = 0
    surplus: int = 0
    paid_back: int = 0
    goodwill: int = 0
    prepaid: int = 0
    fees: int = 0
    late_fees: int = 0
    service_fees: int = 0
    charged_off: int = 0
    recovered: int = 0
    owed_days: int = 0  # principal owed, summed over the days
    written_off: tuple[int, int, int] = (
        0,
        0,
        0,
    )  # days past due, interest and penalty when it was charged off
    passed: list[tuple[str, int, "NaiveLoan"]] = field(
        default_factory=list
    )  # new owner, price, the loan as it was sold

    def __post_init__(self) -> None:
        terms = self.terms
        self.rate, self.due_day, self.owner = terms.annual_rate_ppm, terms.due_day, terms.lender
        weeks = terms.unit is Unit.WEEKS and terms.day_basis is DayBasis.PER_INSTALMENT
        self.short_year = weeks or terms.day_basis in (DayBasis.ACT_360, DayBasis.ACT_364)

    # -- a day --------------------------------------------------------------------------------------------------------

    def morning(self) -> None:
        """What is due today falls due, and surplus pays it."""
        while self.ahead and self.ahead[0][0].due_on <= self.today:
            self.fall()
            self.surplus = self.pay(self.surplus)

    def night(self) -> None:
        """A day's interest, and a day's penalty on what is overdue."""
        if self.ahead and self.today >= self.still_until:
            day = self.ahead[0][1].day(self.today)
            self.running += self.base * day * self.rate / MILLION
            self.cap_running += self.undue * self._cap_day(day) * self.terms.cap_ppm / MILLION
        self.owed_days += self.disbursed - self.principal_paid
        grace = timedelta(days=self.terms.grace_days)
        for row in self.due:
            if self.charged_off_on is None and self.today >= row.due_on + grace:
                row.overdue += row.principal - row.principal_paid
        self.today += DAY

    def _cap_day(self, day: Fraction) -> Fraction:
        """A year of 360 days, 364 days or 52 weeks is dearer than a year; the cap's is not."""
        return Fraction(1, 365) if self.short_year else day

    def fall(self) -> None:
        row, stretch = self.ahead.pop(0)
        if not stretch.collects and self.ahead:
            self.put_off += rounded(self.running, self.terms.rounding)
        else:
            self.put_off = 0
        self.allowed += int(self.cap_running)
        self.undue -= row.principal
        if self.terms.method is not Method.FLAT:
            self.base = self.undue
        self.pool["interest"] -= row.carried
        self.pool["penalty"] -= row.moved_penalty
        self.pool["cost"] -= row.cost - self.next_cost
        self.next_cost = 0
        self.running = self.cap_running = Fraction(0)
        self.still_until = max(row.due_on, self.stopped_until)
        self.due.append(row)
        self.sweep()

    # -- sums ---------------------------------------------------------------------------------------------------------

    @property
    def accrued(self) -> int:
        return rounded(self.running, self.terms.rounding) if self.ahead else 0

    def penalty(self, row: Debt) -> int:
        rate = min(self.terms.penalty_ppm, self.terms.cap_ppm)
        return row.moved_penalty + int(Fraction(row.overdue * rate, 365 * MILLION))

    def unpaid(self, row: Debt) -> int:
        owed = row.principal + row.interest + row.cost + self.penalty(row)
        paid = row.principal_paid + row.interest_paid + row.cost_paid + row.penalty_paid
        return owed - paid - row.interest_waived - row.cost_waived - row.penalty_waived

    def open(self) -> list[Debt]:
        return [row for row in self.due if row.settled_on is None]

    @property
    def arrears(self) -> int:
        return sum(map(self.unpaid, self.open())) + max(0, -self.surplus)

    @property
    def settled(self) -> bool:
        return self.started is not None and not self.ahead and not self.open() and self.surplus >= 0

    @property
    def waiting(self) -> int:
        return sum(self.pool.values()) + self.next_cost + self.put_off

    @property
    def to_come(self) -> int:
        return self.undue + self.accrued + self.waiting

    @property
    def fee_to_settle(self) -> int:
        most = self.undue * self.terms.prepayment_fee_ppm // MILLION
        return max(0, min(most, self.cap_room()))

    @property
    def payoff(self) -> int:
        owed = self.arrears + self.to_come + self.fee_to_settle
        return max(0, owed - max(0, self.surplus))

    @property
    def dpd(self) -> int:
        open_rows = self.open()
        return (self.today - open_rows[0].due_on).days if open_rows else 0

    def cap_room(self) -> int:
        """What the law still lets be charged: the cap on all that was owed, day by day, less all charges."""
        allowed = self.allowed_so_far
        charged = self.interest_total + self.penalty_total + self.fees + self.late_fees + self.service_fees
        return allowed - (
            charged - sum(r.interest_waived + r.penalty_waived + r.cost_waived for r in self.due)
        )

    @property
    def allowed_so_far(self) -> int:
        allowed = self.allowed + (int(self.cap_running) if self.ahead else 0)
        return allowed + sum(
            int(Fraction(row.overdue * self.terms.cap_ppm, 365 * MILLION)) for row in self.due
        )

    def fee_room(self) -> int:
        """The same to the end of the loan: flat interest does not fall with the balance, the cap does."""
        room = later = self.cap_room()
        if self.terms.method is not Method.FLAT or not self.ahead:
            return room
        later += self.accrued - int(self.cap_running)
        undue = self.undue
        for n, (row, stretch) in enumerate(self.ahead):
            since = max(self.today, self.still_until) if n == 0 else stretch.start
            years = stretch.years(since)
            if self.short_year:
                years = Fraction((stretch.due_on - since).days, 365)
            worth = Fraction(undue * self.terms.cap_ppm) * years / MILLION + (0 if n else self.cap_running)
            later += int(worth) - (row.interest - row.carried)
            undue -= row.principal
        return min(room, later)

    def sweep(self) -> None:
        for row in self.due:
            if row.settled_on is None and not self.unpaid(row):
                row.settled_on = self.today

    # -- paying ---------------------------------------------------------------------------------------------------------

    def pay(self, money: int) -> int:
        """Oldest instalment first, within it as the terms say; returns what is left."""
        for row in self.open():
            for target in self.terms.allocation:
                if target == "PRINCIPAL":
                    wanted = {"principal": row.principal - row.principal_paid}
                elif target == "COSTS":
                    wanted = {"cost": row.cost - row.cost_paid - row.cost_waived}
                else:
                    wanted = {
                        "penalty": self.penalty(row) - row.penalty_paid - row.penalty_waived,
                        "interest": row.interest - row.interest_paid - row.interest_waived,
                    }
                for name, owed in wanted.items():
                    part = max(0, min(money, owed))
                    setattr(row, f"{name}_paid", getattr(row, f"{name}_paid") + part)
                    money -= part
        self.sweep()
        return money

    def close(self) -> None:
        """All that is owed is due today."""
        if not self.ahead:
            return
        row, stretch = self.ahead[0]
        self.ahead = [(row, stretch)]
        row.due_on, row.principal = self.today, self.undue
        row.interest = self.accrued + self.pool["interest"] + self.put_off
        row.carried, stretch.collects = self.pool["interest"], True
        row.moved_penalty, row.cost = self.pool["penalty"], self.pool["cost"] + self.next_cost
        self.fall()
        self.base = 0

    def receive(self, money: int) -> int:
        return self.pay(money)

    def settle(self, money: int) -> int:
        self.close()
        return self.pay(money)

    def credit(self, money: int, to_principal: bool) -> None:
        left = self.receive(money) if to_principal else self.pay(money)
        if self.charged_off_on:
            self.recovered += money - left
        if to_principal and left and self.undue:
            if left + self.surplus >= self.to_come:
                left, self.surplus = self.settle(left + self.surplus), 0
            else:
                part = min(left, self.undue - 1)
                left -= part
                if part:
                    self.reduce(part, keep_term=True)
        self.surplus += left

    def lend(self, amount: int) -> None:
        self.undue += amount
        self.base += amount
        self.joined = True

    def bank(self, most: int | None = None) -> None:
        """Nothing is paid ahead here."""

    def cut(self) -> int:
        """The running period ends today; its interest."""
        interest = self.accrued
        self.allowed += int(self.cap_running)
        self.running, self.cap_running = Fraction(0), Fraction(0)
        return interest

    def restart(self) -> None:
        """Interest runs from today, whatever stood still."""
        self.still_until = self.today
        self.stopped_until = date.min

    def reduce(self, principal: int, keep_term: bool) -> None:
        self.base = self.base * (self.undue - principal) // self.undue
        self.undue -= principal
        self.prepaid += principal
        if keep_term:
            self.find_level()
        self.plan(shorten=not keep_term)

    # -- the plan ---------------------------------------------------------------------------------------------------------

    @property
    def runs_from(self) -> date:
        return max(self.today, self.still_until)

    def since(self, n: int, stretch: Stretch) -> date:
        """From when the n-th instalment to come still bears interest that has not run."""
        return self.runs_from if n == 0 else max(stretch.start, self.stopped_until)

    def most_interest(self, n: int, stretch: Stretch) -> int:
        """The most that the n-th instalment to come can bear: interest on all principal not yet due."""
        exact = self.base * stretch.years(self.since(n, stretch)) * self.rate / MILLION
        return rounded(exact + (0 if n else self.running), self.terms.rounding)

    def find_level(self) -> None:
        if self.terms.equal_totals:
            self.joined = False
            made = [
                (n, row) for n, (row, s) in enumerate(self.spread(0)) if s.repays or n == len(self.ahead) - 1
            ]
            total = self.undue + sum(self.exact_interest[n] for n, _ in made)
            self.level = max(0, self.to_multiple(Fraction(total, len(made))))
            return
        parts = [s for _, s in self.ahead]
        carried, since = (Fraction(0), parts[0].start) if self.joined else (self.running, self.runs_from)
        self.joined = False
        self.level = max(0, self.level_of(parts, carried, since))
        self.smoothen()

    def smoothen(self) -> None:
        if not self.terms.smooth or len(self.ahead) < 2:
            return
        count = len(self.ahead)
        for _ in range(3):
            over = self._last_over(self.level)
            tried = self.level + self.to_multiple(Fraction(over, count))
            if abs(over) <= max(1, count // 2) or abs(self._last_over(tried)) >= abs(over):
                return
            self.level = tried

    def _last_over(self, level: int) -> int:
        *_, (before, _), (last, _) = self.spread(level)
        return last.principal + last.interest - before.principal - before.interest

    def level_of(self, parts: list[Stretch], carried: Fraction, since: date | None) -> int:
        method = self.terms.method
        agreed = [s.agreed for s in parts[:-1] if s.agreed is not None]
        if method in (Method.INTEREST_ONLY, Method.BULLET):
            return 0
        if not parts[0].repays:
            first = next((n for n, part in enumerate(parts) if part.repays), len(parts) - 1)
            return self.level_of(parts[first:], Fraction(0), None)
        if method is not Method.EQUAL_INSTALMENT:
            return self.to_multiple(Fraction(max(0, self.undue - sum(agreed)), len(parts) - len(agreed)))
        # The balance after the last instalment is known - each * unknown; it shall be nothing.
        known, each = Fraction(self.undue), Fraction(0)
        first_interest = Fraction(0)
        for n, stretch in enumerate(parts):
            years = stretch.years(since if n == 0 and since else max(stretch.start, self.stopped_until))
            growth = 1 + years * self.rate / MILLION
            known, each = known * growth, each * growth
            if n == 0:
                known += carried
                first_interest = known - self.undue
            if stretch.agreed is not None and stretch is not parts[-1]:
                known -= stretch.agreed
            else:
                each += 1
        found = self.to_multiple(max(Fraction(0), known / each))
        if (
            carried and found <= first_interest
        ):  # the first pays interest alone, the others share the principal
            return self.level_of(parts[1:] or parts, Fraction(0), None)
        return found

    def to_multiple(self, exact: Fraction) -> int:
        return half_even(exact / self.terms.multiple_fen) * self.terms.multiple_fen

    def spread(self, level: int, shorten: bool = False) -> list[tuple[Debt, Stretch]]:
        """The principal not yet due over the instalments to come, without what waits in the pool."""
        left, base, put_off, terms = self.undue, self.base, self.put_off, self.terms
        made: list[tuple[Debt, Stretch]] = []
        self.exact_interest: list[int] = []
        total = self.running
        for n, (_, stretch) in enumerate(self.ahead):
            final = n == len(self.ahead) - 1
            exact = base * stretch.years(self.since(n, stretch)) * self.rate / MILLION
            total += exact
            interest = rounded(exact + (0 if n else self.running), terms.rounding)
            self.exact_interest.append(interest)
            wanted = level if stretch.agreed is None else stretch.agreed
            if terms.method is Method.EQUAL_INSTALMENT or terms.equal_totals:
                wanted = max(0, wanted - interest)
            wanted = wanted if stretch.repays else 0
            share = left if final else min(wanted, left)
            left -= share
            base = base if terms.method is Method.FLAT else left
            if stretch.collects or final:
                interest, put_off = interest + put_off, 0
            else:
                interest, put_off = 0, interest + put_off
            made.append((Debt(stretch.due_on, share, interest), stretch))
            if shorten and not left and stretch.collects:
                break
        if terms.whole_interest and len(made) == len(self.ahead):
            rest = sum(row.interest for row, _ in made[:-1])
            made[-1][0].interest = max(0, rounded(total, terms.rounding) - rest)
        return made

    def plan(self, shorten: bool = False) -> None:
        """The instalments to come, anew, for the principal not yet due."""
        made = self.spread(self.level, shorten)
        self.ahead = self.with_pool(made)

    def with_pool(self, made: list[tuple[Debt, Stretch]]) -> list[tuple[Debt, Stretch]]:
        bearing = [
            row for n, (row, stretch) in enumerate(made, 1) if stretch.agreed is None or n == len(made)
        ]
        for n, row in enumerate(bearing):
            for name, total in self.pool.items():
                part = half_even(Fraction(total, len(bearing)))
                if part * (len(bearing) - 1) > total:
                    part = total // len(bearing)
                mine = part if n < len(bearing) - 1 else total - part * (len(bearing) - 1)
                if name == "interest":
                    row.carried, row.interest = mine, row.interest + mine
                elif name == "penalty":
                    row.moved_penalty = mine
                else:
                    row.cost = mine
        made[0][0].cost += self.next_cost
        return made

    def move(self, first_due: date) -> None:
        """New dates for the instalments to come; what has run keeps its worth."""
        parts = stretches(self.ahead[0][1].start, len(self.ahead), self.terms, self.day_of_month, first_due)
        for part, (_, old) in zip(parts, self.ahead, strict=True):
            part.repays, part.free, part.agreed, part.collects = (
                old.repays,
                old.free,
                old.agreed,
                old.collects,
            )
        self.ahead = [(Debt(part.due_on, 0, 0), part) for part in parts]
        self.find_level()
        self.plan()

    @property
    def agreed_month(self) -> date:
        """A day of the month whose due day the running instalment has, whatever became of it."""
        due_on, day, roll = self.ahead[0][0].due_on, self.day_of_month, self.terms.month_end is MonthEnd.ROLL
        table = self.terms.calendar
        for months in (0, -1, 1) if table else ():
            middle = months_after(due_on, months, 15)
            agreed = months_after(middle, 0, day, roll=roll)
            if table and table.first <= agreed <= table.last and working(agreed, self.terms) == due_on:
                return middle
        return month_of_rolled(due_on, day, roll)

    def foresee(self) -> None:
        """What is to come is known already."""

    @property
    def day_of_month(self) -> int | None:
        if self.terms.unit is not Unit.MONTHS or self.started is None:
            return None
        return self.due_day or (self.terms.first_due or self.started).day

    # -- totals ---------------------------------------------------------------------------------------------------------

    @property
    def interest_total(self) -> int:
        return sum(row.interest for row in self.due) + self.pool["interest"] + self.put_off + self.accrued

    @property
    def penalty_total(self) -> int:
        return sum(map(self.penalty, self.due)) + self.pool["penalty"]

    def owed(self, name: str) -> int:
        """What is unpaid of all interest, penalty or cost so far."""
        charged = {
            "interest": self.interest_total,
            "penalty": self.penalty_total,
            "cost": self.late_fees + self.service_fees,
        }
        return charged[name] - self.sum(f"{name}_paid") - self.sum(f"{name}_waived")

    def sum(self, name: str) -> int:
        return sum(getattr(row, name) for row in self.due)

    @property
    def principal_paid(self) -> int:
        return self.sum("principal_paid") + self.prepaid
