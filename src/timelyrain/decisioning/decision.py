"""What a decision is asked, and what it says: outcome, offer, reasons, trace, and how each number came about."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from .compilers import Value
from .engine import FeatureTable
from .language import PPM, Type
from .parts import Effect, Rule, fill
from .policy import Policy
from .pricing import PriceGrid
from .scorecards import Scorecard
from .texts import LACKING, STATES, UNKNOWN, effect, encode
from .verdicts import Outcome

Shown = int | bool | str | None


@dataclass(frozen=True, slots=True)
class Request:
    """What the applicant asks for. purpose is one of policy.purposes."""

    amount_fen: int
    instalments: int
    purpose: str


@dataclass(frozen=True, slots=True)
class LawContext:
    """Limits in force for the licence and date, found by the caller.

    cap_ppm: cap on the annualised all-in cost. max_rate_ppm: the nominal annual rate whose annualised cost stays
    under the cap. limit_max_fen, instalments_max: per person and per loan.
    """

    cap_ppm: int
    max_rate_ppm: int
    limit_max_fen: int
    instalments_max: int = 60


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a rule spoke: `because` is 'true' or 'not_evaluated'; values are those the rule read."""

    code: str
    stage: str
    effect: Effect
    because: str
    zh: str
    en: str
    change_zh: str
    change_en: str
    c1: int
    values: Mapping[str, Shown]


@dataclass(frozen=True, slots=True)
class TraceLine:
    """One rule of the policy: state is 'true', 'false' or 'not_evaluated'."""

    code: str
    stage: str
    state: str
    values: Mapping[str, Shown]


@dataclass(frozen=True, slots=True)
class Factor:
    """A feature that raised the applicant's PD; contribution in millionths of log-odds."""

    feature: str
    zh: str
    en: str
    value: Shown
    contribution_ppm: int

    @staticmethod
    def of(policy: Policy, table: FeatureTable, name: str, part: float) -> "Factor":
        """part: log-odds. table: of the one applicant."""
        feature, at = policy.features[name], table.places[name]
        value = int(table.numbers[0, at]) if table.known[0, at] else None
        return Factor(name, feature.zh, feature.en, _shown(feature.type, value), round(part * PPM))


@dataclass(frozen=True, eq=False)
class Decision:
    """limit, amount, rate and annual rate are 0 unless approved or referred (a proposal then).

    annual_rate_ppm: what the offer costs a year, compounded, from the schedule of equal monthly instalments it leads to.
    features: one row. seen: every value that the verdict read or worked out, None where missing. spoken: rules that spoke, each
    with its state; extra: what the engine itself has to say. reasons and trace are in the author's order. given, snoozed: as
    handed to `decide`. random_approval: the rules of the random band were set aside.
    """

    policy: Policy
    outcome: Outcome
    spoken: tuple[tuple[Rule, Value], ...]
    extra: tuple[Reason, ...]
    pd_ppm: int | None
    limit_fen: int
    amount_fen: int
    rate_ppm: int
    annual_rate_ppm: int
    factors: tuple[Factor, ...]
    table: FeatureTable
    seen: Mapping[str, Value]
    given: Mapping[str, Value]
    snoozed: tuple[str, ...]
    random_approval: bool
    versions: Mapping[str, str]

    @cached_property
    def features(self) -> Mapping[str, Shown]:
        """The whole catalogue as people read it, None where missing."""
        row, kinds = _row(self.table), self.policy.features
        return {name: _shown(kind.type, row[name]) for name, kind in kinds.items()}

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        """Why the outcome is what it is."""
        said = [_reason(rule, state, _values(self.policy, rule, self.seen)) for rule, state in self.spoken]
        return (*said, *self.extra)

    @cached_property
    def affordability(self) -> Mapping[str, Shown]:
        """Every figure by name."""
        return {f.name: _shown(f.node.type, self.seen[f.name]) for f in self.policy.figures}

    @cached_property
    def trace(self) -> tuple[TraceLine, ...]:
        """Every rule with the values it read."""
        return tuple(
            TraceLine(
                rule.code, rule.stage, STATES[self.seen[rule.code]], _values(self.policy, rule, self.seen)
            )
            for rule in self.policy.rules
        )

    @cached_property
    def explanation(self) -> dict[str, object]:
        """How tables, scorecards and the price came about, number by number.

        tables: the row that was hit, from 1. scorecards: points and, for each characteristic, points and what was lost against
        the best bin. price: for every rate of the grid the margin before loss, whether it was lawful and the expected profit.
        """
        seen = self.seen
        return {
            "tables": {t.name: seen[f"{t.name}.row"] for t in self.policy.tables if f"{t.name}.row" in seen},
            "scorecards": {card.name: _points(card, seen) for card in self.policy.scorecards},
            "price": {grid.name: _prices(grid, seen) for grid in self.policy.grids},
        }

    def outputs(self) -> dict[str, object]:
        """Everything that the decision says, but the features, as plain values for JSON."""
        return {
            "outcome": self.outcome.value,
            "reasons": [plain(reason) for reason in self.reasons],
            "pd_ppm": self.pd_ppm,
            "limit_fen": self.limit_fen,
            "amount_fen": self.amount_fen,
            "rate_ppm": self.rate_ppm,
            "annual_rate_ppm": self.annual_rate_ppm,
            "affordability": self.affordability,
            "explanation": self.explanation,
            "random_approval": self.random_approval,
            "factors": [plain(factor) for factor in self.factors],
            "trace": [plain(line) for line in self.trace],
        }

    def outputs_json(self) -> str:
        """`outputs()` as canonical JSON."""
        texts, seen = self.policy.texts, self.seen
        trace, reasons = texts.trace_and_reasons(seen, self.spoken)
        reasons += [encode(plain(reason)) for reason in self.extra]
        factors = [texts.factor(f.feature, f.value, f.contribution_ppm) for f in self.factors]
        return (
            f'{{"affordability":{texts.affordability(seen)},"amount_fen":{self.amount_fen},'
            f'"annual_rate_ppm":{self.annual_rate_ppm},"explanation":{encode(self.explanation)},'
            f'"factors":[{",".join(factors)}],"limit_fen":{self.limit_fen},"outcome":"{self.outcome.value}",'
            f'"pd_ppm":{"null" if self.pd_ppm is None else self.pd_ppm},'
            f'"random_approval":{"true" if self.random_approval else "false"},"rate_ppm":{self.rate_ppm},'
            f'"reasons":[{",".join(reasons)}],"trace":{trace}}}'
        )

    def as_dict(self) -> dict[str, object]:
        """Outputs and features, for JSON."""
        return self.outputs() | {"features": self.features}


def plain(value: Reason | TraceLine | Factor | Request | LawContext) -> dict[str, object]:
    """The fields by name."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _row(table: FeatureTable) -> dict[str, Value]:
    values, known = cast(list[int], table.numbers[0].tolist()), cast(list[bool], table.known[0].tolist())
    return {name: value if there else None for name, value, there in zip(table, values, known, strict=True)}


def _shown(kind: Type, value: Value) -> Shown:
    if value is None:
        return None
    return kind.values[value] if kind.kind == "enum" else bool(value) if kind.kind == "bool" else value


def _values(policy: Policy, rule: Rule, seen: Mapping[str, Value]) -> dict[str, Shown]:
    types = policy.verdict_types
    return {name: _shown(types[name], seen[name]) for name in policy.rule_reads[rule.code]}


def _reason(rule: Rule, state: Value, values: Mapping[str, Shown]) -> Reason:
    lacking = LACKING if state is None else {"zh": "", "en": ""}
    return Reason(
        rule.code,
        rule.stage,
        effect(rule, state),
        STATES[state],
        lacking["zh"] + fill(rule.zh, values, UNKNOWN["zh"]),
        lacking["en"] + fill(rule.en, values, UNKNOWN["en"]),
        fill(rule.change_zh, values, UNKNOWN["zh"]),
        fill(rule.change_en, values, UNKNOWN["en"]),
        rule.c1,
        values,
    )


def _points(card: Scorecard, seen: Mapping[str, Value]) -> dict[str, object]:
    got = {line.name: seen[f"{card.name}.{line.name}"] or 0 for line in card.characteristics}
    lost = {line.name: line.most - got[line.name] for line in card.characteristics}
    return {"points": seen[card.name], "of": got, "lost": lost}


def _prices(grid: PriceGrid, seen: Mapping[str, Value]) -> dict[str, object]:
    """Columns by rate; profit in fen, rounded down from the millionths in which rates were compared."""
    profits = [seen[name] for name in grid.column("profit")]
    return {
        "rate_ppm": grid.rates,
        "acceptance_ppm": grid.acceptance,
        "margin_fen": [seen[name] for name in grid.column("margin")],
        "profit_fen": [None if profit is None else profit // PPM for profit in profits],
        "loss_fen": seen[f"{grid.name}.loss"],
        "floor_ppm": seen[f"{grid.name}.floor"],
        "cap_ppm": seen[f"{grid.name}.cap"],
        "chosen_ppm": seen[grid.name],
    }
