"""The store of sightings kept right: filled from past decisions' kept evidence, rid of what no window reaches any more."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from timelyrain import decisioning
from timelyrain.audit import services as audit
from timelyrain.customers import services as customers
from timelyrain.origination import registry, scores
from timelyrain.origination.models import DecisionRecord, Sighting, SightingBackfill
from timelyrain.origination.standing import keys_of
from timelyrain.runtime import clock, law, locks
from timelyrain.runtime.crypto import Undecipherable
from timelyrain.runtime.problems import Conflict

log = logging.getLogger(__name__)
CHUNK = 250
"""Decisions whose evidence is open in memory at once, and what a fill that is cut short does again at most."""
BATCH, BATCHES = 10_000, 50
"""Rows deleted in one transaction, and transactions of one run."""
Say = Callable[[str], None]


def kept_since() -> datetime:
    """From when on sightings are kept. Raises LookupError where the house keeps them for less than velocities look back."""
    days, longest = law.number("sighting_kept_days"), scores.velocities().windows_days[-1]
    if days < longest:
        raise LookupError(
            f"sighting_kept_days is {days}, and the longest velocity of fraud.toml looks back {longest} days: keep them longer"
        )
    return clock.now() - timedelta(days=days)


def fill(by: str, say: Say = lambda text: None, chunk: int = CHUNK) -> SightingBackfill:
    """Sightings of what was decided since `kept_since` and has none yet; goes on where an earlier fill was cut short.

    Phone and card are those that the borrower has now. Raises Conflict while another is at it.
    """
    if not locks.try_take("sightings"):
        raise Conflict("Sightings are being filled by another process.", remedy="Wait for its end.")
    try:
        run = SightingBackfill.objects.filter(finished_at=None).first()
        if run is None:
            now = clock.now()
            run = SightingBackfill.objects.create(by=by, since=kept_since(), until=now, begun_at=now)
        past = DecisionRecord.objects.filter(at__gte=run.since, at__lt=run.until)
        total = past.count()
        while rows := _after(run, past, chunk):
            with transaction.atomic():
                _take(run, rows)
            say(f"{run.decisions:,} of {total:,} decisions read, {run.sightings:,} sightings added")
        with transaction.atomic():
            run.finished_at = clock.now()
            run.save()
            audit.record(
                0,
                "sightings_filled",
                actor=by,
                subject=run.id,
                since=run.since.isoformat(),
                until=run.until.isoformat(),
                decisions=run.decisions,
                sightings=run.sightings,
            )
        return run
    finally:
        locks.give_back("sightings")


def _after(run: SightingBackfill, past: Any, chunk: int) -> list[DecisionRecord]:
    rows = past.select_related("application").defer("record_sealed").order_by("shard", "id")
    if run.after_id is not None:
        table = DecisionRecord._meta.db_table
        rows = rows.extra(
            where=[f"({table}.shard, {table}.id) > (%s, %s)"], params=[run.after_shard, run.after_id]
        )
    return list(rows[:chunk])


def _take(run: SightingBackfill, rows: Sequence[DecisionRecord]) -> None:
    """Add what these decisions saw. One that has sightings has all of its own: they are kept with it."""
    seen = [one for row in rows for one in _seen(row)]
    with connection.cursor() as cursor:
        columns = zip(*((s.key_hash, s.at, s.application_id) for s in seen), strict=True)
        cursor.execute(_HELD, [list(column) for column in columns] or [[], [], []])
        held = {application for (application,) in cursor.fetchall()}
    made = Sighting.objects.bulk_create([one for one in seen if one.application_id not in held])
    run.after_shard, run.after_id = rows[-1].shard, rows[-1].id
    run.decisions += len(rows)
    run.sightings += len(made)
    run.save()


_HELD = """
SELECT DISTINCT s.application_id FROM unnest(%s::bytea[], %s::timestamptz[], %s::uuid[]) AS x(key_hash, at, application)
JOIN origination_sighting s ON s.key_hash = x.key_hash AND s.at = x.at AND s.application_id = x.application
"""


def _seen(row: DecisionRecord) -> list[Sighting]:
    """Nothing where the evidence cannot be read any more or the borrower has no identity number."""
    try:
        evidence = decisioning.evidence_from_json(registry.open_sealed(row, "evidence"))
    except (decisioning.EvidenceInvalid, Undecipherable) as error:
        log.warning("the decision %s gives no sightings: %s", row.id, error)
        return []
    return _of(row, evidence)


def _of(row: DecisionRecord, evidence: decisioning.Evidence) -> list[Sighting]:
    told = keys_of(customers.borrower(row.shard, row.application.borrower_id))
    if "person" not in told:
        return []
    at = datetime.fromtimestamp(evidence.as_of, UTC)
    return scores.sightings(row.application_id, at, told["person"], scores.things_of(evidence, told))


def counted(row: DecisionRecord, evidence: decisioning.Evidence) -> dict[str, int]:
    """Velocities of a past decision as the store has them now. Its own sightings are kept there if they are not yet."""
    seen = _of(row, evidence)
    if not seen:
        return {}
    keys = {one.kind: one.key_hash for one in seen}
    found = scores.counts(seen[0].at, seen[0].person_hash, keys)
    own = Sighting.objects.filter(
        key_hash__in=keys.values(), at=seen[0].at, application_id=row.application_id
    )
    if not own.exists():
        Sighting.objects.bulk_create(seen)
    return found


def forget_old(batch: int = BATCH) -> int:
    """Delete sightings from before `kept_since`, in batches, each with its entry in the log of acts; how many went."""
    before, gone = kept_since(), 0
    for _ in range(BATCHES):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT forget_sightings(%s, %s)", [before, batch])
            ((went,),) = cursor.fetchall()
            if went:
                audit.record(
                    0,
                    "sightings_forgotten",
                    actor="retention",
                    subject="sightings",
                    before=before.isoformat(),
                    count=went,
                )
        gone += went
        if went < batch:
            break
    return gone
