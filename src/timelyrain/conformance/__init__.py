"""Our numbers against published ones: suites of cases in JSON, run case by case, with every difference named.

`python -m timelyrain.conformance --suite apr --file vectors.json`, or `make conformance SUITE=apr FILE=vectors.json`. A new suite
is a module here with `outcomes(path)` and a line in `SUITES`.
"""

from .running import SUITES, Outcome, Suite, SuiteUnreadable, run

__all__ = ["SUITES", "Outcome", "Suite", "SuiteUnreadable", "run"]
