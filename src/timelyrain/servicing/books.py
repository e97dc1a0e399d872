"""The posting template of a loan: the step between two folds, as ledger lines."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from timelyrain.contract import ChargeKind, LoanState, Terms, Totals
from timelyrain.ledger import chart
from timelyrain.ledger.services import LENDER, Line


def lines(terms: Terms, loan_id: UUID, step: Totals) -> list[Line]:
    """Balanced lines for a difference of totals; the identity of `Totals` is what balances them."""
    formulas = {charge.kind: charge.formula for charge in terms.charges}
    amounts = (
        (chart.LOAN_PRINCIPAL, loan_id, step.principal_receivable_fen, None),
        (chart.INTEREST_RECEIVABLE, loan_id, step.interest_receivable_fen, None),
        (chart.PENALTY_RECEIVABLE, loan_id, step.penalty_receivable_fen, None),
        (chart.COST_RECEIVABLE, loan_id, step.cost_receivable_fen, None),
        (chart.BORROWER_SURPLUS, loan_id, -step.surplus_fen, None),
        (chart.INTEREST_INCOME, LENDER, -step.interest_accrued_fen, formulas.get(ChargeKind.INTEREST)),
        (chart.PENALTY_INCOME, LENDER, -step.penalty_accrued_fen, formulas.get(ChargeKind.PENALTY)),
        (chart.FEE_INCOME, LENDER, -step.fee_charged_fen, formulas.get(ChargeKind.PREPAYMENT_FEE)),
        (chart.LATE_FEE_INCOME, LENDER, -step.late_fee_charged_fen, formulas.get(ChargeKind.LATE_FEE)),
        (
            chart.SERVICE_FEE_INCOME,
            LENDER,
            -step.service_fee_charged_fen,
            formulas.get(ChargeKind.SERVICE_FEE),
        ),
        (chart.CHARGES_WAIVED, LENDER, step.waived_fen, None),
        (chart.GOODWILL, LENDER, step.goodwill_fen, None),
        (chart.CREDIT_LOSS, LENDER, step.charged_off_fen, None),
        (chart.RECOVERIES, LENDER, -step.recovered_fen, None),
        (chart.PAY_OUT_CLEARING, LENDER, -step.disbursed_fen - step.paid_back_fen, None),
        (chart.RECEIPT_CLEARING, LENDER, step.received_fen, None),
    )
    return [Line(code, amount, owner, formula) for code, owner, amount, formula in amounts if amount]


def receivables(totals: Totals) -> dict[str, int]:
    """What the loan's own accounts must show for these totals, by chart code."""
    return {
        chart.LOAN_PRINCIPAL: totals.principal_receivable_fen,
        chart.INTEREST_RECEIVABLE: totals.interest_receivable_fen,
        chart.PENALTY_RECEIVABLE: totals.penalty_receivable_fen,
        chart.COST_RECEIVABLE: totals.cost_receivable_fen,
        chart.BORROWER_SURPLUS: -totals.surplus_fen,
    }


@dataclass(frozen=True)
class Standing:
    """Where a loan's books stand: its totals, whether its unpaid charges are in suspense, whether it is charged off."""

    totals: Totals
    suspended: bool
    charged_off: bool = False

    @classmethod
    def of(cls, state: LoanState, suspended: bool) -> Self:
        return cls(state.totals, suspended, state.charged_off_on is not None)

    @property
    def interest_suspense_fen(self) -> int:
        return self.totals.interest_receivable_fen if self.suspended else 0

    @property
    def penalty_suspense_fen(self) -> int:
        return self.totals.penalty_receivable_fen if self.suspended else 0

    def balances(self) -> dict[str, int]:
        """What the loan's own accounts must show, by chart code."""
        return receivables(self.totals) | {
            chart.INTEREST_SUSPENSE: -self.interest_suspense_fen,
            chart.PENALTY_SUSPENSE: -self.penalty_suspense_fen,
        }


def booking(
    terms: Terms, loan_id: UUID, before: Standing, after: Standing, days: tuple[int, int]
) -> list[Line]:
    """The lines that take a loan's own accounts from one standing to another.

    days: (interest, penalty) that day closes have posted for the loan since `before`; they leave the control accounts and are
    not income a second time. What goes into suspense is taken out of income, what leaves it returns, except that a charge-off
    sets it against the loss.
    """
    step = lines(terms, loan_id, after.totals - before.totals)
    formulas = {charge.kind: charge.formula for charge in terms.charges}
    for kind, posted, was, becomes, receivable, suspense, income in (
        (
            ChargeKind.INTEREST,
            days[0],
            before.interest_suspense_fen,
            after.interest_suspense_fen,
            chart.INTEREST_RECEIVABLE,
            chart.INTEREST_SUSPENSE,
            chart.INTEREST_INCOME,
        ),
        (
            ChargeKind.PENALTY,
            days[1],
            before.penalty_suspense_fen,
            after.penalty_suspense_fen,
            chart.PENALTY_RECEIVABLE,
            chart.PENALTY_SUSPENSE,
            chart.PENALTY_INCOME,
        ),
    ):
        formula = formulas.get(kind)
        since = posted if before.suspended else 0  # in suspense on the control account
        change = becomes - was - since
        lost = after.charged_off and not before.charged_off and change < 0
        step += [
            Line(receivable, -posted),
            Line(income, posted, formula=formula),
            Line(suspense, since),
            Line(suspense, was - becomes, loan_id, formula),
            Line(chart.CREDIT_LOSS if lost else income, change, formula=None if lost else formula),
        ]
    return _netted(step)


def _netted(step: Iterable[Line]) -> list[Line]:
    """One line per account, zeros left out."""
    sums: dict[tuple[str, UUID], Line] = {}
    for line in step:
        known = sums.get((line.code, line.owner))
        amount = line.amount_fen + (known.amount_fen if known else 0)
        formula = line.formula or (known.formula if known else None)
        sums[line.code, line.owner] = Line(line.code, amount, line.owner, formula)
    return [line for line in sums.values() if line.amount_fen]
