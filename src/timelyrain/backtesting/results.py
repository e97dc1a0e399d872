"""From totals to what a report tells: rates with intervals, swap sets, money, calibration, groups, rules. Plain JSON values."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from timelyrain.decisioning import OUTCOMES, Policy

from .statistics import Bootstrap, Estimate, equal_counts, quantile, ranking, ratio_of_rates, wilson
from .tally import (
    LIMIT_BIN,
    MEASURE,
    PD_BIN,
    RATE_BIN,
    RULE_COUNTS,
    SCORE_COUNTS,
    SETS,
    Policed,
    Tally,
)

Ints = npt.NDArray[np.int64]
Json = dict[str, object]

FOUR_FIFTHS = 0.8
FEW = 30
"""Fewer applications than this are shown and not judged."""
_APPROVED = {"a": (0, 1), "b": (0, 2)}
"""The swap sets that a policy approves."""
_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


def results(policy_a: Policy, policy_b: Policy, tally: Tally) -> Json:
    """Everything of a finished back-test; rates as fractions, money in fen, an estimate as [value, low, high]."""
    total, draw = tally.total, Bootstrap()
    sides = {
        "a": _side("a", policy_a, tally.a, tally, draw),
        "b": _side("b", policy_b, tally.b, tally, draw),
    }
    n = _of(total, "n")
    return {
        "n": int(n.sum()),
        "known": int(_of(total, "known").sum()),
        "bad": int(_of(total, "bad").sum()),
        "later_events": tally.later,
        **sides,
        "difference": _difference(tally.buckets, draw),
        "swap_sets": {name: _set(total[i]) for i, name in enumerate(SETS)},
        "moves": {
            a.value: {b.value: tally.moves[i, j].tolist() for j, b in enumerate(OUTCOMES)}
            for i, a in enumerate(OUTCOMES)
        },
        "months": _cut(tally, "month"),
        "segments": _cuts(tally, "segment:"),
        "groups": {name: _fairness(rows) for name, rows in _cuts(tally, "group:").items()},
        "cautions": _cautions(total),
    }


def _of(cells: Ints, measure: str) -> Ints:
    return cells[..., MEASURE[measure]]


def _of_approved(cells: Ints, side: str, measure: str) -> Ints:
    """Over the swap sets that a policy approves, of each bucket where cells has them."""
    return _of(cells, measure)[..., list(_APPROVED[side])].sum(-1)


def _approved(cells: Ints, side: str, measure: str) -> int:
    return int(_of_approved(cells, side, measure))


def _side(side: str, policy: Policy, policed: Policed, tally: Tally, draw: Bootstrap) -> Json:
    total, bucket = tally.total, partial(_of_approved, tally.buckets, side)
    counts = tally.moves[..., 0].sum(1 if side == "a" else 0)
    auc, ks = ranking(policed.scores[:, 1], policed.scores[:, 2])
    return {
        "outcomes": {o.value: n for o, n in zip(OUTCOMES, counts.tolist(), strict=True)},
        **_rates(total, side),
        "amount_fen": _approved(total, side, f"amount_{side}"),
        "expected_fen": _fen(draw.total(bucket(f"expected_{side}"))),
        "realised_fen": _fen(draw.total(bucket(f"realised_{side}"))),
        "expected_known_fen": _approved(total, side, f"expected_known_{side}"),
        "expected_each_fen": _fen(draw.mean(bucket(f"expected_{side}"), bucket("n"))),
        "realised_each_fen": _fen(draw.mean(bucket(f"realised_{side}"), bucket("known"))),
        "auc": auc and round(auc, 6),
        "ks": ks and round(ks, 6),
        "calibration": _calibration(policed.scores),
        "curve": _curve(policed.scores),
        "limits": _distribution(policed.limits, tally.a.limits + tally.b.limits, LIMIT_BIN),
        "rates": _distribution(policed.rates, tally.a.rates + tally.b.rates, RATE_BIN),
        "rules": [_rule(policy, i, policed.rules[i], tally) for i in range(len(policy.rules))],
    }


def _rates(cells: Ints, side: str) -> Json:
    """Approval and bad rates of one policy over [SETS, MEASURES], with what is not known about the approved."""
    n, approved = int(_of(cells, "n").sum()), _approved(cells, side, "n")
    known, bad = _approved(cells, side, "known"), _approved(cells, side, "bad")
    unknown = approved - known
    scored, pd = _approved(cells, side, "pd_n_unknown"), _approved(cells, side, "pd_sum_unknown")
    guess = (bad + pd / 1e6) / (known + scored) if known + scored else None
    return {
        "n": n,
        "approved": approved,
        "approval": wilson(approved, n).rounded(),
        "known": known,
        "bad": bad,
        "bad_rate": wilson(bad, known).rounded(),
        "bad_rate_bounds": [round(bad / approved, 6), round((bad + unknown) / approved, 6)]
        if approved
        else None,
        "bad_rate_with_pd": guess if guess is None else round(guess, 6),
    }


def _difference(buckets: Ints, draw: Bootstrap) -> Json:
    """B less A, each replicate on the same people."""

    bucket = partial(_of_approved, buckets)
    n = _of(buckets, "n").sum(1)
    bad = draw.difference_of_means(
        bucket("b", "bad"), bucket("b", "known"), bucket("a", "bad"), bucket("a", "known")
    )
    return {
        "approval": draw.mean(bucket("b", "n") - bucket("a", "n"), n).rounded(),
        "bad_rate": bad.rounded(),
        "expected_fen": _fen(draw.total(bucket("b", "expected_b") - bucket("a", "expected_a"))),
        "realised_fen": _fen(draw.total(bucket("b", "realised_b") - bucket("a", "realised_a"))),
    }


def _set(cell: Ints) -> Json:
    known, bad = int(_of(cell, "known")), int(_of(cell, "bad"))
    pds = int(_of(cell, "pd_n"))
    money = ("amount", "expected", "realised")
    return {
        "n": int(_of(cell, "n")),
        "known": known,
        "bad": bad,
        "bad_rate": wilson(bad, known).rounded(),
        "mean_pd": round(int(_of(cell, "pd_sum")) / pds / 1e6, 6) if pds else None,
        **{f"{name}_{side}_fen": int(_of(cell, f"{name}_{side}")) for name in money for side in "ab"},
    }


def _calibration(scores: Ints) -> Json:
    """Bins of equal counts over the known: [predicted, seen, low, high, known]; the mean gap of them is the ECE."""
    _, known, bad, pd = (scores[:, i] for i in range(4))
    bins: list[list[float]] = []
    gap = 0.0
    for run in equal_counts(known, 10):
        cases, bads = int(known[run].sum()), int(bad[run].sum())
        told, seen = int(pd[run].sum()) / cases / 1e6, wilson(bads, cases)
        gap += abs(told - bads / cases) * cases
        bins.append([round(told, 6), *(x or 0.0 for x in seen.rounded()), cases])
    whole = int(known.sum())
    return {"bins": bins, "ece": round(gap / whole, 6) if whole else None}


def _curve(scores: Ints) -> list[list[float]]:
    """Lending to the approved in the order of their PD: [share of all lent to, PD reached, expected, realised fen], running."""
    column = {name: scores[:, i] for i, name in enumerate(SCORE_COUNTS)}
    whole = int(column["n"].sum())
    points = [[0.0, 0.0, 0, 0]]
    sums = np.stack([column[name] for name in ("approved", "expected", "realised")], 1).cumsum(0)
    for run in equal_counts(column["approved"], 60):
        lent, expected, realised = sums[run.stop - 1].tolist()
        points.append([round(lent / whole, 6), round((run.stop - 0.5) * PD_BIN / 1e6, 6), expected, realised])
    return points


def _distribution(counts: Ints, both: Ints, width: int) -> Json:
    """Quantiles, and counts over at most 24 bins, the same for both policies: [from, to, n]."""
    filled = np.flatnonzero(both)
    end = int(filled[-1]) + 1 if len(filled) else 0
    step = max(1, -(-end // 24))
    found = [quantile(counts, share) for share in _SHARES]
    return {
        "quantiles": {
            str(share): None if q is None else q * width for share, q in zip(_SHARES, found, strict=True)
        },
        "bins": [
            [i * width, (i + step) * width, int(counts[i : i + step].sum())] for i in range(0, end, step)
        ],
    }


def _rule(policy: Policy, place: int, counts: Ints, tally: Tally) -> Json:
    """How often a rule spoke, and what it alone kept from approval."""
    rule, c = policy.rules[place], dict(zip(RULE_COUNTS, counts.tolist(), strict=True))
    n = int(_of(tally.total, "n").sum())
    return {
        "code": rule.code, "stage": rule.stage, "then": rule.then, "if_missing": rule.if_missing, "zh": rule.zh, "en": rule.en,
        **c,
        "share": round(c["spoke"] / n, 6) if n else None,
        "bad_rate": wilson(c["spoke_bad"], c["spoke_known"]).rounded(),
        "bad_rate_alone": wilson(c["alone_bad"], c["alone_known"]).rounded(),
    }  # fmt: skip


def _cuts(tally: Tally, prefix: str) -> dict[str, list[Json]]:
    names = dict.fromkeys(cut for cut, _ in tally.cuts if cut.startswith(prefix))
    return {name.removeprefix(prefix): _cut(tally, name) for name in sorted(names)}


def _cut(tally: Tally, cut: str) -> list[Json]:
    found = sorted((value, cells) for (name, value), cells in tally.cuts.items() if name == cut)
    return [
        {
            "value": value,
            "n": int(_of(cells, "n").sum()),
            "b_only": int(_of(cells[2], "n")),
            "a_only": int(_of(cells[1], "n")),
            **{side: _rates(cells, side) | _profit(cells, side) for side in ("a", "b")},
        }
        for value, cells in sorted(found, key=lambda pair: _numeric(pair[0]))
    ]


def _numeric(value: str) -> tuple[bool, int, str]:
    """Numbers in the order of numbers, before words."""
    return not value.isdigit(), int(value) if value.isdigit() else 0, value


def _profit(cells: Ints, side: str) -> Json:
    return {f"{name}_fen": _approved(cells, side, f"{name}_{side}") for name in ("expected", "realised")}


def _fairness(rows: list[Json]) -> Json:
    """Approval rates of a protected attribute's groups over that of the group with the highest, per policy.

    below: the ratio is under four fifths (EEOC 1978, the rule of thumb of disparate impact); few: too few to judge.
    """
    judged: Json = {"rows": rows}
    for side in ("a", "b"):
        rates = {str(row["value"]): _part(row, side) for row in rows}
        enough = {v: (p, n) for v, (p, n) in rates.items() if n >= FEW}
        best = max(enough, key=lambda v: enough[v][0] / enough[v][1], default=None)
        ratios: Json = {}
        marked: list[str] = []
        for value, (part, whole) in rates.items():
            base = enough[best] if best is not None else (0, 0)
            ratio = Estimate(1.0, 1.0, 1.0) if value == best else ratio_of_rates(part, whole, *base)
            below = whole >= FEW and ratio.value is not None and ratio.value < FOUR_FIFTHS
            ratios[value] = {"ratio": ratio.rounded(), "few": whole < FEW, "below": below}
            marked += [value] if below else []
        judged[side] = {"highest": best, "ratios": ratios, "below": sorted(marked)}
    return judged


def _part(row: Mapping[str, object], side: str) -> tuple[int, int]:
    rates = row[side]
    assert isinstance(rates, dict)
    return int(rates["approved"]), int(rates["n"])


def _cautions(total: Ints) -> list[str]:
    """Codes of what the reader must bear in mind; page.py says them in words."""
    n, known, bad = _of(total, "n"), _of(total, "known"), _of(total, "bad")
    found: list[str] = []
    if not known.sum():
        found.append("no_outcomes")
    elif not bad.sum() or bad.sum() == known.sum():
        found.append("one_class")
    for place, code in ((0, "both"), (1, "a_only"), (2, "b_only")):
        if n[place] and known.sum() and known[place] < 0.9 * n[place]:
            found.append(f"unknown_{code}")
    if known.sum() and known[3] < 0.5 * n[3] and known[:3].sum() > 0.5 * n[:3].sum():
        found.append("rejects_unknown")
    return [*found, "price_does_not_move_people"]


def _fen(estimate: Estimate) -> list[int | None]:
    return [None if x is None else round(x) for x in (estimate.value, estimate.low, estimate.high)]
