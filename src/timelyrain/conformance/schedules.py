"""Repayment schedules published by Apache Fineract, instalment by instalment.

The first table of a case is our plan of its disbursements. Fineract's conventions are said in our terms here and nowhere
else: "30/360" months are PER_INSTALMENT, its year of actual length changes on 31 December, its FLAT loans have equal totals,
and a multiple that would round an instalment to nothing does not count.
"""

import json
from calendar import isleap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from timelyrain.contract import Ahead, Overdue, Terms
from timelyrain.finance import (
    Advance,
    DayBasis,
    Grace,
    Instalment,
    Method,
    MonthEnd,
    Period,
    Rounding,
    Unit,
    lay_out,
    level_part,
    periods,
)

from .following import CannotFollow, compare, compare_rows, follow, make_terms
from .outcome import Outcome, SuiteUnreadable

UNREADABLE = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError)
"""What a case that is not in the format leads to; it fails alone, with this as its line."""
PLAIN = {"disbursement", "cob"}
_BASES = {"360": DayBasis.ACT_360, "364": DayBasis.ACT_364, "365": DayBasis.ACT_365}


def outcomes(path: Path) -> Iterator[Outcome]:
    """One outcome per table: the case's id for the first, `id@k` for the one after k events."""
    for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
        yield from _of_case(case)


def _of_case(case: dict[str, Any]) -> Iterator[Outcome]:
    """A case that cannot be read fails alone."""
    try:
        loan = Loan.read(case)
        happenings = case["events"]
        tables = case.get("checkpoints") or [{"after_events": len(happenings), **case}]
    except UNREADABLE as error:
        yield Outcome(case["id"], (f"cannot be read: {error or repr(error)}",))
        return
    for k, table in enumerate(tables):
        events = happenings[: table["after_events"]]
        first = not k and all(event["type"] in PLAIN for event in events)
        id = case["id"] if first else f"{case['id']}@{table['after_events']}"
        try:
            if first:
                yield Outcome(id, differences(loan.plan(_advances(loan, case, table)), table, loan))
            else:
                yield Outcome(id, _followed(case, loan, table))
        except UNREADABLE as error:
            yield Outcome(id, (f"cannot be read: {error or repr(error)}",))


def _followed(case: dict[str, Any], loan: "Loan", table: dict[str, Any]) -> tuple[str, ...]:
    """A table after events: against the fold of the case's terms and events."""
    happenings = case["events"][: table["after_events"]]
    if not any(happening["type"] == "disbursement" for happening in happenings):
        happenings = [
            {"type": "disbursement", "date": a.on.isoformat(), "amount": case["principal"]}
            for a in _advances(loan, {**case, "events": []}, {})
        ] + happenings
    try:
        terms = loan.terms(case)
    except CannotFollow as error:
        kept = _kept_plan(loan, case, happenings, table)
        return (str(error),) if kept is None else kept
    try:
        until, product = date.fromisoformat(table["business_date"]), case.get("product") or {}
        auto = product.get("enableAutoRepaymentForDownPayment") == "true"
        found = compare(follow(terms, happenings, until, loan.fen, pays_down=auto), table, loan.fen)
        return (*found, *_unsaid(case, product)) if found else ()
    except CannotFollow as error:
        return (str(error),)


def _kept_plan(
    loan: "Loan", case: dict[str, Any], happenings: Sequence[dict[str, Any]], table: dict[str, Any]
) -> tuple[str, ...] | None:
    """Payments of a product that our terms have no word for, where they leave its plan as it is; None where they do not."""
    signs = {"repayment": 1, "credit_balance_refund": -1}
    product = case.get("product") or {}
    if (
        product.get("isInterestRecalculationEnabled") == "true"
        or {h["type"] for h in happenings} - PLAIN - signs.keys()
    ):
        return None
    plan = loan.plan(_advances(loan, case, table))
    received = sum(signs.get(h["type"], 0) * loan.fen(h.get("amount", "0")) for h in happenings)
    if product.get("enableAutoRepaymentForDownPayment") == "true":
        received += sum(row.total_fen for row in plan if not row.days)
    rows = [(row.due_on, row.principal_fen, row.interest_fen, 0) for row in plan]
    return compare_rows(rows, table, loan.fen, received)


@dataclass(frozen=True, slots=True)
class Loan:
    """A case's product in the words of our engine."""

    digits: int
    rate_ppm: int
    start: date
    rows: tuple[Period, ...]
    method: Method
    rounding: Rounding
    down_payment_ppm: int
    multiple_fen: int
    progressive: bool
    custom_year: bool  # no day basis of ours
    words: dict[str, Any]  # of our terms, beyond these

    @classmethod
    def read(cls, case: dict[str, Any]) -> "Loan":
        """Raises SuiteUnreadable for conventions that have no name here."""
        product, method, rounding = case.get("product") or {}, case["method"], case["rounding"]
        start = date.fromisoformat(case["disbursement_date"])
        unit, every = Unit(case["period"]["unit"]), case["period"]["every"]
        grace = case.get("grace") or {}
        kind = {
            ("FLAT", "EQUAL_INSTALLMENTS"): Method.FLAT,
            ("DECLINING_BALANCE", "EQUAL_INSTALLMENTS"): Method.EQUAL_INSTALMENT,
            ("DECLINING_BALANCE", "EQUAL_PRINCIPAL"): Method.EQUAL_PRINCIPAL,
        }[method["interest_type"], method["amortization"]]
        rolls = product.get("monthEndDueDateStrategy") == "FIRST_DAY_OF_NEXT_MONTH"
        down = product.get("disbursedAmountPercentageForDownPayment")
        has_down = product.get("enableDownPayment") == "true" and down not in (None, "null")
        digits = case["currency_digits"]
        rate, finer = (Decimal(case["annual_rate"]) * 10_000).as_integer_ratio()  # of a rate finer than ppm
        given = Grace(
            grace.get("principal", 0), grace.get("interest", 0), grace.get("interest_free_periods", 0)
        )
        month_end = MonthEnd.ROLL if rolls else MonthEnd.CLAMP
        rows = _rows(case, start, kind, unit, every, given, month_end)
        plain = periods(
            start, len(rows), kind, rows[0].basis, grace=given, every=every, unit=unit, month_end=month_end
        )
        smooth = method["schedule"] == "PROGRESSIVE"
        return cls(
            digits=digits,
            rate_ppm=rate,
            start=start,
            rows=tuple(row._replace(den=row.den * finer) for row in rows),
            method=kind,
            rounding=Rounding(rounding["mode"].split()[0]),
            down_payment_ppm=_whole(Decimal(down) * 10_000, "down payment in ppm") if has_down else 0,
            multiple_fen=(rounding.get("installment_multiple_of") or 0) * 10**digits or 1,
            custom_year=finer != 1 or any(row.den != own.den for row, own in zip(rows, plain, strict=True)),
            words={
                "every": every, "unit": unit, "month_end": month_end, **_words(case, product),
                "grace_principal": given.principal, "grace_interest": given.interest,
                "interest_free": given.interest_free, "smooth": smooth and kind is Method.EQUAL_INSTALMENT,
            },
            progressive=smooth,
        )  # fmt: skip

    def plan(self, advances: Sequence[Advance]) -> tuple[Instalment, ...]:
        return lay_out(
            advances, self.rate_ppm, self.rows, self.method, self.rounding,
            down_payment_ppm=self.down_payment_ppm, multiple_fen=self._multiple(advances[0].amount_fen),
            smooth=self.progressive, whole_interest=not self.progressive, equal_totals=True,
        )  # fmt: skip

    def terms(self, case: dict[str, Any]) -> Terms:
        """Raises CannotFollow."""
        if self.custom_year:
            raise CannotFollow(
                f"terms have no day basis for {case['day_count']} or no rate as fine as {case['annual_rate']} %"
            )
        advances, flat = _advances(self, case, {}), self.method is Method.FLAT
        return make_terms(
            sum(advance.amount_fen for advance in advances), self.rate_ppm, self.method, len(self.rows),
            self.rows[0].basis, self.rounding, parts=len(advances), down_payment_ppm=self.down_payment_ppm,
            multiple_fen=self._multiple(advances[0].amount_fen), equal_totals=flat,
            whole_interest=flat and not self.progressive and len(advances) == 1, **self.words,
        )  # fmt: skip

    def _multiple(self, principal: int) -> int:
        """The multiple of instalments; one that would round them to nothing does not count."""
        multiple = self.multiple_fen
        if level_part(principal, self.rate_ppm, self.rows, self.method, multiple_fen=multiple):
            return multiple
        return 1

    def fen(self, amount: str) -> int:
        return _whole(Decimal(amount) * 10**self.digits, "an amount in minor units")


def _words(case: dict[str, Any], product: dict[str, Any]) -> dict[str, Any]:
    """How a product that recalculates interest does it, in the words of our terms."""
    if product.get("isInterestRecalculationEnabled") != "true" or case["method"]["interest_type"] == "FLAT":
        return {}
    to_rest = product.get("preClosureInterestCalculationStrategy") == "TILL_REST_FREQUENCY_DATE"
    by_period = product.get("recalculationRestFrequencyType") == "SAME_AS_REPAYMENT_PERIOD"
    overdue = Overdue.TO_PERIOD_END if to_rest and by_period else Overdue.INTEREST
    if product.get("disallowInterestCalculationOnPastDue") == "true":
        overdue = Overdue.PENALTY
    last = (case.get("future_installment_allocation") or {}).get("DEFAULT") == "LAST_INSTALLMENT"
    return {"ahead": Ahead.LAST if last else Ahead.NEXT, "overdue": overdue, "to_period_end": to_rest}


def _unsaid(case: dict[str, Any], product: dict[str, Any]) -> list[str]:
    """Words of a product that are followed by others, told where a table differs."""
    allocation = (case.get("future_installment_allocation") or {}).get("DEFAULT", "NEXT_INSTALLMENT")
    words = (
        ("future_installment_allocation", allocation, ("NEXT_INSTALLMENT", "LAST_INSTALLMENT")),
        ("interestRecalculationCompoundingMethod", product.get("interestRecalculationCompoundingMethod", "NONE"), ("NONE",)),
        ("recalculationRestFrequencyType", product.get("recalculationRestFrequencyType", "DAILY"),
         ("DAILY", "SAME_AS_REPAYMENT_PERIOD")),
        ("rescheduleStrategyMethod", product.get("rescheduleStrategyMethod", "ADJUST_LAST_UNPAID_PERIOD"),
         ("ADJUST_LAST_UNPAID_PERIOD",)),
    )  # fmt: skip
    return [f"our terms have no word for {name} {word}" for name, word, known in words if word not in known]


def _rows(
    case: dict[str, Any],
    start: date,
    method: Method,
    unit: Unit,
    every: int,
    grace: Grace,
    month_end: MonthEnd,
) -> tuple[Period, ...]:
    """The periods of a case. Raises SuiteUnreadable for a day count that has no name here."""
    month, year = case["day_count"]["days_in_month"], case["day_count"]["days_in_year"]
    custom = case["day_count"].get("custom") or "FULL_LEAP_YEAR"
    whole = case["interest_calculation_period"] == "SAME_AS_REPAYMENT_PERIOD"
    months_of_30 = month == "30" and unit is Unit.MONTHS and not whole
    if whole or months_of_30:
        basis = DayBasis.PER_INSTALMENT
    elif year == "ACTUAL":
        basis = DayBasis.ACT_ACT_DEC31 if custom == "FULL_LEAP_YEAR" else DayBasis.ACT_365
    elif year in _BASES:
        basis = _BASES[year]
    else:
        raise SuiteUnreadable(f"no day basis for {case['day_count']}")
    rows = periods(
        start, case["n_installments"], method, basis, grace=grace, every=every, unit=unit, month_end=month_end
    )
    if months_of_30 and year != "360":  # a month is 30 days of another year
        rows = tuple(row._replace(num=row.num * 360, den=row.den * _year(year, row)) for row in rows)
    if custom == "FEB_29_PERIOD_ONLY" and year == "ACTUAL" and not whole and not months_of_30:
        rows = tuple(row._replace(den=366 if _has_leap_day(row) else 365) for row in rows)
    return rows


def _year(year: str, row: Period) -> int:
    return (366 if isleap(row.start.year) else 365) if year == "ACTUAL" else int(year)


def _has_leap_day(row: Period) -> bool:
    return any(
        isleap(year) and row.start < date(year, 2, 29) <= row.due_on
        for year in range(row.start.year, row.due_on.year + 1)
    )


def _whole(value: Decimal, what: str) -> int:
    if value != int(value):
        raise SuiteUnreadable(f"{what} must be a whole number, not {value.normalize():f}")
    return int(value)


def _advances(loan: Loan, case: dict[str, Any], table: dict[str, Any]) -> list[Advance]:
    """What was paid out by the time of the table; the whole principal at once where nothing says otherwise."""
    paid = table.get("disbursements") or [e for e in case["events"] if e["type"] == "disbursement"]
    return [Advance(date.fromisoformat(p["date"]), loan.fen(p["amount"])) for p in paid] or [
        Advance(loan.start, loan.fen(case["principal"]))
    ]


def differences(plan: Sequence[Instalment], table: dict[str, Any], loan: Loan) -> tuple[str, ...]:
    """Where our plan departs from the published rows: due date, days, principal, interest, balance of each."""
    expected = table["expected_schedule"]
    if len(plan) != len(expected):
        return (f"{len(expected)} instalments published, ours {len(plan)}",)
    found: list[str] = []
    for row, published in zip(plan, expected, strict=True):
        ours = {
            "due_date": row.due_on.isoformat(),
            "days": row.days,
            "principal": row.principal_fen,
            "interest": row.interest_fen,
            "balance": row.balance_fen,
        }
        for name, value in ours.items():
            wanted = (
                loan.fen(published[name]) if name in ("principal", "interest", "balance") else published[name]
            )
            if value != wanted:
                found.append(f"instalment {row.n} {name}: published {wanted}, ours {value}")
    return tuple(found)
