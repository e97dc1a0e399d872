"""Whatever a product may charge, the borrower is told in words of its own."""

import pytest

from tests.strategies import make_terms
from timelyrain.agreements.disclosures import NAMES, standard
from timelyrain.contract import ChargeKind


@pytest.mark.parametrize("kind", list(ChargeKind))
def test_every_kind_of_charge_has_its_own_words(kind: ChargeKind):
    terms = make_terms(
        penalty_ppm=216_000, prepayment_fee_ppm=10_000, late_fee_fen=2_000, service_fee_fen=500
    )
    words = {other: standard(other, terms) for other in ChargeKind}
    assert all(words[kind]) and all(NAMES[kind])
    assert [other for other in ChargeKind if words[other] == words[kind]] == [kind]
