"""Repayment schedules in exact arithmetic: one engine for every kind of plan.

A plan is made in three steps that callers may also take one by one: `periods` (when, and what part of a year),
`level_part` (what stays equal), `amortise` (the rows). The interest of a period is one rounding of
sum(principal x days) x rate; the equal instalment is P * prod(1 + f_i) / F with F_1 = 1, F_k = 1 + F_(k-1) * (1 + f_k),
one rounding (half-even) of an exact ratio; what rounding leaves over is in the last instalment. No float, no Decimal.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from math import gcd
from typing import Any, NamedTuple, Unpack

from .calendars import DueDates
from .daycount import DayBasis
from .interest_periods import NO_GRACE, Grace, Method, Period, periods
from .money import Rounding, round_ratio
from .problems import TermsInvalid, TermsProblem

MAX_INSTALMENTS = 600
MAX_RATE_PPM = 10_000_000
PPM = 1_000_000


class Instalment(NamedTuple):
    """One row of a plan. `days`: actual days of its period; `balance_fen`: principal left after it."""

    n: int
    due_on: date
    days: int
    principal_fen: int
    interest_fen: int
    total_fen: int
    balance_fen: int


# A NamedTuple without the cost of its signature, where a plan is made row by row.
_row: Callable[[type[Instalment], Any], Instalment] = tuple.__new__  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


class Advance(NamedTuple):
    """Money paid out to the borrower on a day."""

    on: date
    amount_fen: int


def schedule(
    principal_fen: int,
    annual_rate_ppm: int,
    start: date,
    instalments: int,
    method: Method = Method.EQUAL_INSTALMENT,
    day_basis: DayBasis = DayBasis.PER_INSTALMENT,
    *,
    due_day: int | None = None,
    rounding: Rounding = Rounding.HALF_EVEN,
    grace: Grace = NO_GRACE,
    fixed_fen: Mapping[int, int] | None = None,
    later: Sequence[Advance] = (),
    down_payment_ppm: int = 0,
    multiple_fen: int = 1,
    smooth: bool = False,
    whole_interest: bool = False,
    equal_totals: bool = False,
    **dates: Unpack[DueDates],
) -> tuple[Instalment, ...]:
    """The plan of a loan paid out on `start`: `instalments` rows (one for BULLET), ending at balance zero.

    due_day: day of the month 1 to 31, None keeps the start's day. dates: every, unit, first_due, month_end, calendar,
    shift, as in `due_dates`. rounding: of interest; DOWN keeps the real rate of the whole plan at or below the nominal
    one. fixed_fen: custom instalments by number (see Period.fixed_fen). later: further disbursements.
    down_payment_ppm: share of each disbursement due back on its day, in rows of its own. multiple_fen: the level part is
    a multiple of it. smooth: spread what rounding leaves over where that evens the last instalment.
    whole_interest: the interest of a FLAT loan is rounded once for all instalments, the last takes the difference.
    equal_totals: FLAT instalments have equal totals, not equal principals. Raises TermsInvalid with every problem,
    CalendarEnds.
    """
    fixed_fen = fixed_fen or {}
    problems = schedule_problems(principal_fen, annual_rate_ppm, instalments, due_day)
    if grace != NO_GRACE or fixed_fen or later or down_payment_ppm or multiple_fen != 1 or dates:
        problems += _shape_problems(
            start, instalments, method, grace, fixed_fen, later, down_payment_ppm, multiple_fen, dates
        )
    if problems:
        raise TermsInvalid(problems)
    rows = periods(start, instalments, method, day_basis, due_day, grace=grace, fixed_fen=fixed_fen, **dates)
    if rows[0].due_on <= start or later:
        _refuse_dates(start, rows, later)
    part = level_part(principal_fen, annual_rate_ppm, rows, method, multiple_fen=multiple_fen)
    plan = amortise(principal_fen, annual_rate_ppm, rows, method, rounding, part)
    if fixed_fen and (problems := _plan_problems(plan, rows, method)):
        raise TermsInvalid(problems)
    if plan[0].interest_fen > part and method is Method.EQUAL_INSTALMENT:
        _refuse_uncovered(plan, rows, part)
    if later or down_payment_ppm or smooth or whole_interest or equal_totals:
        plan = lay_out(
            (Advance(start, principal_fen), *later), annual_rate_ppm, rows, method, rounding,
            down_payment_ppm=down_payment_ppm, multiple_fen=multiple_fen, smooth=smooth, whole_interest=whole_interest,
            equal_totals=equal_totals,
        )  # fmt: skip
    return plan


def schedule_problems(
    principal_fen: int, annual_rate_ppm: int, instalments: int, due_day: int | None
) -> list[TermsProblem]:
    """What makes these numbers unusable for a schedule; empty when nothing does."""
    bounds = (
        ("principal_fen", principal_fen, 1, 10**15),
        ("annual_rate_ppm", annual_rate_ppm, 0, MAX_RATE_PPM),
        ("instalments", instalments, 1, MAX_INSTALMENTS),
        ("due_day", 1 if due_day is None else due_day, 1, 31),
    )
    problems = [
        TermsProblem(name, value, f"must be an integer from {low:,} to {high:,}")
        for name, value, low, high in bounds
        if type(value) is not int or not low <= value <= high
    ]
    if not problems and principal_fen < instalments:
        wanted = f"must be at least a fen for each of the {instalments} instalments"
        problems.append(TermsProblem("principal_fen", principal_fen, wanted))
    return problems


def _shape_problems(
    start: date,
    instalments: int,
    method: Method,
    grace: Grace,
    fixed_fen: Mapping[int, int],
    later: Sequence[Advance],
    down_payment_ppm: int,
    multiple_fen: int,
    dates: DueDates,
) -> list[TermsProblem]:
    most = instalments - 1 if type(instalments) is int else 0
    bounds = [
        ("every", dates.get("every", 1), 1, 366),
        ("grace.principal", grace.principal, 0, most),
        ("grace.interest", grace.interest, 0, most),
        ("grace.interest_free", grace.interest_free, 0, most + 1),
        ("down_payment_ppm", down_payment_ppm, 0, PPM - 1),
        ("multiple_fen", multiple_fen, 1, 10**15),
        *((f"fixed_fen[{n}]", amount, 0, 10**15) for n, amount in fixed_fen.items()),
        *((f"later[{k}].amount_fen", a.amount_fen, 1, 10**15) for k, a in enumerate(later)),
    ]
    problems = [
        TermsProblem(name, value, f"must be an integer from {low:,} to {high:,}")
        for name, value, low, high in bounds
        if type(value) is not int or not low <= value <= high
    ]
    problems += [
        TermsProblem(
            "fixed_fen", n, f"names an instalment from 1 to {most}; the last one always takes the rest"
        )
        for n in fixed_fen
        if not 1 <= n <= most
    ]
    if fixed_fen and method is Method.BULLET:
        problems.append(
            TermsProblem("fixed_fen", dict(fixed_fen), "a bullet loan has one instalment; leave it out")
        )
    problems += [
        TermsProblem(
            f"later[{k}].on", a.on.isoformat(), f"must not be before the first disbursement on {start}"
        )
        for k, a in enumerate(later)
        if a.on < start
    ]
    first_due = dates.get("first_due")
    if first_due is not None and first_due <= start:
        problems.append(
            TermsProblem("first_due", first_due.isoformat(), f"must be after the disbursement on {start}")
        )
    return problems


def _refuse_dates(start: date, rows: Sequence[Period], later: Sequence[Advance]) -> None:
    """Disbursements and due dates in an order that cannot be, once the due dates are known. Raises TermsInvalid."""
    last = rows[-1].due_on
    problems = [
        TermsProblem(f"later[{k}].on", a.on.isoformat(), f"must be before the last due date {last}")
        for k, a in enumerate(later)
        if a.on >= last
    ]
    if rows[0].due_on <= start:
        first = rows[0].due_on.isoformat()
        problems.append(TermsProblem("first_due", first, f"must be after the disbursement on {start}"))
    if problems:
        raise TermsInvalid(problems)


def _refuse_uncovered(plan: Sequence[Instalment], rows: Sequence[Period], part: int) -> None:
    """A first period so long that the equal instalment would not cover its interest: principal would have to grow."""
    if len(plan) > 1 and rows[0].repays and rows[0].fixed_fen is None:
        interest = plan[0].interest_fen
        wanted = (
            f"the equal instalment of {part} does not cover the first interest of {interest}; shorten the first "
            "period or the term, or agree grace on interest or principal"
        )
        raise TermsInvalid([TermsProblem("first_due", rows[0].due_on.isoformat(), wanted)])


def _plan_problems(plan: Sequence[Instalment], rows: Sequence[Period], method: Method) -> list[TermsProblem]:
    """Instalments that the engine could only meet by changing them: what was agreed cannot be kept."""
    totals = {row.due_on: row for row in plan if row.days}
    problems: list[TermsProblem] = []
    for row in rows[:-1]:
        made = totals[row.due_on]
        amount = made.total_fen if method is Method.EQUAL_INSTALMENT else made.principal_fen
        if row.fixed_fen is None or amount == row.fixed_fen:
            continue
        wanted = (
            f"does not cover the interest of {made.interest_fen}; raise it, or agree grace on interest"
            if amount > row.fixed_fen
            else f"is more than the {amount} still owed; lower it"
        )
        problems.append(TermsProblem(f"fixed_fen[{row.n}]", row.fixed_fen, wanted))
    return problems


def period_interest(weight_fen: int, annual_rate_ppm: int, period: Period, rounding: Rounding) -> int:
    """Interest in fen on sum(principal x weight) within one period: the only rounding there is."""
    return round_ratio(weight_fen * annual_rate_ppm * period.num, PPM * period.den, rounding)


def level_part(
    principal_fen: int,
    annual_rate_ppm: int,
    rows: Sequence[Period],
    method: Method,
    *,
    elapsed: int = 0,
    carried_fen_days: int = 0,
    multiple_fen: int = 1,
) -> int:
    """What stays equal over `rows`: the instalment (EQUAL_INSTALMENT), the principal share (EQUAL_PRINCIPAL, FLAT) or 0.

    elapsed, carried_fen_days: weight of the first period already gone and its sum(principal x weight). FLAT with equal
    totals has `flat_total`.
    """
    if method is Method.INTEREST_ONLY or method is Method.BULLET:
        return 0
    if not rows[0].repays:  # principal stands still in grace, and interest is paid or put off on top
        skipped = next((k for k, row in enumerate(rows) if row.repays), len(rows) - 1)
        return level_part(principal_fen, annual_rate_ppm, rows[skipped:], method, multiple_fen=multiple_fen)
    if method is not Method.EQUAL_INSTALMENT:
        fixed = [row.fixed_fen for row in rows[:-1] if row.fixed_fen is not None]
        return _to_multiple(max(0, principal_fen - sum(fixed)), len(rows) - len(fixed), multiple_fen)
    first = rows[0]
    interest = (carried_fen_days + principal_fen * (first.whole - elapsed)) * annual_rate_ppm * first.num
    scale = PPM * first.den
    growth = denominator = 1  # of rows 2..n: prod(d+a), prod(d), with f = a/d
    last = len(rows) - 1
    free = first.fixed_fen is None or not last
    annuity, agreed = (
        (1, 0) if free else (0, first.fixed_fen)
    )  # F * prod(d), and the same of fixed instalments
    for i, (_, _, _, num, den, _, whole, _, _, _, fixed_fen) in enumerate(rows[1:], 1):
        a, d = annual_rate_ppm * num * whole, PPM * den
        shared = gcd(a, d)
        d //= shared
        grown = d + a // shared
        growth *= grown
        annuity *= grown
        denominator *= d
        if agreed:
            agreed *= grown
        if fixed_fen is None or i == last:
            annuity += denominator
        else:
            agreed = (agreed or 0) + denominator * fixed_fen
    part = _to_multiple(
        max(0, (principal_fen * scale + interest) * growth - (agreed or 0) * scale),
        scale * annuity,
        multiple_fen,
    )
    if carried_fen_days and part * scale <= interest:
        # The first row pays interest alone; the others share the principal.
        return level_part(principal_fen, annual_rate_ppm, rows[1:] or rows, method, multiple_fen=multiple_fen)
    return part


def flat_total(
    principal_fen: int,
    annual_rate_ppm: int,
    rows: Sequence[Period],
    rounding: Rounding,
    base_fen: int,
    *,
    elapsed: int = 0,
    carried_fen_days: int = 0,
    multiple_fen: int = 1,
) -> int:
    """The equal total of FLAT instalments whose interest runs on `base_fen`; the others as for `level_part`."""
    total, count = principal_fen, 0
    for k, row in enumerate(rows):
        if row.repays or k == len(rows) - 1:
            weight = base_fen * row.whole if k else carried_fen_days + base_fen * (row.whole - elapsed)
            total += period_interest(weight, annual_rate_ppm, row, rounding)
            count += 1
    return _to_multiple(total, count, multiple_fen)


def _to_multiple(numerator: int, denominator: int, multiple_fen: int) -> int:
    if multiple_fen == 1:
        return round_ratio(numerator, denominator)
    return round_ratio(numerator, denominator * multiple_fen) * multiple_fen


def amortise(
    principal_fen: int,
    annual_rate_ppm: int,
    rows: Sequence[Period],
    method: Method,
    rounding: Rounding,
    part: int,
    *,
    elapsed: int = 0,
    carried_fen_days: int = 0,
    flat_base_fen: int | None = None,
    equal_totals: bool = False,
    put_off: int = 0,
) -> tuple[Instalment, ...]:
    """Spread `principal_fen` over `rows` with the equal `part` of `level_part`; the last row takes the rest.

    elapsed, carried_fen_days: as for `level_part`. flat_base_fen: what FLAT interest is counted on, default the
    principal itself. equal_totals: `part` is the `flat_total`. put_off: interest of periods of grace before these rows.
    """
    flat = method is Method.FLAT
    level = equal_totals or method is Method.EQUAL_INSTALMENT
    balance = principal_fen
    base = principal_fen if flat_base_fen is None else flat_base_fen
    down, half_up = rounding is Rounding.DOWN, rounding is Rounding.HALF_UP
    plan: list[Instalment] = []
    last = len(rows) - 1
    for i, (n, due_on, days, num, den, _, whole, _, repays, collects, fixed) in enumerate(rows):
        fen_days = base * whole if i else carried_fen_days + base * (whole - elapsed)
        den *= PPM
        interest, rest = divmod(fen_days * annual_rate_ppm * num, den)  # round_ratio, without the call
        rest += rest
        if rest >= den and not down and (rest > den or half_up or interest & 1):
            interest += 1
        if i == last:
            share = balance
        elif not repays:
            share = 0
        else:
            wanted = part if fixed is None else fixed
            share = min(max(wanted - interest, 0) if level else wanted, balance)
        balance -= share
        if not flat:
            base = balance
        if put_off or not collects:
            due, put_off = (interest + put_off, 0) if collects or i == last else (0, interest + put_off)
            interest = due
        plan.append(_row(Instalment, (n, due_on, days, share, interest, share + interest, balance)))
    return tuple(plan)


def lay_out(
    advances: Sequence[Advance],
    annual_rate_ppm: int,
    rows: Sequence[Period],
    method: Method,
    rounding: Rounding,
    *,
    down_payment_ppm: int = 0,
    multiple_fen: int = 1,
    smooth: bool = False,
    whole_interest: bool = False,
    equal_totals: bool = False,
) -> tuple[Instalment, ...]:
    """The plan of one or several disbursements over `rows`, the first on the start of the first row.

    A later disbursement joins the period it falls in (one on a due date the next), bears interest from its day, and the
    level part is found anew from that period, as if the money had been there at the period's start.
    """
    plan: list[Instalment] = []
    down: list[Instalment] = []
    at = elapsed = carried = balance = original = 0
    for on, amount in sorted(advances):
        joined = next((k for k in range(at, len(rows)) if on < rows[k].due_on), len(rows) - 1)
        if joined != at:
            del plan[joined:]
            at, elapsed, carried, balance = joined, 0, 0, plan[-1].balance_fen
        row = rows[at]
        weight = row.weight(row.start, on)
        base = original if method is Method.FLAT else balance
        carried, elapsed = carried + base * (weight - elapsed), weight
        back = min(amount, _to_multiple(amount * down_payment_ppm, PPM, multiple_fen))
        balance += amount - back
        original += amount - back
        if equal_totals and method is Method.FLAT:
            part = flat_total(
                balance, annual_rate_ppm, rows[at:], rounding, original,
                elapsed=elapsed, carried_fen_days=carried, multiple_fen=multiple_fen,
            )  # fmt: skip
        else:
            part = level_part(balance, annual_rate_ppm, rows[at:], method, multiple_fen=multiple_fen)
        _, rest = even(
            balance, annual_rate_ppm, rows[at:], method, rounding, part,
            elapsed=elapsed, carried_fen_days=carried, flat_base_fen=original if method is Method.FLAT else None,
            equal_totals=equal_totals and method is Method.FLAT, multiple_fen=multiple_fen, smooth=smooth,
        )  # fmt: skip
        plan[at:] = rest
        if down_payment_ppm:
            down.append(Instalment(0, on, 0, back, 0, back, balance))
    if whole_interest and method is Method.FLAT and len(advances) == 1:
        plan = list(rounded_once(plan, original, annual_rate_ppm, rows, rounding))
    return _with_down_payments(plan, down) if down else tuple(plan)


def even(
    principal_fen: int,
    annual_rate_ppm: int,
    rows: Sequence[Period],
    method: Method,
    rounding: Rounding,
    part: int,
    *,
    elapsed: int = 0,
    carried_fen_days: int = 0,
    flat_base_fen: int | None = None,
    equal_totals: bool = False,
    put_off: int = 0,
    multiple_fen: int = 1,
    smooth: bool = True,
) -> tuple[int, tuple[Instalment, ...]]:
    """`part` and its `amortise`; where `smooth`, the last instalment's difference is spread over all while that makes it
    smaller."""

    def rows_for(part: int) -> tuple[Instalment, ...]:
        return amortise(
            principal_fen, annual_rate_ppm, rows, method, rounding, part,
            elapsed=elapsed, carried_fen_days=carried_fen_days, flat_base_fen=flat_base_fen,
            equal_totals=equal_totals, put_off=put_off,
        )  # fmt: skip

    plan = rows_for(part)
    count = len(rows)
    for _ in range(3 if smooth and method is Method.EQUAL_INSTALMENT and count > 1 else 0):
        over = plan[-1].total_fen - plan[-2].total_fen
        if abs(over) <= max(1, count // 2):
            break
        tried_part = part + _to_multiple(over, count, multiple_fen)
        tried = rows_for(tried_part)
        if abs(tried[-1].total_fen - tried[-2].total_fen) >= abs(over):
            break
        part, plan = tried_part, tried
    return part, plan


def rounded_once(
    plan: Sequence[Instalment],
    base_fen: int,
    annual_rate_ppm: int,
    rows: Sequence[Period],
    rounding: Rounding,
    *,
    elapsed: int = 0,
    carried_fen_days: int = 0,
) -> tuple[Instalment, ...]:
    """A FLAT plan over `rows` whose interest is rounded once for all of them; the last row takes the difference."""
    first = Fraction((carried_fen_days + base_fen * (rows[0].whole - elapsed)) * rows[0].num, rows[0].den)
    years = sum((Fraction(base_fen * row.whole * row.num, row.den) for row in rows[1:]), first)
    whole = round_ratio(*(years * annual_rate_ppm / PPM).as_integer_ratio(), rounding)
    last = plan[-1]
    interest = max(0, whole - sum(row.interest_fen for row in plan[:-1]))
    return (*plan[:-1], last._replace(interest_fen=interest, total_fen=last.principal_fen + interest))


def _with_down_payments(plan: Sequence[Instalment], down: Sequence[Instalment]) -> tuple[Instalment, ...]:
    rows = sorted([*down, *plan], key=lambda row: (row.due_on, row.n == 0, row.n))
    return tuple(row._replace(n=n) for n, row in enumerate(rows, 1))
