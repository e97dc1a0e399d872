"""A contract on its own."""

import argparse
import json
from datetime import date
from pathlib import Path

from .commands import Commands, Refusal


def replay(given: argparse.Namespace) -> None:
    """A loan's balances from its signed terms and its events; needs no database."""
    from timelyrain.agreements.documents import DocumentError, extract_attachment
    from timelyrain.contract import ContractViolation, EventInvalid, TermsInvalid
    from timelyrain.contract import replay as fold

    try:
        terms = given.terms.read_bytes()
        events = json.loads(given.events.read_text()) if given.events else []
        if terms.startswith(b"%PDF"):
            terms = extract_attachment(terms, "terms.json")
        print(json.dumps(fold(terms, events, given.as_of), indent=2, ensure_ascii=False))
    except (OSError, ValueError, DocumentError, TermsInvalid, EventInvalid, ContractViolation) as error:
        raise Refusal(f"The contract cannot be replayed: {error}") from error


def add(commands: Commands) -> None:
    acts = commands.group("contract", "Read a contract on its own, without a database")
    again = acts.add(replay)
    again.add_argument("terms", type=Path, help="the signed contract (PDF) or its terms (JSON)")
    again.add_argument(
        "events", type=Path, nargs="?", help="what happened to the loan: a JSON array of events"
    )
    again.add_argument("--as-of", type=date.fromisoformat, required=True, help="the day, as YYYY-MM-DD")
