"""Many shards and days: one after the other in this process, side by side in a pool of processes, or on the workers of a Dask
scheduler. Shards know nothing of each other; the days of one shard are closed in their order.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from multiprocessing import get_context
from typing import Any

from timelyrain.runtime import law
from timelyrain.runtime.children import call
from timelyrain.runtime.problems import Unavailable
from timelyrain.servicing import workdays
from timelyrain.servicing.dayclose import Closed, close

log = logging.getLogger(__name__)
_TELL_AFTER_SECONDS = 5.0
CONNECT_SECONDS = 10.0
_NAME = (call, __name__, "close_shard")

Days = Mapping[int, Sequence[date]]
"""The days to close of each shard, oldest first."""


def close_days(days: Days, *, processes: int = 1, scheduler: str = "") -> list[Closed]:
    """Close these days and return what was done; a day that was closed before does nothing.

    processes: how many shards at once on this machine. scheduler: the address of a Dask scheduler (tcp://host:8786), whose
    workers have the package and the settings of this installation; then `processes` does not count.

    Raises CalendarEnds when some of the days lie past the end of the calendar, once those within it are closed.
    """
    began = told = time.monotonic()
    done: list[Closed] = []
    ends = law.work_calendar().last
    within = {shard: [on for on in wanted if on <= ends] for shard, wanted in days.items()}
    for shards, closed in enumerate(_run(within, processes, scheduler), 1):
        done += closed
        if time.monotonic() - told > _TELL_AFTER_SECONDS:
            told = time.monotonic()
            loans = sum(one.loans for one in done)
            log.info(
                "day close: %d of %d shards, %s loan days, %.0f s",
                shards,
                len(days),
                f"{loans:,}",
                told - began,
            )
    if time.monotonic() - began > _TELL_AFTER_SECONDS:
        loans = sum(one.loans for one in done)
        log.info(
            "day close: all %d shards, %s loan days, %.0f s",
            len(days),
            f"{loans:,}",
            time.monotonic() - began,
        )
    everything = {on for wanted in days.values() for on in wanted}
    for on in sorted(everything):
        workdays.require(on)
    workdays.warn_before_end(everything)
    return done


def _run(days: Days, processes: int, scheduler: str) -> Iterator[list[Closed]]:
    tasks = [(shard, tuple(wanted)) for shard, wanted in days.items() if wanted]
    if scheduler and tasks:
        yield from _on_dask(tasks, scheduler)
    elif processes > 1 and len(tasks) > 1:
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            for future in as_completed([pool.submit(*_NAME, *task) for task in tasks]):
                yield future.result()
    else:
        for task in tasks:
            yield close_shard(*task)


def close_shard(shard: int, days: Iterable[date]) -> list[Closed]:
    """Close the days of one shard in their order."""
    return [closed for on in days if (closed := close(shard, on))]


def _on_dask(tasks: Sequence[tuple[int, Sequence[date]]], scheduler: str) -> Iterator[list[Closed]]:
    """A worker that dies is made up for by another: what it had closed is not closed again."""
    try:
        import distributed  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise Unavailable(
            f"The day close was told to use the Dask scheduler {scheduler}, but Dask is not installed.",
            remedy="Install timelyrain[cluster] here and on the workers, or unset TIMELYRAIN_DASK_SCHEDULER.",
        ) from error
    try:
        client: Any = distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:  # a timeout is an OSError; an address that is none is a ValueError
        raise Unavailable(
            f"The Dask scheduler {scheduler} does not answer: {error}.",
            remedy="Start it (dask scheduler), correct TIMELYRAIN_DASK_SCHEDULER, or unset it to close the day here.",
        ) from error
    try:
        futures = [client.submit(*_NAME, *task, pure=False, retries=1) for task in tasks]
        for future in distributed.as_completed(futures, loop=client.loop):
            yield future.result()
    finally:
        client.close()
