"""`timelyrain risk`: models from a file of past loans, with what they are worth."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from timelyrain import risk

from . import cards, fraud, models, outcomes, watching
from .commands import Commands, Refusal, say
from .definitions import json_object

TRAIN = """
what is written with --out
  <sha256>.model, .json   the chosen model as the kernel loads it, of whatever kind, and its manifest with the whole report
  card.json               the scorecard: bins, evidence, points and their scaling; edit cuts or groups and
                          train again with --bins card.json
  report.json             what --json prints
  card.html, card.pdf     the model card: pictures of what the model is worth

what is found without being told
  encoding, separator and packing of the file; types; a column of dates to split by; ids, dates, names and protected
  columns, which are not learnt from; columns that know the outcome (the leak alarm). Each with a sentence in the report.

examples
  timelyrain risk train loans.csv --label status --bad default
  timelyrain risk train loans.csv.gz --label loan_status --bad "Charged Off" --good "Fully Paid" --split-at 2011-01-01
  timelyrain risk train loans.parquet --label y --split folds --monotone directions.json --out models --json
  timelyrain risk train loans.csv --label y --models lightgbm,scorecard,ebm,catboost
  timelyrain risk train --again models/<sha256>.json        the same model again, to the byte
"""


def add(commands: Commands) -> None:
    group = commands.group(
        "risk", "Risk models: learnt from past loans, tested, handed in for approval, watched"
    )
    train = group.add(train_file, "train", TRAIN)
    cards.add(group)
    models.add(group)
    watching.add(group)
    outcomes.add(group)
    fraud.add(group)
    train.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="CSV (also packed, GBK, other separators), ARFF or Parquet, one row per loan; decisions: for the platform's own, "
        "decisions:FILE as `risk decisions` wrote them",
    )
    train.add_argument("--label", metavar="COL", help="the column that says good or bad")
    train.add_argument(
        "--bad",
        action="append",
        default=[],
        metavar="VALUE",
        help="a value that is bad (default: 1, or what the values themselves say)",
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
    train.add_argument("--text", nargs="+", action="extend", default=[], metavar="COL",
                       help="columns whose words are read, as one score each, where that adds 0.002 AUC")  # fmt: skip
    train.add_argument(
        "--text-model",
        default="",
        metavar="URL",
        help="a model of yours that makes numbers of texts (docs/fraud.md)",
    )
    train.add_argument(
        "--text-model-sha256", default="", metavar="HASH", help="the hash that it has to claim"
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
        "--group-near-copies",
        action="store_true",
        help="keep rows that are nearly equal in one fold, so that nothing is tested on what was learnt by heart",
    )
    train.add_argument(
        "--models",
        default="lightgbm,scorecard",
        metavar="KINDS",
        help="of lightgbm, ebm, catboost; a scorecard is always made, and a blend where it earns its keep",
    )
    train.add_argument(
        "--sample",
        type=int,
        default=0,
        metavar="N",
        help="read one row of N (default: all, or as many as memory holds)",
    )
    train.add_argument(
        "--again",
        type=Path,
        metavar="MANIFEST",
        help="repeat the training of a manifest; exit status 1 where another model comes out",
    )
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
    train.add_argument(
        "--language", "--lang", choices=("zh", "en"), help="of the card; usually that of the shell"
    )
    train.add_argument("--json", action="store_true", help="the report as JSON on stdout")
    train.set_defaults(catalogue=(), decisions=None)


def train_file(given: argparse.Namespace) -> int:
    """Train, calibrate and compare a scorecard and LightGBM; leaks are looked for, the test is by time where there is one."""
    if str(given.file).startswith(models.DECISIONS):
        with models.decisions_file(given):
            return train_file(given)
    try:
        file, request, bins, expected = _repeated(given) if given.again else _asked(given)
        with _progress() as (tell, advance):
            scorer = _text_model(given)
            trained = risk.train_file(file, request, bins=bins, scorer=scorer, say=tell, advance=advance)
    except (risk.TrainingDataInvalid, risk.TextModelRefused) as error:
        raise Refusal(str(error)) from None
    if given.decisions:
        told = {**trained.model.manifest, "decisions": given.decisions}
        trained = replace(trained, model=replace(trained.model, manifest=told))
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
    if expected and trained.model.sha256 != expected:
        before, now = (f"{one['versions']}" for one in (_manifest(given.again)["training"], trained.report))
        say(
            f"another model: {trained.model.sha256[:16]}… instead of {expected[:16]}…; made with {before}, now {now}"
        )
        return 1
    return 0


def _text_model(given: argparse.Namespace) -> risk.TextScorer | None:
    if not given.text_model:
        return None
    from timelyrain.sources.adapters.text_model import TextModelEndpoint

    return TextModelEndpoint(given.text_model, given.text_model_sha256)


Asked = tuple[Path, risk.Request, Mapping[str, Any], str]
"""File, request, bins and the hash that is to come out (empty for a new training)."""


def _asked(given: argparse.Namespace) -> Asked:
    if not given.file or not given.label:
        raise Refusal("Give the file and --label, the column that says good or bad (or --again MANIFEST).")
    request = risk.Request(
        label=given.label, bad=tuple(given.bad), good=tuple(given.good), time=given.time, ids=tuple(given.id),
        exclude=tuple(given.exclude), keep=tuple(given.keep), ratios=tuple(given.ratio), texts=tuple(given.text),
        split=given.split,
        split_at=given.split_at, gap_months=given.gap_months, group_near_copies=given.group_near_copies,
        models=tuple(kind.strip() for kind in given.models.split(",")), monotone=_monotone(given.monotone),
        catalogue=tuple(given.catalogue), use_protected=given.use_protected, sample=given.sample, seed=given.seed,
        threads=given.threads,
        scaling=risk.Scaling(given.base_score, given.base_odds, given.pdo),
    )  # fmt: skip
    try:
        return given.file, request, risk.edited_bins(given.bins.read_bytes()) if given.bins else {}, ""
    except OSError as error:
        raise Refusal(
            f"{given.bins} cannot be read ({error.strerror}): give the card.json of a training."
        ) from None


def _repeated(given: argparse.Namespace) -> Asked:
    manifest = _manifest(given.again)
    request, bins = risk.Request.of_manifest(manifest)
    told = manifest["training"]["file"]
    file = given.file or Path(told["path"])
    if not file.is_file():
        raise Refusal(
            f"{file} is not there: name the file of that training, timelyrain risk train FILE --again ..."
        )
    found = risk.file_sha256(file)
    if found != told["sha256"]:
        raise Refusal(
            f"{file} is another file: its hash is {found[:16]}…, the training read {told['sha256'][:16]}…."
        )
    given.decisions = manifest.get("decisions")
    return file, request, bins, str(manifest["sha256"])


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Refusal(f"{path} cannot be read ({error}): give the .json beside a .model.") from None
    if not isinstance(manifest, dict) or "training" not in manifest or "sha256" not in manifest:
        raise Refusal(f"{path} is no manifest of a training: give the .json beside a .model.")
    return manifest


@contextmanager
def _progress() -> Iterator[tuple[Callable[[str], None], Callable[[float], None]]]:
    """Sentences and a share done: as a bar where a person looks on, else the sentences alone."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield say, lambda share: None
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield (
            lambda sentence: bar.update(task, description=escape(sentence)),
            lambda share: bar.update(task, completed=share),
        )


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
    for one in report.get("texts", {}).get("columns", []):
        added = one["auc_added"]
        console.print(
            f"words of {one['column']}: {added['value']:+.4f} AUC "
            f"({added['low']:+.4f} to {added['high']:+.4f}) on the inner folds, "
            f"{'kept' if one['kept'] else 'left out'}",
            highlight=False,
            markup=False,
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
