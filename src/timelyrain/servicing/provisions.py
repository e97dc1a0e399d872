"""Loss allowances, debits and reminders as the policy pack dates them: five classes, IFRS 9 stages, PD x LGD x EAD."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, NamedTuple

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
class PdModel:
    """How the PD of a rated loan counts. Rates in ppm; PDs are those of twelve months.

    A loan up to date, or late without a worse stage, moves to stage 2 when its PD has risen to relative_ppm of what it was at
    origination and by absolute_ppm at least (both, or either of them). From floor_from_dpd on the table's PD is the least.
    """

    relative_ppm: int
    absolute_ppm: int
    both: bool
    floor_from_dpd: int
    lgd_ppm: Mapping[str, int]  # by product

    def worse(self, origin_ppm: Column, now_ppm: Column) -> Column:
        """Whether the credit risk has risen significantly since origination."""
        times = now_ppm * PPM >= origin_ppm * self.relative_ppm
        points = now_ppm - origin_ppm >= self.absolute_ppm
        return times & points if self.both else times | points


class Rated(NamedTuple):
    """What is known of loans beyond their days past due, one element each. PDs are 0 where no model has rated a loan."""

    pd_origin_ppm: Column
    pd_ppm: Column
    months: Column  # still to run, one at least
    product: Column  # `product_number`


class Losses(NamedTuple):
    """Stage, PD over the stage's horizon and LGD, one element per loan; rates in ppm."""

    stage: Column
    pd_ppm: Column
    lgd_ppm: Column

    @property
    def loss_ppm(self) -> Column:
        """PD x LGD, rounded up."""
        return -(-self.pd_ppm * self.lgd_ppm // PPM)


@dataclass(frozen=True)
class Provisions:
    non_accrual_after_days: int
    bands: tuple[Band, ...]
    model: PdModel | None = None

    def suspended(self, dpd: int) -> bool:
        """Whether charges of a loan are kept in suspense instead of being counted as income."""
        return dpd > self.non_accrual_after_days

    def band(self, dpd: int) -> Band:
        return max((b for b in self.bands if b.from_dpd <= dpd), key=lambda b: b.from_dpd)

    def losses(self, dpd: Column, rated: Rated | None = None) -> Losses:
        """The table by days past due; where a loan is rated, its own PD over twelve months or, in stage 2, over its life."""
        place = np.searchsorted(np.array([b.from_dpd for b in self.bands]), dpd, side="right") - 1
        stage, pd, lgd = (
            np.array([getattr(b, name) for b in self.bands], np.int64)[place]
            for name in ("stage", "pd_ppm", "lgd_ppm")
        )
        model = self.model
        if model is None or rated is None or not rated.pd_origin_ppm.any():
            return Losses(stage, pd, lgd)
        known = rated.pd_origin_ppm > 0
        now = np.where(rated.pd_ppm > 0, rated.pd_ppm, rated.pd_origin_ppm)
        stage = np.where(known & (stage == 1) & model.worse(rated.pd_origin_ppm, now), 2, stage)
        own = lifetime_pd(now, np.where(stage == 1, np.minimum(rated.months, 12), rated.months))
        floor = np.where(dpd >= model.floor_from_dpd, pd, 0)
        pd = np.where(known & (stage < 3), np.maximum(own, floor), pd)
        for product, lgd_ppm in model.lgd_ppm.items():
            of_it = known & (rated.product == product_number(product))
            lgd = np.where(of_it, np.where(stage == 3, np.maximum(lgd, lgd_ppm), lgd_ppm), lgd)
        return Losses(stage, pd, lgd)

    def allowances(self, exposure_fen: Column, dpd: Column, rated: Rated | None = None) -> Column:
        """The allowance in fen for each exposure, rounded up; exact for any int64 exposure."""
        loss = self.losses(dpd, rated).loss_ppm
        whole, rest = np.divmod(np.maximum(exposure_fen, 0), PPM)
        return whole * loss - (-rest * loss // PPM)


_ALIVE = 10**11  # all loans, so that a year's multiplication stays within int64


def lifetime_pd(pd_ppm: Column, months: Column) -> Column:
    """The PD over so many months of loans with these PDs over twelve, in ppm, rounded up.

    What survives a year survives the next at the same rate; within a year defaults are spread evenly.
    """
    alive = np.full(pd_ppm.shape, _ALIVE, np.int64)
    years, rest = np.divmod(months, 12)
    for year in range(int(years.max(initial=0))):
        alive = np.where(year < years, alive * (PPM - pd_ppm) // PPM, alive)
    alive = alive * (12 * PPM - pd_ppm * rest) // (12 * PPM)
    return -((alive - _ALIVE) // (_ALIVE // PPM))


@cache
def product_number(product: str) -> int:
    """A product in a column."""
    return int.from_bytes(hashlib.sha256(product.encode()).digest()[:8], signed=True)


@dataclass(frozen=True)
class Reminders:
    """Days before and after a due date on which a borrower is reminded, and the hour of the business day.

    on_rest_days: False moves those of a day of rest to the working day before it (before due) or after it.
    """

    before_due_days: tuple[int, ...]
    after_due_days: tuple[int, ...]
    on_rest_days: bool
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
    return Provisions(table["non_accrual_after_days"], tuple(bands), _model(table.get("model")))


def _model(table: dict[str, Any] | None) -> PdModel | None:
    if table is None:
        return None
    if table["sicr_needs"] not in ("both", "either"):
        raise LookupError(
            f'servicing.toml: sicr_needs must be "both" or "either", not {table["sicr_needs"]!r}'
        )
    return PdModel(
        relative_ppm=table["sicr_relative_ppm"],
        absolute_ppm=table["sicr_absolute_ppm"],
        both=table["sicr_needs"] == "both",
        floor_from_dpd=table["table_pd_from_dpd"],
        lgd_ppm=table.get("lgd_ppm", {}),
    )


def reminders(on: date) -> Reminders:
    """The rule in force on a day. Raises LookupError."""
    table = _in_force("reminder", on)
    return Reminders(
        tuple(table["before_due_days"]), tuple(table["after_due_days"]), table["on_rest_days"], table["hour"]
    )


def debits_on_rest_days(on: date) -> bool:
    """Whether the mandates allow a debit on a day of rest; else it waits for a working day. Raises LookupError."""
    return _in_force("debit", on)["on_rest_days"]


def _in_force(name: str, on: date) -> dict[str, Any]:
    live = [table for table in _tables().get(name, []) if table["in_force_from"] <= on]
    if not live:
        raise LookupError(f"servicing.toml of the policy pack has no {name} in force on {on}; add one")
    return max(live, key=lambda table: table["in_force_from"])


@cache
def _tables() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(law.pack().read("servicing.toml").decode())
