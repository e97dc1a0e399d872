"""What the lender already holds about an applicant when a decision is made: lists, snoozed rules, arms of experiments."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from timelyrain import decisioning
from timelyrain.audit import services as audit
from timelyrain.origination import registry
from timelyrain.origination.models import ListEntry, RuleSnooze
from timelyrain.runtime import clock, locks
from timelyrain.runtime.crypto import blind_index
from timelyrain.runtime.problems import Invalid

SHARES = 1_000_000
Keys = Mapping[str, bytes]
"""Kind of key (person, phone, ...) -> keyed hash."""


@dataclass(frozen=True)
class Standing:
    """given: values of on_list.* and bucket.*; snoozed: rule codes; versions: the state of the lists by hash."""

    given: dict[str, int | bool | None]
    snoozed: tuple[str, ...]
    versions: dict[str, str]


def key_hash(key: str, value: str) -> bytes:
    """The keyed hash under which a person (identity number), phone, device, employer, card or address stands on a list."""
    return blind_index("id_number" if key == "person" else key, value)


def bucket(experiment: str, borrower_id: UUID) -> int:
    """0..999,999, the same for one person in one experiment for ever, and independent between experiments."""
    return int.from_bytes(blind_index("experiment", f"{experiment}:{borrower_id}")[:8]) % SHARES


def standing(policy: decisioning.Policy, shard: int, borrower_id: UUID, keys: Keys) -> Standing:
    """One statement. A list whose key is not known of this applicant is not given: its rules cannot be evaluated."""
    kinds = {entry.name: entry.key for entry in policy.lists}
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [list(keys.values()), now, shard, borrower_id, now])
        found = cursor.fetchall()
    held = {(name, bytes(key)) for what, name, key in found if what == "list"}
    given: dict[str, int | bool | None] = {
        f"on_list.{name}": (name, keys[kind]) in held for name, kind in kinds.items() if kind in keys
    }
    given |= {f"bucket.{e.name}": bucket(e.name, borrower_id) for e in policy.experiments}
    head = next((bytes(key).hex() for what, _, key in found if what == "head"), "")
    versions = {"lists": head} if kinds else {}
    return Standing(given, tuple(name for what, name, _ in found if what == "snooze"), versions)


_HELD = """
SELECT 'list', list, key_hash FROM (
    SELECT DISTINCT ON (key_hash, list) * FROM origination_listentry WHERE key_hash = ANY(%s)
    ORDER BY key_hash, list, position DESC) newest
WHERE "on" AND (until IS NULL OR until > %s)
UNION ALL SELECT 'head', '', chain FROM (SELECT chain FROM origination_listentry ORDER BY position DESC LIMIT 1) last
UNION ALL SELECT 'snooze', code, NULL FROM (
    SELECT DISTINCT ON (code) code, until FROM origination_rulesnooze WHERE shard = %s AND borrower_id = %s
    ORDER BY code, at DESC, id DESC) newest WHERE until > %s
"""


def put_on_list(name: str, key: bytes, by: str, why: str, until: datetime | None = None) -> None:
    """Put a key (see key_hash) on a list of the policies, with who and why."""
    _enter(name, key, True, by, why, until)


def take_off_list(name: str, key: bytes, by: str, why: str) -> None:
    """Take a key off a list; that it stood there stays readable."""
    _enter(name, key, False, by, why, None)


def _enter(name: str, key: bytes, on: bool, by: str, why: str, until: datetime | None) -> None:
    say_why(by, why)
    with transaction.atomic():
        locks.hold("lists")  # one chain
        last = ListEntry.objects.order_by("-position").first()
        at = clock.now()
        told = "|".join((name, key.hex(), str(on), str(until), by, why, at.isoformat()))
        ListEntry.objects.create(
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
