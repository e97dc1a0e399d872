"""Identifiers (GB 11643, GB 32100, GB 11714, Luhn, registration numbers): valid or not, as published."""

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from timelyrain.policies import bank_card, organisation_code, registration_number, resident_id, uscc

from .outcome import Outcome

KNOWN_ON = date(2026, 11, 21)  # the vectors' "future birth date" lies after this day

CHECKS: dict[str, Callable[[str], object]] = {
    "gb11643": lambda text: resident_id(text, KNOWN_ON).valid,
    "gb32100": uscc,
    "org_code_gb11714": organisation_code,
    "luhn": bank_card,
    "biz_reg_15": registration_number,
}


def outcomes(path: Path) -> Iterator[Outcome]:
    """One outcome per vector: {kind: [{value, valid, why?}]}."""
    for kind, vectors in json.loads(path.read_text(encoding="utf-8")).items():
        check = CHECKS.get(kind)
        for vector in vectors:
            id = f"{kind} {vector['value']}"
            if check is None:
                yield Outcome(id, (f"no check of kind {kind!r}; known are {', '.join(CHECKS)}",))
            elif (found := bool(check(vector["value"]))) is not vector["valid"]:
                why = f" ({vector['why']})" if "why" in vector else ""
                yield Outcome(id, (f"published valid={vector['valid']}{why}, ours {found}",))
            else:
                yield Outcome(id)
