"""What a model card says beside its pictures, in Chinese and English: cautions, limits, where it came from."""
# ruff: noqa: E501  (sentences are kept whole)

import re
from collections.abc import Iterator, Mapping
from typing import Any

from timelyrain.drawing import Words, percent

from .pictures import LEAST_RATIO, PSI_BAD, PSI_WARN, model_name

Report = Mapping[str, Any]
ECE_WARN = 0.01
FEW_BAD = 500

SPLITS: Mapping[str, Words] = {
    "time": ("按时间", "by time"), "folds": ("分层交叉验证", "stratified folds"), "holdout": ("留出五分之一", "a fifth held out"),
}  # fmt: skip
LEAKS: Mapping[str, Words] = {
    "power": ("单独即可高度预测结果", "tells the outcome by itself"),
    "missing": ("是否缺失即可预测结果", "whether it is missing tells the outcome"),
    "written": ("数值写法（整除）预测结果", "how its numbers are written tells the outcome"),
    "collapse": ("去掉它模型大幅变差", "without it the model falls by much"),
    "name": ("名称说的是放款之后的事", "its name speaks of what follows pay-out"),
}  # fmt: skip

LIMITS: tuple[Words, ...] = (
    ("只适用于与训练数据同类的申请人、产品和地区；被拒绝的人没有结果，对他们的预测是外推。", "For applicants, products and places like those of the data; nobody refused has an outcome, so for them it extrapolates."),
    ("不得用于决定就业、保险、住房或任何非信贷用途，不得用于催收强度或个人价格歧视。", "Not for work, insurance, housing or anything but credit; not for how hard to collect, nor to charge people by what they would bear."),
    ("性别、年龄、民族、婚姻等受保护属性不得作为输入；本卡按群体报告结果，名称未列出的替代变量无法发现。", "Sex, age, origin, marriage and other protected attributes may not be inputs; results are reported by group, but a stand-in under another name is not found."),
    ("法律要求人工复核时，模型只提供依据；被拒绝者有权得到主要原因和人工复核。", "Where the law asks for a person, the model only informs; whoever is refused has a right to the principal reasons and to a person."),
    (f"上线后每月检查：得分 PSI 超过 {PSI_WARN} 关注，超过 {PSI_BAD} 停用或重训；校准误差超过一个百分点应重新校准。", f"Once it decides, look every month: a PSI of scores over {PSI_WARN} is a warning, over {PSI_BAD} stop or train again; calibrate again when the error passes one point."),
)  # fmt: skip


def cautions(report: Report, figures: Mapping[str, Any]) -> Iterator[Words]:
    """What a reader must know before the pictures."""
    bad = round(report["rows"] * report["bad_rate"])
    if report["split"]["kind"] != "time":
        yield (
            "没有按时间检验：表现不能说明明天的申请人。有申请日期时请用 --time。",
            "Not tested by time: this says nothing of tomorrow's applicants. Give --time where there is a date.",
        )
    if bad < FEW_BAD:
        yield (
            f"只有 {bad:,} 个坏样本：区间很宽，小差别没有意义。",
            f"Only {bad:,} bad cases: intervals are wide and small differences mean nothing.",
        )
    if figures["calibration"]["ece"] > ECE_WARN:
        told = percent(figures["calibration"]["ece"], 1)
        yield (
            f"校准误差 {told}，超过 1%：直接用作概率前应重新校准。",
            f"The calibration error is {told}, over 1 %: calibrate again before PDs are used as probabilities.",
        )
    sure = [
        f["column"] for f in report["leak_findings"] if f["column"] in report["features_used"] and f["sure"]
    ]
    if sure:
        names = ", ".join(dict.fromkeys(sure))
        yield (
            f"泄漏警报指出的列仍在模型中：{names}。",
            f"In the model although the leak alarm names them: {names}.",
        )
    used = [name for name in report["protected"] if name in report["features_used"]]
    if used:
        yield f"使用了受保护属性：{', '.join(used)}。", f"Trained on protected attributes: {', '.join(used)}."
    for name, rows in figures["groups"].items():
        low = [row["group"] for row in rows if row["ratio"] is not None and row["ratio"] < LEAST_RATIO]
        if low:
            yield (
                f"按 {name} 看，{', '.join(low)} 的通过率低于最高群体的五分之四：请查明原因。",
                f"By {name}, {', '.join(low)} would be approved at under four fifths of the highest rate: find out why.",
            )
    shifts = [(row["psi"], row["name"]) for row in figures["periods"]["rows"] if row["psi"] is not None]
    if figures["periods"]["kind"] != "fold" and shifts and max(shifts)[0] > PSI_BAD:
        value, name = max(shifts)
        yield (
            f"{name} 的得分分布与其余时期差别很大（PSI {value:.2f}）。",
            f"Scores of {name} differ much from the rest (PSI {value:.2f}).",
        )
    if any("near-copy" in note for note in report["notes"]):
        yield "许多行几乎相同：交叉验证的结果偏乐观。", "Many rows are near-copies: results by folds flatter."


def facts(report: Report, sha256: str) -> list[tuple[Words, Words | str]]:
    """Where the model came from."""
    split, file = report["split"], report["file"]
    trained, tested = (sum(split[part]) for part in ("train", "test"))
    chosen = model_name(report["chosen_model"])
    data = f"{file['name']}, {report['rows']:,} × {file['columns']}"
    left = [c["name"] for c in report["columns"] if c["role"] not in ("feature", "label")]
    found: list[tuple[Words, Words | str]] = [
        (("数据", "data"), data),
        (("文件哈希", "hash of the file"), file["sha256"]),
        (("目标", "label"), f"{report['request']['label']} = {', '.join(report['request']['bad']) or '1'}"),
        (("坏样本率", "bad rate"), percent(report["bad_rate"], 2)),
        (
            ("检验方式", "how it was tested"),
            _split(split),
        ),
        (("训练 / 检验行数", "rows trained / tested"), f"{trained:,} / {tested:,}"),
        (("采用的模型", "chosen model"), chosen),
        (("特征数", "features"), str(len(report["features_used"]))),
        (("受保护列（只报告）", "protected, only reported"), ", ".join(report["protected"]) or "—"),
        (("未使用的列", "columns left out"), ", ".join(left[:30]) + (" …" if len(left) > 30 else "") or "—"),
        (("随机种子", "seed"), str(report["request"]["seed"])),
        (
            ("版本", "versions"),
            ", ".join(f"{name} {version}" for name, version in report["versions"].items()),
        ),
        (("模型哈希", "hash of the model"), sha256),
    ]
    return found


def _split(split: Mapping[str, Any]) -> Words:
    """The sentence of the report, in Chinese too."""
    day = re.search(r"\d{4}-\d{2}-\d{2}", split["sentence"])
    gap = re.search(r"gap of ([\d.]+) months", split["sentence"])
    if split["kind"] == "time" and day:
        left_out = f"，其间空出 {gap[1]} 个月" if gap else ""
        return f"用 {day[0]} 之前的训练，其后的检验{left_out}", split["sentence"]
    return SPLITS.get(split["kind"], ("", ""))[0], split["sentence"]


def reasons(found: Mapping[str, Any] | None) -> Words:
    """How far the fast reasons agree with the exact ones, and which are told."""
    if not found:
        return "未比较；通知使用精确归因。", "Not compared; notices take the exact attribution."
    used = {"path": ("路径归因", "the path's"), "exact": ("精确归因（Shapley）", "the exact one (Shapley)")}[
        found["used"]
    ]
    top1, top4 = percent(found["top1"], 1), percent(found["top4"], 1)
    return (
        f"{found['rows']:,} 行中，快速路径归因与精确 Shapley 值的首要原因一致 {top1}，四项主要原因重合 {top4}，秩相关 {found['rank']:.3f}；低于 {percent(found['threshold'])} 时通知改用精确归因。本模型的通知使用：{used[0]}。",
        f"On {found['rows']:,} rows the fast path attribution names the same first reason as exact Shapley values in {top1}, shares {top4} of the four principal ones, rank correlation {found['rank']:.3f}; under {percent(found['threshold'])} notices take the exact one. Notices of this model take {used[1]}.",
    )


def command(report: Report) -> str:
    """The command that makes the model again."""
    asked = report["request"]
    words = ["timelyrain risk train", report["file"]["name"], f"--label {_quoted(asked['label'])}"]
    for option in ("bad", "good", "id", "ratio"):
        words += [
            f"--{option} {_quoted(value)}"
            for value in asked.get("ids" if option == "id" else "ratios" if option == "ratio" else option, ())
        ]
    for option, key in (("time", "time"), ("split-at", "split_at")):
        words += [f"--{option} {_quoted(asked[key])}"] if asked.get(key) else []
    for option in ("exclude", "keep"):
        words += [f"--{option} {' '.join(_quoted(v) for v in asked[option])}"] if asked[option] else []
    if asked["split"] != "auto":
        words.append(f"--split {asked['split']}")
    if asked["gap_months"]:
        words.append(f"--gap-months {asked['gap_months']:g}")
    if asked["monotone"] != "auto":
        words.append(f"--monotone {asked['monotone'] if isinstance(asked['monotone'], str) else 'FILE'}")
    if asked["use_protected"]:
        words.append("--use-protected")
    if asked.get("bins"):
        words.append("--bins card.json")
    return " ".join([*words, f"--seed {asked['seed']}"])


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text or not text.isascii() else text
