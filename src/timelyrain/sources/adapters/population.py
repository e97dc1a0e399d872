"""People of the sandbox with known fate, through the same parsers as a live application: what a model is trained on."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

import httpx
import msgspec

from timelyrain.sources.adapters.bank_flow import parse_flows
from timelyrain.sources.adapters.bureau import parse_report
from timelyrain.sources.adapters.device import parse_events
from timelyrain.sources.adapters.document import CHINA
from timelyrain.sources.adapters.registry import parse_verification
from timelyrain.sources.adapters.shop import parse_orders
from timelyrain.sources.adapters.tax import parse_records
from timelyrain.sources.adapters.telecom import parse_bills
from timelyrain.sources.facts import application_facts
from timelyrain.sources.ports import Extract, assemble


@dataclass(frozen=True)
class Outcome:
    """Evidence at application, whether the loan went 90 days overdue within 12 months, and the chance it had."""

    evidence: dict[str, object]
    default_12m: int
    true_pd: float


class _Person(msgspec.Struct):
    as_of: datetime
    subject: dict[str, str]
    documents: dict[str, msgspec.Raw]
    default_12m: int
    true_pd: float


_read = msgspec.json.Decoder(_Person).decode
_PARSERS: dict[str, tuple[str, Callable[[bytes, datetime], Extract]]] = {
    "identity": ("registry", lambda document, as_of: parse_verification(document)),
    "bureau": ("bureau", parse_report),
    "bank": ("bank_flow", parse_flows),
    "telecom": ("telecom", parse_bills),
    "shop": ("shop", parse_orders),
    "tax": ("tax", parse_records),
    "device": ("device", parse_events),
}
"""Source -> its name in the population's documents and its parser."""


def fetch_population(
    base_url: str, n: int, seed: int, as_of: datetime, span_months: int = 0, timeout: float = 600.0
) -> Iterator[Outcome]:
    """n people, streamed; applications spread over `span_months` before `as_of`. Raises httpx.HTTPError."""
    asked = {"n": n, "seed": seed, "as_of": as_of.isoformat(), "span_months": span_months}
    with httpx.stream("GET", f"{base_url.rstrip('/')}/population", params=asked, timeout=timeout) as response:
        response.raise_for_status()
        yield from read_population(response.iter_lines())


def read_population(lines: Iterable[str | bytes]) -> Iterator[Outcome]:
    """Lines as GET /population gives them. Raises SourceMalformed on a bad document, ValueError on a bad line."""
    for line in lines:
        person = _read(line)
        documents = {name: bytes(raw) for name, raw in person.documents.items() if bytes(raw) != b"null"}
        extracts = {
            source: parse(documents[name], person.as_of)
            for source, (name, parse) in _PARSERS.items()
            if name in documents
        }
        missing = [source for source in _PARSERS if source not in extracts]
        evidence = assemble(extracts, _facts(person.subject, person.as_of), person.as_of, missing)
        yield Outcome(evidence, person.default_12m, person.true_pd)


def _facts(subject: dict[str, str], as_of: datetime) -> dict[str, int]:
    valid_until = date.fromisoformat(subject["id_valid_until"])
    return application_facts(subject["id_number"], valid_until, as_of.astimezone(CHINA).date())
