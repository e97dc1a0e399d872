"""Risk models: training with calibration, metrics, and one-row scoring with reasons; the workbench from a file of past loans.

Files are read by `train_file`, and read and written by `save` and `load`.
"""

from . import watching
from .anomaly import fit_anomaly
from .card import checked as card_of
from .card import html as card_html
from .card import pdf as card_pdf
from .card import with_card
from .fraud import Cases, FraudModels, train_fraud
from .fraud_velocity import MEMORY as VELOCITY_MEMORY
from .fraud_velocity import THINGS, Velocity, things_used
from .metrics import metrics
from .model import ModelRefused, Score, TrainedModel, load, save
from .prepayment import PrepaymentRequest, train_prepayment
from .problems import TrainingDataInvalid
from .reasons import agreement, exact_contributions
from .reasons import method as reasons_method
from .rejects import sensitivity as reject_sensitivity
from .scorecard import Scaling, Scorecard, edited_bins
from .scorecard import read as read_scorecard
from .severity import LossRequest, train_loss
from .text import TextModel, TextModelRefused, TextScorer
from .text_forbidden import masked as masked_text
from .training import train
from .trees import UnsupportedModel
from .workbench import Request, Tested, Trained, file_sha256, train_file

__all__ = [
    "THINGS",
    "VELOCITY_MEMORY",
    "Cases",
    "FraudModels",
    "LossRequest",
    "ModelRefused",
    "PrepaymentRequest",
    "Request",
    "Scaling",
    "Score",
    "Scorecard",
    "Tested",
    "TextModel",
    "TextModelRefused",
    "TextScorer",
    "Trained",
    "TrainedModel",
    "TrainingDataInvalid",
    "UnsupportedModel",
    "Velocity",
    "agreement",
    "card_html",
    "card_of",
    "card_pdf",
    "edited_bins",
    "exact_contributions",
    "file_sha256",
    "fit_anomaly",
    "load",
    "masked_text",
    "metrics",
    "read_scorecard",
    "reasons_method",
    "reject_sensitivity",
    "save",
    "things_used",
    "train",
    "train_file",
    "train_fraud",
    "train_loss",
    "train_prepayment",
    "watching",
    "with_card",
]
