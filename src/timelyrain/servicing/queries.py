"""Reads of loans."""

from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Max

from timelyrain.contract import Event, EventType, LoanState, fold
from timelyrain.ledger import queries as ledger
from timelyrain.runtime import clock
from timelyrain.runtime.problems import NotFound
from timelyrain.servicing import books, dayclose, explaining, funding, provisions
from timelyrain.servicing.models import ActState, DayRun, Loan, LoanAct, Repayment, Wish
from timelyrain.servicing.services import events_of, loan_for, state_of, terms_of


@dataclass(frozen=True)
class LoanView:
    """A loan as its borrower sees it today."""

    id: UUID
    agreement_id: UUID
    principal_fen: int
    annual_rate_ppm: int
    opened_on: date
    state: LoanState


def loans_of(shard: int, borrower_id: UUID) -> list[LoanView]:
    return [
        _view(loan)
        for loan in Loan.objects.filter(shard=shard, borrower_id=borrower_id).order_by("-opened_on", "id")
    ]


def loan(shard: int, borrower_id: UUID, loan_id: UUID, on: date | None = None) -> LoanView:
    return _view(loan_for(shard, borrower_id, loan_id), on)


def _view(row: Loan, on: date | None = None) -> LoanView:
    terms = terms_of(row)
    return LoanView(
        row.id, row.agreement_id, terms.principal_fen, terms.annual_rate_ppm, row.opened_on, state_of(row, on)
    )


def events(shard: int, borrower_id: UUID, loan_id: UUID) -> list[dict[str, Any]]:
    """The facts of a loan in the form that `contract.replay` reads."""
    return [event.to_json() for event in events_of(loan_for(shard, borrower_id, loan_id))]


@dataclass(frozen=True)
class RepaymentView:
    id: UUID
    kind: str
    amount_fen: int
    state: str
    automatic: bool
    refusal: str
    requested_at: datetime
    finished_at: datetime | None


def repayments(shard: int, borrower_id: UUID, loan_id: UUID) -> list[RepaymentView]:
    rows = Repayment.objects.filter(shard=shard, loan=loan_for(shard, borrower_id, loan_id)).order_by(
        "-requested_at"
    )
    return [
        RepaymentView(
            r.id, r.kind, r.amount_fen, r.state, r.automatic, r.refusal, r.requested_at, r.finished_at
        )
        for r in rows
    ]


@dataclass(frozen=True)
class ActView:
    """An act on a loan, from the request to the booked event. `before` and `after` are summaries (`previews.summary`)."""

    id: UUID
    shard: int
    loan_id: UUID
    type: str
    value_on: date
    amount_fen: int
    data: dict[str, Any]
    reason: str
    wish_id: UUID | None
    state: str
    second_person: bool
    requested_by: str
    requested_at: datetime
    decided_by: str
    decided_at: datetime | None
    note: str
    borrower_fen: int
    before: dict[str, Any]
    after: dict[str, Any]
    event_id: UUID | None
    refusal: str
    finished_at: datetime | None


def act(act_id: UUID) -> ActView:
    row = LoanAct.objects.filter(id=act_id).first()
    if row is None:
        raise NotFound(f"There is no act {act_id}.", remedy="Choose one from the list of acts.")
    return _act_view(row)


def acts(*, state: str = "", loan_id: UUID | None = None, limit: int = 200) -> list[ActView]:
    """The newest acts, of one state or of one loan."""
    rows = LoanAct.objects.order_by("-requested_at", "-id")
    if state:
        rows = rows.filter(state=state)
    if loan_id is not None:
        rows = rows.filter(loan_id=loan_id)
    return [_act_view(row) for row in rows[:limit]]


def offered(shard: int, borrower_id: UUID, loan_id: UUID) -> list[ActView]:
    """What waits for this borrower's own yes or no."""
    row = loan_for(shard, borrower_id, loan_id)
    rows = LoanAct.objects.filter(shard=shard, loan=row, state=ActState.OFFERED).order_by("id")
    return [_act_view(row) for row in rows]


def _act_view(row: LoanAct) -> ActView:
    return ActView(**{f.name: getattr(row, f.name) for f in fields(ActView)})


@dataclass(frozen=True)
class WishView:
    """What a borrower asked for, and the answer."""

    id: UUID
    shard: int
    loan_id: UUID
    kind: str
    amount_fen: int | None
    instalments: int | None
    due_day: int | None
    note: str
    asked_at: datetime
    state: str
    answer: str
    answered_at: datetime | None


def wishes(*, state: str = "", loan_id: UUID | None = None, limit: int = 200) -> list[WishView]:
    """Requests of borrowers, those that wait longest first."""
    rows = Wish.objects.order_by("asked_at", "id")
    if state:
        rows = rows.filter(state=state)
    if loan_id is not None:
        rows = rows.filter(loan_id=loan_id)
    return [_wish_view(row) for row in rows[:limit]]


def wishes_of(shard: int, borrower_id: UUID, loan_id: UUID) -> list[WishView]:
    """The borrower's own requests, newest first."""
    return wishes(loan_id=loan_for(shard, borrower_id, loan_id).id)[::-1]


def _wish_view(row: Wish) -> WishView:
    return WishView(**{f.name: getattr(row, f.name) for f in fields(WishView)})


@dataclass(frozen=True)
class HistoryLine:
    """An event of a loan, and what became of it: undone_by is the reversal that took it back."""

    event: Event
    undone_by: str
    reversible: bool


def history(loan_row: Loan) -> list[HistoryLine]:
    """Every event of a loan, newest first."""
    known = events_of(loan_row)
    undone = {event.text("event"): event.id for event in known if event.type is EventType.REVERSED}
    firm = {EventType.DISBURSED, EventType.REVERSED, EventType.PAID_BACK}
    return [
        HistoryLine(event, undone.get(event.id, ""), event.type not in firm and event.id not in undone)
        for event in reversed(known)
    ]


@dataclass(frozen=True)
class Proof:
    """The books of a loan against the replay of its signed terms and events, account by account, in fen."""

    loan_id: UUID
    on: date
    replayed: dict[str, int]
    booked: dict[str, int]
    position: books.Position  # what the loan has brought to every account, its own among them

    @property
    def equal(self) -> bool:
        codes = self.replayed.keys() | self.booked.keys()
        return all(self.replayed.get(code, 0) == self.booked.get(code, 0) for code in codes)


def proof(shard: int, loan_id: UUID) -> Proof:
    """Fold the loan afresh as of the day its books stand at, and compare with the ledger's balances: the loan's own accounts,
    and what the day closes since have added to it on the control accounts.
    """
    row = Loan.objects.filter(id=loan_id).first()
    if row is None or row.shard != shard:
        raise NotFound(
            f"There is no loan {loan_id} in shard {shard}.", remedy="Take both from the list of loans."
        )
    closed_on = max(row.posted_on, dayclose.closed_up_to(shard) or row.posted_on)
    terms, events = terms_of(row), events_of(row)
    state = fold(terms, events, closed_on)
    suspended = provisions.provisions(closed_on).suspended(state.dpd)
    parts = funding.parts_of(shard, [loan_id]).get(loan_id) or ()
    position = books.position(terms, loan_id, books.Standing.of(state, suspended), parts)
    booked = ledger.loan_balances(shard, loan_id)
    interest, penalty = ledger.accrued_days(shard, loan_id, row.posted_on, closed_on)
    before = fold(terms, events, row.posted_on).totals
    for (code, _), fen in books.days_posted(before, (interest, penalty), suspended, parts).items():
        if code in books.CLAIM_ACCOUNTS:
            booked[code] = booked.get(code, 0) + fen
    own = {code: fen for (code, owner), fen in position.items() if owner == loan_id}
    return Proof(loan_id, closed_on, own, booked, position)


def explained(shard: int, loan_id: UUID, on: date) -> dict[str, Any]:
    """Why the close of a day added to a loan what it added (`explaining.explain`), as plain values."""
    day = explaining.explain(shard, loan_id, on)
    return asdict(day) | {"agrees": day.agrees, "sentences": day.sentences()}


def days_run_up_to() -> date | None:
    """The last business day run in every shard that has open loans; None when there are none."""
    open_shards = set(Loan.objects.exclude(status="SETTLED").values_list("shard", flat=True))
    ends = dict(DayRun.objects.filter(shard__in=open_shards).values_list("shard").annotate(Max("on")))
    return min(ends.values()) if open_shards and len(ends) == len(open_shards) else None


def portfolio() -> dict[str, Any]:
    """Open loans by bucket: count and outstanding principal."""
    rows: dict[str, list[int]] = {}
    for bucket, outstanding in Loan.objects.exclude(status="SETTLED").values_list(
        "bucket", "outstanding_fen"
    ):
        entry = rows.setdefault(bucket, [0, 0])
        entry[0] += 1
        entry[1] += outstanding
    return {
        "on": clock.today().isoformat(),
        "buckets": {b: {"loans": n, "outstanding_fen": fen} for b, (n, fen) in sorted(rows.items())},
    }
