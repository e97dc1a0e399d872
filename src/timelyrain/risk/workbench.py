"""From a file of past loans to tested models: types, leak alarm, split, the models and their blend, what each is worth.

What is reported was measured on rows no step of that training saw: bins, encodings, search, calibration and blending weights are
fitted anew inside each round of the split. The models that are kept are then fitted the same way on all rows.
"""

import hashlib
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from . import binning, evaluation, leaks, members, preparing, reasons, roles, splitting, tables, text_columns
from .binning import Binning
from .boosting import lightgbm_library
from .members import Fitted
from .metrics import auc
from .model import TrainedModel, data_sha256, encode
from .preparing import Recipe
from .problems import TrainingDataInvalid
from .scorecard import Scaling, Scorecard
from .tables import Column, Floats, Ints
from .text import TextScorer
from .trees import flatten

COLLAPSE_ROWS = 20_000
RECENT = 0.25
"""Share of the training rows, the latest, whose bad rate sets the intercept of a model split by time."""
SPREAD_ROWS = 2_000


@dataclass(frozen=True)
class Request:
    """What a training was asked: with the file's hash, all that is needed to repeat it.

    models: kinds beside the scorecard, which is always made. catalogue: columns known to be quantities of the time of the
    application (a policy's features); only these are learnt from. sample: one row of so many is read, 0 for as many as memory
    holds. texts: columns whose words are read (text.py); each is kept where it earns it.
    """

    label: str
    bad: tuple[str, ...] = ()
    good: tuple[str, ...] = ()
    time: str = ""
    ids: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    ratios: tuple[str, ...] = ()
    split: str = "auto"
    split_at: str = ""
    gap_months: float = 0.0
    group_near_copies: bool = False
    models: tuple[str, ...] = ("lightgbm", "scorecard")
    monotone: str | Mapping[str, int] = "auto"
    use_protected: bool = False
    catalogue: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    sample: int = 0
    seed: int = 1
    threads: int = 2
    scaling: Scaling = field(default_factory=Scaling)

    @staticmethod
    def of_manifest(manifest: Mapping[str, Any]) -> tuple["Request", dict[str, Binning]]:
        """(the request, the bins that were given) of a manifest or a report. Raises TrainingDataInvalid for other files."""
        try:
            raw: dict[str, Any] = dict(manifest.get("training", manifest)["request"])
            bins = {str(part["name"]): binning.from_json(part) for part in raw.pop("bins")}
            raw["scaling"] = Scaling(**raw["scaling"])
            for name, value in raw.items():
                raw[name] = tuple(cast(list[str], value)) if isinstance(value, list) else value
            return Request(**raw), bins
        except (KeyError, TypeError, AttributeError) as error:
            raise TrainingDataInvalid(
                f"no manifest of a training ({error}): give the .json beside a .model"
            ) from None


@dataclass(frozen=True, eq=False)
class Tested:
    """The rows that were tested, each scored by models that did not see it: what curves, bands and groups are drawn from.

    rows: places among the labelled rows of the file, ascending; every other field holds one value per such row. round: which
    training left it out. pds: by model. days: since 1970, None without a date. columns: the features, typed as they are used
    (before the recipe). protected: columns reported by group, whether trained on or not.
    """

    rows: Ints
    round: Ints
    labels: Ints
    pds: Mapping[str, Floats]
    days: Floats | None
    columns: tuple[Column, ...]
    protected: tuple[Column, ...]


@dataclass(frozen=True, eq=False)
class Trained:
    """report: what `--json` prints. model: the chosen one as the kernel loads it, whatever its kind; `recipe` makes its features.

    models: every one by name, the chosen among them. bins: the optimal bins of every feature on all rows, those that the card
    left out as well (counts, evidence, IV).
    """

    report: Mapping[str, object]
    model: TrainedModel
    models: Mapping[str, TrainedModel]
    card: Scorecard
    recipe: Recipe
    chosen: str
    tested: Tested
    bins: tuple[Binning, ...]


def train_file(
    path: Path,
    request: Request,
    *,
    bins: Mapping[str, Binning] | None = None,
    scorer: TextScorer | None = None,
    say: Callable[[str], None] = lambda sentence: None,
    advance: Callable[[float], None] = lambda share: None,
) -> Trained:
    """Raises TrainingDataInvalid with what is wrong with the file or the request.

    scorer: reads the texts in the place of n-grams. advance: told the share that is done.
    """
    begun = time.perf_counter()
    members.check_kinds(request.models)
    if request.threads < 1 or request.sample < 0:
        raise TrainingDataInvalid(
            f"--threads {request.threads}, --sample {request.sample}: at least 1 thread, and a sample of 0 or more"
        )
    say(f"reading {path.name}")
    table = tables.read(path, request.sample, (request.label,))
    request = replace(request, sample=table.sample)
    plan = roles.plan(
        table, request.label, request.bad, request.good, time=request.time, ids=request.ids,
        exclude=request.exclude, ratios=request.ratios, use_protected=request.use_protected,
        catalogue=request.catalogue,
    )  # fmt: skip
    labels = plan.labels
    for name in request.keep:
        _ = table[name]
    advance(0.05)
    say(
        f"{len(labels)} rows, {labels.mean():.2%} bad, {len(plan.columns)} candidate columns: looking for leaks"
    )
    written = text_columns.read(table, plan.rows, request.texts, scorer)
    groups = splitting.copies(plan.columns, request.seed)
    copies = groups
    if request.group_near_copies:
        groups = splitting.near_groups(plan.columns, groups)
    splits = splits_of(plan, groups, request)
    directions = asked_directions(request, plan.columns)
    columns, findings = without_leaks(plan.columns, labels, groups, request)
    gone = [column.name for column in plan.columns if column not in columns]
    if gone:
        say(f"left out by the leak alarm: {', '.join(gone)}")
    notes = [*table.notes, *plan.notes, *splits.notes, *_copy_notes(columns, copies, request)]
    advance(0.1)
    share = 0.9 / (len(splits.rounds) + 1)

    def fitted(rows: Ints, done: int) -> tuple[Fitted, list[Column], text_columns.Heard]:
        mine, heard = text_columns.hear(
            [column.take(rows) for column in columns], [one.take(rows) for one in written], labels[rows], groups[rows],
            seed=request.seed, threads=request.threads,
        )  # fmt: skip
        made = members.fit(
            mine, labels[rows], groups[rows],
            _recent(plan.time, rows, splits.kind), kinds=request.models, monotone=directions, bins=bins or {},
            scaling=request.scaling, seed=request.seed, threads=request.threads,
            step=lambda part: advance(0.1 + share * (done + part)),
        )  # fmt: skip
        notes.extend(made.notes)
        return made, mine, heard

    pds: dict[str, Floats] = {}
    round_of = np.full(len(labels), -1, np.int64)
    for number, one in enumerate(splits.rounds):
        say(
            f"round {number + 1} of {len(splits.rounds)}: {len(one.train)} rows to train, {len(one.test)} to test"
        )
        made, _, heard = fitted(one.train, number)
        seen = heard.join([c.take(one.test) for c in columns], [w.take(one.test) for w in written])
        for name, values in made.pds(seen, request.threads).items():
            pds.setdefault(name, np.full(len(labels), np.nan))[one.test] = values
        round_of[one.test] = number
    say("fitting on all rows")
    final, columns, heard = fitted(np.arange(len(labels)), len(splits.rounds))
    rows = np.flatnonzero(round_of >= 0)
    tested = Tested(
        rows, round_of[rows], labels[rows], {name: pd[rows] for name, pd in pds.items()},
        None if plan.time is None else plan.time[rows],
        tuple(column.take(rows) for column in columns), tuple(column.take(rows) for column in plan.protected),
    )  # fmt: skip
    matrix = preparing.matrix(final.recipe, columns)
    texts = {
        name: final.text(name)
        for name in (*(one.name for one in final.members), *({final.chosen} & {"blend"}))
    }
    report: dict[str, object] = {
        "format": 2,
        "file": {
            "name": path.name, "path": str(path), "sha256": file_sha256(path),
            "rows": table.rows, "columns": len(table.columns), "sample": table.sample,
        },
        "request": {**asdict(request), "bins": [binning.to_json(one) for one in (bins or {}).values()]},
        "rows": len(labels),
        "bad_rate": float(labels.mean()),
        "columns": [asdict(found) for found in plan.report],
        "features_used": [column.name for column in columns],
        "protected": [column.name for column in plan.protected],
        "texts": {"model_sha256": scorer.sha256 if scorer else "", "columns": list(heard.findings)} if written else {},
        "leak_findings": [asdict(finding) for finding in findings],
        "split": {
            "kind": splits.kind, "time": plan.time_name if splits.kind == "time" else "", "sentence": splits.sentence,
            "train": [len(one.train) for one in splits.rounds], "test": [len(one.test) for one in splits.rounds],
        },
        **_worth(tested, final.chosen, plan.time is not None, request.seed),
        "chosen_model": final.chosen,
        "blend": dict(final.blend),
        "calibrations": {name: curve.to_json() for name, curve in final.calibrations.items()},
        "monotone": dict(final.monotone),
        "importance": _importance(texts[final.chosen], final.recipe.features, matrix),
        "notes": list(dict.fromkeys(notes)),
        "versions": {"python": sys.version.split()[0], "lightgbm": str(lightgbm_library().__version__), "numpy": np.__version__},
    }  # fmt: skip
    models = {
        name: _model(final, name, text, matrix, labels, matrix[rows], report, request.seed, heard)
        for name, text in texts.items()
    }
    card_bins = {one.name: one for one in final.card.bins}
    every = tuple(card_bins.get(column.name) or binning.fit(column, labels) for column in columns)
    usage = {
        "model_sha256": models[final.chosen].sha256,
        "reasons": models[final.chosen].manifest["reasons"],
        "wall_seconds": round(time.perf_counter() - begun, 2),
        "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    advance(1.0)
    return Trained(
        {**report, **usage},
        models[final.chosen],
        models,
        final.card,
        final.recipe,
        final.chosen,
        tested,
        every,
    )


def _worth(tested: Tested, chosen: str, dated: bool, seed: int) -> dict[str, object]:
    """What each model is worth on the tested rows: with intervals, by round, by year; the chosen one by group and band."""
    labels, pds, days = tested.labels, tested.pds, tested.days
    rounds = [np.flatnonzero(tested.round == number) for number in range(int(tested.round.max()) + 1)]
    return {
        "models": {name: evaluation.with_intervals(labels, pd, seed) for name, pd in pds.items()},
        "auc_by_round": {name: [auc(labels[rows], pd[rows]) for rows in rounds] for name, pd in pds.items()},
        "calibration": evaluation.bands(labels, pds[chosen]),
        "by_year": evaluation.by_year(days, labels, pds) if dated and days is not None else [],
        "by_group": {
            column.name: evaluation.by_group(column, labels, pds[chosen]) for column in tested.protected
        },
    }


def _recent(days: Floats | None, rows: Ints, kind: str) -> Ints | None:
    if days is None or kind != "time":
        return None
    return np.flatnonzero(days[rows] >= np.quantile(days[rows], 1 - RECENT))


def file_sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def without_leaks(
    columns: Sequence[Column], labels: Ints, groups: Ints, request: Request
) -> tuple[list[Column], list[leaks.Finding]]:
    for name in request.keep:
        if name not in {column.name for column in columns}:
            raise TrainingDataInvalid(
                f"--keep {name!r} is no candidate for a feature: see the report of types"
            )
    findings = leaks.single(columns, labels, request.seed, groups)
    gone = leaks.excluded(findings, (*request.keep, *request.catalogue))
    kept = [column for column in columns if column.name not in gone]
    if not kept:
        raise TrainingDataInvalid(
            f"every column knows the outcome ({', '.join(gone)}): keep with --keep what was known at the application"
        )
    rows = np.sort(np.random.default_rng(request.seed).permutation(len(labels))[:COLLAPSE_ROWS])
    sample, y = [column.take(rows) for column in kept], labels[rows]
    fold = splitting.folds(y, groups[rows], 2, request.seed)
    whole, weights = _quick(sample, y, fold, request)
    for name in leaks.suspects(weights, [c.name for c in sample]) if len(sample) > 1 else []:
        without, _ = _quick([c for c in sample if c.name != name], y, fold, request)
        finding = leaks.collapse(name, whole, without)
        if finding:
            findings.append(finding)
    return kept, findings


def _quick(columns: Sequence[Column], labels: Ints, fold: Ints, request: Request) -> tuple[float, Floats]:
    """(AUC on the second half, gain by column) of a short boosting on the first."""
    train, test = np.flatnonzero(fold == 0), np.flatnonzero(fold == 1)
    recipe = preparing.learn([c.take(train) for c in columns], labels[train])
    lgb = lightgbm_library()
    params = {
        "objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "seed": request.seed, "deterministic": True,
        "num_threads": 1, "verbosity": -1, "force_row_wise": True,
    }  # fmt: skip
    data = lgb.Dataset(
        preparing.matrix(recipe, [c.take(train) for c in columns]), labels[train], params=params
    )
    booster = lgb.train(params, data, 60)
    raw = cast(
        Floats, booster.predict(preparing.matrix(recipe, [c.take(test) for c in columns]), raw_score=True)
    )
    gain = dict(zip(recipe.features, booster.feature_importance("gain").tolist(), strict=True))
    return auc(labels[test], raw), np.array([gain[column.name] for column in columns])


def _copy_notes(columns: Sequence[Column], groups: Ints, request: Request) -> list[str]:
    notes: list[str] = []
    extra = len(groups) - len(np.unique(groups))
    if extra:
        notes.append(f"{extra} rows are copies of others in every feature")
    near = splitting.near_copies(columns, request.seed)
    if near and near[0] > 3 * near[1] + 0.02:
        done = "they are kept in one fold" if request.group_near_copies else (
            "folds flatter what learns by heart; --group-near-copies keeps them in one fold"
        )  # fmt: skip
        notes.append(
            f"{near[0]:.0%} of rows have a near-copy ({near[1]:.1%} were columns independent): {done}"
        )
    return notes


def splits_of(plan: roles.Plan, groups: Ints, request: Request) -> splitting.Splits:
    if request.split not in ("auto", "time", "folds"):
        raise TrainingDataInvalid(f"split {request.split!r}: say time, folds or auto")
    if request.split == "time" and plan.time is None:
        raise TrainingDataInvalid("--split time needs a column of dates: name it with --time")
    folds = splitting.by_folds(plan.labels, groups, request.seed)
    if request.split == "folds" or plan.time is None:
        return folds
    try:
        return splitting.by_time(
            plan.time, plan.labels, groups, split_at=request.split_at, gap_months=request.gap_months
        )
    except TrainingDataInvalid as error:
        if request.split == "time" or request.split_at or request.time:
            raise
        return replace(folds, notes=(f"no split by {plan.time_name}: {error}",))


def asked_directions(request: Request, columns: Sequence[Column]) -> Mapping[str, int] | None:
    """Directions given by the caller; None where they are to be learnt from each training part."""
    if request.monotone == "auto":
        return None
    if isinstance(request.monotone, str):
        if request.monotone != "none":
            raise TrainingDataInvalid(f"monotone {request.monotone!r}: say auto, none, or give directions")
        return {}
    numbers = {column.name for column in columns if column.kind == "number"}
    for name, sign in request.monotone.items():
        if name in request.catalogue and name not in numbers:
            continue  # the same in all rows of this file
        if name not in numbers or sign not in (-1, 0, 1):
            raise TrainingDataInvalid(
                f"monotone {name!r}: {sign!r} needs a number among the features and -1, 0 or +1"
            )
    return {name: sign for name, sign in request.monotone.items() if name in numbers}


def _importance(text: str, features: Sequence[str], matrix: Floats) -> dict[str, float]:
    """How much each feature moves the chosen model's score: the deviation of its contributions, as shares of their sum."""
    trees = flatten(text, matrix.shape[1])
    moved = np.std([trees.walk(row)[1] for row in matrix[:: max(1, len(matrix) // SPREAD_ROWS)]], axis=0)
    shares = moved / (float(moved.sum()) or 1.0)
    order = cast(list[int], np.argsort(-shares, kind="stable").tolist())
    return {features[i]: float(shares[i]) for i in order}


def _model(
    final: Fitted,
    name: str,
    text: str,
    matrix: Floats,
    labels: Ints,
    tested: Floats,
    report: Mapping[str, object],
    seed: int,
    heard: text_columns.Heard,
) -> TrainedModel:
    """matrix, labels: what it was fitted to. tested: rows by which its reasons are compared."""
    features, calibration = final.recipe.features, final.calibrations[name]
    content = encode(text, features, calibration.slope, calibration.intercept, calibration.curve)
    worth = cast(Mapping[str, Mapping[str, Mapping[str, float]]], report["models"])[name]
    manifest: dict[str, object] = {
        "algorithm": name,
        "params": final.how(name),
        "data_sha256": data_sha256(matrix, labels, features),
        "features": list(features),
        "recipe": final.recipe.to_json(),
        "texts": heard.to_json(),
        "monotone": dict(final.monotone),
        "calibration": calibration.to_json(),
        "contributions": "path (Saabas), log-odds, scaled by the calibration slope",
        "typical": reasons.usual(matrix, features),
        "training": dict(report),
        "metrics": {"test": {metric: part["value"] for metric, part in worth.items()}},
    }
    made = TrainedModel.from_bytes(content, manifest)
    if name != final.chosen:
        return made
    return replace(made, manifest={**made.manifest, "reasons": reasons.compared(made, tested, seed)})
