"""A trained model: its bytes, its manifest, and one-row scoring with reasons."""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp
from pathlib import Path
from typing import cast

import numpy as np

from .trees import FlatTrees, Floats, Ints, flatten

Curve = tuple[tuple[float, ...], tuple[float, ...]]
FORMAT = 1
_STRAIGHT: Curve = ((), ())


class ModelRefused(ValueError):
    """A model file is absent, unreadable, or not the one that was asked for."""


@dataclass(frozen=True, slots=True)
class Score:
    """pd in 0..1; contributions in log-odds per feature in the model's order, + raises PD (path attribution)."""

    pd: float
    contributions: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """content: the canonical bytes that sha256 names. manifest: how it came to be, for people and audits.

    PD = logistic(z + curve(z)), z = slope x raw + intercept; curve: (at, add), straight between its points and constant beyond
    them; empty for none.
    """

    content: bytes
    sha256: str
    feature_names: tuple[str, ...]
    slope: float
    intercept: float
    booster: str
    manifest: Mapping[str, object]
    curve: Curve = _STRAIGHT

    @staticmethod
    def from_bytes(content: bytes, manifest: Mapping[str, object]) -> "TrainedModel":
        """Raises ModelRefused when the bytes are not of this format."""
        try:
            raw = cast(dict[str, object], json.loads(content))
            if raw["format"] != FORMAT:
                raise ValueError(f"format {raw['format']!r}")
            names = tuple(cast(list[str], raw["features"]))
            slope, intercept = float(cast(float, raw["slope"])), float(cast(float, raw["intercept"]))
            booster = cast(str, raw["booster"])
            at, add = (
                tuple(map(float, part)) for part in cast(list[list[float]], raw.get("curve", _STRAIGHT))
            )
            if len(at) != len(add) or list(at) != sorted(set(at)):
                raise ValueError("a calibration curve whose points do not rise")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelRefused(f"not a model file of format {FORMAT} ({error}): train it again") from None
        sha256 = hashlib.sha256(content).hexdigest()
        named = {**manifest, "sha256": sha256}
        return TrainedModel(content, sha256, names, slope, intercept, booster, named, (at, add))

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics on the test part."""
        return cast(Mapping[str, Mapping[str, float]], self.manifest["metrics"])["test"]

    @cached_property
    def trees(self) -> FlatTrees:
        return flatten(self.booster, len(self.feature_names))

    def score(self, values: Floats, /) -> Score:
        """PD of one row, float64[len(feature_names)] with NaN for missing."""
        if values.shape != (len(self.feature_names),):
            raise ValueError(
                f"shape {values.shape}: give one value for each of {len(self.feature_names)} features"
            )
        raw, parts = self.trees.walk(values)
        return Score(self._pd(raw), tuple(cast(list[float], (parts * self.slope).tolist())))

    def pds(self, matrix: Floats, /) -> Floats:
        """PDs of many rows, float64[n, len(feature_names)]; each as `score` gives it."""
        raw = cast(list[float], self.trees.raw(np.ascontiguousarray(matrix, np.float64)).tolist())
        return np.array([self._pd(one) for one in raw], np.float64)

    def _pd(self, raw: float) -> float:
        z = self.slope * raw + self.intercept
        at, add = self.curve
        if at:
            i = bisect_right(at, z)
            if 0 < i < len(at):
                z += add[i - 1] + (add[i] - add[i - 1]) * (z - at[i - 1]) / (at[i] - at[i - 1])
            else:
                z += add[0] if i == 0 else add[-1]
        return 1 / (1 + exp(-z))


def encode(
    booster: str,
    names: tuple[str, ...],
    slope: float,
    intercept: float,
    curve: Curve = _STRAIGHT,
) -> bytes:
    """Canonical bytes of a model: what its sha256 is taken of."""
    whole: dict[str, object] = {
        "format": FORMAT, "features": names, "slope": slope, "intercept": intercept, "booster": booster,
        **({"curve": curve} if curve[0] else {}),
    }  # fmt: skip
    return json.dumps(
        whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def data_sha256(matrix: Floats, labels: Ints, names: Sequence[str]) -> str:
    """Hash of names, shape, values (NaN made equal) and labels."""
    head = json.dumps([list(names), list(matrix.shape)], separators=(",", ":")).encode()
    values = np.where(np.isnan(matrix), np.nan, matrix).astype("<f8")
    return hashlib.sha256(head + values.tobytes() + labels.astype("<i8").tobytes()).hexdigest()


def save(model: TrainedModel, directory: Path) -> Path:
    """Write `<sha256>.model` and `<sha256>.json` (the manifest); the path of the model. Written whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(model.manifest, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    path = directory / f"{model.sha256}.model"
    for target, content in ((path.with_suffix(".json"), text.encode()), (path, model.content)):
        part = target.with_suffix(target.suffix + ".part")
        part.write_bytes(content)
        part.replace(target)
    return path


def load(path: Path, expected_sha256: str) -> TrainedModel:
    """Read a model whose bytes have exactly this hash; raises ModelRefused otherwise."""
    try:
        content = path.read_bytes()
        manifest = cast(dict[str, object], json.loads(path.with_suffix(".json").read_bytes()))
    except (OSError, ValueError) as error:
        raise ModelRefused(
            f"{path}: cannot be read ({error}): restore the model and its manifest, or train again"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != expected_sha256:
        raise ModelRefused(
            f"{path}: hash is {found[:16]}…, expected {expected_sha256[:16]}…: restore the registered file"
        )
    return TrainedModel.from_bytes(content, manifest)
