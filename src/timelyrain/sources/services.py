"""Gathering evidence about an applicant."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from uuid import UUID

from django.conf import settings
from django.db import transaction

from timelyrain.customers import services as customers
from timelyrain.customers.services import Borrower
from timelyrain.runtime import clock
from timelyrain.runtime.crypto import encrypt
from timelyrain.runtime.ids import new_id
from timelyrain.sources.adapters.bank_flow import BankFlowSource
from timelyrain.sources.adapters.bureau import BureauSource
from timelyrain.sources.adapters.device import DeviceSource
from timelyrain.sources.adapters.exchange import Answer, ask_all
from timelyrain.sources.adapters.population import fetch_population
from timelyrain.sources.adapters.registry import RegistrySource
from timelyrain.sources.adapters.shop import ShopSource
from timelyrain.sources.adapters.tax import TaxSource
from timelyrain.sources.adapters.telecom import TelecomSource
from timelyrain.sources.facts import application_facts
from timelyrain.sources.models import ReadStatus, SourceRead
from timelyrain.sources.ports import Extract, Question, RawDocument, Source, SourceError, Subject, assemble

__all__ = ["Gathered", "Read", "fetch_population", "gather", "gather_about", "kept", "open_person", "sources"]

log = logging.getLogger(__name__)


@cache
def sources() -> tuple[Source, ...]:
    kinds = (RegistrySource, BureauSource, BankFlowSource, TelecomSource, ShopSource, TaxSource, DeviceSource)
    return tuple(kind(settings.SANDBOX_URL) for kind in kinds)


@dataclass
class Read:
    """One source's part of a gathering."""

    source: Source
    consent_id: UUID | None
    status: ReadStatus
    detail: str = ""
    document: RawDocument | None = None
    extract: Extract | None = None
    milliseconds: int = 0


@dataclass(frozen=True)
class Gathered:
    """Evidence in the shape of docs/architecture.md, and how each source answered."""

    evidence: dict[str, object]
    reads: Sequence[Read]
    milliseconds: int
    as_of: datetime = field(repr=False)


def gather(shard: int, borrower_id: UUID) -> Gathered:
    """Ask every source with a live consent at once; whoever is late by the deadline is missing. Not inside a transaction."""
    person = open_person(customers.borrower(shard, borrower_id))
    return gather_about(person, customers.live_consents(shard, borrower_id))


def open_person(borrower: Borrower) -> customers.Person:
    """Who the sources are asked about; that this was read is written down."""
    return customers.open_person(borrower, reader="sources", purpose="credit assessment")


def gather_about(person: customers.Person, consents: customers.Consents) -> Gathered:
    """`gather` with what was read of the borrower a moment ago."""
    if transaction.get_connection().in_atomic_block:
        raise RuntimeError("sources are asked over HTTP, which must not happen inside a database transaction")
    as_of, began = clock.now(), time.perf_counter()
    subject = Subject(person.name, person.id_number, person.phone, person.bank_card)
    reads: list[Read] = []
    asked: list[tuple[Read, Question]] = []
    for source in sources():
        consent = consents.get((source.purpose, source.recipient))
        if consent is None:
            reads.append(Read(source, None, ReadStatus.NO_CONSENT, "the borrower has not consented"))
            continue
        read = Read(
            source, consent, ReadStatus.TIMEOUT, f"no answer within {settings.SOURCE_DEADLINE_SECONDS:g} s"
        )
        reads.append(read)
        asked.append((read, source.question(subject, str(consent), as_of)))
    answers = ask_all([question for _, question in asked], settings.SOURCE_DEADLINE_SECONDS)
    for (read, _), answer in zip(asked, answers, strict=True):
        _settle(read, answer, as_of)
    facts = application_facts(person.id_number, person.id_valid_until, clock.business_date(as_of))
    extracts = {read.source.name: read.extract for read in reads if read.extract is not None}
    missing = [read.source.name for read in reads if read.extract is None]
    evidence = assemble(extracts, facts, as_of, missing)
    return Gathered(evidence, reads, round((time.perf_counter() - began) * 1000), as_of)


def kept(shard: int, application_id: UUID, borrower_id: UUID, gathered: Gathered) -> list[SourceRead]:
    """Rows that say how each source answered, with the raw documents sealed; for the caller to insert."""
    made: list[SourceRead] = []
    for read in gathered.reads:
        row_id = new_id()
        document = read.document
        sealed = document and encrypt(document.body, f"sources_sourceread.document:{row_id}")
        made.append(
            SourceRead(
                shard=shard,
                id=row_id,
                application_id=application_id,
                borrower_id=borrower_id,
                source=read.source.name,
                recipient=read.source.recipient,
                consent_id=read.consent_id,
                status=read.status,
                detail=read.detail[:500],
                url=document.url if document else "",
                document_sha256=document.sha256 if document else "",
                document_sealed=sealed,
                milliseconds=read.milliseconds,
                at=gathered.as_of,
            )
        )
    return made


def _settle(read: Read, answer: Answer, as_of: datetime) -> None:
    read.document, read.milliseconds = answer.document, answer.milliseconds
    try:
        if answer.error is not None:
            raise answer.error
        assert answer.document is not None
        read.extract = read.source.parse(answer.document.body, as_of)
        read.status, read.detail = ReadStatus.OK, ""
    except SourceError as error:
        known = error.kind in ReadStatus.values
        read.status, read.detail = ReadStatus(error.kind) if known else ReadStatus.ERROR, error.detail
    except Exception as error:
        log.exception("source %s failed", read.source.name)
        read.status, read.detail = ReadStatus.ERROR, type(error).__name__
