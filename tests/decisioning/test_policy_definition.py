"""Definitions: all errors at once, each with a position and a remedy; the default policy as it ships."""

import re
from pathlib import Path

import pytest

from tests.decisioning.applicants import LAW, POLICY_FILE, REQUEST, default_policy, evidence
from timelyrain.decisioning import DefinitionInvalid, Policy, decide, evidence_from_json
from timelyrain.decisioning.schema import FACTS

SMALL = """
name = "small"
version = "1"

[request]
purposes = ["shopping", "travel"]

[[source]]
name = "bank"
code = "NO_BANK"
stage = "affordability"
then = "more_evidence"
zh = "无流水"
en = "no account data"
change_zh = "请授权账户"
change_en = "link an account"

[[aggregate]]
name = "salary"
table = "bank_flow"
where = "kind == 'salary'"
value = "amount_fen"
windows = [30, 90, "all"]
stats = ["count", "sum"]
zh = "工资"
en = "salary"

[[feature]]
name = "income_fen"
formula = "salary_sum_90d // 3"
zh = "月收入"
en = "monthly income"

[[table]]
name = "grade"
on = "model.pd_ppm"
rows = [{ below = 50000, name = "A", rate_ppm = 100000 }, { below = 200000, name = "B", rate_ppm = 200000 }]

[[figure]]
name = "rate_ppm"
formula = "min(grade.rate_ppm, law.max_rate_ppm)"
zh = "利率"
en = "rate"

[[figure]]
name = "limit_fen"
formula = "min(income_fen * 3, law.limit_max_fen)"
zh = "额度"
en = "limit"

[[rule]]
code = "UNDER_AGE"
stage = "eligibility"
when = "age < 18"
then = "decline"
if_missing = "more_evidence"
zh = "未满18周岁，{age}岁"
en = "under 18: {age}"
change_zh = "成年后再申请"
change_en = "apply when 18"
"""


def problems(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(DefinitionInvalid) as caught:
        Policy.parse(text)
    assert all(problem.remedy for problem in caught.value.problems)
    return [(problem.line, problem.where, problem.what) for problem in caught.value.problems]


def line_of(text: str, fragment: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if fragment in line)


def test_a_small_definition_is_read():
    policy = Policy.parse(SMALL)
    names = [feature.name for feature in policy.catalogue if feature.kind == "aggregate"]
    assert names == [f"salary_{stat}_{w}" for w in ("30d", "90d", "all") for stat in ("count", "sum")]
    assert policy.features["income_fen"].sources == ("bank",)
    assert policy.features["income_fen"].reads == ("salary_sum_90d",)


def test_the_hash_is_of_content_not_of_layout():
    again = Policy.parse("# a comment\n" + SMALL.replace(" = ", "   =  "))
    assert again.sha256 == Policy.parse(SMALL).sha256
    assert Policy.parse(SMALL.replace("age < 18", "age < 19")).sha256 != again.sha256


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("age < 18", "agee < 18", "unknown name 'agee'"),
        ("age < 18", "age", "is int, not bool"),
        ("age < 18", "income_fen < age", "compares fen with plain"),
        ('table = "bank_flow"', 'table = "bank_flows"', "'bank_flows' is unknown"),
        ("kind == 'salary'", "kind == 'wage'", "'wage' is no value here"),
        ('stats = ["count", "sum"]', 'stats = ["count", "sum", "mode"]', "unknown statistic 'mode'"),
        (
            'windows = [30, 90, "all"]\nstats = [',
            'windows = [30, 90, "all"]\nstats = ["sum_slope", ',
            "sum_slope compares 30-day periods, which ['30d', 'all']",
        ),
        ('value = "amount_fen"\n', 'once = ["slope"]\n', "slope without a value"),
        ('windows = [30, 90, "all"]', "windows = [30, 90, 0]", "0 is not a window"),
        ('windows = [30, 90, "all"]', "windows = []", "[] is not a window"),
        ('windows = [30, 90, "all"]', "windows = 30", "30 is not a list"),
        ('name = "income_fen"', 'name = "Income"', "'Income' is not a name"),
        ('name = "income_fen"', 'name = "age"', "'age' is already declared"),
        ("salary_sum_90d // 3", "salary_sum_60d // 3", "unknown name 'salary_sum_60d'"),
        ("salary_sum_90d // 3", "request.amount_fen // 3", "unknown name 'request.amount_fen'"),
        ('then = "decline"', 'then = "punish"', "'punish' is unknown"),
        ('if_missing = "more_evidence"\n', "", "'if_missing' is absent"),
        ('code = "UNDER_AGE"', 'code = "under age"', "is not a name"),
        ("{age}岁", "{agee}岁", "{agee} is not read"),
        ("{age}岁", "{age:euro}岁", "unknown form 'euro'"),
        ("below = 200000", "under = 200000", "limits [50000, None]"),
        ("{ below = 50000, name", "3, { below = 50000, name", "limits [50000, 200000]"),
        ("below = 200000", "below = 40000", "limits [50000, 40000]"),
        ("rate_ppm = 200000", "rate_ppm = 90000", "falls with PD"),
        ('name = "limit_fen"', 'name = "limits_fen"', "no figure 'limit_fen' in fen"),
        ('stage = "eligibility"', 'stage = "eligibility"\nwhy = "x"', "unknown key 'why'"),
        ("[[rule]]", "[[rules]]", "unknown block 'rules'"),
        ('version = "1"', "version = 1", "1 is not a text"),
        ("age < 18", "age in (yuan(18), 19)", "compares plain with fen"),
        ("age < 18", "request.amount_fen in (percent(1), 5)", "compares fen with ppm"),
        ("age < 18", "missing(agees) or age in agees", "unknown name 'agees'"),
        ("age < 18", "age = 18", "one = does not compare"),
        ("age < 18", "age > 3 && age < 18", "'&&' is not in the language"),
        ("age < 18", "age < 18 AND age > 3", "'AND' is not in the language"),
        ("age < 18", "age == null", "unknown name 'null'"),
        ("age < 18", "age => 18", "'=>' is not in the language"),
        ("age < 18", "（age < 18）", "'（' is not the sign '('"),
        ("age < 18", "age ≤ 18", "'≤' is not the sign '<='"),
        ("age < 18", "age ** 2 < 18", "'age ** 2' is not in the language"),
        ("age < 18", "clip(age, low=1, high=2) < 18", "values are given in order"),
        ("age < 18", "on_list('thieves')", "no list 'thieves'"),
        ("age < 18", "today < '2026-01-01'", "is a text, and this is a date"),
        ("age < 18", "id_match == 'yes'", "is a text, and this is true or false"),
        ("age < 18", "", "'when' is empty"),
        ('name = "small"', 'name = " "', "'name' is empty"),
        ('zh = "未满18周岁，{age}岁"', 'zh = ""', "'zh' is empty"),
        ("{age}岁", "{age岁", "holds a lone brace"),
        ("{age}岁", "{age!r}岁", "holds a lone brace"),
        ("{age}岁", "{age:yuan}岁", "{age:yuan} of a value in plain"),
        ('["shopping", "travel"]', "[]", "() are no purposes"),
        ('["shopping", "travel"]', '["shopping", "shopping"]', "are no purposes"),
        ('name = "income_fen"', 'name = "today"', "'today' is a word of the language itself"),
        ('name = "grade"', 'name = "law"', "'law' is a word of the language itself"),
        ('name = "grade"', 'name = "model"', "'model' is a word of the language itself"),
        ('name = "A", rate_ppm', 'lambda = 1, name = "A", rate_ppm', "'lambda' can be no output"),
        ("min(income_fen * 3, law.limit_max_fen)", "age * 3", "its unit is not fen"),
    ],
)
def test_errors_name_the_line(old: str, new: str, what: str):
    text = SMALL.replace(old, new, 1)
    assert text != SMALL
    found = problems(text)
    assert any(what in said for _, _, said in found), found


MORE = """
[[constant]]
name = "trips"
value = ["travel"]

[[table]]
name = "more"
on = { years = "age" }
gaps = "missing"
rows = [{ years = "< 20", points = 1 }]

[[figure]]
name = "of_more"
formula = "more.points"
zh = "甲"
en = "a"
show = true

[[experiment]]
name = "trial"
zh = "甲"
en = "a"
arms = [{ name = "a", ppm = 500000 }, { name = "b", ppm = 500000 }]
"""


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("points = 1", "row = 1, points = 1", "'row' can be no output"),
        ("points = 1", '"a b" = 1, points = 1', "'a b' can be no output"),
        ('"age" }', "5 }", "5 is not a text"),
        ('"< 20"', '"< x"', "'< x': not a number"),
        (
            '"age" }\ngaps = "missing"\nrows = [{ years = "< 20"',
            '"today" }\nrows = [{ years = "< 2026-1-1"',
            "not written as a date",
        ),
        ('name = "more"', 'name = "grade"', "'grade' is already declared"),
        ('{ years = "< 20", points = 1 }', '{ years = "< 20", points_fen = "percent(3)" }', "in another unit than fen"),
        ("points = 1 }]", "points = 1 }, { year = 3, points = 2 }]", "this row gives no 'year'"),
        ("more.points", "missing(trips)", "a list stands alone"),
        ("more.points", "1 if trips == trips else 2", "a list stands alone"),
        ('name = "a", ppm', 'since = 2026-01-01, name = "a", ppm', "unknown key 'since' of an arm"),
        ('name = "a", ppm', 'name = "", ppm', "are no arms"),
    ],
)  # fmt: skip
def test_errors_of_other_blocks(old: str, new: str, what: str):
    Policy.parse(SMALL + MORE)
    assert old in MORE
    assert any(what in said for _, _, said in problems(SMALL + MORE.replace(old, new, 1)))


def test_what_holds_a_name_before_its_dot_is_declared_once():
    """A table, a scorecard and a price give names after a dot: two of one name would hide each other's values."""
    card = '[[scorecard]]\nname = "grade"\nzh = "甲"\nen = "a"\n'
    card += '[[scorecard.characteristic]]\nname = "name"\non = "age"\nzh = "甲"\nen = "a"\nbins = [{ is = "-", points = 1 }]\n'
    assert any(what == "'grade' is already declared" for _, _, what in problems(SMALL + card))


def test_a_figure_named_by_another_unit_is_a_warning():
    text = SMALL + MORE.replace('"of_more"', '"share_ppm"').replace('"more.points"', '"income_fen // 2"')
    (warning,) = (one for one in Policy.parse(text).warnings if one.slug == "unit_of_name")
    assert warning.what == "'share_ppm' ends in _ppm and is in fen"


def test_each_problem_is_told_once():
    """An absent key is not a wrong one too."""
    text = SMALL.replace('then = "decline"\n', "").replace('if_missing = "more_evidence"\n', "")
    told = [what for _, where, what in problems(text) if where.startswith("rule")]
    assert told == ["'if_missing' is absent", "'then' is absent"]


def test_what_is_asked_since_does_not_stop_what_has_decided():
    """A definition that was activated before a check existed stays readable: its decisions can be replayed."""
    text = SMALL.replace('change_zh = "成年后再申请"', 'change_zh = ""').replace("{age}岁", "{age:yuan}岁 {")
    assert len(problems(text)) == 3
    assert Policy.parse(text, activated=True).rules


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('[request]\npurposes = ["shopping", "travel"]', 'request.purposes = ["shopping", WRONG]'),
        ('[request]\npurposes = ["shopping", "travel"]', 'request = { purposes = ["shopping", WRONG] }'),
        (
            '[request]\npurposes = ["shopping", "travel"]',
            '[ "request" ] # ]\n"purposes" = ["shopping", WRONG]',
        ),
        ('version = "1"', "version = 1979-05-27 07:32:00\nowner = WRONG"),
        (
            'version = "1"',
            'version = "1"\nlist = [{ name = "l", kind = "deny", key = "phone", zh = "甲", en = WRONG }]',
        ),
        ('version = "1"', 'version = "1"\n"a\\"]b" = "="\nowner = WRONG'),
        ("[[rule]]", "[['rule']] # [[x]]\nnote = WRONG"),
    ],
)
def test_the_position_is_right_however_toml_is_written(old: str, new: str):
    text = SMALL.replace(old, new.replace("WRONG", "771"), 1)
    assert text != SMALL
    line, where, _ = next(
        found for found in problems(text) if "771" in found[2] or "other than texts" in found[2]
    )
    assert "771" in text.splitlines()[line - 1], (line, where)


@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ('version = "1"', 'version = "1"\nversion = "2"', "keep one"),
        ('version = "1"', 'version = "1', "close the quotes"),
        ('version = "1"', "version = one", "write a number"),
        ('version = "1"', 'version "1"', "write key = value"),
        ('when = "age < 18"', 'when = "employment == "student""', "one key = value on a line"),
        ('purposes = ["shopping", "travel"]', 'purposes = ["shopping" "travel"]', "close the bracket"),
    ],
)
def test_what_is_no_toml_is_told_where_it_stands(old: str, new: str, remedy: str):
    text = SMALL.replace(old, new, 1)
    with pytest.raises(DefinitionInvalid) as caught:
        Policy.parse(text)
    (problem,) = caught.value.problems
    assert remedy in problem.remedy and text.splitlines()[problem.line - 1] in new, problem
    with pytest.raises(DefinitionInvalid) as caught:
        Policy.parse(SMALL + "x = [1,")
    assert caught.value.problems[0].line == SMALL.count("\n") + 1


def test_the_whole_policy_of_the_guide_is_in_order_and_decides():
    guide = (Path(__file__).parents[2] / "docs/policy-language.md").read_text(encoding="utf-8")
    text = next(
        part for part in re.findall(r"```toml\n(.*?)```", guide, re.S) if part.startswith('name = "first"')
    )
    policy = Policy.parse(text)
    assert not policy.warnings
    beside = evidence_from_json(re.findall(r"```json\n(.*?)```", guide, re.S)[0].encode())
    for one in (evidence(1), beside):
        known = decide(policy, one, REQUEST, None, 0, LAW, given={"on_list.fraud_phone": False})
        listed = decide(policy, one, REQUEST, None, 0, LAW, given={"on_list.fraud_phone": True})
        asked = decide(policy, one, REQUEST, None, 0, LAW)
        assert [d.outcome.value for d in (known, listed, asked)] == ["approve", "decline", "refer"]
    facts = guide.split("Facts are ")[1].split(";")[0]
    assert set(re.findall(r"`(\w+)`", facts)) == set(FACTS)


def test_the_position_points_at_the_word():
    text = SMALL.replace("age < 18", "18 > agee")
    with pytest.raises(DefinitionInvalid) as caught:
        Policy.parse(text)
    (problem,) = (p for p in caught.value.problems if "agee" in p.what)
    line = text.splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith("agee")
    assert problem.remedy == "did you mean 'age'?"


def test_all_errors_are_told_at_once():
    text = SMALL.replace("age < 18", "agee < 18").replace("kind == 'salary'", "kind == 'wage'")
    text = text.replace('then = "decline"', 'then = "punish"')
    found = problems(text)
    assert [line for line, _, _ in found] == [
        line_of(text, "wage"),
        line_of(text, "agee"),
        line_of(text, "punish"),
    ]


def test_what_is_not_toml_is_refused_with_its_line():
    found = problems('name = "x"\nversion = \n')
    assert found[0][0] == 2 and "not TOML" in found[0][2]
    assert problems("x = " + "[" * 5_000)


def test_a_model_may_not_read_what_is_not_known_at_application():
    text = SMALL.replace('stats = ["count", "sum"]', 'stats = ["count", "sum"]\nknown_at_application = false')
    text += '\n[model]\ninputs = ["income_fen"]\n'
    assert any("not known at application" in said for _, _, said in problems(text))


def test_the_default_policy_is_whole():
    policy = default_policy()
    assert len(policy.catalogue) >= 3000
    assert 100 <= len(policy.model_inputs) <= 250
    assert len(policy.rules) >= 30
    assert {feature.sources for feature in policy.catalogue if feature.kind == "aggregate"} == {
        ("bank",),
        ("bureau",),
        ("telecom",),
        ("shop",),
        ("tax",),
        ("device",),
    }
    for feature in policy.catalogue:
        assert feature.zh and feature.en and feature.sources, feature.name
    for rule in policy.rules:
        assert rule.zh and rule.en and rule.change_zh and rule.change_en, rule.code
        assert re.search("[\u4e00-\u9fff]", rule.zh + rule.change_zh), rule.code
    protected = {"age", "employment", "employed_months", "city_tier"}
    assert not protected & set(policy.model_inputs)


def test_every_purpose_is_either_lent_for_or_refused_by_the_rule():
    text = POLICY_FILE.read_text(encoding="utf-8")
    assert set(default_policy().purposes) >= {"shopping", "house_purchase", "securities", "gambling"}
    with pytest.raises(DefinitionInvalid, match="no value here"):
        Policy.parse(text.replace('value = ["house_purchase"', 'value = ["palace"'))


def test_positions_are_exact_inside_long_texts_and_rows():
    text = SMALL.replace('when = "age < 18"', 'when = """\nage < 18 and \\\n    agee > 3"""')
    (problem,) = [p for p in refused(text) if "agee" in p.what]
    assert text.splitlines()[problem.line - 1][problem.column - 1 :].startswith("agee > 3")
    text = SMALL.replace('{ below = 200000, name = "B", rate_ppm = 200000 }', "{ below = 40000, name = 7 }")
    assert all(p.line == line_of(text, "rows = [") for p in refused(text) if p.where == "table.rows")


def refused(text: str):
    with pytest.raises(DefinitionInvalid) as caught:
        Policy.parse(text)
    return caught.value.problems


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "9" * 10_000,
        "x = " + "[" * 10_000,
        "a." * 5_000 + "x = 1",
        'name = "\ud800"',
        "[[rule]]\n" * 3_000,
        "rule = 3\nfigure = [1]\ntable = [[1]]\nmodel = 5",
        "[[table]]\nname = 'x'\non = { a = 5 }\nrows = [1, {}, { a = [[[]]] }]",
        "[[scorecard]]\ncharacteristic = 3\n[[price]]\nrates = 7\nacceptance = [{}]",
        "[[constant]]\nname = 'c'\nvalue = nan\n[[experiment]]\narms = [{ name = 1, ppm = 'x' }]",
        "[[aggregate]]\nwindows = [" + "1," * 5_000 + "]",
        "[random_approval]\nrules = ['X']",
        "\x00",
    ],
    ids=range(12),
)
def test_absurd_definitions_are_refused(text: str):
    assert all(problem.remedy and problem.line > 0 for problem in refused(text))
