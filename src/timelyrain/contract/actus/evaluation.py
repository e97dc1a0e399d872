"""The events of an ACTUS contract and what each pays and leaves, in exact fractions.

Follows the ACTUS technical specification (schedules, payoff and state transition functions of PAM, LAM, NAM, ANN). Where
the published test cases differ from its text, the test cases are followed: a scaling multiplier is the index over the
index at the deal date; interest on a termination or a purchase has the sign of the notional, the whole that of the role;
an annuity whose payment is not given is fixed one day before its first redemption and after each rate reset.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from math import ceil

from timelyrain.finance import TermsProblem

from .dates import schedule, year_fraction
from .terms import ActusInvalid, ActusTerms, Observed, Rhythm

_ORDER = ("IED", "FP", "PR", "PP", "IP", "IPCI", "RRF", "RR", "PRF", "PRD", "TD", "SC", "IPCB", "MD")
_ZERO = Fraction(0)


@dataclass(frozen=True)
class ActusEvent:
    """One event: when, what, the payoff to the creator of the contract, and the state after it."""

    at: datetime
    type: str
    payoff: Fraction
    notional: Fraction
    rate: Fraction
    accrued: Fraction


@dataclass
class _State:
    at: datetime
    notional: Fraction = _ZERO
    rate: Fraction = _ZERO
    accrued: Fraction = _ZERO
    fee: Fraction = _ZERO
    base: Fraction = _ZERO
    payment: Fraction = _ZERO
    notional_scale: Fraction = Fraction(1)
    interest_scale: Fraction = Fraction(1)


def evaluate(
    terms: ActusTerms,
    observed: Mapping[str, Observed] | None = None,
    until: datetime | None = None,
    prepayments: Sequence[tuple[datetime, Fraction]] = (),
) -> list[ActusEvent]:
    """All events after the status date (from the purchase on, to the termination), up to `until`, in order.

    prepayments: principal that the debtor was observed to pay ahead (PP). Raises ActusInvalid where market data or terms
    are missing.
    """
    return list(_Contract(terms, observed or {}, prepayments).run(until))


class _Contract:
    def __init__(
        self,
        terms: ActusTerms,
        observed: Mapping[str, Observed],
        prepayments: Sequence[tuple[datetime, Fraction]],
    ) -> None:
        self.terms = terms
        self.prepaid: dict[datetime, Fraction] = {}
        for at, amount in prepayments:
            self.prepaid[at] = self.prepaid.get(at, _ZERO) + amount
        self.observed = observed
        self.amortizes = terms.type != "PAM"
        self.level = terms.type in ("NAM", "ANN")
        self.begun = terms.exchange_at <= terms.status_at
        self.redemption_start = terms.redemption.start(terms.exchange_at)
        self.maturity = self._maturity()
        self.redemptions = self._times(terms.redemption, with_end=False) if self.amortizes else []
        self.fees = self._times(terms.fee) if terms.fee_rate else []
        self.interests = self._interests()

    # -- when ------------------------------------------------------------------------------------------------------

    def _times(self, rhythm: Rhythm, end: datetime | None = None, *, with_end: bool = True) -> list[datetime]:
        terms = self.terms
        start = rhythm.start(terms.exchange_at)
        return schedule(
            start, rhythm.cycle, end or self.maturity, end_of_month=terms.end_of_month, with_end=with_end
        )

    def _maturity(self) -> datetime:
        """As given, or when the redemptions have paid the notional back."""
        terms = self.terms
        given = terms.maturity or (terms.amortized_by if terms.type == "ANN" else None)
        if given is not None:
            return given
        start, cycle, payment = self.redemption_start, terms.redemption.cycle, terms.redemption_amount
        if start is None or cycle is None or not payment:
            raise ActusInvalid(
                [
                    TermsProblem(
                        "maturityDate", None, "is missing, and no redemption says when the notional is paid"
                    )
                ]
            )
        last = start
        if start < terms.status_at:
            while (following := cycle.after(last)) < terms.status_at:
                last = following
            before = last
        else:
            before = cycle.after(start, -1)
        if self.level and terms.rate is not None:
            following = cycle.after(before)
            payment -= terms.notional * self._part(before, following) * terms.rate
        if payment <= 0:
            raise ActusInvalid(
                [TermsProblem("nextPrincipalRedemptionPayment", str(payment), "never pays the notional back")]
            )
        steps = ceil(terms.notional / payment)
        origin = start if start >= terms.status_at else before
        month_end = terms.end_of_month and cycle.after(origin, 0, month_end=True) == origin
        return cycle.after(origin, steps - 1 if start >= terms.status_at else steps, month_end=month_end)

    def _interests(self) -> list[datetime]:
        terms = self.terms
        if terms.rate is None:
            return []
        if not self.level:
            return self._times(terms.interest)
        start, cycle = self.redemption_start, terms.redemption.cycle
        assert start is not None and cycle is not None
        before = cycle.after(start, -1)
        early = self._times(terms.interest, before) if terms.interest.cycle else []
        return sorted({*early, *self._times(terms.redemption)})

    def events(self) -> Iterator[tuple[datetime, str]]:
        terms = self.terms
        yield terms.exchange_at, "IED"
        yield self.maturity, "MD"
        yield from ((at, "PR") for at in self.redemptions)
        yield from ((at, "PP") for at in self.prepaid if terms.exchange_at < at < self.maturity)
        yield from ((at, "FP") for at in self.fees)
        capitalized = terms.capitalized_until
        for at in self.interests:
            yield at, "IPCI" if capitalized is not None and at <= capitalized else "IP"
        if capitalized is not None and terms.rate is not None and capitalized not in self.interests:
            yield capitalized, "IPCI"
        resets = self._times(terms.reset, with_end=False)
        fixed = next((at for at in resets if at > terms.status_at), None)
        for at in resets:
            yield at, "RRF" if at == fixed and terms.next_reset_rate is not None else "RR"
        if terms.type == "ANN":
            yield from ((at, "PRF") for at in resets)
            if terms.redemption_amount is None and self.redemption_start is not None:
                yield self.redemption_start - timedelta(days=1), "PRF"
        if self.amortizes and terms.base == "NTL":
            yield from ((at, "IPCB") for at in self._times(terms.base_reset, with_end=False))
        if set(terms.scaling_effect) & set("IN"):
            yield from ((at, "SC") for at in self._times(terms.scaling, with_end=False))
        if terms.purchase_at is not None:
            yield terms.purchase_at, "PRD"
        if terms.termination_at is not None:
            yield terms.termination_at, "TD"

    # -- what ------------------------------------------------------------------------------------------------------

    def run(self, until: datetime | None) -> Iterator[ActusEvent]:
        terms = self.terms
        planned = sorted(
            {
                (at, _ORDER.index(kind), kind)
                for at, kind in self.events()
                if (at > terms.status_at if self.begun else at >= terms.exchange_at)
            }
        )
        state = self._initial()
        purchase = (terms.purchase_at, _ORDER.index("PRD")) if terms.purchase_at else None
        for at, place, kind in planned:
            moved = (
                terms.shift.moved(at)
                if kind not in ("IED", "PP", "MD", "PRD", "TD") and at != self.maturity
                else at
            )
            if until is not None and moved > until:
                return
            payoff = self._apply(kind, state, at if terms.shift.calculate_first else moved)
            if purchase is None or (at, place) >= purchase:
                yield ActusEvent(moved, kind, payoff, state.notional, state.rate, state.accrued)
            if kind in ("TD", "MD"):
                return

    def _initial(self) -> _State:
        terms = self.terms
        state = _State(at=terms.status_at)
        effect = terms.scaling_effect
        state.notional_scale = terms.notional_scaling if "N" in effect else Fraction(1)
        state.interest_scale = terms.interest_scaling if "I" in effect else Fraction(1)
        if self.begun:
            self._exchange(state)
            state.fee = terms.fee_accrued
            if terms.accrued is None:
                last = max((at for at in self.interests if at < terms.status_at), default=None)
                state.accrued = state.rate * state.base * self._part(last, terms.status_at) if last else _ZERO
            state.payment = terms.role * self._payment(state)
        return state

    def _exchange(self, state: _State) -> None:
        """The notional is out."""
        terms = self.terms
        state.notional = terms.role * terms.notional
        state.rate = terms.rate or _ZERO
        fixed_base = terms.base != "NT" and terms.base_amount is not None
        state.base = terms.role * terms.base_amount if fixed_base and terms.base_amount else state.notional
        anchor = terms.interest.anchor
        if terms.accrued is not None:
            state.accrued = terms.role * terms.accrued
        elif anchor is not None and anchor < state.at:
            state.accrued = self._part(anchor, state.at) * state.base * state.rate
        state.payment = terms.role * self._payment(state)

    def _payment(self, state: _State) -> Fraction:
        """What a redemption pays: as given, or equal principal (LAM), or the annuity (ANN)."""
        terms = self.terms
        if terms.redemption_amount is not None or not self.amortizes:
            return terms.redemption_amount or _ZERO
        if terms.type == "ANN":
            return terms.role * self._annuity(state)
        to_come = [at for at in self.redemptions if at > terms.status_at]
        return terms.notional / (len(to_come) + 1)

    def _annuity(self, state: _State) -> Fraction:
        """The equal payment that brings the balance to zero with the last, at the rate of now."""
        terms = self.terms
        end = max(self.maturity, terms.amortized_by or self.maturity)
        times = [
            at
            for at in self._times(terms.redemption, end)
            if at > state.at or at == terms.exchange_at == state.at
        ]
        if not times:
            return state.notional + state.accrued
        first = times[0]
        owed = state.notional + state.accrued + state.base * state.rate * self._part(state.at, first)
        growth = annuity = Fraction(1)
        for start, at in pairwise(times):
            factor = 1 + state.rate * self._part(start, at)
            growth *= factor
            annuity = annuity * factor + 1
        return owed * growth / annuity

    def _part(self, start: datetime, end: datetime) -> Fraction:
        return year_fraction(self.terms.day_count, start, end, self.terms.maturity)

    def _apply(self, kind: str, state: _State, at: datetime) -> Fraction:
        terms, role = self.terms, self.terms.role
        part = self._part(state.at, at) if at > state.at else _ZERO
        if terms.fee_basis == "N":
            state.fee += terms.fee_rate * abs(state.notional) * part
        state.accrued += state.rate * state.base * part
        state.at = max(state.at, at)
        payoff = _ZERO
        match kind:
            case "IED":
                self._exchange(state)
                payoff = -role * (terms.notional + terms.premium)
            case "PR":
                wanted = role * (state.payment - (state.accrued if self.level else 0))
                paid = role * min(wanted, abs(state.notional))
                payoff = state.notional_scale * paid
                self._set_notional(state, state.notional - paid)
            case "PP":
                paid = role * min(self.prepaid[at], abs(state.notional))
                payoff = state.notional_scale * paid
                self._set_notional(state, state.notional - paid)
            case "IP":
                payoff = state.interest_scale * state.accrued
                state.accrued = _ZERO
            case "IPCI":
                interest, state.accrued = state.accrued, _ZERO
                self._set_notional(state, state.notional + interest)
            case "FP":
                payoff = role * (state.fee if terms.fee_basis == "N" else terms.fee_rate)
                state.fee = _ZERO
            case "RRF":
                state.rate = terms.next_reset_rate or _ZERO
            case "RR":
                state.rate = self._reset(state.rate, at)
            case "PRF":
                state.payment = self._annuity(state)
            case "IPCB":
                state.base = state.notional
            case "SC":
                scale = self._market(terms.scaling_market, at) / terms.scaling_index
                if "N" in terms.scaling_effect:
                    state.notional_scale = scale
                if "I" in terms.scaling_effect:
                    state.interest_scale = scale
            case "PRD":
                payoff = -role * (terms.purchase_price + state.accrued)
            case "TD":
                payoff = role * (terms.termination_price + state.accrued)
                state.notional = state.accrued = state.fee = state.base = _ZERO
            case _:
                payoff = state.notional_scale * state.notional + state.interest_scale * state.accrued
                state.notional = state.accrued = state.base = _ZERO
        return payoff

    def _set_notional(self, state: _State, notional: Fraction) -> None:
        state.notional = notional
        if self.terms.base == "NT" or not self.amortizes:
            state.base = notional

    def _reset(self, rate: Fraction, at: datetime) -> Fraction:
        terms = self.terms
        step = self._market(terms.reset_market, at) * terms.reset_multiplier + terms.reset_spread - rate
        step = _within(step, terms.period_floor, terms.period_cap)
        return _within(rate + step, terms.life_floor, terms.life_cap)

    def _market(self, code: str, at: datetime) -> Fraction:
        if code not in self.observed:
            raise ActusInvalid([TermsProblem("dataObserved", code, "is not among the data given")])
        return self.observed[code].at(at)


def _within(value: Fraction, low: Fraction | None, high: Fraction | None) -> Fraction:
    if low is not None and value < low:
        value = low
    return high if high is not None and value > high else value
