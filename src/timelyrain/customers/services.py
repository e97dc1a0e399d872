"""Commands about people."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import cast
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from timelyrain import policies
from timelyrain.audit import services as audit
from timelyrain.customers import errors
from timelyrain.customers.adapters.sandbox_sms import SandboxSms
from timelyrain.customers.models import (
    Borrower,
    Consent,
    IdentityClaim,
    Message,
    OneTimeCode,
    PersonalDataRead,
    Session,
)
from timelyrain.customers.ports import SmsGateway
from timelyrain.customers.sealing import seal, unseal
from timelyrain.runtime import clock, law, locks, rows
from timelyrain.runtime.crypto import blind_index
from timelyrain.runtime.ids import new_id, shard_of
from timelyrain.runtime.problems import Invalid, NotFound, NotSignedIn

_SHARDS = {str(shard) for shard in range(settings.SHARDS)}


@cache
def sms_gateway() -> SmsGateway:
    return SandboxSms()


@dataclass(frozen=True)
class Challenge:
    """A one-time code on its way to a phone."""

    id: UUID
    shard: int
    expires_in_seconds: int


def request_code(phone: str, purpose: str, text: str, subject: bytes) -> Challenge:
    """Send a one-time code. `text` has the places {code} and {minutes}; `subject` is the digest of what the code agrees to."""
    phone = _mobile(phone)
    index = blind_index("phone", phone)
    shard, now = shard_of(index), clock.now()
    life = law.number("otp_ttl_seconds")
    code, challenge_id = f"{secrets.randbelow(10**6):06}", new_id()
    with transaction.atomic():
        locks.hold(f"codes:{index.hex()}")  # requests at once are counted one after the other
        recent = OneTimeCode.objects.filter(
            shard=shard, phone_index=index, created_at__gt=now - timedelta(hours=1)
        ).count()
        if recent >= law.number("otp_per_hour"):
            raise errors.TooManyCodes(
                f"{recent} codes were sent to this phone within an hour.",
                field="phone",
                remedy="Try again in an hour.",
                retry_after=3600,
            )
        OneTimeCode.objects.create(
            shard=shard,
            id=challenge_id,
            phone_index=index,
            purpose=purpose,
            subject=subject,
            digest=_code_digest(challenge_id, code),
            expires_at=now + timedelta(seconds=life),
            created_at=now,
        )
    sms_gateway().send(phone, text.format(code=code, minutes=life // 60), key=str(challenge_id))
    return Challenge(challenge_id, shard, life)


def request_code_for(shard: int, borrower_id: UUID, purpose: str, text: str, subject: bytes) -> Challenge:
    """Send a code to a known borrower's own phone."""
    borrower = Borrower.objects.get(shard=shard, id=borrower_id)
    _log_read(borrower, "customers", f"code to {purpose}", "phone")
    return request_code(unseal("phone", borrower.id, borrower.phone_sealed), purpose, text, subject)


def use_code(shard: int, challenge_id: UUID, code: str, purpose: str, used_for: UUID, subject: bytes) -> None:
    """Spend a code. A wrong guess is counted even though the request fails.

    `used_for` is the act that spends it: the same act may present it again after an interruption, no other may.
    """
    refusal: Exception | None = None
    with transaction.atomic(durable=True):
        row = OneTimeCode.objects.select_for_update().filter(shard=shard, id=challenge_id).first()
        if row is None:
            raise NotFound("This code was never sent.", field="challenge_id", remedy="Ask for a new code.")
        if row.purpose != purpose or not hmac.compare_digest(bytes(row.subject), subject):
            refusal = errors.CodeNotBound(
                "The code was sent to another phone, or for another purpose or document.",
                field="challenge_id",
                remedy="Ask for a code for exactly what you are doing now.",
            )
        elif row.used_at is not None and row.used_for != used_for:
            refusal = errors.CodeSpent("The code has been used.", field="code", remedy="Ask for a new code.")
        elif row.attempts >= law.number("otp_max_attempts"):
            refusal = errors.CodeSpent("Too many wrong guesses.", field="code", remedy="Ask for a new code.")
        elif row.used_at is None and row.expires_at <= clock.now():
            refusal = errors.CodeSpent("The code has expired.", field="code", remedy="Ask for a new code.")
        elif not hmac.compare_digest(bytes(row.digest), _code_digest(challenge_id, code)):
            row.attempts += 1
            left = law.number("otp_max_attempts") - row.attempts
            refusal = errors.CodeWrong(
                "That is not the code that was sent.",
                field="code",
                remedy=f"Check the message; {left} attempt(s) left.",
                attempts_left=left,
            )
        else:
            row.used_at, row.used_for = row.used_at or clock.now(), used_for
        row.save(update_fields=["attempts", "used_at", "used_for"])
        if refusal is not None:
            audit.record(
                shard,
                "code_refused",
                actor="borrower",
                subject=challenge_id,
                purpose=purpose,
                why=type(refusal).__name__,
            )
    if refusal is not None:
        raise refusal


def request_sign_in(phone: str) -> Challenge:
    text = "【及时雨】验证码 {code}，{minutes} 分钟内有效。工作人员不会向您索要验证码。"
    phone = _mobile(phone)
    return request_code(phone, "sign_in", text, blind_index("phone", phone))


@dataclass(frozen=True)
class SignedIn:
    token: str
    borrower_id: UUID
    expires_in_seconds: int


def sign_in(phone: str, challenge_id: UUID, code: str, request_id: UUID) -> SignedIn:
    """Exchange a code for a session; a phone seen for the first time becomes a borrower."""
    phone = _mobile(phone)
    index = blind_index("phone", phone)
    shard, now, life = shard_of(index), clock.now(), law.number("session_ttl_seconds")
    use_code(shard, challenge_id, code, "sign_in", request_id, index)
    token = f"{shard}.{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        borrower_id = new_id()
        borrower, created = Borrower.objects.get_or_create(
            shard=shard,
            phone_index=index,
            defaults={
                "id": borrower_id,
                "phone_sealed": seal("phone", borrower_id, phone),
                "registered_at": now,
            },
        )
        if created:
            audit.record(shard, "borrower_registered", actor="borrower", subject=borrower_id)
        Session.objects.create(
            shard=shard,
            token_sha256=_token_digest(token),
            borrower=borrower,
            created_at=now,
            expires_at=now + timedelta(seconds=life),
        )
    return SignedIn(token, borrower.id, life)


def borrower_of(token: str) -> Borrower:
    """The signed-in borrower. Time-outs by the clock of the platform."""
    shard, _, secret = token.partition(".")
    if shard in _SHARDS and secret:
        now = clock.now()
        if found := rows.select(Borrower, _OF_SESSION, [int(shard), _token_digest(token), now]):
            return found[0]
    raise NotSignedIn(
        "The session token is unknown or has ended.",
        remedy="Sign in with your phone number and a one-time code.",
    )


_OF_SESSION = """
JOIN customers_session s ON s.shard = customers_borrower.shard AND s.borrower_id = customers_borrower.id
WHERE s.shard = $1 AND s.token_sha256 = $2 AND s.ended_at IS NULL AND s.expires_at > $3
"""


def sign_out(token: str) -> None:
    Session.objects.filter(token_sha256=_token_digest(token), ended_at=None).update(ended_at=clock.now())


def save_profile(borrower: Borrower, name: str, id_number: str, id_valid_until: date, bank_card: str) -> None:
    """Keep the minimum data: name, ID number and validity, bank card. Everything wrong is reported at once.

    An ID number and a bank card are sensitive: without the separate consent nothing is kept.
    """
    require_consent(borrower.shard, borrower.id, "account_data", "lender")
    name, bank_card = name.strip(), bank_card.replace(" ", "")
    today = clock.today()
    identity = policies.resident_id(id_number, on=today)
    wrong = {
        "name": "" if 2 <= len(name) <= 30 else f"a name has 2 to 30 characters, not {len(name)}",
        "id_number": "" if identity.valid else identity.problem,
        "id_valid_until": "" if id_valid_until >= today else f"the document expired on {id_valid_until}",
        "bank_card": ""
        if policies.bank_card(bank_card)
        else "the card number's check digit or length is wrong",
    }
    if any(wrong.values()):
        raise errors.ProfileInvalid(
            "; ".join(filter(None, wrong.values())) + ".",
            field=next(name for name, problem in wrong.items() if problem),
            remedy="Correct the fields named in `fields` and send all of them again.",
            fields={name: problem for name, problem in wrong.items() if problem},
        )
    id_number = id_number.strip().upper()
    index = blind_index("id_number", id_number)
    try:
        with transaction.atomic():
            claim, _ = IdentityClaim.objects.get_or_create(pk=index, defaults={"borrower_id": borrower.id})
            if claim.borrower_id != borrower.id or borrower.id_number_index not in (None, index):
                raise errors.IdentityTaken(
                    "This ID number belongs to another account, or this account has another ID number.",
                    field="id_number",
                    remedy="Sign in with the phone number used before, or talk to a person.",
                )
            borrower.name_sealed = seal("name", borrower.id, name)
            borrower.id_number_sealed = seal("id_number", borrower.id, id_number)
            borrower.id_number_index = index
            borrower.id_valid_until = id_valid_until
            borrower.bank_card_index = blind_index("card", bank_card)
            borrower.bank_card_sealed = seal("bank_card", borrower.id, bank_card)
            borrower.profiled_at = clock.now()
            borrower.save()
            audit.record(borrower.shard, "profile_saved", actor="borrower", subject=borrower.id)
    except IntegrityError as error:
        raise Invalid("The details could not be kept.", remedy="Send them again.") from error


@dataclass(frozen=True)
class Person:
    """A borrower's personal data in clear. Read through `read_person`, which writes down who read it and why."""

    phone: str
    name: str
    id_number: str
    id_valid_until: date
    bank_card: str


def require_profile(borrower: Borrower) -> None:
    """Refuse what needs the borrower's details while they are not given."""
    if borrower.profiled_at is None:
        raise errors.ProfileMissing(
            "Name, ID and bank card are not given yet.", remedy="Give them first (PUT /api/v1/profile)."
        )


def borrower(shard: int, borrower_id: UUID) -> Borrower:
    return rows.select(Borrower, "WHERE shard = $1 AND id = $2", [shard, borrower_id])[0]


def read_person(shard: int, borrower_id: UUID, *, reader: str, purpose: str) -> Person:
    """Personal data in clear; who read it and what for is written down."""
    return open_person(borrower(shard, borrower_id), reader=reader, purpose=purpose)


def open_person(borrower: Borrower, *, reader: str, purpose: str) -> Person:
    """`read_person` of a row that is at hand."""
    require_profile(borrower)
    _log_read(borrower, reader, purpose, "phone,name,id_number,id_valid_until,bank_card")
    return Person(
        unseal("phone", borrower.id, borrower.phone_sealed),
        unseal("name", borrower.id, borrower.name_sealed),
        unseal("id_number", borrower.id, borrower.id_number_sealed),
        cast(date, borrower.id_valid_until),
        unseal("bank_card", borrower.id, borrower.bank_card_sealed),
    )


def grant_consents(borrower: Borrower, texts: Iterable[str], channel: str) -> None:
    """Record consents by the sha256 of the wordings that were shown; an outdated wording is refused, all or nothing."""
    current = {text.sha256: text for text in law.pack().consent_texts()}
    wanted = list(texts)
    if unknown := [sha for sha in wanted if sha not in current]:
        raise errors.ConsentTextChanged(
            f"No present consent text has the sha256 {unknown[0]!r}.",
            field="texts",
            remedy="Show the present wordings and ask again.",
        )
    with transaction.atomic():
        for text in (current[sha] for sha in wanted):
            _write_consent(borrower, text, True, channel)


def withdraw_consent(borrower: Borrower, purpose: str, recipient: str, channel: str) -> None:
    """Withdraw what was consented to, also under a wording that has changed since."""
    text = next(
        (t for t in law.pack().consent_texts() if (t.purpose, t.recipient) == (purpose, recipient)), None
    )
    newest = newest_consents(borrower.shard, borrower.id).get((purpose, recipient))
    if text is None or newest is None or not newest.granted:
        raise NotFound(
            f"There is no live consent for {purpose} to {recipient}.", remedy="Nothing needs to be withdrawn."
        )
    with transaction.atomic():
        _write_consent(borrower, text, False, channel)


def newest_consents(shard: int, borrower_id: UUID) -> dict[tuple[str, str], Consent]:
    """The last word per (purpose, recipient), given or withdrawn."""
    given = Consent.objects.filter(shard=shard, borrower_id=borrower_id).order_by("id")
    return {(row.purpose, row.recipient): row for row in given}


Consents = Mapping[tuple[str, str], UUID]
"""Ids of the consents in force by (purpose, recipient): given, not withdrawn, to the wording of today."""


def live_consents(shard: int, borrower_id: UUID) -> Consents:
    return live_consents_later(shard, borrower_id)()


def live_consents_later(shard: int, borrower_id: UUID) -> Callable[[], Consents]:
    """`live_consents` in two halves: asked now, called for later (`rows.together`)."""
    cursor = rows.execute(_CONSENTS, [shard, borrower_id])

    def live() -> Consents:
        newest = {(purpose, recipient): rest for purpose, recipient, *rest in cursor.fetchall()}
        wordings = {(text.purpose, text.recipient): text.sha256 for text in law.pack().consent_texts()}
        return {
            about: consent
            for about, (consent, granted, text) in newest.items()
            if granted and text == wordings.get(about)
        }

    return live


_CONSENTS = """
SELECT purpose, recipient, id, granted, text_sha256 FROM customers_consent
WHERE shard = $1 AND borrower_id = $2 ORDER BY id
"""


def live_consent(shard: int, borrower_id: UUID, purpose: str, recipient: str) -> UUID | None:
    """Id of the consent in force for a purpose and a recipient, or None."""
    return live_consents(shard, borrower_id).get((purpose, recipient))


def require_consent(shard: int, borrower_id: UUID, purpose: str, recipient: str) -> UUID:
    """The door in front of every source: no live consent, no data."""
    return require_among(live_consents(shard, borrower_id), purpose, recipient)


def require_among(consents: Consents, purpose: str, recipient: str) -> UUID:
    """`require_consent` of consents that were read a moment ago."""
    consent = consents.get((purpose, recipient))
    if consent is None:
        raise errors.ConsentMissing(
            f"There is no live consent for {purpose} to {recipient}.",
            field="consents",
            remedy="Ask the borrower for this consent first.",
        )
    return consent


def tell(shard: int, borrower_id: UUID, key: str, text: str) -> None:
    """Keep a message for the borrower, once per key (in the caller's transaction)."""
    Message.objects.bulk_create(
        [Message(shard=shard, borrower_id=borrower_id, key=key, text=text, at=clock.now())],
        ignore_conflicts=True,
    )


def send_sms(shard: int, borrower_id: UUID, key: str, text: str) -> None:
    """Send a text outside any transaction; the gateway sends a key once."""
    borrower = Borrower.objects.get(shard=shard, id=borrower_id)
    _log_read(borrower, "customers", "text message", "phone")
    sms_gateway().send(unseal("phone", borrower.id, borrower.phone_sealed), text, key)


def _write_consent(borrower: Borrower, text: policies.ConsentText, granted: bool, channel: str) -> None:
    Consent.objects.create(
        shard=borrower.shard,
        borrower=borrower,
        purpose=text.purpose,
        recipient=text.recipient,
        text_sha256=text.sha256,
        version=text.version,
        granted=granted,
        channel=channel,
        at=clock.now(),
    )
    act = "consent_granted" if granted else "consent_withdrawn"
    audit.record(
        borrower.shard,
        act,
        actor="borrower",
        subject=borrower.id,
        purpose=text.purpose,
        recipient=text.recipient,
        text=text.sha256,
    )


def _log_read(borrower: Borrower, reader: str, purpose: str, fields: str) -> None:
    rows.insert(
        PersonalDataRead(
            shard=borrower.shard,
            borrower_id=borrower.id,
            reader=reader,
            purpose=purpose,
            fields=fields,
            at=clock.now(),
        )
    )


def _mobile(phone: str) -> str:
    normal = policies.mobile(phone)
    if normal is None:
        raise Invalid(
            f"{phone!r} is not a mainland mobile number.",
            field="phone",
            remedy="Give 11 digits, for example 13800138000.",
        )
    return normal


def _code_digest(challenge_id: UUID, code: str) -> bytes:
    return blind_index("one_time_code", f"{challenge_id}:{code.strip()}")


def _token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
