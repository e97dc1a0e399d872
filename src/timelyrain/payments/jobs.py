"""Saga steps: send an order to the rail, ask what became of it, book it."""

from datetime import date
from functools import cache
from typing import Any

from django.db.models import F

from timelyrain.audit import services as audit
from timelyrain.customers import services as customers
from timelyrain.ledger import chart
from timelyrain.ledger import services as ledger
from timelyrain.payments import services
from timelyrain.payments.adapters.sandbox_rail import SandboxRail
from timelyrain.payments.models import Direction, OrderState, PaymentOrder
from timelyrain.payments.ports import Instruction, Rail, RailAnswer, RailSilent, RailUnreachable
from timelyrain.payments.reconciliation import reconcile_due_days
from timelyrain.runtime import clock, sagas
from timelyrain.runtime.sagas import Done, Outcome, Refused, Retry, Run, Unknown
from timelyrain.runtime.worker import every


@cache
def rail() -> Rail:
    return SandboxRail()


def _order(run: Run) -> PaymentOrder:
    return PaymentOrder.objects.get(shard=run.shard, id=run.data["order_id"])


def _send(run: Run) -> Outcome:
    order = _order(run)
    if order.state == OrderState.NEW and not customers.live_consent(
        run.shard, order.borrower_id, "pay_out_and_debit", "payment_institution"
    ):  # an order that the rail may know already is carried to its end, whatever was withdrawn since
        return _refused(run, "consent_withdrawn")
    payee = services.payee_of(order, reader="payments")
    # Committed before the call: from here on the order may be known to the rail.
    PaymentOrder.objects.filter(shard=run.shard, id=order.id).update(
        state=OrderState.SENT, calls=F("calls") + 1
    )
    instruction = Instruction(order.id, order.amount_fen, payee.bank_card, payee.name, clock.today())
    try:
        answer = (
            rail().pay_out(instruction) if order.direction == Direction.PAY_OUT else rail().debit(instruction)
        )
    except RailUnreachable as error:
        return Retry(str(error))
    except RailSilent as error:
        return _unknown(run, str(error))
    return _outcome(run, answer)


def _ask(run: Run) -> Outcome:
    order = _order(run)
    PaymentOrder.objects.filter(shard=run.shard, id=order.id).update(queries=F("queries") + 1)
    try:
        answer = rail().find("pay_out" if order.direction == Direction.PAY_OUT else "debit", order.id)
    except RailSilent as error:
        return _unknown(run, str(error))
    return Retry("the rail has never seen the order") if answer is None else _outcome(run, answer)


def _outcome(run: Run, answer: RailAnswer) -> Outcome:
    if answer.status == "succeeded":
        return Done({"rail_reference": answer.reference, "moved_on": answer.value_on.isoformat()})
    if answer.status == "refused":
        return _refused(run, answer.refusal)
    return _unknown(run, "the rail is still processing the order")


def _refused(run: Run, code: str) -> Refused:
    PaymentOrder.objects.filter(shard=run.shard, id=run.data["order_id"]).update(
        state=OrderState.REFUSED, refusal=code, finished_at=clock.now()
    )
    return Refused(code)


def _unknown(run: Run, reason: str) -> Unknown:
    PaymentOrder.objects.filter(shard=run.shard, id=run.data["order_id"]).update(state=OrderState.UNKNOWN)
    return Unknown(reason)


def _book(run: Run, answer: dict[str, Any]) -> None:
    order = PaymentOrder.objects.select_for_update().get(shard=run.shard, id=run.data["order_id"])
    order.state, order.rail_reference, order.finished_at = (
        OrderState.SUCCEEDED,
        answer["rail_reference"],
        clock.now(),
    )
    order.save()
    if order.direction == Direction.PAY_OUT:
        lines = (
            ledger.Line(chart.PAY_OUT_CLEARING, order.amount_fen),
            ledger.Line(chart.BANK, -order.amount_fen),
        )
    else:
        lines = (
            ledger.Line(chart.BANK, order.amount_fen),
            ledger.Line(chart.RECEIPT_CLEARING, -order.amount_fen),
        )
    transfer = ledger.Transfer(
        key=f"{order.direction}:{order.id}",
        act=f"{order.direction}_confirmed",
        value_on=date.fromisoformat(answer["moved_on"]),
        booked_at=clock.now(),
        lines=lines,
    )
    ledger.post(run.shard, [transfer])
    audit.record(
        run.shard,
        f"{order.direction}_confirmed",
        actor="payments",
        subject=order.subject,
        amount_fen=order.amount_fen,
        order=order.id,
    )


sagas.register("payments.pay_out", _book, call=_send, query=_ask)
sagas.register("payments.debit", _book, call=_send, query=_ask)


@every(3600, "payments.reconcile")
def _reconcile() -> int:
    return reconcile_due_days(rail())
