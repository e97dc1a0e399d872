"""Decisions as a pure function: evidence, definition, request, model and draw in; outcome, reasons and offer out.

One definition is read once into a checked tree and runs in two shapes, a row of generated Python and columns of
numpy, with equal results. No float, no clock, no I/O: a float appears only between the features and the model.
"""

from . import functions as functions  # fills the table of functions
from .cases import Case, CaseInvalid, CaseResult, Tried, try_cases
from .catalogue import Entry, catalogue_json, catalogue_markdown, entries
from .changes import LEVERS, NOTHING, Change, what_would_change
from .compilers import Column
from .decide import (
    Batch,
    RequestInvalid,
    ScoreLike,
    Scorer,
    ScorerMismatch,
    annual_rate_ppm,
    decide,
    decide_batch,
    features_matrix,
    scores,
    silence,
)
from .decision import Decision, Factor, LawContext, Reason, Request, TraceLine
from .definition import DefinitionInvalid, DefinitionProblem
from .engine import Engine, FeatureTable
from .evidence import (
    FACTS,
    MAX_ROWS,
    MAX_TOTAL_FEN,
    SOURCES,
    TABLES,
    Evidence,
    EvidenceInvalid,
    canonical_bytes,
    canonical_json,
    evidence_from_json,
)
from .feature_reader import Feature
from .jdm import JdmInvalid, Told
from .jdm_export import Exported, export_jdm
from .jdm_import import Imported, import_jdm
from .parts import Figure, PolicyList, Rule
from .phrases import Cause, causes, model_spoke, phrase, shown, theme
from .policy import Policy
from .record import ENGINE, RecordInvalid, Replay, decide_again, decision_record, replay
from .schema import LATER_SOURCES, MAX_TIME
from .states import State, StateInvalid, merge
from .verdicts import OUTCOMES, STATES, Columns, Outcome, Verdicts, column, verdicts
from .wording import Bilingual, Language

__all__ = [
    "ENGINE",
    "FACTS",
    "LATER_SOURCES",
    "LEVERS",
    "MAX_ROWS",
    "MAX_TIME",
    "MAX_TOTAL_FEN",
    "NOTHING",
    "OUTCOMES",
    "SOURCES",
    "STATES",
    "TABLES",
    "Batch",
    "Bilingual",
    "Case",
    "CaseInvalid",
    "CaseResult",
    "Cause",
    "Change",
    "Column",
    "Columns",
    "Decision",
    "DefinitionInvalid",
    "DefinitionProblem",
    "Engine",
    "Entry",
    "Evidence",
    "EvidenceInvalid",
    "Exported",
    "Factor",
    "Feature",
    "FeatureTable",
    "Figure",
    "Imported",
    "JdmInvalid",
    "Language",
    "LawContext",
    "Outcome",
    "Policy",
    "PolicyList",
    "Reason",
    "RecordInvalid",
    "Replay",
    "Request",
    "RequestInvalid",
    "Rule",
    "ScoreLike",
    "Scorer",
    "ScorerMismatch",
    "State",
    "StateInvalid",
    "Told",
    "TraceLine",
    "Tried",
    "Verdicts",
    "annual_rate_ppm",
    "canonical_bytes",
    "canonical_json",
    "catalogue_json",
    "catalogue_markdown",
    "causes",
    "column",
    "decide",
    "decide_again",
    "decide_batch",
    "decision_record",
    "entries",
    "evidence_from_json",
    "export_jdm",
    "features_matrix",
    "import_jdm",
    "merge",
    "model_spoke",
    "phrase",
    "replay",
    "scores",
    "shown",
    "silence",
    "theme",
    "try_cases",
    "verdicts",
    "what_would_change",
]
