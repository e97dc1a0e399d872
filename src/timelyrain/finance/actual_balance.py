"""Loans whose interest follows the balance actually owed (随借随还, simple interest): the plan as payments have made it.

The instalment stays what was agreed. Paid early, less interest runs and the last instalment falls; paid late, the principal
that is overdue goes on bearing interest, the instalments hold less principal, and the last one rises. The days after
`until` are planned as if what is overdue were paid on that day.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

from .interest_periods import Period
from .money import Rounding, round_ratio

PPM = 1_000_000


class Ahead(StrEnum):
    """Where money goes that comes before its day: to the NEXT instalments (interest to the day first), or to the LAST."""

    NEXT = "NEXT"
    LAST = "LAST"


class Payment(NamedTuple):
    """Money received on a day."""

    on: date
    amount_fen: int


class ServicedInstalment(NamedTuple):
    """An instalment as it stands: what it asks for, and what of it is paid."""

    n: int
    due_on: date
    principal_fen: int
    interest_fen: int
    principal_paid_fen: int
    interest_paid_fen: int


def serviced_plan(
    principal_fen: int,
    annual_rate_ppm: int,
    rows: Sequence[Period],
    rounding: Rounding,
    part_fen: int,
    payments: Sequence[Payment],
    until: date,
    *,
    ahead: Ahead = Ahead.NEXT,
    whole_periods: bool = False,
    payoff_to_period_end: bool = False,
) -> tuple[ServicedInstalment, ...]:
    """Instalments of `part_fen` on `until`, after `payments` (those later are not looked at).

    whole_periods: overdue principal bears interest to the end of the running period, not to `until`.
    payoff_to_period_end: a payment ahead of its day pays interest to the end of the running period.
    """
    loan = _Walk(principal_fen, annual_rate_ppm, rows, rounding, part_fen)
    for payment in sorted(payments):
        if payment.on <= until:
            loan.advance(payment.on)
            loan.receive(payment.amount_fen, ahead, payoff_to_period_end)
    loan.advance(until)
    if whole_periods and loan.overdue() and loan.running < loan.count:
        loan.advance(rows[loan.running].due_on)
    loan.project()
    return tuple(
        ServicedInstalment(row.n, row.due_on, *amounts)
        for row, *amounts in zip(
            rows, loan.principal, loan.interest, loan.principal_paid, loan.interest_paid, strict=True
        )
    )


class _Walk:
    """One loan through time. Rows before `running` are closed: their principal and interest stand."""

    def __init__(
        self, principal: int, rate: int, rows: Sequence[Period], rounding: Rounding, part: int
    ) -> None:
        self.rate, self.rows, self.rounding, self.part = rate, rows, rounding, part
        self.count = len(rows)
        self.at = rows[0].start
        self.running = 0
        self.accrued = Fraction(0)  # interest since the last closing, exact
        self.owed: int = principal  # principal not paid
        self.left: int = (
            principal  # principal not yet in a closed instalment, nor paid ahead to the last ones
        )
        self.principal, self.interest = [0] * self.count, [0] * self.count
        self.principal_paid, self.interest_paid = [0] * self.count, [0] * self.count

    def overdue(self) -> int:
        """Principal of closed instalments that is not paid."""
        return sum(self.principal[: self.running]) - sum(self.principal_paid[: self.running])

    def interest_on(self, base: int, until: date) -> Fraction:
        """Exact interest on `base` from where the walk stands to `until`."""
        total = Fraction(0)
        for row in self.rows:
            since, to = max(self.at, row.start), min(until, row.due_on)
            if since < to:
                total += Fraction(base * row.weight(since, to) * self.rate * row.num, PPM * row.den)
        return total

    def advance(self, to: date) -> None:
        """Let time pass with interest on all principal owed; instalments whose day has come are closed."""
        while self.running < self.count and self.rows[self.running].due_on <= to:
            due_on = self.rows[self.running].due_on
            self.accrued += self.interest_on(self.owed, due_on)
            self.at = max(self.at, due_on)
            self.close()
        self.accrued += self.interest_on(self.owed, to)
        self.at = max(self.at, to)

    def now(self) -> int:
        """Interest of the running instalment so far; what a nearly paid one has no room for goes on with the next."""
        interest = round_ratio(*self.accrued.as_integer_ratio(), self.rounding)
        if self.running == self.count - 1:
            return interest
        return min(interest, max(0, self.part - self.principal_paid[self.running]))

    def share(self, interest: int) -> int:
        """Principal of the running instalment beside so much interest; the last takes the rest, at least what it was paid."""
        last = self.count - 1
        if self.running == last:
            return self.left
        return min(max(self.part - interest, 0), self.left - self.principal_paid[last])

    def close(self, *, early: bool = False) -> None:
        """The running instalment stands. Paid early, even the part of a fen it leaves over goes on with the next."""
        k, interest = self.running, self.now()
        self.interest[k] = interest
        self.principal[k] = self.share(interest)
        self.left -= self.principal[k]
        whole = self.accrued if early else round_ratio(*self.accrued.as_integer_ratio(), self.rounding)
        self.accrued = Fraction(whole - interest)
        self.running += 1

    def receive(self, money: int, ahead: Ahead, to_period_end: bool) -> None:
        arrears = [k for k in range(self.running) if self.unpaid(k)]
        if to_period_end and self.running < self.count and money > sum(map(self.unpaid, arrears)):
            self.accrued += self.interest_on(self.owed, self.rows[self.running].due_on)
            self.at = self.rows[self.running].due_on
        for k in arrears:
            money = self.pay(k, money, self.interest[k], self.principal[k])
        if self.running == self.count:
            return
        if ahead is Ahead.LAST:
            money = self.pay_last(money)
        while money and self.running < self.count:
            k, interest = self.running, self.now()
            money = self.pay(k, money, interest, self.share(interest))
            if self.interest_paid[k] < interest or self.principal_paid[k] < self.share(interest):
                return
            self.close(early=True)

    def unpaid(self, k: int) -> int:
        return self.principal[k] - self.principal_paid[k] + self.interest[k] - self.interest_paid[k]

    def pay(self, k: int, money: int, interest: int, principal: int) -> int:
        """Pay instalment k, interest first; returns the money left."""
        part = min(money, interest - self.interest_paid[k])
        self.interest_paid[k] += part
        money -= part
        part = min(money, principal - self.principal_paid[k])
        self.principal_paid[k] += part
        self.owed -= part
        return money - part

    def pay_last(self, money: int) -> int:
        """Principal of the instalments after the running one, the last first; one paid whole is closed where it stands.

        Returns the money left.
        """
        while money and self.running < self.count - 1:
            k = self.count - 1
            part = min(money, self.part - self.principal_paid[k], self.left - self.principal_paid[k])
            self.principal_paid[k] += part
            self.owed -= part
            money -= part
            if self.principal_paid[k] < self.part:
                break
            self.principal[k] = self.part
            self.left -= self.part
            self.count -= 1
        return money

    def project(self) -> None:
        """Close the instalments to come as if what is overdue were paid now and nothing came early."""
        self.owed -= self.overdue()
        while self.running < self.count:
            k = self.running
            self.accrued += self.interest_on(self.owed, self.rows[k].due_on)
            self.at = max(self.at, self.rows[k].due_on)
            self.close()
            self.owed -= self.principal[k] - self.principal_paid[k]
