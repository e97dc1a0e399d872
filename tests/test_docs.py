"""The documentation holds: commands that parse, files and addresses that are there, numbers that a results file keeps.

What needs more than a look stands in the tests of its room (the policy of the guide, the catalogue, the simulated people).
"""

import argparse
import fnmatch
import io
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from timelyrain.cli import parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"```\w*\n(.*?)```", re.S)
BENCH = re.compile(r"(?:make bench ONLY=|bench/results/)(\w+)")
MADE = {
    "card.json", "demo-logins.json", "disclosure.json", "evidence.json", "first.toml", "report.json", "result.json", "terms.json",
}  # fmt: skip
"""Files that a reader or a command makes, or that lie in a contract."""
NUMBER = r"((?:\d[\d,]*)?\.?\d+)"
UNIT = r" ?(?:µs|ms|s|%|[MG]iB|rows/s|decisions/s|a second|times)(?!\w)"
MEASURED = re.compile(rf"^[*+−-]*{NUMBER}(?=\**(?:$| \(|{UNIT}))|(?<![\d.,]){NUMBER}(?={UNIT})")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@cache
def files() -> frozenset[str]:
    rooms = (ROOT / room for room in ("bench", "docs", "scripts", "src", "tests"))
    found = [*ROOT.iterdir(), *(path for room in rooms for path in room.rglob("*"))]
    return frozenset(f"/{path.relative_to(ROOT)}" for path in found)


@cache
def sources() -> str:
    code = [ROOT / "Makefile", *(p for room in ("src", "tests") for p in (ROOT / room).rglob("*.py"))]
    return "\n".join(path.read_text("utf-8") for path in code)


def below(level: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    acts: Any = level._actions  # pyright: ignore[reportPrivateUsage]
    return next((a.choices for a in acts if isinstance(a.choices, dict)), {})


def levels(level: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield level
    for one in below(level).values():
        yield from levels(one)


def test_every_command_line_parses():
    """Those of the pages, and the examples of every `--help`; what stands for a loan or a day is put in its place."""
    whole = parser()
    told = [(name(page), code) for page in PAGES for code in FENCE.findall(page.read_text("utf-8"))]
    told += [(level.prog, level.epilog or "") for level in levels(whole)]
    wrong: list[str] = []
    tried = 0
    for where, text in told:
        for line in re.findall(r"^ *timelyrain (.*)", re.sub(r"\\\n\s*", "", text), re.M):
            words = re.split(r"\s{2,}|\s#", line)[0].replace("DAY", "2026-03-01").replace("LOAN", "0" * 32)
            said = io.StringIO()
            try:
                with redirect_stderr(said), redirect_stdout(said):
                    whole.parse_args(shlex.split(words))
            except SystemExit:
                wrong.append(f"{where}: timelyrain {words}\n    {said.getvalue().splitlines()[-1]}")
            tried += 1
    assert not wrong, "\n".join(wrong)
    assert tried > 60


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_names_is_there(page: Path):
    """Files, links with their headings, commands and options in running text, targets of make, benches, variables."""
    text = page.read_text("utf-8")
    wrong: list[str] = []
    for path in re.findall(r"`([\w./*-]+\.(?:py|toml|sql|md|sh|json|png|svg|css|js))`", text):
        there = any(fnmatch.fnmatchcase(file, f"*/{path}") for file in files())
        if not there and Path(path).name not in MADE and not path.startswith("/"):
            wrong.append(path)
    for path, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text):
        target = page.parent / path if path else page
        if path.startswith("http"):
            continue
        if not target.exists():
            wrong.append(path)
        elif anchor:
            heads = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.M)
            if anchor not in {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}:
                wrong.append(f"{path}#{anchor}")
    for said in re.findall(r"`timelyrain ([^`|]+)", FENCE.sub("", text)):
        level = parser()
        for word in re.findall(r"(?:--)?\w[\w-]*", said):
            choices, options = below(level), level.format_help()
            if word in choices:
                level = choices[word]
            elif word not in options if word.startswith("--") else choices:
                wrong.append(f"timelyrain {said}: {word}")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    wrong += [f"make {one}" for one in re.findall(r"`make ([a-z-]+)", text) if f"\n{one}:" not in makefile]
    for room in BENCH.findall(text):
        if not {f"/bench/{room}.py", f"/bench/results/{room}.json"} <= files():
            wrong.append(f"bench of {room}")
    wrong += [word for word in re.findall(r"\bTIMELYRAIN_\w*[A-Z]\b", text) if word not in sources()]
    assert not wrong, f"{name(page)} names what is not there: {wrong}"


def test_every_address_of_the_api_is_one():
    from timelyrain.api.app import api

    known = {re.sub(r"{\w+}", "{}", path) for path in api.get_openapi_schema()["paths"]}
    known |= {"/api/v1/docs", "/api/v1/openapi.json"}
    wrong = [
        f"{name(page)}: {path}"
        for page in PAGES
        for path in re.findall(r"`(?:GET |POST |PUT )?(/(?:api/v1|operations)/[\w/{}.-]+)", page.read_text("utf-8"))
        if re.sub(r"{\w+}", "{}", f"/api/v1{path.removeprefix('/api/v1')}") not in known
    ]  # fmt: skip
    assert not wrong, wrong


def numbers(value: Any) -> Iterator[float]:
    """Of a results file: values, peers, and what stands in its words (intervals, counts)."""
    if isinstance(value, str):
        yield from (float(n.replace(",", "")) for n in re.findall(NUMBER, value))
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key != "at":
                yield from numbers(key)
                yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif value is not None:
        yield float(value)


def agrees(text: str, values: list[float]) -> bool:
    """To the digits that are written; a share may be written in percent."""
    whole, _, part = text.replace(",", "").partition(".")
    step = 10.0 ** -len(part) if part else 10.0 ** (len(whole) - len(whole.rstrip("0") or whole))
    n = float(text.replace(",", ""))
    return any(abs(abs(value) * times - n) <= 0.5001 * step for value in values for times in (1, 100))


def test_tables_of_measurements_say_what_was_measured():
    """A section that names a bench: every measured number in its tables is one of that bench's results file."""
    wrong: list[str] = []
    compared = 0
    for page in (ROOT / "docs").glob("*.md"):  # those of decisions are dated
        text = re.sub(r"(?m)^\|.*\n\|[-|]+$", "", page.read_text("utf-8"))  # without heads
        for section in re.split(r"(?m)^(?=#+ )", text):
            if not (rooms := set(BENCH.findall(section))):
                continue
            kept = [json.loads((ROOT / f"bench/results/{room}.json").read_bytes()) for room in rooms]
            values = list(numbers(kept))
            for row in re.findall(r"^\|(.*)\|$", section, re.M):
                for cell in row.split("|")[1:]:
                    found = [a or b for a, b in MEASURED.findall(cell.strip())]
                    compared += len(found)
                    wrong += [
                        f"{name(page)}: {n} of | {cell.strip()} | is not in the results of {', '.join(rooms)}"
                        for n in found
                        if not agrees(n, values)
                    ]
    assert not wrong, "\n".join(wrong)
    assert compared > 100


def test_both_readmes_hold_the_same_numbers_and_links():
    texts = [(ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md")]
    assert len({frozenset(re.findall(r"\d+", text)) for text in texts}) == 1
    links = [set(re.findall(r"\]\(([^)]+)\)", re.sub(r"-(?:en|zh)\.png", ".png", text))) for text in texts]
    assert links[0] ^ links[1] <= {"README.md", "README.zh-CN.md"}
