"""Income tax, social insurance and housing fund (个税、社保、公积金), with the applicant's warned consent. Here the sandbox's."""

from datetime import date, datetime
from functools import lru_cache

from timelyrain.sources.adapters.document import epoch, read, table
from timelyrain.sources.ports import Extract, Question, Subject

_KINDS = ("income_tax", "social_insurance", "provident_fund")


class TaxSource:
    name = "tax"
    purpose = "contribution_check"
    recipient = "tax_record_provider"

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}/tax/records"

    def question(self, subject: Subject, consent_id: str, as_of: datetime) -> Question:
        body = {
            "name": subject.name,
            "id_number": subject.id_number,
            "consent_id": consent_id,
            "as_of": as_of.isoformat(),
        }
        return Question(self.name, self._url, body)

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_records(document, as_of)


def parse_records(document: bytes, as_of: datetime) -> Extract:
    """Monthly records -> tax_record, oldest first."""
    top, now = read("tax", document), int(as_of.timestamp())
    found = table(top, now, on="text", kind=_KINDS, base="natural", amt="natural", employer="key or null")
    at = [_instant(on) for on in found["on"]]
    for i, on in enumerate(found["on"]):
        if not 0 <= at[i] <= now:
            why = (
                "is no date like 2026-03-31"
                if at[i] < 0
                else f"is after {as_of:%Y-%m-%d}, the day it was asked for"
            )
            top.at("rows").item(i).item(0).fail(f"{on[:40]!r} {why}")
    order = sorted(range(len(at)), key=at.__getitem__)
    columns = {
        "at": at,
        "kind": found["kind"],
        "base_fen": found["base"],
        "amount_fen": found["amt"],
        "employer": found["employer"],
    }
    return Extract({}, {"tax_record": {name: [values[i] for i in order] for name, values in columns.items()}})


@lru_cache(maxsize=4096)
def _instant(text: str) -> int:
    """Epoch seconds of an ISO date; -1 when it is none."""
    try:
        return epoch(date.fromisoformat(text))
    except ValueError:
        return -1
