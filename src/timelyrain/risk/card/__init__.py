"""The model card: what a model is worth, to be looked at. Its numbers stand in the model's manifest."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..problems import TrainingDataInvalid
from ..workbench import Trained
from .figures import FORMAT, measured
from .page import html
from .paper import pdf

__all__ = ["checked", "html", "pdf", "with_card"]


def with_card(trained: Trained) -> Trained:
    """The same training; its model's manifest holds the figures of the card."""
    model = trained.model
    return replace(trained, model=replace(model, manifest={**model.manifest, "card": measured(trained)}))


def checked(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The manifest, where a card can be made of it; raises TrainingDataInvalid where not."""
    card = manifest.get("card")
    if not isinstance(card, dict) or "training" not in manifest:
        raise TrainingDataInvalid("this model was trained without a card: train it again, without --no-card")
    if card["format"] != FORMAT:
        raise TrainingDataInvalid(
            f"a card of format {card['format']}, {FORMAT} is read: train the model again"
        )
    return manifest
