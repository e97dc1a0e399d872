"""Published Chinese annual rates: compound and simple IRR, XIRR on actual days, simple daily."""

from datetime import date
from typing import Any

import pytest

from tests.conformance.published import published
from timelyrain.finance import CashFlow, irr_periodic, parse_yuan, xirr

VECTORS = {v["id"]: v for v in published("apr.json")["vectors"] if v["convention"].startswith("CN_")}
SOLVED = ("CN_IRR_COMPOUND", "CN_IRR_SIMPLE", "CN_XIRR_ACT365_EFFECTIVE")


def rate_percent(vector: dict[str, Any]) -> float:
    flows = vector["cash_flows"]
    if vector["convention"] == "CN_XIRR_ACT365_EFFECTIVE":
        return 100 * float(
            xirr([CashFlow(date.fromisoformat(f["date"]), parse_yuan(f["amount"])) for f in flows])
        )
    assert [f["t"] for f in flows] == [f"{k}/12" for k in range(len(flows))]
    monthly = float(irr_periodic([parse_yuan(f["amount"]) for f in flows]))
    return 1200 * monthly if vector["convention"] == "CN_IRR_SIMPLE" else 100 * ((1 + monthly) ** 12 - 1)


def test_enough_vectors():
    assert len([v for v in VECTORS.values() if v["convention"] in SOLVED]) >= 16


@pytest.mark.parametrize("id", [id for id, v in VECTORS.items() if v["convention"] in SOLVED])
def test_vector(id: str):
    vector = VECTORS[id]
    assert rate_percent(vector) == pytest.approx(vector["expected_apr"], abs=vector["tolerance"])
