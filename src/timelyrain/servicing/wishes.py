"""What borrowers ask for: help in hardship, another due day. A person answers, with an act or with a reason."""

from uuid import UUID

from django.db import transaction

from timelyrain.audit import services as audit
from timelyrain.contract import Status
from timelyrain.runtime import clock, law
from timelyrain.runtime.problems import Invalid, NotFound
from timelyrain.servicing import errors
from timelyrain.servicing.acts import tell
from timelyrain.servicing.models import Loan, Wish, WishKind, WishState
from timelyrain.servicing.services import loan_for

MAX_NOTE = 2000


def ask(
    shard: int,
    borrower_id: UUID,
    loan_id: UUID,
    kind: str,
    *,
    request_id: UUID,
    amount_fen: int | None = None,
    instalments: int | None = None,
    due_day: int | None = None,
    note: str = "",
) -> UUID:
    """Ask, once per request_id. hardship: what could be paid, in how many of the next instalments; due_day: the day wanted.

    Raises Invalid, LoanClosed, WishWaiting.
    """
    loan = loan_for(shard, borrower_id, loan_id)
    with audit.refusals(shard, "loan_wish", actor="borrower", subject=loan_id), transaction.atomic():
        loan = Loan.objects.select_for_update().get(shard=shard, id=loan.id)
        if Wish.objects.filter(shard=shard, id=request_id, loan=loan).exists():
            return request_id
        _judge(loan, kind, amount_fen, instalments, due_day, note)
        Wish.objects.create(
            shard=shard,
            id=request_id,
            loan=loan,
            kind=kind,
            amount_fen=amount_fen if kind == WishKind.HARDSHIP else None,
            instalments=instalments if kind == WishKind.HARDSHIP else None,
            due_day=due_day if kind == WishKind.DUE_DAY else None,
            note=note.strip(),
            asked_at=clock.now(),
        )
        audit.record(shard, "loan_wish_asked", actor="borrower", subject=loan.id, wish=request_id, kind=kind)
        days = law.number("hardship_reply_working_days")
        what = "困难帮扶" if kind == WishKind.HARDSHIP else "更改还款日"
        text = f"已收到您的{what}申请，{days} 个工作日内答复。答复之前请尽量按原计划还款。"
        tell(shard, borrower_id, f"wish:{request_id}:asked", text)
    return request_id


def decline(wish_id: UUID, *, by: str, answer: str) -> None:
    """Say no, and why: the borrower reads it. Raises WishAnswered."""
    answer = answer.strip()
    if not 1 <= len(answer) <= MAX_NOTE:
        raise Invalid(
            f"The answer has {len(answer)} characters.",
            field="answer",
            remedy=f"Say in 1 to {MAX_NOTE} characters why not, and what could be done instead.",
        )
    with transaction.atomic():
        wish = Wish.objects.select_for_update().filter(id=wish_id).first()
        if wish is None:
            raise NotFound(f"There is no request {wish_id}.", remedy="Choose one from the list.")
        if wish.state != WishState.OPEN:
            raise errors.WishAnswered(f"The request is {wish.state}.", remedy="Reload the page.")
        wish.state, wish.answer, wish.answered_by = WishState.DECLINED, answer, by
        wish.answered_at = clock.now()
        wish.save()
        audit.record(wish.shard, "loan_wish_declined", actor=by, subject=wish.loan_id, wish=wish.id)
        what = "困难帮扶" if wish.kind == WishKind.HARDSHIP else "更改还款日"
        text = f"您的{what}申请未获同意：{answer}"
        tell(wish.shard, wish.loan.borrower_id, f"wish:{wish.id}:answered", text)


def _judge(
    loan: Loan, kind: str, amount_fen: int | None, instalments: int | None, due_day: int | None, note: str
) -> None:
    if kind not in set(WishKind):
        raise Invalid(f"{kind!r} cannot be asked for.", field="kind", remedy="Choose hardship or due_day.")
    if loan.status == Status.SETTLED:
        raise errors.LoanClosed("Nothing is owed on this loan.", remedy="Nothing needs to change.")
    if len(note.strip()) > MAX_NOTE:
        raise Invalid(
            f"The note has {len(note)} characters.",
            field="note",
            remedy=f"Keep it within {MAX_NOTE} characters.",
        )
    if kind == WishKind.DUE_DAY:
        if due_day is None or not 1 <= due_day <= 31:
            raise Invalid(
                f"{due_day} is no day of a month.", field="due_day", remedy="Choose a day from 1 to 31."
            )
    else:
        if amount_fen is None or not 1 <= amount_fen <= 10**12:
            raise Invalid(
                f"{amount_fen} fen is not an amount.",
                field="amount_fen",
                remedy="Say how much you could pay each month.",
            )
        if instalments is None or not 1 <= instalments <= 60:
            raise Invalid(
                f"{instalments} is not a number of instalments.",
                field="instalments",
                remedy="Say for how many instalments, from 1 to 60.",
            )
    if Wish.objects.filter(shard=loan.shard, loan=loan, kind=kind, state=WishState.OPEN).exists():
        raise errors.WishWaiting(
            "A request of this kind has no answer yet.",
            remedy="Wait for the answer, or call us to change it.",
        )
