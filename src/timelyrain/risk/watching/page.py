"""A watch as one page: what asks for somebody, then pictures; both languages, nothing loaded from anywhere."""
# ruff: noqa: E501  (sentences are kept whole)

from collections.abc import Mapping
from html import escape
from typing import Any

from timelyrain.drawing import SWITCH, Words, both, document, figure, percent

from . import pictures

Report = Mapping[str, Any]
MEASURES: Mapping[str, Words] = {
    "psi": ("评分分布偏移 PSI", "scores have moved, PSI"),
    "csi": ("输入变量偏移 CSI", "an input has moved, CSI"),
    "calibration": ("实际坏账率偏离预期，倍数", "the bad rate is off what was expected, times"),
    "auc": ("区分能力下降 AUC", "AUC has fallen by"),
    "auc_estimated": ("估计区分能力下降 AUC", "estimated AUC has fallen by"),
    "four_fifths": ("通过率低于最高组的五分之四，比值", "approval below four fifths of the highest, ratio"),
}
_LEVELS: Mapping[str, Words] = {
    "calm": ("未见超出偶然的变化", "Nothing moved by more than chance"),
    "watch": ("需要关注", "Keep an eye on it"),
    "act": ("需要处理", "Somebody has to act"),
}
_LEGEND: Words = ("橙：参照与预期　青：当前与实际", "orange: reference and expected · teal: now and seen")
_CSS = ".of-bad { stroke: var(--bad) } .level { font-size: 20px; font-weight: 650; margin: 0 }"


def html(report: Report, language: str = "", names: Mapping[str, Words] | None = None) -> str:
    """The page of `report.watch`, with "model", "at" and "reference" told in it where known. names: inputs in words."""
    rows = report["rows"]
    model, at = str(report.get("model", "")), str(report.get("at", ""))
    n = f"{rows['reference']:,}", f"{rows['current']:,}", f"{rows['known']:,}"
    told = both(
        f"参照 {n[0]} 份，当前 {n[1]} 份，新近已知结果 {n[2]} 份",
        f"{n[0]} in the reference, {n[1]} now, {n[2]} with an outcome since",
    )
    body = [
        f"<header><div><h1>{both('模型监测', 'Watching a model')}</h1><p class=small><code>{escape(model[:16])}</code> {escape(at)} · {told}</p></div>",
        f"<p class=legend>{both(*_LEGEND)}</p>{SWITCH}</header>",
        _headline(report, names or {}),
        "<main>",
        figure(
            ("评分稳定性", "Have the scores moved?"),
            pictures.moved(report),
            (
                "各月评分对参照的 PSI；空心点样本太少，不作判断。",
                "PSI of each month's scores against the reference; hollow: too few to judge.",
            ),
        ),
        figure(
            ("评分分布", "Where the scores lie"),
            pictures.score(report),
            ("参照的十等份，当前各占多少。", "The reference's tenths, and how many are in each now."),
        ),
        figure(
            ("输入变量", "Have the inputs moved?"),
            pictures.inputs(report, names or {}),
            (
                "偏移最大的变量；浅色为纯属偶然时的上限（千分之一）。",
                "Those that moved most; pale: what chance alone stays below, but for one in a thousand.",
            ),
        ),
        figure(
            ("校准", "Is the PD still right?"),
            pictures.calibration(report),
            (
                "线与色带为预期坏账率及其95%范围；点为实际。结果未到期的月份没有点。",
                "Line and band: the expected bad rate and its 95 %; dots: what came. Months whose outcomes are not known yet have none.",
            ),
        ),
        figure(
            ("区分能力", "Does it still tell good from bad?"),
            pictures.worth(report),
            (
                "虚线与色带：由评分本身估计的AUC（假定校准仍成立）；点与竖线：结果已知后的AUC及95%区间。",
                "Dashed with band: AUC estimated from the PDs alone (as long as they are calibrated); dots: as outcomes became known, with 95 %.",
            ),
        ),
    ]
    if report["vintages"]:
        body.append(
            figure(
                ("各期放款", "How vintages ripen"),
                pictures.vintages(report),
                (
                    "累计坏账率（逾期90天或核销），只画该期全部借据都已走完的月份。",
                    "Cumulative share 90 days late or written off, over months that all loans of a cohort have completed.",
                ),
            )
        )
    if any(map(sum, report["rolls"]["counts"])):
        body.append(
            figure(
                ("逾期迁徙", "From bucket to bucket"),
                pictures.rolls(report),
                (
                    "左列为月末所处逾期阶段与借据月数，横向为一个月后各阶段的占比。",
                    "Left: bucket at a month's end and loan months; across: the shares a month later.",
                ),
            )
        )
    for attribute in report["fairness"]:
        zh, en = pictures.ATTRIBUTES.get(attribute, (attribute, attribute))
        body += [
            figure(
                (f"公平性：{zh}", f"Fairness by {en}"),
                pictures.fairness(report, attribute),
                (
                    "通过率与95%区间，虚线为最高组的五分之四；数字为比值与平均预测违约概率。",
                    "Approval with 95 %; dashed: four fifths of the highest group; figures: the ratio, and the mean PD.",
                ),
            ),
            figure(
                (f"公平性随时间：{zh}", f"Fairness over time by {en}"),
                pictures.fairness_months(report, attribute),
                ("各组通过率与当月最高组之比。", "Approval of each group over the highest of its month."),
            ),
            _table(report["fairness"][attribute]),
        ]
    body.append("</main>")
    return document("Watching 模型监测", "".join(body), _CSS, language)


def sentence(finding: Mapping[str, Any], names: Mapping[str, Words] | None = None) -> Words:
    """A finding in words, with its value and the bound that it passed."""
    zh, en = MEASURES[finding["measure"]]
    of_zh, of_en = {"score": ("", ""), "bad rate": ("", "")}.get(
        finding["of"], (names or {}).get(finding["of"], (finding["of"],) * 2)
    )
    if finding["measure"] == "four_fifths":
        attribute, _, group = finding["of"].partition(" ")
        names_of = pictures.ATTRIBUTES.get(attribute, (attribute, attribute)), pictures.group_name(group)
        of_zh, of_en = (" ".join(words) for words in zip(*names_of, strict=True))
    value, bound = f"{finding['value']:.3f}", f"{finding['bound']:g}"
    return (
        f"{zh} {value}（界限 {bound}）{'：' + of_zh if of_zh else ''}",
        f"{en} {value} (bound {bound}){': ' + of_en if of_en else ''}",
    )


def next_step(level: str) -> Words:
    """What to do about it."""
    return (
        (
            "查看变化来自哪些变量与渠道；用本平台决策重新训练：timelyrain risk retrain --by 登录名，新模型须另一人批准后才会启用。",
            "See which inputs and channels it comes from; train anew on our decisions: timelyrain risk retrain --by LOGIN. The new model decides once somebody else approved it.",
        )
        if level == "act"
        else (
            "查看偏移的变量，下次监测前再看一次；需要时运行 timelyrain risk retrain。",
            "Look at what moved, and again before the next watch; timelyrain risk retrain where needed.",
        )
    )


def _headline(report: Report, names: Mapping[str, Words]) -> str:
    level = report["level"]
    tone = {"calm": "good", "watch": "", "act": "bad"}[level]
    said = "".join(f"<li>{both(*sentence(one, names))}" for one in report["findings"][:12])
    more = len(report["findings"]) - 12
    said += f"<li>{both(f'另有 {more} 项', f'{more} more')}" if more > 0 else ""
    step = "" if level == "calm" else f"<p>{both(*next_step(level))}</p>"
    cards = [
        (("评分 PSI", "PSI of the score"), f"{report['score']['psi']:.3f}"),
        (("估计 AUC", "estimated AUC"), _interval(report["estimated"].get("auc"))),
        (("实际 AUC", "AUC as seen"), _interval(report["performance"] and report["performance"]["auc"])),
        (("实际 / 预期坏账", "bad, seen over expected"), _ratio(report["calibration"])),
    ]
    shown = "".join(
        f"<div class=card><h3>{both(*name)}</h3><p class=large>{value}</p></div>" for name, value in cards
    )
    return (
        f"<div class=card style='margin-top:18px'><p class='level {tone}'>{both(*_LEVELS[level])}</p><ul>{said}</ul>{step}</div>"
        f"<div class=cards>{shown}</div>"
    )


def _interval(one: Mapping[str, float] | None) -> str:
    return (
        "—"
        if one is None
        else f"{one['value']:.3f} <span class=small>({one['low']:.3f} – {one['high']:.3f})</span>"
    )


def _ratio(fit: Mapping[str, float] | None) -> str:
    if fit is None:
        return "—"
    return f"{fit['ratio']:.2f} <span class=small>{percent(fit['observed'], 1)} / {percent(fit['expected'], 1)}</span>"


def _table(groups: list[Mapping[str, Any]]) -> str:
    heads = [
        ("组", "group"),
        ("人数", "rows"),
        ("平均 PD", "mean PD"),
        ("结果已知", "known"),
        ("预期", "expected"),
        ("实际", "seen"),
    ]
    rows = "".join(
        f"<tr><th>{both(*pictures.group_name(g['group']))}<td>{g['rows']:,}<td>{percent(g['mean_pd'], 1)}"
        + _came(g["came"])
        for g in groups
    )
    head = "".join(f"<th>{both(*name)}" for name in heads)
    return f"<figure><h2>{both('各组预测与实际', 'PD against what came, by group')}</h2><table><tr>{head}{rows}</table></figure>"


def _came(fit: Mapping[str, float] | None) -> str:
    if fit is None:
        return "<td>0<td>—<td>—"
    seen = percent(fit["observed"], 1)
    off = not fit["low"] <= fit["observed"] <= fit["high"]
    return f"<td>{fit['rows']:,}<td>{percent(fit['expected'], 1)}<td{' class=moved' if off else ''}>{seen}"
