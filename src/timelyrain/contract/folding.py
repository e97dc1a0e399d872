"""fold(terms, events, as_of): what signed terms and a history of facts make of a loan."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from operator import attrgetter
from typing import Any

from . import changes, money
from .actual import ActualLoan, planned
from .events import Event, EventType
from .loan import Loan
from .rows import Row
from .state import InstalmentState, LoanState, Sale, Status, Totals, bucket_of
from .terms import Terms
from .violations import ContractViolation

_order = attrgetter("value_on", "booked_at", "id")

_ACTS: dict[EventType, Callable[[Loan, Event, bool], None]] = {
    EventType.DISBURSED: money.disbursed,
    EventType.PAID_BACK: money.paid_back,
    EventType.CHARGED_BACK: money.charged_back,
    EventType.REPAID: money.repaid,
    EventType.PREPAID_PART: money.prepaid_part,
    EventType.PREPAID_FULL: money.prepaid_full,
    EventType.REFUNDED: money.refunded,
    EventType.RECOVERED: money.recovered,
    EventType.FEE_CHARGED: money.fee_charged,
    EventType.WAIVED: money.waived,
    EventType.RATE_CHANGED: changes.rate_changed,
    EventType.DUE_DATE_CHANGED: changes.due_date_changed,
    EventType.PAUSED: changes.paused,
    EventType.INTEREST_STOPPED: changes.interest_stopped,
    EventType.HARDSHIP_AGREED: changes.hardship_agreed,
    EventType.RESTRUCTURED: changes.restructured,
    EventType.ACCELERATED: changes.accelerated,
    EventType.CHARGED_OFF: money.charged_off,
    EventType.SOLD: money.sold,
    EventType.SETTLED: money.settled,
}
_PAYMENTS = {
    EventType.REPAID,
    EventType.PREPAID_PART,
    EventType.PREPAID_FULL,
    EventType.REFUNDED,
    EventType.RECOVERED,
}
_AFTER_SETTLEMENT = {
    EventType.REPAID,
    EventType.REFUNDED,
    EventType.RECOVERED,
    EventType.PAID_BACK,
    EventType.CHARGED_BACK,
    EventType.SETTLED,
}
_AFTER_CHARGE_OFF = {*_AFTER_SETTLEMENT, EventType.WAIVED, EventType.SOLD, EventType.CHARGED_OFF}
_PREPAYMENTS = {EventType.PREPAID_PART, EventType.PREPAID_FULL}


def fold(terms: Terms, events: Sequence[Event], as_of: date) -> LoanState:
    """The loan on `as_of`. Events in any order; those valued after `as_of` are not looked at.

    Raises ContractViolation for a history that cannot be.
    """
    return state_of(walk(terms, events, as_of), as_of)


def walk(terms: Terms, events: Sequence[Event], as_of: date) -> Loan:
    """The loan after its history up to the end of `as_of`; raises as `fold`.

    An event is judged firmly if none was booked after it.
    """
    loan = Loan(terms) if planned(terms) else ActualLoan(terms)
    counted = effective_events(events, as_of)
    latest = max((e.booked_at for e in events if e.value_on <= as_of), default=None)
    for event in counted:
        _apply(loan, event, firm=event.booked_at == latest)
    loan.advance(as_of)
    loan.foresee(as_of)
    return loan


def preview(terms: Terms, events: Sequence[Event], hypothetical: Sequence[Event], as_of: date) -> LoanState:
    """The loan on `as_of` if `hypothetical` happened too."""
    return fold(terms, [*events, *hypothetical], as_of)


def replay(
    terms_json: str | bytes | Mapping[str, Any],
    events_json: Sequence[str | bytes | Mapping[str, Any]],
    as_of: str | date,
) -> dict[str, Any]:
    """The loan's balances from the signed JSON alone, for a third party: LoanState as JSON, with the terms' hash.

    Raises TermsInvalid, EventInvalid, ContractViolation.
    """
    terms = Terms.from_json(terms_json)
    on = date.fromisoformat(as_of) if isinstance(as_of, str) else as_of
    return {
        "terms_sha256": terms.sha256(),
        **fold(terms, [Event.from_json(e) for e in events_json], on).to_json(),
    }


def rate_up_to(terms: Terms, events: Sequence[Event], as_of: date) -> int:
    """The rate a year, in ppm, of the last day before `as_of` on which interest ran: at a rate of zero none does."""
    rates = [
        event.number("rate_ppm")
        for event in effective_events(events, as_of)
        if event.type is EventType.RATE_CHANGED and event.value_on < as_of
    ]
    return next((rate for rate in reversed(rates) if rate), terms.annual_rate_ppm)


def effective_events(events: Sequence[Event], as_of: date) -> list[Event]:
    """Events up to `as_of` in the order they count, without reversals and the events that they undo."""
    ordered = sorted((e for e in events if e.value_on <= as_of), key=_order)
    seen: dict[str, Event] = {}
    undone: set[str] = set()
    taken_back: dict[str, int] = {}
    for event in ordered:
        if event.id in seen:
            raise ContractViolation(event, "unique-id", "two events carry this id; give each its own")
        seen[event.id] = event
        if event.type is EventType.REVERSED:
            undone |= {event.id, _reversed(event, seen, undone, taken_back).id}
        elif event.type is EventType.CHARGED_BACK:
            payment = _charged_back(event, seen, undone, taken_back)
            taken_back[payment.id] = taken_back.get(payment.id, 0) + event.amount_fen
    return [event for event in ordered if event.id not in undone] if undone else ordered


def _reversed(
    event: Event, seen: Mapping[str, Event], undone: set[str], taken_back: Mapping[str, int]
) -> Event:
    target = seen.get(event.text("event"))
    if target is None or target.type in (EventType.DISBURSED, EventType.REVERSED):
        raise ContractViolation(
            event,
            "reverses-an-event",
            "name an earlier event other than DISBURSED or REVERSED",
            target=event.text("event"),
        )
    if target.id in undone:
        raise ContractViolation(event, "reverses-once", "that event is already reversed", target=target.id)
    if target.amount_fen != event.amount_fen:
        raise ContractViolation(
            event,
            "reverses-whole-amount",
            "reverse the whole amount and book a new event",
            amount_fen=event.amount_fen,
            target_fen=target.amount_fen,
        )
    if taken_back.get(target.id):
        raise ContractViolation(
            event, "reverses-no-chargeback", "that payment was charged back; reverse the chargeback first"
        )
    return target


def _charged_back(
    event: Event, seen: Mapping[str, Event], undone: set[str], taken_back: Mapping[str, int]
) -> Event:
    payment = seen.get(event.text("event"))
    if payment is None or payment.type not in _PAYMENTS or payment.id in undone:
        raise ContractViolation(
            event, "charges-back-a-payment", "name an earlier payment", target=event.text("event")
        )
    if payment.data.get("source") == "goodwill":
        raise ContractViolation(
            event, "charges-back-money", "goodwill is no money; reverse it", target=payment.id
        )
    left = payment.amount_fen - taken_back.get(payment.id, 0)
    if event.amount_fen > left:
        raise ContractViolation(
            event,
            "charges-back-within-payment",
            "no more than the payment can be taken back",
            amount_fen=event.amount_fen,
            left_fen=left,
        )
    return payment


def _apply(loan: Loan, event: Event, *, firm: bool) -> None:
    kind = event.type
    if kind is not EventType.DISBURSED and loan.started is None:
        raise ContractViolation(event, "disbursed-first", "nothing can happen before the money is paid out")
    loan.advance(event.value_on)
    loan.event, loan.firm = event, firm
    if loan.settled() and kind not in _AFTER_SETTLEMENT and kind is not EventType.DISBURSED:
        if firm:
            raise ContractViolation(
                event, "nothing-after-settlement", "the loan is settled; book money as REPAID"
            )
        if kind not in _PREPAYMENTS:
            return
    if loan.charged_off_on is not None and kind not in _AFTER_CHARGE_OFF:
        if firm:
            raise ContractViolation(
                event,
                "only-recovery-after-charge-off",
                "the loan is charged off; money is RECOVERED, forgiveness is WAIVED",
                charged_off_on=loan.charged_off_on,
            )
        if kind in _PREPAYMENTS:
            money.recovered(loan, event, firm)
        if kind is not EventType.DISBURSED:
            return
    _ACTS[kind](loan, event, firm)
    if kind is EventType.SOLD:
        on, totals = event.value_on, _totals(loan, event.value_on)
        loan.sales.append(Sale(on, loan.owner, event.amount_fen, _dpd(loan, on), totals, loan.charge_off))


def _dpd(loan: Loan, on: date) -> int:
    return (on - loan.rows[loan.oldest].due_on).days if loan.oldest < loan.current else 0


def state_of(loan: Loan, as_of: date) -> LoanState:
    rows = tuple(_row_state(loan, row, as_of) for row in loan.rows)
    dpd = _dpd(loan, as_of)
    payoff, fee = loan.payoff(as_of)
    return LoanState(
        as_of=as_of,
        status=_status(loan, dpd),
        instalments=rows,
        outstanding_principal_fen=loan.disbursed
        - loan.prepaid
        - sum(row.principal_paid for row in loan.rows),
        dpd=dpd,
        bucket=bucket_of(dpd),
        next_due=rows[loan.current] if loan.current < len(rows) else None,
        amount_due_fen=loan.arrears(as_of),
        payoff_fen=payoff,
        prepayment_fee_fen=fee,
        totals=_totals(loan, as_of),
        annual_rate_ppm=loan.rate,
        owner=loan.owner,
        charged_off_on=loan.charged_off_on,
        charge_off=loan.charge_off,
        sales=tuple(loan.sales),
    )


def _status(loan: Loan, dpd: int) -> Status:
    if loan.started is None:
        return Status.PENDING
    if loan.settled():
        return Status.SETTLED
    if loan.charged_off_on is not None:
        return Status.CHARGED_OFF
    return Status.OVERDUE if dpd else Status.ACTIVE


def _row_state(loan: Loan, row: Row, as_of: date) -> InstalmentState:
    return InstalmentState(
        row.n,
        row.due_on,
        row.principal,
        row.interest,
        row.principal_paid,
        row.interest_paid,
        loan.penalty(row, as_of),
        row.penalty_paid,
        row.settled_on,
        row.cost,
        row.cost_paid,
        row.interest_waived + row.penalty_waived + row.cost_waived,
    )


def _totals(loan: Loan, as_of: date) -> Totals:
    rows, due = loan.rows, loan.rows[: loan.current]
    principal_paid = loan.prepaid + sum(row.principal_paid for row in rows)
    interest_paid = sum(row.interest_paid for row in rows)
    penalty_paid = sum(row.penalty_paid for row in rows)
    cost_paid = sum(row.cost_paid for row in rows)
    interest_waived = sum(row.interest_waived for row in rows)
    penalty_waived = sum(row.penalty_waived for row in rows)
    cost_waived = sum(row.cost_waived for row in rows)
    interest = sum(row.interest for row in due) + loan.pool.interest + loan.put_off + loan.accrued(as_of)
    penalty = sum(loan.penalty(row, as_of) for row in due) + loan.pool.penalty
    off = loan.charged_off_on is not None
    return Totals(
        disbursed_fen=loan.disbursed,
        received_fen=loan.received,
        principal_paid_fen=principal_paid,
        prepaid_principal_fen=loan.prepaid,
        interest_accrued_fen=interest,
        interest_paid_fen=interest_paid,
        penalty_accrued_fen=penalty,
        penalty_paid_fen=penalty_paid,
        fee_charged_fen=loan.fees,
        surplus_fen=loan.surplus,
        paid_back_fen=loan.paid_back,
        goodwill_fen=loan.goodwill,
        late_fee_charged_fen=loan.late_fees,
        service_fee_charged_fen=loan.service_fees,
        cost_paid_fen=cost_paid,
        interest_waived_fen=interest_waived,
        penalty_waived_fen=penalty_waived,
        cost_waived_fen=cost_waived,
        charged_off_fen=loan.charged_off,
        recovered_fen=loan.recovered,
        written_off_principal_fen=loan.disbursed - principal_paid if off else 0,
        written_off_interest_fen=interest - interest_paid - interest_waived if off else 0,
        written_off_penalty_fen=penalty - penalty_paid - penalty_waived if off else 0,
        written_off_cost_fen=loan.late_fees + loan.service_fees - cost_paid - cost_waived if off else 0,
    )
