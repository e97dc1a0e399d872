"""Idempotency keys: the first answer for ever, to the same request only; crashes and races included."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection

from timelyrain.runtime import idempotency
from timelyrain.runtime.models import IdempotentRequest
from timelyrain.runtime.problems import Conflict, Invalid

pytestmark = pytest.mark.usefixtures("platform")


class Work:
    """Counts how often it is done, and remembers under which id."""

    def __init__(self) -> None:
        self.ids: list[UUID] = []

    def __call__(self, request_id: UUID) -> tuple[int, object]:
        self.ids.append(request_id)
        return 201, {"n": len(self.ids), "text": "及时雨"}


def test_a_repeat_gets_the_first_answer_and_does_nothing():
    work, key = Work(), str(uuid4())
    first = idempotency.once("ann", key, b"body", work)
    again = idempotency.once("ann", key, b"body", work)
    assert (first.status, first.body, first.repeated) == (201, {"n": 1, "text": "及时雨"}, False)
    assert (again.status, again.body, again.repeated) == (201, first.body, True)
    assert len(work.ids) == 1


def test_keys_belong_to_their_principal():
    work, key = Work(), str(uuid4())
    idempotency.once("ann", key, b"body", work)
    assert idempotency.once("bob", key, b"body", work).repeated is False
    assert len(set(work.ids)) == 2


def test_another_body_under_the_same_key_is_refused():
    work, key = Work(), str(uuid4())
    idempotency.once("ann", key, b"body", work)
    with pytest.raises(idempotency.KeyReused):
        idempotency.once("ann", key, b"other", work)
    assert len(work.ids) == 1


@pytest.mark.parametrize("key", ["", "short", "x" * 201, "with\nnewline", "nul\0character"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(Invalid):
        idempotency.once("ann", key, b"body", Work())


@pytest.mark.parametrize(
    "failure", [Conflict("no", remedy="none"), RuntimeError("broken"), KeyboardInterrupt()]
)
def test_a_refusal_is_not_remembered(failure):
    work, key = Work(), str(uuid4())

    def refused(request_id: UUID) -> tuple[int, object]:
        raise failure

    with pytest.raises(type(failure)):
        idempotency.once("ann", key, b"body", refused)
    assert idempotency.once("ann", key, b"body", work).repeated is False


def test_duplicates_at_the_same_time_do_the_work_once():
    key, barrier, work = str(uuid4()), threading.Barrier(8), Work()
    answers: list[object] = []

    def send() -> None:
        barrier.wait()
        try:
            answers.append(idempotency.once("ann", key, b"body", work).body)
        except idempotency.InProgress as problem:
            answers.append(problem.extra["retry_after"])
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(work.ids) == 1 and len(answers) == 8
    assert all(answer in ({"n": 1, "text": "及时雨"}, 1) for answer in answers)


def crash(key: str, body: bytes) -> UUID:
    """What a process leaves behind that died over a request."""

    class Died(BaseException):
        pass

    def die(request_id: UUID) -> tuple[int, object]:
        row = IdempotentRequest.objects.get(pk=request_id)
        row.pk = uuid4()
        left.append(row)
        raise Died

    left: list[IdempotentRequest] = []
    with pytest.raises(Died):
        idempotency.once("ann", key, body, die)
    from timelyrain.runtime.ids import derived_id

    left[0].pk = derived_id("request", "ann", key)
    left[0].save(force_insert=True)
    return left[0].pk


def test_after_a_crash_one_taker_goes_on_under_the_same_id():
    work, key = Work(), str(uuid4())
    request_id = crash(key, b"body")
    with pytest.raises(idempotency.InProgress):
        idempotency.once("ann", key, b"body", work)
    IdempotentRequest.objects.filter(pk=request_id).update(
        claimed_until=datetime.now(UTC) - timedelta(seconds=1)
    )
    assert idempotency.once("ann", key, b"body", work).repeated is False
    assert work.ids == [request_id]


def test_the_slow_first_and_its_successor_give_one_answer():
    """The first outlives its claim; whoever took over answers first, and both say the same from then on."""
    key, work = str(uuid4()), Work()

    def slow(request_id: UUID) -> tuple[int, object]:
        IdempotentRequest.objects.filter(pk=request_id).update(
            claimed_until=datetime.now(UTC) - timedelta(seconds=1)
        )
        assert idempotency.once("ann", key, b"body", work).body == {"n": 1, "text": "及时雨"}
        return 201, {"n": "late"}

    assert idempotency.once("ann", key, b"body", slow).body == {"n": 1, "text": "及时雨"}
    assert idempotency.once("ann", key, b"body", work).body == {"n": 1, "text": "及时雨"}


def test_a_failing_first_does_not_erase_its_successor():
    key, work = str(uuid4()), Work()

    def slow(request_id: UUID) -> tuple[int, object]:
        IdempotentRequest.objects.filter(pk=request_id).update(
            claimed_until=datetime.now(UTC) + timedelta(hours=1)
        )
        raise RuntimeError("too late")

    with pytest.raises(RuntimeError):
        idempotency.once("ann", key, b"body", slow)
    with pytest.raises(idempotency.InProgress):
        idempotency.once("ann", key, b"body", work)


def test_answers_are_sealed():
    """An answer may hold a session token: no clear text in the table."""
    key = str(uuid4())
    idempotency.once("ann", key, b"body", lambda request_id: (201, {"token": "very-secret-token"}))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM runtime_idempotentrequest r WHERE r::text LIKE '%secret%'")
        assert cursor.fetchone()[0] == 0
        cursor.execute(
            "SELECT count(*) FROM runtime_idempotentrequest WHERE answer_sealed LIKE '%%secret%%'::bytea"
        )
        assert cursor.fetchone()[0] == 0
