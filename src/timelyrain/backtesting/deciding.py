"""A run of applications decided by one policy: features once, verdicts as columns, equal to the online `decide`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from timelyrain import decisioning
from timelyrain.decisioning import (
    ENGINE,
    OUTCOMES,
    STATES,
    Bilingual,
    Column,
    Evidence,
    LawContext,
    Policy,
    Request,
    ScorerMismatch,
    Verdicts,
    scores,
)
from timelyrain.risk import TrainedModel

from .applications import Batch
from .columns import ApplicationsInvalid
from .economics import Economics
from .tally import Decided

Ints = npt.NDArray[np.int64]
PD = "model.pd_ppm"
SNOOZED = "snoozed"


class KernelMismatch(Bilingual, RuntimeError):
    """The columns decided otherwise than the online kernel: nothing of this back-test may be believed."""


@dataclass(frozen=True)
class Side:
    """One of two policies to be compared: its definition as TOML, and the model that scores for it."""

    source: str
    model: bytes | None = None

    @property
    def policy(self) -> Policy:
        return _policy(self.source)

    @property
    def scorer(self) -> TrainedModel | None:
        return _model(self.model) if self.model else None

    @property
    def features_key(self) -> tuple[str, str, str]:
        """Of all that features and scores come from: two sides of the same key share them."""
        return ENGINE, self.policy.engine.features_sha256, self.scorer.sha256 if self.scorer else ""

    @property
    def reads(self) -> tuple[str, ...]:
        """Features that tables, figures and rules read."""
        engine = self.policy.engine
        return tuple(name for name in engine.verdict_reads if name in engine.places)


@lru_cache(maxsize=8)
def _policy(source: str) -> Policy:
    return Policy.parse(
        source, activated=True
    )  # whoever asks has checked what is new; what decided once still does


@lru_cache(maxsize=8)
def _model(content: bytes) -> TrainedModel:
    return TrainedModel.from_bytes(content, {})


@dataclass(frozen=True)
class Law:
    """Limits of the law by date: (first moment in epoch seconds, limits from then on), ascending."""

    periods: tuple[tuple[int, LawContext], ...]

    @property
    def begins(self) -> int:
        """The first moment of which the limits are known."""
        return self.periods[0][0]

    def first_day(self, utc_offset_minutes: int) -> str:
        zone = timezone(timedelta(minutes=utc_offset_minutes))
        return f"{datetime.fromtimestamp(self.begins, zone):%Y-%m-%d}"

    def at(self, moment: int) -> LawContext:
        return self.periods[self._place(np.array([moment]))[0]][1]

    def columns(self, moments: Ints) -> dict[str, Ints]:
        """law.<name> -> int64[n]."""
        place = self._place(moments)
        limits = [asdict(context) for _, context in self.periods]
        return {
            f"law.{name}": np.array([limit[name] for limit in limits], np.int64)[place] for name in limits[0]
        }

    def _place(self, moments: Ints) -> Ints:
        """The first period reaches back: an older application is judged by the oldest limits known."""
        begins = np.array([begin for begin, _ in self.periods], np.int64)
        return np.maximum(np.searchsorted(begins, moments, side="right") - 1, 0)


def features(side: Side, evidences: Sequence[Evidence], names: Sequence[str]) -> pl.DataFrame:
    """One column per name, null where missing, and the PD in ppm under the name PD."""
    policy = side.policy
    table = policy.engine.features(evidences)
    try:
        pd = scores(policy, table, side.scorer)
    except ScorerMismatch as error:
        raise ApplicationsInvalid(
            f"{error}: give the model that was trained for this policy (--model).",
            f"{error.told('zh')}：请给出为此策略训练的模型（--model）。",
        ) from None
    return pl.DataFrame([_series(name, table[name]) for name in names] + [_series(PD, pd)])


def _series(name: str, column: Column) -> pl.Series:
    series = pl.Series(name, np.ascontiguousarray(column.values))
    return series if column.known.all() else series.set(pl.Series(~column.known), None)


def verdicts(
    side: Side, rows: pl.DataFrame, law: Law, before: tuple[Policy, Verdicts] | None = None
) -> Verdicts:
    """Every row decided. rows: a chunk's columns (see running.py), with those that the policy reads and the PD.

    before: another policy's verdicts on the same rows, from which common rules are taken.
    """
    policy = side.policy
    given = {
        "request.amount_fen": _ints(rows, "amount_fen"),
        "request.instalments": _ints(rows, "instalments"),
        "request.purpose": _purposes(policy, rows),
        "draw": _ints(rows, "draw"),
        **law.columns(_ints(rows, "at")),
    }
    _check(policy, rows, given)
    given["today"] = (_ints(rows, "at") + 60 * policy.aggregation.utc_offset_minutes) // 86_400
    all_known = np.ones(len(rows), np.bool_)
    columns: dict[str, Column | int | None] = {
        name: Column(values, all_known) for name, values in given.items()
    }
    columns |= {name: _column(rows[name]) for name in (*side.reads, PD)}
    columns |= {
        name: _column(rows[f"given.{name}"]) if f"given.{name}" in rows.columns else None
        for name in policy.given_names
    }
    silent = decisioning.silence(rows[SNOOZED].to_list())
    return decisioning.verdicts(policy, columns, len(rows), before=before, silent=silent)


def decided(policy: Policy, found: Verdicts, rows: pl.DataFrame, economics: Economics) -> Decided:
    """Verdicts with what they earn."""
    pd, asked, instalments = _column(rows[PD]), _ints(rows, "amount_fen"), _ints(rows, "instalments")
    lost = economics.lost(found.amount_fen, asked, _ints(rows, "loss_fen"))
    money = found.amount_fen, found.rate_ppm, instalments
    return Decided(
        found.outcomes.astype(np.int64), found.limit_fen, found.amount_fen, found.rate_ppm, pd.values, pd.known,
        found.states, spoken(policy, found.states, rows[SNOOZED]),
        economics.expected(*money, pd.values), economics.realised(*money, _ints(rows, "bad") == 1, lost),
    )  # fmt: skip


def spoken(policy: Policy, states: npt.NDArray[np.int8], snoozed: pl.Series) -> npt.NDArray[np.bool_]:
    """bool[rules, n]: the rule stood against approval. snoozed: for each row the codes that were silent."""
    speaks, lacking = (
        np.array([effect not in ("note", "skip") for effect in effects])[:, None]
        for effects in ([r.then for r in policy.rules], [r.if_missing for r in policy.rules])
    )
    said = ((states == STATES.index("true")) & speaks) | ((states == STATES.index("not_evaluated")) & lacking)
    silent = decisioning.silence(snoozed.to_list())
    for at, rule in enumerate(policy.rules):
        if rule.snooze and rule.code in silent:
            said[at] &= ~silent[rule.code]
    return said


def check_one(side: Side, batch: Batch, row: int, law: Law, decided: Decided) -> None:
    """One application through the online kernel: raises KernelMismatch where the columns said otherwise."""
    request = Request(int(batch.amount_fen[row]), int(batch.instalments[row]), batch.purposes[row])
    moment = int(batch.at[row])
    given = {name: values[row] for name, values in batch.given.items() if name in side.policy.given_names}
    online = decisioning.decide(
        side.policy,
        batch.evidences[row],
        request,
        side.scorer,
        int(batch.draws[row]),
        law.at(moment),
        given=given,
        snoozed=batch.snoozed[row],
    )
    told = (online.outcome.value, online.limit_fen, online.amount_fen, online.rate_ppm, online.pd_ppm)
    told += tuple(STATES.index(line.state) for line in online.trace)
    pd = int(decided.pd_ppm[row]) if decided.pd_known[row] else None
    money = (int(x[row]) for x in (decided.limit_fen, decided.amount_fen, decided.rate_ppm))
    columns = (OUTCOMES[decided.outcome[row]].value, *money, pd, *decided.states[:, row].tolist())
    if told != columns:
        raise KernelMismatch(
            f"application {batch.ids[row]}: decided {told} online and {columns} in columns; report this as a defect",
            f"申请 {batch.ids[row]}：逐条决策为 {told}，按列决策为 {columns}；请作为缺陷上报",
        )


def _ints(rows: pl.DataFrame, name: str) -> Ints:
    return rows[name].to_numpy().astype(np.int64, copy=False)


def _column(series: pl.Series) -> Column:
    known = series.is_not_null().to_numpy()
    return Column(series.fill_null(0).to_numpy().astype(np.int64, copy=False), known)


def _purposes(policy: Policy, rows: pl.DataFrame) -> Ints:
    codes = {name: code for code, name in enumerate(policy.purposes)}
    named = rows["purpose"].cast(pl.String)  # one run of nulls has no type of its own
    found = named.replace_strict(codes, default=-1, return_dtype=pl.Int64).to_numpy()
    if (found < 0).any():
        row = int(np.argmax(found < 0))
        raise ApplicationsInvalid(
            f"application {rows['id'][row]}: purpose {rows['purpose'][row]!r} is not one of {policy.name}: "
            f"{', '.join(policy.purposes)}. Add it to [request] purposes of the policy, or leave such applications out.",
            f"申请 {rows['id'][row]}：{policy.name} 没有用途 {rows['purpose'][row]!r}，可用的有 {'、'.join(policy.purposes)}。"
            "请在策略的 [request] purposes 中加入该用途，或去掉这类申请。",
        )
    return found


def _check(policy: Policy, rows: pl.DataFrame, given: Mapping[str, Ints]) -> None:
    """The domains that `decide` checks for one request."""
    for name, values in given.items():
        domain = policy.verdict_types[name]
        wrong = (values < domain.low) | (values > domain.high)
        if domain.kind == "int" and wrong.any():
            row = int(np.argmax(wrong))
            raise ApplicationsInvalid(
                f"application {rows['id'][row]}: {name} is {values[row]}: give a whole number from {domain.low} to {domain.high}",
                f"申请 {rows['id'][row]}：{name} 为 {values[row]}：请给出 {domain.low} 到 {domain.high} 的整数",
            )
    for name in policy.given_names:
        if (column := f"given.{name}") in rows.columns:
            domain = policy.verdict_types[name]
            wrong = ~rows[column].is_between(domain.low, domain.high).fill_null(True)
            for row in wrong.arg_true().head(1).to_list():
                raise ApplicationsInvalid(
                    f"application {rows['id'][row]}: {column} is {rows[column][row]}: give a whole number from {domain.low} "
                    f"to {domain.high}, or null where it is not known",
                    f"申请 {rows['id'][row]}：{column} 为 {rows[column][row]}：请给出 {domain.low} 到 {domain.high} 的整数，"
                    "未知时为空",
                )
