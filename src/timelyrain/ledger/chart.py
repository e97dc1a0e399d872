"""The chart of accounts (codes follow the Chinese enterprise chart). A `charge` account may only be credited as disclosed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ChartLine:
    code: str
    name: str
    name_zh: str
    type: str  # asset, liability, equity, income
    charge_kind: str | None = None


BANK = "1002"
PAY_OUT_CLEARING = "1012.1"
RECEIPT_CLEARING = "1012.2"
INTEREST_RECEIVABLE = "1132.1"
PENALTY_RECEIVABLE = "1132.2"
LOAN_PRINCIPAL = "1303"
BORROWER_SURPLUS = "2241"
CAPITAL = "4001"
INTEREST_INCOME = "6011.1"
PENALTY_INCOME = "6011.2"
FEE_INCOME = "6021"

CHART = (
    ChartLine(BANK, "Bank, lending account", "银行存款", "asset"),
    ChartLine(PAY_OUT_CLEARING, "Pay-outs on their way", "放款在途", "asset"),
    ChartLine(RECEIPT_CLEARING, "Receipts to be allocated", "回款待分配", "liability"),
    ChartLine(INTEREST_RECEIVABLE, "Interest receivable", "应收利息", "asset"),
    ChartLine(PENALTY_RECEIVABLE, "Penalty interest receivable", "应收罚息", "asset"),
    ChartLine(LOAN_PRINCIPAL, "Loans to customers", "贷款", "asset"),
    ChartLine(BORROWER_SURPLUS, "Owed back to borrowers", "其他应付款-客户溢缴", "liability"),
    ChartLine(CAPITAL, "Paid-in capital", "实收资本", "equity"),
    ChartLine(INTEREST_INCOME, "Interest income", "利息收入", "income", "interest"),
    ChartLine(PENALTY_INCOME, "Penalty interest income", "罚息收入", "income", "penalty"),
    ChartLine(FEE_INCOME, "Prepayment fee income", "提前还款手续费收入", "income", "prepayment_fee"),
)
