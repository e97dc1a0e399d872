"""JDM in: tables of zen read as ours, refusals name their place, and zen itself gives the same results."""

import json
import random
import re
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decisioning.jdm_documents import (
    LOAN,
    NAMES,
    NO_ZEN,
    YUAN,
    document,
    expression,
    put_together,
    run,
    some_points,
    zen_cells,
)
from tests.decisioning.test_policy_definition import SMALL
from timelyrain.decisioning import JdmInvalid, Policy, export_jdm, import_jdm
from timelyrain.decisioning.compilers import compile_row

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def test_a_table_of_zen_reads_as_ours():
    rules = [
        {"a": "< 18", "b": "", "c": "-", "o": "'D'", "p": "0"},
        {"a": "[18..25)", "b": "'student', 'other'", "c": "> 1000.50 and <= 2000", "o": '"C"', "p": "10.25"},
        {"a": "in [25..60]", "b": "not in ['farmer']", "c": "5000", "p": "1_000"},
        {"a": "null", "b": "!= null", "c": "", "p": "7"},
        {"a": "< 18 and > 20", "b": "", "p": "7"},
        {"a": "< 10", "b": "", "c": "", "p": "7", "_description": "never"},
    ]
    made = import_jdm(document(rules), NAMES, fields=LOAN, scale={**YUAN, "cost_fen": 100})
    assert made.tables == ("risk_grade",)
    every = ", ".join(f"'{job}'" for job in NAMES["employment"].values)
    wanted = """[[table]]
name = "risk_grade"
hit = "first"
gaps = "missing"
on = { Age = "age", employment = "employment", amount = "request.amount_fen" }
rows = [
    { Age = "< 18", grade = "D", cost_fen = 0 },
    { Age = "[18..25)", employment = "'student', 'other'", amount = "100051..200000", grade = "C", cost_fen = 1025 },
    { Age = "[25..60]", employment = "not 'farmer'", amount = "500000", grade = "A", cost_fen = 100000 },
    { Age = "[25..60]", employment = "missing", amount = "500000", grade = "A", cost_fen = 100000 },
    { Age = "missing", employment = "ALL", grade = "A", cost_fen = 700 },
]
"""
    assert made.toml == wanted.replace("ALL", every)
    told = "\n".join(map(str, made.told))
    for said in (
        "kept: node Risk Grade: is called risk_grade",
        "rule r0 (row 1), column Amount of the loan: '-' is read as any value; zen 2.1 cannot read it",
        "rule r2 (row 3): becomes 2 rows",
        "rule r4 (row 5): fits no value that can occur here; left out",
        "rows 6 are left out: rows above fit wherever they do",
        "descriptions of rules are left out",
        "a whole number of fen from 1 to 100000000000, 100 times the document's",
        "where no row fits zen gives no output; here the outputs are missing",
        "a value of the wrong type makes zen skip the row",
    ):
        assert said in told, said


@pytest.mark.parametrize(
    ("rule", "said", "where"),
    [
        ({"a": "$ + 1 > 5"}, "'+' is nothing that a cell can hold", "rule r0 (row 1), column Age"),
        ({"a": "contains($, 'a')"}, "a call of contains()", "column Age"),
        ({"b": "contains($, age)"}, "'age' is read from the context", "column 客户"),
        ({"a": "$.years > 5"}, "a reference to the column itself ($)", "column Age"),
        ({"a": "> age and employment == 'boss'"}, "'age' is read from the context", "column Age"),
        ({"a": "> date('2020-01-01')"}, "a call of date()", "column Age"),
        ({"a": "> limit"}, "'limit' is read from the context", "column Age"),
        ({"a": "1.5"}, "1.5 is not a whole number", "column Age"),
        ({"c": "> 0.005"}, "0.005 times its scale 100 is not a whole number", "column Amount"),
        ({"a": "1e3"}, "'1e3' is nothing that a cell can hold", "column Age"),
        ({"a": "]1..5["}, "reads as what lies outside", "column Age"),
        ({"a": "[1..5"}, "where ] or ) should stand", "column Age"),
        ({"a": "(> 1)"}, "a bracket around a test", "column Age"),
        ({"a": "not 5"}, "'not' before something other than 'in'", "column Age"),
        ({"a": "5 6"}, "goes on with '6'", "column Age"),
        ({"a": "'x'"}, "where a number should stand", "column Age"),
        ({"a": "9" * 40}, "more digits than zen's decimals", "column Age"),
        ({"a": "9" * 3000}, "3000 characters", "column Age"),
        ({"a": 5}, "5 is no cell", "column Age"),
        ({"b": "'pirate'"}, "'pirate' is none of employed, ", "column 客户"),
        ({"b": "> 'a'"}, "which zen cannot order", "column 客户"),
        ({"b": "[1..2]"}, "a range over texts", "column 客户"),
        ({"b": "true"}, "where a text in quotes should stand", "column 客户"),
        ({"o": "grade + 1"}, "'grade + 1' has to be worked out", "output grade"),
        ({"o": "null"}, "null as an output", "output grade"),
        ({"p": "0.5"}, "0.5 is not a whole number", "output cost_fen"),
        ({"p": "9999999999999999999"}, "does not fit int64", "output cost_fen"),
        ({"p": ["1"]}, "is no output", "output cost_fen"),
    ],
)  # fmt: skip
def test_a_cell_without_words_is_refused_at_its_place(rule: dict[str, object], said: str, where: str):
    with pytest.raises(JdmInvalid) as caught:
        import_jdm(document([rule]), NAMES, fields=LOAN, scale=YUAN)
    told = caught.value.told
    assert len(told) == 1 and said in told[0].what and where in told[0].where and told[0].remedy, told
    assert told[0].where.startswith("node Risk Grade") and told[0].where_zh.startswith("节点 Risk Grade")
    assert CHINESE.search(told[0].what_zh) and CHINESE.search(told[0].remedy_zh), told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (document([{}], nodes=({"id": "f", "type": "functionNode", "name": "f"},)), "a functionNode holds JavaScript"),
        (document([{}], nodes=({"id": "f", "type": "switchNode", "name": "f"},)), "a switchNode holds branches"),
        (document([{}], nodes=({"id": "f", "type": "decisionNode", "name": "f"},)), "another document"),
        (document([{}], nodes=({"id": "f", "type": "magic", "name": "f"},)), "unknown type 'magic'"),
        (document([{}], nodes=({"id": "t1", "type": "inputNode", "name": "f"},)), "has no id of its own"),
        (document([{}], nodes=(5,)), "has no id of its own"),
        (document([{}], nodes=(expression("age * 2"),)), "'age * 2' has to be worked out"),
        (document([{}], nodes=(expression("sum(map(none, #.o))"),)), "'none' is no collected table"),
        (document([{}], executionMode="loop"), "runs in a loop"),
        (document([{}], hit="unique"), "hit policy 'unique'"),
                (document([{}], inputs=[{"id": "a", "name": "A"}]), "its cells name none"),
        (document([{"a": "'RU', 'NK'"}], inputs=[{"id": "a", "name": "A"}]), "its cells name none"),
        (document([{"a": "agee > 5"}], inputs=[{"id": "a", "name": "A"}]), "did you mean 'age'"),
        (document([{"a": "not age > 5"}], inputs=[{"id": "a", "name": "A"}]), "not (a > 5)"),
        (document([{"a": "age + 1 > 5"}], inputs=[{"id": "a", "name": "A"}]), "'age' is no condition"),
        (document([{"a": "age > 5, age < 3"}], inputs=[{"id": "a", "name": "A"}]), "goes on with ','"),
        (document([{"a": "len(employment) > 5 or age > 1"}], inputs=[{"id": "a", "name": "A"}]), "a call of len()"),
        (document([{"a": "(" * 40 + "age > 5" + ")" * 40}], inputs=[{"id": "a", "name": "A"}]), "deeper than 30"),
        (document([{"p": ""}, {}], hit="collect", outputs=[{"id": "p", "field": "p"}]), "give every row a value"),
        (document([{"p": ""}], outputs=[{"id": "o", "field": "o"}, {"id": "p", "field": "p"}]), "no rule gives it"),
        (document([{}], outputs=[{"id": "o", "field": "tags[]"}, {"id": "p", "field": "p"}]), "hit policy collect"),
        (document([{}], inputs=[{"id": "a", "name": "A", "field": "agee"}]), "did you mean 'age'"),
        (document([{}], inputs=[{"id": "a", "name": "A", "field": "age + 1"}]), "an expression"),
        (document([{}], inputs=[{"id": 7, "name": "A", "field": "age"}]), "has no id"),
        (document([{}], outputs=[{"id": "o", "field": "x"}, {"id": "p", "field": "x"}]), "no id and field of its own"),
        (document([{}], inputs="age"), "inputs is no list of objects"),
        (document([["a"]]), "rules is no list of objects"),
        (document([]), "0 rules"),
        (document([{"a": "1"}, {"o": "1"}]), "mixes numbers and texts"),
        (document([{"a": "> 300"}]), "no rule fits anything"),
        (document([{}]).replace('"targetId": "t1"', '"targetId": "t9"'), "joins nodes that are not there"),
        (document([{}]).replace('"sourceId": "in"', '"sourceId": "out"'), "run in a circle"),
        (document([{}]).replace("vnd.gorules", "vnd.other"), "is no JDM decision"),
        (document([{}]).replace('"_id"', '"o"'), "a key stands twice"),
        ("[" * 100_000, "not JSON"),
        ('{"nodes": ' * 100_000, "not JSON"),
        ('{"nodes": ' + "9" * 100_000 + "}", "not JSON"),
        ('{"nodes": NaN}', "NaN is no number"),
        ('{"nodes": [], "x": "\\ud800"}', "not JSON"),
        ("[]", "is not an object"),
        ("", "not JSON"),
        ("{}", "is no JDM decision"),
        ('{"nodes": []}', "no decision table"),
        ('{"nodes": [' + ",".join(["{}"] * 600) + "]}", "600 nodes"),
        (document([{}], inputs=[{"id": str(n), "name": f"c{n}", "field": "age"} for n in range(99)]), "101 columns"),
        (" " * (2**24 + 1), "16777217 characters"),
    ],
)  # fmt: skip
def test_a_document_without_words_or_sense_is_refused(text: str, said: str):
    with pytest.raises(JdmInvalid) as caught:
        import_jdm(text, NAMES, fields=LOAN, collect="max")
    assert said in str(caught.value), str(caught.value)[:500]


def test_a_mapping_or_scale_that_names_nothing_is_refused():
    for option in ({"scale": {"amuont": 100}}, {"fields": {**LOAN, "agee": "age"}}):
        with pytest.raises(JdmInvalid, match="nothing in the document is called so"):
            import_jdm(document([{}]), NAMES, **{"fields": LOAN, **option})


def test_collected_results_need_a_way_to_put_them_together():
    rules: list[dict[str, object]] = [{"a": ">= 18", "o": "10"}, {"a": ">= 60", "o": "5"}]
    with pytest.raises(JdmInvalid, match="gives a list of results"):
        import_jdm(document(rules, "collect"), NAMES, fields=LOAN)
    made = import_jdm(document(rules, "collect"), NAMES, fields=LOAN, collect="sum")
    assert 'hit = "sum"' in made.toml
    assert any(
        "zen gives the list of all results; here each output is their sum" in one.what for one in made.told
    )


def test_a_table_behind_another_says_what_zen_hides():
    inputs = [
        {"id": "g", "name": "g", "field": "risk_grade.cost_fen"},
        {"id": "a", "name": "a", "field": "age"},
    ]
    content = {"hitPolicy": "first", "inputs": inputs, "outputs": [{"id": "o", "name": "o", "field": "x"}]}
    content |= {"rules": [{"_id": "1", "g": "> 0", "o": "1"}]}
    second = {"id": "t2", "type": "decisionTableNode", "name": "next", "content": content}
    text = document([{}], nodes=(second,)).replace('"targetId": "out"', '"targetId": "t2"')
    made = import_jdm(text, NAMES, fields=LOAN)
    assert made.tables == ("risk_grade", "next")
    hidden = [one for one in made.told if "does not pass its input through" in one.what]
    assert [one.where for one in hidden] == ["node next, column a"]


def test_three_thousand_rows_go_into_a_policy_and_more_than_it_takes_is_said():
    """A rate card by age and amount: imported, checked, and deciding as its rows say."""
    rules: list[dict[str, object]] = [
        {"a": f"{18 + n // 50}", "c": f"[{n % 50 * 1_000}..{n % 50 * 1_000 + 1_000})", "p": str(n % 97)}
        for n in range(3_000)
    ]
    made = import_jdm(document(rules), NAMES, fields=LOAN, scale=YUAN)
    assert made.toml.count("amount = ") == 3_001
    assert not any("not analysed" in one.what for one in made.told)
    policy = Policy.parse(SMALL + made.toml)
    table = compile_row(("age", "employment", "request.amount_fen"), policy.steps[-3:])
    rng = random.Random(4)
    for _ in range(500):
        age, amount = rng.randrange(16, 80), rng.randrange(0, 5_100_000)
        n = (age - 18) * 50 + amount // 100_000
        row = n + 1 if 18 <= age < 78 and amount < 5_000_000 else None
        assert table([age, 0, amount])[0] == row
        assert table([age, 0, amount])[2] == (None if row is None else n % 97)
    made = import_jdm(document(rules + rules), NAMES, fields=LOAN, scale=YUAN)
    assert any("6000 rows, not analysed" in one.what and one.remedy for one in made.told)


def test_one_table_of_a_larger_graph_is_taken_and_reads_what_tables_above_it_give():
    content = {"hitPolicy": "first", "outputs": [{"id": "o", "name": "o", "field": "x"}]}
    content |= {
        "inputs": [{"id": "g", "name": "g", "field": "cost_fen"}],
        "rules": [{"_id": "1", "g": ">= 3, < 5", "o": "1"}],
    }
    second = {"id": "t2", "type": "decisionTableNode", "name": "next", "content": content}
    branch = {"id": "s", "type": "switchNode", "name": "branch"}
    text = document([{"a": "< 5"}], nodes=(second, branch), passThrough=True).replace(
        '"targetId": "out"', '"targetId": "t2"'
    )
    with pytest.raises(JdmInvalid, match="switchNode"):
        import_jdm(text, NAMES, fields=LOAN)
    with pytest.raises(JdmInvalid, match="its tables are Risk Grade, next"):
        import_jdm(text, NAMES, only="none")
    made = import_jdm(text, NAMES, fields={**LOAN, "cost_fen": "request.amount_fen"}, only="next")
    assert made.tables == ("next",) and 'on = { g = "request.amount_fen" }' in made.toml
    told = "\n".join(map(str, made.told))
    assert "'switchNode' is left out" in told and "'>= 3, < 5' fits every value" in told
    both = import_jdm(text.replace('"switchNode"', '"outputNode"'), NAMES, fields=LOAN)
    assert 'on = { g = "risk_grade.cost_fen" }' in both.toml


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(["first", "sum", "max", "min", "count"]))
def test_an_imported_table_gives_what_zen_gives(data: st.DataObject, how: str):
    zen = pytest.importorskip("zen", reason=NO_ZEN)
    columns = data.draw(st.lists(st.sampled_from(["age", "employment", "id_match"]), min_size=1, unique=True))
    rules = [
        {
            **{c: data.draw(zen_cells(c)) for c in columns},
            "o": str(data.draw(st.integers(-9, 10**9))),
            "p": "1",
        }
        for _ in range(data.draw(st.integers(1, 5)))
    ]
    inputs = [{"id": c, "name": c, "field": c} for c in columns]
    made = put_together(rules, how, inputs, "no rule fits anything")
    if made is None:
        return
    text, policy = made
    points = some_points(policy, 40)
    decision = zen.ZenEngine().create_decision(text)
    for point, row in zip(points, run(policy, points), strict=True):
        context = {k: v for k, v in point.items() if v is not None}
        result = decision.evaluate(context)["result"]
        found = [one["o"] for one in (result if how != "first" else [result] if result else [])]
        empty = 0 if how in ("sum", "count") else None
        together = {"sum": sum, "max": max, "min": min, "count": len, "first": lambda all_: all_[0]}[how]
        assert row == {"risk_grade.o": together(found) if found else empty}, (point, rules)


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("> date('2026-08-01')", [2, 3]),
        ('>= d("2026-08-01")', [1, 2, 3]),
        ("[date('2026-08-01')..date('2026-09-01'))", [1, 2]),
        ("date('2026-08-01'), date('2026-09-01')", [1, 3]),
        ("not in [date('2026-08-01'), date('2026-09-01')]", [0, 2]),
        ("!= date('2026-08-01')", [0, 2, 3]),
    ],
)
def test_dates_of_zen_become_days(cell: str, wanted: list[int]):
    made = import_jdm(document([{"a": cell}]), NAMES, fields={**LOAN, "age": "today"})
    steps = [
        step
        for step in Policy.parse(SMALL + made.toml, activated=True).steps
        if step[0] == "risk_grade.cost_fen"
    ]
    program = compile_row(("today",), steps)
    days = [
        (date(2026, month, day) - date(1970, 1, 1)).days for month, day in ((7, 31), (8, 1), (8, 2), (9, 1))
    ]
    assert [i for i, day in enumerate(days) if program([day]) == (1,)] == wanted, made.toml
    assert any("here it is the day" in one.what for one in made.told) and "date('2026-08-01')" in made.toml
    again = import_jdm(export_jdm(SMALL + made.toml, "risk_grade").json, NAMES)
    assert again.toml == made.toml
    with pytest.raises(JdmInvalid, match="'2026-08-32' is not a date"):
        import_jdm(document([{"a": "> date('2026-08-32')"}]), NAMES, fields={**LOAN, "age": "today"})


def test_names_that_the_language_needs_itself_are_changed_and_told():
    """A table `law` or an output `row` would hide what stands there; `class` no expression can read."""
    raw = json.loads(document([{"a": "> 5", "o": "1", "p": "2"}]))
    table = next(node for node in raw["nodes"] if node["type"] == "decisionTableNode")
    table["name"] = "Law"
    for out, field in zip(table["content"]["outputs"], ("row", "class"), strict=True):
        out["field"] = field
    made = import_jdm(json.dumps(raw), NAMES, fields=LOAN)
    assert made.tables == ("law_table",) and "row_out = 1, class_out = 2" in made.toml
    assert "output 'class' is called class_out" in "\n".join(map(str, made.told))
    assert Policy.parse(SMALL + made.toml).tables
