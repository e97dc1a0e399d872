"""One-time codes: bound to a phone, a purpose and a document, few guesses, soon gone, used once."""

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from tests.borrowers import code_on_phone, sign_in
from tests.worlds import World
from timelyrain.audit import queries as audit
from timelyrain.customers import errors, services
from timelyrain.customers.models import Borrower, OneTimeCode, Session
from timelyrain.runtime import clock, law
from timelyrain.runtime.problems import Invalid, NotFound, NotSignedIn, Unavailable


@pytest.fixture
def person(world: World) -> dict[str, str]:
    return world.person("random", uuid4().int % 10**9)


@pytest.fixture
def phone(person) -> str:
    return person["phone"]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def later(seconds: float) -> None:
    clock.SHIFTED.advance_to(clock.now() + timedelta(seconds=seconds))


def test_a_code_signs_in_once_and_the_same_request_again(world, phone):
    challenge = services.request_sign_in(phone)
    code, request = code_on_phone(world, phone), uuid4()
    first = services.sign_in(phone, challenge.id, code, request)
    again = services.sign_in(phone, challenge.id, code, request)  # as after a crash before the answer
    assert first.borrower_id == again.borrower_id
    with pytest.raises(errors.CodeSpent):
        services.sign_in(phone, challenge.id, code, uuid4())
    assert [act.body["why"] for act in audit.acts_of(challenge.id)] == ["CodeSpent"]


def test_wrong_guesses_are_counted_though_they_fail_and_end_the_code(world, phone):
    challenge = services.request_sign_in(phone)
    code = code_on_phone(world, phone)
    most = law.number("otp_max_attempts")
    for n in range(1, most + 1):
        with pytest.raises(errors.CodeWrong) as refused:
            services.sign_in(phone, challenge.id, wrong(code), uuid4())
        assert refused.value.extra["attempts_left"] == most - n
    with pytest.raises(errors.CodeSpent):
        services.sign_in(phone, challenge.id, code, uuid4())
    assert OneTimeCode.objects.get(pk=challenge.id).attempts == most
    assert len(audit.acts_of(challenge.id)) == most + 1


def test_guesses_at_the_same_time_are_all_counted(world, phone):
    challenge = services.request_sign_in(phone)
    code, barrier, outcomes = code_on_phone(world, phone), threading.Barrier(10), []

    def guess() -> None:
        barrier.wait()
        try:
            services.sign_in(phone, challenge.id, wrong(code), uuid4())
        except errors.CodeWrong:
            outcomes.append("wrong")
        except errors.CodeSpent:
            outcomes.append("spent")
        connection.close()

    run_at_once(guess, 10)
    assert outcomes.count("wrong") == law.number("otp_max_attempts") and len(outcomes) == 10


def test_a_code_cannot_be_used_inside_a_transaction_that_could_forget_the_guess(world, phone):
    challenge = services.request_sign_in(phone)
    with pytest.raises(RuntimeError), transaction.atomic():
        services.sign_in(phone, challenge.id, "000000", uuid4())


def test_an_expired_code_is_refused(world, phone):
    challenge = services.request_sign_in(phone)
    code = code_on_phone(world, phone)
    later(law.number("otp_ttl_seconds"))
    with pytest.raises(errors.CodeSpent, match="expired"):
        services.sign_in(phone, challenge.id, code, uuid4())


def test_a_code_is_good_for_its_own_phone_purpose_and_document_only(world, phone):
    other = world.person("random", uuid4().int % 10**9)["phone"]
    challenge = services.request_sign_in(phone)
    code = code_on_phone(world, phone)
    with pytest.raises((errors.CodeNotBound, NotFound)):  # NotFound when the other phone has another shard
        services.sign_in(other, challenge.id, code, uuid4())
    shard = challenge.shard
    for purpose, subject in (("sign", b"document"), ("sign_in", b"document"), ("sign", b"")):
        with pytest.raises(errors.CodeNotBound):
            services.use_code(shard, challenge.id, code, purpose, uuid4(), subject)
    signing = services.request_code(phone, "sign", "{code} {minutes}", b"this document")
    found = world.get(f"/sms/{phone}").json()["messages"][-1]["text"].split()[0]
    with pytest.raises(errors.CodeNotBound):
        services.sign_in(phone, signing.id, found, uuid4())
    services.sign_in(phone, challenge.id, code, uuid4())  # none of that used it up


def test_a_code_that_was_never_sent(phone):
    with pytest.raises(NotFound):
        services.sign_in(phone, uuid4(), "000000", uuid4())


def test_codes_per_hour_are_limited_also_at_once(world, phone):
    most, outcomes, barrier = law.number("otp_per_hour"), [], threading.Barrier(12)

    def ask() -> None:
        barrier.wait()
        try:
            services.request_sign_in(phone)
            outcomes.append("sent")
        except errors.TooManyCodes as problem:
            outcomes.append(problem.extra["retry_after"])
        connection.close()

    run_at_once(ask, 12)
    assert outcomes.count("sent") == most and outcomes.count(3600) == 12 - most
    assert len(world.get(f"/sms/{phone}").json()["messages"]) == most
    later(3601)
    services.request_sign_in(phone)


def test_two_first_sign_ins_make_one_borrower(world, phone):
    codes = []
    for _ in range(2):
        challenge = services.request_sign_in(phone)
        codes.append((challenge.id, code_on_phone(world, phone)))
    barrier, found = threading.Barrier(2), []

    def enter(challenge_id, code) -> None:
        barrier.wait()
        found.append(services.sign_in(phone, challenge_id, code, uuid4()).borrower_id)
        connection.close()

    threads = [threading.Thread(target=enter, args=pair) for pair in codes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and len(set(found)) == 1


def test_an_sms_that_cannot_be_sent_is_said(world, phone):
    world.fault("sms", "down", times=1)
    with pytest.raises(Unavailable):
        services.request_sign_in(phone)


@pytest.mark.parametrize("bad", ["", "12345", "phone", "1380013800\0", "99999999999", "1" * 5000])
def test_what_is_no_mobile_number(platform, bad):
    with pytest.raises(Invalid):
        services.request_sign_in(bad)


def test_sessions_end(world, person):
    borrower, token = sign_in(world, person)
    assert services.borrower_of(token).id == borrower.id
    for forged in (
        "",
        ".",
        token + "x",
        token[:-1],
        f"99{token}",
        "9" * 5000 + ".x",
        "٣." + token[2:],
        "x.y",
    ):
        with pytest.raises(NotSignedIn):
            services.borrower_of(forged)
    services.sign_out(token)
    with pytest.raises(NotSignedIn):
        services.borrower_of(token)
    _, token = sign_in(world, person)
    later(law.number("session_ttl_seconds"))
    with pytest.raises(NotSignedIn):
        services.borrower_of(token)


def test_no_code_token_or_phone_stands_in_the_tables(world, phone):
    challenge = services.request_sign_in(phone)
    code = code_on_phone(world, phone)
    token = services.sign_in(phone, challenge.id, code, uuid4()).token
    row = OneTimeCode.objects.get(pk=challenge.id)
    assert code.encode() not in bytes(row.digest)
    borrower = services.borrower_of(token)
    session = Session.objects.get(borrower=borrower)
    secret = token.partition(".")[2]
    for stored in (*Session.objects.filter(pk=session.pk).values_list()[0], *vars(borrower).values()):
        assert secret not in str(stored) and phone not in str(stored)
    assert Borrower.objects.filter(phone_index=phone.encode()).count() == 0


def run_at_once(work: Callable[[], None], count: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
