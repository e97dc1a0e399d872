"""A current account: salary in, life out. Each month stands alone, so that history does not change when time goes on.

Month m opens with a balance drawn for m; the last transfer of m moves to or from savings what makes m + 1 open right, and a
top-up on the first day covers what would have gone below zero.
"""

from datetime import date, datetime
from typing import Any

import numpy as np

from timelyrain.sandbox.character import Character, jobless
from timelyrain.sandbox.credit import draw_accounts, dues, late_months
from timelyrain.sandbox.days import DAY, china_date, month_index, month_start
from timelyrain.sandbox.noise import Ints, normal, uniform
from timelyrain.sandbox.people import Person

_BUFFER, _TIME, _SIZE, _HAPPENS, _CODE = 40, 41, 42, 44, 45
_SHOPS = ("POS:5411", "POS:5812", "POS:5814", "POS:5311", "POS:5541", "POS:4111", "POS:5912", "POS:5651")
SAL, RENT, UTIL, OUT, IN, ATM, BET, OTH, LND, LNR, RTN, SHOP = range(12)
CODES = ("SAL", "RENT", "UTIL", "TRF", "TRF", "ATM", "POS:7995", "OTH", "LND", "LNR", "RTN", *_SHOPS)
# What may happen in a month, one row a slot: code, chance, share of income, spread, first day, days
_HABITS = np.array(
    [
        (RENT, 1.0, 0.0, 0.0, 2, 3),
        *[(UTIL, 0.9, 0.015, 0.3, 8, 18)] * 2,
        *[(SHOP, 0.85, 0.036, 0.7, 1, 28)] * 11,
        *[(OUT, 0.6, 0.05, 0.8, 1, 28)] * 2,
        (IN, 0.4, 0.06, 0.8, 1, 28),
        (ATM, 0.5, 0.03, 0.4, 1, 28),
        (OTH, 0.2, 0.02, 0.6, 1, 28),
    ]
).T
_BETS = 7


def transactions(c: Character, first: int, as_of: datetime) -> tuple[Ints, Ints, Ints, list[str]]:
    """Instants, amounts (fen, + in), balances after, codes; from the start of month `first` to `as_of`, oldest first."""
    on = china_date(as_of)
    months = np.arange(first, month_index(on) + 1)
    starts = np.array([month_start(int(m)) for m in months])
    lengths = np.array([month_start(int(m) + 1) for m in months]) - starts
    # each part: codes (S), seconds into the month (M, S), amounts (M, S), 0 = nothing happens
    parts = [*_income(c, months), *_spending(c, months), *_borrowing(c, months, on)]
    code = np.concatenate([x[0] for x in parts])
    when = np.concatenate([x[1] for x in parts], axis=1)
    amount = np.concatenate([x[2] for x in parts], axis=1).astype(np.int64)
    real = (amount != 0) | (when > 0) & (code == RTN)[None, :]
    when = np.clip(when, 1_200, lengths[:, None] - 1_200)  # between the top-up and the sweep
    order = np.argsort(np.where(real, when, np.inf), axis=1, kind="stable")
    amount = np.take_along_axis(amount, order, axis=1)
    when = np.take_along_axis(when, order, axis=1)
    real = np.take_along_axis(real, order, axis=1)
    codes = code[order]
    shop = codes == SHOP
    codes[shop] += (uniform(c.seed, _CODE, months[:, None], np.arange(codes.shape[1])) * len(_SHOPS)).astype(
        int
    )[shop]

    opening, following = _opening(c, months), _opening(c, months + 1)
    running = opening[:, None] + np.cumsum(amount, axis=1)
    top_up = np.maximum(0, -running.min(axis=1))
    closing = running[:, -1] + top_up
    sweep = following - closing
    column = np.ones((len(months), 1), dtype=np.int64)
    at = (
        np.concatenate([0 * column + 600, when.astype(np.int64), column * (lengths[:, None] - 600)], axis=1)
        + starts[:, None]
    )
    amount = np.concatenate([top_up[:, None], amount, sweep[:, None]], axis=1)
    codes = np.concatenate([column * IN, codes, column * OUT], axis=1)
    balance = opening[:, None] + np.cumsum(amount, axis=1)
    real = np.concatenate([top_up[:, None] > 0, real, sweep[:, None] != 0], axis=1) & (
        at <= as_of.timestamp()
    )
    return at[real], amount[real], balance[real], [CODES[k] for k in codes[real].tolist()]


def _opening(c: Character, months: Ints) -> Ints:
    base = c.income_fen * c.buffer * (1 - 0.6 * jobless(c, months))
    return (base * np.exp(0.5 * normal(c.seed, _BUFFER, months))).astype(np.int64)


def _income(c: Character, months: Ints) -> list[tuple[Ints, Any, Any]]:
    works = 1 - jobless(c, months)[:, None]
    slots = np.arange(4 if c.gig else 1)[None, :]
    noise = normal(c.seed, _SIZE + 100, months[:, None], slots)
    if c.gig:
        day = 3 + 7 * slots + 3 * uniform(c.seed, _TIME + 100, months[:, None], slots)
        pay = c.income_fen / 4 * np.exp(0.35 * noise)
    else:
        day = c.salary_day - 1 + 0.4 + 0.1 * uniform(c.seed, _TIME + 100, months[:, None], slots)
        pay = c.income_fen * np.exp(0.04 * noise)
    return [(np.full(slots.shape[1], SAL), day * DAY, np.floor(pay) * works)]


def _spending(c: Character, months: Ints) -> list[tuple[Ints, Any, Any]]:
    code, chance, share, spread, first, days = _HABITS
    m, k = months[:, None], np.arange(len(code))[None, :]
    when = (first - 1 + days * uniform(c.seed, _TIME, m, k)) * DAY
    level = (1 - 0.12 * np.tanh(c.z_thrift)) * (1 - 0.35 * jobless(c, months))[:, None]
    size = c.income_fen * share * np.exp(spread * normal(c.seed, _SIZE, m, k)) * level
    size[:, 0] = c.income_fen * c.rent_share // 10_000 * 10_000
    happens = uniform(c.seed, _HAPPENS, m, k) < chance
    parts = [(code.astype(np.int64), when, np.where(code == IN, 1, -1) * np.floor(size) * happens)]
    if c.gambling_share:
        k = np.arange(_BETS)[None, :] + 100
        bet = np.floor(c.income_fen * c.gambling_share / 5 * np.exp(0.6 * normal(c.seed, _SIZE, m, k)))
        when = 27 * DAY * uniform(c.seed, _TIME, m, k)
        luck = uniform(c.seed, _HAPPENS, m, k)  # below 0.7 they play, below 0.08 they win
        codes = np.full(_BETS, BET)
        parts += [(codes, when, -bet * (luck < 0.7)), (codes, when + 7_200, 2.5 * bet * (luck < 0.08))]
    return parts


def _borrowing(c: Character, months: Ints, on: date) -> list[tuple[Ints, Any, Any]]:
    a = draw_accounts(c, on)
    if not len(a):
        return []
    due = dues(c, a, months).T.astype(np.float64)
    behind = late_months(c, a, months).T
    when = np.broadcast_to((a.day - 1 + 0.55)[None, :] * DAY, due.shape) * (due > 0)
    paid = (behind == 0) & (due > 0)
    proceeds = (months[:, None] == a.month[None, :]) & (a.term > 0)[None, :]
    drawn = np.broadcast_to((a.day - 1 + 0.5)[None, :] * DAY, due.shape)
    return [
        (np.full(len(a), LNR), when, -due * paid),
        (np.full(len(a), RTN), when * ~paid, 0 * due),
        (np.full(len(a), LND), drawn * proceeds, a.limit_fen[None, :] * proceeds.astype(np.float64)),
    ]


def flows(person: Person, c: Character, card: str, months: int, as_of: datetime) -> dict[str, Any]:
    """The bank-data provider's document: `months` whole months and the running one."""
    first = month_index(china_date(as_of)) - months
    at, amount, balance, codes = transactions(c, first, as_of)
    return {
        "provider": "sandbox-bank-data",
        "account": {"card": f"{card[:6]}******{card[-4:]}", "holder": person.name, "currency": "CNY"},
        "period": {"from": month_start(first), "to": int(as_of.timestamp())},
        "fields": ["ts", "amt", "bal", "code"],
        "rows": [list(r) for r in zip(at.tolist(), amount.tolist(), balance.tolist(), codes, strict=True)],
    }
