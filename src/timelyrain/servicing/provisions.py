"""Loss allowances and reminders as the policy pack dates them: five classes, IFRS 9 stages, PD x LGD x EAD."""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import numpy as np

from timelyrain.contract import Column
from timelyrain.runtime import law

PPM = 1_000_000


@dataclass(frozen=True)
class Band:
    """What is held against a loan from `from_dpd` days past due on. Rates in ppm; stage 1 is the loss of twelve months."""

    from_dpd: int
    risk_class: str
    stage: int
    pd_ppm: int
    lgd_ppm: int

    @property
    def loss_ppm(self) -> int:
        """PD x LGD, rounded up."""
        return -(-self.pd_ppm * self.lgd_ppm // PPM)


@dataclass(frozen=True)
class Provisions:
    non_accrual_after_days: int
    bands: tuple[Band, ...]

    def suspended(self, dpd: int) -> bool:
        """Whether charges of a loan are kept in suspense instead of being counted as income."""
        return dpd > self.non_accrual_after_days

    def band(self, dpd: int) -> Band:
        return max((b for b in self.bands if b.from_dpd <= dpd), key=lambda b: b.from_dpd)

    def allowances(self, exposure_fen: Column, dpd: Column) -> Column:
        """The allowance in fen for each exposure, rounded up; exact for any int64 exposure."""
        place = np.searchsorted(np.array([b.from_dpd for b in self.bands]), dpd, side="right") - 1
        loss = np.array([b.loss_ppm for b in self.bands], np.int64)[place]
        whole, rest = np.divmod(np.maximum(exposure_fen, 0), PPM)
        return whole * loss - (-rest * loss // PPM)


@dataclass(frozen=True)
class Reminders:
    """Days before and after a due date on which a borrower is reminded, and the hour of the business day."""

    before_due_days: tuple[int, ...]
    after_due_days: tuple[int, ...]
    hour: int


def provisions(on: date) -> Provisions:
    """The table in force on a day. Raises LookupError where there is none (law fails closed)."""
    table = _in_force("provision", on)
    bands = [
        Band(b["from_dpd"], b["class"], b["stage"], b["pd_ppm"], b["lgd_ppm"])
        for b in sorted(table["band"], key=lambda b: b["from_dpd"])
    ]
    if bands[0].from_dpd != 0:
        raise LookupError(
            f"servicing.toml: the provision table of {table['in_force_from']} must begin at from_dpd = 0"
        )
    return Provisions(table["non_accrual_after_days"], tuple(bands))


def reminders(on: date) -> Reminders:
    """The rule in force on a day. Raises LookupError."""
    table = _in_force("reminder", on)
    return Reminders(tuple(table["before_due_days"]), tuple(table["after_due_days"]), table["hour"])


def _in_force(name: str, on: date) -> dict[str, Any]:
    live = [table for table in _tables().get(name, []) if table["in_force_from"] <= on]
    if not live:
        raise LookupError(f"servicing.toml of the policy pack has no {name} in force on {on}; add one")
    return max(live, key=lambda table: table["in_force_from"])


@cache
def _tables() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(law.pack().read("servicing.toml").decode())
