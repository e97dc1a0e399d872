"""A text model of the lender's own behind HTTP: texts go out masked, numbers come back, and the model says by hash who it is.

POST {"format": 1, "texts": [...]} -> {"model_sha256": 64 hex digits, "vectors": [[...], ...]} or "scores": [...], one for each
text. All answers of one use must claim the same hash, and the one that was expected where one was.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import numpy as np
import numpy.typing as npt

from timelyrain.risk import TextModelRefused, masked_text

BATCH = 256
LARGEST = 4_096
"""Numbers that one text may become."""


@dataclass(eq=False)
class TextModelEndpoint:
    """A `risk.TextScorer`. expected: the hash that must be claimed; "" takes the first claim, which is then held to."""

    url: str
    expected: str = ""
    timeout: float = 10.0
    _claimed: str = field(default="", init=False)

    @property
    def sha256(self) -> str:
        """The hash the model claims; it is known after the first answer where none was expected."""
        return self._claimed or self.expected

    def vectors(self, texts: Sequence[str], /) -> npt.NDArray[np.float64]:
        """float64[n, d], finite. Raises TextModelRefused."""
        parts = [
            self._ask([masked_text(text) for text in texts[at : at + BATCH]])
            for at in range(0, len(texts), BATCH)
        ]
        widths = {part.shape[1] for part in parts}
        if len(widths) > 1:
            raise TextModelRefused(
                f"{self.url} gave vectors of {sorted(widths)} numbers: all must have the same length"
            )
        return np.concatenate(parts) if parts else np.empty((0, 1))

    def _ask(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        try:
            answer = httpx.post(self.url, json={"format": 1, "texts": texts}, timeout=self.timeout)
            answer.raise_for_status()
            told = cast(dict[str, Any], answer.json())
            claimed, found = (
                str(told["model_sha256"]),
                told["vectors"] if "vectors" in told else told["scores"],
            )
            numbers = np.array(found, np.float64)
        except httpx.TimeoutException:
            raise TextModelRefused(
                f"{self.url} gave no answer within {self.timeout:g} s: ask for fewer texts or wait longer"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, KeyError, TypeError, ValueError) as error:
            raise TextModelRefused(f"{self.url} did not answer as a text model does ({error!r})") from None
        numbers = numbers[:, None] if numbers.ndim == 1 else numbers
        if numbers.ndim != 2 or len(numbers) != len(texts) or not 1 <= numbers.shape[1] <= LARGEST:
            raise TextModelRefused(f"{self.url} gave numbers of shape {numbers.shape} for {len(texts)} texts")
        if not np.isfinite(numbers).all():
            raise TextModelRefused(f"{self.url} gave numbers that are not finite")
        if not re.fullmatch(r"[0-9a-f]{64}", claimed):
            raise TextModelRefused(
                f"{self.url} claims to be model {claimed[:80]!r}: 64 hex digits are needed"
            )
        if claimed != (self.sha256 or claimed):
            raise TextModelRefused(
                f"{self.url} claims to be model {claimed[:16]}…, expected {self.sha256[:16]}…"
            )
        self._claimed = claimed
        return numbers
