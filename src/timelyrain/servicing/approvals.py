"""Which acts on a loan need a second person, as the policy pack dates it (servicing.toml, `approval`)."""

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from timelyrain.contract import EventType
from timelyrain.runtime import law


@dataclass(frozen=True)
class Approval:
    """When an act must be approved by somebody else than whoever asked. above_fen: None where it never must."""

    always: bool
    above_fen: int | None
    source: str

    def needed(self, weight_fen: int) -> bool:
        return self.always or (self.above_fen is not None and weight_fen > self.above_fen)


def approval(kind: EventType, on: date) -> Approval:
    """The rule for one kind of act on a day. Raises LookupError where no table is in force (law fails closed)."""
    live = [table for table in _tables() if table["in_force_from"] <= on]
    if not live:
        raise LookupError(f"servicing.toml of the policy pack has no approval in force on {on}; add one")
    table = max(live, key=lambda table: table["in_force_from"])
    rule = table["acts"].get(str(kind), {})
    return Approval(rule.get("always", False), rule.get("above_fen"), table["source"])


@cache
def _tables() -> list[dict[str, Any]]:
    """Raises ValueError for an entry that is misspelt: an act must not pass by a typing mistake."""
    tables = tomllib.loads(law.pack().read("servicing.toml").decode()).get("approval", [])
    for table in tables:
        for name, rule in table["acts"].items():
            if name not in set(EventType) or not rule or rule.keys() - {"always", "above_fen"}:
                raise ValueError(
                    f"servicing.toml: approval.acts.{name} = {rule} must name an event type, with always or above_fen"
                )
    return tables
