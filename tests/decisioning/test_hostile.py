"""Definitions, evidence and records made to hurt: told in words, within bounded time; never a traceback, never executed."""

import json
import random
from pathlib import Path

import pytest

from tests.decisioning.applicants import LAW, REQUEST, applicant, evidence
from tests.decisioning.test_policy_definition import SMALL, problems
from timelyrain.cli import main
from timelyrain.decisioning import (
    DefinitionInvalid,
    JdmInvalid,
    Policy,
    RecordInvalid,
    decide,
    decision_record,
    import_jdm,
    replay,
)

HEX = "0x" + "f" * 6_000
LONG = "9" * 400
POLICY = Policy.parse(SMALL)
WHEN = "age < 18"
BLOCKS = {
    "a table": '[[table]]\nname = "t"\non = {{ a = "age" }}\nrows = [{{ a = {0}, out = {0} }}]\n',
    "its column": '[[table]]\nname = "t"\non = {{ a = {0} }}\nrows = [{{ a = "-", out = 1 }}]\n',
    "its steps": '[[table]]\nname = "t"\non = "age"\nrows = [{{ below = {0}, out = 1 }}]\n',
    "a constant": '[[constant]]\nname = "c"\nvalue = {0}\n',
    "a list of them": '[[constant]]\nname = "c"\nvalue = [1, {0}]\n',
    "an experiment": '[[experiment]]\nname = "e"\narms = [{{ name = "a", ppm = {0} }}]\nzh = "a"\nen = "b"\n',
    "a price": '[[price]]\nname = "p"\nrates = [{0}]\n',
    "an aggregate": '[[aggregate]]\nname = "g"\ntable = "bank_flow"\nstats = ["count"]\nwindows = [{0}]\nzh = "a"\nen = "b"\n',
    "nothing known": "[nowhere]\nx = {0}\n",
}  # fmt: skip


@pytest.mark.parametrize(
    "value", [HEX, LONG, "nan", "-inf", "2026-01-01", "[[[]]]", "{ a = { b = 1 } }", "''"]
)
@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_odd_values_are_told_wherever_they_stand(block: str, value: str):
    assert problems(SMALL + block.format(value))


@pytest.mark.parametrize(
    "when",
    [
        f"age < {LONG}", "age < 0x" + "f" * 1_500, "9**9**9**9 < age", "1 << 99999999 < age", "'a' * 99999999 == 'a'",
        "(" * 900 + "age" + ")" * 900 + " < 18", "not " * 450 + "(age < 18)", "-" * 1_900 + "age < 18",
        " and ".join(["age < 18"] * 400), "yuan(1e308) < request.amount_fen", "yuan(1e999) < request.amount_fen",
        "today < date('99999-01-01')", "age < 18\\u0000", "(lambda: 1)() < 18", "age.__class__.__bases__ < 18", "f'{age}' == 'a'",
        "(x := 5) < 18", "[x for x in (1, 2)] == 1", "__import__('os').system('touch pwned') < 18",
        "age in (" + "1, " * 900 + ")",
    ],
)  # fmt: skip
def test_expressions_that_would_hurt_are_refused_or_read(when: str, tmp_path: Path):
    text = SMALL.replace(WHEN, when)
    assert text != SMALL
    try:
        Policy.parse(text)
    except DefinitionInvalid as error:
        assert all(len(str(problem)) < 1_000 for problem in error.problems)
    assert not Path("pwned").exists()


@pytest.mark.parametrize("form", ["(age > {0} and (age < 100 or {1}))", "(age > {0} if {1} else age < 50)"])
def test_conditions_inside_conditions_are_checked_in_bounded_time(form: str):
    """What can be told of them doubles with each level: where the effort ends, nothing is claimed."""
    condition = WHEN
    for level in range(25):
        condition = form.format(level, condition)
    assert Policy.parse(SMALL.replace(WHEN, condition))


def test_thousands_of_errors_are_all_told():
    figure = '[[figure]]\nname = "f{0}"\nformula = "agee + {0} + foo{0}"\nzh = "a"\nen = "b"\n'
    told = problems(SMALL + "".join(figure.format(i) for i in range(1_500)))
    assert len(told) == 3_000
    chain = '[[figure]]\nname = "g{0}"\nformula = "{1} + 1"\nzh = "a"\nen = "b"\n'
    text = "".join(chain.format(i, "age" if not i else f"g{i - 1}") for i in range(1_000))
    assert len(Policy.parse(SMALL + text).figures) == len(POLICY.figures) + 1_000


def test_a_long_list_is_not_told_whole_a_thousand_times():
    rows = "".join(f'{{ below = {i + 2}, name = "text{i}" }}, ' for i in range(4_000))
    table = f'[[table]]\nname = "long"\non = "request.amount_fen"\nrows = [{rows}]\n'
    figure = (
        '[[figure]]\nname = "f{0}"\nformula = "1 if long.name == \'nothing\' else 2"\nzh = "a"\nen = "b"\n'
    )
    with pytest.raises(DefinitionInvalid) as caught:
        Policy.parse(SMALL + table + "".join(figure.format(i) for i in range(1_000)))
    assert len(caught.value.problems) == 1_000 and len(str(caught.value)) < 1_000_000


def test_a_cell_or_header_made_to_be_slow_is_told_at_once():
    for cell in (
        "[ " + " " * 20_000 + ".." * 5_000,
        "'a' , " * 3_000,
        "not " * 9_000,
        "5," * 9_000,
        "..",
        "(..)",
    ):
        on = "employment" if "'" in cell else "age"
        table = f'[[table]]\nname = "t"\non = {{ a = "{on}" }}\nrows = [{{ a = "{cell}", out = 1 }}]\n'
        assert problems(SMALL + table)
    for text in (
        "x = " + "[" * 10_000,
        "x = " + "{ a = " * 10_000,
        ".".join("a" * 9_000) + " = 1",
        "[" + ".".join("a" * 9_000),
    ):
        assert problems(text)  # fmt: skip


WORDS = [
    "nan", "''", HEX, LONG, "[", "]", "{", "}", '"', "\\", "\\u0000", "[[rule]]", "true", "age", "not ", "1e400", "()", "**",
    "//0", "= ", ",", "\n", "#", "missing(", "yuan(", "on_list('", "中文", "{age:yuan}", "{w}", "null", "-1", "\ud800",
]  # fmt: skip


def broken(text: str, rng: random.Random) -> str:
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(WORDS) + text[at + rng.choice([0, 1, 3, 20]) :]
    return text


def test_whatever_is_broken_is_refused_in_words():
    """Definitions, records and documents with random damage: read, or refused by the error that is theirs."""
    rng = random.Random(11)
    person = evidence(3, 0.3)
    record = decision_record(
        decide(POLICY, person, REQUEST, None, 0, LAW), POLICY, person, REQUEST, None, 0, LAW
    )
    document = json.dumps(
        {
            "nodes": [
                {"id": "in", "type": "inputNode", "name": "in"},
                {
                    "id": "t", "type": "decisionTableNode", "name": "t", "content": {
                        "hitPolicy": "first", "inputs": [{"id": "a", "name": "a", "field": "age"}],
                        "outputs": [{"id": "o", "name": "o", "field": "x"}], "rules": [{"_id": "1", "a": "< 18", "o": "1"}]},
                },
            ],
            "edges": [{"id": "e", "sourceId": "in", "targetId": "t"}],
        }
    )  # fmt: skip
    for _ in range(400):
        try:
            Policy.parse(broken(SMALL, rng))
        except DefinitionInvalid as error:
            assert error.problems
        try:
            replay(broken(record.decode(), rng).encode("utf-8", "surrogatepass"), POLICY, person, None)
        except RecordInvalid as error:
            assert str(error)
        try:
            import_jdm(broken(document, rng), POLICY.verdict_types)
        except JdmInvalid as error:
            assert error.told


@pytest.mark.parametrize(
    "odd",
    [
        ("--request", '{"a":' * 9_999), ("--request", '{"instalments": 1, "instalments": 2}'), ("--request", "a\x00b"),
        ("--request", f'{{"amount_fen": {LONG}}}'), ("--given", f'{{"a": {"9" * 5_000}}}'), ("--draw", LONG),
        ("--model", "a\x00b"), ("--model", "m" * 5_000), ("--policy", "a\x00b"), ("--policy", "p" * 5_000),
        ("--record", "/nowhere/at/all"), ("--jurisdiction", "../../etc"), ("--licence", "none"), ("--product", "none"),
    ],
    ids=lambda odd: f"{odd[0]} {odd[1][:12]!r}",
)  # fmt: skip
def test_a_command_with_odd_words_says_what_was_wrong(
    odd: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "e.json").write_text(json.dumps(applicant(3, 0.3)))
    words = {"--policy": str(tmp_path / "small.toml"), "--evidence": str(tmp_path / "e.json")} | dict([odd])
    assert main(["decide", *(word for pair in words.items() for word in pair)]) == 2
    assert len(capsys.readouterr().err) < 2_000
