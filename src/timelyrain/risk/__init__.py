"""Risk models: training with calibration, metrics, and one-row scoring with reasons. Files only by `save` and `load`."""

from .metrics import metrics
from .model import ModelRefused, Score, TrainedModel, load, save
from .training import TrainingDataInvalid, train
from .trees import UnsupportedModel

__all__ = [
    "ModelRefused",
    "Score",
    "TrainedModel",
    "TrainingDataInvalid",
    "UnsupportedModel",
    "load",
    "metrics",
    "save",
    "train",
]
