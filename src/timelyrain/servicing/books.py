"""The posting template of a loan: the step between two folds, as ledger lines."""

from uuid import UUID

from timelyrain.contract import ChargeKind, Terms, Totals
from timelyrain.ledger import chart
from timelyrain.ledger.services import LENDER, Line


def lines(terms: Terms, loan_id: UUID, step: Totals) -> list[Line]:
    """Balanced lines for a difference of totals; the identity of `Totals` is what balances them."""
    formulas = {charge.kind: charge.formula for charge in terms.charges}
    amounts = (
        (chart.LOAN_PRINCIPAL, loan_id, step.principal_receivable_fen, None),
        (chart.INTEREST_RECEIVABLE, loan_id, step.interest_receivable_fen, None),
        (chart.PENALTY_RECEIVABLE, loan_id, step.penalty_receivable_fen, None),
        (chart.BORROWER_SURPLUS, loan_id, -step.surplus_fen, None),
        (chart.INTEREST_INCOME, LENDER, -step.interest_accrued_fen, formulas.get(ChargeKind.INTEREST)),
        (chart.PENALTY_INCOME, LENDER, -step.penalty_accrued_fen, formulas.get(ChargeKind.PENALTY)),
        (chart.FEE_INCOME, LENDER, -step.fee_charged_fen, formulas.get(ChargeKind.PREPAYMENT_FEE)),
        (chart.PAY_OUT_CLEARING, LENDER, -step.disbursed_fen, None),
        (chart.RECEIPT_CLEARING, LENDER, step.received_fen, None),
    )
    return [Line(code, amount, owner, formula) for code, owner, amount, formula in amounts if amount]


def receivables(totals: Totals) -> dict[str, int]:
    """What the loan's own accounts must show for these totals, by chart code."""
    return {
        chart.LOAN_PRINCIPAL: totals.principal_receivable_fen,
        chart.INTEREST_RECEIVABLE: totals.interest_receivable_fen,
        chart.PENALTY_RECEIVABLE: totals.penalty_receivable_fen,
        chart.BORROWER_SURPLUS: -totals.surplus_fen,
    }
