"""What a loan is on a day: the result of the fold."""

from dataclasses import asdict, dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple


class Status(StrEnum):
    """PENDING: not paid out. ACTIVE. OVERDUE: an instalment is unpaid after its due date. CHARGED_OFF: written off in the
    books, still owed. SETTLED: nothing is owed."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    OVERDUE = "OVERDUE"
    CHARGED_OFF = "CHARGED_OFF"
    SETTLED = "SETTLED"


class InstalmentState(NamedTuple):
    """One instalment as of a day. Interest is the whole period's; penalty is what has accrued so far.

    n is 0 for a debt that is no instalment (a payment charged back). waived: interest, penalty and cost forgiven.
    """

    n: int
    due_on: date
    principal_due_fen: int
    interest_due_fen: int
    principal_paid_fen: int
    interest_paid_fen: int
    penalty_accrued_fen: int
    penalty_paid_fen: int
    settled_on: date | None
    cost_due_fen: int = 0
    cost_paid_fen: int = 0
    waived_fen: int = 0

    @property
    def unpaid_fen(self) -> int:
        """Principal, interest, penalty and costs still to pay."""
        return (
            self.principal_due_fen
            - self.principal_paid_fen
            + self.interest_due_fen
            - self.interest_paid_fen
            + self.penalty_accrued_fen
            - self.penalty_paid_fen
            + self.cost_due_fen
            - self.cost_paid_fen
            - self.waived_fen
        )


@dataclass(frozen=True, slots=True)
class Totals:
    """Cumulative sums since the beginning, in fen. The difference of two is the step between two states.

    principal_receivable + interest_receivable + penalty_receivable + cost_receivable
        = disbursed + interest_accrued + penalty_accrued + fee_charged + late_fee_charged + service_fee_charged
        + paid_back + surplus + recovered - received - goodwill - waived - charged_off, always.
    received: payments not reversed or charged back; surplus: the part of it that no debt has taken yet; paid_back:
    surplus returned; prepaid_principal: the part of principal_paid that was not due yet; fee: prepayment fees, paid in
    the moment they are charged; goodwill: the lender's own credits; costs: late and service fees; written_off: what of
    charged_off (the receivables of that day) is still unpaid, so that nothing of it is receivable any more.
    """

    disbursed_fen: int = 0
    received_fen: int = 0
    principal_paid_fen: int = 0
    prepaid_principal_fen: int = 0
    interest_accrued_fen: int = 0
    interest_paid_fen: int = 0
    penalty_accrued_fen: int = 0
    penalty_paid_fen: int = 0
    fee_charged_fen: int = 0
    surplus_fen: int = 0
    paid_back_fen: int = 0
    goodwill_fen: int = 0
    late_fee_charged_fen: int = 0
    service_fee_charged_fen: int = 0
    cost_paid_fen: int = 0
    interest_waived_fen: int = 0
    penalty_waived_fen: int = 0
    cost_waived_fen: int = 0
    charged_off_fen: int = 0
    recovered_fen: int = 0
    written_off_principal_fen: int = 0
    written_off_interest_fen: int = 0
    written_off_penalty_fen: int = 0
    written_off_cost_fen: int = 0

    def __sub__(self, earlier: "Totals") -> "Totals":
        return Totals(*(getattr(self, f.name) - getattr(earlier, f.name) for f in fields(self)))

    @property
    def principal_receivable_fen(self) -> int:
        return self.disbursed_fen - self.principal_paid_fen - self.written_off_principal_fen

    @property
    def interest_receivable_fen(self) -> int:
        due = self.interest_accrued_fen - self.interest_waived_fen
        return due - self.interest_paid_fen - self.written_off_interest_fen

    @property
    def penalty_receivable_fen(self) -> int:
        due = self.penalty_accrued_fen - self.penalty_waived_fen
        return due - self.penalty_paid_fen - self.written_off_penalty_fen

    @property
    def cost_receivable_fen(self) -> int:
        due = self.late_fee_charged_fen + self.service_fee_charged_fen - self.cost_waived_fen
        return due - self.cost_paid_fen - self.written_off_cost_fen

    @property
    def waived_fen(self) -> int:
        """All charges forgiven."""
        return self.interest_waived_fen + self.penalty_waived_fen + self.cost_waived_fen

    def to_json(self) -> dict[str, int]:
        """Field name to fen; `Totals(**json)` reads it back."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ChargeOff:
    """A loan at the moment it was written off: its days past due, and what of the loss was interest and penalty."""

    on: date
    dpd: int
    interest_fen: int
    penalty_fen: int


@dataclass(frozen=True, slots=True)
class Sale:
    """The claim passing to `owner` for a price, and the loan as it passed: what the seller's and the buyer's books need."""

    on: date
    owner: str
    price_fen: int
    dpd: int
    totals: Totals
    charge_off: ChargeOff | None


@dataclass(frozen=True, slots=True)
class LoanState:
    """A loan on `as_of`, all events of that day counted.

    dpd: days since the earliest unpaid instalment fell due (the day after is 1; grace never resets it).
    bucket: M0, M1 (1-30) to M6 (151-180), M7. next_due: the first instalment after as_of.
    amount_due_fen: cures the loan on as_of. payoff_fen: settles it on as_of, as PREPAID_FULL or, once all has
    fallen due, as REPAID (RECOVERED after a charge-off). prepayment_fee_fen: the part of payoff_fen that is a fee.
    outstanding_principal_fen: what the borrower owes, charged off or not. owner: who the claim belongs to.
    charge_off, sales: the loan as it was written off, and each time that it changed hands.
    """

    as_of: date
    status: Status
    instalments: tuple[InstalmentState, ...]
    outstanding_principal_fen: int
    dpd: int
    bucket: str
    next_due: InstalmentState | None
    amount_due_fen: int
    payoff_fen: int
    prepayment_fee_fen: int
    totals: Totals
    annual_rate_ppm: int
    owner: str
    charged_off_on: date | None = None
    charge_off: ChargeOff | None = None
    sales: tuple[Sale, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The state as a JSON object, money in fen, dates as ISO 8601."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        values["as_of"] = self.as_of.isoformat()
        values["status"] = str(self.status)
        values["charged_off_on"] = None if self.charged_off_on is None else self.charged_off_on.isoformat()
        values["instalments"] = [_row_json(row) for row in self.instalments]
        values["next_due"] = None if self.next_due is None else _row_json(self.next_due)
        values["totals"] = self.totals.to_json()
        values["charge_off"] = None if self.charge_off is None else _dated_json(self.charge_off)
        values["sales"] = [_dated_json(sale) for sale in self.sales]
        return values


def bucket_of(dpd: int) -> str:
    """Days past due -> M0, M1 (1-30), M2 (31-60) ... M6 (151-180), M7."""
    return f"M{min(7, (dpd + 29) // 30)}"


def _dated_json(fact: ChargeOff | Sale) -> dict[str, Any]:
    values: dict[str, Any] = asdict(fact) | {"on": fact.on.isoformat()}
    if isinstance(fact, Sale) and fact.charge_off is not None:
        values["charge_off"] = _dated_json(fact.charge_off)
    return values


def _row_json(row: InstalmentState) -> dict[str, Any]:
    settled = None if row.settled_on is None else row.settled_on.isoformat()
    return row._asdict() | {"due_on": row.due_on.isoformat(), "settled_on": settled}
