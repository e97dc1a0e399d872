"""The shipped pack is sound, asking fails closed, and a bad pack tells everything that is wrong."""

import re
import tomllib
from datetime import date
from typing import Any

import pytest

from timelyrain import policies
from timelyrain.finance import DayBasis, Method, Rounding
from timelyrain.policies import PackInvalid, RuleNotInForce, RuleUnknown, load_pack
from timelyrain.policies.packs import parse_pack

TODAY = date(2026, 11, 21)
PACK = load_pack("cn")


def test_public_names_are_pinned():
    assert sorted(policies.__all__) == policies.__all__
    assert all(hasattr(policies, name) for name in policies.__all__)


def value(name: str, on: date = TODAY, licence: str = "consumer_finance") -> Any:
    return PACK.rule(name, on=on, licence=licence).value


def test_caps_by_licence_and_day():
    assert value("cost_cap_ppm") == value("cost_cap_ppm", licence="bank") == 240_000
    assert value("cost_cap_ppm", date(2027, 12, 31), "microloan") == 240_000
    switched = PACK.rule("cost_cap_ppm", on=date(2028, 1, 1), licence="microloan")
    assert (switched.value, switched.unit) == (120_000, "ppm")  # four times an LPR of 3.00 %
    assert value("cost_cap_ppm", date(2021, 12, 31), "private_lending") == 4 * 38_000


def test_a_licence_entry_goes_before_the_general_one():
    assert value("consumer_tenor_max_months") == 60
    assert value("consumer_tenor_max_months", licence="bank") == 84
    assert value("consumer_tenor_max_months", date(2025, 3, 23), "bank") == 60


def test_asking_fails_closed():
    with pytest.raises(RuleUnknown, match="no rule 'cost_kap_ppm'"):
        value("cost_kap_ppm")
    with pytest.raises(RuleNotInForce, match=r"microloan.*2028-01-01"):
        value("cost_cap_ppm", date(2025, 12, 30), "microloan")
    with pytest.raises(RuleNotInForce):
        value("cost_cap_ppm", licence="pawnshop")
    with pytest.raises(RuleNotInForce):
        PACK.rule("cost_cap_ppm", on=TODAY)
    with pytest.raises(RuleNotInForce, match="2026-08-01"):
        value("cost_disclosure_required", date(2026, 7, 31))


def test_every_entry_says_where_it_stands():
    for rule in PACK.rules:
        assert rule.source and rule.unit and rule.confidence in ("H", "M+", "M", "L"), rule
    house = [rule for rule in PACK.rules if rule.source.startswith("house")]
    assert {"min_read_seconds", "otp_ttl_seconds", "otp_max_attempts", "otp_per_hour"} <= {
        r.name for r in house
    }


def test_pack_can_be_cited():
    assert PACK.id == f"cn@{PACK.sha256[:12]}" and len(PACK.sha256) == 64
    assert load_pack("cn") is PACK
    assert PACK.read("law.toml").startswith(b"# Law of mainland China")


@pytest.mark.parametrize("code", ["zz", "../cn", ""])
def test_unknown_packs_are_refused(code: str):
    with pytest.raises(PackInvalid):
        load_pack(code)


def test_products_are_lawful():
    for product in PACK.products():
        assert Method(product.method) and DayBasis(product.day_basis) and Rounding(product.rounding)
        forbidden = {purpose.code for purpose in product.forbidden_purposes}
        assert forbidden >= set(value("forbidden_purposes"))
        for licence in product.licences:
            assert product.offered(TODAY, licence)
            assert product.max_amount_fen <= value("consumer_unsecured_limit_fen", licence=licence)
            assert max(product.instalments) <= value("consumer_tenor_max_months", licence=licence)
            assert product.max_rate_ppm <= value("cost_cap_ppm", licence=licence)
        low, high = value("penalty_multiplier_min_ppm"), value("penalty_multiplier_max_ppm")
        assert low <= product.penalty_multiplier_ppm <= high
    assert PACK.product("instant_consumer").instalments == (3, 6, 12)
    assert not PACK.product("instant_consumer").offered(date(2020, 1, 1), "bank")
    with pytest.raises(RuleUnknown, match="instant_consumer"):
        PACK.product("payday")


def test_every_purpose_of_the_shipped_policy_has_words():
    asked = tomllib.loads(PACK.read("consumer_credit.toml").decode())["request"]["purposes"]
    words = {purpose.code: purpose for purpose in PACK.purposes()}
    assert set(asked) <= words.keys()
    assert len({purpose.zh for purpose in PACK.purposes()}) == len(words)
    assert all(re.fullmatch(r"[\u4e00-\u9fff、]+", words[code].zh) for code in asked)


def test_consents_are_separate_and_complete():
    texts = PACK.consent_texts()
    recipients = {text.recipient for text in texts}
    assert recipients >= {
        "credit_bureau",
        "bank_flow_provider",
        "telecom_provider",
        "identity_registry",
        "lender",
    }
    assert {t.purpose for t in texts if t.recipient == "credit_bureau"} == {
        "credit_report_query",
        "credit_reporting",
    }
    assert len({text.sha256 for text in texts}) == len(texts)
    for text in texts:
        assert text.recipient_name() in text.zh and text.recipient_name("en") in text.en
        assert text.recipient == "lender" or text.recipient_contact in text.zh  # PIPL 23: name and contact
        assert "撤回" in text.zh and "单独同意" in text.zh and "withdraw" in text.en
        assert text.retention_days > 0 and text.categories and "\n" not in text.wording("en") + text.wording()
    optional = ["stability_check", "spending_check", "contribution_check", "device_check"]
    assert [text.purpose for text in texts if not text.required] == optional


RULE = """
[[rule]]
name = "limit_fen"
value = 5
unit = "fen"
in_force_from = 2026-01-01
source = "a law"
confidence = "H"
"""


def parse(law: str, products: str = "", consents: str = "") -> policies.Pack:
    files = {"law.toml": law, "house.toml": "", "products.toml": products, "consents.toml": consents}
    return parse_pack("xx", {name: text.encode() for name, text in files.items()})


def test_a_small_pack():
    assert parse(RULE).rule("limit_fen", on=date(2026, 1, 1)).value == 5


@pytest.mark.parametrize(
    ("law", "message"),
    [
        (RULE + RULE, "overlaps"),
        (RULE.replace("= 5", "= 5.0"), "must be an integer"),
        (RULE.replace('"H"', '"sure"'), "confidence"),
        (RULE.replace('"a law"', '""'), "source must say"),
        (RULE.replace("2026-01-01", '"2026-01-01"'), "in_force_from"),
        (RULE + "in_force_to = 2025-01-01", "before in_force_from"),
        (RULE + "colour = 1", "colour is not a known name"),
        (RULE.replace("limit_fen", "Limit Fen"), "lower-case"),
        (RULE.replace('unit = "fen"', ""), "unit is missing"),
        (RULE + 'multiple_of = "nothing"', "must name a rule"),
        (RULE + RULE.replace("= 5", '= "five"').replace("2026-", "2027-"), "one type of value"),
        ("[rule]\nname = 1", "array of tables"),
        ("[[rule", "law.toml"),
    ],
)
def test_bad_rules_are_refused(law: str, message: str):
    with pytest.raises(PackInvalid, match=message):
        parse(law)


def test_everything_wrong_is_told_at_once():
    product = '[[product]]\nid = "p"\ninstalments = [0]\npurposes = ["unknown"]\n'
    consent = '[[consent]]\npurpose = "x"\nrecipient = "nobody"\n'
    with pytest.raises(PackInvalid) as caught:
        parse(RULE.replace('"H"', '"sure"'), product, consent)
    text = str(caught.value)
    for part in (
        "confidence",
        "'unknown' is no purpose",
        "instalments must be 1",
        "'nobody' is unknown",
        "zh is missing",
    ):
        assert part in text
