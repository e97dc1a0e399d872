"""Verdicts on columns equal decisions one by one, in every number and every state."""

from dataclasses import replace

import numpy as np
import pytest

from tests.decisioning.applicants import LAW, POLICY_FILE, REQUEST, default_policy, evidence
from tests.decisioning.test_decide import FixedScorer
from timelyrain.decisioning import (
    OUTCOMES,
    STATES,
    Column,
    Policy,
    Request,
    decide,
    decide_batch,
    verdicts,
)
from timelyrain.decisioning.verdicts import BLOCK

POLICY = default_policy()
SOURCES = ((), ("bank",), (), ("bureau",), ("telecom",), ("bank", "bureau", "telecom"))
PEOPLE = [evidence(seed, seed % 11 / 10, SOURCES[seed % 6]) for seed in range(60)]
REQUESTS = [
    replace(REQUEST, amount_fen=100_000 + 97_003 * i, instalments=1 + i % 40, purpose=POLICY.purposes[i % 12])
    for i in range(60)
]
LAWS = [
    replace(LAW, max_rate_ppm=60_000 + 3_000 * (i % 50), limit_max_fen=5_000_000 * (i % 7)) for i in range(60)
]
DRAWS = [i * 16_000 for i in range(60)]


def test_a_batch_equals_its_decisions():
    scorer = FixedScorer(0.0300005)
    found = decide_batch(POLICY, PEOPLE, REQUESTS, scorer, DRAWS, LAWS)
    outcomes = set[str]()
    for i, (person, request, draw, law) in enumerate(zip(PEOPLE, REQUESTS, DRAWS, LAWS, strict=True)):
        one = decide(POLICY, person, request, scorer, draw, law)
        outcomes.add(one.outcome)
        assert one.table.sha256(0) == found.features.sha256(i)
        assert one.outcome == OUTCOMES[found.verdicts.outcomes[i]]
        assert [line.state for line in one.trace] == [STATES[s] for s in found.verdicts.states[:, i]]
        numbers = (found.verdicts.limit_fen, found.verdicts.amount_fen, found.verdicts.rate_ppm)
        assert [int(column[i]) for column in numbers] == [one.limit_fen, one.amount_fen, one.rate_ppm]
        assert (found.pd_ppm.values[i], found.annual_rate_ppm[i]) == (one.pd_ppm, one.annual_rate_ppm)
    assert outcomes == set(OUTCOMES)


def test_lists_and_snoozed_rules_speak_in_a_batch_as_in_one_decision():
    """Also in the band of random approvals, which sets rules aside only where one of them speaks."""
    assert POLICY.random_approval is not None
    aside, (experiment,) = POLICY.random_approval.rules, POLICY.experiments
    lists = [name for name in POLICY.given_names if name.startswith("on_list.")]
    draws = [999_999 - 1_000 * (i % 7) for i in range(60)]
    given = [
        {name: (None, False, True)[(i + at) % 3] for at, name in enumerate(lists)} if i % 4 else {}
        for i in range(60)
    ]
    given = [one | {f"bucket.{experiment.name}": i * 16_000} for i, one in enumerate(given)]
    every = [rule.code for rule in POLICY.rules]
    others = [code for code in every if code not in aside]
    snoozed = [((), aside, aside[:1], every, others, [*others, aside[0]])[i % 6] for i in range(60)]
    scorer = FixedScorer(0.25)
    laws, taken, plain = [LAW] * 60, [], decide_batch(POLICY, PEOPLE, REQUESTS, scorer, draws, [LAW] * 60)
    found = decide_batch(POLICY, PEOPLE, REQUESTS, scorer, draws, laws, given=given, snoozed=snoozed)
    for i in range(60):
        one = decide(
            POLICY, PEOPLE[i], REQUESTS[i], scorer, draws[i], LAW, given=given[i], snoozed=snoozed[i]
        )
        assert one.outcome == OUTCOMES[found.verdicts.outcomes[i]], i
        assert [line.state for line in one.trace] == [STATES[s] for s in found.verdicts.states[:, i]]
        numbers = (found.verdicts.limit_fen, found.verdicts.amount_fen, found.verdicts.rate_ppm)
        assert [int(column[i]) for column in numbers] == [one.limit_fen, one.amount_fen, one.rate_ppm]
        taken.append(one.random_approval)
    assert any(taken) and not all(taken) and (found.verdicts.outcomes != plain.verdicts.outcomes).sum() > 10


def cached(rows: int, policy: Policy = POLICY) -> dict[str, Column | int | None]:
    """Features of PEOPLE over and over, request and law as numbers."""
    table = policy.engine.features(PEOPLE)
    again = np.arange(rows) % len(PEOPLE)
    columns: dict[str, Column | int | None] = {
        name: Column(table[name].values[again], table[name].known[again]) for name in table
    }
    pd = Column(again * 4_000, again % 7 > 0)
    law = {"law.cap_ppm": 240_000, "law.max_rate_ppm": 216_000, "law.limit_max_fen": 20_000_000}
    return (
        columns
        | dict.fromkeys(policy.given_names)
        | law
        | {
            "law.instalments_max": 60,
            "model.pd_ppm": pd,
            "draw": 0,
            "request.amount_fen": 2_000_000,
            "request.instalments": 12,
            "request.purpose": 0,
        }
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_and_threads_change_nothing(threads: int):
    rows = 2 * BLOCK + 7
    found = verdicts(POLICY, cached(rows), rows, figures=("dti_after_ppm",), threads=threads)
    first = verdicts(POLICY, cached(len(PEOPLE)), len(PEOPLE), figures=("dti_after_ppm",))
    again = np.arange(rows) % len(PEOPLE)
    assert (found.states == first.states[:, again]).all() and (found.outcomes == first.outcomes[again]).all()
    assert (found.limit_fen == first.limit_fen[again]).all() and found.limit_fen.any()
    dti, once = found.figures["dti_after_ppm"], first.figures["dti_after_ppm"]
    assert (dti.values == once.values[again]).all() and (dti.known == once.known[again]).all()


def test_a_changed_rule_reads_its_own_columns_alone():
    text = POLICY_FILE.read_text(encoding="utf-8")
    other = Policy.parse(text.replace('when = "bureau_score < 320"', 'when = "bureau_score < 700"'))
    columns = cached(500)
    old = verdicts(POLICY, columns, 500)
    whole = verdicts(other, columns, 500)
    needed = {
        name: columns[name]
        for name in ("bureau_score", "law.max_rate_ppm", "law.limit_max_fen", "request.amount_fen")
    }
    part = verdicts(other, needed, 500, before=(POLICY, old))
    for name in ("outcomes", "states", "limit_fen", "amount_fen", "rate_ppm", "proposed_fen", "proposed_ppm"):
        assert getattr(part, name).tobytes() == getattr(whole, name).tobytes(), name
    assert (part.outcomes != old.outcomes).any()
    priced = Policy.parse(text.replace('value = "percent(65)"', 'value = "percent(95)"'))
    with pytest.raises(KeyError):  # a changed price reaches the limit, and that reads more
        verdicts(priced, needed, 500, before=(POLICY, old))
    again = verdicts(priced, columns, 500, before=(POLICY, old))
    assert again.rate_ppm.tobytes() == verdicts(priced, columns, 500).rate_ppm.tobytes()
    assert (again.rate_ppm != old.rate_ppm).any()


def test_nobody_gets_no_verdict():
    found = decide_batch(POLICY, [], [], None, [], [])
    assert found.verdicts.states.shape == (len(POLICY.rules), 0) and len(found.annual_rate_ppm) == 0


def test_a_snoozed_rule_is_evaluated_and_says_nothing():
    low = decide(POLICY, PEOPLE[10], REQUEST, FixedScorer(0.5), 0, LAW)
    assert "PD_HIGH" in {reason.code for reason in low.reasons}
    quiet = decide(POLICY, PEOPLE[10], REQUEST, FixedScorer(0.5), 0, LAW, snoozed=("PD_HIGH", "NO_RULE"))
    assert "PD_HIGH" not in {reason.code for reason in quiet.reasons}
    assert next(line.state for line in quiet.trace if line.code == "PD_HIGH") == "true"
    assert quiet.snoozed == ("PD_HIGH",)


def test_the_annual_rate_is_that_of_the_schedule():
    whole = decide(POLICY, PEOPLE[0], REQUEST, FixedScorer(0.01), 0, LAW)
    exact = ((1 + whole.rate_ppm / 12e6) ** 12 - 1) * 1e6
    assert whole.rate_ppm and abs(whole.annual_rate_ppm - exact) <= 2  # to the fen
    one = decide(
        POLICY, PEOPLE[0], Request(100, 120, "shopping"), FixedScorer(0.01), 0, LAW
    )  # CNY 1 over ten years
    assert one.amount_fen == 0 == one.annual_rate_ppm or (one.amount_fen, one.annual_rate_ppm) == (100, 0)
