"""A current account: salary in, life out. Each month stands alone, so that history does not change when time goes on.

Month m opens with a balance drawn for m; the last transfer of m moves to or from savings what makes m + 1 open right, and a
top-up on the first day covers what would have gone below zero.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from timelyrain.sandbox.credit import File, draw_accounts, dues, late_months
from timelyrain.sandbox.days import DAY, Moments, day_number, day_start
from timelyrain.sandbox.lives import Lives, employers, ill, jobless
from timelyrain.sandbox.noise import Floats, Ints, key_text, keys, normal, uniform
from timelyrain.sandbox.people import Person

MONTHS = 12
_BUFFER, _TIME, _SIZE, _HAPPENS, _CODE, _FRIEND, _SHOP = 40, 41, 42, 44, 45, 46, 47
SAL, RENT, UTIL, OUT, IN, ATM, OTH, LND, LNR, RTN, SHOP = range(11)
CODES = ("SAL", "RENT", "UTIL", "TRF", "TRF", "ATM", "OTH", "LND", "LNR", "RTN", "POS")
BETS, HOSPITAL = 7995, 8062
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
# merchant categories (ISO 18245) and how often each is met, in thousandths
_MET = {
    5411: 240, 5812: 150, 5814: 150, 4111: 100, 5912: 50, 5651: 60, 5541: 60, 5311: 50, 5732: 25,
    5499: 40, 4511: 10, 7011: 15, 8299: 12, 6300: 10, 5816: 15, 5944: 5, 6051: 5, 5933: 3,
}  # fmt: skip
_SHOPS = np.repeat(list(_MET), list(_MET.values()))
_BETS = 7


@dataclass(frozen=True)
class Flows:
    """Flat columns by owner and instant. code: position in CODES. mcc: 0 but for SHOP. party: key, 0 unknown."""

    owner: Ints
    at: Ints
    amount: Ints
    balance: Ints
    code: Ints
    mcc: Ints
    party: Ints


Part = tuple[Ints, Ints, Floats, Ints, Ints, Ints, Ints]
"""owner, position of the month, seconds into it, amount (fen, + in), code, mcc, party"""


def transactions(c: Lives, when: Moments, months: int = MONTHS, file: File | None = None) -> Flows:
    """`months` whole months and the running one, up to each person's moment."""
    span = when.month[:, None] + np.arange(-months, 1)
    idle = jobless(c, span)
    parts = [_income(c, span, idle), *_spending(c, span, idle), *_borrowing(c, when, span, file)]
    owner, at, second, amount, code, mcc, party = (np.concatenate(x) for x in zip(*parts, strict=True))
    month_from = day_start(day_number(span))
    length = day_start(day_number(span + 1)) - month_from
    segment = owner * span.shape[1] + at
    second = np.clip(
        second.astype(np.int64), 1_200, length.ravel()[segment] - 1_200
    )  # between top-up and sweep
    order = np.argsort(segment * 4_000_000 + second, kind="stable")
    segment, second, amount = segment[order], second[order], amount[order]

    opening, following = _opening(c, span, idle).ravel(), _opening(c, span + 1, jobless(c, span + 1)).ravel()
    ends = np.searchsorted(segment, np.arange(span.size + 1))
    total = np.concatenate([[0], np.cumsum(amount)])
    running = total[1:] - total[ends[segment]]
    lowest, some = np.zeros(span.size, np.int64), np.flatnonzero(ends[1:] > ends[:-1])
    if len(some):
        lowest[some] = np.minimum.reduceat(running, ends[some])
    top_up = np.maximum(0, -(opening + np.minimum(lowest, 0)))
    sweep = following - (opening + total[ends[1:]] - total[ends[:-1]] + top_up)
    up, down = np.flatnonzero(top_up), np.flatnonzero(sweep)
    last = length.ravel()[down] - 600

    segment = np.concatenate([up, segment, down])
    second = np.concatenate([np.full(len(up), 600), second, last])
    amount = np.concatenate([top_up[up], amount, sweep[down]])
    code = np.concatenate([np.full(len(up), IN), code[order], np.full(len(down), OUT)])
    savings = keys(c.seed, _FRIEND, 99)[np.concatenate([up, down]) // span.shape[1]]
    mcc = np.concatenate([np.zeros(len(up), np.int64), mcc[order], np.zeros(len(down), np.int64)])
    party = np.concatenate([savings[: len(up)], party[order], savings[len(up) :]])
    order = np.argsort(segment * 4_000_000 + second, kind="stable")
    segment, amount, at = segment[order], amount[order], (month_from.ravel()[segment] + second)[order]
    ends = np.searchsorted(segment, np.arange(span.size))
    total = np.concatenate([[0], np.cumsum(amount)])
    balance = opening[segment] + total[1:] - total[ends[segment]]
    owner = segment // span.shape[1]
    known = np.flatnonzero(at <= when.at[owner])
    order = order[known]
    return Flows(
        owner[known], at[known], amount[known], balance[known], code[order], mcc[order], party[order]
    )


def _opening(c: Lives, months: Ints, idle: Floats) -> Ints:
    base = (c.income_fen * c.buffer)[:, None] * (1 - 0.6 * idle)
    return (base * np.exp(0.5 * normal(c.seed[:, None], _BUFFER, months))).astype(np.int64)


def _income(c: Lives, months: Ints, idle: Floats) -> Part:
    slots = np.arange(4)
    owner, at, slot = np.nonzero((idle[:, :, None] == 0) & (c.gig[:, None, None] | (slots == 0)))
    month, seed, gig = months[owner, at], c.seed[owner], c.gig[owner]
    noise, u = normal(seed, _SIZE + 100, month, slot), uniform(seed, _TIME + 100, month, slot)
    day = np.where(gig, 3 + 7 * slot + 3 * u, c.salary_day[owner] - 1 + 0.4 + 0.1 * u)
    pay = c.income_fen[owner] * np.where(gig, 0.25 * np.exp(0.35 * noise), np.exp(0.04 * noise))
    payer = np.where(gig, keys(seed, _FRIEND, 50 + slot), employers(c, months)[owner, at])
    none = np.zeros(len(owner), np.int64)
    return owner, at, day * DAY, pay.astype(np.int64), none + SAL, none, payer


def _spending(c: Lives, months: Ints, idle: Floats) -> list[Part]:
    code, chance, share, spread, first, days = _HABITS
    happens = uniform(c.seed[:, None, None], _HAPPENS, months[:, :, None], np.arange(len(code))) < chance
    happens[:, :, 0] = (c.rent_share > 0)[:, None]
    owner, at, k = np.nonzero(happens)
    seed, month, kind = c.seed[owner], months[owner, at], code[k].astype(np.int64)
    when = _by_day(first[k] - 1 + days[k] * uniform(seed, _TIME, month, k))
    level = (1 - 0.12 * np.tanh(c.z_thrift))[owner] * (1 - 0.35 * idle[owner, at])
    size = c.income_fen[owner] * share[k] * np.exp(spread[k] * normal(seed, _SIZE, month, k)) * level
    rent = c.income_fen[owner] * c.rent_share[owner] // 10_000 * 10_000
    amount = np.where(kind == IN, 1, -1) * np.where(kind == RENT, rent, size).astype(np.int64)
    u = uniform(seed, _CODE, month, k)
    mcc = np.where(kind == SHOP, _SHOPS[(u * 1000).astype(np.int64)], 0)
    parts = [(owner, at, when, amount, kind, mcc, _party(seed, month, k, kind, mcc))]
    sick = ill(c, months)
    owner, at = np.nonzero(sick)
    bill = -(c.income_fen[owner] * sick[owner, at]).astype(np.int64)
    none = np.zeros(len(owner), np.int64)
    seconds = (4 + 20 * uniform(c.seed[owner], _TIME + 7, months[owner, at])) * DAY
    parts.append(
        (
            owner,
            at,
            seconds,
            bill,
            none + SHOP,
            none + HOSPITAL,
            keys(3, _SHOP, none + HOSPITAL, c.seed[owner] % 9),
        )
    )
    return parts + _bets(c, months)


def _bets(c: Lives, months: Ints) -> list[Part]:
    who = np.flatnonzero(c.gambling_share > 0)
    if not len(who):
        return []
    k = np.arange(_BETS) + 100
    luck = uniform(c.seed[who, None, None], _HAPPENS, months[who][:, :, None], k)
    row, at, slot = np.nonzero(luck < 0.7)  # below 0.7 they play, below 0.08 they win
    owner, k = who[row], k[slot]
    seed, month = c.seed[owner], months[owner, at]
    stake = c.income_fen[owner] * c.gambling_share[owner] / 5
    bet = (stake * np.exp(0.6 * normal(seed, _SIZE, month, k))).astype(np.int64)
    when = 27 * uniform(seed, _TIME, month, k)
    when = (
        np.floor(when) + (0.8 + 0.4 * (when % 1))
    ) * DAY  # from seven in the evening to five in the morning
    house = keys(3, _SHOP, BETS, (uniform(seed, _SHOP, 0, k % 3) * 50).astype(np.int64))
    none = np.zeros(len(owner), np.int64)
    won = np.flatnonzero(luck[row, at, slot] < 0.08)
    return [
        (owner, at, when, -bet, none + SHOP, none + BETS, house),
        (
            owner[won],
            at[won],
            when[won] + 7_200,
            (2.5 * bet[won]).astype(np.int64),
            none[won] + SHOP,
            none[won] + BETS,
            house[won],
        ),
    ]


def _by_day(day: Floats) -> Floats:
    """Seconds into the month of something people do between half past seven and eleven at night."""
    return (np.floor(day) + 0.3125 + 0.645 * (day % 1)) * DAY


def _party(seed: Ints, month: Ints, k: Ints, kind: Ints, mcc: Ints) -> Ints:
    """Landlord, two utilities, a dozen friends, and per category one of six shops a person keeps to."""
    draw = (uniform(seed, _FRIEND, month, k) * 12).astype(np.int64)
    friend = keys(seed, _FRIEND, draw)
    shop = keys(3, _SHOP, mcc, (uniform(seed, _SHOP, mcc, draw % 6) * 400).astype(np.int64))
    own = keys(seed, _FRIEND, 100 + k)
    return np.select(
        [kind == SHOP, (kind == RENT) | (kind == UTIL), (kind == OUT) | (kind == IN)], [shop, own, friend], 0
    )


def _borrowing(c: Lives, when: Moments, months: Ints, file: File | None) -> list[Part]:
    a = file.accounts if file else draw_accounts(c, when)
    due, behind, lender = dues(c, a, months), late_months(c, a, months), a.lender
    row, at = np.nonzero(due)
    paid = behind[row, at] == 0
    second = (a.day[row] - 1 + 0.55) * DAY
    amount, code = np.where(paid, -due[row, at], 0), np.where(paid, LNR, RTN)
    none = np.zeros(len(row), np.int64)
    paying = (a.owner[row], at, second, amount, code, none, lender[row])
    at = a.month - months[a.owner, 0]
    got = np.flatnonzero((at >= 0) & (a.term > 0))
    none = np.zeros(len(got), np.int64)
    second = (a.day[got] - 1 + 0.5) * DAY
    return [paying, (a.owner[got], at[got], second, a.limit_fen[got], none + LND, none, lender[got])]


class Statements:
    """The bank-data provider's documents of n people, one by one."""

    def __init__(self, when: Moments, flows: Flows, months: int = MONTHS):
        self._when, self._flows, self._months = when, flows, months
        self._at = np.searchsorted(flows.owner, np.arange(len(when.at) + 1)).tolist()

    def of(self, i: int, person: Person, card: str) -> dict[str, Any]:
        f, span = self._flows, slice(self._at[i], self._at[i + 1])
        columns = (f.at[span], f.amount[span], f.balance[span], f.code[span], f.mcc[span], f.party[span])
        return {
            "provider": "sandbox-bank-data",
            "account": {"card": f"{card[:6]}******{card[-4:]}", "holder": person.name, "currency": "CNY"},
            "period": {
                "from": int(day_start(day_number(self._when.month[i : i + 1] - self._months))[0]),
                "to": int(self._when.at[i]),
            },
            "fields": ["ts", "amt", "bal", "code", "cp"],
            "rows": [
                [
                    at,
                    amount,
                    balance,
                    f"POS:{mcc}" if code == SHOP else CODES[code],
                    key_text(party) if party else None,
                ]
                for at, amount, balance, code, mcc, party in zip(*(x.tolist() for x in columns), strict=True)
            ],
        }
