"""Pictures of a watch as SVG: a is the reference and what was expected, b is now and what came."""

from collections.abc import Mapping
from typing import Any

from timelyrain.drawing import Axes, Canvas, Words, percent

from .measures import UNKNOWN

Report = Mapping[str, Any]
MOST_INPUTS = 12
INKS = ("a", "b")
ATTRIBUTES: Mapping[str, Words] = {
    "age": ("年龄", "age"),
    "sex": ("性别", "sex"),
    "region": ("地区", "region"),
}
GROUPS: Mapping[str, Words] = {
    "female": ("女", "female"),
    "male": ("男", "male"),
    "north": ("华北", "north"),
    "northeast": ("东北", "northeast"),
    "east": ("华东", "east"),
    "south": ("中南", "central south"),
    "southwest": ("西南", "southwest"),
    "northwest": ("西北", "northwest"),
    "other": ("其他", "other"),
}


def group_name(group: str) -> Words:
    """A group of a protected attribute in words, as it is called where there are none."""
    return GROUPS.get(group, (group, group))


_BUCKETS: Mapping[str, Words] = {"settled": ("结清", "settled"), "written_off": ("核销", "off")}


def score(report: Report) -> str:
    """Where the scores lie: shares of the reference's ten bins, then and now."""
    one = report["score"]
    pairs = list(zip(one["reference"], one["current"], strict=True))
    shown = pairs if any(pairs[-1]) else pairs[:-1]
    sums = [sum(one["reference"]), sum(one["current"])]
    top = max(count / of for pair in shown for count, of in zip(pair, sums, strict=True))
    axes = Axes((0, len(shown)), (0, top * 1.1))
    edges = [0.0, *one["cuts"]]
    ticks = [(i + 0.5, percent(edge, 1)) for i, edge in enumerate(edges) if i % 2 == 0]
    axes.grid(str, percent, ("预测违约概率，各档下界", "PD, from"), ticks)
    for i, pair in enumerate(shown):
        for side, (ink, count) in enumerate(zip(INKS, pair, strict=True)):
            share = count / sums[side]
            width = (axes.x(1) - axes.x(0)) * 0.4
            x = axes.x(i) + width * (0.25 + side)
            axes.bar(x, axes.y(share), width, axes.y(0) - axes.y(share), f"fill-{ink}", percent(share, 1))
    return axes.svg(("评分分布", "Distribution of scores"))


def moved(report: Report) -> str:
    """PSI of the score month by month, with the two bounds."""
    rows, rules = report["months"], report["rules"]
    top = max([row["psi"] for row in rows] + [rules["psi_act"]]) * 1.1
    axes = _monthly(report, (0, min(top, 1.5)), _two_digits)
    far = len(rows) - 0.5
    for name, style in (("psi_watch", "curve dashed"), ("psi_act", "curve of-bad")):
        axes.line([(-0.5, rules[name]), (far, rules[name])], style)
        axes.text(axes.width - 18, axes.y(rules[name]) - 5, f"{rules[name]:.2f}", "end", "small")
    points = [(i, min(row["psi"], 1.5)) for i, row in enumerate(rows)]
    axes.line(points, "curve of-b")
    for (i, at), row in zip(points, rows, strict=True):
        few = row["rows"] < rules["few"]
        axes.dot(axes.x(i), axes.y(at), "hollow-b" if few else "fill-b", f"{row['month']} {row['psi']:.3f}")
    return axes.svg(("评分稳定性 PSI", "PSI of the score"))


def inputs(report: Report, names: Mapping[str, Words]) -> str:
    """The inputs that moved most; pale is what chance alone may do."""
    rows, rules = (
        sorted(report["inputs"].items(), key=lambda one: -one[1]["psi"])[:MOST_INPUTS],
        report["rules"],
    )
    c = Canvas(560, 36 + 26 * max(1, len(rows)))
    top = max([one["psi"] for _, one in rows] + [rules["psi_act"]]) * 1.05
    left, wide = 240, 260
    for name, side in (("psi_watch", "end"), ("psi_act", "start")):
        x = left + rules[name] / top * wide
        c.path([(x, 4), (x, 14 + 26 * len(rows))], "curve dashed")
        c.text(x, 30 + 26 * len(rows), f"{rules[name]:.2f}", side, "small")
    for i, (name, one) in enumerate(rows):
        y = 8 + 26 * i
        zh, en = names.get(name, (name, name))
        c.text(left - 8, y + 14, (_short(zh, 17), _short(en, 34)), "end", "small")
        c.bar(left, y + 15, one["by_chance"] / top * wide, 4, "fill-a pale", f"{one['by_chance']:.3f}")
        c.bar(left, y, min(1.0, one["psi"] / top) * wide, 14, "fill-b", f"{name} {one['psi']:.3f}")
        c.text(left + one["psi"] / top * wide + 6, y + 12, f"{one['psi']:.3f}", style="small")
    return c.svg(("输入变量稳定性 CSI", "CSI of the inputs"))


def calibration(report: Report) -> str:
    """Bad rate by month of decision: the band is where it would lie if the PDs were right, the dots are what came."""
    rows = [(i, row["calibration"]) for i, row in enumerate(report["months"]) if row["calibration"]]
    top = max([max(one["observed"], one["expected"] * 1.5) for _, one in rows], default=0.1) * 1.15 or 0.1
    axes = _monthly(report, (0, min(1.0, top)), percent)
    band = [(i, min(one["high"], top)) for i, one in rows] + [(i, one["low"]) for i, one in reversed(rows)]
    axes.line(band, "band-a")
    axes.line([(i, one["expected"]) for i, one in rows], "curve of-a")
    for i, one in rows:
        told = f"{percent(one['observed'], 1)} / {percent(one['expected'], 1)}, n = {one['rows']:,}"
        few = one["rows"] < report["rules"]["few"]
        axes.dot(axes.x(i), axes.y(min(one["observed"], top)), "hollow-b" if few else "fill-b", told)
    return axes.svg(("预期与实际坏账率", "Bad rate expected and seen"))


def worth(report: Report) -> str:
    """AUC by month: seen where outcomes are known (with interval), estimated from the PDs alone elsewhere."""
    months = report["months"]
    seen = [
        (i, row["performance"]["auc"])
        for i, row in enumerate(months)
        if row["performance"] and row["performance"]["bad"] >= 5
    ]
    promised = [(i, row["estimated"]["auc"]) for i, row in enumerate(months) if "auc" in row["estimated"]]
    low = min([one["low"] for _, one in [*seen, *promised]], default=0.5)
    axes = _monthly(report, (max(0.0, min(0.5, low)), 1.0), _two_digits)
    axes.line(
        [(i, one["high"]) for i, one in promised] + [(i, one["low"]) for i, one in reversed(promised)],
        "band-a",
    )
    axes.line([(i, one["value"]) for i, one in promised], "curve dashed")
    for i, one in seen:
        axes.whisker(i, one["low"], one["high"], "whisker of-b")
        told = f"{months[i]['month']} {one['value']:.3f} ({one['low']:.3f} – {one['high']:.3f})"
        axes.dot(axes.x(i), axes.y(one["value"]), "fill-b", told)
    return axes.svg(("区分能力 AUC", "AUC"))


def vintages(report: Report) -> str:
    """Cumulative bad rate by months on book, one line per cohort: the newest is drawn strongest."""
    curves = {name: one for name, one in sorted(report["vintages"].items()) if one["bad"]}
    far = max([len(one["bad"]) for one in curves.values()], default=12)
    top = max([max(one["bad"]) for one in curves.values()], default=0) * 1.15 or 0.1
    axes = Axes((0, far), (0, top))
    axes.grid(lambda v: f"{v:.0f}", lambda v: percent(v, 1), ("放款后月数", "months on book"))
    taken: list[float] = []
    for i, (name, one) in enumerate(curves.items()):
        points = [(0.0, 0.0), *((m + 1.0, rate) for m, rate in enumerate(one["bad"]))]
        axes.line(points, "curve of-b" if i >= len(curves) - 2 else "curve of-b pale")
        x, y = points[-1]
        axes.dot(axes.x(x), axes.y(y), "fill-b", f"{name}: {percent(y, 1)}, n = {one['loans']:,}", 2.5)
        at = axes.y(y) - 7
        if all(abs(at - other) > 13 for other in taken):
            taken.append(at)
            axes.text(axes.x(x) - 4, at, name, "end", "small")
    return axes.svg(("各期放款的累计坏账率", "Vintage curves"))


def rolls(report: Report) -> str:
    """Where loans of a bucket stand a month later: the share of each row, the darker the more."""
    buckets, counts = report["rolls"]["buckets"], report["rolls"]["counts"]
    shown = [i for i, row in enumerate(counts) if sum(row) or any(other[i] for other in counts)]
    begins = [i for i in shown if sum(counts[i])]
    c = Canvas(560, 34 + 30 * max(1, len(begins)))
    wide = 440 / max(1, len(shown))
    for column, i in enumerate(shown):
        c.text(
            110 + wide * (column + 0.5),
            18,
            _BUCKETS.get(buckets[i], (buckets[i], buckets[i])),
            "middle",
            "small",
        )
    for row, i in enumerate(begins):
        y, total = 28 + 30 * row, sum(counts[i])
        zh, en = _BUCKETS.get(buckets[i], (buckets[i], buckets[i]))
        c.text(100, y + 18, (f"{zh} · {total:,}", f"{en} · {total:,}"), "end", "small")
        for column, j in enumerate(shown):
            share = counts[i][j] / total
            shade = "swap" if not share else f"shade-{min(4, 1 + int(share * 4))}"
            c.bar(
                110 + wide * column + 1,
                y,
                wide - 2,
                27,
                shade,
                f"{buckets[i]} → {buckets[j]}: {counts[i][j]:,}",
            )
            if share:
                c.text(
                    110 + wide * (column + 0.5),
                    y + 18,
                    percent(share, 0 if share >= 0.1 else 1),
                    "middle",
                    "small",
                )
    return c.svg(("逾期迁徙率", "Roll rates"))


def fairness(report: Report, attribute: str) -> str:
    """Approval rate of each group in the window with its interval; the dashed line is four fifths of the highest."""
    rows, few = report["fairness"][attribute], report["rules"]["few"]
    c = Canvas(560, 40 + 34 * len(rows))
    left, scale = 110, 300 / max([row["high"] for row in rows] + [1e-9])
    best = max((row["approved"] for row in rows if row["ratio"] is not None), default=0)
    if best:
        x = left + report["rules"]["four_fifths"] * best * scale
        c.path([(x, 6), (x, 14 + 34 * len(rows))], "curve dashed")
    for i, row in enumerate(rows):
        y = 26 + 34 * i
        c.text(left - 10, y + 4, group_name(row["group"]), "end")
        c.path([(left + row["low"] * scale, y), (left + row["high"] * scale, y)], "whisker of-b")
        style = "hollow-b" if row["rows"] < few else "fill-b"
        c.dot(left + row["approved"] * scale, y, style, f"{percent(row['approved'], 1)}, n = {row['rows']:,}")
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f} · "
        told = f"{ratio}PD {percent(row['mean_pd'], 1)}"
        c.text(left + row["high"] * scale + 10, y + 4, told, style="small")
    return c.svg((f"通过率：{attribute}", f"Approval rate by {attribute}"))


def fairness_months(report: Report, attribute: str) -> str:
    """Each group's approval rate over the highest of its month; groups with too few rows in a month are left out."""
    months, few = report["months"], report["rules"]["few"] // 4
    axes = _monthly(report, (0, 1.05), percent)
    bound = report["rules"]["four_fifths"]
    axes.line([(-0.5, bound), (len(months) - 0.5, bound)], "curve dashed")
    names = sorted({name for row in months for name in row["fairness"][attribute]})
    taken: list[float] = []
    for n, name in enumerate(names):
        points: list[tuple[float, float]] = []
        for i, row in enumerate(months):
            of = {
                k: g["approved"]
                for k, g in row["fairness"][attribute].items()
                if g["rows"] >= few and k != UNKNOWN
            }
            if name in of and max(of.values()):
                points.append((i, of[name] / max(of.values())))
        axes.line(points, f"curve of-{INKS[n % 2]}" + (" dashed" if n >= 2 else ""))
        for i, ratio in points:
            axes.dot(
                axes.x(i),
                axes.y(ratio),
                f"fill-{INKS[n % 2]}",
                f"{' '.join(dict.fromkeys(group_name(name)))} {ratio:.2f}",
                3,
            )
        at = axes.y(points[-1][1]) - 7 if points else 0.0
        if points and all(abs(at - other) > 13 for other in taken):
            taken.append(at)
            axes.text(axes.x(points[-1][0]) - 4, at, group_name(name), "end", "small")
    return axes.svg((f"通过率之比：{attribute}", f"Ratio of approval rates by {attribute}"))


def _monthly(report: Report, ys: tuple[float, float], tell: Any) -> Axes:
    rows = report["months"]
    axes = Axes((-0.5, len(rows) - 0.5), ys)
    every = -(-len(rows) // 6)
    ticks = [(i, row["month"]) for i, row in enumerate(rows) if i % every == 0]
    axes.grid(str, tell, ("决策月份", "month of decision"), ticks)
    return axes


def _two_digits(value: float) -> str:
    return f"{value:.2f}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
