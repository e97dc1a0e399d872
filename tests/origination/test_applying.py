"""Applying: judged at once and completely, decided once, replayable, and nothing kept of what could not be decided."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from tests.borrowers import Applicant, apply, approved, register, sign_in
from tests.conftest import superuser_dsn
from timelyrain.api.app import encode
from timelyrain.audit import queries as audit
from timelyrain.customers import services as customers
from timelyrain.customers.errors import ConsentMissing, ProfileMissing
from timelyrain.origination import errors, pricing, queries, registry, services
from timelyrain.origination.models import Application, DecisionRecord, Offer, Review
from timelyrain.runtime import clock, crypto, law
from timelyrain.runtime.problems import Conflict, Invalid, NotFound


@pytest.fixture
def who(world) -> Applicant:
    return register(world)


def submit(who: Applicant, request_id: UUID | None = None, **other: object) -> UUID:
    values = {
        "product": "instant_consumer",
        "amount_fen": 1_000_000,
        "instalments": 12,
        "purpose": "shopping",
    }
    return services.submit_application(who.borrower, request_id or uuid4(), **(values | other))


def count(who: Applicant) -> int:
    return Application.objects.filter(borrower_id=who.borrower.id).count()


def test_everything_outside_the_product_is_said_at_once(who):
    with pytest.raises(errors.RequestOutsideProduct) as refused:
        submit(who, amount_fen=1_000_001, instalments=13, purpose="horses")
    assert set(refused.value.extra["fields"]) == {"amount_fen", "instalments", "purpose"}
    assert "1000001 fen" in str(refused.value)
    (act,) = audit.acts_of(who.borrower.id)[-1:]
    assert (act.act, act.body["why"]) == ("application_refused", "outside-product")
    assert count(who) == 0


@pytest.mark.parametrize("amount_fen", [0, -100, 90_000, 5_010_000, 10**18, 100_001])
def test_amounts_outside_the_product(who, amount_fen):
    with pytest.raises(errors.RequestOutsideProduct):
        submit(who, amount_fen=amount_fen)


def test_forbidden_purposes_and_unknown_products(who):
    for purpose in law.pack().product("instant_consumer").forbidden_purposes:
        with pytest.raises(errors.PurposeForbidden):
            submit(who, purpose=purpose.code)
    with pytest.raises(errors.RequestOutsideProduct):
        submit(who, product="gold")


def test_nothing_is_half_written_when_something_is_missing(world):
    person = world.person("good", uuid4().int % 10**8)
    borrower, token = sign_in(world, person)
    newcomer = Applicant(person, borrower, token)
    with pytest.raises(ConsentMissing):
        submit(newcomer)
    text = next(t for t in law.pack().consent_texts() if t.purpose == "account_data")
    customers.grant_consents(borrower, [text.sha256], "test")
    with pytest.raises(ProfileMissing):
        submit(newcomer)
    assert count(newcomer) == 0 and world.calls(target="bureau", id_number=person["id_number"]) == 0


def test_who_withdrew_the_consent_to_be_processed_is_not_processed(world, who):
    customers.withdraw_consent(who.borrower, "account_data", "lender", "test")
    with pytest.raises(ConsentMissing):
        submit(who)
    assert world.calls(target="registry", id_number=who.person["id_number"]) == 0


def test_a_day_has_a_limit_of_applications_also_at_once(who):
    outcomes: list[str] = []
    barrier = threading.Barrier(6)

    def send() -> None:
        barrier.wait()
        try:
            submit(who)
            outcomes.append("made")
        except errors.TooManyApplications:
            outcomes.append("too many")
        connection.close()

    at_once(send, 6)
    most = law.number("applications_per_day")
    assert outcomes.count("made") == most == count(who) and outcomes.count("too many") == 6 - most
    clock.SHIFTED.advance_to(clock.now() + timedelta(days=1, seconds=1))
    submit(who)


def test_the_same_request_at_once_is_decided_once(who):
    request, barrier, made = uuid4(), threading.Barrier(4), []

    def send() -> None:
        barrier.wait()
        made.append(submit(who, request))
        connection.close()

    at_once(send, 4)
    assert made == [request] * 4
    assert DecisionRecord.objects.filter(application_id=request).count() == 1
    assert Offer.objects.filter(application_id=request).count() <= 1
    assert len([a for a in audit.acts_of(request) if a.act == "application_decided"]) == 1


def test_what_is_told_at_once_is_what_is_read_later(who):
    """The answer is made from what is kept, not read again; and it is told in the transaction that keeps it."""
    told: list[queries.ApplicationView] = []
    request = (who.borrower, uuid4(), "instant_consumer", 1_000_000, 12, "shopping")
    view, said = services.apply(*request, tell=told.append)
    assert said is None and told == [view]
    kept = queries.application(who.borrower.shard, who.borrower.id, view.id)
    assert json.loads(encode(view)) == json.loads(
        encode(kept)
    )  # the order of a reason's fields is the database's
    again, _ = services.apply(*request, tell=told.append)
    assert again.decision_id == view.decision_id and len(told) == 1


def test_a_decision_whose_answer_cannot_be_kept_is_not_kept(who):
    def tell(view: queries.ApplicationView) -> None:
        raise RuntimeError("no answer")

    request = uuid4()
    with pytest.raises(RuntimeError, match="no answer"):
        services.apply(who.borrower, request, "instant_consumer", 1_000_000, 12, "shopping", tell=tell)
    assert not DecisionRecord.objects.filter(application_id=request).exists()
    assert [a.act for a in audit.acts_of(request)] == []
    assert submit(who, request) == request  # and is made when it is sent again


def test_an_interrupted_application_is_decided_when_it_is_sent_again(who):
    request = uuid4()
    Application.objects.create(
        shard=who.borrower.shard,
        id=request,
        borrower_id=who.borrower.id,
        product="instant_consumer",
        amount_fen=1_000_000,
        instalments=12,
        purpose="shopping",
        submitted_at=clock.now(),
    )
    assert submit(who, request) == request
    view = queries.application(who.borrower.shard, who.borrower.id, request)
    assert view.state != "gathering" and view.decision_id


def test_every_decision_has_reasons_and_replays_to_the_byte(world):
    outcomes = set()
    for profile in ("good", "thin", "overindebted", "gambler", "late"):
        view = apply(register(world, profile))
        outcomes.add(view.state)
        assert view.decision_id and (view.reasons or view.state == "approved")
        assert all(reason["zh"] and reason["en"] for reason in view.reasons)
        assert services.replay_decision(view.decision_id).equal
    assert len(outcomes) > 1


def test_an_offer_lies_within_product_and_law(world):
    _, view = approved(world)
    offer = view.offer
    assert offer and 100_000 <= offer.minimum_fen <= offer.limit_fen <= 5_000_000
    assert offer.limit_fen % 10_000 == 0 and offer.rate_ppm <= 240_000
    assert offer.cap_ppm == law.number("cost_cap_ppm")


@pytest.mark.parametrize(
    ("part", "change", "cause"),
    [
        ("evidence", lambda e: e["facts"].update(age=e["facts"]["age"] + 1), "data"),
        ("record", lambda r: r["outputs"].update(limit_fen=1), "engine"),
        ("record", lambda r: r.update(model="0" * 64), "model"),
        ("record", lambda r: r["definition"].update(sha256="0" * 64), "rule"),
    ],
)
def test_a_tampered_record_is_named(world, part, change, cause):
    _, view = approved(world)
    row = DecisionRecord.objects.get(id=view.decision_id)
    place = f"origination_decisionrecord.{part}:{row.id}"
    content = json.loads(registry.open_sealed(row, part))
    change(content)
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    with psycopg.connect(superuser_dsn()) as admin:
        admin.execute("ALTER TABLE origination_decisionrecord DISABLE TRIGGER append_only")
        admin.execute(
            f"UPDATE origination_decisionrecord SET {part}_sealed = %s WHERE id = %s".encode(),
            [crypto.encrypt(text.encode(), place), row.id],
        )
        admin.execute("ALTER TABLE origination_decisionrecord ENABLE TRIGGER append_only")
    replay = services.replay_decision(row.id)
    assert not replay.equal and replay.cause == cause and replay.differences


def test_a_decision_that_is_not_there():
    for ask in (services.replay_decision, queries.decision):
        with pytest.raises(NotFound):
            ask(uuid4())


def test_a_person_can_be_asked_for_once_at_a_time_and_answers_once(world):
    who = register(world, "gambler")
    b, view = who.borrower, apply(who)
    Review.objects.filter(application_id=view.id, answered_at=None).update(
        answered_at=clock.now(), answer="x"
    )
    for _ in range(2):
        services.request_review(b.shard, b.id, view.id, "please look")
    (review,) = Review.objects.filter(application_id=view.id, answered_at=None)
    with pytest.raises(Invalid):
        services.answer_review(review.id, "ann", "  ")
    services.answer_review(review.id, "ann", "I looked.")
    with pytest.raises(Conflict):
        services.answer_review(review.id, "bob", "Me too.")
    assert queries.application(b.shard, b.id, view.id).reviews[-1].answer == "I looked."
    with pytest.raises(NotFound):
        services.request_review(b.shard, uuid4(), view.id, "not mine")


def test_nobody_sees_anothers_application_or_offer(world):
    who, view = approved(world)
    other = register(world).borrower
    assert view.offer
    offer = view.offer.id
    for ask in (
        lambda: queries.application(who.borrower.shard, other.id, view.id),
        lambda: queries.live_offer(who.borrower.shard, other.id, offer),
    ):
        with pytest.raises(NotFound):
            ask()
    assert queries.applications(other.shard, other.id) == []


def test_a_list_costs_the_same_for_one_or_many(who, django_queries):
    b = who.borrower
    made = [apply(who).id]
    with django_queries() as one:
        queries.applications(b.shard, b.id)
    made += [apply(who).id for _ in range(2)]
    with django_queries() as many:
        views = queries.applications(b.shard, b.id)
    assert [view.id for view in views] == made[::-1]
    assert len(many) == len(one) == 5 and not any("sealed" in query["sql"] for query in many)
    assert views[0] == queries.application(b.shard, b.id, made[-1])


@given(
    st.integers(0, 2_000_000),
    st.sampled_from(
        [(1, "MONTHS", 12), (3, "MONTHS", 4), (1, "WEEKS", 53), (2, "WEEKS", 27), (10, "DAYS", 37)]
    ),
)
def test_the_highest_rate_is_the_highest_under_the_cap(cap_ppm, step):
    """n instalments a year, by the step of the product's plan: a shorter step compounds more often and allows less."""
    every, unit, n = step

    def compound(rate: int) -> bool:
        return (n * 1_000_000 + rate) ** n * 1_000_000 <= (1_000_000 + cap_ppm) * (n * 1_000_000) ** n

    rate = pricing.max_rate_ppm(cap_ppm, every, unit)
    assert compound(rate) and (rate == cap_ppm or not compound(rate + 1))


def at_once(work: Callable[[], None], n: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
