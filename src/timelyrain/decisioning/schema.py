"""The schema of evidence: the only place where a fact, an event table or an enum value is declared.

Everything is an int64: money in fen, times in epoch seconds, flags 0/1, enums by their position, keys as hashes. Bounds
are part of the schema, so that the sum of any column and any ratio of sums fit in int64 by construction.

The schema grows at its end only, so that evidence of any age can be read and replayed: a column marked `later` may be
absent and is 0 then (a key of 0 is missing), a table marked `later` may be absent and is empty then, and a source of
LATER_SOURCES of which nothing is there counts as missing. Enum values are appended, never moved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

MAX_ROWS = 100_000
MAX_FEN = 10**11
MAX_TOTAL_FEN = 10**12
"""The absolute values of one money column add up to at most this; 10^12 x 10^6 (ppm) still fits in int64."""
MAX_TIME = 4_102_444_800
MAX_KEY = 2**63 - 1

SOURCES = ("application", "identity", "bureau", "bank", "telecom", "shop", "tax", "device")
LATER_SOURCES = ("shop", "tax", "device")


@dataclass(frozen=True, slots=True)
class Field:
    """A fact or a table column. `values` of an enum are stored by position; low and high bound an int.

    A key is a hash of a name that must not be known here: a counterparty, a device, an employer. It can be counted
    and compared for equality, and nothing else.
    """

    kind: Literal["int", "bool", "enum", "key"] = "int"
    unit: str = ""
    low: int = 0
    high: int = 1
    values: tuple[str, ...] = ()
    source: str = ""
    zh: str = ""
    en: str = ""
    later: bool = False


def _money(zh: str, en: str, source: str = "", low: int = 0, later: bool = False) -> Field:
    return Field("int", "fen", low, MAX_FEN, (), source, zh, en, later)


def _number(high: int, zh: str, en: str, source: str = "", unit: str = "", later: bool = False) -> Field:
    return Field("int", unit, 0, high, (), source, zh, en, later)


def _key(zh: str, en: str, later: bool = False) -> Field:
    return Field("key", "", 0, MAX_KEY, (), "", zh, en, later)


def _flag(zh: str, en: str, source: str = "") -> Field:
    return Field("bool", zh=zh, en=en, source=source)


def _enum(values: str, zh: str, en: str, source: str = "") -> Field:
    return Field("enum", values=tuple(values.split()), zh=zh, en=en, source=source)


_AT = _number(MAX_TIME, "时间", "when it happened", unit="seconds")

FACTS: Mapping[str, Field] = {
    "age": _number(130, "年龄", "age in full years", "application"),
    "employment": _enum(
        "employed self_employed farmer retired student unemployed other",
        "职业状态",
        "employment status",
        "application",
    ),
    "employed_months": _number(720, "现职月数", "months in the present job", "application"),
    "declared_income_fen": _money("申报月收入", "declared monthly income", "application"),
    "city_tier": _number(6, "城市线级（1至6）", "tier of the city, 1 to 6", "application"),
    "id_match": _flag("身份信息一致", "name and number agree with the registry", "identity"),
    "id_valid_days": _number(
        40_000, "证件剩余有效天数", "days until the document expires", "application", "days"
    ),
    "bureau_score": _number(1000, "征信评分", "bureau score, 0 to 1000", "bureau"),
    "public_records": _number(1000, "公共记录条数", "court and tax records in the report", "bureau"),
    "phone_match": _flag("手机实名一致", "phone is registered to the applicant", "telecom"),
    "phone_tenure_days": _number(20_000, "手机在网天数", "age of the phone number", "telecom", "days"),
    "shop_tenure_days": _number(20_000, "电商账户天数", "age of the shop account", "shop", "days"),
    "device_tenure_days": _number(
        20_000, "本机首次出现天数", "days since this device was first seen", "device", "days"
    ),
}


@dataclass(frozen=True, slots=True)
class Table:
    """An event table: columns of equal length, oldest first by `at`."""

    source: str
    columns: Mapping[str, Field]
    zh: str
    en: str
    later: bool = False


TABLES: Mapping[str, Table] = {
    "bank_flow": Table(
        "bank",
        {
            "at": _AT,
            "amount_fen": _money("金额（收入为正）", "amount, + into the account", low=-MAX_FEN),
            "balance_fen": _money("余额", "balance afterwards", low=-MAX_FEN),
            "kind": _enum(
                "salary shop rent utility transfer_in transfer_out cash loan_repayment loan_proceeds gambling "
                "returned_debit other",
                "类别",
                "kind",
            ),
            "counterparty": _key("交易对手", "counterparty", later=True),
            "mcc": _number(
                9_999, "商户类别码，无则为0", "merchant category (ISO 18245), 0 if none", later=True
            ),
        },
        "银行流水",
        "account movements",
    ),
    "bureau_account": Table(
        "bureau",
        {
            "at": _number(MAX_TIME, "开立时间", "when it was opened", unit="seconds"),
            "kind": _enum("D1 R1 R2 R3", "账户类型", "account type of the report"),
            "limit_fen": _money("授信额度或借款金额", "credit limit or amount lent"),
            "balance_fen": _money("余额", "balance"),
            "monthly_due_fen": _money("本月应还", "due this month"),
            "state": _enum(
                "normal overdue bad_debt settled closed frozen stopped inactive transferred unknown",
                "账户状态",
                "state of the account",
            ),
            "closed": _number(
                MAX_TIME, "关闭时间，未关闭为0", "when it was closed, 0 while open", unit="seconds"
            ),
            "lender": _key("授信机构", "lender", later=True),
            "term_months": _number(600, "期限月数，循环为0", "term in months, 0 if revolving", later=True),
            "overdue_fen": _money("当前逾期金额", "amount overdue now", later=True),
            "overdue_months": _number(600, "当前逾期期数", "months overdue now", later=True),
        },
        "信贷账户",
        "credit accounts",
    ),
    "bureau_month": Table(
        "bureau",
        {
            "at": _AT,
            "state": _enum("N * 1 2 3 4 5 6 7 M D Z B C G A # /", "还款状态", "repayment state of the month"),
            "overdue_fen": _money("逾期金额", "amount overdue"),
        },
        "还款记录月",
        "account-months",
    ),
    "bureau_inquiry": Table(
        "bureau",
        {
            "at": _AT,
            "kind": _enum("loan_approval card_approval post_loan self", "查询原因", "reason of the inquiry"),
            "lender": _key("查询机构", "who asked", later=True),
        },
        "查询记录",
        "inquiries",
    ),
    "telecom_bill": Table(
        "telecom",
        {
            "at": _AT,
            "amount_fen": _money("账单金额", "amount of the bill"),
            "late": _flag("是否迟缴", "paid late"),
            "late_days": _number(
                3_650, "迟缴天数（未缴计至申请日）", "days late, so far if unpaid", unit="days", later=True
            ),
        },
        "话费账单",
        "telephone bills",
    ),
    "bureau_guarantee": Table(
        "bureau",
        {
            "at": _AT,
            "amount_fen": _money("担保金额", "amount guaranteed"),
            "balance_fen": _money("在保余额", "balance guaranteed now"),
            "overdue": _flag("被担保债务逾期", "the debt guaranteed is overdue"),
        },
        "对外担保",
        "guarantees given",
        later=True,
    ),
    "shop_order": Table(
        "shop",
        {
            "at": _AT,
            "side": _enum("bought sold", "买入或卖出", "bought, or sold as a merchant"),
            "category": _enum(
                "grocery clothing electronics jewellery gift_card recharge travel health home education games "
                "baby beauty other",
                "品类",
                "category of goods",
            ),
            "amount_fen": _money("订单金额", "amount of the order"),
            "refunded": _flag("是否退款", "refunded"),
            "pay": _enum("balance card credit_line cash_on_delivery other", "支付方式", "how it was paid"),
            "merchant": _key("商户", "the other side"),
            "address": _key("收货地址", "delivery address"),
        },
        "电商订单",
        "e-commerce orders",
    ),
    "tax_record": Table(
        "tax",
        {
            "at": _AT,
            "kind": _enum(
                "income_tax social_insurance provident_fund",
                "类别",
                "income tax, social insurance, housing fund",
            ),
            "base_fen": _money("计税或缴存基数", "base: taxable income or contribution base"),
            "amount_fen": _money("缴纳金额", "amount paid"),
            "employer": _key("扣缴单位", "employer"),
        },
        "税费缴存记录",
        "tax and contribution records",
    ),
    "device_event": Table(
        "device",
        {
            "at": _AT,
            "kind": _enum(
                "login apply sim_change root emulator vpn location_change credential_reset",
                "事件",
                "what happened",
            ),
            "device": _key("设备", "device"),
            "accounts": _number(100_000, "该设备上的账户数", "accounts seen on that device by then"),
            "place": _key("地点", "place, coarse"),
        },
        "设备事件",
        "device events",
    ),
}
