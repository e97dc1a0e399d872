"""`timelyrain risk`: models from a file of past loans, with what they are worth."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from timelyrain import risk

from . import cards, fraud
from .commands import Commands, Refusal, say
from .definitions import json_object

TRAIN = """
what is written with --out
  <sha256>.model, .json   LightGBM as the kernel loads it, and its manifest with the whole report
  card.json               the scorecard: bins, evidence, points and their scaling; edit cuts or groups and
                          train again with --bins card.json
  report.json             what --json prints
  card.html, card.pdf     the model card: pictures of what the model is worth

examples
  timelyrain risk train loans.csv --label status --bad default
  timelyrain risk train loans.csv.gz --label loan_status --bad "Charged Off" --good "Fully Paid" --split-at 2011-01-01
  timelyrain risk train loans.parquet --label y --split folds --monotone directions.json --out models --json
"""


def add(commands: Commands) -> None:
    group = commands.group("risk", "credit-risk models from past loans")
    fraud.add(group)
    cards.add(group)
    train = group.add(train_file, "train", TRAIN)
    train.add_argument(
        "file", type=Path, metavar="FILE", help="CSV (also .gz, GBK) or Parquet, one row per loan"
    )
    train.add_argument("--label", required=True, metavar="COL", help="the column that says good or bad")
    train.add_argument(
        "--bad", action="append", default=[], metavar="VALUE", help="a value that is bad (default 1)"
    )
    train.add_argument(
        "--good",
        action="append",
        default=[],
        metavar="VALUE",
        help="values that are good; others are left out",
    )
    train.add_argument(
        "--time", default="", metavar="COL", help="day of the application (found where a column says so)"
    )
    train.add_argument(
        "--id", action="append", default=[], metavar="COL", help="a column that only names the row"
    )
    train.add_argument(
        "--exclude", nargs="+", action="extend", default=[], metavar="COL", help="columns not to learn from"
    )
    train.add_argument("--keep", nargs="+", action="extend", default=[], metavar="COL",
                       help="columns that were known at the application, whatever the leak alarm says")  # fmt: skip
    train.add_argument(
        "--ratio", action="append", default=[], metavar="A/B", help="a feature more: column A over column B"
    )
    train.add_argument(
        "--monotone", default="auto", metavar="auto|none|FILE", help="JSON of column: +1 or -1 on PD"
    )
    train.add_argument(
        "--split",
        choices=("auto", "time", "folds"),
        default="auto",
        help="auto: by time where there is a date",
    )
    train.add_argument(
        "--split-at", default="", metavar="DAY", help="first day tested (default: the last quarter of rows)"
    )
    train.add_argument("--gap-months", type=float, default=0.0, metavar="N",
                       help="rows of N months before that day are left out: their outcome was not known on it")  # fmt: skip
    train.add_argument(
        "--use-protected",
        action="store_true",
        help="train on sex, age, marriage ... too, where that is lawful",
    )
    train.add_argument(
        "--bins", type=Path, metavar="CARD", help="a card.json whose edited bins are to be used"
    )
    train.add_argument("--pdo", type=float, default=60.0, metavar="P", help="points that double the odds")
    train.add_argument("--base-score", type=float, default=600.0, metavar="S")
    train.add_argument(
        "--base-odds", type=float, default=35.0, metavar="O", help="good to bad at the base score"
    )
    train.add_argument("--seed", type=int, default=1, metavar="N")
    train.add_argument("--threads", type=int, default=2, metavar="N")
    train.add_argument("--out", type=Path, metavar="DIR", help="where model, card and report are written")
    train.add_argument("--no-card", action="store_true", help="with --out: no card.html and card.pdf")
    train.add_argument("--language", "--lang", choices=("zh", "en"), help="of the card; usually that of the shell")
    train.add_argument("--json", action="store_true", help="the report as JSON on stdout")


def train_file(given: argparse.Namespace) -> int:
    """Train, calibrate and compare a scorecard and LightGBM; leaks are looked for, the test is by time where there is one."""
    try:
        bins = risk.edited_bins(given.bins.read_bytes()) if given.bins else {}
        request = risk.Request(
            label=given.label, bad=tuple(given.bad), good=tuple(given.good), time=given.time, ids=tuple(given.id),
            exclude=tuple(given.exclude), keep=tuple(given.keep), ratios=tuple(given.ratio), split=given.split,
            split_at=given.split_at, gap_months=given.gap_months, monotone=_monotone(given.monotone),
            use_protected=given.use_protected, seed=given.seed, threads=given.threads,
            scaling=risk.Scaling(given.base_score, given.base_odds, given.pdo),
        )  # fmt: skip
        trained = risk.train_file(given.file, request, bins=bins, say=say)
    except OSError as error:
        raise Refusal(
            f"{given.bins} cannot be read ({error.strerror}): give the card.json of a training."
        ) from None
    except risk.TrainingDataInvalid as error:
        raise Refusal(str(error)) from None
    text = json.dumps(trained.report, indent=1, ensure_ascii=False, allow_nan=False)
    if given.out:
        if not given.no_card:
            trained = risk.with_card(trained)
            cards.write(trained.model.manifest, given.out, given)
        path = risk.save(trained.model, given.out)
        (given.out / "card.json").write_text(
            json.dumps(trained.card.to_json(), indent=1, ensure_ascii=False), encoding="utf-8"
        )
        (given.out / "report.json").write_text(text + "\n", encoding="utf-8")
        say(f"written: {path.name}, its manifest, card.json and report.json in {given.out}")
    if given.json:
        print(text)
    else:
        _show(trained.report)
    return 0


def _monotone(asked: str) -> str | Mapping[str, int]:
    return asked if asked in ("auto", "none") else json_object(asked)


def _show(report: Mapping[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 130)
    for note in report["notes"]:
        console.print(f"note: {note}", highlight=False, markup=False)
    unused = Table("column", "kind", "why not a feature", title="columns left out", title_justify="left")
    for column in report["columns"]:
        if column["role"] not in ("feature", "label"):
            unused.add_row(column["name"], column["kind"], column["why"])
    if unused.row_count:
        console.print(unused)
    if report["leak_findings"]:
        alarm = Table("column", "finding", "done", title="leak alarm", title_justify="left")
        for finding in report["leak_findings"]:
            used = finding["column"] in report["features_used"]
            alarm.add_row(finding["column"], finding["sentence"], "kept" if used else "left out")
        console.print(alarm)
    console.print(
        f"{report['rows']} rows, {report['bad_rate']:.2%} bad; {report['split']['sentence']}", highlight=False
    )
    worth = Table(
        "model",
        "AUC (95 %)",
        "Gini",
        "KS",
        "Brier",
        "ECE",
        "log loss",
        title="on rows not trained on",
        title_justify="left",
    )
    for name, found in report["models"].items():
        area = found["auc"]
        worth.add_row(
            f"{name} (chosen)" if name == report["chosen_model"] else name,
            f"{area['value']:.4f} ({area['low']:.4f} to {area['high']:.4f})",
            *(f"{found[key]['value']:.4f}" for key in ("gini", "ks", "brier", "ece", "log_loss")),
        )
    console.print(worth)
    heavy = ", ".join(f"{name} {share:.0%}" for name, share in list(report["importance"].items())[:6])
    console.print(f"weighs most: {heavy}", highlight=False, markup=False)
    console.print(
        f"{report['wall_seconds']:.1f} s, {report['peak_memory'] / 2**20:.0f} MiB; model {report['model_sha256'][:16]}…",
        highlight=False,
    )
