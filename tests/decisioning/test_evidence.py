"""Evidence is refused whole, with every problem named, or read and written back to the same bytes."""

import copy
import json
import pickle
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decisioning.applicants import AS_OF, applicant, evidence
from timelyrain.decisioning import EvidenceInvalid, canonical_bytes, evidence_from_json
from timelyrain.decisioning.evidence import MAX_FEN, MAX_TOTAL_FEN, TABLES


def test_canonical_bytes_are_a_fixed_point():
    first = canonical_bytes(evidence(1, 0.5))
    assert canonical_bytes(evidence_from_json(first)) == first
    shuffled = json.dumps(dict(reversed(applicant(1, 0.5).items())), indent=2).encode()
    assert canonical_bytes(evidence_from_json(shuffled)) == first
    assert evidence(1, 0.5).sha256 != evidence(2, 0.5).sha256


def test_canonical_bytes_are_plain_sorted_json():
    told = canonical_bytes(evidence(1, 0.5))
    again = json.dumps(json.loads(told), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert told == again.encode()


PLACES = [
    (name, column)
    for name, table in TABLES.items()
    for column in table.columns
    if column not in ("at", "closed")
]
NEAR = [
    edge + by for edge in (0, MAX_FEN, MAX_TOTAL_FEN, 1, 600, 2**31, 2**63, -(2**63)) for by in (-1, 0, 1)
]
ODD = [
    True,
    None,
    1.0,
    float("nan"),
    "",
    "x",
    [],
    {},
    "salary",
    "N",
    "normal",
    b"",
    np.int64(1),
    10**400,
    -(10**30),
]


@given(place=st.sampled_from(PLACES), value=st.sampled_from([*NEAR, *ODD]), row=st.integers(0, 10**6))
def test_columns_in_one_sweep_are_judged_as_one_by_one(place: tuple[str, str], value: object, row: int):
    name, column = place
    raw = applicant(1, 0.5)
    values = raw["events"].get(name, {}).get(column)
    if not values:
        return
    values[row % len(values)] = value
    field = TABLES[name].columns[column]
    fits = type(value) is str and value in field.values
    if field.kind != "enum":
        fits = type(value) is int and field.low <= value <= field.high
        fits = fits and (field.unit != "fen" or sum(map(abs, values)) <= MAX_TOTAL_FEN)
    if fits:
        read = evidence_from_json(raw).tables[name][column]
        assert read.tolist() == [field.values.index(v) if field.kind == "enum" else v for v in values]
        return
    with pytest.raises(EvidenceInvalid) as caught:
        evidence_from_json(raw)
    assert len(caught.value.problems) == 1 and f"events.{name}.{column}" in caught.value.problems[0]


def test_absent_and_null_facts_are_missing_alike():
    raw = applicant(3)
    raw["facts"]["bureau_score"] = None
    less = applicant(3)
    del less["facts"]["bureau_score"]
    assert canonical_bytes(evidence_from_json(raw)) == canonical_bytes(evidence_from_json(less))


def broken(path: str, value: object) -> dict:
    raw = copy.deepcopy(applicant(5))
    *parents, last = path.split(".")
    place = raw
    for parent in parents:
        place = place[parent]
    place[last] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("facts.age", "31", "facts.age"),
        ("facts.age", 31.0, "facts.age"),
        ("facts.age", True, "facts.age"),
        ("facts.age", float("nan"), "facts.age"),
        ("facts.age", 131, "outside 0 to 130"),
        ("facts.age", 10**400, "a huge integer"),
        ("facts.id_match", 1, "not true or false"),
        ("facts.employment", "pirate", "'pirate' is not one of"),
        ("facts.shoe_size", 43, "unknown name 'shoe_size'"),
        ("facts", [], "facts: a list is not an object"),
        ("as_of", -1, "as_of"),
        ("as_of", None, "as_of"),
        ("colour", 1, "unknown name 'colour'"),
        ("missing", ["weather"], "not a list of sources"),
        ("missing", ["telecom"], "listed as missing"),
        ("missing", ["shop"], "listed as missing"),
        ("facts.shop_tenure_days", -1, "outside 0 to 20000"),
        ("events.shop_order", None, "list 'shop' as missing"),
        ("events.tax_record.employer", None, "events.tax_record.employer"),
        ("events.device_event.kind", ["wink"] * 40, "'wink' is not one of"),
        ("events.bank_flow.counterparty", [-1], "different length"),
        ("events.bank_flow.mcc", "5411", "events.bank_flow.mcc"),
        ("events.purchases", {}, "unknown name 'purchases'"),
        ("events.bureau_inquiry", None, "list 'bureau' as missing"),
        ("events.bureau_inquiry", {"at": [1]}, "events.bureau_inquiry.kind"),
        ("events.bureau_inquiry", {"at": [1], "kind": []}, "different length"),
        ("events.bureau_inquiry", {"at": [1], "kind": ["gossip"]}, "'gossip' is not one of"),
        ("events.bureau_inquiry", {"at": [1], "kind": [None]}, "None is not one of"),
        ("events.bureau_inquiry", {"at": [AS_OF + 1], "kind": ["self"]}, "the future is not evidence"),
        ("events.bureau_inquiry", {"at": [9, 8], "kind": ["self", "self"]}, "oldest first"),
        ("events.bureau_inquiry", {"at": [1.5], "kind": ["self"]}, "1.5 is not an integer"),
        ("events.bureau_inquiry", {"at": [1] * 100_001, "kind": ["self"] * 100_001}, "send at most 100000"),
        ("events.telecom_bill", {"at": [1], "amount_fen": [1], "late": [2]}, "outside 0 to 1"),
        ("events.telecom_bill", {"at": [1], "amount_fen": [10**12], "late": [0]}, "outside 0 to"),
        (
            "events.telecom_bill",
            {"at": [1] * 11, "amount_fen": [10**11] * 11, "late": [0] * 11},
            "adds up to more",
        ),
    ],
)
def test_bad_evidence_is_refused_with_the_place_and_the_remedy(path: str, value: object, said: str):
    with pytest.raises(EvidenceInvalid) as caught:
        evidence_from_json(broken(path, value))
    assert said in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))  # as it leaves a worker's process
    assert again.problems == caught.value.problems
    both = list(zip(again.problems, again.sentences("zh"), strict=True))
    assert all(re.search(r"[\u4e00-\u9fff]", zh) and zh.isprintable() for _, zh in both)
    assert all(re.split(": |：", en)[0] == re.split(": |：", zh)[0] for en, zh in both)  # one place


def test_a_key_is_a_hash_and_nothing_else():
    raw = applicant(5)
    for odd in (-1, 2**63, 1.0, True, "9f", None):
        raw["events"]["bank_flow"]["counterparty"][0] = odd
        with pytest.raises(EvidenceInvalid, match=r"bank_flow.counterparty\[0\]"):
            evidence_from_json(raw)
    raw["events"]["bank_flow"]["counterparty"][0] = 2**63 - 1
    assert evidence_from_json(raw).tables["bank_flow"]["counterparty"][0] == 2**63 - 1


def test_evidence_from_before_a_source_or_column_existed_is_still_read():
    raw = applicant(6)
    for name in ("shop_order", "tax_record", "device_event"):
        del raw["events"][name]
    for name in ("shop_tenure_days", "device_tenure_days"):
        del raw["facts"][name]
    for name in ("counterparty", "mcc"):
        del raw["events"]["bank_flow"][name]
    old = evidence_from_json(raw)
    assert old.missing == ("device", "shop", "tax")
    assert not old.tables["bank_flow"]["mcc"].any() and len(old.tables["bank_flow"]["mcc"]) > 50
    assert len(old.tables["bureau_guarantee"]["at"]) == 0
    assert canonical_bytes(evidence_from_json(canonical_bytes(old))) == canonical_bytes(old)


def _heap(deep: int) -> object:
    heap: object = 1
    for _ in range(deep):
        heap = [heap]
    return heap


@pytest.mark.parametrize(
    "raw",
    [
        {"events": {"bank_flow": dict.fromkeys(("at", "amount_fen", "balance_fen", "kind"), [0] * 10**6)}},
        {"facts": {f"x{i}": i for i in range(10**6)}},
        {"missing": ["shop"] * 10**6},
        {"facts": {"age": _heap(10_000)}},
        {"events": {"bank_flow": {"at": _heap(10_000)}}},
        {"as_of": 10**4_000},
    ],
    ids=["10^6 events", "10^6 facts", "10^6 names", "deep fact", "deep column", "huge number"],
)
def test_absurd_sizes_are_refused_in_little_memory(raw: dict):
    """The refusal itself stays small: at most 50 problems, none longer than a line or two."""
    tracemalloc.start()
    with pytest.raises(EvidenceInvalid) as caught:
        evidence_from_json({**applicant(5), **raw})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(caught.value.problems) <= 50 and max(map(len, caught.value.problems)) < 1_000
    assert peak < 40 * 2**20


@pytest.mark.parametrize("mark", [b"[]", b"{}", b"[[", b'{"a":'])
def test_a_million_brackets_are_refused_before_they_are_built(mark: bytes):
    data = b'{"facts": [' + b",".join([mark] * 10**6)
    tracemalloc.start()
    with pytest.raises(EvidenceInvalid, match="not readable"):
        evidence_from_json(data)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_closing_time_after_the_report_is_refused():
    raw = applicant(5)
    raw["events"]["bureau_account"]["closed"][0] = AS_OF + 1
    with pytest.raises(EvidenceInvalid, match="closing time"):
        evidence_from_json(raw)


def test_all_problems_are_told_at_once():
    raw = broken("facts.age", "x")
    raw["facts"]["id_match"] = "yes"
    raw["events"]["telecom_bill"]["late"][0] = 7
    with pytest.raises(EvidenceInvalid) as caught:
        evidence_from_json(raw)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe", "not readable"),
        (b"[]", "the top is a list"),
        (b"[" * 10_000 + b"]" * 10_000, "not readable"),
        (b'{"as_of": NaN}', "NaN is not a value"),
        (b'{"as_of": 1, "as_of": 2}', "stands twice"),
        (b'{"as_of": ' + b"9" * 5_000 + b"}", "not readable"),
        (b" " * (16 * 2**20 + 1), "too large"),
    ],
)
def test_hostile_bytes_are_refused(data: bytes, said: str):
    with pytest.raises(EvidenceInvalid, match=said):
        evidence_from_json(data)
