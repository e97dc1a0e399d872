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
from timelyrain.decisioning.jdm_wording import JDM
from timelyrain.decisioning.wording import ENTRIES as ALL
from timelyrain.decisioning.wording import Said

REPORTERS = (
    "_say",
    "_refused",
    "report",
    "fault",
    "Said",
    "refuse",
    "refusal",
    "differ",
    "keep",
    "Unreadable",
)
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def inside(call: ast.Call) -> Iterator[ast.AST]:
    """The arguments of a call, without those of calls inside it that report something of their own."""
    waiting: list[ast.AST] = list(call.args)
    while waiting:
        part = waiting.pop()
        yield part
        if not isinstance(part, ast.Call) or name_of(part) not in REPORTERS:
            waiting.extend(ast.iter_child_nodes(part))


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def reported() -> Iterator[tuple[str, str, set[str]]]:
    """(where, slug, values given) of each problem that the room can report."""
    for file in sorted(Path(decisioning.__file__).parent.glob("*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            named = name_of(call)
            if named not in REPORTERS:
                continue
            given = {word.arg for word in call.keywords if word.arg}
            spread = any(word.arg is None for word in call.keywords)
            if named == "Said" and isinstance(call.args[-1], ast.Dict):
                given = {str(key.value) for key in call.args[-1].keys if isinstance(key, ast.Constant)}
            for part in inside(call):
                if isinstance(part, ast.Constant) and part.value in ALL:
                    slug = str(part.value)
                    yield (
                        f"{file.name}:{call.lineno}",
                        slug,
                        given | (places(ALL[slug][0][0]) if spread else set()),
                    )


def test_every_entry_says_the_same_in_both_languages():
    for slug, (english, chinese) in ALL.items():
        en, zh = ("".join(words) for words in (english, chinese))
        assert places(en) == places(zh), slug
        assert slug in JDM or all(english), slug
        assert [bool(words) for words in english] == [bool(words) for words in chinese], slug
        assert CHINESE.search(zh) or not re.search(r"[a-z]", re.sub(r"\{.*?\}", "", en)), slug
        assert not CHINESE.search(en), slug


def test_every_problem_that_is_reported_has_an_entry_and_what_its_places_hold():
    used: set[str] = set()
    for where, slug, given in reported():
        assert places("".join(ALL[slug][0])) <= given, f"{where}: {slug}"
        used.add(slug)
    computed = {
        "unknown_key",
        "unknown_key_near",
        "limit_not_falling",
        "rate_not_rising",
        "logic_sign",
        "comparison_sign",
        "single_equals",
        "no_toml",
        "toml_twice",
        "toml_text",
        "toml_value",
        "toml_unclosed",
        "toml_rest",
        "toml_key",
        "unary_scaled_fraction",
        "unary_fraction",
    }  # a variable names them
    assert used | computed == set(ALL)


@pytest.mark.parametrize(
    ("old", "new", "zh"),
    [
        ("age < 18", "agee < 18", ("没有 'agee' 这个名称", "是否想写 'age'？")),
        ("age < 18", "age < 18 and age + today > 0", ("+ 混用了单位 无单位、date", "请统一单位，或用 share() 与 ratio_ppm()")),
        ("age < 18", "id_match == true", ("没有 'true' 这个名称", "是否想写 'True'？")),
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
