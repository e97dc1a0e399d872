"""The second-generation report (二代征信) that shows a file. Blocks carry the codes of the real report (PRH/PA01 ... POQ/PH01)
and the real code lists for account kinds and month states; the elements inside a block have plain English names, and amounts
are whole yuan as bureaus report them.
"""

from datetime import datetime
from typing import Any

import numpy as np

from timelyrain.sandbox.credit import (
    KINDS,
    LISTED,
    REASONS,
    File,
    closed_date,
    guarantees,
    marks,
    opened_date,
)
from timelyrain.sandbox.days import Moments, china_date, day_text, month_text
from timelyrain.sandbox.lives import Lives
from timelyrain.sandbox.noise import key_text
from timelyrain.sandbox.people import Person

_LENDERS = ("消费金融公司", "互联网小额贷款公司", "商业银行", "商业银行")
_MARKS = "N12345678"
Asked = tuple[int, int, int]
"""An inquiry the world itself remembers: day number, position in REASONS, key of the lender."""


class Reports:
    """The reports of n people, one by one."""

    def __init__(self, c: Lives, when: Moments, file: File):
        self._c, self._when, self._file = c, when, file
        a = file.accounts
        self._account_at = np.searchsorted(a.owner, np.arange(len(c) + 1)).tolist()
        self._asked_at = np.searchsorted(file.asked.owner, np.arange(len(c) + 1)).tolist()
        self._marks, self._opened, self._closed = marks(file), opened_date(a), closed_date(file)
        self._lenders = a.lender
        self._guarantees = guarantees(c, when)

    def of(
        self, i: int, person: Person, as_of: datetime, purpose: str, remembered: list[Asked]
    ) -> dict[str, Any]:
        """The report of person i. Inquiries the world remembers come on top of the simulated ones."""
        f, q = self._file, self._file.asked
        rows = range(self._account_at[i], self._account_at[i + 1])
        accounts = [self._account(row, i) for row in rows if f.listed[row]]
        span = slice(self._asked_at[i], self._asked_at[i + 1])
        own = zip(q.date[span].tolist(), q.reason[span].tolist(), q.lender[span].tolist(), strict=True)
        asked = [
            {"on": day_text(date), "reason": REASONS[reason], "lender": key_text(lender) if lender else None}
            for date, reason, lender in sorted([*own, *remembered])
        ]
        active = [x for x in accounts if x["B"]["closed"] is None]
        score = int(f.score[i])
        return {
            "PRH": {
                "PA01": {
                    "report_no": f"SB{china_date(as_of):%Y%m%d}{person.seed % 10**10:010d}",
                    "reported_at": as_of.isoformat(),
                    "name": person.name,
                    "id_type": "10",
                    "id_number": person.id_number,
                    "purpose": purpose,
                    "dispute": False,
                }
            },
            "PIM": {"PB01": {"phone": person.phone, "employment": "灵活就业" if self._c.gig[i] else "在职"}},
            "PSM": {"PC01": {"score": score if score >= 0 else None}},
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
            "PPO": {"PC04": {"records": int(f.records[i])}},
            "PQO": {
                "PC05": {"last_asked": asked[-1]["on"] if asked else None, "asked_24_months": len(asked)}
            },
            "PCR": [
                {
                    "PD03": {
                        "on": day_text(date),
                        "amount_yuan": amount // 100,
                        "balance_yuan": left // 100,
                        "overdue": bad,
                    }
                }
                for owner, date, amount, left, bad in zip(
                    *(x.tolist() for x in self._guarantees), strict=True
                )
                if owner == i
            ],
            "PDA": [{"PD01": x} for x in accounts],
            "POQ": [{"PH01": x} for x in asked],
        }

    def _account(self, row: int, i: int) -> dict[str, Any]:
        f, a = self._file, self._file.accounts
        codes, term, due = self._marks[row].tolist(), int(a.term[row]), int(f.due_now[row])
        closed = int(self._closed[row])
        last = 0 if closed else int(f.behind[row, -1])
        state = "C" if closed else str(last) if last else "N" if due else "*"
        first = int(self._when.month[i]) - LISTED
        return {
            "A": {
                "account_type": KINDS[a.kind[row]],
                "lender": _LENDERS[a.kind[row]],
                "lender_code": key_text(int(self._lenders[row])),
                "opened": day_text(int(self._opened[row])),
                "limit_yuan": int(a.limit_fen[row]) // 100,
                "term_months": term or None,
            },
            "B": {
                "closed": day_text(closed) if closed else None,
                "balance_yuan": int(f.owed_now[row]) // 100,
                "status": "settled" if closed else "overdue" if last else "normal",
                "state": state,
            },
            "C": {"due_yuan": due // 100, "overdue_yuan": last * due // 100, "overdue_months": last},
            "D": {
                "from": month_text(first),
                "states": "".join("/" if k < 0 else "C" if k == 8 else _MARKS[k] for k in codes),
            },
            "E": [
                {
                    "month": month_text(first + j),
                    "state": str(k),
                    "overdue_yuan": int(f.due[row, j]) * k // 100,
                }
                for j, k in enumerate(codes)
                if 1 <= k <= 7
            ],
        }


def _summary(accounts: list[dict[str, Any]], kind: str) -> dict[str, int]:
    mine = [x for x in accounts if x["A"]["account_type"] == kind]
    return {
        "accounts": len(mine),
        "limit_yuan": sum(x["A"]["limit_yuan"] for x in mine),
        "balance_yuan": sum(x["B"]["balance_yuan"] for x in mine),
        "due_yuan": sum(x["C"]["due_yuan"] for x in mine),
    }
