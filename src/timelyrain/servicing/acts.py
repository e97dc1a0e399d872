"""Acts of people on a loan: preview, request, approval by a second person, booking.

An act is a proposed event (see `catalogue`). It is judged by the fold before anything is kept; what is refused leaves nothing
but its entry in the audit log. What gives value away needs two people (`approvals`), a rate above the signed one also the
borrower (`amendments`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction

from timelyrain.audit import services as audit
from timelyrain.contract import ContractViolation, Event, EventInvalid, EventType
from timelyrain.customers import services as customers
from timelyrain.ledger import chart
from timelyrain.ledger import services as ledger
from timelyrain.payments import services as payments
from timelyrain.runtime import clock, sagas
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.problems import Conflict, Invalid, NotFound
from timelyrain.servicing import amendments, catalogue, dayclose, errors, previews, services
from timelyrain.servicing.catalogue import KINDS, Kind
from timelyrain.servicing.models import ActState, Loan, LoanAct, Wish, WishState
from timelyrain.servicing.previews import Preview

Data = Mapping[str, str | int]
MAX_REASON = 1000


def preview(
    shard: int,
    loan_id: UUID,
    kind: str,
    amount_fen: int = 0,
    data: Data | None = None,
    value_on: date | None = None,
) -> Preview:
    """What an act would do to the loan as its books stand now. Raises Invalid, ActImpossible."""
    return _preview(loan_by_id(shard, loan_id), _kind(kind), amount_fen, dict(data or {}), value_on)


def request(
    shard: int,
    loan_id: UUID,
    kind: str,
    amount_fen: int = 0,
    data: Data | None = None,
    value_on: date | None = None,
    *,
    by: str,
    reason: str,
    request_id: UUID,
    wish_id: UUID | None = None,
    seen: str = "",
) -> UUID:
    """Ask for an act, once per request_id; it is done at once unless the approval rule wants a second person. Returns its id.

    by: the person's user name. seen: `Preview.sha256` of what they looked at; if the loan has changed since, they are asked to
    look again. Raises Invalid, ActImpossible, PreviewChanged.
    """
    content = dict(data or {})
    loan_by_id(shard, loan_id)
    with _audited(shard, kind, by, loan_id), transaction.atomic():
        loan = _locked(shard, loan_id)
        known = LoanAct.objects.filter(shard=shard, id=request_id).first()
        if known is not None:
            _require_same(known, loan, kind, amount_fen, content)
            return request_id
        _require_reason(reason)
        shown = _preview(loan, _kind(kind), amount_fen, content, value_on)
        _require_seen(shown, seen)
        if wish_id is not None:
            _open_wish(wish_id, loan)
        event = shown.event
        row = LoanAct.objects.create(
            shard=shard,
            id=request_id,
            loan=loan,
            type=event.type,
            value_on=event.value_on,
            amount_fen=event.amount_fen,
            data=dict(event.data),
            reason=reason.strip(),
            wish_id=wish_id,
            requested_by=by,
            requested_at=clock.now(),
            second_person=shown.second_person,
            state=ActState.WAITING,
            before=previews.summary(shown.before),
            after=previews.summary(shown.after),
            borrower_fen=shown.borrower_fen,
        )
        _record("loan_act_requested", row, by, reason=row.reason, before=row.before, after=row.after)
        if not shown.second_person:
            _conclude(row)
    return request_id


def approve(act_id: UUID, *, by: str, note: str = "", seen: str = "") -> None:
    """A second person agrees, and the act is done. Raises SamePerson, ActDecided, ActImpossible, PreviewChanged."""
    row = _act(act_id)
    with _audited(row.shard, f"{row.type}_approval", by, row.loan_id), transaction.atomic():
        row = _waiting(act_id)
        if row.requested_by == by:
            raise errors.SamePerson(
                f"{by} asked for this act.",
                remedy="Another person with the right to approve must look at it.",
            )
        loan = _locked(row.shard, row.loan_id)
        _require_seen(_preview_of(row, loan), seen)
        row.decided_by, row.decided_at, row.note = by, clock.now(), note.strip()[:MAX_REASON]
        _record("loan_act_approved", row, by, note=row.note)
        _conclude(row)


def reject(act_id: UUID, *, by: str, note: str) -> None:
    """A second person does not agree, or whoever asked takes it back; nothing happened to the loan."""
    _require_reason(note)
    with transaction.atomic():
        row = _waiting(act_id)
        row.state, row.decided_by, row.note = ActState.REJECTED, by, note.strip()[:MAX_REASON]
        row.decided_at = row.finished_at = clock.now()
        row.save()
        _record("loan_act_rejected", row, by, note=row.note)


def preview_of(act_id: UUID) -> Preview:
    """What a waiting act would do to the loan as it stands now. Raises ActImpossible when it cannot happen any more."""
    row = _act(act_id)
    return _preview_of(row, loan_by_id(row.shard, row.loan_id))


# -- judging ---------------------------------------------------------------------------------------------------------------


def loan_by_id(shard: int, loan_id: UUID) -> Loan:
    """A loan for the lender's own people. Raises NotFound."""
    loan = Loan.objects.filter(id=loan_id).first()
    if loan is None or loan.shard != shard:
        raise NotFound(
            f"There is no loan {loan_id} in shard {shard}.", remedy="Take both from the list of loans."
        )
    return loan


def _kind(name: str) -> Kind:
    if name not in set(EventType) or EventType(name) not in KINDS:
        known = ", ".join(KINDS)
        raise Invalid(f"{name!r} is not an act.", field="type", remedy=f"Choose one of {known}.")
    return KINDS[EventType(name)]


def _preview(
    loan: Loan, kind: Kind, amount_fen: int, data: dict[str, str | int], value_on: date | None
) -> Preview:
    terms, events = services.terms_of(loan), services.events_of(loan)
    on = value_on or clock.today()
    if not loan.opened_on <= on <= clock.today():
        raise Invalid(
            f"{on} is not a day from {loan.opened_on} (pay-out) to {clock.today()} (today).",
            field="value_on",
            remedy="Choose the day from which the act counts among these.",
        )
    known = {field.name for field in kind.fields}
    for name in data.keys() - known:
        raise Invalid(
            f"{kind.type} has no data {name!r}.",
            field=f"data.{name}",
            remedy=f"It takes {', '.join(sorted(known)) or 'nothing'}.",
        )
    if kind.type is EventType.REVERSED:
        amount_fen = _reversible(events, str(data.get("event", ""))).amount_fen
    if kind.type is EventType.RATE_CHANGED:
        amendments.require_within_law(loan, data.get("rate_ppm"))
        if amendments.needed(terms, data):
            data["disclosure"] = amendments.TO_BE_CONFIRMED
    event = _event("preview", kind.type, on, amount_fen, data)
    closed = dayclose.closed_up_to(loan.shard) or on
    with _judged():
        return previews.compare(terms, events, event, max(clock.today(), loan.posted_on, closed))


def _preview_of(row: LoanAct, loan: Loan) -> Preview:
    data = {name: value for name, value in row.data.items() if name != "disclosure"}
    return _preview(loan, _kind(row.type), row.amount_fen, data, row.value_on)


def _reversible(events: Sequence[Event], event_id: str) -> Event:
    target = next((event for event in events if event.id == event_id), None)
    if target is None:
        raise Invalid(
            f"The loan has no event {event_id!r}.", field="data.event", remedy="Take the id from its history."
        )
    if target.type is EventType.PAID_BACK:
        raise errors.ActImpossible(
            "The surplus went out through the rail.",
            rule="money-that-went-out",
            remedy="A pay-back that the bank refuses is reversed by itself; ask the borrower for money that arrived.",
        )
    return target


def _event(id: str, kind: EventType, on: date, amount_fen: int, data: Data) -> Event:
    try:
        return Event(id, kind, on, clock.now(), amount_fen, data)
    except EventInvalid as error:
        first = error.problems[0]
        raise Invalid(
            f"{error}.",
            field=first.field,
            remedy="Correct the fields named in `fields`.",
            fields=[
                {"field": p.field, "problem": p.remedy, "value": repr(p.value)[:80]} for p in error.problems
            ],
        ) from error


@contextmanager
def _judged() -> Iterator[None]:
    """The contract's refusal as a problem."""
    try:
        yield
    except ContractViolation as error:
        raise errors.ActImpossible(
            f"{error}.",
            remedy="Change the act so that the contract allows it.",
            rule=error.rule,
            values={name: v if isinstance(v, int) else str(v) for name, v in error.values.items()},
        ) from error


@contextmanager
def _audited(shard: int, kind: str, by: str, loan_id: UUID) -> Iterator[None]:
    with audit.refusals(shard, f"loan_act_{kind.lower()[:30]}", actor=by, subject=loan_id):
        yield


def _require_same(known: LoanAct, loan: Loan, kind: str, amount_fen: int, data: Data) -> None:
    said = {name: value for name, value in known.data.items() if name != "disclosure"}
    asked = known.amount_fen if kind == EventType.REVERSED else amount_fen
    if (known.loan_id, known.type, known.amount_fen, said) != (loan.id, kind, asked, data):
        raise Conflict(
            f"The request {known.id} is a {known.type} of {known.amount_fen} fen on loan {known.loan_id}.",
            remedy="Give another act another request id.",
        )


def _require_reason(text: str) -> None:
    if not 1 <= len(text.strip()) <= MAX_REASON:
        raise Invalid(
            f"The reason has {len(text.strip())} characters.",
            field="reason",
            remedy=f"Say in 1 to {MAX_REASON} characters why this is done.",
        )


def _require_seen(shown: Preview, seen: str) -> None:
    if seen and seen != shown.sha256:
        raise errors.PreviewChanged(
            "Something happened to the loan since the preview was made.",
            field="seen",
            remedy="Look at the preview again and decide anew.",
        )


def _act(act_id: UUID) -> LoanAct:
    row = LoanAct.objects.filter(id=act_id).first()
    if row is None:
        raise NotFound(f"There is no act {act_id}.", remedy="Choose one from the list of acts.")
    return row


def _waiting(act_id: UUID) -> LoanAct:
    row = LoanAct.objects.select_for_update().filter(id=act_id).first()
    if row is None or row.state != ActState.WAITING:
        _act(act_id)
        raise errors.ActDecided(
            f"The act {act_id} is {row.state if row else 'gone'}.", remedy="Reload the page."
        )
    return row


def _locked(shard: int, loan_id: UUID) -> Loan:
    dayclose.share_books(shard)
    return Loan.objects.select_for_update().get(shard=shard, id=loan_id)


# -- doing -----------------------------------------------------------------------------------------------------------------


def _conclude(row: LoanAct) -> None:
    """All of the lender's people who must agree do (in the caller's transaction)."""
    if row.data.get("disclosure") == amendments.TO_BE_CONFIRMED:
        row.state = ActState.OFFERED
        row.save()
        _tell(
            row,
            "offered",
            "您的借款利率拟调整，请在“我的借款”中阅读新的成本明示并决定是否同意；不同意则不变。",
        )
    else:
        book(row)


def book(row: LoanAct) -> None:
    """Book the act on the loan, with the bank's side of it, its money or its messages (in the caller's transaction)."""
    kind, loan = KINDS[EventType(row.type)], _locked(row.shard, row.loan_id)
    terms, events = services.terms_of(loan), services.events_of(loan)
    event_id = derived_id("act", row.id)
    event = _event(str(event_id), kind.type, row.value_on, row.amount_fen, row.data)
    closed = dayclose.closed_up_to(loan.shard) or row.value_on
    with _judged():
        done = previews.compare(terms, events, event, max(clock.today(), loan.posted_on, closed))
        services.append(loan, event)
    row.before, row.after = previews.summary(done.before), previews.summary(done.after)
    row.borrower_fen, row.event_id = done.borrower_fen, event_id
    _move_bank(row, kind)
    if kind.type is EventType.PAID_BACK:
        _send_back(row, loan)
    else:
        row.state, row.finished_at = ActState.DONE, clock.now()
        if text := catalogue.told(kind.type, row.amount_fen, row.data, done.before, done.after):
            _tell(row, "done", text)
    row.save()
    if row.wish_id is not None:
        _grant(row)
    _record(
        "loan_act_booked",
        row,
        row.decided_by or row.requested_by,
        requested_by=row.requested_by,
        reason=row.reason,
        event=event_id,
        before=row.before,
        after=row.after,
    )


def _move_bank(row: LoanAct, kind: Kind) -> None:
    """Money that moved at the bank outside the rail; a reversal of such an act takes it back."""
    sign, amount_fen = kind.moves_bank(row.data), row.amount_fen
    if kind.type is EventType.REVERSED:
        undone = LoanAct.objects.filter(shard=row.shard, event_id=row.data.get("event")).first()
        sign = -KINDS[EventType(undone.type)].moves_bank(undone.data) if undone else 0
    if sign:
        lines = (
            ledger.Line(chart.BANK, sign * amount_fen),
            ledger.Line(chart.RECEIPT_CLEARING, -sign * amount_fen),
        )
        transfer = ledger.Transfer(f"act:{row.id}", "bank_of_act", row.value_on, clock.now(), lines)
        ledger.post(row.shard, [transfer])


def _send_back(row: LoanAct, loan: Loan) -> None:
    """Surplus leaves the loan first, so that nothing else takes it, and goes out through the rail."""
    order_id = payments.order(row.shard, "pay_out", row.id, loan.borrower_id, row.amount_fen)
    row.state = ActState.MOVING
    sagas.start(
        "pay_back_surplus",
        str(row.id),
        row.shard,
        {
            "order_id": str(order_id),
            "act_id": str(row.id),
            "loan_id": str(loan.id),
            "borrower_id": str(loan.borrower_id),
        },
    )


def sent_back(shard: int, act_id: UUID) -> str:
    """The rail has paid the surplus out (in the caller's transaction); returns what the borrower is told."""
    row = LoanAct.objects.select_for_update().get(shard=shard, id=act_id)
    row.state, row.finished_at = ActState.DONE, clock.now()
    row.save()
    return f"【及时雨】{catalogue.returned(row.amount_fen)}"


def not_sent_back(shard: int, act_id: UUID, refusal: str) -> None:
    """The rail has refused for good (in the caller's transaction): the surplus is the borrower's again."""
    row = LoanAct.objects.select_for_update().get(shard=shard, id=act_id)
    loan = _locked(shard, row.loan_id)
    undo = {"event": str(row.event_id)}
    event_id = str(derived_id("act_refused", row.id))
    on = max(clock.today(), row.value_on)
    services.append(loan, Event(event_id, EventType.REVERSED, on, clock.now(), row.amount_fen, undo))
    row.state, row.refusal, row.finished_at = ActState.FAILED, refusal, clock.now()
    row.save()
    _record("loan_act_failed", row, "payments", refusal=refusal)


def _tell(row: LoanAct, why: str, text: str) -> None:
    loan = row.loan
    tell(row.shard, loan.borrower_id, f"act:{row.id}:{why}", text)


def tell(shard: int, borrower_id: UUID, key: str, text: str) -> None:
    """Keep a message for the borrower and send it (in the caller's transaction)."""
    text = f"【及时雨】{text}"
    customers.tell(shard, borrower_id, key, text)
    sagas.start("tell_borrower", key, shard, {"borrower_id": str(borrower_id), "text": text})


def _record(act: str, row: LoanAct, by: str, **more: Any) -> None:
    audit.record(
        row.shard,
        act,
        actor=by,
        subject=row.loan_id,
        id=row.id,
        type=row.type,
        value_on=row.value_on,
        amount_fen=row.amount_fen,
        data=row.data,
        **more,
    )


# -- what the borrower has to confirm --------------------------------------------------------------------------------------


def show_amendment(shard: int, borrower_id: UUID, act_id: UUID) -> amendments.Amendment:
    """The disclosure of an offered act for its borrower; it is worked out anew each business day, and its reading time begins."""
    with transaction.atomic():
        row, loan = _offered(shard, borrower_id, act_id)
        if row.shown_at is None or clock.business_date(row.shown_at) != clock.today():
            terms, events = services.terms_of(loan), services.events_of(loan)
            event = _event("preview", EventType(row.type), clock.today(), row.amount_fen, row.data)
            with _judged():
                shown = previews.compare(terms, events, event, max(clock.today(), loan.posted_on))
            row.disclosure = amendments.disclosure(row, loan, terms, shown)
            row.disclosure_sha256 = amendments.digest(row.disclosure)
            row.shown_at = clock.now()
            row.save()
            _record("loan_act_shown", row, "borrower", disclosure_sha256=row.disclosure_sha256)
    return amendments.view(row)


def confirm_amendment(shard: int, borrower_id: UUID, act_id: UUID, sha256: str) -> None:
    """The borrower agrees to what they read, and the act counts from today. Raises AmendmentChanged, ReadingAmendment."""
    with _audited(shard, "confirmation", "borrower", act_id), transaction.atomic():
        row, loan = _offered(shard, borrower_id, act_id)
        amendments.require_read(row, sha256)
        row.data = row.data | {"disclosure": row.disclosure_sha256}
        row.value_on = clock.today()
        amendments.register(row, loan, services.terms_of(loan))
        _record("loan_act_confirmed", row, "borrower", disclosure_sha256=row.disclosure_sha256)
        book(row)


def decline_amendment(shard: int, borrower_id: UUID, act_id: UUID) -> None:
    """The borrower does not agree: nothing changes."""
    with transaction.atomic():
        row, _ = _offered(shard, borrower_id, act_id)
        row.state, row.refusal, row.finished_at = ActState.REJECTED, "declined_by_borrower", clock.now()
        row.save()
        _record("loan_act_declined", row, "borrower")


def _offered(shard: int, borrower_id: UUID, act_id: UUID) -> tuple[LoanAct, Loan]:
    row = LoanAct.objects.select_for_update().filter(shard=shard, id=act_id).first()
    if row is None or row.loan.borrower_id != borrower_id:
        raise NotFound(f"There is nothing {act_id} for you to confirm.", remedy="Look at your loan again.")
    if row.state != ActState.OFFERED:
        raise errors.ActDecided(f"The change is {row.state}.", remedy="Look at your loan again.")
    return row, _locked(shard, row.loan_id)


# -- wishes ----------------------------------------------------------------------------------------------------------------


def _open_wish(wish_id: UUID, loan: Loan) -> Wish:
    wish = Wish.objects.select_for_update().filter(shard=loan.shard, loan=loan, id=wish_id).first()
    if wish is None:
        raise NotFound(f"The loan has no request {wish_id}.", remedy="Choose one from the list of requests.")
    if wish.state != WishState.OPEN:
        raise errors.WishAnswered(f"The request is {wish.state}.", remedy="Reload the page.")
    return wish


def _grant(row: LoanAct) -> None:
    """The wish that led to the act is answered by it, unless it was answered otherwise meanwhile."""
    Wish.objects.filter(shard=row.shard, id=row.wish_id, state=WishState.OPEN).update(
        state=WishState.GRANTED,
        answered_by=row.decided_by or row.requested_by,
        answered_at=clock.now(),
    )
