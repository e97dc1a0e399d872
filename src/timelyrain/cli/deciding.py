"""One decision outside the platform, explained number by number, and the replay of any."""

import argparse
import re
import sys
import tomllib
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from timelyrain import decisioning
from timelyrain.decisioning import (
    Decision,
    Policy,
    Request,
    RequestInvalid,
    ScorerMismatch,
    decision_record,
)
from timelyrain.origination.limits import limits_over_time
from timelyrain.policies import RuleNotInForce

from . import definitions
from .commands import Refusal, chinese, say

REQUEST = {"amount_fen": 2_000_000, "instalments": 12}
_NAME = re.compile(r"[A-Za-z_][\w.]*")
NEIGHBOURS = 4
"""Rates shown on either side of the one chosen."""
DEEDS = {
    "approve": ("通过", "Approved", "green"),
    "decline": ("拒绝", "Declined", "red"),
    "refer": ("转人工审核", "Referred to a person", "yellow"),
    "more_evidence": ("需补充材料", "More evidence is needed", "yellow"),
}
EFFECTS_ZH = {code: zh for code, (zh, _, _) in DEEDS.items()} | {"note": "提示"}


def decide(given: argparse.Namespace) -> None:
    """Decide on one person's evidence and say why; needs no database."""
    source = definitions.policy_source(given.policy, given.jurisdiction)
    zh = chinese(given)
    policy = definitions.parsed(source, given.policy)
    evidence = definitions.evidence(given.evidence)
    scorer = definitions.model(definitions.model_content(given.model, zh))
    pack, product = definitions.pack_and_product(given)
    told = definitions.json_object(given.request) if given.request else {}
    handed = definitions.json_object(given.given) if given.given else {}
    _judge(policy, handed)
    try:
        request = Request(**({"purpose": policy.purposes[0]} | REQUEST | told))
        law = limits_over_time(pack, product, given.licence, policy.aggregation.utc_offset_minutes)
        if evidence.as_of < law.begins:
            first = law.first_day(policy.aggregation.utc_offset_minutes)
            say(
                f"证据早于这里已知的法定上限：按 {first} 的上限"
                if zh
                else f"the evidence is older than the law known here: the limits of {first} are taken"
            )
        context = law.at(evidence.as_of)
        decision = decisioning.decide(policy, evidence, request, scorer, given.draw, context, given=handed)
    except TypeError:
        raise Refusal(
            f"--request {told} is not amount_fen, instalments and purpose.",
            f"--request {told} 不是 amount_fen、instalments 和 purpose。",
        ) from None
    except (RequestInvalid, ScorerMismatch) as error:
        raise definitions.refused(error) from None
    except RuleNotInForce as error:
        raise definitions.lawless(error, given) from None
    record = decision_record(decision, policy, evidence, request, scorer, given.draw, context)
    if given.record:
        try:
            given.record.write_bytes(record)
        except (OSError, ValueError) as error:
            raise Refusal(
                f"{given.record} cannot be written ({error}): name another file.",
                f"{given.record} 无法写入（{error}）：请换一个文件。",
            ) from None
    if given.json:
        sys.stdout.write(record.decode() + "\n")
    else:
        _explain(decision, source, request, zh)
    if given.what_if:
        ways = decisioning.what_would_change(
            policy, evidence, request, scorer, context, given=handed, terms=product.instalments,
            amounts=range(product.min_amount_fen, product.max_amount_fen + 1, product.step_fen),
        )  # fmt: skip
        _what_if(decision, ways, zh)


def _judge(policy: Policy, handed: dict[str, Any]) -> None:
    """What is handed in has names the policy asks for and values of their types."""
    for name, value in handed.items():
        if name not in policy.given_names:
            names = policy.given_names
            raise Refusal(
                f"--given: {policy.name} asks for {', '.join(names) or 'nothing'}, not for {name!r}.",
                f"--given：{policy.name} 要的是 {'、'.join(names) or '（无）'}，没有 {name!r}。",
            )
        kind = policy.verdict_types[name]
        en, zh = (
            ("true or false", " true、false")
            if kind.kind == "bool"
            else (f"a whole number from {kind.low} to {kind.high}", f" {kind.low} 到 {kind.high} 的整数")
        )
        fits = (
            type(value) is bool
            if kind.kind == "bool"
            else type(value) is int and kind.low <= value <= kind.high
        )
        if value is not None and not fits:
            raise Refusal(
                f"--given: {name} is {value!r}: give {en}, or null.",
                f"--given：{name} 为 {value!r}：请给出{zh} 或 null。",
            )


def _explain(decision: Decision, source: str, request: Request, zh: bool) -> None:
    out = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    word_zh, word_en, colour = DEEDS[decision.outcome.value]
    out.print(f"[bold {colour}]{word_zh if zh else word_en}[/]")
    if decision.limit_fen:
        rows = [
            ("额度" if zh else "limit", _money(decision.limit_fen)),
            ("本次金额" if zh else "amount", f"{_money(decision.amount_fen)} × {request.instalments}"),
            ("年利率（单利）" if zh else "nominal rate", _share(decision.rate_ppm)),
            ("年化综合成本" if zh else "annual cost, compounded", _share(decision.annual_rate_ppm)),
        ]
        for name, value in rows:
            out.print(f"  {name}  [bold]{value}[/]")
    if decision.pd_ppm is not None:
        out.print(
            f"  {'预测违约概率' if zh else 'predicted chance of default'}  [bold]{_share(decision.pd_ppm)}[/]"
        )
    if decision.reasons:
        table = _table(
            "规则" if zh else "rule",
            "结论" if zh else "effect",
            "原因" if zh else "reason",
            "读到的值" if zh else "values read",
        )
        for reason in decision.reasons:
            values = ", ".join(f"{n} = {_shown(decision.policy, n, v)}" for n, v in reason.values.items())
            effect = EFFECTS_ZH[reason.effect] if zh else reason.effect
            table.add_row(reason.code, effect, escape(reason.zh if zh else reason.en), escape(values))
        out.print(table)
    out.print(_figures(decision, source, zh))
    for grid in decision.policy.grids:
        out.print(_price(decision, grid, zh))
    if decision.factors:
        table = _table(
            "推高违约概率的因素" if zh else "what raised the chance of default",
            "值" if zh else "value",
            "对数几率" if zh else "log-odds",
        )
        for factor in decision.factors:
            table.add_row(
                escape(factor.zh if zh else factor.en),
                _shown(decision.policy, factor.feature, factor.value),
                f"+{factor.contribution_ppm / 1e6:.3f}",
            )
        out.print(table)
    spoke = sum(line.state == "true" for line in decision.trace)
    skipped = sum(line.state == "not_evaluated" for line in decision.trace)
    n = len(decision.trace)
    out.print(
        f"{n} 条规则全部评估：{spoke} 条成立，{skipped} 条资料不足"
        if zh
        else f"all {n} rules evaluated: {spoke} true, {skipped} not evaluated",
        style="dim",
    )


def _what_if(decision: Decision, ways: Sequence[decisioning.Change], zh: bool) -> None:
    """What would lead to an approval, least first; to stderr, so that a record on stdout stays one."""
    out = Console(stderr=True, width=None if sys.stderr.isatty() else 120, highlight=False)
    if decision.outcome is decisioning.Outcome.APPROVE:
        return
    out.print("什么变化会带来不同的结果" if zh else "what would change the answer", style="bold")
    if not ways:
        out.print(f"  {decisioning.NOTHING[0 if zh else 1]}")
    for way in ways:
        promise = (
            f"可借 {_money(way.limit_fen)}，年利率 {_share(way.rate_ppm)}"
            if zh
            else f"up to {_money(way.limit_fen)} at {_share(way.rate_ppm)}"
        )
        out.print(f"  {escape(way.zh if zh else way.en)}  [green]{promise}[/]")


def _figures(decision: Decision, source: str, zh: bool) -> Table:
    """Every figure with its formula and what the formula read: affordability, limit and price, number by number."""
    formulas = {f["name"]: f["formula"] for f in tomllib.loads(source).get("figure", []) if "formula" in f}
    table = _table("中间值" if zh else "figure", "值" if zh else "value", "算法" if zh else "how")
    for figure in decision.policy.figures:
        formula = " ".join(formulas.get(figure.name, "").split())
        reads = [n for n in dict.fromkeys(_NAME.findall(formula)) if n in decision.seen]
        lines = [escape(formula)]
        lines += [escape(", ".join(f"{n} = {_shown(decision.policy, n, decision.seen[n])}" for n in reads))]
        table.add_row(
            f"{escape(figure.zh if zh else figure.en)}\n[dim]{figure.name}[/]",
            _shown(decision.policy, figure.name, decision.affordability[figure.name]),
            "\n[dim]".join(filter(None, lines)) + ("[/]" if reads and lines[0] else ""),
        )
    return table


def _price(decision: Decision, grid: Any, zh: bool) -> Table:
    """The rates around the one chosen: what each would earn, and how many would take it."""
    heads = (
        ("年利率", "接受比例", "毛利", "预期损失", "预期利润")
        if zh
        else ("rate", "would accept", "margin", "expected loss", "expected profit")
    )
    title = (
        f"{grid.zh if zh else grid.en}：期望利润最大者" if zh else f"{grid.en}: the greatest expected profit"
    )
    table = _table(*heads, title=escape(title), title_justify="left")
    chosen = decision.seen[grid.name]
    rates = [
        i
        for i in range(len(grid.rates))
        if chosen is None or abs(i - grid.rates.index(int(chosen))) <= NEIGHBOURS
    ]
    loss = decision.seen.get(f"{grid.name}.loss")
    for i in rates:
        margin, profit = (decision.seen.get(grid.column(part)[i]) for part in ("margin", "profit"))
        cells = (_share(grid.rates[i]), _share(grid.acceptance[i]))
        money = (margin, loss, None if profit is None else profit // 1_000_000)
        row = [*cells, *("—" if fen is None else _money(fen) for fen in money)]
        table.add_row(*row, style="bold" if grid.rates[i] == chosen else "")
    return table


def _table(*heads: str, **style: Any) -> Table:
    """Cells are folded: Chinese has no blanks to break a line at, and nothing may be cut off."""
    return Table(*(Column(head, overflow="fold") for head in heads), **style)


def _shown(policy: Policy, name: str, value: Any) -> str:
    """A value in the unit of its name."""
    kind = policy.verdict_types[name]
    if value is None:
        return "—"
    if kind.kind == "enum" and type(value) is int:
        return kind.values[value]
    if kind.unit == "fen":
        return _money(value)
    if kind.unit == "ppm":
        return _share(value)
    return f"{value:,}" if type(value) is int else str(value)


def _money(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}¥{abs(fen) / 100:,.2f}".removesuffix(".00")


def _share(ppm: int) -> str:
    return f"{ppm / 10_000:g}%"
