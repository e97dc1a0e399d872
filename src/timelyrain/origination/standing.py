"""What the lender already holds about an applicant when a decision is made: lists, snoozed rules, arms of experiments."""

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from timelyrain import decisioning
from timelyrain.audit import services as audit
from timelyrain.customers.services import Borrower
from timelyrain.origination import registry
from timelyrain.origination.models import ListEntry, RuleSnooze
from timelyrain.runtime import clock, locks, rows
from timelyrain.runtime.crypto import blind_index
from timelyrain.runtime.ids import new_id
from timelyrain.runtime.problems import Invalid

SHARES = 1_000_000
Keys = Mapping[str, bytes]
"""Kind of key (person, phone, card) -> keyed hash, of what the borrower told us."""
SHOWN = {
    "device": ("device_event", "device"),
    "employer": ("tax_record", "employer"),
    "address": ("shop_order", "address"),
}
"""Keys that evidence shows, where providers name things by a hash of theirs: 16 hex digits."""
_PROVIDERS = re.compile("[0-7][0-9a-f]{15}")


@dataclass(frozen=True)
class Standing:
    """given: values of on_list.* and bucket.*; snoozed: rule codes; versions: the state of the lists by hash."""

    given: dict[str, int | bool | None]
    snoozed: tuple[str, ...]
    versions: dict[str, str]


def key_hash(key: str, value: str) -> bytes:
    """The keyed hash under which something stands on a list: a person by the identity number, a phone or card by its
    number, a device, employer or address by the provider's 16 hex digits for it. Raises Invalid."""
    plain = re.sub(r"[\s-]", "", value)
    if key not in SHOWN:
        return blind_index("id_number" if key == "person" else key, plain.upper())
    if not _PROVIDERS.fullmatch(plain.lower()):
        raise Invalid(
            f"{value[:40]!r} names no {key}.",
            field="value",
            remedy="Give the 16 hex digits by which the provider names it; the page of an application shows them.",
        )
    return blind_index(key, plain.lower())


def keys_of(borrower: Borrower) -> dict[str, bytes]:
    """What a borrower told us of themselves, as keys of lists."""
    found = {
        "person": borrower.id_number_index,
        "phone": borrower.phone_index,
        "card": borrower.bank_card_index,
    }
    return {kind: bytes(key) for kind, key in found.items() if key}


def keys_shown(evidence: decisioning.Evidence, kinds: Collection[str]) -> dict[str, dict[str, bytes]]:
    """Kind -> the provider's name for it -> key of lists, as evidence shows them; a kind whose source is missing is left out.

    Every device seen and every address something was delivered to; of employers the one stated last.
    """
    found: dict[str, dict[str, bytes]] = {}
    for kind in SHOWN.keys() & kinds:
        name, column = SHOWN[kind]
        table = evidence.tables[name]
        if decisioning.TABLES[name].source in evidence.missing:
            continue
        values = table[column]
        if kind == "address":
            values = values[table["side"] == decisioning.TABLES[name].columns["side"].values.index("bought")]
        named = values[values != 0]
        distinct = named[-1:] if kind == "employer" else sorted({*named.tolist()})
        found[kind] = {text: key_hash(kind, text) for text in (f"{int(value):016x}" for value in distinct)}
    return found


def bucket(experiment: str, borrower_id: UUID) -> int:
    """0..999,999, the same for one person in one experiment for ever, and independent between experiments."""
    return int.from_bytes(blind_index("experiment", f"{experiment}:{borrower_id}")[:8]) % SHARES


def standing(
    policy: decisioning.Policy, shard: int, borrower_id: UUID, keys: Keys, evidence: decisioning.Evidence
) -> Standing:
    """One statement. A list whose key is not known of this applicant is not given: its rules cannot be evaluated."""
    kinds = {entry.name: entry.key for entry in policy.lists}
    known: dict[str, Collection[bytes]] = {kind: (key,) for kind, key in keys.items()}
    known |= {kind: named.values() for kind, named in keys_shown(evidence, kinds.values()).items()}
    now = clock.now()
    asked = [key for found in known.values() for key in found]
    found = rows.execute(_HELD, [asked, now, shard, borrower_id]).fetchall()
    held = {(name, bytes(key)) for what, name, key in found if what == "list"}
    given: dict[str, int | bool | None] = {
        f"on_list.{name}": any((name, key) in held for key in known[kind])
        for name, kind in kinds.items()
        if kind in known
    }
    given |= {f"bucket.{e.name}": bucket(e.name, borrower_id) for e in policy.experiments}
    head = next((bytes(key).hex() for what, _, key in found if what == "head"), "")
    versions = {"lists": head} if kinds else {}
    return Standing(given, tuple(name for what, name, _ in found if what == "snooze"), versions)


_HELD = """
SELECT 'list', list, key_hash FROM (
    SELECT DISTINCT ON (key_hash, list) * FROM origination_listentry WHERE key_hash = ANY($1)
    ORDER BY key_hash, list, position DESC) newest
WHERE "on" AND (until IS NULL OR until > $2)
UNION ALL SELECT 'head', '', chain FROM (SELECT chain FROM origination_listentry ORDER BY position DESC LIMIT 1) last
UNION ALL SELECT 'snooze', code, NULL FROM (
    SELECT DISTINCT ON (code) code, until FROM origination_rulesnooze WHERE shard = $3 AND borrower_id = $4
    ORDER BY code, at DESC, id DESC) newest WHERE until > $2
"""


def put_on_list(
    name: str, key: bytes, by: str, why: str, until: datetime | None = None, id: UUID | None = None
) -> None:
    """Put a key (see key_hash) on a list of the policies, with who and why. id: of the entry, usually a new one."""
    _enter(name, key, True, by, why, until, id)


def take_off_list(name: str, key: bytes, by: str, why: str, id: UUID | None = None) -> None:
    """Take a key off a list; that it stood there stays readable."""
    _enter(name, key, False, by, why, None, id)


def _enter(
    name: str, key: bytes, on: bool, by: str, why: str, until: datetime | None, id: UUID | None
) -> None:
    say_why(by, why)
    with transaction.atomic():
        locks.hold("lists")  # one chain
        last = ListEntry.objects.order_by("-position").first()
        at = clock.now()
        told = "|".join((name, key.hex(), str(on), str(until), by, why, at.isoformat()))
        ListEntry.objects.create(
            id=id or new_id(),
            position=last.position + 1 if last else 1,
            list=name,
            key_hash=key,
            on=on,
            until=until,
            by=by,
            why=why,
            at=at,
            chain=hashlib.sha256((bytes(last.chain) if last else b"") + told.encode()).digest(),
        )
        audit.record(0, "list_changed", actor=by, subject=name, on=on, why=why)


def snooze_rule(shard: int, borrower_id: UUID, code: str, until: datetime, by: str, why: str) -> None:
    """Keep a rule silent for one person until a moment. Rules of the law and those marked so cannot be. A past moment ends it."""
    say_why(by, why)
    snoozable(code)
    with transaction.atomic():
        RuleSnooze.objects.create(
            shard=shard, borrower_id=borrower_id, code=code, until=until, by=by, why=why, at=clock.now()
        )
        audit.record(
            shard, "rule_snoozed", actor=by, subject=borrower_id, rule=code, until=until.isoformat(), why=why
        )


def snoozable(code: str) -> None:
    """Raises Invalid for a rule that the policy in force does not have, or does not let be silenced."""
    policy, _ = registry.active()
    if code not in (may := [rule.code for rule in policy.rules if rule.snooze]):
        raise Invalid(f"{code!r} cannot be snoozed.", field="code", remedy=f"Choose one of {', '.join(may)}.")


def say_why(by: str, why: str) -> None:
    if not by.strip() or not why.strip():
        raise Invalid("Who and why are missing.", field="why", remedy="Say who does it and why.")
