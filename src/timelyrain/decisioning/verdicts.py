"""Verdicts on columns of rows: the same trees as for one applicant, reading only the columns that the rules name.

Rows are done block by block, so that what lies between input and output stays in the processor's cache and memory does not grow.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from .compilers import Column, Part, run_parts, whole
from .evidence import Bools, Ints
from .language import Node, names_read
from .policy import Policy

Codes = npt.NDArray[np.int8]
Columns = Mapping[str, Column] | Mapping[str, Column | int | None]
"""Values by name; a number stands for a column of that number, None for one where nothing is known."""

Band = tuple[npt.NDArray[np.bool_], Ints, Ints]
_BAND = ("random.taken", "random.limit_fen", "random.rate_ppm")
BLOCK = 8_192


class Outcome(StrEnum):
    """In order of precedence: a decline outweighs a request for evidence, that a referral, that an approval."""

    DECLINE = "decline"
    MORE_EVIDENCE = "more_evidence"
    REFER = "refer"
    APPROVE = "approve"


OUTCOMES = tuple(Outcome)
STATES = ("false", "true", "not_evaluated")
_APPROVE, _REFER = OUTCOMES.index(Outcome.APPROVE), OUTCOMES.index(Outcome.REFER)


@dataclass(frozen=True, slots=True, eq=False)
class Verdicts:
    """n verdicts. outcomes int8[n]: position in OUTCOMES. states int8[rules, n]: position in STATES, rules as in `codes`.

    limit_fen, amount_fen, rate_ppm int64[n]: the offer, 0 where there is none. figures: those asked for.
    proposed_fen, proposed_ppm int64[n]: limit and price as worked out, whatever the rules say; 0 where missing.
    band: (drawn bool[n], limit_fen, rate_ppm int64[n]) of the random approval band, None where a policy has none; drawn: and
    a rule that the band sets aside holds them back, whatever other rules say.
    """

    codes: tuple[str, ...]
    outcomes: Codes
    states: Codes
    limit_fen: Ints
    amount_fen: Ints
    rate_ppm: Ints
    proposed_fen: Ints
    proposed_ppm: Ints
    figures: Mapping[str, Column]
    band: Band | None = None


def verdicts(
    policy: Policy,
    columns: Columns,
    rows: int,
    *,
    figures: Sequence[str] = (),
    before: tuple[Policy, Verdicts] | None = None,
    silent: Mapping[str, Bools] | None = None,
    threads: int = 1,
) -> Verdicts:
    """Tables, figures and rules over n rows whose features are known.

    columns: what the policy's verdict reads (`policy.engine.verdict_reads`) and request.amount_fen, law.max_rate_ppm,
    law.limit_max_fen; features by name as in a FeatureTable, integers of any width. before: another policy's verdicts on the
    same rows: what stands in both policies is taken from there and its columns are not read. silent: rule -> bool[n], where
    it is evaluated and does not speak, if the policy lets it be snoozed.
    Raises KeyError for a column that is needed and absent.
    """
    codes = tuple(rule.code for rule in policy.rules)
    result = Verdicts(
        codes,
        np.empty(rows, np.int8),
        np.empty((len(codes), rows), np.int8),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int64),
        np.zeros(rows, np.int64),
        {name: Column(np.zeros(rows, np.int64), np.zeros(rows, np.bool_)) for name in figures},
        (np.zeros(rows, np.bool_), np.zeros(rows, np.int64), np.zeros(rows, np.int64))
        if policy.random_approval
        else None,
    )
    plan = _Plan(policy, columns, figures, before, silent or {})

    def block(start: int) -> None:
        plan.run(result, start, min(start + BLOCK, rows))

    starts = range(0, rows, BLOCK)
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(block, starts))
    else:
        for start in starts:
            block(start)
    return result


class _Plan:
    """What has to be evaluated, and what is already there."""

    def __init__(
        self,
        policy: Policy,
        columns: Columns,
        figures: Sequence[str],
        before: tuple[Policy, Verdicts] | None,
        silent: Mapping[str, Bools],
    ):
        snoozable = {rule.code for rule in policy.rules if rule.snooze}
        self._silent = {code: rows for code, rows in silent.items() if code in snoozable}
        self._columns = columns
        effects = {effect.value: at for at, effect in enumerate(OUTCOMES)} | {
            "skip": _APPROVE,
            "note": _APPROVE,
        }
        self._ranks = [
            np.array([_APPROVE, effects[rule.then], effects[rule.if_missing]], np.int8)
            for rule in policy.rules
        ]
        self._codes = [rule.code for rule in policy.rules]
        self._lacking = {rule.code: rule.if_missing for rule in policy.rules}
        self._old: dict[str, Codes] = {}
        self._offer: tuple[Ints, Ints] | None = None
        self._aside = policy.random_approval.rules if policy.random_approval else ()
        self._band: Band | None = None
        if before is not None:
            self._reuse(policy, *before)
        wanted = {code for code in self._codes if code not in self._old} | set(figures)
        if self._offer is None:
            wanted |= {"limit_fen", "rate_ppm"}
        if self._aside and self._band is None:
            wanted |= set(_BAND)
        self._figures = figures
        self._steps = needed(policy.engine.verdict_steps, wanted)

    def _reuse(self, policy: Policy, other: Policy, found: Verdicts) -> None:
        new, old = policy.engine.meanings, other.engine.meanings
        for code, states in zip(found.codes, found.states, strict=True):
            if code in new and new[code] == old[code]:
                self._old[code] = states
        if all(new[name] == old[name] for name in ("limit_fen", "rate_ppm")):
            self._offer = found.proposed_fen, found.proposed_ppm
        if self._aside and found.band is not None and all(new[name] == old[name] for name in _BAND):
            self._band = found.band

    def run(self, to: Verdicts, start: int, end: int) -> None:
        """One block of rows."""
        here = slice(start, end)

        def given(name: str) -> Part:
            return self._given(name, here)

        parts = run_parts(self._steps, given)
        outcome, held = (np.full(end - start, _APPROVE, np.int8) for _ in range(2))
        aside: Bools | None = None
        if to.band is not None:
            for into, name, old in zip(to.band, _BAND, self._band or _BAND, strict=True):
                into[here] = whole(parts[name], (end - start,)).values if isinstance(old, str) else old[here]
            aside = to.band[0][here]
            if self._silent:
                aside = aside & self._speaks(parts, here)
        for at, (code, ranks) in enumerate(zip(self._codes, self._ranks, strict=True)):
            states = self._of(code, parts, here)
            to.states[at, here] = states
            rank = _rank(states, ranks)
            if code in self._silent:
                rank = np.where(self._silent[code][here], np.int8(_APPROVE), rank)
            into = held if aside is not None and code in self._aside else outcome
            np.minimum(into, rank, out=into)
        if aside is not None:
            alone: Bools = outcome == _APPROVE  # nobody else holds them back
            aside = np.logical_and(aside, alone)
            np.minimum(outcome, held, out=outcome, where=np.logical_not(aside))
        for name in self._figures:
            column = whole(parts[name], (end - start,))
            to.figures[name].values[here], to.figures[name].known[here] = column.values, column.known
        if self._offer is None:
            limit = whole(parts["limit_fen"], (end - start,)).values
            rate = whole(parts["rate_ppm"], (end - start,)).values
        else:
            limit, rate = self._offer[0][here], self._offer[1][here]
        to.proposed_fen[here], to.proposed_ppm[here] = limit, rate
        if to.band is not None and aside is not None:
            limit = np.where(aside, to.band[1][here], limit)
            rate = np.where(aside, to.band[2][here], rate)
        cap = given("law.max_rate_ppm")[0]
        priced = (rate > 0) & (rate <= cap)
        lawful = priced & (limit > 0) & (limit <= given("law.limit_max_fen")[0])
        outcome[(outcome == _APPROVE) & ~lawful] = _REFER
        offered = (outcome >= _REFER) & (limit > 0) & priced
        to.outcomes[here] = outcome
        to.limit_fen[here] = np.where(offered, limit, 0)
        to.amount_fen[here] = np.where(offered, np.minimum(limit, given("request.amount_fen")[0]), 0)
        to.rate_ppm[here] = np.where(offered, rate, 0)

    def _of(self, code: str, parts: Mapping[str, Part], here: slice) -> Codes:
        """States of a rule."""
        return (
            self._old[code][here] if code in self._old else _states(parts[code], int(here.stop - here.start))
        )

    def _speaks(self, parts: Mapping[str, Part], here: slice) -> Bools:
        """Where one of the rules that the band sets aside says something."""
        found = np.zeros(int(here.stop - here.start), np.bool_)
        for code in self._aside:
            states = self._of(code, parts, here)
            said = (states == 1) | ((states == 2) & (self._lacking[code] != "skip"))
            found |= said & ~self._silent[code][here] if code in self._silent else said
        return found

    def _given(self, name: str, here: slice) -> Part:
        column = self._columns[name]
        if column is None:
            return 0, np.zeros(int(here.stop - here.start), np.bool_)
        if isinstance(column, int):
            return column, None
        values: Ints = column.values[here].astype(np.int64, copy=False)
        return values, column.known[here]


def _rank(states: Codes, ranks: Codes) -> Codes:
    """ranks[states], by arithmetic on bytes: several times as quick as looking up."""
    rank = np.full(len(states), ranks[0], np.int8)
    for state in (1, 2):
        if ranks[state] != ranks[0]:
            rank -= (states == state).view(np.int8) * (ranks[0] - ranks[state])
    return rank


def _states(part: Part, rows: int) -> Codes:
    values, known = part
    states = values if known is None else np.where(known, values, 2)
    return np.broadcast_to(states, (rows,)).astype(np.int8, copy=False)


def needed(steps: Sequence[tuple[str, Node]], wanted: set[str]) -> list[tuple[str, Node]]:
    """The steps that lead to the wanted ones, in order."""
    names, chosen = set(wanted), list[tuple[str, Node]]()
    for name, node in reversed(steps):
        if name in names:
            chosen.append((name, node))
            names.update(names_read(node))
    return chosen[::-1]


def column(values: Sequence[int | None] | npt.NDArray[Any]) -> Column:
    """A column of integers; None is missing."""
    known = np.array([value is not None for value in values], np.bool_)
    return Column(np.array([0 if value is None else value for value in values], np.int64), known)
