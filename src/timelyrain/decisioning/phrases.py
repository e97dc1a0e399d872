"""Why a model's score is what it is, for people: one sentence for every feature, and four causes that are four things.

A sentence is made of the parts of the feature's declaration: what is counted, over which days, by which statistic; and of the
direction in which this person differs. Features that tell the same thing (windows and statistics of one family, an amount and its
share) have one theme; causes are the themes that raised the PD most, each told by its heaviest feature. Sex, age, family, health,
origin and belief are never named: features made of age have no sentence, and purchases that tell of a household or of health are
called by a neutral name.
"""
# ruff: noqa: E501  (sentences are kept whole)

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from .aggregates import OF_KEYS, STATS, Stat
from .catalogue import lineages
from .compilers import Value
from .decide import FACTORS
from .decision import Decision, Shown
from .feature_reader import Feature
from .language import PPM, names_read
from .parts import FORMATS
from .policy import Policy

Direction = Literal["high", "low", "absent", "unsure"]
Words = tuple[str, str]

_THEMES: tuple[tuple[str, str], ...] = (
    ("gambling", r"gambling"),
    ("returned_debits", r"bank_returned|returned_of"),
    ("inquiries", r"inquir"),
    ("refunds", r"refund"),
    ("lateness_of_bills", r"telecom_late|telecom_very_late"),
    ("lateness", r"bureau_(late|overdue|bad_debt|guarantor|paid|month|settled)|late_|clean_months|overdue_"),
    ("guarantees", r"guarantee"),
    ("repayments", r"bank_repayment|repayment_of|bank_lender_out|lenders_unreported"),
    ("new_loans", r"bank_proceeds|proceeds_of|bank_lender_in|new_debt|lender_growth|bureau_account_(count|recency)_"),
    ("revolving", r"bureau_(revolving|card|full|idle)|utilisation|idle_limit|full_accounts"),
    ("lenders", r"bureau_(lender|loan_lender|lenders)|small_loans|bureau_small"),
    ("history", r"bureau_(account_first|closed|account)|file_"),
    ("debt", r"bureau_(open|due|loan|short_loan|long_loan|large|online)|debt_|due_of|dti|loan_left|limit_months"),
    ("score", r"bureau_score"),
    ("balance", r"bank_(balance|empty|low|tight|flush)|^balance_|^low_balance"),
    ("tax_and_contributions", r"^tax_|declared_of"),
    ("employer", r"employer|employment|employed"),
    ("salary", r"bank_salary|salary_|income_"),
    ("surplus", r"surplus|net_flow|bank_(in|out)_|credit_size|debit_size"),
    ("device", r"^device_|sim_changed|reset_before|place_spread|apply_rate"),
    ("phone", r"phone|telecom"),
    ("selling", r"sold|buyer|takings"),
    ("address", r"address"),
    ("shopping", r"^shop_|basket|merchant"),
)  # fmt: skip
_NEUTRAL = re.compile(r"(^|_)(health|baby|beauty)(_|$)")
"""Purchases that tell of health or of a household."""
_PROTECTED = frozenset({"fact.age"})
_NO_DETAIL = re.compile(r"（[^）]*）")
_ZH_SPAN = re.compile(r"^(近\d+天|全部历史)")
_EN_SPAN = re.compile(r"^(.*), (last (?:\d+ )?days?|all time)$")
_EN_DETAIL = re.compile(r", \d+ (?:if none|to \d).*$")
_TREND = re.compile(r"_trend_(?:(\d+)d)_(?:(\d+)d)$")
_ZH_AMOUNT = re.compile(r"(已用额度|余额|金额|授信额)$")
_EN_AMOUNT = re.compile(r"^(balance of|amount granted on|amount) ")

_STATISTICS: Mapping[str, tuple[Words, Words]] = {
    # high, low: (zh, en); {} is what is counted, {span} the days
    "count": (("{span}{}次数偏多", "More {} {span} than usual"), ("{span}{}次数偏少", "Fewer {} {span} than usual")),
    "sum": (("{span}{}合计偏高", "A higher total of {} {span} than usual"), ("{span}{}合计偏低", "A lower total of {} {span} than usual")),
    "mean": (("{span}{}平均偏高", "{}: a higher average {span} than usual"), ("{span}{}平均偏低", "{}: a lower average {span} than usual")),
    "min": (("{span}{}的最低值偏高", "{}: the lowest {span} is higher than usual"), ("{span}{}的最低值偏低", "{}: the lowest {span} is lower than usual")),
    "max": (("{span}{}的最高值偏高", "{}: the greatest {span} is higher than usual"), ("{span}{}的最高值偏低", "{}: the greatest {span} is lower than usual")),
    "std": (("{span}{}波动偏大", "{}: more up and down {span} than usual"), ("{span}{}波动偏小", "{}: less up and down {span} than usual")),
    "last": (("最近一次{}偏高", "{}: the latest is higher than usual"), ("最近一次{}偏低", "{}: the latest is lower than usual")),
    "recency": (("已较长时间没有{}", "{}: longer ago than usual"), ("{}就在不久之前", "{}: more recent than usual")),
    "first": (("{}的记录起始偏早", "{}: the record begins earlier than usual"), ("{}的记录偏短", "{}: a shorter record than usual")),
    "periods": (("{span}有{}的月份偏多", "{}: in more months {span} than usual"), ("{span}有{}的月份偏少", "{}: in fewer months {span} than usual")),
    "slope": (("{span}{}的走势偏升", "{}: a more upward trend {span} than usual"), ("{span}{}的走势偏降", "{}: a more downward trend {span} than usual")),
    "sum_slope": (("{span}{}逐月合计的走势偏升", "{}: a more upward trend of the monthly total {span} than usual"), ("{span}{}逐月合计的走势偏降", "{}: a more downward trend of the monthly total {span} than usual")),
    "count_slope": (("{span}{}逐月次数的走势偏升", "{}: a more upward trend of the monthly number {span} than usual"), ("{span}{}逐月次数的走势偏降", "{}: a more downward trend of the monthly number {span} than usual")),
    "distinct": (("{span}不同的{}偏多", "More different {} {span} than usual"), ("{span}不同的{}偏少", "Fewer different {} {span} than usual")),
}  # fmt: skip
_PLAIN: tuple[Words, Words] = (
    ("{span}{}偏高", "{} {span}: higher than usual"),
    ("{span}{}偏低", "{} {span}: lower than usual"),
)


@dataclass(frozen=True, slots=True)
class Cause:
    """One principal cause: a theme's whole part in the PD (millionths of log-odds), told by the feature that weighs most in it."""

    theme: str
    feature: str
    zh: str
    en: str
    value: Shown
    contribution_ppm: int


def causes(
    policy: Policy,
    decision: Decision,
    names: Sequence[str],
    parts: Sequence[float],
    *,
    typical: Mapping[str, float] | None = None,
) -> tuple[Cause, ...]:
    """The themes that raised this person's PD most, heaviest first. parts: log-odds by name of the model, + raises PD.

    typical: usual values, by which a feature without a declared direction is high or low.
    """
    by_theme: dict[str, list[tuple[float, str]]] = {}
    for name, part in zip(names, parts, strict=True):
        if part:
            by_theme.setdefault(theme(name), []).append((part, name))
    sums = {one: sum(part for part, _ in found) for one, found in by_theme.items()}
    found: list[Cause] = []
    for one in sorted(sums, key=lambda key: (-sums[key], key)):
        told = [(part, name) for part, name in by_theme[one] if part > 0 and is_told(policy, name)]
        if sums[one] <= 0 or len(found) == FACTORS:
            break
        if not told:
            continue
        _, name = min((-part, name) for part, name in told)
        at = decision.table.places[name]
        number = int(decision.table.numbers[0, at]) if decision.table.known[0, at] else None
        way = direction(policy, name, number, (typical or {}).get(name))
        zh, en = phrase(policy.features[name], way)
        found.append(Cause(one, name, zh, en, decision.features[name], round(sums[one] * PPM)))
    return tuple(found)


def model_spoke(policy: Policy, decision: Decision) -> bool:
    """Whether a rule that spoke reads the model's PD, directly or through figures, tables and the price."""
    reads = {name: names_read(node) for name, node in policy.verdict_steps}
    waiting, seen = [rule.code for rule, _ in decision.spoken], set[str]()
    while waiting:
        name = waiting.pop()
        if name == "model.pd_ppm":
            return True
        if name not in seen:
            seen.add(name)
            waiting.extend(reads.get(name, ()))
    return False


def direction(policy: Policy, name: str, value: Value, typical: float | None = None) -> Direction:
    """How a value that raised the PD differs: as the policy's monotone direction says, else by the usual value."""
    if value is None:
        return "absent"
    sign = policy.monotone.get(name, 0)
    if sign:
        return "high" if sign > 0 else "low"
    if policy.features[name].type.kind == "bool":
        return "high" if value else "low"
    if typical is None or value == typical or policy.features[name].type.kind == "enum":
        return "unsure"
    return "high" if value > typical else "low"


def is_told(policy: Policy, name: str) -> bool:
    """Whether a feature may be named in a reason: not when it is made of a protected fact."""
    return not _PROTECTED.intersection(lineages(policy)[name])


@lru_cache(maxsize=8192)
def theme(name: str) -> str:
    """What a feature is about; windows and statistics of one family, and ratios of it, share a theme."""
    name = re.sub(r"^([a-z]+(?:_out)?)_of_income", r"bank_\1", name)
    for found, pattern in _THEMES:
        if re.search(pattern, name):
            return found
    return re.sub(
        r"_(count|sum|mean|min|max|std|last|recency|first|periods|distinct|slope|share|trend)(_|$).*|_\d+d|_all|_ppm|_fen",
        "",
        name,
    )


def phrase(feature: Feature, way: Direction) -> Words:
    """One sentence in Chinese and English."""
    subject = _subject(feature)
    zh_span, en_span = _span(feature)
    if way == "absent":
        return f"没有可供判断的资料：{zh_span}{subject[0]}", _sentence(
            f"Nothing to judge by: {subject[1]} {en_span}"
        )
    if way == "unsure":
        told = f"{subject[1]} {en_span}: in a range that goes with more risk"
        return f"{zh_span}{subject[0]}处于风险较高的区间", _sentence(told)
    low = way == "low"
    if feature.type.kind == "bool":
        answer = ("：否", ": no") if low else ("", "")
        return zh_span + subject[0] + answer[0], _sentence(f"{subject[1]} {en_span}{answer[1]}")
    if trend := _TREND.search(feature.name):
        short, long = trend[1], trend[2]
        return (
            f"近{short}天{subject[0]}与近{long}天的平常水平相比{'偏少' if low else '偏多'}",
            _sentence(f"{subject[1]}: {'less' if low else 'more'} in the last {short} days than the last {long} would suggest"),
        )  # fmt: skip
    zh, en = _STATISTICS.get(feature.stat, _PLAIN)[low]
    if _EN_AMOUNT.match(subject[1]):
        en = en.replace("total of ", "")
    return zh.replace("{span}", zh_span).format(subject[0]), _sentence(
        en.replace("{span}", en_span).format(subject[1])
    )


def shown(feature: Feature, value: Shown, language: str) -> str:
    """A value in the unit of its feature."""
    if value is None:
        return {"zh": "未知", "en": "unknown"}[language]
    form = {"fen": "yuan", "ppm": "percent"}.get(feature.type.unit, "")
    if form and isinstance(value, int):
        text = FORMATS[form](value)
        return (
            f"{text}元" if form == "yuan" and language == "zh" else f"CNY {text}" if form == "yuan" else text
        )
    if isinstance(value, bool):
        return {"zh": ("否", "是"), "en": ("no", "yes")}[language][value]
    return str(value)


def _subject(feature: Feature) -> Words:
    """What is counted, without days and statistic."""
    if _NEUTRAL.search(feature.name):
        return "部分品类的支出", "spending in some categories"
    if feature.name.startswith("essentials_"):
        return "必需支出占比", "essential spending as a share of all"
    zh, en = _NO_DETAIL.sub("", feature.zh), _EN_DETAIL.sub("", feature.en)
    if _TREND.search(feature.name):
        return re.sub(r"近\d+天占近\d+天$", "", zh), re.sub(r"(:.*)?, part of the last .*$", "", en)
    if feature.kind == "aggregate":
        ending, told = STATS[cast(Stat, feature.stat)]
        zh, en = zh.removesuffix(_NO_DETAIL.sub("", ending)), en.rsplit(f", {told}, ", 1)[0]
        if feature.stat in OF_KEYS:
            zh, en = _ZH_AMOUNT.sub("", zh), _EN_AMOUNT.sub("", en)
    cut = _EN_SPAN.match(en)
    zh = zh if "与近" in zh else _ZH_SPAN.sub("", zh)
    return zh, re.sub(r":.*", "", cut[1] if cut else en).replace(", share", " as a share")


def _span(feature: Feature) -> Words:
    """The days, as they stand in a sentence."""
    zh, en = _ZH_SPAN.match(feature.zh), _EN_SPAN.match(feature.en)
    no_zh = zh is None or zh[1] == "全部历史" or "与近" in feature.zh
    return "" if no_zh or zh is None else zh[1], "" if en is None or en[
        2
    ] == "all time" else f"in the {en[2]}"


def _sentence(text: str) -> str:
    text = " ".join(text.split()).replace(" :", ":").replace(" ,", ",")
    return text[:1].upper() + text[1:]
