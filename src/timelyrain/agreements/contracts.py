"""The contract document of a signed agreement: filled in, made, signed by both sides, checked before anything is paid."""

import hashlib
import json
from datetime import date
from functools import cache
from urllib.parse import urlencode

import httpx
from django.conf import settings

from timelyrain.agreements import documents
from timelyrain.agreements.models import Agreement, Confirmation, ContractDocument
from timelyrain.agreements.wording import METHODS, conditions, overdue, prepayment
from timelyrain.contract import Allocation, Terms
from timelyrain.customers import queries as customers
from timelyrain.customers import services as customers_services
from timelyrain.finance import percent
from timelyrain.payments import services as payments
from timelyrain.runtime import clock, law

ORDER = {Allocation.COSTS: "费用", Allocation.INTEREST: "罚息、利息", Allocation.PRINCIPAL: "本金"}


@cache
def authority() -> documents.DemoAuthority:
    return documents.DemoAuthority(settings.HOME / "keys" / "authority")


def timestamper() -> str:
    """The sandbox's time-stamping service; it lives in the platform's time."""
    return f"{settings.SANDBOX_URL}/tsa?{urlencode({'as_of': clock.now().isoformat()})}"


def trust_roots() -> list[bytes]:
    """The roots a check believes: our certificate authority and the time-stamping authority."""
    stamp = (
        httpx.get(f"{settings.SANDBOX_URL}/tsa/cert", timeout=settings.OUTSIDE_TIMEOUT_SECONDS)
        .raise_for_status()
        .content
    )
    return [authority().root, stamp]


def make(agreement: Agreement) -> ContractDocument:
    """Render, sign and check the contract; an agreement has one document for ever."""
    if existing := ContractDocument.objects.filter(shard=agreement.shard, agreement=agreement).first():
        return existing
    at = clock.now()
    data = _data(agreement)
    pdf = documents.render_contract(data)
    transaction = f"TR{agreement.id.hex[-12:].upper()}"
    signed = documents.sign_contract(
        pdf,
        borrower=documents.BorrowerSignature(
            name=data.borrower.name,
            signer=authority().one_time(customers.mask_name(data.borrower.name), transaction, at),
            evidence=documents.Evidence(
                transaction=transaction,
                challenge_id=str(agreement.challenge_id),
                disclosure_sha256=data.disclosure_sha256,
                terms_sha256=data.terms_sha256,
                confirmed_at=agreement.signed_at,
            ),
        ),
        lender=documents.LenderSeal(name=data.lender.name, signer=authority().seal(data.lender.name, at)),
        authority=authority(),
        at=at,
        timestamper=timestamper(),
    )
    check = documents.verify_contract(signed, trust_roots(), clock.now())
    if not check.valid:
        raise documents.DocumentError(
            f"The signed contract does not verify: {'; '.join(check.problems)}. It was not used."
        )
    ContractDocument.objects.bulk_create(
        [
            ContractDocument(
                shard=agreement.shard,
                agreement=agreement,
                pdf=signed,
                sha256=hashlib.sha256(signed).hexdigest(),
                checked={
                    "signatures": [f"{s.field}: {s.subject}" for s in check.signatures],
                    "timestamped": all(s.timestamped for s in check.signatures),
                },
                made_at=at,
            )
        ],
        ignore_conflicts=True,
    )
    return ContractDocument.objects.get(shard=agreement.shard, agreement=agreement)


def _data(agreement: Agreement) -> documents.ContractData:
    disclosure = agreement.disclosure
    body, terms = json.loads(disclosure.body), Terms.from_json(disclosure.terms_json)
    person = customers_services.read_person(
        agreement.shard, agreement.borrower_id, reader="agreements", purpose="contract"
    )
    confirmation = Confirmation.objects.get(shard=agreement.shard, disclosure=disclosure)
    return documents.ContractData(
        number=f"TR-{clock.business_date(agreement.signed_at):%Y%m%d}-{agreement.id.hex[-8:].upper()}",
        lender=documents.Lender(**body["lender"]),
        borrower=documents.Borrower(
            name=person.name,
            id_masked=customers.mask_number(person.id_number),
            phone_masked=customers.mask_phone(person.phone),
            card_masked=customers.mask_number(
                payments.signed_payee(agreement.shard, agreement.loan_id, "agreements").bank_card
            ),
        ),
        principal_fen=terms.principal_fen,
        purpose=next(p.zh for p in law.pack().product(terms.product).purposes if p.code == body["purpose"]),
        method=METHODS[terms.method],
        rate_ppm=terms.annual_rate_ppm,
        annualised_simple_ppm=body["annualised_simple_ppm"],
        annualised_irr_ppm=body["annualised_irr_ppm"],
        cap_ppm=terms.cap_ppm,
        instalments=tuple(
            documents.InstalmentRow(
                number=r["n"],
                due_on=date.fromisoformat(r["due_on"]),
                principal_fen=r["principal_fen"],
                interest_fen=r["interest_fen"],
            )
            for r in body["instalments"]
        ),
        costs=tuple(
            documents.CostRow(
                name=c["name_zh"],
                payee=c["payee"],
                standard=c["standard_zh"],
                amount_fen=c["amount_fen"],
                rate_ppm=terms.annual_rate_ppm,
            )
            for c in body["normal"]
        ),
        contingent=tuple(
            documents.ContingentRow(name=c["name_zh"], payee=c["payee"], standard=c["standard_zh"])
            for c in body["contingent"]
        ),
        penalty=f"{overdue(terms)[0]}；全部息费合计不超过年化 {percent(terms.cap_ppm)}。",
        prepayment=prepayment(terms)[0],
        conditions=tuple(zh for zh, _ in conditions(terms)),
        allocation=tuple(ORDER[a] for a in terms.allocation),
        consents=tuple(
            documents.ConsentRef(
                title=c.title, recipient=c.recipient_name, version=c.version, reference=c.sha256[:12]
            )
            for c in customers.granted_consents(agreement.shard, agreement.borrower_id)
        ),
        signed_at=max(agreement.signed_at, confirmation.at),
        terms_json=disclosure.terms_json.encode(),
        disclosure_json=disclosure.body.encode(),
    )
