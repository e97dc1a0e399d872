"""Saga steps between the signature and the pay-out."""

from uuid import UUID

import httpx

from timelyrain.agreements import contracts
from timelyrain.agreements.documents import TimestampUnavailable
from timelyrain.agreements.models import Agreement, AgreementState, ContractDocument
from timelyrain.audit import services as audit
from timelyrain.contract import Terms
from timelyrain.customers import services as customers
from timelyrain.runtime import law, sagas
from timelyrain.runtime.sagas import Data, Done, Outcome, Refused, Retry, Run


def _agreement(run: Run) -> Agreement:
    return Agreement.objects.select_related("disclosure").get(shard=run.shard, id=run.data["agreement_id"])


def _make(run: Run) -> Outcome:
    """Making a document is pure but for the time stamp, and the first document stays: calling again is asking."""
    try:
        document = contracts.make(_agreement(run))
    except (TimestampUnavailable, httpx.HTTPError) as error:
        return Retry(str(error))
    return Done({"contract_sha256": document.sha256})


def _made(run: Run, answer: Data) -> None:
    Agreement.objects.filter(shard=run.shard, id=run.data["agreement_id"]).update(
        state=AgreementState.CONTRACTED
    )
    audit.record(
        run.shard,
        "contract_made",
        actor="agreements",
        subject=run.data["agreement_id"],
        contract=answer["contract_sha256"],
    )


def _clear(run: Run) -> Outcome:
    """The last look before money leaves: the contract exists, and its terms are within the law of this day."""
    terms = Terms.from_json(run.data["terms_json"])
    if not ContractDocument.objects.filter(shard=run.shard, agreement_id=run.data["agreement_id"]).exists():
        return Retry("the contract document is not there yet")
    if terms.cap_ppm > law.number("cost_cap_ppm"):
        return Refused("cost above the cap in force")
    return Done()


def _cancel(run: Run, _: Data) -> Data:
    Agreement.objects.filter(shard=run.shard, id=run.data["agreement_id"]).update(
        state=AgreementState.CANCELLED, cancelled_because=run.data["refused"]
    )
    text = "【及时雨】放款未成功，借款合同未生效，您无需还款。请核对收款银行卡或联系人工。"
    customers.tell(run.shard, UUID(run.data["borrower_id"]), f"{run.kind}:{run.key}", text)
    sagas.start(
        "tell_borrower",
        f"{run.kind}:{run.key}",
        run.shard,
        {"borrower_id": run.data["borrower_id"], "text": text},
    )
    audit.record(
        run.shard,
        "agreement_cancelled",
        actor="agreements",
        subject=run.data["agreement_id"],
        why=run.data["refused"],
    )
    return {}


sagas.define(
    "open_loan",
    [
        "agreements.make_contract",
        "agreements.clear_for_pay_out",
        "payments.pay_out",
        "servicing.open_loan",
        "servicing.tell_borrower",
    ],
    on_refused="agreements.cancel",
)
sagas.register("agreements.make_contract", _made, call=_make, query=_make)
sagas.register("agreements.clear_for_pay_out", lambda run, answer: None, call=_clear, query=_clear)
sagas.register("agreements.cancel", _cancel)
