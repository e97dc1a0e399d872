"""Reading identifiers: what is taken, what is refused and why. Published vectors are in tests/conformance."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timelyrain.policies import bank_card, mobile, organisation_code, registration_number, resident_id, uscc

TODAY = date(2026, 11, 21)
SAMPLE = "11010519491231002X"


def test_what_a_resident_id_says():
    found = resident_id(" 11010519491231002x ", TODAY)
    assert (found.number, found.valid, found.problem) == (SAMPLE, True, "")
    assert (found.born_on, found.sex, found.region) == (date(1949, 12, 31), "female", "110105")
    assert (found.age(date(2026, 12, 30)), found.age(date(2026, 12, 31))) == (76, 77)
    assert resident_id("110101199003070011", TODAY).sex == "male"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "17 digits"),
        ("1101051949123100", "17 digits"),
        ("１１０１０５194912310021", "17 digits"),
        ("110105194912310021", "last character"),
        ("110101200102290015", "does not exist"),
        ("440524188001010014", "before 1900"),
    ],
)
def test_bad_resident_ids_say_why_without_repeating_the_number(text: str, why: str):
    found = resident_id(text, TODAY)
    assert not found.valid and why in found.problem and found.born_on is None
    assert not text or text not in found.problem
    with pytest.raises(ValueError, match="no age"):
        found.age(TODAY)


def test_nobody_is_born_tomorrow():
    assert resident_id(SAMPLE, date(1949, 12, 31)).valid
    assert not resident_id(SAMPLE, date(1949, 12, 31) - timedelta(days=1)).valid


@given(st.integers(0, 17), st.characters(whitelist_categories=["Nd"], max_codepoint=57))
def test_any_wrong_digit_is_noticed(position: int, digit: str):
    changed = SAMPLE[:position] + digit + SAMPLE[position + 1 :]
    assert resident_id(changed, TODAY).valid == (changed == SAMPLE)


def test_mobile():
    for text in ("13800138000", "+86 138-0013-8000", "8613800138000"):
        assert mobile(text) == "13800138000"
    for text in (
        "15412345678",
        "19412345678",
        "1380013800",
        "138001380000",
        "23800138000",
        "",
        "１３８００１３８０００",
    ):
        assert mobile(text) is None


def test_normal_forms():
    assert bank_card("6222 0202 0000 0000 006") == "6222020200000000006"
    assert bank_card("0") is None and bank_card("x" * 16) is None
    assert uscc("91350100m000100y43") == "91350100M000100Y43"
    assert uscc("91350100M000100Y44") is None
    assert organisation_code("D2143569-X") == "D2143569X"
    assert organisation_code("D21435690") is None
    assert registration_number("110105000000012") == "110105000000012"
    assert registration_number("110105000000013") is None
