"""Income tax, social insurance and housing fund (个税、社保、公积金), with the applicant's warned consent. Here the sandbox's."""

from datetime import datetime

from timelyrain.sources.adapters.document import Node, epoch, fields, key, read
from timelyrain.sources.adapters.exchange import ask
from timelyrain.sources.ports import Extract, RawDocument, Subject

_KINDS = ("income_tax", "social_insurance", "provident_fund")


class TaxSource:
    name = "tax"
    purpose = "contribution_check"
    recipient = "tax_record_provider"

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}/tax/records"

    def fetch(self, subject: Subject, consent_id: str, as_of: datetime, timeout: float) -> RawDocument:
        body = {
            "name": subject.name,
            "id_number": subject.id_number,
            "consent_id": consent_id,
            "as_of": as_of.isoformat(),
        }
        return ask(self.name, self._url, body, timeout)

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_records(document, as_of)


def parse_records(document: bytes, as_of: datetime) -> Extract:
    """Monthly records -> tax_record, oldest first."""
    now = int(as_of.timestamp())
    rows: list[tuple[int, str, int, int, int]] = []
    for where in fields(read("tax", document), "on", "kind", "base", "amt", "employer"):
        match where.value:
            case [str(on), str(kind), int(base), int(amt), str() | None as employer] if (
                kind in _KINDS and base >= 0 and amt >= 0 and bool not in (type(base), type(amt))
            ):
                at = epoch(Node("tax", f"{where.path}[0]", on).day())
                if at > now:
                    where.fail(f"{on} is after {as_of:%Y-%m-%d}, the day it was asked for")
                rows.append((at, kind, base, amt, key(where, employer) if employer else 0))
            case _:
                where.fail(f"must be [date, one of {', '.join(_KINDS)}, fen, fen, key or null]")
    rows.sort(key=lambda row: row[0])
    names = ("at", "kind", "base_fen", "amount_fen", "employer")
    return Extract({}, {"tax_record": {name: [row[i] for row in rows] for i, name in enumerate(names)}})
