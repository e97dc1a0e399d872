"""Reads about people: masked, unless `services.read_person` is asked."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from timelyrain.customers.models import Borrower, Message
from timelyrain.customers.sealing import unseal
from timelyrain.customers.services import live_consents
from timelyrain.runtime import law


def mask_phone(phone: str) -> str:
    return f"{phone[:3]}****{phone[-4:]}"


def mask_name(name: str) -> str:
    return name[0] + "*" * (len(name) - 1)


def mask_number(number: str) -> str:
    """ID or card number: the last four stay readable."""
    return f"{number[:4]}{'*' * (len(number) - 8)}{number[-4:]}"


@dataclass(frozen=True)
class Profile:
    borrower_id: UUID
    phone: str
    name: str | None
    id_number: str | None
    bank_card: str | None
    complete: bool


def masked_profile(borrower: Borrower) -> Profile:
    def opened(column: str, sealed: bytes | None) -> str | None:
        return unseal(column, borrower.id, sealed) if sealed else None

    name, number, card = (
        opened("name", borrower.name_sealed),
        opened("id_number", borrower.id_number_sealed),
        opened("bank_card", borrower.bank_card_sealed),
    )
    return Profile(
        borrower.id,
        mask_phone(unseal("phone", borrower.id, borrower.phone_sealed)),
        mask_name(name) if name else None,
        mask_number(number) if number else None,
        mask_number(card) if card else None,
        borrower.profiled_at is not None,
    )


@dataclass(frozen=True)
class ConsentState:
    """One consent text and whether this borrower has a live consent to its purpose and recipient."""

    purpose: str
    recipient: str
    recipient_name: str
    title: str
    text: str
    sha256: str
    version: str
    sensitive: bool
    required: bool
    granted: bool


def consent_states(borrower: Borrower, language: str = "zh") -> list[ConsentState]:
    live = live_consents(borrower.shard, borrower.id)
    states = []
    for text in law.pack().consent_texts():
        states.append(
            ConsentState(
                text.purpose,
                text.recipient,
                text.recipient_name(language),
                text.title(language),
                text.wording(language),
                text.sha256,
                text.version,
                text.sensitive,
                text.required,
                (text.purpose, text.recipient) in live,
            )
        )
    return states


def granted_consents(shard: int, borrower_id: UUID, language: str = "zh") -> list[ConsentState]:
    borrower = Borrower.objects.get(shard=shard, id=borrower_id)
    return [state for state in consent_states(borrower, language) if state.granted]


@dataclass(frozen=True)
class Told:
    text: str
    at: datetime


def messages(borrower: Borrower) -> list[Told]:
    return [
        Told(row.text, row.at)
        for row in Message.objects.filter(shard=borrower.shard, borrower=borrower).order_by("-id")[:100]
    ]
