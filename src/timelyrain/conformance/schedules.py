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

from timelyrain.contract import Terms
from timelyrain.finance import (
    Advance,
    Ahead,
    DayBasis,
    Grace,
    Instalment,
    Method,
    MonthEnd,
    Payment,
    Period,
    Rounding,
    Unit,
    lay_out,
    level_part,
    period_interest,
    periods,
    round_ratio,
    serviced_plan,
)

from .following import CannotFollow, compare, compare_rows, follow, make_terms
from .outcome import Outcome, SuiteUnreadable

PLAIN = {"disbursement", "cob"}
EVERYTHING = 10**15  # a payoff names no amount
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
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
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
        except (KeyError, ValueError, ArithmeticError) as error:
            yield Outcome(id, (f"cannot be read: {error or repr(error)}",))


def _followed(case: dict[str, Any], loan: "Loan", table: dict[str, Any]) -> tuple[str, ...]:
    """A table after events: against the plan as payments have made it where the product recalculates, else our fold."""
    advances = _advances(loan, case, {})
    happenings = case["events"][: table["after_events"]]
    until = date.fromisoformat(table["business_date"])
    product = case.get("product") or {}
    if (
        product.get("isInterestRecalculationEnabled") == "true"
        and product.get("disallowInterestCalculationOnPastDue") != "true"
        and {h["type"] for h in happenings} <= PLAIN | {"repayment", "payoff"}
        and len(advances) == 1
        and loan.method is Method.EQUAL_INSTALMENT
        and not loan.down_payment_ppm
    ):
        return _serviced_differences(loan, case, advances[0], happenings, until, table)
    if not loan.sayable and {h["type"] for h in happenings} <= PLAIN | {"repayment", "credit_balance_refund"}:
        return _kept_plan(loan, case, happenings, table)
    try:
        terms = loan.terms(advances)
        return compare(follow(terms, happenings, until, loan.fen), table, loan.fen)
    except CannotFollow as error:
        return (str(error),)


def _kept_plan(
    loan: "Loan", case: dict[str, Any], happenings: Sequence[dict[str, Any]], table: dict[str, Any]
) -> tuple[str, ...]:
    """Payments of a product that our terms have no word for, and that leave its plan as it is."""
    plan = loan.plan(_advances(loan, case, table))
    signs = {"repayment": 1, "credit_balance_refund": -1}
    received = sum(signs.get(h["type"], 0) * loan.fen(h.get("amount", "0")) for h in happenings)
    if case["product"].get("enableAutoRepaymentForDownPayment") == "true":
        received += sum(row.total_fen for row in plan if not row.days)
    rows = [(row.due_on, row.principal_fen, row.interest_fen, 0) for row in plan]
    return compare_rows(rows, table, loan.fen, received)


def _serviced_differences(
    loan: "Loan",
    case: dict[str, Any],
    advance: Advance,
    happenings: Sequence[dict[str, Any]],
    until: date,
    table: dict[str, Any],
) -> tuple[str, ...]:
    product, allocation = case["product"], case.get("future_installment_allocation") or {}
    to_rest = product.get("preClosureInterestCalculationStrategy") == "TILL_REST_FREQUENCY_DATE"
    payments = [
        Payment(date.fromisoformat(h["date"]), loan.fen(h["amount"]) if "amount" in h else EVERYTHING)
        for h in happenings
        if h["type"] in ("repayment", "payoff")
    ]
    plan = serviced_plan(
        advance.amount_fen, loan.rate_ppm, loan.rows, loan.rounding, loan.plan([advance])[0].total_fen, payments, until,
        ahead=Ahead.LAST if allocation.get("DEFAULT") == "LAST_INSTALLMENT" else Ahead.NEXT,
        whole_periods=to_rest and product.get("recalculationRestFrequencyType") == "SAME_AS_REPAYMENT_PERIOD",
        payoff_to_period_end=to_rest,
    )  # fmt: skip
    return compare_rows(
        [(r.due_on, r.principal_fen, r.interest_fen, r.principal_paid_fen + r.interest_paid_fen) for r in plan],
        table, loan.fen,
    )  # fmt: skip


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
    sayable: bool  # by our terms
    dates: dict[str, Any]

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
        return cls(
            digits=digits,
            rate_ppm=rate,
            start=start,
            rows=tuple(row._replace(den=row.den * finer) for row in rows),
            method=kind,
            rounding=Rounding(rounding["mode"].split()[0]),
            down_payment_ppm=_whole(Decimal(down) * 10_000, "down payment in ppm") if has_down else 0,
            multiple_fen=(rounding.get("installment_multiple_of") or 0) * 10**digits or 1,
            sayable=not has_down and finer == 1 and not given.interest,
            dates={
                "every": every, "unit": unit, "month_end": month_end,
                "grace_principal": given.principal, "interest_free": given.interest_free,
            },
            progressive=method["schedule"] == "PROGRESSIVE",
        )  # fmt: skip

    def plan(self, advances: Sequence[Advance]) -> tuple[Instalment, ...]:
        rows = self.rows
        if self.method is Method.FLAT:
            rows = self._equal_totals(sum(advance.amount_fen for advance in advances))
        multiple = self.multiple_fen
        if not level_part(advances[0].amount_fen, self.rate_ppm, rows, self.method, multiple_fen=multiple):
            multiple = 1
        return lay_out(
            advances, self.rate_ppm, rows, self.method, self.rounding,
            down_payment_ppm=self.down_payment_ppm, multiple_fen=multiple, smooth=self.progressive,
            whole_interest=not self.progressive,
        )  # fmt: skip

    def terms(self, advances: Sequence[Advance]) -> Terms:
        return make_terms(
            sum(advance.amount_fen for advance in advances), self.rate_ppm, self.method, len(self.rows),
            self.rows[0].basis, self.rounding, parts=len(advances), multiple_fen=self.multiple_fen, **self.dates,
        )  # fmt: skip

    def _equal_totals(self, principal: int) -> tuple[Period, ...]:
        """The rows of a FLAT loan with fixed principals that make all totals equal, whatever the days."""
        principal -= round_ratio(principal * self.down_payment_ppm, 1_000_000)
        interest = [period_interest(principal * r.whole, self.rate_ppm, r, self.rounding) for r in self.rows]
        total = round_ratio(principal + sum(interest), len(interest) * self.multiple_fen) * self.multiple_fen
        return tuple(
            row._replace(fixed_fen=total - own) for row, own in zip(self.rows, interest, strict=True)
        )

    def fen(self, amount: str) -> int:
        return _whole(Decimal(amount) * 10**self.digits, "an amount in minor units")


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
