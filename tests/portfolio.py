"""Loans without the walk that leads to them: for tests that need many, or need them on a day of their own."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from random import Random
from uuid import UUID, uuid4

import psycopg
from django.db import transaction

from tests.conftest import superuser_dsn
from timelyrain.contract import Event, EventType, Terms, disclosed_charges
from timelyrain.finance import DayBasis, Method, Rounding
from timelyrain.ledger import services as ledger
from timelyrain.runtime import clock
from timelyrain.runtime.models import Saga, SagaStatus
from timelyrain.servicing import funding, services
from timelyrain.servicing.models import Loan


def terms(principal_fen: int = 1_200_000, instalments: int = 12, **changed: object) -> Terms:
    numbers: dict = {
        "annual_rate_ppm": 144_000,
        "method": Method.EQUAL_INSTALMENT,
        "day_basis": DayBasis.PER_INSTALMENT,
        "cap_ppm": 240_000,
        "penalty_ppm": 216_000,
        "grace_days": 3,
        "prepayment_fee_ppm": 0,
    }
    rounding = changed.pop("rounding", Rounding.DOWN)
    numbers |= changed
    return Terms(
        principal_fen=principal_fen,
        instalments=instalments,
        lender="tests",
        licence="consumer_finance",
        policy_pack="cn@tests",
        product="instant_consumer",
        charges=disclosed_charges("tests", **numbers),
        rounding=rounding,
        **numbers,
    )


def random_terms(dice: Random) -> Terms:
    method = dice.choice(list(Method))
    rate = dice.randrange(30_000, 90_000 if method is Method.FLAT else 180_000)
    return terms(
        dice.randrange(50_000, 5_000_000),
        dice.randrange(1, 13),
        annual_rate_ppm=rate,
        method=method,
        day_basis=dice.choice(list(DayBasis)),
        penalty_ppm=dice.choice([0, 216_000]),
        grace_days=dice.choice([0, 3]),
        rounding=dice.choice(list(Rounding)),
    )


@contextmanager
def on_day(on: date, hour: int = 1) -> Iterator[None]:
    """The clock stands on a business day."""
    with clock.using(clock.FixedClock(datetime.combine(on, time(hour), clock.BUSINESS_ZONE))):
        yield


def open_loan(shard: int, signed: Terms, on: date, *, disclosed: bool = True) -> Loan:
    """A loan paid out on a day, its borrower a bare row, its agreement only an id."""
    loan_id, borrower_id = uuid4(), uuid4()
    with psycopg.connect(superuser_dsn(), autocommit=True) as db:
        db.execute("SET session_replication_role = replica")  # the agreement is not there
        db.execute(
            "INSERT INTO customers_borrower (shard, id, phone_index, phone_sealed, registered_at)"
            " VALUES (%s, %s, %s, '', now())",
            [shard, borrower_id, borrower_id.bytes],
        )
        db.execute(
            "INSERT INTO servicing_loan (shard, id, borrower_id, agreement_id, terms_json, terms_sha256, opened_on, posted_on,"
            " status, outstanding_fen, dpd, bucket) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'PENDING', 0, 0, 'M0')",
            [shard, loan_id, borrower_id, uuid4(), json.dumps(signed.to_json()), signed.sha256(), on, on],
        )
    if disclosed:
        ledger.register_disclosure(shard, loan_id, b"\0" * 32, [(c.kind, c.formula) for c in signed.charges])
    loan = Loan.objects.get(shard=shard, id=loan_id)
    with transaction.atomic():
        funding.fix(shard, loan_id, signed.product, on)
    with on_day(on):
        happen(loan, EventType.DISBURSED, on, signed.principal_fen)
    return loan


def happen(
    loan: Loan, kind: EventType, on: date, amount_fen: int, id: UUID | None = None, **data: str | int
) -> UUID:
    """Book an event; the clock decides when."""
    event_id = id or uuid4()
    with transaction.atomic():
        services.append(loan, Event(str(event_id), kind, on, clock.now(), amount_fen, data))
    return event_id


def days(first: date, last: date) -> Iterator[date]:
    """From the first to the last, both included."""
    for n in range((last - first).days + 1):
        yield first + timedelta(days=n)


def forget_sagas(shard: int) -> None:
    """Leave no work behind for the workers of other tests."""
    Saga.objects.filter(shard=shard).update(status=SagaStatus.DEAD, claimed_by=None)
