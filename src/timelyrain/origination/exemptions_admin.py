"""Exemptions in the console: rules silenced for a person, changes of lists, and the second one who approves them."""

import re
from datetime import date, datetime
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from timelyrain.origination import exemptions, registry
from timelyrain.origination.models import Exemption, ExemptionState, RuleSnooze
from timelyrain.runtime import glossary
from timelyrain.runtime.admin import Act, Field, ReadOnlyAdmin
from timelyrain.runtime.glossary import value, words
from timelyrain.runtime.panels import Badge, Panel, Step, Table, Verdict, on_dashboard, on_page
from timelyrain.runtime.problems import Invalid

CHANGE_LISTS, ASK, DECIDE = (
    "origination.add_listentry",
    "origination.add_exemption",
    "origination.change_exemption",
)
WHY = words("原因", "Why")
WAITS = words("已提交，等待另一人批准。", "It waits for somebody else's approval.")
DONE = words("已生效并记入审计日志。", "Done, and in the audit log.")
TONES = {"deny": "bad", "watch": "wait", "allow": "good"}


def who(request: HttpRequest) -> str:
    return request.user.get_username()


def given(request: HttpRequest, name: str = "text") -> str:
    return request.POST.get(name, "").strip()


def until(request: HttpRequest) -> datetime | None:
    """The end of the day that was chosen."""
    text = given(request, "until")
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(
            str(words(f"{text!r} 不是日期。", f"{text!r} is not a day.")),
            field="until",
            remedy=str(words("请写成 2026-12-31。", "Write it as 2026-12-31.")),
        ) from None
    return exemptions.through(day) if day else None


def end_field(required: bool) -> Field:
    told = (
        words("至哪天（含）", "Until which day (inclusive)")
        if required
        else words("至哪天（含；不填则长期有效）", "Until which day (inclusive; without one it stays)")
    )
    return Field("until", told, "date", required=required)


def plain(text: str) -> str:
    """A rule's text without the places where its values go."""
    return re.sub(r"\{[^}]*\}", "…", text)


@admin.register(RuleSnooze)
class RuleSnoozeAdmin(ReadOnlyAdmin):
    title = words("静默规则", "Silenced rules")
    columns = ("id", "code", "borrower_id", "until", "by", "why", "at")
    find_by = ("borrower_id", "code")
    filters = ("code",)
    links = {"borrower_id": "customers.borrower"}


# -- the second person


def _approve(request: HttpRequest, row: Exemption) -> Any:
    exemptions.decide(row.id, who(request), given(request), approve=True)
    return DONE


def _reject(request: HttpRequest, row: Exemption) -> Any:
    exemptions.decide(row.id, who(request), given(request), approve=False)
    return words("未批准，没有改变。", "Not approved: nothing has changed.")


def _waits(row: Exemption) -> bool:
    return row.state == ExemptionState.WAITING


@admin.register(Exemption)
class ExemptionAdmin(ReadOnlyAdmin):
    title = words("规则例外", "Exemptions from rules")
    columns = ("id", "what", "name", "state", "until", "asked_by", "decided_by", "asked_at")
    filters = ("state", "what", "name")
    find_by = ("id", "borrower_id", "name")
    links = {"borrower_id": "customers.borrower"}
    acts = (
        Act(
            "approve",
            words("批准", "Approve"),
            DECIDE,
            _approve,
            ask=words("批准后立即生效。提出人不能批准。", "It holds at once. Nobody approves what they asked for."),
            writes=words("批准意见", "Why it is approved"),
            offered=_waits,
        ),
        Act(
            "reject",
            words("不批准或撤回", "Reject or take back"),
            DECIDE,
            _reject,
            ask=words("不批准则没有任何改变。", "Nothing changes then."),
            writes=WHY,
            offered=_waits,
        ),
    )  # fmt: skip


@on_page("origination.exemption", "origination.view_exemption", order=10)
def _what_it_means(request: HttpRequest, row: Exemption) -> Panel:
    """What the second person has to know: the rule or the list, why, and how often it was asked for before."""
    policy = registry.active()[0]
    rule = next((r for r in policy.rules if r.code == row.name), None) if row.what == "snooze" else None
    entry = next((e for e in policy.lists if e.name == row.name), None)
    facts: list[tuple[str, Any]] = [("why", row.why), ("until", row.until)]
    if rule:
        facts += [
            ("meaning", words(plain(rule.zh), plain(rule.en))),
            ("stage", rule.stage),
            ("effect", rule.then),
        ]
    elif entry:
        facts += [
            ("meaning", words(entry.zh, entry.en)),
            ("kind", Badge(value(entry.kind), TONES[entry.kind])),
        ]
    whom = {"key_hash": row.key_hash} if row.key_hash else {"borrower_id": row.borrower_id}
    before = Exemption.objects.filter(**whom).exclude(id=row.id).order_by("-asked_at")[:20]
    note = (rule.note if rule else entry.note if entry else "") or ""
    return Panel(
        words(f"{value(row.what)}：{row.name}", f"{value(row.what)}: {row.name}"),
        facts=facts,
        steps=[
            Step(words("提出", "Asked"), "good", row.asked_by),
            Step(words("另一人", "Second person"), _STEPS[row.state], row.decided_by or value(row.state)),
        ],
        table=Table.of(
            ("id", "what", "name", "state", "asked_by", "decided_by", "asked_at"),
            before,
            id="origination.exemption",
        )
        if before
        else None,
        text=note,
        wide=True,
    )


_STEPS = {"waiting": "wait", "approved": "good", "rejected": "bad"}


@on_dashboard("origination.view_exemption", order=31)
def _waiting() -> Panel | None:
    waiting = Exemption.objects.filter(state=ExemptionState.WAITING).order_by("asked_at")
    n = waiting.count()
    if not n:
        return None
    return Panel(
        words("待批准的规则例外", "Exemptions that wait for a second person"),
        verdict=Verdict(False, words(f"{n} 项", f"{n}")),
        table=Table.of(
            ("id", "what", "name", "asked_by", "asked_at"), waiting[:5], id="origination.exemption"
        ),
    )


for _code, _zh, _en in (
    ("put_on", "列入名单", "put on a list"),
    ("take_off", "移出名单", "take off a list"),
    ("snooze", "静默规则", "silence a rule"),
    ("deny", "禁入", "deny"),
    ("watch", "关注", "watch"),
    ("allow", "白名单", "allow"),
    ("person", "证件号", "identity number"),
    ("phone", "手机号", "phone"),
    ("employer", "单位", "employer"),
    ("card", "银行卡", "card"),
    ("address", "地址", "address"),
):
    glossary.teach(_code, _zh, _en)
