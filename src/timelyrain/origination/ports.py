"""What this room asks of those above it: what became of the loans that were made on its offers."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True)
class LoanOutcome:
    """bad: 90 days past due or written off within the months asked for; None while that cannot be said yet.

    lost_fen: principal not come back. seasoned: these months are over, so that bad and good loans of its day are both known.
    """

    bad: bool | None
    lent_fen: int
    lost_fen: int
    seasoned: bool


Outcomes = Callable[[int, Collection[UUID], date, int], Mapping[UUID, LoanOutcome]]
"""(shard, offers, day, months on book) -> outcome, as known on that day, of each offer on which a loan was made."""

MONTHS = 12


def _none(shard: int, offers: Collection[UUID], on: date, months: int) -> Mapping[UUID, LoanOutcome]:
    return {}


_provider: Outcomes = _none


def tell_outcomes(provider: Outcomes) -> None:
    """An upper room says that it knows outcomes; without one, none is known."""
    global _provider
    _provider = provider


def outcomes(
    shard: int, offers: Collection[UUID], on: date, months: int = MONTHS
) -> Mapping[UUID, LoanOutcome]:
    return _provider(shard, offers, on, months)
