"""A person's borrowing: accounts, monthly states and inquiries, and the second-generation report (二代征信) that shows them.

Blocks carry the codes of the real report (PRH/PA01 ... POQ/PH01) and the real code lists for account kinds and month states;
the elements inside a block have plain English names, and amounts are whole yuan as bureaus report them.
"""

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from timelyrain.sandbox.character import Character, jobless
from timelyrain.sandbox.days import china_date, month_date, month_index, month_text
from timelyrain.sandbox.noise import Floats, Ints, normal, uniform
from timelyrain.sandbox.people import Person

LISTED = 24  # months that a settled account stays in the report, and the longest bank history served
LOOK_BACK = 36 + LISTED + 1  # the longest term, so that no month served misses an account
_OPEN, _TERM, _SIZE, _DAY, _LATE, _LONG, _UTIL, _REJECT, _POST, _SELF, _SCORE, _COURT = range(20, 32)
_TERMS = np.array([6, 12, 12, 24, 36])
_LENDERS = {"D1": "消费金融公司", "R1": "互联网小额贷款公司", "R2": "商业银行", "R3": "商业银行"}


@dataclass(frozen=True)
class Accounts:
    """Columns of equal length, by opening date. `term` is 0 for revolving kinds; `key` addresses an account's own draws."""

    kind: list[str]
    month: Ints
    day: Ints
    limit_fen: Ints
    term: Ints
    key: Ints

    def __len__(self) -> int:
        return len(self.kind)

    def alive(self, months: Ints) -> Any:
        """(accounts, months) -> does an instalment fall due in that month."""
        age = months[None, :] - self.month[:, None]
        return (age >= 1) & ((self.term[:, None] == 0) | (age <= self.term[:, None]))


@lru_cache(maxsize=256)  # one person's documents ask for the same accounts several times
def draw_accounts(c: Character, as_of: date) -> Accounts:
    now = month_index(as_of)
    rows: list[tuple[int, int, str, int, int, int]] = []
    months = np.arange(now - LOOK_BACK, now + 1)
    hazard = 0.042 * np.exp(0.75 * c.z_appetite) * (1 + 0.8 * jobless(c, months)) * (0.1 if c.thin else 1.0)
    opens = uniform(c.seed, _OPEN, months[:, None], np.arange(2)[None, :]) < hazard[:, None]
    at, slot = np.nonzero(opens & (months > c.first_credit)[:, None])
    term = _TERMS[(uniform(c.seed, _TERM, months[at], slot) * len(_TERMS)).astype(int)]
    size = c.income_fen * 0.5 * np.exp(0.5 * normal(c.seed, _SIZE, months[at], slot)) * np.sqrt(term / 6)
    for m, k, t, s in zip(months[at].tolist(), slot.tolist(), term.tolist(), size.tolist(), strict=True):
        rows.append((m, 0, "D1", max(100_000, int(s) // 100_000 * 100_000), t, m * 4 + k))
    lines = ["R2"] * c.cards + ["R1"] * c.revolving + ["R3"] * c.quasi_card
    u = uniform(c.seed, _TERM, 0, range(len(lines) + 1)).tolist()
    for i, kind in enumerate(lines):
        limit = c.income_fen * (0.8 + 2.2 * u[i]) if kind != "R1" else c.income_fen * (0.3 + 0.7 * u[i])
        rows.append(
            (c.first_credit + 9 * i + int(8 * u[i]), 0, kind, int(limit) // 100_000 * 100_000 + 100_000, 0, i)
        )
    keyed = [(m, 1 + int(28 * d), *rest) for (m, _, *rest), d in zip(rows, _days(c, rows), strict=True)]
    keyed = sorted(r for r in keyed if (r[0], r[1]) <= (now, as_of.day))
    columns = list(zip(*keyed, strict=True)) or [()] * 6
    ints = [np.array(columns[i], dtype=np.int64) for i in (0, 1, 3, 4, 5)]
    return Accounts(list(columns[2]), *ints)


def _days(c: Character, rows: list[tuple[int, int, str, int, int, int]]) -> list[float]:
    return uniform(c.seed, _DAY, np.array([r[5] for r in rows], dtype=np.int64)).tolist()


def late_months(c: Character, a: Accounts, months: Ints) -> Ints:
    """(accounts, months) -> instalments behind, 0 to 7: lateness comes in episodes, more when out of work."""
    wide = np.arange(months[0] - 6, months[-1] + 1)
    rate = 0.009 * np.exp(-1.0 * c.z_discipline + 1.6 * jobless(c, wide) + 1.2 * min(c.gambling_share, 0.4))
    starts = (uniform(c.seed, _LATE, a.key[:, None], wide[None, :]) < rate[None, :]) & a.alive(wide)
    longing = (
        -np.log(uniform(c.seed, _LONG, a.key[:, None], wide[None, :])) * 0.8 * np.exp(-0.3 * c.z_discipline)
    )
    length = np.minimum(7, 1 + longing.astype(np.int64))
    behind = np.zeros((len(a), len(months)), dtype=np.int64)
    for lag in range(7):
        window = slice(6 - lag, len(wide) - lag)
        here = starts[:, window] & (length[:, window] > lag)
        behind = np.maximum(behind, here * (lag + 1))
    return behind * a.alive(months)


def balances(c: Character, a: Accounts, months: Ints) -> Ints:
    """(accounts, months) -> principal owed, fen, at the start of the month."""
    age = months[None, :] - a.month[:, None]
    used = np.clip(c.utilisation + 0.12 * normal(c.seed, _UTIL, a.key[:, None], months[None, :]), 0.0, 1.0)
    term = np.maximum(a.term, 1)[:, None]
    left = np.where(a.term[:, None] == 0, used, np.clip((term - np.maximum(age - 1, 0)) / term, 0, 1))
    return (a.limit_fen[:, None] * left * (age >= 0)).astype(np.int64) // 100 * 100


def dues(c: Character, a: Accounts, months: Ints) -> Ints:
    """(accounts, months) -> instalment due in that month, fen."""
    term = np.maximum(a.term, 1)
    instalment = a.limit_fen * (1 + 0.008 * (term + 1)) / term
    revolving = balances(c, a, months) * 0.10
    due = np.where(a.term[:, None] == 0, revolving, instalment[:, None])
    return (due * a.alive(months)).astype(np.int64) // 100 * 100


def inquiries(c: Character, a: Accounts, as_of: date) -> list[tuple[date, str]]:
    """The last 24 months: one before each account, refused applications, lenders' reviews, own reads."""
    now = month_index(as_of)
    months = np.arange(now - LISTED, now + 1)
    found: list[tuple[date, str]] = []
    for kind, m, day in zip(a.kind, a.month.tolist(), a.day.tolist(), strict=True):
        if m >= now - LISTED:
            found.append((month_date(m, day), "card_approval" if kind in ("R2", "R3") else "loan_approval"))
    hunger = 0.035 * np.exp(0.75 * c.z_appetite + 1.2 * jobless(c, months) + 1.5 * c.gambling_share)
    reviewed = 0.10 if len(a) else 0.0
    rates = (
        (_REJECT, hunger, 3, "loan_approval"),
        (_POST, reviewed + 0 * hunger, 1, "post_loan"),
        (_SELF, 0.02 + 0 * hunger, 1, "self"),
    )
    for stream, rate, slots, reason in rates:
        u = uniform(c.seed, stream, months[:, None], np.arange(slots)[None, :])
        for i, k in zip(*np.nonzero(u < rate[:, None]), strict=True):
            found.append((month_date(int(months[i]), 1 + int(u[i, k] / rate[i] * 28)), reason))
    return sorted((d, r) for d, r in found if d <= as_of)


def score(c: Character, a: Accounts, behind: Ints, asked: list[tuple[date, str]], as_of: date) -> int | None:
    """The bureau's own score, 0 to 1000; none without a file. Noisy, and blind to income and bank flows."""
    if not len(a):
        return None
    now = month_index(as_of)
    recent = sum(1 for d, r in asked if r != "post_loan" and (as_of - d).days <= 90)
    weight = np.linspace(0.4, 1.6, behind.shape[1])
    trouble = float((np.minimum(behind, 3) * weight).sum())
    revolving = a.term == 0
    used = balances(c, a, np.array([now]))[:, 0]
    limit = int(a.limit_fen[revolving].sum())
    utilisation = float(used[revolving].sum()) / limit if limit else 0.3
    years = min(10.0, (now - int(a.month.min())) / 12)
    noise = float(normal(c.seed, _SCORE, now // 3).item())
    value = 690 + 8 * years - 22 * min(trouble, 12) - 14 * recent - 90 * utilisation + 28 * noise
    return int(min(990, max(150, value)))


def _states(behind: list[int], alive: list[bool], closed_at: int | None, months: list[int]) -> str:
    """24 characters, oldest first: `/` before opening, `*` none due, `N`, 1-7, `C` in the month of settlement, `/` after."""
    out: list[str] = []
    for late, due, month in zip(behind, alive, months, strict=True):
        if closed_at is not None and month >= closed_at:
            out.append("C" if month == closed_at else "/")
        elif not due:
            out.append("/")
        else:
            out.append(str(late) if late else "N")
    return "".join(out)


def report(
    person: Person, c: Character, as_of: datetime, purpose: str, asked_before: list[tuple[date, str]]
) -> dict[str, Any]:
    """The second-generation report of this person on this day."""
    on = china_date(as_of)
    now = month_index(on)
    a = draw_accounts(c, on)
    months = np.arange(now - LISTED, now)
    behind = late_months(c, a, months)
    alive = a.alive(months)
    here = np.array([now])
    owed, due = balances(c, a, here)[:, 0], dues(c, a, here)[:, 0]
    asked = inquiries(c, a, on)
    asked = sorted(asked + asked_before)
    accounts: list[dict[str, Any]] = []
    span = months.tolist()
    for i, kind in enumerate(a.kind):
        opened, term = int(a.month[i]), int(a.term[i])
        ended = opened + term if term and now > opened + term else None
        if ended is not None and ended <= now - LISTED:
            continue
        last = int(behind[i, -1]) if ended is None else 0
        owing = 0 if ended is not None else int(owed[i])
        status = "settled" if ended is not None else "overdue" if last else "normal"
        state = "C" if ended is not None else str(last) if last else "N" if int(due[i]) else "*"
        marks = _states(behind[i].tolist(), alive[i].tolist(), ended, span)
        full_due = dues(c, a, months)[i] if behind[i].any() else None
        accounts.append(
            {
                "A": {
                    "account_type": kind,
                    "lender": _LENDERS[kind],
                    "opened": month_date(opened, int(a.day[i])).isoformat(),
                    "limit_yuan": int(a.limit_fen[i]) // 100,
                    "term_months": term or None,
                },
                "B": {
                    "closed": month_date(ended, int(a.day[i])).isoformat() if ended is not None else None,
                    "balance_yuan": owing // 100,
                    "status": status,
                    "state": state,
                },
                "C": {
                    "due_yuan": 0 if ended is not None else int(due[i]) // 100,
                    "overdue_yuan": last * int(due[i]) // 100,
                    "overdue_months": last,
                },
                "D": {"from": month_text(now - LISTED), "states": marks},
                "E": []
                if full_due is None
                else [
                    {"month": month_text(m), "state": s, "overdue_yuan": int(full_due[j]) * int(s) // 100}
                    for j, (m, s) in enumerate(zip(span, marks, strict=True))
                    if s in "1234567"
                ],
            }
        )
    active = [x for x in accounts if x["B"]["closed"] is None]
    value = score(c, a, behind, asked, on)
    return {
        "PRH": {
            "PA01": {
                "report_no": f"SB{on:%Y%m%d}{person.seed % 10**10:010d}",
                "reported_at": as_of.isoformat(),
                "name": person.name,
                "id_type": "10",
                "id_number": person.id_number,
                "purpose": purpose,
                "dispute": False,
            }
        },
        "PIM": {"PB01": {"phone": person.phone, "employment": "灵活就业" if c.gig else "在职"}},
        "PSM": {"PC01": {"score": value}},
        "PCO": {
            "PC02": {
                "A": {
                    "accounts": len(accounts),
                    "first_opened": accounts[0]["A"]["opened"] if accounts else None,
                },
                "D": {"overdue_accounts": sum(1 for x in accounts if x["E"])},
                "E": _summary(active, "D1"),
                "G": _summary(active, "R1"),
                "H": _summary(active, "R2"),
                "I": _summary(active, "R3"),
            }
        },
        "PPO": {"PC04": {"records": _court_records(c)}},
        "PQO": {
            "PC05": {"last_asked": asked[-1][0].isoformat() if asked else None, "asked_24_months": len(asked)}
        },
        "PDA": [{"PD01": x} for x in accounts],
        "POQ": [{"PH01": {"on": d.isoformat(), "reason": r}} for d, r in asked],
    }


def _court_records(c: Character) -> int:
    return int(uniform(c.seed, _COURT, 0).item() < 0.004 * np.exp(-c.z_discipline))


def _summary(accounts: list[dict[str, Any]], kind: str) -> dict[str, int]:
    mine = [x for x in accounts if x["A"]["account_type"] == kind]
    return {
        "accounts": len(mine),
        "limit_yuan": sum(x["A"]["limit_yuan"] for x in mine),
        "balance_yuan": sum(x["B"]["balance_yuan"] for x in mine),
        "due_yuan": sum(x["C"]["due_yuan"] for x in mine),
    }


def burden(c: Character, as_of: date) -> tuple[float, Floats]:
    """What the true model reads: due this month over income, and the worst lateness of each of the last 24 months."""
    now = month_index(as_of)
    a = draw_accounts(c, as_of)
    months = np.arange(now - LISTED, now)
    worst = late_months(c, a, months).max(axis=0) if len(a) else np.zeros(24, dtype=np.int64)
    return float(dues(c, a, np.array([now])).sum()) / c.income_fen, worst.astype(np.float64)
