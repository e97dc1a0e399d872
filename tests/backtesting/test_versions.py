"""What a person reads when a policy changes."""
# ruff: noqa: E501  (statements are kept whole)

import pytest

from tests.decisioning.applicants import POLICY_FILE
from timelyrain.backtesting import differences

SOURCE = """
name = "small"
version = "1"

[request]
purposes = ["shopping", "medical"]

[[aggregate]]
name = "bank_in"
windows = [30, 90]

[[table]]
name = "grade"
on = "model.pd_ppm"
rows = [{ below = 20000, name = "A", rate_ppm = 72000, ceiling_fen = 20000000 }, { below = 40000, name = "B", rate_ppm = 108000, ceiling_fen = 15000000 }]

[[constant]]
name = "dti_cap_ppm"
value = "percent(55)"

[[experiment]]
name = "income"
arms = [{ name = "usual", ppm = 900000 }, { name = "higher", ppm = 100000 }]

[[rule]]
code = "PHONE_NEW"
when = "phone_tenure_days < 90"
then = "refer"
zh = "在网时间短"
en = "The number is new"

[[rule]]
code = "AMOUNT_LARGE"
when = "request.amount_fen > 15000000 or request.amount_fen > yuan(160000)"
then = "refer"
zh = "金额大"
en = "A large amount"

[[rule]]
code = "BORROWING"
when = "bank_proceeds_count_90d >= 3 and bank_proceeds_share_90d > 600000 and share_of > percent(60)"
then = "refer"
zh = "以贷养贷"
en = "Borrowing to repay"
"""


@pytest.mark.parametrize(
    ("old", "new", "zh", "en"),
    [
        ("days < 90", "days < 60", "规则 PHONE_NEW：`phone_tenure_days` 的阈值 90 → 60", "rule PHONE_NEW: threshold of `phone_tenure_days`: 90 → 60"),
        ("> 15000000", "> 12_000_000", "规则 AMOUNT_LARGE：`request.amount_fen` 的阈值 ¥150,000 → ¥120,000", "rule AMOUNT_LARGE: threshold of `request.amount_fen`: ¥150,000 → ¥120,000"),
        ("yuan(160000)", "yuan(170000)", "规则 AMOUNT_LARGE：`request.amount_fen` 的阈值 ¥160000 → ¥170000", "rule AMOUNT_LARGE: threshold of `request.amount_fen`: ¥160000 → ¥170000"),
        ("> 600000", "> 500000", "规则 BORROWING：`bank_proceeds_share_90d` 的阈值 60% → 50%", "rule BORROWING: threshold of `bank_proceeds_share_90d`: 60% → 50%"),
        ("percent(60)", "percent(55)", "规则 BORROWING：`share_of` 的阈值 60% → 55%", "rule BORROWING: threshold of `share_of`: 60% → 55%"),
        ('"BORROWING"', '"DEBT"', "删除规则 BORROWING：以贷养贷 · `bank_proceeds_count_90d", "rule BORROWING removed: Borrowing to repay · `bank_proceeds_count_90d"),
        ('"BORROWING"', '"DEBT"', "新增规则 DEBT", "rule DEBT added"),
        ("phone_tenure_days < 90", "phone_tenure_days < 90 and age < 30", "规则 PHONE_NEW：条件 phone_tenure_days < 90 → phone_tenure_days < 90 and age < 30", "rule PHONE_NEW: condition"),
        ('then = "refer"', 'then = "decline"', "规则 PHONE_NEW：结论 refer → decline", "rule PHONE_NEW: outcome refer → decline"),
        ("The number is new", "A new number", "规则 PHONE_NEW：英文说明改写", "rule PHONE_NEW: English text reworded"),
        ("ceiling_fen = 15000000", "ceiling_fen = 14000000", "决策表 grade：第 2 (B) 行 ceiling_fen ¥150,000 → ¥140,000", "table grade: row 2 (B) ceiling_fen ¥150,000 → ¥140,000"),
        ("ppm = 900000", "ppm = 800000", "实验 income：第 1 (usual) 行 ppm 90% → 80%", "experiment income: row 1 (usual) ppm 90% → 80%"),
        ("percent(55)", "percent(50)", "常量 dti_cap_ppm：55% → 50%", "constant dti_cap_ppm: 55% → 50%"),
        ("windows = [30, 90]", "windows = [30, 180]", "聚合族 bank_in：窗口 新增 180；删除 90", "aggregate bank_in: windows added 180; removed 90"),
        ('version = "1"', 'version = "2"', "版本号 1 → 2", "version 1 → 2"),
        ('"medical"]', '"medical", "travel"]', "申请：用途 新增 travel", "request: purposes added travel"),
    ],
)  # fmt: skip
def test_in_words(old: str, new: str, zh: str, en: str) -> None:
    assert old in SOURCE
    found = differences(SOURCE, SOURCE.replace(old, new, 1))
    assert any(words[0].startswith(zh) and words[1].startswith(en) for words in found), found


def test_layout_and_comments_do_not_count() -> None:
    source = POLICY_FILE.read_text(encoding="utf-8")
    assert differences(source, "# another comment\n" + source.replace("\n[[rule]]", "\n\n\n[[rule]]")) == []


def test_order_counts() -> None:
    head, first, *rest = SOURCE.split("[[rule]]")
    assert differences(SOURCE, "[[rule]]".join([head, *rest, first])) == [
        ("规则的次序改变", "order of each rule changed")
    ]
