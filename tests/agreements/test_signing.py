"""From disclosure to pay-out: only what was shown, read and confirmed can be signed, and only once."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection

from tests.borrowers import Applicant, approved, code_on_phone, confirmed, register, sign, with_loan
from tests.runtime.workers import eventually, worker_process
from timelyrain.agreements import errors, queries, services
from timelyrain.agreements.models import Agreement, ContractDocument
from timelyrain.audit import queries as audit
from timelyrain.customers import errors as customer_errors
from timelyrain.customers import services as customers
from timelyrain.ledger import queries as ledger
from timelyrain.origination.errors import OfferExpired
from timelyrain.payments import queries as payments
from timelyrain.runtime import clock, law, worker
from timelyrain.runtime.models import Saga, SagaStatus
from timelyrain.runtime.problems import NotFound
from timelyrain.servicing import queries as servicing


@pytest.fixture(autouse=True)
def nothing_left_over(world) -> Iterator[None]:
    Saga.objects.filter(status__in=["ready", "unknown"]).update(status=SagaStatus.DEAD, claimed_by=None)
    yield


@pytest.fixture
def offered(world):
    who, view = approved(world)
    assert view.offer
    return who, view.offer


def disclose(
    who: Applicant, offer, amount_fen: int = 1_000_000, instalments: int = 12, request: UUID | None = None
):
    b = who.borrower
    made = services.disclose(b.shard, b.id, offer.id, amount_fen, instalments, request or uuid4())
    return queries.disclosure(b.shard, b.id, made)


def refused(subject: object) -> list[str]:
    """Why acts on a subject were refused, as the audit log has it."""
    return [act.body["why"] for act in audit.acts_of(subject) if act.act.endswith("_refused")]


def pass_time(**delta: float) -> None:
    clock.SHIFTED.advance_to(clock.now() + timedelta(**delta))


def test_the_disclosure_names_every_cost_and_ties_the_terms(offered):
    who, offer = offered
    view = disclose(who, offer)
    body = view.body
    assert sum(row["total_fen"] for row in body["instalments"]) == body["total_repaid_fen"]
    assert body["total_repaid_fen"] - body["principal_fen"] == body["total_cost_fen"]
    assert body["received_fen"] == body["principal_fen"] == 1_000_000
    assert max(body["annualised_irr_ppm"], body["annualised_simple_ppm"]) <= body["cap_ppm"]
    assert {c["kind"] for c in body["normal"] + body["contingent"]} == {
        c["kind"] for c in view.terms["charges"]
    }


def test_the_same_request_is_the_same_disclosure(offered):
    who, offer = offered
    request = uuid4()
    assert disclose(who, offer, request=request) == disclose(who, offer, request=request)


@pytest.mark.parametrize(("amount", "instalments", "field"), [
    (99_999, 12, "amount_fen"), (0, 12, "amount_fen"), (-1, 12, "amount_fen"), (None, 12, "amount_fen"),
    (1_000_000, 7, "instalments"), (1_000_000, 0, "instalments"),
])  # fmt: skip
def test_what_lies_outside_the_offer_is_refused_and_logged(offered, amount, instalments, field):
    who, offer = offered
    with pytest.raises(errors.OutsideOffer) as problem:
        disclose(who, offer, offer.limit_fen + 1 if amount is None else amount, instalments)
    assert problem.value.field == field and refused(offer.id) == ["outside-offer"]


def test_an_expired_offer(offered):
    who, offer = offered
    disclosure = confirmed(who, offer)
    pass_time(days=law.number("offer_valid_days"))
    with pytest.raises(OfferExpired):
        disclose(who, offer)
    assert refused(offer.id) == ["offer-expired"]
    with pytest.raises(errors.DisclosureStale):
        sign_in_one_go(who, disclosure)


def sign_in_one_go(who: Applicant, disclosure) -> None:
    b = who.borrower
    services.send_signing_code(b.shard, b.id, disclosure.id, disclosure.sha256)


def test_a_disclosure_must_be_read_before_it_is_confirmed_and_confirmed_before_it_is_signed(offered):
    who, offer = offered
    b, view = who.borrower, disclose(who, offer)
    too_soon = clock.FixedClock(view.shown_at + timedelta(seconds=view.read_seconds - 0.1))
    with clock.using(too_soon), pytest.raises(errors.ReadingTime) as problem:
        services.confirm(b.shard, b.id, view.id, view.sha256)
    assert 0 < problem.value.extra["retry_after"] <= 0.2
    with pytest.raises(errors.NotConfirmed):
        services.send_signing_code(b.shard, b.id, view.id, view.sha256)
    with pytest.raises(errors.NotConfirmed):
        services.sign(b.shard, b.id, view.id, view.sha256, uuid4(), "000000", uuid4())
    assert refused(view.id) == ["reading-time-not-over", *["disclosure-not-confirmed"] * 2]
    pass_time(seconds=view.read_seconds)
    for _ in range(2):
        services.confirm(b.shard, b.id, view.id, view.sha256)
    assert [a.act for a in audit.acts_of(view.id)].count("disclosure_confirmed") == 1


def test_a_changed_or_foreign_disclosure(world, offered):
    who, offer = offered
    b, view = who.borrower, confirmed(who, offer)
    other = register(world).borrower
    with pytest.raises(errors.DisclosureChanged):
        services.send_signing_code(b.shard, b.id, view.id, "0" * 64)
    assert refused(view.id) == ["disclosure-changed"]
    with pytest.raises(NotFound):
        services.confirm(b.shard, other.id, view.id, view.sha256)
    with pytest.raises(NotFound):
        queries.disclosure(b.shard, other.id, view.id)


def test_a_stale_disclosure(offered):
    who, offer = offered
    b, view = who.borrower, confirmed(who, offer)
    pass_time(hours=24)
    with pytest.raises(errors.DisclosureStale):
        services.sign(b.shard, b.id, view.id, view.sha256, uuid4(), "000000", uuid4())


def test_a_signature_needs_the_code_for_exactly_this_disclosure(world, offered):
    who, offer = offered
    b, phone = who.borrower, who.person["phone"]
    first, second = confirmed(who, offer), confirmed(who, offer, 500_000, 6)
    challenge = services.send_signing_code(b.shard, b.id, first.id, first.sha256)
    code = code_on_phone(world, phone)
    with pytest.raises(customer_errors.CodeNotBound):
        services.sign(b.shard, b.id, second.id, second.sha256, challenge.id, code, uuid4())
    with pytest.raises(customer_errors.CodeWrong):
        wrong = f"{(int(code) + 1) % 10**6:06}"
        services.sign(b.shard, b.id, first.id, first.sha256, challenge.id, wrong, uuid4())
    entry = customers.request_sign_in(phone)
    with pytest.raises(customer_errors.CodeNotBound):
        entered = code_on_phone(world, phone)
        services.sign(b.shard, b.id, first.id, first.sha256, entry.id, entered, uuid4())
    assert Agreement.objects.filter(offer_id=offer.id).count() == 0
    assert refused(first.id) == ["one-time-code-wrong", "one-time-code-for-something-else"]
    request = uuid4()
    made = services.sign(b.shard, b.id, first.id, first.sha256, challenge.id, code, request)
    assert services.sign(b.shard, b.id, first.id, first.sha256, challenge.id, code, request) == made
    with pytest.raises(errors.AlreadySigned):  # a replay under another request
        services.sign(b.shard, b.id, first.id, first.sha256, challenge.id, code, uuid4())
    with pytest.raises(errors.AlreadySigned):
        services.sign(b.shard, b.id, second.id, second.sha256, challenge.id, code, uuid4())
    with pytest.raises(errors.AlreadySigned):
        disclose(who, offer)


def test_two_signatures_at_once_make_one_agreement(world, offered):
    who, offer = offered
    b, signed = who.borrower, []
    views = [confirmed(who, offer), confirmed(who, offer, 500_000, 6)]
    codes = []
    for view in views:
        challenge = services.send_signing_code(b.shard, b.id, view.id, view.sha256)
        codes.append((challenge.id, code_on_phone(world, who.person["phone"])))
    barrier = threading.Barrier(2)

    def put(view, challenge_id, code) -> None:
        barrier.wait()
        try:
            signed.append(services.sign(b.shard, b.id, view.id, view.sha256, challenge_id, code, uuid4()))
        except errors.AlreadySigned as problem:
            signed.append(problem)
        connection.close()

    threads = [threading.Thread(target=put, args=(v, *c)) for v, c in zip(views, codes, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(s).__name__ for s in signed) == ["AlreadySigned", "UUID"]
    assert Agreement.objects.filter(offer_id=offer.id).count() == 1


def test_no_signature_without_the_consent_to_pay_out(world, offered):
    who, offer = offered
    b, view = who.borrower, confirmed(who, offer)
    customers.withdraw_consent(b, "pay_out_and_debit", "payment_institution", "test")
    with pytest.raises(customer_errors.ConsentMissing):
        services.send_signing_code(b.shard, b.id, view.id, view.sha256)
    assert refused(view.id) == ["consent-missing"]


def test_as_many_loans_as_allowed_may_be_open(world, monkeypatch):
    who, loan = with_loan(world)
    b = who.borrower
    monkeypatch.setattr(
        law,
        "number",
        lambda name, on=None, real=law.number: 1 if name == "open_loans_max" else real(name, on),
    )
    from tests.borrowers import apply

    view = apply(who, 500_000, 6)
    assert view.offer
    with pytest.raises(errors.TooManyLoans):
        disclose(who, view.offer, 500_000, 6)
    services.follow_loan(b.shard, Agreement.objects.get(loan_id=loan).id, settled=True)
    disclose(who, view.offer, 500_000, 6)


def test_the_signed_loan_is_paid_out_with_a_contract_that_verifies(world, offered):
    who, offer = offered
    b = who.borrower
    agreement = sign(world, who, confirmed(who, offer))
    with pytest.raises(NotFound):
        queries.contract_pdf(b.shard, b.id, agreement)
    worker.drain()
    view = queries.agreement(b.shard, b.id, agreement)
    assert (view.saga_status, view.pay_out, view.pay_out_calls) == ("done", "succeeded", 1)
    assert queries.verify(queries.contract_pdf(b.shard, b.id, agreement)).valid
    assert servicing.proof(b.shard, view.loan_id).equal and ledger.trial_balance().balanced
    with pytest.raises(NotFound):
        queries.contract_pdf(b.shard, register(world).borrower.id, agreement)


def test_no_money_leaves_without_the_contract(world, offered):
    who, offer = offered
    b = who.borrower
    world.fault("tsa", "down", times=1)
    agreement = sign(world, who, confirmed(who, offer))
    worker.drain()
    view = queries.agreement(b.shard, b.id, agreement)
    assert (view.stage, view.pay_out, view.saga_status) == ("agreements.make_contract", "new", "ready")
    Saga.objects.filter(key=str(view.loan_id)).update(due_at=datetime.now(UTC))
    worker.drain()
    assert queries.agreement(b.shard, b.id, agreement).pay_out == "succeeded"
    assert ContractDocument.objects.filter(agreement_id=agreement).count() == 1


def test_a_refused_pay_out_cancels_the_agreement_and_tells_the_borrower(world, offered):
    who, offer = offered
    b = who.borrower
    agreement = sign(world, who, confirmed(who, offer))
    world.fault("rail.pay_out", "refuse", code="card_closed", times=1)
    before = ledger.trial_balance().lines
    worker.drain()
    worker.drain()
    view = queries.agreement(b.shard, b.id, agreement)
    assert (view.state, view.cancelled_because, view.saga_status) == ("cancelled", "card_closed", "refused")
    assert ledger.trial_balance().lines == before
    with pytest.raises(NotFound):
        servicing.loan(b.shard, b.id, view.loan_id)
    texts = [m["text"] for m in world.get(f"/sms/{who.person['phone']}").json()["messages"]]
    assert sum("放款未成功" in text for text in texts) == 1
    order = payments.order_of(b.shard, "pay_out", view.loan_id)
    assert order and order.state == "refused"


def test_kill_9_while_the_rail_is_paying_and_the_loan_is_paid_once(world, offered):
    who, offer = offered
    b, card = who.borrower, who.person["bank_card"]
    held = world.get(f"/rail/accounts/{card}").json()["balance_fen"]
    world.fault("rail.pay_out", "slow", seconds=2, times=1)
    agreement = sign(world, who, confirmed(who, offer))
    view = queries.agreement(b.shard, b.id, agreement)
    order = payments.order_of(b.shard, "pay_out", view.loan_id)
    assert order
    with worker_process("payer") as process:
        eventually(lambda: world.calls(target="rail.pay_out", key=str(order.id)) == 1)
        process.kill()
        assert process.wait() == -9
    assert queries.agreement(b.shard, b.id, agreement).pay_out == "sent"
    with worker_process("payer"):
        eventually(lambda: queries.agreement(b.shard, b.id, agreement).saga_status == "done")
    assert queries.agreement(b.shard, b.id, agreement).pay_out_queries >= 1  # it asked before it sent again
    assert world.get(f"/rail/accounts/{card}").json()["balance_fen"] == held + 1_000_000
    assert world.get(f"/rail/pay-outs/{order.id}").json()["status"] == "succeeded"
    assert servicing.proof(b.shard, view.loan_id).equal and ledger.trial_balance().balanced
    texts = [m["text"] for m in world.get(f"/sms/{who.person['phone']}").json()["messages"]]
    assert sum("已到账" in text for text in texts) == 1
