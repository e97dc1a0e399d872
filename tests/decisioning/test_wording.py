"""What is wrong with a definition is told in English and Chinese, whatever it is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest

from tests.decisioning.test_policy_definition import SMALL
from timelyrain import decisioning
from timelyrain.decisioning import DefinitionInvalid, Policy
from timelyrain.decisioning.wording import WORDING, Said

CHINESE = re.compile(r"[\u4e00-\u9fff]")


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def reported() -> Iterator[tuple[str, str, set[str]]]:
    """(where, slug, values given) of each problem that the room can report."""
    for file in sorted(Path(decisioning.__file__).parent.glob("*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            named = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if named not in ("report", "fault", "Said"):
                continue
            given = {word.arg or "" for word in call.keywords}
            if named == "Said" and isinstance(call.args[-1], ast.Dict):
                given = {str(key.value) for key in call.args[-1].keys if isinstance(key, ast.Constant)}
            for part in (part for arg in call.args for part in ast.walk(arg)):
                if isinstance(part, ast.Constant) and part.value in WORDING:
                    yield f"{file.name}:{call.lineno}", str(part.value), given


def test_every_entry_says_the_same_in_both_languages():
    for slug, (english, chinese) in WORDING.items():
        en, zh = ("".join(words) for words in (english, chinese))
        assert places(en) == places(zh), slug
        assert all(english) and all(chinese), slug
        assert CHINESE.search(zh) or slug == "in_formula", slug
        assert not CHINESE.search(en), slug


def test_every_problem_that_is_reported_has_an_entry_and_what_its_places_hold():
    used: set[str] = set()
    for where, slug, given in reported():
        assert places("".join(WORDING[slug][0])) <= given, f"{where}: {slug}"
        used.add(slug)
    computed = {
        "unknown_key",
        "unknown_key_near",
        "limit_not_falling",
        "rate_not_rising",
        "logic_sign",
        "comparison_sign",
        "single_equals",
    }  # a variable names them
    assert used | computed == set(WORDING)


@pytest.mark.parametrize(
    ("old", "new", "zh"),
    [
        ("age < 18", "agee < 18", ("没有 'agee' 这个名称", "是否想写 'age'？")),
        ("age < 18", "age < 18 and age + today > 0", ("+ 混用了单位 无单位、date", "请统一单位，或用 share() 与 ratio_ppm()")),
        ('stage = "eligibility"', 'stage = "heaven"',
         ("没有 'heaven' 这个选项", "请从这些中选：eligibility、fraud、credit、affordability、limit、price")),
    ],
)  # fmt: skip
def test_a_reader_of_chinese_reads_chinese(old: str, new: str, zh: tuple[str, str]):
    assert old in SMALL
    with pytest.raises(DefinitionInvalid) as caught:
        Policy.parse(SMALL.replace(old, new, 1))
    assert zh in [problem.told("zh") for problem in caught.value.problems], caught.value.problems
    sentence = f"{zh[0]}；{zh[1]}"
    assert any(problem.sentence("zh").endswith(sentence) for problem in caught.value.problems)


def test_what_is_shown_of_a_value_is_short_and_can_be_written():
    """A number that Python does not write, a lone surrogate, a text of a million characters."""
    for value in (1 << 20_000, "\ud800", "x" * 1_000_000, [1 << 20_000]):
        for language in ("en", "zh"):
            what, _ = Said("no_text", {"value": value}).told(language)
            assert len(what.encode()) < 300
