"""What if: past applications decided again under two policies with the online kernel, and the difference told.

Reads files and writes a folder; no Django, no clock. `backtest` is the whole of it; `report` draws its result.
"""

from timelyrain.decisioning import canonical_json

from .applications import Applications, Batch, Past, PastApplication, batch_of
from .columns import ApplicationsInvalid
from .deciding import KernelMismatch, Law, Side
from .economics import Economics, EconomicsInvalid
from .page import report
from .running import CHUNK_ROWS, BacktestStopped, Job, backtest, inputs
from .versions import differences

__all__ = [
    "CHUNK_ROWS",
    "Applications",
    "ApplicationsInvalid",
    "BacktestStopped",
    "Batch",
    "Economics",
    "EconomicsInvalid",
    "Job",
    "KernelMismatch",
    "Law",
    "Past",
    "PastApplication",
    "Side",
    "backtest",
    "batch_of",
    "canonical_json",
    "differences",
    "inputs",
    "report",
]
