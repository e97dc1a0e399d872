"""The chart of accounts (codes follow the Chinese enterprise chart). A `charge` account may only be credited as disclosed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ChartLine:
    code: str
    name: str
    name_zh: str
    type: str  # asset, liability, equity, income, expense
    charge_kind: str | None = None


BANK = "1002"
PAY_OUT_CLEARING = "1012.1"
RECEIPT_CLEARING = "1012.2"
INTEREST_RECEIVABLE = "1132.1"
PENALTY_RECEIVABLE = "1132.2"
COST_RECEIVABLE = "1132.3"
INTEREST_SUSPENSE = "1133.1"
PENALTY_SUSPENSE = "1133.2"
LOAN_PRINCIPAL = "1303"
LOSS_ALLOWANCE = "1304"
BORROWER_SURPLUS = "2241"
CAPITAL = "4001"
INTEREST_INCOME = "6011.1"
PENALTY_INCOME = "6011.2"
CHARGES_WAIVED = "6011.9"
FEE_INCOME = "6021"
LATE_FEE_INCOME = "6021.1"
SERVICE_FEE_INCOME = "6021.2"
RECOVERIES = "6301"
CREDIT_LOSS = "6702"
GOODWILL = "6711"

CHART = (
    ChartLine(BANK, "Bank, lending account", "银行存款", "asset"),
    ChartLine(PAY_OUT_CLEARING, "Pay-outs on their way", "放款在途", "asset"),
    ChartLine(RECEIPT_CLEARING, "Receipts to be allocated", "回款待分配", "liability"),
    ChartLine(INTEREST_RECEIVABLE, "Interest receivable", "应收利息", "asset"),
    ChartLine(PENALTY_RECEIVABLE, "Penalty interest receivable", "应收罚息", "asset"),
    ChartLine(COST_RECEIVABLE, "Fees receivable", "应收费用", "asset"),
    # Against the receivables of non-accrual loans: charged to the borrower, not counted as income until it is paid.
    ChartLine(INTEREST_SUSPENSE, "Interest in suspense", "非应计利息", "asset", "interest"),
    ChartLine(PENALTY_SUSPENSE, "Penalty interest in suspense", "非应计罚息", "asset", "penalty"),
    ChartLine(LOAN_PRINCIPAL, "Loans to customers", "贷款", "asset"),
    ChartLine(LOSS_ALLOWANCE, "Loss allowance", "贷款损失准备", "asset"),
    ChartLine(BORROWER_SURPLUS, "Owed back to borrowers", "其他应付款-客户溢缴", "liability"),
    ChartLine(CAPITAL, "Paid-in capital", "实收资本", "equity"),
    ChartLine(INTEREST_INCOME, "Interest income", "利息收入", "income", "interest"),
    ChartLine(PENALTY_INCOME, "Penalty interest income", "罚息收入", "income", "penalty"),
    ChartLine(FEE_INCOME, "Prepayment fee income", "提前还款手续费收入", "income", "prepayment_fee"),
    ChartLine(LATE_FEE_INCOME, "Late fee income", "逾期费收入", "income", "late_fee"),
    ChartLine(SERVICE_FEE_INCOME, "Service fee income", "服务费收入", "income", "service_fee"),
    ChartLine(CHARGES_WAIVED, "Charges waived", "息费减免", "income"),
    ChartLine(RECOVERIES, "Recovered after charge-off", "已核销贷款收回", "income"),
    ChartLine(CREDIT_LOSS, "Credit losses", "信用减值损失", "expense"),
    ChartLine(GOODWILL, "Goodwill to borrowers", "营业外支出-客户补偿", "expense"),
)
