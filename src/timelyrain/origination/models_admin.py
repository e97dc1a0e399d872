"""Scoring models in the console: what they are worth, beside the one in force, what they read, and their cards."""

import re
from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.translation import get_language

from timelyrain import decisioning, drawing, risk
from timelyrain.origination import registry, releases, trials, trials_admin
from timelyrain.origination.models import ScoringModel
from timelyrain.origination.releases_admin import ACTS
from timelyrain.runtime import glossary
from timelyrain.runtime.admin import ReadOnlyAdmin
from timelyrain.runtime.glossary import label, value, words
from timelyrain.runtime.panels import Badge, Bar, Link, Panel, Table, Verdict, on_dashboard, on_page

for _word, _zh, _en in (
    ("seconded", "已由一人批准，仍需另一人", "approved by the first of two"),
    ("in force", "现行模型", "in force"),
    ("kept", "未提交", "never submitted"),
    ("anomaly", "异常评分模型", "model of oddness"),
):
    glossary.teach(_word, _zh, _en)

MEASURES = ("auc", "ks", "gini", "brier", "ece", "log_loss")
_NAMES = {
    "auc": "AUC",
    "ks": "KS",
    "gini": "Gini",
    "brier": "Brier",
    "ece": words("校准误差 ECE", "calibration error ECE"),
    "log_loss": words("对数损失", "log loss"),
}
_SCORES = {
    "fraud": words("欺诈评分", "fraud score"),
    "anomaly": words("异常评分", "score of oddness"),
    "loss given default": words("违约损失率 LGD", "loss given default"),
    "chance of prepayment in a month": words("提前还款", "prepayment"),
}
"""By the role or the outcome that a manifest names; PD where it names none."""
_MADE_OF = {
    "lightgbm": words("提升树", "boosted trees"),
    "scorecard": words("评分卡", "scorecard"),
    "blend": words("融合模型", "blend"),
    "ebm": words("可解释提升机 EBM", "explainable boosting"),
    "catboost": "CatBoost",
    "isolation forest": words("孤立森林", "isolation forest"),
}


def _sort_of(manifest: Mapping[str, Any]) -> str:
    """What a model says, and what it is made of; in the words of the reader."""
    says = manifest.get("role") or manifest.get("predicts")
    how = str(manifest.get("algorithm", ""))
    made_of = next((told for name, told in _MADE_OF.items() if how.startswith(name)), how)
    return " · ".join(filter(None, (str(_SCORES.get(str(says), words("违约概率 PD", "PD"))), str(made_of))))


@admin.register(ScoringModel)
class ScoringModelAdmin(ReadOnlyAdmin):
    title = words("评分模型", "Scoring models")
    columns = ("sha256", "kept_by", "kept_at")
    hidden = ("manifest",)
    ordering = ("-kept_at",)
    acts = (*ACTS, *trials_admin.ACTS)

    def get_list_display(self, request: HttpRequest) -> Any:
        name, *rest = super().get_list_display(request)
        return [name, "sort", *rest]

    @admin.display(description=label("kind"))
    def sort(self, row: ScoringModel) -> str:
        return _sort_of(row.manifest)

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(self.card_view)
        return [
            path("<slug:sha256>/card.<slug:kind>", view, name="origination_model_card"),
            *super().get_urls(),
        ]

    def card_view(self, request: HttpRequest, sha256: str, kind: str) -> HttpResponse:
        """The model card, drawn from the manifest. Its texts came with a file: it runs in a sandbox without an origin."""
        row = self.get_object(request, sha256)
        if row is None or not self.has_view_permission(request, row) or "card" not in row.manifest:
            raise PermissionDenied
        manifest = risk.card_of(row.manifest)
        language = "zh" if get_language() == "zh-hans" else "en"
        if kind == "pdf":
            return HttpResponse(risk.card_pdf(manifest, language, drawing.cjk_font()), "application/pdf")
        answer = HttpResponse(risk.card_html(manifest, language))
        answer["Content-Security-Policy"] = (
            "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            "img-src data:; font-src data:"
        )
        return answer


class CardLink(Link):
    """The model card as a page."""

    @property
    def url(self) -> str:
        return reverse("admin:origination_model_card", args=[self.id, "html"])


# -- the page of a model


@on_page("origination.scoringmodel", "origination.view_scoringmodel", order=2)
def _worth(request: HttpRequest, row: ScoringModel) -> Panel:
    """What it is worth on rows it was not fitted to, and whether its file is the one that was submitted."""
    problem = _unusable(row)
    metrics = row.manifest.get("metrics", {}).get("test", {})
    training: Any = row.manifest.get("training", {})
    split = row.manifest.get("split", {})
    facts = [
        ("kind", _sort_of(row.manifest)),
        (str(words("算法", "algorithm")), row.manifest.get("algorithm")),
        (str(words("特征数", "features")), len(row.manifest.get("features", []))),
        (str(words("训练行数", "rows")), training.get("rows") or sum(split.values()) or None),
    ]
    told = _share(metrics.get("auc")), _share(metrics.get("ks"))
    return Panel(
        words("模型", "The model"),
        verdict=Verdict(False, problem)
        if problem
        else Verdict(True, words("文件与登记的指纹一致", "The file is the one that was registered")),
        facts=[*facts, *((str(_NAMES[m]), _number(metrics[m])) for m in MEASURES if m in metrics)],
        bars=[
            Bar(name, 1, text, part=part)
            for name, (part, text) in zip(("AUC", "KS"), told, strict=True)
            if part is not None
        ],
        more=CardLink("origination.scoringmodel", row.sha256, words("打开模型卡", "Open the model card"))
        if "card" in row.manifest
        else None,
    )


def _share(found: float | None) -> tuple[float | None, str]:
    return found, "" if found is None else f"{found:.4f}"


def _number(found: Any) -> str:
    return f"{found:.4f}" if isinstance(found, float) else str(found)


def _unusable(row: ScoringModel) -> str:
    """What is wrong with the file or with what is told of it; empty where nothing is."""
    try:
        found = registry.load_model(row.sha256)
    except risk.ModelRefused as refused:
        return str(refused)
    reports: list[Any] = [step.report for step in releases.steps(row.kind, row.sha256)]
    told = [report["manifest_sha256"] for report in reports if "manifest_sha256" in report]
    here = {registry.manifest_sha256(manifest) for manifest in (row.manifest, found.manifest)}
    if told and here != {told[-1]}:
        return str(words("模型说明与提交时不同", "the manifest is not the one that was submitted"))
    return ""


@on_page("origination.scoringmodel", "origination.view_scoringmodel", order=3)
def _against(request: HttpRequest, row: ScoringModel) -> Panel | None:
    """Beside the model in force: on the same rows where the training looked at both, else as each was measured."""
    reports: list[Any] = [s.report for s in releases.steps(row.kind, row.sha256) if s.report]
    compared = reports[-1].get("compared") if reports else None
    if compared and "in_force" in compared:
        gained, seen = compared["auc_gained"], compared["seen_by_in_force"]
        days = " – ".join(compared[key] for key in ("first_day", "last_day") if key in compared)
        flatters = (
            f"；现行模型学过其中 {seen:,} 份，对其有利",
            f"; the one then in force learnt from {seen:,} of them, which flatters it",
        )
        zh, en = flatters if seen else ("", "")
        note = words(
            f"同一批 {compared['rows']:,} 份决策（{days}），新模型未学过其中任何一份{zh}",
            f"The same {compared['rows']:,} decisions ({days}), none of which the new one learnt from{en}",
        )
        chance = gained["low"] <= 0 <= gained["high"]
        told = f"{gained['value']:+.4f} ({gained['low']:+.4f} … {gained['high']:+.4f})"
        return Panel(
            words("与当时现行模型比较", "Against the model then in force"),
            verdict=Verdict(
                gained["value"] >= 0,
                words(f"AUC 变化 {told}", f"AUC changes by {told}")
                if not chance
                else words(f"AUC 变化 {told}，在误差之内", f"AUC changes by {told}: within chance"),
            )
            if not seen
            else None,
            bars=_pair_bars(compared["new"], compared["in_force"]),
            table=_pair_table(compared["new"], compared["in_force"]),
            text=note,
            more=Link(
                "origination.scoringmodel",
                compared["in_force_sha256"],
                words("打开当时现行的模型", "Open that model"),
            ),
            wide=True,
        )
    active = registry.active_hashes().get(row.kind)
    other = ScoringModel.objects.filter(sha256=active).first() if active and active != row.sha256 else None
    if other is None:
        return None
    new, old = ({**m.manifest.get("metrics", {}).get("test", {})} for m in (row, other))
    return Panel(
        words("与现行模型比较", "Against the model in force"),
        bars=_pair_bars(new, old),
        table=_pair_table(new, old),
        text=words(
            "各自训练时在未学过的数据上所测，数据不同，仅供参考；用本平台决策重新训练可在同一批决策上比较。",
            "Each as it was measured when trained, on different rows: a hint only. Training anew on our decisions compares them "
            "on the same.",
        ),
        wide=True,
    )


def _pair_bars(new: Mapping[str, float], old: Mapping[str, float]) -> list[Bar]:
    sides = ((words("此模型", "this model"), new, "good"), (words("现行", "in force"), old, "plain"))
    return [
        Bar(
            words(f"{m.upper()} {side}", f"{m.upper()} {side}"),
            1,
            f"{found[m]:.4f}",
            part=found[m],
            tone=tone,
        )
        for m in ("auc", "ks")
        for side, found, tone in sides
        if m in found
    ]


def _pair_table(new: Mapping[str, float], old: Mapping[str, float]) -> Table:
    rows = [
        (_NAMES[m], _number(new[m]), _number(old[m]), f"{new[m] - old[m]:+.4f}")
        for m in MEASURES
        if m in new and m in old
    ]
    return Table(
        ("meaning", words("此模型", "this model"), words("现行", "in force"), words("差", "difference")), rows
    )


@on_page("origination.scoringmodel", "origination.view_scoringmodel", order=20)
def _features(request: HttpRequest, row: ScoringModel) -> Panel | None:
    """What it reads, in the words of the catalogue in force, by weight."""
    in_force = registry.active_hashes()
    if "policy" not in in_force:
        return None
    policy = registry.policy(in_force["policy"])
    names: list[str] = row.manifest.get("features", [])
    weights: Mapping[str, float] = row.manifest.get("training", {}).get("importance", {})
    signs: Mapping[str, int] = row.manifest.get("monotone", {})
    readable = registry.readable_by(row.kind, policy)
    lacking = [name for name in names if name not in readable]
    ordered = sorted(names, key=lambda name: (name in policy.features, -weights.get(name, 0.0), name))
    tones = {
        1: Badge(words("越高越险", "raises PD"), "bad"),
        -1: Badge(words("越高越稳", "lowers PD"), "good"),
    }
    return Panel(
        words(f"所读特征（{len(names)}）", f"Features it reads ({len(names)})"),
        verdict=Verdict(
            not lacking,
            words(
                f"{len(lacking)} 个特征现行规则没有，不能启用",
                f"The policy in force lacks {len(lacking)} of them: it cannot be activated",
            )
            if lacking
            else words("现行规则的特征目录全部具备", "The catalogue of the policy in force has all of them"),
        ),
        table=Table(
            ("name", "meaning", words("方向", "direction"), words("权重", "weight")),
            [
                (
                    name,
                    *_told(policy, name),
                    tones.get(signs.get(name, 0), ""),
                    f"{weights[name]:.1%}" if name in weights else "",
                )
                for name in ordered
            ],
        ),
        wide=True,
    )


def _told(policy: decisioning.Policy, name: str) -> tuple[Any]:
    if feature := policy.features.get(name):
        return (words(feature.zh, feature.en),)
    if found := _VELOCITY.fullmatch(name):
        (zh, en), days = _THINGS[found[1]], found[2]
        return (
            words(
                f"近{days}天与其{zh}相同的其他人数", f"other persons with the same {en} within {days} days"
            ),
        )
    return (Badge(words("目录中没有", "not in the catalogue"), "bad"),)


_THINGS = {
    "device": ("设备", "device"),
    "place": ("地点", "place"),
    "address": ("收货地址", "delivery address"),
    "employer": ("单位", "employer"),
    "phone": ("手机号", "phone"),
    "card": ("银行卡", "bank card"),
}
_VELOCITY = re.compile(rf"velocity_({'|'.join(_THINGS)})_people_(\d+)d")


@on_dashboard("origination.view_scoringmodel", order=31)
def _scoring() -> Panel | None:
    """Which models score now, and whether their files are the approved ones."""
    in_force = registry.active_hashes()
    running = [
        (kind, in_force[kind]) for kind in ("model", "challenger", "fraud", "anomaly") if kind in in_force
    ]
    running += [("shadow", digest) for digest in trials.shadows()]
    wrong: list[str] = []
    rows: list[tuple[Any, ...]] = []
    for kind, digest in running:
        row = ScoringModel.objects.filter(sha256=digest).first()
        problem = str(words("没有登记", "not registered")) if row is None else _unusable(row)
        wrong += [problem] if problem else []
        auc = row.manifest.get("metrics", {}).get("test", {}).get("auc") if row else None
        state = (
            Badge(words("文件不符", "file refused"), "bad")
            if problem
            else Badge(words("一致", "as approved"), "good")
        )
        rows.append((Link("origination.scoringmodel", digest, value(kind)), _share(auc)[1], state))
    if not running:
        return None
    return Panel(
        words("评分模型", "Scoring models"),
        verdict=Verdict(
            False,
            words(
                "模型文件与登记不符，申请暂停决策", "A model's file is refused: applications are not decided"
            ),
        )
        if wrong
        else None,
        table=Table(("kind", "AUC", "state"), rows),
        text="; ".join(wrong),
    )
