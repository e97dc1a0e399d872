"""Strict reading of providers' JSON: a document is declared as a type; an error names the path and what was expected there."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from timelyrain.sources.ports import SourceMalformed

CHINA = timezone(timedelta(hours=8))
Document = TypeVar("Document")
Flow = Annotated[int, Meta(ge=-(10**11), le=10**11)]
Fen = Annotated[int, Meta(ge=0, le=10**11)]
Yuan = Annotated[int, Meta(ge=0, le=10**9)]
Key = str | None
"""A provider's hash of a name: 16 hex digits, the first from 0 to 7; null for not stated."""
MOST_ROWS = Meta(max_length=100_000)
_NO_KEY = "0" * 16


def reader(source: str, kind: type[Document]) -> Callable[[bytes], Document]:
    """Reads documents of a type; what else they hold is passed over. Raises SourceMalformed."""
    decoder = msgspec.json.Decoder(kind)

    def read(document: bytes) -> Document:
        try:
            return decoder.decode(document)
        except (ValueError, RecursionError) as bad:
            raise SourceMalformed(source, str(bad)) from None

    return read


def malformed(source: str, path: str, why: str) -> NoReturn:
    raise SourceMalformed(source, f"{path}: {why}")


def columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """The columns of rows that are `width` wide."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


def judge_times(source: str, at: Sequence[int], now: int) -> None:
    """Of `$.rows`: epoch seconds in order, none after `now`."""
    if at and (at[0] < 0 or at[-1] > now or at != sorted(at)):
        odd = next(i for i, when in enumerate(at) if when > now or when < (at[i - 1] if i else 0))
        malformed(source, f"$.rows[{odd}]", f"time {at[odd]} is before the row above or after {now}")


def keys(source: str, path: str, texts: Sequence[Key]) -> list[int]:
    """Providers' keys as integers below 2^63; 0 where not stated."""
    stated = [_NO_KEY if text is None else text for text in texts]
    joined = "".join(stated)
    try:
        plain = bytes.fromhex(joined)
    except ValueError:
        plain = b""
    # Capitals and spaces are read as well: written again they come out otherwise.
    if plain.hex() == joined and {*map(len, stated)} <= {16}:
        found: list[int] = np.frombuffer(plain, ">i8").tolist()
        if min(found, default=0) >= 0:
            return found
    if len(stated) > 1:
        for number, text in enumerate(texts):
            keys(source, path.replace("[]", f"[{number}]"), [text])
    malformed(source, path, f"{joined[:40]!r} is no key of 16 hex digits, the first from 0 to 7")


def tenure_days(source: str, path: str, since: date, now: int) -> int:
    """Whole days since a day that cannot lie ahead; at most 20,000 are believed."""
    if (passed := now - epoch(since)) < 0:
        malformed(source, path, f"{since} is after the day it was asked for")
    return min(passed // 86_400, 20_000)


@lru_cache(maxsize=1 << 14)
def epoch(on: date) -> int:
    """Epoch seconds of a day's first instant in China."""
    return int(datetime.combine(on, time(), CHINA).timestamp())


@lru_cache(maxsize=1 << 10)
def month(source: str, path: str, text: str) -> date:
    """The first day of a month written 2026-03."""
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        malformed(source, path, f"{text[:40]!r} is no month like 2026-03")


def month_end(first: date) -> date:
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
