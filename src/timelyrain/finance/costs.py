"""What a loan costs all in: interest and every fee with its payee, what is certain apart from what only may come.

The flows of the normal course (what is paid if all is paid on its day) give the annual rates; contingent fees are summed
beside them and never enter a rate.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from .rates import CashFlow, xirr
from .schedules import Advance, Instalment


class Fee(NamedTuple):
    """A charge beside interest. contingent: it comes only if something happens (paid late, prepaid, misused)."""

    name: str
    payee: str
    on: date
    amount_fen: int
    contingent: bool = False


class AllInCost(NamedTuple):
    """Sums in fen, and the effective annual rate of the normal course on actual days over 365, as a fraction."""

    received_fen: int
    interest_fen: int
    fees_fen: int
    contingent_fen: int
    by_payee: dict[str, int]
    annual_rate: Decimal

    @property
    def normal_fen(self) -> int:
        """Interest and certain fees together."""
        return self.interest_fen + self.fees_fen


def normal_flows(
    advances: Sequence[Advance], plan: Sequence[Instalment], fees: Sequence[Fee] = ()
) -> tuple[CashFlow, ...]:
    """What the borrower receives and pays if all is paid on its day, by day; a fee kept back lowers what is received."""
    by_day: dict[date, int] = {}
    for on, amount in (
        *advances,
        *((row.due_on, -row.total_fen) for row in plan),
        *((fee.on, -fee.amount_fen) for fee in fees if not fee.contingent),
    ):
        by_day[on] = by_day.get(on, 0) + amount
    return tuple(CashFlow(on, amount) for on, amount in sorted(by_day.items()) if amount)


def all_in_cost(
    lender: str, advances: Sequence[Advance], plan: Sequence[Instalment], fees: Sequence[Fee] = ()
) -> AllInCost:
    """The cost of a plan: interest goes to `lender`, each fee to its payee. Raises NoRate, NoUniqueRate."""
    interest = sum(row.interest_fen for row in plan)
    certain = [fee for fee in fees if not fee.contingent]
    by_payee = {lender: interest}
    for fee in certain:
        by_payee[fee.payee] = by_payee.get(fee.payee, 0) + fee.amount_fen
    return AllInCost(
        received_fen=sum(amount for _, amount in advances),
        interest_fen=interest,
        fees_fen=sum(fee.amount_fen for fee in certain),
        contingent_fen=sum(fee.amount_fen for fee in fees if fee.contingent),
        by_payee=by_payee,
        annual_rate=xirr(normal_flows(advances, plan, fees)),
    )
