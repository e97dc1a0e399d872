"""The carrier (运营商): whose number it is, since when, and how its bills were paid. Here the sandbox's."""

from datetime import datetime

from timelyrain.sources.adapters.document import CHINA, epoch, read
from timelyrain.sources.adapters.person import PersonSource
from timelyrain.sources.ports import Extract


class TelecomSource(PersonSource):
    name = "telecom"
    purpose = "stability_check"
    recipient = "telecom_provider"
    path = "/telecom/bills"

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_bills(document, as_of)


def parse_bills(document: bytes, as_of: datetime) -> Extract:
    """Bills -> phone_match, phone_tenure_days; telecom_bill at its due day, late when paid after it or still unpaid."""
    top, now = read("telecom", document), int(as_of.timestamp())
    rows: list[tuple[int, int, int, int]] = []
    for bill in top.at("bills").each():
        due, paid = bill.at("due_on"), bill.at("paid_on")
        if epoch(due.day()) > now:
            due.fail(f"after {as_of:%Y-%m-%d}, the day the bills were asked for")
        unpaid = paid.value is None
        days = ((as_of.astimezone(CHINA).date() if unpaid else paid.day()) - due.day()).days
        late = unpaid or days > 0
        rows.append((epoch(due.day()), bill.at("amount_fen").whole(), int(late), min(max(days, 0), 3_650)))
    rows.sort()
    since = top.at("in_service_since")
    tenure = (now - epoch(since.month())) // 86_400
    if tenure < 0:
        since.fail(f"after {as_of:%Y-%m-%d}, the day it was asked for")
    facts = {
        "phone_match": top.at("holder_match").flag() and top.at("real_name").flag(),
        "phone_tenure_days": min(tenure, 20_000),
    }
    names = ("at", "amount_fen", "late", "late_days")
    return Extract(facts, {"telecom_bill": {name: [row[i] for row in rows] for i, name in enumerate(names)}})
