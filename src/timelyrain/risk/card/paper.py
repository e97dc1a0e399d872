"""A model card as a PDF, in one language: what the page shows, set by typst."""
# ruff: noqa: E501  (sentences are kept whole)

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import typst

from timelyrain.drawing import FontSet, Words, cjk_font, percent, still

from . import page, pictures, words
from .pictures import KINDS, model_name

_INK = """
text{fill:#22303a;font-size:13px;font-family:"%s"} .small{fill:#65737e;font-size:12px} .strong{font-weight:700}
.line{stroke:#dfe5e9} path{fill:none} .curve{stroke-width:2} .thin{stroke-width:1.6} .quiet{stroke:#65737e;stroke-width:1.2;opacity:.7}
.dashed{stroke-dasharray:5 4;stroke-width:1.3;stroke:#65737e} .whisker{stroke:#22303a;stroke-width:1.6}
path.of-a{stroke:#b4682f} path.of-b{stroke:#0b6e6e} path.of-bad{stroke:#b3261e} path.area{stroke:none;fill:#0b6e6e;opacity:.1}
text.of-a{fill:#b4682f} text.of-b{fill:#0b6e6e} text.of-bad{fill:#b3261e}
.fill-a{fill:#b4682f} .fill-b{fill:#0b6e6e} .fill-bad{fill:#b3261e} .hollow-a{fill:#fff;stroke:#b4682f} .hollow-b{fill:#fff;stroke:#0b6e6e} .pale{opacity:.35}
"""
"""page.css and card.css for paper: no variables, for what draws it knows none."""


def pdf(manifest: Mapping[str, Any], language: str, fonts: FontSet | None = None) -> bytes:
    """The PDF. manifest: of a model that was trained with a card. Raises RuntimeError where typst cannot set it."""
    fonts = fonts or cjk_font()
    data = _printed(manifest, language, _INK % (fonts.sans or "Libertinus Serif"))
    template = files(__package__ or "").joinpath("card.typ").read_bytes()
    inputs = {"data": json.dumps(data, ensure_ascii=False), "sans": fonts.sans}
    return typst.compile(template, format="pdf", sys_inputs=inputs, font_paths=fonts.fonts, timestamp=0)


def _printed(manifest: Mapping[str, Any], language: str, css: str) -> dict[str, Any]:
    report, found, sha256 = manifest["training"], manifest["card"], manifest["sha256"]
    worth = report["models"][report["chosen_model"]]
    kind = found["periods"]["kind"]

    def say(text: Words | str) -> str:
        return text if isinstance(text, str) else text[language == "en"]

    def drawn(title: Words | str, svg: str, note: Words | str = "") -> dict[str, str]:
        return {"title": say(title), "svg": still(svg, language, css), "note": say(note)}

    curves = [
        drawn(("ROC 曲线", "ROC"), pictures.roc(found), page.others(report)),
        drawn(("KS 曲线", "KS"), pictures.ks(found)),
        drawn(("增益", "Gains"), pictures.gains(found), ("拒绝风险最高的一部分，能避开多少坏客户。", "How many of the bad are avoided by refusing the riskiest.")),
        drawn(("校准", "Calibration"), pictures.calibration(found), (f"十等分，95% 区间；误差 {percent(found['calibration']['ece'], 2)}。", f"Tenths with 95 % intervals; error {percent(found['calibration']['ece'], 2)}.")),
        drawn(("提升度", "Lift"), pictures.lift(found)),
        drawn(("评分分布与坏账率", "Scores and bad rate"), pictures.bands(found), page.scaling(found)),
    ]  # fmt: skip
    people = [
        drawn((f"公平：{name}", f"Fairness by {name}"), pictures.groups(name, rows))
        for name, rows in found["groups"].items()
    ]
    if kind != "none":
        people.insert(
            0,
            drawn(
                ("稳定性", "Stability"),
                pictures.periods(found),
                (f"按{KINDS[kind][0]}。", f"By {KINDS[kind][1]}."),
            ),
        )
    effects = [drawn(page.effect_title(one), pictures.effect(one)) for one in found["effects"]]
    leaks = [[say(cell) for cell in row] for row in page.leak_cells(report)]

    def table(title: Words, heads: list[Words], rows: list[list[str]]) -> dict[str, Any]:
        return {"kind": "table", "title": say(title), "heads": [say(head) for head in heads], "rows": rows}

    parts: list[dict[str, Any]] = [
        {"kind": "pictures", "pictures": curves},
        table(("评分段", "Score bands"), list(page.BAND_HEADS), page.band_cells(found)),
        {"kind": "pictures", "pictures": people},
        {"kind": "text", "title": say(("最重要的特征", "What weighs most")), "text": say(page.EFFECT)},
        {"kind": "pictures", "pictures": effects},
        table(("泄漏警报", "Leak alarm"), list(page.LEAK_HEADS), leaks)
        if leaks else {"kind": "text", "title": say(("泄漏警报", "Leak alarm")), "text": say(page.NO_LEAKS)},
        {"kind": "text", "title": say(("原因的准确性", "How true the reasons are")), "text": say(words.reasons(manifest.get("reasons")))},
        table(("各模型", "The models"), [("模型", "model"), *((name, name) for key, name in page.WORTH if key != "gini")],
              [[say(model_name(name)), *(f"{one[key]['value']:.4f}" for key, _ in page.WORTH if key != "gini")] for name, one in report["models"].items()]),
        {"kind": "list", "title": say(("限制：不得用于", "Limits: not to be used")), "rows": [say(line) for line in words.LIMITS]},
        {"kind": "facts", "title": say(("来源与重做", "Where it comes from, and how to make it again")), "rows": [[say(name), say(value)] for name, value in words.facts(report, sha256)]},
    ]  # fmt: skip
    return {
        "language": language,
        "title": f"{say(('模型卡', 'Model card'))} {sha256[:12]}",
        "heading": say(("模型卡", "Model card")),
        "subject": f"{report['file']['name']} · {sha256[:12]} · {say(model_name(report['chosen_model']))}",
        "headline": [
            [
                "AUC",
                f"{worth['auc']['value']:.3f}",
                f"{worth['auc']['low']:.3f} – {worth['auc']['high']:.3f}",
            ],
            ["KS", f"{worth['ks']['value']:.3f}", f"{worth['ks']['low']:.3f} – {worth['ks']['high']:.3f}"],
            [say(("校准误差", "calibration error")), percent(worth["ece"]["value"], 2), ""],
            [
                say(("坏样本率", "bad rate")),
                percent(report["bad_rate"], 1),
                f"{report['rows']:,} {say(('行', 'rows'))}",
            ],
        ],
        "cautions": [say(line) for line in words.cautions(report, found)],
        "parts": parts,
        "command": words.command(report),
    }
