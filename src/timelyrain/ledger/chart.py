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
FUNDING_DUE = "1221.1"
SALE_PRICE = "1221.2"
INTEREST_RECEIVABLE = "1132.1"
PENALTY_RECEIVABLE = "1132.2"
COST_RECEIVABLE = "1132.3"
PARTNERS_INTEREST = "1132.91"
PARTNERS_PENALTY = "1132.92"
PARTNERS_COST = "1132.93"
INTEREST_SUSPENSE = "1133.1"
PENALTY_SUSPENSE = "1133.2"
PARTNERS_INTEREST_SUSPENSE = "1133.91"
PARTNERS_PENALTY_SUSPENSE = "1133.92"
LOAN_PRINCIPAL = "1303"
PARTNERS_PRINCIPAL = "1303.9"
LOSS_ALLOWANCE = "1304"
BORROWER_SURPLUS = "2241"
SHARES_TO_REMIT = "2241.1"
OWED_TO_BUYERS = "2241.2"
CAPITAL = "4001"
INTEREST_INCOME = "6011.1"
PENALTY_INCOME = "6011.2"
CHARGES_WAIVED = "6011.9"
FEE_INCOME = "6021"
LATE_FEE_INCOME = "6021.1"
SERVICE_FEE_INCOME = "6021.2"
PARTNER_SERVICE_INCOME = "6021.3"
LOANS_SOLD_RESULT = "6111"
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
    # What partners fund of a loan is theirs: it stands against the whole claim, so that the lender's part is left.
    ChartLine(PARTNERS_INTEREST, "Interest receivable, partners' part", "应收利息-合作方份额", "asset"),
    ChartLine(
        PARTNERS_PENALTY, "Penalty interest receivable, partners' part", "应收罚息-合作方份额", "asset"
    ),
    ChartLine(PARTNERS_COST, "Fees receivable, partners' part", "应收费用-合作方份额", "asset"),
    # Against the receivables of non-accrual loans: charged to the borrower, not counted as income until it is paid.
    ChartLine(INTEREST_SUSPENSE, "Interest in suspense", "非应计利息", "asset", "interest"),
    ChartLine(PENALTY_SUSPENSE, "Penalty interest in suspense", "非应计罚息", "asset", "penalty"),
    ChartLine(
        PARTNERS_INTEREST_SUSPENSE, "Interest in suspense, partners' part", "非应计利息-合作方份额", "asset"
    ),
    ChartLine(
        PARTNERS_PENALTY_SUSPENSE, "Penalty in suspense, partners' part", "非应计罚息-合作方份额", "asset"
    ),
    ChartLine(FUNDING_DUE, "Funding due from partners", "应收合作方出资款", "asset"),
    ChartLine(SALE_PRICE, "Prices due for loans sold", "应收债权转让款", "asset"),
    ChartLine(LOAN_PRINCIPAL, "Loans to customers", "贷款", "asset"),
    ChartLine(PARTNERS_PRINCIPAL, "Loans to customers, partners' part", "贷款-合作方份额", "asset"),
    ChartLine(LOSS_ALLOWANCE, "Loss allowance", "贷款损失准备", "asset"),
    ChartLine(BORROWER_SURPLUS, "Owed back to borrowers", "其他应付款-客户溢缴", "liability"),
    ChartLine(SHARES_TO_REMIT, "Owed to partners", "其他应付款-合作方", "liability"),
    ChartLine(OWED_TO_BUYERS, "Owed to buyers of loans", "其他应付款-债权受让方", "liability"),
    ChartLine(CAPITAL, "Paid-in capital", "实收资本", "equity"),
    ChartLine(INTEREST_INCOME, "Interest income", "利息收入", "income", "interest"),
    ChartLine(PENALTY_INCOME, "Penalty interest income", "罚息收入", "income", "penalty"),
    ChartLine(FEE_INCOME, "Prepayment fee income", "提前还款手续费收入", "income", "prepayment_fee"),
    ChartLine(LATE_FEE_INCOME, "Late fee income", "逾期费收入", "income", "late_fee"),
    ChartLine(SERVICE_FEE_INCOME, "Service fee income", "服务费收入", "income", "service_fee"),
    ChartLine(PARTNER_SERVICE_INCOME, "Service fees from partners", "合作方服务费收入", "income"),
    ChartLine(LOANS_SOLD_RESULT, "Result of loans sold", "贷款转让损益", "income"),
    ChartLine(CHARGES_WAIVED, "Charges waived", "息费减免", "income"),
    ChartLine(RECOVERIES, "Recovered after charge-off", "已核销贷款收回", "income"),
    ChartLine(CREDIT_LOSS, "Credit losses", "信用减值损失", "expense"),
    ChartLine(GOODWILL, "Goodwill to borrowers", "营业外支出-客户补偿", "expense"),
)
