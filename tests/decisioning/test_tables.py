"""Tables, scorecards and the price: what is refused, what they mean, and that both compilers agree on random ones."""

import itertools
import random

import pytest

from tests.decisioning.applicants import LAW, POLICY_FILE, REQUEST, applicant, default_policy, evidence
from tests.decisioning.test_compilers_equal import both
from tests.decisioning.test_decide import FixedScorer
from tests.decisioning.test_policy_definition import SMALL, line_of, problems
from timelyrain.decisioning import Policy, decide, evidence_from_json
from timelyrain.decisioning.compilers import compile_row
from timelyrain.decisioning.definition import Draft
from timelyrain.decisioning.tables import read_table

TABLE = """
[[table]]
name = "t"
hit = "{hit}"
{gaps}
on = {{ age = "age", job = "employment", score = "bureau_score" }}
rows = [
{rows}
]

[[rule]]
code = "READS_IT"
stage = "credit"
when = "age * 100 + t.out > 4000"
then = "decline"
if_missing = "skip"
zh = "x"
en = "x"
change_zh = "x"
change_en = "x"
note = "x"
"""
BUREAU = """
[[source]]
name = "bureau"
code = "NO_BUREAU"
stage = "credit"
then = "refer"
zh = "x"
en = "x"
change_zh = "x"
change_en = "x"
"""


def with_table(rows: str, hit: str = "unique", gaps: str = "") -> str:
    return SMALL + BUREAU + TABLE.format(hit=hit, rows=rows, gaps=gaps)


@pytest.mark.parametrize(
    ("rows", "hit", "said"),
    [
        ("{ age = '< 18', out = 1 },\n{ age = '>= 18', out = 2 },", "unique", "no row for age missing"),
        (
            "{ age = '<= 18', out = 1 },\n{ age = '>= 18', out = 2 },\n{ age = 'missing', out = 3 },",
            "unique",
            "overlaps row 1",
        ),
        ("{ out = 1 },\n{ age = '>= 18', out = 2 },", "first", "never reached"),
        (
            "{ age = '< 30', out = 1 },\n{ age = '>= 30', out = 2 },\n{ age = '20..40', out = 3 },\n{ out = 4 },",
            "first",
            "never reached",
        ),
        ("{ age = '< 18', job = \"'pirate'\", out = 1 },", "first", "'pirate' is none of"),
        ("{ age = '> 130', out = 1 },", "first", "fits no value"),
        ("{ age = '9..5', out = 1 },", "first", "an empty range"),
        ("{ age = 'yuan(5)', out = 1 },", "first", "fen in a column of plain numbers"),
        ("{ age = '5', out = 'a' },\n{ out = 3 },", "first", "mixes numbers and texts"),
        ("{ age = '5', out = 'a' },", "sum", "'out' is 'a'"),
        ("{ age = '5' },", "first", "0 outputs"),
        ("{ age = [5], out = 1 },", "first", "is no cell"),
    ],
)
def test_tables_are_refused_with_their_row(rows: str, hit: str, said: str):
    text = with_table(rows, hit)
    found = [(line, what) for line, _, what in problems(text) if said in what]
    assert found, problems(text)
    assert line_of(text, "on = { age") <= found[0][0] <= line_of(text, "READS_IT")


def test_a_gap_may_be_declared():
    policy = Policy.parse(with_table("{ age = '< 18', out = 11 },", gaps='gaps = "missing"'))
    assert policy.tables[-1].cells == (("< 18", "-", "-"),)


CELLS = {
    "age": ["-", "missing", "< 30", "30..60", "> 60", "[18..40)", "18, 40", "not 20..50"],
    "job": ["-", "missing", "'employed'", "not 'student'", "'farmer', 'other'"],
    "score": ["-", "< 300", ">= 300", "(200..700]", "missing"],
}
JOBS = ("employed", "self_employed", "farmer", "retired", "student", "unemployed", "other")


def fits(cell: str, value: int | None, column: str) -> bool:
    """The meaning of a cell, written a second time and plainly."""
    if cell == "-":
        return True
    if value is None or cell == "missing":
        return value is None and cell == "missing"
    if column == "job":
        named = [w.strip(" '") for w in cell.removeprefix("not ").split(",")]
        return (JOBS[value] in named) != cell.startswith("not ")
    return {
        "< 30": value < 30, "30..60": 30 <= value <= 60, "> 60": value > 60, "[18..40)": 18 <= value < 40,
        "18, 40": value in (18, 40), "not 20..50": not 20 <= value <= 50, "< 300": value < 300, ">= 300": value >= 300,
        "(200..700]": 200 < value <= 700,
    }[cell]  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_random_tables_mean_what_their_cells_say_in_both_compilers(seed: int):
    rng = random.Random(seed)
    hit = rng.choice(["first", "first", "sum", "count", "max", "min"])
    cells = [{c: rng.choice(options) for c, options in CELLS.items()} for _ in range(rng.randrange(1, 7))]
    outs = [rng.randrange(-50, 50) for _ in cells]
    rows = "\n".join(
        "{ " + ", ".join(f'{c} = "{v}"' for c, v in cell.items()) + f", out = {out} }},"
        for cell, out in zip(cells, outs, strict=True)
    )
    try:
        policy = Policy.parse(with_table(rows, hit, 'gaps = "missing"'))
    except ValueError as error:
        assert "never reached" in str(error)
        return
    steps = [(n, node) for n, node in policy.steps if n.startswith("t.")]
    types = {n: policy.verdict_types[n] for n in ("age", "employment", "bureau_score")}
    columns, by_row = both(types, steps, 500, seed)
    assert columns == by_row
    program = compile_row(tuple(types), steps[-1:])
    ages, scores = (None, 17, 18, 29, 30, 39, 40, 41, 60, 61), (None, 0, 200, 201, 299, 300, 700, 701)
    points = itertools.product(ages, (None, 0, 2, 4, 6), scores)
    for age, job, score in points:
        hits = [
            out
            for cell, out in zip(cells, outs, strict=True)
            if fits(cell["age"], age, "age")
            and fits(cell["job"], job, "job")
            and fits(cell["score"], score, "score")
        ]
        wanted = {
            "first": hits[0] if hits else None, "sum": sum(hits), "count": len(hits),
            "max": max(hits, default=None), "min": min(hits, default=None),
        }[hit]  # fmt: skip
        assert program([age, job, score]) == (wanted,), (hit, rows, age, job, score)


@pytest.mark.parametrize("hit", ["first", "unique", "sum", "count", "max", "min"])
def test_a_long_table_means_what_its_cells_say_in_both_compilers(hit: str):
    """More rows than a chain of conditions could be deep: all is halved again and again."""
    rng = random.Random(hit)
    bands = [(low, low + rng.randrange(30, 100)) for low in range(0, 800, 100)]
    cells = [(age, low, high) for age in range(18, 100) for low, high in bands]
    outs = [rng.randrange(-3, 3) for _ in cells]
    rows = "\n".join(
        f"{{ age = {age}, score = '{low}..{high}', out = {out} }},"
        for (age, low, high), out in zip(cells, outs, strict=True)
    )
    policy = Policy.parse(with_table(rows, hit, 'gaps = "missing"'))
    steps = [(n, node) for n, node in policy.steps if n.startswith("t.")]
    types = {n: policy.verdict_types[n] for n in ("age", "employment", "bureau_score")}
    columns, by_row = both(types, steps, 2_000, 5)
    assert columns == by_row
    program = compile_row(tuple(types), steps)
    for _ in range(2_000):
        age, score = rng.choice([None, *range(16, 102)]), rng.choice([None, *range(0, 1000, 7)])
        hits = [
            i
            for i, (wanted, low, high) in enumerate(cells)
            if age == wanted and score is not None and low <= score <= high
        ]
        values = [outs[i] for i in hits]
        found = {
            "sum": sum(values), "count": len(values), "max": max(values, default=None), "min": min(values, default=None),
        }.get(hit, values[0] if values else None)  # fmt: skip
        row = (hits[0] + 1 if hits else None,) if hit in ("first", "unique") else ()
        assert program([age, 2, score]) == (*row, found)


def test_a_file_of_costly_tables_is_refused_as_a_whole():
    """Each table alone is small enough; a thousand of them would keep a reader busy for minutes."""
    rng = random.Random(3)
    columns = ("request.amount_fen", "request.instalments", "law.cap_ppm", "draw", "law.limit_max_fen")
    on = ", ".join(f'c{i} = "{name}"' for i, name in enumerate(columns))
    rows = "\n".join(
        "{ " + ", ".join(f'c{i} = "not {rng.randrange(1, 100)}"' for i in range(5)) + f", out = {row} }},"
        for row in range(16)
    )
    table = '[[table]]\nname = "t{0}"\nhit = "sum"\non = {{ {1} }}\nrows = [\n{2}]\n'
    count = 300_000 // states(SMALL + table.format(0, on, rows)) + 2
    told = problems(SMALL + "".join(table.format(i, on, rows) for i in range(count)))
    assert {what for _, _, what in told} == {"too many combinations to analyse"} and len(told) <= 3


def states(text: str) -> int:
    draft = Draft(text)
    (block,) = [block for block in draft.blocks("table") if block.text("name") == "t0"]
    read_table(block, "t0", Policy.parse(SMALL).verdict_types, {})
    assert draft.spent and not draft.problems
    return draft.spent.states


@pytest.mark.parametrize("kind", ["steps", "bins", "same", "crossed", "too many"])
def test_long_blocks_are_checked_in_a_moment_and_what_is_not_checked_is_said(kind: str):
    """Steps and bins by the thousand; 3,000 equal rows, each told once; more combinations than can be visited."""
    many = range(1, 3_001)
    if kind == "steps":
        rows = "\n".join(f"{{ below = {i + 1}, out = {i % 7} }}," for i in many)
        policy = Policy.parse(SMALL + f'[[table]]\nname = "t"\non = "request.amount_fen"\nrows = [{rows}]\n')
        program = compile_row(("request.amount_fen",), policy.steps[-1:])
        assert [program([i]) for i in (1, 2, 2_999, 3_000)] == [(1,), (2,), (2_999 % 7,), (3_000 % 7,)]
        assert program([3_001]) == (None,)
        return
    if kind == "bins":
        bins = "\n".join(f"{{ is = '{i}', points = {i % 7} }}," for i in many)
        bins += "{ is = '> 3000', points = 9 },"
        text = SMALL + SCORECARD.replace("BINS", bins)
        program = compile_row(("request.amount_fen",), Policy.parse(text).steps[-2:-1])
        assert [program([i]) for i in (1, 2_999, 3_001)] == [(1,), (2_999 % 7,), (9,)]
        return
    cells, hit = {
        "same": (["age = '> 5'"] * 3_000, "unique"),
        "crossed": ([f"age = '{i % 100}..{i % 100 + 30}', score = '{i % 700}..{i % 700 + 250}'" for i in many], "first"),
        "too many": (["age = '> 5'" for _ in range(5_001)], "first"),
    }[kind]  # fmt: skip
    told = problems(
        with_table("\n".join(f"{{ {cell}, out = 1 }}," for cell in cells), hit, 'gaps = "missing"')
    )
    if kind == "same":
        assert len(told) == 2_999 and all("overlaps row 1," in what for _, _, what in told)
    else:
        said = "too many combinations" if kind == "crossed" else "5001 rows"
        assert any(said in what or "never reached" in what for _, _, what in told), told[:3]


SCORECARD = """
[[scorecard]]
name = "card"
zh = "卡"
en = "card"

[[scorecard.characteristic]]
name = "amount"
on = "request.amount_fen"
zh = "金额"
en = "amount"
bins = [
BINS
]
"""


def test_a_scorecard_adds_its_bins_and_tells_what_was_lost():
    policy = default_policy()
    seen = decide(policy, evidence(3, 0.5), REQUEST, FixedScorer(0.03), 0, LAW).explanation["scorecards"]
    card = seen["thin_score"]  # type: ignore[index]
    assert card["points"] == 300 + sum(card["of"].values())
    most = {line.name: line.most for line in policy.scorecards[0].characteristics}
    assert card["lost"] == {name: most[name] - points for name, points in card["of"].items()}
    assert len(card["of"]) == 5 and any(card["lost"].values())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("= 108000, accept_ppm = 850000", "= 108000, accept_ppm = 960000", "rises with the rate"),
        ('funding = "', 'funding = "share(exposure_fen, model.pd_ppm) + ', "depends on PD"),
        ('loss = "', 'loss = "share(priced_fen, rate) + ', "depends on the rate"),
        ('loss = "', 'loss = "yuan(900) - ', "not proved to rise"),
        ("floor_ppm = 132000", "floor_ppm = 90000", "not proved to rise"),
        ("ceiling_fen = 5000000", "ceiling_fen = 9000000", "limit_fen is not proved"),
        ("72000, 78000,", "78000, 72000,", "is no grid"),
    ],
)
def test_a_price_or_limit_that_need_not_follow_pd_is_refused(old: str, new: str, said: str):
    text = POLICY_FILE.read_text(encoding="utf-8")
    assert old in text
    assert any(said in what for _, _, what in problems(text.replace(old, new, 1)))


def test_the_price_is_the_least_lawful_rate_of_greatest_profit_and_rises_with_pd():
    policy = default_policy()
    grid = policy.grids[0]
    for seed, amount, n in itertools.product(range(3), (100_000, 1_230_000, 5_000_000), (3, 12, 36)):
        last, person = 0, evidence_from_json(applicant(seed))
        for pd in range(0, 220_000, 9_000):
            request = type(REQUEST)(amount, n, "shopping")
            decision = decide(policy, person, request, FixedScorer(pd / 1e6), 0, LAW)
            told = decision.explanation["price"]["rate_ppm"]  # type: ignore[index]
            exact = [
                a * (m - told["loss_fen"]) for a, m in zip(grid.acceptance, told["margin_fen"], strict=True)
            ]
            assert told["profit_fen"] == [x // 1_000_000 for x in exact]
            lawful = [
                (-x, r)
                for x, r in zip(exact, grid.rates, strict=True)
                if told["floor_ppm"] <= r <= told["cap_ppm"]
            ]
            assert told["chosen_ppm"] == min(lawful)[1] >= last
            last = told["chosen_ppm"]
