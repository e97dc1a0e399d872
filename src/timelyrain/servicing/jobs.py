"""Saga steps of a loan's life, and the run of business days."""

from datetime import date
from uuid import UUID

from timelyrain.agreements import queries as agreements
from timelyrain.customers import services as customers
from timelyrain.finance import yuan
from timelyrain.origination import queries as origination
from timelyrain.runtime import clock, sagas
from timelyrain.runtime.problems import Unavailable
from timelyrain.runtime.sagas import Data, Done, Outcome, Retry, Run
from timelyrain.runtime.worker import every
from timelyrain.servicing import acts, ratings, services
from timelyrain.servicing.models import Loan, Repayment, RepaymentState


def _open_loan(run: Run, _: Data) -> Data:
    services.open_loan(
        run.shard,
        UUID(run.data["loan_id"]),
        UUID(run.data["borrower_id"]),
        UUID(run.data["agreement_id"]),
        run.data["terms_json"],
        date.fromisoformat(run.data["moved_on"]),
    )
    loan = Loan.objects.get(shard=run.shard, id=run.data["loan_id"])
    _rate(loan)
    terms = services.terms_of(loan)
    text = f"【及时雨】{yuan(terms.principal_fen)} 元已到账。首期还款日 {loan.next_due_on}，请保持还款卡余额充足。"
    customers.tell(run.shard, loan.borrower_id, f"{run.kind}:{run.key}", text)
    return {"text": text}


def _rate(loan: Loan) -> None:
    """The loan's first PD is the one it was decided on."""
    offer = agreements.offer_of_agreement(loan.shard, loan.agreement_id)
    pd_ppm = origination.pd_of_offer(loan.shard, offer) if offer else None
    if pd_ppm:
        ratings.rate(loan.shard, {loan.id: pd_ppm}, loan.opened_on, "decision")


def _book_repayment(run: Run, _: Data) -> Data:
    repayment = Repayment.objects.select_for_update().get(shard=run.shard, id=run.data["repayment_id"])
    state = services.book_repayment(repayment, date.fromisoformat(run.data["moved_on"]))
    rest = (
        "贷款已全部结清。"
        if state.status == "SETTLED"
        else f"剩余本金 {yuan(state.outstanding_principal_fen)} 元。"
    )
    text = f"【及时雨】已收到还款 {yuan(repayment.amount_fen)} 元，{rest}"
    customers.tell(run.shard, repayment.loan.borrower_id, f"{run.kind}:{run.key}", text)
    return {"text": text}


def _repayment_refused(run: Run, _: Data) -> Data:
    repayment = Repayment.objects.select_for_update().get(shard=run.shard, id=run.data["repayment_id"])
    repayment.state, repayment.refusal, repayment.finished_at = (
        RepaymentState.REFUSED,
        run.data["refused"],
        clock.now(),
    )
    repayment.save()
    text = f"【及时雨】{yuan(repayment.amount_fen)} 元扣款未成功，请在还款卡存足资金后手动还款，或联系人工。"
    customers.tell(run.shard, repayment.loan.borrower_id, f"{run.kind}:{run.key}", text)
    sagas.start(
        "tell_borrower",
        f"{run.kind}:{run.key}",
        run.shard,
        {"borrower_id": run.data["borrower_id"], "text": text},
    )
    return {"text": text}


def _compose_reminder(run: Run, _: Data) -> Data:
    """Says what is due, or nothing if the day has passed or all is paid."""
    loan = Loan.objects.get(shard=run.shard, id=run.data["loan_id"])
    on, state = date.fromisoformat(run.data["on"]), services.state_of(loan)
    row = state.next_due
    if clock.today() != on or state.status == "SETTLED":
        return {"text": ""}
    if state.amount_due_fen:
        text = f"【及时雨】您有 {yuan(state.amount_due_fen)} 元已到期未还，请尽快还款；如有困难，请联系人工协商。"
    elif row:
        text = f"【及时雨】{row.due_on} 应还 {yuan(row.unpaid_fen)} 元，请保持还款卡余额充足。"
    else:
        return {"text": ""}
    customers.tell(run.shard, loan.borrower_id, f"{run.kind}:{run.key}", text)
    return {"text": text, "borrower_id": str(loan.borrower_id)}


def _send(run: Run) -> Outcome:
    if not run.data["text"]:
        return Done()
    try:
        customers.send_sms(
            run.shard, UUID(run.data["borrower_id"]), f"{run.kind}:{run.key}", run.data["text"]
        )
    except Unavailable as error:
        return Retry(error.detail)
    return Done()


sagas.define(
    "repay_loan",
    ["payments.debit", "servicing.book_repayment", "servicing.tell_borrower"],
    on_refused="servicing.repayment_refused",
)
# The gateway sends a key once, so asking and sending again are the same call.
sagas.register("servicing.tell_borrower", lambda run, answer: None, call=_send, query=_send)
sagas.register("servicing.open_loan", _open_loan)
sagas.register("servicing.book_repayment", _book_repayment)
sagas.register("servicing.repayment_refused", _repayment_refused)
sagas.define("tell_borrower", ["servicing.tell_borrower"])
sagas.register("servicing.compose_reminder", _compose_reminder)
sagas.define("remind_borrower", ["servicing.compose_reminder", "servicing.tell_borrower"])
every(0.5, "servicing.run_due_days")(services.run_due_days)


def _sent_back(run: Run, _: Data) -> Data:
    """`text` is what the next step sends."""
    text = acts.sent_back(run.shard, UUID(run.data["act_id"]))
    customers.tell(run.shard, UUID(run.data["borrower_id"]), f"{run.kind}:{run.key}", text)
    return {"text": text}


def _not_sent_back(run: Run, _: Data) -> None:
    acts.not_sent_back(run.shard, UUID(run.data["act_id"]), run.data["refused"])


# Surplus goes out: it has left the loan before (`acts.book`) and returns to it when the rail says no.
sagas.define(
    "pay_back_surplus",
    ["payments.pay_out", "servicing.sent_back", "servicing.tell_borrower"],
    on_refused="servicing.not_sent_back",
)
sagas.register("servicing.sent_back", _sent_back)
sagas.register("servicing.not_sent_back", _not_sent_back)
