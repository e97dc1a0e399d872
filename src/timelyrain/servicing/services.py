"""Commands on loans. Each books its event, its postings and its summary in one transaction."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Min

from timelyrain.agreements import services as agreements
from timelyrain.audit import services as audit
from timelyrain.contract import (
    ContractViolation,
    Event,
    EventType,
    LoanState,
    PrepayMode,
    Status,
    Terms,
    fold,
    look_ahead,
    preview,
    rate_up_to,
)
from timelyrain.customers import services as customers
from timelyrain.ledger import chart
from timelyrain.ledger import queries as ledger_queries
from timelyrain.ledger import services as ledger
from timelyrain.payments import services as payments
from timelyrain.runtime import clock, sagas
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.problems import Invalid, NotFound
from timelyrain.servicing import accruing, books, dayclose, errors, funding, nightly, provisions
from timelyrain.servicing.models import DayRun, Loan, LoanEvent, Repayment, RepaymentKind, RepaymentState


def terms_of(loan: Loan) -> Terms:
    return Terms.from_json(loan.terms_json)


def events_of(loan: Loan) -> list[Event]:
    rows = LoanEvent.objects.filter(shard=loan.shard, loan=loan).order_by("value_on", "booked_at", "id")
    return [Event(str(r.id), EventType(r.type), r.value_on, r.booked_at, r.amount_fen, r.data) for r in rows]


def state_of(loan: Loan, on: date | None = None) -> LoanState:
    """The fold of the loan as of a day (today if none is given)."""
    return fold(terms_of(loan), events_of(loan), on or clock.today())


def open_loan(
    shard: int, loan_id: UUID, borrower_id: UUID, agreement_id: UUID, terms_json: str, paid_out_on: date
) -> None:
    """Open the books of a loan whose money has gone out (in the caller's transaction)."""
    dayclose.share_books(shard)
    terms = Terms.from_json(terms_json)
    loan, created = Loan.objects.get_or_create(
        shard=shard,
        id=loan_id,
        defaults={
            "borrower_id": borrower_id,
            "agreement_id": agreement_id,
            "terms_json": terms_json,
            "terms_sha256": terms.sha256(),
            "opened_on": paid_out_on,
            "posted_on": paid_out_on,
            "status": Status.PENDING,
            "outstanding_fen": 0,
        },
    )
    if created:
        funding.fix(shard, loan_id, terms.product, paid_out_on)
        event_id = derived_id("disbursed", loan_id)
        append(loan, Event(str(event_id), EventType.DISBURSED, paid_out_on, clock.now(), terms.principal_fen))


def append(loan: Loan, event: Event) -> LoanState:
    """Add a fact to a loan: judge it by the fold, post the step between the folds, keep it (in the caller's transaction)."""
    dayclose.share_books(loan.shard)
    loan = Loan.objects.select_for_update().get(shard=loan.shard, id=loan.id)
    terms, events = terms_of(loan), events_of(loan)
    if any(event.id == known.id for known in events):
        return state_of(loan)
    closed_on = max(loan.posted_on, dayclose.closed_up_to(loan.shard) or loan.posted_on)
    on = max(clock.today(), closed_on, event.value_on)
    after, outlook = look_ahead(terms, [*events, event], on)
    LoanEvent.objects.create(
        shard=loan.shard,
        id=UUID(event.id),
        loan=loan,
        type=event.type,
        value_on=event.value_on,
        booked_at=event.booked_at,
        amount_fen=event.amount_fen,
        data=dict(event.data),
    )
    now = dayclose.looked(loan, terms, [*events, event], after, outlook, provisions.provisions(on))
    _post(now, events, event, closed_on)
    accruing.keep(loan.shard, [now])
    audit.record(
        loan.shard,
        f"loan_{event.type.lower()}",
        actor="servicing",
        subject=loan.id,
        amount_fen=event.amount_fen,
        event=event.id,
    )
    return after


def request_repayment(
    loan: Loan,
    kind: RepaymentKind,
    request_id: UUID,
    amount_fen: int | None = None,
    mode: str = "",
    *,
    automatic: bool = False,
) -> UUID:
    """Begin a payment through the rail; returns its id. Without an amount, what is due or the whole payoff."""
    if not automatic:
        customers.require_consent(loan.shard, loan.borrower_id, "pay_out_and_debit", "payment_institution")
    with transaction.atomic():
        # Everything is judged while the loan is locked: nothing is booked on it between the look and the order.
        loan = Loan.objects.select_for_update().get(shard=loan.shard, id=loan.id)
        if Repayment.objects.filter(shard=loan.shard, id=request_id).exists():
            return request_id
        if Repayment.objects.filter(shard=loan.shard, loan=loan, state=RepaymentState.PENDING).exists():
            raise errors.RepaymentOnItsWay(
                "One payment at a time.", remedy="Wait until the payment on its way is booked or refused."
            )
        amount_fen = _judge_amount(loan, kind, amount_fen, mode)
        Repayment.objects.create(
            shard=loan.shard,
            id=request_id,
            loan=loan,
            kind=kind,
            mode=mode if kind == RepaymentKind.PART else "",
            amount_fen=amount_fen,
            automatic=automatic,
            requested_at=clock.now(),
        )
        order_id = payments.order(loan.shard, "debit", request_id, loan.borrower_id, amount_fen)
        sagas.start(
            "repay_loan",
            str(request_id),
            loan.shard,
            {
                "order_id": str(order_id),
                "repayment_id": str(request_id),
                "loan_id": str(loan.id),
                "borrower_id": str(loan.borrower_id),
            },
        )
    return request_id


def book_repayment(repayment: Repayment, paid_on: date) -> LoanState:
    """Book money that has arrived (in the caller's transaction). It is always booked: what cannot be taken as it was meant counts
    as REPAID, or as RECOVERED once the loan is charged off.
    """
    dayclose.share_books(repayment.shard)
    loan = Loan.objects.select_for_update().get(shard=repayment.shard, id=repayment.loan_id)
    after = append(loan, _as_event(repayment, loan, paid_on))
    repayment.state, repayment.finished_at = RepaymentState.BOOKED, clock.now()
    repayment.save()
    return after


def _as_event(repayment: Repayment, loan: Loan, paid_on: date) -> Event:
    """What a payment was meant for, judged again on the day it came. A payoff is honoured for the day it was named for."""
    terms, events = terms_of(loan), events_of(loan)
    event_id, amount_fen, now = str(derived_id("repayment", repayment.id)), repayment.amount_fen, clock.now()
    wishes: list[Event] = []
    if repayment.kind == RepaymentKind.FULL:
        for on in sorted({clock.business_date(repayment.requested_at), paid_on}):
            state = fold(terms, events, on)
            if state.payoff_fen == amount_fen > state.amount_due_fen:
                wishes.append(Event(event_id, EventType.PREPAID_FULL, on, now, amount_fen))
    elif repayment.kind == RepaymentKind.PART and not fold(terms, events, paid_on).amount_due_fen:
        data = {"mode": repayment.mode}
        wishes.append(Event(event_id, EventType.PREPAID_PART, paid_on, now, amount_fen, data))
    for wish in wishes:
        with suppress(ContractViolation):
            preview(terms, events, [wish], max(clock.today(), loan.posted_on, paid_on))
            return wish
    lost = fold(terms, events, paid_on).charged_off_on is not None
    return Event(event_id, EventType.RECOVERED if lost else EventType.REPAID, paid_on, now, amount_fen)


def run_due_days() -> int:
    """Run every business day that has begun and was not run yet, oldest first; returns how many shard-days were run."""
    return len(close_due_days(clock.today()))


def close_due_days(until: date) -> list[dayclose.Closed]:
    """The same up to a day, which must have begun; returns what was closed. Raises Invalid."""
    if until > clock.today():
        raise Invalid(
            f"{until} has not begun: today is {clock.today()}.",
            field="until",
            remedy="Close up to today or an earlier day.",
        )
    first = dict(Loan.objects.values_list("shard").annotate(Min("opened_on")))
    last = dict(DayRun.objects.values_list("shard").annotate(Max("on")))
    days: dict[int, list[date]] = {}
    for shard, opened_on in sorted(first.items()):
        begin = max(opened_on, last[shard] + timedelta(days=1)) if shard in last else opened_on
        if begin <= until:
            days[shard] = [begin + timedelta(days=n) for n in range((until - begin).days + 1)]
    if not days:
        return []
    return nightly.close_days(days, processes=settings.DAY_CLOSE_PROCESSES, scheduler=settings.DASK_SCHEDULER)


def run_day(shard: int, on: date) -> None:
    """One business day of one shard: book the accrual, mark late loans, queue the debits due. Repeating it changes nothing."""
    dayclose.close(shard, on)


def _post(now: accruing.Looked, events: Sequence[Event], event: Event, closed_on: date) -> None:
    """Take the loan's accounts from where they stand to where the fold, with a new event, says they are now.

    events: those that the books know, by which the day closes up to `closed_on` have accrued.
    """
    loan, terms, after = now.loan, now.terms, now.state
    rule = provisions.provisions(loan.posted_on)
    posted = fold(terms, events, loan.posted_on)
    before = closed = books.Standing.of(posted, rule.suspended(posted.dpd))
    if closed_on > loan.posted_on:
        closed = books.Standing.of(fold(terms, events, closed_on), before.suspended)
    was, becomes = before.accrued(terms.lender), closed.accrued(terms.lender)
    parts = funding.parts_of(loan.shard, [loan.id]).get(loan.id) or ()
    rate = rate_up_to(terms, now.events, after.as_of)
    lines = books.booking(
        terms, loan.id, before, now.standing, (becomes[0] - was[0], becomes[1] - was[1]), parts, rate
    )
    lines = books.netted([*lines, *_allowance(loan, event, sold=before.ours(terms.lender) and not now.ours)])
    if lines:
        transfer = ledger.Transfer(
            key=f"event:{event.id}",
            act=event.type.lower(),
            value_on=after.as_of,
            booked_at=clock.now(),
            lines=lines,
            loan_id=loan.id,
        )
        ledger.post(loan.shard, [transfer])
    loan.posted_on = after.as_of
    loan.status, loan.dpd, loan.bucket = after.status, after.dpd, after.bucket
    loan.outstanding_fen = after.outstanding_principal_fen
    loan.next_due_on = after.next_due.due_on if after.next_due else None
    loan.settled_on = dayclose.settled_on(after)
    loan.save()
    agreements.follow_loan(loan.shard, loan.agreement_id, settled=after.status == Status.SETTLED)


def _allowance(loan: Loan, event: Event, *, sold: bool) -> list[ledger.Line]:
    """The allowance leaves the books with a loan that is sold; a sale that is undone brings back what it took."""
    fen = 0
    if sold and (closed_on := dayclose.closed_up_to(loan.shard)):
        row = ledger_queries.day_of_loan(loan.shard, loan.id, closed_on)
        fen = row.allowance_fen if row else 0
    elif event.type is EventType.REVERSED:
        undone = f"event:{event.text('event')}"
        held = ledger_queries.general_ledger(chart.LOSS_ALLOWANCE, date.min, date.max, shard=loan.shard)
        fen = -sum(line.amount_fen for line in held.lines if line.key == undone)
    if not fen:
        return []
    return [ledger.Line(chart.LOSS_ALLOWANCE, fen), ledger.Line(chart.LOANS_SOLD_RESULT, -fen)]


def _judge_amount(loan: Loan, kind: RepaymentKind, amount_fen: int | None, mode: str) -> int:
    """The amount to ask the rail for: what was asked, if it can be paid today; the whole due or payoff if none was."""
    state = state_of(loan)
    if state.status == Status.SETTLED:
        raise errors.LoanClosed("Nothing is owed on this loan.", remedy="No payment is needed.")
    if amount_fen is not None and amount_fen < 1:
        raise errors.AmountWrong(
            f"{amount_fen} fen is not an amount.", field="amount_fen", remedy="Pay at least one fen."
        )
    if kind == RepaymentKind.FULL:
        if amount_fen not in (None, state.payoff_fen):
            raise errors.AmountWrong(
                f"Settling today takes {state.payoff_fen} fen, not {amount_fen}.",
                field="amount_fen",
                remedy="Ask for the payoff again and confirm it.",
            )
        if not state.payoff_fen:
            raise errors.AmountWrong(
                f"The surplus of {state.totals.surplus_fen} fen covers all that is owed.",
                field="amount_fen",
                remedy="No payment is needed: the surplus pays each instalment on its day.",
            )
        return state.payoff_fen
    if kind == RepaymentKind.DUE:
        amount_fen = state.amount_due_fen if amount_fen is None else amount_fen
        if not 0 < amount_fen <= state.amount_due_fen:
            raise errors.AmountWrong(
                f"{amount_fen} fen cannot be paid: {state.amount_due_fen} fen are due today.",
                field="amount_fen",
                remedy="Pay what is due, or choose an early repayment in part or in full.",
            )
        return amount_fen
    if amount_fen is None or mode not in set(PrepayMode):
        raise Invalid(
            f"An early repayment in part needs amount_fen and a mode, not {amount_fen} and {mode!r}.",
            field="mode",
            remedy="Choose keep_term (smaller instalments) or keep_instalment (fewer instalments).",
        )
    if state.amount_due_fen:
        raise errors.AmountWrong(
            f"{state.amount_due_fen} fen are due first.",
            field="amount_fen",
            remedy="Pay what is due, then repay early.",
        )
    trial = Event("trial", EventType.PREPAID_PART, clock.today(), clock.now(), amount_fen, {"mode": mode})
    try:
        preview(terms_of(loan), events_of(loan), [trial], clock.today())
    except ContractViolation as error:
        raise errors.AmountWrong(
            str(error), field="amount_fen", remedy="Choose an amount below the payoff."
        ) from error
    return amount_fen


def loan_for(borrower_shard: int, borrower_id: UUID, loan_id: UUID) -> Loan:
    """The borrower's own loan; anybody else's does not exist for them."""
    loan = Loan.objects.filter(shard=borrower_shard, borrower_id=borrower_id, id=loan_id).first()
    if loan is None:
        raise NotFound(f"You have no loan {loan_id}.", remedy="List your loans (GET /api/v1/loans).")
    return loan
