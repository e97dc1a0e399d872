"""What people may do with a loan: each kind of act, what must be said with it, and what the borrower is told of it.

An act is a proposed event: its kind is the event's type, its fields are the event's amount and data.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from timelyrain.contract import EventType, LoanState
from timelyrain.finance import percent, yuan

Words = tuple[str, str]  # zh, en


@dataclass(frozen=True)
class Field:
    """Something to fill in. name: amount_fen, or a name in the event's data; event: one of the loan's own, by its id."""

    name: str
    kind: Literal["fen", "whole", "percent", "choice", "event", "text"]
    label: Words
    choices: tuple[tuple[str, Words], ...] = ()
    optional: bool = False
    low: int = 1
    high: int = 10**12


@dataclass(frozen=True)
class Kind:
    """bank: money that moved at the bank outside the rail, +1 in, -1 out: it is booked with the act."""

    type: EventType
    group: Literal["charges", "money", "plan", "end"]
    title: Words
    what: Words
    fields: tuple[Field, ...] = ()
    bank: Literal[-1, 0, 1] = 0

    def moves_bank(self, data: Mapping[str, str | int]) -> int:
        return 0 if data.get("source") == "goodwill" else self.bank


GROUPS: dict[str, Words] = {
    "charges": ("息费", "Charges"),
    "money": ("资金", "Money"),
    "plan": ("还款计划", "The plan"),
    "end": ("了结", "The end"),
}


def _amount(zh: str = "金额（元）", en: str = "Amount (yuan)", *, low: int = 1) -> Field:
    return Field("amount_fen", "fen", (zh, en), low=low)


_REFERENCE = Field("reference", "text", ("银行流水号", "Bank reference"), optional=True)
_TARGETS = (("penalty", ("罚息", "penalty")), ("interest", ("利息", "interest")), ("fee", ("费用", "fee")))

KINDS: dict[EventType, Kind] = {
    kind.type: kind
    for kind in (
        Kind(
            EventType.WAIVED,
            "charges",
            ("减免", "Waive"),
            ("免去已到期的罚息、利息或费用", "Forgive penalty, interest or a fee that is due"),
            (Field("target", "choice", ("减免什么", "What"), _TARGETS), _amount()),
        ),
        Kind(
            EventType.FEE_CHARGED,
            "charges",
            ("收费", "Charge a fee"),
            ("收取合同已明示的费用，不超过上限", "Charge a fee that the contract disclosed, within the cap"),
            (
                Field(
                    "kind",
                    "choice",
                    ("哪项费用", "Which fee"),
                    (("late_fee", ("逾期费", "late fee")), ("service_fee", ("服务费", "service fee"))),
                ),
                _amount(),
            ),
        ),
        Kind(
            EventType.RATE_CHANGED,
            "charges",
            ("调整利率", "Change the rate"),
            (
                "自即日起；高于签约利率须借款人阅读并确认新的明示表",
                "From now on; above the signed rate the borrower must read and confirm a new disclosure",
            ),
            (
                Field(
                    "rate_ppm", "percent", ("年利率（%）", "Annual rate (%)"), low=0, high=1_000_000
                ),
            ),
        ),
        Kind(
            EventType.REFUNDED,
            "money",
            ("退款或补偿", "Refund"),
            ("商户退款，或我方补偿；先还到期的，再按选择", "A merchant's money or our goodwill; what is due comes first"),
            (
                Field(
                    "source",
                    "choice",
                    ("谁的钱", "Whose money"),
                    (("goodwill", ("我方补偿", "our goodwill")), ("merchant", ("商户退款", "the merchant's"))),
                ),
                Field(
                    "to",
                    "choice",
                    ("其余用于", "The rest goes to"),
                    (
                        ("principal", ("提前还本金", "principal, ahead of time")),
                        ("surplus", ("留作溢缴款", "surplus, for coming instalments")),
                    ),
                ),
                _amount(),
                _REFERENCE,
            ),
            bank=1,
        ),
        Kind(
            EventType.PAID_BACK,
            "money",
            ("退还溢缴款", "Pay back surplus"),
            ("经支付通道退到借款人的银行卡", "To the borrower's card, through the rail"),
            (_amount(),),
        ),
        Kind(
            EventType.REPAID,
            "money",
            ("登记转账还款", "Record a transfer"),
            ("借款人自行转账到我方账户的还款", "Money that the borrower sent to our account"),
            (_amount(), _REFERENCE),
            bank=1,
        ),
        Kind(
            EventType.CHARGED_BACK,
            "money",
            ("银行退回扣款", "Chargeback"),
            ("付款行收回了一笔还款：这笔钱重新成为应还", "The payer's bank took a payment back: it is owed again"),
            (Field("event", "event", ("哪一笔还款", "Which payment")), _amount(), _REFERENCE),
            bank=-1,
        ),
        Kind(
            EventType.REVERSED,
            "money",
            ("冲回", "Reverse"),
            ("这件事没有发生过（记错了）", "The event never happened (a mistake)"),
            (Field("event", "event", ("哪一件", "Which event")),),
        ),
        Kind(
            EventType.DUE_DATE_CHANGED,
            "plan",
            ("更改还款日", "Change the due day"),
            ("今后各期移到这一天，不早于原定日期", "Instalments to come move to that day, none earlier than it was"),
            (Field("due_day", "whole", ("每月几号", "Day of the month"), high=31),),
        ),
        Kind(
            EventType.PAUSED,
            "plan",
            ("延期", "Pause"),
            ("今后各期顺延几个月", "Instalments to come move by some months"),
            (
                Field("months", "whole", ("几个月", "Months"), high=24),
                Field(
                    "interest",
                    "choice",
                    ("其间利息", "Interest meanwhile"),
                    (("stops", ("停止计息", "stops")), ("runs", ("照常计息", "runs"))),
                ),
            ),
        ),
        Kind(
            EventType.INTEREST_STOPPED,
            "plan",
            ("停止计息", "Stop interest"),
            ("从起息日起这些天不计利息，还款日不变", "No interest on these days from the value date; due dates stand"),
            (Field("days", "whole", ("几天", "Days"), high=3660),),
        ),
        Kind(
            EventType.HARDSHIP_AGREED,
            "plan",
            ("困难帮扶", "Hardship plan"),
            (
                "接下来几期每期最多还这么多，其余摊到以后各期",
                "The next instalments are at most this much, the rest is spread over the later ones",
            ),
            (
                _amount("每期最多（元）", "At most, each (yuan)"),
                Field("instalments", "whole", ("几期", "How many instalments"), high=60),
                Field("extra", "whole", ("另加几期", "More instalments"), optional=True, low=0, high=360),
            ),
        ),
        Kind(
            EventType.RESTRUCTURED,
            "plan",
            ("重组", "Restructure"),
            (
                "全部欠款从即日起重新分期；已到期的息费不再计息",
                "Everything owed is spread anew; charges that were due bear no interest",
            ),
            (
                Field("instalments", "whole", ("期数", "Instalments"), high=600),
                Field("due_day", "whole", ("每月几号", "Day of the month"), optional=True, high=31),
            ),
        ),
        Kind(
            EventType.ACCELERATED,
            "end",
            ("宣布提前到期", "Call the loan due"),
            ("全部欠款立即到期，不再计息，改计罚息", "All that is owed is due at once; interest ends, penalty runs"),
        ),
        Kind(
            EventType.CHARGED_OFF,
            "end",
            ("核销", "Charge off"),
            ("账上核销，停止计息；债务仍在", "Gone from the books, nothing accrues; the debt remains"),
        ),
        Kind(
            EventType.RECOVERED,
            "end",
            ("登记核销后收回", "Record a recovery"),
            ("核销之后收到的钱", "Money on a loan that was charged off"),
            (_amount(), _REFERENCE),
            bank=1,
        ),
        Kind(
            EventType.SOLD,
            "end",
            ("转让债权", "Sell"),
            ("债权转给他人；必须通知借款人（民法典 546）", "The claim changes hands; the borrower must be told (Civil Code 546)"),
            (
                Field("owner", "text", ("受让方", "Buyer")),
                _amount("价格（元）", "Price (yuan)", low=0),
            ),
        ),
        Kind(
            EventType.SETTLED,
            "end",
            ("确认结清", "State that it is settled"),
            ("确认什么都不欠了；还欠则不成立", "Nothing is owed; refused where something is"),
        ),
    )
}  # fmt: skip


def told(
    kind: EventType, amount_fen: int, data: Mapping[str, str | int], before: LoanState, after: LoanState
) -> str:
    """What the borrower is told of an act that was done; "" for what changes nothing for them."""
    amount, due = yuan(amount_fen), _due(after)
    match kind:
        case EventType.WAIVED:
            names = {name: words[0] for name, words in _TARGETS}
            return f"已为您减免{names[str(data['target'])]} {amount} 元。{due}"
        case EventType.FEE_CHARGED:
            name = "逾期费" if data["kind"] == "late_fee" else "服务费"
            return f"按合同约定收取{name} {amount} 元，随下一次还款一并支付。{due}"
        case EventType.RATE_CHANGED:
            return f"您的借款年利率自今日起为 {percent(after.annual_rate_ppm)}。{due}"
        case EventType.REFUNDED:
            return f"{'我方补偿' if data['source'] == 'goodwill' else '商户退款'} {amount} 元已计入您的借款。{due}"
        case EventType.REPAID | EventType.RECOVERED:
            return f"已收到您的转账还款 {amount} 元。{due}"
        case EventType.CHARGED_BACK:
            return f"付款银行收回了一笔还款 {amount} 元，这笔钱重新成为应还款。{due}如有疑问请联系人工。"
        case EventType.DUE_DATE_CHANGED:
            return f"您的还款日已改为每月 {data['due_day']} 日。{due}"
        case EventType.PAUSED:
            stops = "，其间不计利息" if data["interest"] == "stops" else "，其间照常计息"
            return f"您的还款已延期 {data['months']} 个月{stops}。{due}"
        case EventType.INTEREST_STOPPED:
            return f"您的借款有 {data['days']} 天不计利息，还款日不变。{due}"
        case EventType.ACCELERATED:
            return f"您的借款已被宣布提前到期，全部欠款现在应还，不再计息，逾期按合同计罚息。{due}如有困难请联系人工。"
        case EventType.HARDSHIP_AGREED:
            return f"困难帮扶已生效：接下来 {data['instalments']} 期每期最多还 {amount} 元。{due}"
        case EventType.RESTRUCTURED:
            return f"您的借款已重新分为 {data['instalments']} 期。{due}"
        case EventType.SOLD:
            return f"您的借款债权已转让给 {data['owner']}（民法典第五百四十六条通知）。应还金额不变。"
        case EventType.REVERSED:
            same = before.amount_due_fen == after.amount_due_fen and before.payoff_fen == after.payoff_fen
            return "" if same else f"一笔记账有误，已更正。{due}如有疑问请联系人工。"
        case EventType.SETTLED:
            return "您的借款已全部结清。"
        case _:
            return ""


def returned(amount_fen: int) -> str:
    """What the borrower is told when surplus has reached their card."""
    return f"多还的 {yuan(amount_fen)} 元已退回您的银行卡。"


def _due(after: LoanState) -> str:
    if after.status == "SETTLED":
        return "贷款已全部结清。"
    if after.amount_due_fen:
        return f"现在应还 {yuan(after.amount_due_fen)} 元。"
    row = after.next_due
    return f"下一期 {row.due_on} 应还 {yuan(row.unpaid_fen)} 元。" if row else ""
