"""Commands on loans. Each books its event, its postings and its summary in one transaction."""

from datetime import date, timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max, Min

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
    preview,
)
from timelyrain.ledger import services as ledger
from timelyrain.payments import services as payments
from timelyrain.runtime import clock, law, sagas
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.problems import Invalid, NotFound
from timelyrain.servicing import books, errors
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
        event_id = derived_id("disbursed", loan_id)
        append(loan, Event(str(event_id), EventType.DISBURSED, paid_out_on, clock.now(), terms.principal_fen))


def append(loan: Loan, event: Event) -> LoanState:
    """Add a fact to a loan: judge it by the fold, post the step between the folds, keep it (in the caller's transaction)."""
    loan = Loan.objects.select_for_update().get(shard=loan.shard, id=loan.id)
    terms, events = terms_of(loan), events_of(loan)
    if any(event.id == known.id for known in events):
        return state_of(loan)
    on = max(clock.today(), loan.posted_on, event.value_on)
    after = preview(terms, events, [event], on)
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
    _post(
        loan,
        terms,
        fold(terms, events, loan.posted_on),
        after,
        key=f"event:{event.id}",
        act=event.type.lower(),
    )
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
    if existing := Repayment.objects.filter(shard=loan.shard, id=request_id).first():
        return existing.id
    state = state_of(loan)
    if state.status == Status.SETTLED:
        raise errors.LoanClosed("Nothing is owed on this loan.", remedy="No payment is needed.")
    amount_fen = _judge_amount(loan, state, kind, amount_fen, mode)
    try:
        with transaction.atomic():
            Repayment.objects.create(
                shard=loan.shard,
                id=request_id,
                loan=loan,
                kind=kind,
                mode=mode,
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
    except IntegrityError as error:
        raise errors.RepaymentOnItsWay(
            "One payment at a time.", remedy="Wait until the payment on its way is booked or refused."
        ) from error
    return request_id


def book_repayment(repayment: Repayment, paid_on: date) -> LoanState:
    """Book money that has arrived. What it was meant for is judged again on the day it came."""
    loan = repayment.loan
    state = state_of(loan, paid_on)
    event_type, data = EventType.REPAID, {}
    if (
        repayment.kind == RepaymentKind.FULL
        and repayment.amount_fen == state.payoff_fen
        and state.payoff_fen > state.amount_due_fen
    ):
        event_type = EventType.PREPAID_FULL
    elif (
        repayment.kind == RepaymentKind.PART
        and state.amount_due_fen == 0
        and repayment.amount_fen < state.payoff_fen
    ):
        event_type, data = EventType.PREPAID_PART, {"mode": repayment.mode}
    event = Event(
        str(derived_id("repayment", repayment.id)),
        event_type,
        paid_on,
        clock.now(),
        repayment.amount_fen,
        data,
    )
    after = append(loan, event)
    repayment.state, repayment.finished_at = RepaymentState.BOOKED, clock.now()
    repayment.save()
    return after


def run_due_days() -> int:
    """Run every business day that has begun and was not run yet, oldest first; returns how many shard-days were run."""
    ran = 0
    today = clock.today()
    for shard in range(settings.SHARDS):
        last = DayRun.objects.filter(shard=shard).aggregate(on=Max("on"))["on"]
        first = Loan.objects.filter(shard=shard).aggregate(on=Min("opened_on"))["on"]
        if first is None:
            continue
        on = max(first, last + timedelta(days=1)) if last else first
        while on <= today:
            run_day(shard, on)
            ran, on = ran + 1, on + timedelta(days=1)
    return ran


def run_day(shard: int, on: date) -> None:
    """One business day of one shard: book the accrual, mark late loans, queue the debits due. Repeating it changes nothing."""
    loans = list(Loan.objects.filter(shard=shard, opened_on__lte=on).exclude(status=Status.SETTLED))
    for loan in loans:
        with transaction.atomic():
            locked = Loan.objects.select_for_update().get(shard=shard, id=loan.id)
            state = _accrue(locked, on)
        due_today = [row for row in state.instalments if row.due_on == on and row.unpaid_fen > 0]
        if due_today and state.amount_due_fen:
            try:
                request_repayment(
                    locked,
                    RepaymentKind.DUE,
                    derived_id("debit", loan.id, on),
                    min(state.amount_due_fen, state_of(locked).amount_due_fen) or None,
                    automatic=True,
                )
            except errors.RepaymentOnItsWay:
                pass  # the borrower is paying at this moment; what stays unpaid is late tomorrow
    DayRun.objects.bulk_create(
        [DayRun(shard=shard, on=on, loans=len(loans), at=clock.now())], ignore_conflicts=True
    )


def _accrue(loan: Loan, on: date) -> LoanState:
    terms, events = terms_of(loan), events_of(loan)
    if on <= loan.posted_on:
        return fold(terms, events, on)
    after = fold(terms, events, on)
    _post(
        loan, terms, fold(terms, events, loan.posted_on), after, key=f"accrual:{loan.id}:{on}", act="accrual"
    )
    return after


def _post(loan: Loan, terms: Terms, before: LoanState, after: LoanState, *, key: str, act: str) -> None:
    signed_law = law.number("cost_cap_ppm", on=loan.opened_on)
    if terms.cap_ppm > signed_law:
        raise errors.AboveLawCap(
            f"The terms allow {terms.cap_ppm} ppm, the law of {loan.opened_on} {signed_law} ppm.",
            remedy="Nothing was charged; compliance must look at this loan.",
        )
    if lines := books.lines(terms, loan.id, after.totals - before.totals):
        transfer = ledger.Transfer(
            key=key, act=act, value_on=after.as_of, booked_at=clock.now(), lines=lines, loan_id=loan.id
        )
        ledger.post(loan.shard, [transfer])
    loan.posted_on = after.as_of
    loan.status, loan.dpd, loan.bucket = after.status, after.dpd, after.bucket
    loan.outstanding_fen = after.outstanding_principal_fen
    loan.next_due_on = after.next_due.due_on if after.next_due else None
    loan.settled_on = after.as_of if after.status == Status.SETTLED else None
    loan.save()


def _judge_amount(
    loan: Loan, state: LoanState, kind: RepaymentKind, amount_fen: int | None, mode: str
) -> int:
    if kind == RepaymentKind.FULL:
        wanted = state.payoff_fen
        if amount_fen not in (None, wanted):
            raise errors.AmountWrong(
                f"Settling today takes {wanted} fen, not {amount_fen}.",
                field="amount_fen",
                remedy="Ask for the payoff again and confirm it.",
            )
        return wanted
    if kind == RepaymentKind.DUE:
        amount_fen = amount_fen or state.amount_due_fen
        if not 0 < amount_fen <= max(state.amount_due_fen, state.payoff_fen):
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
    try:
        trial = Event(
            "trial", EventType.PREPAID_PART, clock.today(), clock.now(), max(amount_fen, 1), {"mode": mode}
        )
        preview(terms_of(loan), events_of(loan), [trial], clock.today())
    except ContractViolation as error:
        raise errors.AmountWrong(
            str(error), field="amount_fen", remedy="Choose an amount below the payoff."
        ) from error
    if amount_fen < 1:
        raise errors.AmountWrong(
            f"{amount_fen} fen is not an amount.", field="amount_fen", remedy="Pay at least one fen."
        )
    return amount_fen


def loan_for(borrower_shard: int, borrower_id: UUID, loan_id: UUID) -> Loan:
    """The borrower's own loan; anybody else's does not exist for them."""
    loan = Loan.objects.filter(shard=borrower_shard, borrower_id=borrower_id, id=loan_id).first()
    if loan is None:
        raise NotFound(f"You have no loan {loan_id}.", remedy="List your loans (GET /api/v1/loans).")
    return loan
