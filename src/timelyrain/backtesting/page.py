"""The result of a back-test as one HTML page: pictures first, both languages, nothing loaded from anywhere."""
# ruff: noqa: E501  (sentences are kept whole)

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from timelyrain.drawing import SWITCH, Words, both, document, figure, percent, yuan

from . import pictures
from .pictures import SIDES

Result = Mapping[str, Any]

CAUTIONS: Mapping[str, Words] = {
    "no_outcomes": ("文件中没有任何已知结果：只能比较决策，不能比较坏账与利润。", "The file holds no known outcome: decisions are compared, results are not."),
    "one_class": ("已知结果全好或全坏：坏账率的比较没有意义。", "All known outcomes are alike: bad rates cannot be told apart."),
    "unknown_both": ("双方都通过的人中，一成以上结果未知。", "More than a tenth of those both approve have no known outcome."),
    "unknown_a_only": ("仅 A 通过的人中，一成以上结果未知。", "More than a tenth of those only A approves have no known outcome."),
    "unknown_b_only": (
        "仅 B 通过的人中，一成以上结果未知：他们当年多未获贷款。其坏账率只来自有结果的人，通常偏低；请看上下界与模型推断，或先以随机放行取得结果。",
        "More than a tenth of those only B approves have no known outcome: most were not lent to. Their bad rate comes from the others and is "
        "usually too low; look at the bounds and at the model's guess, or learn first from a random approval band.",
    ),
    "rejects_unknown": ("未通过者的结果大多未知：模型也只从通过者学习，对被拒人群的预测需谨慎。", "Most of the refused have no known outcome: the model learnt from the approved too, and guesses for the refused."),
    "price_does_not_move_people": (
        "结果来自当年的额度与利率；此处假定换一个额度或利率，还款行为不变。",
        "Outcomes come from the limit and price of then; it is assumed that another limit or price would not change who repays.",
    ),
}  # fmt: skip
NAMES: Mapping[str, Words] = {
    "sex": ("性别", "sex"), "age_band": ("年龄段", "age band"), "region": ("地区", "region"), "purpose": ("用途", "purpose"),
    "instalments": ("期数", "instalments"), "approve": ("通过", "approve"), "decline": ("拒绝", "decline"),
    "refer": ("转人工", "refer"), "more_evidence": ("补充材料", "more evidence"),
    "female": ("女", "female"), "male": ("男", "male"), "?": ("未知", "not known"),
}  # fmt: skip


_NO_WORDS: Mapping[str, Words] = {}
_CSS = "tr:first-child th { text-align: right } figure { overflow-x: auto }"


def report(
    result: Result, differences: Sequence[Words] = (), purposes: Mapping[str, Words] = _NO_WORDS
) -> str:
    """The page. differences: what changed from A to B, in words; purposes: what their codes mean."""
    inputs = result["inputs"]
    names = {side: f"{inputs[side]['name']} {inputs[side]['version']}" for side in SIDES}
    n, known = result["n"], result["known"]
    body = [
        f"<header><div><h1>{both('策略回测', 'Back-test of two policies')}</h1><p class=small>{escape(inputs['applications']['name'])} · "
        f"{both(f'{n:,} 份申请，{known:,} 份结果已知', f'{n:,} applications, {known:,} with known outcome')}</p></div>"
        f"<p class=legend><b class=of-a>A</b> {escape(names['a'])} <code>{inputs['a']['sha256'][:12]}</code><br><b class=of-b>B</b> "
        f"{escape(names['b'])} <code>{inputs['b']['sha256'][:12]}</code></p>"
        f"{SWITCH}</header>",
        _headline(result),
        _cautions(result),
        _differences(differences),
        "<main>",
        figure(("通过率与坏账率", "Approval and bad rates"), pictures.rates(result), ("细线为 95% 区间（Wilson）。", "Thin lines are 95 % intervals (Wilson).")),
        figure(("换了谁", "Who changes"), pictures.swaps(result), ("颜色越深，坏账率越高（不足 30 份结果者不着色）；粗框为两策略意见不同的人。", "The darker, the more are bad (no colour under 30 outcomes); framed are those on whom the policies differ.")),
        figure(("利润曲线", "Profit curve"), pictures.curve(result), ("从最安全的人开始放款的累计利润：实线为实际，虚线为预期。", "Running profit when lending starts with the safest: solid as it turned out, dashed as expected.")),
        figure(("模型校准", "Calibration"), pictures.calibration(result), _calibrated(result)),
        figure(("各月通过率", "Approved by month"), pictures.months(result, "approval", ("通过率", "approved")), ("色带为 95% 区间。", "Bands are 95 % intervals.")),
        figure(("各月坏账率", "Bad by month"), pictures.months(result, "bad_rate", ("坏账率（已知结果）", "bad, of known")), ("按申请月份。", "By month of application.")),
        *(figure(("各群体通过率：" + NAMES.get(n, (n, n))[0], "Approved by " + NAMES.get(n, (n, n))[1]), pictures.groups(n, g), (
            "虚线为最高者的五分之四；低于它的以红字标出比值；空心点不足 30 人，不作判断。",
            "Dashed: four fifths of the highest; the ratio is written in red where a group is below. Hollow: under 30 people, not judged."), "tall" if len(g["rows"]) > 10 else "")
          for n, g in result["groups"].items()),
        figure(("利率分布", "Prices"), pictures.histogram(result, "rates", lambda v: percent(v / 1e6), ("年利率，已通过者", "yearly rate of the approved"))),
        figure(("额度分布", "Limits"), pictures.histogram(result, "limits", yuan, ("额度，已通过者", "limit of the approved"))),
        figure(("规则触发", "Rules that spoke"), pictures.rules(result), (
            "浅色：触发次数；深色：唯一阻止通过的规则。数字依次为两者与触发者的坏账率。",
            "Pale: how often it spoke; full: it alone stood against approval. The numbers are these two, and the bad rate where it spoke."), "wide"),
        figure(("决策流向", "From outcome to outcome"), _moves(result), ("行为 A，列为 B；格内为申请数与坏账率。", "Rows A, columns B; applications, and their bad rate.")),
        *(figure(NAMES.get(n, (n, n)), _cut(rows, {**NAMES, **purposes} if n == "purpose" else NAMES), None, "wide") for n, rows in _cuts(result).items()),
        "</main>",
        _inputs(result),
    ]  # fmt: skip
    return document(f"{names['a']} / {names['b']}", "".join(body), _CSS)


def _headline(result: Result) -> str:
    """Four numbers that are looked at first, with the difference B - A and its interval."""
    d = result["difference"]

    def points(value: float) -> str:
        return f"{value * 100:+.2f} pp"

    def money(fen: float) -> str:
        return f"{'+' if fen >= 0 else ''}{yuan(fen)}"

    cards = (
        ("approval", ("通过率", "approved"), lambda v: percent(v, 1), points, True),
        ("bad_rate", ("坏账率", "bad of known"), lambda v: percent(v, 2), points, False),
        ("expected_fen", ("预期利润", "expected profit"), yuan, money, True),
        ("realised_fen", ("实现利润（结果已知者）", "realised profit, of known"), yuan, money, True),
    )
    parts: list[str] = []
    for measure, words, tell, tell_change, more_is_good in cards:
        a, b, change = (found[measure] for found in (result["a"], result["b"], d))
        if a[0] is None or b[0] is None or (measure == "realised_fen" and not result["known"]):
            parts.append(f"<section class=card><h3>{both(*words)}</h3><p class=large>—</p></section>")
            continue
        value, low, high = change
        sure = low > 0 or high < 0
        tone = "" if not sure else "good" if (value > 0) == more_is_good else "bad"
        parts.append(
            f"<section class=card><h3>{both(*words)}</h3><p><b class=of-a>A</b> {tell(a[0])} &nbsp; <b class=of-b>B</b> {tell(b[0])}</p>"
            f'<p class="large {tone}">{tell_change(value)}</p><p class=small>{tell_change(low)} … {tell_change(high)}'
            f"{'' if sure else ' · ' + both('不显著', 'may be chance')}</p></section>"
        )
    return f"<div class=cards>{''.join(parts)}</div>"


def _cautions(result: Result) -> str:
    lines = [both(*CAUTIONS[code]) for code in result["cautions"]]
    if result["later_events"]:
        n = f"{result['later_events']:,}"
        lines.append(
            both(
                f"{n} 条事件晚于其申请时刻，未计入。",
                f"{n} events came after their application and were left out.",
            )
        )
    if n := result.get("repeated_ids"):  # older results do not tell
        lines.append(both(
            f"{n:,} 份申请与其他申请同号，各计一次：若为重复行，请去重后重跑。",
            f"{n:,} applications bear an id that stood before them and count once more: if rows are doubled, write the file without them.",
        ))  # fmt: skip
    if n := result.get("before_law"):
        day = result["inputs"]["law_from"]
        lines.append(both(
            f"{n:,} 份申请早于 {day}：此前的法定上限不在规则包中，按该日的上限决策。",
            f"{n:,} applications are older than {day}, the first day whose legal limits the pack knows: those limits were taken.",
        ))  # fmt: skip
    if absent := ", ".join(result["inputs"]["applications"].get("absent", ())):
        lines.append(both(f"文件中没有以下列，所有人均按缺失处理：{absent}。", f"Not in the file, so missing for everybody: {absent}."))  # fmt: skip
    for name, found in result["groups"].items():
        for side in SIDES:
            if found[side]["below"]:
                values, words = ", ".join(found[side]["below"]), NAMES.get(name, (name, name))
                lines.append(both(
                    f"{side.upper()} 对{words[0]} {values} 的通过率低于最高群体的五分之四：请查明原因。",
                    f"{side.upper()} approves {words[1]} {values} at under four fifths of the highest rate: find out why.",
                ))  # fmt: skip
    return f"<ul class=cautions>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"


def _differences(differences: Sequence[Words]) -> str:
    if not differences:
        return ""
    lines = "".join(f"<li>{both(*words)}</li>" for words in differences)
    return f"<details open><summary>{both('B 与 A 的差别', 'What B changes')}</summary><ul>{lines}</ul></details>"


def _calibrated(result: Result) -> Words:
    zh, en = [], []
    for side in SIDES:
        found = result[side]
        if found["auc"] is None or found["calibration"]["ece"] is None:
            continue
        zh.append(
            f"{side.upper()}：AUC {found['auc']:.3f}，KS {found['ks']:.3f}，校准误差 {percent(found['calibration']['ece'], 1)}"
        )
        en.append(
            f"{side.upper()}: AUC {found['auc']:.3f}, KS {found['ks']:.3f}, calibration error {percent(found['calibration']['ece'], 1)}"
        )
    return "；".join(zh) or "没有可比较的结果。", "; ".join(en) or "There is nothing to compare with."


def _moves(result: Result) -> str:
    moves = result["moves"]
    head = "".join(f"<th>{both(*NAMES[b])}</th>" for b in moves)
    rows = ""
    for a, line in moves.items():
        cells = "".join(
            f'<td class="{"same" if a == b else "moved" if n else ""}">{n:,}'
            f"<br><small>{percent(bad / known, 1) if known else '—'}</small></td>"
            for b, (n, known, bad) in line.items()
        )
        rows += f"<tr><th>{both(*NAMES[a])}</th>{cells}</tr>"
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _cuts(result: Result) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Rows by segment and by protected attribute."""
    return {**result["segments"], **{name: found["rows"] for name, found in result["groups"].items()}}


def _cut(rows: Sequence[Mapping[str, Any]], names: Mapping[str, Words]) -> str:
    """Rates with their intervals, who changes, and money, for each value of a column."""
    titles = (("申请", "applications"), ("A 通过", "A approves"), ("B 通过", "B approves"), ("仅 A", "only A"), ("仅 B", "only B"),
              ("A 坏账", "A bad"), ("B 坏账", "B bad"), ("A 实现利润", "A profit, realised"), ("B 实现利润", "B profit, realised"),
              ("A 预期利润", "A expected"), ("B 预期利润", "B expected"))  # fmt: skip
    head = "".join(f"<th>{both(*words)}</th>" for words in titles)
    body = ""
    for row in rows:
        values = [f"{row['n']:,}", *(_rate(row[side]["approval"]) for side in SIDES)]
        values += [f"{row[f'{side}_only']:,}" for side in SIDES]
        values += [_rate(row[side]["bad_rate"]) for side in SIDES]
        values += [yuan(row[side][f"{kind}_fen"]) for kind in ("realised", "expected") for side in SIDES]
        name = names.get(row["value"])
        name = both(*name) if name else escape(row["value"])
        body += f"<tr><th>{name}</th>{''.join(f'<td>{value}</td>' for value in values)}</tr>"
    return f"<table><tr><th></th>{head}</tr>{body}</table>"


def _rate(estimate: Sequence[float | None]) -> str:
    value, low, high = estimate
    if value is None or low is None or high is None:
        return "—"
    return f"{percent(value, 1)}<br><small>{percent(low, 1)} – {percent(high, 1)}</small>"


def _inputs(result: Result) -> str:
    inputs, e = result["inputs"], result["inputs"]["economics"]
    rows = [(both("申请文件", "applications"), inputs["applications"]["sha256"])]
    rows += [(f"{s.upper()} {both('策略', 'policy')}", inputs[s]["sha256"]) for s in SIDES]
    rows += [(f"{s.upper()} {both('模型', 'model')}", inputs[s]["model"] or "—") for s in SIDES]
    rows += [(both("引擎版本", "engine"), inputs["engine"]), (both("回测标识", "back-test"), result["job"])]
    table = "".join(
        f"<tr><th>{name}</th><td><code>{escape(str(value))}</code></td></tr>" for name, value in rows
    )
    money = both(
        f"利润口径：利息按平均余额 本金×(n+1)/2n 计，扣资金成本 {percent(e['funding_ppm'] / 1e6, 2)} 与每笔成本 {yuan(e['cost_fen'])}；坏账不计利息，"
        f"损失取文件所载，未载时取本金的 {percent(e['lgd_ppm'] / 1e6)}。",
        f"Profit: interest on the mean balance, principal × (n+1)/2n, less funding at {percent(e['funding_ppm'] / 1e6, 2)} and {yuan(e['cost_fen'])} a "
        f"loan; a bad loan earns nothing and loses what the file says, or {percent(e['lgd_ppm'] / 1e6)} of its principal.",
    )
    bounds = "".join(
        f"<li><b class=of-{s}>{s.upper()}</b> {percent(found['bad_rate_bounds'][0], 1)} – {percent(found['bad_rate_bounds'][1], 1)}; "
        f"{both('以模型推断', 'with the model')} {percent(found['bad_rate_with_pd'], 1) if found['bad_rate_with_pd'] is not None else '—'}</li>"
        for s in SIDES
        if (found := result[s])["bad_rate_bounds"]
    )
    return (
        f"<footer><p>{money}</p><p>{both('坏账率上下界：结果未知者全好或全坏；', 'Bounds of the bad rate: all unknown good, or all bad;')}</p><ul>{bounds}</ul>"
        f"<table class=hashes>{table}</table></footer>"
    )
