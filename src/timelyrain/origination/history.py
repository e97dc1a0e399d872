"""The platform's own decisions as rows to learn from: each feature as it was known then, and what became of the loan.

Features are computed anew from the sealed evidence, by the code of the policy that the model shall serve: nothing later than
the decision stands in it. A row says whether its outcome can be known yet; where it cannot, the label is missing, not guessed.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from timelyrain import decisioning
from timelyrain.origination import ports, registry
from timelyrain.origination.columns import KNOWN, LABEL, NO_LOAN, SCHEMA, SPAN, YOUNG
from timelyrain.origination.models import DecisionRecord, Offer
from timelyrain.runtime import clock

CHUNK = 250
"""Decisions whose evidence is open in memory at once (some tens of kilobytes each)."""

Progress = Callable[[int], None]


@dataclass(frozen=True)
class History:
    """Decisions from `since` (if any) up to before `until`. features: names of the policy's catalogue.

    months: on book, within which a loan may become bad; a row has a label once they are over.
    """

    policy: decisioning.Policy
    features: Sequence[str]
    until: datetime
    since: datetime | None = None
    months: int = ports.MONTHS

    def count(self) -> int:
        return self._of().count()

    def span(self) -> dict[str, Any]:
        """Which decisions these are, for the file and for the manifest of who learns from it."""
        return {
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat(),
            "months": self.months,
            "policy": self.policy.sha256,
            "decisions": self.count(),
        }

    def frames(
        self, only_labelled: bool = False, progress: Progress = lambda done: None
    ) -> Iterator[pl.DataFrame]:
        """Chunks of rows, in the order of shards and ids. only_labelled: those without a label are not even opened.

        progress: told how many decisions were looked at.
        """
        after: tuple[Any, Any] | None = None
        done = 0
        while rows := self._next(after):
            after = (rows[-1].shard, rows[-1].id)
            done += len(rows)
            known = self._outcomes(rows)
            if only_labelled:
                rows = [row for row in rows if row.id in known and known[row.id].seasoned]
            if rows:
                yield self._frame(rows, known)
            progress(done)

    def _of(self) -> Any:
        found = DecisionRecord.objects.filter(at__lt=self.until)
        return found.filter(at__gte=self.since) if self.since else found

    def _next(self, after: tuple[Any, Any] | None) -> list[DecisionRecord]:
        """The next rows of the present shard, else those of the shards that follow."""
        rows = self._of().order_by("shard", "id")
        if after is None:
            return list(rows[:CHUNK])
        shard, last = after
        return list(rows.filter(shard=shard, id__gt=last)[:CHUNK]) or list(
            rows.filter(shard__gt=shard)[:CHUNK]
        )

    def _outcomes(self, rows: Sequence[DecisionRecord]) -> dict[UUID, ports.LoanOutcome]:
        on = self.until.astimezone(clock.BUSINESS_ZONE).date()
        found: dict[UUID, ports.LoanOutcome] = {}
        for shard in sorted({row.shard for row in rows}):
            ids = [row.id for row in rows if row.shard == shard]
            of_shard = Offer.objects.filter(shard=shard, decision_id__in=ids)
            decision_of = dict(of_shard.values_list("id", "decision_id"))
            told = ports.outcomes(shard, decision_of.keys(), on, self.months)
            found |= {decision_of[offer]: outcome for offer, outcome in told.items()}
        return found

    def _frame(self, rows: Sequence[DecisionRecord], known: dict[UUID, ports.LoanOutcome]) -> pl.DataFrame:
        told = [_told(row, known.get(row.id)) for row in rows]
        table = self.policy.engine.features(
            [decisioning.evidence_from_json(registry.open_sealed(row, "evidence")) for row in rows]
        )
        columns = {
            name: pl.Series(name, table[name].values, pl.Int64).set(~pl.Series(table[name].known), None)
            for name in self.features
        }
        return pl.DataFrame(told, schema=dict(SCHEMA), orient="row").hstack(list(columns.values()))


def _told(row: DecisionRecord, known: ports.LoanOutcome | None) -> tuple[Any, ...]:
    record = json.loads(registry.open_sealed(row, "record"))
    outputs, request = record["outputs"], record["request"]
    labelled = known is not None and known.seasoned
    return (
        str(row.id),
        str(row.application_id),
        row.at,
        None if known is None or not labelled else int(bool(known.bad)),
        NO_LOAN if known is None else KNOWN if labelled else YOUNG,
        None if known is None else int(bool(known.bad)),
        row.outcome,
        outputs.get("random_approval", False),
        outputs["amount_fen"],
        outputs["limit_fen"],
        outputs["rate_ppm"],
        request["instalments"],
        outputs["pd_ppm"],
        None if known is None else known.lent_fen,
        None if known is None else known.lost_fen,
        row.policy_sha256,
        row.model_sha256,
    )


@dataclass(frozen=True)
class Written:
    """What was written: rows, those with a label, the bad among them."""

    rows: int
    labelled: int
    bad: int


def features_of(policy: decisioning.Policy, more: Collection[str] = ()) -> tuple[str, ...]:
    """The model inputs of a policy, and what else of its catalogue is asked for (that of a model in force)."""
    wanted = {*policy.model_inputs, *more}
    return tuple(name for name in policy.features if name in wanted)


def write(
    history: History, path: Path, *, only_labelled: bool = False, progress: Progress = lambda done: None
) -> Written:
    """A Parquet file, chunk by chunk, readable by its owner alone; it has its name once it is whole."""
    from polars.io.plugins import register_io_source

    rows = labelled = bad = 0

    def blocks(columns: Any, predicate: Any, limit: Any, size: Any) -> Iterator[pl.DataFrame]:
        nonlocal rows, labelled, bad
        for frame in history.frames(only_labelled, progress):
            rows += len(frame)
            labelled += frame[LABEL].count()
            bad += int(frame[LABEL].sum() or 0)
            yield frame if columns is None else frame.select(columns)

    schema = {**SCHEMA, **dict.fromkeys(history.features, pl.Int64)}
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    told = {SPAN: json.dumps(history.span())}
    register_io_source(blocks, schema=schema).sink_parquet(
        part, compression="zstd", maintain_order=True, metadata=told
    )
    part.replace(path)
    return Written(rows, labelled, bad)
