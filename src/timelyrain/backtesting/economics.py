"""What a loan earns and loses, by one plain account for both policies, so that only the decisions differ."""

import re
import tomllib
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from timelyrain.decisioning import Bilingual

Ints = npt.NDArray[np.int64]
PPM = 1_000_000
MAX_COST_FEN = 10**9
_PERCENT = re.compile(r"percent\(([\d.]+)\)")


class EconomicsInvalid(Bilingual, ValueError):
    """What a loan is said to cost is outside its range."""


@dataclass(frozen=True, slots=True)
class Economics:
    """funding_ppm: yearly cost of the money lent. lgd_ppm: part of the principal lost with a bad loan, which is taken to
    earn nothing. cost_fen: of making and serving one loan, good or bad. Raises EconomicsInvalid.
    """

    funding_ppm: int = 35_000
    lgd_ppm: int = 650_000
    cost_fen: int = 1_200

    def __post_init__(self) -> None:
        for name, most in (("funding_ppm", PPM), ("lgd_ppm", PPM), ("cost_fen", MAX_COST_FEN)):
            if not 0 <= (value := getattr(self, name)) <= most:
                raise EconomicsInvalid(
                    f"{name} is {value}: give a whole number from 0 to {most}",
                    f"{name} 为 {value}：请给出 0 到 {most} 的整数",
                )

    @staticmethod
    def of(source: str) -> "Economics":
        """The constants funding_ppm and lgd_ppm of a definition, where it has them in percent."""
        found: dict[str, int] = {}
        for block in tomllib.loads(source).get("constant", []):
            told = _PERCENT.fullmatch(str(block.get("value", "")))
            if told and block.get("name") in ("funding_ppm", "lgd_ppm"):
                found[block["name"]] = int(Decimal(told[1]) * 10_000)
        return Economics(**found)

    def expected(self, amount: Ints, rate: Ints, instalments: Ints, pd_ppm: Ints) -> Ints:
        """Profit in fen if the chance of a bad loan is pd_ppm; 0 where nothing is lent."""
        earned, lost = self._margin(amount, rate, instalments), amount * self.lgd_ppm // PPM
        profit = ((PPM - pd_ppm) * earned - pd_ppm * lost) // PPM - self.cost_fen
        return np.where(amount > 0, profit, 0)

    def lost(self, amount: Ints, asked: Ints, loss: Ints) -> Ints:
        """What a bad loan of this amount loses: the recorded loss (of the amount asked for) in proportion, else by LGD."""
        part = np.where(loss >= 0, np.minimum(loss, asked) * PPM // np.maximum(asked, 1), self.lgd_ppm)
        return amount * part // PPM

    def realised(
        self, amount: Ints, rate: Ints, instalments: Ints, bad: npt.NDArray[np.bool_], lost: Ints
    ) -> Ints:
        """Profit in fen as it turned out; a bad loan earns nothing and loses `lost`."""
        earned = self._margin(amount, rate, instalments)
        return np.where(amount > 0, np.where(bad, -lost, earned) - self.cost_fen, 0)

    def _margin(self, amount: Ints, rate: Ints, instalments: Ints) -> Ints:
        """Interest over funding on the mean balance: principal x (n + 1) / 2n over n months."""
        return amount * (rate - self.funding_ppm) // PPM * (instalments + 1) // 24
