"""Commands of agreement: disclose, confirm, send the signing code, sign."""

import hashlib
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from timelyrain.agreements import errors, workdays
from timelyrain.agreements.disclosures import Lender, canonical, make_disclosure, make_terms
from timelyrain.agreements.models import Agreement, AgreementState, Confirmation, Disclosure
from timelyrain.audit import services as audit
from timelyrain.contract import Terms, TermsInvalid
from timelyrain.customers import services as customers
from timelyrain.finance import CalendarEnds, percent, yuan
from timelyrain.ledger import services as ledger
from timelyrain.origination import queries as origination
from timelyrain.payments import services as payments
from timelyrain.runtime import clock, law, locks, sagas
from timelyrain.runtime.ids import derived_id
from timelyrain.runtime.problems import NotFound

DISCLOSURE_LIFE = timedelta(hours=24)


def lender() -> Lender:
    return Lender(**settings.LENDER)


def disclose(
    shard: int, borrower_id: UUID, offer_id: UUID, amount_fen: int, instalments: int, request_id: UUID
) -> UUID:
    """Make the disclosure of one amount and term within an offer; its reading time starts now. Returns its id."""
    if existing := Disclosure.objects.filter(shard=shard, id=request_id).first():
        return existing.id
    with audit.refusals(shard, "disclosure", actor="borrower", subject=offer_id):
        offer = _judge_choice(shard, borrower_id, offer_id, amount_fen, instalments)
        _judge_open_loans(shard, borrower_id)
        terms, cost = _work_out(offer, amount_fen, instalments)
    body = canonical(cost)
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    now = clock.now()
    with transaction.atomic():
        Disclosure.objects.create(
            shard=shard,
            id=request_id,
            offer_id=offer_id,
            borrower_id=borrower_id,
            amount_fen=amount_fen,
            instalments=instalments,
            body=body,
            sha256=sha256,
            terms_json=terms.canonical_bytes().decode(),
            terms_sha256=terms.sha256(),
            read_seconds=cost["read_seconds"],
            shown_at=now,
            expires_at=min(now + DISCLOSURE_LIFE, offer.expires_at),
        )
        audit.record(
            shard,
            "disclosure_shown",
            actor="borrower",
            subject=request_id,
            offer=offer_id,
            disclosure=sha256,
        )
    return request_id


def _judge_choice(
    shard: int, borrower_id: UUID, offer_id: UUID, amount_fen: int, instalments: int
) -> origination.OfferView:
    offer = origination.live_offer(shard, borrower_id, offer_id)
    if not offer.minimum_fen <= amount_fen <= offer.limit_fen:
        raise errors.OutsideOffer(
            f"{amount_fen} fen is not between {offer.minimum_fen} and {offer.limit_fen} fen.",
            field="amount_fen",
            remedy="Choose an amount within the offer.",
        )
    if instalments not in offer.instalments:
        raise errors.OutsideOffer(
            f"{instalments} instalments are not offered.",
            field="instalments",
            remedy=f"Choose one of {', '.join(map(str, offer.instalments))}.",
        )
    _judge_first_signature(shard, offer_id)
    return offer


def _judge_first_signature(shard: int, offer_id: UUID) -> None:
    if Agreement.objects.filter(shard=shard, offer_id=offer_id).exists():
        raise errors.AlreadySigned("This offer has been signed.", remedy="See your loans.")


def _judge_open_loans(shard: int, borrower_id: UUID) -> None:
    over = (AgreementState.CANCELLED, AgreementState.FULFILLED)
    open_now = Agreement.objects.filter(shard=shard, borrower_id=borrower_id).exclude(state__in=over).count()
    if open_now >= law.number("open_loans_max"):
        raise errors.TooManyLoans(
            f"{open_now} loans are open; no more than {law.number('open_loans_max')} may be.",
            remedy="Settle one of them first.",
        )


def _work_out(
    offer: origination.OfferView, amount_fen: int, instalments: int
) -> tuple[Terms, dict[str, Any]]:
    """The terms of one choice within an offer, and their full cost."""
    cap = law.rule("cost_cap_ppm")
    product = law.pack().product(offer.product)
    cap_ppm = min(offer.cap_ppm, int(cap.value))
    read_seconds, today = law.number("min_read_seconds"), clock.today()
    try:
        calendar = workdays.signed(product, today, instalments)
        terms = make_terms(
            product, lender(), law.pack().id, amount_fen, instalments, offer.rate_ppm, cap_ppm, calendar
        )
        return terms, make_disclosure(terms, lender(), today, cap, read_seconds, offer.purpose)
    except (TermsInvalid, CalendarEnds) as error:
        raise errors.OutsideOffer(
            f"{amount_fen} fen over {instalments} instalments of {product.id!r}: {error}.",
            field="instalments",
            remedy="Choose another amount or fewer instalments; nothing was agreed.",
        ) from error


def confirm(shard: int, borrower_id: UUID, disclosure_id: UUID, sha256: str) -> None:
    """Record that the disclosure was read, not before its reading time is over and only for what was shown."""
    with audit.refusals(shard, "confirmation", actor="borrower", subject=disclosure_id):
        disclosure = _disclosure(shard, borrower_id, disclosure_id, sha256)
        elapsed = (clock.now() - disclosure.shown_at).total_seconds()
        if elapsed < disclosure.read_seconds:
            left = disclosure.read_seconds - elapsed
            raise errors.ReadingTime(
                f"{left:.1f} seconds of reading time are left.",
                remedy="Read every cost; confirm when the time is over.",
                retry_after=round(left, 1),
            )
    with transaction.atomic():
        _, created = Confirmation.objects.get_or_create(
            shard=shard, disclosure=disclosure, defaults={"seconds": elapsed, "at": clock.now()}
        )
        if created:
            audit.record(
                shard,
                "disclosure_confirmed",
                actor="borrower",
                subject=disclosure_id,
                seconds=round(elapsed, 1),
                disclosure=sha256,
            )


def send_signing_code(shard: int, borrower_id: UUID, disclosure_id: UUID, sha256: str) -> customers.Challenge:
    """Send the one-time code that signs exactly this disclosure and its terms."""
    with audit.refusals(shard, "signing_code", actor="borrower", subject=disclosure_id):
        disclosure = _signable(shard, borrower_id, disclosure_id, sha256)
    terms = Terms.from_json(disclosure.terms_json)
    text = (
        f"【及时雨】您正在签署借款 {yuan(terms.principal_fen)} 元、{terms.instalments} 期、"
        f"年利率 {percent(terms.annual_rate_ppm)} 的合同，"
        "签署验证码 {code}，{minutes} 分钟内有效。"
    )
    return customers.request_code_for(shard, borrower_id, "sign", text, _subject(disclosure))


def sign(
    shard: int,
    borrower_id: UUID,
    disclosure_id: UUID,
    sha256: str,
    challenge_id: UUID,
    code: str,
    request_id: UUID,
) -> UUID:
    """Sign with the one-time code; starts the saga that makes the contract and pays out. Returns the agreement's id."""
    agreement_id = derived_id("agreement", request_id)
    if existing := Agreement.objects.filter(shard=shard, id=agreement_id).first():
        return existing.id
    with audit.refusals(shard, "signature", actor="borrower", subject=disclosure_id):
        disclosure = _signable(shard, borrower_id, disclosure_id, sha256)
        customers.use_code(shard, challenge_id, code, "sign", request_id, _subject(disclosure))
        return _conclude(shard, borrower_id, disclosure, challenge_id, agreement_id)


def _conclude(
    shard: int, borrower_id: UUID, disclosure: Disclosure, challenge_id: UUID, agreement_id: UUID
) -> UUID:
    """Keep the signature with all that follows from it: order, disclosed charges, saga."""
    terms = Terms.from_json(disclosure.terms_json)
    loan_id = derived_id("loan", disclosure.offer_id)
    now = clock.now()
    with transaction.atomic():
        locks.hold(f"agreements:{borrower_id}")  # signatures at once are judged one after the other
        if Agreement.objects.filter(shard=shard, id=agreement_id).exists():
            return agreement_id
        _judge_first_signature(shard, disclosure.offer_id)
        _judge_open_loans(shard, borrower_id)
        person = customers.read_person(shard, borrower_id, reader="agreements", purpose="signature")
        payee = payments.Payee(person.name, person.bank_card)
        order_id = payments.order(shard, "pay_out", loan_id, borrower_id, terms.principal_fen, payee)
        ledger.register_disclosure(
            shard, loan_id, bytes.fromhex(disclosure.sha256), [(c.kind, c.formula) for c in terms.charges]
        )
        saga_id = sagas.start(
            "open_loan",
            str(loan_id),
            shard,
            {
                "agreement_id": str(agreement_id),
                "loan_id": str(loan_id),
                "borrower_id": str(borrower_id),
                "order_id": str(order_id),
                "terms_json": disclosure.terms_json,
            },
        )
        Agreement.objects.create(
            shard=shard,
            id=agreement_id,
            offer_id=disclosure.offer_id,
            borrower_id=borrower_id,
            disclosure=disclosure,
            loan_id=loan_id,
            challenge_id=challenge_id,
            saga_id=saga_id,
            signed_at=now,
        )
        audit.record(
            shard,
            "agreement_signed",
            actor="borrower",
            subject=agreement_id,
            disclosure=disclosure.sha256,
            terms=disclosure.terms_sha256,
            challenge=challenge_id,
            loan=loan_id,
        )
    return agreement_id


def follow_loan(shard: int, agreement_id: UUID, *, settled: bool) -> None:
    """Keep in step with the loan that came of an agreement (in the caller's transaction)."""
    state = AgreementState.FULFILLED if settled else AgreementState.CONTRACTED
    Agreement.objects.filter(shard=shard, id=agreement_id).exclude(state=state).update(state=state)


def _subject(disclosure: Disclosure) -> bytes:
    """What a signing code is bound to: this disclosure and these terms, nothing else."""
    return hashlib.sha256(f"sign\n{disclosure.sha256}\n{disclosure.terms_sha256}".encode()).digest()


def _disclosure(shard: int, borrower_id: UUID, disclosure_id: UUID, sha256: str) -> Disclosure:
    row = Disclosure.objects.filter(shard=shard, borrower_id=borrower_id, id=disclosure_id).first()
    if row is None:
        raise NotFound(
            f"You were shown no disclosure {disclosure_id}.",
            remedy="Ask for a disclosure of the amount you want.",
        )
    if row.sha256 != sha256.lower():
        raise errors.DisclosureChanged(
            "The sha256 is not that of the disclosure that was shown.",
            field="disclosure_sha256",
            remedy="Show the disclosure again and agree to exactly that one.",
        )
    if row.expires_at <= clock.now():
        raise errors.DisclosureStale(
            f"It was valid until {row.expires_at.isoformat()}.",
            remedy="Ask for a new disclosure; the dates may have moved.",
        )
    return row


def _signable(shard: int, borrower_id: UUID, disclosure_id: UUID, sha256: str) -> Disclosure:
    """The disclosure, if it was confirmed and everything else allows a signature now."""
    row = _disclosure(shard, borrower_id, disclosure_id, sha256)
    if not Confirmation.objects.filter(shard=shard, disclosure=row).exists():
        raise errors.NotConfirmed("The disclosure was not confirmed as read.", remedy="Confirm it first.")
    _judge_first_signature(shard, row.offer_id)
    _judge_open_loans(shard, borrower_id)
    origination.live_offer(shard, borrower_id, row.offer_id)
    customers.require_consent(shard, borrower_id, "pay_out_and_debit", "payment_institution")
    return row
