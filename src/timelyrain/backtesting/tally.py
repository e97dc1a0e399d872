"""Counts and sums of two policies' decisions over the same applications: integers only, added chunk by chunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from timelyrain.decisioning import OUTCOMES, Outcome

from .statistics import BUCKETS

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SETS = ("both", "a_only", "b_only", "neither")
MEASURES = (
    "n", "known", "bad", "pd_n", "pd_sum", "pd_n_unknown", "pd_sum_unknown",
    "amount_a", "amount_b", "expected_a", "expected_b", "realised_a", "realised_b", "expected_known_a", "expected_known_b",
)  # fmt: skip
MEASURE = {name: i for i, name in enumerate(MEASURES)}
RULE_COUNTS = (
    "true",
    "not_evaluated",
    "spoke",
    "spoke_known",
    "spoke_bad",
    "alone",
    "alone_known",
    "alone_bad",
)
SCORE_COUNTS = ("n", "known", "bad", "pd_known", "approved", "expected", "realised")
PD_BIN = 100
"""Width in ppm of a bin of PD: fine enough that ranks and bins by it lose nothing that matters."""
PD_BINS = 1_000_000 // PD_BIN + 1
RATE_BIN, RATE_BINS = 1_000, 1_001
LIMIT_BIN, LIMIT_BINS = 50_000, 4_001
MAX_VALUES = 60
OTHER = "…"


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """One policy's decisions over n applications. outcome: position in OUTCOMES. states: 0 false, 1 true, 2 not
    evaluated; spoke: gave a reason; both [rules, n]. pd_ppm is 0 where not known. Who is referred has money too: a person may
    still say yes.
    """

    outcome: Ints
    limit_fen: Ints
    amount_fen: Ints
    rate_ppm: Ints
    pd_ppm: Ints
    pd_known: Bools
    states: npt.NDArray[np.int8]
    spoke: Bools
    expected_fen: Ints
    realised_fen: Ints

    @property
    def approved(self) -> Bools:
        return self.outcome == OUTCOMES.index(Outcome.APPROVE)


@dataclass(slots=True)
class Policed:
    """Totals of one policy. rules: [rules, RULE_COUNTS]; scores: [PD_BINS, SCORE_COUNTS]."""

    rules: Ints
    scores: Ints = field(default_factory=lambda: np.zeros((PD_BINS, len(SCORE_COUNTS)), np.int64))
    limits: Ints = field(default_factory=lambda: np.zeros(LIMIT_BINS, np.int64))
    rates: Ints = field(default_factory=lambda: np.zeros(RATE_BINS, np.int64))

    def add(self, d: Decided, known: Bools, bad: Bools) -> None:
        spoke, alone = d.spoke, d.spoke & (d.spoke.sum(0) == 1)
        columns = [(d.states == 1), (d.states == 2), spoke, spoke & known, spoke & bad]
        columns += [alone, alone & known, alone & bad]
        self.rules += np.stack([c.sum(1) for c in columns], 1)
        has, yes = d.pd_known, d.approved
        one = np.ones(len(d.outcome), np.int64)
        values = np.stack(
            [one, known, bad, d.pd_ppm * known, yes, d.expected_fen * yes, d.realised_fen * (yes & known)], 1
        )
        np.add.at(self.scores, d.pd_ppm[has] // PD_BIN, values[has])
        np.add.at(self.limits, np.minimum(d.limit_fen[yes] // LIMIT_BIN, LIMIT_BINS - 1), 1)
        np.add.at(self.rates, np.minimum(d.rate_ppm[yes] // RATE_BIN, RATE_BINS - 1), 1)


@dataclass(slots=True)
class Tally:
    """Totals of a back-test. buckets: [BUCKETS, SETS, MEASURES]; moves: [OUTCOMES of A, of B, (n, known, bad)];
    cuts: (cut, value) -> [SETS, MEASURES]. later: events left out because they came after their application.
    """

    a: Policed
    b: Policed
    buckets: Ints = field(default_factory=lambda: np.zeros((BUCKETS, len(SETS), len(MEASURES)), np.int64))
    moves: Ints = field(default_factory=lambda: np.zeros((len(OUTCOMES), len(OUTCOMES), 3), np.int64))
    cuts: dict[tuple[str, str], Ints] = field(default_factory=dict)
    later: int = 0

    @staticmethod
    def of(rules_a: int, rules_b: int) -> "Tally":
        """rules_a, rules_b: how many rules each policy has."""
        shapes = ((rules, len(RULE_COUNTS)) for rules in (rules_a, rules_b))
        return Tally(*(Policed(np.zeros(shape, np.int64)) for shape in shapes))

    @property
    def total(self) -> Ints:
        """[SETS, MEASURES] over everything."""
        return self.buckets.sum(0)

    def add(
        self,
        a: Decided,
        b: Decided,
        outcome: Ints,
        buckets: Ints,
        cuts: Mapping[str, Sequence[str]],
    ) -> None:
        """n more applications. outcome: 1 bad, 0 good, -1 not known. buckets: int64[n] of 0..BUCKETS-1."""
        known, bad = outcome >= 0, outcome == 1
        self.a.add(a, known, bad)
        self.b.add(b, known, bad)
        sets = np.where(a.approved, np.where(b.approved, 0, 1), np.where(b.approved, 2, 3))
        values = _measures(a, b, known, bad)
        np.add.at(self.buckets, (buckets, sets), values)
        moves = np.stack([np.ones(len(known), np.int64), known, bad], 1)
        np.add.at(self.moves, (a.outcome, b.outcome), moves)
        for cut, found in cuts.items():
            names, place = np.unique(np.asarray(found, object).astype(str), return_inverse=True)
            parts = np.zeros((len(names), len(SETS), len(MEASURES)), np.int64)
            np.add.at(parts, (place, sets), values)
            for name, part in zip(names.tolist(), parts, strict=True):
                self._cut(cut, name, part)

    def _cut(self, cut: str, value: str, part: Ints) -> None:
        """A cut with too many values puts the rest together: it was no cut."""
        if (cut, value) not in self.cuts and sum(1 for c, _ in self.cuts if c == cut) >= MAX_VALUES:
            value = OTHER
        self.cuts[cut, value] = self.cuts.get((cut, value), 0) + part


def _measures(a: Decided, b: Decided, known: Bools, bad: Bools) -> Ints:
    """int64[n, MEASURES]. The PD is B's, and A's where B has none: what is told of people, not of a policy."""
    pd_known = a.pd_known | b.pd_known
    pd = np.where(b.pd_known, b.pd_ppm, a.pd_ppm)
    columns = [np.ones(len(known), np.int64), known, bad, pd_known, pd, pd_known & ~known, pd * ~known]
    columns += [np.where(d.approved, d.amount_fen, 0) for d in (a, b)]
    columns += [np.where(d.approved, d.expected_fen, 0) for d in (a, b)]
    columns += [np.where(d.approved & known, d.realised_fen, 0) for d in (a, b)]
    columns += [np.where(d.approved & known, d.expected_fen, 0) for d in (a, b)]
    return np.stack([c.astype(np.int64) for c in columns], 1)
