"""An e-commerce platform, through a licensed bureau: what the applicant bought and sold. Here the sandbox's."""

from datetime import date, datetime
from typing import Annotated, Literal

import msgspec

from timelyrain.sources.adapters.document import (
    MOST_ROWS,
    Fen,
    Key,
    columns,
    judge_times,
    keys,
    reader,
    tenure_days,
)
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


class _Orders(msgspec.Struct):
    registered_on: date
    fields: tuple[
        Literal["ts"],
        Literal["side"],
        Literal["category"],
        Literal["amt"],
        Literal["refunded"],
        Literal["pay"],
        Literal["merchant"],
        Literal["address"],
    ]
    rows: Annotated[list[tuple[int, Literal["bought", "sold"], str, Fen, bool, str, str, Key]], MOST_ROWS]


_read = reader("shop", _Orders)


def parse_orders(document: bytes, as_of: datetime) -> Extract:
    """Orders -> shop_tenure_days; shop_order, oldest first. A category or way to pay that is not listed is `other`."""
    told, now = _read(document), int(as_of.timestamp())
    at, sides, categories, amounts, refunded, pays, merchants, addresses = columns(told.rows, 8)
    judge_times("shop", at, now)
    orders: dict[str, Column] = {
        "at": at,
        "side": sides,
        "category": [what if what in _CATEGORIES else "other" for what in categories],
        "amount_fen": amounts,
        "refunded": list(map(int, refunded)),
        "pay": [pay if pay in _PAYS else "other" for pay in pays],
        "merchant": keys("shop", "$.rows[][6]", merchants),
        "address": keys("shop", "$.rows[][7]", addresses),
    }
    tenure = tenure_days("shop", "$.registered_on", told.registered_on, now)
    return Extract({"shop_tenure_days": tenure}, {"shop_order": orders})
