"""`timelyrain risk lgd`, `prepayment`, `rejects`: what is lost, what is paid early, what the refused would have done."""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from timelyrain import risk

from .commands import Commands, Refusal, say

LGD = """
examples
  timelyrain risk lgd loans.csv --where "status=Charged Off" --exposure "funded - principal_paid" --recovered recoveries
  timelyrain risk lgd loans.csv --where default=1 --exposure exposure_at_default --loss written_off --out models
"""
PREPAYMENT = """
A loan is followed from --begin to --end, or for --months; paid off before its --term it was prepaid, else it only left our sight.

examples
  timelyrain risk prepayment loans.csv --paid "status=Fully Paid" --term term --begin issue_d --end last_pymnt_d
  timelyrain risk prepayment loans.parquet --paid state=SETTLED --term instalments --months months_on_book --out models
"""
REJECTS = """
One file of all applicants. The refused have no label, or are named with --rejected. They are given outcomes at multiples of the
odds that a model of the accepted gives them; what moves between the multiples rests on an assumption that no file can settle.

examples
  timelyrain risk rejects applications.parquet --label bad
  timelyrain risk rejects applications.csv --label status --bad default --good paid --rejected decision=declined --odds 1,2,4
"""


def add(group: Commands) -> None:
    lgd = group.add(loss, "lgd", LGD)
    _common(lgd)
    lgd.add_argument(
        "--exposure", required=True, metavar="SUM", help="what was owed at default: 'A - B + C' of columns"
    )
    lgd.add_argument("--loss", default="", metavar="SUM", help="what was lost of it")
    lgd.add_argument("--recovered", default="", metavar="SUM", help="or what came back")
    lgd.add_argument(
        "--where", action="append", default=[], metavar="COL=VALUE", help="the loans that defaulted"
    )
    early = group.add(prepayment, "prepayment", PREPAYMENT)
    _common(early)
    early.add_argument("--paid", required=True, metavar="COL=VALUE", help="loans that were paid off")
    early.add_argument("--term", required=True, metavar="COL", help="months of the contract")
    early.add_argument("--months", default="", metavar="COL", help="months followed")
    early.add_argument("--begin", default="", metavar="COL", help="or the day it began")
    early.add_argument("--end", default="", metavar="COL", help="and the day of the last payment")
    refused = group.add(rejects, "rejects", REJECTS)
    _common(refused)
    refused.add_argument("--label", required=True, metavar="COL")
    refused.add_argument("--bad", action="append", default=[], metavar="VALUE")
    refused.add_argument("--good", action="append", default=[], metavar="VALUE")
    refused.add_argument(
        "--rejected", default="", metavar="COL=VALUE", help="who was refused (usually: rows without a label)"
    )
    refused.add_argument("--odds", default="1,1.5,2,3,5", metavar="N,N", help="multiples of the model's odds")
    refused.add_argument("--models", default="lightgbm,scorecard", metavar="KINDS", help="as of `risk train`")


def _common(act: argparse.ArgumentParser) -> None:
    act.add_argument("file", type=Path, metavar="FILE", help="as of `risk train`")
    act.add_argument(
        "--time", default="", metavar="COL", help="day of the application (found where a column says so)"
    )
    act.add_argument(
        "--exclude", nargs="+", action="extend", default=[], metavar="COL", help="columns not to learn from"
    )
    act.add_argument(
        "--keep", nargs="+", action="extend", default=[], metavar="COL", help="whatever the leak alarm says"
    )
    act.add_argument("--split", choices=("auto", "time", "folds"), default="auto")
    act.add_argument("--split-at", default="", metavar="DAY", help="first day tested")
    act.add_argument(
        "--use-protected",
        action="store_true",
        help="train on sex, age, marriage ... too, where that is lawful",
    )
    act.add_argument("--seed", type=int, default=1, metavar="N")
    act.add_argument("--threads", type=int, default=2, metavar="N")
    act.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where report.json and the model, where there is one, are written",
    )
    act.add_argument("--json", action="store_true", help="the report as JSON on stdout")


def loss(given: argparse.Namespace) -> None:
    """Loss given default: a model of the share of what was owed that is lost."""
    request = risk.LossRequest(
        given.exposure, given.loss, given.recovered, tuple(given.where), _base(given, "loss")
    )
    report, model = _made(lambda: risk.train_loss(given.file, request, say=say))
    _out(given, report, model)
    console = Console()
    if not given.json:
        console.print(
            f"{report['rows']} loans, {report['mean_loss']:.1%} lost on average; {report['split']}",
            highlight=False,
        )
        table = Table(
            "loans", "expected", "seen", title="tested loans by tenths of expected loss", title_justify="left"
        )
        for one in report["calibration"]:
            table.add_row(str(one["rows"]), f"{one['predicted']:.1%}", f"{one['seen']:.1%}")
        console.print(table)
        for name, worth in report["models"].items():
            measures = ", ".join(f"{key} {part['value']:.4f}" for key, part in worth.items())
            console.print(f"{name}: {measures}", highlight=False)
        console.print(report["sentence"], highlight=False)


def prepayment(given: argparse.Namespace) -> None:
    """Prepayment: a model of the chance, month by month, that a loan is paid off before its term."""
    request = risk.PrepaymentRequest(
        given.paid, given.term, given.months, given.begin, given.end, _base(given, "prepayment")
    )
    report, model = _made(lambda: risk.train_prepayment(given.file, request, say=say))
    _out(given, report, model)
    if not given.json:
        console = Console()
        table = Table(
            "month", "loans", "prepaid by then, seen", "expected", title="tested loans", title_justify="left"
        )
        for one in report["curve"]:
            if one["month"] % 6 == 0:
                row = (
                    str(one["month"]),
                    str(one["loans"]),
                    f"{one['prepaid_seen']:.1%}",
                    f"{one['prepaid_expected']:.1%}",
                )
                table.add_row(*row)
        console.print(table)
        console.print(
            f"{report['rows']} loans, {report['prepaid']} prepaid; {report['split']}; AUC of months "
            f"{report['auc_of_months']:.4f}, prepayments expected {report['expected_prepayments']:.0f}, "
            f"seen {report['seen_prepayments']}",
            highlight=False,
        )


def rejects(given: argparse.Namespace) -> None:
    """Reject inference as a sensitivity analysis; what would change, had the refused been riskier than the model thinks."""
    try:
        odds = tuple(float(one) for one in given.odds.split(","))
    except ValueError:
        raise Refusal(f"--odds {given.odds!r}: write multiples such as 1,2,5.") from None
    name, equals, value = given.rejected.partition("=")
    if given.rejected and not equals:
        raise Refusal(f"--rejected {given.rejected!r}: write COL=VALUE.")
    base = _base(given, given.label)
    kinds = tuple(kind.strip() for kind in given.models.split(","))
    report = _made(
        lambda: risk.reject_sensitivity(
            given.file, replace(base, bad=tuple(given.bad), good=tuple(given.good), models=kinds),
            (name.strip(), value.strip()) if given.rejected else None, odds, say,
        )
    )  # fmt: skip
    _out(given, report, None)
    if not given.json:
        console = Console()
        without = f"{report['accepted']} accepted, {report['refused']} refused; without them AUC {report['without']['auc']:.4f}"
        table = Table(
            "odds",
            "refused bad",
            "AUC on accepted",
            "ECE",
            "approved bad",
            "approvals that move",
            title=without,
        )
        for one in report["multiples"]:
            table.add_row(
                f"{one['odds']:g}", f"{one['refused_bad']:.2%}", f"{one['auc']:.4f}", f"{one['ece']:.4f}",
                f"{one['approved_bad']:.2%}", f"{one['swapped']:.1%}",
            )  # fmt: skip
        console.print(table)
        console.print(report["sentence"], highlight=False)


def _base(given: argparse.Namespace, label: str) -> risk.Request:
    return risk.Request(
        label=label, time=given.time, exclude=tuple(given.exclude), keep=tuple(given.keep), split=given.split,
        split_at=given.split_at, use_protected=given.use_protected, seed=given.seed, threads=given.threads,
    )  # fmt: skip


def _made(do: Any) -> Any:
    try:
        return do()
    except risk.TrainingDataInvalid as error:
        raise Refusal(str(error)) from None


def _out(given: argparse.Namespace, report: Mapping[str, Any], model: risk.TrainedModel | None) -> None:
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "report.json").write_text(text + "\n", encoding="utf-8")
        names = [risk.save(model, given.out).name] if model else []
        say(f"written: {', '.join([*names, 'report.json'])} in {given.out}")
    if given.json:
        print(text)
