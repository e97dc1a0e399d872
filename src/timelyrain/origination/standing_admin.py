"""Lists and silenced rules of one person, from the page of an application, a decision or a borrower."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest

from timelyrain.customers.services import Borrower
from timelyrain.origination import exemptions, registry
from timelyrain.origination.exemptions_admin import (
    ASK,
    CHANGE_LISTS,
    DONE,
    WAITS,
    WHY,
    end_field,
    given,
    plain,
    until,
    who,
)
from timelyrain.origination.models import Application, DecisionRecord, Exemption, ExemptionState, RuleSnooze
from timelyrain.runtime.admin import Act, Field
from timelyrain.runtime.glossary import label, value, words
from timelyrain.runtime.panels import Badge, Link, Panel, Table, on_page
from timelyrain.runtime.problems import Invalid


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
        (r.code, words(f"{marks[r.code]} {plain(r.zh)}", f"{marks[r.code]}: {plain(r.en)}")) for r in rules
    ]


def _snooze(request: HttpRequest, row: Any) -> Any:
    exemptions.snooze(_person(row), given(request, "code"), until(request), who(request), given(request))
    return WAITS


def _silent(row: Any) -> list[RuleSnooze]:
    person = _person(row)
    return exemptions.snoozes(person.shard, person.id)


def _end_snooze(request: HttpRequest, row: Any) -> Any:
    exemptions.end_snooze(_person(row), given(request, "code"), who(request), given(request))
    return DONE


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


def _place(request: HttpRequest, row: Any) -> tuple[str, bytes]:
    """The list and the key that were chosen."""
    chosen, places = given(request, "list"), _places(row)
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
    waits = exemptions.put_on(*_place(request, row), who(request), given(request), until(request))
    return WAITS if waits else DONE


def _held_lists(row: Any) -> Sequence[tuple[str, Any]]:
    places = _places(row)
    held = exemptions.on_lists([key.hash for _, key, _ in places.values()])
    return [(called, told) for called, (name, key, told) in places.items() if (name, key.hash) in held]


def _take_off(request: HttpRequest, row: Any) -> Any:
    waits = exemptions.take_off(*_place(request, row), who(request), given(request))
    return WAITS if waits else DONE


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
        writes=WHY,
        fields=lambda row: (
            Field("code", words("规则（● 本次给出理由）", "Rule (● spoke this time)"), choices=_rules(row)),
            end_field(True),
        ),
    ),
    Act(
        "end-snooze",
        words("恢复一条规则", "Let a rule speak again"),
        ASK,
        _end_snooze,
        ask=words("规则立即恢复。", "The rule speaks again at once."),
        writes=WHY,
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
        writes=WHY,
        fields=lambda row: (Field("list", label("list"), choices=_open_lists(row)), end_field(False)),
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
        writes=WHY,
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
