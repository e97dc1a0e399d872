"""The log of acts and the books: look at them, prove them."""

import argparse

from .commands import Commands, load_django


def audit(given: argparse.Namespace) -> int:
    """Recompute the log of acts from its rows; exit status 1 when something was changed."""
    load_django()
    from timelyrain.audit.queries import check_log

    check = check_log()
    for problem in check.problems:
        print(problem)
    if not check.problems:
        print(f"{check.size} acts, nothing changed; root {check.root}")
    return 1 if check.problems else 0


def add(commands: Commands) -> None:
    commands.add(audit)
