"""An e-commerce platform, through a licensed bureau: what the applicant bought and sold. Here the sandbox's."""

from datetime import datetime

from timelyrain.sources.adapters.document import epoch, read, table
from timelyrain.sources.adapters.person import PersonSource
from timelyrain.sources.ports import Column, Extract

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


class ShopSource(PersonSource):
    name = "shop"
    purpose = "spending_check"
    recipient = "commerce_platform"
    path = "/shop/orders"

    def parse(self, document: bytes, as_of: datetime) -> Extract:
        return parse_orders(document, as_of)


def parse_orders(document: bytes, as_of: datetime) -> Extract:
    """Orders -> shop_tenure_days; shop_order, oldest first. A category or way to pay that is not listed is `other`."""
    top, now = read("shop", document), int(as_of.timestamp())
    since = top.at("registered_on")
    if epoch(since.day()) > now:
        since.fail(f"after {as_of:%Y-%m-%d}, the day it was asked for")
    found = table(
        top,
        now,
        ts="time",
        side=("bought", "sold"),
        category="text",
        amt="natural",
        refunded="flag",
        pay="text",
        merchant="key",
        address="key or null",
    )
    columns: dict[str, Column] = {
        "at": found["ts"],
        "side": found["side"],
        "category": [what if what in _CATEGORIES else "other" for what in found["category"]],
        "amount_fen": found["amt"],
        "refunded": found["refunded"],
        "pay": [pay if pay in _PAYS else "other" for pay in found["pay"]],
        "merchant": found["merchant"],
        "address": found["address"],
    }
    tenure = min((now - epoch(since.day())) // 86_400, 20_000)
    return Extract({"shop_tenure_days": tenure}, {"shop_order": columns})
