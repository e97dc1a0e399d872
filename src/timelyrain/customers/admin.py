"""People in the console: masked, and each look is written down."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from timelyrain.customers import queries
from timelyrain.customers.models import Borrower, Consent, Message, PersonalDataRead
from timelyrain.runtime import clock, glossary, law
from timelyrain.runtime.admin import ReadOnlyAdmin
from timelyrain.runtime.glossary import words
from timelyrain.runtime.ids import new_id
from timelyrain.runtime.panels import Panel, Step, Table, on_page

for _text in law.pack().consent_texts():
    glossary.teach(_text.purpose, _text.title_zh, _text.title_en)
    glossary.teach(_text.recipient, _text.recipient_name_zh, _text.recipient_name_en)


@admin.register(Borrower)
class BorrowerAdmin(ReadOnlyAdmin):
    title = words("借款人", "Borrowers")
    columns = ("id", "registered_at", "profiled_at", "id_valid_until")
    hidden = ("phone_index", "id_number_index")
    find_by = ("id",)


@on_page("customers.borrower", "customers.view_borrower", order=10)
def _profile(request: HttpRequest, borrower: Borrower) -> Panel:
    profile = queries.masked_profile(borrower)
    _seen(request, borrower)
    return Panel(
        words("身份（脱敏）", "Identity (masked)"),
        facts=[
            (name, getattr(profile, name)) for name in ("name", "phone", "id_number", "bank_card", "complete")
        ],
        text=words(
            "本次查看已记入个人信息读取记录。", "This look has been written down as a read of personal data."
        ),
    )


def _seen(request: HttpRequest, borrower: Borrower) -> None:
    PersonalDataRead.objects.create(
        shard=borrower.shard,
        id=new_id(),
        borrower=borrower,
        reader=f"console:{request.user.get_username()}",
        purpose="masked profile in the console",
        fields="name,phone,id_number,bank_card (masked)",
        at=clock.now(),
    )


@on_page("customers.borrower", "customers.view_consent", order=20)
def _consents(request: HttpRequest, borrower: Borrower) -> Panel:
    rows = Consent.objects.filter(shard=borrower.shard, borrower=borrower).order_by("-id")
    return _consent_table(words("同意与撤回", "Consents and withdrawals"), rows)


@on_page("customers.borrower", "customers.view_personaldataread", order=30)
def _reads(request: HttpRequest, borrower: Borrower) -> Panel:
    rows = PersonalDataRead.objects.filter(shard=borrower.shard, borrower=borrower).order_by("-id")[:50]
    return Panel(
        words("谁读取过个人信息（最近 50 次）", "Who read personal data (newest 50)"),
        table=Table.of(("reader", "purpose", "fields", "at"), rows),
        wide=True,
    )


@on_page("customers.borrower", "customers.view_message", order=40)
def _messages(request: HttpRequest, borrower: Borrower) -> Panel:
    return Panel(
        words("已告知借款人", "What the borrower was told"),
        table=Table.of(("at", "text"), queries.messages(borrower)),
        wide=True,
    )


@on_page("origination.application", "customers.view_consent", order=10)
def _consents_in_force(request: HttpRequest, application: Any) -> Panel:
    """The newest word on each purpose and recipient up to the decision."""
    until = application.decided_at or clock.now()
    rows = Consent.objects.filter(
        shard=application.shard, borrower_id=application.borrower_id, at__lte=until
    ).order_by("id")
    newest = {(row.purpose, row.recipient): row for row in rows}
    granted = sum(row.granted for row in newest.values())
    panel = _consent_table(words("决策时有效的同意", "Consents at the time of the decision"), newest.values())
    step = Step(words("同意", "Consent"), "good" if granted else "wait", f"{granted}/{len(newest)}")
    return replace(panel, steps=[step])


def _consent_table(title: Any, rows: Iterable[Consent]) -> Panel:
    columns = ("id", "purpose", "recipient", "granted", "version", "at")
    return Panel(title, table=Table.of(columns, rows, id="customers.consent"))


@admin.register(Consent)
class ConsentAdmin(ReadOnlyAdmin):
    title = words("同意", "Consents")
    columns = ("id", "purpose", "recipient", "version", "granted", "channel", "at")
    filters = ("purpose", "recipient", "granted")
    find_by = ("id", "borrower_id")
    links = {"borrower_id": "customers.borrower"}


@admin.register(PersonalDataRead)
class PersonalDataReadAdmin(ReadOnlyAdmin):
    title = words("个人信息读取", "Reads of personal data")
    columns = ("id", "reader", "purpose", "fields", "at")
    filters = ("reader",)
    find_by = ("id", "borrower_id", "reader")
    links = {"borrower_id": "customers.borrower"}


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    title = words("通知", "Messages")
    columns = ("id", "text", "at")
    find_by = ("id", "borrower_id")
    links = {"borrower_id": "customers.borrower"}
