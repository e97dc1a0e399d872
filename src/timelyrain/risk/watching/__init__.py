"""Watching a model: whether people, scores and outcomes are still those it learnt from, and whether it treats groups alike."""

from .measures import (
    BUCKETS,
    UNKNOWN,
    Bins,
    Interval,
    Life,
    bins_of,
    calibration,
    estimated,
    fairness,
    performance,
    psi,
    psi_by_chance,
    psi_parts,
    rolls,
    vintages,
)
from .page import html, next_step, sentence
from .report import Decisions, Finding, Rules, findings, joined, watch

__all__ = [
    "BUCKETS",
    "UNKNOWN",
    "Bins",
    "Decisions",
    "Finding",
    "Interval",
    "Life",
    "Rules",
    "bins_of",
    "calibration",
    "estimated",
    "fairness",
    "findings",
    "html",
    "joined",
    "next_step",
    "performance",
    "psi",
    "psi_by_chance",
    "psi_parts",
    "rolls",
    "sentence",
    "vintages",
    "watch",
]
