"""What a source of evidence is: asked about a subject with a consent, it gives a raw document; parsing is a pure function.

The raw bytes are kept as they came, so that a parser can be corrected and a decision replayed years later.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

Fact = int | bool | str | None
Column = list[int] | list[str]


@dataclass(frozen=True)
class Subject:
    """Who a source is asked about: the statutory minimum data."""

    name: str
    id_number: str
    phone: str
    bank_card: str


@dataclass(frozen=True)
class Question:
    """What a source is asked: JSON to be POSTed to an address."""

    source: str
    url: str
    body: Mapping[str, object]


@dataclass(frozen=True)
class RawDocument:
    """An answer as it came. `url` says where from; it carries no personal data."""

    source: str
    body: bytes
    content_type: str
    url: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True)
class Extract:
    """What a document says, in the evidence schema of docs/architecture.md: facts, and event tables as columns."""

    facts: Mapping[str, Fact]
    events: Mapping[str, Mapping[str, Column]]


class Source(Protocol):
    """name: as in evidence. purpose, recipient: those of the consent that must be live before it is asked."""

    name: str
    purpose: str
    recipient: str

    def question(self, subject: Subject, consent_id: str, as_of: datetime) -> Question:
        """What the counterparty is to be asked. Pure."""
        ...

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        """Reads a document. Pure. Raises SourceMalformed with the path of what is wrong."""
        ...


class SourceError(Exception):
    """A source gave nothing usable. `kind` is stable; the message is for people and holds no personal data."""

    kind: ClassVar[str] = "error"

    def __init__(self, source: str, detail: str) -> None:
        super().__init__(f"{source}: {detail}")
        self.source, self.detail = source, detail


class SourceTimeout(SourceError):
    """No whole answer within the deadline."""

    kind = "timeout"


class SourceUnavailable(SourceError):
    """Not reachable, or it says itself that it cannot answer now (5xx): asking again later may help."""

    kind = "unavailable"


class SourceRefused(SourceError):
    """It understood and will not answer (4xx): asking again changes nothing."""

    kind = "refused"


class SourceMalformed(SourceError):
    """It answered with what is no document of its kind."""

    kind = "malformed"


def assemble(
    extracts: Mapping[str, Extract], facts: Mapping[str, Fact], as_of: datetime, missing: Sequence[str]
) -> dict[str, object]:
    """Evidence from what each source said, the application's own facts, and the names of the sources that gave nothing.

    Raises ValueError when two of them state the same fact or table, or when a source is both present and missing.
    """
    if both := sorted(set(extracts) & set(missing)):
        raise ValueError(f"{', '.join(both)}: listed as missing, yet an extract is given; drop one")
    all_facts: dict[str, Fact] = dict(facts)
    events: dict[str, Mapping[str, Column]] = {}
    for name, extract in sorted(extracts.items()):
        if twice := sorted(
            (all_facts.keys() & extract.facts.keys()) | (events.keys() & extract.events.keys())
        ):
            raise ValueError(f"{', '.join(twice)}: stated by {name} and by another; one fact has one source")
        all_facts.update(extract.facts)
        events.update(extract.events)
    return {"as_of": int(as_of.timestamp()), "facts": all_facts, "events": events, "missing": sorted(missing)}
