"""Telephone bills: due on the 20th of the next month, paid late by the undisciplined and the unemployed."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from timelyrain.sandbox.character import Character, jobless
from timelyrain.sandbox.days import china_date, month_date, month_index, month_text
from timelyrain.sandbox.noise import normal, uniform
from timelyrain.sandbox.people import Person

_FEE, _LATE, _SINCE = 60, 61, 62


def bills(person: Person, c: Character, phone: str, as_of: datetime, owned: bool = True) -> dict[str, Any]:
    """The last 12 bills that have fallen due, oldest first; `owned`: the asker named the number's real holder."""
    on = china_date(as_of)
    now = month_index(on) - (1 if on.day >= 20 else 2)  # the newest month whose bill is due
    months = np.arange(now - 11, now + 1)
    plan = (29, 39, 59, 79, 99, 129)[int(uniform(c.seed, _SINCE, 1).item() * 6)]
    fee = plan * 100 + np.floor(800 * np.abs(normal(c.seed, _FEE, months))).astype(int)
    rate = 0.04 * np.exp(-0.8 * c.z_discipline + 1.2 * jobless(c, months))
    u = uniform(c.seed, _LATE, months)
    rows: list[dict[str, Any]] = []
    for month, amount, draw, limit in zip(
        months.tolist(), fee.tolist(), u.tolist(), rate.tolist(), strict=True
    ):
        due = month_date(month + 1, 20)
        delay = int(draw / limit * 40) + 1 if draw < limit else -int(draw * 12)
        paid = due + timedelta(days=delay)
        rows.append(
            {
                "month": month_text(month),
                "amount_fen": amount,
                "due_on": due.isoformat(),
                "paid_on": paid.isoformat() if paid <= on else None,
            }
        )
    since = max(month_index(person.birth) + 14 * 12, now - 12 - int(uniform(c.seed, _SINCE, 2).item() * 150))
    return {
        "carrier": "sandbox-telecom",
        "number": f"{phone[:3]}****{phone[-4:]}",
        "real_name": True,
        "holder_match": owned,
        "in_service_since": month_text(since),
        "bills": rows,
    }
