"""What a person reads when a policy changes."""
# ruff: noqa: E501  (statements are kept whole)

import pytest

from tests.decisioning.applicants import POLICY_FILE
from timelyrain.backtesting import differences

SOURCE = POLICY_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "zh", "en"),
    [
        ("phone_tenure_days < 90", "phone_tenure_days < 60", "规则 PHONE_NEW：`phone_tenure_days` 的阈值 90 → 60",
         "rule PHONE_NEW: threshold of `phone_tenure_days`: 90 → 60"),
        ("request.amount_fen > 15000000", "request.amount_fen > 12_000_000", "规则 AMOUNT_LARGE：`request.amount_fen` 的阈值 ¥150,000 → ¥120,000",
         "rule AMOUNT_LARGE: threshold of `request.amount_fen`: ¥150,000 → ¥120,000"),
        ("bank_proceeds_share_90d > 600000", "bank_proceeds_share_90d > 500000", "规则 BORROWING_TO_REPAY：`bank_proceeds_share_90d` 的阈值 60% → 50%",
         "rule BORROWING_TO_REPAY: threshold of `bank_proceeds_share_90d`: 60% → 50%"),
        ('code = "STUDENT"', 'code = "PUPIL"', "删除规则 STUDENT：在校学生不在本产品服务范围 · `employment == 'student'`",
         "rule STUDENT removed: This product is not offered to students · `employment == 'student'`"),
        ('when = "not phone_match"', 'when = "not phone_match and age < 30"', "规则 PHONE_NOT_OWN：条件 not phone_match → not phone_match and age < 30",
         "rule PHONE_NOT_OWN: condition not phone_match → not phone_match and age < 30"),
        ('en = "You are under 18"', 'en = "Come back at 18"', "规则 AGE_UNDER_18：英文说明改写", "rule AGE_UNDER_18: English text reworded"),
        ('version = "', 'version = "9', "version", "version"),
        ('purposes = [\n    "shopping",', 'purposes = [\n    "flowers", "shopping",', "申请：用途 新增 flowers", "request: purposes added flowers"),
    ],
)  # fmt: skip
def test_in_words(old: str, new: str, zh: str, en: str) -> None:
    assert old in SOURCE
    found = differences(SOURCE, SOURCE.replace(old, new, 1))
    assert any(words[0].startswith(zh) and words[1].startswith(en) for words in found), found


def test_layout_and_comments_do_not_count() -> None:
    assert differences(SOURCE, "# another comment\n" + SOURCE.replace("\n[[rule]]", "\n\n\n[[rule]]")) == []


def test_every_change_is_told() -> None:
    """A number anywhere in a rule, figure or table leads to a sentence."""
    for old, new in (("share(income_fen, 300000)", "share(income_fen, 310000)"), ("age > 70", "age > 71")):
        assert len(differences(SOURCE, SOURCE.replace(old, new, 1))) == 1
