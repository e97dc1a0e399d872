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


@dataclass(frozen=True)
class LoanLife:
    """A loan by completed months on book. bad_in: the month, from 1, in which it first was 90 days late or written off, 0 never.

    buckets: at the end of each month: M0 to M7, settled, written_off.
    """

    opened_on: date
    bad_in: int
    buckets: tuple[str, ...]


Outcomes = Callable[[int, Collection[UUID], date, int], Mapping[UUID, LoanOutcome]]
"""(shard, offers, day, months on book) -> outcome, as known on that day, of each offer on which a loan was made."""

Lives = Callable[[int, Collection[UUID], date], Collection[LoanLife]]
"""(shard, offers, day) -> the lives up to that day of the loans made on them."""

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


def _no_lives(shard: int, offers: Collection[UUID], on: date) -> Collection[LoanLife]:
    return ()


_lives: Lives = _no_lives


def tell_lives(provider: Lives) -> None:
    """An upper room says that it knows how loans went month by month; without one, nothing is known."""
    global _lives
    _lives = provider


def lives(shard: int, offers: Collection[UUID], on: date) -> Collection[LoanLife]:
    return _lives(shard, offers, on)
