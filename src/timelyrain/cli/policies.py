"""A policy on its own: what is wrong with it, what it says, and what another version changes."""

import argparse
import json
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from timelyrain.backtesting import differences
from timelyrain.decisioning import (
    STATES,
    Case,
    CaseInvalid,
    DefinitionInvalid,
    Entry,
    Policy,
    entries,
    try_cases,
)

from . import definitions
from .commands import Refusal, chinese


def check(given: argparse.Namespace) -> int:
    """All that is wrong with a definition, with line, column and remedy; exit status 1 when it cannot be activated."""
    source = definitions.policy_source(given.policy, given.jurisdiction)
    zh = chinese(given)
    language = "zh" if zh else "en"
    try:
        policy = Policy.parse(source)
    except DefinitionInvalid as error:
        if given.json:
            print(json.dumps([asdict(problem) for problem in error.problems], ensure_ascii=False))
        for problem in () if given.json else error.problems:
            print(f"{given.policy}:{problem.sentence(language)}")
        n = len(error.problems)
        told = f"{n} 个错误：此定义不能启用" if zh else f"{n} problem(s): this definition cannot be activated"
        print(told, file=sys.stderr)
        return 1
    if given.json:
        print(json.dumps([asdict(warning) for warning in policy.warnings], ensure_ascii=False))
    for warning in () if given.json else policy.warnings:
        print(f"{given.policy}:{warning.sentence(language)} ({'提醒' if zh else 'warning'})")
    in_order = "没有错误" if zh else "is in order"
    print(f"{policy.name} {policy.version} {in_order}: {policy.sha256}", file=sys.stderr)
    return 0


def show(given: argparse.Namespace) -> None:
    """What a policy says: its rules, figures and tables, or its catalogue of features."""
    source = definitions.policy_source(given.policy, given.jurisdiction)
    zh = chinese(given)
    policy = definitions.parsed(source, given.policy)
    parts = _catalogue(policy, zh) if given.features else _contents(policy, source, zh)
    if given.json:
        print(
            json.dumps(
                {title: [dict(zip(head, row, strict=True)) for row in rows] for title, head, rows in parts},
                ensure_ascii=False,
            )
        )
        return
    if given.markdown:
        for title, head, rows in parts:
            print(f"\n## {title}\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
            for row in rows:
                print(_row(row))
        return
    out = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    out.print(f"[bold]{escape(f'{policy.name} {policy.version}')}[/]  {policy.sha256}")
    for title, head, rows in parts:
        columns = (Column(escape(name), overflow="fold") for name in head)
        table = Table(*columns, title=escape(title), title_justify="left")
        for row in rows:
            table.add_row(*map(escape, row))
        out.print(table)


Part = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _contents(policy: Policy, source: str, zh: bool) -> list[Part]:
    raw = tomllib.loads(source)
    formulas = {f["name"]: _line(f["formula"]) for f in raw.get("figure", [])}
    for grid in policy.grids:
        formulas[grid.name] = "; ".join(f"{key} = {_line(text)}" for key, text in grid.formulas.items())
    rules = [
        (r.stage, r.code, _line(r.written), r.then, r.if_missing, r.zh if zh else r.en) for r in policy.rules
    ]
    figures = [(f.name, formulas[f.name], f.zh if zh else f.en) for f in policy.figures]
    parts: list[Part] = [
        ("规则" if zh else "rules", ("stage", "code", "when", "then", "if_missing", "text"), rules),
        ("中间值、额度与定价" if zh else "figures, limit and price", ("name", "formula", "text"), figures),
    ]
    if constants := [(c["name"], str(c["value"])) for c in raw.get("constant", [])]:
        parts.append(("常数" if zh else "constants", ("name", "value"), constants))
    for table in policy.tables:
        on = ", ".join(f"{name} = {_line(text)}" for name, text in table.columns)
        head = (*(name for name, _ in table.columns), *table.outputs)
        rows = [(*cells, *map(str, values)) for cells, values in zip(table.cells, table.values, strict=True)]
        parts.append((f"{'决策表' if zh else 'table'} {table.name} ({table.hit}; {on})", head, rows))
    for card in policy.scorecards:
        rows = [
            (line.name, _line(line.on), written, str(points), line.zh if zh else line.en)
            for line in card.characteristics
            for written, points in line.bins
        ]
        title = f"{'评分卡' if zh else 'scorecard'} {card.name} ({card.offset:+d})"
        parts.append((title, ("characteristic", "on", "bin", "points", "text"), rows))
    named = [
        *((x.name, "list", f"{x.kind}, {x.key}", x.zh if zh else x.en) for x in policy.lists),
        *(
            (x.name, "experiment", ", ".join(f"{arm} {ppm / 10_000:g}%" for arm, ppm in x.arms), x.zh if zh else x.en)
            for x in policy.experiments
        ),
    ]  # fmt: skip
    if band := policy.random_approval:
        held = f"{band.share_ppm / 10_000:g}%, {', '.join(band.rules)}"
        named.append(("random_approval", "random_approval", held, band.note))
    if named:
        parts.append(
            ("名单、实验与随机通过" if zh else "lists, experiments, random approval", ("name", "kind", "what", "text"), named)
        )  # fmt: skip
    kinds = {kind: sum(f.kind == kind for f in policy.catalogue) for kind in ("fact", "aggregate", "derived")}
    counts = [(kind, f"{n:,}") for kind, n in kinds.items()] + [
        ("model inputs", f"{len(policy.model_inputs):,}")
    ]
    return [*parts, ("特征" if zh else "features", ("kind", "count"), counts)]


def _line(text: str) -> str:
    return " ".join(text.split())


def _catalogue(policy: Policy, zh: bool) -> list[Part]:
    """Every feature: what it means, from where, over which window, when it is missing, and what it is made of."""

    def row(e: Entry) -> tuple[str, ...]:
        window = "" if e.window is None else "all" if e.window == 0 else str(e.window)
        known = "yes" if e.known_at_application else "no"
        return (
            e.name, e.kind, e.unit, e.meaning, ", ".join(e.sources), window, known, "model" if e.model_input else "",
            e.missing, e.formula, ", ".join(e.lineage),
        )  # fmt: skip

    head = (
        "name", "kind", "unit", "meaning", "sources", "window_days", "known", "model", "missing", "formula", "lineage",
    )  # fmt: skip
    rows = [row(entry) for entry in entries(policy, "zh" if zh else "en")]
    return [("特征目录" if zh else "catalogue", head, rows)]


def test(given: argparse.Namespace) -> int:
    """Decide test cases under a policy; which fail, and what they have shown of each rule; exit status 1 when one fails."""
    source, zh = definitions.policy_source(given.policy, given.jurisdiction), chinese(given)
    policy = definitions.parsed(source, given.policy)
    scorer = definitions.model(definitions.model_content(given.model, zh))
    tried = try_cases(policy, [case for path in given.cases for case in _cases(path)], scorer)
    if given.json:
        told = {
            "passed": tried.passed,
            "cases": [asdict(result) for result in tried.results],
            "coverage": {code: sorted(states) for code, states in tried.coverage.items()},
            "untried": tried.untried,
        }
        print(json.dumps(told, ensure_ascii=False))
        return 0 if tried.passed else 1
    out = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    cases = Table(*(("案例", "结果", "问题") if zh else ("case", "outcome", "problem")))
    for result in tried.results:
        cases.add_row(
            escape(result.name),
            result.outcome.value if result.outcome else "—",
            escape("; ".join(words[not zh] for words in result.problems)) or "✓",
            style="red" if result.problems else "",
        )
    rules = Table(
        *(("规则", "不成立", "成立", "无法判断") if zh else ("rule", "false", "true", "not evaluated"))
    )
    for code, states in tried.coverage.items():
        rules.add_row(code, *("✓" if state in states else "—" for state in STATES))
    out.print(cases, rules)
    n, both = len(tried.coverage), len(tried.coverage) - len(tried.untried)
    out.print(
        f"{n} 条规则中 {both} 条两面都试过" if zh else f"{both} of {n} rules tried both ways", style="dim"
    )
    return 0 if tried.passed else 1


def _cases(path: Path) -> list[Case]:
    """A file of one case or of a list of them."""
    try:
        raw = json.loads(path.read_bytes())
        return [Case.from_json(one) for one in (raw if isinstance(raw, list) else [raw])]
    except CaseInvalid as error:
        raise Refusal(f"{path}: {error}", f"{path}：{error.told('zh')}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise Refusal(
            f"{path} is no file of test cases ({error}): docs/releases.md shows one.",
            f"{path} 不是测试案例的文件（{error}）：docs/releases.md 有样例。",
        ) from None


def diff(given: argparse.Namespace) -> None:
    """What the second policy changes of the first, in words."""
    sources = [definitions.policy_source(name, given.jurisdiction) for name in (given.a, given.b)]
    zh = chinese(given)
    for name, source in zip((given.a, given.b), sources, strict=True):
        definitions.parsed(source, name)
    found = differences(*sources)
    if given.json:
        print(json.dumps([{"zh": a, "en": b} for a, b in found], ensure_ascii=False))
        return
    for words in found:
        print(words[0] if zh else words[1])
    if not found:
        print("两者含义相同" if zh else "they mean the same")
