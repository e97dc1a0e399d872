"""Loss allowances of rated loans: stages, lifetime PD and LGD against exact fractions, and in the books."""

from datetime import date, timedelta
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.portfolio import days, forget_sagas, on_day, open_loan, terms
from timelyrain.runtime.problems import Conflict, Invalid
from timelyrain.servicing import auditor, dayclose, provisions, ratings
from timelyrain.servicing.explaining import explain

ON = date(2044, 1, 10)
PPM = 10**6


def survival(pd_ppm: int, months: int) -> Fraction:
    a_year = 1 - Fraction(pd_ppm, PPM)
    return a_year ** (months // 12) * (1 - Fraction(pd_ppm, PPM) * (months % 12) / 12)


@given(st.integers(0, PPM), st.integers(1, 600))
@example(PPM, 12)
@example(1, 600)
def test_lifetime_pd_is_what_survival_leaves(pd_ppm: int, months: int):
    found = int(provisions.lifetime_pd(np.array([pd_ppm]), np.array([months]))[0])
    exact = (1 - survival(pd_ppm, months)) * PPM
    assert ceil(exact) <= found <= ceil(exact) + 1 and found <= PPM


@given(
    st.integers(0, 10**13), st.integers(0, 400), st.integers(0, PPM), st.integers(0, PPM), st.integers(1, 72)
)
def test_the_allowance_of_a_loan_by_itself(exposure: int, dpd: int, origin: int, now: int, months: int):
    """One loan, by the rules as they are written, in fractions."""
    rule = provisions.provisions(ON)
    band, model = rule.band(dpd), rule.model
    assert model is not None and model.both
    stage, pd, lgd = band.stage, Fraction(band.pd_ppm), band.lgd_ppm
    if origin:
        now_ppm = now or origin
        if stage == 1 and Fraction(now_ppm, origin) >= 2 and now_ppm - origin >= 20_000:
            stage = 2
        if stage < 3:
            own = (1 - survival(now_ppm, months if stage == 2 else min(12, months))) * PPM
            pd = max(own, band.pd_ppm if dpd >= 1 else 0)
        lgd = max(lgd, 600_000) if stage == 3 else 600_000
    product = provisions.product_number("instant_consumer")
    rated = provisions.Rated(*(np.array([n]) for n in (origin, now, months, product)))
    losses = rule.losses(np.array([dpd]), rated)
    assert (int(losses.stage[0]), int(losses.lgd_ppm[0])) == (stage, lgd)
    found = int(rule.allowances(np.array([exposure]), np.array([dpd]), rated)[0])
    exact = exposure * pd * lgd / PPM**2
    assert exact <= found <= exact + Fraction(3 * exposure, PPM) + 1


@pytest.mark.usefixtures("platform")
def test_a_rating_moves_a_loan_to_stage_2_and_is_explained():
    shard = 570
    loan, other = (open_loan(shard, terms(), ON) for _ in range(2))
    with on_day(ON):
        ratings.rate(shard, {loan.id: 30_000}, ON, "decision")
    for on in days(ON, ON + timedelta(days=2)):
        with on_day(on, 2):
            dayclose.close(shard, on)
    before = explain(shard, loan.id, ON + timedelta(days=2))
    assert (before.stage, before.pd_ppm, before.months) == (1, 30_000, 12) and before.agrees
    on = ON + timedelta(days=3)
    with on_day(on):
        ratings.rate(shard, {loan.id: 80_000}, on, "monthly model")
        ratings.rate(shard, {loan.id: 80_000}, on, "monthly model")
        with pytest.raises(Conflict, match="was given 80000 ppm"):
            ratings.rate(shard, {loan.id: 80_001}, on, "monthly model")
        with pytest.raises(Invalid, match="0 ppm is no PD"):
            ratings.rate(shard, {loan.id: 0}, on, "monthly model")
    with on_day(on, 2):
        dayclose.close(shard, on)
    after, plain = explain(shard, loan.id, on), explain(shard, other.id, on)
    assert (after.stage, after.pd_origin_ppm, after.pd_now_ppm) == (2, 30_000, 80_000) and after.agrees
    assert after.allowance_fen == ceil(after.exposure_fen * (after.pd_ppm * 600_000 // PPM) / PPM)
    assert any("30000 ppm at origination, 80000 ppm now" in text for text in after.sentences())
    assert plain.agrees and plain.pd_ppm == 20_000 and plain.stage == 1
    assert explain(shard, loan.id, ON + timedelta(days=2)).agrees
    assert auditor.audit_books([shard]).clean
    forget_sagas(shard)
