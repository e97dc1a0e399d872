"""`timelyrain risk` on a platform: its own decisions as a file, models submitted, listed, and trained anew."""

import argparse
import getpass
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .commands import Commands, Refusal, load_django, say

DECISIONS = "decisions:"
"""What stands in the place of a file for the platform's own decisions."""
COLUMNS = """
columns
  decision.id, decision.application, decision.at   which decision, when
  decision.bad             1 bad, 0 good, empty where it cannot be known: 90 days past due or written off within the months
  decision.maturity        known, too_young (the months are not over), no_loan
  decision.bad_so_far      as known today; of young loans only the bad are known, so it is no label
  decision.outcome, .random_approval, .amount_fen, .limit_fen, .rate_ppm, .instalments, .pd_ppm, .policy, .model
  decision.lent_fen, .lost_fen
  all others               the model inputs of the policy in force, computed from the evidence sealed with the decision

example
  timelyrain risk decisions --out past.parquet --from 2025-01-01
  timelyrain risk train decisions:past.parquet --out models
"""


def add(group: Commands) -> None:
    decisions = group.add(write_decisions, "decisions", COLUMNS)
    decisions.add_argument("--out", type=Path, required=True, metavar="FILE.parquet")
    decisions.add_argument(
        "--from", dest="since", default="", metavar="DATE", help="first day (default: the first there is)"
    )
    decisions.add_argument("--to", dest="until", default="", metavar="DATE", help="last day (default: today)")
    _months(decisions)
    submit = group.add(submit_model, "submit")
    submit.add_argument(
        "file", type=Path, metavar="DIR/<sha256>.model", help="as `risk train --out DIR` wrote it"
    )
    submit.add_argument("--note", default="", metavar="TEXT", help="why it shall replace the one in force")
    _by(submit)
    listed = group.add(list_models, "list")
    listed.add_argument("--json", action="store_true", help="as JSON on stdout")
    retrain = group.add(retrain_model, "retrain")
    _months(retrain)
    _by(retrain)


def _months(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--mature-months",
        type=int,
        default=12,
        metavar="N",
        help="months on book after which a loan is good or bad (12)",
    )


def _by(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--by",
        default="",
        metavar="NAME",
        help="the console login who submits (default: yours); another one approves",
    )


def write_decisions(given: argparse.Namespace) -> None:
    """The platform's own decisions as a Parquet file to learn from; outcomes that cannot be known yet are left empty."""
    load_django()
    from timelyrain.audit import services as audit

    past, written = _export(given.out, given.since, given.until, given.mature_months, only_labelled=False)
    audit.record(
        0,
        "decisions_exported",
        actor=getpass.getuser(),
        subject=given.out.name,
        rows=written.rows,
        until=past.until.isoformat(),
        months=past.months,
    )
    say(
        f"written: {written.rows} decisions in {given.out}, {written.labelled} with an outcome after {past.months} months, "
        f"{written.bad} of them bad"
    )


def _export(out: Path, since: str, until: str, months: int, *, only_labelled: bool) -> Any:
    from timelyrain.origination import history, registry
    from timelyrain.runtime import clock
    from timelyrain.runtime.problems import Problem

    if not 1 <= months <= 60:
        raise Refusal(f"--mature-months {months}: give 1 to 60.")
    first, last = _day(since, "--from"), _day(until, "--to")
    end = clock.now() if last is None else _midnight(last + timedelta(days=1), clock.BUSINESS_ZONE)
    begin = None if first is None else _midnight(first, clock.BUSINESS_ZONE)
    if begin is not None and begin >= end:
        raise Refusal(f"--from {since} is after --to {until or 'today'}.")
    try:
        policy, model = registry.active()
    except Problem as problem:
        raise Refusal(str(problem)) from None
    features = history.features_of(policy, model.feature_names if model else ())
    past = history.History(policy, features, min(end, clock.now()), begin, months)
    total = past.count()
    try:
        written = history.write(
            past, out, only_labelled=only_labelled, progress=lambda done: say(f"{done} of {total} decisions")
        )
    except OSError as error:
        raise Refusal(
            f"{out} cannot be written ({error.strerror}): give a file in a folder of yours."
        ) from None
    return past, written


def _day(text: str, option: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Refusal(f"{option} {text!r} is no day: write it such as 2025-01-31.") from None


def _midnight(day: date, zone: Any) -> datetime:
    return datetime.combine(day, time(), zone)


@contextmanager
def decisions_file(given: argparse.Namespace) -> Iterator[None]:
    """`risk train decisions:` and `decisions:FILE`: file, label, time and catalogue filled in, and which decisions they are."""
    import polars as pl

    from timelyrain.origination import columns

    named = str(given.file)[len(DECISIONS) :]
    with tempfile.TemporaryDirectory() as folder:
        if not named:
            load_django()
            named = str(Path(folder) / "decisions.parquet")
            past, written = _export(Path(named), "", "", 12, only_labelled=True)
            if not written.rows:
                raise Refusal(
                    "No decision here has a known outcome yet: train on a file of past loans until some do."
                )
            if given.monotone == "auto":  # as the policy declares them
                directions = Path(folder) / "monotone.json"
                directions.write_text(json.dumps(dict(past.policy.monotone)))
                given.monotone = str(directions)
        try:
            names = pl.read_parquet_schema(named).names()
        except (OSError, pl.exceptions.PolarsError):
            raise Refusal(
                f"{named} cannot be read: write it with `timelyrain risk decisions --out`."
            ) from None
        if columns.LABEL not in names:
            raise Refusal(f"{named} has no {columns.LABEL}: write it with `timelyrain risk decisions --out`.")
        given.file, given.label, given.time = Path(named), columns.LABEL, columns.TIME
        given.decisions = columns.taught(Path(named))
        given.catalogue = [name for name in names if not name.startswith(columns.PREFIX)]
        yield


def submit_model(given: argparse.Namespace) -> int:
    """Register a model file as submitted; it decides nothing before somebody else approves and activates it."""
    load_django()
    from timelyrain.origination import registry, releases
    from timelyrain.risk import ModelRefused
    from timelyrain.runtime.problems import Problem

    by = _submitter(given.by)
    try:
        digest = releases.submit_model_file(given.file, by, given.note)
        unknown = registry.unknown_features(
            registry.active()[0], registry.load_model(digest), registry.kind_of(digest)
        )
    except (ModelRefused, Problem) as refused:
        raise Refusal(str(refused)) from None
    say(f"submitted: {digest}; somebody else than {by} approves it in the console (Scoring models)")
    if unknown:
        say(f"it cannot be activated with the policy in force, which lacks {', '.join(unknown[:8])}")
    return 0


def list_models(given: argparse.Namespace) -> None:
    """Models and where they stand; what is in force, challenges or runs in the shadow is marked."""
    load_django()
    from timelyrain.origination import releases

    rows = releases.models()
    if given.json:
        print(json.dumps(rows, indent=1, ensure_ascii=False, default=str))
        return
    table = Table("model", "kind", "state", "now", "AUC", "kept by", "kept at")
    for row in rows:
        auc = row["metrics"].get("auc")
        table.add_row(
            row["sha256"][:16], row["kind"], row["state"], row["now"], "" if auc is None else f"{auc:.4f}",
            row["kept_by"], f"{row['kept_at']:%Y-%m-%d %H:%M}",
        )  # fmt: skip
    _console().print(table)


def retrain_model(given: argparse.Namespace) -> int:
    """Train the model in force anew on all decisions so far and submit it with the comparison; it is never activated here."""
    load_django()
    from timelyrain.origination import releases, retraining
    from timelyrain.runtime.problems import Problem

    by = _submitter(given.by)
    try:
        row = retraining.run_now(by, given.mature_months, say)
    except Problem as problem:
        raise Refusal(str(problem)) from None
    if row.model_sha256 is None:
        raise Refusal(f"Nothing was submitted: {row.last_error}")
    report: Any = releases.steps("model", row.model_sha256)[-1].report
    found = report["compared"]
    table = Table(
        "model",
        "AUC",
        "KS",
        "Brier",
        "ECE",
        "log loss",
        title=f"on {found['rows']} decisions from {found['first_day']} to {found['last_day']}",
    )
    for name in ("in_force", "new"):
        if name in found:
            table.add_row(
                name, *(f"{found[name][key]:.4f}" for key in ("auc", "ks", "brier", "ece", "log_loss"))
            )
    _console().print(table)
    if found.get("seen_by_in_force"):
        say(
            f"the model in force learnt from {found['seen_by_in_force']} of them, which flatters it; the new one from none"
        )
    say(f"submitted: {row.model_sha256}; somebody else than {by} approves it in the console (Scoring models)")
    return 0


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 130)


def _submitter(name: str) -> str:
    """A console login that may submit. Raises Refusal."""
    from django.contrib.auth.models import User

    name = name or getpass.getuser()
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None or not user.has_perm("origination.add_releasestep"):
        raise Refusal(f"{name!r} is no console login that may submit: name one of the risk team with --by.")
    return name
