"""Law and house rules as dated data: packs of rules, products and consent texts, and the identifiers of a jurisdiction.

Every rule says from when to when it is in force, for which licence, where it stands and how sure we are of it. Code names the
rule, never the number; a rule that is not in force on the day raises. Packs are TOML files beside this module (`cn/`).
"""

from .calendars import work_calendar
from .catalogue import ConsentText, Product, Purpose
from .identifiers import (
    ResidentId,
    bank_card,
    mobile,
    organisation_code,
    registration_number,
    resident_id,
    uscc,
)
from .packs import Pack, Rule, RuleNotInForce, RuleUnknown, load_pack
from .reading import PackInvalid

__all__ = [
    "ConsentText",
    "Pack",
    "PackInvalid",
    "Product",
    "Purpose",
    "ResidentId",
    "Rule",
    "RuleNotInForce",
    "RuleUnknown",
    "bank_card",
    "load_pack",
    "mobile",
    "organisation_code",
    "registration_number",
    "resident_id",
    "uscc",
    "work_calendar",
]
