"""Whole decisions with the default policy: outcomes, reasons, limits of the law, monotone limit and price."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from tests.decisioning.applicants import AS_OF, DAY, LAW, REQUEST, applicant, default_policy, evidence
from tests.decisioning.test_policy_definition import SMALL
from timelyrain.decisioning import (
    OUTCOMES,
    Decision,
    Outcome,
    Policy,
    RequestInvalid,
    ScorerMismatch,
    decide,
    decide_batch,
    evidence_from_json,
    features_matrix,
)

POLICY = default_policy()


@dataclass(frozen=True)
class FixedScore:
    pd: float
    contributions: tuple[float, ...]


@dataclass(frozen=True)
class FixedScorer:
    """A scorer that has made up its mind."""

    pd: float
    feature_names: tuple[str, ...] = ("bureau_score", "income_fen")
    sha256: str = "0" * 64

    def score(self, values: npt.NDArray[np.float64], /) -> FixedScore:
        return FixedScore(self.pd, (0.25, -0.5))


GOOD = FixedScorer(0.03)


def decided(raw: dict, scorer: FixedScorer | None = GOOD, **changes: object) -> Decision:
    return decide(POLICY, evidence_from_json(raw), replace(REQUEST, **changes), scorer, 0, LAW)


def codes(decision: Decision) -> dict[str, str]:
    return {reason.code: reason.effect for reason in decision.reasons if reason.effect != "note"}


def test_a_steady_applicant_is_approved_with_an_offer_inside_the_law():
    decision = decided(applicant(1))
    assert decision.outcome is Outcome.APPROVE and not codes(decision)
    assert decision.pd_ppm == 30_000 and 84_000 <= decision.rate_ppm <= LAW.max_rate_ppm
    assert REQUEST.amount_fen == decision.amount_fen <= decision.limit_fen <= LAW.limit_max_fen
    assert decision.limit_fen % 10_000 == 0
    assert decision.affordability["dti_after_ppm"] is not None
    assert [factor.feature for factor in decision.factors] == ["bureau_score"]
    assert decision.features["bureau_score"] == 760
    assert len(decision.trace) == len(POLICY.rules)


def test_more_than_the_limit_is_answered_with_the_limit():
    decision = decided(applicant(1), amount_fen=LAW.limit_max_fen)
    assert 0 < decision.amount_fen == decision.limit_fen < LAW.limit_max_fen


def with_events(table: str, kind_values: dict[str, list]) -> dict:
    raw = applicant(1)
    raw["events"][table] = kind_values
    return raw


def with_facts(**facts: object) -> dict:
    raw = applicant(1)
    raw["facts"] |= facts
    return raw


def month(state: str, age: int) -> dict:
    return with_events("bureau_month", {"at": [AS_OF - age * DAY], "state": [state], "overdue_fen": [0]})


@pytest.mark.parametrize(
    ("raw", "outcome", "code"),
    [
        (with_facts(age=17), Outcome.DECLINE, "AGE_UNDER_18"),
        (with_facts(age=None), Outcome.MORE_EVIDENCE, "AGE_UNDER_18"),
        (with_facts(age=65), Outcome.REFER, "AGE_OVER_60"),
        (with_facts(age=71), Outcome.DECLINE, "AGE_OVER_70"),
        (with_facts(employment="student"), Outcome.DECLINE, "STUDENT"),
        (with_facts(id_match=False), Outcome.DECLINE, "IDENTITY_MISMATCH"),
        (with_facts(id_match=None), Outcome.REFER, "IDENTITY_UNVERIFIED"),
        (with_facts(id_valid_days=0), Outcome.MORE_EVIDENCE, "ID_EXPIRED"),
        (with_facts(phone_tenure_days=30), Outcome.REFER, "PHONE_NEW"),
        (with_facts(phone_match=False), Outcome.REFER, "PHONE_NOT_OWN"),
        (with_facts(declared_income_fen=9_000_000), Outcome.REFER, "INCOME_OVERSTATED"),
        (with_facts(bureau_score=200), Outcome.DECLINE, "BUREAU_SCORE_LOW"),
        (with_facts(public_records=1), Outcome.REFER, "PUBLIC_RECORDS"),
        (month("2", 20), Outcome.DECLINE, "OVERDUE_M2_NOW"),
        (month("4", 300), Outcome.DECLINE, "LATE_90_IN_24_MONTHS"),
        (month("B", 300), Outcome.DECLINE, "BAD_DEBT"),
        (
            with_events("bureau_inquiry", {"at": [AS_OF - DAY] * 6, "kind": ["loan_approval"] * 6}),
            Outcome.DECLINE,
            "INQUIRY_BURST",
        ),
        (applicant(1, 0.9), Outcome.DECLINE, "GAMBLING_HEAVY"),
        (applicant(1, 0, ("identity",)), Outcome.REFER, "IDENTITY_SOURCE_MISSING"),
        (applicant(1, 0, ("bureau",)), Outcome.REFER, "BUREAU_SOURCE_MISSING"),
        (applicant(1, 0, ("bank",)), Outcome.MORE_EVIDENCE, "BANK_SOURCE_MISSING"),
    ],
)
def test_rules_speak_and_the_gravest_effect_decides(raw: dict, outcome: Outcome, code: str):
    decision = decided(raw)
    assert decision.outcome is outcome
    reason = next(reason for reason in decision.reasons if reason.code == code)
    assert reason.effect == outcome.value
    assert reason.zh and reason.en and reason.change_zh and reason.change_en and reason.values
    assert "{" not in reason.zh + reason.en + reason.change_zh + reason.change_en
    if outcome not in (Outcome.APPROVE, Outcome.REFER):
        assert (decision.limit_fen, decision.amount_fen, decision.rate_ppm) == (0, 0, 0)


def test_telecom_alone_may_be_missing():
    assert decided(applicant(1, 0, ("telecom",))).outcome is Outcome.APPROVE


def test_a_thin_file_goes_to_a_person():
    raw = with_events(
        "bureau_account",
        {
            name: []
            for name in ("at", "kind", "limit_fen", "balance_fen", "monthly_due_fen", "state", "closed")
        },
    )
    assert codes(decided(raw)) == {"FILE_THIN": "refer"}


@pytest.mark.parametrize("purpose", ["house_purchase", "securities", "gambling", "lending_on"])
def test_forbidden_purposes_are_declined(purpose: str):
    assert codes(decided(applicant(1), purpose=purpose)) == {"PURPOSE_FORBIDDEN": "decline"}


def test_missing_score_is_referred_and_says_that_it_was_not_evaluated():
    for scorer in (None, FixedScorer(float("nan")), FixedScorer(1.5)):
        decision = decided(applicant(1), scorer)
        assert decision.outcome is Outcome.REFER and decision.pd_ppm is None
        (reason,) = (reason for reason in decision.reasons if reason.effect != "note")
        assert (reason.code, reason.because) == ("PD_HIGH", "not_evaluated")
        assert reason.zh.startswith("资料不足")
        states = {line.code: line.state for line in decision.trace}
        assert states["PD_HIGH"] == states["PRICE_OVER_CAP"] == "not_evaluated"
        assert decision.limit_fen == 0


def test_reasons_stand_in_the_authors_order():
    order = [rule.code for rule in POLICY.rules]
    found = [
        reason.code for reason in decided(applicant(7, 1.0), FixedScorer(0.5), purpose="gambling").reasons
    ]
    assert len(found) >= 5 and found == sorted(found, key=order.index)


def test_limit_falls_and_price_rises_with_pd():
    for seed in range(5):
        for n in (3, 12, 36):
            offers = [
                decided(applicant(seed), FixedScorer(pd / 1000), instalments=n) for pd in range(0, 220, 7)
            ]
            limits = [o.affordability["limit_fen"] for o in offers]
            rates = [o.affordability["rate_ppm"] for o in offers]
            assert all(isinstance(v, int) for v in limits + rates)
            assert limits == sorted(limits, reverse=True)  # type: ignore[type-var]
            assert rates == sorted(rates)  # type: ignore[type-var]
            assert rates[0] != rates[-1] and limits[0] != limits[-1]


def test_a_lower_cap_lowers_the_price_and_then_refuses():
    raw, at_cap = evidence_from_json(applicant(1)), replace(LAW, cap_ppm=120_000, max_rate_ppm=114_000)
    grade_c = decide(POLICY, raw, REQUEST, FixedScorer(0.06), 0, at_cap)
    assert grade_c.outcome is Outcome.APPROVE and grade_c.rate_ppm == 114_000
    grade_e = decide(POLICY, raw, REQUEST, FixedScorer(0.15), 0, at_cap)
    assert codes(grade_e) == {"PRICE_OVER_CAP": "decline"}


def test_no_offer_outside_the_law_whatever_the_policy_says():
    text = (
        'name = "x"\nversion = "1"\n[request]\npurposes = ["shopping"]\n'
        '[[figure]]\nname = "limit_fen"\nformula = "request.amount_fen * 2"\nzh = "a"\nen = "a"\n'
        '[[figure]]\nname = "rate_ppm"\nformula = "law.cap_ppm * 2"\nzh = "a"\nen = "a"\n'
        '[[rule]]\ncode = "NEVER"\nstage = "credit"\nwhen = "request.instalments > 119"\nthen = "decline"\n'
        'if_missing = "skip"\nzh = "a"\nen = "a"\nchange_zh = "a"\nchange_en = "a"\n'
    )
    decision = decide(type(POLICY).parse(text), evidence(1), REQUEST, None, 0, LAW)
    assert decision.outcome is Outcome.REFER
    assert codes(decision) == {"NO_LAWFUL_OFFER": "refer"}
    assert (decision.limit_fen, decision.rate_ppm) == (0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_fen": 0},
        {"amount_fen": 10**12},
        {"amount_fen": 1.5},
        {"instalments": 0},
        {"instalments": 121},
        {"purpose": "piracy"},
    ],
)
def test_a_request_outside_its_domain_is_refused(changes: dict):
    with pytest.raises(RequestInvalid, match=next(iter(changes))):
        decided(applicant(1), **changes)


def test_context_and_draw_are_checked():
    person = evidence(1)
    with pytest.raises(RequestInvalid, match="draw"):
        decide(POLICY, person, REQUEST, GOOD, 1_000_000, LAW)
    with pytest.raises(RequestInvalid, match=r"over law\.cap_ppm"):
        decide(POLICY, person, REQUEST, GOOD, 0, replace(LAW, max_rate_ppm=250_000))


@pytest.mark.parametrize("name", ["star_sign", "source_missing.bank"])
def test_a_model_of_other_features_is_refused(name: str):
    scorer = FixedScorer(0.1, (name, "age"))
    with pytest.raises(ScorerMismatch, match=name):
        decided(applicant(1), scorer)
    with pytest.raises(ScorerMismatch, match=name):
        decide_batch(POLICY, [evidence(1)], [REQUEST], scorer, [0], [LAW])


def test_matrix_and_decision_see_the_same_features():
    people = [
        evidence(seed, seed / 10, missing)
        for seed, missing in enumerate([(), ("bank",), (), ("bureau",), ()])
    ]
    matrix, names = features_matrix(POLICY, people)
    assert names == POLICY.model_inputs and matrix.shape == (5, len(names))
    assert 0 < np.isnan(matrix).mean() < 0.6
    for row, person in enumerate(people):
        features = decide(POLICY, person, REQUEST, None, 0, LAW).features
        one = np.array([np.nan if features[name] is None else features[name] for name in names], np.float64)
        assert one.tobytes() == np.where(np.isnan(matrix[row]), np.nan, matrix[row]).tobytes()


def test_the_random_band_takes_only_whom_nothing_else_holds_back():
    """Whom another rule declines is no random approval, and every rule that held them back stands in the reasons."""
    band = '\n[random_approval]\nshare_ppm = 100000\nceiling_fen = 100000\nrules = ["BIG"]\n'
    band += 'limit_fen = "yuan(900)"\nrate_ppm = "percent(9)"\n'
    rule = SMALL[SMALL.index("[[rule]]") :].replace("{age}", "")
    big = (
        rule.replace("UNDER_AGE", "BIG")
        .replace("age < 18", "request.amount_fen > 5")
        .replace('"eligibility"', '"credit"')
    )
    watch = big.replace("BIG", "WATCH").replace('"decline"', '"note"')
    policy = Policy.parse(SMALL + big + watch + band)
    people = [applicant(1), applicant(2)]
    people[1]["facts"]["age"] = 17
    shown = [evidence_from_json(raw) for raw in people]
    taken, young = (decide(policy, one, REQUEST, GOOD, 999_999, LAW) for one in shown)
    assert (taken.outcome, taken.random_approval, taken.limit_fen, taken.rate_ppm) == (
        Outcome.APPROVE,
        True,
        90_000,
        90_000,
    )
    assert [reason.code for reason in taken.reasons] == ["WATCH"]
    assert (young.outcome, young.random_approval) == (Outcome.DECLINE, False)
    assert [reason.code for reason in young.reasons] == ["UNDER_AGE", "BIG", "WATCH"]
    batch = decide_batch(policy, shown, [REQUEST] * 2, GOOD, [999_999] * 2, [LAW] * 2).verdicts
    assert [OUTCOMES[code] for code in batch.outcomes] == [Outcome.APPROVE, Outcome.DECLINE]
    assert batch.limit_fen.tolist() == [90_000, 0] and batch.rate_ppm.tolist() == [90_000, 0]


@pytest.mark.parametrize(
    "wrong",
    [{"on_list.fraud_phone": "yes"}, {"on_list.fraud_phone": 2}, {"bucket.income_multiple": 1_000_000}],
)
def test_what_is_handed_in_has_its_type(wrong: dict):
    people = [evidence_from_json(applicant(1))]
    with pytest.raises(RequestInvalid, match=next(iter(wrong))):
        decide(POLICY, people[0], REQUEST, GOOD, 0, LAW, given=wrong)
    with pytest.raises(RequestInvalid, match=next(iter(wrong))):
        decide_batch(POLICY, people, [REQUEST], GOOD, [0], [LAW], given=[wrong])


def test_an_offer_that_could_not_be_worked_out_is_not_one_of_nothing():
    decision = decide(Policy.parse(SMALL), evidence_from_json(applicant(1)), REQUEST, None, 0, LAW)
    (reason,) = decision.reasons
    assert reason.code == "NO_LAWFUL_OFFER" and reason.values["rate_ppm"] is None
    assert reason.values["law.limit_max_fen"] == LAW.limit_max_fen
