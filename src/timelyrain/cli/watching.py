"""`timelyrain risk watch`: a model on the platform's own decisions, or one file against another."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from timelyrain import risk

from .commands import Commands, Refusal, load_django, say

WATCH = """
on the platform: the watch of a model as of a day is kept, once, and shown in the console (Watching)
  timelyrain risk watch
  timelyrain risk watch --model 3f… --at 2026-06-30 --out watch.html

on files (as `risk decisions` writes them, or any with the model's features as columns of numbers); nothing is kept
  timelyrain risk watch learnt.parquet now.parquet --model models/3f….model --label bad --group sex

exit status: 0 calm or watch, 1 where somebody has to act
"""
_LABEL, _TIME, _OUTCOME = "decision.bad", "decision.at", "decision.outcome"
_CUT = 0.8
"""Where a file does not say who was approved: those with the lowest PDs, as the model card has it."""


def add(group: Commands) -> None:
    act = group.add(watch, "watch", WATCH)
    act.add_argument("files", type=Path, nargs="*", metavar="FILE", help="the reference, then what is now")
    act.add_argument("--model", default="", metavar="SHA|FILE", help="its hash, or with files its .model")
    act.add_argument("--at", default="", metavar="DATE", help="as of the end of this day (today)")
    act.add_argument(
        "--label", default=_LABEL, metavar="COL", help=f"1 bad, 0 good, empty unknown ({_LABEL})"
    )
    act.add_argument("--time", default=_TIME, metavar="COL", help=f"day of the decision ({_TIME})")
    act.add_argument(
        "--group", nargs="+", action="extend", default=[], metavar="COL", help="protected columns"
    )
    act.add_argument("--json", action="store_true", help="the whole report on stdout")
    act.add_argument("--out", type=Path, metavar="PAGE.html", help="the page of pictures")


def watch(given: argparse.Namespace) -> int:
    """Watch a model: drift of scores and inputs, calibration, vintages, performance seen and estimated, fairness."""
    if len(given.files) not in (0, 2):
        raise Refusal(
            f"{len(given.files)} file: give two, the reference and what is now, or none for the platform."
        )
    report, names = _of_files(given) if given.files else _of_platform(given)
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(risk.watching.html(report, names=names), encoding="utf-8")
        say(f"written: {given.out}")
    if given.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        _show(report, names)
    return 1 if report["level"] == "act" else 0


def _of_platform(given: argparse.Namespace) -> tuple[Mapping[str, Any], Mapping[str, tuple[str, str]]]:
    load_django()
    from timelyrain.origination import registry, watching
    from timelyrain.runtime.problems import Problem

    try:
        on = date.fromisoformat(given.at) if given.at else None
    except ValueError:
        raise Refusal(f"--at {given.at!r} is no day: write it such as 2026-06-30.") from None
    try:
        row = watching.run(given.model, on, say)
        return row.report, watching.words_of(registry.active()[0])
    except Problem as problem:
        raise Refusal(str(problem)) from None


def _of_files(given: argparse.Namespace) -> tuple[Mapping[str, Any], Mapping[str, tuple[str, str]]]:
    if not given.model:
        raise Refusal("Name the model with --model FILE.model.")
    path = Path(given.model)
    try:
        model = risk.load(path, path.stem)
    except risk.ModelRefused as refused:
        raise Refusal(str(refused)) from None
    wanted = [*model.feature_names, *given.group]
    frames = [_read(file, wanted) for file in given.files]
    parts = [
        _decisions(frame, model, given, months) for frame, months in zip(frames, ("1", "2"), strict=True)
    ]
    first = np.arange(sum(len(one.pd) for one in parts)) < len(parts[0].pd)
    try:
        found = risk.watching.watch(risk.watching.joined(*parts), first, ~first, risk.watching.Rules())
    except ValueError as error:
        raise Refusal(f"{error}: give files that have rows.") from None
    return {**found, "model": model.sha256, "reference": "file"}, {}


def _read(path: Path, wanted: Sequence[str]) -> pl.DataFrame:
    try:
        frame = (
            pl.read_parquet(path)
            if path.suffix == ".parquet"
            else pl.read_csv(path, infer_schema_length=None)
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise Refusal(f"{path} cannot be read ({error}): give a Parquet file, or CSV in UTF-8.") from None
    if lacking := [name for name in wanted if name not in frame.columns]:
        raise Refusal(
            f"{path} has no column {', '.join(lacking[:5])}: give a file with the model's features as `risk decisions` writes it."
        )
    return frame


def _decisions(
    frame: pl.DataFrame, model: risk.TrainedModel, given: argparse.Namespace, month: str
) -> risk.watching.Decisions:
    names = list(model.feature_names)
    if texts := [
        name
        for name in names
        if not (frame[name].dtype.is_numeric() or frame[name].dtype in (pl.Boolean, pl.Null))
    ]:
        raise Refusal(f"{texts[0]} is not a column of numbers: give the features as the model reads them.")
    matrix = frame.select(pl.col(names).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    pd, n = model.pds(np.ascontiguousarray(matrix)), len(frame)
    months = [month] * n
    if given.time in frame.columns:
        days = frame[given.time]
        days = days.cast(pl.String) if days.dtype != pl.String else days
        months = [month if day is None else day[:7] for day in days.to_list()]
    labels = np.full(n, -1)
    if given.label in frame.columns:
        labels = frame[given.label].cast(pl.Int64, strict=False).fill_null(-1).to_numpy()
        if odd := sorted(set(labels.tolist()) - {-1, 0, 1}):
            raise Refusal(
                f"{given.label} holds {odd[0]}: write 1 for bad, 0 for good, nothing where it is not known."
            )
    lent = np.ones(n, bool)
    approved = pd <= np.quantile(pd, _CUT) if n else np.zeros(0, bool)
    if _OUTCOME in frame.columns:
        approved = (frame[_OUTCOME] == "approve").fill_null(False).to_numpy()
        lent = approved
    groups = {name: frame[name].cast(pl.String).fill_null("—").to_list() for name in given.group}
    inputs = {name: matrix[:, i] for i, name in enumerate(names)}
    return risk.watching.Decisions(months, pd, labels, approved, lent, inputs, groups)


def _show(report: Mapping[str, Any], names: Mapping[str, tuple[str, str]]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 130)
    rows = report["rows"]
    console.print(
        f"[bold]{report['level']}[/]  {rows['reference']:,} in the reference, {rows['current']:,} now, "
        f"{rows['known']:,} with an outcome since"
    )
    for one in report["findings"]:
        console.print(f"  {one['level']}: {risk.watching.sentence(one, names)[1]}")
    if report["level"] != "calm":
        console.print(risk.watching.next_step(report["level"])[1])
    table = Table("", "value", "low", "high")
    table.add_row(
        "PSI of the score",
        f"{report['score']['psi']:.4f}",
        "",
        f"{report['score']['by_chance']:.4f} by chance",
    )
    for name, title in (("estimated", "estimated now"), ("performance", "seen since the reference")):
        for measure in ("auc", "ks"):
            if found := (report[name] or {}).get(measure):
                table.add_row(
                    f"{measure.upper()} {title}", *(f"{found[key]:.4f}" for key in ("value", "low", "high"))
                )
    if fit := report["calibration"]:
        table.add_row(
            "bad rate seen (expected)", f"{fit['observed']:.4f}", f"{fit['low']:.4f}", f"{fit['high']:.4f}"
        )
    console.print(table)
