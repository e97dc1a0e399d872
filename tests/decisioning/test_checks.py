"""Proofs about expressions hold on every value that is tried; definitions are refused for what is proved."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decisioning.test_compilers_equal import NAMES, drawn, flags, numbers
from tests.decisioning.test_policy_definition import SMALL, problems
from timelyrain.decisioning import Policy
from timelyrain.decisioning.checks import direction, possible, span
from timelyrain.decisioning.compilers import compile_row
from timelyrain.decisioning.language import Type, read


@settings(max_examples=300, deadline=None)
@given(st.one_of(numbers(3), flags(3)), st.randoms(use_true_random=False))
def test_ranges_and_impossibilities_hold(source: str, rng):
    node, faults = read(source, NAMES)
    if faults:
        return
    program = compile_row(tuple(NAMES), [("x", node)])
    drawn_values = (program([drawn(kind, rng) for kind in NAMES.values()])[0] for _ in range(40))
    found = {value for value in drawn_values if value is not None}
    if node.type.kind == "int":
        low, high = span(node, {}) or (1, 0)
        assert all(low <= value <= high for value in found), (source, low, high)
    else:
        assert possible(node, True) or True not in found, source
        assert possible(node, False) or False not in found, source


@settings(max_examples=300, deadline=None)
@given(numbers(3), st.randoms(use_true_random=False))
def test_a_proved_direction_is_kept(source: str, rng):
    node, faults = read(source, NAMES)
    way = None if faults else direction(node, {"a": 1})
    if way is None:
        return
    program = compile_row(tuple(NAMES), [("x", node)])
    for _ in range(25):
        row = {name: drawn(kind, rng) for name, kind in NAMES.items()}
        steps = sorted(rng.randint(-(10**6), 10**6) for _ in range(5))
        run = [program([row[n] if n != "a" else at for n in NAMES])[0] for at in steps]
        known = [value for value in run if value is not None]
        assert known == sorted(known, reverse=way < 0) and (way or len(set(known)) < 2), (source, way)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("age < 0", "can never be true"),
        ("age > 60 and age < 50", "can never be true"),
        ("age == 30 and employment == 'student' and age != 30", "can never be true"),
        ("employment == 'student' and employment in ('farmer', 'other')", "can never be true"),
        ("missing(age) and age > 3", "can never be true"),
        ("not source_missing('bank') and source_missing('bank')", "can never be true"),
        ("request.instalments > 120 or age > 130", "can never be true"),
        ("today < date('1960-01-01')", "can never be true"),
    ],
)
def test_dead_rules_are_refused(when: str, said: str):
    found = problems(SMALL.replace("age < 18", when).replace("，{age}岁", "").replace(": {age}", ""))
    assert [where for _, where, what in found if said in what] == ["rule.when"], found


@pytest.mark.parametrize("when", ["age >= 0", "age < 50 or age >= 50", "not missing(age) or missing(age)"])
def test_a_rule_that_always_speaks_is_a_warning(when: str):
    text = SMALL.replace("age < 18", when).replace("，{age}岁", "").replace(": {age}", "")
    assert [w.where for w in Policy.parse(text).warnings if "whenever it is evaluated" in w.what] == [
        "rule.when"
    ]


def test_what_is_not_known_when_somebody_applies_is_refused_in_a_rule_and_a_figure():
    text = SMALL.replace('stats = ["count", "sum"]', 'stats = ["count", "sum"]\nknown_at_application = false')
    found = [where for _, where, what in problems(text) if "not known at application" in what]
    assert found == ["figure[1].formula"]


def test_a_source_without_a_fallback_is_refused_and_an_old_definition_still_runs():
    text = SMALL.replace('[[source]]\nname = "bank"', '[[source]]\nname = "tax"')
    assert any("source 'bank' is read" in what for _, _, what in problems(text))
    assert Policy.parse(text, activated=True).rules


def test_warnings_do_not_refuse():
    text = SMALL + '\n[[figure]]\nname = "idle"\nformula = "age + 1"\nzh = "a"\nen = "a"\n'
    warned = Policy.parse(text).warnings
    assert {w.what for w in warned} == {"figure 'idle' is not used", "UNDER_AGE does not say why it is there"}
    assert all(w.line and w.remedy for w in warned)
    assert not Policy.parse(text.replace('formula = "age + 1"', 'formula = "age + 1"\nshow = true')).warnings[
        1:
    ]


def test_constants_stand_once_and_fill_the_texts():
    text = SMALL.replace("[[source]]", '[[constant]]\nname = "adult"\nvalue = 18\n\n[[source]]', 1)
    text = text.replace("age < 18", "age < adult").replace("{age}岁", "{adult}岁")
    assert Policy.parse(text).rules[-1].zh == "未满18周岁，18岁"


def test_units_of_dates():
    names = {"today": Type("int", "date", 0, 50_000, nullable=False), "n": Type("int", "days", 0, 99)}
    for source in ("today + today", "today * 2", "today > 5 * n", "-today", "today // 2"):
        assert read(source, names)[1], source
    node, faults = read("today - date('2026-01-01') > 30 + n", names)
    assert not faults and node.type.kind == "bool"
