"""The signed terms of one loan: an immutable value with one byte form, which is what the parties sign."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any

from timelyrain.finance import (
    DayBasis,
    DueDates,
    Grace,
    Instalment,
    Method,
    MonthEnd,
    Rounding,
    TermsInvalid,
    TermsProblem,
    Unit,
    schedule,
    schedule_problems,
)

from .parsing import Reader, canonical, parse_json

TERMS_VERSION = 1
MAX_GRACE_DAYS = 60
PPM = 1_000_000


class Allocation(StrEnum):
    """What a payment can go to. INTEREST is penalty interest first, then interest."""

    COSTS = "COSTS"
    INTEREST = "INTEREST"
    PRINCIPAL = "PRINCIPAL"


CIVIL_CODE_561 = (Allocation.COSTS, Allocation.INTEREST, Allocation.PRINCIPAL)


class ChargeKind(StrEnum):
    """Everything that this version of the terms can ever charge."""

    INTEREST = "interest"
    PENALTY = "penalty"
    PREPAYMENT_FEE = "prepayment_fee"
    LATE_FEE = "late_fee"
    SERVICE_FEE = "service_fee"


@dataclass(frozen=True, slots=True)
class Charge:
    """A disclosed charge: its kind, the canonical formula that computes it, and who collects it."""

    kind: ChargeKind
    formula: str
    payee: str


@dataclass(frozen=True, slots=True)
class Terms:
    """One loan as signed. Money in fen, rates in ppm a year; dates count from the value date of the DISBURSED event.

    penalty_ppm: on overdue principal from the day after the grace days, instead of interest; never above cap_ppm.
    cap_ppm: highest simple yearly cost on outstanding principal. due_day: 1 to 31, None = the day of disbursement.
    prepayment_fee_ppm: once, of principal paid before it is due. parts: in how many parts the principal may be paid out.
    every, unit, first_due, month_end: when instalments fall due, as finance.due_dates. grace_principal, interest_free: how
    many of the first instalments ask for no principal, bear no interest. multiple_fen: the level part is a multiple of it.
    late_fee_fen: at most, once for each overdue instalment; service_fee_fen: at most, for each service asked for.
    Raises TermsInvalid with every problem.
    """

    principal_fen: int
    annual_rate_ppm: int
    method: Method
    instalments: int
    cap_ppm: int
    lender: str
    licence: str
    policy_pack: str
    product: str
    charges: tuple[Charge, ...]
    day_basis: DayBasis = DayBasis.PER_INSTALMENT
    due_day: int | None = None
    rounding: Rounding = Rounding.DOWN
    penalty_ppm: int = 0
    grace_days: int = 0
    prepayment_fee_ppm: int = 0
    allocation: tuple[Allocation, ...] = CIVIL_CODE_561
    currency: str = "CNY"
    version: int = TERMS_VERSION
    parts: int = 1
    late_fee_fen: int = 0
    service_fee_fen: int = 0
    every: int = 1
    unit: Unit = Unit.MONTHS
    month_end: MonthEnd = MonthEnd.CLAMP
    first_due: date | None = None
    grace_principal: int = 0
    interest_free: int = 0
    multiple_fen: int = 1

    def __post_init__(self) -> None:
        problems = _field_problems({f.name: getattr(self, f.name) for f in fields(self)}) or _cross_problems(
            self
        )
        if problems:
            raise TermsInvalid(problems)

    def to_json(self) -> dict[str, Any]:
        """The terms as a JSON object (enums by name, tuples as arrays); a field of `_ADDED` at its default is left out."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, default in _ADDED.items():
            if values[name] == default:
                del values[name]
        for name, value in values.items():
            if isinstance(value, StrEnum):
                values[name] = str(value)
            elif isinstance(value, date):
                values[name] = value.isoformat()
        values["allocation"] = [str(target) for target in self.allocation]
        values["charges"] = [
            {"kind": str(c.kind), "formula": c.formula, "payee": c.payee} for c in self.charges
        ]
        return values

    def canonical_bytes(self) -> bytes:
        """The bytes that are signed: JSON with sorted names, no spaces, UTF-8."""
        return canonical(self.to_json())

    def sha256(self) -> str:
        """Hex digest of `canonical_bytes`."""
        return hashlib.sha256(self.canonical_bytes()).hexdigest()

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> "Terms":
        """Read terms strictly: every field present and known, no floats. Raises TermsInvalid with every problem."""
        try:
            reader = Reader(parse_json(source))
        except ValueError as error:
            raise TermsInvalid([TermsProblem("terms", source, f"must be JSON: {error}")]) from error
        values: dict[str, Any] = {
            "principal_fen": reader.integer("principal_fen"),
            "annual_rate_ppm": reader.integer("annual_rate_ppm"),
            "method": reader.parsed("method", Method, _one_of(Method), Method.EQUAL_INSTALMENT),
            "instalments": reader.integer("instalments"),
            "cap_ppm": reader.integer("cap_ppm"),
            "lender": reader.text("lender"),
            "licence": reader.text("licence"),
            "policy_pack": reader.text("policy_pack"),
            "product": reader.text("product"),
            "charges": _read_charges(reader),
            "day_basis": reader.parsed("day_basis", DayBasis, _one_of(DayBasis), DayBasis.ACT_365),
            "due_day": reader.optional_integer("due_day"),
            "rounding": reader.parsed("rounding", Rounding, _one_of(Rounding), Rounding.DOWN),
            "penalty_ppm": reader.integer("penalty_ppm"),
            "grace_days": reader.integer("grace_days"),
            "prepayment_fee_ppm": reader.integer("prepayment_fee_ppm"),
            "allocation": _read_allocation(reader),
            "currency": reader.text("currency"),
            "version": reader.integer("version"),
            **{name: _read_added(reader, name, default) for name, default in _ADDED.items()},
        }
        problems = reader.finish()
        if problems:
            told = {problem.field for problem in problems}
            raise TermsInvalid([*problems, *(p for p in _field_problems(values) if p.field not in told)])
        return cls(**values)


# Fields that terms signed earlier do not carry. Their default is never written, so that old bytes stay what they were.
_ADDED: dict[str, int | Unit | MonthEnd | None] = {
    "parts": 1,
    "late_fee_fen": 0,
    "service_fee_fen": 0,
    "every": 1,
    "unit": Unit.MONTHS,
    "month_end": MonthEnd.CLAMP,
    "first_due": None,
    "grace_principal": 0,
    "interest_free": 0,
    "multiple_fen": 1,
}


def _read_added(reader: Reader, name: str, default: int | StrEnum | None) -> int | StrEnum | date | None:
    if name not in reader.values:
        return default
    if isinstance(default, Unit | MonthEnd):
        return reader.parsed(name, type(default), _one_of(type(default)), default)
    if default is None:
        return reader.parsed(name, date.fromisoformat, "a date like 2026-01-31", None)
    return reader.integer(name)


def plan(terms: Terms, start: date) -> tuple[Instalment, ...]:
    """The schedule of these terms if the money goes out on `start`."""
    return schedule(
        terms.principal_fen,
        terms.annual_rate_ppm,
        start,
        terms.instalments,
        terms.method,
        terms.day_basis,
        due_day=terms.due_day,
        rounding=terms.rounding,
        grace=grace_of(terms),
        multiple_fen=terms.multiple_fen,
        **dates_of(terms, terms.first_due),
    )


def grace_of(terms: Terms) -> Grace:
    """The instalments of these terms that ask for less."""
    return Grace(principal=terms.grace_principal, interest_free=terms.interest_free)


def dates_of(terms: Terms, first_due: date | None) -> DueDates:
    """How due dates follow each other under these terms, the first of them if it is known."""
    return DueDates(every=terms.every, unit=terms.unit, month_end=terms.month_end, first_due=first_due)


def disclosed_charges(
    payee: str,
    *,
    annual_rate_ppm: int,
    method: Method,
    day_basis: DayBasis,
    cap_ppm: int,
    penalty_ppm: int = 0,
    grace_days: int = 0,
    prepayment_fee_ppm: int = 0,
    late_fee_fen: int = 0,
    service_fee_fen: int = 0,
) -> tuple[Charge, ...]:
    """The charges that terms with these numbers make, in the only wording the terms accept; zero charges left out."""
    base = "principal_original" if method is Method.FLAT else "principal_not_yet_due"
    within = f"within the cap of {cap_ppm} ppm/year on all charges"
    found = (
        (annual_rate_ppm, ChargeKind.INTEREST, f"{base} * {annual_rate_ppm} ppm/year * days by {day_basis}"),
        (
            penalty_ppm,
            ChargeKind.PENALTY,
            f"principal_overdue * min({penalty_ppm}, {cap_ppm}) ppm/year * (days overdue - {grace_days})/365, "
            "instead of interest",
        ),
        (
            prepayment_fee_ppm,
            ChargeKind.PREPAYMENT_FEE,
            f"principal_prepaid * {prepayment_fee_ppm} ppm, {within}",
        ),
        (
            late_fee_fen,
            ChargeKind.LATE_FEE,
            f"at most {late_fee_fen} fen once for each overdue instalment, {within}",
        ),
        (
            service_fee_fen,
            ChargeKind.SERVICE_FEE,
            f"at most {service_fee_fen} fen for each service asked for, {within}",
        ),
    )
    return tuple(Charge(kind, formula, payee) for number, kind, formula in found if number)


def simple_cost_ppm(
    method: Method, day_basis: DayBasis, annual_rate_ppm: int, instalments: int
) -> tuple[int, int]:
    """Interest per year on the principal owed, as an exact ratio (numerator, denominator) in ppm."""
    year = {DayBasis.ACT_360: 360, DayBasis.ACT_364: 364}.get(day_basis, 365)
    num, den = 365, year
    if method is Method.FLAT:  # charged on the original principal, while on average (n+1)/2n of it is owed
        num, den = num * 2 * instalments, den * (instalments + 1)
    return annual_rate_ppm * num, den


def _one_of(kind: type[StrEnum]) -> str:
    return "one of " + ", ".join(kind)


def _read_charges(reader: Reader) -> tuple[Charge, ...]:
    charges: list[Charge] = []
    for index, item in enumerate(reader.array("charges")):
        one = reader.nested("charges", index, item)
        kind = one.parsed("kind", ChargeKind, _one_of(ChargeKind), ChargeKind.INTEREST)
        charges.append(Charge(kind, one.text("formula"), one.text("payee")))
        reader.problems += one.finish()
    return tuple(charges)


def _read_allocation(reader: Reader) -> tuple[Allocation, ...]:
    items = reader.array("allocation")
    try:
        return tuple(Allocation(str(item)) for item in items)
    except ValueError:
        reader.problem("allocation", items, f"must hold only {', '.join(Allocation)}")
        return CIVIL_CODE_561


def _field_problems(values: Mapping[str, Any]) -> list[TermsProblem]:
    """What is wrong with single fields."""
    problems = schedule_problems(
        values["principal_fen"], values["annual_rate_ppm"], values["instalments"], values["due_day"]
    )
    most = max(1, values["instalments"]) if type(values["instalments"]) is int else 1
    for name, low, high in (
        ("cap_ppm", 0, 10 * PPM),
        ("penalty_ppm", 0, 10 * PPM),
        ("grace_days", 0, MAX_GRACE_DAYS),
        ("prepayment_fee_ppm", 0, PPM),
        ("parts", 1, 100),
        ("every", 1, 366),
        ("grace_principal", 0, most - 1),
        ("interest_free", 0, most - 1),
        ("multiple_fen", 1, 10**9),
        ("late_fee_fen", 0, 10**9),
        ("service_fee_fen", 0, 10**9),
        ("version", TERMS_VERSION, TERMS_VERSION),
    ):
        value = values[name]
        if type(value) is not int or not low <= value <= high:
            problems.append(TermsProblem(name, value, f"must be an integer from {low:,} to {high:,}"))
    for name in ("lender", "licence", "policy_pack", "product"):
        if not values[name].strip():
            problems.append(TermsProblem(name, values[name], "must not be empty"))
    if not re.fullmatch("[A-Z]{3}", values["currency"]):
        problems.append(TermsProblem("currency", values["currency"], "must be an ISO 4217 code such as CNY"))
    if sorted(values["allocation"]) != sorted(Allocation):
        wanted = f"must hold each of {', '.join(Allocation)} once"
        problems.append(TermsProblem("allocation", [str(a) for a in values["allocation"]], wanted))
    return problems


def _cross_problems(terms: Terms) -> Sequence[TermsProblem]:
    """What is wrong between fields: the cap, and charges that are not the ones disclosed."""
    problems: list[TermsProblem] = []
    rate, cap, count = terms.annual_rate_ppm, terms.cap_ppm, terms.instalments
    num, den = simple_cost_ppm(terms.method, terms.day_basis, rate, count)
    if num > cap * den:
        real = -(-num // den)
        problems.append(
            TermsProblem("annual_rate_ppm", rate, f"costs {real} ppm a year, above cap_ppm={cap}; lower it")
        )
    elif rate and num == cap * den and terms.rounding is not Rounding.DOWN:
        wanted = "must be DOWN where the rate is at the cap, or rounding takes the cost above it"
        problems.append(TermsProblem("rounding", str(terms.rounding), wanted))
    kinds = [charge.kind for charge in terms.charges]
    wanted_charges = disclosed_charges(
        "",
        annual_rate_ppm=rate,
        method=terms.method,
        day_basis=terms.day_basis,
        cap_ppm=cap,
        penalty_ppm=terms.penalty_ppm,
        grace_days=terms.grace_days,
        prepayment_fee_ppm=terms.prepayment_fee_ppm,
        late_fee_fen=terms.late_fee_fen,
        service_fee_fen=terms.service_fee_fen,
    )
    formulas = {charge.kind: charge.formula for charge in wanted_charges}
    for index, charge in enumerate(terms.charges):
        where = f"charges[{index}]"
        if kinds.count(charge.kind) > 1:
            problems.append(
                TermsProblem(f"{where}.kind", str(charge.kind), "stands more than once; keep one")
            )
        elif charge.kind not in formulas:
            problems.append(TermsProblem(f"{where}.kind", str(charge.kind), "its rate is zero; remove it"))
        elif charge.formula != formulas[charge.kind]:
            problems.append(
                TermsProblem(f"{where}.formula", charge.formula, f"must be {formulas[charge.kind]!r}")
            )
        if not charge.payee.strip():
            problems.append(TermsProblem(f"{where}.payee", charge.payee, "must name who collects the charge"))
    for kind in formulas.keys() - set(kinds):
        problems.append(TermsProblem("charges", str(kind), "is charged but not disclosed; add it"))
    return sorted(problems)
