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
    Shift,
    TermsInvalid,
    TermsProblem,
    Unit,
    WorkCalendar,
    schedule,
    schedule_problems,
)

from .charges import (
    CIVIL_CODE_561,
    Ahead,
    Allocation,
    Charge,
    ChargeKind,
    Overdue,
    disclosed_charges,
    simple_cost_ppm,
)
from .parsing import Reader, canonical, parse_json

TERMS_VERSION = 1
MAX_GRACE_DAYS = 60
PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """One loan as signed. Money in fen, rates in ppm a year; dates count from the value date of the DISBURSED event.

    penalty_ppm: on overdue principal from the day after the grace days, instead of interest; never above cap_ppm.
    cap_ppm: highest simple yearly cost on outstanding principal. due_day: 1 to 31, None = the day of disbursement.
    prepayment_fee_ppm: once, of principal paid before it is due. parts: in how many parts the principal may be paid out.
    every, unit, first_due, month_end: when instalments fall due, as finance.due_dates. grace_principal, interest_free: how
    many of the first instalments ask for no principal, bear no interest. multiple_fen: the level part is a multiple of it.
    late_fee_fen: at most, once for each overdue instalment; service_fee_fen: at most, for each service asked for.
    grace_interest: how many of the first instalments put their interest off to the next one. down_payment_ppm: share of
    each part paid out that is due back on its day. custom_fen: agreed instalments, (number, total under EQUAL_INSTALMENT,
    else principal). calendar, shift: due dates move to its working days; the table is signed with the terms.
    smooth, whole_interest, equal_totals: as finance.schedule. ahead, overdue: interest on the balance actually owed; see
    Ahead, Overdue. to_period_end: money ahead of its day pays interest to the end of the running period.
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
    grace_interest: int = 0
    down_payment_ppm: int = 0
    custom_fen: tuple[tuple[int, int], ...] = ()
    calendar: WorkCalendar | None = None
    shift: Shift = Shift.FOLLOWING
    smooth: bool = False
    whole_interest: bool = False
    equal_totals: bool = False
    ahead: Ahead = Ahead.WAITS
    overdue: Overdue = Overdue.PENALTY
    to_period_end: bool = False

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
            elif isinstance(value, WorkCalendar):
                values[name] = {
                    "name": value.name,
                    "first": value.first.isoformat(),
                    "last": value.last.isoformat(),
                    "off": sorted(on.isoformat() for on in value.off),
                    "worked": sorted(on.isoformat() for on in value.worked),
                }
            elif name == "custom_fen":
                values[name] = [list(pair) for pair in value]
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
_ADDED: dict[str, Any] = {
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
    "grace_interest": 0,
    "down_payment_ppm": 0,
    "custom_fen": (),
    "calendar": None,
    "shift": Shift.FOLLOWING,
    "smooth": False,
    "whole_interest": False,
    "equal_totals": False,
    "ahead": Ahead.WAITS,
    "overdue": Overdue.PENALTY,
    "to_period_end": False,
}


def _read_added(reader: Reader, name: str, default: Any) -> Any:
    if name not in reader.values:
        return default
    if name == "calendar":
        return _read_calendar(reader)
    if name == "custom_fen":
        return tuple(_pair(reader, k, item) for k, item in enumerate(reader.array(name)))
    if name == "first_due":
        return reader.parsed(name, date.fromisoformat, "a date like 2026-01-31", None)
    if isinstance(default, StrEnum):
        return reader.parsed(name, type(default), _one_of(type(default)), default)
    return reader.truth(name) if isinstance(default, bool) else reader.integer(name)


def _read_calendar(reader: Reader) -> WorkCalendar:
    one = Reader(reader.mapping("calendar"), "calendar.")
    day = "a date like 2026-01-31"
    first, last = (one.parsed(name, date.fromisoformat, day, date.min) for name in ("first", "last"))
    days: dict[str, frozenset[date]] = {}
    for name in ("off", "worked"):
        listed = one.array(name)
        try:
            days[name] = frozenset(date.fromisoformat(str(on)) for on in listed)
        except ValueError:
            one.problem(name, listed, "must hold dates like 2026-01-31")
            days[name] = frozenset()
    table = WorkCalendar(first, last, days["off"], days["worked"], one.text("name"))
    reader.problems += one.finish()
    return table


def _pair(reader: Reader, index: int, item: object) -> tuple[int, int]:
    match item:
        case [int(n), int(fen)]:
            return n, fen
        case _:
            reader.problem(f"custom_fen[{index}]", item, "must be [number of the instalment, fen]")
            return 1, 1


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
        fixed_fen=dict(terms.custom_fen),
        down_payment_ppm=terms.down_payment_ppm,
        multiple_fen=terms.multiple_fen,
        smooth=terms.smooth,
        whole_interest=terms.whole_interest,
        equal_totals=terms.equal_totals,
        **dates_of(terms, terms.first_due),
    )


def grace_of(terms: Terms) -> Grace:
    """The instalments of these terms that ask for less."""
    return Grace(terms.grace_principal, terms.grace_interest, terms.interest_free)


def dates_of(terms: Terms, first_due: date | None) -> DueDates:
    """How due dates follow each other under these terms, the first of them if it is known."""
    dates = DueDates(every=terms.every, unit=terms.unit, month_end=terms.month_end, first_due=first_due)
    if terms.calendar is not None:
        dates["calendar"], dates["shift"] = terms.calendar, terms.shift
    return dates


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
        ("grace_interest", 0, most - 1),
        ("down_payment_ppm", 0, PPM - 1),
        ("multiple_fen", 1, 10**9),
        ("late_fee_fen", 0, 10**9),
        ("service_fee_fen", 0, 10**9),
        ("version", TERMS_VERSION, TERMS_VERSION),
    ):
        value = values[name]
        if type(value) is not int or not low <= value <= high:
            problems.append(TermsProblem(name, value, f"must be an integer from {low:,} to {high:,}"))
    for n, fen in values["custom_fen"]:
        if not 1 <= n < most or not 0 <= fen <= 10**15:
            wanted = (
                f"must be (an instalment from 1 to {most - 1}, its fen); the last one always takes the rest"
            )
            problems.append(TermsProblem("custom_fen", (n, fen), wanted))
    numbers = [n for n, _ in values["custom_fen"]]
    if numbers != sorted(set(numbers)):
        problems.append(TermsProblem("custom_fen", numbers, "must name each instalment once, in order"))
    if (table := values["calendar"]) is not None and (table.first >= table.last or not table.name.strip()):
        problems.append(
            TermsProblem(
                "calendar",
                (table.name, table.first, table.last),
                "must have a name, a first and a later last day",
            )
        )
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
    """What is wrong between fields: the cap, charges that are not the ones disclosed, words that do not go together."""
    found = [*_cap_problems(terms), *_charge_problems(terms), *_word_problems(terms)]
    return sorted(found, key=lambda problem: (problem.field, str(problem.value), problem.remedy))


def _cap_problems(terms: Terms) -> list[TermsProblem]:
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
    elif terms.overdue is not Overdue.PENALTY and num + terms.penalty_ppm * den > cap * den:
        wanted = f"comes beside interest on overdue principal; at most {(cap * den - num) // den} keeps both within cap_ppm={cap}"
        problems.append(TermsProblem("penalty_ppm", terms.penalty_ppm, wanted))
    return problems


def _word_problems(terms: Terms) -> list[TermsProblem]:
    """Words that mean nothing, or two things, together."""
    method, actual = terms.method, terms.ahead is not Ahead.WAITS or terms.overdue is not Overdue.PENALTY
    level, flat = method is Method.EQUAL_INSTALMENT, method is Method.FLAT
    refused = (
        ("ahead", terms.ahead, actual and flat, "flat interest does not follow the balance; use another method"),
        ("ahead", terms.ahead, terms.ahead is not Ahead.WAITS and terms.prepayment_fee_ppm > 0,
         "pays principal without a fee; leave out prepayment_fee_ppm, or let money wait"),
        ("to_period_end", terms.to_period_end, terms.to_period_end and terms.ahead is Ahead.WAITS,
         "is about money ahead of its day; set ahead to NEXT or LAST"),
        ("smooth", terms.smooth, terms.smooth and not level, "evens equal instalments; leave it out"),
        ("whole_interest", terms.whole_interest, terms.whole_interest and (not flat or terms.parts > 1),
         "rounds the interest of a FLAT loan paid out at once; leave it out"),
        ("equal_totals", terms.equal_totals, terms.equal_totals and not flat, "is about FLAT loans; leave it out"),
        ("custom_fen", terms.custom_fen, terms.custom_fen and (method is Method.BULLET or flat or terms.parts > 1),
         "needs EQUAL_INSTALMENT, EQUAL_PRINCIPAL or INTEREST_ONLY, paid out in one part"),
        ("grace_interest", terms.grace_interest, terms.grace_interest and method is Method.BULLET,
         "a bullet loan has one instalment; leave it out"),
        ("shift", str(terms.shift), terms.calendar is None and terms.shift is not Shift.FOLLOWING,
         "needs a calendar"),
    )  # fmt: skip
    problems = [TermsProblem(name, value, wanted) for name, value, wrong, wanted in refused if wrong]
    if terms.custom_fen and not level and sum(fen for _, fen in terms.custom_fen) > terms.principal_fen:
        problems.append(
            TermsProblem(
                "custom_fen", terms.custom_fen, f"asks for more than principal_fen={terms.principal_fen}"
            )
        )
    return problems


def formulas_at(terms: Terms, annual_rate_ppm: int) -> dict[ChargeKind, str]:
    """The wording under which each charge is made at a rate; the signed one allows any rate up to the signed rate."""
    if annual_rate_ppm > terms.annual_rate_ppm:
        return _worded_at(terms, annual_rate_ppm)
    return {charge.kind: charge.formula for charge in terms.charges}


def _worded_at(terms: Terms, annual_rate_ppm: int) -> dict[ChargeKind, str]:
    charges = disclosed_charges(
        terms.lender,
        annual_rate_ppm=annual_rate_ppm,
        method=terms.method,
        day_basis=terms.day_basis,
        cap_ppm=terms.cap_ppm,
        penalty_ppm=terms.penalty_ppm,
        grace_days=terms.grace_days,
        prepayment_fee_ppm=terms.prepayment_fee_ppm,
        late_fee_fen=terms.late_fee_fen,
        service_fee_fen=terms.service_fee_fen,
        overdue=terms.overdue,
        to_period_end=terms.to_period_end,
    )
    return {charge.kind: charge.formula for charge in charges}


def _charge_problems(terms: Terms) -> list[TermsProblem]:
    problems: list[TermsProblem] = []
    kinds = [charge.kind for charge in terms.charges]
    formulas = _worded_at(terms, terms.annual_rate_ppm)
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
    return problems
