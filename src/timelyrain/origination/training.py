"""PD models for this platform's own policy features: from people whose fate is known, and from its own past decisions."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from django.conf import settings

from timelyrain import decisioning, risk
from timelyrain.origination import columns, history, registry
from timelyrain.sources.services import fetch_population

Say = Callable[[str], None]
DRAWS = 200
FEW = 25
"""Bad and good rows that a comparison needs at least."""
_MONTH = 30.4375


def train_on_population(
    policy: decisioning.Policy,
    n: int,
    seed: int,
    as_of: datetime,
    say: Say = lambda text: None,
) -> risk.TrainedModel:
    """Fetch n people from the sandbox, compute the policy's features from their raw documents, train, keep the file.

    One fit with one calibration, in seconds: what a simulated installation begins with. The same population under the same
    policy is trained once: the hash of its model is remembered beside the file.
    """
    known = registry.models_folder() / f"population-{n}-{seed}-{as_of:%Y%m%d}-{policy.sha256[:16]}.sha256"
    if known.exists():
        say("the model for this population and policy is at hand")
        return registry.load_model(known.read_text())
    evidences: list[decisioning.Evidence] = []
    labels: list[int] = []
    for person in fetch_population(settings.SANDBOX_URL, n, seed, as_of):
        evidences.append(decisioning.evidence_from_json(person.evidence))
        labels.append(person.default_12m)
        if len(labels) % 1000 == 0:
            say(f"{len(labels)} of {n} people")
    matrix, names = decisioning.features_matrix(policy, evidences)
    say(f"training on {matrix.shape[0]} people x {matrix.shape[1]} features")
    model = risk.train(
        matrix, np.array(labels), names, monotone=policy.monotone, definition_sha256=policy.sha256, seed=seed
    )
    risk.save(model, registry.models_folder())
    known.write_text(model.sha256)
    return model


def recipe_of(manifest: Mapping[str, Any]) -> risk.Request:
    """How a model was trained, as far as it can be done again on decisions; the usual way for one that does not say."""
    usual = risk.Request(columns.LABEL)
    asked = risk.Request.of_manifest(manifest)[0] if "training" in manifest else usual
    return replace(
        usual,
        time=columns.TIME,
        split="time",
        exclude=asked.exclude,
        gap_months=asked.gap_months,
        models=asked.models,
        monotone=asked.monotone,
        seed=asked.seed,
        scaling=asked.scaling,
    )


def decisions_request(recipe: risk.Request, past: history.History) -> risk.Request:
    """The recipe for a file of `history.write`: its features are what they are named as, directions those of the policy."""
    exclude = tuple(name for name in recipe.exclude if name in past.features)
    monotone = recipe.monotone
    if monotone == "auto" and past.policy.monotone:
        monotone = dict(past.policy.monotone)
    return replace(recipe, catalogue=tuple(past.features), exclude=exclude, monotone=monotone)


def train_anew(
    past: history.History, file: Path, in_force: risk.TrainedModel | None, say: Say
) -> tuple[risk.TrainedModel, dict[str, Any]]:
    """(the model in force trained anew on all decisions whose outcome is known, the comparison of both on rows neither fit saw).

    file: where the rows lie while they are learnt from. Raises TrainingDataInvalid where there is too little.
    """
    total = past.count()
    written = history.write(
        past, file, only_labelled=True, progress=lambda done: say(f"{done} of {total} decisions read")
    )
    if written.bad < 1:
        raise risk.TrainingDataInvalid(
            f"{written.labelled} of {total} decisions have an outcome after {past.months} months, {written.bad} of them bad: "
            "wait until more have one, or ask for fewer months"
        )
    recipe = recipe_of(in_force.manifest if in_force else {})
    trained = risk.with_card(risk.train_file(file, decisions_request(recipe, past), say=say))
    decisions = columns.taught(file)
    model = replace(trained.model, manifest={**trained.model.manifest, "decisions": decisions})
    return model, {"decisions": decisions, "compared": _compared(trained, file, past, in_force)}


def _compared(
    trained: risk.Trained, file: Path, past: history.History, in_force: risk.TrainedModel | None
) -> dict[str, Any]:
    """Both models on rows that were tested; the new one's scores are those of a fit without them.

    Rows whose outcome the model in force can have learnt are left out, unless too few are left: then they are counted.
    """
    tested = trained.tested
    labels, new, days = tested.labels, tested.pds[trained.chosen], tested.days
    assert days is not None  # the time of the decision is in every row
    rows = np.arange(len(labels))
    seen = rows[:0]
    if in_force is not None and (until := _learnt_until(in_force)) is not None:
        known = (days + past.months * _MONTH) <= until
        fresh = rows[~known]
        if min(int(labels[fresh].sum()), int((1 - labels[fresh]).sum())) >= FEW:
            rows = fresh
        else:
            seen = rows[known]
    labels, new = labels[rows], new[rows]
    first, last = (str(np.datetime64(int(day), "D")) for day in (days[rows].min(), days[rows].max()))
    told: dict[str, Any] = {
        "rows": len(rows),
        "first_day": first,
        "last_day": last,
        "new": dict(risk.metrics(labels, new)),
    }
    if in_force is None:
        return told
    frame = pl.read_parquet(file, columns=list(in_force.feature_names))
    matrix = frame.select(pl.all().cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    old = in_force.pds(np.ascontiguousarray(matrix[tested.rows[rows]]))
    return {
        **told,
        "in_force": dict(risk.metrics(labels, old)),
        "in_force_sha256": in_force.sha256,
        "seen_by_in_force": len(seen),
        "auc_gained": _gained(labels, new, old),
    }


def _learnt_until(model: risk.TrainedModel) -> float | None:
    """Days since 1970 up to which a model can have learnt outcomes of this platform's decisions; None where from none at all."""
    asked: Any = model.manifest.get("training", {})
    if asked.get("request", {}).get("label") != columns.LABEL:
        return None
    decisions: Any = model.manifest.get("decisions")
    until = datetime.fromisoformat(decisions["until"]) if decisions else registry.kept_at(model.sha256)
    return until.timestamp() / 86_400


def _gained(labels: Any, new: Any, old: Any) -> dict[str, float]:
    """AUC of the new less that of the old on the same rows; the middle 95 % of a seeded bootstrap over pairs."""
    rng = np.random.default_rng(1)
    drawn: list[float] = []
    for _ in range(DRAWS):
        rows = rng.integers(0, len(labels), len(labels))
        if 0 < labels[rows].sum() < len(rows):
            drawn.append(_auc(labels[rows], new[rows]) - _auc(labels[rows], old[rows]))
    low, high = np.quantile(drawn, (0.025, 0.975)) if drawn else (np.nan, np.nan)
    return {"value": _auc(labels, new) - _auc(labels, old), "low": float(low), "high": float(high)}


def _auc(labels: Any, pd: Any) -> float:
    return risk.metrics(labels, pd)["auc"]
