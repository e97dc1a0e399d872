"""Income tax, social insurance and housing fund (个税、社保、公积金), with the applicant's warned consent. Here the sandbox's."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from timelyrain.sources.adapters.document import MOST_ROWS, Fen, Key, columns, epoch, keys, malformed, reader
from timelyrain.sources.ports import Column, Extract, Question, Subject

_Kind = Literal["income_tax", "social_insurance", "provident_fund"]


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


class _Records(msgspec.Struct):
    fields: tuple[Literal["on"], Literal["kind"], Literal["base"], Literal["amt"], Literal["employer"]]
    rows: Annotated[list[tuple[date, _Kind, Fen, Fen, Key]], MOST_ROWS]


_read = reader("tax", _Records)


def parse_records(document: bytes, as_of: datetime) -> Extract:
    """Monthly records -> tax_record, oldest first."""
    days, kinds, bases, amounts, employers = columns(_read(document).rows, 5)
    at, now = list(map(epoch, days)), int(as_of.timestamp())
    for number, when in enumerate(at):
        if not 0 <= when <= now:
            malformed("tax", f"$.rows[{number}][0]", f"{days[number]} is after the day it was asked for")
    order = sorted(range(len(at)), key=at.__getitem__)
    records: dict[str, Column] = {
        "at": at,
        "kind": kinds,
        "base_fen": bases,
        "amount_fen": amounts,
        "employer": keys("tax", "$.rows[][4]", employers),
    }
    return Extract({}, {"tax_record": {name: [values[i] for i in order] for name, values in records.items()}})
