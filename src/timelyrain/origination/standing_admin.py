"""Lists and silenced rules in the console: what is held about a person, and what waits for a second one."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest

from timelyrain.customers.services import Borrower
from timelyrain.origination import exemptions, registry, standing
from timelyrain.origination.models import (
    Application,
    DecisionRecord,
    Exemption,
    ExemptionState,
    ListEntry,
    PolicyVersion,
    RuleSnooze,
)
from timelyrain.runtime import glossary, panels
from timelyrain.runtime.admin import Act, Field, ReadOnlyAdmin
from timelyrain.runtime.glossary import label, value, words
from timelyrain.runtime.panels import Badge, Link, Panel, Step, Table, Verdict, on_dashboard, on_page
from timelyrain.runtime.problems import Invalid

CHANGE_LISTS, ASK, DECIDE = (
    "origination.add_listentry",
    "origination.add_exemption",
    "origination.change_exemption",
)
_WHY = words("原因", "Why")
_WAITS = words("已提交，等待另一人批准。", "It waits for somebody else's approval.")
_DONE = words("已生效并记入审计日志。", "Done, and in the audit log.")
_TONES = {"deny": "bad", "watch": "wait", "allow": "good"}


def _who(request: HttpRequest) -> str:
    return request.user.get_username()


def _given(request: HttpRequest, name: str = "text") -> str:
    return request.POST.get(name, "").strip()


def _until(request: HttpRequest) -> datetime | None:
    """The end of the day that was chosen."""
    text = _given(request, "until")
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(f"{text!r} is not a day.", field="until", remedy="Write it as 2026-12-31.") from None
    return exemptions.through(day) if day else None


def _end(required: bool) -> Field:
    told = (
        words("至哪天（含）", "Until which day (inclusive)")
        if required
        else words("至哪天（含；不填则长期有效）", "Until which day (inclusive; without one it stays)")
    )
    return Field("until", told, "date", required=required)


# -- a person, from the page of an application or a decision


def _person(row: Application | DecisionRecord) -> Borrower:
    application = row.application if isinstance(row, DecisionRecord) else row
    return Borrower.objects.get(shard=application.shard, id=application.borrower_id)


def _rules(row: Application | DecisionRecord) -> Sequence[tuple[str, Any]]:
    """Rules that may be silenced, those first that spoke in the decision."""
    decisions = DecisionRecord.objects.filter(shard=row.shard)
    decision = (
        row if isinstance(row, DecisionRecord) else decisions.filter(application=row).order_by("-id").first()
    )
    spoke = [reason["code"] for reason in decision.reasons] if decision else []
    rules = [rule for rule in registry.active()[0].rules if rule.snooze]
    rules.sort(key=lambda rule: rule.code not in spoke)
    marks = {rule.code: f"{'● ' if rule.code in spoke else ''}{rule.code}" for rule in rules}
    return [
        (r.code, words(f"{marks[r.code]} {_plain(r.zh)}", f"{marks[r.code]}: {_plain(r.en)}")) for r in rules
    ]


def _plain(text: str) -> str:
    """A rule's text without the places where its values go."""
    return re.sub(r"\{[^}]*\}", "…", text)


def _snooze(request: HttpRequest, row: Any) -> Any:
    exemptions.snooze(_person(row), _given(request, "code"), _until(request), _who(request), _given(request))
    return _WAITS


def _silent(row: Any) -> list[RuleSnooze]:
    person = _person(row)
    return exemptions.snoozes(person.shard, person.id)


def _end_snooze(request: HttpRequest, row: Any) -> Any:
    exemptions.end_snooze(_person(row), _given(request, "code"), _who(request), _given(request))
    return _DONE


Places = dict[str, tuple[str, exemptions.Key, Any]]
"""What a form calls it -> list, key, and what the reader sees."""


def _places(row: Any) -> Places:
    """Every list of the policy in force with each key of this person that it could hold."""
    found: Places = {}
    keys = exemptions.keys_of(_person(row))
    for entry in registry.active()[0].lists:
        for key in (key for key in keys if key.kind == entry.key):
            called = f"{entry.name} {key.shown}".strip()
            found[called] = (entry.name, key, words(f"{called} {entry.zh}", f"{called}: {entry.en}"))
    return found


def _open_lists(row: Any) -> Sequence[tuple[str, Any]]:
    return [(called, told) for called, (_, _, told) in _places(row).items()]


def _named(lists: Sequence[Any]) -> Sequence[tuple[str, Any]]:
    return [(entry.name, words(f"{entry.name} {entry.zh}", f"{entry.name}: {entry.en}")) for entry in lists]


def _place(request: HttpRequest, row: Any) -> tuple[str, bytes]:
    """The list and the key that were chosen."""
    chosen, places = _given(request, "list"), _places(row)
    if chosen not in places:
        exemptions.list_of(chosen.split(" ")[0])
        raise Invalid(
            f"No key of this person is known for {chosen!r}.",
            field="list",
            remedy=f"Choose one of {', '.join(places) or 'none'}.",
        )
    name, key, _ = places[chosen]
    return name, key.hash


def _put_on(request: HttpRequest, row: Any) -> Any:
    waits = exemptions.put_on(*_place(request, row), _who(request), _given(request), _until(request))
    return _WAITS if waits else _DONE


def _held_lists(row: Any) -> Sequence[tuple[str, Any]]:
    places = _places(row)
    held = exemptions.on_lists([key.hash for _, key, _ in places.values()])
    return [(called, told) for called, (name, key, told) in places.items() if (name, key.hash) in held]


def _take_off(request: HttpRequest, row: Any) -> Any:
    waits = exemptions.take_off(*_place(request, row), _who(request), _given(request))
    return _WAITS if waits else _DONE


PERSON_ACTS = (
    Act(
        "snooze",
        words("静默一条规则", "Silence a rule"),
        ASK,
        _snooze,
        ask=words(
            "对此人在一段时间内不再据此规则作出结论；规则照常计算并记入决策记录。须另一人批准。法定准入规则不能静默。",
            "For a while the rule says nothing about this person; it is evaluated and recorded all the same. Somebody else has "
            "to approve. Rules of the law cannot be silenced.",
        ),
        writes=_WHY,
        fields=lambda row: (
            Field("code", words("规则（● 本次给出理由）", "Rule (● spoke this time)"), choices=_rules(row)),
            _end(True),
        ),
    ),
    Act(
        "end-snooze",
        words("恢复一条规则", "Let a rule speak again"),
        ASK,
        _end_snooze,
        ask=words("规则立即恢复。", "The rule speaks again at once."),
        writes=_WHY,
        fields=lambda row: (Field("code", label("code"), choices=[(s.code, s.code) for s in _silent(row)]),),
        offered=lambda row: bool(_silent(row)),
    ),
    Act(
        "put-on-list",
        words("列入名单", "Put on a list"),
        CHANGE_LISTS,
        _put_on,
        ask=words(
            "禁入与关注名单立即生效；白名单须另一人批准。",
            "Deny and watch lists hold at once; an allow list needs somebody else's approval.",
        ),
        writes=_WHY,
        fields=lambda row: (Field("list", label("list"), choices=_open_lists(row)), _end(False)),
    ),
    Act(
        "take-off-list",
        words("移出名单", "Take off a list"),
        CHANGE_LISTS,
        _take_off,
        ask=words(
            "移出禁入或关注名单须另一人批准；移出白名单立即生效。",
            "Off a deny or watch list needs somebody else's approval; off an allow list holds at once.",
        ),
        writes=_WHY,
        fields=lambda row: (Field("list", label("list"), choices=_held_lists(row)),),
        offered=lambda row: bool(_held_lists(row)),
    ),
)


def _held(person: Borrower | None) -> Panel | None:
    """Lists a person stands on, rules silent for them, and what is asked for; nothing when there is nothing."""
    if person is None:
        return None
    keys = {key.hash: key for key in exemptions.keys_of(person)}
    rows = [
        (
            Badge(words(f"在名单 {name}", f"on list {name}"), "wait"),
            f"{value(keys[key].kind)} {keys[key].shown}".strip(),
            entry.until,
            entry.by,
            entry.why,
        )
        for (name, key), entry in exemptions.on_lists(list(keys)).items()
    ]
    rows += [
        (Badge(words(f"静默 {s.code}", f"silent: {s.code}"), "good"), "", s.until, s.by, s.why)
        for s in exemptions.snoozes(person.shard, person.id)
    ]
    asked = Exemption.objects.filter(state=ExemptionState.WAITING)
    for e in asked.filter(borrower_id=person.id) | asked.filter(key_hash__in=list(keys)):
        told = Link(
            "origination.exemption",
            e.id,
            words(f"待批准：{value(e.what)} {e.name}", f"waits: {value(e.what)} {e.name}"),
        )
        rows.append((told, "", e.until, e.asked_by, e.why))
    title = words("名单与静默规则", "Lists and silenced rules")
    return Panel(title, table=Table(("held", "key", "until", "by", "why"), rows), wide=True) if rows else None


@on_page("origination.application", "origination.view_rulesnooze", order=32)
@on_page("origination.decisionrecord", "origination.view_rulesnooze", order=12)
def _of_applicant(request: HttpRequest, row: Application | DecisionRecord) -> Panel | None:
    return _held(_person(row))


@on_page("customers.borrower", "origination.view_rulesnooze", order=15)
def _of_borrower(request: HttpRequest, person: Any) -> Panel | None:
    return _held(person)


# -- lists


def _entry_decides(row: ListEntry) -> bool:
    held = exemptions.on_lists([bytes(row.key_hash)]).get((row.list, bytes(row.key_hash)))
    return held is not None and held.id == row.id


def _take_entry_off(request: HttpRequest, row: ListEntry) -> Any:
    waits = exemptions.take_off(row.list, bytes(row.key_hash), _who(request), _given(request))
    return _WAITS if waits else _DONE


@admin.register(ListEntry)
class ListEntryAdmin(ReadOnlyAdmin):
    """Found by the beginning of a list's name, or by a borrower's id: the entries of all their keys."""

    title = words("名单记录", "List entries")
    columns = ("position", "list", "key_hash", "until", "by", "why", "at")
    hidden = ("on",)
    filters = ("list",)
    find_by = ("list", "by")
    ordering = ("-position",)
    acts = (
        Act(
            "take-off",
            words("移出名单", "Take off the list"),
            CHANGE_LISTS,
            _take_entry_off,
            ask=words(
                "移出禁入或关注名单须另一人批准；移出白名单立即生效。",
                "Off a deny or watch list needs somebody else's approval; off an allow list holds at once.",
            ),
            writes=_WHY,
            offered=_entry_decides,
        ),
    )

    def get_list_display(self, request: HttpRequest) -> Any:
        position, name, *rest = super().get_list_display(request)
        return [position, name, "held", *rest]

    @admin.display(description=label("state"), ordering="on")
    def held(self, row: ListEntry) -> Any:
        return panels.cell("state", _on_or_off(row))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        try:
            person = Borrower.objects.filter(id=UUID(search_term.strip())).first()
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        keys = [key.hash for key in exemptions.keys_of(person)] if person else []
        return queryset.filter(key_hash__in=keys), False


def _on_or_off(row: ListEntry) -> Badge:
    return Badge(words("列入", "put on"), "wait") if row.on else Badge(words("移出", "taken off"), "plain")


@on_page("origination.listentry", "origination.view_listentry", order=10)
def _history(request: HttpRequest, row: ListEntry) -> Panel:
    """All that was ever said of this key on this list."""
    found = ListEntry.objects.filter(list=row.list, key_hash=row.key_hash).order_by("-position")
    now = (row.list, bytes(row.key_hash)) in exemptions.on_lists([bytes(row.key_hash)])
    return Panel(
        words("此键在此名单上的全部记录", "All that was said of this key on this list"),
        facts=[
            (
                "state",
                Badge(words("现在名单上", "on the list now"), "wait")
                if now
                else words("不在名单上", "not on the list"),
            )
        ],
        table=Table(
            ("state", "until", "by", "why", "at"),
            [(_on_or_off(e), e.until, e.by, e.why, e.at) for e in found],
        ),
        wide=True,
    )


def _put_value(request: HttpRequest, row: PolicyVersion) -> Any:
    name, clear = _given(request, "list"), _given(request, "value")
    key = standing.key_hash(exemptions.list_of(name).key, clear)
    waits = exemptions.put_on(name, key, _who(request), _given(request), _until(request))
    return _WAITS if waits else _DONE


def _in_force(row: PolicyVersion) -> bool:
    return registry.active_hashes().get("policy") == row.sha256


VERSION_ACTS = (
    Act(
        "put-on-list",
        words("列入名单", "Put on a list"),
        CHANGE_LISTS,
        _put_value,
        ask=words(
            "写明证件号、手机号或卡号，或数据提供方对设备、单位、地址的16位十六进制标识；只保存其密钥摘要。白名单须另一人批准。",
            "Give the identity number, phone or card number itself, or the 16 hex digits by which the provider names a device, "
            "employer or address; only its keyed hash is kept. An allow list needs somebody else's approval.",
        ),
        writes=_WHY,
        fields=lambda row: (
            Field("list", label("list"), choices=_named(registry.policy(row.sha256).lists)),
            Field("value", words("证件号、手机号等", "Identity number, phone …")),
            _end(False),
        ),
        offered=lambda row: _in_force(row) and bool(registry.policy(row.sha256).lists),
    ),
)  # fmt: skip


@on_page("origination.policyversion", "origination.view_listentry", order=8)
def _lists(request: HttpRequest, row: PolicyVersion) -> Panel | None:
    lists, counts = registry.policy(row.sha256).lists, exemptions.counts()
    if not lists:
        return None
    return Panel(
        words("读取的名单", "Lists it reads"),
        table=Table(
            ("list", "kind", "key", "meaning", "count", "note"),
            [
                (
                    e.name,
                    Badge(value(e.kind), _TONES[e.kind]),
                    value(e.key),
                    words(e.zh, e.en),
                    counts.get(e.name, 0),
                    e.note,
                )
                for e in lists
            ],
        ),
        wide=True,
    )


@admin.register(RuleSnooze)
class RuleSnoozeAdmin(ReadOnlyAdmin):
    title = words("静默规则", "Silenced rules")
    columns = ("id", "code", "borrower_id", "until", "by", "why", "at")
    find_by = ("borrower_id", "code")
    filters = ("code",)
    links = {"borrower_id": "customers.borrower"}


# -- the second person


def _approve(request: HttpRequest, row: Exemption) -> Any:
    exemptions.decide(row.id, _who(request), _given(request), approve=True)
    return _DONE


def _reject(request: HttpRequest, row: Exemption) -> Any:
    exemptions.decide(row.id, _who(request), _given(request), approve=False)
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
            writes=_WHY,
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
            ("meaning", words(_plain(rule.zh), _plain(rule.en))),
            ("stage", rule.stage),
            ("effect", rule.then),
        ]
    elif entry:
        facts += [
            ("meaning", words(entry.zh, entry.en)),
            ("kind", Badge(value(entry.kind), _TONES[entry.kind])),
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
