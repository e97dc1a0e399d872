"""What stands beside the features in a file of past decisions; no feature has a dot in its name."""

from collections.abc import Mapping
from typing import Any

import polars as pl

PREFIX = "decision."
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
