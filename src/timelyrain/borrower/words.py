"""Both languages of the pages, side by side where they are used, and what a refusal sounds like to a borrower."""

from typing import Any

from django.utils.translation import get_language

from timelyrain.runtime.problems import Problem


def language() -> str:
    """The language of this request: zh or en."""
    return "en" if (get_language() or "").startswith("en") else "zh"


def say(zh: str, en: str, **values: object) -> str:
    """One sentence in the language of the request; {places} are filled from `values`."""
    text = en if language() == "en" else zh
    return text.format(**values) if values else text


# Slug -> (what is wrong, what to do) for readers who call no API. {places} are the problem's own extra values. A slug that is not
# here speaks with its title, detail and remedy.
_SENTENCES: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "invalid-value": (
        ("填写的内容有误。", "请检查后重新填写。"),
        ("Something is not filled in correctly.", "Please check and try again."),
    ),
    "not-found": (
        ("没有找到这一页，或它不属于您的账户。", "请从“我的”重新进入。"),
        ("This does not exist, or it belongs to another account.", "Go on from “My account”."),
    ),
    "not-allowed": (
        ("您的账户不能进行这项操作。", "如有疑问，请联系人工。"),
        ("Your account may not do this.", "Call us if you think it should."),
    ),
    "conflict": (
        ("情况已经变化，这项操作没有进行。", "请刷新页面后再看。"),
        ("Something has changed meanwhile; nothing was done.", "Reload the page and look again."),
    ),
    "too-many-requests": (
        ("操作过于频繁。", "请稍后再试。"),
        ("Too many attempts.", "Please try again later."),
    ),
    "above-law-cap": (
        ("这笔借款需要合规人员查看，没有收取任何费用。", "请联系人工。"),
        ("Our compliance staff must look at this loan; nothing was charged.", "Please call us."),
    ),
    "not-signed-in": (
        ("登录已失效。", "请重新登录。"),
        ("You are not signed in any more.", "Please sign in again."),
    ),
    "temporarily-unavailable": (
        ("有一项服务暂时无法连接。", "什么都没有提交，请稍后再试。"),
        ("A service cannot be reached right now.", "Nothing was submitted; please try again in a moment."),
    ),
    "one-time-code-wrong": (
        ("验证码不正确。", "请核对短信，还可以再试 {attempts_left} 次。"),
        ("That is not the code that was sent.", "Check the message; {attempts_left} attempt(s) left."),
    ),
    "one-time-code-spent": (
        ("这个验证码已用过、已过期或错误次数过多。", "请重新获取验证码。"),
        (
            "This code was used, has expired, or was entered wrongly too often.",
            "Please ask for a new code.",
        ),
    ),
    "one-time-code-for-something-else": (
        ("这个验证码对应另一个手机号或另一份文件。", "请为当前操作重新获取验证码。"),
        ("This code belongs to another phone or another document.", "Ask for a code for what you do now."),
    ),
    "too-many-codes": (
        ("这个手机号一小时内获取验证码的次数已达上限。", "请一小时后再试。"),
        ("Too many codes were sent to this phone within an hour.", "Please try again in an hour."),
    ),
    "consent-missing": (
        ("还缺少一项必要的授权。", "请先完成授权。"),
        ("A necessary consent has not been given.", "Please give it first."),
    ),
    "consent-text-changed": (
        ("授权书刚刚更新过。", "请阅读新的文本后再同意。"),
        ("The wording of a consent has just changed.", "Please read the new text and agree again."),
    ),
    "profile-missing": (
        ("姓名、身份证件和银行卡还没有填写。", "请先填写。"),
        ("Name, ID and bank card are not given yet.", "Please give them first."),
    ),
    "profile-invalid": (
        ("有几处信息需要更正。", "请更正标出的栏目。"),
        ("Some details need correcting.", "Please correct the marked fields."),
    ),
    "identity-taken": (
        ("这个身份证件已有账户，或您的账户已登记另一个证件。", "请使用原来的手机号登录，或联系人工。"),
        (
            "This ID document already has an account, or your account has another one.",
            "Sign in with the phone number used before, or talk to a person.",
        ),
    ),
    "outside-product": (
        ("这个金额、期数或用途暂不提供。", "请在页面给出的范围内选择。"),
        ("This amount, term or purpose is not offered.", "Please choose from what the page shows."),
    ),
    "purpose-forbidden": (
        ("借款不得用于这个用途。", "请选择真实的消费用途。"),
        ("Loans for this purpose are not made.", "Please choose what the money is really for."),
    ),
    "too-many-applications": (
        ("一天内的申请次数已达上限。", "请查看已有申请的结果，或明天再试。"),
        ("You have reached the number of applications in a day.", "See their results, or try tomorrow."),
    ),
    "policy-unfit": (
        ("审批规则暂时不能使用。", "请稍后再试；您的申请没有受到影响。"),
        ("The rules for deciding cannot be used right now.", "Please try later; nothing counts against you."),
    ),
    "model-unusable": (
        ("评分模型暂时不能使用。", "请稍后再试；您的申请没有受到影响。"),
        ("The scoring model cannot be used right now.", "Please try later; nothing counts against you."),
    ),
    "offer-expired": (
        ("这份报价已过有效期。", "重新申请只需几秒钟。"),
        ("This offer has expired.", "Applying again takes seconds."),
    ),
    "not-ready-to-decide": (
        ("审批系统尚未就绪。", "请稍后再试；您的申请没有受到影响。"),
        ("Decisions cannot be made yet.", "Please try later; nothing counts against you."),
    ),
    "not-decided-yet": (
        ("这笔申请还在审批。", "请稍后刷新再看。"),
        ("This application is still being decided.", "Reload the page in a moment."),
    ),
    "explanation-not-possible": (
        ("这个决定已无法重新推算。", "原因已列在申请中；可以请人工说明。"),
        ("This decision cannot be worked out again.", "Its reasons are listed; ask for a person to explain it."),
    ),
    "outside-offer": (
        ("这个金额或期数不在报价范围内。", "请在报价范围内选择。"),
        ("This amount or term is not within the offer.", "Please choose within the offer."),
    ),
    "reading-time-not-over": (
        ("阅读时间还没有结束。", "请读完每一项成本，{retry_after} 秒后再确认。"),
        ("The reading time is not over.", "Read every cost; confirm in {retry_after} s."),
    ),
    "disclosure-changed": (
        ("提交的内容与向您明示的不一致。", "请重新查看明示表。"),
        ("This is not the disclosure that you were shown.", "Please look at the disclosure again."),
    ),
    "disclosure-stale": (
        ("这份明示表已失效，日期可能有变化。", "请重新选择金额和期数。"),
        ("This disclosure is no longer valid; its dates may have moved.", "Choose amount and term again."),
    ),
    "disclosure-not-confirmed": (
        ("您还没有确认阅读成本明示表。", "请先阅读并确认。"),
        ("You have not confirmed the cost disclosure.", "Read and confirm it first."),
    ),
    "already-signed": (
        ("这份报价已经签署。", "请到“我的”查看进展。"),
        ("This offer has been signed.", "See how it stands under “My account”."),
    ),
    "too-many-loans": (
        ("在还的借款笔数已达上限。", "结清其中一笔后可以再借。"),
        ("As many loans as allowed are open already.", "Settle one of them first."),
    ),
    "above-cap": (
        ("按这个金额和期数，成本会超过法定上限，因此不能提供。", "请选择其他金额或期数。"),
        ("At this amount and term the cost would pass the legal cap.", "Choose another amount or term."),
    ),
    "amount-wrong": (
        ("现在不能按这个金额还款。", "请按页面显示的应还或结清金额还款。"),
        ("This amount cannot be paid now.", "Pay what the page shows as due or as payoff."),
    ),
    "repayment-on-its-way": (
        ("还有一笔还款正在处理。", "请等它入账或退回后再还，以免多扣。"),
        ("Another payment is still on its way.", "Wait until it is booked or refused, so that you never overpay."),
    ),
    "calendar-ends": (
        ("这个日期超出了已公布的工作日历。", "请选择较近的日期，或联系人工。"),
        ("That day lies beyond the published calendar of working days.", "Choose an earlier day, or call us."),
    ),
    "wish-waiting": (
        ("同样的申请还在等待答复。", "请等待答复，或联系人工修改。"),
        ("A request of this kind still waits for its answer.", "Wait for the answer, or call us to change it."),
    ),
    "wish-answered": (
        ("这个申请已经答复过。", "请刷新页面查看。"),
        ("This request has been answered.", "Reload the page to see the answer."),
    ),
    "act-impossible": (
        ("按合同现在不能这样办理。", "如有疑问，请联系人工。"),
        ("The contract does not allow this now.", "Call us if you think it should."),
    ),
    "act-decided": (
        ("这件事已经有了结果。", "请回到借款页面查看。"),
        ("This has been decided.", "See how your loan stands."),
    ),
    "second-person-needed": (
        ("需要另一位工作人员批准。", "请稍候。"),
        ("Another member of staff must approve.", "Please wait."),
    ),
    "same-person": (
        ("需要另一位工作人员批准。", "请稍候。"),
        ("Another member of staff must approve.", "Please wait."),
    ),
    "preview-changed": (
        ("借款在此期间有了变化。", "请重新查看后再决定。"),
        ("The loan has changed meanwhile.", "Look again and decide anew."),
    ),
    "amendment-changed": (
        ("这份明示表不是今天出示的，或内容有变化。", "请重新阅读。"),
        ("This disclosure is not today’s, or has changed.", "Please read it again."),
    ),
    "amendment-not-read": (
        ("阅读时间还没有结束。", "请读完，{retry_after} 秒后再确认。"),
        ("The reading time is not over.", "Read on; confirm in {retry_after} s."),
    ),
    "loan-closed": (
        ("这笔借款已结清。", "不需要再还款。"),
        ("This loan is settled.", "No payment is needed."),
    ),
    "request-in-progress": (
        ("上一次提交还在处理。", "请稍等片刻再刷新。"),
        ("Your first request is still being worked on.", "Please wait a moment and reload."),
    ),
}  # fmt: skip


def sentences(problem: Problem) -> tuple[str, str]:
    """(what is wrong, what to do) in the language of the request."""
    if problem.slug not in _SENTENCES:
        return f"{problem.title}. {problem.detail}", problem.remedy
    zh, en = _SENTENCES[problem.slug]
    what, remedy = en if language() == "en" else zh
    try:
        return what, remedy.format(**problem.extra)
    except KeyError:  # raised without the value this sentence names
        return what, problem.remedy if language() == "en" else ""


_FIELDS = {
    "phone": ("请填写 11 位中国大陆手机号码", "Give 11 digits of a mainland mobile number"),
    "name": ("请填写与证件一致的姓名（2 至 30 个字）", "Give the name as on the document (2 to 30 characters)"),
    "id_number": ("身份证号码不正确，请逐位核对", "This ID number is not right; please check every digit"),
    "id_valid_until": ("证件已过期或日期不正确", "The document has expired, or the date is not right"),
    "bank_card": ("银行卡号不正确，请逐位核对", "This card number is not right; please check every digit"),
    "amount_fen": ("请填写范围内的金额", "Give an amount within the range"),
    "instalments": ("请选择提供的期数", "Choose one of the terms"),
    "purpose": ("请选择借款用途", "Choose what the money is for"),
    "due_day": ("请填写 1 至 31", "Give a day from 1 to 31"),
    "mode": ("请选择提前还款方式", "Choose how the rest changes"),
    "code": ("请填写短信中的 6 位数字", "Give the 6 digits of the message"),
}  # fmt: skip


def field_errors(problem: Problem) -> dict[str, str]:
    """Field name -> what to tell beside it."""
    named: dict[str, Any] = problem.extra.get("fields") or ({problem.field: ""} if problem.field else {})
    return {name: say(*_FIELDS[name]) for name in named if name in _FIELDS}


# What codes of other rooms are called here. A code that is not listed is shown as it is.
NEEDS = {
    "account_data": (
        "没有这些无法核实借款人、放款和扣款",
        "without it nobody can be verified, paid or debited",
    ),
    "identity_check": ("确认申请人就是您本人", "to be sure that it is you who applies"),
    "credit_report_query": ("判断是否适合再借、借多少", "to judge whether and how much you can take on"),
    "credit_reporting": ("法律要求如实报送借款和还款", "the law asks that loans and repayments be reported"),
    "income_check": ("评估收入和还款能力", "to assess income and ability to repay"),
    "stability_check": ("辅助评估信用", "to support the credit assessment"),
    "spending_check": ("辅助评估信用", "to support the credit assessment"),
    "contribution_check": ("核实收入和工作稳定性", "to verify income and steady work"),
    "device_check": ("防范他人冒用您的身份", "to guard against misuse of your name"),
    "pay_out_and_debit": ("把钱打给您，并按期扣款", "to pay you and to debit what falls due"),
}
DATA = {
    "mobile": ("手机号码", "mobile number"),
    "name": ("姓名", "name"),
    "id_number": ("身份证号码", "ID number"),
    "bank_card": ("银行卡号", "bank card number"),
    "account_balance": ("账户余额", "account balance"),
    "credit_report": ("信用报告", "credit report"),
    "loan_account": ("借款账户", "loan account"),
    "repayment_record": ("还款记录", "repayment record"),
    "bank_transactions": ("银行流水", "bank transactions"),
    "telecom_bills": ("电信账单", "telecom bills"),
    "shop_orders": ("电商订单", "e-commerce orders"),
    "tax_records": ("个税记录", "income tax records"),
    "social_insurance": ("社保记录", "social insurance records"),
    "housing_fund": ("公积金记录", "housing fund records"),
    "device_events": ("设备事件", "device events"),
    "place": ("城市级地点", "place, by city"),
    "amount": ("金额", "amount"),
}
SOURCE_STATES = {
    "timeout": ("没有及时答复", "no answer in time"),
    "unavailable": ("暂时无法连接", "cannot be reached"),
    "refused": ("对方拒绝", "refused"),
    "malformed": ("答复无法识别", "an answer that cannot be read"),
    "error": ("出错", "an error"),
}
RAIL_REFUSALS = {
    "insufficient_funds": ("银行卡余额不足", "not enough money on the card"),
    "invalid_card": ("收款卡号无效", "the card does not exist"),
    "name_mismatch": ("卡主姓名与借款人不一致", "the card is in another name"),
    "consent_withdrawn": ("您已撤回放款及代扣授权", "you withdrew the consent to pay-out and debit"),
    "refused_by_bank": ("开户行拒绝了这笔交易", "the bank refused it"),
    "cost above the cap in force": ("成本超过现行法定上限", "its cost would pass the legal cap in force"),
}
