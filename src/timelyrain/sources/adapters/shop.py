"""An e-commerce platform, through a licensed bureau: what the applicant bought and sold. Here the sandbox's."""

from datetime import datetime

from timelyrain.sources.adapters.document import Clock, epoch, fields, key, read
from timelyrain.sources.adapters.exchange import ask
from timelyrain.sources.ports import Extract, RawDocument, Subject

_CATEGORIES = [
    "grocery",
    "clothing",
    "electronics",
    "jewellery",
    "gift_card",
    "recharge",
    "travel",
    "health",
    "home",
    "education",
    "games",
    "baby",
    "beauty",
]
_PAYS = ("balance", "card", "credit_line", "cash_on_delivery")


class ShopSource:
    name = "shop"
    purpose = "spending_check"
    recipient = "commerce_platform"

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}/shop/orders"

    def fetch(self, subject: Subject, consent_id: str, as_of: datetime, timeout: float) -> RawDocument:
        body = {
            "phone": subject.phone,
            "id_number": subject.id_number,
            "consent_id": consent_id,
            "as_of": as_of.isoformat(),
        }
        return ask(self.name, self._url, body, timeout)

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_orders(document, as_of)


def parse_orders(document: bytes, as_of: datetime) -> Extract:
    """Orders -> shop_tenure_days; shop_order, oldest first. A category or way to pay that is not listed is `other`."""
    top, now = read("shop", document), int(as_of.timestamp())
    clock, since = Clock(now), top.at("registered_on")
    if epoch(since.day()) > now:
        since.fail(f"after {as_of:%Y-%m-%d}, the day it was asked for")
    rows: list[tuple[int, str, str, int, int, str, int, int]] = []
    for where in fields(top, "ts", "side", "category", "amt", "refunded", "pay", "merchant", "address"):
        match where.value:
            case [
                int(ts),
                ("bought" | "sold") as side,
                str(what),
                int(amt),
                bool(back),
                str(pay),
                str(merchant),
                str() | None as address,
            ] if amt >= 0 and bool not in (type(ts), type(amt)):
                rows.append(
                    (
                        clock.check(where, ts),
                        side,
                        what if what in _CATEGORIES else "other",
                        amt,
                        int(back),
                        pay if pay in _PAYS else "other",
                        key(where, merchant),
                        key(where, address) if address else 0,
                    )
                )
            case _:
                where.fail(
                    "must be [time, bought or sold, category, fen, true or false, how paid, key, key or null]"
                )
    names = ("at", "side", "category", "amount_fen", "refunded", "pay", "merchant", "address")
    tenure = min((now - epoch(since.day())) // 86_400, 20_000)
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return Extract({"shop_tenure_days": tenure}, {"shop_order": columns})
