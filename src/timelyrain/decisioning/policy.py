"""A policy: features, model inputs, tables, figures (limit and price) and rules, parsed from one TOML definition."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from .aggregates import Aggregation
from .definition import DefinitionProblem
from .engine import Engine
from .feature_reader import Feature
from .language import Node, Type, names_read
from .parts import Experiment, Fallback, Figure, PolicyList, RandomApproval, Rule, Stage
from .policy_reader import read_policy, verdict_scope
from .pricing import PriceGrid
from .scorecards import Scorecard
from .tables import DecisionTable
from .texts import Texts


@dataclass(frozen=True, eq=False, kw_only=True)
class Policy:
    """A checked definition, ready to run. sha256 is the hash of its content; comments and layout do not count."""

    name: str
    version: str
    owner: str
    sha256: str
    purposes: tuple[str, ...]
    catalogue: tuple[Feature, ...]
    model_inputs: tuple[str, ...]
    monotone: Mapping[str, int]
    """model input -> +1 when a higher value may only raise PD, -1 when it may only lower it."""
    steps: tuple[tuple[str, Node], ...]
    """Everything between features and rules, in order of evaluation."""
    after: tuple[tuple[str, Node], ...]
    """What is worked out from the rules: the random band."""
    figures: tuple[Figure, ...]
    tables: tuple[DecisionTable, ...]
    scorecards: tuple[Scorecard, ...]
    grids: tuple[PriceGrid, ...]
    rules: tuple[Rule, ...]
    fallbacks: tuple[Fallback, ...]
    lists: tuple[PolicyList, ...]
    experiments: tuple[Experiment, ...]
    random_approval: RandomApproval | None
    stages: Mapping[str, Stage]
    """Stage of every table, scorecard, figure and price by name."""
    aggregation: Aggregation
    feature_steps: tuple[tuple[str, Node], ...]
    verdict_types: Mapping[str, Type]
    """Everything that figures and rules may name, with types."""
    warnings: tuple[DefinitionProblem, ...]
    """What is allowed and probably not meant: unused figures, rules without a note."""

    @staticmethod
    def parse(text: str, *, activated: bool = False) -> "Policy":
        """Read a TOML definition; raises DefinitionInvalid with every problem, its position and its remedy.

        activated: the definition has decided before; only what is needed to run it is asked of it, so that checks that came
        later leave old decisions replayable.
        """
        return Policy(**read_policy(text, activated))

    @cached_property
    def features(self) -> Mapping[str, Feature]:
        return {feature.name: feature for feature in self.catalogue}

    @property
    def verdict_steps(self) -> tuple[tuple[str, Node], ...]:
        """Tables, scorecards, figures, rules, in order of evaluation."""
        return (*self.steps, *((rule.code, rule.when) for rule in self.rules), *self.after)

    @cached_property
    def rule_reads(self) -> Mapping[str, tuple[str, ...]]:
        """rule -> the names its condition reads."""
        return {rule.code: names_read(rule.when) for rule in self.rules}

    @cached_property
    def scope_names(self) -> tuple[str, ...]:
        """What every verdict may read beside features: request, law, draw, model."""
        return tuple(verdict_scope(self.purposes))

    @cached_property
    def given_names(self) -> tuple[str, ...]:
        """Names that the verdict reads and that are neither features nor in `scope_names`: the caller hands them in."""
        known = {*self.engine.names, *self.scope_names}
        return tuple(name for name in self.engine.verdict_reads if name not in known)

    @cached_property
    def engine(self) -> Engine:
        """The arithmetic of this definition, compiled once."""
        return Engine(self.aggregation, self.feature_steps, self.verdict_steps)

    @cached_property
    def texts(self) -> Texts:
        """What its decisions say, prepared for writing."""
        return Texts(self)
