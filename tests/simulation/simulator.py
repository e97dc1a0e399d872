"""A lender's years in minutes, without a database: seeded loans lived through, a ledger in memory, and the auditor over both.

Every loan has a dice of its own, so that loan 17 of a seed is the same whatever the others are.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID

from tests.simulation import auditor
from tests.simulation.naive_dates import MILLION
from tests.simulation.naive_events import live
from timelyrain.contract import (
    CIVIL_CODE_561,
    Ahead,
    ContractViolation,
    Event,
    EventType,
    LoanState,
    Overdue,
    Status,
    Terms,
    disclosed_charges,
    fold,
    look_ahead,
)
from timelyrain.finance import DayBasis, Method, MonthEnd, Rounding, Shift, TermsInvalid, Unit, WorkCalendar
from timelyrain.ledger.services import Line
from timelyrain.servicing import books
from timelyrain.servicing.shares import Part

DAY = timedelta(days=1)
FIRST = date(2024, 1, 1)
HOLIDAYS = WorkCalendar(
    date(2024, 1, 1),
    date(2034, 12, 31),
    frozenset(
        date(year, month, day) for year in range(2024, 2035) for month in (2, 5, 10) for day in range(1, 6)
    ),
    frozenset({date(2024, 2, 4), date(2024, 10, 12), date(2025, 1, 26)}),
    name="simulated",
)
CAP_PPM = 240_000
BREAKS = (
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
    AssertionError,
    RecursionError,
    StopIteration,
)
"""What a refusal never is: the code itself broke."""


@dataclass(frozen=True)
class Life:
    """One loan, all that was booked on it, and the day on which it is looked at last."""

    number: int
    terms: Terms
    events: tuple[Event, ...]
    until: date
    parts: tuple[Part, ...] = ()  # of funding partners

    @property
    def id(self) -> UUID:
        return UUID(int=self.number + 1)

    def to_json(self) -> dict[str, Any]:
        """`terms` and `events` are what `timelyrain contract replay` reads; `as_of` is its --as-of."""
        return {
            "terms": self.terms.to_json(),
            "events": [event.to_json() for event in self.events],
            "as_of": self.until.isoformat(),
            "parts": [
                [str(part.partner), part.share_ppm, part.fees_ppm, part.service_ppm] for part in self.parts
            ],
        }


@dataclass(frozen=True)
class Failure:
    life: Life
    differences: tuple[str, ...]


@dataclass
class Summary:
    """What was lived through."""

    loans: int = 0
    days: int = 0
    looks: int = 0
    refused: int = 0
    events: Counter[str] = field(default_factory=Counter[str])
    ends: Counter[str] = field(default_factory=Counter[str])
    back_dated: int = 0


BUYERS = {books.buyer_id(name): name for name in ("fund", "trust")}
Spoil = Callable[[Life, tuple[Line, ...]], tuple[Line, ...]]
"""A defect on purpose: what becomes of a posting on its way into the ledger."""


def draw_terms(dice: Random, begins: date) -> Terms:
    """Any terms that can be signed: all methods, day counts and roundings."""
    while True:
        method = dice.choice(list(Method))
        numbers: dict[str, Any] = {
            "annual_rate_ppm": dice.choice([0, dice.randrange(1, 120_000 if method is Method.FLAT else 239_000)]
                                           + [dice.randrange(30_000, 110_000)] * 4),
            "method": method,
            "day_basis": dice.choice(list(DayBasis)),
            "cap_ppm": CAP_PPM,
            "penalty_ppm": dice.choice([0, dice.randrange(1, 400_000), 239_000, CAP_PPM]),
            "grace_days": dice.choice([0, 0, 1, 3, dice.randrange(0, 10)]),
            "prepayment_fee_ppm": dice.choice([0, 0, 10_000, 50_000]),
            "late_fee_fen": dice.choice([0, 500, 5_000]),
            "service_fee_fen": dice.choice([0, 200, 2_000]),
        }  # fmt: skip
        words: dict[str, Any] = {}
        if method is not Method.FLAT and dice.random() < 0.4:
            words = {
                "ahead": dice.choice([Ahead.WAITS, Ahead.NEXT, Ahead.NEXT, Ahead.LAST]),
                "overdue": dice.choice(list(Overdue)),
                "to_period_end": dice.choice([False, False, True]),
            }
            numbers["penalty_ppm"] = dice.choice([0, 30_000, 60_000])
            numbers["prepayment_fee_ppm"] = 0
        charged = {name: words[name] for name in ("overdue", "to_period_end") if name in words}
        allocation = dice.choice([CIVIL_CODE_561] * 3 + [tuple(dice.sample(CIVIL_CODE_561, 3))])
        unit = dice.choice([Unit.MONTHS] * 4 + [Unit.WEEKS, Unit.DAYS])
        instalments = dice.choice([1, 3, 6, 12, 12, 24, dice.randrange(1, 61)])
        every = {
            Unit.MONTHS: dice.choice([1, 1, 1, 1, 3]),
            Unit.WEEKS: dice.choice([1, 2, 4]),
            Unit.DAYS: dice.choice([7, 10, 30]),
        }[unit]
        principal_fen = dice.choice([dice.randrange(24, 600), *[dice.randrange(10_000, 50_000_000)] * 5])
        try:
            return Terms(
                principal_fen=principal_fen,
                instalments=instalments,
                every=every,
                unit=unit,
                month_end=dice.choice([MonthEnd.CLAMP, MonthEnd.CLAMP, MonthEnd.ROLL]),
                first_due=dice.choice([None] * 4 + [begins + dice.randrange(10, 50) * DAY]),
                grace_principal=dice.choice([0] * 5 + [dice.randrange(0, instalments)]),
                interest_free=dice.choice([0] * 6 + [dice.randrange(0, instalments)]),
                multiple_fen=dice.choice([1, 1, 1, 100]),
                lender="lender",
                licence="consumer_finance",
                policy_pack="cn",
                product="simulated",
                charges=disclosed_charges("lender", **numbers, **charged),
                grace_interest=dice.choice([0] * 6 + [dice.randrange(0, instalments)]),
                down_payment_ppm=dice.choice([0] * 6 + [200_000]),
                custom_fen=draw_custom(dice, instalments, principal_fen),
                calendar=dice.choice([None] * 4 + [HOLIDAYS]),
                shift=dice.choice([Shift.FOLLOWING, Shift.FOLLOWING, *Shift]),
                smooth=dice.random() < 0.15,
                whole_interest=method is Method.FLAT and dice.random() < 0.3,
                equal_totals=method is Method.FLAT and dice.random() < 0.4,
                **words,
                due_day=dice.choice([None, None, dice.randrange(1, 32)]),
                rounding=dice.choice(list(Rounding)),
                allocation=allocation,
                parts=dice.choice([1, 1, 1, 3]),
                **numbers,
            )
        except TermsInvalid:
            continue


def draw_custom(dice: Random, instalments: int, principal_fen: int) -> tuple[tuple[int, int], ...]:
    """Instalments agreed one by one, mostly none."""
    if instalments < 3 or dice.random() < 0.9:
        return ()
    numbers = sorted(dice.sample(range(1, instalments), dice.randrange(1, min(5, instalments))))
    return tuple((n, dice.randrange(0, 2 * principal_fen // instalments + 1)) for n in numbers)


class Walker:
    """Books events on one loan as a servicer would, and posts the step between two folds."""

    def __init__(self, dice: Random, number: int, terms: Terms, begins: date, until: date) -> None:
        self.dice, self.number, self.terms, self.until = dice, number, terms, until
        self.events: list[Event] = []
        self.today = begins
        self.last_value_on = begins
        self.refused = 0

    def life(self) -> Life:
        return Life(self.number, self.terms, tuple(self.events), self.until)

    def book(
        self, type: EventType, amount: int, data: dict[str, str | int] | None = None, on: date | None = None
    ) -> bool:
        """Book one event today for a value date; False if the contract refuses it."""
        number = len(self.events) + 1
        moment = datetime.combine(self.today, time(1), UTC) + timedelta(minutes=number)
        event = Event(f"e{number:03}", type, on or self.today, moment, amount, data or {})
        try:
            fold(self.terms, [*self.events, event], self.today)
        except ContractViolation:
            self.refused += 1
            return False
        except BREAKS:
            self.until = self.today  # the auditor will meet it again
        self.events.append(event)
        return True

    def walk(self) -> Life:
        """Live until the end: on some days nothing happens, on some several things."""
        dice, terms = self.dice, self.terms
        first = terms.principal_fen if terms.parts == 1 else dice.randrange(1, terms.principal_fen + 1)
        if not self.book(
            EventType.DISBURSED, first
        ):  # instalments agreed one by one that do not cover their interest
            return self.life()
        habit = dice.choice(["pays", "pays", "pays", "late", "erratic", "stops"])
        while self.today < self.until:
            state = self.state()
            if state.status is Status.SETTLED and dice.random() < 0.7:
                break
            self.today = self._next_day(state, habit)
            if self.today >= self.until:
                break
            for _ in range(dice.choice([1, 1, 1, 2, 3])):
                if self.today < self.until:
                    self._one(habit)
        return self.life()

    def state(self) -> LoanState:
        return fold(self.terms, self.events, self.today)

    def _next_day(self, state: LoanState, habit: str) -> date:
        dice = self.dice
        if state.next_due and habit in ("pays", "late") and dice.random() < 0.8:
            late = 0 if habit == "pays" else dice.choice([0, 1, 3, 10, 40, 120])
            return max(self.today + DAY, state.next_due.due_on + late * DAY)
        return self.today + dice.randrange(0, 60) * DAY

    def _one(self, habit: str) -> None:
        dice, state = self.dice, self.state()
        paying = {"pays": 0.75, "late": 0.6, "erratic": 0.45, "stops": 0.1}[habit]
        if state.amount_due_fen and dice.random() < paying and state.charged_off_on is None:
            self.book(EventType.REPAID, state.amount_due_fen)
            return
        kind = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if state.charged_off_on is not None and dice.random() < 0.5:
            kind = dice.choice(
                [EventType.RECOVERED, EventType.WAIVED, EventType.CHARGED_BACK, EventType.REFUNDED]
            )
        elif state.dpd > 90 and dice.random() < 0.15:
            kind = EventType.CHARGED_OFF
        elif state.amount_due_fen and dice.random() < 0.2:
            kind = dice.choice([EventType.WAIVED, EventType.FEE_CHARGED])
        back = self.today - min(dice.randrange(1, 50), (self.today - self.events[0].value_on).days) * DAY
        on = back if dice.random() < 0.15 else self.today
        amount, data = self.details(kind, state if on == self.today else self.state_on(on, state))
        self.book(kind, amount, data, on)

    def state_on(self, on: date, instead: LoanState) -> LoanState:
        try:
            return fold(self.terms, self.events, on)
        except ContractViolation:
            return instead

    def details(self, kind: EventType, state: LoanState) -> tuple[int, dict[str, str | int]]:
        """An amount and data that often fit, and sometimes do not."""
        dice, some = self.dice, self.dice.randrange(1, self.terms.principal_fen + 1)
        some = dice.choice([some, some // 10 + 1, dice.randrange(1, 200)])
        chosen = dice.choice(self.events)
        payments = [e for e in self.events if e.type in _PAYMENTS] or [chosen]
        payment = dice.choice(payments)
        due = [row for row in state.instalments if row.due_on <= state.as_of and row.settled_on is None]
        owed = {
            "penalty": sum(r.penalty_accrued_fen - r.penalty_paid_fen for r in due),
            "interest": sum(r.interest_due_fen - r.interest_paid_fen for r in due),
            "fee": sum(r.cost_due_fen - r.cost_paid_fen for r in due),
        }
        target = dice.choice([name for name, fen in owed.items() if fen] or ["penalty"])
        match kind:
            case EventType.REPAID | EventType.RECOVERED:
                return dice.choice([some, state.amount_due_fen or some, 2 * some]), {}
            case EventType.PREPAID_PART:
                return some, {"mode": dice.choice(["keep_term", "keep_instalment"])}
            case EventType.PREPAID_FULL:
                return state.payoff_fen, {}
            case EventType.REFUNDED:
                return some, {
                    "source": dice.choice(["merchant", "goodwill"]),
                    "to": dice.choice(["principal", "surplus"]),
                }
            case EventType.PAID_BACK:
                return max(1, state.totals.surplus_fen), {}
            case EventType.CHARGED_BACK:
                return dice.choice([payment.amount_fen, max(1, payment.amount_fen // 2)]) or 1, {
                    "event": payment.id
                }
            case EventType.REVERSED:
                return chosen.amount_fen, {"event": chosen.id}
            case EventType.FEE_CHARGED:
                name = dice.choice(["late_fee", "service_fee"])
                most = self.terms.late_fee_fen if name == "late_fee" else self.terms.service_fee_fen
                return dice.choice([max(1, most), dice.randrange(1, max(2, most))]), {"kind": name}
            case EventType.WAIVED:
                return max(1, dice.choice([owed[target], owed[target] // 2])), {"target": target}
            case EventType.RATE_CHANGED:
                return 0, {"rate_ppm": dice.randrange(0, self.terms.annual_rate_ppm + 1)}
            case EventType.DUE_DATE_CHANGED:
                return 0, {"due_day": dice.randrange(1, 32)}
            case EventType.PAUSED:
                return 0, {"months": dice.randrange(1, 4), "interest": dice.choice(["runs", "stops"])}
            case EventType.INTEREST_STOPPED:
                return 0, {"days": dice.choice([1, 10, dice.randrange(1, 100)])}
            case EventType.HARDSHIP_AGREED:
                row = state.next_due
                usual = row.principal_due_fen + row.interest_due_fen if row else some
                return max(1, usual * dice.randrange(20, 100) // 100), {
                    "instalments": dice.randrange(1, 5),
                    "extra": dice.randrange(0, 7),
                }
            case EventType.RESTRUCTURED:
                return 0, {
                    "instalments": dice.randrange(1, 25),
                    **({"due_day": dice.randrange(1, 32)} if some % 2 else {}),
                }
            case EventType.DISBURSED:
                return some, {}
            case EventType.SOLD:
                return some, {"owner": dice.choice([*BUYERS.values(), self.terms.lender])}
            case _:
                return 0, {}


_PAYMENTS = {
    EventType.REPAID,
    EventType.PREPAID_PART,
    EventType.PREPAID_FULL,
    EventType.REFUNDED,
    EventType.RECOVERED,
}
WEIGHTS = {
    EventType.REPAID: 12, EventType.PREPAID_PART: 10, EventType.PREPAID_FULL: 2, EventType.REFUNDED: 4,
    EventType.RECOVERED: 4, EventType.PAID_BACK: 4, EventType.CHARGED_BACK: 4, EventType.REVERSED: 8,
    EventType.FEE_CHARGED: 8, EventType.WAIVED: 6, EventType.RATE_CHANGED: 3, EventType.DUE_DATE_CHANGED: 3,
    EventType.PAUSED: 2, EventType.HARDSHIP_AGREED: 3, EventType.RESTRUCTURED: 2, EventType.DISBURSED: 2,
    EventType.CHARGED_OFF: 1, EventType.SOLD: 1, EventType.SETTLED: 1, EventType.INTEREST_STOPPED: 2, EventType.ACCELERATED: 1,
}  # fmt: skip


def draw_life(seed: int, number: int, years: int) -> tuple[Life, int]:
    """Loan `number` of a seed, and how many of its events the contract refused."""
    dice = Random(f"{seed}:{number}")
    begins = FIRST + dice.randrange(0, 365) * DAY
    walker = Walker(dice, number, draw_terms(dice, begins), begins, FIRST + years * 365 * DAY)
    life = walker.walk()
    return replace(life, parts=draw_parts(dice)), walker.refused


def parts_of(story: Mapping[str, Any]) -> tuple[Part, ...]:
    """The partners of a life in its JSON."""
    return tuple(Part(UUID(partner), *ppm) for partner, *ppm in story.get("parts", []))


def draw_parts(dice: Random) -> tuple[Part, ...]:
    """None, or up to four partners with any shares."""
    count = dice.choice([0, 0, 1, 1, 2, 3, 4])
    most = MILLION // max(1, count)
    return tuple(
        Part(
            UUID(int=10**6 + n),
            dice.choice([dice.randrange(1, most), most // 2, most]),
            dice.choice([0, dice.randrange(1, most)]),
            dice.choice([0, dice.randrange(1, 300_000)]),
        )
        for n in range(count)
    )


def postings(life: Life, spoil: Spoil | None = None) -> Iterator[auditor.Posting]:
    """The in-memory ledger of a loan: a posting for every event when it was booked, for every month end, and for the last day."""
    days = {e.booked_at.date() for e in life.events} | {life.until}
    day = min(days)
    while day < life.until:
        day = (day.replace(day=1) + 32 * DAY).replace(day=1)
        days.add(min(day - DAY, life.until))
    before = books.Standing.of(fold(life.terms, [], min(days)), suspended=False)
    known: list[Event] = []
    for on in sorted(days):
        booked = [e for e in life.events if e.booked_at.date() == on]
        for news in [[e] for e in booked] or [[]]:
            known += news
            state = fold(life.terms, known, on)
            after = books.Standing.of(state, suspended=state.dpd > auditor.NON_ACCRUAL_AFTER_DAYS)
            lines = tuple(books.booking(life.terms, life.id, before, after, (0, 0), life.parts))
            before = after
            if spoil:
                lines = spoil(life, lines)
            if lines:
                yield auditor.Posting(on, life.id, lines)


def looks(life: Life) -> list[date]:
    """The days on which the auditor looks: the last one, and two on the way."""
    begins = life.events[0].value_on if life.events else life.until
    booked = max((e.booked_at.date() for e in life.events), default=begins)
    dice = Random(f"{life.number}:{life.until}")
    return [life.until, booked, begins + dice.randrange(0, max(1, (life.until - begins).days)) * DAY]


def audit(life: Life, spoil: Spoil | None = None) -> tuple[str, ...]:
    """Every difference between a loan as contract and books have it, and as the rules and the entries alone have it."""
    try:
        kept = list(postings(life, spoil))
        wrong = auditor.unsound(kept, {part.partner for part in life.parts} | BUYERS.keys())
        for on in looks(life):
            rules = live(life.terms, life.events, on)
            state, outlook = look_ahead(life.terms, life.events, on)
            wrong += [f"{on}: {text}" for text in auditor.loan_differences(state, rules)]
            wrong += [f"{on}: {text}" for text in auditor.above_cap(rules)]
            if on == life.until:
                booked = auditor.sums(kept)[life.id]
                wrong += [
                    f"books: {text}" for text in auditor.book_differences(life.id, booked, rules, life.parts)
                ]
            later = min(on + 9 * DAY, outlook.until - DAY)
            if later > on:
                then = live(life.terms, [e for e in life.events if e.value_on <= on], later)
                if outlook.accrued(later) != (then.interest_total, then.penalty_total):
                    wrong.append(
                        f"{on}: the outlook says {outlook.accrued(later)} for {later}, "
                        f"the rules {(then.interest_total, then.penalty_total)}"
                    )
    except ContractViolation as refusal:
        return (f"a history that was accepted is refused: {refusal}",)
    except BREAKS as error:
        return (f"the code broke: {type(error).__name__}: {error}",)
    return tuple(wrong)


def run(
    seed: int,
    loans: int,
    years: int,
    spoil: Spoil | None = None,
    tell: Callable[[Summary], None] | None = None,
) -> tuple[Summary, Failure | None]:
    """Live through the loans of a seed until one of them shows a difference."""
    summary = Summary()
    for number in range(loans):
        life, refused = draw_life(seed, number, years)
        summary.loans += 1
        summary.refused += refused
        summary.events.update(str(e.type) for e in life.events)
        summary.back_dated += sum(e.value_on < e.booked_at.date() for e in life.events)
        if life.events:
            summary.days += (life.until - life.events[0].value_on).days
        wrong = audit(life, spoil)
        if wrong:
            return summary, Failure(life, wrong)
        summary.looks += len(looks(life))
        summary.ends[str(fold(life.terms, life.events, life.until).status)] += 1
        if tell:
            tell(summary)
    return summary, None


def still_accepted(life: Life, events: Sequence[Event]) -> bool:
    """Whether these events could have been booked one after the other."""
    for place in range(1, len(events) + 1):
        known = sorted(events, key=lambda e: e.booked_at)[:place]
        try:
            fold(life.terms, known, known[-1].booked_at.date())
        except ContractViolation:
            return False
        except BREAKS:
            return place == len(events)
    return True
