"""What an act would do to a loan: the fold with the hypothetical event beside the fold without it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from timelyrain.contract import Event, InstalmentState, LoanState, Terms, fold
from timelyrain.servicing.approvals import Approval, approval


@dataclass(frozen=True)
class Change:
    """One instalment before and after; None where there is no such instalment."""

    n: int
    before: InstalmentState | None
    after: InstalmentState | None

    @property
    def differs(self) -> bool:
        return self.before != self.after

    @property
    def asked_before_fen(self) -> int:
        return asked(self.before)

    @property
    def asked_after_fen(self) -> int:
        return asked(self.after)

    @property
    def delta_fen(self) -> int:
        return self.asked_after_fen - self.asked_before_fen


@dataclass(frozen=True)
class Preview:
    """Both states are of the same day. borrower_fen: what the act costs (+) or saves (-) the borrower if all goes by plan;
    written_off_fen: what leaves the books unpaid; second_person: whether somebody else must approve.
    """

    event: Event
    before: LoanState
    after: LoanState
    borrower_fen: int
    written_off_fen: int
    rule: Approval

    @property
    def weight_fen(self) -> int:
        """What the approval rule looks at: the amount, or what the act gives away."""
        return max(self.event.amount_fen, -self.borrower_fen, self.written_off_fen)

    @property
    def second_person(self) -> bool:
        return self.rule.needed(self.weight_fen)

    @property
    def changes(self) -> list[Change]:
        """The instalments of both plans, in the order of their due dates."""
        before, after = _by_key(self.before.instalments), _by_key(self.after.instalments)
        rows = [Change(n, before.get((n, k)), after.get((n, k))) for n, k in {**before, **after}]
        return sorted(rows, key=lambda row: (_due(row), row.n))

    @property
    def sha256(self) -> str:
        """Of all that is shown: whoever approves says with it what they saw."""
        shown = [
            self.event.type,
            self.event.amount_fen,
            dict(self.event.data),
            self.event.value_on.isoformat(),
        ]
        content = json.dumps([shown, self.before.to_json(), self.after.to_json()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "as_of": self.before.as_of,
            "borrower_fen": self.borrower_fen,
            "written_off_fen": self.written_off_fen,
            "second_person": self.second_person,
            "sha256": self.sha256,
            "before": self.before.to_json(),
            "after": self.after.to_json(),
        }


def compare(terms: Terms, events: Sequence[Event], event: Event, as_of: date) -> Preview:
    """Raises ContractViolation when the event cannot happen."""
    before, after = fold(terms, events, as_of), fold(terms, [*events, event], as_of)
    written_off = after.totals.charged_off_fen - before.totals.charged_off_fen
    rule = approval(event.type, as_of)
    return Preview(event, before, after, borne(after) - borne(before), written_off, rule)


def borne(state: LoanState) -> int:
    """What the borrower pays for this loan in all if it goes by plan from now on: the money so far, and what is asked still."""
    totals = state.totals
    return totals.received_fen - totals.paid_back_fen + to_pay(state)


def to_pay(state: LoanState) -> int:
    """What the plan still asks for, less the surplus that waits."""
    return sum(row.unpaid_fen for row in state.instalments) - state.totals.surplus_fen


def summary(state: LoanState) -> dict[str, Any]:
    """The few numbers of a state that are kept with an act and its audit entry."""
    return {
        "as_of": state.as_of.isoformat(),
        "status": str(state.status),
        "outstanding_principal_fen": state.outstanding_principal_fen,
        "amount_due_fen": state.amount_due_fen,
        "payoff_fen": state.payoff_fen,
        "to_pay_fen": to_pay(state),
        "dpd": state.dpd,
        "annual_rate_ppm": state.annual_rate_ppm,
        "instalments": len(state.instalments),
        "last_due_on": max(row.due_on for row in state.instalments).isoformat()
        if state.instalments
        else None,
        "owner": state.owner,
    }


def balances(state: LoanState) -> list[tuple[date, int]]:
    """(day, principal owed after it) from the state's day on, if the plan is kept."""
    left = state.outstanding_principal_fen
    points = [(state.as_of, left)]
    for row in state.instalments:
        open_fen = row.principal_due_fen - row.principal_paid_fen
        if open_fen:
            left -= open_fen
            points.append((max(row.due_on, state.as_of), left))
    return points


def _by_key(rows: Sequence[InstalmentState]) -> dict[tuple[int, int], InstalmentState]:
    """By number; debts that are no instalment (n = 0) by how many there are."""
    found: dict[tuple[int, int], InstalmentState] = {}
    for row in rows:
        k = 0
        while (row.n, k) in found:
            k += 1
        found[row.n, k] = row
    return found


def _due(row: Change) -> date:
    shown = row.after or row.before
    assert shown is not None
    return shown.due_on


def asked(row: InstalmentState | None) -> int:
    """All that an instalment asks for, paid or not."""
    if row is None:
        return 0
    charged = row.interest_due_fen + row.penalty_accrued_fen + row.cost_due_fen - row.waived_fen
    return row.principal_due_fen + charged
