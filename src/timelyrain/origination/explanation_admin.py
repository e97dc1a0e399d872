"""How a decision came about, on its page in the console: price, points, causes, what would change it, what shadows said."""

import json
from typing import Any

from django.http import HttpRequest

from timelyrain import decisioning
from timelyrain.origination import explanations, registry
from timelyrain.origination.models import DecisionRecord, ShadowDecision
from timelyrain.runtime.glossary import words
from timelyrain.runtime.panels import As, Bar, Panel, Table, on_page

_PAGE, _PERMISSION = "origination.decisionrecord", "origination.view_decisionrecord"


def _explained(decision: DecisionRecord) -> dict[str, Any]:
    """Empty for records of older engines."""
    return json.loads(registry.open_sealed(decision, "record"))["outputs"].get("explanation", {})


@on_page(_PAGE, _PERMISSION, order=27)
def _price(request: HttpRequest, decision: DecisionRecord) -> Panel | None:
    """One bar for each rate of the grid: its expected profit; the chosen one stands out, what is not lawful is pale."""
    grid = next(iter(_explained(decision).get("price", {}).values()), None)
    if grid is None or None in (*grid["profit_fen"], grid["floor_ppm"], grid["cap_ppm"]):
        return None
    most = max(1, *grid["profit_fen"])
    bars = [
        Bar(
            f"{rate / 10_000:.1f}%",
            100 * max(profit, 0) / most,
            words(
                f"¥{profit / 100:,.2f}，接受率 {accepted / 10_000:.0f}%{'，选定' * (rate == grid['chosen_ppm'])}",
                f"¥{profit / 100:,.2f}, {accepted / 10_000:.0f}% accept{', chosen' * (rate == grid['chosen_ppm'])}",
            ),
            tone="good"
            if rate == grid["chosen_ppm"]
            else "plain"
            if grid["floor_ppm"] <= rate <= grid["cap_ppm"]
            else "wait",
        )
        for rate, accepted, profit in zip(
            grid["rate_ppm"], grid["acceptance_ppm"], grid["profit_fen"], strict=True
        )
    ]
    return Panel(
        words("定价：各档利率的期望利润", "Price: expected profit of each rate"),
        facts=[
            ("loss_fen", As("loss_fen", grid["loss_fen"])),
            ("floor_ppm", grid["floor_ppm"]),
            ("cap_ppm", grid["cap_ppm"]),
        ],
        bars=bars,
    )


@on_page(_PAGE, _PERMISSION, order=28)
def _scorecards(request: HttpRequest, decision: DecisionRecord) -> Panel | None:
    cards = _explained(decision).get("scorecards", {})
    bars = [
        Bar(
            words(line.zh, line.en),
            100 * max(cards[card.name]["of"][line.name], 0) / max(line.most, 1),
            words(
                f"{cards[card.name]['of'][line.name]} 分，失 {cards[card.name]['lost'][line.name]} 分",
                f"{cards[card.name]['of'][line.name]}, {cards[card.name]['lost'][line.name]} lost",
            ),
        )
        for card in registry.policy(decision.policy_sha256).scorecards
        if card.name in cards
        for line in card.characteristics
    ]
    return Panel(words("评分卡得分", "Points of the scorecards"), bars=bars) if bars else None


@on_page(_PAGE, _PERMISSION, order=30)
def _causes(request: HttpRequest, decision: DecisionRecord) -> Panel | None:
    """What raised the PD, as the borrower is told it: one bar for each cause."""
    told = explanations.explained_if_possible(decision)
    if told is None or not told.causes:
        return None
    features = registry.policy(decision.policy_sha256).features
    most = max(cause.contribution_ppm for cause in told.causes)
    bars = [
        Bar(
            words(cause.zh, cause.en),
            100 * cause.contribution_ppm / most,
            words(*(_value(features[cause.feature], cause, language) for language in ("zh", "en"))),
        )
        for cause in told.causes
    ]
    by = {"exact": ("精确归因", "exact attribution"), "path": ("路径归因", "path attribution")}[
        told.attribution
    ]
    return Panel(
        words(f"推高违约概率的因素（{by[0]}）", f"What raised the chance of default ({by[1]})"), bars=bars
    )


def _value(feature: decisioning.Feature, cause: explanations.Cause, language: str) -> str:
    return f"{decisioning.shown(feature, cause.value, language)} · +{cause.contribution_ppm / 1e6:.2f}"


@on_page(_PAGE, _PERMISSION, order=31)
def _changes(request: HttpRequest, decision: DecisionRecord) -> Panel | None:
    """What the applicant could do for another answer, each tried by deciding again."""
    told = explanations.explained_if_possible(decision)
    if told is None:
        return None
    title = words("什么变化会带来不同的结果", "What would change the answer")
    text = words(told.statement_zh, told.statement_en)
    if not told.changes:
        return Panel(title, text=text)
    rows = [[words(c.zh, c.en), c.limit_fen, c.rate_ppm] for c in told.changes]
    return Panel(title, text=text, table=Table(("change", "limit_fen", "rate_ppm"), rows))


@on_page(_PAGE, _PERMISSION, order=29)
def _shadows(request: HttpRequest, decision: DecisionRecord) -> Panel | None:
    found = list(ShadowDecision.objects.filter(shard=decision.shard, decision=decision))
    if not found:
        return None
    table = Table.of(("policy_sha256", "outcome", "record_sha256", "at"), found)
    return Panel(words("影子策略的结论", "What shadow policies would have said"), table=table)
