"""Lists and snoozes as people change them: what stops somebody holds at once, what lets somebody past needs a second person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db import transaction

from timelyrain import decisioning
from timelyrain.audit import services as audit
from timelyrain.customers.services import Borrower
from timelyrain.origination import errors, registry, standing
from timelyrain.origination.models import DecisionRecord, Exemption, ExemptionState, ListEntry, RuleSnooze
from timelyrain.runtime import clock
from timelyrain.runtime.ids import new_id
from timelyrain.runtime.problems import Conflict, Invalid, NotFound

ALLOW = "allow"
"""The kind of list that speaks for those who stand on it."""


@dataclass(frozen=True)
class Key:
    """One key of somebody. shown: the provider's name for a device, employer or address."""

    kind: str
    hash: bytes
    shown: str = ""


def keys_of(borrower: Borrower) -> list[Key]:
    """The keys under which a borrower stands on lists: their own, and those that their newest decision was shown."""
    found = [Key(kind, key) for kind, key in standing.keys_of(borrower).items()]
    decisions = DecisionRecord.objects.filter(shard=borrower.shard, application__borrower_id=borrower.id)
    if row := decisions.order_by("-id").first():
        evidence = decisioning.evidence_from_json(registry.open_sealed(row, "evidence"))
        shown = standing.keys_shown(evidence, standing.SHOWN)
        found += [Key(kind, key, name) for kind, named in shown.items() for name, key in named.items()]
    return found


def list_of(name: str) -> decisioning.PolicyList:
    """A list that the policy in force reads. Raises Invalid."""
    known = {entry.name: entry for entry in registry.active()[0].lists}
    if name not in known:
        may = ", ".join(known) or "none"
        raise Invalid(
            f"The policy in force reads no list {name!r}.", field="list", remedy=f"Choose one of: {may}."
        )
    return known[name]


def through(day: date) -> datetime:
    """The end of a day of the lender's."""
    return datetime.combine(day + timedelta(days=1), time(), clock.BUSINESS_ZONE)


def put_on(
    name: str, key: bytes, by: str, why: str, until: datetime | None = None, id: UUID | None = None
) -> UUID | None:
    """Put a key on a list: at once, unless it lets somebody past a rule (an allow list; an earlier end of an entry that
    stands): then the id of what waits for a second person."""
    _judge_moment(until, needed=False)
    allows, present = list_of(name).kind == ALLOW, on_lists([key]).get((name, key))
    sooner = present is not None and until is not None and (present.until is None or until < present.until)
    if allows or sooner:
        return _ask("put_on", name, by, why, until, key=key, id=id)
    standing.put_on_list(name, key, by, why, until, id)
    return None


def take_off(name: str, key: bytes, by: str, why: str, id: UUID | None = None) -> UUID | None:
    """Take a key off a list: at once from an allow list, from others once a second person approves."""
    if on_lists([key]).get((name, key)) is None:
        raise Conflict(f"This key does not stand on {name}.", remedy="Look at the list's entries.")
    if list_of(name).kind == ALLOW:
        standing.take_off_list(name, key, by, why, id)
        return None
    return _ask("take_off", name, by, why, None, key=key, id=id)


def enter(name: str, value: str, on: bool, by: str, why: str, until: date | None, id: UUID) -> UUID | None:
    """`put_on` or `take_off` for what is typed in (see `standing.key_hash`); once under one id."""
    key = standing.key_hash(list_of(name).key, value)
    if Exemption.objects.filter(id=id).exists():
        return id
    if ListEntry.objects.filter(id=id).exists():
        return None
    return (
        put_on(name, key, by, why, until and through(until), id) if on else take_off(name, key, by, why, id)
    )


def snooze(borrower: Borrower, code: str, until: datetime | None, by: str, why: str) -> UUID:
    """Ask that a rule be silent for one person until a moment."""
    _judge_moment(until, needed=True)
    standing.snoozable(code)
    return _ask("snooze", code, by, why, until, borrower=borrower)


def end_snooze(borrower: Borrower, code: str, by: str, why: str) -> None:
    """Let a rule speak again; that needs nobody else."""
    if code not in {row.code for row in snoozes(borrower.shard, borrower.id)}:
        raise Conflict(f"{code} is not silent for this person.", remedy="Look at the page again.")
    standing.snooze_rule(borrower.shard, borrower.id, code, clock.now(), by, why)


def decide(exemption_id: UUID, by: str, note: str, *, approve: bool) -> None:
    """A second person approves or rejects; who asked may only take it back."""
    with transaction.atomic():
        row = Exemption.objects.select_for_update().filter(id=exemption_id).first()
        if row is None:
            raise NotFound(f"There is no exemption {exemption_id}.", remedy="Choose one from the list.")
        if row.state != ExemptionState.WAITING:
            raise Conflict(f"{row.decided_by} has decided on this.", remedy="Look at the page again.")
        if approve and by == row.asked_by:
            raise errors.SecondPersonNeeded(
                f"{by} has asked for this.", remedy="Somebody else has to approve it."
            )
        if not approve and not note.strip():
            raise Invalid("A rejection needs a reason.", field="note", remedy="Say why.")
        row.state = ExemptionState.APPROVED if approve else ExemptionState.REJECTED
        row.decided_by, row.decided_at, row.note = by, clock.now(), note.strip()
        row.save()
        audit.record(
            0, f"exemption_{row.state}", actor=by, subject=row.id, asked_by=row.asked_by, note=row.note
        )
        if approve:
            _grant(row)


def _grant(row: Exemption) -> None:
    by = f"{row.asked_by}, {row.decided_by}"
    if row.what == "snooze":
        assert row.borrower_id is not None and row.borrower_shard is not None and row.until is not None
        standing.snooze_rule(row.borrower_shard, row.borrower_id, row.name, row.until, by, row.why)
    elif row.what == "put_on":
        standing.put_on_list(row.name, bytes(row.key_hash or b""), by, row.why, row.until)
    else:
        standing.take_off_list(row.name, bytes(row.key_hash or b""), by, row.why)


def _ask(
    what: str,
    name: str,
    by: str,
    why: str,
    until: datetime | None,
    *,
    key: bytes | None = None,
    borrower: Borrower | None = None,
    id: UUID | None = None,
) -> UUID:
    standing.say_why(by, why)
    whom = {"key_hash": key, "borrower_id": borrower and borrower.id}
    with transaction.atomic():
        if Exemption.objects.filter(what=what, name=name, state=ExemptionState.WAITING, **whom).exists():
            raise Conflict("The same waits for a second person already.", remedy="Let it be decided first.")
        row = Exemption.objects.create(
            id=id or new_id(), what=what, name=name, borrower_shard=borrower and borrower.shard, until=until, why=why,
            asked_by=by, asked_at=clock.now(), **whom,
        )  # fmt: skip
        audit.record(0, "exemption_asked", actor=by, subject=row.id, what=what, name=name, why=why)
    return row.id


def _judge_moment(until: datetime | None, *, needed: bool) -> None:
    if (until is None and needed) or (until is not None and until <= clock.now()):
        told = until.isoformat() if until else "none"
        raise Invalid(f"Until when: {told}.", field="until", remedy="Give a day to come.")


# -- reads


@dataclass(frozen=True)
class ListView:
    """A list that the policy in force reads. count: keys that stand on it now."""

    name: str
    kind: str
    key: str
    zh: str
    en: str
    count: int


@dataclass(frozen=True)
class EntryView:
    """What was said of a key on a list. stands: by this entry it is on the list now."""

    id: UUID
    list: str
    on: bool
    stands: bool
    until: datetime | None
    by: str
    why: str
    at: datetime


@dataclass(frozen=True)
class ExemptionView:
    """What was asked for past a rule. name: of the list, or the rule's code."""

    id: UUID
    what: str
    name: str
    until: datetime | None
    why: str
    asked_by: str
    asked_at: datetime
    state: str
    decided_by: str
    note: str


def lists() -> list[ListView]:
    found = counts()
    return [
        ListView(e.name, e.kind, e.key, e.zh, e.en, found.get(e.name, 0)) for e in registry.active()[0].lists
    ]


def entries_of(kind: str, value: str) -> list[EntryView]:
    """All that was ever said of one key on any list, the newest first."""
    key = standing.key_hash(kind, value)
    standing_now = {row.id for row in on_lists([key]).values()}
    rows = ListEntry.objects.filter(key_hash=key).order_by("-position")
    return [EntryView(r.id, r.list, r.on, r.id in standing_now, r.until, r.by, r.why, r.at) for r in rows]


def exemption(exemption_id: UUID) -> ExemptionView:
    row = Exemption.objects.filter(id=exemption_id).first()
    if row is None:
        raise NotFound(f"There is no exemption {exemption_id}.", remedy="Choose one from the list.")
    return _view(row)


def waiting_exemptions() -> list[ExemptionView]:
    """What waits for a second person, the oldest first."""
    return [_view(row) for row in Exemption.objects.filter(state=ExemptionState.WAITING).order_by("asked_at")]


def _view(row: Exemption) -> ExemptionView:
    return ExemptionView(**{name: getattr(row, name) for name in ExemptionView.__dataclass_fields__})


def on_lists(keys: Sequence[bytes]) -> dict[tuple[str, bytes], ListEntry]:
    """(list, key) -> the entry by which one of these keys stands on a list now."""
    newest = {
        (row.list, bytes(row.key_hash)): row
        for row in ListEntry.objects.filter(key_hash__in=keys).order_by("position")
    }
    now = clock.now()
    return {place: row for place, row in newest.items() if row.on and (row.until is None or row.until > now)}


def counts() -> dict[str, int]:
    """List -> how many keys stand on it now."""
    newest = ListEntry.objects.order_by("list", "key_hash", "-position").distinct("list", "key_hash")
    now, found = clock.now(), dict[str, int]()
    for name, on, until in newest.values_list("list", "on", "until"):
        if on and (until is None or until > now):
            found[name] = found.get(name, 0) + 1
    return found


def snoozes(shard: int, borrower_id: UUID) -> list[RuleSnooze]:
    """Rules that are silent for a person now."""
    rows = RuleSnooze.objects.filter(shard=shard, borrower_id=borrower_id).order_by("at", "id")
    newest = {row.code: row for row in rows}
    return [row for row in newest.values() if row.until > clock.now()]
