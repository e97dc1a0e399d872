"""Reads about people: masked, unless `services.read_person` is asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from timelyrain.customers.models import Borrower, Consent, Message, PersonalDataRead
from timelyrain.customers.sealing import unseal
from timelyrain.customers.services import live_consents
from timelyrain.runtime import clock, law


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
class Traits:
    """What an ID number shows of a person and no decision may read. region: of the country, where the number was issued."""

    sex: str
    region: str


REGIONS = {"1": "north", "2": "northeast", "3": "east", "4": "south", "5": "southwest", "6": "northwest"}
"""First digit of a division code (GB/T 2260); any other: other."""


def traits(shard: int, borrower_ids: Iterable[UUID], *, reader: str, purpose: str) -> dict[UUID, Traits]:
    """Of those who have given their ID number and not withdrawn the consent to use it; each read is written down."""
    known = Borrower.objects.filter(shard=shard, id__in=list(borrower_ids)).exclude(id_number_sealed=None)
    said = Consent.objects.filter(
        shard=shard, borrower__in=known, purpose="account_data", recipient="lender"
    ).order_by("id")
    granted = {row.borrower_id: row.granted for row in said}  # the last word
    sealed = [row for row in known.only("shard", "id", "id_number_sealed") if granted.get(row.id)]
    at = clock.now()
    PersonalDataRead.objects.bulk_create(
        PersonalDataRead(
            shard=shard,
            borrower_id=row.id,
            reader=reader,
            purpose=purpose,
            fields="id_number (sex and region alone)",
            at=at,
        )
        for row in sealed
    )
    return {row.id: _traits(unseal("id_number", row.id, row.id_number_sealed)) for row in sealed}


def _traits(id_number: str) -> Traits:
    return Traits("male" if int(id_number[16]) % 2 else "female", REGIONS.get(id_number[0], "other"))


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
