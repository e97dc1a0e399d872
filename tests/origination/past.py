"""Decisions of the past without the walk that leads to them: real policy, model and records; people whose fate is known."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from timelyrain import decisioning
from timelyrain.customers.models import Borrower
from timelyrain.origination import ports, registry
from timelyrain.origination.limits import limits_on
from timelyrain.origination.models import Application, ApplicationState, DecisionRecord, Offer
from timelyrain.runtime import clock, law
from timelyrain.runtime.crypto import encrypt
from timelyrain.runtime.ids import new_id
from timelyrain.servicing import outcomes
from timelyrain.sources.services import fetch_population

POPULATION_OF = datetime(2025, 6, 30, tzinfo=clock.BUSINESS_ZONE)


@dataclass(frozen=True)
class Lent:
    """One decision of the past and what became of the loan."""

    decision: DecisionRecord
    offer: UUID
    evidence: decisioning.Evidence
    bad: bool


def lent_to(
    owners: Sequence[Borrower], n: int, seed: int, since: datetime, every: timedelta,
    keep: Callable[[Mapping[str, Any]], bool] = lambda facts: True,
) -> list[Lent]:  # fmt: skip
    """Those of n people whose facts `keep` takes, each decided on by what is in force, one every so often; all took a loan,
    in the name of these borrowers.

    Bad are those who default in the sandbox's truth, and the two fifths whom the model in force thought riskiest: enough of them.
    """
    policy, model = registry.active()
    product = law.pack().product("instant_consumer")
    context = limits_on(law.pack(), product, settings.LENDER["licence"], clock.today())
    request = decisioning.Request(1_000_000, 12, "shopping")
    made: list[Lent] = []
    pds: list[int] = []
    with transaction.atomic():
        people = fetch_population(settings.SANDBOX_URL, n, seed, POPULATION_OF)
        for i, person in enumerate(one for one in people if keep(one.evidence["facts"])):
            evidence = decisioning.evidence_from_json(person.evidence)
            decision = decisioning.decide(policy, evidence, request, model, 0, context)
            record = decisioning.decision_record(decision, policy, evidence, request, model, 0, context)
            owner, at, decision_id = owners[i % len(owners)], since + i * every, new_id()
            shard = owner.shard
            application = Application.objects.create(
                shard=shard, borrower_id=owner.id, product=product.id, amount_fen=request.amount_fen,
                instalments=request.instalments, purpose=request.purpose, state=ApplicationState.APPROVED,
                submitted_at=at, decided_at=at,
            )  # fmt: skip
            row = DecisionRecord.objects.create(
                shard=shard, id=decision_id, application=application, outcome=decision.outcome, reasons=[],
                policy_sha256=policy.sha256, model_sha256=model.sha256 if model else None,
                record_sha256=registry.sha256(record),
                record_sealed=encrypt(record, f"origination_decisionrecord.record:{decision_id}"),
                evidence_sealed=encrypt(
                    decisioning.canonical_bytes(evidence), f"origination_decisionrecord.evidence:{decision_id}"
                ),
                microseconds=0, gather_milliseconds=0, at=at,
            )  # fmt: skip
            offer = Offer.objects.create(
                shard=shard, application=application, decision=row, borrower_id=application.borrower_id,
                product=product.id, purpose=request.purpose, minimum_fen=100_000, limit_fen=request.amount_fen,
                requested_fen=request.amount_fen, requested_instalments=12, instalments=[12], rate_ppm=144_000,
                cap_ppm=240_000, expires_at=at, created_at=at,
            )  # fmt: skip
            pds.append(json.loads(record)["outputs"]["pd_ppm"] or 0)
            made.append(Lent(row, offer.id, evidence, bool(person.default_12m)))
    risky = sorted(pds)[int(0.6 * len(pds))]
    made = [replace(one, bad=one.bad or pd_ppm >= risky) for one, pd_ppm in zip(made, pds, strict=True)]
    return made


@contextmanager
def fates(loans: Sequence[Lent]) -> Iterator[None]:
    """What became of these loans is known a year after the decision; of all others, what servicing says."""
    of = {one.offer: one for one in loans}

    def told(shard: int, offers: Collection[UUID], on: date, months: int) -> Mapping[UUID, ports.LoanOutcome]:
        found = {}
        for offer in offers:
            if offer in of:
                seasoned = of[offer].decision.at.date() + timedelta(30 * months) < on
                bad = of[offer].bad
                found[offer] = ports.LoanOutcome(bad if seasoned or bad else None, 1_000_000, 0, seasoned)
        rest = [offer for offer in offers if offer not in of]
        return {**outcomes.of_offers(shard, rest, on, months), **found}

    ports.tell_outcomes(told)
    try:
        yield
    finally:
        ports.tell_outcomes(outcomes.of_offers)
