"""Versions of policies and models in the console: what one rests on, who let it decide, and what waits."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from timelyrain.origination import registry, releases
from timelyrain.origination.models import (
    PolicyVersion,
    ReleaseAct,
    ReleaseKind,
    ReleaseStep,
    ScoringModel,
)
from timelyrain.runtime import clock, glossary
from timelyrain.runtime.admin import Act, ReadOnlyAdmin
from timelyrain.runtime.glossary import value, words
from timelyrain.runtime.panels import Badge, Bar, Link, Panel, Step, Table, Verdict, on_dashboard, on_page
from timelyrain.runtime.problems import Invalid

SUBMIT, APPROVE = "origination.add_releasestep", "origination.change_releasestep"
_TONES = {
    ReleaseAct.SUBMITTED: "wait",
    ReleaseAct.SECONDED: "wait",
    ReleaseAct.APPROVED: "good",
    ReleaseAct.REJECTED: "bad",
    ReleaseAct.ACTIVATED: "good",
}
glossary.teach("submitted", "待批准", "waits for approval")
glossary.teach("approved_by", "批准人", "approved by")
glossary.teach("policy", "决策规则", "decision policy")
glossary.teach("model", "评分模型", "scoring model")
glossary.teach("activated", "已启用", "activated")
glossary.teach("rejected", "已驳回", "rejected")


def who(request: HttpRequest) -> str:
    return request.user.get_username()


def written(request: HttpRequest) -> str:
    return request.POST.get("text", "")


# -- the acts on a version, the same for policies and models


def _kind(row: PolicyVersion | ScoringModel) -> ReleaseKind:
    return ReleaseKind.POLICY if isinstance(row, PolicyVersion) else row.kind


def _last(row: PolicyVersion | ScoringModel) -> str:
    found = releases.steps(_kind(row), row.sha256)
    return found[-1].act if found else ""


def _approve(request: HttpRequest, row: PolicyVersion | ScoringModel) -> Any:
    if releases.approve(_kind(row), row.sha256, who(request), written(request)) == ReleaseAct.SECONDED:
        return words(
            "已由第一人批准；由定时任务提交的版本仍需另一人批准。",
            "Approved by the first of two: what the schedule has submitted needs one person more.",
        )
    return words("已批准。尚未启用。", "Approved. It does not decide yet: activate it.")


def _reject(request: HttpRequest, row: PolicyVersion | ScoringModel) -> Any:
    releases.reject(_kind(row), row.sha256, who(request), written(request))
    return words("已驳回。", "Rejected.")


def _activate(request: HttpRequest, row: PolicyVersion | ScoringModel) -> Any:
    at = releases.activate(_kind(row), row.sha256, who(request), _moment(written(request)))
    local = f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"
    return words(f"自 {local} 起生效。", f"It decides from {local} on.")


def _roll_back(request: HttpRequest, row: PolicyVersion | ScoringModel) -> Any:
    digest = releases.roll_back(_kind(row), who(request), written(request))
    return words(f"已回退，现在由 {digest[:12]} 决策。", f"Rolled back: {digest[:12]} decides now.")


def _moment(text: str) -> datetime | None:
    """'now' or a local date and time."""
    if text.strip().lower() in {"", "now", "立即"}:
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        return at if at.tzinfo else timezone.make_aware(at)
    except ValueError:
        raise Invalid(
            str(words(f"{text!r} 不是时间。", f"{text!r} is not a moment.")),
            field="text",
            remedy=str(
                words(
                    "请写 now，或 2026-12-01 00:00 这样的时间。",
                    "Write now, or a time such as 2026-12-01 00:00.",
                )
            ),
        ) from None


ACTS = (
    Act(
        "approve",
        words("批准", "Approve"),
        APPROVE,
        _approve,
        ask=words(
            "批准后即可启用。提交人不能批准自己提交的版本。",
            "Once approved it may be activated. Nobody approves what they submitted.",
        ),
        writes=words("批准意见", "Why it is approved"),
        offered=lambda row: _last(row) in (ReleaseAct.SUBMITTED, ReleaseAct.SECONDED),
    ),
    Act(
        "activate",
        words("启用", "Activate"),
        APPROVE,
        _activate,
        ask=words(
            "自该时刻起，所有新申请按此版本决策。", "From that moment on new applications are decided by it."
        ),
        writes=words("生效时刻（now 或如 2026-12-01 00:00）", "From when (now, or such as 2026-12-01 00:00)"),
        begins=lambda row: "now",
        offered=lambda row: (
            _last(row) in (ReleaseAct.APPROVED, ReleaseAct.ACTIVATED)
            and registry.active_hashes().get(_kind(row)) != row.sha256
        ),
    ),
    Act(
        "roll_back",
        words("回退到上一版本", "Roll back"),
        APPROVE,
        _roll_back,
        ask=words(
            "立即恢复之前生效的版本；此版本仍为已批准，可再次启用。",
            "What decided before this one decides again from now on. This one stays approved and may be activated again.",
        ),
        writes=words("原因", "Why"),
        offered=lambda row: (
            registry.active_hashes().get(_kind(row)) == row.sha256
            and releases.before_present(_kind(row)) is not None
        ),
    ),
    Act(
        "reject",
        words("驳回或撤回", "Reject or take back"),
        APPROVE,
        _reject,
        ask=words(
            "驳回待批准的版本；撤回已启用的版本后，恢复之前生效的版本。",
            "Refuses a version that waits; taking back one that decides lets the one before it decide again.",
        ),
        writes=words("原因", "Why"),
        offered=lambda row: _last(row) not in ("", ReleaseAct.REJECTED),
    ),
)


def _begin_draft(request: HttpRequest, row: PolicyVersion) -> Any:
    draft = releases.begin_draft(written(request), row.source, who(request))
    return Panel(
        words("草稿已建立", "A draft is begun"),
        more=Link("origination.policydraft", draft, words("打开草稿", "Open the draft")),
    )


@admin.register(PolicyVersion)
class PolicyVersionAdmin(ReadOnlyAdmin):
    title = words("规则版本", "Policy versions")
    columns = ("sha256", "name", "kept_by", "kept_at")
    hidden = ("source",)
    ordering = ("-kept_at",)
    acts = (
        Act(
            "draft",
            words("以此起草", "Begin a draft from this"),
            SUBMIT,
            _begin_draft,
            ask=words("以此版本的原文建立一份草稿。", "A draft begins with the text of this version."),
            writes=words("草稿名称", "Title of the draft"),
        ),
        *ACTS,
    )


def _standing(last: ReleaseStep, decides: bool) -> Verdict:
    if decides:
        return Verdict(True, words("现在由此版本决策", "This version decides now"))
    if last.act in (ReleaseAct.SUBMITTED, ReleaseAct.SECONDED):
        said = words(
            "等待另一人批准；现在不参与决策", "Waits for somebody else's approval; it decides nothing"
        )
    elif last.act == ReleaseAct.REJECTED:
        said = words("已驳回或撤回，不参与决策", "Rejected or taken back: it decides nothing")
    elif last.effective_at and last.effective_at > clock.now():
        local = f"{timezone.localtime(last.effective_at):%Y-%m-%d %H:%M:%S}"
        said = words(f"自 {local} 起由此版本决策", f"It will decide from {local} on")
    else:
        said = words("已批准，现在不参与决策", "Approved; it decides nothing now")
    return Verdict(False, said)


def _life(request: HttpRequest, row: PolicyVersion | ScoringModel) -> Panel:
    kind = _kind(row)
    found = releases.steps(kind, row.sha256)
    decides = registry.active_hashes().get(kind) == row.sha256
    # Who lays a back-test beside a submission says it again with the report.
    named = [
        words("附上回测", "back-test attached")
        if n and found[n - 1].act == s.act == ReleaseAct.SUBMITTED
        else value(s.act)
        for n, s in enumerate(found)
    ]
    title = words("审批与启用", "Approval and activation")
    if not found:
        return Panel(title, text=words("尚未提交批准，不参与决策。", "Never submitted: it decides nothing."))
    return Panel(
        title,
        verdict=_standing(found[-1], decides),
        steps=[Step(name, _TONES[ReleaseAct(s.act)], s.by) for name, s in zip(named, found, strict=True)],
        table=Table(
            ("act", "by", "at", "effective_at", "note"),
            [
                (Badge(name, _TONES[ReleaseAct(s.act)]), s.by, s.at, s.effective_at, s.note)
                for name, s in zip(named, found, strict=True)
            ],
        ),
        wide=True,
    )


on_page("origination.policyversion", "origination.view_policyversion", order=5)(_life)
on_page("origination.scoringmodel", "origination.view_scoringmodel", order=5)(_life)


@on_page("origination.policyversion", "origination.view_policyversion", order=6)
def _rests_on(request: HttpRequest, policy: PolicyVersion) -> Panel | None:
    """What the people who approved it had before them."""
    reports: list[Any] = [s.report for s in releases.steps(ReleaseKind.POLICY, policy.sha256) if s.report]
    if not reports:
        return None
    report = reports[-1]
    back = report.get("backtest") or {}
    facts: list[tuple[str, Any]] = [("cases", report["cases"])]
    if back:
        facts += [(name, back[name]) for name in ("applications", "known", "expected_difference_fen")]
    return Panel(
        words("提交时的依据", "What it rested on when submitted"),
        facts=facts,
        bars=[
            _share(words(f"{zh} {side.upper()}", f"{en} {side.upper()}"), back[f"{measure}_{side}"], tone)
            for measure, zh, en, tone in _MEASURES
            for side in "ab"
            if back.get(f"{measure}_{side}") is not None
        ],
        table=Table(
            (words("与当时生效版本的差异", "Differences from the version then in force"),),
            [(words(*pair),) for pair in report["differences"]],
        )
        if report["differences"]
        else None,
        text=untried(report["untried_rules"]),
        more=Link("origination.backtest", back["backtest"], words("打开回测", "Open the back-test"))
        if back
        else None,
        wide=True,
    )


_MEASURES = (("approval", "通过率", "approved", "good"), ("bad_rate", "坏账率", "bad of known", "bad"))


def _share(name: Any, part: float, tone: str) -> Bar:
    """A share of all as a bar of fixed length, so that bars of one panel can be compared."""
    return Bar(name, 1, f"{part:.2%}", part=part, tone=tone)


def untried(rules: list[str]) -> Any:
    if not rules:
        return words("每条规则都试过成立与不成立。", "Every rule was tried both ways.")
    return words(
        f"案例未兼试成立与不成立的规则（{len(rules)}）：{'、'.join(rules)}",
        f"Rules that no cases try both ways ({len(rules)}): {', '.join(rules)}",
    )


def code(source: str, wrong: Mapping[int, str] | None = None) -> SafeString:
    """A definition with numbered lines; the wrong ones (line -> tone) can be jumped to."""
    marks = wrong or {}
    lines = (
        (
            format_html('<mark id="L{}" class="c-{}">{}</mark>', n, marks[n], f"{n:>5}  {line}")
            if n in marks
            else f"{n:>5}  {line}",
        )
        for n, line in enumerate(source.splitlines(), 1)
    )
    return format_html('<code class="c-code">{}</code>', format_html_join("\n", "{}", lines))


@on_page("origination.policyversion", "origination.view_policyversion", order=10)
def _source(request: HttpRequest, policy: PolicyVersion) -> Panel:
    return Panel(words("规则原文", "Definition"), text=code(policy.source), wide=True)


# -- the dashboard


@admin.register(ReleaseStep)
class ReleaseStepAdmin(ReadOnlyAdmin):
    title = words("审批记录", "Release steps")
    columns = ("id", "kind", "act", "sha256", "by", "at", "effective_at")
    filters = ("kind", "act")


@on_dashboard("origination.view_releasestep", order=30)
def _waiting() -> Panel | None:
    """Versions that wait for a second person, and activations to come."""
    newest: dict[tuple[str, str], ReleaseStep] = {}
    for step in ReleaseStep.objects.order_by("id"):
        newest[step.kind, step.sha256] = step
    waits = [
        s
        for s in newest.values()
        if s.act in (ReleaseAct.SUBMITTED, ReleaseAct.SECONDED)
        or (s.act == ReleaseAct.ACTIVATED and s.effective_at and s.effective_at > clock.now())
    ]
    if not waits:
        return None
    scored = "origination.scoringmodel"  # of every kind but policies
    return Panel(
        words("待批准或待生效的规则与模型", "Policies and models that wait"),
        verdict=Verdict(False, words(f"{len(waits)} 项", f"{len(waits)}")),
        table=Table(
            ("kind", "act", "by", "effective_at"),
            [
                (
                    Link(
                        "origination.policyversion" if s.kind == "policy" else scored, s.sha256, value(s.kind)
                    ),
                    value(s.act),
                    s.by,
                    s.effective_at,
                )
                for s in waits
            ],
        ),
    )
