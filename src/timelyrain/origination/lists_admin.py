"""Lists in the console: every entry with its history, and the lists that a policy reads."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest

from timelyrain.customers.services import Borrower
from timelyrain.origination import exemptions, registry, standing
from timelyrain.origination.exemptions_admin import (
    CHANGE_LISTS,
    DONE,
    TONES,
    WAITS,
    WHY,
    end_field,
    given,
    until,
    who,
)
from timelyrain.origination.models import ListEntry, PolicyVersion
from timelyrain.runtime import panels
from timelyrain.runtime.admin import Act, Field, ReadOnlyAdmin
from timelyrain.runtime.glossary import label, value, words
from timelyrain.runtime.panels import Badge, Panel, Table, on_page


def _entry_decides(row: ListEntry) -> bool:
    held = exemptions.on_lists([bytes(row.key_hash)]).get((row.list, bytes(row.key_hash)))
    return held is not None and held.id == row.id


def _take_entry_off(request: HttpRequest, row: ListEntry) -> Any:
    waits = exemptions.take_off(row.list, bytes(row.key_hash), who(request), given(request))
    return WAITS if waits else DONE


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
            writes=WHY,
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


def _named(lists: Sequence[Any]) -> Sequence[tuple[str, Any]]:
    return [(entry.name, words(f"{entry.name} {entry.zh}", f"{entry.name}: {entry.en}")) for entry in lists]


def _put_value(request: HttpRequest, row: PolicyVersion) -> Any:
    name, clear = given(request, "list"), given(request, "value")
    key = standing.key_hash(exemptions.list_of(name).key, clear)
    waits = exemptions.put_on(name, key, who(request), given(request), until(request))
    return WAITS if waits else DONE


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
        writes=WHY,
        fields=lambda row: (
            Field("list", label("list"), choices=_named(registry.policy(row.sha256).lists)),
            Field("value", words("证件号、手机号等", "Identity number, phone …")),
            end_field(False),
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
                    Badge(value(e.kind), TONES[e.kind]),
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
