"""Income tax, social insurance and housing fund: one record each a month, as long as there is an employer who pays."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from timelyrain.sandbox.days import Moments, day_number, day_text
from timelyrain.sandbox.lives import Lives, employers, jobless
from timelyrain.sandbox.noise import Ints, key_text, normal, uniform

MONTHS = 24
_PAYS, _SIZE, _FUND = 220, 221, 222
KINDS = ("income_tax", "social_insurance", "provident_fund")


@dataclass(frozen=True)
class Records:
    """Flat columns by owner and day; kind: position in KINDS; amounts in fen."""

    owner: Ints
    date: Ints
    kind: Ints
    base: Ints
    amount: Ints
    employer: Ints


def records(c: Lives, when: Moments) -> Records:
    """24 months; each on the 15th. Gig workers seldom insure themselves; three employers in four pay into the fund."""
    months = when.month[:, None] + np.arange(-MONTHS, 1)
    works = jobless(c, months) == 0
    insured = ~c.gig | (uniform(c.seed, _PAYS, 0) < 0.3)
    fund = insured & ~c.gig & (uniform(c.seed, _FUND, 0) < 0.75) & ~c.in_ring("mill")
    income = c.income_fen[:, None] * np.exp(0.04 * normal(c.seed[:, None], _SIZE, months))
    base = (c.income_fen * (0.6 + 0.4 * uniform(c.seed, _FUND, 1))).astype(np.int64) // 10_000 * 10_000
    employer = np.where(c.gig[:, None], 0, employers(c, months))
    taxable = np.maximum(0, income - 500_000).astype(np.int64)
    rows = (
        (0, works & ~c.gig[:, None] & (taxable > 0), income.astype(np.int64), taxable * 3 // 100),
        (1, works & insured[:, None], base[:, None] + 0 * months, base[:, None] * 105 // 1000 + 0 * months),
        (2, works & fund[:, None], base[:, None] + 0 * months, base[:, None] * 24 // 100 + 0 * months),
    )
    parts: list[tuple[Ints, ...]] = []
    for kind, has, size, paid in rows:
        owner, at = np.nonzero(has)
        date = day_number(months[owner, at], 15)
        kinds = np.full(len(owner), kind)
        parts.append((owner, date, kinds, size[owner, at], paid[owner, at], employer[owner, at]))
    owner, date, kind, size, paid, who = (np.concatenate(x) for x in zip(*parts, strict=True))
    order = np.lexsort((kind, date, owner))
    order = order[date[order] <= when.date[owner[order]]]
    return Records(owner[order], date[order], kind[order], size[order], paid[order], who[order])


class Ledgers:
    """The authority's documents of n people, one by one."""

    def __init__(self, c: Lives, found: Records):
        self._found, self._known = found, c.recorded
        self._at = np.searchsorted(found.owner, np.arange(len(c) + 1)).tolist()

    def of(self, i: int) -> dict[str, Any] | None:
        """None when the records cannot be had."""
        if not self._known[i]:
            return None
        f, span = self._found, slice(self._at[i], self._at[i + 1])
        columns = (f.date, f.kind, f.base, f.amount, f.employer)
        return {
            "authority": "sandbox-tax",
            "fields": ["on", "kind", "base", "amt", "employer"],
            "rows": [
                [day_text(date), KINDS[kind], base, paid, key_text(employer) if employer else None]
                for date, kind, base, paid, employer in zip(*(x[span].tolist() for x in columns), strict=True)
            ],
        }
