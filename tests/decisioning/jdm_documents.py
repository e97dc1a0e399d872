"""JDM documents of one table, and what a table of ours gives, for the tests of both directions."""

import json
import random
from collections.abc import Callable, Sequence

from tests.decisioning.test_policy_definition import SMALL
from timelyrain.decisioning import Policy
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
