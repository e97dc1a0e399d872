"""Disclosures, agreements and contracts in the console."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from timelyrain.agreements.models import Agreement, AgreementState, Confirmation, ContractDocument, Disclosure
from timelyrain.runtime.admin import ReadOnlyAdmin
from timelyrain.runtime.glossary import tone, value, words
from timelyrain.runtime.models import Saga, SagaStatus
from timelyrain.runtime.panels import Link, Panel, Step, Table, on_page


@admin.register(Disclosure)
class DisclosureAdmin(ReadOnlyAdmin):
    title = words("费用披露", "Disclosures")
    ordering = ("-shown_at",)
    columns = ("id", "amount_fen", "instalments", "sha256", "shown_at", "expires_at")
    hidden = ("body",)
    find_by = ("id", "offer_id", "borrower_id")
    links = {"offer_id": "origination.offer", "borrower_id": "customers.borrower"}


@on_page("agreements.disclosure", "agreements.view_disclosure", order=10)
def _shown(request: HttpRequest, disclosure: Disclosure) -> Panel:
    body = json.loads(disclosure.body)
    plain = [(k, v) for k, v in body.items() if not isinstance(v, list | dict)]
    return Panel(
        words("借款人看到的内容", "What the borrower was shown"),
        facts=plain,
        table=Table(
            ("n", "due_on", "principal_fen", "interest_fen", "total_fen"),
            [
                tuple(row[k] for k in ("n", "due_on", "principal_fen", "interest_fen", "total_fen"))
                for row in body["instalments"]
            ],
        ),
        text=words(
            *(" ".join(one[language] for one in body.get("conditions", ())) for language in ("zh", "en"))
        ),
        wide=True,
    )


@admin.register(Confirmation)
class ConfirmationAdmin(ReadOnlyAdmin):
    title = words("阅读确认", "Confirmations")
    columns = ("id", "disclosure_id", "seconds", "at")
    links = {"disclosure_id": "agreements.disclosure"}


@admin.register(Agreement)
class AgreementAdmin(ReadOnlyAdmin):
    title = words("借款协议", "Agreements")
    ordering = ("-signed_at",)
    columns = ("id", "state", "offer_id", "loan_id", "cancelled_because", "signed_at")
    filters = ("state",)
    find_by = ("id", "offer_id", "loan_id", "borrower_id")
    hidden = ("challenge_id",)
    links = {
        "borrower_id": "customers.borrower",
        "disclosure_id": "agreements.disclosure",
        "loan_id": "servicing.loan",
        "offer_id": "origination.offer",
        "saga_id": "runtime.saga",
    }


@on_page("agreements.agreement", "agreements.view_contractdocument", order=10)
def _contract(request: HttpRequest, agreement: Agreement) -> Panel | None:
    document = ContractDocument.objects.filter(shard=agreement.shard, agreement=agreement).first()
    if document is None:
        return None
    return Panel(
        words("合同文件", "Contract document"),
        facts=[("sha256", document.sha256), ("made_at", document.made_at), ("checked", document.checked)],
        more=Link("agreements.contractdocument", document.id, words("文件记录", "Document record")),
        wide=True,
    )


@admin.register(ContractDocument)
class ContractDocumentAdmin(ReadOnlyAdmin):
    title = words("合同文件", "Contract documents")
    columns = ("id", "sha256", "made_at")
    hidden = ("pdf",)  # it carries the borrower's full identity
    find_by = ("id", "agreement_id", "sha256")
    links = {"agreement_id": "agreements.agreement"}


@on_page("origination.application", "agreements.view_disclosure", order=50)
def _disclosures(request: HttpRequest, application: Any) -> Panel | None:
    offers = list(application.offers.values_list("id", flat=True))
    rows = list(Disclosure.objects.filter(shard=application.shard, offer_id__in=offers).order_by("id"))
    if not rows:
        return None
    read = dict(
        Confirmation.objects.filter(shard=application.shard, disclosure__in=rows).values_list(
            "disclosure_id", "seconds"
        )
    )
    return Panel(
        words("费用披露", "Disclosure"),
        steps=[
            Step(
                words("披露", "Disclosure"),
                "good" if read else "wait",
                words("已确认", "confirmed") if read else words("已展示", "shown"),
            )
        ],
        table=Table(
            ("id", "amount_fen", "instalments", "sha256", "read_seconds", "shown_at"),
            [
                (
                    Link("agreements.disclosure", r.id),
                    r.amount_fen,
                    r.instalments,
                    r.sha256,
                    f"{read[r.id]:.1f} / {r.read_seconds}" if r.id in read else None,
                    r.shown_at,
                )
                for r in rows
            ],
        ),
    )


@on_page("origination.application", "agreements.view_agreement", order=60)
def _agreements(request: HttpRequest, application: Any) -> Panel | None:
    offers = list(application.offers.values_list("id", flat=True))
    rows = list(Agreement.objects.filter(shard=application.shard, offer_id__in=offers).order_by("id"))
    if not rows:
        return None
    saga = Saga.objects.get(shard=application.shard, id=rows[-1].saga_id)
    steps = [Step(words("签署", "Signature"), tone(rows[-1].state), value(rows[-1].state))]
    if saga.status != SagaStatus.DONE:
        steps.append(Step(value(saga.step), tone(saga.status), value(saga.status)))
    return Panel(
        words("协议", "Agreement"),
        steps=steps,
        table=Table(
            ("id", "state", "signed_at", "saga_id", "loan_id"),
            [
                (
                    Link("agreements.agreement", r.id),
                    r.state,
                    r.signed_at,
                    Link("runtime.saga", r.saga_id),
                    Link("servicing.loan", r.loan_id) if r.state != AgreementState.CANCELLED else None,
                )
                for r in rows
            ],
        ),
    )


@on_page("servicing.loan", "agreements.view_contractdocument", order=60)
def _contract_of_loan(request: HttpRequest, loan: Any) -> Panel | None:
    document = ContractDocument.objects.filter(shard=loan.shard, agreement_id=loan.agreement_id).first()
    if document is None:
        return None
    return Panel(
        words("合同", "Contract"),
        facts=[("sha256", document.sha256), ("made_at", document.made_at)],
        more=Link("agreements.agreement", loan.agreement_id, words("协议与签署", "Agreement and signature")),
    )
