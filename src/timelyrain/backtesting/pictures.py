"""Pictures of a back-test as SVG: text in both languages, colours from the page (--a, --b, --bad, --ink, --line)."""

from collections.abc import Mapping
from typing import Any

from timelyrain.drawing import Axes, Canvas, Words, percent, round_values, yuan

SIDES = ("a", "b")
FEW = 30
MOST_RULES = 24


def rates(result: Mapping[str, Any]) -> str:
    """Approval and bad rates as bars with their intervals, each on its own scale."""
    c = Canvas(560, 190)
    for row, (measure, words) in enumerate(
        (("approval", ("通过率", "Approved")), ("bad_rate", ("坏账率", "Bad")))
    ):
        top = 10 + row * 90
        ends = [result[side][measure][2] or 0 for side in SIDES]
        scale = 330 / max(*ends, 1e-9)
        c.text(0, top + 36, words, style="strong")
        for i, side in enumerate(SIDES):
            value, low, high = result[side][measure]
            y = top + 8 + i * 34
            c.text(92, y + 17, side.upper(), style=f"of-{side} strong")
            if value is None:
                c.text(112, y + 17, ("结果未知", "no known outcomes"), style="small")
                continue
            c.bar(
                112,
                y,
                value * scale,
                24,
                f"fill-{side}",
                f"{percent(value, 2)} ({percent(low, 2)} – {percent(high, 2)})",
            )
            c.path([(112 + low * scale, y + 12), (112 + high * scale, y + 12)], "whisker")
            c.text(112 + high * scale + 8, y + 17, f"{percent(value, 2)}", style="strong")
    return c.svg(("通过率与坏账率", "Approval and bad rates"))


def swaps(result: Mapping[str, Any]) -> str:
    """Who is approved by whom: four squares, the darker the more of them are bad."""
    c = Canvas(560, 300)
    sets, n = result["swap_sets"], result["n"]
    places = {"both": (0, 0), "a_only": (0, 1), "b_only": (1, 0), "neither": (1, 1)}
    worst = max((s["bad_rate"][0] for s in sets.values() if s["known"] >= FEW), default=0) or 1
    c.text(215, 16, ("B 通过", "B approves"), "middle", "of-b strong")
    c.text(435, 16, ("B 不通过", "B does not"), "middle", "of-b strong")
    c.text(0, 90, ("A 通过", "A approves"), style="of-a strong")
    c.text(0, 222, ("A 不通过", "A does not"), style="of-a strong")
    for name, (row, column) in places.items():
        found, x, y = sets[name], 110 + column * 222, 28 + row * 132
        rate = found["bad_rate"][0]
        shade = round(rate / worst * 4) if found["known"] >= FEW else 0  # few cases have no colour
        c.bar(x, y, 214, 124, f"swap shade-{shade} {'changed' if row != column else ''}")
        c.text(x + 14, y + 38, f"{found['n']:,}", style="large")
        c.text(x + 200, y + 38, percent(found["n"] / n, 1), "end")
        if not found["n"]:
            c.text(x + 14, y + 68, ("无人", "nobody"))
        elif rate is None:
            c.text(x + 14, y + 68, ("结果未知", "outcomes not known"))
        else:
            _, low, high = found["bad_rate"]
            c.text(x + 14, y + 68, (f"坏账率 {percent(rate, 1)}", f"bad {percent(rate, 1)}"), style="strong")
            c.text(x + 14, y + 88, f"{percent(low, 1)} – {percent(high, 1)}", style="small")
        if found["mean_pd"] is not None:
            told = percent(found["mean_pd"], 1)
            c.text(x + 14, y + 110, (f"预测 {told}", f"predicted {told}"), style="small")
            known = f"{found['known']:,}"
            c.text(x + 200, y + 110, (f"已知 {known}", f"known {known}"), "end", "small")
    return c.svg(("互换人群", "Swap sets"))


def curve(result: Mapping[str, Any]) -> str:
    """Profit as lending goes from the safest to the riskiest of those approved."""
    lines = [(side, place, style) for side in SIDES for place, style in ((2, "dashed"), (3, "solid"))]
    points = {s: result[s]["curve"] for s in SIDES}
    values = [p[i] for s in SIDES for p in points[s] for i in (2, 3)]
    far = max((p[0] for s in SIDES for p in points[s]), default=0) or 1
    axes = Axes((0, far), (min(0, *values), max(1, *values)), left=70)
    axes.grid(percent, yuan, ("放款人数占全部申请", "share of all applications lent to, safest first"))
    for side, place, style in lines:
        axes.line([(p[0], p[place]) for p in points[side]], f"curve of-{side} {style}")
        x, y = points[side][-1][0], points[side][-1][place]
        axes.dot(axes.x(x), axes.y(y), f"fill-{side}", f"{side.upper()} {yuan(y)}")
    return axes.svg(("利润曲线", "Profit curve"))


def calibration(result: Mapping[str, Any]) -> str:
    """What was predicted against what was seen, ten bins of equal counts."""
    same = result["a"]["calibration"] == result["b"]["calibration"]
    shown = ("b",) if same else SIDES
    bins = {side: result[side]["calibration"]["bins"] for side in shown}
    top = max((x for side in shown for b in bins[side] for x in (b[0], b[3])), default=0) * 1.05 or 1
    axes = Axes((0, top), (0, top))
    axes.grid(percent, percent, ("预测违约概率", "predicted"))
    axes.line([(0, 0), (top, top)], "curve dashed")
    for side in shown:
        for told, seen, low, high, cases in bins[side]:
            axes.whisker(told, low, high, f"whisker of-{side}")
            title = f"{percent(told, 2)} → {percent(seen, 2)} ({percent(low, 1)} – {percent(high, 1)}), n = {cases:,}"
            axes.dot(axes.x(told), axes.y(seen), f"fill-{side}", title)
    return axes.svg(("校准", "Calibration"))


def months(result: Mapping[str, Any], measure: str, title: Words) -> str:
    """A rate by month with its interval as a band."""
    rows = result["months"]
    known = [row[s][measure] for row in rows for s in SIDES if row[s][measure][0] is not None]
    seen, ends = max((k[0] for k in known), default=0), max((k[2] for k in known), default=0)
    top = min(ends, 2 * seen) or 1  # a month of few cases does not flatten the others
    axes = Axes((0, max(1, len(rows) - 1)), (0, top), height=230)
    every = -(-len(rows) // 6)
    ticks = [(i, row["value"]) for i, row in enumerate(rows) if i % every == 0]
    axes.grid(str, percent, title, ticks)
    for side in SIDES:
        points = [(i, *row[side][measure]) for i, row in enumerate(rows) if row[side][measure][0] is not None]
        band = [(i, low) for i, _, low, _ in points] + [
            (i, min(high, top)) for i, _, _, high in reversed(points)
        ]
        axes.line(band, f"band-{side}")
        axes.line([(i, value) for i, value, _, _ in points], f"curve of-{side} solid")
        for i, value, _, _ in points:
            axes.dot(
                axes.x(i),
                axes.y(value),
                f"fill-{side}",
                f"{rows[i]['value']} {side.upper()} {percent(value, 2)}",
                2.5,
            )
    return axes.svg(title)


def groups(name: str, found: Mapping[str, Any]) -> str:
    """Approval rate of each group under both policies; four fifths of the highest is the line under which it is marked."""
    rows = found["rows"]
    c = Canvas(560, 44 + 30 * len(rows))
    top = max([row[s]["approval"][2] or 0 for row in rows for s in SIDES] + [1e-9])
    scale = 330 / top
    for side in SIDES:
        best = next((row for row in rows if row["value"] == found[side]["highest"]), None)
        if best is not None:
            x = 120 + 0.8 * best[side]["approval"][0] * scale
            c.path([(x, 14), (x, 22 + 30 * len(rows))], f"curve of-{side} dashed")
    for i, row in enumerate(rows):
        y = 32 + 30 * i
        c.text(112, y + 4, row["value"], "end")
        c.path([(120, y), (450, y)], "line")
        for j, side in enumerate(SIDES):
            value, low, high = row[side]["approval"]
            if value is None:
                continue
            ratio = found[side]["ratios"][row["value"]]
            at = y - 4 + 8 * j
            c.path([(120 + low * scale, at), (120 + high * scale, at)], f"whisker of-{side}")
            told = f"{side.upper()} {percent(value, 1)}, n = {row[side]['n']:,}"
            c.dot(120 + value * scale, at, f"{'hollow' if ratio['few'] else 'fill'}-{side}", told)
            if ratio["below"]:
                text = f"{side.upper()} {ratio['ratio'][0]:.2f}"
                c.text(500 + 48 * j, y + 4, text, "end", "of-bad strong small")
    for value in round_values(0, top, 4):
        c.text(120 + value * scale, 40 + 30 * len(rows), percent(value), "middle", "small")
    return c.svg((f"通过率：{name}", f"Approval rate by {name}"))


def rules(result: Mapping[str, Any]) -> str:
    """How often each rule spoke (pale) and was the only one that did (full), of all applications."""
    found = {side: {rule["code"]: rule for rule in result[side]["rules"]} for side in SIDES}
    codes = list(dict.fromkeys([*found["a"], *found["b"]]))

    def spoke(code: str) -> int:
        return max(found[side].get(code, {}).get("spoke", 0) for side in SIDES)

    codes = [code for code in sorted(codes, key=spoke, reverse=True) if spoke(code)][:MOST_RULES]
    c = Canvas(1140, 14 + 34 * len(codes))
    scale = 700 / max([spoke(code) for code in codes] + [1])
    for i, code in enumerate(codes):
        y = 10 + 34 * i
        c.text(262, y + 17, code, "end", "small")
        for j, side in enumerate(SIDES):
            rule = found[side].get(code)
            if rule is None:
                c.text(
                    272,
                    y + 10 + 13 * j,
                    (f"{side.upper()} 无此规则", f"{side.upper()} has no such rule"),
                    style="small",
                )
                continue
            at = y + 13 * j
            title = f"{side.upper()} {code}: {rule['spoke']:,}; {rule['zh']} / {rule['en']}"
            c.bar(270, at, rule["spoke"] * scale, 11, f"fill-{side} pale", title)
            c.bar(270, at, rule["alone"] * scale, 11, f"fill-{side}", f"{title}; {rule['alone']:,}")
            rate = rule["bad_rate"][0]
            told = f"{rule['spoke']:,} · {rule['alone']:,}" + (
                "" if rate is None else f" · {percent(rate, 1)}"
            )
            c.text(278 + rule["spoke"] * scale, at + 10, told, style="small")
    return c.svg(("规则触发", "Rules that spoke"))


def histogram(result: Mapping[str, Any], which: str, tell: Any, across: Words) -> str:
    """Limits or prices of the approved: one outline per policy on common bins of its own width."""
    bins = {side: result[side][which]["bins"] for side in SIDES}
    ends = [b[1] for side in SIDES for b in bins[side]]
    shares = {
        side: [
            (low, high, n / max(1, result[side]["approved"]) / (high - low)) for low, high, n in bins[side]
        ]
        for side in SIDES
    }
    tops = [share for side in SIDES for _, _, share in shares[side]]
    axes = Axes((0, max(ends, default=1)), (0, max(tops, default=1) or 1), height=220, left=24)
    axes.grid(tell, lambda _: "", across)
    for side in SIDES:
        steps = [(x, share) for low, high, share in shares[side] for x in (low, high)]
        if steps:
            axes.line([(steps[0][0], 0), *steps, (steps[-1][0], 0)], f"curve of-{side} solid")
    return axes.svg(across)
