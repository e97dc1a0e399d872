"""The carrier (运营商): whose number it is, since when, and how its bills were paid. Here the sandbox's."""

from datetime import date, datetime
from typing import Annotated

import msgspec

from timelyrain.sources.adapters.document import (
    CHINA,
    MOST_ROWS,
    Fen,
    columns,
    epoch,
    malformed,
    month,
    reader,
    tenure_days,
)
from timelyrain.sources.adapters.person import PersonSource
from timelyrain.sources.ports import Column, Extract, Fact


class TelecomSource(PersonSource):
    name = "telecom"
    purpose = "stability_check"
    recipient = "telecom_provider"
    path = "/telecom/bills"

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_bills(document, as_of)


class _Bill(msgspec.Struct):
    due_on: date
    paid_on: date | None
    amount_fen: Fen


class _Line(msgspec.Struct):
    holder_match: bool
    real_name: bool
    in_service_since: str
    bills: Annotated[list[_Bill], MOST_ROWS]


_read = reader("telecom", _Line)


def parse_bills(document: bytes, as_of: datetime) -> Extract:
    """Bills -> phone_match, phone_tenure_days; telecom_bill at its due day, late when paid after it or still unpaid."""
    told, now, today = _read(document), int(as_of.timestamp()), as_of.astimezone(CHINA).date()
    rows: list[tuple[int, int, int, int]] = []
    for number, bill in enumerate(told.bills):
        if (due := epoch(bill.due_on)) > now:
            malformed(
                "telecom", f"$.bills[{number}].due_on", f"{bill.due_on} is after {today}, when it was asked"
            )
        days = ((bill.paid_on or today) - bill.due_on).days
        late = bill.paid_on is None or days > 0
        rows.append((due, bill.amount_fen, int(late), min(max(days, 0), 3_650)))
    at, amounts, late, late_days = columns(sorted(rows), 4)
    since, place = told.in_service_since, "$.in_service_since"
    facts: dict[str, Fact] = {
        "phone_match": told.holder_match and told.real_name,
        "phone_tenure_days": tenure_days("telecom", place, month("telecom", place, since), now),
    }
    bills: dict[str, Column] = {"at": at, "amount_fen": amounts, "late": late, "late_days": late_days}
    return Extract(facts, {"telecom_bill": bills})
