"""ACTUS contract terms as read from their dictionary names, and the market data observed."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

from timelyrain.finance import TermsProblem

from .dates import Cycle, Shift

TYPES = ("ANN", "LAM", "NAM", "PAM")
_NO_MOMENT = datetime.fromisoformat("0001-01-01")  # stands in while the problem is told
_SIGNS = {"RPA": 1, "RPL": -1, "LG": 1, "ST": -1, "BUY": 1, "SEL": -1, "RFL": 1, "PFL": -1, "RF": 1, "PF": -1}


class ActusInvalid(ValueError):
    """ACTUS terms that cannot be read or are outside retail loans. `problems` lists every reason."""

    def __init__(self, problems: Sequence[TermsProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, problems)))


@dataclass(frozen=True)
class Rhythm:
    """When something recurs: an anchor date and a cycle, either may be missing."""

    anchor: datetime | None
    cycle: Cycle | None

    def start(self, exchange: datetime) -> datetime | None:
        """The anchor, or one cycle after the initial exchange."""
        if self.anchor is None and self.cycle is not None:
            return self.cycle.after(exchange)
        return self.anchor


@dataclass(frozen=True)
class ActusTerms:
    """The attributes that ANN, LAM, NAM and PAM read; amounts and rates as exact fractions, `role` +1 lender, -1 borrower."""

    type: str
    role: int
    status_at: datetime
    exchange_at: datetime
    notional: Fraction
    day_count: str
    rate: Fraction | None
    accrued: Fraction | None
    maturity: datetime | None
    amortized_by: datetime | None
    premium: Fraction
    interest: Rhythm
    capitalized_until: datetime | None
    redemption: Rhythm
    redemption_amount: Fraction | None
    base: str
    base_amount: Fraction | None
    base_reset: Rhythm
    reset: Rhythm
    reset_market: str
    reset_spread: Fraction
    reset_multiplier: Fraction
    next_reset_rate: Fraction | None
    life_cap: Fraction | None
    life_floor: Fraction | None
    period_cap: Fraction | None
    period_floor: Fraction | None
    scaling: Rhythm
    scaling_market: str
    scaling_effect: str
    scaling_index: Fraction
    notional_scaling: Fraction
    interest_scaling: Fraction
    fee: Rhythm
    fee_rate: Fraction
    fee_basis: str
    fee_accrued: Fraction
    purchase_at: datetime | None
    purchase_price: Fraction
    termination_at: datetime | None
    termination_price: Fraction
    end_of_month: bool
    shift: Shift


def read_terms(source: Mapping[str, Any]) -> ActusTerms:
    """ACTUS terms by their dictionary names; values may be strings or numbers. Raises ActusInvalid with every problem."""
    reader = _Reader(source)
    effect = reader.text("scalingEffect") or "OOO"
    terms = ActusTerms(
        type=reader.one_of("contractType", TYPES),
        role=_SIGNS[reader.one_of("contractRole", tuple(_SIGNS))],
        status_at=reader.required_moment("statusDate"),
        exchange_at=reader.required_moment("initialExchangeDate"),
        notional=reader.required_number("notionalPrincipal"),
        day_count=reader.one_of(
            "dayCountConvention", ("A360", "A365", "AA", "AAISDA", "30E360", "30E360ISDA", "28E336")
        ),
        rate=reader.number("nominalInterestRate"),
        accrued=reader.number("accruedInterest"),
        maturity=reader.moment("maturityDate"),
        amortized_by=reader.moment("amortizationDate"),
        premium=reader.number_or("premiumDiscountAtIED", 0),
        interest=reader.rhythm("InterestPayment"),
        capitalized_until=reader.moment("capitalizationEndDate"),
        redemption=reader.rhythm("PrincipalRedemption"),
        redemption_amount=reader.number("nextPrincipalRedemptionPayment"),
        base=reader.text("interestCalculationBase") or "NT",
        base_amount=reader.number("interestCalculationBaseAmount"),
        base_reset=reader.rhythm("InterestCalculationBase"),
        reset=reader.rhythm("RateReset"),
        reset_market=reader.text("marketObjectCodeOfRateReset"),
        reset_spread=reader.number_or("rateSpread", 0),
        reset_multiplier=reader.number_or("rateMultiplier", 1),
        next_reset_rate=reader.number("nextResetRate"),
        life_cap=reader.number("lifeCap"),
        life_floor=reader.number("lifeFloor"),
        period_cap=reader.number("periodCap"),
        period_floor=reader.number("periodFloor"),
        scaling=reader.rhythm("ScalingIndex"),
        scaling_market=reader.text("marketObjectCodeOfScalingIndex"),
        scaling_effect=effect,
        scaling_index=reader.number("scalingIndexAtContractDealDate")
        or reader.number_or("scalingIndexAtStatusDate", 1),
        notional_scaling=reader.number_or("notionalScalingMultiplier", 1),
        interest_scaling=reader.number_or("interestScalingMultiplier", 1),
        fee=reader.rhythm("Fee"),
        fee_rate=reader.number_or("feeRate", 0),
        fee_basis=reader.text("feeBasis") or "A",
        fee_accrued=reader.number_or("feeAccrued", 0),
        purchase_at=reader.moment("purchaseDate"),
        purchase_price=reader.number_or("priceAtPurchaseDate", 0),
        termination_at=reader.moment("terminationDate"),
        termination_price=reader.number_or("priceAtTerminationDate", 0),
        end_of_month=reader.text("endOfMonthConvention") == "EOM",
        shift=reader.shift(),
    )
    if terms.type == "PAM" and terms.maturity is None:
        reader.problem("maturityDate", None, "is missing; a PAM ends on it")
    if terms.type != "PAM" and terms.redemption.cycle is None:
        reader.problem("cycleOfPrincipalRedemption", None, "is missing; the principal is paid back by it")
    if reader.problems:
        raise ActusInvalid(reader.problems)
    return terms


class _Reader:
    def __init__(self, source: Mapping[str, Any]) -> None:
        self.source = source
        self.problems: list[TermsProblem] = []

    def problem(self, name: str, value: object, remedy: str) -> None:
        self.problems.append(TermsProblem(name, value, remedy))

    def text(self, name: str) -> str:
        return str(self.source.get(name) or "").strip()

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.text(name)
        if value not in choices:
            self.problem(name, value, f"must be one of {', '.join(choices)}")
            return choices[0]
        return value

    def number(self, name: str) -> Fraction | None:
        value = self.source.get(name)
        if value is None or str(value).strip() == "":
            return None
        try:
            return Fraction(str(value).strip())
        except (ValueError, ZeroDivisionError):
            self.problem(name, value, "must be a number like 0.08")
            return None

    def number_or(self, name: str, default: int) -> Fraction:
        value = self.number(name)
        return Fraction(default) if value is None else value

    def required_number(self, name: str) -> Fraction:
        value = self.number(name)
        if value is None:
            self.problem(name, self.source.get(name), "must be given, a number like 5000")
        return value or Fraction(0)

    def moment(self, name: str) -> datetime | None:
        value = self.text(name)
        try:
            return datetime.fromisoformat(value).replace(tzinfo=None) if value else None
        except ValueError:
            self.problem(name, value, "must be a time like 2013-01-01T00:00:00")
            return None

    def required_moment(self, name: str) -> datetime:
        value = self.moment(name)
        if value is None:
            self.problem(name, self.source.get(name), "must be given, a time like 2013-01-01T00:00:00")
        return value or _NO_MOMENT

    def rhythm(self, of: str) -> Rhythm:
        name = f"cycleOf{of}"
        text, cycle = self.text(name), None
        try:
            cycle = Cycle.parse(text) if text else None
        except ValueError as error:
            self.problem(name, text, str(error))
        return Rhythm(self.moment(f"cycleAnchorDateOf{of}"), cycle)

    def shift(self) -> Shift:
        convention, calendar = self.text("businessDayConvention"), self.text("calendar")
        try:
            return Shift.parse(convention, calendar)
        except ValueError as error:
            self.problem("businessDayConvention", convention, str(error))
            return Shift.parse("", "")


@dataclass(frozen=True)
class Observed:
    """One market object: times in order, and the value from each on."""

    times: tuple[datetime, ...]
    values: tuple[Fraction, ...]

    def at(self, moment: datetime) -> Fraction:
        """The last value up to `moment`. Raises ActusInvalid before the first."""
        index = bisect_right(self.times, moment)
        if not index:
            raise ActusInvalid([TermsProblem("dataObserved", moment.isoformat(), "has no value this early")])
        return self.values[index - 1]


def read_observed(source: Mapping[str, Any]) -> dict[str, Observed]:
    """Market objects by code: {"data": [{"timestamp", "value"}, ...]} each, as the ACTUS test files have them."""
    found: dict[str, Observed] = {}
    for code, market in source.items():
        points = sorted(
            (datetime.fromisoformat(point["timestamp"]).replace(tzinfo=None), Fraction(str(point["value"])))
            for point in market["data"]
        )
        found[code] = Observed(tuple(at for at, _ in points), tuple(value for _, value in points))
    return found


def read_prepayments(source: Sequence[Mapping[str, Any]]) -> list[tuple[datetime, Fraction]]:
    """Observed events: {"type": "PP", "time", "value"} each (or eventType, eventDate, payoff). Raises ActusInvalid for others."""
    found: list[tuple[datetime, Fraction]] = []
    problems: list[TermsProblem] = []
    for place, event in enumerate(source):
        kind = event.get("type") or event.get("eventType")
        at = event.get("time") or event.get("eventDate") or event.get("timestamp")
        amount = event.get("value", event.get("payoff"))
        try:
            if kind != "PP":
                raise ValueError
            found.append((datetime.fromisoformat(str(at)).replace(tzinfo=None), abs(Fraction(str(amount)))))
        except (ValueError, ZeroDivisionError):
            wanted = "only a prepayment (PP) with its time and value is evaluated"
            problems.append(TermsProblem(f"eventsObserved[{place}]", dict(event), wanted))
    if problems:
        raise ActusInvalid(problems)
    return found
