"""From a file of past loans to tested models: types, leak alarm, split, scorecard, LightGBM, blend, what each is worth.

What is reported was measured on rows no step of that training saw: bins, encodings, search, calibration and blending weight are
fitted anew inside each round of the split. The models that are kept are then fitted the same way on all rows.
"""

import hashlib
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np

from . import binning, boosting, evaluation, leaks, preparing, reasons, roles, scorecard, splitting, tables
from .binning import Binning
from .metrics import auc
from .model import TrainedModel, encode
from .preparing import Recipe
from .scorecard import Scaling, Scorecard
from .tables import Column, Floats, Ints
from .training import TrainingDataInvalid, _lightgbm, data_sha256, platt  # pyright: ignore[reportPrivateUsage]

BLENDS = (0.0, 0.25, 0.5, 0.75, 1.0)
EARNED = 0.001
"""AUC that a blend must add over the better of its two, on the inner folds, to be kept."""
COLLAPSE_ROWS = 20_000
RECENT = 0.25
"""Share of the training rows, the latest, whose bad rate sets the intercept of a model split by time."""


@dataclass(frozen=True)
class Request:
    """What a training was asked: with the file's hash, all that is needed to repeat it."""

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
    monotone: str | Mapping[str, int] = "auto"
    use_protected: bool = False
    catalogue: tuple[str, ...] = ()
    """Columns known to be quantities of the time of the application (a policy's features): only these are learnt from."""
    seed: int = 1
    threads: int = 2
    scaling: Scaling = field(default_factory=Scaling)


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
    """report: what `--json` prints. model: LightGBM as the kernel loads it; its features are made by `recipe`.

    bins: the optimal bins of every feature on all rows, those that the card left out as well (counts, evidence, IV).
    """

    report: Mapping[str, object]
    model: TrainedModel
    card: Scorecard
    recipe: Recipe
    chosen: str
    weight: float
    tested: Tested
    bins: tuple[Binning, ...]


@dataclass(frozen=True, eq=False)
class _Pair:
    """Both models of one set of rows. weight: LightGBM's in the blend of log-odds, 1 where no blend earned its keep."""

    recipe: Recipe
    boosted: boosting.Boosted
    slope: float
    shift: float
    card: Scorecard
    weight: float
    apart_auc: Mapping[str, float]


def train_file(
    path: Path,
    request: Request,
    *,
    bins: Mapping[str, Binning] | None = None,
    say: Callable[[str], None] = lambda sentence: None,
) -> Trained:
    """Raises TrainingDataInvalid with what is wrong with the file or the request."""
    begun = time.perf_counter()
    say(f"reading {path.name}")
    table = tables.read(path)
    plan = roles.plan(
        table, request.label, request.bad, request.good, time=request.time, ids=request.ids,
        exclude=request.exclude, ratios=request.ratios, use_protected=request.use_protected,
        catalogue=request.catalogue,
    )  # fmt: skip
    for name in request.keep:
        _ = table[name]
    labels = plan.labels
    say(
        f"{len(labels)} rows, {labels.mean():.2%} bad, {len(plan.columns)} candidate columns: looking for leaks"
    )
    groups = splitting.copies(plan.columns)
    columns, findings = _without_leaks(plan.columns, labels, groups, request)
    gone = [column.name for column in plan.columns if column not in columns]
    if gone:
        say(f"left out by the leak alarm: {', '.join(gone)}")
    notes = [*table.notes, *plan.notes, *_copy_notes(columns, groups, request.seed)]
    splits = _splits(plan, groups, request)
    notes.extend(splits.notes)
    directions = _asked_directions(request, columns)
    pds = {name: np.full(len(labels), np.nan) for name in ("lightgbm", "scorecard", "blend")}
    for number, one in enumerate(splits.rounds, 1):
        say(
            f"round {number} of {len(splits.rounds)}: {len(one.train)} rows to train, {len(one.test)} to test"
        )
        pair = _fit(columns, labels, plan.time, groups, one.train, request, directions, bins, notes)
        for name, values in _scores(pair, [c.take(one.test) for c in columns], request.threads).items():
            pds[name][one.test] = values
    say("fitting on all rows")
    final = _fit(columns, labels, plan.time, groups, np.arange(len(labels)), request, directions, bins, notes)
    tested = np.flatnonzero(~np.isnan(pds["lightgbm"]))
    round_of = np.zeros(len(labels), np.int64)
    for number, one in enumerate(splits.rounds):
        round_of[one.test] = number
    curves = Tested(
        tested, round_of[tested], labels[tested], {name: pd[tested] for name, pd in pds.items()},
        None if plan.time is None else plan.time[tested],
        tuple(column.take(tested) for column in columns), tuple(column.take(tested) for column in plan.protected),
    )  # fmt: skip
    chosen = _chosen(final)
    report = {
        "format": 1,
        "file": {"name": path.name, "sha256": file_sha256(path), "rows": table.rows, "columns": len(table.columns)},
        "request": {**asdict(request), "bins": sorted(bins or {})},
        "rows": len(labels),
        "bad_rate": float(labels.mean()),
        "columns": [asdict(found) for found in plan.report],
        "features_used": [column.name for column in columns],
        "protected": [column.name for column in plan.protected],
        "leaks": [asdict(finding) for finding in findings],
        "split": {
            "kind": splits.kind, "time": plan.time_name if splits.kind == "time" else "", "sentence": splits.sentence,
            "train": [len(one.train) for one in splits.rounds], "test": [len(one.test) for one in splits.rounds],
        },
        "models": {
            name: evaluation.with_intervals(labels[tested], pd[tested], request.seed) for name, pd in pds.items()
        },
        "auc_by_round": {
            name: [auc(labels[one.test], pd[one.test]) for one in splits.rounds] for name, pd in pds.items()
        },
        "calibration": evaluation.bands(labels[tested], pds[chosen][tested]),
        "by_year": evaluation.by_year(plan.time[tested], labels[tested], {n: p[tested] for n, p in pds.items()})
        if plan.time is not None
        else [],
        "by_group": {
            column.name: evaluation.by_group(column.take(tested), labels[tested], pds[chosen][tested])
            for column in plan.protected
        },
        "chosen": chosen,
        "blend_weight": final.weight,
        "search": list(final.boosted.tried),
        "monotone": dict(final.boosted.monotone),
        "importance": _importance(final),
        "notes": list(dict.fromkeys(notes)),
        "versions": {"python": sys.version.split()[0], "lightgbm": str(_lightgbm().__version__), "numpy": np.__version__},
    }  # fmt: skip
    model = _model(final, columns, labels, report)
    compared = reasons.compared(model, preparing.matrix(final.recipe, curves.columns), request.seed)
    model = replace(model, manifest={**model.manifest, "reasons": compared})
    usage = {
        "model_sha256": model.sha256,
        "reasons": compared,
        "wall_seconds": round(time.perf_counter() - begun, 2),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    made = {one.name: one for one in final.card.bins}
    every = tuple(made.get(column.name) or binning.fit(column, labels) for column in columns)
    return Trained({**report, **usage}, model, final.card, final.recipe, chosen, final.weight, curves, every)


def file_sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _without_leaks(
    columns: Sequence[Column], labels: Ints, groups: Ints, request: Request
) -> tuple[list[Column], list[leaks.Finding]]:
    for name in request.keep:
        if name not in {column.name for column in columns}:
            raise TrainingDataInvalid(
                f"--keep {name!r} is no candidate for a feature: see the report of types"
            )
    findings = leaks.single(columns, labels, request.seed)
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
    lgb = _lightgbm()
    params = {
        "objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "seed": request.seed, "deterministic": True,
        "num_threads": request.threads, "verbosity": -1, "force_row_wise": True,
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


def _copy_notes(columns: Sequence[Column], groups: Ints, seed: int) -> list[str]:
    notes: list[str] = []
    extra = len(groups) - len(np.unique(groups))
    if extra:
        notes.append(f"{extra} rows are copies of others in every feature")
    near = splitting.near_copies(columns, seed)
    if near and near[0] > 3 * near[1] + 0.02:
        notes.append(
            f"{near[0]:.0%} of rows have a near-copy ({near[1]:.1%} were columns independent): folds flatter what learns by heart"
        )
    return notes


def _splits(plan: roles.Plan, groups: Ints, request: Request) -> splitting.Splits:
    if request.split not in ("auto", "time", "folds"):
        raise TrainingDataInvalid(f"split {request.split!r}: say time, folds or auto")
    if request.split == "time" and plan.time is None:
        raise TrainingDataInvalid("--split time needs a column of dates: name it with --time")
    if request.split != "folds" and plan.time is not None:
        return splitting.by_time(
            plan.time, plan.labels, groups, split_at=request.split_at, gap_months=request.gap_months
        )
    return splitting.by_folds(plan.labels, groups, request.seed)


def _asked_directions(request: Request, columns: Sequence[Column]) -> Mapping[str, int] | None:
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


def _fit(
    columns: Sequence[Column],
    labels: Ints,
    days: Floats | None,
    groups: Ints,
    rows: Ints,
    request: Request,
    asked: Mapping[str, int] | None,
    bins: Mapping[str, Binning] | None,
    notes: list[str],
) -> _Pair:
    mine, y = [column.take(rows) for column in columns], labels[rows]
    fold = splitting.folds(y, groups[rows], splitting.INNER, request.seed)
    monotone = asked
    if monotone is None:
        monotone = boosting.directions(mine, y) if len(y) >= boosting.SMALL else {}
        if len(y) < boosting.SMALL:
            notes.append(
                f"fewer than {boosting.SMALL} rows cannot tell directions: give them with --monotone FILE"
            )
    recipe = preparing.learn(mine, y)
    values = preparing.training_matrix(recipe, mine, y, fold)
    boosted = boosting.fit(
        values, y, recipe.features, fold, monotone, seed=request.seed, threads=request.threads
    )
    notes.extend(boosted.notes)
    card = scorecard.fit(mine, y, bins=bins, scaling=request.scaling, monotone=asked)
    apart = np.empty(len(y))
    for k in range(splitting.INNER):
        inside, held = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        one = scorecard.fit([c.take(inside) for c in mine], y[inside], bins=bins, monotone=asked)
        apart[held] = one.raw([c.take(held) for c in mine])
    recent = np.arange(len(y))
    if days is not None and request.split != "folds":
        recent = np.flatnonzero(days[rows] >= np.quantile(days[rows], 1 - RECENT))
    slope, shift = _calibration(boosted.apart, y, recent)
    card_slope, card_shift = _calibration(apart, y, recent)
    card = replace(card, slope=card_slope, shift=card_shift)
    a, b = slope * boosted.apart + shift, card_slope * apart + card_shift
    areas = {weight: auc(y, weight * a + (1 - weight) * b) for weight in BLENDS}
    best = max(areas, key=lambda weight: areas[weight])
    alone = 1.0 if areas[1.0] >= areas[0.0] else 0.0
    weight = best if areas[best] >= areas[alone] + EARNED else alone
    apart_auc = {"lightgbm": areas[1.0], "scorecard": areas[0.0], "blend": areas[weight]}
    return _Pair(recipe, boosted, slope, shift, card, weight, apart_auc)


def _calibration(raw: Floats, labels: Ints, recent: Ints) -> tuple[float, float]:
    """Platt's curve over all rows; its intercept then moved until the recent rows' mean PD is their bad rate."""
    slope, shift = platt(raw, labels)
    if len(recent) == len(raw) or not 0 < labels[recent].sum() < len(recent):
        return slope, shift
    z, rate = slope * raw[recent], float(labels[recent].mean())
    for _ in range(50):
        p = 1 / (1 + np.exp(-(z + shift)))
        step = (float(p.mean()) - rate) / float((p * (1 - p)).mean())
        shift -= step
        if abs(step) < 1e-10:
            break
    return slope, shift


def _scores(pair: _Pair, columns: Sequence[Column], threads: int) -> dict[str, Floats]:
    raw = boosting.raw_scores(pair.boosted.text, preparing.matrix(pair.recipe, columns), threads)
    a = pair.slope * raw + pair.shift
    b = pair.card.slope * pair.card.raw(columns) + pair.card.shift
    blended = pair.weight * a + (1 - pair.weight) * b
    return {name: 1 / (1 + np.exp(-z)) for name, z in (("lightgbm", a), ("scorecard", b), ("blend", blended))}


def _chosen(pair: _Pair) -> str:
    """By the inner folds, not by the test: the blend where it earned its keep, else the better of the two."""
    if 0 < pair.weight < 1:
        return "blend"
    return "lightgbm" if pair.weight == 1 else "scorecard"


def _importance(pair: _Pair) -> dict[str, float]:
    total = float(pair.boosted.gain.sum()) or 1.0
    order = np.argsort(-pair.boosted.gain, kind="stable")
    return {pair.recipe.features[i]: float(pair.boosted.gain[i]) / total for i in order.tolist()}


def _model(
    pair: _Pair, columns: Sequence[Column], labels: Ints, report: Mapping[str, object]
) -> TrainedModel:
    matrix = preparing.matrix(pair.recipe, columns)
    names = pair.recipe.features
    manifest = {
        "algorithm": f"lightgbm {_lightgbm().__version__}, fits of several seeds joined",
        "params": dict(pair.boosted.params),
        "inner_rounds": list(pair.boosted.rounds),
        "data_sha256": data_sha256(matrix, labels, names),
        "features": list(names),
        "recipe": pair.recipe.to_json(),
        "monotone": dict(pair.boosted.monotone),
        "calibration": {"method": "platt", "slope": pair.slope, "intercept": pair.shift},
        "contributions": "path (Saabas), log-odds, scaled by the calibration slope",
        "typical": reasons.usual(matrix, names),
        "training": dict(report),
        "metrics": {
            "test": {
                name: part["value"]
                for name, part in cast(Mapping[str, Mapping[str, Mapping[str, float]]], report["models"])[
                    "lightgbm"
                ].items()
            }
        },
    }
    return TrainedModel.from_bytes(encode(pair.boosted.text, names, pair.slope, pair.shift), manifest)
