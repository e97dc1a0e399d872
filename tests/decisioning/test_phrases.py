"""Reasons in words: a sentence for every feature and direction, four causes are four things, nothing protected is named."""
# ruff: noqa: E501  (sentences are kept whole)

import re

import pytest

from tests.decisioning.applicants import LAW, REQUEST, evidence
from tests.decisioning.test_decide import GOOD, POLICY
from timelyrain.decisioning import causes, decide, phrase, theme
from timelyrain.decisioning.phrases import direction, is_told

NAMED = re.compile(
    r"性别|年龄|婚|民族|宗教|籍贯|孕|母婴|医|病|健康|\bage in\b|\bsex\b|gender|marri|religio|ethnic|baby|health|pregnan",
    re.IGNORECASE,
)


@pytest.mark.parametrize("way", ["high", "low", "absent", "unsure"])
def test_every_feature_has_its_sentence_in_both_languages(way: str) -> None:
    told = {f.name: phrase(f, way) for f in POLICY.catalogue if is_told(POLICY, f.name)}  # type: ignore[arg-type]
    assert len(told) == len(POLICY.catalogue) - 1, "all but the age"
    for name, (zh, en) in told.items():
        assert 4 <= len(zh) <= 60 and 8 <= len(en) <= 140, name
        assert not re.search(r"[{}（）]|None|  ", zh + en), name
        assert en[0].isupper() or en[0].isdigit(), name
        assert not NAMED.search(zh) and not NAMED.search(en), (name, zh, en)
        assert not re.search("[\u4e00-\u9fff]", en), name


@pytest.mark.parametrize(
    ("name", "way", "zh", "en"),
    [
        ("bureau_loan_inquiry_count_30d", "high", "近30天贷款审批查询次数偏多", "More inquiries for loan approval in the last 30 days than usual"),
        ("utilisation_ppm", "high", "循环额度使用率偏高", "Utilisation of revolving credit: higher than usual"),
        ("bank_salary_sum_90d", "low", "近90天工资入账合计偏低", "A lower total of salary credits in the last 90 days than usual"),
        ("bank_salary_trend_90d_365d", "low", "近90天工资入账与近365天的平常水平相比偏少",
         "Salary credits: less in the last 90 days than the last 365 would suggest"),
        ("bureau_small_sum_all", "high", "1万元以下小额信贷余额合计偏高", "A higher balance of credit lines up to CNY 10,000 than usual"),
        ("bureau_score", "absent", "没有可供判断的资料：征信评分", "Nothing to judge by: bureau score"),
    ],
)  # fmt: skip
def test_sentences(name: str, way: str, zh: str, en: str) -> None:
    assert phrase(POLICY.features[name], way) == (zh, en)  # type: ignore[arg-type]


def test_four_causes_are_four_things_and_sums_of_their_parts() -> None:
    decision = decide(POLICY, evidence(3, 0.5), REQUEST, GOOD, 0, LAW)
    names = [f"bureau_loan_inquiry_count_{w}d" for w in (7, 30, 90)]
    names += ["utilisation_ppm", "dti_ppm", "bank_salary_sum_90d", "bureau_late_count_730d", "bureau_score"]
    parts = [0.2, 0.3, 0.2, 0.25, 0.4, 0.1, -0.5, 0.15]
    found = causes(POLICY, decision, names, parts)
    assert [c.theme for c in found] == ["inquiries", "debt", "revolving", "score"], (
        "windows are one thing; - is no cause"
    )
    assert found[0].feature == "bureau_loan_inquiry_count_30d" and found[0].contribution_ppm == 700_000
    assert len({c.zh for c in found}) == 4


def test_direction_follows_the_policy_then_what_is_usual() -> None:
    assert POLICY.monotone["bureau_loan_inquiry_count_30d"] == 1
    assert direction(POLICY, "bureau_loan_inquiry_count_30d", 0, 9.0) == "high", (
        "declared: only more can raise the PD"
    )
    free = next(name for name in POLICY.model_inputs if name not in POLICY.monotone)
    assert [direction(POLICY, free, v, 5.0) for v in (9, 2, 5, None)] == ["high", "low", "unsure", "absent"]
    assert direction(POLICY, free, 9) == "unsure"


def test_an_age_is_never_told() -> None:
    assert not is_told(POLICY, "age") and is_told(POLICY, "bureau_score")
    decision = decide(POLICY, evidence(3, 0.5), REQUEST, GOOD, 0, LAW)
    assert [c.feature for c in causes(POLICY, decision, ["age", "dti_ppm"], [0.9, 0.1])] == ["dti_ppm"]


def test_windows_and_statistics_share_a_theme() -> None:
    for one, other in (
        ("bank_returned_count_7d", "returned_of_debits_90d_ppm"),
        ("bureau_card_used_sum_all", "card_utilisation_ppm"),
        ("shop_gift_card_sum_30d", "shop_gift_card_trend_30d_180d"),
    ):
        assert theme(one) == theme(other)
    assert theme("telecom_late_count_90d") != theme("bureau_late_count_90d")
