"""Sums divided among those who fund a loan: by largest remainder, always of what has come together since the beginning.

Shares are taken of cumulative totals alone. So what a partner has got is a function of the loan's totals, no fen is lost or
found over its life, and a reversal or a fact found late needs nothing of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from timelyrain.contract import Column, Totals

PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """A partner's part of a loan, fixed at pay-out, in ppm.

    share_ppm: of principal, interest and penalty. fees_ppm: of late, service and prepayment fees (0: the lender keeps them).
    service_ppm: what the partner pays the lender for its service, of the interest and penalty it has got.
    """

    partner: UUID
    share_ppm: int
    fees_ppm: int = 0
    service_ppm: int = 0

    def service_fen(self, totals: Totals) -> int:
        """The lender's service fee on what the partner has got so far, rounded down."""
        return (totals.interest_paid_fen + totals.penalty_paid_fen) * self.service_ppm // PPM


_BY_SHARE = ("disbursed_fen", "principal_paid_fen", "prepaid_principal_fen", "interest_accrued_fen", "interest_paid_fen",
             "penalty_accrued_fen", "penalty_paid_fen", "recovered_fen")  # fmt: skip
_OWED = ("principal", "interest", "penalty", "cost")
_BY_FEES = ("fee_charged_fen", "late_fee_charged_fen", "cost_paid_fen")


def split(amount_fen: int, parts_ppm: Sequence[int]) -> list[int]:
    """[the lender's, each partner's] fen, by largest remainder: first between the lender and its partners, then among these.

    In two steps because then the lender's part never falls while the sum grows. Equal remainders: the lender, then partners in
    their order. Each has its exact share to within one and a half fen, the lender to half a fen.
    """
    if amount_fen < 0:
        return [-fen for fen in split(-amount_fen, parts_ppm)]
    theirs = (amount_fen * sum(parts_ppm) + PPM // 2 - 1) // PPM
    return [amount_fen - theirs, *_by_remainder(theirs, parts_ppm)]


def _by_remainder(amount_fen: int, weights: Sequence[int]) -> list[int]:
    whole = max(1, sum(weights))
    found = [amount_fen * weight // whole for weight in weights]
    by_rest = sorted(range(len(weights)), key=lambda n: -(amount_fen * weights[n] % whole))
    for n in by_rest[: amount_fen - sum(found)]:
        found[n] += 1
    return found


def partners_column(amount_fen: Column, parts_ppm: Column) -> Column:
    """What all partners have together of each sum, as `split` has it; nothing negative, exact for any int64."""
    whole, rest = np.divmod(amount_fen, PPM)
    return whole * parts_ppm + (rest * parts_ppm + PPM // 2 - 1) // PPM


def shared(totals: Totals, parts: Sequence[Part]) -> list[Totals]:
    """Each partner's totals: what it would have in its books had it lent its share alone.

    It is owed what its share of the loan is paid. Surplus stays with the lender until a debt takes it, goodwill is the lender's
    own; what a charge-off cost a partner is what nobody paid it.
    """
    by_share, by_fees = [part.share_ppm for part in parts], [part.fees_ppm for part in parts]
    costs_fen = totals.late_fee_charged_fen + totals.service_fee_charged_fen
    got = {name: split(getattr(totals, name), by_share) for name in _BY_SHARE}
    got |= {name: split(getattr(totals, name), by_fees) for name in _BY_FEES}
    # Divided as sums of two: when nothing of the whole is owed any more, nothing of a part is.
    costs = split(costs_fen, by_fees)
    interest = split(totals.interest_paid_fen + totals.interest_waived_fen, by_share)
    penalty = split(totals.penalty_paid_fen + totals.penalty_waived_fen, by_share)
    cost = split(totals.cost_paid_fen + totals.cost_waived_fen, by_fees)
    off = totals.charged_off_fen or any(getattr(totals, f"written_off_{name}_fen") for name in _OWED)
    found: list[Totals] = []
    for n in range(1, len(parts) + 1):
        of = {name: column[n] for name, column in got.items()}
        of["service_fee_charged_fen"] = costs[n] - of["late_fee_charged_fen"]
        of["interest_waived_fen"] = interest[n] - of["interest_paid_fen"]
        of["penalty_waived_fen"] = penalty[n] - of["penalty_paid_fen"]
        of["cost_waived_fen"] = cost[n] - of["cost_paid_fen"]
        of["received_fen"] = sum(of[f"{name}_paid_fen"] for name in _OWED)
        of["received_fen"] += of["fee_charged_fen"]
        owed = {
            "principal": of["disbursed_fen"] - of["principal_paid_fen"],
            "interest": of["interest_accrued_fen"] - interest[n],
            "penalty": of["penalty_accrued_fen"] - penalty[n],
            "cost": costs[n] - cost[n],
        }
        if off:
            of |= {f"written_off_{name}_fen": fen for name, fen in owed.items()}
            of["charged_off_fen"] = sum(owed.values()) + of["recovered_fen"]
        found.append(Totals(**of))
    return found
