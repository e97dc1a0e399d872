"""Borrowing: accounts, monthly states, inquiries, guarantees, and the bureau's score. Everything for n people at once."""

from dataclasses import dataclass

import numpy as np

from timelyrain.sandbox.days import Moments, day_number
from timelyrain.sandbox.lives import Bools, Lives, jobless
from timelyrain.sandbox.noise import Ints, keys, normal, uniform

LISTED = 24  # months that a settled account stays in the report, and the longest bank history served
LOOK_BACK = 36 + LISTED + 1  # the longest term, so that no month served misses an account
_OPEN, _TERM, _SIZE, _DAY, _LATE, _LONG, _UTIL, _REJECT, _POST, _SELF, _SCORE, _COURT = range(20, 32)
_LENDER, _GUARANTEE = 32, 33
_TERMS = np.array([6, 12, 12, 24, 36])
D1, R1, R2, R3 = range(4)
KINDS = ("D1", "R1", "R2", "R3")
_LENDERS = np.array([60, 80, 40, 20])  # how many of each kind there are
REASONS = ("loan_approval", "card_approval", "post_loan", "self")
LOAN, CARD, REVIEW, OWN = range(4)


@dataclass(frozen=True)
class Accounts:
    """Flat columns, by owner and opening date. `term` is 0 for revolving kinds; `key` addresses an account's own draws."""

    owner: Ints
    seed: Ints
    kind: Ints
    month: Ints
    day: Ints
    limit_fen: Ints
    term: Ints
    key: Ints

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def lender(self) -> Ints:
        u = uniform(self.seed, _LENDER, self.key, self.kind)
        return keys(0, _LENDER, self.kind, (u * _LENDERS[self.kind]).astype(np.int64))

    def alive(self, months: Ints) -> Bools:
        """(n, months) -> (accounts, months): does an instalment fall due in that month?"""
        age = months[self.owner] - self.month[:, None]
        return (age >= 1) & ((self.term[:, None] == 0) | (age <= self.term[:, None]))

    def ended(self, now: Ints) -> Ints:
        """Month of settlement, 0 while open. now: (n,) month indices."""
        last = self.month + self.term
        return np.where((self.term > 0) & (now[self.owner] > last), last, 0)


def draw_accounts(c: Lives, when: Moments) -> Accounts:
    """Every account opened by then that could still matter."""
    months = when.month[:, None] + np.arange(-LOOK_BACK, 1)
    hazard = 0.042 * np.exp(0.75 * c.z_appetite) * np.where(c.thin, 0.1, 1.0)
    hazard = hazard[:, None] * (1 + 0.8 * jobless(c, months))
    opens = uniform(c.seed[:, None, None], _OPEN, months[:, :, None], np.arange(2)) < hazard[:, :, None]
    owner, at, slot = np.nonzero(opens & (months > c.first_credit[:, None])[:, :, None])
    month = months[owner, at]
    term = _TERMS[(uniform(c.seed[owner], _TERM, month, slot) * len(_TERMS)).astype(np.int64)]
    size = (
        c.income_fen[owner]
        * 0.5
        * np.exp(0.5 * normal(c.seed[owner], _SIZE, month, slot))
        * np.sqrt(term / 6)
    )
    limit = np.maximum(100_000, size.astype(np.int64) // 100_000 * 100_000)
    parts = [(owner, np.full(len(owner), D1), month, limit, term, month * 4 + slot)]
    u = uniform(c.seed[:, None], _TERM, 0, np.arange(6))
    lines = [(R2, c.cards > i, np.full(len(c), i)) for i in range(3)]
    lines += [(R1, c.revolving, c.cards), (R3, c.quasi_card, c.cards + c.revolving)]
    for kind, has, place in lines:
        who = np.flatnonzero(has)
        i = place[who]
        draw = u[who, i]
        share = 0.3 + 0.7 * draw if kind == R1 else 0.8 + 2.2 * draw
        limit = (c.income_fen[who] * share).astype(np.int64) // 100_000 * 100_000 + 100_000
        opened = c.first_credit[who] + 9 * i + (8 * draw).astype(np.int64)
        parts.append((who, np.full(len(who), kind), opened, limit, np.zeros(len(who), np.int64), i))
    owner, kind, month, limit, term, key = (np.concatenate(column) for column in zip(*parts, strict=True))
    day = 1 + (28 * uniform(c.seed[owner], _DAY, key)).astype(np.int64)
    known = (month < when.month[owner]) | ((month == when.month[owner]) & (day <= when.day[owner]))
    order = np.lexsort((key, term, limit, kind, day, month, owner))
    order = order[known[order]]
    columns = (x[order] for x in (owner, c.seed[owner], kind, month, day, limit, term, key))
    return Accounts(*columns)


def late_months(c: Lives, a: Accounts, months: Ints) -> Ints:
    """(accounts, months) -> instalments behind, 0 to 7: lateness comes in episodes, more when out of work."""
    wide = months[:, :1] - 6 + np.arange(months.shape[1] + 6)
    gambling = 1.2 * np.minimum(c.gambling_share, 0.4) - 1.0 * c.z_discipline
    rate = 0.009 * np.exp(gambling[:, None] + 1.6 * jobless(c, wide))
    row, at = np.nonzero(a.alive(wide))
    month = wide[a.owner[row], at]
    begins = uniform(a.seed[row], _LATE, a.key[row], month) < rate[a.owner[row], at]
    row, at, month = row[begins], at[begins], month[begins]
    longing = -np.log(uniform(a.seed[row], _LONG, a.key[row], month)) * 0.8
    length = np.minimum(7, 1 + (longing * np.exp(-0.3 * c.z_discipline[a.owner[row]])).astype(np.int64))
    behind = np.zeros((len(a), wide.shape[1] + 7), dtype=np.int64)
    for lag in range(7):
        lasting = length > lag
        np.maximum.at(behind, (row[lasting], at[lasting] + lag), lag + 1)
    return behind[:, 6 : 6 + months.shape[1]] * a.alive(months)


def balances(c: Lives, a: Accounts, months: Ints) -> Ints:
    """(accounts, months) -> principal owed, fen, at the start of the month."""
    mine = months[a.owner]
    age = mine - a.month[:, None]
    noise = np.zeros(mine.shape)
    turns = np.flatnonzero(a.term == 0)
    noise[turns] = normal(a.seed[turns, None], _UTIL, a.key[turns, None], mine[turns])
    used = np.clip(c.utilisation[a.owner, None] + 0.12 * noise, 0.0, 1.0)
    term = np.maximum(a.term, 1)[:, None]
    left = np.where(a.term[:, None] == 0, used, np.clip((term - np.maximum(age - 1, 0)) / term, 0, 1))
    return (a.limit_fen[:, None] * left * (age >= 0)).astype(np.int64) // 100 * 100


def dues(c: Lives, a: Accounts, months: Ints) -> Ints:
    """(accounts, months) -> instalment due in that month, fen."""
    term = np.maximum(a.term, 1)
    instalment = a.limit_fen * (1 + 0.008 * (term + 1)) / term
    due = np.where(a.term[:, None] == 0, balances(c, a, months) * 0.10, instalment[:, None])
    return (due * a.alive(months)).astype(np.int64) // 100 * 100


@dataclass(frozen=True)
class Inquiries:
    """Flat columns by owner and day. reason: position in REASONS. lender: key of who asked, 0 for the person."""

    owner: Ints
    date: Ints
    reason: Ints
    lender: Ints


def inquiries(c: Lives, a: Accounts, when: Moments) -> Inquiries:
    """The last 24 months: one before each account, refused applications, lenders' reviews, own reads."""
    months = when.month[:, None] + np.arange(-LISTED, 1)
    recent = a.month >= when.month[a.owner] - LISTED
    asked = np.where((a.kind == R2) | (a.kind == R3), CARD, LOAN)[recent]
    parts = [(a.owner[recent], day_number(a.month, a.day)[recent], asked, a.lender[recent])]
    hunger = 0.75 * c.z_appetite + 1.5 * c.gambling_share
    refused = 0.035 * np.exp(hunger[:, None] + 1.2 * jobless(c, months))
    has = np.bincount(a.owner, minlength=len(c)) > 0
    rates = (
        (_REJECT, refused, 3, LOAN),
        (_POST, np.broadcast_to(np.where(has, 0.10, 0.0)[:, None], months.shape), 1, REVIEW),
        (_SELF, np.broadcast_to(0.02, months.shape), 1, OWN),
    )
    for stream, rate, slots, reason in rates:
        u = uniform(c.seed[:, None, None], stream, months[:, :, None], np.arange(slots))
        owner, at, slot = np.nonzero(u < rate[:, :, None])
        day = 1 + (u[owner, at, slot] / rate[owner, at] * 28).astype(np.int64)
        kind = (uniform(c.seed[owner], stream + 500, months[owner, at], slot) * 120).astype(np.int64)
        who = keys(0, _LENDER, kind % 2, kind // 2) if reason != OWN else np.zeros(len(owner), np.int64)
        parts.append((owner, day_number(months[owner, at], day), np.full(len(owner), reason), who))
    owner, date, reason, lender = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((lender, reason, date, owner))
    order = order[date[order] <= when.date[owner[order]]]
    return Inquiries(owner[order], date[order], reason[order], lender[order])


def guarantees(c: Lives, when: Moments) -> tuple[Ints, Ints, Ints, Ints, Bools]:
    """Flat (owner, day number, amount, balance, overdue): one in thirty stands surety for somebody else."""
    u = uniform(c.seed[:, None], _GUARANTEE, np.arange(4)).T
    who = np.flatnonzero((u[0] < 0.033) & ~c.thin)
    date = 18_600 + (u[1][who] * 2_400).astype(np.int64)
    who, date = who[live := (date <= when.date[who]) & (when.date[who] < date + 1_100)], date[live]
    amount = (c.income_fen[who] * (1 + 9 * u[2][who])).astype(np.int64) // 100_000 * 100_000 + 100_000
    return who, date, amount, amount // 1000 * 7 * 100, u[3][who] < 0.08


def score(c: Lives, a: Accounts, behind: Ints, asked: Inquiries, when: Moments) -> Ints:
    """The bureau's own score, 0 to 1000; -1 without a file. Noisy, and blind to income and bank flows."""
    n = len(c)
    near = (asked.reason != REVIEW) & (when.date[asked.owner] - asked.date <= 90)
    recent = np.bincount(asked.owner, near, n)
    trouble = np.bincount(a.owner, (np.minimum(behind, 3) * np.linspace(0.4, 1.6, behind.shape[1])).sum(1), n)
    turns = a.term == 0
    limit = np.bincount(a.owner, a.limit_fen * turns, n)
    used = np.bincount(a.owner, balances(c, a, when.month[:, None])[:, 0] * turns, n)
    utilisation = np.where(limit > 0, used / np.maximum(limit, 1), 0.3)
    oldest = np.full(n, 10**6)
    np.minimum.at(oldest, a.owner, a.month)
    years = np.clip((when.month - oldest) / 12, 0, 10)
    noise = normal(c.seed, _SCORE, when.month // 3)
    value = 690 + 8 * years - 22 * np.minimum(trouble, 12) - 14 * recent - 90 * utilisation + 28 * noise
    return np.where(oldest < 10**6, np.clip(value, 150, 990).astype(np.int64), -1)


def court_records(c: Lives) -> Ints:
    return (uniform(c.seed, _COURT, 0) < 0.004 * np.exp(-c.z_discipline)).astype(np.int64)


@dataclass(frozen=True)
class File:
    """What the bureau knows of n people. months: (n, 24) month indices; states, behind, due: (accounts, 24)."""

    accounts: Accounts
    asked: Inquiries
    months: Ints
    behind: Ints
    due: Ints
    ended: Ints
    owed_now: Ints
    due_now: Ints
    score: Ints
    records: Ints
    listed: Bools


def open_file(c: Lives, when: Moments) -> File:
    a = draw_accounts(c, when)
    months = when.month[:, None] + np.arange(-LISTED, 0)
    behind, asked = late_months(c, a, months), inquiries(c, a, when)
    here, ended = when.month[:, None], a.ended(when.month)
    over = ended > 0
    return File(
        accounts=a,
        asked=asked,
        months=months,
        behind=behind,
        due=dues(c, a, months),
        ended=ended,
        owed_now=np.where(over, 0, balances(c, a, here)[:, 0]),
        due_now=np.where(over, 0, dues(c, a, here)[:, 0]),
        score=score(c, a, behind, asked, when),
        records=court_records(c),
        listed=~over | (ended > when.month[a.owner] - LISTED),
    )


def marks(f: File) -> Ints:
    """(accounts, 24) -> 0 to 7 instalments behind, 8 the month of settlement, -1 outside the account's life."""
    mine = f.months[f.accounts.owner]
    over = f.ended[:, None]
    found = np.where(f.accounts.alive(f.months), f.behind, -1)
    return np.where(over == 0, found, np.where(mine < over, found, np.where(mine == over, 8, -1)))


def opened_date(a: Accounts) -> Ints:
    return day_number(a.month, a.day)


def closed_date(f: File) -> Ints:
    """Day number of settlement, 0 while open."""
    return np.where(f.ended > 0, day_number(np.maximum(f.ended, 1970 * 12), f.accounts.day), 0)
