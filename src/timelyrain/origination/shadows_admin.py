"""Shadow policies in the console: begun and ended on the page of a version, and how they compare with what was decided."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from timelyrain.origination import registry, shadows
from timelyrain.origination.models import PolicyVersion, ShadowDecision, ShadowPolicy
from timelyrain.origination.releases_admin import SUBMIT
from timelyrain.runtime.admin import Act, ReadOnlyAdmin
from timelyrain.runtime.glossary import value, words
from timelyrain.runtime.panels import Bar, Panel, Table, Verdict, on_page


def _begin(request: HttpRequest, row: PolicyVersion) -> Any:
    shadows.begin(row.sha256, request.user.get_username())
    return words("已开始影子运行。", "It runs in the shadow from now on.")


def _end(request: HttpRequest, row: PolicyVersion) -> Any:
    shadows.end(row.sha256, request.user.get_username())
    return words("影子运行已结束，已有的比较仍可查看。", "It has ended; what it said can still be read.")


def _runs(row: PolicyVersion) -> bool:
    return ShadowPolicy.objects.filter(policy_sha256=row.sha256, ended_at=None).exists()


ACTS = (
    Act(
        "shadow",
        words("影子运行", "Run in the shadow"),
        SUBMIT,
        _begin,
        ask=words(
            "此后每件申请在答复之后再按此版本决策一次，只作比较，不影响任何人。",
            "Every application is decided once more by this version after its answer has gone out: compared, never applied.",
        ),
        offered=lambda row: not _runs(row) and registry.active_hashes().get("policy") != row.sha256,
    ),
    Act(
        "end-shadow",
        words("结束影子运行", "End the shadow"),
        SUBMIT,
        _end,
        ask=words("不再比较新的申请。", "New applications are compared no more."),
        offered=_runs,
    ),
)


@on_page("origination.policyversion", "origination.view_shadowpolicy", order=7)
def _compared(request: HttpRequest, row: PolicyVersion) -> Panel | None:
    """What was decided against what this version would have decided."""
    periods = list(ShadowPolicy.objects.filter(policy_sha256=row.sha256).order_by("begun_at"))
    if not periods:
        return None
    found = shadows.compared(row.sha256)
    n, same = sum(found.values()), sum(k for (real, shadow), k in found.items() if real == shadow)
    pairs = sorted(found.items(), key=lambda pair: (pair[0][0] != pair[0][1], -pair[1]))
    return Panel(
        words(
            "影子运行：实际结果 → 此版本的结果", "In the shadow: what was decided → what this version says"
        ),
        verdict=Verdict(same == n, words(f"{n:,} 件中 {same:,} 件一致", f"{same:,} of {n:,} agree"))
        if n
        else None,
        bars=[
            Bar(
                words(f"{value(real)} → {value(shadow)}", f"{value(real)} → {value(shadow)}"),
                k,
                f"{k:,} · {k / n:.1%}",
                part=k,
                tone="good" if real == shadow else "wait",
            )
            for (real, shadow), k in pairs
        ],
        table=Table.of(("begun_at", "by", "ended_at"), periods),
        text="" if n else words("还没有可比较的申请。", "Nothing has been compared yet."),
        wide=True,
    )


@admin.register(ShadowPolicy)
class ShadowPolicyAdmin(ReadOnlyAdmin):
    title = words("影子策略", "Shadow policies")
    columns = ("id", "policy_sha256", "by", "begun_at", "ended_at")
    links = {"policy_sha256": "origination.policyversion"}
    ordering = ("-begun_at",)


@admin.register(ShadowDecision)
class ShadowDecisionAdmin(ReadOnlyAdmin):
    title = words("影子决策", "Shadow decisions")
    columns = ("id", "policy_sha256", "outcome", "agrees", "at")
    filters = ("outcome", "agrees")
    links = {"policy_sha256": "origination.policyversion", "decision_id": "origination.decisionrecord"}
