"""Telephone bills: due on the 20th of the next month, paid late by the undisciplined and the unemployed."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from timelyrain.sandbox.days import Moments, civil, day_number, day_text, month_text
from timelyrain.sandbox.lives import Lives, jobless
from timelyrain.sandbox.noise import Ints, normal, uniform

_FEE, _LATE, _SINCE = 60, 61, 62
_PLANS = np.array([29, 39, 59, 79, 99, 129])


@dataclass(frozen=True)
class Bills:
    """(n, 12) the last bills that have fallen due, oldest first; day numbers, paid 0 = not yet. since: (n,) month indices."""

    month: Ints
    amount: Ints
    due: Ints
    paid: Ints
    since: Ints


def bills(c: Lives, when: Moments) -> Bills:
    now = when.month - np.where(when.day >= 20, 1, 2)  # the newest month whose bill is due
    months = now[:, None] + np.arange(-11, 1)
    plan = _PLANS[(uniform(c.seed, _SINCE, 1) * 6).astype(np.int64)]
    fee = plan[:, None] * 100 + np.floor(800 * np.abs(normal(c.seed[:, None], _FEE, months))).astype(np.int64)
    rate = 0.04 * np.exp(-0.8 * c.z_discipline[:, None] + 1.2 * jobless(c, months))
    u = uniform(c.seed[:, None], _LATE, months)
    delay = np.where(u < rate, (u / rate * 40).astype(np.int64) + 1, -(u * 12).astype(np.int64))
    due = day_number(months + 1, 20)
    paid = due + delay
    grown = civil(c.born)[0] + 14 * 12
    since = now - 12 - (uniform(c.seed, _SINCE, 2) * 150).astype(np.int64)
    since = np.where(
        c.in_ring("farm", "mill"), now - (uniform(c.seed, _SINCE, 3) * 4).astype(np.int64), since
    )
    return Bills(months, fee, due, np.where(paid <= when.date[:, None], paid, 0), np.maximum(grown, since))


def document(b: Bills, i: int, phone: str, owned: bool = True) -> dict[str, Any]:
    """`owned`: the asker named the number's real holder."""
    rows = zip(*(x[i].tolist() for x in (b.month, b.amount, b.due, b.paid)), strict=True)
    return {
        "carrier": "sandbox-telecom",
        "number": f"{phone[:3]}****{phone[-4:]}",
        "real_name": True,
        "holder_match": owned,
        "in_service_since": month_text(int(b.since[i])),
        "bills": [
            {
                "month": month_text(month),
                "amount_fen": amount,
                "due_on": day_text(due),
                "paid_on": day_text(paid) if paid else None,
            }
            for month, amount, due, paid in rows
        ],
    }
