"""The words of signed terms as the borrower reads them: methods, charges, and whatever is agreed beyond the usual."""

from timelyrain.contract import Ahead, ChargeKind, Overdue, Terms
from timelyrain.finance import Method, MonthEnd, Shift, Unit, percent, yuan

Pair = tuple[str, str]

METHODS = {
    Method.EQUAL_INSTALMENT: "等额本息",
    Method.EQUAL_PRINCIPAL: "等额本金",
    Method.INTEREST_ONLY: "先息后本",
    Method.BULLET: "到期一次还本付息",
    Method.FLAT: "等本等息",
}
NAMES = {
    ChargeKind.INTEREST: ("利息", "Interest"),
    ChargeKind.PENALTY: ("罚息（逾期时）", "Penalty interest (if overdue)"),
    ChargeKind.PREPAYMENT_FEE: ("提前还款手续费", "Prepayment fee"),
    ChargeKind.LATE_FEE: ("逾期违约金", "Late fee"),
    ChargeKind.SERVICE_FEE: ("服务费（按次）", "Service fee (each time)"),
}


def standard(kind: ChargeKind, terms: Terms) -> Pair:
    """How a charge is computed, in words for the borrower: (zh, en)."""
    match kind:
        case ChargeKind.INTEREST:
            return _interest(terms)
        case ChargeKind.PENALTY:
            rate, grace = percent(terms.penalty_ppm), terms.grace_days
            zh, en = "不再计收正常利息", "instead of interest"
            if terms.overdue is not Overdue.PENALTY:
                zh, en = "在正常利息之外另行计收", "beside interest"
            return (
                f"逾期本金 × 年利率 {rate} × 逾期天数 / 365，宽限 {grace} 日，{zh}",
                f"overdue principal at {rate} a year by days overdue / 365 after {grace} days of grace, {en}",
            )
        case ChargeKind.PREPAYMENT_FEE:
            rate = percent(terms.prepayment_fee_ppm)
            return f"提前归还的本金 × {rate}", f"{rate} of the principal repaid early"
        case ChargeKind.LATE_FEE:
            fee = yuan(terms.late_fee_fen)
            return f"每个逾期期次一次，最高 {fee} 元", f"at most ¥{fee} once for each overdue instalment"
        case ChargeKind.SERVICE_FEE:
            fee = yuan(terms.service_fee_fen)
            return f"应您要求的每次服务最高 {fee} 元", f"at most ¥{fee} for each service you ask for"


def _interest(terms: Terms) -> Pair:
    rate = percent(terms.annual_rate_ppm)
    if terms.method is Method.FLAT:
        zh, en = f"年利率 {rate}，始终按借款原始本金计收", f"{rate} a year, always on the original principal"
    elif terms.overdue is Overdue.PENALTY:
        zh, en = f"年利率 {rate}，按未到期本金计收", f"{rate} a year on principal not yet due"
    else:
        zh = f"年利率 {rate}，按实际未还本金计收（逾期本金照计，至最后一期应还日止）"
        en = f"{rate} a year on principal owed (overdue principal too, up to the last due date)"
    if terms.to_period_end:
        zh += "，提前归还的本金计息至当期期末"
        en += ", on principal paid ahead to the end of its period"
    return f"{zh}，随每期还款", f"{en}, with each instalment"


def overdue(terms: Terms) -> Pair:
    """What an overdue instalment costs."""
    found: list[Pair] = []
    if terms.penalty_ppm or terms.overdue is Overdue.PENALTY:
        found.append(standard(ChargeKind.PENALTY, terms))
    if terms.overdue is not Overdue.PENALTY:
        rate = percent(terms.annual_rate_ppm)
        found.insert(0, (
            f"逾期本金在最后一期应还日之前继续按年利率 {rate} 计收利息",
            f"up to the last due date overdue principal goes on bearing interest at {rate} a year",
        ))  # fmt: skip
    if terms.late_fee_fen:
        found.append(standard(ChargeKind.LATE_FEE, terms))
    return "；".join(zh for zh, _ in found), "; ".join(en for _, en in found)


def prepayment(terms: Terms) -> Pair:
    """What early repayment costs."""
    zh, en = "利息按实际占用天数计收", "interest for the days the money was yours"
    if terms.to_period_end:
        zh, en = "利息计收至当期期末", "interest to the end of the running period"
    rate = percent(terms.prepayment_fee_ppm)
    fee = ("不收手续费。", "no fee.")
    if terms.prepayment_fee_ppm:
        fee = f"手续费为提前归还本金的 {rate}。", f"a fee of {rate} of the principal repaid early."
    return (
        f"可随时提前部分或全部还款，{zh}，{fee[0]}",
        f"Repay early at any time, in part or whole: {en}, {fee[1]}",
    )


def conditions(terms: Terms) -> list[Pair]:
    """Whatever is agreed beyond equal monthly periods and money that waits for its day, one sentence each; often none."""
    return [*_dates(terms), *_amounts(terms), *_balance(terms)]


def _dates(terms: Terms) -> list[Pair]:
    found: list[Pair] = []
    n, day = terms.every, terms.due_day
    if n > 1 or terms.unit is not Unit.MONTHS:
        zh, en = {Unit.MONTHS: ("个月", "month"), Unit.WEEKS: ("周", "week"), Unit.DAYS: ("天", "day")}[
            terms.unit
        ]
        found.append((f"每 {n} {zh}还款一次。", f"One instalment every {n} {en}{'s' if n > 1 else ''}."))
    if day is not None:
        found.append((f"应还日为每月 {day} 日。", f"Instalments fall due on day {day} of the month."))
    if terms.month_end is MonthEnd.ROLL:
        found.append((
            "当月没有应还日的，顺延至次月 1 日。",
            "Where a month lacks the day, the instalment is due on the first of the next.",
        ))  # fmt: skip
    if terms.calendar is not None:
        found.append({
            Shift.FOLLOWING: ("应还日遇非工作日的，顺延至下一工作日。",
                              "A due date on a day of rest moves to the next working day."),
            Shift.PRECEDING: ("应还日遇非工作日的，提前至上一工作日。",
                              "A due date on a day of rest moves to the working day before."),
            Shift.MODIFIED: ("应还日遇非工作日的，顺延至下一工作日；跨月的提前至上一工作日。",
                             "A due date on a day of rest moves to the next working day of its month, or else back."),
        }[terms.shift])  # fmt: skip
    return found


def _amounts(terms: Terms) -> list[Pair]:
    found: list[Pair] = []
    if terms.down_payment_ppm:
        share = percent(terms.down_payment_ppm)
        found.append((
            f"首付：放款当日归还本金的 {share}，为还款计划的第 1 行。",
            f"Down payment: {share} of the principal is due on the day of pay-out, the first row of the plan.",
        ))  # fmt: skip
    for count, zh, en in (
        (terms.grace_principal, "只还利息，不还本金", "ask for interest only, no principal"),
        (terms.grace_interest, "的利息递延至其后一期收取", "put their interest off to the next one"),
        (terms.interest_free, "免息", "bear no interest"),
    ):
        if count:
            found.append((f"前 {count} 期{zh}。", f"The first {count} instalment(s) {en}."))
    if terms.multiple_fen > 1:
        unit = yuan(terms.multiple_fen)
        found.append((
            f"每期金额取 {unit} 元的整数倍，差额计入最后一期。",
            f"The level amount is a multiple of ¥{unit}; the last instalment takes the difference.",
        ))  # fmt: skip
    if terms.smooth:
        found.append(
            (
                "各期金额尽量一致，尾差均摊。",
                "What rounding leaves over is spread so that instalments are even.",
            )
        )
    if terms.equal_totals:
        found.append(("各期应还总额相同。", "All instalments have the same total."))
    if terms.whole_interest:
        found.append(("全部利息一次取整，差额计入最后一期。", "Interest is rounded once for the whole loan."))
    return found


def _balance(terms: Terms) -> list[Pair]:
    found: list[Pair] = []
    if terms.ahead is Ahead.NEXT:
        found.append((
            "应还日之前支付的款项，先付截至当日的利息，其余归还后一期本金。",
            "Money before its day pays interest to the day, then principal of the next instalment.",
        ))  # fmt: skip
    if terms.ahead is Ahead.LAST:
        found.append((
            "应还日之前支付的款项，先付截至当日的利息，其余从最后一期起倒序归还本金。",
            "Money before its day pays interest to the day, then principal of the last instalments.",
        ))  # fmt: skip
    if terms.to_period_end:
        found.append((
            "提前归还的，以费用上限为限，利息计收至当期期末。",
            "Principal paid ahead bears interest to the end of the running period, as far as the cap leaves room.",
        ))  # fmt: skip
    if terms.overdue is Overdue.TO_PERIOD_END:
        found.append((
            "存在逾期时，后续各期按逾期本金至当期期末仍未归还编排。",
            "While something is overdue, later instalments are planned as if it stays unpaid to the end of the period.",
        ))  # fmt: skip
    return found
