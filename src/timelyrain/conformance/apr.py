"""Annual rates as published by the European Commission, US Regulation Z, UK CONC, PBOC and others.

A file's flows carry a date, or t (years; unit-periods and part f for the US; "30d" days for daily rates), or both. Where both
stand, our count of the time is compared too.
"""

import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from timelyrain.finance import (
    CashFlow,
    NoRate,
    eu_annual_rate,
    eu_years,
    irr_periodic,
    nominal_rate,
    rate_over_years,
    reg_z_rate,
    simple_annual_rate,
    unit_period,
    xirr,
)

from .outcome import Outcome

Flow = dict[str, Any]


def outcomes(path: Path) -> Iterator[Outcome]:
    """One outcome per vector: {id, convention, cash_flows, expected_apr and tolerance in percent}."""
    for vector in json.loads(path.read_text(encoding="utf-8"))["vectors"]:
        yield Outcome(vector["id"], tuple(_differences(vector)))


def _differences(vector: dict[str, Any]) -> Iterator[str]:
    convention, flows = vector["convention"], vector["cash_flows"]
    rate_of = RATES.get(convention)
    if rate_of is None:
        yield f"no convention {convention!r}; known are {', '.join(RATES)}"
        return
    try:
        if convention == "US_REGZ_ACTUARIAL_NOMINAL":
            yield from _unit_periods(flows)
        found = rate_of(flows) * 100
    except (ArithmeticError, ValueError, KeyError) as error:
        yield f"published {vector['expected_apr']} %, ours: {error or repr(error)}"
        return
    if abs(found - Decimal(str(vector["expected_apr"]))) > Decimal(str(vector["tolerance"])):
        yield f"published {vector['expected_apr']} %, ours {found:.10f} % (tolerance {vector['tolerance']})"


def _unit_periods(flows: list[Flow]) -> Iterator[str]:
    """Whole unit-periods and the part of one that the dates give, where the file says both."""
    if not all("date" in flow and "t" in flow for flow in flows):
        return
    unit = unit_period([_on(flow) for flow in flows])
    for flow in flows:
        whole, part = unit.between(_on(flows[0]), _on(flow))
        if whole != int(flow["t"]) or abs(part - Fraction(flow["f"])) > Fraction(1, 10**8):
            yield f"{flow['date']}: published {flow['t']} unit-periods and {flow['f']}, ours {whole} and {float(part)}"


def _units(amount: str) -> int:
    """An amount in millionths, as some are published with more than two decimals; a rate does not mind the unit."""
    return int(Decimal(amount) * 1_000_000)


def _on(flow: Flow) -> date:
    return date.fromisoformat(flow["date"])


def _dated(flows: list[Flow]) -> list[CashFlow]:
    return [CashFlow(_on(flow), _units(flow["amount"])) for flow in flows]


def _by_years(by_date: Callable[[list[CashFlow]], Decimal]) -> Callable[[list[Flow]], Decimal]:
    """A rate over years: t where it is given, else the dates by the convention's own count."""

    def rate(flows: list[Flow]) -> Decimal:
        if all("t" in flow for flow in flows):
            return rate_over_years([(float(_fraction(f["t"])), _units(f["amount"])) for f in flows])
        return by_date(_dated(flows))

    return rate


def _fraction(text: str | int) -> Fraction:
    """ "28/365", "28/365.25", "0.75" or 1."""
    above, _, below = str(text).partition("/")
    return Fraction(above) / Fraction(below or "1")


def _reg_z(flows: list[Flow]) -> Decimal:
    if not all("t" in flow for flow in flows):
        return reg_z_rate(_dated(flows))
    per_year = float(unit_period([_on(flow) for flow in flows]).per_year)
    return nominal_rate([(int(f["t"]), float(f["f"]), _units(f["amount"])) for f in flows], per_year)


def _months(flows: list[Flow]) -> list[int]:
    """Amounts by month, from t in years or from dates; a month without a flow is zero."""
    amounts: dict[int, int] = {}
    start = min((_on(flow) for flow in flows if "date" in flow), default=date.min)
    for flow in flows:
        years = _fraction(flow["t"]) if "t" in flow else eu_years(start, [_on(flow)])[0]
        month = years * 12
        if month.denominator != 1:
            raise NoRate(f"{flow.get('t', flow.get('date'))} is not a whole number of months")
        amounts[int(month)] = amounts.get(int(month), 0) + _units(flow["amount"])
    return [amounts.get(k, 0) for k in range(max(amounts) + 1)]


def _daily(year_days: int) -> Callable[[list[Flow]], Decimal]:
    """One advance and one payment: the daily rate on the principal, times the days of the year."""

    def rate(flows: list[Flow]) -> Decimal:
        paid, back = flows
        days = (
            int(back["t"].removesuffix("d")) - int(paid["t"].removesuffix("d"))
            if "t" in back
            else (_on(back) - _on(paid)).days
        )
        principal = _units(paid["amount"])
        return simple_annual_rate(principal, -_units(back["amount"]) - principal, days, year_days)

    return rate


def _enterprise(flows: list[Flow]) -> Decimal:
    """Months s and part f of one (贷款明白纸): given, or t in years."""
    timed: list[tuple[int, float, int]] = []
    for flow in flows:
        if "f" in flow:
            whole, part = int(flow.get("s", flow["t"])), Fraction(flow["f"])
        else:
            whole, part = divmod(_fraction(flow["t"]) * 12, 1)
        timed.append((int(whole), float(part), _units(flow["amount"])))
    return nominal_rate(timed, 12)


RATES: dict[str, Callable[[list[Flow]], Decimal]] = {
    "EU_APRC_EFFECTIVE_ANNUAL": _by_years(eu_annual_rate),
    "UK_CONC_EFFECTIVE_ANNUAL": _by_years(eu_annual_rate),
    "LEGACY_YEAR_365_25": _by_years(xirr),
    "XIRR_ACT365_EFFECTIVE": _by_years(xirr),
    "CN_XIRR_ACT365_EFFECTIVE": _by_years(xirr),
    "US_REGZ_ACTUARIAL_NOMINAL": _reg_z,
    "CN_IRR_COMPOUND": lambda flows: (1 + irr_periodic(_months(flows))) ** 12 - 1,
    "CN_IRR_SIMPLE": lambda flows: 12 * irr_periodic(_months(flows)),
    "CN_SIMPLE_DAILY_360": _daily(360),
    "CN_SIMPLE_DAILY_365": _daily(365),
    "CN_ENT_FEE_SIMPLE": _enterprise,
}
