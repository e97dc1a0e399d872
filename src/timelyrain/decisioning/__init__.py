"""Decisions as a pure function: evidence, definition, request, model and draw in; outcome, reasons and offer out.

One definition is read once into a checked tree and runs in two shapes, a row of generated Python and columns of
numpy, with equal results. No float, no clock, no I/O: a float appears only between the features and the model.
"""

from . import functions as functions  # fills the table of functions
from .decide import (
    Decision,
    Factor,
    LawContext,
    Outcome,
    Reason,
    Request,
    RequestInvalid,
    ScoreLike,
    Scorer,
    ScorerMismatch,
    TraceLine,
    decide,
    features_matrix,
)
from .definition import DefinitionInvalid, DefinitionProblem
from .evidence import FACTS, SOURCES, TABLES, Evidence, EvidenceInvalid, canonical_bytes, evidence_from_json
from .policy import Feature, Figure, Policy, Rule
from .record import ENGINE, RecordInvalid, Replay, decision_record, replay

__all__ = [
    "ENGINE",
    "FACTS",
    "SOURCES",
    "TABLES",
    "Decision",
    "DefinitionInvalid",
    "DefinitionProblem",
    "Evidence",
    "EvidenceInvalid",
    "Factor",
    "Feature",
    "Figure",
    "LawContext",
    "Outcome",
    "Policy",
    "Reason",
    "RecordInvalid",
    "Replay",
    "Request",
    "RequestInvalid",
    "Rule",
    "ScoreLike",
    "Scorer",
    "ScorerMismatch",
    "TraceLine",
    "canonical_bytes",
    "decide",
    "decision_record",
    "evidence_from_json",
    "features_matrix",
    "replay",
]
