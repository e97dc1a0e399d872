"""JDM documents of one table, and what a table of ours gives, for the tests of both directions."""

import json
import random
from collections.abc import Callable, Sequence
from itertools import pairwise

from hypothesis import strategies as st

from tests.decisioning.test_policy_definition import SMALL
from timelyrain.decisioning import JdmInvalid, Policy, import_jdm
from timelyrain.decisioning.compilers import compile_row
from timelyrain.decisioning.language import Type

NAMES = Policy.parse(SMALL).verdict_types
JOBS = NAMES["employment"].values
NO_ZEN = "zen-engine is a peer of bench/ and not in the lock of tests: install requirements-bench.lock to compare with it"
LOAN = {"amount": "request.amount_fen"}
YUAN = {"amount": 100}


def document(
    rules: Sequence[object], hit: str = "first", nodes: tuple[object, ...] = (), **content: object
) -> str:
    """A JDM document of one table over age (a), employment (b) and amount (c), outputs grade (o) and cost_fen (p)."""
    first: dict[str, object] = {"o": "'A'", "p": "1"}
    table = {
        "hitPolicy": hit,
        "inputs": [
            {"id": "a", "name": "Age", "field": "age"}, {"id": "b", "name": "客户", "field": "employment"},
            {"id": "c", "name": "Amount of the loan", "field": "amount"},
        ],
        "outputs": [{"id": "o", "name": "Grade", "field": "grade"}, {"id": "p", "name": "Cost", "field": "cost_fen"}],
        "rules": [{"_id": f"r{i}", **first, **rule} if isinstance(rule, dict) else rule for i, rule in enumerate(rules)],
        **content,
    }  # fmt: skip
    ends = [
        {"id": "in", "type": "inputNode", "name": "in"},
        {"id": "out", "type": "outputNode", "name": "out"},
    ]
    middle = {"id": "t1", "type": "decisionTableNode", "name": "Risk Grade", "content": table}
    edges = [
        {"id": "1", "sourceId": "in", "targetId": "t1"},
        {"id": "2", "sourceId": "t1", "targetId": "out"},
    ]
    return json.dumps(
        {"contentType": "application/vnd.gorules.decision", "nodes": [*ends, middle, *nodes], "edges": edges}
    )


def put_together(
    rules: Sequence[object], how: str, inputs: Sequence[object], *refusals: str
) -> tuple[str, Policy] | None:
    """A document of one table with output o, taken first or put together, and what it becomes; None where it is refused so."""
    outputs = [{"id": "o", "name": "o", "field": "o"}]
    text = document(rules, "first" if how == "first" else "collect", inputs=inputs, outputs=outputs)
    try:
        table = import_jdm(text, NAMES, collect=how.replace("first", "")).toml
    except JdmInvalid as error:
        assert any(refusal in str(error) for refusal in refusals), error
        return None
    return text, Policy.parse(SMALL + table, activated=True)


def expression(value: str) -> object:
    content = {"expressions": [{"id": "1", "key": "x", "value": value}]}
    return {"id": "e", "type": "expressionNode", "name": "e", "content": content}


def some_points(policy: Policy, count: int) -> list[dict[str, object]]:
    rng = random.Random(count)
    kinds: dict[str, Callable[[], object]] = {
        "age": lambda: rng.choice([None, rng.randrange(0, 131)]),
        "employment": lambda: rng.choice([None, *JOBS]),
        "id_match": lambda: rng.choice([None, True, False]),
        "request.instalments": lambda: rng.randrange(1, 37),
    }
    return [{name: draw() for name, draw in kinds.items()} for _ in range(count)]


def run(policy: Policy, points: list[dict[str, object]]) -> list[dict[str, object]]:
    """Outputs of table t (as values) at each point."""
    names = ("age", "employment", "id_match", "request.instalments")
    steps = [
        (name, node)
        for name, node in policy.steps
        if "." in name and name.split(".")[0] in ("t", "risk_grade") and not name.endswith(".row")
    ]
    program = compile_row(names, steps)

    def code(name: str, value: object) -> int | None:
        return JOBS.index(value) if isinstance(value, str) else None if value is None else int(value)  # type: ignore[call-overload]

    def shown(kind: Type, value: int | None) -> object:
        return None if value is None else kind.values[value] if kind.kind == "enum" else value

    found = [program([code(name, point[name]) for name in names]) for point in points]
    return [{n: shown(node.type, v) for (n, node), v in zip(steps, row, strict=True)} for row in found]


def table_node(
    name: str, rules: list[dict[str, str]], inputs: list[str], outputs: list[str], **content: object
) -> object:
    """A decisionTableNode whose columns are called by their fields."""
    body = {
        "hitPolicy": "first", "rules": rules, "passThrough": True, **content,
        "inputs": [{"id": field, "name": "", "field": field} for field in inputs],
        "outputs": [{"id": field, "name": "", "field": field} for field in outputs],
    }  # fmt: skip
    return {"id": name, "type": "decisionTableNode", "name": name, "content": body}


def chain(*nodes: object) -> str:
    """A document of nodes one behind another."""
    all_ = [{"id": "in", "type": "inputNode", "name": "in"}, *json.loads(json.dumps(nodes))]
    pairs = pairwise(all_)
    return json.dumps(
        {
            "nodes": all_,
            "edges": [{"id": a["id"], "sourceId": a["id"], "targetId": b["id"]} for a, b in pairs],
        }
    )


@st.composite
def zen_terms(draw: st.DrawFn, column: str, bare: bool = True) -> str:
    """One term of a cell of zen; bare: with those that begin with a value, a list or a range."""

    def literal() -> str:
        if column == "id_match":
            return draw(st.sampled_from(["true", "false"]))
        if column == "employment":
            quote = draw(st.sampled_from("'\""))
            return quote + draw(st.sampled_from(JOBS)) + quote
        return str(draw(st.sampled_from([17, 18, 25, 30, 60, 61, 130, 131, -5, "18.0", "1_0"])))

    a, b = literal(), literal()
    forms = [f"== {a}", f"!= {a}", f"in [{a}, {b}]", f"not in [{a}]", "!= null", "== null", f"in [null, {a}]"]
    forms += [a, f"[{a},{b}]", "null", f"$ != {a}", f"$ in [{a}]"] if bare else []
    if column == "age":
        forms += [f"{mark} {a}" for mark in ("<", "<=", ">", ">=")]
        words = ("", "in ", "not in ", "$ in ") if bare else ("in ", "not in ")
        forms += [f"{no}{left}{a}..{b}{right}" for no in words for left in "[(" for right in "])"]
    if column == "employment" and bare:
        forms += [
            "contains($, 'e')",
            "!startsWith($, 's')",
            f"not contains([{a}, {b}], $)",
            'endsWith($, "r")',
        ]
    return draw(st.sampled_from(forms))


@st.composite
def zen_cells(draw: st.DrawFn, column: str) -> str:
    """Terms of zen joined by and, or and commas, as its grammar allows."""
    cell = draw(zen_terms(column))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        cell += draw(st.sampled_from([" and ", " or ", ", "])) + draw(zen_terms(column))
    return draw(st.sampled_from(["", cell, cell, cell]))
