"""The language: what it accepts, what it means with missing values, and what it refuses, with a position."""

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timelyrain.decisioning.compilers import Value, compile_row
from timelyrain.decisioning.language import FUNCTIONS, INT64, Type, names_read, read

NAMES = {
    "a": Type("int", "", -100, 100),
    "b": Type("int", "", -100, 100),
    "fen": Type("int", "fen", 0, 10**11),
    "due": Type("int", "fen", 0, 10**11),
    "ppm": Type("int", "ppm", 0, 10**6),
    "n": Type("int", "", 1, 120, nullable=False),
    "p": Type("bool"),
    "q": Type("bool"),
    "job": Type("enum", values=("employed", "student")),
    "other_enum": Type("enum", values=("x", "y")),
    "source_missing.bank": Type("bool", nullable=False),
}


def value(source: str, **given: Value) -> Value:
    node, faults = read(source, NAMES)
    assert not faults, faults
    names = tuple(NAMES)
    row = [given.get(name.replace(".", "_")) for name in names]
    return compile_row(names, [("result", node)])(row)[0]


def test_kleene_logic_is_complete():
    known = {True: 1.0, False: 0.0, None: 0.5}
    back = {1.0: True, 0.0: False, 0.5: None}
    for p, q in itertools.product(known, known):
        assert value("p and q", p=p, q=q) is back[min(known[p], known[q])]
        assert value("p or q", p=p, q=q) is back[max(known[p], known[q])]
        assert value("not p", p=p) is back[1 - known[p]]


@pytest.mark.parametrize(
    ("source", "given", "result"),
    [
        ("a + b * 2", {"a": 1, "b": 3}, 7),
        ("a + b", {"a": 1}, None),
        ("a // b", {"a": -7, "b": 2}, -4),
        ("a % b", {"a": -7, "b": 3}, 2),
        ("a // b", {"a": 1, "b": 0}, None),
        ("a % b", {"a": 1, "b": 0}, None),
        ("ratio_ppm(fen, due)", {"fen": 1, "due": 3}, 333_333),
        ("ratio_ppm(fen, due)", {"fen": 1, "due": 0}, None),
        ("share(fen, 300000)", {"fen": 1001}, 300),
        ("clip(a, 0, 10)", {"a": -5}, 0),
        ("min(a, b, 3)", {"a": 9, "b": 4}, 3),
        ("coalesce(a, b)", {"b": 4}, 4),
        ("missing(a)", {}, True),
        ("not missing(a)", {}, False),
        ("a if p else b", {"a": 1, "b": 2, "p": False}, 2),
        ("a if p else b", {"a": 1, "b": 2}, None),
        ("a if p else b", {"b": 2, "p": True}, None),
        ("-10 <= a <= 10", {"a": 11}, False),
        ("job == 'student'", {"job": 1}, True),
        ("job not in ('student',)", {"job": 0}, True),
        ("job in ('student', 'employed')", {}, None),
        ("source_missing('bank')", {"source_missing_bank": True}, True),
    ],
)
def test_meaning(source: str, given: dict[str, Value], result: Value):
    assert value(source, **given) == result


def test_affordable_principal_is_repaid_by_its_first_instalment():
    """principal -> first instalment -> principal never grows; the bound covers the annuity payment."""
    for n, rate, principal in itertools.product(
        (3, 12, 36), (0, 72_000, 216_000), (10_000, 123_456, 20_000_000)
    ):
        pay = value("first_instalment(fen, n, ppm)", fen=principal, n=n, ppm=rate)
        assert isinstance(pay, int)
        monthly = rate / 12e6
        annuity = principal * monthly / (1 - (1 + monthly) ** -n) if rate else principal / n
        assert pay >= annuity
        back = value("affordable_principal(fen, n, ppm)", fen=pay, n=n, ppm=rate)
        assert isinstance(back, int) and principal <= back <= principal + 3 * n


@pytest.mark.parametrize(
    ("source", "column", "said"),
    [
        ("a + agee", 4, "unknown name 'agee'"),
        ("fen > a", 0, "compares fen with plain"),
        ("fen + ppm", 0, "mixes fen, ppm"),
        ("fen * due", 0, "mixes fen, fen"),
        ("fen / 2", 0, "/ makes fractions"),
        ("a > 0.5", 4, "0.5 is not allowed"),
        ("a and p", 0, "needs conditions"),
        ("p + 1", 0, "needs numbers"),
        ("job == 'pirate'", 7, "'pirate' is no value here"),
        ("job == other_enum", 0, "compares enum with enum"),
        ("job < 'student'", 0, "orders enum values"),
        ("a if b else 3", 0, "the condition is int"),
        ("fen if p else ppm", 0, "gives int fen or int ppm"),
        ("min(a)", 0, "min takes 2 to 12 values"),
        ("sqrt(a)", 0, "unknown function 'sqrt'"),
        ("a is None", 0, "'is' is not in the language"),
        ("a in b", 5, "needs a written list"),
        ("'student'", 0, "stands alone"),
        ("a +", 0, "not an expression"),
        ("fen * 1000000000", 0, "over int64"),
        ("(" * 300 + "a" + ")" * 300, 0, "not an expression"),
        ("a" + " + a" * 600, 0, "characters"),
        ("-" * 200 + "a", 0, "nested deeper"),
    ],
)
def test_faults_have_a_position_and_a_remedy(source: str, column: int, said: str):
    _, faults = read(source, NAMES)
    assert any(said in fault.what for fault in faults), faults
    assert all(fault.remedy for fault in faults)
    if column:
        assert column in [fault.column for fault in faults]


@pytest.mark.parametrize(
    "source",
    [
        "__import__('os').system('true')",
        "(lambda: a)()",
        "[x for x in (1, 2)]",
        "a.__class__",
        "f'{a}'",
        "(a := 3)",
        "a[0]",
        "abs(*[a])",
        "abs(a, key=1)",
        "exec('1')",
        "open('/etc/passwd')",
        "a ** 9",
        "a << 3",
        "a; b",
        "\x00",
    ],
)
def test_nothing_outside_the_language_is_read(source: str):
    assert read(source, NAMES)[1]


def test_several_faults_are_told_at_once():
    _, faults = read("agee > 1 and fen + ppm > 0 and job == 'z'", NAMES)
    assert len(faults) == 3


def test_bounds_are_exact_where_int64_ends():
    names = {"x": Type("int", "", 0, INT64 - 1)}
    assert not read("x + 1", names)[1]
    assert read("x + 2", names)[1]


@pytest.mark.parametrize(
    ("source", "given", "result"),
    [
        ("between(a, 1, b)", {"a": 3, "b": 5}, True),
        ("1 <= a < b <= 10", {"a": 3, "b": 3}, False),
        ("coalesce(a, b, 7)", {}, 7),
        ("ratio_ppm(fen, due, 0)", {"fen": 3, "due": 0}, 0),
        ("count_of(p, q, a > 1)", {"p": True, "q": False, "a": 5}, 2),
        ("count_of(p, q)", {"p": True}, None),
        ("at_least(2, p, q, a > 1)", {"p": True, "a": 5}, True),
        ("at_least(2, p, q, a > 1)", {"p": True, "a": 0}, None),
        ("at_least(2, p, q, a > 1)", {"p": False, "a": 0}, False),
        ("any_of(p, q)", {"q": True}, True),
        ("all_of(p, q)", {"q": False}, False),
        ("fen > yuan(19.99)", {"fen": 2000}, True),
        ("ppm <= percent(2.5)", {"ppm": 25_000}, True),
        ("a\n  + b", {"a": 1, "b": 2}, 3),
    ],
)
def test_functions(source: str, given: dict[str, Value], result: Value):
    assert value(source, **given) == result


NASTY = [
    *("__import__('os').system('touch /tmp/pwned')", "().__class__.__mro__[1].__subclasses__()", "eval('1')"),
    *("print(a)", "a if a else (yield)", "await a", "lambda: a", "{**a}", "[*a]", "*a", "a;b", "a\nb", "a # b", "f'{a}'"),
    *("a." + "b." * 900 + "c", "percent(a." + "b." * 900 + "c)", "job == '" + "x" * 1900 + "'"),
    *("9" * 1999, "1e9999", "-" * 1999, "~" * 1999, "not " * 490 + "p", "(" * 1999, "[" * 1999, "a[" * 900),
    *("first_instalment(" * 55 + "fen" + ",n,ppm)" * 55, "at_least(1," * 20 + "p" + ",q)" * 20),
    *("(p==" * 55 + "p" + "==p)" * 55, "a if p else " * 160 + "a", "min(" * 300 + "a", "\x00", "\ud800", "\u202e a"),
    *("x" * 10_000, "((((" * 2_500 + "a" + "))))" * 2_500, "1" * 10_000, "'" * 1999, "\\\n" * 900, "é" * 900, "…"),
    *("yuan(0.001)", "percent(nan)", "date('2026-13-40')", "source_missing('" + "b" * 500 + "')", "a in (b,)", "a in ()"),
]  # fmt: skip


@pytest.mark.parametrize("source", NASTY, ids=range(len(NASTY)))
def test_nasty_texts_are_refused_with_a_position_in_no_time(source: str):
    began = time.perf_counter()
    node, faults = read(source, NAMES)
    assert faults and all(0 <= fault.column <= len(source) + 1 and fault.remedy for fault in faults)
    assert len(names_read(node)) < 100 and time.perf_counter() - began < 2  # two seconds: not exponential


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(alphabet="ab pq()[]{}.,:<>=!+-*/%'\"\n#19_@~^&|", max_size=60),
        st.lists(
            st.sampled_from([*NAMES, *FUNCTIONS, *"()+-*/%<>=,", "and", "or", "not", "in", "if", "else", "'student'", "7"]),
            max_size=25,
        ).map(" ".join),
    )
)  # fmt: skip
def test_any_text_is_read_or_refused(source: str):
    node, faults = read(source, NAMES)
    assert all(fault.what and fault.remedy for fault in faults)
    if not faults and node.type.kind != "bad":
        compile_row(tuple(NAMES), [("x", node)])(
            [None] * len(NAMES) if node.type.nullable else [1] * len(NAMES)
        )


def test_a_position_counts_characters_over_several_lines():
    (fault,) = read("p and\n  '中文' == job and\n  agee > 1", NAMES)[1][-1:]
    assert fault.what.startswith("unknown name 'agee'") and fault.column == 26
