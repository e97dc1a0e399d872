"""The pictures of a model card. figures: as `figures.measured` made them."""
# ruff: noqa: E501  (sentences are kept whole)

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from timelyrain.drawing import Axes, Canvas, Words, percent

Figures = Mapping[str, Any]
WIDTH = 400
"""Narrow, so that text stays legible on a telephone."""
MODELS: Mapping[str, Words] = {
    "lightgbm": ("LightGBM（单调）", "LightGBM, monotone"), "scorecard": ("评分卡", "scorecard"), "blend": ("融合", "blend"),
    "ebm": ("EBM", "EBM"), "catboost": ("CatBoost", "CatBoost"),
}  # fmt: skip
KINDS: Mapping[str, Words] = {
    "month": ("月份", "month"), "quarter": ("季度", "quarter"), "year": ("年份", "year"), "fold": ("折", "fold"),
}  # fmt: skip
MISSING: Words = ("缺失", "missing")
LEAST_RATIO = 0.8
PSI_WARN, PSI_BAD = 0.1, 0.25


def model_name(name: str) -> Words:
    return MODELS.get(name, (name, name))


def roc(figures: Figures) -> str:
    axes = _axes((0, 1), (0, 1), 300)
    axes.grid(percent, percent, ("误判的好客户", "good applicants taken for bad"))
    axes.line([(0, 0), (1, 1)], "curve dashed")
    chosen = figures["chosen"]
    for name, points in figures["roc"].items():
        if name != chosen:
            axes.line(points, "curve quiet")
    axes.line([(0, 0), *figures["roc"][chosen], (1, 0)], "area of-b")
    axes.line(figures["roc"][chosen], "curve of-b solid")
    return axes.svg(("ROC 曲线", "ROC curve"))


def ks(figures: Figures) -> str:
    found = figures["ks"]
    axes = _axes((0, 1), (0, 1), 300)
    axes.grid(percent, percent, ("按风险从高到低的申请占比", "share of applicants, riskiest first"))
    axes.line([(x, good) for x, _, good in found["curve"]], "curve of-a solid")
    axes.line([(x, bad) for x, bad, _ in found["curve"]], "curve of-b solid")
    x, bad, good = found["at"]
    axes.line([(x, good), (x, bad)], "whisker")
    left = x < 0.6
    axes.text(
        axes.x(x) + (8 if left else -8),
        axes.y((bad + good) / 2) + 4,
        f"KS {found['value']:.3f}",
        "start" if left else "end",
        "strong",
    )
    axes.text(axes.x(0.03), axes.y(0.95), ("坏客户", "bad"), style="of-b strong small")
    axes.text(axes.x(0.97), axes.y(0.08), ("好客户", "good"), "end", "of-a strong small")
    return axes.svg(("KS 曲线", "KS curve"))


def gains(figures: Figures) -> str:
    """Bad caught by share of applicants refused; below, how many times the mean bad rate each tenth has."""
    axes = _axes((0, 1), (0, 1), 300)
    axes.grid(percent, percent, ("拒绝最高风险的占比", "share refused, riskiest first"))
    axes.line([(0, 0), (1, 1)], "curve dashed")
    axes.line([*figures["gains"], (1, 0)], "area of-b")
    axes.line(figures["gains"], "curve of-b solid")
    for share in (0.1, 0.2, 0.5):
        x, caught = min(figures["gains"], key=lambda point: abs(point[0] - share))
        axes.dot(axes.x(x), axes.y(caught), "fill-b", f"{percent(x)} → {percent(caught, 1)}", 3.5)
        axes.text(axes.x(x) + 8, axes.y(caught) + 12, percent(caught), style="strong small")
    return axes.svg(("增益曲线", "Gains"))


def lift(figures: Figures) -> str:
    values = figures["lift"]
    top = max(values) * 1.12
    axes = _axes((0.5, len(values) + 0.5), (0, top), 240)
    axes.grid(
        str,
        _times,
        ("风险十分位（1 最高）", "tenth by risk, 1 the riskiest"),
        [(i, str(i)) for i in range(1, len(values) + 1)],
    )
    for i, value in enumerate(values, 1):
        axes.bar(
            axes.x(i - 0.36),
            axes.y(value),
            axes.x(i + 0.36) - axes.x(i - 0.36),
            axes.y(0) - axes.y(value),
            "fill-b pale" if value < 1 else "fill-b",
            f"{i}: {value:.2f}×",
        )
        axes.text(axes.x(i), axes.y(value) - 5, f"{value:.1f}", "middle", "small")
    axes.line([(0.5, 1), (len(values) + 0.5, 1)], "curve dashed")
    return axes.svg(("提升度", "Lift"))


def calibration(figures: Figures) -> str:
    bins = figures["calibration"]["bins"]
    top = max(max(b["predicted"], b["high"]) for b in bins) * 1.05
    axes = _axes((0, top), (0, top), 300)
    axes.grid(percent, percent, ("预测违约概率", "predicted"))
    axes.line([(0, 0), (top, top)], "curve dashed")
    axes.line([(b["predicted"], b["seen"]) for b in bins], "curve of-b solid thin")
    for b in bins:
        axes.whisker(b["predicted"], b["low"], b["high"], "whisker of-b")
        axes.dot(
            axes.x(b["predicted"]),
            axes.y(b["seen"]),
            "fill-b",
            f"{percent(b['predicted'], 2)} → {percent(b['seen'], 2)} ({percent(b['low'], 1)} – {percent(b['high'], 1)}), n = {b['rows']:,}",
            4,
        )
    return axes.svg(("校准", "Calibration"))


def bands(figures: Figures) -> str:
    """How many applicants each score band holds (pale) and how many of them are bad (line)."""
    rows = list(reversed(figures["bands"]))
    top = max(row["rows"] for row in rows) / figures["rows"] * 1.1
    worst = (
        max(row["high"] for row in rows if row["rows"] >= 10) if any(row["rows"] >= 10 for row in rows) else 1
    )
    axes = Axes((-0.6, len(rows) - 0.4), (0, top), WIDTH, 270, 46)
    every = -(-len(rows) // 7)
    ticks = [(i, band_name(row)) for i, row in enumerate(rows) if i % every == 0]
    axes.grid(str, percent, ("评分（越高越安全）", "score, higher is safer"), ticks)
    for i, row in enumerate(rows):
        share = row["rows"] / figures["rows"]
        axes.bar(
            axes.x(i - 0.42),
            axes.y(share),
            axes.x(i + 0.42) - axes.x(i - 0.42),
            axes.y(0) - axes.y(share),
            "fill-b pale",
            f"{band_name(row)}: n = {row['rows']:,}",
        )
    scale = top / worst
    axes.line([(i, row["seen"] * scale) for i, row in enumerate(rows)], "curve of-bad solid")
    for i, row in enumerate(rows):
        axes.dot(axes.x(i), axes.y(row["seen"] * scale), "fill-bad", f"{percent(row['seen'], 2)}", 3.5)
        if i % every == 0 and row["rows"] >= 10:
            axes.text(
                axes.x(i) + 6,
                axes.y(row["seen"] * scale) - 6,
                percent(row["seen"], 0 if row["seen"] >= 0.1 else 1),
                "start",
                "of-bad small",
            )
    return axes.svg(("评分分布与坏账率", "Scores and bad rate"))


def band_name(row: Mapping[str, Any]) -> str:
    if row["from"] is None:
        return f"< {row['to']:g}" if row["to"] is not None else "…"
    return f"{row['from']:g} +" if row["to"] is None else f"{row['from']:g}"


def periods(figures: Figures) -> str:
    """AUC by period; below, the bad rate that came and the PD that was told."""
    rows = figures["periods"]["rows"]
    known = [row["auc"] for row in rows if row["auc"] is not None]
    c = Canvas(WIDTH, 420)
    if known:
        low = min(0.5, *known)
        _series(
            c,
            0,
            rows,
            "auc",
            (low, max(known) * 1.02),
            "AUC",
            _two,
            "of-b",
            "fill-b",
        )
    seen, told = [row["seen"] for row in rows], [row["mean_pd"] for row in rows]
    rates = (0, max(*seen, *told) * 1.15 or 1)
    _series(
        c,
        140,
        rows,
        "seen",
        rates,
        ("坏账率 ● 与平均 PD ○", "bad ● and mean PD ○"),
        percent,
        "of-b",
        "fill-b",
        "mean_pd",
    )
    shifts = [row["psi"] for row in rows if row["psi"] is not None]
    if shifts:
        _series(
            c,
            280,
            rows,
            "psi",
            (0, max(PSI_BAD, *shifts) * 1.1),
            "PSI",
            _two,
            "of-a",
            "fill-a",
            mark=PSI_BAD,
        )
    return c.svg(("随时间的稳定性", "Stability over time"))


def _series(
    c: Canvas, top: float, rows: Sequence[Mapping[str, Any]], value: str, scale: tuple[float, float], title: str | Words,
    tell: Callable[[float], str], line: str, fill: str, other: str = "", mark: float | None = None,
) -> None:  # fmt: skip
    low, high = scale
    step = (WIDTH - 70) / max(1, len(rows) - 1)

    def at(i: int, v: float) -> tuple[float, float]:
        return 50 + i * step, top + 112 - (v - low) / ((high - low) or 1) * 80

    c.text(50, top + 18, title, style="strong small")
    for v in (low, (low + high) / 2, high):
        c.path([(46, at(0, v)[1]), (WIDTH - 14, at(0, v)[1])], "line")
        c.text(42, at(0, v)[1] + 4, tell(v), "end", "small")
    every = -(-len(rows) // 6)
    for i, row in enumerate(rows):
        if i % every == 0:
            c.text(
                at(i, low)[0],
                top + 130,
                row["name"],
                "end" if i == len(rows) - 1 and i else "middle" if i else "start",
                "small",
            )
    if mark is not None:
        c.path([at(0, mark), at(len(rows) - 1, mark)], "curve dashed")
    points = [(i, row[value]) for i, row in enumerate(rows) if row[value] is not None]
    if other:
        c.path([at(i, row[other]) for i, row in enumerate(rows)], "curve of-a solid thin")
        for i, row in enumerate(rows):
            c.dot(*at(i, row[other]), "hollow-a", f"{row['name']}: PD {percent(row[other], 2)}", 3)
    c.path([at(i, v) for i, v in points], f"curve {line} solid thin")
    for i, v in points:
        c.dot(*at(i, v), fill, f"{rows[i]['name']}: {tell(v)}, n = {rows[i]['rows']:,}", 3)


def effect(found: Mapping[str, Any]) -> str:
    """Per bin: bad rate seen with its interval (bar), mean PD told (ring), and the model's effect of this alone (line)."""
    rows = found["bins"]
    height = 26
    c = Canvas(WIDTH, 30 + height * len(rows))
    top = (
        max(
            max(row["seen"], row["mean_pd"], row["effect"], min(row["high"], 1.6 * row["seen"]))
            for row in rows
        )
        or 1
    )

    def x(value: float) -> float:
        return 122 + min(value, top) / top * (WIDTH - 122 - 66)

    for i, row in enumerate(rows):
        y = 6 + height * i
        label = row["label"]
        c.text(
            114,
            y + 15,
            MISSING if label == "∅" else fitting(label, 106),
            "end",
            "small",
        )
        c.bar(
            122,
            y + 3,
            x(row["seen"]) - 122,
            height - 8,
            "fill-b pale",
            f"{label}: {percent(row['seen'], 2)} ({percent(row['low'], 1)} – {percent(row['high'], 1)}), n = {row['rows']:,}, WoE {row['woe']:+.2f}",
        )
        c.path([(x(row["low"]), y + 12), (x(row["high"]), y + 12)], "whisker of-b")
        c.dot(x(row["mean_pd"]), y + 12, "hollow-a", f"PD {percent(row['mean_pd'], 2)}", 4)
        c.text(WIDTH - 4, y + 15, percent(row["seen"], 1), "end", "small")
    c.path([(x(row["effect"]), 18 + height * i) for i, row in enumerate(rows)], "curve of-bad solid thin")
    for i, row in enumerate(rows):
        c.dot(x(row["effect"]), 18 + height * i, "fill-bad", f"{percent(row['effect'], 2)}", 2.5)
    c.path([(122, 2), (122, 4 + height * len(rows))], "line")
    c.text(122, 22 + height * len(rows), "0", "middle", "small")
    c.text(x(top), 22 + height * len(rows), percent(top), "middle", "small")
    return c.svg((f"{found['name']} 的影响", f"Effect of {found['name']}"))


def groups(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Approval of each group at the cut, four fifths of the highest dashed; beside it what was predicted and what came."""
    c = Canvas(WIDTH, 48 + 30 * len(rows))
    left, right = 106, 236

    def x(value: float) -> float:
        return left + value * (right - left)

    best = max((row["approved"] for row in rows if row["ratio"] is not None), default=0.0)
    for v in (0, 0.5, 1):
        c.path([(x(v), 24), (x(v), 28 + 30 * len(rows))], "line")
        c.text(x(v), 44 + 30 * len(rows), percent(v), "middle", "small")
    c.path([(x(LEAST_RATIO * best), 20), (x(LEAST_RATIO * best), 30 + 30 * len(rows))], "curve dashed")
    c.text((left + right) / 2, 14, ("通过率", "approved"), "middle", "small")
    for place, words in ((292, ("预测", "PD")), (342, ("实际", "bad")), (396, ("AUC", "AUC"))):
        c.text(place, 14, words, "end", "small")
    for i, row in enumerate(rows):
        y = 42 + 30 * i
        label: str | Words = MISSING if row["group"] == "missing" else fitting(row["group"], 96)
        few, below = row["ratio"] is None, row["ratio"] is not None and row["ratio"] < LEAST_RATIO
        c.text(100, y + 4, label, "end", "small")
        c.path([(x(row["low"]), y), (x(row["high"]), y)], "whisker of-b")
        c.dot(
            x(row["approved"]),
            y,
            "hollow-b" if few else "fill-bad" if below else "fill-b",
            f"{row['group']}: {percent(row['approved'], 1)}, n = {row['rows']:,}",
            4.5,
        )
        c.text(292, y + 4, percent(row["mean_pd"], 1), "end", "small")
        c.text(342, y + 4, percent(row["bad_rate"], 1), "end", "small")
        c.text(396, y + 4, "—" if row["auc"] is None else f"{row['auc']:.3f}", "end", "small")
    return c.svg((f"各群体：{name}", f"Groups by {name}"))


def fitting(text: str, width: float) -> str:
    """A text cut to so many pixels at the size of small text; letters are taken as wide as they usually are."""
    used = 0.0
    for i, letter in enumerate(text):
        used += 12 if ord(letter) > 0x2E80 else 8.6 if letter.isupper() else 6.9
        if used > width:
            return f"{text[: max(1, i - 1)].rstrip()}…"
    return text


def _two(value: float) -> str:
    return f"{value:.2f}"


def _times(value: float) -> str:
    return f"{value:g}×"


def _axes(xs: tuple[float, float], ys: tuple[float, float], height: int) -> Axes:
    return Axes(xs, ys, WIDTH, height, 46)
