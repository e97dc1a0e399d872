"""A model card as one HTML page: pictures first, both languages, nothing loaded from anywhere."""
# ruff: noqa: E501  (sentences are kept whole)

from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

from timelyrain.drawing import SWITCH, Words, both, document, figure, percent

from . import pictures, words
from .pictures import KINDS, model_name

WORTH = (
    ("auc", "AUC"),
    ("gini", "Gini"),
    ("ks", "KS"),
    ("brier", "Brier"),
    ("ece", "ECE"),
    ("log_loss", "log loss"),
)
EFFECT: Words = ("条：实际坏账率；空心点：平均 PD；红线：其余不变、只改这一项时的 PD。", "Bars: bad rate seen; rings: mean PD; red: PD were only this one changed.")  # fmt: skip


def html(manifest: Mapping[str, Any], language: str = "") -> str:
    """The page. manifest: of a model that was trained with a card. language: zh or en; empty: the reader's own."""
    report, found, sha256 = manifest["training"], manifest["card"], manifest["sha256"]
    title = f"{report['file']['name']} · {sha256[:12]}"
    said = list(words.cautions(report, found))
    kind = found["periods"]["kind"]
    body = [
        f"<header><div><h1>{both('模型卡', 'Model card')}</h1><p class=small>{escape(title)} · {both(*model_name(report['chosen_model']))}</p></div>{SWITCH}</header>",
        _headline(report, found),
        f"<ul class=cautions>{''.join(f'<li>{both(*line)}</li>' for line in said)}</ul>" if said else "",
        "<main>",
        figure(("ROC 曲线", "ROC"), pictures.roc(found), others(report)),
        figure(("KS 曲线", "KS"), pictures.ks(found), ("两条线之间最大的距离。", "The greatest distance between the lines.")),
        figure(("增益", "Gains"), pictures.gains(found), ("拒绝风险最高的一部分，能避开多少坏客户；虚线为随机。", "How many of the bad are avoided by refusing the riskiest; dashed: at random.")),
        figure(("校准", "Calibration"), pictures.calibration(found), (f"十等分，竖线为 95% 区间（Wilson）；校准误差 {percent(found['calibration']['ece'], 2)}。", f"Tenths with 95 % intervals (Wilson); calibration error {percent(found['calibration']['ece'], 2)}.")),
        figure(("提升度", "Lift"), pictures.lift(found), ("各十分位坏账率与平均之比。", "Bad rate of each tenth over the mean.")),
        figure(("评分分布与坏账率", "Scores and bad rate"), pictures.bands(found), scaling(found)),
        figure(("评分段", "Score bands"), _bands(found), ("通过与坏账列：若在该段下限处切分。", "Last columns: who is approved, and how many of them are bad, when the cut is at the lower end."), "wide"),
        "<div class=flow>",
        figure(("稳定性", "Stability"), pictures.periods(found), (f"按{KINDS[kind][0]}；虚线为 PSI {pictures.PSI_BAD}，相对全部检验样本。", f"By {KINDS[kind][1]}; dashed: a PSI of {pictures.PSI_BAD}, against all rows tested.")) if kind != "none" else "",
        *(figure((f"公平：{name}", f"Fairness by {name}"), pictures.groups(name, rows), (f"切分为放行 PD 最低的 {percent(found['approved'])}；虚线为最高通过率的五分之四，低于它为红；空心点不足 {30} 人。", f"Cut: the {percent(found['approved'])} with the lowest PD; dashed: four fifths of the highest, red below it; hollow: under {30} people."))
          for name, rows in found["groups"].items()),
        *(figure(effect_title(one), pictures.effect(one), EFFECT if i == 0 else None)
          for i, one in enumerate(found["effects"])),
        figure(("泄漏警报", "Leak alarm"), _leaks(report)),
        figure(("原因的准确性", "How true the reasons are"), f"<p>{both(*words.reasons(manifest.get('reasons')))}</p>"),
        "</div>",
        figure(("各模型", "The models"), _worth(report), ("括号内为 95% 区间（自助法 200 次）。", "In brackets: 95 % intervals of 200 bootstrap draws."), "wide"),
        figure(("限制：不得用于", "Limits: not to be used"), f"<ul>{''.join(f'<li>{both(*line)}</li>' for line in words.LIMITS)}</ul>", None, "wide"),
        figure(("来源与重做", "Where it comes from, and how to make it again"), _facts(report, sha256), None, "wide"),
        "</main>",
    ]  # fmt: skip
    return document(title, "".join(body), _css(), language)


def _headline(report: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    worth = report["models"][report["chosen_model"]]

    def one(name: Words, value: str, note: Words) -> str:
        return f"<section class=card><h3>{both(*name)}</h3><p class=large>{value}</p><p class=small>{both(*note)}</p></section>"

    def between(key: str, digits: int = 3) -> Words:
        text = f"{worth[key]['low']:.{digits}f} – {worth[key]['high']:.{digits}f}"
        return text, text

    rows = f"{report['rows']:,}"
    return (
        "<div class=cards>"
        + one(("AUC", "AUC"), f"{worth['auc']['value']:.3f}", between("auc"))
        + one(("KS", "KS"), f"{worth['ks']['value']:.3f}", between("ks"))
        + one(("校准误差", "calibration error"), percent(worth["ece"]["value"], 2), ("预测与实际的平均差距", "mean distance of told and seen"))
        + one(("坏样本率", "bad rate"), percent(report["bad_rate"], 1), (f"{rows} 行", f"{rows} rows"))
        + one(("检验", "tested"), both(*words.SPLITS.get(report["split"]["kind"], ("", ""))), (f"{found['rows']:,} 行，模型未见过", f"{found['rows']:,} rows it had not seen"))
        + "</div>"
    )  # fmt: skip


def others(report: Mapping[str, Any]) -> Words:
    told = [(model_name(name), f"{found['auc']['value']:.3f}") for name, found in report["models"].items()]
    return "；".join(f"{zh} {value}" for (zh, _), value in told), "; ".join(
        f"{en} {value}" for (_, en), value in told
    )


def scaling(found: Mapping[str, Any]) -> Words:
    s = found["scaling"]
    return (
        f"{s['base_score']:g} 分对应好坏比 {s['base_odds']:g}:1，每 {s['pdo']:g} 分翻倍。红线：坏账率。",
        f"{s['base_score']:g} points are odds of {s['base_odds']:g} to 1; {s['pdo']:g} more double them. Red: bad rate.",
    )


def effect_title(one: Mapping[str, Any]) -> Words:
    zh, en = {1: ("↗ 单调升", "↗ rising"), -1: ("↘ 单调降", "↘ falling"), 0: ("", "")}[one["direction"]]
    told = f"{one['name']} · {percent(one['weight'])} · IV {one['iv']:.2f} "
    return told + zh, told + en


def table(heads: Iterable[Words], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{both(*words)}</th>" for words in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{cell}</td>' if i else f'<th>{cell}</th>' for i, cell in enumerate(row))}</tr>"
        for row in rows
    )
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"


BAND_HEADS: tuple[Words, ...] = (
    ("评分", "score"), ("人数", "rows"), ("占比", "share"), ("坏账率", "bad rate"), ("95% 区间", "95 %"), ("好坏比", "odds"), ("平均 PD", "mean PD"),
    ("通过率", "approved"), ("其中坏账", "of them bad"),
)  # fmt: skip


def band_cells(found: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            _range(row), f"{row['rows']:,}", percent(row["rows"] / found["rows"], 1), percent(row["seen"], 2),
            f"{percent(row['low'], 1)} – {percent(row['high'], 1)}", "—" if row["odds"] is None else f"{row['odds']:.1f}",
            percent(row["mean_pd"], 2), percent(row["approved"], 1), percent(row["approved_bad"], 2),
        ]
        for row in found["bands"]
    ]  # fmt: skip


def _range(row: Mapping[str, Any]) -> str:
    if row["from"] is None:
        return f"< {row['to']:g}" if row["to"] is not None else "—"
    return f"≥ {row['from']:g}" if row["to"] is None else f"{row['from']:g} – {row['to']:g}"


def _bands(found: Mapping[str, Any]) -> str:
    return table(BAND_HEADS, ([escape(cell) for cell in row] for row in band_cells(found)))


def worth_cells(report: Mapping[str, Any]) -> list[tuple[Words, list[str]]]:
    return [
        (model_name(name), [f"{found[key]['value']:.4f} ({found[key]['low']:.4f} – {found[key]['high']:.4f})" for key, _ in WORTH])
        for name, found in report["models"].items()
    ]  # fmt: skip


def _worth(report: Mapping[str, Any]) -> str:
    heads = [("模型", "model"), *((name, name) for _, name in WORTH)]
    return table(heads, ([both(*name), *cells] for name, cells in worth_cells(report)))


LEAK_HEADS: tuple[Words, ...] = (("列", "column"), ("发现", "finding"), ("AUC", "AUC"), ("处理", "done"))
NO_LEAKS: Words = ("没有发现。", "Nothing was found.")


def leak_cells(report: Mapping[str, Any]) -> list[tuple[str, Words, str, Words]]:
    return [
        (f["column"], words.LEAKS.get(f["kind"], (f["kind"], f["kind"])), "—" if f["value"] is None else f"{f['value']:.3f}",
         ("保留", "kept") if f["column"] in report["features_used"] else ("已排除", "left out"))
        for f in report["leak_findings"]
    ]  # fmt: skip


def _leaks(report: Mapping[str, Any]) -> str:
    rows = [[escape(name), both(*what), value, both(*done)] for name, what, value, done in leak_cells(report)]
    return table(LEAK_HEADS, rows) if rows else f"<p>{both(*NO_LEAKS)}</p>"


def _facts(report: Mapping[str, Any], sha256: str) -> str:
    rows = "".join(
        f"<tr><th>{both(*name)}</th><td>{escape(value) if isinstance(value, str) else both(*value)}</td></tr>"
        for name, value in words.facts(report, sha256)
    )
    return f"<table class=hashes>{rows}</table><pre>{escape(words.command(report))}</pre>"


def _css() -> str:
    return files(__package__ or "").joinpath("card.css").read_text(encoding="utf-8")
