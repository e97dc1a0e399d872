"""What stands beside the features in a file of past decisions; no feature has a dot in its name."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

PREFIX = "decision."
SPAN = "timelyrain.decisions"
"""Where the file says which decisions it holds."""
LABEL, TIME, ID = "decision.bad", "decision.at", "decision.id"
KNOWN, YOUNG, NO_LOAN = "known", "too_young", "no_loan"

SCHEMA: Mapping[str, Any] = {
    ID: pl.String,
    "decision.application": pl.String,
    TIME: pl.Datetime("us", "UTC"),
    LABEL: pl.Int8,
    "decision.maturity": pl.String,
    "decision.bad_so_far": pl.Int8,
    "decision.outcome": pl.String,
    "decision.random_approval": pl.Boolean,
    "decision.amount_fen": pl.Int64,
    "decision.limit_fen": pl.Int64,
    "decision.rate_ppm": pl.Int64,
    "decision.instalments": pl.Int64,
    "decision.pd_ppm": pl.Int64,
    "decision.lent_fen": pl.Int64,
    "decision.lost_fen": pl.Int64,
    "decision.policy": pl.String,
    "decision.model": pl.String,
}


def taught(path: Path) -> dict[str, Any]:
    """What the manifest of a model says of the decisions in the file it learnt from; empty where the file does not say which."""
    said = pl.read_parquet_metadata(path).get(SPAN)
    if said is None:
        return {}
    labels = pl.read_parquet(path, columns=[LABEL])[LABEL]
    return {**json.loads(said), "labelled": int(labels.count()), "bad": int(labels.sum())}
