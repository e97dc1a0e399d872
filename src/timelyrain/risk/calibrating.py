"""From raw scores to probabilities: Platt's curve, and over it an isotonic correction where scores kept apart ask for one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from .problems import TrainingDataInvalid
from .tables import Floats, Ints

CELLS, CELL_ROWS = 40, 200
ISOTONIC_ROWS = 4_000
EARNED = 2e-4
"""Log loss that the isotonic correction must save on rows it was not fitted to."""


@dataclass(frozen=True)
class Calibration:
    """log-odds = z + curve(z), z = slope x raw + intercept; curve as in `TrainedModel`, empty for Platt alone."""

    slope: float
    intercept: float
    curve: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    def log_odds(self, raw: Floats) -> Floats:
        z = self.slope * raw + self.intercept
        return z + np.interp(z, *self.curve) if self.curve[0] else z

    def pds(self, raw: Floats) -> Floats:
        return 1 / (1 + np.exp(-self.log_odds(raw)))

    def to_json(self) -> dict[str, object]:
        at, add = self.curve
        method = "platt and isotonic" if at else "platt"
        return {
            "method": method,
            "slope": self.slope,
            "intercept": self.intercept,
            "curve": [list(at), list(add)],
        }


def fit(
    raw: Floats, labels: Ints, fold: Ints, recent: Ints | None = None, linear: bool = False
) -> Calibration:
    """The curve through scores that their models did not learn from.

    Isotonic is taken where it proves better: on each fold (a curve of the other folds), or, where `recent` rows are named, on
    them (a curve of the older ones). Then the intercept is moved until the recent rows' mean PD is their bad rate. linear: Platt
    only.
    """
    bent = False
    if not linear and len(raw) >= ISOTONIC_ROWS:
        windows = (
            [recent]
            if recent is not None
            else [np.flatnonzero(fold == k) for k in range(int(fold.max()) + 1)]
        )
        bent = _loss(raw, labels, windows, False) - _loss(raw, labels, windows, True) > EARNED
    made = _curve(raw, labels, bent)
    return made if recent is None else _moved(made, raw[recent], labels[recent])


def _curve(raw: Floats, labels: Ints, bent: bool) -> Calibration:
    slope, intercept = platt(raw, labels)
    return Calibration(slope, intercept, isotonic(slope * raw + intercept, labels) if bent else ((), ()))


def _loss(raw: Floats, labels: Ints, windows: Sequence[Ints], bent: bool) -> float:
    total = 0.0
    for window in windows:
        others = np.setdiff1d(np.arange(len(raw)), window)
        if not 0 < labels[others].sum() < len(others) or not len(window):
            return np.inf if bent else 0.0
        made = _moved(_curve(raw[others], labels[others], bent), raw[window], labels[window])
        z = made.log_odds(raw[window])
        total += float(np.logaddexp(0.0, np.where(labels[window] == 1, -z, z)).sum())
    return total / sum(map(len, windows))


def platt(raw: Floats, labels: Ints | Floats) -> tuple[float, float]:
    """(slope, intercept) of the logistic curve through log-odds and outcomes, with Platt's smoothed targets.

    Outcomes may be shares. Newton's method on two parameters of standardised scores, steps halved until the loss falls. Raises
    TrainingDataInvalid when the slope is not positive: the order of scores must stay. Source: Platt 1999; Lin, Lin, Weng 2007.
    """
    bad = float(labels.sum())
    target = labels * (bad + 1) / (bad + 2) + (1 - labels) / (len(labels) - bad + 2)
    middle, spread = float(raw.mean()), float(raw.std()) or 1.0
    z = (raw - middle) / spread

    def loss(slope: float, intercept: float) -> float:
        odds = slope * z + intercept
        return float((np.logaddexp(0.0, odds) - target * odds).sum())

    slope, intercept = 0.0, float(np.log((bad + 1) / (len(labels) - bad + 1)))
    for _ in range(50):
        p = 1 / (1 + np.exp(-(slope * z + intercept)))
        weight = p * (1 - p) + 1e-9
        gap = p - target
        a, b, c = float(weight @ (z * z)), float(weight @ z), float(weight.sum())
        ga, gb = float(gap @ z), float(gap.sum())
        if abs(ga) + abs(gb) < 1e-9 * len(raw):
            break
        down, across = (
            (c * ga - b * gb) / (a * c - b * b + 1e-12),
            (a * gb - b * ga) / (a * c - b * b + 1e-12),
        )
        step, before = 1.0, loss(slope, intercept)
        while step > 1e-6 and loss(slope - step * down, intercept - step * across) > before:
            step /= 2
        slope, intercept = slope - step * down, intercept - step * across
    slope, intercept = slope / spread, intercept - slope * middle / spread
    if slope <= 0:
        raise TrainingDataInvalid(
            f"scores of the held-out part run against the outcomes (slope {slope:.3g}): nothing was learnt; do the columns "
            "tell anything of the label?"
        )
    return slope, intercept


def isotonic(z: Floats, labels: Ints) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Points (z, what to add) of the rising curve nearest to the bad rates of equal-count cells (pool adjacent violators)."""
    order = np.argsort(z, kind="stable")
    blocks: list[tuple[float, float, float]] = []  # rows, bad, sum of z
    for part in np.array_split(order, max(2, min(CELLS, len(z) // CELL_ROWS))):
        blocks.append((len(part), float(labels[part].sum()), float(z[part].sum())))
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][0] >= blocks[-1][1] * blocks[-2][0]:
            last = blocks.pop()
            blocks[-1] = cast(tuple[float, float, float], tuple(np.add(blocks[-1], last).tolist()))
    at = np.array([total / rows for rows, _, total in blocks])
    odds = np.maximum.accumulate([np.log((bad + 0.5) / (rows - bad + 0.5)) for rows, bad, _ in blocks])
    rising = np.concatenate(([True], np.diff(at) > 0))
    return tuple(at[rising].tolist()), tuple((odds - at)[rising].tolist())


def _moved(made: Calibration, raw: Floats, labels: Ints) -> Calibration:
    """The prior corrected: log-odds moved until these rows' mean PD is their bad rate, by Newton's method."""
    rate = float(labels.mean())
    if not 0 < rate < 1:
        return made
    z, move = made.log_odds(raw), 0.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-(z + move)))
        step = (float(p.mean()) - rate) / float((p * (1 - p)).mean())
        move -= step
        if abs(step) < 1e-10:
            break
    if not made.curve[0]:
        return replace(made, intercept=made.intercept + move)
    at, add = made.curve
    return replace(made, curve=(at, tuple(one + move for one in add)))
