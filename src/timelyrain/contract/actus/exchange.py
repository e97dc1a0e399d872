"""Our signed terms as ACTUS terms, and ACTUS terms of a retail loan as ours."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from timelyrain.finance import DayBasis, Method, TermsProblem, add_months, due_dates, yuan

from ..charges import disclosed_charges
from ..terms import PPM, Terms, plan
from .dates import schedule
from .terms import ActusInvalid, ActusTerms, read_terms

_TYPES = {
    Method.EQUAL_INSTALMENT: "ANN",
    Method.EQUAL_PRINCIPAL: "LAM",
    Method.FLAT: "LAM",
    Method.INTEREST_ONLY: "PAM",
    Method.BULLET: "PAM",
}
_DAY_COUNTS = {
    DayBasis.ACT_360: "A360",
    DayBasis.ACT_365: "A365",
    DayBasis.ACT_ACT_ISDA: "AA",
    DayBasis.THIRTY_E_360: "30E360",
    DayBasis.PER_INSTALMENT: "30E360",  # the same from one day of the month to that day of the next, up to the 28th
}


def to_actus(terms: Terms, start: date) -> dict[str, str]:
    """The ACTUS terms of a loan paid out on `start`: dictionary names, all values text. ACTUS does not round, we do.

    Raises ActusInvalid for what ACTUS cannot say (a day count it lacks, an irregular first month under PER_INSTALMENT,
    a due day that some months lack).
    """
    rows = plan(terms, start)
    dates = due_dates(start, terms.instalments, terms.due_day)
    first, last = dates[0], rows[-1].due_on
    if problems := _unsayable(terms, start, first):
        raise ActusInvalid(problems)
    principal = yuan(terms.principal_fen).replace(",", "")
    values = {
        "contractType": _TYPES[terms.method],
        "contractID": terms.sha256()[:16],
        "contractRole": "RPA",
        "creatorID": terms.lender,
        "currency": terms.currency,
        "contractDealDate": _at(start),
        "statusDate": _at(start - timedelta(days=1)),
        "initialExchangeDate": _at(start),
        "maturityDate": _at(last),
        "notionalPrincipal": principal,
        "nominalInterestRate": f"{terms.annual_rate_ppm / Decimal(PPM):f}",
        "dayCountConvention": _DAY_COUNTS[terms.day_basis],
        "endOfMonthConvention": "SD",
        "cycleAnchorDateOfInterestPayment": _at(first),
        "cycleOfInterestPayment": "P1ML1",
    }
    if terms.method is Method.BULLET:
        values["cycleAnchorDateOfInterestPayment"] = _at(last)
        del values["cycleOfInterestPayment"]
    if _TYPES[terms.method] != "PAM":
        values["cycleAnchorDateOfPrincipalRedemption"] = _at(first)
        values["cycleOfPrincipalRedemption"] = "P1ML1"
    if terms.method is Method.FLAT:
        values |= {"interestCalculationBase": "NTIED", "interestCalculationBaseAmount": principal}
    return values


def _at(on: date) -> str:
    return f"{on.isoformat()}T00:00:00"


def _unsayable(terms: Terms, start: date, first: date) -> list[TermsProblem]:
    problems: list[TermsProblem] = []
    if terms.day_basis not in _DAY_COUNTS:
        problems.append(TermsProblem("day_basis", str(terms.day_basis), "has no ACTUS day count"))
    if (terms.due_day or start.day) > 28:
        problems.append(
            TermsProblem("due_day", terms.due_day or start.day, "must be at most 28 to recur every month")
        )
    elif terms.day_basis is DayBasis.PER_INSTALMENT and add_months(start, 1) != first:
        problems.append(
            TermsProblem("due_day", terms.due_day, "an irregular first month has no ACTUS day count here")
        )
    for name in UNSAID:
        default = Terms.__dataclass_fields__[name].default
        if getattr(terms, name) != default:
            problems.append(
                TermsProblem(name, str(getattr(terms, name)), f"must be {default} to be told in ACTUS terms")
            )
    if terms.parts > 1:
        problems.append(TermsProblem("parts", terms.parts, "ACTUS exchanges the notional once"))
    return problems


UNSAID = (
    "every", "unit", "first_due", "grace_principal", "grace_interest", "interest_free", "multiple_fen",
    "down_payment_ppm", "custom_fen", "calendar", "smooth", "whole_interest", "equal_totals", "ahead", "overdue",
)  # fmt: skip
"""Words of our terms that ACTUS terms have not."""


def from_actus(source: Mapping[str, Any], **ours: Any) -> tuple[Terms, date]:
    """Our terms, and the day the money goes out, for an ACTUS retail loan of equal monthly steps.

    ours: what ACTUS terms do not carry: lender, licence, policy_pack, product, cap_ppm, and any other field of Terms
    (charges are derived). Raises ActusInvalid for a contract that is no such loan, TermsInvalid for terms that break ours.
    """
    contract = read_terms(source)
    start = contract.exchange_at.date()
    interest, redemption = contract.interest, contract.redemption
    rhythm = redemption if contract.type != "PAM" else interest
    first = rhythm.start(contract.exchange_at) or contract.maturity
    problems = _not_retail(contract)
    if problems or first is None or (contract.maturity is None and contract.amortized_by is None):
        raise ActusInvalid(
            problems or [TermsProblem("maturityDate", None, "is missing; say when the loan ends")]
        )
    end = contract.maturity or contract.amortized_by
    assert end is not None
    method = _method(contract)
    if method is Method.BULLET:
        dates = [end]
        due_day = None if end.day == start.day else end.day
        count = _months_to(start, end.date(), due_day)
    else:
        dates = schedule(first, rhythm.cycle, end, end_of_month=contract.end_of_month)
        due_day = None if first.day == start.day else first.day
        count = len(dates)
    whole = due_dates(start, count, due_day)[-len(dates) :] == tuple(on.date() for on in dates)
    if not whole:
        raise ActusInvalid(
            [
                TermsProblem(
                    "maturityDate",
                    end.isoformat(),
                    "must be a whole number of months after the first due date",
                )
            ]
        )
    basis = {name: basis for basis, name in _DAY_COUNTS.items() if basis is not DayBasis.PER_INSTALMENT}
    rate = (contract.rate or Fraction(0)) * PPM
    numbers: dict[str, Any] = {
        "annual_rate_ppm": int(rate),
        "method": method,
        "day_basis": basis[contract.day_count],
        **{name: ours[name] for name in ("cap_ppm", *_CHARGED) if name in ours},
    }
    rest = {name: value for name, value in ours.items() if name not in numbers}
    charges = disclosed_charges(str(ours.get("lender", "")), **numbers)
    terms = Terms(
        principal_fen=int(contract.notional * 100),
        instalments=count,
        due_day=due_day,
        charges=charges,
        currency=str(source.get("currency", "CNY")),
        **numbers,
        **rest,
    )
    return terms, start


_CHARGED = ("penalty_ppm", "grace_days", "prepayment_fee_ppm", "late_fee_fen", "service_fee_fen")


def _months_to(start: date, end: date, due_day: int | None) -> int:
    """How many monthly due dates there are up to `end`, at least one."""
    months = 12 * (end.year - start.year) + end.month - start.month + 2
    return max(1, sum(on <= end for on in due_dates(start, max(1, months), due_day)))


def _method(contract: ActusTerms) -> Method:
    if contract.type == "ANN":
        return Method.EQUAL_INSTALMENT
    if contract.type == "LAM":
        return Method.EQUAL_PRINCIPAL if contract.base == "NT" else Method.FLAT
    return Method.INTEREST_ONLY if contract.interest.cycle is not None else Method.BULLET


def _not_retail(contract: ActusTerms) -> list[TermsProblem]:
    """What our terms have no words for."""
    problems: list[TermsProblem] = []

    def refuse(wrong: bool, name: str, remedy: str) -> None:
        if wrong:
            problems.append(TermsProblem(name, "", remedy))

    rate = (contract.rate or Fraction(0)) * PPM
    rhythm = contract.interest if contract.type == "PAM" else contract.redemption
    refuse(
        contract.type == "NAM", "contractType", "a debt that may grow is not lent here; ANN, LAM and PAM are"
    )
    refuse(contract.role != 1, "contractRole", "must be RPA: the lender's side")
    refuse(contract.notional * 100 != int(contract.notional * 100), "notionalPrincipal", "must be whole fen")
    refuse(rate != int(rate) or rate < 0, "nominalInterestRate", "must be whole ppm, not negative")
    refuse(
        contract.day_count not in _DAY_COUNTS.values(), "dayCountConvention", "is not among our day counts"
    )
    refuse(bool(contract.premium), "premiumDiscountAtIED", "must be zero: the whole principal is paid out")
    refuse(
        bool(contract.reset.cycle or contract.reset.anchor),
        "cycleOfRateReset",
        "the signed rate is fixed; a change is an event",
    )
    refuse(
        bool(contract.scaling.cycle or contract.scaling.anchor),
        "cycleOfScalingIndex",
        "amounts are not indexed",
    )
    refuse(bool(contract.fee_rate), "feeRate", "fees are disclosed charges of our own terms")
    refuse(
        contract.capitalized_until is not None, "capitalizationEndDate", "interest is not added to principal"
    )
    refuse(
        bool(contract.purchase_at or contract.termination_at), "purchaseDate", "a sale is an event, no term"
    )
    refuse(
        contract.redemption_amount is not None,
        "nextPrincipalRedemptionPayment",
        "leave it out: it is computed",
    )
    refuse(
        contract.type != "PAM" and contract.interest != contract.redemption,
        "cycleOfInterestPayment",
        "interest and principal must fall due together",
    )
    cycle = rhythm.cycle
    refuse(cycle is not None and (cycle.months, cycle.days) != (1, 0), "cycle", "must be one month")
    return problems
