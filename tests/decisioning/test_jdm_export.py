"""Tables out to JDM and back: round trips keep the hash, and zen itself gives the same results."""

import json
import string
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decisioning.applicants import POLICY_FILE, default_policy
from tests.decisioning.jdm_documents import JOBS, NAMES, NO_ZEN, document, run, some_points
from tests.decisioning.test_policy_definition import SMALL
from timelyrain.cli import main
from timelyrain.decisioning import JdmInvalid, Policy, export_jdm, import_jdm

NUMBERS = st.integers(0, 130)


@st.composite
def int_cells(draw: st.DrawFn) -> object:
    a, b = sorted((draw(NUMBERS), draw(NUMBERS)))
    b += 2
    forms = [
        "-",
        "missing",
        f"{a}..{b}",
        f"[{a}..{b}]",
        f"[{a}..{b})",
        f"({a}..{b})",
        f"({a} .. {b}]",
        f"{a}",
        f"= {a}",
    ]
    forms += [f"{mark} {a}" for mark in ("<", "<=", ">", ">=")] + [
        f"<{b}",
        f"{a}, {b}",
        f"{a},{b}",
        f"{a} + 1",
    ]
    form = draw(st.sampled_from(forms))
    negate = draw(st.booleans()) and form not in ("-", "missing")
    return draw(st.sampled_from([a, form])) if not negate else f"not {form}"


@st.composite
def enum_cells(draw: st.DrawFn) -> str:
    words = draw(st.lists(st.sampled_from(JOBS), min_size=1, max_size=3))
    text = draw(st.sampled_from([", ", ","])).join(f"'{word}'" for word in words)
    return draw(st.sampled_from(["-", "missing", text, text, f"not {text}"]))


def plain(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else json.dumps(value)
        if isinstance(value, str)
        else str(value)
    )


@st.composite
def tables(draw: st.DrawFn) -> str:
    """A [[table]] of age (never missing: guarded), employment, a flag, and a figure of the table's own."""
    hit = draw(st.sampled_from(["first", "unique", "sum", "max", "min", "count", ""]))
    columns = {
        "age": ("age", int_cells()),
        "job": ("employment", enum_cells()),
        "ok": ("id_match", st.sampled_from(["true", "false", "missing", "not true", "-", True])),
        "twice": ("age * 2 + 1", int_cells()),
        "asked": ("request.instalments", st.sampled_from(["< 12", ">= 12", "-", "not 12", 24])),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(columns)), min_size=1, max_size=3, unique=True))
    texts = hit in ("first", "unique", "") and draw(st.booleans())
    quoted = st.text(string.printable + "中文'\\\x7f", max_size=8).filter(
        lambda t: not ('"' in t and "'" in t)
    )
    out = quoted if texts else st.integers(-(10**15), 10**15)
    rows = []
    for _ in range(draw(st.integers(1, 6))):
        cells = {c: draw(columns[c][1]) for c in chosen if draw(st.integers(0, 4))}
        amount = draw(st.one_of(st.integers(0, 10**9), st.just("yuan(12.5)")))
        rows.append({**cells, "out": draw(out), "cost_fen": amount})
    lines = "\n".join("  { " + ", ".join(f"{k} = {plain(v)}" for k, v in row.items()) + " }," for row in rows)
    on = ", ".join(f'{c} = "{columns[c][0]}"' for c in chosen)
    head = f'hit = "{hit}"\n' if hit else ""
    return f'[[table]]\nname = "t"\n{head}gaps = "missing"\nnote = "a \\"note\\""\non = {{ {on} }}\nrows = [\n{lines}\n]\n'


def parsed(table: str) -> Policy | None:
    """None where the language refuses the table: rows that overlap or are never reached, cells without a value."""
    try:
        return Policy.parse(SMALL + table, activated=True)
    except ValueError as error:
        assert "rows" in str(error), error
        return None


@settings(max_examples=300, deadline=None)
@given(tables())
def test_an_exported_table_comes_back_with_its_hash(table: str):
    policy = parsed(table)
    if policy is None:
        return
    document = export_jdm(SMALL + table, "t").json
    back = import_jdm(document, NAMES)
    assert back.tables == ("t",)
    assert Policy.parse(SMALL + back.toml, activated=True).sha256 == policy.sha256
    bare = json.loads(
        document.replace('"timelyrain":', '"not_ours":').replace('"_timelyrain":', '"_not_ours":')
    )
    for node in bare["nodes"]:
        for column in node.get("content", {}).get("inputs", []):
            if column["field"] == "t.twice":
                column["field"] = "twice"
    twice = {"twice": "age * 2 + 1"} if "t.twice" in document else {}
    again = import_jdm(json.dumps(bare), NAMES, fields=twice)
    read_back = parsed(again.toml)
    assert read_back is not None
    points = some_points(policy, 40)
    assert run(policy, points) == run(read_back, points), again.toml


def in_zen(document: str, points: list[dict[str, object]]) -> list[dict[str, object]]:
    zen = pytest.importorskip("zen", reason=NO_ZEN)
    decision = zen.ZenEngine().create_decision(document)
    found = []
    for point in points:
        age = point["age"]
        context = {k: v for k, v in point.items() if "." not in k and v is not None}
        context |= {
            "request": {"instalments": point["request.instalments"]},
            "t": {"twice": None if age is None else age * 2 + 1},
        }  # type: ignore[operator]
        result = decision.evaluate(context)["result"]
        found.append({f"t.{key}": value for key, value in (result.get("t") or {}).items() if key != "twice"})
    return found


@settings(max_examples=150, deadline=None)
@given(tables())
def test_zen_gives_what_an_exported_table_gives(table: str):
    pytest.importorskip("zen", reason=NO_ZEN)
    policy = parsed(table)
    if policy is None:
        return
    points = some_points(policy, 60)
    ours = [{k: v for k, v in row.items() if v is not None} for row in run(policy, points)]
    theirs = [
        {k: v for k, v in row.items() if v is not None}
        for row in in_zen(export_jdm(SMALL + table, "t").json, points)
    ]
    assert ours == theirs


def test_the_shipped_policy_goes_out_and_comes_back():
    source = POLICY_FILE.read_text(encoding="utf-8")
    made = export_jdm(source)
    assert made.tables == tuple(table.name for table in default_policy().tables)
    back = import_jdm(made.json, default_policy().verdict_types)
    before, rest = source.split("[[table]]", 1)[0], tables_of(source)
    assert tables_of(before + back.toml) == rest
    with pytest.raises(JdmInvalid, match="no table 'none'"):
        export_jdm(source, "none")


def tables_of(source: str) -> object:
    return tomllib.loads(source)["table"]


def test_a_table_in_steps_goes_out_and_comes_back():
    made = export_jdm(SMALL)
    start, end = SMALL.index("[[table]]"), SMALL.index("[[figure]]")
    again = SMALL[:start] + import_jdm(made.json, NAMES).toml + "\n" + SMALL[end:]
    assert Policy.parse(again).sha256 == Policy.parse(SMALL).sha256
    edited = import_jdm(made.json.replace('"< 50000"', '"<= 50000"'), NAMES)
    assert 'below = "<= 50000"' in edited.toml


def test_the_commands_convert_and_tell(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, back = tmp_path / "out.json", tmp_path / "back.toml"
    assert main(["policy", "export-jdm", "consumer_credit", "--out", str(out)]) == 0
    assert "grade.row, has no place in zen" in capsys.readouterr().err
    assert main(["policy", "import-jdm", str(out), "--out", str(back), "--json"]) == 0
    assert tables_of(back.read_text(encoding="utf-8")) == tables_of(POLICY_FILE.read_text(encoding="utf-8"))
    assert {one["kind"] for one in json.loads(capsys.readouterr().out)["told"]} == {"difference"}
    out.write_text(document([{"a": "$ + 1 > 5"}]), encoding="utf-8")
    assert main(["policy", "import-jdm", str(out), "--field", "amount=request.amount_fen"]) == 1
    assert "rule r0 (row 1), column Age: " in capsys.readouterr().err
    assert (
        main(["policy", "import-jdm", str(out), "--field", "amount=request.amount_fen", "--lang", "zh"]) == 1
    )
    assert "拒绝：节点 Risk Grade，规则 r0（第 1 行），列 Age：" in capsys.readouterr().err
    assert main(["policy", "export-jdm", "consumer_credit", "--table", "grade", "--lang", "zh"]) == 0
    assert "行号 grade.row 在 zen 里没有位置" in capsys.readouterr().err
