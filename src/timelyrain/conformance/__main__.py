"""The command: run one suite, or all whose published numbers are at hand; exit code 1 when a case fails."""

import argparse
import sys
from pathlib import Path

from .outcome import SuiteUnreadable
from .running import SUITES, published, run


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m timelyrain.conformance", description=__doc__)
    arguments.add_argument("--suite", choices=SUITES, help="default: every suite that has published numbers")
    arguments.add_argument("--file", type=Path, help="a file of the suite's format, or a folder of them")
    asked = arguments.parse_args()
    if asked.file and not asked.suite:
        arguments.error("--file needs --suite, which says how to read it")
    suites = [SUITES[asked.suite]] if asked.suite else list(SUITES.values())
    passed = failed = 0
    for suite in suites:
        path = asked.file or published(suite)
        if path is None or not path.exists():
            where = path or f"{suite.source} (set TIMELYRAIN_SHARED to the folder that holds conformance/)"
            print(f"{suite.name}: no {where}", file=sys.stderr)
            if asked.suite:
                return 2
            continue
        try:
            outcomes = run(suite, path)
        except SuiteUnreadable as error:
            print(error, file=sys.stderr)
            return 2
        failures = [outcome for outcome in outcomes if not outcome.passed]
        print(f"{suite.name}: {len(outcomes) - len(failures)} of {len(outcomes)} from {path}")
        for outcome in failures:
            print(f"  FAILED {outcome.id}")
            for difference in outcome.differences:
                print(f"    {difference}")
        passed += len(outcomes) - len(failures)
        failed += len(failures)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
