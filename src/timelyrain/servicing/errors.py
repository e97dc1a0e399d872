from timelyrain.runtime.problems import Conflict, Invalid


class AmountWrong(Invalid):
    slug, title = "amount-wrong", "This amount cannot be paid now"


class RepaymentOnItsWay(Conflict):
    slug, title = "repayment-on-its-way", "Another payment for this loan is still on its way"


class LoanClosed(Conflict):
    slug, title = "loan-closed", "The loan is settled"


class AboveLawCap(Conflict):
    slug, title = "above-law-cap", "The signed terms allow more than the law in force"
