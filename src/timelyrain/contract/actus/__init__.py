"""ACTUS (actusfrf.org) contract terms of retail loans: ANN, LAM, NAM and PAM, read, evaluated without rounding, and exchanged.

`evaluate` follows the technical specification in exact fractions: no float, no rounding, so that another system's numbers
can be compared to the last digit. `to_actus` and `from_actus` turn our signed terms into ACTUS terms and back.
"""

from .evaluation import ActusEvent, evaluate
from .exchange import from_actus, to_actus
from .terms import ActusInvalid, ActusTerms, Observed, read_observed, read_prepayments, read_terms

__all__ = [
    "ActusEvent",
    "ActusInvalid",
    "ActusTerms",
    "Observed",
    "evaluate",
    "from_actus",
    "read_observed",
    "read_prepayments",
    "read_terms",
    "to_actus",
]
