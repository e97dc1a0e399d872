"""The day close of one shard: what a business day does to every open loan, as columns, in one transaction.

Most loans only accrue, and that is arithmetic on their columns (`accruing`). The few to which something happens on that day
(an instalment falls due, a surplus pays it, charges go into suspense) go through the fold, and their columns are written
anew. All rows of the day are inserted at once into the ledger's sub-ledger, which posts their sums. See docs/day-close.md.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef

from timelyrain.agreements import services as agreements
from timelyrain.contract import (
    Column,
    Event,
    EventType,
    LoanState,
    Outlook,
    Status,
    Terms,
    bucket_of,
    fold,
    look_ahead,
    rate_up_to,
)
from timelyrain.ledger import services as ledger
from timelyrain.payments import services as payments
from timelyrain.runtime import clock, sagas
from timelyrain.runtime.columns import Array, insert, number, uuids
from timelyrain.runtime.ids import derived_id
from timelyrain.servicing import accruing, books, funding, provisions, workdays
from timelyrain.servicing.accruing import Columns, Looked
from timelyrain.servicing.models import (
    Accruing,
    DayRun,
    Loan,
    LoanEvent,
    Repayment,
    RepaymentKind,
    RepaymentState,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Closed:
    """What a day close did in one shard. folded: loans that went through the fold; the sums are of the day."""

    shard: int
    on: date
    loans: int
    folded: int
    interest_fen: int
    penalty_fen: int
    allowance_fen: int
    debits: int
    reminders: int


def closed_up_to(shard: int) -> date | None:
    """The last business day closed in a shard."""
    return DayRun.objects.filter(shard=shard).aggregate(on=Max("on"))["on"]


def share_books(shard: int) -> None:
    """Keep the day close of a shard out until the caller's transaction ends. Taken before any loan is locked."""
    _lock("pg_advisory_xact_lock_shared", shard)


def _lock(function: str, shard: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [f"books:{shard}"])


def close(shard: int, on: date) -> Closed | None:
    """Close a business day of a shard, all or nothing; None when that day, or a later one, was closed before.

    Raises CalendarEnds.
    """
    workdays.require(on)
    ledger.open_month(on)
    with transaction.atomic():
        _lock("pg_advisory_xact_lock", shard)
        last = closed_up_to(shard)
        if last is not None and on <= last:
            return None
        return _close(shard, on, last)


def _close(shard: int, on: date, last: date | None) -> Closed:
    _adopt(shard)
    columns = accruing.read(shard)
    of, day, rule = columns.of, number(on), provisions.provisions(on)
    open_ = of["opened_on"] <= day
    before = np.maximum(of["from_on"], number(last or date.min))
    interest_before, penalty_before = columns.accrued(before)
    goes_on = open_ & (of["until_on"] > day)
    interest_now, penalty_now = columns.accrued(np.where(goes_on, np.maximum(of["from_on"], day), before))

    interest, penalty = interest_now - interest_before, penalty_now - penalty_before
    dpd = np.maximum(day - of["late_since"], 0)
    exposure = of["owed_fen"] + np.where(of["suspended"], 0, interest_now + penalty_now - of["paid_fen"])
    suspended = of["suspended"].copy()

    changing = np.flatnonzero(open_ & ~goes_on)
    folded = _fold(shard, on, uuids(of["loan_id"][changing]), rule)
    booked = _book(shard, on, columns, changing, folded, last)
    for place, one in zip(changing, folded, strict=True):
        if one.loan.id not in booked:
            interest[place] = one.accrued[0] - interest_before[place]
            penalty[place] = one.accrued[1] - penalty_before[place]
        dpd[place], suspended[place] = one.state.dpd, one.suspended
        exposure[place] = one.exposure_fen
    _summarise(shard, on, folded, booked)
    accruing.keep(shard, folded)

    partners = funding.partners_ppm(of["arrangement"])
    allowance = rule.allowances(funding.own_exposure(exposure, partners), dpd, columns.rated(day))
    rows = {
        "loan_id": ("uuid", of["loan_id"]),
        "interest_fen": ("fen", interest),
        "penalty_fen": ("fen", penalty),
        "allowance_fen": ("fen", allowance),
        "interest_charge_id": ("uuid", of["interest_charge_id"]),
        "penalty_charge_id": ("uuid", of["penalty_charge_id"]),
        "dpd": ("int", dpd),
        "suspended": ("flag", suspended),
    }
    rows = {name: (kind, values[open_]) for name, (kind, values) in rows.items()}
    ledger.post_days(shard, on, clock.now(), rows)
    stood, step = (interest_before[open_], penalty_before[open_]), (interest[open_], penalty[open_])
    funding.post_days(shard, on, partners[open_], stood, step, suspended[open_])

    late = np.flatnonzero(goes_on & (dpd > 0) & (of["from_on"] < day))
    _mark_late(shard, of["loan_id"][late], dpd[late])
    _forget_settled(shard, on)
    # What a debit waits for, and an instalment that fell due today on a loan whose books an event has taken to today, or further.
    fell_due = _debited_on(on)
    waits = np.isin(of["fallen_on"], [number(fell) for fell in fell_due if fell < on])
    due = np.flatnonzero(
        goes_on & ~of["settled"] & (waits | (of["fallen_on"] == day) & (of["from_on"] >= day))
    )
    debits = _queue_debits(shard, on, fell_due, [*folded, *_fold(shard, on, uuids(of["loan_id"][due]), rule)])
    reminders = _queue_reminders(
        shard, on, of["loan_id"], np.where(open_ & ~of["settled"], of["next_due_on"] - day, 0), dpd
    )
    count = int(open_.sum())
    DayRun.objects.create(shard=shard, on=on, loans=count, at=clock.now())
    closed = Closed(
        shard,
        on,
        loans=count,
        folded=len(folded),
        interest_fen=int(interest[open_].sum()),
        penalty_fen=int(penalty[open_].sum()),
        allowance_fen=int(allowance[open_].sum()),
        debits=debits,
        reminders=reminders,
    )
    log.debug("day %s of shard %d closed: %s loan(s), %s folded", on, shard, f"{count:,}", f"{len(folded):,}")
    return closed


def _adopt(shard: int) -> None:
    """Give columns to open loans that have none: those opened before there were any."""
    known = Accruing.objects.filter(shard=shard, loan_id=OuterRef("id"))
    loans = Loan.objects.filter(~Exists(known), shard=shard).exclude(status=Status.SETTLED)
    for loan in loans:
        terms, events = Terms.from_json(loan.terms_json), events_of(shard, [loan.id])[loan.id]
        state, outlook = look_ahead(terms, events, loan.posted_on)
        rule = provisions.provisions(loan.posted_on)
        accruing.keep(shard, [looked(loan, terms, events, state, outlook, rule)])


# -- the loans to which something happens ----------------------------------------------------------------------------------


def _fold(shard: int, on: date, ids: Sequence[UUID], rule: provisions.Provisions) -> list[Looked]:
    """The fold of these loans on a day, in their order; nobody else changes them until the close is over."""
    if not ids:
        return []
    loans = {row.id: row for row in Loan.objects.select_for_update().filter(shard=shard, id__in=ids)}
    events = events_of(shard, ids)
    folded = []
    for id in ids:
        terms = Terms.from_json(loans[id].terms_json)
        state, outlook = look_ahead(terms, events[id], on)
        folded.append(looked(loans[id], terms, events[id], state, outlook, rule))
    return folded


def events_of(shard: int, ids: Sequence[UUID]) -> dict[UUID, list[Event]]:
    """The events of these loans as the fold reads them."""
    found: dict[UUID, list[Event]] = defaultdict(list)
    rows = LoanEvent.objects.filter(shard=shard, loan_id__in=ids).order_by("value_on", "booked_at", "id")
    for loan_id, id, type_, value_on, booked_at, amount_fen, data in rows.values_list(
        "loan_id", "id", "type", "value_on", "booked_at", "amount_fen", "data"
    ):
        found[loan_id].append(Event(str(id), EventType(type_), value_on, booked_at, amount_fen, data))
    return found


def looked(
    loan: Loan,
    terms: Terms,
    events: Sequence[Event],
    state: LoanState,
    outlook: Outlook,
    rule: provisions.Provisions,
) -> Looked:
    """With the day on which charges go into suspense as the end of the outlook."""
    suspended = rule.suspended(state.dpd)
    if outlook.late_since and not suspended:
        turn = outlook.late_since + timedelta(days=rule.non_accrual_after_days + 1)
        outlook = replace(outlook, until=min(outlook.until, turn))
    return Looked(loan, terms, events, state, outlook, suspended)


def _book(
    shard: int, on: date, columns: Columns, changing: Column, folded: Sequence[Looked], last: date | None
) -> set[UUID]:
    """Post on a loan's own accounts where more happened than accrual, the day's accrual with it; returns these loans."""
    of, transfers = columns.of, []
    interest, penalty = columns.accrued(np.maximum(of["from_on"], number(last or date.min)))
    parts = funding.parts_of(shard, [one.loan.id for one in folded])
    for place, one in zip(changing, folded, strict=True):
        if not of["surplus_fen"][place] and bool(of["suspended"][place]) == one.suspended:
            continue
        loan, terms = one.loan, one.terms
        posted = fold(terms, one.events, loan.posted_on)
        before = books.Standing.of(posted, bool(of["suspended"][place]))
        was = before.accrued(terms.lender)
        days = int(interest[place]) - was[0], int(penalty[place]) - was[1]
        rate = rate_up_to(terms, one.events, on)
        lines = books.booking(terms, loan.id, before, one.standing, days, parts.get(loan.id) or (), rate)
        transfers.append(
            ledger.Transfer(f"day:{loan.id}:{on}", "day_of_loan", on, clock.now(), lines, loan.id)
        )
    ledger.post(shard, [transfer for transfer in transfers if transfer.lines])
    return {transfer.loan_id for transfer in transfers if transfer.loan_id}


def _summarise(shard: int, on: date, folded: Sequence[Looked], booked: set[UUID]) -> None:
    """The loans' rows for lists: what the fold says of them now."""
    if not folded:
        return
    states = [one.state for one in folded]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE servicing_loan l SET status = x.status, dpd = x.dpd, bucket = x.bucket, outstanding_fen = x.outstanding,
                next_due_on = x.next_due_on, settled_on = x.settled_on, posted_on = greatest(l.posted_on, x.posted_on)
            FROM unnest(%s::uuid[], %s::text[], %s::int[], %s::text[], %s::bigint[], %s::date[], %s::date[], %s::date[])
                AS x(id, status, dpd, bucket, outstanding, next_due_on, settled_on, posted_on)
            WHERE l.shard = %s AND l.id = x.id
            """,
            [
                [one.loan.id for one in folded],
                [str(state.status) for state in states],
                [state.dpd for state in states],
                [state.bucket for state in states],
                [state.outstanding_principal_fen for state in states],
                [state.next_due.due_on if state.next_due else None for state in states],
                [settled_on(state) for state in states],
                [on if one.loan.id in booked else one.loan.posted_on for one in folded],
                shard,
            ],
        )
    for one in folded:
        if one.state.status == Status.SETTLED:
            agreements.follow_loan(shard, one.loan.agreement_id, settled=True)


def settled_on(state: LoanState) -> date | None:
    """The day a settled loan's last instalment was paid."""
    if state.status != Status.SETTLED:
        return None
    return max(row.settled_on for row in state.instalments if row.settled_on)


# -- what follows for the others -------------------------------------------------------------------------------------------


def _mark_late(shard: int, loans: Array, dpd: Column) -> None:
    if not loans.size:
        return
    days = dpd.tolist()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE servicing_loan l SET dpd = x.dpd, bucket = x.bucket,
                status = CASE WHEN l.status = 'ACTIVE' THEN 'OVERDUE' ELSE l.status END
            FROM unnest(%s::uuid[], %s::int[], %s::text[]) AS x(id, dpd, bucket) WHERE l.shard = %s AND l.id = x.id
            """,
            [uuids(loans), days, [bucket_of(n) for n in days], shard],
        )


def _forget_settled(shard: int, on: date) -> None:
    """A settled loan has had its last row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM servicing_accruing WHERE shard = %s AND settled AND from_on <= %s", [shard, on]
        )


def _debited_on(on: date) -> list[date]:
    """The due dates whose debits begin on a day: it, and the days of rest before it where mandates leave those out."""
    if provisions.debits_on_rest_days(on):
        return [on]
    beside = workdays.rest_days_beside(on)
    return [] if beside is None else [on - timedelta(days=n) for n in range(beside[0] + 1)]


def _queue_debits(shard: int, on: date, fell_due: Sequence[date], folded: Sequence[Looked]) -> int:
    """Begin the debit of what fell due on these days, unless a payment is on its way already; returns how many.

    A day that is caught up with late asks for what fell due on it, less what was paid since.
    """
    today = clock.today()
    wanted: dict[UUID, tuple[Looked, int]] = {}
    for one in folded:
        if any(row.due_on in fell_due and row.unpaid_fen for row in one.state.instalments):
            due_fen = one.state.amount_due_fen
            if today > on:
                due_fen = min(due_fen, fold(one.terms, one.events, today).amount_due_fen)
            if due_fen:
                wanted[one.loan.id] = one, due_fen
    if not wanted:
        return 0
    # The loans are locked: nobody asks for a payment meanwhile.
    pending = Repayment.objects.filter(shard=shard, loan_id__in=list(wanted), state=RepaymentState.PENDING)
    for loan_id in pending.values_list("loan_id", flat=True):
        del wanted[loan_id]  # what that payment leaves unpaid is late tomorrow
    repayments = {
        derived_id("debit", loan_id, on): (loan_id, one.loan.borrower_id, due_fen)
        for loan_id, (one, due_fen) in wanted.items()
    }
    if not repayments:
        return 0
    insert(
        "servicing_repayment",
        {
            "shard": shard, "kind": RepaymentKind.DUE, "mode": "", "state": RepaymentState.PENDING, "automatic": True,
            "refusal": "", "requested_at": clock.now(),
        },
        {
            "id": ("uuid", list(repayments)),
            "loan_id": ("uuid", [loan_id for loan_id, _, _ in repayments.values()]),
            "amount_fen": ("bigint", [due_fen for _, _, due_fen in repayments.values()]),
        },
    )  # fmt: skip
    orders = payments.order_many(
        shard, "debit", {id: (borrower_id, due_fen) for id, (_, borrower_id, due_fen) in repayments.items()}
    )
    sagas.start_many(
        "repay_loan",
        shard,
        {
            str(id): {
                "order_id": str(orders[id]),
                "repayment_id": str(id),
                "loan_id": str(loan_id),
                "borrower_id": str(borrower_id),
            }
            for id, (loan_id, borrower_id, _) in repayments.items()
        },
    )
    return len(repayments)


def _queue_reminders(shard: int, on: date, loans: Array, days_to_due: Column, dpd: Column) -> int:
    """Begin a reminder to every borrower for whom today is the day; none for days that are caught up with late."""
    rule, now = provisions.reminders(on), clock.now()
    if on != clock.business_date(now):
        return 0
    before, after = rule.before_due_days, rule.after_due_days
    if not rule.on_rest_days:
        beside = workdays.rest_days_beside(on)
        if beside is None:
            return 0
        before = [days + n for days in before for n in range(beside[1] + 1)]
        after = [days + n for days in after for n in range(beside[0] + 1)]
    today = np.isin(days_to_due, before) | np.isin(dpd, after)
    moment = datetime.combine(on, time(rule.hour), clock.BUSINESS_ZONE)
    wanted = uuids(loans[today])
    sagas.start_many(
        "remind_borrower",
        shard,
        {f"{loan_id}:{on}": {"loan_id": str(loan_id), "on": on.isoformat()} for loan_id in wanted},
        due_at=datetime.now(UTC) + max(moment - now, timedelta()),
    )
    return len(wanted)
