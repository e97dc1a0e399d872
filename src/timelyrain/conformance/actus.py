"""Contracts of the ACTUS test files (ANN, LAM, NAM, PAM): every event with its time, payoff, notional, rate, accrued interest."""

import json
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from timelyrain.contract import (
    ActusEvent,
    ActusInvalid,
    evaluate_actus,
    read_actus_observed,
    read_actus_prepayments,
    read_actus_terms,
)

from .outcome import Outcome

# The files were printed by programs that count in floats, many cut at the tenth decimal; our fractions are exact.
TOLERANCE = Fraction(1, 10**9)


def outcomes(path: Path) -> Iterator[Outcome]:
    """One outcome per case: {name: {terms, to, dataObserved, eventsObserved, results}}."""
    for name, case in json.loads(path.read_text(encoding="utf-8")).items():
        yield Outcome(name, tuple(_differences(case)))


def _differences(case: dict[str, Any]) -> Iterator[str]:
    until = datetime.fromisoformat(case["to"]) if case.get("to") else None
    try:
        terms = read_actus_terms(case["terms"])
        observed = read_actus_observed(case.get("dataObserved") or {})
        prepayments = read_actus_prepayments(case.get("eventsObserved") or ())
        events = evaluate_actus(terms, observed, until, prepayments)
    except (ActusInvalid, ValueError, LookupError, TypeError, AttributeError) as error:
        yield f"not evaluated: {error}"
        return
    published = case["results"]
    ours = [f"{event.type} at {event.at.isoformat()}" for event in events]
    theirs = [
        f"{row['eventType']} at {datetime.fromisoformat(row['eventDate']).isoformat()}" for row in published
    ]
    if ours != theirs:
        missing = [text for text in theirs if text not in ours]
        surplus = [text for text in ours if text not in theirs]
        yield (
            f"events: missing {missing}, surplus {surplus}" if missing or surplus else "events: another order"
        )
        return
    for event, row in zip(events, published, strict=True):
        yield from _values(event, row)


def _values(event: ActusEvent, row: dict[str, Any]) -> Iterator[str]:
    ours = {
        "payoff": event.payoff,
        "notionalPrincipal": event.notional,
        "nominalInterestRate": event.rate,
        "accruedInterest": event.accrued,
    }
    for name, value in ours.items():
        if name in row and abs(value - Fraction(str(row[name]))) > TOLERANCE:
            yield f"{event.type} at {event.at.isoformat()}: {name} published {row[name]}, ours {float(value):.12f}"
