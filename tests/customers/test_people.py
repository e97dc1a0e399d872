"""Personal data: kept only with consent, sealed, and every read of it written down."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.db import connection

from tests.borrowers import apply, register, sign_in
from timelyrain.customers import errors, queries, services
from timelyrain.customers.models import Borrower, Consent, PersonalDataRead
from timelyrain.runtime import clock, crypto
from timelyrain.runtime.problems import NotFound

ACCOUNT = ("account_data", "lender")


@pytest.fixture
def newcomer(world):
    person = world.person("good", uuid4().int % 10**9)
    borrower, _ = sign_in(world, person)
    return person, borrower


def text_of(borrower: Borrower, purpose: str, recipient: str) -> str:
    return next(
        s.sha256 for s in queries.consent_states(borrower) if (s.purpose, s.recipient) == (purpose, recipient)
    )


def save(borrower: Borrower, person: dict[str, str], **other: object) -> None:
    values = {
        "name": person["name"],
        "id_number": person["id_number"],
        "id_valid_until": date.fromisoformat(person["id_valid_until"]),
        "bank_card": person["bank_card"],
    }
    services.save_profile(borrower, **(values | other))


def test_sensitive_data_without_the_separate_consent_is_not_kept(newcomer):
    person, borrower = newcomer
    with pytest.raises(errors.ConsentMissing):
        save(borrower, person)
    borrower.refresh_from_db()
    assert borrower.name_sealed is None and borrower.bank_card_sealed is None
    services.grant_consents(borrower, [text_of(borrower, *ACCOUNT)], "test")
    save(borrower, person)
    profile = queries.masked_profile(borrower)
    assert profile.complete and profile.name == person["name"][0] + "*" * (len(person["name"]) - 1)
    for shown, clear in ((profile.id_number, person["id_number"]), (profile.bank_card, person["bank_card"])):
        assert shown is not None and clear not in shown and shown.endswith(clear[-4:])


def test_everything_wrong_with_the_details_is_said_at_once(newcomer):
    person, borrower = newcomer
    services.grant_consents(borrower, [text_of(borrower, *ACCOUNT)], "test")
    with pytest.raises(errors.ProfileInvalid) as refused:
        services.save_profile(borrower, "x", "123", clock.today() - timedelta(days=1), "1234")
    assert set(refused.value.extra["fields"]) == {"name", "id_number", "id_valid_until", "bank_card"}
    borrower.refresh_from_db()
    assert borrower.profiled_at is None
    flipped = person["bank_card"][:-1] + str((int(person["bank_card"][-1]) + 1) % 10)
    with pytest.raises(errors.ProfileInvalid) as refused:
        save(borrower, person, bank_card=flipped)
    assert set(refused.value.extra["fields"]) == {"bank_card"}


def test_one_identity_has_one_account(world, newcomer):
    person, borrower = newcomer
    services.grant_consents(borrower, [text_of(borrower, *ACCOUNT)], "test")
    save(borrower, person)
    other_person = world.person("good", uuid4().int % 10**9)
    other, _ = sign_in(world, other_person)
    services.grant_consents(other, [text_of(other, *ACCOUNT)], "test")
    with pytest.raises(errors.IdentityTaken):
        save(other, person)
    with pytest.raises(errors.IdentityTaken):  # nor does an account change into another person
        save(borrower, other_person)
    save(borrower, person, bank_card=other_person["bank_card"])  # a new card is fine


def test_no_clear_text_stands_in_any_table(world):
    """Every column of every table, as text and as bytes, is searched for what the person told us."""
    who = register(world)
    apply(who)
    secrets = [who.person[k] for k in ("phone", "name", "id_number", "bank_card")]
    patterns = [f"%{secret}%" for secret in secrets]
    hexed = [f"%{secret.encode().hex()}%" for secret in secrets]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        assert "sources_sourceread" in tables and "runtime_saga" in tables
        for table in tables:
            cursor.execute(
                f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE ANY (%s)', [patterns + hexed]
            )
            assert cursor.fetchone()[0] == 0, f"clear personal data in {table}"
        cursor.execute("SELECT count(*) FROM customers_borrower WHERE phone_sealed IS NOT NULL")
        assert cursor.fetchone()[0] > 0


def test_a_sealed_value_opens_in_its_own_place_only(world):
    one, other = register(world).borrower, register(world).borrower
    sealed = bytes(one.name_sealed)
    with pytest.raises(crypto.Undecipherable):
        crypto.decrypt(sealed, f"customers_borrower.name:{other.id}")
    with pytest.raises(crypto.Undecipherable):
        crypto.decrypt(sealed, f"customers_borrower.bank_card:{one.id}")
    for broken in (sealed[:-1], sealed[:20], sealed[:1], b"", b"\2" + sealed[1:], sealed[:-1] + b"\0"):
        with pytest.raises(crypto.Undecipherable):
            crypto.decrypt(broken, f"customers_borrower.name:{one.id}")


def test_every_clear_read_is_written_down(world):
    who = register(world)
    b = who.borrower
    before = PersonalDataRead.objects.filter(borrower=b).count()
    person = services.read_person(b.shard, b.id, reader="tester", purpose="curiosity")
    assert (person.name, person.phone) == (who.person["name"], who.person["phone"])
    read = PersonalDataRead.objects.filter(borrower=b).latest("id")
    assert (read.reader, read.purpose) == ("tester", "curiosity") and "bank_card" in read.fields
    apply(who)
    readers = PersonalDataRead.objects.filter(borrower=b).values_list("reader", flat=True)
    assert len(readers) == before + 2 and "sources" in readers


def test_consents_are_given_all_or_none_and_only_to_present_wordings(newcomer):
    _, borrower = newcomer
    texts = [state.sha256 for state in queries.consent_states(borrower)]
    with pytest.raises(errors.ConsentTextChanged):
        services.grant_consents(borrower, [*texts, "0" * 64], "test")
    assert not any(state.granted for state in queries.consent_states(borrower))
    services.grant_consents(borrower, texts, "test")
    assert all(state.granted for state in queries.consent_states(borrower))


def test_withdrawing_takes_effect_and_a_new_consent_revives(newcomer):
    _, borrower = newcomer
    text = text_of(borrower, *ACCOUNT)
    services.grant_consents(borrower, [text], "test")
    services.require_consent(borrower.shard, borrower.id, *ACCOUNT)
    services.withdraw_consent(borrower, *ACCOUNT, "test")
    with pytest.raises(errors.ConsentMissing):
        services.require_consent(borrower.shard, borrower.id, *ACCOUNT)
    with pytest.raises(NotFound):
        services.withdraw_consent(borrower, *ACCOUNT, "test")
    services.grant_consents(borrower, [text], "test")
    services.require_consent(borrower.shard, borrower.id, *ACCOUNT)


def test_consent_to_an_older_wording_is_not_consent_to_the_present_one_but_can_be_withdrawn(newcomer):
    _, borrower = newcomer
    Consent.objects.create(
        shard=borrower.shard,
        borrower=borrower,
        purpose=ACCOUNT[0],
        recipient=ACCOUNT[1],
        text_sha256="0" * 64,
        version="2020-01",
        granted=True,
        channel="test",
        at=clock.now(),
    )
    assert services.live_consent(borrower.shard, borrower.id, *ACCOUNT) is None
    assert not any(state.granted for state in queries.consent_states(borrower))
    services.withdraw_consent(borrower, *ACCOUNT, "test")


def test_nobody_elses_consent_counts(world, newcomer):
    _, borrower = newcomer
    other = register(world).borrower
    assert services.live_consents(borrower.shard, borrower.id) == {}
    assert services.live_consent(other.shard, other.id, *ACCOUNT)
