"""Published identifier vectors (GB 11643, GB 32100, GB 11714, Luhn, registration numbers)."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from tests.conformance.published import published
from timelyrain.policies import bank_card, organisation_code, registration_number, resident_id, uscc

CHECKS: dict[str, Callable[[str], object]] = {
    "gb11643": lambda text: resident_id(text, date(2026, 11, 21)).valid,
    "gb32100": uscc,
    "org_code_gb11714": organisation_code,
    "luhn": bank_card,
    "biz_reg_15": registration_number,
}
VECTORS = published("identifiers.json")


def test_every_kind_is_checked():
    assert VECTORS.keys() == CHECKS.keys()


@pytest.mark.parametrize(
    ("kind", "vector"), [(kind, v) for kind, vs in VECTORS.items() for v in vs], ids=lambda v: str(v)[:40]
)
def test_vector(kind: str, vector: dict[str, Any]):
    assert bool(CHECKS[kind](vector["value"])) is vector["valid"], vector.get("why", vector["value"])
