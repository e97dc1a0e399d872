"""Challengers, shadows and retraining in the console: what may be begun and ended, and what came of it."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from timelyrain.origination import registry, releases, retraining, trials
from timelyrain.origination.models import (
    BacktestState,
    ModelTrial,
    ReleaseAct,
    ReleaseKind,
    Retraining,
    ScoringModel,
    ShadowScore,
    TrialKind,
)
from timelyrain.origination.releases_admin import APPROVE, SUBMIT
from timelyrain.runtime import glossary
from timelyrain.runtime.admin import Act, ReadOnlyAdmin
from timelyrain.runtime.glossary import value, words
from timelyrain.runtime.panels import Bar, Link, Panel, Table, Verdict, on_page
from timelyrain.runtime.problems import Invalid

glossary.teach("challenger", "挑战模型", "challenger")
glossary.teach("shadow", "影子模型", "shadow")


def _who(request: HttpRequest) -> str:
    return request.user.get_username()


# -- what may be done


def _in_trial(kind: TrialKind) -> Any:
    return lambda row: ModelTrial.objects.filter(model_sha256=row.sha256, kind=kind, ended_at=None).exists()


def _of_pd(row: ScoringModel) -> bool:
    return row.kind == ReleaseKind.MODEL


def _in_force(row: ScoringModel) -> bool:
    return registry.active_hashes().get(row.kind) == row.sha256


def _approved(row: ScoringModel) -> bool:
    found = releases.steps(row.kind, row.sha256)
    return bool(found) and found[-1].act in (ReleaseAct.APPROVED, ReleaseAct.ACTIVATED)


def _challenge(request: HttpRequest, row: ScoringModel) -> Any:
    text = request.POST.get("text", "").strip().removesuffix("%").strip()
    try:
        share = int(Decimal(text) * 10_000)
    except (InvalidOperation, ValueError):
        raise Invalid(
            str(words(f"{text!r} 不是比例。", f"{text!r} is no share.")),
            field="text",
            remedy=str(words("请写百分数，例如 10。", "Write a percentage such as 10.")),
        ) from None
    trials.challenge(row.sha256, share, _who(request))
    return words(f"自现在起由其评分 {text}% 的申请人。", f"From now on it scores {text} % of the applicants.")


def _shadow(request: HttpRequest, row: ScoringModel) -> Any:
    trials.shadow(row.sha256, _who(request))
    return words("已开始影子评分。", "It scores in the shadow from now on.")


def _ender(kind: TrialKind) -> Any:
    def end(request: HttpRequest, row: ScoringModel) -> Any:
        trials.end(row.sha256, kind, _who(request))
        return words(
            "已结束，已有的结果仍可查看。", "It has ended; what it decided or said can still be read."
        )

    return end


def _retrain(request: HttpRequest, row: ScoringModel) -> Any:
    asked = retraining.ask(_who(request))
    return Panel(
        words("已安排重新训练", "A training is asked for"),
        more=Link("origination.retraining", asked, words("查看进度", "Watch it")),
    )


ACTS = (
    Act(
        "shadow",
        words("影子评分", "Score in the shadow"),
        SUBMIT,
        _shadow,
        ask=words(
            "此后每件申请在答复之后再按此模型评分一次，只作比较，不影响任何人。",
            "Every application is scored once more by this model after its answer has gone out: compared, never applied.",
        ),
        offered=lambda row: _of_pd(row) and not _in_force(row) and not _in_trial(TrialKind.SHADOW)(row),
    ),
    Act(
        "end-shadow",
        words("结束影子评分", "End the shadow"),
        SUBMIT,
        _ender(TrialKind.SHADOW),
        ask=words("不再评分新的申请。", "New applications are scored no more."),
        offered=_in_trial(TrialKind.SHADOW),
    ),
    Act(
        "challenge",
        words("作为挑战模型", "Let it challenge"),
        APPROVE,
        _challenge,
        ask=words(
            "所写比例的申请人由此模型评分并据以决策；同一申请人始终归于同一模型，每份决策记有所用模型。",
            "That share of the applicants is scored and decided on with this model; one person always by the same, and each "
            "decision names its model.",
        ),
        writes=words("申请人比例（%），至多 50", "Share of the applicants in %, at most 50"),
        begins=lambda row: "10",
        offered=lambda row: (
            _of_pd(row) and _approved(row) and not _in_force(row) and not _in_trial(TrialKind.CHALLENGER)(row)
        ),
    ),
    Act(
        "end-challenge",
        words("结束挑战", "End the challenge"),
        APPROVE,
        _ender(TrialKind.CHALLENGER),
        ask=words(
            "自现在起全部申请人由现行模型评分。", "From now on the model in force scores all applicants."
        ),
        offered=_in_trial(TrialKind.CHALLENGER),
    ),
    Act(
        "retrain",
        words("用本平台决策重新训练", "Train anew on our decisions"),
        SUBMIT,
        _retrain,
        ask=words(
            "按现行模型的做法，用至今结果已知的决策重新训练，与现行模型比较后提交，等待另一人批准。",
            "By the recipe of the model in force, on all decisions whose outcome is known, compared with it and submitted: "
            "somebody else has to approve it.",
        ),
        offered=lambda row: _of_pd(row) and _in_force(row),
    ),
)


@on_page("origination.scoringmodel", "origination.view_scoringmodel", order=8)
def _trials(request: HttpRequest, row: ScoringModel) -> Panel | None:
    found = list(ModelTrial.objects.filter(model_sha256=row.sha256).order_by("begun_at"))
    if not found:
        return None
    scored, shadowed = trials.decided(row.sha256), trials.shadowed(row.sha256)
    n = sum(shadowed.values())
    same = sum(k for (real, other), k in shadowed.items() if real == other)
    return Panel(
        words("挑战与影子", "Challenges and shadows"),
        verdict=Verdict(
            same == n,
            words(f"影子：{n:,} 件中 {same:,} 件结果一致", f"Shadow: {same:,} of {n:,} come out the same"),
        )
        if n
        else None,
        bars=[
            Bar(
                words(f"已决策 {value(o)}", f"decided {value(o)}"), k, f"{k:,}", part=k, tone=glossary.tone(o)
            )
            for o, k in scored.items()
        ]
        + [
            Bar(
                f"{value(real)} → {value(other)}",
                k,
                f"{k:,} · {k / n:.1%}",
                part=k,
                tone="good" if real == other else "wait",
            )
            for (real, other), k in sorted(shadowed.items(), key=lambda one: -one[1])
        ],
        table=Table.of(("kind", "share_ppm", "by", "begun_at", "ended_by", "ended_at"), found),
        wide=True,
    )


# -- records


@admin.register(Retraining)
class RetrainingAdmin(ReadOnlyAdmin):
    title = words("重新训练", "Retraining")
    columns = ("id", "state", "asked_by", "asked_at", "finished_at", "model_sha256")
    filters = ("state",)
    links = {"model_sha256": "origination.scoringmodel"}
    ordering = ("-asked_at",)


@on_page("origination.retraining", "origination.view_retraining", order=5)
def _came_of_it(request: HttpRequest, row: Retraining) -> Panel:
    title = words("结果", "What came of it")
    if row.state == BacktestState.FAILED:
        return Panel(title, verdict=Verdict(False, row.last_error))
    if row.state != BacktestState.DONE:
        return Panel(title, text=row.stage or words("等待计算", "It waits for the worker"))
    return Panel(
        title,
        verdict=Verdict(True, words("已提交，等待另一人批准", "Submitted: somebody else has to approve it")),
        more=Link("origination.scoringmodel", row.model_sha256, words("打开模型", "Open the model")),
    )


@admin.register(ModelTrial)
class ModelTrialAdmin(ReadOnlyAdmin):
    title = words("挑战与影子模型", "Challengers and shadow models")
    columns = ("id", "kind", "model_sha256", "share_ppm", "by", "begun_at", "ended_at")
    filters = ("kind",)
    links = {"model_sha256": "origination.scoringmodel"}
    ordering = ("-begun_at",)


@admin.register(ShadowScore)
class ShadowScoreAdmin(ReadOnlyAdmin):
    title = words("影子评分", "Shadow scores")
    columns = ("id", "model_sha256", "outcome", "agrees", "pd_ppm", "decided_pd_ppm", "at")
    filters = ("outcome", "agrees")
    links = {"model_sha256": "origination.scoringmodel", "decision_id": "origination.decisionrecord"}
