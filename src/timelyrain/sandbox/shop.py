"""An e-commerce platform: what people buy and, a few of them, sell. Those in need buy on credit what can be sold on."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from timelyrain.sandbox.days import DAY, Moments, day_number, day_start, day_text
from timelyrain.sandbox.lives import Lives, jobless
from timelyrain.sandbox.noise import Ints, key_text, keys, normal, uniform

MONTHS = 12
_HAPPENS, _TIME, _WHAT, _SIZE, _PAY, _BACK, _MERCHANT, _ADDRESS, _SINCE, _SOLD = range(200, 210)
SIDES = ("bought", "sold")
CATEGORIES = [
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
    "other",
]
PAYS = ("balance", "card", "credit_line", "cash_on_delivery", "other")
# chance in thousandths and typical size in parts of monthly income, per category
_MIX = np.array([260, 180, 50, 8, 12, 90, 25, 50, 110, 30, 45, 50, 60, 30])
_USUAL = np.repeat(np.arange(14), _MIX)
_NEEDY = np.repeat(np.arange(14), [100, 60, 260, 90, 180, 140, 10, 20, 30, 10, 60, 20, 10, 10])
_SHARE = np.array([0.012, 0.02, 0.12, 0.15, 0.06, 0.015, 0.10, 0.012, 0.03, 0.05, 0.012, 0.02, 0.018, 0.02])
_BUYS, _SALES = 8, 24


@dataclass(frozen=True)
class Orders:
    """Flat columns by owner and instant; side, category, pay: positions in the tuples above."""

    owner: Ints
    at: Ints
    side: Ints
    category: Ints
    amount: Ints
    refunded: Ints
    pay: Ints
    merchant: Ints
    address: Ints


def since(c: Lives, when: Moments) -> Ints:
    """Day number of registration; later than the moment for who has no account."""
    age = (uniform(c.seed, _SINCE, 1) * 3_000).astype(np.int64)
    joined = np.where(c.in_ring("farm", "mill"), 20_300 - age % 300, 20_200 - age)
    return np.where(c.online, joined, 10**6)


def orders(c: Lives, when: Moments) -> Orders:
    """The last 12 months and the running one."""
    months = when.month[:, None] + np.arange(-MONTHS, 1)
    parts = [_bought(c, months), _sold(c, months)]
    owner, at, *rest = (np.concatenate(x) for x in zip(*parts, strict=True))
    order = np.lexsort((*rest[::-1], at, owner))
    joined = day_start(np.minimum(since(c, when), 30_000))
    order = order[(at[order] <= when.at[owner[order]]) & (at[order] >= joined[owner[order]])]
    return Orders(owner[order], at[order], *(x[order] for x in rest))


def _bought(c: Lives, months: Ints) -> tuple[Ints, ...]:
    need = np.maximum(jobless(c, months), (c.gambling_share > 0.1)[:, None] * 0.7)
    chance = 0.35 + 0.05 * np.tanh(c.z_appetite)
    u = uniform(c.seed[:, None, None], _HAPPENS, months[:, :, None], np.arange(_BUYS))
    owner, at, k = np.nonzero(u < chance[:, None, None])
    seed, month = c.seed[owner], months[owner, at]
    needy = (uniform(seed, _WHAT + 50, month, k) < 0.5 * need[owner, at]) | (
        c.in_ring("cash_out")[owner] & (uniform(seed, _WHAT + 60, month, k) < 0.4)
    )
    draw = (uniform(seed, _WHAT, month, k) * 1000).astype(np.int64)
    category = np.where(needy, _NEEDY[draw], _USUAL[draw])
    size = c.income_fen[owner] * _SHARE[category] * np.exp(0.6 * normal(seed, _SIZE, month, k))
    amount = np.maximum(500, size.astype(np.int64) // 10 * 10)
    credit = 0.12 + 0.08 * np.tanh(c.z_appetite)[owner] + 0.5 * needy
    p = uniform(seed, _PAY, month, k)
    pay = np.select([p < credit, p < credit + 0.25, p < credit + 0.27, p > 0.99], [2, 1, 3, 4], 0)
    back = uniform(seed, _BACK, month, k) < 0.06 * np.exp(-0.2 * c.z_discipline[owner])
    place = uniform(seed, _MERCHANT, month, k)
    merchant = keys(5, _MERCHANT, category, (place * place * 3_000).astype(np.int64))
    merchant = np.where(c.in_ring("cash_out")[owner], keys(6, _MERCHANT, c.ring[owner], k % 2), merchant)
    day = 28 * uniform(seed, _TIME, month, k)
    hour = (9 + 14.5 * (day % 1) + np.where(needy, 4, 0)) / 24  # in need people shop later, past midnight too
    at = day_start(day_number(month)) + ((np.floor(day) + hour) * DAY).astype(np.int64)
    none = np.zeros(len(owner), np.int64)
    return (
        owner,
        at,
        none,
        category,
        amount,
        back.astype(np.int64),
        pay,
        merchant,
        _address(c, owner, month, k),
    )


def _address(c: Lives, owner: Ints, month: Ints, k: Ints) -> Ints:
    """Home, which moves every eight years or so; one order in twenty goes to the office or to parents."""
    years = (uniform(c.seed[owner], _ADDRESS, 1) * 96).astype(np.int64)
    home = keys(c.seed[owner], _ADDRESS, (month + years) // 96)
    away = uniform(c.seed[owner], _ADDRESS + 50, month, k) < 0.05
    other = keys(c.seed[owner], _ADDRESS, 10**6 + k % 2)
    return np.where(
        c.in_ring("farm", "mill")[owner], keys(6, _ADDRESS, c.ring[owner], k % 3), np.where(away, other, home)
    )


def _sold(c: Lives, months: Ints) -> tuple[Ints, ...]:
    """Takings of who keeps a shop; a ring sells to itself on credit."""
    who = np.flatnonzero(c.sells)
    u = uniform(c.seed[who, None, None], _SOLD, months[who][:, :, None], np.arange(_SALES))
    row, at, k = np.nonzero(u < 0.5)
    owner = who[row]
    seed, month = c.seed[owner], months[owner, at]
    amount = np.maximum(
        500, (12_000 * np.exp(0.9 * normal(seed, _SOLD + 20, month, k))).astype(np.int64) // 10 * 10
    )
    ring = c.in_ring("cash_out")[owner]
    buyer = (uniform(seed, _SOLD + 21, month, k) * np.where(ring, 40, 5_000)).astype(np.int64)
    pay = np.where(uniform(seed, _SOLD + 22, month, k) < np.where(ring, 0.5, 0.1), 2, 0)
    back = uniform(seed, _SOLD + 23, month, k) < 0.05
    day = 28 * uniform(seed, _SOLD + 24, month, k)
    at = day_start(day_number(month)) + ((np.floor(day) + (8 + 15 * (day % 1)) / 24) * DAY).astype(np.int64)
    goods = (uniform(seed, _SOLD + 25) * 14).astype(np.int64)
    none = np.zeros(len(owner), np.int64)
    return owner, at, none + 1, goods, amount, back.astype(np.int64), pay, keys(seed, _SOLD, buyer), none


class Accounts:
    """The platform's documents of n people, one by one."""

    def __init__(self, c: Lives, when: Moments, found: Orders):
        self._since, self._when, self._found = since(c, when), when, found
        self._at = np.searchsorted(found.owner, np.arange(len(c) + 1)).tolist()

    def of(self, i: int) -> dict[str, Any] | None:
        """None for who has no account there."""
        if self._since[i] > self._when.date[i]:
            return None
        f, span = self._found, slice(self._at[i], self._at[i + 1])
        columns = (f.at, f.side, f.category, f.amount, f.refunded, f.pay, f.merchant, f.address)
        return {
            "platform": "sandbox-mall",
            "registered_on": day_text(int(self._since[i])),
            "fields": ["ts", "side", "category", "amt", "refunded", "pay", "merchant", "address"],
            "rows": [
                [
                    at,
                    SIDES[side],
                    CATEGORIES[what],
                    amount,
                    bool(back),
                    PAYS[pay],
                    key_text(merchant),
                    key_text(address) if address else None,
                ]
                for at, side, what, amount, back, pay, merchant, address in zip(
                    *(x[span].tolist() for x in columns), strict=True
                )
            ],
        }
