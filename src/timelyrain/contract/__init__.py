"""One loan as a value: signed terms, a history of facts, and the fold that turns both into a state.

Terms say what was agreed, events say what happened and from which day it counts; everything else is computed:
`fold(terms, events, as_of)`. A preview is the same fold with one more event, a back-dated event is the same fold over
one more fact, and `replay` is the same fold in the hands of anyone who holds the signed JSON.
"""

from timelyrain.finance import TermsInvalid, TermsProblem

from .actus import ActusEvent, ActusInvalid, ActusTerms, from_actus, to_actus
from .actus import evaluate as evaluate_actus
from .actus import read_observed as read_actus_observed
from .actus import read_prepayments as read_actus_prepayments
from .actus import read_terms as read_actus_terms
from .charges import CIVIL_CODE_561, Ahead, Allocation, Charge, ChargeKind, Overdue, disclosed_charges
from .columns import NEVER, ROUNDINGS, Column, Line, Outlook, grown, look_ahead
from .events import Event, EventInvalid, EventType, PrepayMode
from .folding import fold, preview, rate_up_to, replay
from .state import ChargeOff, InstalmentState, LoanState, Sale, Status, Totals, bucket_of
from .terms import TERMS_VERSION, Terms, formulas_at, plan
from .violations import ContractViolation

__all__ = [
    "CIVIL_CODE_561",
    "NEVER",
    "ROUNDINGS",
    "TERMS_VERSION",
    "ActusEvent",
    "ActusInvalid",
    "ActusTerms",
    "Ahead",
    "Allocation",
    "Charge",
    "ChargeKind",
    "ChargeOff",
    "Column",
    "ContractViolation",
    "Event",
    "EventInvalid",
    "EventType",
    "InstalmentState",
    "Line",
    "LoanState",
    "Outlook",
    "Overdue",
    "PrepayMode",
    "Sale",
    "Status",
    "Terms",
    "TermsInvalid",
    "TermsProblem",
    "Totals",
    "bucket_of",
    "disclosed_charges",
    "evaluate_actus",
    "fold",
    "formulas_at",
    "from_actus",
    "grown",
    "look_ahead",
    "plan",
    "preview",
    "rate_up_to",
    "read_actus_observed",
    "read_actus_prepayments",
    "read_actus_terms",
    "replay",
    "to_actus",
]
