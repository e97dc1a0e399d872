"""Records replay byte for byte; a difference is named by its cause."""

import json

import pytest

from tests.decisioning.applicants import LAW, POLICY_FILE, REQUEST, default_policy, evidence
from tests.decisioning.test_decide import FixedScorer
from timelyrain.decisioning import (
    Policy,
    RecordInvalid,
    Scorer,
    canonical_bytes,
    decide,
    decision_record,
    evidence_from_json,
    replay,
)
from timelyrain.decisioning.evidence import canonical_json

POLICY = default_policy()
PERSON = evidence(1, 0.2)
MODEL = FixedScorer(0.05)


def recorded(scorer: Scorer | None = MODEL) -> bytes:
    decision = decide(POLICY, PERSON, REQUEST, scorer, 7, LAW)
    return decision_record(decision, POLICY, PERSON, REQUEST, scorer, 7, LAW)


@pytest.mark.parametrize("scorer", [MODEL, None])
def test_a_record_replays_from_stored_bytes(scorer: FixedScorer | None):
    record = recorded(scorer)
    again = replay(record, default_policy(), evidence_from_json(canonical_bytes(PERSON)), scorer)
    assert again.equal and again.cause is None and not again.differences
    told = json.loads(record)
    assert told["draw"] == 7 and told["evidence"]["sha256"] == PERSON.sha256
    assert told["definition"]["sha256"] == POLICY.sha256
    assert len(told["outputs"]["trace"]) == len(POLICY.rules)
    assert (
        b"NaN" not in record
        and json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == record
    )


def test_other_data_are_named():
    found = replay(recorded(), POLICY, evidence(2, 0.2), MODEL)
    assert (found.equal, found.cause) == (False, "data")


def test_another_rule_is_named_even_when_it_changes_no_outcome():
    text = POLICY_FILE.read_text(encoding="utf-8")
    other = Policy.parse(text.replace('when = "age < 18"', 'when = "age < 19"'))
    found = replay(recorded(), other, PERSON, MODEL)
    assert (found.equal, found.cause, found.differences) == (False, "rule", ("definition",))


def test_a_policy_that_no_longer_knows_the_purpose_is_the_rule():
    text = POLICY_FILE.read_text(encoding="utf-8")
    other = Policy.parse(text.replace('"shopping", "appliances"', '"appliances"'))
    found = replay(recorded(), other, PERSON, MODEL)
    assert (found.equal, found.cause) == (False, "rule")


def test_another_model_is_named():
    found = replay(recorded(), POLICY, PERSON, FixedScorer(0.5, sha256="1" * 64))
    assert (found.equal, found.cause) == (False, "model")
    assert {"model", "outputs.outcome", "outputs.pd_ppm"} <= set(found.differences)
    assert replay(recorded(), POLICY, PERSON, None).cause == "model"


def test_same_inputs_with_another_answer_are_the_engine():
    drifted = FixedScorer(0.0500011)  # the same model bytes, another arithmetic
    found = replay(recorded(), POLICY, PERSON, drifted)
    assert (found.equal, found.cause) == (False, "engine")
    assert "outputs.pd_ppm" in found.differences


def test_a_forged_outcome_does_not_replay():
    told = json.loads(recorded())
    told["outputs"]["limit_fen"] += 100
    forged = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert replay(forged, POLICY, PERSON, MODEL).differences == ("outputs.limit_fen",)


@pytest.mark.parametrize(
    "record", [b"", b"[]", b"{}", b'{"format":2}', b"[" * 10_000, b'{"format":3,"outputs":{}}']
)
def test_what_is_no_record_is_refused(record: bytes):
    with pytest.raises(RecordInvalid, match="decision_record"):
        replay(record, POLICY, PERSON, MODEL)


def test_every_part_of_a_record_that_was_changed_is_told():
    """What the record says beside a hash belongs to the input that the hash names; all else, to the engine."""
    told = json.loads(recorded())

    def changed(**parts: object) -> tuple[str | None, tuple[str, ...]]:
        found = replay(canonical_json(told | parts), POLICY, PERSON, MODEL)
        return found.cause, found.differences

    assert changed() == (None, ())
    assert changed(evidence=told["evidence"] | {"as_of": 0}) == ("data", ("evidence",))
    assert changed(evidence=told["evidence"] | {"missing": ["bank"]}) == ("data", ("evidence",))
    assert changed(definition=told["definition"] | {"version": "9"}) == ("rule", ("definition",))
    assert changed(model="1" * 64) == ("model", ("model",))
    for part, value in (
        ("engine", "1"),
        ("features_sha256", "0"),
        ("graph", "x"),
        ("extra", None),
        ("snoozed", ["X"]),
    ):
        assert changed(**{part: value}) == ("engine", (part,))
    without = canonical_json({name: value for name, value in told.items() if name != "graph"})
    assert replay(without, POLICY, PERSON, MODEL).differences == ("graph",)
    for part, value in told["outputs"].items():
        outputs = told["outputs"] | {part: [value]}
        assert changed(outputs=outputs) == ("engine", (f"outputs.{part}",))
    laid_out = replay(json.dumps(told, indent=1).encode(), POLICY, PERSON, MODEL)
    assert (laid_out.equal, laid_out.cause, laid_out.differences) == (False, "engine", ("bytes",))
    assert changed(format=3, engine="9") == ("engine", ("engine", "format"))


def test_a_record_of_another_format_was_another_engine():
    told = json.loads(recorded())
    old = {k: v for k, v in told.items() if k not in ("graph", "features_sha256", "given", "snoozed")}
    found = replay(json.dumps(old | {"format": 1, "engine": "1"}).encode(), POLICY, PERSON, MODEL)
    assert (found.equal, found.cause, found.differences) == (False, "engine", ("engine", "format"))
    assert replay(json.dumps(old | {"format": 1}).encode(), POLICY, evidence(2), MODEL).cause == "data"


def test_a_snoozed_rule_stands_in_the_record_and_replays():
    decision = decide(POLICY, PERSON, REQUEST, MODEL, 7, LAW, snoozed=["PHONE_NEW"])
    record = decision_record(decision, POLICY, PERSON, REQUEST, MODEL, 7, LAW)
    assert json.loads(record)["snoozed"] == ["PHONE_NEW"]
    assert replay(record, POLICY, PERSON, MODEL).equal


def test_prepared_texts_are_the_plain_json_of_the_outputs():
    outcomes = set()
    for seed in range(120):
        person = evidence(seed, seed % 11 / 10, ((), ("bank",), ("bureau", "telecom"))[seed % 3])
        scorer = None if seed % 5 == 4 else FixedScorer(seed % 7 / 20)
        draw = seed * 8_333 if seed % 2 else 0  # 0: in the random band
        decision = decide(POLICY, person, REQUEST, scorer, draw, LAW)
        outcomes.add(decision.outcome)
        assert decision.outputs_json().encode() == canonical_json(decision.outputs())
    assert len(outcomes) == 4
