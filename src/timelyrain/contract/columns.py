"""Many loans, day by day: what the coming days add to a loan, as numbers that a column can hold.

Between two changes (an event, an instalment that falls due) each charge of a loan grows along a straight line that is
rounded once. `look_ahead` finds these lines by the fold; `grown` walks a whole column of them at once, equal to the fold
to the fen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import gcd

import numpy as np
from numpy.typing import NDArray

from timelyrain.finance import Rounding, round_ratio

from . import folding
from .events import Event
from .loan import Loan
from .state import LoanState
from .terms import PPM, Terms

NEVER = date(9999, 12, 31)
ROUNDINGS = (Rounding.DOWN, Rounding.HALF_EVEN, Rounding.HALF_UP)
"""The number of a rounding in a column is its place here."""
_DAY = timedelta(days=1)
_LIMIT = 2**62
_LONGEST = 20_000  # days a line may be asked for; the int64 column must not overflow within them


@dataclass(frozen=True, slots=True)
class Line:
    """A charge in fen on a day: (at_start + a_day * days since start) / per, rounded; not growing before `start`."""

    start: date
    at_start: int
    a_day: int
    per: int
    rounding: Rounding

    def on(self, day: date) -> int:
        days = max(0, (day - self.start).days)
        return round_ratio(self.at_start + self.a_day * days, self.per, self.rounding)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a loan accrues on the days from `on` up to, not including, `until`, if nothing happens to it.

    interest_fen, penalty_fen: the part of the totals that does not grow. late_since: the due date of the oldest unpaid
    instalment (days past due on a day = day - late_since).
    """

    on: date
    until: date
    interest_fen: int
    interest: Line
    penalty_fen: int
    penalties: tuple[Line, ...]
    late_since: date | None

    def accrued(self, day: date) -> tuple[int, int]:
        """(interest, penalty) accrued since the beginning, as the fold's totals of that day have them."""
        if not self.on <= day < self.until:
            raise ValueError(f"{day} is outside {self.on} to {self.until}; fold the loan for that day")
        penalty = self.penalty_fen + sum(line.on(day) for line in self.penalties)
        return self.interest_fen + self.interest.on(day), penalty


def look_ahead(terms: Terms, events: Sequence[Event], on: date) -> tuple[LoanState, Outlook]:
    """The fold on a day, and what the days after it will add. Raises as `fold` does."""
    loan = folding.walk(terms, events, on)
    state = folding.state_of(loan, on)
    totals = state.totals
    start, at_start, a_day, per, linear_until = loan.running_line(on)
    shared = gcd(at_start, a_day, per)
    interest = Line(start, at_start // shared, a_day // shared, per // shared, loan.terms.rounding)
    penalties = _penalties(loan)
    until = min(linear_until, NEVER if state.next_due is None else state.next_due.due_on)
    if any(max(line.per, line.at_start + line.a_day * _LONGEST) >= _LIMIT for line in (interest, *penalties)):
        interest, penalties, until = _flat(on), (), on + _DAY  # too large for a column: folded day by day
    oldest = loan.rows[loan.oldest] if loan.oldest < loan.current else None
    outlook = Outlook(
        on=on,
        until=until,
        interest_fen=totals.interest_accrued_fen - interest.on(on),
        interest=interest,
        penalty_fen=totals.penalty_accrued_fen - sum(line.on(on) for line in penalties),
        penalties=penalties,
        late_since=oldest.due_on if oldest else None,
    )
    return state, outlook


def _flat(on: date) -> Line:
    return Line(on, 0, 0, 1, Rounding.DOWN)


def _penalties(loan: Loan) -> tuple[Line, ...]:
    if not loan.penalty_ppm or loan.charged_off_on is not None:
        return ()
    return tuple(
        Line(
            max(row.counted_to, row.due_on + loan.late_after),
            row.overdue_fen_days * loan.penalty_ppm,
            (row.principal - row.principal_paid) * loan.penalty_ppm,
            PPM * 365,
            Rounding.DOWN,
        )
        for row in loan.rows[: loan.current]
        if row.principal > row.principal_paid
    )


Column = NDArray[np.int64]


def grown(
    start: Column, at_start: Column, a_day: Column, per: Column, rounding: Column, day: Column | int
) -> Column:
    """`Line.on` for columns: days as numbers from any one origin, roundings by their place in ROUNDINGS, nothing negative."""
    amount = at_start + a_day * np.maximum(day - start, 0)
    whole, rest = np.divmod(amount, per)
    left = per - rest
    up = (rest > left) | ((rest == left) & ((rounding == 2) | (whole & 1 == 1)))
    return whole + (up & (rounding != 0))
