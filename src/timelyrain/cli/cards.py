"""`timelyrain risk card`: the model card of a model file, as a page and as a PDF."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from timelyrain import drawing, risk

from .commands import Commands, Refusal, chinese, say

CARD = """
what is written
  card.html   the page in both languages; opens in --language, or in the reader's own
  card.pdf    the same for paper, in one language

examples
  timelyrain risk card models/3f….model
  timelyrain risk card models/3f….model --out cards --language en
"""


def add(group: Commands) -> None:
    act = group.add(card, "card", CARD)
    act.add_argument(
        "model", type=Path, metavar="MODEL", help="a .model of `risk train`, with its .json beside it"
    )
    act.add_argument("--out", type=Path, metavar="DIR", help="usually the folder of the model")
    act.add_argument("--language", "--lang", choices=("zh", "en"), help="usually that of the shell")


def card(given: argparse.Namespace) -> None:
    """The model card: pictures of what a model is worth, for whom it is fair, what it must not be used for."""
    path = given.model.with_suffix(".json")
    try:
        manifest = json.loads(path.read_bytes())
        sha256 = str(manifest["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal(
            f"{path} is no manifest of a model ({error}): give the .model of `risk train --out`, its .json beside it."
        ) from None
    try:
        risk.load(given.model.with_suffix(".model"), sha256)
        manifest = risk.card_of(manifest)
    except (risk.ModelRefused, risk.TrainingDataInvalid) as error:
        raise Refusal(str(error)) from None
    write(manifest, given.out or given.model.parent, given)


def write(manifest: Mapping[str, Any], folder: Path, given: argparse.Namespace) -> None:
    """card.html and card.pdf of a manifest that holds a card."""
    language = "zh" if chinese(given) else "en"
    fonts = drawing.cjk_font()
    if fonts.warning and language == "zh":
        say(fonts.warning)
    folder.mkdir(parents=True, exist_ok=True)
    page = risk.card_html(manifest, given.language or "")
    (folder / "card.html").write_text(page, encoding="utf-8")
    (folder / "card.pdf").write_bytes(risk.card_pdf(manifest, language, fonts))
    say(f"written: card.html and card.pdf in {folder}")
