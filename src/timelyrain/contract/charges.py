"""The words of terms that charge or allocate: what a payment goes to, what overdue principal bears, what may be charged."""

from dataclasses import dataclass
from enum import StrEnum

from timelyrain.finance import DayBasis, Method


class Allocation(StrEnum):
    """What a payment can go to. INTEREST is penalty interest first, then interest."""

    COSTS = "COSTS"
    INTEREST = "INTEREST"
    PRINCIPAL = "PRINCIPAL"


CIVIL_CODE_561 = (Allocation.COSTS, Allocation.INTEREST, Allocation.PRINCIPAL)


class Ahead(StrEnum):
    """What money does that comes before its day. WAITS for it. NEXT: pays the next instalments, interest to the day first;
    one paid whole is done with. LAST: pays principal of the last instalments."""

    WAITS = "WAITS"
    NEXT = "NEXT"
    LAST = "LAST"


class Overdue(StrEnum):
    """What overdue principal bears up to the last due date, beside penalty: nothing (PENALTY), or the contract's INTEREST.
    TO_PERIOD_END: the same, and instalments to come are planned as if it stays unpaid to the end of the running period."""

    PENALTY = "PENALTY"
    INTEREST = "INTEREST"
    TO_PERIOD_END = "TO_PERIOD_END"


class ChargeKind(StrEnum):
    """Everything that this version of the terms can ever charge."""

    INTEREST = "interest"
    PENALTY = "penalty"
    PREPAYMENT_FEE = "prepayment_fee"
    LATE_FEE = "late_fee"
    SERVICE_FEE = "service_fee"


@dataclass(frozen=True, slots=True)
class Charge:
    """A disclosed charge: its kind, the canonical formula that computes it, and who collects it."""

    kind: ChargeKind
    formula: str
    payee: str


def disclosed_charges(
    payee: str,
    *,
    annual_rate_ppm: int,
    method: Method,
    day_basis: DayBasis,
    cap_ppm: int,
    penalty_ppm: int = 0,
    grace_days: int = 0,
    prepayment_fee_ppm: int = 0,
    late_fee_fen: int = 0,
    service_fee_fen: int = 0,
    overdue: Overdue = Overdue.PENALTY,
    to_period_end: bool = False,
) -> tuple[Charge, ...]:
    """The charges that terms with these numbers make, in the only wording the terms accept; zero charges left out."""
    base = "principal_original" if method is Method.FLAT else "principal_not_yet_due"
    beside = "instead of interest"
    if overdue is not Overdue.PENALTY:
        base, beside = "principal_owed", "beside interest"
    ahead = ", of principal paid ahead to the end of its period" if to_period_end else ""
    within = f"within the cap of {cap_ppm} ppm/year on all charges"
    found = (
        (
            annual_rate_ppm,
            ChargeKind.INTEREST,
            f"{base} * {annual_rate_ppm} ppm/year * days by {day_basis}{ahead}",
        ),
        (
            penalty_ppm,
            ChargeKind.PENALTY,
            f"principal_overdue * min({penalty_ppm}, {cap_ppm}) ppm/year * (days overdue - {grace_days})/365, "
            f"{beside}",
        ),
        (
            prepayment_fee_ppm,
            ChargeKind.PREPAYMENT_FEE,
            f"principal_prepaid * {prepayment_fee_ppm} ppm, {within}",
        ),
        (
            late_fee_fen,
            ChargeKind.LATE_FEE,
            f"at most {late_fee_fen} fen once for each overdue instalment, {within}",
        ),
        (
            service_fee_fen,
            ChargeKind.SERVICE_FEE,
            f"at most {service_fee_fen} fen for each service asked for, {within}",
        ),
    )
    return tuple(Charge(kind, formula, payee) for number, kind, formula in found if number)


def simple_cost_ppm(
    method: Method, day_basis: DayBasis, annual_rate_ppm: int, instalments: int
) -> tuple[int, int]:
    """Interest per year on the principal owed, as an exact ratio (numerator, denominator) in ppm."""
    year = {DayBasis.ACT_360: 360, DayBasis.ACT_364: 364}.get(day_basis, 365)
    num, den = 365, year
    if method is Method.FLAT:  # charged on the original principal, while on average (n+1)/2n of it is owed
        num, den = num * 2 * instalments, den * (instalments + 1)
    return annual_rate_ppm * num, den
